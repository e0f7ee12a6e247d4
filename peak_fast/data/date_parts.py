"""The parts of dates in text: day, month, year, clock and offset of a whole column at once.

Two ways lead to the same parts. Where every row has the layout of the first (the same length, digits and other
characters at the same places) the digits are taken from one matrix of bytes. Every other column goes through a
regular expression, row by row inside Polars.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
SECOND_US = 1_000_000

WholeArray = NDArray[np.signedinteger[Any]]

# Named groups that Python's and Rust's regular expressions read alike. A date is three parts (a, b, c), a month
# name before day and year (n, d, y), or six or eight digits. The longer alternatives of a zone stand first.
_PATTERN = (
    r"^\s*(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\.?,?\s+)?"
    r"(?:(?P<a>[0-9]{1,4})(?:st|nd|rd|th)?[-./年 ] ?(?P<b>[0-9]{1,2}|[A-Za-z]{3,9})[.,]?[-./月 ]\s*(?P<c>[0-9]{1,4})日?"
    r"|(?P<n>[A-Za-z]{3,9})\.?[ -]+(?P<d>[0-9]{1,2})(?:st|nd|rd|th)?,?[ -]+(?P<y>[0-9]{4})"
    r"|(?P<packed>[0-9]{8}|[0-9]{6}))"
    r"(?:(?:\s*[T,;_:]\s*|\s+)(?:(?P<H>[0-9]{1,2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,:](?P<F>[0-9]{1,9}))?)?"
    r"|(?P<clock>[0-9]{9}|[0-9]{6}|[0-9]{4})|(?P<h>[0-9]{1,2})-?)"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?)?"
    r"(?:\s*(?P<zone>(?:UTC|GMT|Z)?\s?[+-][0-9]{1,2}(?::?[0-9]{2})?|Z|z|[A-Z][A-Za-z]+(?:/[A-Za-z0-9_+-]+)+|[A-Z]{2,5}))?"
    r"(?:\s*\([A-Za-z ]+\))?\s*$"
)
_UNUSUAL = r"^\s*(?:[0-9]{8}-[0-9]{2}:[0-9]{2}|[0-9]{4}[-/][0-9]{2}\s*$)"
_DIGITS = ("a", "b", "c", "d", "y", "packed", "H", "M", "S", "F", "clock", "h")
_WINDOW = 16_384


class Parts(NamedTuple):
    """Numbers of the dates as they are written, for the rows that have text.

    ``numbers`` are the three parts of the date in the order of the text, int32. ``widths`` are their digits in
    the first row, 0 for a month name. ``clock_us`` is the time of day in microseconds, -1 where it is no time
    of day, or None without one. ``zone`` holds what stands behind the time: one text for all rows, a series, or
    None. ``bad`` is the first row that has another form, or None.
    """

    numbers: tuple[WholeArray, WholeArray, WholeArray]
    widths: tuple[int, int, int]
    clock_us: WholeArray | None
    zone: str | pl.Series | None
    bad: int | None


def is_date(text: str) -> bool:
    """Whether text has the form of a date that :func:`read_parts` knows."""
    return re.match(_PATTERN, text) is not None or re.match(_UNUSUAL, text) is not None


def read_parts(texts: pl.Series) -> Parts | None:
    """The parts of a column without nulls; None where the first row is no date at all."""
    match = re.match(_PATTERN, texts[0])
    if match is None or not _months_known(match):
        return None
    width = len(texts[0])
    lengths = texts.str.len_bytes()
    if lengths.min() == width and lengths.max() == width:
        parts = _from_bytes(texts, width, match)
        if parts is not None:
            return parts
    return _from_pattern(texts, match)


def _months_known(match: re.Match[str]) -> bool:
    name = match["n"] or (match["b"] if match["b"] and not match["b"].isdigit() else None)
    return name is None or name[:3].lower() in MONTHS


def _from_bytes(texts: pl.Series, width: int, match: re.Match[str]) -> Parts | None:
    """Parts by their place in texts of one width; None where a row has another layout than the first."""
    spans = {name: match.span(name) for name in _DIGITS if match[name] is not None and match[name].isdigit()}
    digits = np.zeros(width, dtype=bool)
    for start, stop in spans.values():
        digits[start:stop] = True
    first = np.frombuffer(texts[0].encode(), dtype=np.uint8)[~digits]
    fields = {name: np.empty(len(texts), dtype=np.int32) for name in spans}
    for top in range(0, len(texts), _WINDOW):
        window = _window(texts.slice(top, _WINDOW), width)
        if not (window[~digits] == first[:, None]).all():
            return None
        window -= 48
        if window[digits].max() > 9:
            return None
        for name, (start, stop) in spans.items():
            total = fields[name][top : top + _WINDOW]
            total[:] = window[start]
            for column in range(start + 1, stop):
                total *= 10
                total += window[column]
    numbers, widths = _date_numbers(fields, match, None)
    clock_us = _clock(fields, match, match["half"])
    return Parts(numbers, widths, clock_us, match["zone"], None)


def _window(texts: pl.Series, width: int) -> NDArray[np.uint8]:
    """Bytes of some texts of one width: one row per place in the text, few enough to stay in the cache."""
    joined = texts.str.join("").item().encode()
    return np.array(np.frombuffer(joined, dtype=np.uint8).reshape(len(texts), width).T, order="C")


def _from_pattern(texts: pl.Series, match: re.Match[str]) -> Parts:
    import polars as pl

    groups = texts.str.extract_groups(_PATTERN).struct.unnest()
    kept = ("a", "n", "packed")
    missing = groups.select(pl.all_horizontal(pl.col(*kept).is_null())).to_series()
    absent = [name for name in kept if match[name] is None]
    if absent:  # a row whose date is of another of the three forms
        missing |= groups.select(pl.any_horizontal(pl.col(*absent).is_not_null())).to_series()
    fields: dict[str, WholeArray] = {}
    for name in (*_DIGITS, "n"):
        if match[name] is None and groups[name].null_count() == len(groups):
            continue
        column = groups[name]
        if name in ("b", "n") and match[name] is not None and not match[name].isdigit():
            missing |= column.str.contains(r"^[0-9]").fill_null(False)
            column = column.str.slice(0, 3).str.to_lowercase()
            column = column.replace_strict(MONTHS, range(1, 13), default=None, return_dtype=pl.Int32)
            missing |= column.is_null()
        elif name == "F":
            column = column.str.pad_end(9, "0")
        numbers = column.cast(pl.Int64, strict=False)
        if name == "b":
            missing |= numbers.is_null() & groups["a"].is_not_null()
        fields[name] = numbers.fill_null(0).to_numpy()
    # Rows without a clock among rows with one are midnight, as tables leave it out there.
    bad = int(missing.arg_max() or 0) if missing.any() else None
    numbers3, widths = _date_numbers(fields, match, groups)
    half = groups["half"].str.to_lowercase() if groups["half"].null_count() < len(groups) else None
    clock_us = _clock(fields, match, half, padded=True)
    zone = groups["zone"] if groups["zone"].null_count() < len(groups) else None
    return Parts(numbers3, widths, clock_us, zone, bad)


def _date_numbers(
    fields: dict[str, WholeArray], match: re.Match[str], groups: pl.DataFrame | None
) -> tuple[tuple[WholeArray, WholeArray, WholeArray], tuple[int, int, int]]:
    if match["packed"] is not None:
        return _packed_numbers(fields["packed"], len(match["packed"]))
    if match["n"] is not None:
        month = fields.get("n")
        if month is None:
            number = MONTHS.index(match["n"][:3].lower()) + 1
            month = np.full(fields["d"].size, number, dtype=np.int32)
        return (month, fields["d"], fields["y"]), (0, 2, 4)
    middle = fields.get("b")
    named = not match["b"].isdigit()
    if middle is None:
        number = MONTHS.index(match["b"][:3].lower()) + 1
        middle = np.full(fields["a"].size, number, dtype=np.int32)
    widths = (_width(match["a"]), 0 if named else 2, _width(match["c"]))
    return (fields["a"], middle, fields["c"]), widths


def _packed_numbers(
    packed: WholeArray, digits: int
) -> tuple[tuple[WholeArray, WholeArray, WholeArray], tuple[int, int, int]]:
    """Parts of 20240131, 31012024 or 310124; no number is a date both with the year first and with it last."""
    year, month = packed // 10_000, packed // 100 % 100
    if digits == 6:
        return (year, month, packed % 100), (2, 2, 2)
    if year.min() >= 1900 and year.max() <= 2100 and month.max() <= 12:
        return (year, month, packed % 100), (4, 2, 2)
    last = packed % 10_000
    if last.min() >= 1900 and last.max() <= 2100:
        return (packed // 1_000_000, packed // 10_000 % 100, last), (2, 2, 4)
    return (year, month, packed % 100), (4, 2, 2)


def _width(digits: str) -> int:
    return 4 if len(digits) == 4 else 2


def _clock(
    fields: dict[str, WholeArray], match: re.Match[str], half: str | pl.Series | None, *, padded: bool = False
) -> WholeArray | None:
    """Time of day in microseconds, -1 where the numbers are no time of day; None without a clock."""
    if "clock" in fields:
        clock = fields["clock"]
        digits = len(match["clock"] or "000000")
        fraction = clock % 1000 * 1000 if digits == 9 else 0
        clock = clock // 1000 if digits == 9 else clock * 100 if digits == 4 else clock
        hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    elif "H" in fields or "h" in fields:
        hour = fields["H"] if "H" in fields else fields["h"]
        zero = np.zeros(hour.size, dtype=np.int32)
        minute, second = fields.get("M", zero), fields.get("S", zero)
        fraction = 0
        if "F" in fields:
            digits = 9 if padded else len(match["F"])
            fraction = fields["F"].astype(np.int64) * 10 ** max(6 - digits, 0) // 10 ** max(digits - 6, 0)
    else:
        return None
    valid = (minute < 60) & (second < 60) & ((hour < 24) | ((hour == 24) & (minute == 0) & (second == 0)))
    if half is not None:
        hour, valid = _twelve_hours(hour, half, valid)
    seconds = (hour.astype(np.int64) * 60 + minute) * 60 + second
    total: WholeArray = seconds * SECOND_US + fraction
    if not valid.all():
        total[~valid] = -1
    return total


def _twelve_hours(
    hour: WholeArray, half: str | pl.Series, valid: NDArray[np.bool_]
) -> tuple[WholeArray, NDArray[np.bool_]]:
    if isinstance(half, str):
        afternoon = np.full(hour.size, half.lower() == "p")
    else:
        afternoon = (half == "p").fill_null(False).to_numpy()
    valid = valid & (hour >= 1) & (hour <= 12)
    return hour % 12 + 12 * afternoon, valid
