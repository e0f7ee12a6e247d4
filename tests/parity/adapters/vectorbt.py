"""vectorbt case -> `simulate_signals` or `simulate_sizes`.

Field by field: ``api`` chooses the function; settings keep their names (`SignalRules`); ``accumulate`` True is
``both`` and False ``off``; ``size_granularity`` null is 0; ``ohlc_given_for_stops`` is ``stops_use_range``;
``group_by`` counts only with ``cash_sharing``, else each asset has its own cash.  Values that vary per bar come
from ``inputs.parquet`` (entry, exit, short_entry, short_exit, size, exec_price, sl_stop, tp_stop, fees,
fixed_fees, slippage).  Fills are listed group by group, as in the case.
"""

import numpy as np

from peak_fast.signal_orders import SignalRules, simulate_signals, simulate_sizes
from peak_kernels import signal_fields as f
from tests.parity.cases import Case, Run, Unsupported, number

ACCUMULATE = {
    True: "both",
    False: "off",
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
    accumulate = config.get("accumulate", False)
    given["accumulate"] = ACCUMULATE[accumulate.lower() if isinstance(accumulate, str) else accumulate]
    given["stops_use_range"] = bool(config.get("ohlc_given_for_stops"))
    for name in ("min_size", "max_size", "size_granularity"):
        if config.get(name) is not None:
            given[name] = number(config[name])
    if given.get("call_seq") not in (None, "default", "reversed", "auto"):
        raise Unsupported(f"call_seq {config['call_seq']!r}")
    return SignalRules(**given)


def _input(case, column, name, default):
    """Per-bar input, else the constant of the configuration."""
    table = case.inputs(column)
    if table is not None:
        return table
    value = case.config.get(name)
    return (
        default
        if value is None or (isinstance(value, str | list) and column == "exec_price")
        else number(value)
    )


def run(case: Case) -> Run:
    config = case.config
    prices = case.prices()
    ohlc = [prices[name] for name in ("open", "high", "low", "close")]
    groups = None
    if config.get("cash_sharing"):
        groups = config.get("group_by")
        groups = True if groups is None else groups
    price = case.inputs("exec_price")
    common = {
        "price": price,
        "fees": _input(case, "fees", "fees", 0.0),
        "fixed_fees": _input(case, "fixed_fees", "fixed_fees", 0.0),
        "slippage": _input(case, "slippage", "slippage", 0.0),
        "rules": _rules(config),
        "initial_cash": number(config["init_cash"]),
        "groups": groups,
    }
    if case.meta["api"] == "from_orders":
        result = simulate_sizes(ohlc, _input(case, "size", "size", np.inf), **common)
    elif case.meta["api"] == "from_signals":
        signals = {
            "entries": case.inputs("entry"),
            "exits": case.inputs("exit"),
            "short_entries": case.inputs("short_entry"),
            "short_exits": case.inputs("short_exit"),
        }
        result = simulate_signals(
            ohlc,
            **signals,
            size=_input(case, "size", "size", np.inf),
            stop_loss=_input(case, "sl_stop", "sl_stop", np.nan),
            take_profit=_input(case, "tp_stop", "tp_stop", np.nan),
            **common,
        )
    else:
        raise Unsupported(f"api {case.meta['api']!r}")
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
