"""Technical indicators with TA-Lib's conventions.

>>> import numpy as np
>>> from peak_fast import indicators as ta
>>> ta.sma(np.array([1.0, 2.0, 3.0, 4.0]), 2)
array([nan, 1.5, 2.5, 3.5])

Every function takes numpy arrays, Polars or pandas Series, or lists, and returns the type of its first
argument: float64 values, one per bar, NaN until the first full window (TA-Lib's first valid bar).  Functions
with several outputs return a named tuple.

Missing bars: an indicator over a window is NaN where the window holds a NaN and recovers after it; a
recursive one (EMA, RSI, ATR, MACD, ADX, OBV, SAR, ...) is computed as if the missing bars were not there,
NaN at such a bar.  Values depend on the bar and earlier ones only, to the last bit.
Formulas: docs/indicators.md.

Raises
------
DataError
    An input that is not one column of numbers, or inputs of different lengths.
ConfigError
    A period that is not a whole number, or too small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from peak_fast.arguments import is_number, number
from peak_fast.columns import as_float_array, whole_number, wrapper_for
from peak_fast.data import in_line
from peak_fast.errors import ConfigError, DataError, did_you_mean
from peak_fast.indicators import ready as kernels
from peak_fast.indicators.definitions import indicator


class Bands(NamedTuple):
    """A channel around the price."""

    upper: Any
    middle: Any
    lower: Any


class Macd(NamedTuple):
    """MACD line, its signal line, and line minus signal."""

    line: Any
    signal: Any
    histogram: Any


class Stochastic(NamedTuple):
    """%K and its average %D, 0 to 100."""

    k: Any
    d: Any


class Aroon(NamedTuple):
    """Aroon down and up, 0 to 100."""

    down: Any
    up: Any


class Directional(NamedTuple):
    """Wilder's +DI, -DI, DX and ADX, 0 to 100."""

    plus_di: Any
    minus_di: Any
    dx: Any
    adx: Any


class DirectionalMovement(NamedTuple):
    """Wilder's smoothed +DM and -DM, in price units."""

    plus: Any
    minus: Any


def _compute(
    kernel: Callable[..., None],
    columns: dict[str, Any],
    parameters: tuple[float, ...],
    names: tuple[str, ...],
) -> list[Any]:
    """Run ``kernel`` on the columns, in the rows of the first; one result per name, in the type of that one."""
    placed = in_line(columns) if len(columns) > 1 else columns
    arrays = [as_float_array(values, name) for name, values in placed.items()]
    size = arrays[0].size
    if any(array.size != size for array in arrays):
        lengths = {name: array.size for name, array in zip(columns, arrays, strict=True)}
        raise DataError(f"expected columns of one length, got {lengths}; cut them to the same bars")
    wrap = wrapper_for(next(iter(columns.values())))
    results = [np.empty(size) for _ in names]
    kernel(*arrays, *parameters, *results)
    return [wrap(result, name) for result, name in zip(results, names, strict=True)]


def _one(
    kernel: Callable[..., None], columns: dict[str, Any], name: str, *periods: int, minimum: int = 1
) -> Any:
    """One output from columns and periods."""
    checked = tuple(whole_number(period, "period", minimum) for period in periods)
    label = "_".join([name, *map(str, checked)])
    return _compute(kernel, columns, checked, (label,))[0]


def _average(values: Any, period: int, kind: str, parameter: str) -> Any:
    kinds = {"sma": sma, "ema": ema, "wma": wma, "dema": dema, "tema": tema, "trima": trima, "kama": kama}
    if not isinstance(kind, str) or kind not in kinds:
        raise ConfigError(
            f"{parameter}: expected the name of an average; got {kind!r}; {did_you_mean(str(kind), kinds)}"
        )
    return kinds[kind](values, period)


def _bare(values: Any) -> Any:
    """The array of a result, whatever type it was wrapped in."""
    return as_float_array(values, "result")


# Moving averages


@indicator()
def sma(values: Any, period: int) -> Any:
    """Simple moving average of ``period`` bars; first value at ``period - 1``."""
    return _one(kernels.sma, {"values": values}, "sma", period)


@indicator()
def ema(values: Any, period: int) -> Any:
    """Exponential moving average, ``k = 2 / (period + 1)``, seeded with the mean of the first ``period``."""
    return _one(kernels.ema, {"values": values}, "ema", period)


@indicator()
def wma(values: Any, period: int) -> Any:
    """Weighted moving average, weights 1 (oldest) to ``period`` (latest)."""
    return _one(kernels.wma, {"values": values}, "wma", period)


@indicator()
def dema(values: Any, period: int) -> Any:
    """Double EMA, ``2 EMA - EMA(EMA)``; first value at ``2 (period - 1)``."""
    return _one(kernels.dema, {"values": values}, "dema", period)


@indicator()
def tema(values: Any, period: int) -> Any:
    """Triple EMA, ``3 EMA - 3 EMA(EMA) + EMA(EMA(EMA))``; first value at ``3 (period - 1)``."""
    return _one(kernels.tema, {"values": values}, "tema", period)


@indicator()
def trima(values: Any, period: int) -> Any:
    """Triangular moving average: SMA of an SMA, together ``period`` bars wide."""
    return _one(kernels.trima, {"values": values}, "trima", period)


@indicator()
def kama(values: Any, period: int = 10) -> Any:
    """Kaufman's adaptive moving average between EMA 2 and EMA 30; first value at ``period``."""
    return _one(kernels.kama, {"values": values}, "kama", period)


@indicator()
def linear_regression(values: Any, period: int = 14) -> Any:
    """End point of the least-squares line through ``period`` bars."""
    return _one(kernels.linear_regression, {"values": values}, "linear_regression", period, minimum=2)


@indicator()
def linear_regression_slope(values: Any, period: int = 14) -> Any:
    """Slope per bar of the least-squares line through ``period`` bars."""
    kernel = kernels.linear_regression_slope
    return _one(kernel, {"values": values}, "linear_regression_slope", period, minimum=2)


# Spread and channels


@indicator()
def var(values: Any, period: int) -> Any:
    """Population variance (``ddof`` 0) of ``period`` bars."""
    return _one(kernels.var, {"values": values}, "var", period)


@indicator()
def std(values: Any, period: int) -> Any:
    """Population standard deviation (``ddof`` 0) of ``period`` bars."""
    return _one(kernels.std, {"values": values}, "std", period)


@indicator("bollinger_upper", "bollinger_middle", "bollinger_lower")
def bollinger(values: Any, period: int = 20, deviations: float = 2.0, average: str = "sma") -> Bands:
    """Bollinger bands: an average and ``deviations`` population standard deviations around it.

    The deviation is that of the last ``period`` bars around their mean, whatever ``average`` is.
    """
    period = whole_number(period, "period", 1)
    deviations = number("deviations", deviations, "a number", "2 is usual")
    if isinstance(average, str) and average == "sma":
        names = ("bollinger_upper", "bollinger_middle", "bollinger_lower")
        return Bands(*_compute(kernels.bollinger, {"values": values}, (period, deviations), names))
    wrap = wrapper_for(values)
    middle = _bare(_average(values, period, average, "average"))
    width = deviations * _bare(std(values, period))
    return Bands(
        wrap(middle + width, "bollinger_upper"),
        wrap(middle, "bollinger_middle"),
        wrap(middle - width, "bollinger_lower"),
    )


@indicator()
def highest(values: Any, period: int) -> Any:
    """Largest of the last ``period`` bars, the current one included (TA-Lib MAX)."""
    return _one(kernels.highest, {"values": values}, "highest", period)


@indicator()
def lowest(values: Any, period: int) -> Any:
    """Smallest of the last ``period`` bars, the current one included (TA-Lib MIN)."""
    return _one(kernels.lowest, {"values": values}, "lowest", period)


@indicator("donchian_upper", "donchian_middle", "donchian_lower")
def donchian(high: Any, low: Any, period: int = 20) -> Bands:
    """Donchian channel: highest high, lowest low, the current bar included, and their midpoint."""
    names = ("donchian_upper", "donchian_middle", "donchian_lower")
    columns = {"high": high, "low": low}
    return Bands(*_compute(kernels.donchian, columns, (whole_number(period, "period", 1),), names))


@indicator()
def true_range(high: Any, low: Any, close: Any) -> Any:
    """True range, the high-low range extended to the previous close; NaN at bar 0."""
    return _one(kernels.true_range, {"high": high, "low": low, "close": close}, "true_range")


@indicator()
def atr(high: Any, low: Any, close: Any, period: int = 14) -> Any:
    """Average true range with Wilder's smoothing; first value at ``period``."""
    return _one(kernels.atr, {"high": high, "low": low, "close": close}, "atr", period)


@indicator()
def natr(high: Any, low: Any, close: Any, period: int = 14) -> Any:
    """Average true range in percent of the close."""
    return _one(kernels.natr, {"high": high, "low": low, "close": close}, "natr", period)


# Momentum


@indicator()
def momentum(values: Any, period: int = 10) -> Any:
    """Difference to the value ``period`` bars before."""
    return _one(kernels.momentum, {"values": values}, "momentum", period)


@indicator()
def roc(values: Any, period: int = 10) -> Any:
    """Percent change against the value ``period`` bars before; 0 where that is 0."""
    return _one(kernels.roc, {"values": values}, "roc", period)


@indicator()
def rsi(values: Any, period: int = 14) -> Any:
    """Wilder's relative strength index, 0 to 100; 0 for prices that never moved."""
    return _one(kernels.rsi, {"values": values}, "rsi", period)


@indicator()
def trix(values: Any, period: int = 15) -> Any:
    """Percent change per bar of a triple EMA; first value at ``3 (period - 1) + 1``."""
    return _one(kernels.trix, {"values": values}, "trix", period)


@indicator("macd", "macd_signal", "macd_histogram")
def macd(values: Any, fast: int = 12, slow: int = 26, signal: int = 9, average: str = "ema") -> Macd:
    """Moving average convergence divergence; all outputs start at ``slow + signal - 2``.

    With the default ``average`` the fast EMA is seeded at bar ``slow - 1`` like the slow one (TA-Lib MACD).
    Any other kind of average is computed from its own start (TA-Lib MACDEXT).
    """
    fast = whole_number(fast, "fast", 1)
    slow = whole_number(slow, "slow", 1)
    signal = whole_number(signal, "signal", 1)
    names = ("macd", "macd_signal", "macd_histogram")
    if average == "ema":
        return Macd(*_compute(kernels.macd, {"values": values}, (fast, slow, signal), names))
    wrap = wrapper_for(values)
    fast, slow = min(fast, slow), max(fast, slow)
    array = as_float_array(values, "values")
    line = _bare(_average(array, fast, average, "average")) - _bare(_average(array, slow, average, "average"))
    smoothed = _bare(_average(line, signal, average, "average"))
    line = np.where(np.cumsum(~np.isnan(smoothed)) > 0, line, np.nan)
    return Macd(wrap(line, names[0]), wrap(smoothed, names[1]), wrap(line - smoothed, names[2]))


@indicator("macdfix", "macdfix_signal", "macdfix_histogram")
def macdfix(values: Any, signal: int = 9) -> Macd:
    """MACD 12/26 with Appel's rounded smoothing constants 0.15 and 0.075."""
    names = ("macdfix", "macdfix_signal", "macdfix_histogram")
    return Macd(*_compute(kernels.macdfix, {"values": values}, (whole_number(signal, "signal", 1),), names))


@indicator("stoch_k", "stoch_d")
def stoch(
    high: Any, low: Any, close: Any, fastk_period: int = 5, slowk_period: int = 3, slowd_period: int = 3
) -> Stochastic:
    """Slow stochastic with SMA smoothing; both outputs start where %D does."""
    periods = (
        whole_number(fastk_period, "fastk_period", 1),
        whole_number(slowk_period, "slowk_period", 1),
        whole_number(slowd_period, "slowd_period", 1),
    )
    columns = {"high": high, "low": low, "close": close}
    return Stochastic(*_compute(kernels.stoch, columns, periods, ("stoch_k", "stoch_d")))


@indicator("stochf_k", "stochf_d")
def stochf(high: Any, low: Any, close: Any, fastk_period: int = 5, fastd_period: int = 3) -> Stochastic:
    """Fast stochastic: %K unsmoothed, %D its SMA; both outputs start where %D does."""
    periods = (whole_number(fastk_period, "fastk_period", 1), whole_number(fastd_period, "fastd_period", 1))
    columns = {"high": high, "low": low, "close": close}
    return Stochastic(*_compute(kernels.stochf, columns, periods, ("stochf_k", "stochf_d")))


@indicator()
def willr(high: Any, low: Any, close: Any, period: int = 14) -> Any:
    """Williams %R, -100 (close at the bottom of the range) to 0."""
    return _one(kernels.willr, {"high": high, "low": low, "close": close}, "willr", period)


@indicator()
def cci(high: Any, low: Any, close: Any, period: int = 20) -> Any:
    """Commodity channel index of the typical price ``(high + low + close) / 3``."""
    return _one(kernels.cci, {"high": high, "low": low, "close": close}, "cci", period)


@indicator("aroon_down", "aroon_up")
def aroon(high: Any, low: Any, period: int = 14) -> Aroon:
    """Aroon: how recent the extreme of the last ``period + 1`` bars is, in percent."""
    columns = {"high": high, "low": low}
    periods = (whole_number(period, "period", 1),)
    return Aroon(*_compute(kernels.aroon, columns, periods, ("aroon_down", "aroon_up")))


# Trend systems


@indicator("plus_di", "minus_di", "dx", "adx")
def directional(high: Any, low: Any, close: Any, period: int = 14) -> Directional:
    """Wilder's directional system: +DI, -DI and DX from bar ``period``, ADX from ``2 period - 1``."""
    columns = {"high": high, "low": low, "close": close}
    names = ("plus_di", "minus_di", "dx", "adx")
    return Directional(*_compute(kernels.directional, columns, (whole_number(period, "period", 1),), names))


@indicator("plus_dm", "minus_dm")
def directional_movement(high: Any, low: Any, period: int = 14) -> DirectionalMovement:
    """Wilder's smoothed directional movement, in price units; first value at ``period - 1``."""
    columns = {"high": high, "low": low}
    periods = (whole_number(period, "period", 1),)
    return DirectionalMovement(
        *_compute(kernels.directional_movement, columns, periods, ("plus_dm", "minus_dm"))
    )


@indicator()
def adx(high: Any, low: Any, close: Any, period: int = 14) -> Any:
    """Average directional index; first value at ``2 period - 1``."""
    return _one(kernels.adx, {"high": high, "low": low, "close": close}, "adx", period)


@indicator()
def adxr(high: Any, low: Any, close: Any, period: int = 14) -> Any:
    """Mean of ADX now and ``period - 1`` bars before; first value at ``3 period - 2``."""
    return _one(kernels.adxr, {"high": high, "low": low, "close": close}, "adxr", period)


@indicator()
def sar(high: Any, low: Any, step: float = 0.02, limit: float = 0.2) -> Any:
    """Parabolic stop and reverse; the acceleration grows by ``step`` up to ``limit``."""
    if not (is_number(step) and is_number(limit) and 0.0 <= step <= limit):
        raise ConfigError(
            f"expected 0 <= step <= limit; got step={step!r}, limit={limit!r}; 0.02 and 0.2 are usual"
        )
    return _compute(kernels.sar, {"high": high, "low": low}, (float(step), float(limit)), ("sar",))[0]


# Volume, pairs


@indicator()
def obv(close: Any, volume: Any) -> Any:
    """On-balance volume, starting with the first bar's volume."""
    return _one(kernels.obv, {"close": close, "volume": volume}, "obv")


@indicator()
def mfi(high: Any, low: Any, close: Any, volume: Any, period: int = 14) -> Any:
    """Money flow index, 0 to 100; 0 where no money flowed."""
    columns = {"high": high, "low": low, "close": close, "volume": volume}
    return _one(kernels.mfi, columns, "mfi", period)


@indicator()
def correl(first: Any, second: Any, period: int = 30) -> Any:
    """Pearson correlation of two columns over ``period`` bars; 0 where one of them is constant."""
    return _one(kernels.correl, {"first": first, "second": second}, "correl", period)
