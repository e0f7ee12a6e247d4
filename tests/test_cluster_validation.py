"""Validation on the workers of a cluster: the figures of one machine, bit for bit."""

import json
import re
import time

import numpy as np
import pytest

from peak_fast import Costs, Sweep, synthetic
from peak_fast.sweep import return_tiles, returns_on
from peak_fast.validation import (
    cross_validate,
    noise_test,
    permutation_test,
    reality_check,
    sensitivity,
    validate,
    walk_forward,
)

pytest.importorskip("distributed")

from peak_fast.cluster import Crew
from tests.cluster_work import local_cluster

BARS = synthetic(400, seed=3)
GRID = {"fast": range(2, 30), "slow": range(5, 120, 5)}


@pytest.fixture(scope="module")
def crew():
    """Two workers of two threads in this process, one connection."""
    options = {"n_workers": 2, "processes": False, "protocol": "tcp", "threads_per_worker": 2}
    with local_cluster(**options) as cluster, Crew(cluster) as crew:
        yield crew


def signals(df, params):
    close = df["close"]
    return np.sign((close - close.rolling_mean(params["n"])).fill_null(0.0).to_numpy())


def plain(result):
    return re.sub(r'"seconds": [^,}]*', "", json.dumps(result.to_dict(), default=str))


@pytest.mark.parametrize(
    ("strategy", "params"), [("ma_crossover", {"fast": 5, "slow": 30}), (signals, {"n": 7})]
)
def test_a_noise_test_is_that_of_one_machine(crew, strategy, params):
    found = [noise_test(strategy, params, BARS, runs=30, seed=2, cluster=at) for at in (None, crew)]
    np.testing.assert_array_equal(found[1].distribution, found[0].distribution)
    assert plain(found[1]) == plain(found[0])


@pytest.mark.parametrize("form", ["hansen", "arch"])
def test_a_reality_check_is_that_of_one_machine(crew, form):
    # 644 configurations: five tiles of 128 and one that is not full; refused ones count as flat.
    sweep = Sweep("ma_crossover", GRID, BARS, costs=Costs(rate=0.001))
    found = [
        reality_check(sweep, "hold", replications=200, form=form, seed=3, cluster=at) for at in (None, crew)
    ]
    for name in ("mean", "deviation", "ranked", "adjusted"):
        np.testing.assert_array_equal(getattr(found[1].test, name), getattr(found[0].test, name))
    assert plain(found[1]) == plain(found[0]) and found[1].frame.equals(found[0].frame)


def test_samples_without_a_seed_are_the_same_on_all_workers(crew):
    sweep = Sweep("ma_crossover", GRID, BARS)
    found = reality_check(sweep, replications=60, block=4.0, seed=None, cluster=crew)
    assert found.test.seed is None and found.test.strategies == len(sweep.grid)


def test_returns_of_some_configurations(crew):
    sweep = Sweep(signals, {"n": range(2, 30)}, BARS)
    numbers = np.array([3, 20, 7])
    (expected,) = return_tiles(sweep, numbers)
    np.testing.assert_array_equal(returns_on(crew, sweep, numbers), expected)


def test_what_lies_beside_is_that_of_one_machine(crew):
    options = {"starts": 2, "delays": 1, "parts": ("parameters", "pairs", "costs", "starts", "delays")}
    found = [
        sensitivity("ma_crossover", {"fast": 5, "slow": 30}, BARS, **options, cluster=at)
        for at in (None, crew)
    ]
    for part in options["parts"]:
        assert getattr(found[1], part).equals(getattr(found[0], part))
    assert found[0].pairs.height > 10 and plain(found[1]) == plain(found[0])


def test_the_choice_on_the_real_data_is_that_of_one_machine(crew):
    options = {"worlds": 20, "select": True, "seed": 4}
    found = [permutation_test("ma_crossover", GRID, BARS, **options, cluster=at) for at in (None, crew)]
    assert plain(found[1]) == plain(found[0]) and found[1].real == found[0].real


@pytest.mark.parametrize("strategy", ["ma_crossover", signals])
def test_a_verdict_is_that_of_one_machine(crew, strategy):
    grid = GRID if strategy == "ma_crossover" else {"n": range(2, 20)}
    sweep = Sweep(strategy, grid, BARS)
    options = {"worlds": 19, "replications": 99, "seed": 5}
    found = [validate(sweep, **options, cluster=at) for at in (None, crew)]
    assert plain(found[1]) == plain(found[0])
    assert sum(one.colour != "grey" for one in found[1].findings) >= 7


def mean_return(returns):
    return float(returns.mean())


@pytest.mark.parametrize("objective", ["sharpe", "max_drawdown:min", mean_return])
@pytest.mark.parametrize("strategy", ["ma_crossover", signals])
def test_choices_of_large_grids_are_those_of_one_machine(crew, monkeypatch, strategy, objective):
    """Pieces come in any order, and equal values are there: the first of the grid still wins."""
    monkeypatch.setattr("peak_fast.validation.choosing.CHUNK", 100)
    rows = [{"n": n} for n in range(2, 20)]
    if strategy == "ma_crossover":
        rows = [{"fast": fast, "slow": slow} for fast in range(2, 12) for slow in range(15, 60, 5)]
    grid = [*rows, *reversed(rows)]
    options = {"objective": objective, "min_trades": 3, "progress": False}
    walked, crossed = (
        [test(strategy, grid, BARS, **windows, **options, cluster=at) for at in (None, crew)]
        for test, windows in ((walk_forward, {"train": 150, "test": 50}), (cross_validate, {"folds": 5}))
    )
    assert walked[1].folds.equals(walked[0].folds) and plain(walked[1]) == plain(walked[0])
    assert crossed[1].choices == crossed[0].choices and plain(crossed[1]) == plain(crossed[0])


def test_progress_says_how_many_work(crew, capsys):
    def slow(df, params):
        time.sleep(0.02)
        return signals(df, params)

    walk_forward(slow, {"n": range(2, 42)}, BARS, train=200, test=100, cluster=crew, progress="lines")
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("walk forward 100% · 40 of 40 · ") and "2 workers" in said[-1]
    walk_forward(slow, {"n": range(2, 22)}, BARS, train=200, test=100, cluster=crew, progress=False)
    assert not capsys.readouterr().err
