"""The reality check of a sweep: returns that are computed again, benchmarks, nothing found and an edge found."""

import json

import numpy as np
import polars as pl
import pytest

from peak_fast import ConfigError, Costs, Rank, Sweep, SweepResult, strategy, synthetic
from peak_fast.portfolio import Momentum
from peak_fast.settings.order_book import OrderBook
from peak_fast.statistics import data_snooping
from peak_fast.sweep import return_tiles
from peak_fast.validation import reality_check

BARS = synthetic(400, seed=3)
GRID = {"fast": range(3, 12), "slow": range(15, 60, 3)}


@strategy
def above_mean(df, params):
    return (pl.col("close") > pl.col("close").rolling_mean(params["length"])).cast(pl.Int8)


@strategy
def weighted(df, params):
    """Holds a fixed number."""
    return [params["side"]] * len(df)


def returns_by_hand(sweep, numbers):
    found = []
    for number in numbers:
        result = sweep.rerun(sweep.grid[number])
        equity = np.concatenate([[result.stats["initial_cash"]], result.equity])
        found.append(equity[1:] / equity[:-1] - 1)
    return np.array(found).T


class TestReturns:
    @pytest.mark.parametrize(
        "sweep",
        [
            Sweep("ma_crossover", GRID, BARS, costs=Costs(rate=0.001)),
            Sweep("ma_crossover", {"fast": [3, 5], "stop_loss": [0.02, 0.05, None]}, BARS),
            Sweep(above_mean, {"length": range(2, 20)}, BARS),
            Sweep(
                above_mean,
                {"length": [5, 9], "latency": [1, 2]},
                BARS,
                order_book=OrderBook(),
            ),
        ],
        ids=["rules", "settings", "function", "book"],
    )
    def test_they_are_those_of_single_runs(self, sweep):
        whole = np.hstack(list(return_tiles(sweep, tile=7)))
        count = len(sweep.grid)
        assert whole.shape == (len(BARS), count)
        some = np.random.default_rng(1).permutation(count)[:6]
        assert np.array_equal(whole[:, some], returns_by_hand(sweep, some))
        assert np.array_equal(np.hstack(list(return_tiles(sweep, some, threads=1))), whole[:, some])

    def test_of_a_panel(self):
        rule = Rank(Momentum("lookback"), top=2, rebalance="month_end")
        sweep = Sweep(rule, {"lookback": [5, 10], "fee_bps": [0.0, 30.0]}, synthetic(120, assets=4, seed=1))
        assert np.array_equal(np.hstack(list(return_tiles(sweep))), returns_by_hand(sweep, range(4)))

    def test_wrong_numbers(self):
        sweep = Sweep("ma_crossover", {"fast": [3, 4]}, BARS)
        for wrong in ([2], [-1], [0.5], "all"):
            with pytest.raises(ConfigError, match="below 2"):
                next(return_tiles(sweep, wrong))
        with pytest.raises(ConfigError, match="one data set; got 2"):
            next(return_tiles(Sweep("ma_crossover", {"fast": [3]}, {"x": BARS, "y": BARS})))


def test_it_is_the_test_of_the_matrix():
    sweep = Sweep("ma_crossover", GRID, BARS)
    found = reality_check(sweep.run(progress=False), replications=99, seed=4, block=3)
    matrix = returns_by_hand(sweep, range(len(sweep.grid)))
    plain = data_snooping(matrix, replications=99, seed=4, block=3)
    assert found.pvalues == plain.pvalues and found.reality_check == plain.reality_check
    assert found.rejected == plain.rejected and found.best == sweep.grid[plain.best]
    assert found.critical_values(0.1) == pytest.approx(plain.critical_values(0.1))
    assert found.frame["config"].to_list() == plain.ranked.tolist()
    assert found.frame.row(0, named=True)["slow"] == found.best["slow"]


class TestBenchmarks:
    def test_holding(self):
        sweep = Sweep("ma_crossover", {"fast": [3, 5], "slow": [20, 30]}, BARS)
        close = np.array(BARS.close)
        hold = np.concatenate([[0.0], close[1:] / close[:-1] - 1])
        one, other = (reality_check(sweep, given, replications=99) for given in ("hold", hold))
        assert one.pvalues == other.pvalues and one.benchmark != other.benchmark

    def test_cash_earns_the_risk_free_rate(self):
        plain = reality_check(Sweep("ma_crossover", GRID, BARS), replications=50, block=2)
        rate = reality_check(Sweep("ma_crossover", GRID, BARS, risk_free=0.5), replications=50, block=2)
        a_bar = 1.5 ** (1 / BARS.periods_per_year) - 1
        assert rate.test.mean == pytest.approx(plain.test.mean - a_bar, abs=1e-15)
        assert "cash at 0.5 a year" in rate.summary()

    def test_unknown(self):
        with pytest.raises(ConfigError, match="'cash', 'hold' or the returns of 400 bars"):
            reality_check(Sweep("ma_crossover", GRID, BARS), "index")


def test_an_edge_is_found_among_many():
    """One of forty functions knows whether the open after the one that it fills at is higher."""
    opens = np.array(BARS.open)
    ahead = np.append(opens[2:] > opens[1:-1], [False, False]).astype(float)

    @strategy
    def one_knows(df, params):
        if params["n"] == 17:
            return ahead
        return np.random.default_rng(params["n"]).integers(0, 2, len(df)).astype(float)

    found = reality_check(Sweep(one_knows, {"n": range(40)}, BARS).run(progress=False), replications=199)
    assert found.pvalue == found.reality_check == 1 / 200
    assert found.rejected[0] == 17 and found.best == {"n": 17}
    assert found.frame.filter("rejected")["n"].to_list() == list(found.rejected)
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["best_params"] == {"n": 17} and plain["rejected"][0] == 17
    assert "best: n=17" in found.summary() and "p=0.0050" in repr(found)


def test_flat_configurations_are_told():
    found = reality_check(Sweep(weighted, {"side": [0, 1]}, BARS), replications=50)
    assert "1 strategies never move" in found.summary() and found.best == {"side": 1}


def test_a_loaded_result_has_nothing_to_run(tmp_path):
    Sweep("ma_crossover", GRID, BARS).run(progress=False, store=tmp_path / "s")
    with pytest.raises(ConfigError, match=r"Sweep\(...\).run\(store=...\)"):
        reality_check(SweepResult.load(tmp_path / "s"))
    again = Sweep("ma_crossover", GRID, BARS).run(progress=False, store=tmp_path / "s")
    assert reality_check(again, replications=20).test.strategies == len(again)
