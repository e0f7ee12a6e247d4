"""Batches on a part of the bars that know what came before: indicators and functions have the bars behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from peak_fast import simulation as _simulation
from peak_fast.data import Bars
from peak_fast.indicators import Key, compute_group, stride_of
from peak_fast.simulation import Payments, payments_in, prepare_many, run_block
from peak_fast.strategies import SignalStrategy
from peak_fast.sweep.run.batch import SMALLEST_TILE_BARS, Batch, Report
from peak_fast.sweep.run.functions import check_columns
from peak_fast.sweep.run.rows import RowCache
from peak_fast.sweep.run.settings import SettingsTable
from peak_fast.sweep.run.threads import cut
from peak_kernels.arrays import FloatArray

# Bytes of rows and of values of functions that windows share.
_SHARED_BYTES = 256 << 20


class History:
    """Rows of indicators and values of a function over all bars, from which windows take their part.

    Parameters
    ----------
    bars
        All of them.
    """

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self._kept: dict[Any, Any] = {}
        self._most = max(_SHARED_BYTES // (8 * len(bars)), 16)

    def rows(self, keys: Sequence[Key]) -> Sequence[FloatArray]:
        """Rows of keys that share work: float64[bars or more] each."""
        kept: Sequence[FloatArray] | None = self._kept.get(tuple(keys))
        if kept is not None:
            return kept
        made = np.empty((len(keys), stride_of(len(self.bars))))
        compute_group(self.bars, keys, made)
        self._keep(tuple(keys), made)
        return made  # type: ignore[return-value]

    def values(self, item: SignalStrategy, params: Mapping[str, Any], notes: list[str]) -> FloatArray:
        """What a function returned for all bars: float64[bars], or bool[bars] where it returned booleans."""
        key = tuple(params.items())
        found: FloatArray | None = self._kept.get(key)
        if found is None:
            returned = _simulation.call_function(item, self.bars, params)
            given = _simulation.returned_by(item, self.bars, returned, notes)
            found = given.row == 1.0 if given.boolean else given.row
            self._keep(key, found)
        return found

    def _keep(self, key: Any, value: Any) -> None:
        if len(self._kept) < self._most:
            self._kept[key] = value


class _Rows(RowCache):
    """Rows of a window, as parts of those over all bars."""

    def __init__(self, bars: Bars, capacity: int, history: History, start: int) -> None:
        super().__init__(bars, capacity)
        self._history, self._start = history, start

    def _compute(self, keys: Sequence[Key], rows: FloatArray) -> None:
        count = len(self.bars)
        for row, whole in zip(rows, self._history.rows(keys), strict=True):
            row[:count] = whole[self._start : self._start + count]
            row[count:] = np.nan


class WarmBatch(Batch):
    """A `Batch` on bars ``[start, stop)`` of a history.

    Accounts begin flat with the first of them; indicators are those of all bars, and functions are called with them.
    """

    def __init__(self, history: History, window: tuple[int, int], shared: Any, strategy: Any, *args: Any,
                 **options: Any) -> None:  # fmt: skip
        self._history, self._start = history, window[0]
        self._window = window
        if isinstance(strategy, SignalStrategy):
            strategy = self._in_window(strategy, window)
        super().__init__(shared, strategy, history.bars.slice(*window), *args, **options)

    def _paid(self) -> Payments | None:
        return payments_in(self.shared, self._history.bars, self._window)

    def _in_window(self, item: SignalStrategy, window: tuple[int, int]) -> SignalStrategy:
        def values(frame: Any, params: Mapping[str, Any]) -> Any:
            said: list[str] = []
            found = self._history.values(item, params, said)[slice(*window)]
            self.notes.update(dict.fromkeys(said))
            return found

        return dataclasses.replace(item, function=values)

    def _rows(self, capacity: int) -> RowCache:
        return _Rows(self.bars, capacity, self._history, self._start)

    def _run_blocks(
        self, params: Mapping[str, Any], settings: SettingsTable, out: FloatArray, done: Report | None
    ) -> None:
        params = check_columns(self.strategy, params)
        call = prepare_many(self.strategy, self._history.bars, params, len(out))
        calendar, window = self._calendar(settings), slice(self._start, self._start + len(self.bars))

        def work(tile: tuple[int, int]) -> None:
            room, part = self._scratch(), call.part(*tile)
            found, own = room.results[: tile[1] - tile[0]], settings.rows(*tile)
            everyone = [(list(range(len(found))), part)]
            for places, mine in everyone if part.rows is None else part.by_rows():
                seen = np.ascontiguousarray(mine.seen[:, window])
                rows, into = own if len(own) == 1 else own[places], found[places]
                scratch = (room.state, room.records, room.curve)
                one = dataclasses.replace(mine, seen=seen)
                run_block(one, self._prices, calendar, rows, scratch, into, None, room.financing)
                found[places] = into
            self._keep(found, slice(*tile), out, done)

        smallest = SMALLEST_TILE_BARS // len(self.bars)
        self.team.share(work, cut(len(out), self.tile, smallest, self.team.threads))
