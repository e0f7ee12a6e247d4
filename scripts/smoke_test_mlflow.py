"""Six checks of tracking with MLflow, on a SQLite store in a temporary folder; needs no test runner.

Run it after an installation, an upgrade of MLflow, or on a new machine::

    python scripts/smoke_test_mlflow.py            # PASS or FAIL per check, "Result: 6/6", exit code 0 or 1
    python scripts/smoke_test_mlflow.py --uri http://127.0.0.1:5000   # against a store of yours

Each check logs something through peak_fast and then asks the store, through MLflow's own client, what is
there. Runs go to the experiment ``peak_fast smoke test``; with ``--uri`` they are deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXPERIMENT = "peak_fast smoke test"


class Store:
    """The store under test, seen through MLflow's client."""

    def __init__(self, uri: str, folder: Path) -> None:
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self.uri, self.folder = uri, folder
        self.client = MlflowClient(uri)
        self.run_ids: list[str] = []

    def tracker(self, **settings: Any) -> Any:
        from peak_fast.tracking import MLflowTracker

        return MLflowTracker(self.uri, experiment_name=EXPERIMENT, **settings)

    def run(self, name: str) -> Any:
        """The one run of this name."""
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        expect(experiment is not None, f"the experiment {EXPERIMENT!r} is not in the store")
        found = self.client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'")
        expect(len(found) == 1, f"expected one run named {name!r}, found {len(found)}")
        self.run_ids.append(found[0].info.run_id)
        return found[0]

    def artifact(self, run: Any, path: str) -> bytes:
        """Content of one artifact of a run."""
        target = self.folder / "downloads"
        target.mkdir(exist_ok=True)
        return Path(self.client.download_artifacts(run.info.run_id, path, str(target))).read_bytes()

    def delete_runs(self) -> None:
        for run_id in self.run_ids:
            self.client.delete_run(run_id)


def expect(condition: bool, message: str) -> None:
    """Fail the check with ``message`` unless ``condition`` holds (``assert`` would vanish under ``-O``)."""
    if not condition:
        raise RuntimeError(message)


def check_basics(store: Store) -> str:
    """Parameters, metrics and tags reach the store."""
    name = unique("basics")
    tracker = store.tracker()
    tracker.start_run(name)
    tracker.log_params({"strategy": {"fast": 10, "slow": 50}})
    tracker.log_metrics({"sharpe": 1.25, "total_return": 0.2})
    tracker.set_tags({"symbol": "AAPL"})
    tracker.end_run()
    tracker.close()
    run = store.run(name)
    expect(run.data.params.get("strategy.fast") == "10", f"parameters in the store: {run.data.params}")
    expect(run.data.metrics.get("sharpe") == 1.25, f"metrics in the store: {run.data.metrics}")
    expect(run.data.tags.get("symbol") == "AAPL", f"tags in the store: {run.data.tags}")
    expect(run.info.status == "FINISHED", f"status in the store: {run.info.status}")
    return "2 parameters, 2 metrics, 1 tag"


def check_context_manager(store: Store) -> str:
    """A block that ends well is FINISHED, one that raises is FAILED and passes the exception on."""
    good, bad = unique("context"), unique("context failing")
    with store.tracker(run_name=good) as first:
        first.log_metrics({"value": 1.0})
    second = store.tracker(run_name=bad)
    passed_on = False
    try:
        with second:
            raise ValueError("on purpose")
    except ValueError:
        passed_on = True
    expect(passed_on, "the exception did not leave the block")
    first.close()
    second.close()
    statuses = store.run(good).info.status, store.run(bad).info.status
    expect(statuses == ("FINISHED", "FAILED"), f"statuses in the store: {statuses}")
    return "FINISHED and FAILED"


def check_artifact_upload(store: Store) -> str:
    """Files, text and JSON come back as they were logged."""
    name = unique("artifacts")
    source = store.folder / "notes.md"
    source.write_text("# notes\n", encoding="utf-8")
    tracker = store.tracker()
    with tracker.start_run(name):
        tracker.log_artifact(source, "docs")
        tracker.log_text("hello\n", "hello.txt")
        tracker.log_dict({"a": [1, 2.5, None]}, "data/values.json")
    tracker.close()
    run = store.run(name)
    expect(store.artifact(run, "docs/notes.md") == b"# notes\n", "docs/notes.md differs")
    expect(store.artifact(run, "hello.txt") == b"hello\n", "hello.txt differs")
    expect(
        json.loads(store.artifact(run, "data/values.json")) == {"a": [1, 2.5, None]}, "values.json differs"
    )
    return "file, text, JSON"


def check_config_builder(store: Store) -> str:
    """A configuration builds the tracker it names; a disabled one records nothing."""
    from peak_fast.tracking import MLflowTracker, NoopTracker, build_tracker_from_config

    settings = {"tracking_uri": store.uri, "experiment_name": EXPERIMENT}
    name = unique("config")
    tracker = build_tracker_from_config(
        {"tracking": {"enabled": True, "backend": "mlflow", "mlflow": settings}}
    )
    expect(isinstance(tracker, MLflowTracker), f"expected an MLflowTracker, got {type(tracker).__name__}")
    with tracker.start_run(name):
        tracker.log_params({"from": "config"})
    tracker.close()
    expect(store.run(name).data.params == {"from": "config"}, "the parameter is not in the store")
    off = build_tracker_from_config({"tracking": {"enabled": False, "backend": "mlflow", "mlflow": settings}})
    expect(isinstance(off, NoopTracker), f"disabled: expected a NoopTracker, got {type(off).__name__}")
    return "mlflow and disabled"


def backtest(tracker: Any) -> Any:
    """One backtest on packaged prices."""
    from peak_fast import BacktestEngine, sample

    return BacktestEngine(tracker=tracker).run(sample("AAPL"), "ma_crossover", {"fast": 20, "slow": 50})


def check_engine(store: Store) -> str:
    """An engine with a tracker records strategy, settings and figures of a run."""
    name = unique("engine")
    tracker = store.tracker(artifacts="none")
    with tracker.start_run(name):
        result = backtest(tracker)
    tracker.close()
    run = store.run(name)
    for figure in ("total_return", "sharpe", "max_drawdown", "total_trades"):
        stored = run.data.metrics.get(figure)
        expect(
            stored == float(result.stats[figure]), f"{figure}: store {stored}, result {result.stats[figure]}"
        )
    expect(bool(run.data.params), "no parameters in the store")
    return f"{len(run.data.params)} parameters, {len(run.data.metrics)} metrics"


def check_backtest_artifacts(store: Store) -> str:
    """Equity picture, trade summary and report are in the store and can be read."""
    from peak_fast.tracking import NoopTracker, log_backtest_artifacts

    name = unique("backtest artifacts")
    result = backtest(NoopTracker())
    tracker = store.tracker()
    with tracker.start_run(name):
        log_backtest_artifacts(tracker, result)
    tracker.close()
    run = store.run(name)
    picture = store.artifact(run, "plots/equity_curve.png")
    summary = json.loads(store.artifact(run, "reports/trades_summary.json"))
    report = store.artifact(run, "reports/backtest_report.txt").decode()
    expect(picture.startswith(b"\x89PNG"), "plots/equity_curve.png is not a PNG")
    expect(summary["counts"]["total"] == len(result.trades), f"trades in the summary: {summary['counts']}")
    expect("ma_crossover" in report, "the report does not name the strategy")
    return f"{(len(picture) + len(report)) // 1024} KB, {summary['counts']['total']} trades"


CHECKS: tuple[tuple[str, Callable[[Store], str]], ...] = (
    ("basics", check_basics),
    ("context manager", check_context_manager),
    ("artifact upload", check_artifact_upload),
    ("config builder", check_config_builder),
    ("engine", check_engine),
    ("backtest artifacts", check_backtest_artifacts),
)


def unique(name: str) -> str:
    """A run name that no earlier smoke test used."""
    return f"{name} {time.time_ns()}"


def run_checks(store: Store, verbose: bool) -> int:
    """Run all checks; returns how many passed."""
    passed = 0
    for name, check in CHECKS:
        start = time.perf_counter()
        try:
            detail = check(store)
        except Exception as error:
            print(f"FAIL  {name:<20} {type(error).__name__}: {error}")
            if verbose:
                traceback.print_exc()
        else:
            passed += 1
            print(f"PASS  {name:<20} {detail} ({time.perf_counter() - start:.1f} s)")
    return passed


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 0 if all checks passed, 1 if not, 2 if MLflow is missing."""
    parser = argparse.ArgumentParser(description="Six checks of tracking with MLflow.")
    parser.add_argument(
        "--uri", help="tracking URI to test; default: a new SQLite store in a temporary folder"
    )
    parser.add_argument("--verbose", action="store_true", help="print tracebacks of failed checks")
    options = parser.parse_args(arguments)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # Spooled runs of this test stay out of the user's own spool.
        os.environ["PEAK_FAST_SPOOL_DIR"] = str(folder / "spool")
        uri = options.uri or f"sqlite:///{(folder / 'mlflow.db').as_posix()}"
        # A SQLite store keeps artifacts below the working folder unless told otherwise.
        before = Path.cwd()
        os.chdir(folder)
        try:
            try:
                store = Store(uri, folder)
            except ImportError as error:
                print(f"MLflow is not installed ({error}); install it with: pip install 'peak-fast[mlflow]'")
                return 2
            passed = run_checks(store, options.verbose)
            if options.uri:
                store.delete_runs()
        finally:
            os.chdir(before)
    print(f"Result: {passed}/{len(CHECKS)}")
    return 0 if passed == len(CHECKS) else 1


if __name__ == "__main__":
    sys.exit(main())
