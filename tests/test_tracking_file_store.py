"""File stores: experiments as MLflow leaves and finds them, and no import of MLflow for new runs."""

import subprocess
import sys

import pytest
import yaml

from peak_fast.tracking import MLflowTracker
from peak_fast.tracking.spool import RunIds
from peak_fast.tracking.stores.filestore import FolderStore
from peak_fast.tracking.updates import Creation, ExperimentDeleted, RunUpdate
from peak_fast.tracking.writer import SegmentReplay

NAMES = ("plain", "a: b # c", "'quoted' \"twice\"", "100 % \\ `ü`", "yes", "0")


@pytest.fixture
def client(tmp_path, monkeypatch, mlflow_module):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return mlflow_module.MlflowClient((tmp_path / "a store %41").as_uri())


@pytest.fixture
def store(client):
    return FolderStore(client.tracking_uri)


def run_of(experiment, number=1):
    create = Creation(experiment, "", f"run-{number}", 1_700_000_000_000, "ann")
    return RunUpdate(f"{number:032x}", create, params={"a": "1"}, end=("FINISHED", 1_700_000_001_000))


def contents(client):
    """What MLflow reads of the experiments of a store, without ids and times."""
    found = []
    for experiment in client.search_experiments():
        said = dict(experiment)
        number, place = said.pop("experiment_id"), said.pop("artifact_location")
        assert place == f"{client.tracking_uri}/{number}"
        kinds = [type(said.pop(name)) for name in ("creation_time", "last_update_time")]
        found.append((said.pop("name"), len(number), kinds, said))
    return sorted(found)


def test_a_new_store_is_as_mlflow_makes_it(tmp_path, monkeypatch, mlflow_module):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    ours, theirs = (mlflow_module.MlflowClient((tmp_path / name).as_uri()) for name in ("o u%rs", "theirs"))
    store = FolderStore(ours.tracking_uri)
    assert [path.name for path in sorted((tmp_path / "o u%rs").iterdir())] == [".trash", "0"]
    for name in NAMES:
        assert store.apply([run_of(name)], RunIds(tmp_path / "ids")) == []
        if "'" not in name:
            theirs.create_experiment(name)
    assert [entry for entry in contents(ours) if "quoted" not in entry[0]] == contents(theirs)


def test_what_mlflow_made_is_found(tmp_path, client, store):
    ids = RunIds(tmp_path / "ids")
    for number, name in enumerate(NAMES, 1):
        try:
            made = client.create_experiment(name)
        except Exception:
            assert "'" in name  # its query does not take the name
            continue
        assert store.apply([run_of(name, number)], ids) == []
        (run,) = client.search_runs([made])
        assert (run.info.run_id, run.data.params) == (f"{number:032x}", {"a": "1"})
        assert (
            run.info.artifact_uri
            == f"{client.get_experiment(made).artifact_location}/{number:032x}/artifacts"
        )
    assert ids.empty
    assert client.get_experiment_by_name("plain").name == "plain"


def test_deleted_restored_and_renamed(tmp_path, client, store):
    ids = RunIds(tmp_path / "ids")
    number = client.create_experiment("e")
    client.delete_experiment(number)
    with pytest.raises(ExperimentDeleted, match=number):
        store.apply([run_of("e")], ids)
    client.restore_experiment(number)
    assert store.apply([run_of("e")], ids) == []
    client.rename_experiment(number, "f")
    assert store.apply([run_of("f", 2), run_of("e", 3)], ids) == []
    assert len(client.search_runs([number])) == 2
    assert client.get_experiment_by_name("e").experiment_id != number


def test_of_two_with_one_name_the_one_that_mlflow_takes(tmp_path, client, store):
    for number in ("3", "1", "2"):
        folder = tmp_path / "a store %41" / number
        folder.mkdir()
        meta = {
            "artifact_location": folder.as_uri(),
            "creation_time": 9 - (number == "3"),
            "experiment_id": number,
        }
        text = yaml.safe_dump({**meta, "last_update_time": 9, "lifecycle_stage": "active", "name": "twice"})
        (folder / "meta.yaml").write_text(text)
    expected = client.get_experiment_by_name("twice").experiment_id
    assert store.apply([run_of("twice")], RunIds(tmp_path / "ids")) == []
    assert len(client.search_runs([expected])) == 1


@pytest.mark.parametrize("text", ["", "name: [", "name: other\n", "- 1\n"])
def test_what_is_damaged_is_left_to_mlflow(tmp_path, client, store, text):
    """Its client passes over an experiment or refuses to work; we do the same."""
    folder = tmp_path / "a store %41" / "123"
    folder.mkdir()
    (folder / "meta.yaml").write_text(text)
    try:
        client.get_experiment_by_name("e")
    except Exception:
        with pytest.raises(Exception, match=r"."):
            store.apply([run_of("e")], RunIds(tmp_path / "ids"))
        assert not list(tmp_path.glob("a store %41/*/*/params"))
        return
    assert store.apply([run_of("e")], RunIds(tmp_path / "ids")) == []
    assert len(client.search_runs([client.get_experiment_by_name("e").experiment_id])) == 1


CODE = """
import sys
sys.modules.update(mlflow=None, pandas=None, polars=None)
from pathlib import Path
from peak_fast.tracking.spool import RunIds
from peak_fast.tracking.stores import open_store
from tests.test_tracking_file_store import run_of
folder = Path(sys.argv[1])
store = open_store((folder / "s").as_uri(), str(folder))
assert store.apply([run_of("e")], RunIds(folder / "ids")) == []
"""


def test_new_runs_need_no_mlflow(tmp_path, monkeypatch, mlflow_module):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    subprocess.run([sys.executable, "-c", CODE, str(tmp_path)], check=True)
    client = mlflow_module.MlflowClient((tmp_path / "s").as_uri())
    assert len(client.search_runs([client.get_experiment_by_name("e").experiment_id])) == 1


def test_a_run_is_written_in_one_go(spool_dir, tmp_path, experiment, monkeypatch):
    """A batch ends before a run and not within it, as what is added to a run costs more than the run."""
    monkeypatch.setenv("PEAK_FAST_WRITER_INTERVAL", "0")
    tracker = MLflowTracker(f"sqlite:///{tmp_path}/m.db", experiment)
    for number in range(7):
        with tracker.start_run(f"run-{number}"):
            tracker.log_params({"a": number})
            tracker.log_metrics({"b": 1.0})
    (segment,) = spool_dir.glob("*/*.seg")
    replay = SegmentReplay(segment)
    assert replay.read_header()
    replay.runs_per_batch = 3
    batches = list(replay.batches(orphan=False))
    assert [len(batch.updates) for batch in batches] == [3, 3, 1]
    assert all(update.end and update.params for batch in batches for update in batch.updates)
    assert [batch.end for batch in batches] == sorted({batch.end for batch in batches})
    tracker.close()
