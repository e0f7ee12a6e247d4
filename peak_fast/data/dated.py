"""What follows from the times of bars: days, spans, bars a year."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from peak_fast.data.checks import moment
from peak_fast.data.options import Stamp
from peak_fast.data.times import DAY_US, periods_per_year
from peak_fast.data.year_estimates import known_steps
from peak_kernels.arrays import IntArray

if TYPE_CHECKING:
    import polars as pl

NO_TIMES = "there are no times: bars count as days, 252 a year (periods_per_year= says it)"


class Dated:
    """Bars that stand at times: of one asset, or of several on one calendar."""

    __slots__ = ()

    time_us: IntArray
    has_time: bool
    time_zone: str | None
    stamp: Stamp
    _periods_per_year: float | None

    @property
    def periods_per_year(self) -> float:
        """Bars per year inferred from the timestamps (formula: ``docs/data.md``); 252 without timestamps."""
        if self._periods_per_year is None:
            value = periods_per_year(self.inside_us) if self.has_time else 252.0
            object.__setattr__(self, "_periods_per_year", value)
        return float(self._periods_per_year)  # type: ignore[arg-type]

    @property
    def inside_us(self) -> IntArray:
        """A time inside of each bar: its open, or the microsecond before its close.

        A bar that closes at midnight therefore belongs to the day before.
        """
        return self.time_us - 1 if self.stamp == "close" else self.time_us

    @property
    def day(self) -> IntArray:
        """Calendar day (UTC) of each bar, as days since 1970: int64, shape ``(n_bars,)``."""
        return self.inside_us // DAY_US

    @property
    def opens_us(self) -> IntArray:
        """When each bar opens: int64 microseconds UTC, shape ``(n_bars,)``.

        Where times are closes, a bar opens at the close before it, but no longer before its own than the usual
        distance between the bars so far (over a night or a weekend): `peak_fast.data.year_estimates.known_steps`.
        """
        if self.stamp == "open":
            return self.time_us
        opens = self.time_us - known_steps(self.time_us)
        np.maximum(opens[1:], self.time_us[:-1], out=opens[1:])
        return opens

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Times of the first and the last bar, as aware datetimes in UTC."""
        return moment(int(self.time_us[0])), moment(int(self.time_us[-1]))

    @property
    def timestamp(self) -> pl.Series:
        """Times as a Polars series ``timestamp`` of type Datetime("us", ``time_zone`` or "UTC")."""
        import polars as pl

        series = pl.Series("timestamp", self.time_us).cast(pl.Datetime("us", "UTC"))
        if self.time_zone in (None, "UTC"):
            return series
        try:
            return series.dt.convert_time_zone(str(self.time_zone))
        except pl.exceptions.ComputeError:  # a fixed offset, which has no zone name
            return series

    def _when(self) -> str:
        """First and last time, in words."""
        start, end = self.span
        return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC" if self.has_time else "no timestamps"
