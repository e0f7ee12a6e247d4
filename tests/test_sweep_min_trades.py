"""The best rows among those that traded often enough; one lucky trade is no finding."""

import math

import numpy as np
import polars as pl
import pytest

from peak_fast import ConfigError, Sweep, SweepError, SweepResult, synthetic
from peak_fast.sweep.view import headline

GRID = {"fast": [3, 5, 9, 40], "slow": [12, 60, 150]}


@pytest.fixture(scope="module")
def found():
    return Sweep("ma_crossover", GRID, synthetic(400, seed=3)).run(progress=False)


def enough(result, least, by="sharpe"):
    rows = result.frame.filter(pl.col("total_trades") >= least)
    return rows.sort(by, descending=True, maintain_order=True, nulls_last=True)


@pytest.mark.parametrize("least", [0, 1, 3, 8])
@pytest.mark.parametrize("by", ["sharpe", "total_return", "max_drawdown"])
def test_top_takes_those_that_traded(found, least, by):
    counts = found.frame["total_trades"]
    assert counts.min() < 3 < 8 <= counts.max(), "the grid has rows on both sides"
    rows = found.top(5, by, min_trades=least)
    assert rows.drop("config").equals(enough(found, least, by).head(5).drop("config"))
    assert len(found.frame) == len(found) == 11


def test_best_and_curves_run_the_same_row(found):
    expected = enough(found, 8).row(0, named=True)
    result = found.best(min_trades=8)
    assert (result.params["fast"], result.params["slow"]) == (expected["fast"], expected["slow"])
    assert result.stats["total_trades"] >= 8
    assert found.curves(1, min_trades=8)["config"].unique().to_list() == [expected["config"]]


def test_plateau_lists_those_that_traded_and_averages_all(found):
    every = found.plateau(radius=1)
    listed = found.plateau(radius=1, min_trades=8)
    kept = found.frame.filter(pl.col("total_trades") >= 8)["config"].to_list()
    assert listed.equals(every.filter(every["config"].is_in(kept))) and 0 < len(listed) < len(every)
    best = found.best(radius=1, min_trades=8)
    assert best.params["fast"] == listed["fast"][0] and best.params["slow"] == listed["slow"][0]


def test_nothing_is_left(found):
    most = int(found.frame["total_trades"].max())
    message = rf"at least 1,000 trades; the most is {most}; lower min_trades"
    for ask in (found.top, found.best, found.plateau, found.curves):
        with pytest.raises(SweepError, match=message):
            ask(min_trades=1000)


def test_a_table_without_counts_and_no_numbers(found):
    bare = Sweep("ma_crossover", GRID, synthetic(100, seed=3), metrics=["sharpe"]).run(progress=False)
    assert len(bare.top(3, min_trades=0)) == 3
    with pytest.raises(ConfigError, match="'total_trades' in the table; it has sharpe; add"):
        bare.top(3, min_trades=1)
    for wrong in (-1, 1.5, None, "many", True):
        with pytest.raises(ConfigError, match="min_trades: expected a whole number"):
            found.top(3, min_trades=wrong)


def test_rows_that_were_not_run_and_stored_tables(found, tmp_path):
    frame = pl.DataFrame({
        "config": np.arange(3), "fast": [1, 2, 3], "sharpe": [9.0, 2.0, 1.0],
        "total_trades": [math.nan, 4.0, 6.0],
    })  # fmt: skip
    result = SweepResult(frame, None, ("sharpe", "total_trades"), parameters=["fast"])
    assert result.top(3, min_trades=1)["fast"].to_list() == [2, 3]
    with pytest.raises(SweepError, match="the most is 6;"):
        result.top(min_trades=7)
    work = Sweep("ma_crossover", GRID, synthetic(400, seed=3))
    stored = work.run(store=tmp_path / "s", progress=False)
    assert stored.is_stored and stored.top(5, min_trades=8).equals(found.top(5, min_trades=8))
    assert SweepResult.load(tmp_path / "s").top(5, min_trades=8).equals(found.top(5, min_trades=8))


def test_what_is_printed_says_when_the_best_row_has_few_trades(found):
    def text(trades, **options):
        frame = pl.DataFrame({"config": [0], "fast": [3], "sharpe": [9.0], "total_trades": [trades]})
        result = SweepResult(frame, None, ("sharpe", "total_trades"), parameters=["fast"])
        return headline(result, **options)

    assert text(1.0).endswith("at fast=3 (only 1 trade; see min_trades)")
    assert text(9.0).endswith("(only 9 trades; see min_trades)")
    assert text(10.0).endswith("at fast=3") and text(math.nan).endswith("at fast=3")
    assert text(9.0, min_trades=2).endswith("at fast=3 (2 trades or more)")
    bare = Sweep("ma_crossover", GRID, synthetic(100, seed=3), metrics=["sharpe"]).run(progress=False)
    assert "trade" not in repr(bare)
