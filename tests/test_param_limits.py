"""`low` and `high` are the range of searches: a value that is given may lie outside, up to the hard limits."""

import math
import pickle

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestConfig,
    BacktestEngine,
    Grid,
    Param,
    RuleStrategy,
    Study,
    Sweep,
    strategy,
    synthetic,
)
from peak_fast.cli.values import listed_grid
from peak_fast.errors import StrategyError
from peak_fast.strategies.builtin import NAMES, load
from peak_fast.strategies.conditions import Above, AtLeast, Row

BARS = synthetic(3000, seed=7)
OWN = RuleStrategy(
    name="price_above_its_average",
    schema=(Param("period", "int", 50, low=2, high=100, hard_high=2_000),),
    enter_long=Above(Row("close"), Row("sma", "period")),
    leave_long=AtLeast(Row("sma", "period"), Row("close")),
)


class TestLimits:
    @pytest.mark.parametrize(
        ("options", "least", "most"),
        [
            ({"low": 5, "high": 100}, 1, 10_000_000),
            ({"low": 0, "high": 100}, 0, 10_000_000),
            ({"low": -5, "high": 100}, -math.inf, 10_000_000),
            ({"low": -5, "high": 0}, -math.inf, 0),
            ({"low": 5, "high": 20_000_000}, 1, 20_000_000),
            ({"low": 5}, 1, math.inf),
            ({"high": 50}, -math.inf, 10_000_000),
            ({}, -math.inf, math.inf),
            ({"low": 5, "high": 100, "hard_high": 100}, 1, 100),
            ({"low": 5, "high": 100, "hard_low": 5.0, "hard_high": math.inf}, 5, math.inf),
            ({"low": 5, "high": 100, "hard_low": -3}, -3, 10_000_000),
        ],
    )
    def test_of_whole_numbers(self, options, least, most):
        param = Param("x", "int", 7 if options.get("high") != 0 else -1, **options)
        assert param.limits == (least, most)
        for value in (least, most):
            if math.isfinite(value):
                assert param.validate_value(value) == value
        for value in (least - 1, most + 1):
            if math.isfinite(value):
                with pytest.raises(
                    StrategyError, match=r"expected .* <= x <= .*; got .*; choose a value in the range"
                ):
                    param.validate_value(value)

    @pytest.mark.parametrize(
        ("low", "high", "limits"),
        [
            (0.01, 0.2, (0, math.inf)),
            (0.0, 1.0, (0, math.inf)),
            (-1.0, 1.0, (-math.inf, math.inf)),
            (-1.0, -0.1, (-math.inf, 0)),
        ],
    )
    def test_of_numbers(self, low, high, limits):
        assert Param("x", "float", low, low=low, high=high).limits == limits

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"hard_low": 6}, "hard_low <= low <= hard_high"),
            ({"hard_high": 99}, "hard_low <= high <= hard_high"),
            ({"hard_high": "all"}, "hard_high as a number"),
            ({"hard_high": math.nan}, "hard_high as a number"),
            ({"hard_high": True}, "hard_high as a number"),
            ({"hard_high": 200.5}, "whole number as hard_high"),
        ],
    )
    def test_wrong_ones(self, options, words):
        with pytest.raises(StrategyError, match=words):
            Param("x", "int", 7, low=5, high=100, **options)

    def test_only_numbers_have_them(self):
        with pytest.raises(StrategyError, match="no range"):
            Param("x", "choice", "a", choices=("a", "b"), hard_high=3)

    def test_the_default_stays_in_the_range_of_searches(self):
        with pytest.raises(StrategyError, match="5 <= x <= 100 as the default; got 200"):
            Param("x", "int", 200, low=5, high=100)

    def test_searches_stay_in_the_range(self):
        param = Param("x", "int", 7, low=5, high=100, hard_high=1000)
        assert (param.grid(2), param.to_distribution().high) == ([5, 100], 100)
        assert pickle.loads(pickle.dumps(param)) == param

    @pytest.mark.parametrize("name", NAMES)
    def test_periods_of_the_built_in_strategies(self, name):
        for item in load(name).schema:
            if item.kind == "int":
                assert item.limits[1] == 10_000_000


GIVEN = {"fast": 300, "slow": 1000}


class TestDoors:
    """slow=1000 where searches end at 400."""

    @pytest.fixture
    def alone(self):
        return BacktestEngine().run(BARS, "ma_crossover", GIVEN)

    def test_a_run(self, alone):
        """Against averages in plain Python."""
        close = BARS.close.tolist()
        averages = {n: [math.fsum(close[i - n + 1 : i + 1]) / n if i >= n - 1 else math.nan for i in range(len(close))]
                    for n in (300, 1000)}  # fmt: skip
        sides = [1 if fast > slow else 0 for fast, slow in zip(averages[300], averages[1000], strict=True)]
        by_hand = BacktestEngine().run(BARS, sides)
        assert alone.stats["total_trades"] > 0
        assert alone.equity.tolist() == pytest.approx(by_hand.equity.tolist(), rel=1e-9)

    @pytest.mark.parametrize("grid", [{"fast": [20, 300], "slow": [50, 1000]}, "frame", "rows"])
    def test_lists_of_a_sweep(self, alone, grid):
        if grid == "frame":
            grid = pl.DataFrame({"fast": [20, 300], "slow": [50, 1000]})
        elif grid == "rows":
            grid = [{"fast": 20, "slow": 50}, GIVEN]
        found = Sweep("ma_crossover", grid, BARS, metrics=["final_equity"]).run(progress=False).frame
        row = found.filter((pl.col("fast") == 300) & (pl.col("slow") == 1000))
        assert row["final_equity"].to_list() == [alone.stats["final_equity"]]
        with pytest.raises(StrategyError, match="1 <= slow <= 10,000,000"):
            Sweep("ma_crossover", {"fast": [20], "slow": [50, 10_000_001]}, BARS)
        with pytest.raises(StrategyError, match="1 <= slow <= 10,000,000"):
            Sweep("ma_crossover", pl.DataFrame({"fast": [20, 20], "slow": [50, 0]}), BARS)

    def test_samples_stay_in_the_range(self):
        found = Grid.random(load("ma_crossover").schema, 200, seed=1)
        assert max(row["slow"] for row in found) <= 400

    @pytest.mark.parametrize("sampler", ["auto", "tpe", "nsga2", "random", "qmc", "cmaes"])
    @pytest.mark.parametrize("storage", [None, "sqlite", "journal"])
    def test_a_study_runs_what_was_given(self, alone, tmp_path, sampler, storage):
        pytest.importorskip("optuna")
        if storage is not None:
            storage = f"{storage}:///{tmp_path}/s.db"
        options = {"objectives": "final_equity", "sampler": sampler, "storage": storage, "seed": 1}
        if sampler == "cmaes":
            options["space"] = {"allow_short": False}
        study = Study("ma_crossover", BARS, **options)
        study.enqueue(GIVEN)
        study.run(n_trials=25)
        rows = study.trials.filter((pl.col("fast") == 300) & (pl.col("slow") == 1000))
        assert rows["objective_final_equity"].to_list() == [alone.stats["final_equity"]]
        assert study.trials.height == 25
        others = study.trials.filter(pl.col("slow") != 1000)
        assert others.height == 24 and others["slow"].max() <= 400 and others["fast"].max() <= 200
        study.robustness(top=25)
        if storage is not None:
            again = Study("ma_crossover", BARS, **options)
            assert again.run(n_trials=30).frame.height == 30

    def test_a_space_may_be_wider_than_the_schema(self):
        pytest.importorskip("optuna")
        space = {"fast": (100, 400), "slow": [500, 1000], "allow_short": False}
        study = Study("ma_crossover", BARS, space=space, seed=1)
        study.run(n_trials=20)
        assert set(study.trials["slow"]) == {500, 1000} and study.trials["fast"].max() > 200
        held = Study(
            "ma_crossover", BARS, space={"fast": 300, "slow": "1000", "allow_short": "false"}, seed=1
        )
        assert held.run(n_trials=1).best_params == {**GIVEN, "allow_short": False}
        with pytest.raises(StrategyError, match="1 <= slow <= 10,000,000"):
            Study("ma_crossover", BARS, space={"slow": (0, 50)})

    def test_a_small_space_is_still_searched_to_its_end(self):
        """What was given besides does not count as one of its points."""
        pytest.importorskip("optuna")
        space = {"fast": (5, 8), "slow": 50, "allow_short": False}
        study = Study("ma_crossover", BARS, space=space, sampler="random", seed=1)
        study.enqueue({"fast": 40})
        result = study.run(n_trials=500)
        assert set(result.frame["fast"]) == {5, 6, 7, 8, 40}

    def test_the_command_line_and_a_file(self, alone, command, tmp_path):
        BARS.to_polars().write_parquet(tmp_path / "p.parquet")
        given = ("--data", "p.parquet", "--strategy", "ma_crossover")
        code, out, err = command("run", *given, "--param", "fast=300", "--param", "slow=1000")
        assert code == 0 and f"{alone.stats['final_equity']:,.2f}" in out, err
        code, _, err = command("run", *given, "--param", "slow=10000001")
        assert code == 2 and "1 <= slow <= 10,000,000" in err
        (tmp_path / "s.toml").write_text("[sweep.grid]\nfast = [300]\nslow = [1000]\n")
        grid = listed_grid(BacktestConfig.from_toml(tmp_path / "s.toml").sweep.grid)
        assert grid == {"fast": [300], "slow": [1000]}
        code, _, err = command(
            "sweep", *given, "--config", "s.toml", "--metric", "final_equity", "--store", "s"
        )
        assert code == 0, err
        found = pl.read_parquet(tmp_path / "s" / "part-*.parquet")["final_equity"].to_list()
        assert found == [alone.stats["final_equity"]]


class TestLimitsOfOnesOwn:
    def test_of_rules(self):
        engine = BacktestEngine()
        assert engine.run(BARS, OWN, {"period": 2_000}).params == {"period": 2_000}
        with pytest.raises(StrategyError, match=r"1 <= period <= 2,000; got 2001.*hard_high"):
            engine.run(BARS, OWN, {"period": 2_001})

    def test_of_functions_and_blocks(self):
        schema = (Param("n", "int", 5, low=2, high=9, hard_low=2, hard_high=20),)

        @strategy(name="limits_of_a_function", schema=schema)
        def of_frames(df, params):
            return np.where(np.arange(len(df)) % params["n"] == 0, 1, 0)

        @strategy(name="limits_of_a_block", schema=schema)
        def of_bars(i, bars, params, memory, account):
            return 1.0 if i % params[0] == 0 else 0.0

        for item in (of_frames, of_bars):
            found = Sweep(item, {"n": [5, 20]}, BARS, metrics=["final_equity"]).run(progress=False).frame
            assert (
                found["final_equity"][1] == BacktestEngine().run(BARS, item, {"n": 20}).stats["final_equity"]
            )
            for value in (1, 21):
                with pytest.raises(StrategyError, match="2 <= n <= 20"):
                    BacktestEngine().run(BARS, item, {"n": value})
