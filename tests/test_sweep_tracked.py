"""What a tracker gets of a sweep."""

import numpy as np
import pytest

from peak_fast import (
    Sweep,
    synthetic,
)
from peak_fast.errors import ConfigError
from tests.sweep_cases import run

# Tracker


class Recorder:
    """A tracker that writes down what it is told."""

    def __init__(self):
        self.calls = []
        self.run_id = None

    def get_run_id(self):
        return self.run_id

    def start_run(self, name):
        self.run_id = "parent"
        self.calls.append(("start_run", (name,), {}))

    def end_run(self, *args, **kwargs):
        self.run_id = None
        self.calls.append(("end_run", args, kwargs))

    def __getattr__(self, name):
        def note(*args, **kwargs):
            self.calls.append((name, args, kwargs))

        return note

    def named(self, name):
        return [(args, kwargs) for called, args, kwargs in self.calls if called == name]


class TestTracker:
    def sweep(self, bars):
        return Sweep("ma_crossover", {"fast": range(2, 12), "slow": range(20, 30)}, bars)

    def test_parent_and_children(self, bars):
        tracker = Recorder()
        result = run(self.sweep(bars), tracker=tracker, keep_curves="best:3")
        names = [name for name, _, _ in tracker.calls]
        assert names[0] == "start_run" and names[-1] == "end_run"
        tables = {args[1]: args[0] for args, _ in tracker.named("log_table")}
        assert tables["sweep/table.parquet"].equals(result.frame)
        assert tables["sweep/top.json"].equals(result.top(100))
        assert tables["sweep/curves.parquet"].height == 3 * len(bars)
        [((figure, place), _)] = tracker.named("log_figure")
        assert place == "sweep/heatmap.png" and figure is not None
        metrics = tracker.named("log_metrics")[0][0][0]
        assert metrics["configurations"] == 100
        assert metrics["best_sharpe"] == result.top(1)["sharpe"][0]
        [((rows,), options)] = tracker.named("log_runs")
        assert len(rows) == 100
        assert options["parent_run_id"] == "parent"
        assert options["params"] == ["fast", "slow"]
        assert options["metrics"] == list(result.metrics)

    def test_a_run_that_is_open_already_stays_open(self, bars):
        tracker = Recorder()
        tracker.run_id = "mine"
        run(self.sweep(bars), tracker=tracker)
        assert tracker.named("start_run") == [] and tracker.named("end_run") == []
        assert tracker.named("log_runs")[0][1]["parent_run_id"] == "mine"

    def test_children_of_a_large_sweep_are_few(self):
        tracker = Recorder()
        sweep = Sweep(
            "momentum", {"period": range(2, 200), "size": np.linspace(0.1, 1, 20)}, synthetic(60, seed=1)
        )
        assert len(sweep.grid) > 2000
        result = run(sweep, tracker=tracker, keep_curves=None)
        [((rows,), _)] = tracker.named("log_runs")
        assert rows.drop("run_name").equals(result.top(20).select(rows.drop("run_name").columns))
        assert "sweep/curves.parquet" not in [args[1] for args, _ in tracker.named("log_table")]

    def test_a_broken_tracker_is_a_warning(self, bars):
        class Broken:
            def get_run_id(self):
                raise RuntimeError("out of order")

        with pytest.warns(RuntimeWarning, match="could not record this sweep.*out of order"):
            result = run(self.sweep(bars), tracker=Broken())
        assert len(result) == 100

    def test_wrong_number_of_curves(self, bars):
        with pytest.raises(
            ConfigError, match=r"keep_curves: expected 'best:10', a number or None; got 'all'"
        ):
            run(self.sweep(bars), tracker=Recorder(), keep_curves="all")
