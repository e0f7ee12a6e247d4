"""Calls of a Python function, and what it returns, read in a few microseconds."""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from peak_fast import simulation as _simulation
from peak_fast.data import Bars, aligned, calendar_of_bars, known_part
from peak_fast.errors import StrategyError
from peak_fast.strategies import SignalStrategy
from peak_fast.sweep.run.planes import plane_memory
from peak_kernels.arrays import LARGE, SMALL_ROOM
from peak_kernels.entries import narrow, read_small
from peak_kernels.slots import SIDES, SIGNALS

_STREAM = b"arrow_array_stream"
_FLOAT64, _INT64, _INT8 = np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.int8)


@functools.cache
def _pointer() -> Any:
    """Python's function that tells where the content of a capsule lies."""
    kind = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    return kind(("PyCapsule_GetPointer", ctypes.pythonapi))


@functools.cache
def _is_series(kind: Any) -> bool:
    """Whether it is Polars' type of columns."""
    return bool(kind.__name__ == "Series" and kind.__module__.startswith("polars."))


class Calls:
    """What a function returns for a few configurations, one after the other.

    What is done here takes the user's time, and what it touches his place in the processor's caches: hence as little
    as possible.  The rest is for `Rows`, which another thread may fill.

    Parameters
    ----------
    item, bars
        The function and what it is called with.
    code
        How values are read: ``WEIGHTS``, ``SIGNALS`` or ``SIDES``.
    notes
        Gets what a function's values were understood as, each sentence once.
    most
        Calls whose values are kept.

    Attributes
    ----------
    used
        Calls whose values are here.
    at
        The one that an error is about.
    """

    def __init__(
        self, item: SignalStrategy, bars: Bars, code: int, notes: dict[str, None], most: int
    ) -> None:
        self._item, self._bars, self._notes, self._code = item, bars, notes, code
        self._function, self._frames = item.function, _simulation.frames_given(bars)
        self._count = len(bars)
        self._calendar = calendar_of_bars(bars, derived=True)
        self._unsold = _simulation.unsold_note(item)
        # Sides and signals take a byte each, other numbers eight.
        self.bytes, self.numbers = np.empty((most, self._count), np.int8), np.empty((0, 0))
        self.codes, self.small = [code] * most, [True] * most
        self.used = self.at = 0
        self._begin = self.bytes.ctypes.data
        # Whether columns of Polars come as they are, and are worth a look in a compiled pass.
        self._are_small = self._series = not self._calendar.moved
        # Whether they are bytes that lie in memory as they are wanted, as far as known.
        self._are_bytes = True
        self._pointer = _pointer()
        self._streams, self._places, self._answers, self._room = (
            np.zeros(size, np.int64) for size in (1, 1, 1, SMALL_ROOM)
        )

    def run(self, configurations: Iterator[dict[str, Any]], due: float) -> int:
        """Call the function and keep what it returns, until the memory is full or it is so late; how often.

        Calls must be `look`-ed at and ``used`` be 0 before the next time.
        """
        function, frames, clock, most = self._function, self._frames, time.perf_counter, len(self.codes)
        row = -1
        for row, params in enumerate(configurations):
            self.at = row
            frame = frames()
            try:
                returned = function(frame, params)
            except Exception as error:
                self._explain(error, params, frame)
            kind: Any = type(returned)
            # Now, not later: the memory of a column may belong to an array that the next call writes to.
            if not (self._are_small and _is_series(kind) and self._is_read(row, returned)):
                self._take(row, returned)
            if row + 1 == most or clock() >= due:
                break
        self.used = row + 1
        return self.used

    def _explain(self, error: Exception, params: dict[str, Any], frame: Any) -> None:
        self._item.explain(error, params)
        _simulation.raise_explained(self._item, error, params, frame)

    def _is_read(self, row: int, series: Any) -> bool:
        """Read a column of Polars into a row of bytes, where that is possible."""
        if self._are_bytes:
            self._are_bytes = self._is_copied(row, series)
            if self._are_bytes:
                return True
        capsule = series.__arrow_c_stream__()
        self._streams[0] = self._pointer(capsule, _STREAM)
        self._places[0] = self._begin + row * self._count
        read_small(self._streams, self._places, self._answers, self._room, self._count)
        answer = int(self._answers[0])
        if answer < 0:
            # Where one holds fractions, the next ones are spared this look.
            self._are_small = answer != LARGE
            return False
        self.small[row] = True
        self._understand(row, answer == 1)
        return True

    def _is_copied(self, row: int, series: Any) -> bool:
        """Copy bytes behind nulls by names that are not public: asking for the form of Arrow takes three times as long.

        So much of the code of Polars lies in no cache where a function has just used other parts of it.
        """
        try:
            own = series._s
            gap = own.null_count()
            if gap:
                own = own.slice(gap, None)
                if own.null_count():
                    return False
            values = own.to_numpy_view()
        except (AttributeError, TypeError):
            return False
        if values is None or values.dtype is not _INT8 or not 0 < values.size == self._count - gap:
            return False
        into = self.bytes[row]
        into[gap:] = values
        into[:gap] = 0
        self.small[row] = True
        self._understand(row, boolean=False)
        return True

    def _understand(self, row: int, boolean: bool) -> None:
        """Note how a row is read."""
        if boolean and self._code == SIGNALS:
            self.codes[row] = SIDES
            self._notes[_simulation.held_note(self._item)] = None
        else:
            self.codes[row] = self._code

    def _take(self, row: int, returned: Any) -> None:
        """Read what is no column of bytes."""
        usual = None
        kind: Any = type(returned)
        if self._series and _is_series(kind) and len(returned) == self._count:
            usual = known_part(returned)
        elif kind.__name__ == "Series" and self._is_in_line(returned):
            usual = 0, returned.values, returned.dtype.kind == "b"
        gap, values, boolean = usual or (0, *self._read(returned))
        self._keep(row, gap, values)
        self._understand(row, boolean)

    def _is_in_line(self, series: Any) -> bool:
        """Whether it is a column of pandas of plain numbers, with the index of the frame."""
        labels, index = self._calendar.labels, getattr(series, "index", None)
        if labels is None or index is None or not index.is_(labels):
            return False
        dtype = series.dtype
        return isinstance(dtype, np.dtype) and dtype.kind in "iufb"

    def _keep(self, row: int, gap: int, values: Any) -> None:
        """Copy values into a row, 0 before the first: it asks for nothing, and is what a row begins with."""
        small, dtype = values.dtype.char in "b?", values.dtype
        if not small and gap == 0 and (dtype is _INT64 or dtype is _FLOAT64) and values.flags.c_contiguous:
            small = narrow(values, self._begin + row * self._count, self._answers)
            if small:
                self.small[row] = True
                return
        table: Any = self.bytes
        self.small[row] = small
        if not small:
            if not self.numbers.size:
                self.numbers = plane_memory(*self.bytes.shape)
            table = self.numbers
            if values[-1] != values[-1] and np.isnan(values).all():
                nothing = np.full(self._count, np.nan)
                self._notes.update(dict.fromkeys(_simulation.silent_note(self._item, nothing)))
        table[row, gap:] = values
        table[row, :gap] = 0

    def _read(self, returned: Any) -> tuple[Any, bool]:
        """Values of any kind, one a bar, and whether they are truth values.

        They are a copy, as a function may return the same memory again and again.
        """
        notes: list[str] = []
        values = aligned(
            returned, self._calendar, _simulation.function_name(self._item), notes, StrategyError
        )
        kind: Any = type(values)
        if hasattr(values, "to_numpy") and not _is_series(kind):
            values = values.to_numpy()
        plain = isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "iuf"
        if plain and len(values) == self._count:
            boolean = False
        else:
            notes.clear()
            values, boolean = _simulation.returned_by(self._item, self._bars, returned, notes)
        if notes:
            self._notes.update(dict.fromkeys(notes))
        return values, boolean

    def look(self) -> None:
        """Note where signals buy and never sell; any thread may do this."""
        for row in range(self.used):
            if self.codes[row] == SIGNALS and self._unsold not in self._notes:
                values: Any = self.bytes[row] if self.small[row] else self.numbers[row]
                if (values == 1).any() and not (values == -1).any():
                    self._notes[self._unsold] = None
