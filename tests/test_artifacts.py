"""Files of a backtest: what reaches the tracker, what stands in the folder, what happens on failure."""

import io
import json
import os
import stat
import sys
import threading

import pytest

from peak_fast.errors import ConfigError
from peak_fast.report import render_artifacts
from peak_fast.tracking.artifacts import log_backtest_artifacts, write_files
from peak_fast.tracking.noop import NoopTracker
from tests.report_fakes import fake_result

pytest.importorskip("PIL")
from PIL import Image

NAMES = {"plots/equity_curve.png", "reports/trades_summary.json", "reports/backtest_report.txt"}


class RecordingTracker(NoopTracker):
    """Keeps what is logged; ``takes_arrays`` makes it a tracker that renders elsewhere."""

    __slots__ = ("files", "payloads", "run_id", "takes_arrays")

    def __init__(self, run_id="run", takes_arrays=None):
        self.files, self.payloads, self.run_id, self.takes_arrays = {}, [], run_id, takes_arrays

    def get_run_id(self):
        return self.run_id

    def log_figure(self, figure, artifact_file, artifact_path=None):
        self.files[f"{artifact_path}/{artifact_file}"] = figure

    def log_text(self, text, artifact_file):
        self.files[artifact_file] = text.encode()

    def spool_backtest_artifacts(self, payload):
        if self.takes_arrays:
            self.payloads.append(payload)
        return bool(self.takes_arrays)


@pytest.fixture(scope="module")
def result():
    return fake_result(400, 12)


def test_three_files_reach_the_tracker(result):
    tracker = RecordingTracker()
    assert log_backtest_artifacts(tracker, result) == {}
    assert tracker.files == render_artifacts(result)
    assert set(tracker.files) == NAMES


def test_output_dir_gets_the_same_bytes(result, tmp_path):
    tracker = RecordingTracker()
    written = log_backtest_artifacts(tracker, result, output_dir=tmp_path / "out")
    assert set(written) == NAMES
    assert {name: path.read_bytes() for name, path in written.items()} == tracker.files
    assert Image.open(io.BytesIO(tracker.files["plots/equity_curve.png"])).format == "PNG"
    assert json.loads(written["reports/trades_summary.json"].read_text())["counts"]["total"] == 12


def test_nothing_else_is_left_in_the_folder(result, tmp_path):
    log_backtest_artifacts(NoopTracker(), result, output_dir=tmp_path)
    log_backtest_artifacts(NoopTracker(), result, output_dir=tmp_path)
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == NAMES


def test_without_a_run_nothing_is_logged_but_the_folder_is_written(result, tmp_path):
    tracker = RecordingTracker(run_id=None, takes_arrays=True)
    assert log_backtest_artifacts(tracker, result) == {}
    assert tracker.files == {} and tracker.payloads == []
    assert set(log_backtest_artifacts(tracker, result, output_dir=tmp_path)) == NAMES
    assert tracker.files == {}


def test_a_background_tracker_takes_arrays_and_nothing_is_rendered_here(result, monkeypatch):
    tracker = RecordingTracker(takes_arrays=True)
    monkeypatch.setattr("peak_fast.tracking.artifacts.render_artifacts", lambda *_: pytest.fail("rendered"))
    log_backtest_artifacts(tracker, result)
    assert len(tracker.payloads) == 1
    assert tracker.payloads[0]["equity"] is result.equity
    assert tracker.files == {}


def test_a_background_tracker_that_declines_gets_files(result):
    tracker = RecordingTracker(takes_arrays=False)
    log_backtest_artifacts(tracker, result)
    assert set(tracker.files) == NAMES


def test_noop_tracker_renders_nothing(result, monkeypatch):
    monkeypatch.setattr("peak_fast.tracking.artifacts.render_artifacts", lambda *_: pytest.fail("rendered"))
    assert log_backtest_artifacts(NoopTracker(), result) == {}


def test_wrong_result_is_one_clear_error():
    with pytest.raises(ConfigError, match="BacktestResult"):
        log_backtest_artifacts(RecordingTracker(), object())


def test_without_renderers_the_other_two_files_are_logged(result, monkeypatch):
    for name in (
        "PIL",
        "PIL.ImageFont",
        "matplotlib",
        "matplotlib.figure",
        "matplotlib.backends.backend_agg",
    ):
        monkeypatch.setitem(sys.modules, name, None)
    tracker = RecordingTracker()
    with pytest.warns(UserWarning, match=r"equity_curve\.png is left out.*peak-fast\[plot\]"):
        log_backtest_artifacts(tracker, result)
    assert set(tracker.files) == NAMES - {"plots/equity_curve.png"}


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_written_files_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        path = write_files({"a/b.txt": b"x"}, tmp_path)["a/b.txt"]
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    write_files({"r.txt": b"old"}, tmp_path)

    def refuse(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(OSError, match="No space"):
        write_files({"r.txt": b"new"}, tmp_path)
    assert (tmp_path / "r.txt").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["r.txt"]


def test_eight_threads_into_one_folder_leave_whole_files(result, tmp_path):
    results = [fake_result(200, 5, seed) for seed in range(8)]
    whole = [render_artifacts(r) for r in results]
    threads = [
        threading.Thread(target=log_backtest_artifacts, args=(NoopTracker(), r, tmp_path)) for r in results
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in NAMES:
        assert (tmp_path / name).read_bytes() in [files[name] for files in whole]
    assert sum(p.is_file() for p in tmp_path.rglob("*")) == 3
