"""Studies: what is searched: objectives, conditions, sequences of points, narrowed and conditional parameters."""

import math

import numpy as np
import polars as pl
import pytest

optuna = pytest.importorskip("optuna")

from peak_fast.errors import ConfigError, StrategyError  # noqa: E402
from peak_fast.metrics.catalog import CATALOG, higher_is_better, is_signed_loss  # noqa: E402
from peak_fast.params.parameter import Param  # noqa: E402
from peak_fast.studies.objectives import Feasibility, parse_objectives  # noqa: E402
from peak_fast.studies.search.narrowing import narrow  # noqa: E402
from peak_fast.studies.search.sequences import BLOCK, Cursor, GridSequence, RandomSequence, SobolSequence  # noqa: E402
from tests.study_fakes import FAST, SCHEMA, Counting, make, only_fast, space  # noqa: E402

# --- objectives and feasibility ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sharpe", ["sharpe:max"]),
        ("max_drawdown", ["max_drawdown:min"]),
        ("calmar:min", ["calmar:min"]),
        (["sharpe:max", "max_drawdown"], ["sharpe:max", "max_drawdown:min"]),
        ({"sharpe": "maximise", "volatility": None}, ["sharpe:max", "volatility:min"]),
    ],
)
def test_objectives_in_every_form(given, expected):
    assert [str(objective) for objective in parse_objectives(given)] == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "at least one objective"),
        ("", "at least one objective"),
        ({"sharpe": "up"}, "expected maximize or minimize; got 'up'"),
        (["sharpe:max", "sharpe:min"], "each metric once"),
        (3, "got int"),
    ],
)
def test_objectives_that_are_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        parse_objectives(given)


def test_a_study_and_a_sweep_want_the_same_of_every_metric():
    for metric in CATALOG:
        (objective,) = parse_objectives(metric)
        # The size of a drawdown is minimised, which is the wish of a sweep that maximises the signed figure.
        assert objective.maximize == (higher_is_better(metric) and not is_signed_loss(metric)), metric
    for metric in ("total_slippage", "rejected_orders", "ambiguous_bars"):
        assert str(parse_objectives(metric)[0]) == f"{metric}:min"


def test_minimised_drawdown_is_its_size_and_maximised_the_signed_figure():
    smallest, largest = (
        parse_objectives({"max_drawdown": "min"})[0],
        parse_objectives({"max_drawdown": "max"})[0],
    )
    assert smallest.value(-0.25) == 0.25
    assert largest.value(-0.25) == -0.25
    for way in ("minimize", "maximize"):
        result = make("grid", {"max_drawdown": way}, schema=(FAST,), evaluator=only_fast).run()
        assert result.best_params == {"fast": 5}
        assert result.best_metrics["max_drawdown"] == -0.05


def test_violations_are_distances():
    feasibility = Feasibility(
        ["total_trades >= 30", "max_drawdown > -0.3", lambda metrics: metrics["sharpe"] > 1]
    )
    found = list(feasibility.violations({"total_trades": 20, "max_drawdown": -0.1, "sharpe": 0.5}).values())
    assert found == [10, pytest.approx(-0.2), 1]
    undefined = Feasibility("total_trades >= 30").violations({"total_trades": math.nan})
    assert undefined == {"total_trades >= 30": 1e9}
    touching = Feasibility("sharpe > 1").violations({"sharpe": 1.0})
    assert touching["sharpe > 1"] > 0


# --- sequences -----------------------------------------------------------------------------------------------


MIXED = (
    Param("a", "int", 3, low=2, high=50, step=3),
    Param("b", "float", 0.1, low=0.001, high=1.0, log=True),
    Param("c", "float", 0.5, low=0.0, high=1.0, step=0.25),
    Param("d", "choice", "x", choices=("x", "y", "z")),
    Param("e", "bool", False),
    Param("f", "int", 8, low=1, high=1000, log=True),
    Param("g", "float", 1.0, low=-2.0, high=2.0, when={"e": True}),
)


@pytest.mark.parametrize("sequence", [RandomSequence, SobolSequence])
def test_sequences_give_valid_values_in_the_same_order_however_they_are_taken(sequence):
    where = space(*MIXED, constraints="a < f")
    at_once = Cursor(where, sequence(where, 7)).take(3000)
    cursor = Cursor(where, sequence(where, 7))
    pieces = [point for size in (1, 63, 936, 2000) for point in cursor.take(size)]
    assert [point.params for point in pieces] == [point.params for point in at_once]
    assert [point.index for point in pieces] == [point.index for point in at_once]
    for point in at_once:
        assert point.params["a"] < point.params["f"]
        for item in MIXED:
            assert item.validate_value(point.params[item.name]) == point.params[item.name]
        assert ("g" in point.searched) == point.params["e"]
        assert point.params["e"] or point.params["g"] == 1.0


@pytest.mark.parametrize("sequence", [RandomSequence, SobolSequence])
def test_sequences_spread_evenly(sequence):
    where = space(*MIXED)
    points = Cursor(where, sequence(where, 1)).take(8 * BLOCK)
    for name, choices in (("a", range(2, 51, 3)), ("c", (0.0, 0.25, 0.5, 0.75, 1.0)), ("d", "xyz")):
        counts = [sum(point.params[name] == choice for point in points) for choice in choices]
        assert min(counts) > 0.85 * len(points) / len(counts), name
    logs = np.log10([point.params["b"] for point in points])
    assert np.histogram(logs, bins=3, range=(-3, 0))[0].min() > 0.3 * len(points)


def test_another_seed_gives_other_points():
    where = space(*SCHEMA)
    first, second = (Cursor(where, RandomSequence(where, seed)).take(50) for seed in (1, 2))
    assert [point.params for point in first] != [point.params for point in second]


def test_cursor_skips_taken_and_released_numbers_come_back():
    where = space(FAST)
    cursor = Cursor(where, GridSequence(where))
    cursor.taken.update({0, 2})
    assert [point.index for point in cursor.take(3)] == [1, 3, 4]
    cursor.release(1)
    assert [point.index for point in cursor.take(2)] == [1, 5]
    assert [point.index for point in cursor.take(2, skip=3)] == [9, 10]
    assert [point.index for point in cursor.take(4)] == [6, 7, 8, 11]
    assert len(cursor.take(1000)) == 56 - 12
    assert cursor.take(1) == []


def test_constraints_that_nothing_meets_are_an_error():
    where = space(*SCHEMA, constraints="fast > slow + 100")
    with pytest.raises(ConfigError, match=r"got none in [\d,]+ draws"):
        Cursor(where, RandomSequence(where, 1)).take(1)
    with pytest.raises(ConfigError, match="feasible points; got none"):
        GridSequence(where)


def test_grids_that_are_too_large_name_the_way_out():
    wide = [Param(name, "int", 1, low=1, high=1000) for name in "abc"]
    with pytest.raises(
        ConfigError, match=r"at most 5,000,000 combinations; got 1,000,000,000; .*grid_values"
    ):
        GridSequence(space(*wide))
    assert GridSequence(space(*wide), values_per_parameter=10).size == 1000


# --- conditional parameters ----------------------------------------------------------------------------------

CONDITIONAL = (
    FAST,
    Param("use_filter", "bool", False),
    Param("length", "int", 14, low=2, high=50, when={"use_filter": True}),
)


def filtered(columns, bars, metrics):
    bonus = np.where(columns["use_filter"], columns["length"] / 50, 0.0)
    return {"sharpe": 1 - np.abs(columns["fast"] - 30) / 60 + bonus}


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random", "grid"])
def test_inactive_parameters_are_neither_searched_nor_varied(sampler):
    evaluator = Counting(filtered)
    study = make(sampler, schema=CONDITIONAL, evaluator=evaluator, batch=16)
    study.run(n_trials=120)
    for trial in study.optuna.trials:
        assert ("length" in trial.params) == trial.params["use_filter"]
    assert all(use or length == 14 for _, use, length in evaluator.rows)
    off = study.trials.filter(~pl.col("use_filter"))
    assert off["length"].null_count() == len(off) > 0


# --- the search space of a strategy --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("5:60:5", {"low": 5, "high": 60, "step": 5, "default": 20}),
        ((30, 60), {"low": 30, "high": 60, "step": None, "default": 30}),
        ("10,20,30", {"kind": "choice", "choices": (10, 20, 30), "default": 20}),
        (range(10, 13), {"kind": "choice", "choices": (10, 11, 12), "default": 10}),
        ("44", {"low": 44, "high": 44, "default": 44}),
        (np.int64(44), {"low": 44, "high": 44, "default": 44}),
    ],
)
def test_narrowing_a_parameter(change, expected):
    (changed,) = narrow((FAST,), {"fast": change})
    assert {name: getattr(changed, name) for name in expected} == expected


def test_narrowing_choices_booleans_and_settings():
    mode = Param("mode", "choice", "a:b", choices=("a:b", "c,d", "e"))
    assert narrow((mode,), {"mode": "c,d"})[0].choices == ("c,d",)
    assert narrow((Param("on", "bool", True),), {"on": "no"})[0].choices == (False,)
    added = narrow((FAST,), {"stop_loss": "0.02:0.2:0.02", "trailing": "none,0.05", "fee_bps": [0, 10]})
    assert [item.name for item in added] == ["fast", "stop_loss", "trailing", "fee_bps"]
    assert added[1].grid(3) == [0.02, 0.1, 0.2]
    assert added[2].choices == (None, 0.05)
    assert added[3].choices == (0.0, 10.0)
    with pytest.raises(StrategyError, match="did you mean 'stop_loss'"):
        narrow((FAST,), {"stop_los": 1})
    with pytest.raises(StrategyError, match=r"expected 1 <= fast <= 10,000,000"):
        narrow((FAST,), {"fast": "0:30"})
