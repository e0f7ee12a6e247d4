"""What MLflowTracker writes into real stores, and that MLflow's own client reads it."""

import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from peak_fast.tracking import MLflowTracker, TrackingWarning
from peak_fast.tracking.stores import bulk, template
from peak_fast.tracking.stores.database import Database
from peak_fast.tracking.stores.stores import open_store
from scripts.prove_mlflow import compare, uri_of
from tests.tracking_mlflow import PNG

# --- what is in the store --------------------------------------------------------------------------------------


def test_the_bulk_path_leaves_what_mlflow_leaves(tmp_path, monkeypatch, empty_database):
    """Row by row, for the installed MLflow; its schema is one that takes the bulk path."""
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(empty_database.parent))
    revision, problem = compare(tmp_path)
    assert problem is None
    assert revision in json.loads(bulk.PROVEN.read_text()), "run python scripts/prove_mlflow.py"


def test_the_comparison_sees_a_difference(tmp_path, monkeypatch, empty_database):
    original = bulk.BulkStore._insert_values

    def wrong(self, updates):
        for update in updates:
            update.params = {key: value + "!" for key, value in update.params.items()}
        original(self, updates)

    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(empty_database.parent))
    monkeypatch.setattr(bulk.BulkStore, "_insert_values", wrong)
    assert "params" in compare(tmp_path)[1]


@pytest.mark.parametrize("change", ["revision", "column", "table"])
def test_an_unknown_schema_is_left_to_the_client(change, tmp_path, monkeypatch, empty_database):
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(empty_database.parent))
    path = tmp_path / "other.db"
    template.create_database(path, str(tmp_path))
    database = Database(uri_of(path))
    assert bulk.problem(database) is None
    database.execute(
        {
            "revision": "UPDATE alembic_version SET version_num = 'later'",
            "column": "ALTER TABLE params ADD COLUMN unit TEXT NOT NULL DEFAULT 'x'",
            "table": "DROP TABLE input_tags",
        }[change]
    )
    # A column that fills itself is none of ours.
    assert (bulk.problem(database) is None) is (change == "column")
    database.close()


def test_sql_stores_take_the_bulk_path(uri, module_folder):
    store = open_store(uri, str(module_folder))
    assert isinstance(store, bulk.BulkStore)
    store.close()


def test_run_ids_of_sql_stores_are_ours(tracker, read):
    run_id = tracker.start_run("ours")
    tracker.end_run()
    assert [run.run_id for run in read(tracker)] == [str(run_id)]


def test_the_client_can_go_on_with_our_run(tracker, read, uri, reader_of):
    """What MLflow's own client writes into a run of ours is kept, and ours beside it."""
    run_id = str(tracker.start_run("both"))
    tracker.log_metrics({"ours": 1.0})
    tracker.flush()
    client = reader_of(uri).client
    client.log_metric(run_id, "theirs", 2.0)
    client.log_param(run_id, "p", "theirs")
    client.set_tag(run_id, "t", "theirs")
    tracker.log_params({"p": "ours", "q": 1})
    tracker.log_metrics({"ours": 3.0}, step=1)
    tracker.end_run()
    (run,) = read(tracker)
    assert run.metrics == {"ours": 3.0, "theirs": 2.0}
    assert run.params == {"p": "theirs", "q": "1"}
    assert run.tags["t"] == "theirs"
    assert run.status == "FINISHED"


def test_latest_metric_is_that_of_the_last_step(tracker, read, uri, reader_of):
    with tracker.start_run() as run_id:
        for step in (3, 1, 2):
            tracker.log_metrics({"m": float(step)}, step=step)
    (run,) = read(tracker)
    assert run.metrics["m"] == 3.0
    assert reader_of(uri).history(str(run_id), "m") == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_runs_can_be_searched_in_the_store(tracker, read, uri, reader_of):
    for sharpe in (0.5, 1.5, 2.5):
        with tracker.start_run(f"s{sharpe}"):
            tracker.log_metrics({"sharpe": sharpe})
            tracker.log_params({"group": "a" if sharpe > 1 else "b"})
    assert len(read(tracker)) == 3
    client = reader_of(uri).client
    found = client.get_experiment_by_name(tracker.experiment_name)
    hits = client.search_runs(
        [found.experiment_id], "metrics.sharpe > 1 and params.group = 'a'", order_by=["metrics.sharpe DESC"]
    )
    assert [run.info.run_name for run in hits] == ["s2.5", "s1.5"]


def test_source_and_versions_are_tags(tracker, read):
    import platform

    with tracker.start_run():
        pass
    tags = read(tracker)[0].tags
    assert tags["version.python"] == platform.python_version()
    assert tags["version.numpy"] == np.__version__
    assert tags["mlflow.source.type"] == "LOCAL"
    assert tags["mlflow.user"]


def test_tracker_tags_are_on_every_run(uri, experiment, read):
    tracker = MLflowTracker(uri, experiment, tags={"team": "quant"})
    with tracker.start_run(tags={"x": 1}):
        pass
    with tracker.start_run():
        pass
    assert [run.tags["team"] for run in read(tracker)] == ["quant", "quant"]
    assert {run.tags.get("x") for run in read(tracker)} == {"1", None}
    tracker.close()


def test_files_folders_and_large_files(tracker, read, uri, reader_of, tmp_path):
    (tmp_path / "results" / "deep").mkdir(parents=True)
    (tmp_path / "results" / "deep" / "a.txt").write_text("a")
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(700_000))
    content = large.read_bytes()
    with tracker.start_run() as run_id:
        tracker.log_artifact(tmp_path / "results", "out")
        tracker.log_artifact(large)
        large.write_bytes(b"changed after the call")
        tracker.log_artifact(tmp_path / "results" / "deep" / "a.txt", "../../escape")
    read(tracker)
    reader = reader_of(uri)
    assert reader.artifacts(str(run_id)) == ["_/_/escape/a.txt", "large.bin", "out/results/deep/a.txt"]
    assert Path(reader_of(uri).run(tracker.experiment_name).artifact_uri, "large.bin").read_bytes() == content


def test_figures_and_tables(tracker, read, uri, reader_of):
    matplotlib = pytest.importorskip("matplotlib.figure")
    figure = matplotlib.Figure()
    figure.subplots().plot([1, 2, 3])

    class Plotly:
        def to_html(self, **options):
            return "<html>interactive</html>"

        def to_image(self, **options):
            raise ValueError("no image engine")

    with tracker.start_run() as run_id:
        tracker.log_figure(figure, "mine", "plots")
        tracker.log_figure(Plotly(), "page.png")
        tracker.log_figure(PNG, "raw.png")
        tracker.log_table(pl.DataFrame({"x": [1, 2], "y": ["a", "b"]}), "t.json")
        tracker.log_table({"x": [1.5]}, "t.parquet")
        tracker.log_table([{"a": 1}], "t.csv")
        with pytest.warns(TrackingWarning, match="cannot be drawn"):
            tracker.log_figure(object(), "nothing.png")
        with pytest.warns(TrackingWarning, match="cannot be written"):
            tracker.log_table(pl.DataFrame({"x": [1]}), "t.xlsx")
    (run,) = read(tracker)
    root = Path(run.artifact_uri)
    assert reader_of(uri).artifacts(str(run_id)) == [
        "page.html",
        "plots/mine.png",
        "raw.png",
        "t.csv",
        "t.json",
        "t.parquet",
    ]
    assert (root / "plots/mine.png").read_bytes().startswith(PNG)
    assert (root / "page.html").read_text() == "<html>interactive</html>"
    assert json.loads((root / "t.json").read_text()) == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]
    assert pl.read_parquet(root / "t.parquet")["x"].to_list() == [1.5]
    assert (root / "t.csv").read_text() == "a\n1\n"


def test_changed_parameters_keep_their_first_value(tracker, read):
    with tracker.start_run():
        tracker.log_params({"a": 1})
        with pytest.warns(TrackingWarning, match="other values"):
            tracker.log_params({"a": 2, "b": 3})
        tracker.log_params({"a": 1})
    assert read(tracker)[0].params == {"a": "1", "b": "3"}


def test_one_warning_for_dropped_metrics(tracker, read):
    with tracker.start_run():
        with pytest.warns(TrackingWarning, match="no value"):
            tracker.log_metrics({"a": None, "b": 1.0})
        tracker.log_metrics({"a": None, "b": 2.0}, step=1)
        tracker.log_metrics({}, step=2)
        tracker.log_metrics(None)
    assert read(tracker)[0].metrics == {"b": 2.0}


def test_more_parameters_than_a_batch_takes(tracker, read):
    with tracker.start_run():
        tracker.log_params({f"p{i:04d}": i for i in range(1_234)})
        tracker.log_metrics({f"m{i:04d}": i for i in range(1_500)})
    (run,) = read(tracker)
    assert len(run.params) == 1_234
    assert len(run.metrics) == 1_500
