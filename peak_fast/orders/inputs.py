"""What a run through the order book is made of, kept so that it can be repeated: prices, instructions, names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.data import Bars, time_of_day
from peak_fast.indicators import BlockRows, rows_of
from peak_fast.orders.memory import Asking, EngineSizing, Prices, Records
from peak_fast.orders.run import run_actions
from peak_fast.orders.table import calendar_of
from peak_fast.settings import Asset, OrderRules
from peak_fast.simulation import cells_of, compiled, numbers
from peak_fast.strategies import Block, OrderBlock, check_indices
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.slots import OWN_CELLS


@dataclass(frozen=True)
class Tables:
    """What the result tables need to name things."""

    time_us: IntArray
    assets: tuple[str, ...]
    tags: tuple[str, ...] | None
    """Names of the tags; None: the numbers that a block gave."""
    rows: IntArray | None
    """Row of the user's frame of each instruction; None: they are counted as a block gave them."""
    prices: Prices


@dataclass(frozen=True)
class Inputs:
    """Inputs of a run, kept so that it can be repeated under other rules."""

    bars: tuple[Bars, ...]
    prices: Prices
    actions: FloatArray
    asking: Asking | None
    rules: OrderRules
    assets: tuple[Asset, ...]
    initial_cash: float
    book_size: int
    tables: Tables
    sizing: EngineSizing | None = None
    notes: tuple[str, ...] = ()
    """What was reordered, passed over or understood on the way in."""

    def repeat(self, rules: OrderRules) -> Records:
        """Run under these rules."""
        return run_actions(
            self.prices,
            self.actions,
            asking=self.asking,
            rules=rules,
            assets=self.assets,
            initial_cash=self.initial_cash,
            book_size=self.book_size,
            sizing=self.sizing,
        )


def asking_of(
    block: OrderBlock | Block,
    values: Mapping[str, Any],
    time_us: IntArray,
    session_end: str | None = None,
    bars: Sequence[Bars] = (),
) -> Asking:
    """A block ready to be asked in a run of orders of some assets, whose bars these are.

    ``values`` are all its parameters by name.

    One that returns targets needs the engine's sizing (`EngineSizing`) in the run.

    Raises
    ------
    StrategyError
        It cannot be compiled, or a parameter is no number.
    """
    targets = isinstance(block, Block)
    # A target becomes three instructions.
    room, cells = (3, OWN_CELLS) if isinstance(block, Block) else (block.room, 0)
    row = numbers(block, {name: [value] for name, value in values.items()}, 1)[0]
    calendar = calendar_of(np.arange(time_us.size), time_us, time_of_day(session_end))
    check_indices(block, row.size, len(bars))
    memory = np.zeros(cells_of(block) + cells)
    asking = Asking(compiled(block, in_orders=targets), row, memory, calendar, room, block)
    if not block.rows:
        return asking
    (keys,) = BlockRows(block.rows, {name: [value] for name, value in values.items()}, 1).groups(0, 1)
    return asking._replace(rows=np.concatenate([rows_of(item, keys) for item in bars]))
