"""Arrays in, arrays out: allocate the order kernel's records, run it, enlarge them when they were too small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.orders.memory import (
    Asking,
    EngineSizing,
    Prices,
    Records,
    flags_of,
    market_of,
    memory_of,
    put_sizing,
)
from peak_fast.settings import Asset, OrderRules
from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.order_entries import Asked, nothing_asked, run_orders


def run_actions(
    prices: Prices,
    actions: FloatArray,
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
        ``[action, N_ACTION]``, sorted by bar (`peak_kernels.order_slots`).
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
        sizes = orders, records, book_size, bars
        memory = memory_of(
            rules, assets, prices.rate, len(work), sizes, asking=asking, sized=sizing is not None
        )
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
            run_orders(memory, market, curves, asked)
        except IndexError as error:
            raise error if asking is None else stopped_outside(asking, error, asked[1], asked[4]) from None
        if asking is not None:
            refuse_no_target(asking.block, memory)
        if memory[f.S_OVERFLOW] == 0.0:
            return _records(memory, curves)
        orders, records = 2 * orders, 4 * records


def refuse_no_target(block: Any, memory: FloatArray) -> None:
    """Refuse a run in which a block gave an answer that is no target.

    Raises
    ------
    StrategyError
        It did.
    """
    if memory[f.G_WRONG_BAR] > 0.0:
        from peak_fast.simulation import no_target

        raise no_target(block, float(memory[f.G_WRONG]), int(memory[f.G_WRONG_BAR]) - 1)


def stopped_outside(asking: Asking, error: IndexError, seen: FloatArray, view: FloatArray) -> Exception:
    """The error for a block that has left its arrays in a run with bounds checks; any other error as it is."""
    from peak_fast.strategies import Block, is_outside, outside_error

    if not is_outside(asking.block, error):
        return error
    account = view
    if isinstance(asking.block, Block):
        own = asking.memory.size - t.OWN_CELLS
        account = asking.memory[own : own + t.VIEW_SEEN]
    return outside_error(asking.block, error, seen, asking.params, asking.memory, account)


def _asked(asking: Asking | None, assets: int, bars: int) -> Asked:
    """The kernel's arguments about a block."""
    if asking is None:
        return nothing_asked()
    asking.memory[:] = 0.0
    # The indicators twice: as the block sees them, and behind that what the kernel shows it bar by bar.
    seen = np.full((assets * f.N_SEEN + 2 * len(asking.rows), bars), np.nan)
    if len(asking.rows):
        seen[-len(asking.rows) :] = asking.rows
    view = np.zeros(assets * f.N_VIEW)
    return asking.function.address, seen, asking.params.reshape(1, -1), asking.memory, view, asking.calendar


def _records(memory: FloatArray, curves: tuple[FloatArray, FloatArray, FloatArray]) -> Records:
    """Cut the records out of the memory and turn references (positions of rows) into row numbers."""

    def table(at: int, stop: int, width: int) -> FloatArray:
        return memory[int(memory[at]) : int(memory[stop])].reshape(-1, width)

    def number(column: FloatArray, at: int, width: int) -> None:
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
