"""Strategies that look ahead, as people write them."""

import numba
import numpy as np
import polars as pl
import pytest

from peak_fast import Param, Rank, strategy
from tests.lookahead_cases import LEAKS, features, fitted, leak, sides

pd = pytest.importorskip("pandas")
__all__ = ["LEAKS"]

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
    for bar in range(close.size - ahead):
        held[bar] = 1.0 if close[bar + ahead] > close[bar] else 0.0
    return held


@leak("polars", "close")
def numba_function(df, params):
    return _best_ahead(df["close"].to_numpy(), 6)


@leak("pandas", "close")
def tuned_on_the_whole(df, params):
    change = df["close"].pct_change().shift(-1).fillna(0.0)

    def held(period):
        return (df["close"] > df["close"].rolling(period).mean()).astype(int)

    return held(max((5, 10, 20, 40), key=lambda period: (held(period) * change).sum()))


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
