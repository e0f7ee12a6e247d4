"""Bars at which a portfolio decides: ends and beginnings of months and weeks, every n bars, dates.

>>> Rebalance("month_end", band=0.01).when, Rebalance(21).when
('month_end', 21)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.arguments import is_whole, wrong
from peak_fast.data import Panel, as_time, check_zone
from peak_fast.errors import DataError, StrategyError, did_you_mean
from peak_fast.guard import guarded_class
from peak_fast.params import Param
from peak_fast.portfolio.rules.references import MOST_BARS, check_reference, named, resolved
from peak_kernels.arrays import IntArray

WORDS = (
    "bar", "day", "week", "month_end", "quarter_end", "year_end", "week_start", "month_start", "quarter_start",
    "year_start",
)  # fmt: skip

# How else people begin the words.  As names of parameters they would mean month ends, without a word said.
_STEMS = {
    "bar": "bar", "dai": "day", "day": "day", "week": "week", "mon": "month_end", "quart": "quarter_end",
    "year": "year_end", "annual": "year_end",
}  # fmt: skip
_CODES = {
    "D": "day",
    "B": "day",
    "W": "week",
    "M": "month_end",
    "Q": "quarter_end",
    "Y": "year_end",
    "A": "year_end",
}


@guarded_class()
@dataclass(frozen=True, slots=True)
class Rebalance:
    """When a portfolio decides, and what it then leaves alone.

    Parameters
    ----------
    when
        ``"month_end"`` (the last bar of each month), ``"quarter_end"``, ``"year_end"``, ``"week"`` (the last of each
        week, from Monday), ``"day"``; ``"month_start"`` and the like (the first bar); ``"bar"``; a number of bars;
        dates, of which each means the last bar that is not behind it; or the name of a parameter that is one of the
        words or a number (``"weekly"`` and the like are no such names).  The last bar of the data ends nothing,
        because nobody knows what follows; its first bar begins nothing.  Days are those in UTC.
    start
        First bar of "every so many bars".
    band
        Assets whose weight is off by less than this share of the equity are not traded.
    buffer
        Ranks beyond the last that is bought up to which an asset stays once it is held.
    """

    when: Any = "month_end"
    start: int = 0
    band: float | str = 0.0
    buffer: int | str = 0

    def __post_init__(self) -> None:
        when = self.when
        if isinstance(when, str):
            remedy = None if when in WORDS else _remedy(when)
            if remedy is not None:
                expected = f"one of {', '.join(WORDS)}, or the name of a parameter that is unlike them"
                raise wrong("Rebalance: when", expected, when, remedy, StrategyError)
        elif is_whole(when):
            check_reference("Rebalance", "when", when, low=1)
        elif (
            isinstance(when, Iterable)
            and not isinstance(when, Mapping | bytes)
            and getattr(when, "ndim", None) != 0
        ):
            listed: Any = when if hasattr(when, "dtype") else tuple(when)
            object.__setattr__(self, "when", listed)
            if len(listed) == 0:
                raise wrong(
                    "Rebalance: when", "at least one date", when, "name the dates of decisions", StrategyError
                )
        else:
            raise wrong(
                "Rebalance: when",
                "a word, a number of bars or dates",
                when,
                "write 'month_end'",
                StrategyError,
            )
        if not is_whole(self.start) or not 0 <= self.start <= MOST_BARS:
            remedy = "0 is the first bar"
            raise wrong(
                "Rebalance: start", f"a bar from 0 to {MOST_BARS:,}", self.start, remedy, StrategyError
            )
        check_reference("Rebalance", "band", self.band, whole=False)
        check_reference("Rebalance", "buffer", self.buffer)

    def references(self) -> dict[str, Param]:
        """Parameters that it names."""
        found = {}
        if isinstance(self.when, str) and self.when not in WORDS:
            found[self.when] = Param(self.when, "choice", "month_end", choices=(*WORDS, 5, 10, 21, 42, 63))
        return {**found, **named(band=self.band, buffer=self.buffer)}

    def rows(self, panel: Panel, params: Mapping[str, Any], notes: list[str]) -> IntArray:
        """The deciding bars, ascending, int64.

        Raises
        ------
        StrategyError
            A word or number that it cannot be, or no date that is a bar's or behind one.
        """
        when = self.when
        if isinstance(when, str) and when not in WORDS:
            when = resolved(when, params)
        if isinstance(when, str):
            kept = f"rebalance {when}"
            found = panel.memo.get(kept)
            if found is None:
                found = panel.memo[kept] = rows_of_word(panel, when)
            return found
        if is_whole(when):
            check_reference("Rebalance", "when", when, low=1)
            return np.arange(self.start, len(panel), int(when), dtype=np.int64)
        return rows_of_dates(panel, when, notes)

    def text(self) -> str:
        """What it is, for a result's metadata."""
        dates = not isinstance(self.when, str) and not is_whole(self.when)
        return f"{len(self.when)} dates" if dates else str(self.when)


def rows_of_word(panel: Panel, when: str) -> IntArray:
    """Last or first bars of the periods that a word names.

    Raises
    ------
    StrategyError
        An unknown word, or a panel without times.
    """
    if when not in WORDS:
        raise StrategyError(f"Rebalance: no such word {when!r}; {did_you_mean(when, WORDS)}")
    if when == "bar":
        return np.arange(len(panel), dtype=np.int64)
    if not panel.has_time:
        raise StrategyError(
            f"Rebalance({when!r}): the panel has no times; expected a number of bars, such as 21"
        )
    periods = _periods(panel.day, when)
    changes = np.flatnonzero(periods[1:] != periods[:-1]).astype(np.int64)
    return changes + 1 if when.endswith("_start") else changes


def _periods(days: IntArray, when: str) -> Any:
    """A number for each bar that is the same for bars of one period."""
    if when == "day":
        return days
    if when.startswith("week"):
        return (days + 3) // 7  # 1970-01-01 was a Thursday
    months = days.view("M8[D]").astype("M8[M]").view(np.int64)
    return months // {"month": 1, "quarter": 3, "year": 12}[when.partition("_")[0]]


def rows_of_dates(panel: Panel, dates: Any, notes: list[str]) -> IntArray:
    """The last bar not behind each date, or, for a date without a time of day, not behind its end."""
    if not panel.has_time:
        raise StrategyError("Rebalance(dates): the panel has no times; expected a number of bars, such as 21")
    try:
        time_us, zone = as_time(dates if hasattr(dates, "dtype") else list(dates), "rebalance dates")
        check_zone(zone, panel.time_zone, "rebalance dates", StrategyError)
    except DataError as error:
        raise StrategyError(f"Rebalance: {error}") from None
    whole_days = (time_us % 86_400_000_000 == 0).all()
    rows = (
        np.searchsorted(panel.time_us, time_us + (86_400_000_000 - 1 if whole_days else 0), side="right") - 1
    )
    before = int(np.count_nonzero(rows < 0))
    if before:
        notes.append(f"{before} of {rows.size} rebalance dates lie before the first bar and are left out")
    found = np.unique(rows[rows >= 0]).astype(np.int64)
    if not found.size:
        raise StrategyError("Rebalance: none of the dates lies at or behind the first bar of the panel")
    at = panel.time_us[rows[rows >= 0]]
    moved = int(np.count_nonzero((at // 86_400_000_000 if whole_days else at) != (
        time_us[rows >= 0] // 86_400_000_000 if whole_days else time_us[rows >= 0])))  # fmt: skip
    if moved:
        notes.append(f"{moved} rebalance dates are no bars: each means the last bar before it")
    return found


def _remedy(text: str) -> str | None:
    """What to write in the place of a text that is no word; None: it may name a parameter."""
    near = did_you_mean(text, WORDS)
    if near.startswith("did you mean"):
        return near.partition(" known")[0]
    code = re.fullmatch("B?([DBWMQYA])([ES]?)", text)
    stem = next((stem for stem in _STEMS if text.lower().startswith(stem)), None)
    if code is None and stem is None:
        return None if text.isidentifier() else "such as 'month_end'"
    word = _CODES[code[1]] if code else _STEMS[str(stem)]
    return f"write {word.replace('_end', '_start') if code and code[2] == 'S' else word!r}"
