"""Studies: samplers, limits, points that are known or queued, earlier results."""

import logging
import sys

import polars as pl
import pytest

optuna = pytest.importorskip("optuna")

from peak_fast.errors import ConfigError, MissingDependencyError, StrategyError  # noqa: E402
from peak_fast.params.parameter import Param  # noqa: E402
from peak_fast.studies.objectives import parse_objectives  # noqa: E402
from peak_fast.studies.search.samplers import choose, generation_size  # noqa: E402
from tests.study_fakes import SCHEMA, TWO, Counting, Pieces, hill, make, run, space, values_of  # noqa: E402

# --- samplers ------------------------------------------------------------------------------------------------

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
        ({"costz": 3}, "no argument 'costz'; did you mean 'costs'"),
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
    with caplog.at_level(logging.INFO, logger="peak_fast"):
        result = make("auto").run(n_trials=20)
    assert result.choice.kind == "tpe"
    assert "sampler tpe (20 trials: TPE" in caplog.text


def test_generations_of_tpe_stay_a_tenth_of_what_it_knows():
    sizes = [generation_size("tpe", 64, finished, 2) for finished in (0, 4, 10, 100, 640, 5000)]
    assert sizes == [10, 6, 1, 10, 64, 64]
    assert generation_size("tpe", 1, 5000, 2) == 1
    assert generation_size("nsga2", 50, 0, 2) == 50


# --- limits --------------------------------------------------------------------------------------------------


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


# --- cache, queue, warm start --------------------------------------------------------------------------------


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
