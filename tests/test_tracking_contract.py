"""The contract of the tracker protocol, over every implementation and every kind of store."""

import math
import threading
import warnings

import numpy as np
import polars as pl
import pytest

from peak_fast.tracking import MLflowTracker, NoopTracker, Tracker, TrackingWarning, log_backtest
from tests.tracking_fakes import fake_result
from tests.tracking_stores import use_spool, warm_writers

KINDS = (
    "noop",
    "background-sqlite",
    "sync-sqlite",
    "background-client",
    "background-files",
    "sync-files",
    "background-http",
    "sync-http",
    "background-postgres",
)


@pytest.fixture(scope="module")
def contract_spool(tmp_path_factory, empty_database):
    """One spool for the module: the writers stay warm from test to test."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("contract")
        use_spool(patch, root / "spool", empty_database)
        patch.setenv("PEAK_FAST_WRITER_LINGER", "120")
        patch.chdir(root)
        yield root


@pytest.fixture(scope="module")
def keep_warm(contract_spool):
    with warm_writers() as keep:
        yield keep


@pytest.fixture(params=KINDS)
def made(request, contract_spool, keep_warm, reader_of, experiment):
    """A tracker of each kind, and a function that reads the only run of its experiment (None: no store)."""
    mode, _, store = request.param.partition("-")
    if mode == "noop":
        yield NoopTracker(), None
        return
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        if store in ("sqlite", "client"):
            uri = f"sqlite:///{contract_spool / store}.db"
            # Inherited by the writer process: every update goes through MLflow's client.
            patch.setenv("PEAK_FAST_BULK", "0" if store == "client" else "1")
        elif store == "files":
            uri = str(contract_spool / "mlruns-files")
            warnings.simplefilter("ignore")
        else:
            found = request.getfixturevalue("server" if store == "http" else "postgres")
            uri = found.uri if store == "http" else found
        if mode == "background":
            keep_warm(uri)
        tracker = MLflowTracker(uri, experiment, mode=mode)

        def read():
            tracker.flush()
            return reader_of(tracker.tracking_uri).run(experiment)

        yield tracker, read
        tracker.close()


def test_is_a_tracker(made):
    tracker, _ = made
    assert isinstance(tracker, Tracker)
    assert isinstance(tracker.tracking_uri, str)
    assert isinstance(tracker.experiment_name, str)


def test_a_whole_run_arrives(made, tmp_path):
    tracker, read = made
    (tmp_path / "notes.txt").write_text("noted")
    with tracker.start_run("whole", tags={"kind": "test"}):
        tracker.log_params({"window": 20, "costs": {"rate": 0.001, "tiers": [1, 2]}, "none": None})
        tracker.log_metrics({"sharpe": 1.5, "trades": np.int64(7), "flag": True})
        for step in range(5):
            tracker.log_metrics({"equity": 100.0 + step}, step=step)
        tracker.set_tags({"colour": "red"})
        tracker.set_tags({"colour": "blue"})
        tracker.log_artifact(tmp_path / "notes.txt", "files")
        tracker.log_text("hello", "texts/hello.txt")
        tracker.log_dict({"a": [1, 2.5]}, "data.json")
        tracker.log_table(pl.DataFrame({"x": [1, 2]}), "table.parquet")
        tracker.log_figure(b"\x89PNG\r\n\x1a\nnot a picture", "plots/made.png")
    tracker.flush()
    if read is None:
        return
    run = read()
    assert run.name == "whole"
    assert run.status == "FINISHED"
    assert run.end >= run.start > 0
    assert run.params == {
        "window": "20",
        "costs.rate": "0.001",
        "costs.tiers": "[1, 2]",
        "none": "None",
    }
    assert run.metrics == {"sharpe": 1.5, "trades": 7.0, "flag": 1.0, "equity": 104.0}
    assert run.tags["colour"] == "blue"
    assert run.tags["kind"] == "test"
    assert run.tags["mlflow.source.type"] == "LOCAL"


def test_steps_and_artifacts_arrive(made, reader_of, tmp_path):
    tracker, read = made
    with tracker.start_run("steps"):
        for step in range(4):
            tracker.log_metrics({"loss": 1.0 / (1 + step)}, step=step)
        tracker.log_text("hello", "texts/hello.txt")
        tracker.log_dict({"a": 1}, "data.json")
    if read is None:
        return
    run = read()
    reader = reader_of(tracker.tracking_uri)
    assert reader.history(run.run_id, "loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3), (3, 0.25)]
    assert reader.artifacts(run.run_id) == ["data.json", "texts/hello.txt"]
    assert reader.read(run.run_id, "texts/hello.txt", tmp_path) == b"hello"


def test_a_backtest_arrives(made, reader_of):
    tracker, read = made
    result = fake_result(n_bars=300)
    with tracker.start_run():
        log_backtest(tracker, result)
    if read is None:
        return
    run = read()
    assert run.name.startswith("sma_cross-AAPL-")
    assert run.params["strategy.params.fast"] == "10"
    assert run.params["settings.costs.rate"] == "0.001"
    assert run.metrics["sharpe"] == 1.1
    assert len(run.metrics) == 44 and "bars" not in run.metrics
    assert run.params["data.bars"] == "300"
    assert run.tags["mlflow.note.content"].startswith("**sma_cross** on **AAPL**")
    assert run.tags["metric.profit_factor"] == "inf"
    assert run.tags["metric.calmar"] == "nan"
    assert run.tags["peak_fast.result_hash"] == "ab" * 16
    assert [(d.name, d.digest) for d in run.datasets] == [("AAPL", result.bars.hash)]
    assert reader_of(tracker.tracking_uri).artifacts(run.run_id) == [
        "plots/equity_curve.png",
        "reports/backtest_report.txt",
        "reports/trades_summary.json",
    ]


def test_nothing_without_a_run(made):
    tracker, read = made
    tracker.log_params({"a": 1})
    tracker.log_metrics({"b": 1.0})
    tracker.set_tags({"c": "d"})
    tracker.log_text("x", "x.txt")
    tracker.log_dict({}, "x.json")
    tracker.log_table(pl.DataFrame({"x": [1]}), "x.parquet")
    tracker.log_figure(b"", "x.png")
    tracker.log_artifact("no such file")
    log_backtest(tracker, fake_result(50))
    tracker.end_run()
    assert tracker.get_run_id() is None
    if read is not None:
        with pytest.raises(AssertionError):
            read()


def test_a_run_that_nobody_named_or_used_takes_the_name(made):
    tracker, read = made
    first = tracker.start_run()
    second = tracker.start_run("late")
    assert first == second
    tracker.end_run()
    assert tracker.get_run_id() is None
    if read is not None:
        assert read().name == "late"


def test_starting_another_run_ends_the_open_one(made, reader_of, experiment):
    tracker, read = made
    if read is None:
        tracker.start_run("one")
        tracker.start_run("two")
        return
    tracker.start_run("one")
    tracker.log_metrics({"value": 1.0})
    with pytest.warns(
        TrackingWarning, match=r"start_run\('two'\): the run 'one' was open and ends as FINISHED"
    ):
        tracker.start_run("two")
    with pytest.warns(
        TrackingWarning, match=r"start_run\('three'\): the run 'two' was open and ends as FAILED"
    ):
        tracker.start_run("three")
    tracker.log_metrics({"value": 3.0})
    tracker.end_run()
    tracker.flush()
    runs = {run.name: run for run in reader_of(tracker.tracking_uri).runs(experiment)}
    assert {name: (run.status, run.metrics) for name, run in runs.items()} == {
        "one": ("FINISHED", {"value": 1.0}),
        "two": ("FAILED", {}),
        "three": ("FINISHED", {"value": 3.0}),
    }


def test_an_exception_fails_the_run(made):
    tracker, read = made
    with pytest.raises(ZeroDivisionError), tracker.start_run("bad"):
        raise ZeroDivisionError
    if read is not None:
        assert read().status == "FAILED"


def test_ctrl_c_kills_the_run(made):
    tracker, read = made
    with pytest.raises(KeyboardInterrupt), tracker:
        tracker.log_metrics({"a": 1.0})
        raise KeyboardInterrupt
    if read is not None:
        run = read()
        assert run.status == "KILLED"
        assert run.metrics == {"a": 1.0}


def test_the_block_names_its_run_late(made):
    tracker, read = made
    with tracker:
        tracker.start_run("named inside")
        tracker.log_metrics({"a": 1.0})
    assert tracker.get_run_id() is None
    if read is not None:
        assert read().name == "named inside"


def test_nested_runs(made, reader_of, experiment):
    tracker, read = made
    with tracker.start_run("parent") as parent, tracker.start_run("child", nested=True):
        tracker.log_metrics({"depth": 2.0})
    if read is None:
        return
    tracker.flush()
    by_name = {run.name: run for run in reader_of(tracker.tracking_uri).runs(experiment)}
    assert set(by_name) == {"parent", "child"}
    assert by_name["child"].metrics == {"depth": 2.0}
    assert by_name["parent"].metrics == {}
    assert by_name["child"].tags["mlflow.parentRunId"] == by_name["parent"].run_id
    assert str(parent) == by_name["parent"].run_id


@pytest.mark.filterwarnings("ignore::peak_fast.tracking.TrackingWarning")
def test_strange_values_do_not_raise(made):
    tracker, read = made
    with tracker.start_run("strange"):
        tracker.log_metrics(
            {
                "nan": math.nan,
                "inf": math.inf,
                "minus": -math.inf,
                "none": None,
                "text": "abc",
                "numpy": np.float32(0.5),
                "array": np.array([2.0]),
                "huge": 10**400,
                "bad key %()": 1.0,
                "x" * 300: 2.0,
                "../up": 3.0,
            }
        )
        tracker.log_params({"long": "y" * 10_000, "k" * 300: 1, "f": len, "bad=key": 1, 5: 6})
        tracker.log_params({f"p{i}": i for i in range(250)})
        tracker.set_tags({"t": "z" * 10_000, "n": None, "o": object()})
    if read is None:
        return
    run = read()
    assert run.metrics["numpy"] == 0.5
    assert run.metrics["array"] == 2.0
    assert math.isnan(run.metrics["nan"])
    assert math.isnan(run.metrics["inf"])
    assert run.tags["metric.inf"] == "inf"
    assert run.tags["metric.minus"] == "-inf"
    assert run.tags["text"] == "abc"
    assert run.metrics["bad key ___"] == 1.0
    assert run.metrics["__/up"] == 3.0
    assert max(map(len, run.metrics)) == 250
    assert len(run.params) == 255
    assert run.params["long"].endswith("... [cut, 10000 characters]")
    assert len(run.params["long"]) == 6_000
    assert run.params["bad_key"] == "1"
    assert run.params["f"] == "len"
    assert len(run.tags["t"]) == 8_000
    assert "none" not in run.metrics


def test_each_thread_has_its_own_run(made, reader_of, experiment):
    tracker, read = made
    with tracker.start_run("main"):
        tracker.log_metrics({"value": -1.0})
        both = threading.Barrier(4)
        seen = []

        def work(number):
            seen.append(tracker.get_run_id())
            with tracker.start_run(f"thread {number}"):
                both.wait()
                for step in range(20):
                    tracker.log_metrics({"value": float(100 * number + step)}, step=step)
                both.wait()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [None] * 4
    if read is None:
        return
    tracker.flush()
    found = {run.name: run.metrics["value"] for run in reader_of(tracker.tracking_uri).runs(experiment)}
    assert found == {"main": -1.0, **{f"thread {n}": 100.0 * n + 19.0 for n in range(4)}}


def test_a_thread_without_a_run_is_told(made):
    tracker, read = made
    caught = []

    def work():
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            tracker.log_metrics({"lost": 1.0})
            log_backtest(tracker, fake_result(50))
        caught.extend(found)

    with tracker.start_run("main"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    if read is None:
        return
    assert ["this thread has no active run" in str(item.message) for item in caught] == [True]
    assert "lost" not in read().metrics


def test_a_missing_artifact_is_a_warning(made):
    tracker, read = made
    with tracker.start_run("missing"):
        if read is None:
            tracker.log_artifact("no such file")
            return
        with pytest.warns(UserWarning, match="no such file"):
            tracker.log_artifact("no such file")
    assert read().status == "FINISHED"


def test_flush_and_end_twice(made):
    tracker, read = made
    tracker.start_run("twice")
    tracker.flush()
    tracker.end_run("FAILED")
    tracker.end_run()
    tracker.flush()
    tracker.flush()
    if read is not None:
        assert read().status == "FAILED"
