"""Regimes: where a result was earned, in rising and falling, quiet and nervous markets."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import shown, whole
from peak_fast.data import given_bars, is_panel
from peak_fast.errors import DataError
from peak_fast.guard import guarded, guarded_class
from peak_fast.validation.permutation import mean_returns
from peak_fast.validation.steps import account_returns, is_result
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.slots import PERIODS_PER_YEAR

if TYPE_CHECKING:
    import polars as pl

REGIMES = ("bull, quiet", "bull, nervous", "bear, quiet", "bear, nervous", "not known")
"""In the order of their numbers; the last is the time before the market has enough bars."""
UNKNOWN = 4
_MOST = 10_000_000


@guarded_class()
@dataclass(frozen=True)
class RegimesResult:
    """A result by regime.

    Attributes
    ----------
    frame : polars.DataFrame
        One row a regime, and one of all bars: regime, bars, share (of the bars), total_return (compounded over its
        bars), mean, volatility, sharpe (a year), sharpe_error (standard error, independent returns), max_drawdown (of
        its bars joined), trades (begun in it), win_rate, market_return, market_sharpe.
    regime_of : numpy.ndarray
        int64[n_bars]: number in `REGIMES` of the regime in which each bar's return was earned.
    trend, volatility
        Bars of the mean and of the deviation.
    notes
        What was passed over.
    """

    frame: pl.DataFrame
    regime_of: IntArray
    trend: int
    volatility: int
    symbol: str
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """The regimes in a few lines of text."""
        from peak_fast.validation.texts import regimes_text

        return regimes_text(self)

    def plot(self, *, path: str | Path | None = None) -> Any:
        """Sharpe ratio by regime, standard errors, numbers of bars: a Matplotlib figure (``path``: as a file, too)."""
        from peak_fast.report import drawn
        from peak_fast.validation.drawings import regimes_figure

        return drawn(regimes_figure(self), path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        plain = {"trend": self.trend, "volatility": self.volatility, "notes": list(self.notes)}
        return plain | {"regimes": self.frame.to_dicts()}


@guarded
def regimes(result: Any, *, market: Any = None, trend: int = 200, volatility: int = 21) -> RegimesResult:
    """Split a result by what was known of the market before each bar.

    The return of a bar, from the close before to its own, belongs to the regime at the close before.  Bull: that close
    is above the mean of the last ``trend`` closes, itself among them.  Nervous: the standard deviation of the last
    ``volatility`` returns is above the median of all such deviations so far.

    Parameters
    ----------
    result
        Of a run, of one asset or of a portfolio.
    market
        Bars or a panel whose regimes count, at the same times; None: the bars of the result, of a panel the mean return
        of its assets.
    trend, volatility
        Bars.

    Raises
    ------
    ConfigError, DataError
        Not a result; a market of another length or other times.
    """
    if not is_result(result):
        raise DataError(
            f"regimes: expected the result of a run; got {shown(result)}; pass BacktestEngine().run(...)"
        )
    own = result.panel if hasattr(result, "panel") else result.bars
    held = own if market is None else market if is_panel(market) else given_bars(market)
    if len(held) != len(own) or not np.array_equal(held.time_us, own.time_us):
        raise DataError(
            f"market: expected the {len(own):,} times of the result; got {len(held):,} bars"
            f"{' at other times' * (len(held) == len(own))}; select the same bars first"
        )
    trend = whole("trend", trend, 1, _MOST, "200 days are usual")
    volatility = whole("volatility", volatility, 2, _MOST, "21 days are a month")
    _check_prices(held)
    paid = getattr(getattr(result, "_replay", None), "payments", None) if held is own else None
    moves = mean_returns(held, paid)
    found = regime_of(moves, trend, volatility)
    frame = _frame(result, moves, found)
    unknown = int(np.count_nonzero(found == UNKNOWN))
    notes = [
        f"{unknown:,} of {len(own):,} bars come before the market has {trend} closes and a deviation"
    ] * bool(unknown)
    if paid is None and held is own and (result._used.get("financing") or {}).get("splits") is not None:
        notes.append("splits are taken for moves of the market; market= takes adjusted prices")
    return RegimesResult(frame, found, trend, volatility, result.symbol, tuple(notes))


def _check_prices(held: Any) -> None:
    """Returns need prices above zero."""
    low = np.nanmin(held.close) if np.isfinite(held.close).any() else np.nan
    if not low > 0.0:
        raise DataError(
            f"market: expected closes above zero, whose returns are compared; got {low:g}; pass market=, bars of the "
            "same times with such prices"
        )


def regime_of(moves: FloatArray, trend: int, volatility: int) -> IntArray:
    """Number in `REGIMES` for each bar, from the bars before it alone.

    Parameters
    ----------
    moves
        float64[n_bars]: return of each bar, NaN where there is none, which counts as no change.
    """
    plain = np.nan_to_num(moves, nan=0.0)
    level = np.exp(np.cumsum(np.log1p(np.maximum(plain, -1.0 + 1e-12))))
    count = level.size
    bull, nervous = np.zeros(count, bool), np.zeros(count, bool)
    known = np.zeros(count, bool)
    if count > trend:
        windows = np.lib.stride_tricks.sliding_window_view(level, trend)
        bull[trend:] = level[trend - 1 : -1] > windows[:-1].mean(axis=1)
    # The first return belongs to the second bar.
    if count > volatility + 1:
        spread = np.lib.stride_tricks.sliding_window_view(plain[1:], volatility).std(axis=1, ddof=1)
        nervous[volatility + 1 :] = (spread > medians(spread))[:-1]
    known[max(trend, volatility + 1) :] = True
    found: IntArray = np.where(known, 2 * ~bull + nervous, UNKNOWN).astype(np.int64)
    return found


def medians(values: FloatArray) -> FloatArray:
    """Median of all values up to each one: two heaps, the smaller half upside down."""
    low: list[float] = []
    high: list[float] = []
    found = np.empty(values.size)
    for place, value in enumerate(values.tolist()):
        heapq.heappush(high, -heapq.heappushpop(low, -value))
        if len(high) > len(low):
            heapq.heappush(low, -heapq.heappop(high))
        found[place] = -low[0] if len(low) > len(high) else (high[0] - low[0]) / 2.0
    return found


def _frame(result: Any, moves: FloatArray, found: IntArray) -> pl.DataFrame:
    """One row for each regime and one for all bars."""
    import polars as pl

    returns = account_returns(result).values
    market = np.nan_to_num(moves, nan=0.0)
    year = float(result._settings[PERIODS_PER_YEAR])
    begun, won = result.trades["entry_bar"].to_numpy(), result.trades["net_pnl"].to_numpy() > 0.0
    rows = []
    for number, name in enumerate((*REGIMES, "all")):
        inside = found == number if name != "all" else np.ones(found.size, bool)
        trades = won[inside[begun]] if len(begun) else won
        figures = _figures(returns[inside], year) | {
            "trades": len(trades), "win_rate": float(trades.mean()) if len(trades) else math.nan,
            "market_return": float(np.prod(1.0 + market[inside]) - 1.0),
            "market_sharpe": _figures(market[inside], year)["sharpe"],
        }  # fmt: skip
        rows.append({"regime": name, "bars": int(inside.sum()), "share": float(inside.mean())} | figures)
    return pl.DataFrame(rows)


def _figures(returns: FloatArray, year: float) -> dict[str, float]:
    """Figures of some returns, joined; NaN of too few."""
    count = returns.size
    curve = np.append(1.0, np.cumprod(1.0 + returns))
    mean = float(returns.mean()) if count else math.nan
    spread = float(returns.std(ddof=1)) if count > 1 else math.nan
    ratio = mean / spread if spread > 0.0 else math.nan
    return {
        "total_return": float(curve[-1] - 1.0),
        "mean": mean * year,
        "volatility": spread * math.sqrt(year),
        "sharpe": ratio * math.sqrt(year),
        # Lo (2002), independent returns.
        "sharpe_error": math.sqrt((1.0 + ratio * ratio / 2.0) / count * year) if count else math.nan,
        "max_drawdown": float((curve / np.maximum.accumulate(curve)).min() - 1.0),
    }
