"""What a sweep and a study refuse, and what they say about the configuration that fails."""

import warnings

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    ConfigError,
    Grid,
    Param,
    StrategyError,
    Study,
    Sweep,
    strategy,
    synthetic,
)
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_rules import OrderRules

BARS = synthetic(400, seed=7)
CROSS = {"fast": [5], "slow": [20]}
DAYS = (Param("days", "int", 5, low=1, high=100),)


@pytest.mark.parametrize("book", [None, OrderBook()])
@pytest.mark.parametrize(
    "name", ["stop_loss", "take_profit", "trailing", "max_position", "max_drawdown_limit", "daily_loss_limit"]
)
def test_a_limit_of_zero_is_not_a_limit_that_is_not_set(name, book):
    """As `Stops` and `RiskLimits` refuse it; None turns a limit off."""
    with pytest.raises(ConfigError, match=rf"{name}: 0.0 in the grid is out of range; .*None for 'not set'"):
        Sweep("ma_crossover", {**CROSS, name: [0.1, 0.0]}, BARS, order_book=book).run(progress=False)
    off = Sweep("ma_crossover", {**CROSS, name: [None]}, BARS, metrics=["final_equity"], order_book=book)
    alone = BacktestEngine(order_book=book).run(BARS, "ma_crossover", {"fast": 5, "slow": 20})
    assert off.run(progress=False).frame["final_equity"].to_list() == [alone.stats["final_equity"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [("fee_rate", 1.0), ("fee_bps", 10_000), ("slippage_bps", 10_000), ("max_drawdown_limit", 1.5),
     ("daily_loss_limit", 2)],
)  # fmt: skip
def test_a_grid_takes_what_the_settings_take(name, value):
    with pytest.raises(ConfigError, match=f"{name}: .* in the grid is out of range"):
        Sweep("ma_crossover", {**CROSS, name: [value]}, BARS).run(progress=False)


def test_two_names_of_one_setting():
    both = {**CROSS, "fee_bps": [1, 50], "fee_rate": [0.0001]}
    for grid in (
        both,
        pl.DataFrame({"fast": [5], "slow": [20], "fee_bps": [1], "fee_rate": [0.1]}),
        Grid.full(both),
    ):
        with pytest.raises(ConfigError, match="expected one of fee_bps and fee_rate"):
            Sweep("ma_crossover", grid, BARS)
    with pytest.raises(ConfigError, match="expected one of fee_bps and fee_rate"):
        Sweep("ma_crossover", CROSS, BARS).rerun({"fast": 5, "slow": 20, "fee_bps": 1, "fee_rate": 0.1})


def test_two_names_of_one_setting_in_a_study():
    pytest.importorskip("optuna")
    with pytest.raises(ConfigError, match="expected one of fee_bps and fee_rate"):
        Study("ma_crossover", BARS, space={"fee_bps": (1.0, 5.0), "fee_rate": (0.1, 0.2)})


@strategy(name="breaks_at_37", schema=DAYS)
def breaks(frame, params):
    if params["days"] == 37:
        raise ValueError("boom")
    return (frame["close"] > frame["close"].shift(params["days"])).cast(pl.Int8)


@strategy(name="wrong_at_37", schema=DAYS)
def wrong(frame, params):
    side = 5.0 if params["days"] == 37 else 1.0
    return np.full(len(frame), side)


@pytest.mark.parametrize("book", [None, OrderBook()])
@pytest.mark.parametrize("days", [range(30, 41), [37], range(2, 100)])
def test_an_error_names_its_configuration(days, book):
    grid = {"days": days, "fee_bps": [1]}
    with pytest.raises(ValueError, match="boom") as caught:
        Sweep(breaks, grid, BARS, order_book=book).run(progress=False)
    assert any("days=37" in note for note in caught.value.__notes__)
    with pytest.raises(StrategyError, match="in the configuration days=37"):
        Sweep(wrong, grid, BARS, order_book=book).run(progress=False)


def test_the_table_of_a_sweep_is_a_grid_again():
    pytest.importorskip("pandas")
    grid = {"fast": [5, 6], "slow": [20], "stop_loss": [None, 0.02], "allow_short": [False, True]}
    first = Sweep("ma_crossover", grid, BARS).run(progress=False)
    for table in (first.to_pandas(), first.frame, first.frame.to_arrow()):
        names = list(grid)
        again = Sweep(
            "ma_crossover", table[names] if not hasattr(table, "select") else table.select(names), BARS
        )
        assert again.run(progress=False).frame.sort(names, nulls_last=True)["total_return"].to_list() == (
            first.frame.sort(names, nulls_last=True)["total_return"].to_list()
        )
    with pytest.raises(ConfigError, match="use None"):
        Sweep("ma_crossover", {**CROSS, "stop_loss": [float("nan")]}, BARS)


class TestStudies:
    @pytest.fixture(autouse=True)
    def _optuna(self):
        pytest.importorskip("optuna")

    @pytest.mark.parametrize("empty", [[], (), range(0), set()])
    @pytest.mark.parametrize("name", ["fast", "stop_loss"])
    def test_a_space_without_values(self, name, empty):
        with pytest.raises(StrategyError, match=f"parameter '{name}': expected at least one value; got none"):
            Study("ma_crossover", BARS, space={name: empty})

    def test_optunas_exhaustive_samplers_are_grids(self):
        import optuna

        space = {"fast": [5, 10], "slow": [20, 30], "allow_short": [False, True]}
        expected = Sweep("ma_crossover", space, BARS, metrics=["sharpe"]).run(progress=False).frame
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            every = optuna.samplers.BruteForceSampler(seed=0)
        for sampler in (optuna.samplers.GridSampler(space, seed=0), every):
            study = Study("ma_crossover", BARS, space=space, sampler=sampler, seed=1)
            found = study.run(n_trials=20).frame
            assert found["state"].to_list() == ["COMPLETE"] * 8
            assert sorted(found["objective_sharpe"]) == sorted(expected["sharpe"])
        fewer = optuna.samplers.GridSampler({"fast": [5], "slow": [30], "allow_short": [True]})
        assert Study("ma_crossover", BARS, space=space, sampler=fewer).run().frame.height == 1

    def test_failing_trials_do_not_end_a_study_that_has_worked(self, tmp_path):
        @strategy(name="picky_one", schema=(Param("n", "float", 6.0, low=1.0, high=10.0),))
        def picky(frame, params):
            if params["n"] < 3.0:
                raise ValueError("too short")
            return (frame["close"] > frame["close"].shift(int(params["n"]))).cast(pl.Int8)

        storage = f"sqlite:///{tmp_path}/s.db"
        study = Study(picky, BARS, seed=1, storage=storage)
        study.run(n_trials=40)
        states = study.trials["state"].to_list()
        assert states.count("COMPLETE") >= 40 and states.count("FAIL") >= 1
        # A resumed study whose first generation fails has worked, too.
        again = Study(picky, BARS, seed=1, storage=storage)
        for value in (1.0, 1.5, 2.0):
            again.enqueue({"n": value})
        again.run(n_trials=45)
        assert again.trials["state"].to_list().count("FAIL") >= states.count("FAIL") + 3

    def test_a_strategy_that_never_works_still_ends_it(self):
        @strategy(name="never_works", schema=DAYS)
        def never(frame, params):
            raise ValueError("never")

        with pytest.raises(StrategyError, match=r"expected the strategy to run; got .*never"):
            Study(never, BARS, seed=1).run(n_trials=60)


@pytest.mark.parametrize(
    "name", ["stop_loss", "take_profit", "trailing", "max_position", "max_drawdown_limit", "daily_loss_limit"]
)
@pytest.mark.parametrize("book", [None, OrderRules()], ids=["fast path", "order book"])
def test_a_single_configuration_follows_the_rule_of_the_grid(name, book):
    """0 is no way to say "not set", neither in a grid nor in a configuration that is run alone."""
    sweep = Sweep("ma_crossover", {"fast": [3], "slow": [9]}, synthetic(300, seed=3), order_book=book)
    for zero in (0, 0.0):
        with pytest.raises(ConfigError, match=rf"{name}: 0.* is out of range; .*None for 'not set'"):
            sweep.rerun({"fast": 3, "slow": 9, name: zero})
    plain = sweep.rerun({"fast": 3, "slow": 9}).stats["final_equity"]
    assert sweep.rerun({"fast": 3, "slow": 9, name: None}).stats["final_equity"] == plain
