"""Walking forward with settings of the engine in the grid: a chain of runs in one account."""

import math

import numpy as np
import pytest

from peak_fast import BacktestEngine, BacktestResult, Costs, FractionOfEquity, Stops, Sweep
from peak_fast.validation import walk_forward
from peak_fast.validation.stitching import stitched
from tests.test_walk_forward import BARS, CROSS, GRID, RULES, crossing_block

OPTIONS = {"train": 100, "test": 40, "positions": "flat", "costs": Costs.from_bps(10)}


def test_each_fold_is_a_run_with_its_own_settings():
    grid = {"fast": [3, 5], "slow": [10, 20], "stop_loss": [None, 0.01, 0.03]}
    walked = walk_forward(RULES, grid, BARS, **OPTIONS)
    assert len({choice.params["stop_loss"] for choice in walked.choices}) > 1
    cash, first = 100_000.0, 99
    for window, choice in zip(walked.windows, walked.choices, strict=True):
        start, stop = window.test
        params = {name: choice.params[name] for name in ("fast", "slow")}
        stops = Stops(stop_loss=choice.params["stop_loss"])
        engine = BacktestEngine(costs=Costs.from_bps(10), stops=stops, initial_cash=cash)
        sides = np.asarray(CROSS.function({"close": BARS.close}, params), float)[start - 1 : stop].copy()
        sides[-2:] = 0.0
        own = engine.run(BARS.slice(start - 1, stop), sides)
        assert np.array_equal(walked.result.equity[start - 1 - first : stop - first], own.equity)
        cash = own.equity[-1]
    assert walked.result.stats["final_equity"] == cash


@pytest.mark.parametrize("item", [RULES, CROSS, crossing_block], ids=["rules", "function", "block"])
def test_a_chain_of_equal_settings_is_one_run(item):
    """Where a setting takes one value, the chain says the same as the one run of all decisions."""
    plain = walk_forward(item, GRID, BARS, risk_free=0.02, **OPTIONS)
    chain = walk_forward(
        item, {**GRID, "size": [1.0]}, BARS, sizing=FractionOfEquity(1.0), risk_free=0.02, **OPTIONS
    )
    assert chain.result.equity == pytest.approx(plain.result.equity, rel=1e-12)
    assert np.array_equal(np.sign(chain.result.position), np.sign(plain.result.position))
    for name, value in plain.result.stats.items():
        other = chain.result.stats[name]
        if isinstance(value, float):
            assert other == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), name
        else:
            assert other == value, name
    for frame in ("trades", "orders", "fills"):
        mine, other = getattr(chain.result, frame), getattr(plain.result, frame)
        assert mine.columns == other.columns and mine.height == other.height > 0
        for column in ("bar", "entry_bar", "exit_bar", "fill_bar", "order_id", "trade_id"):
            if column in mine.columns:
                assert mine[column].to_list() == other[column].to_list(), (frame, column)


def test_chains_are_saved_and_shown(tmp_path):
    walked = walk_forward(RULES, {**GRID, "stop_loss": [0.01, 0.05]}, BARS, **OPTIONS)
    folder = walked.save(tmp_path / "walk")
    assert BacktestResult.load(folder / "result").hash == walked.result.hash
    assert "Efficiency" in walked.summary() and "stop_loss" in walked.folds.columns
    assert walked.result.metadata["settings"]["varied"] == "by fold"


def test_gaps_and_folds_without_a_choice_keep_the_money():
    sweep = Sweep(RULES, {**GRID, "stop_loss": [0.02]}, BARS)
    choices = [{"fast": 3, "slow": 10, "stop_loss": 0.02}, None, {"fast": 5, "slow": 20, "stop_loss": 0.02}]
    tests = [(100, 150), (150, 200), (260, 320)]
    result = stitched(sweep, choices, tests, flat=True, notes=[])
    assert len(result.equity) == 320 - 99
    idle = result.equity[51:160]
    assert np.ptp(idle) == 0.0 and idle[0] == result.equity[50] and not result.position[51:161].any()
    assert result.stats["closed_trades"] == result.trades.height > 0
    assert math.isfinite(result.stats["sharpe"])
