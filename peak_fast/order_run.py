"""Arrays in, arrays out: allocate the order kernel's records, run it, enlarge them when they were too small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from peak_kernels import orders_fields as f
from peak_kernels.orders import simulate_orders as simulate_kernel

from peak_fast.errors import ConfigError
from peak_fast.order_rules import Asset, OrderRules

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_NO_FLOATS = np.empty((0, 0))
_NO_INTS = np.empty((0, 0), dtype=np.int64)
_MICROSECONDS_PER_DAY = 86_400_000_000


class Prices(NamedTuple):
    """Prices of one or more assets on one calendar, ``[asset, bar]``; unused arrays are ``(0, 0)``."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats = _NO_FLOATS
    half_spread: Floats = _NO_FLOATS
    funding: Floats = _NO_FLOATS
    day: Ints = np.empty(0, dtype=np.int64)
    auction: Ints = _NO_INTS
    detail: Floats = _NO_FLOATS
    detail_start: Ints = np.empty(0, dtype=np.int64)


class Records(NamedTuple):
    """What a run leaves behind: record arrays cut to their length, curves, final state."""

    book: Floats
    fills: Floats
    trades: Floats
    lots: Floats
    log: Floats
    equity: Floats
    cash: Floats
    position: Floats
    state: Floats
    action_order: Ints


def calendar_day(time_us: Ints) -> Ints:
    """Number of the calendar day (UTC) of each time stamp."""
    return np.asarray(time_us // _MICROSECONDS_PER_DAY, dtype=np.int64)


def _market(prices: Prices) -> f.Market:
    """The kernel's market: contiguous, read-only arrays, so that there is one compiled signature."""
    arrays = []
    for array in prices:
        view = np.ascontiguousarray(array).view()
        view.flags.writeable = False
        arrays.append(view)
    return f.Market(*arrays)


def _sim(rules: OrderRules, assets: Sequence[Asset], cash: float, sizes: tuple[int, int], book: int) -> f.Sim:
    """Fresh records: ``sizes`` are the numbers of orders and of other records."""
    orders, records = sizes
    state = np.zeros(f.N_STATE)
    state[f.S_CASH] = cash
    state[f.S_WAKE_BAR] = np.inf
    state[f.S_DAY] = -1.0
    state[f.S_LAST_EQUITY] = cash
    table = np.zeros((len(assets), f.N_ASSET))
    for row, asset in zip(table, assets, strict=True):
        row[f.A_MULTIPLIER], row[f.A_MARGIN], row[f.A_TICK] = asset.multiplier, asset.margin, asset.tick
        row[f.A_LOT], row[f.A_MIN_SIZE] = asset.lot, asset.min_size
        row[f.A_WAKE_LOW], row[f.A_WAKE_HIGH] = -np.inf, np.inf
        row[f.A_MARK] = np.nan
    return f.Sim(
        rules=rules.vector(),
        tiers=np.array(rules.fee_tiers, dtype=np.float64).reshape(-1, 2),
        state=state,
        assets=table,
        book=np.empty((orders, f.N_ORDER)),
        lots=np.empty((orders, f.N_LOT)),
        queue=np.empty(book, dtype=np.int64),
        scratch=np.empty(book, dtype=np.int64),
        open_lots=np.empty(orders, dtype=np.int64),
        fills=np.empty((records, f.N_FILL)),
        trades=np.empty((records, f.N_TRADE)),
        log=np.empty((4 * records, f.N_EVENT)),
    )


def run_actions(
    prices: Prices,
    actions: Floats,
    *,
    rules: OrderRules,
    assets: Sequence[Asset],
    initial_cash: float,
    book_size: int = 4096,
) -> Records:
    """Run actions through the order kernel.

    Parameters
    ----------
    prices
        Market data.
    actions
        ``[action, N_ACTION]``, sorted by bar (`peak_kernels.orders_fields`).
    rules, assets
        Settings; one asset for each row of the price arrays.
    initial_cash
        Cash before the first bar.
    book_size
        Largest number of orders that can be live at once.

    Raises
    ------
    ConfigError
        The numbers of assets differ, or the book has no room.
    """
    count, bars = prices.close.shape
    if len(assets) != count:
        raise ConfigError(f"expected {count} assets, one for each price row, got {len(assets)}")
    if book_size < 1:
        raise ConfigError(f"book_size must be >= 1, got {book_size}")
    market = _market(prices)
    orders, records = 4 * len(actions) + 64, 4 * len(actions) + 64
    while True:
        sim = _sim(rules, assets, float(initial_cash), (orders, records), book_size)
        every_bar = rules.every_bar or prices.funding.size > 0 or any(asset.margin > 0.0 for asset in assets)
        sim.state[f.S_CARRY] = float(every_bar)
        sim.rules[f.R_INTRABAR] = float(rules.path != "queue" or prices.detail_start.size > 0)
        if sim.rules[f.R_INTRABAR] and rules.path == "queue":
            sim.rules[f.R_PATH] = f.PATH_NEAREST
        work = np.array(actions, dtype=np.float64, order="C").reshape(-1, f.N_ACTION)
        equity, cash, position = np.empty(bars), np.empty(bars), np.empty((count, bars))
        simulate_kernel(sim, market, work, equity, cash, position)
        if sim.state[f.S_OVERFLOW] == 0.0:
            break
        orders, records = 2 * orders, 4 * records
    return _records(sim, work, equity, cash, position)


def _records(sim: f.Sim, work: Floats, equity: Floats, cash: Floats, position: Floats) -> Records:
    state = sim.state
    return Records(
        book=sim.book[: int(state[f.S_ORDERS])],
        fills=sim.fills[: int(state[f.S_FILLS])],
        trades=sim.trades[: int(state[f.S_TRADES])],
        lots=sim.lots[: int(state[f.S_LOTS])],
        log=sim.log[: int(state[f.S_LOG])],
        equity=equity,
        cash=cash,
        position=position,
        state=state,
        action_order=work[:, f.X_ORDER].astype(np.int64),
    )


def blank_actions(count: int) -> Floats:
    """``[count, N_ACTION]`` with every field at its default: GTC market orders of no size."""
    actions = np.zeros((count, f.N_ACTION))
    nan_columns = (f.X_LIMIT, f.X_STOP, f.X_TRAIL, f.X_STOP_LOSS, f.X_TAKE_PROFIT)
    actions[:, nan_columns] = np.nan
    actions[:, (f.X_PARENT, f.X_OCO, f.X_TAG, f.X_ORDER)] = -1.0
    actions[:, f.X_VALID] = np.inf
    return actions
