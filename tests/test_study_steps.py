"""Studies: objectives over segments and assets, pruning, strategies that raise."""

import numpy as np
import polars as pl
import pytest

optuna = pytest.importorskip("optuna")

from peak_fast.errors import ConfigError, StrategyError  # noqa: E402
from tests.study_fakes import FAST, Counting, Pieces, hill, make, only_fast  # noqa: E402

# --- steps and pruning ---------------------------------------------------------------------------------------


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


# --- errors of the strategy ----------------------------------------------------------------------------------


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
