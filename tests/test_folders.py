"""Folders of machine code and of spools: for their owner alone, and refused where others could have written."""

import os
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from peak_fast import MLflowTracker, PeakFastError, Sweep, TrackingError, synthetic
from peak_fast.cli.doctor import report
from peak_fast.tracking import spool
from peak_fast.tracking.base import TrackingWarning
from peak_fast.tracking.catch_up import sync
from peak_fast.tracking.spool import SegmentWriter, resolve, spool_root, store_key
from peak_kernels import folders
from peak_kernels.compiling import cache, disk
from peak_kernels.folders import is_ours, make_private, problem_of
from tests.tracking_stores import use_spool

pytestmark = pytest.mark.skipif(not folders.CAN_TELL, reason="the system tells no owners and modes of files")

needs_root = pytest.mark.skipif(
    not folders.CAN_TELL or os.geteuid() != 0, reason="only the administrator can give a file to another user"
)
SOMEBODY = 12_345


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o002, 0o022, 0o077, 0o777], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def own(tmp_path):
    """A folder of this user in one that nobody else may write, whatever the umask of the tests."""
    folder = tmp_path / "own"
    folder.mkdir()
    folder.chmod(0o700)
    return folder


# The folder itself


def test_folders_are_private_whatever_the_umask(tmp_path, umask):
    make_private(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3
    make_private(tmp_path / "a" / "b" / "c")


def test_folders_that_are_there_stay_as_they_are(own):
    own.chmod(0o755)
    make_private(own)
    make_private(own / "new")
    assert (mode(own), mode(own / "new")) == (0o755, 0o700)
    (own / "file").touch()
    with pytest.raises(FileExistsError):
        make_private(own / "file")
    with pytest.raises(NotADirectoryError):
        make_private(own / "file" / "new")


@pytest.mark.parametrize("allowed", [0o700, 0o755, 0o711, 0o500])
def test_folders_that_only_the_owner_writes_are_used(own, allowed):
    own.chmod(allowed)
    assert problem_of(own) is None
    assert problem_of(own / "not there" / "yet") is None


@pytest.mark.parametrize(
    ("given", "who"),
    [(0o770, "its group"), (0o775, "its group"), (0o777, "everybody"), (0o1777, "everybody")],
)
def test_folders_that_others_write_are_refused(own, given, who):
    own.chmod(given)
    problem = problem_of(own)
    assert f"can be written by {who}" in problem
    assert f"chmod go-w {own}" in problem
    subprocess.run(problem.partition("with: ")[2], shell=True, check=True)
    assert problem_of(own) is None


def test_folders_above_count_where_everybody_may_rename_what_is_in_them(own):
    inner = own / "inner"
    make_private(inner)
    own.chmod(0o777)
    assert f"chmod o-w {own}" in problem_of(inner)
    assert "can be written by everybody" in problem_of(inner / "not there")
    own.chmod(0o1777)
    assert problem_of(inner) is None


def test_a_link_is_what_it_points_to(own, tmp_path):
    target = own / "target"
    make_private(target)
    link = own / "link"
    link.symlink_to(target)
    assert problem_of(link) is None
    target.chmod(0o777)
    assert f"chmod go-w {target}" in problem_of(link)
    target.chmod(0o700)
    # Whoever may rename the link decides where it points to.
    place = tmp_path / "open"
    make_private(place)
    (place / "link").symlink_to(target)
    place.chmod(0o777)
    assert f"chmod o-w {place}" in problem_of(place / "link")


def test_a_path_with_spaces_is_quoted_in_the_command(own):
    folder = own / "a b"
    make_private(folder)
    folder.chmod(0o777)
    subprocess.run(problem_of(folder).partition("with: ")[2], shell=True, check=True)
    assert problem_of(folder) is None


@needs_root
def test_folders_of_others_are_refused(own):
    os.chown(own, SOMEBODY, SOMEBODY)
    assert "belongs to another user" in problem_of(own)
    os.chown(own, 0, 0)
    assert problem_of(own) is None


@needs_root
def test_the_administrators_folders_are_used_where_nobody_else_writes_them(own, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY)
    own.chmod(0o755)
    assert problem_of(own) is None
    assert is_ours(own.stat())
    own.chmod(0o777)
    assert "everybody" in problem_of(own)
    assert not is_ours(own.stat())


def test_where_the_system_tells_nothing_nothing_is_refused(own, monkeypatch):
    own.chmod(0o777)
    monkeypatch.setattr(folders, "CAN_TELL", False)
    assert problem_of(own) is None
    assert is_ours(own.stat())


# Machine code

KERNELS = """
import numpy as np
from peak_kernels import entries
from peak_kernels.indicators import usual
rows, out = np.empty((1, 4)), np.empty(4)
entries.roc_rows(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2]), rows)
usual.ema(np.array([1.0, 2.0, 3.0, 4.0]), 2, out)
loaded = sum(usual.ema.stats.cache_hits.values())
print(rows[0, 2], out[3], entries.ENTRIES["roc_rows"].way, loaded)
"""
COMPILED, LOADED = "200.0 3.5 compiled 0\n", "200.0 3.5 object file 1\n"


def run_kernels(folder, variable="PEAK_FAST_CACHE_DIR", code=KERNELS, umask=0o022):
    """What the code prints, and what it says besides, in a process with a cache of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PEAK_FAST_CACHE_DIR", "NUMBA_CACHE_DIR")
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**kept, variable: str(folder), "PEAK_FAST_CPU_LEVEL": "none"},
        capture_output=True, text=True, check=True, umask=umask,
    )  # fmt: skip
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A cache that a process with a generous umask has filled."""
    folder = tmp_path_factory.mktemp("cache") / "kernels"
    make_private(folder)
    assert run_kernels(folder, umask=0) == (COMPILED, "")
    return folder


@pytest.fixture
def filled(compiled, own):
    subprocess.run(["cp", "-a", str(compiled), str(own / "cache")], check=True)
    return own / "cache"


def test_machine_code_is_written_for_its_owner_only(compiled):
    below = list(compiled.rglob("*"))
    assert {mode(path) for path in below if path.is_dir()} == {0o700}
    assert {mode(path) for path in below if path.is_file()} == {0o600}
    assert {".object", ".nbi", ".nbc"} <= {path.suffix for path in below}
    assert run_kernels(compiled) == (LOADED, "")


@pytest.mark.parametrize("variable", ["PEAK_FAST_CACHE_DIR", "NUMBA_CACHE_DIR"])
def test_machine_code_is_not_loaded_from_a_folder_that_others_write(filled, variable):
    before = {path: path.stat().st_mtime_ns for path in filled.rglob("*.*")}
    for path in [filled, *filled.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    out, said = run_kernels(filled, variable)
    assert out == COMPILED
    assert said.count("\n") == 1
    assert "compiled in memory" in said
    assert "chmod go-w" in said
    assert before == {path: path.stat().st_mtime_ns for path in filled.rglob("*.*")}


@pytest.mark.parametrize("given", [0o600, 0o644, 0o755, 0o620, 0o602, 0o666])
def test_a_file_is_ours_if_nobody_else_can_have_written_it(own, given):
    file = own / "file"
    file.write_bytes(b"content")
    file.chmod(given)
    if given & 0o022:
        with pytest.raises(PermissionError, match="by others"):
            folders.read_ours(file)
    else:
        assert folders.read_ours(file) == b"content"


def test_files_that_others_could_write_are_made_anew(filled):
    """Their folder has been mended, what lies in it may have been changed before."""
    for path in filled.rglob("*.*"):
        if path.is_file():
            path.chmod(0o602)
    assert run_kernels(filled) == (COMPILED, "")
    assert {mode(path) for path in filled.rglob("*.*") if path.is_file()} == {0o600}
    assert run_kernels(filled) == (LOADED, "")


@needs_root
def test_files_of_others_are_made_anew(filled):
    for path in filled.rglob("*.*"):
        if path.is_file():
            os.chown(path, SOMEBODY, SOMEBODY)
    assert run_kernels(filled)[0] == COMPILED
    assert run_kernels(filled) == (LOADED, "")


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_damaged_file_of_numba_is_made_anew(filled, suffix):
    (file,) = [path for path in filled.rglob(f"*{suffix}") if ".ema-" in path.name]
    whole = file.read_bytes()
    file.write_bytes(flipped(whole, 4 * len(whole)))
    assert run_kernels(filled)[0].endswith("object file 0\n")
    assert run_kernels(filled) == (LOADED, "")


def test_each_byte_of_numbas_files_counts(own, monkeypatch):
    monkeypatch.setattr(disk, "cache_dir", lambda: own)
    files = disk.CheckedFiles(str(own), "kernel", "stamp")
    files.save("key", {"some": "code"})
    assert files.load("key") == {"some": "code"}
    assert disk.CheckedFiles(str(own), "kernel", "another stamp").load("key") is None
    for file in sorted(own.iterdir()):
        whole = file.read_bytes()
        for content in (
            *(flipped(whole, 8 * k + k % 8) for k in range(len(whole))),
            b"",
            whole[:-1],
            whole + b"x",
        ):
            file.write_bytes(content)
            assert files.load("key") is None
        file.write_bytes(whole)
    assert files.load("key") == {"some": "code"}
    assert len(list(own.iterdir())) == 2


def flipped(data, bit):
    place = bytearray(data)
    place[bit // 8] ^= 1 << bit % 8
    return bytes(place)


def test_the_doctor_says_why_nothing_is_kept(own, monkeypatch):
    from rich.console import Console

    own.chmod(0o777)
    monkeypatch.setenv("PEAK_FAST_CACHE_DIR", str(own))
    cache._found.cache_clear()
    try:
        console = Console(width=200)
        with console.capture() as captured:
            console.print(report())
        assert cache.cache_dir() is None
    finally:
        monkeypatch.undo()
        cache._found.cache_clear()
    assert "chmod o-w" in captured.get()


# Spools


@pytest.fixture
def uri(own, monkeypatch, empty_database):
    use_spool(monkeypatch, own / "spool", empty_database)
    (own / "spool").chmod(0o700)
    return f"sqlite:///{own}/runs.db"


def place_of(uri):
    return spool_root() / store_key(resolve(uri))


def log_a_run(tracker):
    with tracker.start_run("a"):
        tracker.log_metrics({"m": 1.0})


def test_the_spool_is_private_whatever_the_umask(own, umask):
    folder = spool.store_folder("sqlite:///x.db", own / "spool" / "below")
    segment = SegmentWriter(folder, {})
    segment.keep_file(Path(__file__))
    segment.close()
    below = [own / "spool", *(own / "spool").rglob("*")]
    assert {mode(path) for path in below if path.is_dir()} == {0o700}
    private = [path for path in below if path.suffix in (".seg", ".json")]
    assert len(private) == 2
    assert {mode(path) & 0o077 for path in private} == {0}


@pytest.mark.parametrize("given", [0o777, 0o775, 0o1777])
def test_a_spool_that_others_write_is_an_error_with_the_command(uri, given):
    place = place_of(uri)
    make_private(place)
    place.chmod(given)
    with pytest.raises(TrackingError, match=f"chmod go-w {place}") as caught:
        MLflowTracker(uri, "x")
    assert isinstance(caught.value, PeakFastError)
    assert list(place.iterdir()) == []
    place.chmod(0o700)
    tracker = MLflowTracker(uri, "x")
    log_a_run(tracker)
    tracker.close()


@pytest.mark.parametrize("given", [0o775, 0o770])
def test_a_folder_of_all_spools_that_a_group_writes(uri, own, given):
    """The group could put another folder in the place of a store's."""
    tracker = MLflowTracker(uri, "x")
    log_a_run(tracker)
    (own / "spool").chmod(given)
    with pytest.raises(
        TrackingError, match=f"{own}/spool can be written by its group.*chmod go-w {own}/spool"
    ):
        MLflowTracker(uri, "y")
    for found in (sync(dry_run=True), sync()):
        assert "chmod go-w" in found.stores[0].error
    (own / "spool").chmod(0o1777)  # as /tmp: nobody can put another one there
    MLflowTracker(uri, "y").close()
    tracker.close()
    assert (own / "runs.db").exists()


def test_a_spool_below_a_folder_that_everybody_writes(uri, own):
    (own / "spool").chmod(0o777)
    with pytest.raises(TrackingError, match=f"chmod o-w {own}/spool"):
        MLflowTracker(uri, "x")


@needs_root
def test_a_spool_of_somebody_else(uri):
    place = place_of(uri)
    make_private(place)
    os.chown(place, SOMEBODY, SOMEBODY)
    with pytest.raises(TrackingError, match="belongs to another user"):
        MLflowTracker(uri, "x")


def test_a_spool_that_is_opened_to_others_later_is_said(uri):
    tracker = MLflowTracker(uri, "x")
    place = place_of(uri)
    make_private(place)
    place.chmod(0o777)
    with pytest.warns(TrackingWarning, match="chmod go-w"):
        log_a_run(tracker)
    with pytest.raises(TrackingError, match="nothing was recorded"):
        tracker.flush()
    assert list(place.glob("*.seg")) == []


def test_sync_does_not_replay_what_others_may_have_written(uri, own, monkeypatch):
    monkeypatch.setenv("PEAK_FAST_WRITER_INTERVAL", "0")
    tracker = MLflowTracker(uri, "x")
    log_a_run(tracker)
    place = place_of(uri)
    place.chmod(0o777)
    for found in (sync(dry_run=True), sync()):
        assert "chmod go-w" in found.stores[0].error
    assert not (own / "runs.db").exists()
    done = subprocess.run(
        [sys.executable, "-m", "peak_fast.tracking.writer", str(place), "--once", "--report"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "chmod go-w" in done.stdout
    place.chmod(0o700)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracker.close()
    assert (own / "runs.db").exists()


def test_sync_leaves_segments_alone_that_others_can_have_written(uri, own):
    """Their folder has been mended; what was put there before is not stored."""
    tracker = MLflowTracker(uri, "x")
    log_a_run(tracker)
    (segment,) = place_of(uri).glob("*.seg")
    segment.chmod(0o666)
    with pytest.raises(TrackingError, match="can have been written by others"):
        tracker.close()
    for found in (sync(dry_run=True), sync()):
        assert f"chmod 600 {segment}" in found.stores[0].error
    assert segment.exists()
    segment.chmod(0o600)
    assert sync().stores[0].error is None
    assert not segment.exists()


# Stores of sweeps


def test_a_sweep_store_is_private_and_its_project_is_not(own, umask):
    if umask == 0o777:
        pytest.skip("no process can work in folders that it may not enter")
    project = own / "project" / "sweeps"
    Sweep("ma_crossover", {"fast": [5], "slow": [20]}, synthetic(200, seed=1)).run(store=project / "one")
    assert mode(project / "one") == 0o700
    assert mode(project) == 0o777 & ~umask
