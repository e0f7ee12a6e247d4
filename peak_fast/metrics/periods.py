"""Calendar periods of bars, returns over them, and figures in a moving window; the names are in `peak_fast.metrics`."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from peak_fast.arguments import whole
from peak_fast.columns import as_float_array
from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.guard import guarded
from peak_fast.metrics.ratios import same_length
from peak_kernels.arrays import FloatArray, IntArray

Every = Literal["day", "week", "month", "quarter", "year"]
EVERY = ("day", "week", "month", "quarter", "year")

_NEVER = 1e-15
"""A share of the sum of squares below which a spread is rounding noise."""

ROLLING = ("return", "volatility", "sharpe", "sortino", "max_drawdown", "beta", "correlation")
"""What `rolling` can measure; the last two need a benchmark."""


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(
            f"{name}: expected one of {', '.join(known)}; got {value!r}; {did_you_mean(str(value), known)}"
        )


class Periods(NamedTuple):
    """Calendar periods that have bars, in order of time."""

    key: IntArray
    """Days since 1970-01-01 on which each period begins."""
    last: IntArray
    """Last bar of each."""


def local_days(time_us: IntArray, time_zone: str | None, stamp: str = "open") -> IntArray:
    """Days since 1970-01-01, in a zone, to which bars belong.

    Parameters
    ----------
    time_us
        int64 microseconds since the epoch, UTC.
    time_zone
        IANA name of the zone in which days begin; None: UTC.
    stamp
        ``"close"``: a bar stamped at midnight belongs to the day that ends there.
    """
    moments = time_us - 1 if stamp == "close" else time_us
    if time_zone not in (None, "UTC"):
        import polars as pl

        local = pl.Series(moments).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(time_zone)
        moments = local.dt.replace_time_zone(None).to_physical().to_numpy()
    days: IntArray = np.floor_divide(moments, 86_400_000_000)
    return days


def _starts(days: IntArray, every: Every) -> IntArray:
    """First day of the period of each day."""
    if every == "day":
        return days
    if every == "week":  # 1970-01-01 was a Thursday
        return days - (days + 3) % 7
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    length = {"month": 1, "quarter": 3, "year": 12}[every]
    begun = (months - months % length).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return np.asarray(begun)


@guarded
def periods_of(time_us: Any, every: Every, time_zone: str | None = None, stamp: str = "open") -> Periods:
    """Calendar periods of bars.

    Parameters
    ----------
    time_us
        Increasing int64 microseconds since the epoch, UTC, shape ``(n,)``.
    every
        ``"day"``, ``"week"`` (from Monday), ``"month"``, ``"quarter"`` or ``"year"``.
    time_zone, stamp
        See `local_days`.

    Raises
    ------
    ConfigError
        ``every`` is another word.
    """
    _one_of("every", every, EVERY)
    times = np.asarray(time_us, dtype=np.int64)
    if times.size == 0:
        return Periods(times, times)
    days = local_days(times, time_zone, stamp)
    # Days first: of many bars a day only the last one's period is looked for.
    last = np.append(np.flatnonzero(days[1:] != days[:-1]), times.size - 1)
    keys = _starts(days[last], every)
    ends = np.append(np.flatnonzero(keys[1:] != keys[:-1]), keys.size - 1)
    return Periods(keys[ends], last[ends])


@guarded
def period_returns(equity: Any, periods: Periods, initial: float | None = None) -> FloatArray:
    """Simple returns of calendar periods, from the last equity of one to the last of the next.

    Parameters
    ----------
    equity
        Equity at each bar, shape ``(n,)``.
    periods
        From `periods_of` of the same bars.
    initial
        Equity before the first bar; None: the first bar's.

    Returns
    -------
    ndarray
        One a period; 0 where the equity before is not positive, as in `returns_from_equity`.
    """
    curve = as_float_array(equity, "equity")
    if curve.size == 0:
        return curve
    ends = curve[periods.last]
    before = np.concatenate(([curve[0] if initial is None else initial], ends[:-1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(before <= 0.0, 0.0, ends / before - 1.0)


def _moving(values: FloatArray, window: int, what: str) -> FloatArray:
    import polars as pl

    of = pl.Series(values)
    if what == "sum":
        return of.rolling_sum(window, min_samples=window).to_numpy()
    if what == "mean":
        return of.rolling_mean(window, min_samples=window).to_numpy()
    return of.rolling_std(window, min_samples=window, ddof=1).to_numpy()


def _windows(values: FloatArray, window: int) -> FloatArray:
    views: FloatArray = np.lib.stride_tricks.sliding_window_view(values, window)
    return views


def _deepest(returns: FloatArray, window: int) -> FloatArray:
    """Deepest drawdown inside each window, whose start counts as a peak."""
    found = np.full(returns.size, np.nan)
    pieces = max(1, 2_000_000 // window)
    views = _windows(returns, window)
    for first in range(0, len(views), pieces):
        part = views[first : first + pieces]
        curve = np.cumprod(1.0 + part, axis=1)
        peak = np.maximum(np.maximum.accumulate(curve, axis=1), 1.0)
        found[first + window - 1 : first + window - 1 + len(part)] = (curve / peak - 1.0).min(axis=1)
    return found


def _related(what: str, returns: FloatArray, benchmark: FloatArray, window: int) -> FloatArray:
    own, other = returns - returns.mean(), benchmark - benchmark.mean()
    mean_own, mean_other = _moving(own, window, "mean"), _moving(other, window, "mean")
    covariance = (_moving(own * other, window, "mean") - mean_own * mean_other) * window / (window - 1)
    spread = _moving(other, window, "std")
    scale = spread * spread if what == "beta" else spread * _moving(own, window, "std")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(scale > _NEVER, covariance / scale, np.nan)


def _alone(what: str, returns: FloatArray, window: int, periods_per_year: float) -> FloatArray:
    if what == "return":
        with np.errstate(divide="ignore", invalid="ignore"):
            grown: FloatArray = np.expm1(_moving(np.log1p(np.maximum(returns, -1.0)), window, "sum"))
        return grown
    if what == "max_drawdown":
        return _deepest(returns, window)
    mean, year = _moving(returns, window, "mean"), np.sqrt(periods_per_year)
    if what == "sortino":
        squares = np.minimum(returns, 0.0) ** 2
        spread = np.sqrt(np.maximum(_moving(squares, window, "mean"), 0.0))
    else:
        spread = _moving(returns, window, "std")
    if what == "volatility":
        yearly: FloatArray = spread * year
        return yearly
    noise = np.sqrt(_NEVER) * np.abs(mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > noise, mean / spread * year, np.nan)


@guarded
def rolling(
    what: str, returns: Any, window: int, *, periods_per_year: float = 252.0, benchmark: Any = None
) -> FloatArray:
    """A figure in a moving window of returns.

    Parameters
    ----------
    what
        ``"return"``, ``"volatility"``, ``"sharpe"``, ``"sortino"``, ``"max_drawdown"``; with a benchmark ``"beta"``
        and ``"correlation"``.
    returns, benchmark
        Simple returns, shape ``(n,)``; NaN counts as 0.
    window
        Number of returns, at least 2.
    periods_per_year
        Annualises volatility, Sharpe and Sortino ratio.

    Returns
    -------
    ndarray
        Shape ``(n,)``; NaN before the window is full and where the figure has no value.

    Raises
    ------
    ConfigError
        An unknown figure, a window below 2, no benchmark where one is needed, or one of another length.
    """
    _one_of("what", what, ROLLING)
    length = whole("window", window, 2, 1_000_000_000, "pass a number of returns, such as 63")
    values = np.nan_to_num(as_float_array(returns, "returns"), nan=0.0)
    if what not in ("beta", "correlation"):
        return _alone(what, values, length, periods_per_year)
    if benchmark is None:
        raise ConfigError(f"rolling {what}: expected a benchmark, got None; pass benchmark=")
    own, other = same_length(values, benchmark)
    return _related(what, own, np.nan_to_num(other, nan=0.0), length)
