"""Studies: objectives, samplers, constraints, caches, pruning, results, tracking. Storages: another file."""

import logging
import math
import sys
import warnings

import numpy as np
import polars as pl
import pytest

optuna = pytest.importorskip("optuna")

from peak_fast.errors import ConfigError, MissingDependencyError, StrategyError  # noqa: E402
from peak_fast.params import Param  # noqa: E402
from peak_fast.studies.narrowing import narrow  # noqa: E402
from peak_fast.studies.objectives import Feasibility, parse_objectives  # noqa: E402
from peak_fast.studies.pareto import pareto_mask  # noqa: E402
from peak_fast.studies.points import Space  # noqa: E402
from peak_fast.studies.samplers import choose, generation_size  # noqa: E402
from peak_fast.studies.sequences import BLOCK, Cursor, GridSequence, RandomSequence, SobolSequence  # noqa: E402
from peak_fast.study import Study  # noqa: E402

FAST = Param("fast", "int", 20, low=5, high=60)
SLOW = Param("slow", "int", 50, low=20, high=200)
SCHEMA = (FAST, SLOW)
TWO = {"sharpe": "maximize", "max_drawdown": "minimize"}


def hill(columns, bars, metrics):
    """A smooth hill with its top at (30, 120), a loss that grows with fast, and a count of trades."""
    fast, slow = np.asarray(columns["fast"], float), np.asarray(columns["slow"], float)
    sharpe = 2.0 * np.exp(-(((fast - 30) / 20) ** 2) - ((slow - 120) / 60) ** 2)
    return {
        "sharpe": sharpe,
        "max_drawdown": -fast / 100,
        "total_trades": 900 / fast,
        "total_return": sharpe / 2,
    }


class Counting:
    """An evaluator that remembers what it was asked."""

    def __init__(self, function=hill):
        self.function = function
        self.rows = []

    def __call__(self, columns, bars, metrics):
        self.rows += list(zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True))
        return self.function(columns, bars, metrics)


class Pieces:
    """Stands in for Bars: a length and slices that know where they start."""

    def __init__(self, start, stop):
        self.start, self.stop, self.hash = start, stop, f"{start}:{stop}"

    def __len__(self):
        return self.stop - self.start

    def slice(self, start, stop):
        return Pieces(self.start + start, self.start + stop)


def make(sampler="random", objectives="sharpe", schema=SCHEMA, evaluator=hill, data=None, **options):
    options.setdefault("seed", 3)
    return Study(None, data, schema, objectives, sampler, evaluator=evaluator, **options)


def values_of(study, *names):
    return study.trials.select(names).rows()


# --- objectives and feasibility ----------------------------------------------------------------------------


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


def only_fast(columns, bars, metrics):
    return hill({"fast": columns["fast"], "slow": np.full(len(columns["fast"]), 120)}, bars, metrics)


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


# --- sequences ---------------------------------------------------------------------------------------------


def space(*schema, constraints=()):
    from peak_fast.params import parse_constraints

    return Space(schema, parse_constraints(constraints))


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


# --- samplers ----------------------------------------------------------------------------------------------

SAMPLERS = ["tpe", "nsga2", "random", "qmc", "grid"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_runs_the_wanted_number_and_meets_the_constraint(sampler):
    evaluator = Counting()
    study = make(sampler, constraints="fast < slow", evaluator=evaluator, batch=16)
    result = study.run(n_trials=150)
    assert result.stopped == "trials"
    assert len(study.optuna.trials) == len(result.frame) == 150
    assert all(fast < slow for fast, slow in evaluator.rows)
    assert len(set(evaluator.rows[: result.tally.run])) == result.tally.run
    for trial in study.optuna.trials:
        assert trial.state == optuna.trial.TrialState.COMPLETE
        expected = hill({k: [v] for k, v in trial.params.items()}, None, None)["sharpe"][0]
        assert trial.value == pytest.approx(expected)
    assert result.best_value == study.optuna.best_value == max(t.value for t in study.optuna.trials)
    assert result.best_params == study.optuna.best_params


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("objectives", ["sharpe", TWO])
def test_same_seed_same_trials(sampler, objectives):
    frames = []
    for _ in range(2):
        study = make(sampler, objectives, constraints="fast < slow", seed=11, batch=16)
        study.run(n_trials=80)
        frames.append(study.trials.drop("seconds"))
    assert frames[0].equals(frames[1])


def test_another_seed_gives_other_trials():
    rows = [values_of(run(make("tpe", seed=seed), 30), "fast", "slow") for seed in (1, 2)]
    assert rows[0] != rows[1]


def run(study, n_trials):
    study.run(n_trials=n_trials)
    return study


def test_cmaes_finds_the_top_of_a_smooth_hill():
    pytest.importorskip("cmaes")
    schema = (Param("x", "float", 0.0, low=-5.0, high=5.0), Param("y", "float", 0.0, low=-5.0, high=5.0))

    def bowl(columns, bars, metrics):
        return {"sharpe": 3.0 - (columns["x"] - 1.5) ** 2 - (columns["y"] + 2.0) ** 2}

    result = make("cmaes", schema=schema, evaluator=bowl).run(n_trials=400)
    assert result.best_value == pytest.approx(3.0, abs=1e-3)
    with pytest.raises(ConfigError, match="one objective"):
        make("cmaes", TWO).run(n_trials=5)


@pytest.mark.parametrize(("sampler", "module"), [("gp", "torch"), ("cmaes", "cmaes")])
def test_a_sampler_whose_package_is_missing_names_it(sampler, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=f"sampler='{sampler}' needs .* pip install {module}"):
        make(sampler).run(n_trials=5)


def test_an_optuna_sampler_may_be_given():
    study = make(optuna.samplers.RandomSampler(seed=1), constraints="fast < slow")
    assert study.run(n_trials=40).choice.kind == "RandomSampler"
    assert all(fast < slow for fast, slow in values_of(study, "fast", "slow"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampler": "tpa"}, "did you mean 'tpe'"),
        ({"sampler": 3}, "got int"),
        ({"batch": 0}, "batch of at least 1"),
        ({"pruner": "median"}, "at least 2 steps"),
        ({"pruner": "medium", "segments": 5, "data": Pieces(0, 100)}, "did you mean 'median'"),
        ({"pruner": "wilcoxon", "segments": 3, "data": Pieces(0, 100)}, "at least 5 steps"),
        ({"pruner": "median", "segments": 3, "data": Pieces(0, 100), "objectives": TWO}, "one objective"),
        ({"segments": 80, "data": Pieces(0, 100)}, "between 1 and 50 segments"),
        ({"segments": [(0, 200)], "data": Pieces(0, 100)}, "expected folds"),
        ({"feasible": "total_trades ~ 3"}, "expected a condition"),
        ({"schema": (Param("x", "int", 1),)}, "low and high for a search"),
        ({"schema": ()}, "parameters to search"),
        ({"schema": 3}, "a schema of Param objects; got int"),
        ({"segments": "x", "data": Pieces(0, 100)}, r"segments: expected a number, or \(start, stop\)"),
        ({"warm_start": 3}, "warm_start: expected a SweepResult.*; got int"),
        ({"heartbeat": 3}, "heartbeat: expected two numbers"),
        ({"heartbeat": (5, 6)}, "at least twice the first"),
        ({"costz": 3}, "got 'costz'; did you mean 'costs'"),
        ({"costs": 3}, "costs: expected Costs; got int"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(options, words):
    with pytest.raises((ConfigError, StrategyError), match=words):
        make(**options)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "expected a limit"),
        ({"n_trials": 0}, "positive number of trials"),
        ({"n_trials": 2.5}, "positive number of trials"),
        ({"timeout": -1}, "positive timeout"),
        ({"timeout": "3"}, "positive timeout"),
        ({"target": {"calmar": 1.0}}, "targets for objectives"),
        ({"target": "high"}, "expected a target as a number"),
    ],
)
def test_limits_that_do_not_fit(limits, words):
    with pytest.raises(ConfigError, match=words):
        make("tpe").run(**limits)


@pytest.mark.parametrize(
    ("schema", "objectives", "n_trials", "kind"),
    [
        ((Param("a", "int", 1, low=1, high=50),), "sharpe", 100, "grid"),
        (SCHEMA, "sharpe", 300, "tpe"),
        (SCHEMA, TWO, 100, "tpe"),
        (SCHEMA, TWO, 2000, "nsga2"),
        (SCHEMA, "sharpe", 5000, "nsga2"),
        (SCHEMA, "sharpe", None, "nsga2"),
    ],
)
def test_auto_chooses_by_budget_and_says_why(schema, objectives, n_trials, kind):
    choice = choose(space(*schema), parse_objectives(objectives), n_trials, False)
    assert choice.kind == kind
    assert choice.reason


def test_auto_says_what_it_chose(caplog):
    with caplog.at_level(logging.INFO, logger="peak_fast.study"):
        result = make("auto").run(n_trials=20)
    assert result.choice.kind == "tpe"
    assert "sampler tpe (20 trials: TPE" in caplog.text


def test_generations_of_tpe_stay_a_tenth_of_what_it_knows():
    sizes = [generation_size("tpe", 64, finished, 2) for finished in (0, 4, 10, 100, 640, 5000)]
    assert sizes == [10, 6, 1, 10, 64, 64]
    assert generation_size("tpe", 1, 5000, 2) == 1
    assert generation_size("nsga2", 50, 0, 2) == 50


# --- limits ------------------------------------------------------------------------------------------------


def test_a_grid_runs_every_point_once_and_stops():
    evaluator = Counting()
    study = make("grid", constraints="fast < slow", evaluator=evaluator)
    result = study.run()
    expected = {(fast, slow) for fast in range(5, 61) for slow in range(20, 201) if fast < slow}
    assert result.stopped == "exhausted"
    assert len(evaluator.rows[: result.tally.run]) == len(expected) == len(result.frame)
    assert set(evaluator.rows) >= expected
    assert result.best_params == {"fast": 30, "slow": 120}


def test_target_and_timeout_stop_early():
    reached = make("qmc", batch=32).run(n_trials=5000, target=1.5)
    assert reached.stopped == "target"
    assert reached.best_value >= 1.5
    assert len(reached.frame) < 5000
    both = make("nsga2", TWO).run(n_trials=3000, target={"sharpe": 1.2, "max_drawdown": 0.3})
    assert both.stopped == "target"
    assert len(both.frame.filter((pl.col("sharpe") >= 1.2) & (pl.col("max_drawdown") >= -0.3))) >= 1
    timed = make("random").run(timeout=0.2)
    assert timed.stopped == "timeout"
    assert 0.2 <= timed.tally.seconds < 5.0


def test_a_small_space_is_exhausted_and_a_sampler_that_repeats_itself_has_converged():
    small = (Param("fast", "int", 8, low=5, high=12), Param("slow", "int", 50, low=50, high=52))
    result = make("tpe", schema=small).run(n_trials=1000)
    assert result.stopped == "exhausted"
    assert len({(row["fast"], row["slow"]) for row in result.frame.iter_rows(named=True)}) == 24

    class Stubborn(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, name, distribution):
            return distribution.low

    stuck = make(Stubborn(), schema=SCHEMA, batch=64).run(n_trials=10_000)
    assert stuck.stopped == "converged"
    assert stuck.tally.run == 2  # the defaults and the one point


def test_run_counts_all_trials_of_the_study():
    study = make("tpe")
    study.run(n_trials=20)
    study.run(n_trials=30)
    assert len(study.optuna.trials) == 30
    assert study.run(n_trials=30).tally.run == 0


# --- cache, queue, warm start ------------------------------------------------------------------------------


def test_duplicates_are_answered_from_the_cache():
    evaluator = Counting()
    schema = (Param("fast", "int", 8, low=5, high=30), Param("slow", "int", 50, low=50, high=53))
    study = make("random", schema=schema, evaluator=evaluator, batch=10)
    result = study.run(n_trials=90)
    trials = study.trials
    copies = trials.filter(pl.col("duplicate_of").is_not_null())
    assert result.tally.duplicates > 0
    assert result.tally.run + result.tally.duplicates == 90
    assert len(set(evaluator.rows[: result.tally.run])) == result.tally.run
    originals = copies.select(number="duplicate_of").join(trials, on="number", how="left")
    assert originals.select("fast", "slow", "sharpe").rows() == copies.select("fast", "slow", "sharpe").rows()


def test_defaults_come_first_and_queued_points_next():
    study = make("tpe")
    study.enqueue({"fast": 33})
    study.run(n_trials=12)
    assert values_of(study, "fast", "slow")[:2] == [(20, 50), (33, 50)]
    assert study.trials["source"].to_list()[:2] == ["defaults", None]
    with pytest.raises(StrategyError, match="did you mean 'fast'"):
        study.enqueue({"fasst": 3})


def test_defaults_beside_the_search_grid_move_to_the_nearest_step():
    schema = (Param("fast", "int", 7, low=5, high=60, step=5), Param("slow", "int", 50, low=20, high=200))
    study = run(make("tpe", schema=schema), 5)
    assert values_of(study, "fast", "slow")[0] == (5, 50)


def test_points_that_users_queue_in_optuna_are_run():
    study = make("random")
    study.optuna.enqueue_trial({"fast": 44, "slow": 144})
    study.run(n_trials=10)
    first = study.optuna.trials[0]
    assert first.params == {"fast": 44, "slow": 144}
    assert first.state == optuna.trial.TrialState.COMPLETE
    assert len(study.optuna.trials) == 10


@pytest.mark.parametrize("form", ["study", "optuna", "trials", "frame", "pandas"])
def test_warm_start_from_every_form(form):
    earlier = make("qmc", seed=1)
    earlier.run(n_trials=400)
    given = {
        "study": earlier,
        "optuna": earlier.optuna,
        "trials": earlier.optuna.trials,
        "frame": earlier.trials,
        "pandas": earlier.trials.to_pandas() if form == "pandas" else None,
    }[form]
    evaluator = Counting()
    study = make("tpe", warm_start=given, warm_start_limit=100, evaluator=evaluator, seed=5)
    result = study.run(n_trials=20)
    sources = study.trials["source"].to_list()
    assert sources.count("warm start") == 100
    assert len(sources) == 120
    assert result.tally.run <= 20
    warm = study.trials.filter(pl.col("source") == "warm start")
    assert warm["objective_sharpe"].max() == earlier.result.best_value
    assert warm["objective_sharpe"].min() < 0.5
    new = study.trials.filter(pl.col("source").is_null())
    assert new["objective_sharpe"].median() > 1.5  # it starts where the earlier study ended


def test_parameters_that_a_sweep_did_not_vary_had_their_defaults():
    schema = (*SCHEMA, Param("allow_short", "bool", False))
    table = pl.DataFrame({"fast": [5, 10], "slow": [50, 60], "sharpe": [1.0, 2.0]})
    study = make("tpe", schema=schema, warm_start=table)
    assert study.trials.select("fast", "slow", "allow_short").rows() == [(10, 60, False), (5, 50, False)]
    with pytest.raises(ConfigError, match="got 2 outside"):
        make("tpe", schema=schema, warm_start=table, space={"allow_short": True})


def test_warm_start_refuses_what_does_not_fit():
    with pytest.raises(ConfigError, match="a column 'sharpe'"):
        make("tpe", warm_start=pl.DataFrame({"fast": [5], "slow": [50]}))
    with pytest.raises(ConfigError, match="outside"):
        make("tpe", warm_start=pl.DataFrame({"fast": [500], "slow": [50], "sharpe": [1.0]}))


def test_warm_start_gives_nsga2_its_first_parents():
    earlier = make("qmc", TWO, seed=1)
    earlier.run(n_trials=200)
    study = make("nsga2", TWO, warm_start=earlier, batch=32, seed=2)
    study.run(n_trials=64)
    generations = [t.system_attrs.get("NSGAIISampler:generation") for t in study.optuna.trials]
    assert 1 in generations


# --- conditional parameters --------------------------------------------------------------------------------

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


# --- feasibility -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "qmc"])
def test_infeasible_results_are_marked_and_never_best(sampler):
    study = make(sampler, feasible=["total_trades >= 45"], batch=16)  # fast <= 20, the top is at 30
    result = study.run(n_trials=150)
    frame = study.trials
    assert (frame["feasible"] == (frame["total_trades"] >= 45)).all()
    assert not frame["feasible"].all()
    assert result.best_params["fast"] <= 20
    assert study.optuna.best_trial.params["fast"] <= 20
    assert result.best_value == frame.filter(pl.col("feasible"))["sharpe"].max()


def test_samplers_learn_what_is_feasible():
    free, bound = (
        run(make("tpe", feasible=f, seed=4), 120).trials["fast"][60:] for f in (None, "total_trades >= 45")
    )
    assert (free <= 20).mean() < 0.3
    assert (bound <= 20).mean() > 0.5


def test_nothing_feasible_is_said_plainly():
    result = make("tpe", feasible="total_trades > 1e6").run(n_trials=20)
    assert result.best_params == {}
    assert "No feasible trial" in result.summary()
    with pytest.raises(StrategyError, match="feasible trial; got none"):
        _ = result.best_value
    assert len(result.front) == 0


def test_undefined_objectives_end_as_pruned_with_a_reason():
    def partly(columns, bars, metrics):
        found = dict(hill(columns, bars, metrics))
        found["sharpe"] = np.where(np.asarray(columns["fast"]) % 2, found["sharpe"], np.nan)
        return found

    study = make("tpe", evaluator=partly)
    result = study.run(n_trials=60)
    even = study.trials.filter(pl.col("fast") % 2 == 0)
    assert set(even["state"]) == {"PRUNED"}
    assert set(even["reason"]) == {"undefined: sharpe"}
    assert result.tally.undefined == len(even) > 0
    assert result.best_params["fast"] % 2 == 1


# --- Pareto front ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_pareto_mask_equals_the_definition(columns):
    generator = np.random.default_rng(columns)
    values = generator.integers(0, 8, size=(120, columns)).astype(float)
    maximize = [True, False, True][:columns]
    losses = values * np.where(maximize, -1, 1)
    expected = [not any(np.all(other <= row) and np.any(other < row) for other in losses) for row in losses]
    assert pareto_mask(values, maximize).tolist() == expected


def test_front_has_no_dominated_point_and_equals_the_true_one_on_a_small_grid():
    schema = (Param("fast", "int", 20, low=11, high=34), Param("slow", "int", 108, low=108, high=131))
    exhaustive = make("grid", TWO, schema=schema).run()
    search = make("nsga2", TWO, schema=schema, batch=64, seed=1).run(n_trials=2500)
    for result in (exhaustive, search):
        values = result.front.select("objective_sharpe", "objective_max_drawdown").to_numpy()
        assert pareto_mask(values, [True, False]).all()
        assert result.front["objective_sharpe"].is_sorted(descending=True)
    assert len(exhaustive.front) == 20  # every fast from 11 to 30, each with slow = 120
    assert search.tally.run < 24 * 24
    assert (
        search.front.select("fast", "slow").sort("fast").rows()
        == exhaustive.front.select("fast", "slow").sort("fast").rows()
    )
    optunas = {(t.params["fast"], t.params["slow"]) for t in search_best(exhaustive)}
    assert optunas == set(exhaustive.front.select("fast", "slow").rows())


def search_best(result):
    study = optuna.create_study(directions=["maximize", "minimize"])
    distributions = {"fast": FAST.to_distribution(), "slow": SLOW.to_distribution()}
    for row in result.frame.iter_rows(named=True):
        study.add_trial(
            optuna.create_trial(
                params={"fast": row["fast"], "slow": row["slow"]},
                distributions=distributions,
                values=[row["sharpe"], -row["max_drawdown"]],
            )
        )
    return study.best_trials


def test_front_leaves_infeasible_points_out():
    result = make("nsga2", TWO, feasible="total_trades >= 45", batch=32).run(n_trials=300)
    assert len(result.front) > 0
    assert (result.front["total_trades"] >= 45).all()
    with pytest.raises(StrategyError, match="expected one objective"):
        _ = result.best_value


# --- steps and pruning -------------------------------------------------------------------------------------


def stepwise(columns, bars, metrics):
    """The hill plus a wave that differs by piece of data and parameters, so that steps disagree a little."""
    fast, slow = np.asarray(columns["fast"], float), np.asarray(columns["slow"], float)
    wave = 0.1 * np.sin(fast * 12.9898 + slow * 78.233 + bars.start)
    return {"sharpe": hill(columns, bars, metrics)["sharpe"] + wave, "total_trades": np.full(len(fast), 10.0)}


DATA = Pieces(0, 1000)


def test_objective_over_segments_is_their_mean_and_counts_add_up():
    study = make("random", data=DATA, segments=4, evaluator=stepwise, metrics=["total_trades"])
    study.run(n_trials=20)
    for row in study.trials.iter_rows(named=True):
        parts = [
            stepwise({"fast": [row["fast"]], "slow": [row["slow"]]}, DATA.slice(250 * k, 250 * k + 250), None)
            for k in range(4)
        ]
        assert row["sharpe"] == pytest.approx(np.mean([part["sharpe"][0] for part in parts]))
        assert row["total_trades"] == 40


def test_assets_are_steps_too():
    data = {"one": Pieces(0, 100), "two": Pieces(500, 600)}
    seen = []

    def spy(columns, bars, metrics):
        seen.append(bars.hash)
        return stepwise(columns, bars, metrics)

    study = make("random", data=data, evaluator=spy)
    study.run(n_trials=3)
    assert set(seen) == {"0:100", "500:600"}
    folds = make("random", data=data, evaluator=spy, segments=[(0, 40), (20, 60)])
    seen.clear()
    folds.run(n_trials=2)
    assert list(dict.fromkeys(seen)) == ["0:40", "500:540", "20:60", "520:560"]


@pytest.mark.parametrize("pruner", ["median", "wilcoxon", "hyperband", "successive_halving"])
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_pruners_stop_bad_trials(pruner, sampler):
    evaluator = Counting(stepwise)
    study = make(sampler, data=DATA, segments=8, pruner=pruner, evaluator=evaluator, batch=16)
    result = study.run(n_trials=200)
    frame = study.trials
    pruned = frame.filter(pl.col("state") == "PRUNED")
    complete = frame.filter(pl.col("state") == "COMPLETE")
    assert len(pruned) == result.pruning["pruned"] > 10
    assert len(frame) == 200
    assert result.pruning["steps_done"] + result.pruning["steps_skipped"] == 8 * result.tally.run
    assert 0.05 < result.pruning["work_saved"] < 0.95
    assert pruned["reason"].str.starts_with("pruned after step").all()
    assert complete["sharpe"].median() > pruned["sharpe"].median()
    for trial in study.optuna.trials:
        steps = len(trial.intermediate_values)
        assert steps == 8 if trial.state.name == "COMPLETE" else 1 <= steps < 8
    assert result.best_value > 1.7


def test_pruning_reports_intermediate_values_that_fit_the_pruner():
    study = make("random", data=DATA, segments=6, pruner="median", evaluator=stepwise, defaults_first=False)
    study.run(n_trials=5)
    stepper = make(
        "random", data=DATA, segments=6, pruner="wilcoxon", evaluator=stepwise, defaults_first=False
    )
    stepper.run(n_trials=5)
    mean, single = study.optuna.trials[0], stepper.optuna.trials[0]
    own = list(single.intermediate_values.values())
    assert list(mean.intermediate_values.values()) == pytest.approx(np.cumsum(own) / np.arange(1, 7))
    assert single.value == mean.value == pytest.approx(np.mean(own))


def test_pruning_that_cannot_pay_is_said_plainly():
    result = make("random", data=DATA, segments=5, pruner="median", evaluator=stepwise).run(n_trials=200)
    assert result.pruning["pays"] is False
    assert "it cannot pay at this speed" in result.pruning["verdict"]
    assert "it cannot pay at this speed" in result.summary()

    def slow(columns, bars, metrics):
        import time

        time.sleep(0.002 * len(columns["fast"]))
        return stepwise(columns, bars, metrics)

    paying = make("random", data=DATA, segments=5, pruner="median", evaluator=slow).run(n_trials=100)
    assert paying.pruning["pays"] is True
    assert "it pays" in paying.pruning["verdict"]


# --- errors of the strategy --------------------------------------------------------------------------------


def test_a_point_that_raises_fails_alone():
    def picky(columns, bars, metrics):
        if any(fast == 31 for fast in columns["fast"]):
            raise ZeroDivisionError("fast 31")
        return hill(columns, bars, metrics)

    study = make(
        "grid", schema=(FAST,), evaluator=lambda c, b, m: picky(c, b, m) if "slow" in c else only(c, b, m)
    )

    def only(columns, bars, metrics):
        if any(fast == 31 for fast in columns["fast"]):
            raise ZeroDivisionError("fast 31")
        return only_fast(columns, bars, metrics)

    result = study.run()
    failed = study.trials.filter(pl.col("state") == "FAIL")
    assert failed.select("fast", "reason").rows() == [(31, "ZeroDivisionError: fast 31")]
    assert len(study.trials) == 56
    assert result.tally.failed == 1
    assert result.best_params == {"fast": 30}


@pytest.mark.parametrize("batch", [1, 8])
def test_a_strategy_that_always_raises_stops_the_study(batch):
    def broken(columns, bars, metrics):
        raise KeyError("no such column")

    with pytest.raises(StrategyError, match=r"expected the strategy to run; got .*no such column"):
        make("random", evaluator=broken, batch=batch).run(n_trials=500)


@pytest.mark.parametrize(
    ("evaluator", "words"),
    [
        (lambda c, b, m: {"sharp": np.zeros(len(c["fast"]))}, "did you mean 'sharp'"),
        (lambda c, b, m: {"sharpe": np.zeros(3)}, "expected 8 values of 'sharpe'"),
    ],
)
def test_evaluators_that_return_the_wrong_thing(evaluator, words):
    with pytest.raises(ConfigError, match=words):
        make("random", evaluator=evaluator, batch=8).run(n_trials=20)


def test_ctrl_c_keeps_what_is_finished_and_the_study_goes_on():
    calls = []

    def interrupted(columns, bars, metrics):
        calls.append(len(columns["fast"]))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return hill(columns, bars, metrics)

    study = make("tpe", evaluator=interrupted)
    with pytest.raises(KeyboardInterrupt):
        study.run(n_trials=50)
    assert len(study.optuna.trials) == sum(calls[:3])
    assert study.run(n_trials=50).stopped == "trials"
    assert len(study.optuna.trials) == 50


# --- results -----------------------------------------------------------------------------------------------


def test_robustness_tells_a_plateau_from_a_peak():
    def peak(columns, bars, metrics):
        found = dict(hill(columns, bars, metrics))
        lucky = (np.asarray(columns["fast"]) == 50) & (np.asarray(columns["slow"]) == 60)
        found["sharpe"] = np.where(lucky, 2.5, found["sharpe"])
        return found

    study = make("grid", evaluator=peak)
    result = study.run()
    assert result.best_params == {"fast": 50, "slow": 60}
    table = study.robustness(top=5)
    assert table["number"][-1] == result.best_number  # best value, worst neighbourhood
    top = table.row(0, named=True)
    assert top["mean"] > 1.8
    assert top["neighbours"] == 8
    lone = table.row(-1, named=True)
    assert lone["value"] == 2.5
    assert lone["mean"] < 1.0
    assert f"mean {lone['mean']:.6g} over 8 neighbours" in result.summary()


def test_neighbourhood_mean_equals_one_by_hand():
    study = make("grid", schema=(FAST,), evaluator=only_fast)
    result = study.run()
    row = study.robustness(top=1, width=0.1).row(0, named=True)
    best = result.best_params["fast"]
    expected = only_fast({"fast": np.array([best - 6, best, best + 6])}, None, None)["sharpe"]
    assert row["mean"] == pytest.approx(expected.mean())
    assert row["worst"] == pytest.approx(expected.min())
    assert row["neighbours"] == 2


def test_deflated_sharpe_inputs():
    study = make(
        "random", schema=(Param("fast", "int", 8, low=5, high=30), Param("slow", "int", 50, low=50, high=53))
    )
    result = study.run(n_trials=90)
    found = result.deflated_sharpe
    sharpes = study.trials.unique(["fast", "slow"])["sharpe"].to_numpy()
    assert found["trials"] == len(sharpes)
    assert found["sharpe_variance"] == pytest.approx(np.var(sharpes, ddof=1))
    assert found["best_sharpe"] == sharpes.max()
    # Expected maximum of n standard normals for n = 100 is 2.508 (tables); the formula is good to 2 %.
    generator = np.random.default_rng(0)
    maxima = generator.standard_normal((4000, len(sharpes))).max(axis=1).mean()
    assert found["expected_maximum_sharpe"] / math.sqrt(found["sharpe_variance"]) == pytest.approx(
        maxima, rel=0.03
    )
    assert study.optuna.user_attrs["peak_fast:deflated_sharpe"] == found


def test_summary_reads_well():
    text = make("tpe", constraints="fast < slow").run(n_trials=25).summary()
    assert "25 complete" in text
    assert "Sampler tpe: as asked for" in text
    assert "Best: trial" in text
    assert "worthless strategies" in text


def test_figures_are_drawn():
    pytest.importorskip("matplotlib")
    study = run(make("nsga2", TWO, batch=16), 100)
    figures = study.figures()
    assert set(figures) == {"history", "importance", "slice", "front"}
    for figure in figures.values():
        figure.canvas.draw()
        assert len(figure.axes) >= 1
    lines = {line.get_label(): line for line in figures["front"].axes[0].get_lines()}
    assert sorted(lines["Pareto front"].get_xdata()) == sorted(study.front["objective_sharpe"])
    assert set(run(make("tpe"), 30).figures()) == {"history", "importance", "slice"}


def test_progress_is_reported_and_ends_at_the_total():
    states = []
    make("random", batch=8).run(n_trials=200, progress=states.append)
    assert [state.finished for state in states] == sorted(state.finished for state in states)
    assert states[-1].finished == states[-1].total == 200
    assert states[-1].best["sharpe"] > 1.0
    assert states[-1].rate > 0


def test_display_is_short():
    study = make("random", study_name="trend", seed=1)
    assert repr(study) == "Study('objective', sharpe:max, 'trend' in memory, 0 trials)"
    result = study.run(n_trials=3)
    assert repr(result).startswith(f"StudyResult('trend', 3 trials, best {result.best_values} at {{'fast': ")
    assert result._repr_html_().startswith("<pre>Study trend (memory): 3 complete\n")


def test_result_needs_a_run():
    with pytest.raises(StrategyError, match="call run"):
        _ = make("tpe").result


def test_optunas_verbosity_is_left_alone():
    before = optuna.logging.get_verbosity()
    make("tpe").run(n_trials=5)
    assert optuna.logging.get_verbosity() == before


# --- tracking ----------------------------------------------------------------------------------------------


class FakeTracker:
    """Records calls; raises at the n-th one when asked to."""

    def __init__(self, fails_at=None):
        self.calls = []
        self.fails_at = fails_at
        self.depth = 0

    def __getattr__(self, name):
        def call(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            if self.fails_at is not None and len(self.calls) >= self.fails_at:
                raise RuntimeError("tracker down")
            self.depth += {"start_run": 1, "end_run": -1}.get(name, 0)
            return None

        return call

    def named(self, name):
        return [(args, kwargs) for called, args, kwargs in self.calls if called == name]


def test_a_study_is_one_run_with_its_best_trials_as_children():
    tracker = FakeTracker()
    study = make("tpe", tracker=tracker, constraints="fast < slow")
    result = study.run(n_trials=60)
    assert tracker.depth == 0
    starts = tracker.named("start_run")
    assert len(starts) == 1 + 10
    assert starts[0][0] == ("study",)
    assert all(kwargs["nested"] for _, kwargs in starts[1:])
    params = tracker.named("log_params")[0][0][0]
    assert params["sampler"] == "tpe"
    assert params["objectives"] == "sharpe:max"
    assert tracker.named("log_params")[1][0][0] == {
        "best.fast": result.best_params["fast"],
        "best.slow": result.best_params["slow"],
    }
    metrics = [args[0] for args, _ in tracker.named("log_metrics")]
    final = next(m for m in metrics if "trials" in m)
    assert final["best_sharpe"] == result.best_value
    assert final["deflated_sharpe.trials"] == result.deflated_sharpe["trials"]
    live = [(args[0], kwargs) for args, kwargs in tracker.named("log_metrics") if "step" in kwargs]
    assert live[-1][1]["step"] == 60
    assert live[-1][0]["best_sharpe"] == result.best_value
    tables = {args[1]: args[0] for args, _ in tracker.named("log_table")}
    assert tables["study/trials.parquet"].equals(result.frame)
    figures = [args[1] for args, _ in tracker.named("log_figure")]
    assert figures == ["history.png", "importance.png", "slice.png"]
    assert tracker.named("end_run")[-1][0] == ("FINISHED",)
    best_child = next(args[0] for args, _ in tracker.named("log_params")[2:])
    assert best_child == result.best_params


def test_calls_do_not_grow_with_the_number_of_trials():
    counts = []
    for n_trials in (200, 4000):
        tracker = FakeTracker()
        make("qmc", tracker=tracker).run(n_trials=n_trials)
        counts.append(len(tracker.calls))
    assert counts[1] < counts[0] + 20


@pytest.mark.parametrize("fails_at", [1, 2, 5, 12, 30])
def test_a_tracker_that_raises_changes_nothing(fails_at, caplog):
    plain = run(make("tpe"), 40).trials.drop("seconds")
    with caplog.at_level(logging.WARNING, logger="peak_fast.study"):
        tracked = run(make("tpe", tracker=FakeTracker(fails_at)), 40).trials.drop("seconds")
    assert tracked.equals(plain)
    assert caplog.text.count("tracker down") == 1


def test_an_interrupted_study_ends_its_run_as_killed():
    def interrupted(columns, bars, metrics):
        raise KeyboardInterrupt

    tracker = FakeTracker()
    with pytest.raises(KeyboardInterrupt):
        make("tpe", tracker=tracker, evaluator=interrupted).run(n_trials=50)
    assert tracker.named("end_run") == [(("KILLED",), {})]


# --- the search space of a strategy ------------------------------------------------------------------------


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
    with pytest.raises(StrategyError, match=r"expected 5 <= fast <= 60"):
        narrow((FAST,), {"fast": "1:30"})


# --- the compiled sweep ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bars():
    from peak_fast.data import synthetic

    return synthetic(1200, freq="1d", seed=4)


def test_trials_equal_single_runs_and_threads_change_nothing(bars):
    from peak_fast.config import Costs
    from peak_fast.engine import BacktestEngine

    costs = Costs(rate=0.001, slippage_bps=5)
    frames = []
    for threads in (1, 2):
        study = Study(
            "ma_crossover",
            bars,
            objectives=TWO,
            sampler="nsga2",
            seed=2,
            threads=threads,
            costs=costs,
            batch=32,
            space={"stop_loss": [None, 0.05]},
        )
        result = study.run(n_trials=96)
        frames.append(study.trials.drop("seconds"))
    assert frames[0].equals(frames[1])
    engine = BacktestEngine(costs=costs)
    plain = study.trials.filter(pl.col("stop_loss").is_null()).head(10)
    assert len(plain) == 10
    for row in plain.iter_rows(named=True):
        stats = engine.run(bars, "ma_crossover", {k: row[k] for k in ("fast", "slow", "allow_short")}).stats
        for metric in ("sharpe", "max_drawdown", "total_trades", "total_return"):
            assert row[metric] == stats[metric]
    best = study.best_result().stats
    assert best["sharpe"] == result.best_metrics["sharpe"]
    assert best["max_drawdown"] == -result.best_values["max_drawdown"]


def test_signal_functions_are_searched_too(bars):
    def momentum(frame, params):
        close = frame["close"].to_numpy()
        earlier = np.r_[np.full(params["bars"], np.inf), close[: -params["bars"]]]
        return np.where(close > earlier, 1, -1)

    schema = (Param("bars", "int", 20, low=5, high=60),)
    study = Study(momentum, bars, schema, sampler="grid", grid_values=6, seed=1)
    result = study.run()
    assert len(result.frame) == 6
    assert study.best_result().stats["sharpe"] == result.best_value


def test_a_study_of_assets_optimises_their_mean(bars):
    from peak_fast.engine import BacktestEngine

    halves = {"first": bars.slice(0, 600), "second": bars.slice(600, 1200)}
    study = Study("ma_crossover", halves, sampler="random", seed=1)
    study.run(n_trials=5)
    row = study.trials.row(3, named=True)
    params = {name: row[name] for name in ("fast", "slow", "allow_short")}
    runs = [BacktestEngine().run(half, "ma_crossover", params).stats for half in halves.values()]
    assert row["sharpe"] == pytest.approx(np.mean([run["sharpe"] for run in runs]))
    assert row["total_trades"] == sum(run["total_trades"] for run in runs)
    cut = Study("ma_crossover", bars, sampler="random", seed=1, segments=2)
    cut.run(n_trials=5)
    assert cut.trials["sharpe"].equals(study.trials["sharpe"])


def test_an_unknown_metric_or_strategy_is_refused(bars):
    with pytest.raises(ConfigError, match="sharpe"):
        Study("ma_crossover", bars, objectives="sharp").run(n_trials=3)
    with pytest.raises(StrategyError, match="did you mean 'ma_crossover'"):
        Study("ma_crossovr", bars)
    with pytest.raises(StrategyError, match="the strategy has no schema"):
        Study(lambda frame, params: frame["close"] * 0, bars)


def test_a_study_in_mlflow(bars, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    from peak_fast.tracking import MLflowTracker

    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(tmp_path / "spool"))
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with MLflowTracker(uri, "studies") as tracker:
        study = Study("ma_crossover", bars, sampler="tpe", seed=1, tracker=tracker, study_name="one")
        result = study.run(n_trials=30)
        tracker.flush(timeout=120)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what MLflow's own modules do on import is not ours
        from mlflow.tracking import MlflowClient

        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name("studies")
        runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if run.data.tags.get("peak_fast.kind") == "study"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert parent.info.status == "FINISHED"
    assert len(children) == 10
    assert parent.data.metrics["best_sharpe"] == result.best_value
    assert parent.data.params["best.fast"] == str(result.best_params["fast"])
    # Two windows may reach the same value: MLflow lists such children in either order.
    best = [run.data.params for run in children if run.data.metrics["sharpe"] == result.best_value]
    assert str(result.best_params["fast"]) in {params["fast"] for params in best}
    names = {item.path for item in client.list_artifacts(parent.info.run_id, "study")}
    assert {"study/trials.parquet", "study/history.png", "study/settings.json", "study/summary.txt"} <= names
