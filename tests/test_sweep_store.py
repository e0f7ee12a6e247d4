"""Stores of sweeps: written, resumed, refused, damaged, full disks, kills."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from peak_fast.errors import ConfigError, StoreError
from peak_fast.sweep.result import SweepResult
from peak_fast.sweep.store.folder import Parts, find_parts, read_manifest
from peak_fast.sweep.store.key import changes
from peak_fast.sweep.store.store import SweepStore, default_tile_size
from tests.sweep_fakes import GRID, compute, fill, make_grid, make_key


def undisturbed(tmp_path, tile_size=50):
    grid = make_grid()
    with SweepStore.open(tmp_path / "undisturbed", make_key(), grid, tile_size=tile_size) as store:
        fill(store, grid)
        return store.scan().collect()


def test_a_store_gives_back_what_was_written_in_order(tmp_path):
    grid = make_grid()
    with SweepStore.open(tmp_path / "s", make_key(), grid, tile_size=100) as store:
        tiles = list(range(store.tiles))
        random.Random(1).shuffle(tiles)
        fill(store, grid, tiles)
        assert store.is_complete and not store.is_resumed and store.missing() == []
        frame = store.scan().collect()
    expected = compute(grid, 0, len(grid))
    assert frame.columns == ["config", *GRID, *expected]
    assert frame["config"].to_list() == list(range(len(grid)))
    assert np.array_equal(frame["sharpe"].to_numpy(), expected["sharpe"])
    assert np.array_equal(frame["trades"].to_numpy(), expected["trades"])
    assert frame["block_sum"].dtype == pl.Array(pl.Float64, 16)
    assert np.array_equal(frame["block_sumsq"].to_numpy(), expected["block_sumsq"])
    assert frame.select("config", *GRID).equals(grid.frame())


def test_resume_keeps_finished_tiles_and_equals_one_go(tmp_path):
    grid = make_grid()
    with SweepStore.open(tmp_path / "s", make_key(), grid, tile_size=50) as store:
        fill(store, grid, [3, 0, 7])
    stamps = {tile: path.stat().st_mtime_ns for tile, path in find_parts(tmp_path / "s").items()}
    assert sorted(stamps) == [0, 3, 7]
    with SweepStore.open(tmp_path / "s", make_key(), grid, tile_size=999) as store:
        assert store.is_resumed and store.tile_size == 50
        assert store.finished() == {0, 3, 7}
        assert store.scan().select("config").collect()["config"].to_list() == [
            number for tile in (0, 3, 7) for number in range(*store.bounds(tile))
        ]
        fill(store, grid)
        frame = store.scan().collect()
    assert all(
        path.stat().st_mtime_ns == stamps.get(tile, path.stat().st_mtime_ns)
        for tile, path in find_parts(tmp_path / "s").items()
    )
    assert frame.equals(undisturbed(tmp_path))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data": "ffff"}, r"data \(\"0123456789abcdef\" -> \"ffff\"\)"),
        ({"strategy": {"name": "sma_cross", "source": "77ab"}}, r"strategy\.source"),
        (
            {"settings": {"costs": {"rate": 0.002, "fixed": 0.0}, "initial_cash": 100_000.0}},
            r"changed: settings\.costs\.rate \(0\.001 -> 0\.002\);",
        ),
        ({"grid": "abc"}, "grid"),
        ({"metrics": ["sharpe"]}, "metrics"),
        ({"code_version": "0.2.0"}, "code_version"),
    ],
)
def test_changed_work_is_refused_and_named(tmp_path, changed, message):
    grid = make_grid()
    with SweepStore.open(tmp_path, make_key(), grid, tile_size=100) as store:
        fill(store, grid, [0])
    with pytest.raises(StoreError, match=message):
        SweepStore.open(tmp_path, make_key(**changed), grid)
    with SweepStore.open(tmp_path, make_key(), grid) as store:  # the refusal gave the lock back
        assert store.finished() == {0}
    with SweepStore.open(tmp_path, make_key(**changed), grid, resume="restart") as store:
        assert store.finished() == set() and not store.is_resumed
    assert find_parts(tmp_path) == {}
    SweepStore.open(tmp_path, make_key(**changed), grid).close()


def test_changes_lists_leaves_and_stays_short():
    assert changes({"a": {"b": 1, "c": float("nan")}}, {"a": {"b": 1, "c": float("nan")}}) == []
    assert changes({"a": {"b": 1}}, {"a": {"b": True}}) == ["a.b (1 -> true)"]
    assert changes({"a": {"b": 1}}, {"a": {"d": 1}}) == ["a.b (1 -> null)", "a.d (null -> 1)"]
    many = changes({str(n): n for n in range(50)}, {str(n): -n - 1 for n in range(50)})
    assert len(many) == 8 and many[-1] == "and 43 more"
    assert len(changes({"a": "x" * 500}, {"a": "y"})[0]) < 100


def test_key_takes_models_and_arrays_and_hashes_alike():
    from pydantic import BaseModel

    class Costs(BaseModel):
        rate: float = 0.001

    first = make_key(settings={"costs": Costs(), "levels": np.array([1.0, 2.0])})
    second = make_key(settings={"levels": [1.0, 2.0], "costs": {"rate": 0.001}})
    assert first.hash == second.hash != make_key().hash
    assert changes(first.parts(), second.parts()) == []
    with pytest.raises(ConfigError, match="plain values"):
        make_key(settings=object()).parts()


def test_resume_false_refuses_an_existing_store(tmp_path):
    SweepStore.open(tmp_path, make_key(), make_grid(), resume=False).close()
    with pytest.raises(StoreError, match="resume='restart'"):
        SweepStore.open(tmp_path, make_key(), make_grid(), resume=False)
    with pytest.raises(ConfigError, match="expected resume as"):
        SweepStore.open(tmp_path, make_key(), make_grid(), resume="maybe")


def test_restart_deletes_only_what_belongs_to_the_store(tmp_path):
    grid = make_grid()
    (tmp_path / "notes.txt").write_text("mine")
    with SweepStore.open(tmp_path, make_key(), grid, tile_size=100) as store:
        fill(store, grid, [0, 1])
    with SweepStore.open(tmp_path, make_key(), grid, tile_size=200, resume="restart") as store:
        assert store.tile_size == 200
        fill(store, grid, [1])
    names = [path.name for path in find_parts(tmp_path).values()]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "notes.txt", *names]
    assert list(find_parts(tmp_path)) == [1]


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


def _empty(path):
    path.write_bytes(b"")


def _garbage(path):
    path.write_bytes(b"PAR1" + os.urandom(500) + b"PAR1")


def _of_another_tile(path):
    path.write_bytes(find_parts(path.parent)[1].read_bytes())


def _under_the_name_of_another_tile(path):
    other = find_parts(path.parent)[1]
    path.unlink()
    path.with_name(path.name.split("-")[0] + "-00000004-" + other.name.split("-")[2]).write_bytes(
        other.read_bytes()
    )


def _without_checksum(path):
    path.rename(path.with_name("part-00000004.parquet"))


def _without_metrics(path):
    pl.read_parquet(path).drop("sharpe").write_parquet(path)


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _empty,
        _garbage,
        _of_another_tile,
        _under_the_name_of_another_tile,
        _without_checksum,
        _without_metrics,
    ],
)
def test_a_damaged_part_is_computed_again(tmp_path, damage, caplog):
    grid = make_grid()
    with SweepStore.open(tmp_path / "s", make_key(), grid, tile_size=50) as store:
        fill(store, grid)
        tiles = set(range(store.tiles))
    damage(find_parts(tmp_path / "s")[4])
    with pytest.raises(
        StoreError, match=r"part-00000004[-.\w]* as it was written; .*computes the part again"
    ):
        len(SweepResult.load(tmp_path / "s"))
    with SweepStore.open(tmp_path / "s", make_key(), grid) as store:
        assert store.finished() == tiles - {4}
        (said,) = caplog.messages
        assert "part-00000004" in said and "is computed again" in said and "\n" not in said
        (note,) = store.keep_notes([])
        assert "part-00000004" in note and "was computed again" in note
        fill(store, grid)
        assert store.scan().collect().equals(undisturbed(tmp_path))


def test_a_part_that_is_gone_is_missed(tmp_path):
    grid = make_grid()
    with SweepStore.open(tmp_path / "s", make_key(), grid, tile_size=100) as store:
        fill(store, grid)
    loaded = SweepResult.load(tmp_path / "s")
    assert len(loaded) == len(grid) == loaded.total
    find_parts(tmp_path / "s")[2].unlink()
    with pytest.raises(StoreError, match="the file is gone"):
        loaded.top()
    assert f"{len(grid) - 100:,} of {len(grid):,} configurations" in repr(SweepResult.load(tmp_path / "s"))


def test_leftover_temporary_files_are_removed(tmp_path):
    SweepStore.open(tmp_path, make_key(), make_grid()).close()
    leftover = tmp_path / ".part-00000000-0a0b0c0d.parquet.12ab34cd.tmp"
    leftover.write_bytes(b"half a part")
    SweepStore.open(tmp_path, make_key(), make_grid()).close()
    assert not leftover.exists()


def test_broken_or_foreign_folders_are_refused(tmp_path):
    grid = make_grid()
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="could not create"):
        SweepStore.open(tmp_path / "file", make_key(), grid)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "manifest.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(StoreError, match="format 99"):
        SweepStore.open(tmp_path / "old", make_key(), grid)
    (tmp_path / "old" / "manifest.json").write_text(json.dumps({"format": 1, "metrics": ["sharpe"]}))
    with pytest.raises(StoreError, match=r"format 1, whose tables .* reads; use another folder"):
        SweepResult.load(tmp_path / "old")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "manifest.json").write_text("{")
    with pytest.raises(
        StoreError, match=r"manifest.json as it was written; it does not begin with a checksum"
    ):
        SweepStore.open(tmp_path / "torn", make_key(), grid)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "part-00000000-00000000.parquet").write_bytes(b"")
    with pytest.raises(StoreError, match="parts without"):
        SweepStore.open(tmp_path / "bare", make_key(), grid)
    with pytest.raises(StoreError, match="got none"):
        Parts(tmp_path / "nowhere", {"hash": "", "parameters": [], "metrics": []}).scan()


def test_wrong_columns_are_refused(tmp_path):
    grid = make_grid()
    with SweepStore.open(tmp_path, make_key(), grid, tile_size=50) as store:
        good = compute(grid, *store.bounds(0))
        with pytest.raises(ConfigError, match="expected 50 rows"):
            store.write(0, {**good, "sharpe": good["sharpe"][:-1]})
        with pytest.raises(ConfigError, match=r"missing: \['trades'\]"):
            store.write(0, {"sharpe": good["sharpe"]})
        with pytest.raises(ConfigError, match="rename the parameter"):
            store.write(0, {**good, "fast": good["sharpe"]})
        with pytest.raises(IndexError, match="expected a tile"):
            store.write(store.tiles, good)
        assert find_parts(tmp_path) == {}
    with pytest.raises(ConfigError, match="tile_size"):
        SweepStore.open(tmp_path / "t", make_key(), grid, tile_size=0)


def test_folder_names_with_pattern_characters_work(tmp_path):
    grid, folder = make_grid(), tmp_path / "a[1]*b ünï"
    with SweepStore.open(folder, make_key(), grid, tile_size=500) as store:
        fill(store, grid)
    assert len(SweepResult.load(folder)) == len(grid)


def test_threads_write_different_tiles_at_once(tmp_path):
    grid = make_grid()
    with SweepStore.open(tmp_path / "s", make_key(), grid, tile_size=50) as store:
        halves = (store.missing()[::2], store.missing()[1::2])
        threads = [threading.Thread(target=fill, args=(store, grid, half)) for half in halves]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.is_complete
        assert store.scan().collect().equals(undisturbed(tmp_path))


def test_default_tile_size_bounds_parts_and_loss():
    assert default_tile_size(10) == 256
    assert default_tile_size(100_000) == 10_000
    assert default_tile_size(10_000_000) == 16_384


# --- a full disk -------------------------------------------------------------------------------------------

FULL_DISK = """
import sys
sys.path.insert(0, {root!r})
from peak_fast.errors import StoreError
from peak_fast.sweep.store import SweepStore
from tests.sweep_fakes import compute, fill, make_grid, make_key
grid = make_grid()
limit = {limit!r}
store = SweepStore.open({folder!r}, make_key(), grid, tile_size=100)
store.write(0, compute(grid, *store.bounds(0)))
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    for tile in range(1, store.tiles):
        store.write(tile, compute(grid, *store.bounds(tile)))
except StoreError as error:
    print("REFUSED", error)
    print("ROWS", len(store.scan().collect()))
    store.close()
    sys.exit(0)
sys.exit("the disk was never full")
"""


def run_full_disk(folder, limit=None):
    code = FULL_DISK.format(root=str(Path(__file__).parent.parent), folder=str(folder), limit=limit)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_continues(folder, tmp_path, first):
    grid = make_grid()
    names = {path.name for path in folder.iterdir()} - {"lost+found"}
    assert names == {"manifest.json", *(path.name for path in find_parts(folder).values())}
    assert list(find_parts(folder)) == list(range(first))
    with SweepStore.open(folder, make_key(), grid) as store:
        assert store.finished() == set(range(first))
        return store.scan().collect()


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_refused_write_leaves_a_readable_store(tmp_path):
    out = run_full_disk(tmp_path / "s", limit=2000)
    assert "the disk is full" in out and "ROWS 100" in out and "run again" in out
    frame = check_continues(tmp_path / "s", tmp_path, 1)
    assert frame.equals(undisturbed(tmp_path).head(100))


@pytest.fixture
def tiny_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"cannot mount a small disk: {error}")
    if done.returncode:
        pytest.skip(f"cannot mount a small disk: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_a_readable_store(tiny_disk, tmp_path):
    out = run_full_disk(tiny_disk / "s")
    assert "the disk is full" in out and "free some space" in out
    rows = int(out.split("ROWS ")[1].split()[0])
    assert rows > 0 and rows % 100 == 0
    frame = check_continues(tiny_disk / "s", tmp_path, rows // 100)
    assert frame.equals(undisturbed(tmp_path).head(rows))


# --- kill -9 -----------------------------------------------------------------------------------------------

WRITER = """
import sys
sys.path.insert(0, {root!r})
import threading, time
import polars
from peak_fast.sweep.store import SweepStore
from tests.sweep_fakes import fill, make_grid, make_key
grid = make_grid()
print("ready", flush=True)
store = SweepStore.open({folder!r}, make_key(), grid, tile_size=4)
def work(tiles):
    for tile in tiles:
        time.sleep(0.004)
        fill(store, grid, [tile])
threads = [threading.Thread(target=work, args=(store.missing()[n::2],)) for n in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
store.close()
print("done", flush=True)
"""


def wait_for_another_part(folder, before):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if folder.exists() and len(find_parts(folder)) > before:
            return
        time.sleep(0.001)
    raise AssertionError("the writer made no progress")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_sweep_killed_at_20_random_moments_ends_as_if_undisturbed(tmp_path):
    folder, moments = tmp_path / "s", random.Random(20)
    code = WRITER.format(root=str(Path(__file__).parent.parent), folder=str(folder))
    killed, progress = 0, [0]
    for number in range(20):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout.readline() == "ready\n"
            if number % 2:  # while it writes; else at any moment since its start, opening the store included
                wait_for_another_part(folder, progress[-1])
                time.sleep(moments.uniform(0.0, 0.03))
            else:
                time.sleep(moments.uniform(0.0, 0.12))
            child.send_signal(signal.SIGKILL)
            killed += child.wait() == -signal.SIGKILL
        progress.append(len(find_parts(folder)) if folder.exists() else 0)
        if progress[-1]:
            Parts(
                folder, read_manifest(folder)
            ).scan().collect()  # whatever is there can be read without opening the store
    assert killed == 20
    assert progress == sorted(progress) and len(set(progress)) > 10
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "ready\ndone\n", done.stderr
    expected = undisturbed(tmp_path, tile_size=4)
    frame = Parts(folder, read_manifest(folder)).scan().collect()
    assert frame.equals(expected)
    assert progress[-1] < len(find_parts(folder))
    assert not list(folder.glob(".*.tmp")) and not (folder / "lock").exists()


def test_notes_stay_with_the_store_and_the_saved_folder(tmp_path):
    """What was noticed while a sweep ran is shown when its folder is opened again, and after a resumption."""
    from peak_fast import Sweep, SweepResult, synthetic

    frame = synthetic(200, seed=2).to_polars().reverse()
    sweep = Sweep("ma_crossover", {"fast": [3, 5], "slow": [9]}, frame)
    found = sweep.run(store=tmp_path / "store", progress=False)
    assert any("newest first" in note for note in found.notes)
    again = sweep.run(store=tmp_path / "store", progress=False)
    found.save(tmp_path / "saved")
    for loaded in (again, SweepResult.load(tmp_path / "store"), SweepResult.load(tmp_path / "saved")):
        assert loaded.notes == found.notes
        assert "newest first" in loaded._repr_html_()
