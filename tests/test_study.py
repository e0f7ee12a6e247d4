"""Studies of real strategies on the compiled sweep, and what trackers are told. Other parts: test_study_*.py."""

import logging
import warnings

import numpy as np
import polars as pl
import pytest

optuna = pytest.importorskip("optuna")

from peak_fast.errors import ConfigError, StrategyError  # noqa: E402
from peak_fast.params.parameter import Param  # noqa: E402
from peak_fast.studies.study import Study  # noqa: E402
from tests.study_fakes import TWO, make, run  # noqa: E402

# --- tracking ------------------------------------------------------------------------------------------------


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
    with caplog.at_level(logging.WARNING, logger="peak_fast"):
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


# --- the compiled sweep --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bars():
    from peak_fast.data import synthetic

    return synthetic(1200, freq="1d", seed=4)


def test_trials_equal_single_runs_and_threads_change_nothing(bars):
    from peak_fast.engine.engine import BacktestEngine
    from peak_fast.settings.trading import Costs

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
    from peak_fast.engine.engine import BacktestEngine

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
