"""Random prices from a seed.

>>> from peak_fast.data import synthetic
>>> synthetic(1_000, "1m", seed=7).hash == synthetic(1_000, "1m", seed=7).hash
True
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

import peak_fast.arguments as _arguments
from peak_fast.data.checks import PRICE_COLUMNS, Columns, check
from peak_fast.data.times import DAY_US
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from peak_fast.data.bars import Bars
    from peak_fast.data.panel import Panel

_UNITS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": DAY_US, "w": 7 * DAY_US}
# Log-price distance from the starting price at which the generated walk is reflected: prices stay within a
# factor of 20, however long the series.
_REFLECTION = float(np.log(20.0))
_CLUSTER = 32  # bars that share a volatility
_MOST_BARS = 2**40
_BLOCK = 65_536  # bars made at a time; a multiple of _CLUSTER


@overload
def synthetic(
    n: int, freq: str = ..., seed: int = ..., *, assets: None = ..., start: str = ..., price: float = ...,
    volatility: float = ..., gaps: float = ..., missing: float = ..., weekends: bool | None = ...,
) -> Bars: ...  # fmt: skip
@overload
def synthetic(
    n: int, freq: str = ..., seed: int = ..., *, assets: int, start: str = ..., price: float = ...,
    volatility: float = ..., gaps: float = ..., missing: float = ..., weekends: bool | None = ...,
) -> Panel: ...  # fmt: skip
@guarded
def synthetic(
    n: int,
    freq: str = "1d",
    seed: int = 0,
    *,
    assets: int | None = None,
    start: str = "2000-01-03",
    price: float = 100.0,
    volatility: float = 0.25,
    gaps: float = 0.0,
    missing: float = 0.0,
    weekends: bool | None = None,
) -> Bars | Panel:
    """Seeded random bars of any length; the same arguments give the same bars.

    The log close is a random walk with volatility clusters (one log-normal factor per 32 bars), reflected so
    that prices stay within a factor of 20 of ``price``. Each bar opens near the previous close; high and low
    reach beyond open and close by a random fraction. The walk has no drift: it is meant for tests and
    benchmarks, not for judging a strategy.

    Parameters
    ----------
    n
        Number of bars, at least 1.
    freq
        Distance between bars: a whole number and one of s, m, h, d, w ("1d", "1m", "15m", "4h").
    seed
        Seed of the generator, >= 0.
    assets
        Number of assets of a panel, called A0, A1, ...; each walks by itself. None: bars of one asset.
    start
        Time of the first bar, ISO 8601, UTC.
    price
        First price, > 0.
    volatility
        Standard deviation of the log return per year, > 0.
    gaps
        Probability that one to five bars are absent before a bar, in [0, 1).
    missing
        Fraction of bars whose prices are NaN, in [0, 1].
    weekends
        Whether Saturdays and Sundays have bars. Default: not for whole days, yes for other distances.

    Raises
    ------
    ConfigError
        An argument outside its range.
    """
    from peak_fast.data.bars import Bars

    if assets is not None:
        one = partial(synthetic, n, freq, start=start, price=price, volatility=volatility, gaps=gaps, missing=missing,
                      weekends=weekends)  # fmt: skip
        return _panel(one, assets, seed, f"synthetic {freq} seed {seed}")
    step_us = _step(freq)
    _check_arguments(n, price, volatility, gaps, missing)
    seed = _arguments.whole("seed", seed, 0, 2**64 - 1, "0 is as good as any")
    if weekends is None:
        weekends = step_us % DAY_US != 0 or step_us > DAY_US
    random = np.random.default_rng(seed)
    time_us = _times(n, step_us, start, gaps, weekends, random)
    bars_per_year = (365.25 if weekends else 252.0) * DAY_US / step_us
    columns = _prices(n, price, volatility / np.sqrt(bars_per_year), random)
    volume = np.floor(1e5 + 9e5 * random.random(n))
    if missing > 0.0:
        absent = random.random(n) < missing
        for values in columns.values():
            values[absent] = np.nan
        volume[absent] = 0.0
    checked = check(Columns(**columns, volume=volume, time_us=time_us), frozenset())
    # Their frame is made when it is asked for: a run reads numbers, and importing Polars would take half of its time.
    names = {name: name for name in ("timestamp", *PRICE_COLUMNS, "volume")}
    return Bars._checked(checked, ..., f"synthetic {freq} seed {seed}", "UTC", names)


def _panel(one: Callable[..., Bars], assets: int, seed: int, name: str) -> Panel:
    """A panel of random bars whose seeds follow from one."""
    from peak_fast.data.panel import Panel

    assets = _arguments.whole("assets", assets, 1, 1_000_000, "leave it out for bars of one asset")
    seed = _arguments.whole("seed", seed, 0, 2**64 - 1, "0 is as good as any")
    seeds = np.random.SeedSequence(seed).generate_state(assets, np.uint64).tolist()
    digits = len(str(assets - 1))
    return Panel.from_frame({f"A{k:0{digits}d}": one(seed=own) for k, own in enumerate(seeds)}, name)


def _step(freq: str) -> int:
    """Distance between bars in microseconds."""
    match = re.fullmatch(r"([1-9]\d*)([smhdw])", freq) if isinstance(freq, str) else None
    if match is None:
        raise ConfigError(
            f"freq: expected a whole number and one of s, m, h, d, w; got {freq!r}; write for example '15m'"
        )
    return int(match[1]) * _UNITS_US[match[2]]


def _check_arguments(n: Any, price: Any, volatility: Any, gaps: Any, missing: Any) -> None:
    _arguments.whole("n", n, 1, _MOST_BARS, "give the number of bars")
    for name, value in (("price", price), ("volatility", volatility)):
        if not (_arguments.is_number(value) and 0.0 < value < np.inf):
            raise _arguments.wrong(
                name, "a number greater than zero", value, "100 is usual for a price, 0.25 a year"
            )
    if not (_arguments.is_number(gaps) and 0.0 <= gaps < 1.0):
        raise _arguments.wrong("gaps", "a probability in [0, 1)", gaps, "0 leaves no gaps")
    if not (_arguments.is_number(missing) and 0.0 <= missing <= 1.0):
        raise _arguments.wrong("missing", "a fraction in [0, 1]", missing, "0 leaves none out")


def _times(
    n: int, step_us: int, start: str, gaps: float, weekends: bool, random: np.random.Generator
) -> IntArray:
    """Times of the bars in microseconds, with absent bars and weekends left out."""
    try:
        first = int(np.datetime64(datetime.fromisoformat(start).replace(tzinfo=None), "us").astype(np.int64))
    except (ValueError, TypeError):
        raise ConfigError(
            f"start: expected ISO 8601; got {start!r}; write for example '2000-01-03'"
        ) from None
    offsets = np.arange(n, dtype=np.int64)
    if gaps > 0.0:
        skipped = np.where(random.random(n) < gaps, random.integers(1, 6, n), 0)
        skipped[0] = 0
        offsets += np.cumsum(skipped)
    offsets *= step_us
    if weekends:
        offsets += first
        return offsets
    if DAY_US % step_us != 0:
        raise ConfigError("weekends=False needs a freq that divides a day, such as '1d', '1h' or '1m'")
    return _skip_weekends(first, offsets)


def _skip_weekends(first: int, offsets: IntArray) -> IntArray:
    """Times at ``offsets`` after ``first``, counted in a week that has five days."""
    weekday = (first // DAY_US + 3) % 7
    if weekday > 4:  # begin on the Monday after
        first += (7 - weekday) * DAY_US
        weekday = 0
    monday = first - first % DAY_US - weekday * DAY_US
    trading = offsets + (first - monday)
    weeks = trading // (5 * DAY_US)
    trading += weeks * (2 * DAY_US) + monday
    return trading


def _prices(n: int, price: float, deviation: float, random: np.random.Generator) -> dict[str, FloatArray]:
    """Open, high, low, close of a reflected random walk with the given deviation per bar.

    Made block by block: intermediate arrays of the whole length would cost several times as much.
    """
    columns = {name: np.empty(n) for name in PRICE_COLUMNS}
    level, previous = 0.0, price
    for start in range(0, n, _BLOCK):
        size = min(_BLOCK, n - start)
        # The mean of the squared factor is one, so that the deviation of the whole is the one asked for.
        cluster = np.exp(0.4 * random.standard_normal(size // _CLUSTER + 1) - 0.16)
        scale = np.repeat(deviation * cluster, _CLUSTER)[:size]
        walk = random.standard_normal(size)
        walk *= scale
        walk[0] += level
        np.cumsum(walk, out=walk)
        level = float(walk[-1])
        close = price * np.exp(_reflect(walk))
        open_ = np.append(previous, close[:-1])
        previous = float(close[-1])
        # A product with a factor on one side of 1 is rounded to that side: open and close stay in the range.
        reach = np.minimum(scale, 0.5)
        open_ *= 1.0 + 0.2 * reach * (2.0 * random.random(size) - 1.0)
        block = slice(start, start + size)
        columns["open"][block] = open_
        columns["close"][block] = close
        np.multiply(np.maximum(open_, close), 1.0 + reach * random.random(size), out=columns["high"][block])
        np.multiply(np.minimum(open_, close), 1.0 - reach * random.random(size), out=columns["low"][block])
    return columns


def _reflect(walk: NDArray[Any]) -> FloatArray:
    """Fold a walk into [-_REFLECTION, _REFLECTION]; the size of its steps is kept away from the ends."""
    if max(float(walk.max()), -float(walk.min())) <= _REFLECTION:
        return walk
    span = 2.0 * _REFLECTION
    folded: FloatArray = np.abs((walk + _REFLECTION) % (2.0 * span) - span)
    return span - folded - _REFLECTION
