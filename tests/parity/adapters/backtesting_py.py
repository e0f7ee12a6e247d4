"""backtesting.py case -> actions of the order kernel under `peak_fast.settings.presets.backtesting_py`.

Field by field: ``cash`` is the initial cash; ``commission`` a rate or ``[fixed, rate]``; ``spread``, ``margin``,
``trade_on_close``, ``hedging``, ``exclusive_orders`` and ``finalize_trades`` go to the preset as they are;
``fractional_unit`` u multiplies the prices by u, and sizes are counted in units of u: fills are converted back.
Prices of such a script may be written in either scale: the one that lies nearer to the close is taken.
Units are whole: ``Asset(lot=1)``.  A size below 1 is a fraction of the free margin; no size is the engine's
default, 1 - eps.  Actions of bar 0 never run (the engine's loop begins at bar 1).  The engine refuses an order whose
price does not lie between its stop-loss and its take-profit: such entries are left out.
"""

import sys

import numpy as np

from peak_fast.data.times import DAY_US
from peak_fast.orders.memory import Prices, blank_actions
from peak_fast.orders.run import run_actions
from peak_fast.settings.order_rules import Asset
from peak_fast.settings.presets import backtesting_py
from peak_kernels import order_slots as f
from tests.parity.cases import Case, Run, Unsupported

ALL_IN = 1.0 - sys.float_info.epsilon
PRICES = ("limit", "stop", "sl", "tp", "price")


def _size(entry):
    size = entry.get("size")
    return ALL_IN if size is None else abs(size)


def _given(value):
    """Prices that are null or 0 are not set, as in the engine."""
    return float(value) if value else np.nan


def _place(row, entry, tags):
    size = _size(entry)
    row[f.X_SIDE] = 1.0 if entry["op"] == "buy" else -1.0
    row[f.X_SIZE], row[f.X_UNIT] = size, f.MARGIN_FRACTION if size < 1.0 else f.UNITS
    row[f.X_LIMIT], row[f.X_STOP] = _given(entry.get("limit")), _given(entry.get("stop"))
    row[f.X_STOP_LOSS], row[f.X_TAKE_PROFIT] = _given(entry.get("sl")), _given(entry.get("tp"))
    has_limit, has_stop = not np.isnan(row[f.X_LIMIT]), not np.isnan(row[f.X_STOP])
    kinds = {
        (False, False): f.MARKET,
        (True, False): f.LIMIT,
        (False, True): f.STOP,
        (True, True): f.STOP_LIMIT,
    }
    row[f.X_KIND] = kinds[has_limit, has_stop]
    row[f.X_TAG] = tags.setdefault(str(entry.get("tag")), len(tags)) if entry.get("tag") is not None else -1.0


def _rescaled(entry, close, unit):
    """An entry with its prices in the scale of the bars times ``unit``."""
    given = [entry[name] for name in PRICES if entry.get(name)]
    if not given or abs(np.log(given[0] / (close * unit))) <= abs(np.log(given[0] / close)):
        return entry
    return {**entry, **{name: entry[name] * unit for name in PRICES if entry.get(name)}}


def _accepted(entry, close, spread):
    """Whether the engine takes an order: its entry price lies between its stop-loss and its take-profit."""
    if entry["op"] not in ("buy", "sell"):
        return True
    side = 1.0 if entry["op"] == "buy" else -1.0
    price = entry.get("limit") or entry.get("stop") or close * (1.0 + side * spread)
    below, above = (entry.get("sl"), entry.get("tp"))[:: int(side)]
    return (below or -np.inf) < price < (above or np.inf)


def _fill_action(row, entry, tags):
    """One script entry -> one action."""
    op = entry["op"]
    row[f.X_BAR] = entry["bar"]
    tag = entry.get("trade_tag", entry.get("tag"))
    if op in ("buy", "sell"):
        _place(row, entry, tags)
        return
    row[f.X_TAG] = tags.setdefault(str(tag), len(tags)) if tag is not None else -1.0
    if op == "cancel":
        # The engine's exits carry the tag of their trade: they are cancelled with it.
        row[f.X_OP], row[f.X_REDUCE] = f.OP_CANCEL, 1.0
    elif op in ("close_position", "close_trade"):
        row[f.X_OP], row[f.X_SIZE] = f.OP_CLOSE, entry.get("portion") or 1.0
    elif op in ("set_sl", "set_tp"):
        row[f.X_OP] = f.OP_EXITS
        # No price takes the exit away.
        row[f.X_STOP_LOSS if op == "set_sl" else f.X_TAKE_PROFIT] = entry.get("price") or 0.0
    elif op == "trail_all":
        row[f.X_OP] = f.OP_TRAIL_LOTS
        row[f.X_TRAIL], row[f.X_TRAIL_UNIT] = entry["pct"], f.FRACTION
    else:
        raise Unsupported(f"script operation {op!r}")


def run(case: Case) -> Run:
    config = case.config
    unit = case.number("fractional_unit", 1.0)
    prices = case.prices()
    commission = config.get("commission") or 0.0
    fixed, rate = commission if isinstance(commission, list) else (0.0, commission)
    spread = case.number("spread", 0.0)
    flags = ("trade_on_close", "hedging", "exclusive_orders", "finalize_trades")
    rules = backtesting_py(
        commission=rate,
        fixed_commission=fixed,
        spread=spread,
        margin=case.number("margin", 1.0),
        **{name: bool(config.get(name)) for name in flags},
    )
    close = prices["close"][0]
    script = [_rescaled(entry, close[entry["bar"]], unit) for entry in case.script()]
    script = [entry for entry in script if _accepted(entry, close[entry["bar"]] * unit, spread)]
    script.sort(key=lambda entry: entry["bar"])
    actions = blank_actions(len(script))
    tags: dict[str, int] = {}
    for row, entry in zip(actions, script, strict=True):
        _fill_action(row, entry, tags)
    market = Prices(
        *(prices[name] * unit for name in ("open", "high", "low", "close")),
        day=prices["time_us"] // DAY_US,
    )
    records = run_actions(
        market, actions, rules=rules, assets=[Asset(lot=1.0)], initial_cash=case.number("cash", 10_000.0)
    )
    fills = records.fills
    return Run(
        fills={
            "bar": fills[:, f.F_BAR].astype(int),
            "booked_bar": fills[:, f.F_BOOKED].astype(int),
            "asset": fills[:, f.F_ASSET].astype(int),
            "side": fills[:, f.F_SIDE].astype(int),
            "size": fills[:, f.F_SIZE] * unit,
            "price": fills[:, f.F_PRICE] / unit,
            "fee": fills[:, f.F_FEE],
        },
        equity=records.equity[None],
        cash=records.cash[None],
        position=records.position * unit,
    )
