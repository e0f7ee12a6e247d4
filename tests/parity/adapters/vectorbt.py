"""vectorbt case -> `simulate_signals` or `simulate_sizes`.

Field by field: ``api`` chooses the function; settings keep their names (`SignalRules`); ``accumulate`` True is
``both`` and False ``off``; ``size_granularity`` null is 0; ``ohlc_given_for_stops`` is ``stops_use_range``;
``group_by`` counts only with ``cash_sharing``, else each asset has its own cash.  Values that vary per bar come
from ``inputs.parquet`` (entry, exit, short_entry, short_exit, size, exec_price, sl_stop, tp_stop, fees,
fixed_fees, slippage); an infinite exec_price is the close, a negative one what came before.  ``direction`` of
signals says what entry and exit mean where they have no short signals beside them.  Fills are listed group by
group, as in the case.
"""

import numpy as np

from peak_fast.settings.signal_rules import SignalRules
from peak_fast.signals.simulate import simulate_signals, simulate_sizes
from peak_kernels import signal_slots as f
from tests.parity.cases import Case, Run, Unsupported

ACCUMULATE = {
    "none": "off",
    "false": "off",
    "disabled": "off",
    "true": "both",
    "both": "both",
    "addonly": "addonly",
    "removeonly": "removeonly",
}
SAME_NAME = (
    "size_type", "direction", "upon_long_conflict", "upon_short_conflict", "upon_dir_conflict",
    "upon_opposite_entry", "upon_stop_exit", "upon_stop_update", "stop_entry_price", "stop_exit_price",
    "sl_trail", "lock_cash", "allow_partial", "call_seq", "update_value", "ffill_val_price",
)  # fmt: skip


def _rules(config):
    given = {name: config[name] for name in SAME_NAME if config.get(name) is not None}
    given = {name: value.lower() if isinstance(value, str) else value for name, value in given.items()}
    given["accumulate"] = ACCUMULATE[str(config.get("accumulate")).lower()]
    given["stops_use_range"] = bool(config.get("ohlc_given_for_stops"))
    for name in ("min_size", "max_size", "size_granularity"):
        if config.get(name) is not None and not np.isnan(float(config[name])):
            given[name] = float(config[name])
    if given.get("call_seq") not in (None, "default", "reversed", "auto"):
        raise Unsupported(f"call_seq {config['call_seq']!r}")
    return SignalRules(**given)


def _input(case, name, default):
    """Per-bar input, else the constant of the configuration."""
    table = case.inputs(name)
    if table is not None:
        return table
    return case.number(name, default)


def _price(case, prices, api):
    """Order prices, with what the engine puts in the place of infinite ones; None: the closes."""
    price = case.inputs("exec_price")
    if price is None:
        return None
    before = np.roll(prices["close"], 1, axis=1)
    before[:, 0] = np.nan
    if api == "from_signals" and case.config.get("ohlc_given_for_stops"):
        before = np.where(np.isnan(prices["open"]), before, prices["open"])
    return np.where(np.isposinf(price), prices["close"], np.where(np.isneginf(price), before, price))


def _signals(case):
    """Long and short signals; a direction other than long reads entries and exits without short ones anew."""
    entry, leave, short_entry, short_exit = map(case.inputs, ("entry", "exit", "short_entry", "short_exit"))
    direction = str(case.config.get("direction") or "longonly").lower()
    if short_entry is None and short_exit is None and direction == "shortonly":
        entry, leave, short_entry, short_exit = None, None, entry, leave
    elif short_entry is None and short_exit is None and direction == "both":
        leave, short_entry = None, leave
    # Entries that nothing ends are held there.
    leave = False if leave is None else leave
    short_exit = False if short_exit is None else short_exit
    return {"entries": entry, "exits": leave, "short_entries": short_entry, "short_exits": short_exit}


def run(case: Case) -> Run:
    config, api = case.config, case.meta.get("api")
    if api not in ("from_orders", "from_signals"):
        raise Unsupported(f"api {api!r}")
    prices = case.prices()
    ohlc = [prices[name] for name in ("open", "high", "low", "close")]
    groups = None
    if config.get("cash_sharing"):
        groups = config.get("group_by")
        groups = True if groups is None else groups
    common = {
        "price": _price(case, prices, api),
        "fees": _input(case, "fees", 0.0),
        "fixed_fees": _input(case, "fixed_fees", 0.0),
        "slippage": _input(case, "slippage", 0.0),
        "rules": _rules(config),
        "initial_cash": np.asarray(config.get("init_cash", 100.0), dtype=float),
        "groups": groups,
    }
    if api == "from_orders":
        result = simulate_sizes(ohlc, _input(case, "size", np.inf), **common)
    else:
        result = simulate_signals(
            ohlc,
            **_signals(case),
            size=_input(case, "size", np.inf),
            stop_loss=_input(case, "sl_stop", np.nan),
            take_profit=_input(case, "tp_stop", np.nan),
            **common,
        )
    events = result.events[result.events[:, f.V_STATUS] == f.FILLED]
    group = result.groups[events[:, f.V_ASSET].astype(int)]
    events = events[np.lexsort((np.arange(len(events)), events[:, f.V_BAR], group))]
    return Run(
        fills={
            "bar": events[:, f.V_BAR].astype(int),
            "booked_bar": events[:, f.V_BAR].astype(int),
            "asset": events[:, f.V_ASSET].astype(int),
            "side": events[:, f.V_SIDE].astype(int),
            "size": events[:, f.V_SIZE],
            "price": events[:, f.V_PRICE],
            "fee": events[:, f.V_FEE],
        },
        equity=result.equity,
        cash=result.cash,
        position=result.position,
    )
