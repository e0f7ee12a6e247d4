"""Sweeps through the order book: tiles of configurations in the order kernel, each thread with a memory of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.engine import check_block_settings
from peak_fast.errors import DataError
from peak_fast.indicators import BlockRows, rows_of
from peak_fast.orders import (
    Asking,
    _asset,
    asking_of,
    block_rules,
    book_prices,
    book_rules,
    flags_of,
    market_of,
    memory_of,
    refuse_no_target,
    stopped_outside,
    with_years,
)
from peak_fast.settings import VolatilityTarget, check_book
from peak_fast.simulation import numbers
from peak_fast.strategies import Block, OrderBlock
from peak_fast.sweep.run.batch import SMALLEST_TILE_BARS, Batch, Report
from peak_fast.sweep.run.book_settings import BookTable
from peak_fast.sweep.run.functions import check_columns
from peak_fast.sweep.run.settings import SettingsTable
from peak_fast.sweep.run.threads import cut_spread
from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.order_entries import Asked, nothing_asked, run_order_batch

# A bar through the book takes some ten times as long as on the fast path.
_TILE_BARS = 500_000
_NO_PLANE = np.empty((1, 0))
_NO_RULES = np.empty((0, t.RULE_SIZE), np.int64)


class BookRoom:
    """Working memory of one thread.

    Parameters
    ----------
    batch
        What it is for.
    count
        Decisions (of a block: orders) that there is room for.
    """

    def __init__(self, batch: BookBatch, count: int) -> None:
        bars = len(batch.bars)
        self.batch = batch
        self.bar_of, self.target_of = np.empty(bars, np.int64), np.empty(bars)
        self.state = np.empty(t.N_STATE)
        self.curves = np.empty((2, bars)), np.empty((1, bars))
        self.results = np.empty((batch.tile, batch.width))
        self.block = batch.block_room()
        self._count = 0
        self.grow(count)

    def grow(self, count: int = 0) -> None:
        """Lay out a larger memory: four times as large, or for ``count``."""
        self._count = count or 4 * self._count
        self.memory = self.batch.memory(self._count)
        self.image = self.memory[: int(self.memory[f.S_ACTIONS_AT])].copy()


class BookBatch(Batch):
    """A `Batch` of an engine with an order book; see there."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        shared = self.shared.through_book()
        self._asks = isinstance(self.strategy, Block | OrderBlock)
        self._sized = not isinstance(self.strategy, OrderBlock)
        self._asking: Asking | None = None
        self._compiled = Block | OrderBlock
        book = shared.order_book
        assert book is not None
        self._book = book
        given = shared.execution, shared.costs
        if self._sized:
            self._rules = book_rules(book, *given, shared.stops, shared.risk_limits)
        else:
            check_block_settings(shared)
            self._rules = block_rules(book, *given, shared.risk_limits)
        self._asset = _asset(book, shared.vector(self.bars, sized=False))
        notes: list[str] = []
        prices = book_prices(book, self.bars, self._rules, notes)
        self.notes.update(dict.fromkeys(notes))
        self._flags = flags_of(prices, (self._asset,))
        self._rate, self._market = prices.rate, market_of(prices)

    def settings(self, columns: Mapping[str, Any]) -> BookTable:
        """The engine's settings and rules, with what the columns vary."""
        item = self.strategy
        weights = getattr(item, "weights", False) or getattr(item, "returns", "") == "weights"
        base = self.shared.vector(self.bars, weights=weights, sized=self._sized, varied=columns)
        if "entry_limit" in columns:
            check_book((self.bars,), self._rules, (self._asset,), "varied in the grid")
        sizing = type(self.shared.sizing).__name__
        return BookTable(base, columns, sizing, self._book, self._rules, self._flags)

    @property
    def tile(self) -> int:
        """Most configurations that are run at a time."""
        return int(min(max(_TILE_BARS // len(self.bars), 1), 1024))

    def memory(self, count: int) -> FloatArray:
        """Memory of a run with room for ``count`` decisions, or for as many orders of a block."""
        orders = count if self._asks else 6 * count + 64
        sizes = (orders, orders, self._book.book_size, len(self.bars))
        return memory_of(
            self._rules,
            (self._asset,),
            self._rate,
            0 if self._asks else 3 * count,
            sizes,
            asking=self._asking,
            sized=self._sized,
        )

    def block_room(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """A thread's arrays for a block: bars that it sees, its own cells, the view of the account."""
        if self._asking is None:
            return np.empty((0, 0)), np.empty(0), np.empty(0)
        cells = np.empty_like(self._asking.memory)
        return np.empty((f.N_SEEN + 2 * len(self.strategy.rows), len(self.bars))), cells, np.empty(f.N_VIEW)

    def _scratch(self) -> Any:
        kept: BookRoom | None = getattr(self._local, "scratch", None)
        if kept is None:
            # Memory that is not touched costs nothing, but it should not be out of all proportion either.
            count = len(self.bars)
            count = count // 4 + 1024 if self._asks else min(count, count // 16 + 256)
            kept = self._local.scratch = BookRoom(self, count)
        return kept

    def _kernel(
        self,
        calendar: Any,
        plane: FloatArray,
        stride: int,
        rules: Any,
        settings: FloatArray,
        room: Any,
        out: FloatArray,
    ) -> None:
        decides = plane.reshape(1, -1), stride, rules
        self._batch(calendar, decides, settings, room, nothing_asked(), out)

    def _batch(
        self,
        calendar: Any,
        decides: tuple[FloatArray, int, Any],
        settings: FloatArray,
        room: BookRoom,
        asked: Asked,
        out: FloatArray,
    ) -> None:
        """Run configurations of rules or of a block, again with more memory where it was too small."""
        plane, stride, rules = decides
        ask, seen, params, cells, view, days = asked
        first = 0
        while first < len(out):
            done, why = run_order_batch(
                room.memory,
                self._market,
                room.curves,
                (ask, seen, params[first:] if self._asks else params, cells, view, days),
                (self._prices, plane, settings if len(settings) == 1 else settings[first:]),
                calendar,
                (stride, rules[first:]),
                (room.image, room.state),
                (room.bar_of, room.target_of),
                out[first:],
                self.blocks,
            )
            first += done
            if why == f.BATCH_ROOM:
                room.grow()
            elif why == f.BATCH_TARGET:
                refuse_no_target(self.strategy, room.memory)
            elif why == f.BATCH_EARLY:
                raise DataError(
                    "order_book: a configuration decides on an entry at a limit before the first close; expected "
                    "prices from its first decision on"
                )

    def _run_blocks(
        self, params: Mapping[str, Any], settings: SettingsTable, out: FloatArray, done: Report | None
    ) -> None:
        """A compiled block: tiles of configurations on threads."""
        columns = check_columns(self.strategy, params)
        table = numbers(self.strategy, columns, len(out))
        if self._asking is None:
            first = {name: column[0] for name, column in columns.items()}
            asking = asking_of(self.strategy, first, self.bars.opens_us, self._book.session_end, (self.bars,))
            estimated = self._sized and isinstance(self.shared.sizing, VolatilityTarget)
            self._asking = with_years(asking, self.bars, estimated)
        asking, calendar = self._asking, self._calendar(settings)
        rows = BlockRows(self.strategy.rows, columns, len(out)) if self.strategy.rows else None

        def ask(params: FloatArray, own: FloatArray, room: BookRoom, found: FloatArray) -> None:
            seen, cells, view = room.block
            asked = asking.function.address, seen, params, cells, view, asking.calendar
            try:
                self._batch(calendar, (_NO_PLANE, 0, _NO_RULES), own, room, asked, found)
            except IndexError as error:
                mine = asking._replace(memory=cells, params=params[0])
                raise stopped_outside(mine, error, seen, view) from None

        def work(tile: tuple[int, int]) -> None:
            room = self._scratch()
            found = room.results[: tile[1] - tile[0]]
            params, own = table[slice(*tile)], settings.rows(*tile)
            if rows is None:
                ask(params, own, room, found)
            else:
                for keys, places in rows.groups(*tile).items():
                    room.block[0][-len(keys) :] = rows_of(self.bars, keys)
                    part = found[places]
                    ask(params[places], own if len(own) == 1 else own[places], room, part)
                    found[places] = part
            self._keep(found, slice(*tile), out, done)

        smallest = SMALLEST_TILE_BARS // len(self.bars)
        self.team.share(work, cut_spread(len(out), self.tile, smallest, self.team.threads))
