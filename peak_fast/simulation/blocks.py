"""Compiled blocks: from a user's function and parameters to a call of the kernel."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from peak_fast.data import Bars
from peak_fast.errors import StrategyError
from peak_fast.indicators import BlockRows, rows_of
from peak_fast.simulation.tables import price_table
from peak_fast.strategies import (
    Block,
    OrderBlock,
    PanelBlock,
    check_indices,
    compile_error,
    is_debug,
    is_outside,
    outside_error,
)
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class BlockCall:
    """Configurations of a block, ready for the kernel.

    Attributes
    ----------
    block
        What is called.
    ask
        Its machine code (`peak_kernels.fast.block.compile_block`).
    seen
        float64[6, n_bars]: what the block reads of the bars.
    params
        float64[configurations, parameters].
    memory
        The block's own cells.
    bars, rows
        What the indicators behind the bars are computed from, and which each configuration reads; None: they are
        there, or it reads none.
    first
        Number of the first configuration among those of ``rows``.
    """

    block: Block
    ask: Any
    seen: FloatArray
    params: FloatArray
    memory: FloatArray
    bars: Bars
    rows: BlockRows | None = None
    first: int = 0

    def part(self, first: int, last: int) -> BlockCall:
        """Configurations ``[first, last)``, with memory of their own."""
        return replace(
            self, params=self.params[first:last], memory=np.zeros_like(self.memory), first=self.first + first
        )

    def by_rows(self) -> Iterator[tuple[list[int], BlockCall]]:
        """Calls whose configurations read the same indicators, which are computed now, and their places here."""
        assert self.rows is not None
        for keys, places in self.rows.groups(self.first, self.first + len(self.params)).items():
            seen = np.concatenate((self.seen, rows_of(self.bars, keys)))
            yield places, replace(self, seen=seen, params=self.params[places], rows=None)


def prepare(block: Block, bars: Bars, values: Mapping[str, Any]) -> BlockCall:
    """Compile the block if that has not happened, and lay out what it reads.

    Raises
    ------
    StrategyError
        The function cannot be compiled, or a parameter is no number.
    """
    return prepare_many(block, bars, {name: [value] for name, value in values.items()}, 1)


def prepare_many(block: Block, bars: Bars, columns: Mapping[str, Any], count: int) -> BlockCall:
    """`prepare` for ``count`` configurations, whose parameters are columns."""
    params = numbers(block, columns, count)
    check_indices(block, params.shape[1])
    rows = BlockRows(block.rows, columns, count) if block.rows else None
    return BlockCall(block, compiled(block), _seen(bars), params, np.zeros(cells_of(block)), bars, rows)


def cells_of(block: Block | OrderBlock | PanelBlock) -> int:
    """Cells of the memory that a block is called with: its own, and where it is checked the bar behind them."""
    if not is_debug(block):
        return max(block.memory, 1)
    from peak_kernels.compiling import NOTED

    return block.memory + NOTED


def compiled(block: Block | OrderBlock, *, in_orders: bool = False) -> Any:
    """Machine code of the block, made once; ``in_orders``: of one that returns targets, for a run of orders.

    Raises
    ------
    StrategyError
        The function cannot be compiled.
    """
    checked = is_debug(block)
    key = ("in_orders" if in_orders else "function") + " checked" * checked
    if key not in block.compiled and not checked:
        from peak_kernels.compiling import load_guest

        kind = ("target" if in_orders else "block") if isinstance(block, Block) else "orders"
        kept = load_guest(kind, block.function)
        if kept is not None:
            block.compiled[key] = kept
    if key not in block.compiled:
        from peak_kernels.fast import compile_block
        from peak_kernels.orders import compile_order_block, compile_target_block

        compiler = compile_block if isinstance(block, Block) else compile_order_block
        try:
            block.compiled[key] = (compile_target_block if in_orders else compiler)(
                block.function, checked=checked
            )
        except Exception as error:  # numba has no common class for what it cannot compile
            raise compile_error(block, error) from error
    return block.compiled[key]


def _seen(bars: Bars) -> FloatArray:
    """float64[6, n_bars]: open, high, low, close, last known close, volume (NaN where unknown)."""
    table = np.empty((6, len(bars)))
    table[:5] = price_table(bars)[:5]
    table[5] = math.nan if bars.volume is None else bars.volume
    return table


def numbers(block: Block | OrderBlock | PanelBlock, columns: Mapping[str, Any], count: int) -> FloatArray:
    """float64[count, parameters] in the order of the schema (of the given columns where there is none).

    Raises
    ------
    StrategyError
        A parameter is no number.
    """
    choices = {item.name: item.choices for item in block.schema if item.choices}
    names = [item.name for item in block.schema] or list(columns)
    table = np.empty((count, len(names)))
    for place, name in enumerate(names):
        column = np.asarray(columns[name])
        if column.dtype.kind in "biuf":
            table[:, place] = column
            continue
        known: dict[Any, float] = {}
        for number, value in enumerate(column.tolist()):
            if value not in known:
                known[value] = _number(block, name, value, choices.get(name))
            table[number, place] = known[value]
    return table


def _number(
    block: Block | OrderBlock | PanelBlock, name: str, value: Any, choices: Sequence[Any] | None
) -> float:
    """A parameter as the block reads it: a number, or the position of a text among the choices."""
    if isinstance(value, str) and choices and value in choices:
        return float(choices.index(value))
    try:
        return float(value)
    except (TypeError, ValueError):
        raise StrategyError(
            f"block {block.name!r}: parameter {name!r} must be a number; got {value!r}"
        ) from None


def run_block(
    call: BlockCall,
    prices: FloatArray,
    calendar: Any,
    settings: FloatArray,
    scratch: tuple[FloatArray, FloatArray, FloatArray],
    out: FloatArray,
    cuts: tuple[Any, ...] | None = None,
    financing: tuple[FloatArray, ...] | None = None,
) -> None:
    """All configurations of a call: ``settings`` one row each or one for all, ``out`` one row of metrics each.

    ``scratch = (state, records, curve)``; ``cuts``: memory of sums by block (`entries.block_memory`); ``financing``:
    arrays of `payments.Payments`.
    """
    from peak_kernels.order_entries import run_block as run_kernel

    if call.rows is not None:
        for places, part in call.by_rows():
            own, found = settings if len(settings) == 1 else settings[places], out[places]
            run_block(part, prices, calendar, own, scratch, found, cuts, financing)
            out[places] = found
        return
    state, records, curve = scratch
    rooms = (state, call.memory, np.zeros(t.VIEW_SIZE))
    if len(out) > 1 and is_debug(call.block):
        # One by one, so that the one that fails is known.
        for c in range(len(out)):
            own = settings if len(settings) == 1 else settings[c : c + 1]
            one = call.part(c, c + 1)
            run_block(one, prices, calendar, own, scratch, out[c : c + 1], cuts, financing)
        return
    try:
        tables = prices, call.seen, calendar
        given = settings, call.params, rooms, (records, curve), out, cuts, financing
        run_kernel(call.ask.address, tables, *given)
    except IndexError as error:
        if not is_outside(call.block, error):
            raise
        account = rooms[2][: t.VIEW_SEEN]
        raise outside_error(call.block, error, call.seen, call.params[0], call.memory, account) from error
    wrong, bar = rooms[2][[t.VIEW_WRONG, t.VIEW_WRONG_BAR]]
    if bar > 0.0:
        raise no_target(call.block, wrong, int(bar) - 1)


def no_target(block: Block, wrong: float, bar: int) -> StrategyError:
    """The error for a block whose answer at a bar is no target, in the words for targets and signal functions."""
    if math.isinf(wrong):
        return StrategyError(f"block {block.name!r}: expected finite targets; got {wrong} at bar {bar}")
    return StrategyError(
        f"block {block.name!r}: expected -1 (short), 0 (flat) or 1 (long); got {wrong} at bar {bar}; "
        "for fractions of equity pass weights=True"
    )
