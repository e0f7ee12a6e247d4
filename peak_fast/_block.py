"""Compiled blocks: from a user's function and parameters to a call of the kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast._strategy import Block, OrderBlock
from peak_fast.data import Bars
from peak_fast.errors import StrategyError

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class BlockCall:
    """One configuration of a block, ready for the kernel."""

    function: Any
    seen: FloatArray
    params: FloatArray
    memory: FloatArray


def prepare(block: Block, bars: Bars, values: Mapping[str, Any]) -> BlockCall:
    """Compile the block if that has not happened, and lay out what it reads.

    Raises
    ------
    StrategyError
        The function cannot be compiled, or a parameter is no number.
    """
    return BlockCall(compiled(block), _seen(bars), numbers(block, values), np.zeros(max(block.memory, 1)))


def compiled(block: Block | OrderBlock) -> Any:
    """Machine code of the block, made once.

    Raises
    ------
    StrategyError
        The function cannot be compiled.
    """
    if "function" not in block.compiled:
        from numba.core.errors import NumbaError

        from peak_kernels.block import compile_block, compile_order_block

        compiler = compile_block if isinstance(block, Block) else compile_order_block
        try:
            block.compiled["function"] = compiler(block.function)
        except NumbaError as error:
            raise StrategyError(
                f"the block {block.name!r} cannot be compiled; expected a function of numbers and arrays: "
                f"{str(error).splitlines()[-1] or error}"
            ) from error
    return block.compiled["function"]


def _seen(bars: Bars) -> FloatArray:
    """float64[6, n_bars]: open, high, low, close, last known close, volume (NaN where unknown)."""
    from peak_fast._run import price_table

    table = np.empty((6, len(bars)))
    table[:5] = price_table(bars)
    table[5] = math.nan if bars.volume is None else bars.volume
    return table


def numbers(block: Block | OrderBlock, values: Mapping[str, Any]) -> FloatArray:
    """Parameters in the order of the schema (of the given dict where there is none).

    Raises
    ------
    StrategyError
        A parameter is no number.
    """
    names = [item.name for item in block.schema] or list(values)
    row = np.empty(len(names))
    for place, item in enumerate(names):
        value = values[item]
        choices = next((p.choices for p in block.schema if p.name == item and p.choices), None)
        if isinstance(value, str) and choices:
            value = choices.index(value)
        try:
            row[place] = float(value)
        except (TypeError, ValueError):
            raise StrategyError(
                f"block {block.name!r}: parameter {item!r} must be a number; got {value!r}"
            ) from None
    return row


def run_block(
    call: BlockCall,
    prices: FloatArray,
    calendar: Any,
    settings: FloatArray,
    scratch: tuple[FloatArray, FloatArray, FloatArray],
    out: FloatArray,
) -> None:
    """One configuration: ``scratch = (state, records, curve)``, ``out`` one row of metrics."""
    from peak_kernels.block import block_runner

    state, records, curve = scratch
    rooms = (state, call.memory, np.zeros(5))
    block_runner()(
        call.function, prices, call.seen, calendar, settings, call.params, rooms, records, curve, out
    )
