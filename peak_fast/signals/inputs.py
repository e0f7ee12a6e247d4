"""Inputs of the signal simulation as ``[asset, bar]``: each value at its bar and its asset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.data import (
    Bars,
    Calendar,
    aligned_table,
    calendar_of_bars,
    calendar_of_column,
    columns_of,
    given_bars,
    is_frame,
    numbers_of,
)
from peak_fast.errors import ConfigError, DataError
from peak_kernels.arrays import FloatArray

SIGNALS = ("entries", "exits", "short_entries", "short_exits")


class Matrices:
    """Reads the inputs of one simulation.

    Parameters
    ----------
    ohlc
        Open, high, low and close, see `peak_fast.signals.simulate_signals`.

    Attributes
    ----------
    prices : list of numpy.ndarray
        Open, high, low, close, each ``[asset, bar]`` or ``[1, bar]``.
    close : numpy.ndarray
        ``[asset, bar]``.
    notes : list of str
        What was reordered, passed over or taken by position.

    Raises
    ------
    DataError
        Other than four columns, or columns that do not belong together.
    """

    def __init__(self, ohlc: Any) -> None:
        self.notes: list[str] = []
        self._names: list[Any] | None = None
        if isinstance(ohlc, Bars | Mapping) or is_frame(ohlc):
            bars = given_bars(ohlc)
            beside = calendar_of_bars(bars)
            # The bars' own columns are in their order, whatever the frame's was.
            self._calendar = beside._replace(moved=False, turned=False)
            self.notes += bars.notes
            columns: list[Any] = [bars.open, bars.high, bars.low, bars.close]
        else:
            columns = list(ohlc)
            if len(columns) != 4:
                raise DataError(
                    f"ohlc: expected open, high, low and close, or Bars; got {len(columns)} columns"
                )
            found = calendar_of_column(columns[3], "close")
            self._names = columns_of(columns[3]) if is_frame(columns[3]) else None
            self._calendar = beside = found or Calendar(np.shape(columns[3])[0 if self._names else -1])
        times = self._calendar.time_us
        if times is not None and not (times[1:] > times[:-1]).all():
            raise DataError(
                "close: its rows are not in order of time; expected them sorted: close.sort_index()"
            )
        close = self._aligned("close", columns[3])
        self.close: FloatArray = np.atleast_2d(numbers_of(close, "close")[0])
        self.prices = [
            *(
                self.table(name, column)
                for name, column in zip(("open", "high", "low"), columns, strict=False)
            ),
            self.close,
        ]
        self._calendar = beside

    def _aligned(self, name: str, value: Any, *, levels: bool = False) -> Any:
        return aligned_table(value, self._calendar, self._names, name, self.notes, levels=levels)

    def table(self, name: str, value: Any, *, levels: bool = False) -> FloatArray:
        """A scalar, ``[bar]``, ``[asset, 1]`` or ``[asset, bar]`` input as a two-dimensional array of numbers.

        Raises
        ------
        DataError
            Another shape, booleans, or times that do not fit.
        """
        given, boolean = numbers_of(self._aligned(name, value, levels=levels), name)
        if boolean:
            raise DataError(f"{name}: expected numbers; got booleans; write the numbers that they stand for")
        return self._shaped(name, given)

    def _shaped(self, name: str, given: FloatArray) -> FloatArray:
        shape = self.close.shape
        array = given.reshape(1, -1) if given.ndim <= 1 else given
        fits = array.ndim == 2 and array.shape[0] in (1, shape[0]) and array.shape[1] in (1, shape[1])
        if not fits:
            raise DataError(
                f"{name} has the shape {given.shape}; expected a number, ({shape[1]},), or {shape} as [asset, bar]"
            )
        return array

    def sizes(self, value: Any, size_type: str) -> FloatArray:
        """Sizes of `simulate_sizes`; booleans are held while True where a size is a target, else refused.

        Raises
        ------
        DataError
            Booleans that would be bought again on every bar.
        """
        given, boolean = numbers_of(self._aligned("size", value), "size")
        if boolean and not size_type.startswith("target"):
            raise DataError(
                f"size: booleans with size_type={size_type!r} would trade again at every True; expected "
                "size_type='targetpercent' to hold while True, or simulate_signals(entries=..., exits=...) to trade at "
                "single bars"
            )
        return self._shaped("size", given)

    def money(self, name: str, value: Any, limits: tuple[float, float], unit: str) -> FloatArray:
        """A cost for each bar and asset, from the first limit to below the second.

        Raises
        ------
        ConfigError
            NaN, infinite or outside the range.
        """
        array = self.table(name, value, levels=True)
        wrong = ~((array >= limits[0]) & (array < limits[1]))
        if wrong.any():
            raise ConfigError(f"{name}: expected {unit}; got {array[wrong][0]:g}; 0 for none")
        return array

    def signals(self, name: str, value: Any) -> Any:
        """Signals of one kind as booleans; what is missing is no signal.

        Raises
        ------
        DataError
            Numbers other than 0 and 1.
        """
        array = self._shaped(name, numbers_of(self._aligned(name, value), name)[0])
        wrong = (array != 0.0) & (array != 1.0) & ~np.isnan(array)
        if wrong.any():
            raise DataError(f"{name}: expected booleans, or 0 and 1; got {array[wrong][0]:g}")
        return array == 1.0


def check_ends(given: Mapping[str, Any], has_stops: bool) -> None:
    """Refuse entries without anything that would end the position: elsewhere such a mask is held while True.

    Parameters
    ----------
    given
        The four kinds of signals by name, None where one was not given.
    has_stops
        Whether a stop or a target is set.

    Raises
    ------
    ConfigError
        Entries alone.
    """
    entries, exits, short_entries, short_exits = (given[name] for name in SIGNALS)
    for name, leaves, entered, left, opposite in (
        ("entries", "exits", entries, exits, short_entries),
        ("short_entries", "short_exits", short_entries, short_exits, entries),
    ):
        if entered is not None and left is None and opposite is None and not has_stops:
            raise ConfigError(
                f"{name}: nothing ends these positions; expected {leaves} too: {leaves}=~{name} holds while {name} is "
                f"True, {leaves}=False enters and holds to the end"
            )
