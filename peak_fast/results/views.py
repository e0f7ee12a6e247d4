"""Returns, months, drawdowns and moving figures of a result, as frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from peak_fast.arguments import whole, wrong
from peak_fast.errors import ConfigError, DataError
from peak_fast.metrics import (
    DrawdownEpisode,
    deepest_episodes,
    period_returns,
    periods_of,
    returns_from_equity,
)
from peak_fast.metrics import rolling as rolling_figure
from peak_fast.results.named_frames import NamedFrame, named
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    import polars as pl

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Course(NamedTuple):
    """What the views need of a result."""

    prices: Any
    """Bars or a panel: times, their zone and what they mean."""
    values: FloatArray
    """Equity at each bar, without what deposits added: float64[n_bars]."""
    initial: float
    """Equity before the first bar."""
    periods_per_year: float


def returns_frame(course: Course) -> pl.DataFrame:
    """Columns timestamp, return."""
    import polars as pl

    returns = returns_from_equity(course.values, course.initial)
    return NamedFrame([course.prices.timestamp, pl.Series("return", returns)])


def monthly_frame(course: Course) -> pl.DataFrame:
    """Columns year, Jan to Dec, year_return."""
    import polars as pl

    prices = course.prices
    if not prices.has_time:
        raise DataError(
            "monthly_returns: expected bars with times, got bars that have none; give a column of times with the prices"
        )
    months = periods_of(prices.time_us, "month", prices.time_zone, prices.stamp)
    of_months = period_returns(course.values, months, course.initial)
    numbers = months.key.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    years = 1970 + numbers // 12
    shown = np.arange(years[0], years[-1] + 1)
    table = np.full((shown.size, 12), np.nan)
    table[years - years[0], numbers % 12] = of_months
    yearly = np.array(
        [np.prod(1.0 + of_months[years == year]) - 1.0 if (years == year).any() else np.nan for year in shown]
    )
    columns = [pl.Series("year", shown, dtype=pl.Int32)]
    columns += [pl.Series(name, table[:, k]).fill_nan(None) for k, name in enumerate(MONTHS)]
    return NamedFrame([*columns, pl.Series("year_return", yearly).fill_nan(None)])


def drawdowns_frame(course: Course, top: int) -> pl.DataFrame:
    """Columns depth, peak_bar, valley_bar, end_bar, peak_time, valley_time, end_time, bars, bars_to_recover,
    recovered.
    """
    import polars as pl

    most = whole("top", top, 1, 1_000_000, "pass how many to list, such as 10")
    columns = _columns_of(deepest_episodes(course.values, course.initial, most))
    stamps = course.prices.timestamp
    for name in ("peak", "valley", "end"):
        bars = pl.Series(np.maximum(columns[f"{name}_bar"], 0), dtype=pl.UInt32)
        columns[f"{name}_time"] = stamps.gather(bars)
    order = (
        "depth", "peak_bar", "valley_bar", "end_bar", "peak_time", "valley_time", "end_time", "bars",
        "bars_to_recover", "recovered",
    )  # fmt: skip
    return named(pl.DataFrame({name: columns[name] for name in order}))


def _columns_of(episodes: list[DrawdownEpisode]) -> dict[str, Any]:
    import polars as pl

    def column(name: str, kind: Any) -> Any:
        return np.array([getattr(one, name) for one in episodes], dtype=kind)

    peak, valley, end = (column(name, np.int64) for name in ("peak", "valley", "end"))
    recovered = column("recovered", np.bool_)
    to_recover = [int(e - v) if back else None for e, v, back in zip(end, valley, recovered, strict=True)]
    return {
        "depth": column("depth", np.float64),
        "peak_bar": peak,
        "valley_bar": valley,
        "end_bar": pl.Series(
            [int(e) if back else None for e, back in zip(end, recovered, strict=True)], dtype=pl.Int64
        ),
        "bars": end - peak,
        "bars_to_recover": pl.Series(to_recover, dtype=pl.Int64),
        "recovered": recovered,
    }


def levels_of(result: Any, benchmark: Any) -> FloatArray | None:
    """A benchmark as levels, float64[n_bars]: given ones by their times, True the closes, None or False none.

    Raises
    ------
    ConfigError
        Another length, or times that do not fit.
    """
    from peak_fast.data import Calendar, aligned

    if benchmark is None or benchmark is False:
        return None
    prices = result._course().prices
    if benchmark is True:
        from peak_fast.report import payload_of

        return np.asarray(payload_of(result)["close"], dtype=np.float64)
    if hasattr(benchmark, "mark") and hasattr(benchmark, "time_us"):
        from polars import selectors as cs

        benchmark = benchmark.to_polars().select(cs.temporal(), "close")  # the column's name says the stamp
    calendar = Calendar(len(prices), prices.time_us if prices.has_time else None, prices.time_zone)
    found = aligned(benchmark, calendar, "benchmark", [], ConfigError, levels=True)
    try:
        levels = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        raise wrong(
            "benchmark", "levels with times, or Bars", benchmark, "read prices first, for example load(path)"
        ) from None
    if levels.shape != (len(prices),):
        raise ConfigError(
            f"benchmark: expected {len(prices)} levels, one a bar, got {levels.shape}; pass prices with their times"
        )
    return levels


def rolling_frame(result: Any, what: str, window: int, benchmark: Any) -> pl.DataFrame:
    """Columns timestamp and the figure's name."""
    import polars as pl

    course = result._course()
    returns = returns_from_equity(course.values, course.initial)
    levels = levels_of(result, True if benchmark is None and what in ("beta", "correlation") else benchmark)
    other = None if levels is None else np.concatenate(([0.0], returns_from_equity(levels)))
    figure = rolling_figure(what, returns, window, periods_per_year=course.periods_per_year, benchmark=other)
    return NamedFrame([course.prices.timestamp, pl.Series(what, figure).fill_nan(None)])
