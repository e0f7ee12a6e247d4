"""Walking forward with a study in each training window."""

import pytest

from peak_fast import ConfigError, Study
from peak_fast.validation import walk_forward
from tests.test_walk_forward import BARS, GRID, RULES

OPTIONS = {"train": 100, "test": 60}


@pytest.mark.parametrize("positions", ["carry", "flat"])
@pytest.mark.parametrize("objective", ["sharpe", "max_drawdown", "volatility"])
def test_a_study_of_the_whole_grid_chooses_what_the_grid_does(positions, objective):
    """A sampler that goes through all values finds the best of them."""
    pytest.importorskip("optuna")
    grid = walk_forward(RULES, GRID, BARS, positions=positions, objective=objective, **OPTIONS)
    study = walk_forward(
        RULES, GRID, BARS, positions=positions, objective=objective, n_trials=9, sampler="grid", **OPTIONS
    )
    assert [c.value for c in study.choices] == pytest.approx([c.value for c in grid.choices], rel=1e-12)
    assert [c.inside["sharpe"] for c in study.choices] == pytest.approx(
        [c.inside["sharpe"] for c in grid.choices]
    )
    assert {choice.tried for choice in study.choices} == {9}


def test_samplers_search_each_window_by_itself():
    pytest.importorskip("optuna")
    space = {"fast": (2, 12), "slow": (13, 40)}
    walked = walk_forward(RULES, space, BARS, n_trials=25, sampler="random", min_trades=2, seed=4, **OPTIONS)
    again = walk_forward(RULES, space, BARS, n_trials=25, sampler="random", min_trades=2, seed=4, **OPTIONS)
    assert [c.params for c in walked.choices] == [c.params for c in again.choices]
    for choice in walked.choices:
        assert choice.params is None or (
            2 <= choice.params["fast"] <= 12 and choice.inside["closed_trades"] >= 2
        )
        assert choice.eligible <= choice.tried == 25
    assert walked.result.stats["bars"] == 301


def test_a_study_of_a_window_of_its_own_agrees():
    """In a window that is a run of its own from the first bar on, nothing differs from a study of these bars."""
    pytest.importorskip("optuna")
    options = {"sampler": "random", "seed": 0, "space": {"fast": (2, 12), "slow": (13, 40)}}
    study = Study(RULES, BARS.slice(0, 100), objectives="sharpe", **options)
    study.run(n_trials=20)
    walked = walk_forward(
        RULES,
        options["space"],
        BARS,
        train=100,
        test=300,
        n_trials=20,
        sampler="random",
        seed=0,
        positions="flat",
    )
    assert walked.choices[0].params == study.result.best_params
    assert walked.choices[0].value == pytest.approx(study.result.best_value, rel=1e-12)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"sampler": "random"}, "expected n_trials"),
        ({"n_trials": 0}, "n_trials"),
        ({"n_trials": 5, "objective": max}, "name of a metric"),
        ({"n_trials": 5, "grid": [{"fast": 3}]}, "a space of a study"),
        ({"n_trials": 5, "grid": {"stop_loss": (0.01, 0.1)}}, "'stop_loss'"),
    ],
)
def test_what_is_no_search(change, words):
    pytest.importorskip("optuna")
    change = dict(change)
    grid = change.pop("grid", {"fast": (2, 12)})
    with pytest.raises(ConfigError, match=words):
        walk_forward(RULES, grid, BARS, **OPTIONS, **change)
