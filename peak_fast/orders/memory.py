"""Memory of an order-level run: what the kernel reads, laid out by its slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from peak_fast.errors import DataError
from peak_fast.settings import Asset, OrderRules, rule_vector
from peak_fast.strategies import Block
from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray

_NO_FLOATS = np.empty((0, 0))


class Prices(NamedTuple):
    """Prices of one or more assets on one calendar, ``[asset, bar]``; unused arrays are ``(0, 0)``."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray = _NO_FLOATS
    half_spread: FloatArray = _NO_FLOATS
    funding: FloatArray = _NO_FLOATS
    day: IntArray = np.empty(0, dtype=np.int64)
    detail: FloatArray = _NO_FLOATS
    detail_start: IntArray = np.empty(0, dtype=np.int64)
    rate: FloatArray = _NO_FLOATS
    """Account money for one unit of each asset's quote currency; a row of NaN: one over the asset's price."""
    signed: bool = False
    """Whether there are prices at or below zero."""


class EngineSizing(NamedTuple):
    """What a run of the engine's decisions needs besides `OrderRules`."""

    settings: FloatArray
    """The engine's flat settings (`peak_kernels.slots`)."""
    trail: float
    """Distance of the trailing exit of every lot; 0: none."""
    trail_unit: int
    entry_limit: float = np.nan
    """Of a block that returns targets: fraction that its entries are better than the close; NaN: market orders."""
    entry_bars: float = np.nan
    """Bars that they are valid; NaN: until the next target."""


class Records(NamedTuple):
    """What a run leaves behind: record arrays cut to their length, curves, final state."""

    book: FloatArray
    fills: FloatArray
    trades: FloatArray
    lots: FloatArray
    log: FloatArray
    charges: FloatArray
    """Movements of cash that belong to no lot (``H_...``)."""
    equity: FloatArray
    cash: FloatArray
    position: FloatArray
    state: FloatArray


class Asking(NamedTuple):
    """A block to be asked at every close, and what it is called with."""

    function: Any
    params: FloatArray
    memory: FloatArray
    """Written by the block; zero at the start of a run."""
    calendar: FloatArray
    """``[3 or 4, bar]`` (`peak_kernels.order_slots`, ``C_``)."""
    room: int
    """Instructions that one call can give."""
    block: Any = None
    """What the function was compiled from."""
    rows: FloatArray = np.empty((0, 0))
    """``[row, bar]``: indicators that it reads behind the bars."""


def as_column(name: str, value: Any, shape: tuple[int, int]) -> FloatArray:
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
    rate: FloatArray,
    actions: int,
    sizes: tuple[int, int, int, int],
    *,
    asking: Asking | None = None,
    sized: bool = False,
) -> FloatArray:
    """Fresh memory of a run, in which the caller puts ``actions`` instructions.

    ``sizes``: orders, other records, live orders at once, bars; ``asking``: a block that is asked;
    ``sized``: with the engine's state (`put_sizing`).
    """
    orders, records, book, bars = sizes
    room = 0 if asking is None else asking.room
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
    memory[f.G_AIMS] = float(asking is not None and isinstance(asking.block, Block))
    if sized:
        at = int(memory[f.G_STATE_AT])
        memory[at : at + t.N_STATE] = 0.0
        memory[f.G_TRADE_AT] = memory[f.S_TRADES_AT]
    return memory


def put_sizing(memory: FloatArray, sizing: EngineSizing) -> None:
    """Write the engine's settings into memory that was laid out for them."""
    at = int(memory[f.G_STATE_AT])
    memory[at : at + t.N_SETTINGS] = sizing.settings
    memory[f.G_TRAIL], memory[f.G_TRAIL_UNIT] = sizing.trail, sizing.trail_unit
    memory[f.G_ENTRY_LIMIT], memory[f.G_ENTRY_BARS] = sizing.entry_limit, sizing.entry_bars


def _put_assets(memory: FloatArray, assets: Sequence[Asset], rate: FloatArray) -> None:
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


def blank_actions(count: int) -> FloatArray:
    """``[count, N_ACTION]`` with every field at its default: GTC market orders of no size."""
    actions = np.zeros((count, f.N_ACTION))
    nan_columns = (f.X_LIMIT, f.X_STOP, f.X_TRAIL, f.X_STOP_LOSS, f.X_TAKE_PROFIT)
    actions[:, nan_columns] = np.nan
    actions[:, (f.X_PARENT, f.X_OCO, f.X_TAG, f.X_ORDER)] = -1.0
    actions[:, f.X_VALID] = np.inf
    return actions
