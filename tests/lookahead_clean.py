"""Strategies that do not look ahead, as people write them."""

import numba
import numpy as np
import polars as pl
import pytest

from peak_fast import Rank, strategy
from peak_fast.portfolio import Momentum
from tests.lookahead_cases import CLEAN, clean, features, fitted, sides

pd = pytest.importorskip("pandas")
__all__ = ["CLEAN"]


@clean("polars")
def lagged_mean(df, params):
    return (df["close"].shift(1) > df["close"].rolling_mean(20).shift(1)).cast(pl.Int8)


@clean("pandas")
def expanding_z(df, params):
    df["z"] = (df["close"] - df["close"].expanding().mean()) / df["close"].expanding().std()
    return (df["z"] > 0).astype(int)


@clean("pandas")
def expanding_quantile(df, params):
    return (df["volume"] > df["volume"].expanding().quantile(0.9)).astype(int)


@clean("pandas")
def weighted_mean(df, params):
    return (df["close"] > df["close"].ewm(span=20).mean()).astype(int)


@clean("polars")
def exponential_mean_with_warm_up(df, params):
    mean = df["close"].ewm_mean(span=20, adjust=False, min_samples=20)
    return (df["close"] > mean).cast(pl.Int8)


@clean("pandas")
def backward_join(df, params):
    some = df.iloc[::24][["timestamp", "close"]].rename(columns={"close": "known"})
    return (pd.merge_asof(df, some, on="timestamp", direction="backward")["known"] > df["close"]).astype(int)


@clean("indexed")
def completed_higher_bars(df, params):
    days = df["close"].resample("D").last().shift(1)
    return (df["close"] > days.reindex(df.index, method="ffill")).astype(int)


@clean("polars")
def running_mean_of_the_day(df, params):
    mean = pl.col("close").cum_sum() / pl.col("close").cum_count()
    return df.select((pl.col("close") > mean.over(pl.col("timestamp").dt.date())).cast(pl.Int8))["close"]


@clean("polars")
def model_refitted_as_bars_come(df, params):
    close = df["close"].to_numpy()
    x = features(close)
    label = np.append(np.diff(np.log(close)), np.nan)  # what it learns from: known one bar later
    held = np.zeros(close.size)
    for start in range(400, close.size, 100):
        weights = fitted(x[: start - 1], label[: start - 1])
        held[start : start + 100] = x[start : start + 100] @ weights > 0
    return held


@clean("pandas")
def random_from_a_seed(df, params):
    return pd.Series(np.random.default_rng(7).normal(size=len(df)) > 1.0, index=df.index)


@clean("dict")
def random_from_a_seed_for_each_bar(df, params):
    return np.array([np.random.default_rng([11, bar]).integers(0, 2) for bar in range(df["close"].size)])


@clean("polars")
def rolling_z_of_large_prices(df, params):
    close = df["close"] * 1e9
    z = (close - close.rolling_mean(50)) / close.rolling_std(50)
    return (z > 0).cast(pl.Int8)


@clean("polars")
def causal_filter(df, params):
    signal = pytest.importorskip("scipy.signal")

    close = df["close"].to_numpy()
    return sides(close > signal.lfilter(*signal.butter(2, 0.1), close))


@clean("flat")
def rounding_of_a_transform(df, params):
    """A mean of the last bars by Fourier transform: its last digits depend on the number of bars."""
    signal = pytest.importorskip("scipy.signal")

    close = df["close"].to_numpy()
    mean = signal.fftconvolve(close, np.full(10, 0.1))[: close.size]
    return sides(close > mean)


@clean("flat")
def rounding_of_a_sum(df, params):
    total = np.cumsum(df["close"].to_numpy()[::-1])[
        ::-1
    ]  # from the end, so that every digit depends on all bars
    total = total[0] - total + df["close"].to_numpy()
    mean = np.append(np.full(10, np.nan), (total[10:] - total[:-10]) / 10)
    return sides(df["close"].to_numpy() > mean)


@clean("polars")
def drawdown_rule(df, params):
    return (df["close"] / df["close"].cum_max() > 0.95).cast(pl.Int8)


@clean("pandas")
def channel(df, params):
    high, low = df["high"].rolling(20).max().shift(1), df["low"].rolling(20).min().shift(1)
    return (df["close"] > high).astype(int) - (df["close"] < low).astype(int)


@clean("polars")
def package_indicators(df, params):
    from peak_fast import indicators

    close = df["close"].to_numpy()
    return sides(indicators.rsi(close, 14) < 30)


@numba.njit
def _trailing(close, share):
    held, best, side = np.zeros(close.size), close[0], 1.0
    for bar in range(close.size):
        best = max(best, close[bar]) if side > 0 else min(best, close[bar])
        if side > 0 and close[bar] < best * (1 - share):
            side, best = -1.0, close[bar]
        elif side < 0 and close[bar] > best * (1 + share):
            side, best = 1.0, close[bar]
        held[bar] = side
    return held


@clean("polars")
def numba_loop(df, params):
    return _trailing(df["close"].to_numpy(), 0.03)


@clean("pandas")
def month_end(df, params):
    """Known from the calendar, which is named and no leak."""
    month = df["timestamp"].dt.month
    return (month != month.shift(-1)).astype(int)


@clean("flat")
def ties(df, params):
    return (df["close"] >= df["close"].shift(1)).cast(pl.Int8)


@clean("pandas")
def filled_forwards(df, params):
    df["known"] = df["estimate"].ffill()
    return (df["known"] > df["close"]).astype(int)


@clean("polars")
def hour_of_the_day(df, params):
    return df["timestamp"].dt.hour().is_between(9, 16)


@clean("dict")
def kalman_filter(df, params):
    level, spread, held = df["close"][0], 1.0, np.zeros(df["close"].size)
    for bar, price in enumerate(df["close"]):
        gain = (spread + 0.01) / (spread + 1.01)
        level, spread = level + gain * (price - level), (1 - gain) * (spread + 0.01)
        held[bar] = price > level
    return held


@clean("lazy")
def lazy_ranks(df, params):
    return df.select((pl.col("close") > pl.col("close").rolling_median(15)).cast(pl.Int8)).collect()["close"]


@clean("arrow")
def scaled_by_what_was_seen(df, params):
    close = np.asarray(df["close"])
    low, high = np.minimum.accumulate(close), np.maximum.accumulate(close)
    return sides((close - low) > 0.5 * (high - low))


clean("polars")((pl.col("close") > pl.col("close").rolling_mean(20)).cast(pl.Int8))


@clean("bars")
@strategy(name="looks_back")
def looks_back(i, bars, params, memory, account):
    return 1.0 if i > 5 and bars[3, i] > bars[3, i - 5] and account[4] < 40 else 0.0


@clean("bars")
@strategy(name="size_by_the_past", weights=True)
def size_by_the_past(i, bars, params, memory, account):
    return np.nan if i % 10 or i < 20 else 0.9 if bars[3, i] > bars[3, i - 20] else 0.2


@clean("panel")
def rank_at_each_time(df, params):
    return df.select("timestamp", "symbol", weight=pl.col("close").rank().over("timestamp") / 40)


clean("panel")(Rank(Momentum(60), top=2, name="momentum"))
clean("panel")(Rank(pl.col("close").pct_change(20).over("symbol"), top=2, name="return"))


@clean("panel")
@strategy(name="panel_block_back")
def panel_block_back(i, bars, params, memory, account, want):
    if i % 20 == 0 and i > 0:
        for asset in range(bars.shape[1]):
            want[asset] = 0.1 if bars[3, asset, i] > bars[3, asset, i - 1] else 0.0
