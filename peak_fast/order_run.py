"""Arrays in, arrays out: allocate the order kernel's records, run it, enlarge them when they were too small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from peak_fast.errors import ConfigError, DataError
from peak_fast.order_rules import Asset, OrderRules
from peak_fast.order_slots import rule_vector
from peak_kernels import orders_fields as f
from peak_kernels import types as t
from peak_kernels.orders import nothing_asked, order_runner
from peak_kernels.orders_targets import OWN_CELLS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_NO_FLOATS = np.empty((0, 0))


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
    detail: Floats = _NO_FLOATS
    detail_start: Ints = np.empty(0, dtype=np.int64)
    rate: Floats = _NO_FLOATS
    """Account money for one unit of each asset's quote currency; a row of NaN: one over the asset's price."""
    signed: bool = False
    """Whether there are prices at or below zero."""


class EngineSizing(NamedTuple):
    """What a run of the engine's decisions needs besides `OrderRules`."""

    settings: Floats
    """The engine's flat settings (`peak_kernels.types`)."""
    trail: float
    """Distance of the trailing exit of every lot; 0: none."""
    trail_unit: int
    entry_limit: float = np.nan
    """Of a block that returns targets: fraction that its entries are better than the close; NaN: market orders."""
    entry_bars: float = np.nan
    """Bars that they are valid; NaN: until the next target."""


class Records(NamedTuple):
    """What a run leaves behind: record arrays cut to their length, curves, final state."""

    book: Floats
    fills: Floats
    trades: Floats
    lots: Floats
    log: Floats
    charges: Floats
    """Movements of cash that belong to no lot (``H_...``)."""
    equity: Floats
    cash: Floats
    position: Floats
    state: Floats


class Asking(NamedTuple):
    """A block to be asked at every close, and what it is called with."""

    function: Any
    params: Floats
    memory: Floats
    """Written by the block; zero at the start of a run."""
    calendar: Floats
    """``[3 or 4, bar]`` (`peak_kernels.orders_fields`, ``C_``)."""
    room: int
    """Instructions that one call can give."""
    block: Any = None
    """What the function was compiled from."""
    rows: Floats = np.empty((0, 0))
    """``[row, bar]``: indicators that it reads behind the bars."""


def as_column(name: str, value: Any, shape: tuple[int, int]) -> Floats:
    """A constant, ``[bar]`` or ``[asset, bar]`` column; None is an unused one."""
    if value is None:
        return np.empty((0, 0))
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} must be numbers, got {value!r}") from None
    if np.isinf(array).any() or (name == "half_spread" and (array < 0.0).any()):
        raise DataError(f"{name} must be finite{' and not negative' if name == 'half_spread' else ''}")
    try:
        return np.array(np.broadcast_to(array, shape))
    except ValueError:
        raise DataError(
            f"{name} has the shape {array.shape}, expected a number, ({shape[1]},) or {shape}"
        ) from None


def market_of(prices: Prices) -> f.Market:
    """The kernel's market: contiguous, read-only arrays, so that there is one compiled signature."""

    def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        view = np.ascontiguousarray(array).view()
        view.flags.writeable = False
        return view

    return f.Market(*(frozen(getattr(prices, name)) for name in f.Market._fields))


class _Sections:
    """Lays out the sections of the kernel's memory one behind the other."""

    def __init__(self) -> None:
        self.end = f.N_FIXED
        self.slots: dict[int, float] = {}

    def add(self, at: int, length: int, *, stop: int = -1, free: int = -1) -> None:
        """Reserve ``length`` slots and note where they begin, end and are free."""
        self.slots[at] = float(self.end)
        if free >= 0:
            self.slots[free] = float(self.end)
        self.end += length
        if stop >= 0:
            self.slots[stop] = float(self.end)


def memory_of(
    rules: OrderRules,
    assets: Sequence[Asset],
    rate: Floats,
    actions: int,
    sizes: tuple[int, int, int, int],
    *,
    room: int = 0,
    sized: bool = False,
) -> Floats:
    """Fresh memory of a run, in which the caller puts ``actions`` instructions.

    ``sizes``: orders, other records, live orders at once, bars; ``room``: instructions that a block can give at a time;
    ``sized``: with the engine's state (`put_sizing`).
    """
    orders, records, book, bars = sizes
    sections = _Sections()
    sections.add(f.S_ASSETS_AT, len(assets) * f.N_ASSET, stop=f.S_ASSETS_END)
    sections.add(f.S_ACTIONS_AT, actions * f.N_ACTION, stop=f.S_ACTIONS_END)
    sections.add(f.S_ROOM_END, room * f.N_ACTION, stop=f.S_ROOM_END)
    placed = 2 * orders if room else actions
    sections.add(f.S_PLACED_AT, placed, stop=f.S_PLACED_END)
    sections.add(f.S_QUEUE_AT, book, stop=f.S_QUEUE_END)
    sections.add(f.S_SCRATCH_AT, book)
    sections.add(f.S_LISTED_AT, orders)
    sections.add(f.S_LOTS_AT, orders * f.N_LOT, free=f.S_LOTS_NEXT, stop=f.S_LOTS_END)
    sections.add(f.S_BOOK_AT, orders * f.N_ORDER, free=f.S_BOOK_NEXT, stop=f.S_BOOK_END)
    sections.add(f.S_FILLS_AT, records * f.N_FILL, free=f.S_FILLS_NEXT, stop=f.S_FILLS_END)
    sections.add(f.S_TRADES_AT, records * f.N_TRADE, free=f.S_TRADES_NEXT, stop=f.S_TRADES_END)
    # One of each kind in a bar at most; what is not touched costs nothing.
    sections.add(f.S_CHARGES_AT, (bars + 1) * f.N_CHARGE, free=f.S_CHARGES_NEXT, stop=f.S_CHARGES_END)
    sections.add(f.S_LOG_AT, 3 * records * f.N_EVENT, free=f.S_LOG_NEXT, stop=f.S_LOG_END)
    if sized:
        sections.add(f.G_STATE_AT, t.N_STATE)
    memory = np.empty(sections.end)
    memory[: f.N_FIXED] = 0.0
    memory[: f.N_RULE] = rule_vector(rules)
    for slot, value in sections.slots.items():
        memory[slot] = value
    _put_assets(memory, assets, rate)
    memory[int(memory[f.S_PLACED_AT]) : int(memory[f.S_PLACED_END])] = -1.0
    for seen, first in (
        (f.S_SEEN_FILLS, f.S_FILLS_AT),
        (f.S_SEEN_TRADES, f.S_TRADES_AT),
        (f.S_SEEN_LOG, f.S_LOG_AT),
    ):
        memory[seen] = memory[first]
    memory[f.S_TIERS] = len(rules.fee_tiers)
    tiers = np.array(rules.fee_tiers, dtype=np.float64).ravel()
    memory[f.TIERS_AT : f.TIERS_AT + tiers.size] = tiers
    memory[f.S_WAKE_BAR] = np.inf
    memory[f.S_DAY] = -1.0
    if sized:
        at = int(memory[f.G_STATE_AT])
        memory[at : at + t.N_STATE] = 0.0
        memory[f.G_TRADE_AT] = memory[f.S_TRADES_AT]
    return memory


def put_sizing(memory: Floats, sizing: EngineSizing) -> None:
    """Write the engine's settings into memory that was laid out for them."""
    at = int(memory[f.G_STATE_AT])
    memory[at : at + t.N_SETTINGS] = sizing.settings
    memory[f.G_TRAIL], memory[f.G_TRAIL_UNIT] = sizing.trail, sizing.trail_unit
    memory[f.G_ENTRY_LIMIT], memory[f.G_ENTRY_BARS] = sizing.entry_limit, sizing.entry_bars


def _put_assets(memory: Floats, assets: Sequence[Asset], rate: Floats) -> None:
    at, end = int(memory[f.S_ASSETS_AT]), int(memory[f.S_ASSETS_END])
    table = memory[at:end].reshape(-1, f.N_ASSET)
    table[:] = 0.0
    for row, asset in zip(table, assets, strict=True):
        row[f.A_MULTIPLIER], row[f.A_MARGIN], row[f.A_TICK] = asset.multiplier, asset.margin, asset.tick
        row[f.A_LOT], row[f.A_MIN_SIZE] = asset.lot, asset.min_size
        row[f.A_WAKE_LOW], row[f.A_WAKE_HIGH] = -np.inf, np.inf
        row[f.A_RATE] = 1.0
    if rate.size:
        table[:, f.A_RATE] = rate[:, 0]
        table[:, f.A_CURRENCY] = np.where(np.isnan(rate[:, 0]), f.BY_PRICE, f.BY_RATE)


def flags_of(prices: Prices, assets: Sequence[Asset]) -> tuple[bool, bool, bool]:
    """What market data alone make the kernel do: look at every bar, walk through the prices inside of each, and take
    prices at or below zero for prices.
    """
    futures = any(asset.margin > 0.0 for asset in assets)
    carries = futures or prices.funding.size > 0 or prices.rate.size > 0
    return carries, prices.detail_start.size > 0, prices.signed


def run_actions(
    prices: Prices,
    actions: Floats,
    *,
    rules: OrderRules,
    assets: Sequence[Asset],
    initial_cash: float,
    book_size: int = 4096,
    asking: Asking | None = None,
    sizing: EngineSizing | None = None,
) -> Records:
    """Run actions, or a block that makes them, through the order kernel.

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
    asking
        The block; there are no other actions then.
    sizing
        Sizing of orders whose unit is ``BY_RULES``.

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
    market = market_of(prices)
    work = np.ascontiguousarray(actions, dtype=np.float64).reshape(-1, f.N_ACTION)
    # A block says only in the run how many orders it makes; memory that is not touched costs nothing.
    orders = 2 * len(work) + 64 if asking is None else bars // 4 + 1024
    records = orders
    while True:
        sizes, room = (orders, records, book_size, bars), asking.room if asking else 0
        memory = memory_of(rules, assets, prices.rate, len(work), sizes, room=room, sized=sizing is not None)
        at = int(memory[f.S_ACTIONS_AT])
        memory[at : at + work.size] = work.ravel()
        for slot in (f.S_CASH, f.S_BALANCE, f.S_LAST_EQUITY, f.G_PEAK):
            memory[slot] = float(initial_cash)
        if sizing is not None:
            put_sizing(memory, sizing)
        carries, walks, signed = flags_of(prices, assets)
        memory[f.R_CARRY], memory[f.R_SIGNED] = float(carries), float(signed)
        memory[f.R_INTRABAR] = float(rules.path != "queue" or walks)
        curves = np.empty(bars), np.empty(bars), np.empty((count, bars))
        asked = _asked(asking, count, bars)
        try:
            order_runner()(memory, market, curves, *asked)
        except IndexError as error:
            raise error if asking is None else stopped_outside(asking, error, asked[1], asked[2][2]) from None
        if memory[f.S_OVERFLOW] == 0.0:
            return _records(memory, curves)
        orders, records = 2 * orders, 4 * records


def stopped_outside(asking: Asking, error: IndexError, seen: Floats, view: Floats) -> Exception:
    """The error for a block that has left its arrays in a run with bounds checks; any other error as it is."""
    from peak_fast._block_checks import is_outside, outside_error
    from peak_fast._strategy import Block

    if not is_outside(asking.block, error):
        return error
    account = view
    if isinstance(asking.block, Block):
        own = asking.memory.size - OWN_CELLS
        account = asking.memory[own : own + t.VIEW_SEEN]
    return outside_error(asking.block, error, seen, asking.params, asking.memory, account)


def _asked(asking: Asking | None, assets: int, bars: int) -> tuple[Any, ...]:
    """The kernel's arguments about a block: function, table of bars, ``(params, memory, view)``, calendar."""
    if asking is None:
        empty = np.empty(0)
        return nothing_asked(), _NO_FLOATS, (empty, empty, empty), _NO_FLOATS
    asking.memory[:] = 0.0
    # The indicators twice: as the block sees them, and behind that what the kernel shows it bar by bar.
    seen = np.full((assets * f.N_SEEN + 2 * len(asking.rows), bars), np.nan)
    if len(asking.rows):
        seen[-len(asking.rows) :] = asking.rows
    rooms = (asking.params, asking.memory, np.zeros(assets * f.N_VIEW))
    return asking.function, seen, rooms, asking.calendar


def _records(memory: Floats, curves: tuple[Floats, Floats, Floats]) -> Records:
    """Cut the records out of the memory and turn references (positions of rows) into row numbers."""

    def table(at: int, stop: int, width: int) -> Floats:
        return memory[int(memory[at]) : int(memory[stop])].reshape(-1, width)

    def number(column: Floats, at: int, width: int) -> None:
        known = column >= 0.0
        column[known] = (column[known] - memory[at]) / width

    book = table(f.S_BOOK_AT, f.S_BOOK_NEXT, f.N_ORDER)
    fills = table(f.S_FILLS_AT, f.S_FILLS_NEXT, f.N_FILL)
    trades = table(f.S_TRADES_AT, f.S_TRADES_NEXT, f.N_TRADE)
    lots = table(f.S_LOTS_AT, f.S_LOTS_NEXT, f.N_LOT)
    log = table(f.S_LOG_AT, f.S_LOG_NEXT, f.N_EVENT)
    charges = table(f.S_CHARGES_AT, f.S_CHARGES_NEXT, f.N_CHARGE)
    orders = (
        (book, f.O_PARENT),
        (fills, f.F_ORDER),
        (trades, f.T_ORDER),
        (lots, f.L_ORDER),
        (lots, f.L_STOP_ORDER),
        (lots, f.L_TARGET_ORDER),
        (log, f.E_ORDER),
    )
    for records, column in orders:
        number(records[:, column], f.S_BOOK_AT, f.N_ORDER)
    for records, column in ((book, f.O_LOT), (fills, f.F_LOT), (trades, f.T_LOT)):
        number(records[:, column], f.S_LOTS_AT, f.N_LOT)
    assets = ((book, f.O_ASSET), (fills, f.F_ASSET), (trades, f.T_ASSET), (lots, f.L_ASSET))
    for records, column in assets:
        number(records[:, column], f.S_ASSETS_AT, f.N_ASSET)
    return Records(book, fills, trades, lots, log, charges, *curves, memory[: f.N_FIXED].copy())


def blank_actions(count: int) -> Floats:
    """``[count, N_ACTION]`` with every field at its default: GTC market orders of no size."""
    actions = np.zeros((count, f.N_ACTION))
    nan_columns = (f.X_LIMIT, f.X_STOP, f.X_TRAIL, f.X_STOP_LOSS, f.X_TAKE_PROFIT)
    actions[:, nan_columns] = np.nan
    actions[:, (f.X_PARENT, f.X_OCO, f.X_TAG, f.X_ORDER)] = -1.0
    actions[:, f.X_VALID] = np.inf
    return actions
