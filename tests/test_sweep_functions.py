"""Signal functions in sweeps: whatever a function returns, a row has the bits of the single run."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from peak_fast import BacktestEngine, Param, Sweep, strategy, synthetic
from peak_fast.errors import StrategyError
from peak_fast.sweep.run import functions
from peak_fast.sweep.run.calls import Calls

BARS = synthetic(700, seed=5, missing=0.01)
GRID = {"window": [3, 10, 40, 90, 650, 699], "level": [0.0, 0.002]}
SCHEMA = (Param("window", "int", 5, low=2, high=1000), Param("level", "float", 0.0, low=0.0, high=1.0))
REUSED = np.zeros(len(BARS), np.int64)
REUSED_BYTES = np.empty(REUSED.size, np.int8)


def above(df, params):
    return df["close"] > df["close"].rolling_mean(params["window"]) * (1.0 + params["level"])


def reused(df, params):
    REUSED[:] = above(df, params).fill_null(False).to_numpy()
    return REUSED


def reused_bytes(df, params):
    REUSED_BYTES[:] = above(df, params).fill_null(False).to_numpy()
    return pl.Series(REUSED_BYTES)


def mixed(df, params):
    held = above(df, params)
    kinds = {3: pl.Int8, 10: pl.Float64, 40: pl.UInt8, 90: pl.Boolean, 650: pl.Int64}
    return held.cast(kinds.get(params["window"], pl.Float32))


def gaps_between(df, params):
    held = above(df, params).cast(pl.Int8)
    return held.to_frame("held").select(pl.when(pl.int_range(pl.len()) % 7 > 0).then("held"))["held"]


def reused_below(df, params):
    return pl.Series(reused(df, params))


KINDS = {
    "booleans": above,
    "bytes": lambda df, p: above(df, p).cast(pl.Int8),
    "both_sides": lambda df, p: above(df, p).cast(pl.Int8) * 2 - 1,
    "floats": lambda df, p: above(df, p).cast(pl.Float64),
    "whole": lambda df, p: above(df, p).cast(pl.Int64),
    "mixed": mixed,
    "gaps": gaps_between,
    "gaps_of_booleans": lambda df, p: gaps_between(df, p).cast(pl.Boolean),
    "chunks": lambda df, p: pl.concat([above(df, p)[:300], above(df, p)[300:]], rechunk=False),
    "nan": lambda df, p: pl.Series(np.where(above(df, p).fill_null(False), 1.0, np.nan)),
    "numpy": lambda df, p: above(df, p).fill_null(False).to_numpy(),
    "reused": reused,
    "reused_below": reused_below,
    "reused_bytes": reused_bytes,
    "gaps_of_bytes": lambda df, p: gaps_between(df, p).cast(pl.Int8),
    "chunks_of_bytes": lambda df, p: pl.concat(
        [above(df, p).cast(pl.Int8)[:300], above(df, p).cast(pl.Int8)[300:]], rechunk=False
    ),
    "part_of_bytes": lambda df, p: pl.concat(
        [pl.Series([None] * 3, dtype=pl.Int8), above(df, p).cast(pl.Int8)]
    )[3:],
    "no_bytes": lambda df, p: pl.Series([None] * len(df), dtype=pl.Int8),
    "bytes_at_times": lambda df, p: above(df, p).cast(pl.Int8 if p["window"] % 2 else pl.Boolean),
    "list": lambda df, p: above(df, p).fill_null(False).cast(pl.Int8).to_list(),
    "frame": lambda df, p: above(df, p).cast(pl.Int8).to_frame("target"),
    "expression": lambda df, p: pl.col("close") > pl.col("close").rolling_mean(p["window"]),
    "long": lambda df, p: above(df, p).cast(pl.Int128),
    "long_whole": lambda df, p: above(df, p).fill_null(False).cast(pl.Int128),
    "minus_zeros": lambda df, p: -above(df, p).cast(pl.Float64),
    "pieces": lambda df, p: pl.concat([pl.Series([None] * 3, dtype=pl.Boolean), above(df, p)]).rechunk()[3:],
    "short_floats": lambda df, p: above(df, p).cast(pl.Float32) - 0.0,
    "null": lambda df, p: pl.Series([None] * len(df)),
    "never": lambda df, p: above(df, p).cast(pl.Float64) * float("nan"),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("returns", ["targets", "signals"])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_single_runs(kind, returns, threads, monkeypatch):
    monkeypatch.setattr(functions, "_CALLS", 5)
    item = strategy(schema=SCHEMA, name=f"f_{kind}", returns=returns)(KINDS[kind])
    result = Sweep(item, GRID, BARS.to_polars()).run(threads=threads, progress=False)
    notes = {}
    for row in result.frame.iter_rows(named=True):
        single = BacktestEngine().run(
            BARS.to_polars(), item, {"window": row["window"], "level": row["level"]}
        )
        assert {name: row[name] for name in result.metrics} == pytest.approx(
            {name: single.stats[name] for name in result.metrics}, rel=0, abs=0, nan_ok=True
        )
        notes.update(dict.fromkeys(single.notes))
    assert set(result.notes) == set(notes)


CHANGES = {
    "a_column_more": lambda df: df.__setitem__("mean", df["close"] * 2.0),
    "another_column": lambda df: df.__setitem__("close", df["close"] * 2.0),
    "a_cell": lambda df: df.__setitem__("close", df["close"].where(df["close"] < 0.0, 7.0)),
    "a_place": lambda df: df.iloc.__setitem__((slice(3, 90), 3), 1.0),
    "a_label": lambda df: df.loc.__setitem__((df.index[:90], "close"), 1.0),
    "the_names": lambda df: df.__setattr__("columns", [str(name).upper() for name in df.columns]),
    "the_index": lambda df: df.__setattr__("index", df.index[::-1]),
    "the_name_of_the_index": lambda df: df.index.__setattr__("name", "when"),
    "the_name_of_the_columns": lambda df: df.columns.__setattr__("name", "what"),
    "a_column_less": lambda df: df.pop("open"),
    "rows_less": lambda df: df.drop(df.index[:5], inplace=True),
    "sorted": lambda df: df.sort_values("close", inplace=True),
    "filled": lambda df: df.clip(upper=3.0, inplace=True),
    "attributes": lambda df: df.attrs.__setitem__("seen", True),
    "inserted": lambda df: df.insert(0, "new", 1.0),
}


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_function_does_to_its_pandas_frame_is_gone_at_the_next_call(change):
    source = BARS.to_polars().to_pandas().set_index("timestamp")
    kept, found = source.copy(), []

    def changes(df, params):
        found.append((df.equals(kept), df.index.equals(kept.index), list(df.columns), df.index.name,
                      df.columns.name, dict(df.attrs)))  # fmt: skip
        CHANGES[change](df)
        return np.ones(len(BARS))

    item = strategy(schema=SCHEMA[:1], name=f"changes_{change}")(changes)
    Sweep(item, {"window": [5, 50, 300]}, source).run(threads=1, progress=False)
    assert found == [(True, True, list(kept.columns), "timestamp", None, {})] * 3
    assert source.equals(kept) and not source.attrs and source.index.name == "timestamp"


def test_pandas_functions_have_the_rows_of_single_runs():
    def pandas_above(df, params):
        mean = df["close"].rolling(params["window"]).mean()
        return (df["close"] > mean * (1.0 + params["level"])).astype(int)

    frame = BARS.to_polars().to_pandas().set_index("timestamp")
    item = strategy(schema=SCHEMA, name="pandas_above")(pandas_above)
    result = Sweep(item, GRID, frame).run(threads=2, progress=False)
    for row in result.frame.iter_rows(named=True):
        single = BacktestEngine().run(frame, item, {"window": row["window"], "level": row["level"]})
        assert row["total_return"] == single.stats["total_return"]
        assert isinstance(single.bars.source, pd.DataFrame)


@pytest.mark.parametrize("wrong", [2, 255, 256, -128, 0.5, float("inf")])
@pytest.mark.parametrize("threads", [1, 2])
def test_values_that_are_no_sides_are_refused_with_their_configuration(wrong, threads):
    def sides(df, params):
        values = np.zeros(len(df), np.float64 if isinstance(wrong, float) else np.int16)
        values[params["window"] :] = 1 if params["window"] != 90 else wrong
        kind = pl.UInt8 if wrong == 255 else pl.Int8 if wrong in (2, -128) else None
        return pl.Series(values) if kind is None else pl.Series(values).cast(kind)

    item = strategy(schema=SCHEMA, name="sides")(sides)
    with pytest.raises(StrategyError, match=r"window=90, level=0\.0"):
        Sweep(item, GRID, BARS).run(threads=threads, progress=False)


def test_bytes_are_read_without_the_names_that_are_not_public(monkeypatch):
    item = strategy(schema=SCHEMA, name="bytes")(KINDS["bytes"])
    expected = Sweep(item, GRID, BARS.to_polars()).run(progress=False).frame
    asked = []

    class Bare:
        """A column of a Polars that has other names inside."""

        def __init__(self, series):
            self.series = series

    own = Calls._is_copied
    monkeypatch.setattr(Calls, "_is_copied", lambda self, row, one: asked.append(own(self, row, Bare(one))))
    assert Sweep(item, GRID, BARS.to_polars()).run(progress=False).frame.equals(expected)
    assert asked and not any(asked)


def test_a_series_that_is_changed_later_was_taken_as_it_was():
    kept, returned = pl.Series([0] * len(BARS), dtype=pl.Int8), {}

    def changes(df, params):
        kept[params["window"]] = 1
        returned[params["window"]] = kept.to_numpy().astype(np.float64)
        return kept

    item = strategy(schema=SCHEMA[:1], name="changes")(changes)
    rows = Sweep(item, {"window": [5, 50, 300]}, BARS).run(threads=2, progress=False).frame
    for window, found in rows.select("window", "total_return").iter_rows():
        assert found == BacktestEngine().run(BARS, returned[window]).stats["total_return"], window


def test_a_function_with_its_parameters_as_arguments_is_told_what_it_gets():
    def mine(df, window=10):
        return np.arange(len(df)) > np.ones(window).sum()

    said = "its second argument, 'window', gets the dict of all parameters"

    def rolling(df, window=10):
        return pd.Series(df["close"]).rolling(window).mean() < df["close"]

    with pytest.raises(StrategyError, match=said):
        BacktestEngine().run(synthetic(50, seed=1), mine, {"window": 5})
    for params in ({}, {"window": 5}):  # pandas raises a ValueError
        with pytest.raises(StrategyError, match=said):
            BacktestEngine().run(synthetic(50, seed=1).to_polars().to_pandas(), rolling, params)
    with pytest.raises(StrategyError, match=said):
        Sweep(mine, {"window": [5, 6]}, synthetic(50, seed=1)).run(progress=False)
