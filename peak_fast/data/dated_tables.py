"""Tables of dated numbers, of one asset, several, or all: rates, dividends, splits, funding, money that comes or goes.

>>> dated_values({"2024-01-02": 0.05, "2024-07-01": 0.04}, "cash_rate").values
(0.05, 0.04)
>>> dated_values({"A": {"2024-01-02": 0.5}}, "dividends").symbols
('A',)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from peak_fast.data.alignment import is_frame
from peak_fast.data.columns import numbers_of
from peak_fast.data.frames import collect, table_of
from peak_fast.data.matching import shown_time
from peak_fast.data.names import SYMBOL_NAMES, Names
from peak_fast.data.options import DEFAULTS
from peak_fast.data.panel_rows import numbered
from peak_fast.data.time_columns import find_times
from peak_fast.errors import DataError

_SHOWN = 6
_WAYS = (
    "a frame with a column of times, one of numbers and, for several assets, one of symbols; or {date: number}, or "
    "{symbol: {date: number}}"
)


@dataclass(frozen=True)
class DatedValues:
    """Numbers at moments, sorted by time, then symbol.

    Attributes
    ----------
    times, symbols, values
        Microseconds UTC, the asset of each (empty: of all, or of none), the numbers.
    zone
        Time zone that the times were given in; None: naive, taken as UTC.
    """

    times: tuple[int, ...]
    symbols: tuple[str, ...]
    values: tuple[float, ...]
    zone: str | None = None

    def __len__(self) -> int:
        return len(self.times)


def dated_values(given: Any, label: str, names: tuple[str, ...] = ()) -> DatedValues:
    """Read a table of dated numbers.

    Parameters
    ----------
    given
        A frame (or a dict of columns) of times, numbers and, optionally, symbols; a series with an index of times; a
        dict of numbers by date, or of such dicts by symbol.
    label, names
        What messages call it; names of the column of numbers, where there are several.

    Raises
    ------
    DataError
        It cannot be read, has a moment twice, or something that is no finite number.
    """
    if isinstance(given, DatedValues):
        return given
    if isinstance(given, Mapping):
        given = _columns_of(given, label)
    elif hasattr(given, "to_frame") and not is_frame(given):
        given = given.to_frame("value")
    try:
        table = table_of(collect(given)[0])
    except Exception as error:
        raise DataError(f"{label}: expected {_WAYS}; got {type(given).__name__}") from error
    return _read(table, label, names)


def _columns_of(given: Mapping[Any, Any], label: str) -> dict[str, Any]:
    """A dict by date, or by symbol and date, as columns; a dict of columns as it is."""
    inside = list(given.values())
    if inside and all(isinstance(item, Mapping) for item in inside):
        rows = [(symbol, when, number) for symbol, own in given.items() for when, number in own.items()]
        symbols, times, numbers = (
            (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
        )
        return {"timestamp": times, "symbol": symbols, "value": numbers}
    if all(isinstance(item, int | float | np.number) for item in inside):
        return {"timestamp": list(given), "value": inside}
    if any(isinstance(item, str) or not hasattr(item, "__len__") for item in inside):
        raise DataError(f"{label}: expected {_WAYS}; got a dict with {type(inside[0]).__name__} in it")
    return dict(given)


def _read(table: Any, label: str, wanted: tuple[str, ...]) -> DatedValues:
    """Columns of a table as sorted tuples."""
    names = Names(table.names, {})
    try:
        times = find_times(table, names, DEFAULTS)
    except DataError as error:
        raise DataError(f"{label}: {error}") from None
    if times.time_us is None:
        raise DataError(f"{label}: no column of times in {table.names[:_SHOWN]}; expected {_WAYS}")
    found = names.of(SYMBOL_NAMES)
    symbols = [""] * times.time_us.size
    if found:
        series, listed = numbered(table.get(names.take(found[0])))
        if (series < 0).any():
            raise DataError(
                f"{label}: row {int(np.argmax(series < 0))} names no symbol; expected one in each row"
            )
        symbols = [listed[number] for number in series.tolist()]
    columns = names.of(wanted) if wanted else []
    columns = columns[:1] or names.unused()
    if len(columns) != 1:
        raise DataError(
            f"{label}: expected one column of numbers beside times and symbols; got {columns or table.names}; drop the "
            "others"
        )
    numbers, truths = numbers_of(table.get(names.take(columns[0])), f"{label}[{columns[0]!r}]")
    if truths and numbers.size:
        raise DataError(f"{label}: expected numbers; got True and False")
    if not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers)))
        raise DataError(
            f"{label}: row {row} is {numbers[row]}; expected finite numbers: drop rows without one"
        )
    rows = sorted(zip(times.time_us.tolist(), symbols, numbers.tolist(), strict=True))
    for one, other in pairwise(rows):
        if one[:2] == other[:2]:
            who = f" of {one[1]!r}" if one[1] else ""
            raise DataError(
                f"{label}: {shown_time(one[0])}{who} stands there more than once; expected one row; drop duplicates, "
                "or add up what belongs together"
            )
    return DatedValues(
        tuple(row[0] for row in rows), tuple(row[1] for row in rows), tuple(row[2] for row in rows), times.zone
    )  # fmt: skip
