"""Strategies that look ahead and strategies that do not, as people write them.

`LEAKS` maps names to ``(strategy, data, columns)``, where ``columns`` are the inputs whose later values matter;
`CLEAN` maps names to ``(strategy, data)``.  Data are keys of `DATA`.
"""

import functools
from pathlib import Path

import numba
import numpy as np
import polars as pl
import pytest

from peak_fast import Bars, Param, Rank, strategy, synthetic
from peak_fast.data import Panel
from peak_fast.portfolio import Momentum

pd = pytest.importorskip("pandas")
ROOT = Path(__file__).resolve().parent.parent
BARS = 1500


@functools.cache
def polars_frame():
    """Hourly bars with two own columns: a score of every bar, and an estimate that is published now and then."""
    bars = synthetic(BARS, seed=3)
    times = pd.date_range("2024-01-01", periods=BARS, freq="h")
    rng = np.random.default_rng(5)
    score = pl.Series(np.cumsum(rng.normal(size=BARS)))
    known = np.arange(BARS) % 29 == 7
    estimate = [value if there else None for value, there in zip(bars.close * 1.01, known, strict=True)]
    return pl.DataFrame(
        {
            "timestamp": times, "open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close,
            "volume": bars.volume, "score": score, "estimate": estimate,
        }
    )  # fmt: skip


@functools.cache
def flat_frame():
    """Prices that stand still for long, so that averages are the price up to rounding."""
    close = np.repeat(100.0 + np.random.default_rng(1).normal(size=30).cumsum(), 50) * 1e4 / 3
    times = pd.date_range("2024-01-01", periods=close.size, freq="h")
    return pl.DataFrame({"timestamp": times, "open": close, "high": close, "low": close, "close": close})


@functools.cache
def panel():
    """Six assets, daily."""
    frames = {f"A{k}": synthetic(700, seed=k).to_polars() for k in range(6)}
    return Panel.from_frame(frames)


DATA = {
    "polars": polars_frame,
    "pandas": lambda: polars_frame().to_pandas(),
    "indexed": lambda: polars_frame().to_pandas().set_index("timestamp"),
    "lazy": lambda: polars_frame().lazy(),
    "arrow": lambda: polars_frame().to_arrow(),
    "dict": lambda: {name: polars_frame()[name].to_numpy() for name in ("timestamp", "open", "high", "low", "close")},
    "bars": lambda: Bars.from_frame(polars_frame()),
    "flat": flat_frame,
    "panel": panel,
}  # fmt: skip
LEAKS = {}
CLEAN = {}


def name_of(item):
    """Name of a strategy of any kind."""
    if isinstance(item, pl.Expr):
        return str(item)
    return getattr(item, "__name__", None) or item.name


def leak(data, *columns):
    """Put a strategy on the list of those that look ahead."""
    return lambda function: LEAKS.setdefault(name_of(function), (function, data, columns))[0]


def clean(data):
    """Put a strategy on the list of those that do not."""
    return lambda function: CLEAN.setdefault(name_of(function), (function, data))[0]


def sides(condition):
    """1 where a condition holds, else 0."""
    return np.asarray(condition).astype(int)


# The seven that checks of look-ahead are measured by.


@leak("polars", "close")
def next_close(df, params):
    return (df["close"].shift(-1) > df["close"]).cast(pl.Int8)


@leak("polars", "close")
def centred_mean(df, params):
    return (df["close"] > df["close"].rolling_mean(11, center=True)).cast(pl.Int8)


@leak("polars", "close")
def whole_sample_z(df, params):
    return ((df["close"] - df["close"].mean()) / df["close"].std() > 0).cast(pl.Int8)


@leak("pandas", "close")
def blind_z_in_the_frame(df, params):
    df["z"] = (df["close"] - df["close"].mean()) / df["close"].std()
    return (df["z"] > df["z"].rolling(20).mean()).astype(int)


@leak("polars", "close")
def blind_z_in_a_variable(df, params):
    z = (df["close"] - df["close"].mean()) / df["close"].std()
    return (z > z.rolling_mean(20)).cast(pl.Int8)


@leak("polars", "close")
def blind_z_returned(df, params):
    z = (df["close"] - df["close"].mean()) / df["close"].std()
    return pl.DataFrame({"z": z, "signal": (z > z.rolling_mean(20)).cast(pl.Int8)})


@leak("indexed", "close")
def running_day(df, params):
    day = df["close"].resample("D").last().reindex(df.index, method="ffill")
    return (df["close"] < day).astype(int)


@leak("pandas", "close")
def forward_join(df, params):
    later = df.iloc[::37][["timestamp", "close"]].rename(columns={"close": "later"})
    joined = pd.merge_asof(df, later, on="timestamp", direction="forward")
    return (joined["later"] > joined["close"]).astype(int)


@leak("arrow", "close")
def scaler_on_all(df, params):
    close = np.asarray(df["close"])
    scaled = (close - close.min()) / (close.max() - close.min())
    return sides(scaled > 0.5)


@leak("polars", "close")
def shift_by_a_name(df, params):
    lag = params.get("lag", -1)
    return (df["close"].shift(lag) > df["close"]).cast(pl.Int8)


# Others.


def features(close):
    """Lagged returns, float64[n, 3]."""
    change = np.diff(np.log(close), prepend=np.log(close[0]))
    return np.column_stack([np.concatenate([np.zeros(k), change[: change.size - k]]) for k in (1, 2, 3)])


def fitted(x, y):
    """Least squares."""
    return np.linalg.lstsq(x.T @ x + 1e-3 * np.eye(x.shape[1]), x.T @ y, rcond=None)[0]


@leak("polars", "close")
def model_of_all_bars(df, params):
    close = df["close"].to_numpy()
    x = features(close)
    later = np.append(np.diff(np.log(close)), 0.0)
    return sides(x @ fitted(x, later) > 0)


@leak("pandas", "close")
def nearest_join(df, params):
    some = df.iloc[::24][["timestamp", "close"]].rename(columns={"close": "near"})
    return (pd.merge_asof(df, some, on="timestamp", direction="nearest")["near"] > df["close"]).astype(int)


@leak("polars", "high")
def unfinished_higher_bar(df, params):
    high = pl.col("high").max().over(pl.col("timestamp").dt.truncate("4h"))
    return df.select((pl.col("close") > high * 0.995).cast(pl.Int8))["close"]


leak("polars", "close")(pl.col("close").reverse().cum_max().reverse() > pl.col("close") * 1.05)
leak("polars", "estimate")((pl.col("estimate").backward_fill() > pl.col("close")).cast(pl.Int8))
leak("lazy", "close")((pl.col("close") > pl.col("close").max() * 0.8).cast(pl.Int8))


@leak("pandas", "estimate")
def interpolated(df, params):
    return (df["estimate"].interpolate() > df["close"]).astype(int)


@leak("dict", "high")
def future_high_in_a_stop(df, params):
    high, close = df["high"], df["close"]
    held = np.zeros(close.size)
    for bar in range(1, close.size - 1):
        stopped = high[bar + 1] > close[bar] * 1.01
        held[bar] = 0.0 if stopped else (-1.0 if close[bar] < close[bar - 1] else held[bar - 1])
    return held


@leak("polars", "number of bars")
def share_of_the_frame(df, params):
    return sides(np.arange(len(df)) > 0.7 * len(df))


@leak("polars", "number of bars")
def flat_at_the_last_bar(df, params):
    held = np.ones(len(df))
    held[-1] = 0.0
    return held


@leak("pandas", "volume")
def quantile_of_all(df, params):
    return (df["volume"] > df["volume"].quantile(0.9)).astype(int)


@leak("pandas", "close")
def mean_of_the_day(df, params):
    return (df["close"] > df.groupby(df["timestamp"].dt.date)["close"].transform("mean")).astype(int)


@leak("pandas", "close")
def change_from_later(df, params):
    return (df["close"].pct_change(-3) < 0).astype(int)


@leak("polars", "close")
def until_the_top(df, params):
    return sides(np.arange(len(df)) < df["close"].arg_max())


@leak("pandas", "estimate")
def filled_backwards(df, params):
    df["known"] = df["estimate"].bfill()
    return (df["known"] > df["close"] * 1.01).astype(int)


@leak("pandas", "close")
def sorted_by_a_later_column(df, params):
    later = df["close"].shift(-5).fillna(df["close"])
    order = later.sort_values().index
    return pd.Series(np.arange(len(df)) > len(df) / 2, index=order).sort_index().astype(int)


@leak("polars", "close")
def filtered_both_ways(df, params):
    signal = pytest.importorskip("scipy.signal")

    smooth = signal.filtfilt(*signal.butter(2, 0.1), df["close"].to_numpy())
    return sides(np.gradient(smooth) > 0)


@leak("polars", "close")
def symmetric_filter(df, params):
    window = np.hanning(15)
    smooth = np.convolve(df["close"].to_numpy(), window / window.sum(), mode="same")
    return sides(df["close"].to_numpy() > smooth)


@leak("polars", "close")
def low_pass_of_all(df, params):
    close = df["close"].to_numpy()
    parts = np.fft.rfft(close)
    parts[40:] = 0
    return sides(close < np.fft.irfft(parts, close.size))


@numba.njit
def _best_ahead(close, ahead):
    held = np.zeros(close.size)
    for bar in range(close.size):
        held[bar] = 1.0 if close[bar : bar + ahead].max() > close[bar] * 1.01 else 0.0
    return held


@leak("polars", "close")
def numba_function(df, params):
    return _best_ahead(df["close"].to_numpy(), 6)


@leak("pandas", "close")
def tuned_on_the_whole(df, params):
    change = df["close"].pct_change().shift(-1).fillna(0.0)

    def held(period):
        return (df["close"] > df["close"].rolling(period).mean()).astype(int)

    return held(max(range(5, 60, 5), key=lambda period: (held(period) * change).sum()))


@leak("dict", "close")
def rolled(df, params):
    return sides(np.roll(df["close"], -2) > df["close"])


@leak("indexed", "low")
def pivot_low(df, params):
    return (df["low"] == df["low"].rolling(5, center=True, min_periods=3).min()).astype(int)


@leak("polars", "score")
def later_score(df, params):
    return (df["score"].shift(-1, fill_value=0.0) > 0).cast(pl.Int8)


@leak("bars", "close")
@strategy(name="looks_at_the_next_bar", schema=(Param("ahead", "int", 1, low=1, high=10),))
def looks_at_the_next_bar(i, bars, params, memory, account):
    ahead = i + int(params[0])
    if ahead < bars.shape[1] and bars[3, ahead] > bars[3, i]:
        return 1.0
    return 0.0


@leak("bars", "high")
@strategy(name="size_of_the_next_bar", weights=True)
def size_of_the_next_bar(i, bars, params, memory, account):
    if i % 10 or i + 2 >= bars.shape[1]:
        return np.nan
    return 0.9 if bars[1, i + 1] > bars[1, i] else 0.2


@leak("panel", "close")
def rank_over_all_times(df, params):
    return df.select("timestamp", "symbol", weight=pl.col("close").rank() / pl.len() / 6)


leak("panel", "close")(Rank(pl.col("close").rank("ordinal"), top=2, name="global rank"))
leak("panel", "close")(
    Rank(pl.col("close").pct_change(20).shift(-5).over("symbol"), top=2, name="later return")
)


@leak("panel", "close")
@strategy(name="panel_block_ahead")
def panel_block_ahead(i, bars, params, memory, account, want):
    if i % 20 == 0 and i + 1 < bars.shape[2]:
        for asset in range(bars.shape[1]):
            want[asset] = 0.1 if bars[3, asset, i + 1] > bars[3, asset, i] else 0.0


# Those that do not.


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
