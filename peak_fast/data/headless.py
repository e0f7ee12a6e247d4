"""Files without a header line: which form their columns have, if exactly one form fits."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from peak_fast.data.dialects import DECIMAL_PRICES, PRICES, Dialect, form_named, forms
from peak_fast.data.headless_values import values_fit
from peak_fast.data.options import ReadOptions
from peak_fast.data.text_layout import cell_kind
from peak_fast.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl


class Headless(NamedTuple):
    """A frame with names, the options that its form adds, and what to tell."""

    frame: pl.DataFrame
    options: ReadOptions
    notes: list[str]


def name_columns(
    frame: pl.DataFrame, options: ReadOptions, separator: str | None, label: str, first: str = ""
) -> Headless:
    """Names for typed columns without any.

    A form fits where the number of columns and the kind of each is its own, and no bar has an open, high, low or
    close in the wrong place. The user may name the form (``dialect=``) or each column by its position
    (``columns={'open': 'column_2', ...}``).

    Raises
    ------
    DataError
        No form fits, or several that name different columns; or the prices are whole numbers in a form that
        multiplies them.
    """
    named = form_named(options.dialect) if options.dialect else None
    if named is not None:
        if len(named.names) != frame.width:
            raise wrong_width(named, frame.width, label)
        if named.raw and options.scale is None and not _whole_prices(frame, named):
            named = replace(named, scale=None, notes=(DECIMAL_PRICES, *named.notes[1:]))
        return _applied(frame, named, options)
    found = _fitting(frame, separator, first)
    if not found:
        raise _no_form(frame, label)
    different = {_places(form) for form in found}
    if len(different) > 1:
        listing = " or ".join(f"dialect={form.name!r} ({', '.join(form.names)})" for form in found)
        raise DataError(f"{label}: no header line, and the rows fit several forms; say {listing}")
    form = found[0]
    if form.raw:
        if _whole_prices(frame, form) and options.scale is None:
            raise DataError(
                f"{label}: no header line, times as LEAN writes them and whole numbers as prices: LEAN multiplies "
                f"prices of equities by 10,000 and leaves others; say dialect={form.name!r} to divide them, or scale=1 "
                "to take them as they are"
            )
        form = next((other for other in found if not other.raw), form)
    return _applied(frame, form, options)


def _places(form: Dialect) -> tuple[int, ...]:
    """Where a form has the prices and the volume (-1: none)."""
    volume = next((form.names.index(name) for name in ("volume", "tick_volume") if name in form.names), -1)
    return (*(form.names.index(role) for role in PRICES), volume)


def wrong_width(form: Dialect, width: int, label: str) -> ConfigError:
    """Error for a form of another number of columns."""
    return ConfigError(
        f"dialect: {form.name!r} has {len(form.names)} columns ({', '.join(form.names)}); {label} has {width}"
    )


def _fitting(frame: pl.DataFrame, separator: str | None, first: str) -> list[Dialect]:
    kinds = [_kinds(frame, name) for name in frame.columns]
    found = []
    for form in forms():
        if form.only_by_name or len(form.names) != frame.width:
            continue
        if form.separator is not None and form.separator != separator:
            continue
        if not all(letter in kind for letter, kind in zip(form.kinds, kinds, strict=True)):
            continue
        if form.time is not None and not re.match(form.time, first):
            continue
        if _bars_fit(frame, form) and values_fit(frame, form):
            found.append(form)
    return found


def _kinds(frame: pl.DataFrame, name: str) -> str:
    """Letters that a column can be: t time, d date, k time of day, n number, s text."""
    import polars as pl

    column = frame[name]
    present = column.drop_nulls()
    if not len(present):
        return "nks"
    if column.dtype == pl.Date:
        return "td"
    if isinstance(column.dtype, pl.Datetime):
        return "t"
    if column.dtype == pl.Int64:
        label = (
            "s" if len(present) > 1 and present.n_unique() == 1 else ""
        )  # the length of the bars, for example
        return label + _kinds_of_integers(present)
    if column.dtype.is_numeric():
        return "tn" if present.min() >= 100_000_000 else "n"  # type: ignore[operator]
    kind = cell_kind(str(present[0]))
    if kind == "k" or (kind == "n" and present.str.contains(r"^[0-9]{3,6}$").all()):
        return "ks"
    return "tds" if kind == "t" else "s"


def _kinds_of_integers(present: pl.Series) -> str:
    least, largest = present.min(), present.max()
    if least >= 100_000_000:  # type: ignore[operator]
        return "tn"
    if least >= 19_000_101 and largest <= 21_001_231:  # type: ignore[operator]
        return "tdn"
    return "kn" if least >= 0 and largest <= 235_959 else "n"  # type: ignore[operator]


def _bars_fit(frame: pl.DataFrame, form: Dialect) -> bool:
    """Whether high is the highest and low the lowest price of every bar, and no bar without range proves nothing."""
    import polars as pl

    columns = frame.rename(dict(zip(frame.columns, form.names, strict=True)))
    open_, high, low, close = (pl.col(name) for name in PRICES)
    inside = (low <= open_) & (open_ <= high) & (low <= close) & (close <= high)
    # A gap between the opening and the range would pass by chance in one bar, not in all.
    return bool(columns.select(inside.fill_null(True).all()).item())


def _whole_prices(frame: pl.DataFrame, form: Dialect) -> bool:
    columns = frame.rename(dict(zip(frame.columns, form.names, strict=True)))
    return all(columns[name].dtype.is_integer() for name in PRICES)


def _applied(frame: pl.DataFrame, form: Dialect, options: ReadOptions) -> Headless:
    frame = frame.rename(dict(zip(frame.columns, form.names, strict=True)))
    notes = [f"no header line; the columns are {', '.join(form.names)} (form {form.name!r})", *form.notes]
    options = form_options(form, options)
    if options.timestamp is None and "date" in form.names and "time" in form.names:
        options = replace(options, timestamp=("date", "time"))
    return Headless(frame, options, notes)


def form_options(form: Dialect, options: ReadOptions) -> ReadOptions:
    """The options with the scale and stamp of a form, where the user said nothing else."""
    changed: dict[str, object] = {}
    if form.scale is not None and options.scale is None:
        changed["scale"] = form.scale
    if form.stamp is not None and options.stamp == "open":
        changed["stamp"] = form.stamp
    return replace(options, **changed)  # type: ignore[arg-type]


def _no_form(frame: pl.DataFrame, label: str) -> DataError:
    row = ", ".join(str(value) for value in frame.row(0))
    return DataError(
        f"{label}: no header line, and {frame.width} columns of this kind are of no known form ({row[:100]}); add a "
        "header, name the form with dialect=, or name the columns by position: timestamp='column_1', columns={'open': "
        "'column_2', 'high': 'column_3', 'low': 'column_4', 'close': 'column_5'}"
    )
