"""Columns of text to typed columns; lines that are no rows are left out with a note or named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from peak_fast.data.checks import MISSING_TIME
from peak_fast.data.date_parts import is_date
from peak_fast.data.dates import parse_times
from peak_fast.data.dialects import plain
from peak_fast.data.options import ReadOptions
from peak_fast.data.text_layout import cell_kind
from peak_fast.data.text_numbers import decimal_mark, looks_numeric, numbers_of, plain_numbers, without_words
from peak_fast.errors import DataError
from peak_kernels.arrays import IntArray

if TYPE_CHECKING:
    import polars as pl

DAY_US = 86_400_000_000
# Names of columns that have to be numbers.
_FIGURES = frozenset({"open", "high", "low", "close", "volume", "adjclose"})


def typed(frame: pl.DataFrame, options: ReadOptions, label: str, notes: list[str]) -> pl.DataFrame:
    """A frame of text as numbers and times.

    Parameters
    ----------
    frame
        Columns of text as they stand in the file.
    options
        ``decimal``, ``date_order`` and ``time_zone`` are used.
    label
        Name of the file for messages.
    notes
        What was left out or decided is added to it.

    Returns
    -------
    polars.DataFrame
        Int64 or Float64 where every value is a number or missing, Datetime or Date where every value is one and
        nothing about it is open; text elsewhere.
    """
    import polars as pl

    frame = _without_empty_rows(frame)
    texts = [name for name in frame.columns if frame[name].dtype == pl.String]
    numeric = [name for name in texts if looks_numeric(frame[name])]
    numbers = _all_plain(frame, numeric) if options.decimal != "," else None
    mark = "."
    if numbers is None:
        frame, numbers, mark = _all_numbers(frame, numeric, options.decimal, label, notes)
    frame = frame.with_columns(numbers)
    _refuse_words(frame, mark, label)
    frame = frame.with_columns(_times(frame, options, notes))
    return _with_joined_dates(frame, notes)


def _without_empty_rows(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    if not frame.width or frame.to_series(0).null_count() == 0:
        return frame
    return frame.filter(~pl.all_horizontal(pl.all().is_null()))


def _all_plain(frame: pl.DataFrame, numeric: list[str]) -> list[pl.Series] | None:
    """Numbers of all columns where each value is plainly one, else None."""
    numbers = []
    for name in numeric:
        column = plain_numbers(frame[name], codes=plain(name) not in _FIGURES)
        if column is None:
            return None
        numbers.append(column)
    return numbers


def _all_numbers(
    frame: pl.DataFrame, numeric: list[str], decimal: str | None, label: str, notes: list[str]
) -> tuple[pl.DataFrame, list[pl.Series], str]:
    import polars as pl

    texts = {name: without_words(frame[name]) for name in numeric}
    frame = frame.with_columns([texts[name] for name in numeric])
    mark = decimal_mark([texts[name] for name in numeric], decimal, label)
    numbers = {name: numbers_of(texts[name], mark) for name in numeric}
    bad = pl.DataFrame({name: numbers[name].is_null() & texts[name].is_not_null() for name in numeric})
    if any(bad[name].any() for name in numeric):
        kept = _rows_that_are_bars(frame, bad, numeric, notes)
        if kept is not None:
            frame = frame.filter(kept)
            numbers = {name: values.filter(kept) for name, values in numbers.items()}
            texts = {name: values.filter(kept) for name, values in texts.items()}
    whole = [
        name for name in numeric
        if numbers[name].null_count() == texts[name].null_count()
        and not (
            plain(name) not in _FIGURES
            and numbers[name].dtype == pl.Int64
            and texts[name].str.contains(r"^0[0-9]").any()
        )
    ]  # fmt: skip
    return frame, [numbers[name] for name in whole], mark


def _refuse_words(frame: pl.DataFrame, mark: str, label: str) -> None:
    """Refuse a price or volume that is no number, whatever else stands in its column."""
    import polars as pl

    for name in frame.columns:
        texts = frame[name]
        if plain(name) not in _FIGURES or texts.dtype != pl.String or texts.null_count() == len(texts):
            continue
        texts = without_words(texts)
        wrong = numbers_of(texts, mark).is_null() & texts.is_not_null()
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            shown = ", ".join(str(cell) for cell in frame.row(row))[:100]
            raise DataError(
                f"{label}: column {name!r} is not numeric throughout; row {row} is {texts[row]!r} ({shown}); "
                "correct it, or leave it empty where the value is missing"
            )


def _rows_that_are_bars(
    frame: pl.DataFrame, bad: pl.DataFrame, numeric: list[str], notes: list[str]
) -> pl.Series | None:
    """Which rows to keep: not a header that appears again, nor lines of words after the last row; None: all."""
    import polars as pl

    rows = np.flatnonzero(
        bad.select(pl.sum_horizontal(pl.all())).to_series().to_numpy() >= min(3, len(numeric))
    )
    header = [name.strip().lower() for name in frame.columns]
    again, words = [], []
    for row in rows[:10_000].tolist():
        cells = [str(cell or "").strip().strip('"').lower() for cell in frame.row(row)]
        # A column that was missing below the same words in an earlier header keeps its place.
        if cells == header:
            again.append(row)
    # A date and words, without any number: a dividend or a split between the prices.
    wrong = bad.select(pl.sum_horizontal(pl.all())).to_series().to_numpy()
    for row in np.flatnonzero(wrong == 1)[:10_000].tolist():
        figures = frame.select(numeric).row(row)
        if len(numeric) >= 4 and sum(figure is not None for figure in figures) == 1:
            words.append(row)
    kept = np.ones(frame.height, dtype=bool)
    kept[again + words] = False
    if words:
        shown = ", ".join(cell for cell in frame.row(words[0]) if cell)
        count = "1 line" if len(words) == 1 else f"{len(words)} lines"
        notes.append(f"{count} of words between the prices left out, the first is {shown[:80]!r}")
    if again:
        times = "once" if len(again) == 1 else f"{len(again)} times"
        notes.append(
            f"the header line appears again {times} further down, as in files that were joined; it was left out"
        )
    return pl.Series(kept) if not kept.all() else None


def without_footer(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """The frame without lines of words after the last row.

    A line is taken for one where its first column is words, none of its columns is a number or time, and most of
    them are empty.
    """
    last = frame.height
    while last > 1 and frame.height - last < 50 and _is_words(frame.row(last - 1)):
        last -= 1
    for row in range(last, frame.height):
        words = ", ".join(cell for cell in frame.row(row) if cell)
        if words:
            notes.append(f"a line after the rows was left out: {words[:80]!r}")
    return frame.head(last)


def _is_words(cells: tuple[str | None, ...]) -> bool:
    kinds = [cell_kind(cell or "") for cell in cells]
    return kinds.count("e") >= len(kinds) / 2 and not {"n", "k", "t"} & set(kinds)


def _times(frame: pl.DataFrame, options: ReadOptions, notes: list[str]) -> list[pl.Series]:
    """Columns of text whose values all are times, as times; what is open stays text for the reader to refuse."""
    import polars as pl

    found = []
    for name in frame.columns:
        column = frame[name]
        if column.dtype != pl.String:
            continue
        first = next((value for value in column.head(1000) if value and cell_kind(value) != "e"), None)
        if first is None or not is_date(first.strip()):
            continue
        try:
            days = ":" not in first
            time_us, zone, said = parse_times(
                column, name, options.date_order, None if days else options.time_zone
            )
            days = days and bool((time_us[time_us != MISSING_TIME] % DAY_US == 0).all())
            if not days and ":" not in first:
                time_us, zone, said = parse_times(column, name, options.date_order, options.time_zone)
        except DataError:
            continue
        notes.extend(f"column {name!r}: {note}" for note in said)
        found.append(_series(name, time_us, zone, days))
    return found


def _with_joined_dates(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """The frame with "date" from year, month and day, and "time" from hour and minute, where it has no other."""
    import polars as pl

    known = {plain(name): name for name in frame.columns}
    parts = [known.get(part) for part in ("year", "month", "day")]
    if None in parts or any(name in known for name in ("date", "time", "timestamp", "datetime")):
        return frame
    if any(
        frame[name].dtype != pl.Int64 or not frame[name].is_between(1, 2100).all() for name in parts if name
    ):
        return frame
    joined = [pl.date(*(pl.col(str(name)) for name in parts)).alias("date")]
    hour, minute = known.get("hour"), known.get("minute")
    if hour is not None and minute is not None and frame[hour].dtype == frame[minute].dtype == pl.Int64:
        parts += [hour, minute]
        joined.append(
            pl.format("{}:{}", pl.col(hour), pl.col(minute).cast(pl.String).str.zfill(2)).alias("time")
        )
    notes.append(f"times are joined from {', '.join(repr(name) for name in parts)}")
    return frame.with_columns(joined)


def _series(name: str, time_us: IntArray, zone: str | None, days: bool) -> pl.Series:
    import polars as pl

    series = pl.Series(name, time_us)
    if (time_us == MISSING_TIME).any():
        series = series.set(series == MISSING_TIME, None)
    if days:
        return series.cast(pl.Datetime("us")).cast(pl.Date)
    if zone is None:
        return series.cast(pl.Datetime("us"))
    return series.cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
