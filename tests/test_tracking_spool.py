"""The spool: records, torn tails, full disks, locks, URIs, clean values, the frozen form of results."""

import datetime as dt
import decimal
import enum
import json
import math
import os
import pickle
import types
import zoneinfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.config import Costs, Execution, Stops
from peak_fast.data import Bars
from peak_fast.engine import BacktestEngine
from peak_fast.errors import ConfigError
from peak_fast.tracking import codec, sanitize, segment, spool, uris, window
from peak_fast.tracking._locks import FolderLock, is_locked, try_lock
from peak_fast.tracking.capture import Capture
from peak_fast.tracking.curves import FIGURE, REPORTS, VALUES, expand_curve, reduce_curve
from peak_fast.tracking.files import clean_artifact_path, write_artifacts
from peak_fast.tracking.frames import frame_runs, prefixed, records
from peak_fast.tracking.frozen import FILLS, POINTS, TRADES, freeze, params_bytes
from peak_fast.tracking.replay import SegmentReplay
from peak_fast.tracking.segment import SegmentWriter
from peak_fast.tracking.thawed import Static, quick_result
from peak_fast.tracking.unpack import Bars as SpooledBars
from peak_fast.tracking.updates import Artifact

HEADER = {"experiment": "e", "folder": "/", "mode": "background", "user": "u", "source": "s", "tags": {}}


@pytest.fixture
def writer(tmp_path, monkeypatch):
    """A segment that is written by system calls."""
    monkeypatch.setenv("PEAK_FAST_SPOOL_MAP", "0")
    made = SegmentWriter(tmp_path, HEADER)
    yield made
    made.close()


def heads(path):
    return [(record.kind, record.head) for record in spool.read_records(path)][1:]


# --- records ---------------------------------------------------------------------------------------------------


def test_records_come_back_in_order(writer):
    numbers = np.arange(5.0)
    writer.append(spool.PARAMS, ("run", 1, {"a": [1, 2.5, None, True, "x"]}))
    writer.append(spool.RESULT, ("run", 2), [numbers, b"tail"])
    found = list(spool.read_records(writer.paths.segment))
    assert [record.kind for record in found] == [spool.HEADER, spool.PARAMS, spool.RESULT]
    assert found[0].head == (None, HEADER)
    assert found[1].head == ("run", 1, {"a": [1, 2.5, None, True, "x"]})
    assert found[2].buffers == numbers.tobytes() + b"tail"
    assert found[2].end == writer.offset == writer.paths.segment.stat().st_size
    resumed = list(spool.read_records(writer.paths.segment, found[1].start))
    assert [record.kind for record in resumed] == [spool.PARAMS, spool.RESULT]


@pytest.mark.parametrize("keep", [0, 1, 10, 24, 40, -1, -5])
def test_a_torn_record_is_left_out(writer, keep):
    writer.append(spool.PARAMS, ("run", 1, {"a": 1}))
    whole = writer.offset
    writer.append(spool.PARAMS, ("run", 2, {"b": "x" * 100}))
    data = writer.paths.segment.read_bytes()
    cut = whole + keep if keep >= 0 else len(data) + keep
    writer.paths.segment.write_bytes(data[:cut])
    assert heads(writer.paths.segment) == [(spool.PARAMS, ("run", 1, {"a": 1}))]
    assert not spool.damaged(writer.paths.segment, whole)


def test_a_damaged_record_is_noticed(writer):
    writer.append(spool.PARAMS, ("run", 1, {"a": 1}))
    first = writer.offset
    writer.append(spool.PARAMS, ("run", 2, {"b": 2}))
    writer.append(spool.PARAMS, ("run", 3, {"c": 3}))
    data = bytearray(writer.paths.segment.read_bytes())
    data[first + spool.PREFIX.size + 3] ^= 255
    writer.paths.segment.write_bytes(data)
    assert len(heads(writer.paths.segment)) == 1
    assert spool.damaged(writer.paths.segment, first)


def test_a_record_that_names_code_is_refused(writer, tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path / 'executed'}",))

    writer.append(spool.PARAMS, ("run", 1), plain=True)
    data = pickle.dumps(("run", Evil()))
    prefix = spool.PREFIX.pack(spool.MAGIC, spool.PARAMS, 0, 0, len(data), spool.zlib.crc32(data), 0)
    with writer.paths.segment.open("ab") as file:
        file.write(prefix + data + spool.END_MARK)
    found = list(spool.read_records(writer.paths.segment))
    assert found[-1].kind == spool.UNREADABLE
    assert "posix.system" in found[-1].head[1] or "nt.system" in found[-1].head[1]
    assert not (tmp_path / "executed").exists()


def test_many_appends_by_threads_of_one_tracker_stay_whole(writer):
    import threading

    lock = threading.Lock()

    def work(n):
        for i in range(50):
            with lock:
                writer.append(spool.METRICS, (str(n), i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [head for _, head in heads(writer.paths.segment)]
    assert sorted(found) == sorted((str(n), i) for n in range(4) for i in range(50))


# --- a disk that does not take it ------------------------------------------------------------------------------


class Disk:
    """Stands between a segment and ``os.writev``: takes ``room`` bytes, then nothing."""

    def __init__(self, room):
        self.room = room

    def writev(self, descriptor, parts):
        data = b"".join(bytes(part) for part in parts)
        taken = data[: self.room]
        if not taken:
            raise OSError(28, "No space left on device")
        self.room -= len(taken)
        return os.write(descriptor, taken)


@pytest.mark.parametrize("room", [0, 1, 30, 75])
def test_full_disk_keeps_whole_records_and_order(writer, monkeypatch, room):
    writer.append(spool.PARAMS, ("run", 0))
    disk = Disk(room)
    monkeypatch.setattr(segment.os, "writev", disk.writev)
    for i in range(1, 6):
        writer.append(spool.PARAMS, ("run", i))
    assert writer.n_waiting > 0
    assert writer.error
    written = [head[1] for _, head in heads(writer.paths.segment)]
    assert written == list(range(6 - writer.n_waiting))
    disk.room = 10_000
    writer.append(spool.PARAMS, ("run", 6))
    assert writer.n_waiting == 0
    assert writer.error is None
    assert [head[1] for _, head in heads(writer.paths.segment)] == list(range(7))


def test_full_disk_for_ever_loses_the_newest_and_says_so(writer, monkeypatch):
    monkeypatch.setattr(segment, "MAX_WAITING_BYTES", 1_000)
    monkeypatch.setattr(segment.os, "writev", Disk(0).writev)
    for i in range(20):
        writer.append(spool.PARAMS, ("run", i, "x" * 100))
    assert 0 < writer.n_waiting < 20
    assert writer.lost == 20 - writer.n_waiting
    assert not writer.retry()


def test_waiting_records_do_not_follow_changes_of_their_arrays(writer, monkeypatch):
    disk = Disk(0)
    monkeypatch.setattr(segment.os, "writev", disk.writev)
    array = np.ones(3)
    writer.append(spool.RESULT, ("run", 1), [array])
    array[:] = 7.0
    disk.room = 10_000
    assert writer.retry()
    assert list(spool.read_records(writer.paths.segment))[-1].buffers == np.ones(3).tobytes()


def test_what_belongs_to_no_segment_is_removed(writer, tmp_path):
    writer.append(spool.PARAMS, ("run", 1))
    spool.write_ack(writer.paths.ack, spool.Ack(1, 1, None, 0))
    for name in ("gone.ack", "gone.ids", "gone.flush", "writer.lock", "store.json"):
        (tmp_path / name).touch()
    (tmp_path / "gone.files").mkdir()
    spool.remove_strays(tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {writer.paths.segment.name, writer.paths.ack.name, "writer.lock", "store.json"}


# --- the window ------------------------------------------------------------------------------------------------


@pytest.fixture
def mapped(tmp_path):
    """A segment with a window, where the system has one."""
    made = SegmentWriter(tmp_path, HEADER)
    if made._window is None:
        pytest.skip("no window on this system or file system")
    yield made
    made.close()


def test_a_window_holds_what_system_calls_write(mapped, writer):
    """Records of all sizes, some of them larger than the window: the same bytes in both files."""
    for target in (mapped, writer):
        for i, size in enumerate(
            [3, 70_000, 5, window.SIZE * 2, 9, 200_000, 250_000, 240_000, 230_000, 220_000, 1]
        ):
            target.append(spool.RESULT, ("run", i), [np.full(size // 8 + 1, float(i)), b"tail"])
            target.put(spool.QUICK_START, spool.NAMED, b"%d\n7000000\nname" % i)
            target.put_head(segment.Prefixes(spool.QUICK_END), b"%d\n9000000\nFAILED" % i)
    found = [list(spool.read_records(target.paths.segment)) for target in (mapped, writer)]
    assert len(found[0]) == 34
    assert found[0] == found[1]
    assert found[0][2].kind == spool.START
    assert found[0][2].head == ("0", 7, "name", None, None, False)
    assert (found[0][3].kind, found[0][3].head) == (spool.END, ("0", 9, "FAILED"))
    assert found[0][-1].end == mapped.offset == spool.records_end(mapped.paths.segment, 0)
    assert not spool.has_record(mapped.paths.segment, mapped.offset)
    assert spool.has_record(mapped.paths.segment, found[0][-1].start)
    assert not spool.damaged(mapped.paths.segment, mapped.offset)


def test_a_closed_segment_ends_behind_its_last_record(mapped):
    mapped.append(spool.PARAMS, ("run", 1))
    assert mapped.paths.segment.stat().st_size == window.SIZE
    mapped.close()
    found = list(spool.read_records(mapped.paths.segment))
    assert found[-1].kind == spool.CLOSE
    assert mapped.paths.segment.stat().st_size == found[-1].end


def test_an_interrupted_copy_is_no_record(mapped):
    """Killed between the body and the magic: what is there is not seen, by readers or as damage."""
    mapped.append(spool.PARAMS, ("run", 1))
    end, view = mapped.offset, mapped._window
    mapped.append(spool.PARAMS, ("run", 2))
    view[end : end + 4] = b"\0\0\0\0"
    assert heads(mapped.paths.segment) == [(spool.PARAMS, ("run", 1))]
    assert not spool.damaged(mapped.paths.segment, end)


def test_a_full_disk_ends_the_window(mapped, monkeypatch):
    """No room for another window: the rest goes by system calls, and waits when these fail, too."""
    expected = [("run", i, "x" * 1_000) for i in range(1_100)]
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(window.os, "posix_fallocate", lambda *arguments: (_ for _ in ()).throw(full))
    for head in expected[:1_050]:
        mapped.append(spool.PARAMS, head)
    assert mapped._window is None
    assert mapped.paths.segment.stat().st_size == mapped.offset
    disk = Disk(500)
    monkeypatch.setattr(segment.os, "writev", disk.writev)
    for head in expected[1_050:]:
        mapped.append(spool.PARAMS, head)
    assert mapped.n_waiting == 50
    assert len(heads(mapped.paths.segment)) == 1_050
    disk.room = 1 << 20
    assert mapped.retry()
    assert [head for _, head in heads(mapped.paths.segment)] == expected


def test_a_strange_record_of_the_quick_kinds_is_refused(mapped):
    mapped.put(spool.QUICK_START, 0, b"no line ends")
    mapped.put(spool.QUICK_RESULT, 1, b"run\n1\nno pickle")
    kinds = [record.kind for record in spool.read_records(mapped.paths.segment)]
    assert kinds == [spool.HEADER, spool.UNREADABLE, spool.UNREADABLE]


@pytest.mark.parametrize(
    "value", [np.float64(0.5), np.int64(3), len, decimal.Decimal("1.5"), lambda: 0, 1.5, "é\x93"]
)
def test_parameters_of_any_kind_can_be_read(value):
    params = {"a": value, "b": 2}
    assert codec.decode(params_bytes(params)) == codec.decode(codec.encode(params))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_is_in_the_window_survives_a_kill(tmp_path):
    child = os.fork()
    if child == 0:
        made = SegmentWriter(tmp_path, HEADER)
        for i in range(100):
            made.append(spool.PARAMS, ("run", i), [np.full(2_000, float(i))])
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    (path,) = tmp_path.glob("*.seg")
    found = list(spool.read_records(path))[1:]
    assert [record.head for record in found] == [("run", i) for i in range(100)]
    assert all(record.buffers == np.full(2_000, float(i)).tobytes() for i, record in enumerate(found))
    assert not is_locked(path)


# --- locks -----------------------------------------------------------------------------------------------------


def test_a_segment_is_locked_while_its_owner_lives(tmp_path):
    writer = SegmentWriter(tmp_path, HEADER)
    assert writer.paths.owned()
    writer.close()
    assert not writer.paths.owned()
    assert not is_locked(tmp_path / "no such file")


def test_one_writer_per_folder(tmp_path):
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


def test_a_lock_dies_with_its_process(tmp_path):
    path = tmp_path / "file"
    path.touch()
    child = os.fork() if hasattr(os, "fork") else pytest.skip("needs fork")
    if child == 0:
        descriptor = os.open(path, os.O_RDWR)
        os._exit(0 if try_lock(descriptor) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not is_locked(path)


# --- codec -----------------------------------------------------------------------------------------------------

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_plain_values_come_back_equal(value):
    assert codec.decode(codec.encode(value)) == value


def test_other_values_become_plain():
    class Colour(enum.Enum):
        RED = "red"

    class Silent:
        def __str__(self):
            raise ValueError

    zone = zoneinfo.ZoneInfo("Europe/Paris")
    value = {
        "float": np.float32(0.5),
        "int": np.int64(3),
        "array": np.arange(3),
        "enum": Colour.RED,
        "model": Costs(rate=0.5),
        "function": len,
        "decimal": decimal.Decimal("1.5"),
        "utc": dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        "paris": dt.datetime(2020, 1, 1, tzinfo=zone),
        "silent": Silent(),
        "class": Silent,
        "range": range(3),
    }
    found = codec.decode(codec.encode(value))
    assert found["float"] == 0.5
    assert found["int"] == 3
    assert found["array"] == [0, 1, 2]
    assert found["enum"] == "red"
    assert found["model"]["rate"] == 0.5
    assert found["function"] == "len"
    assert found["decimal"] == "1.5"
    assert found["utc"] == value["utc"]
    assert found["paris"] == "2020-01-01T00:00:00+01:00"
    assert found["silent"] == "<Silent>"
    assert "Silent" in found["class"]
    assert found["range"] == [0, 1, 2]


def test_damaged_bytes_are_one_kind_of_error():
    data = codec.encode({"a": [1, 2, 3]})
    for cut in range(len(data)):
        with pytest.raises(pickle.UnpicklingError):
            codec.decode(data[:cut])


# --- clean values ----------------------------------------------------------------------------------------------


@given(st.text(max_size=600))
def test_every_key_becomes_one_that_mlflow_takes(key):
    import posixpath
    import re

    name = sanitize.clean_key(key)
    assert 0 < len(name) <= 250
    assert re.fullmatch(r"[/\w.\- :]*", name)
    normal = posixpath.normpath(name)
    assert normal == name
    assert normal != "."
    assert not normal.startswith(("..", "/"))
    assert sanitize.clean_key(name) == name


def test_long_keys_stay_different():
    first, second = "a" * 300 + "1", "a" * 300 + "2"
    assert sanitize.clean_key(first) != sanitize.clean_key(second)
    assert len(sanitize.clean_keys({"a%": 1, "a=": 2, "a_": 3})) == 3


@given(st.text(max_size=80), st.integers(40, 60))
def test_text_is_cut_with_a_marker(text, limit):
    cut = sanitize.clean_text(text, limit)
    assert len(cut) <= limit
    cut.encode()
    if len(text) > limit and "\x00" not in text:
        assert cut.endswith("]")


def test_flatten():
    class Point(types.SimpleNamespace):
        def model_dump(self):
            return {"x": self.x}

    flat = sanitize.flatten(
        {
            "a": {"b": {"c": 1}, "empty": {}},
            "list": [1, {"d": np.float64(2.0)}],
            "point": Point(x=5),
            "set": {3, 1, 2},
            "when": dt.date(2020, 1, 2),
            "array": np.arange(3),
            3: "three",
        }
    )
    assert flat == {
        "a.b.c": "1",
        "a.empty": "{}",
        "list": '[1, {"d": 2.0}]',
        "point.x": "5",
        "set": "[1, 2, 3]",
        "when": "2020-01-02",
        "array": "[0, 1, 2]",
        "3": "three",
    }
    assert sanitize.flatten(None) == {}
    assert sanitize.flatten(7) == {"value": "7"}


def test_a_mapping_that_holds_itself_does_not_hang():
    loop = {}
    loop["again"] = loop
    assert len(sanitize.flatten(loop)) == 1


def test_split_metrics():
    split = sanitize.split_metrics(
        {"a": 1, "b": math.inf, "c": None, "d": "text", "e": np.nan, "f": [], "g": decimal.Decimal("0.5")}
    )
    assert split.numbers["a"] == 1.0
    assert split.numbers["g"] == 0.5
    assert math.isnan(split.numbers["b"])
    assert split.tags == {"metric.b": "inf", "metric.e": "nan", "d": "text"}
    assert split.dropped == ["c", "f"]


# --- URIs ------------------------------------------------------------------------------------------------------


def test_relative_places_are_taken_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert uris.resolve(None) == f"sqlite:///{tmp_path}/mlflow.db"
    assert uris.resolve("sqlite:///a b/c%20d.db") == f"sqlite:///{tmp_path}/a b/c%20d.db"
    assert uris.resolve("./mlruns") == (tmp_path / "mlruns").as_uri()
    assert uris.resolve("file:mlruns") == (tmp_path / "mlruns").as_uri()
    assert uris.resolve(tmp_path / "x") == (tmp_path / "x").as_uri()
    assert uris.resolve("http://host:5000") == "http://host:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")
    assert uris.resolve(None) == "http://other"
    assert uris.resolve("") == "http://other"


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory"])
def test_databases_in_memory_are_refused(uri):
    with pytest.raises(ConfigError, match="in-memory"):
        uris.resolve(uri)


def test_a_file_is_no_file_store(tmp_path):
    (tmp_path / "mlflow.db").touch()
    with pytest.raises(ConfigError, match="sqlite:///"):
        uris.resolve(tmp_path / "mlflow.db")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://ann:s3cret@db:5432/x", "postgresql://ann:***@db:5432/x"),
        ("https://TOKEN@host/path", "https://***@host/path"),
        ("mysql://db/x?user=ann&password=s3cret", "mysql://db/x?user=ann&password=***"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
        ("http://host:5000", "http://host:5000"),
    ],
)
def test_credentials_are_masked(uri, shown):
    assert uris.mask(uri) == shown
    assert uris.has_credentials(uri) == (uri != shown)
    assert uris.mask_in(f"cannot connect to {uri} now", uri) == f"cannot connect to {shown} now"
    if "s3cret" in uri:
        assert "s3cret" not in uris.mask_in("the password s3cret is wrong", uri)


def test_credentials_are_not_written_to_disk(tmp_path):
    uri = "postgresql://ann:s3cret@db/x"
    folder = spool.store_folder(uri, tmp_path)
    content = "".join(path.read_text() for path in folder.iterdir()) + folder.name
    assert "s3cret" not in content
    assert json.loads((folder / "store.json").read_text())["needs_credentials"]
    assert folder.stat().st_mode & 0o077 == 0


@given(st.text(max_size=60))
def test_artifact_paths_stay_inside(path):
    clean = clean_artifact_path(path)
    assert not clean.startswith("/")
    assert ".." not in clean.split("/")
    assert all(part.strip(". ") for part in clean.split("/"))


def test_an_artifact_that_cannot_be_made_does_not_stop_the_others(tmp_path):
    def broken():
        raise ValueError("no picture")

    written = []
    problems = write_artifacts(
        tmp_path, [Artifact("a.png", load=broken), Artifact("sub/b.txt", load=lambda: b"b")], written
    )
    assert problems == ["a.png: ValueError: no picture"]
    assert [path.read_bytes() for path in written] == [b"b"]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["b.txt"]


# --- frames ----------------------------------------------------------------------------------------------------


def test_frames_become_runs():
    frame = pl.DataFrame(
        {
            "fast": [5, 10],
            "sharpe": [1.5, float("nan")],
            "tags.kind": ["a", None],
            "run_name": ["one", None],
            "status": ["failed", "strange"],
        }
    )
    table = prefixed(frame, ["fast"], ["sharpe"], None, None)
    ((head, data, ids),) = records(table, 1_000, "parent", {"common": 1})
    runs = list(frame_runs(codec.decode(codec.encode(head)), data))
    assert [run.run_id for run in runs] == ids
    assert [run.name for run in runs] == ["one", None]
    assert [run.status for run in runs] == ["FAILED", "FINISHED"]
    assert [run.params for run in runs] == [{"fast": "5"}, {"fast": "10"}]
    assert runs[0].metrics == [("sharpe", 1.5, 1_000, 0)]
    assert runs[0].tags == {"common": "1", "mlflow.parentRunId": "parent", "kind": "a"}
    assert runs[1].tags["metric.sharpe"] == "nan"


def test_frames_are_cut_into_records():
    frame = pl.DataFrame({"metrics.x": np.arange(1_201.0)})
    made = list(records(frame, 0, None, None))
    assert [len(ids) for _, _, ids in made] == [500, 500, 201]
    assert len({run_id for _, _, ids in made for run_id in ids}) == 1_201


def test_frames_with_unknown_columns():
    frame = pl.DataFrame({"metrics.x": [1.0], "sharpe": [2.0]})
    with pytest.raises(ConfigError, match="role of column 'sharpe'"):
        prefixed(frame, None, None, None, None)
    with pytest.raises(ConfigError, match="did you mean 'sharpe'"):
        prefixed(frame, None, ["sharp"], None, None)


# --- curves and frozen results ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 16_384, 16_385, 20_001, 100_000, 1_000_003])
def test_reduced_curves_keep_their_extremes(n):
    curve = np.cumsum(np.random.default_rng(n).normal(size=n)) + 1_000.0
    curve[n // 3] += 500.0
    curve[2 * n // 3] -= 500.0
    points = reduce_curve(curve)
    back = expand_curve(points, n)
    assert len(back) == n
    assert len(points) <= 16_384
    assert back.max() == np.float32(curve.max())
    assert back.min() == np.float32(curve.min())
    width = -(-n // 4_096)
    assert np.abs(np.argmax(back) - np.argmax(curve)) <= width


def noisy_bars(n=400, seed=3, gaps=False):
    generator = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(generator.normal(0.0, 0.02, n)))
    open_ = close * np.exp(generator.normal(0.0, 0.005, n))
    spread = np.abs(generator.normal(0.0, 0.01, n)) * close
    frame = pl.DataFrame(
        {
            "timestamp": pl.datetime_range(
                dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1) + dt.timedelta(hours=n - 1), "1h", eager=True
            ),
            "open": open_,
            "high": np.maximum(open_, close) + spread,
            "low": np.maximum(np.minimum(open_, close) - spread, 0.01),
            "close": close,
        }
    )
    if gaps:
        missing = pl.Series(generator.random(n) < 0.1) & (pl.int_range(n, eager=True) > 3)
        frame = frame.with_columns(
            pl.when(missing).then(None).otherwise(pl.col(name)).alias(name)
            for name in ("open", "high", "low", "close")
        )
    return Bars.from_frame(frame, name="noise")


ENGINES = {
    "plain": {},
    "costs": {"costs": Costs(rate=0.002, fixed=1.0, slippage_bps=5.0)},
    "at the close": {"execution": Execution(fill_at="close")},
    "stops": {"stops": Stops(stop_loss=0.02, take_profit=0.03, trailing=0.05)},
}


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
@pytest.mark.parametrize("trading", ["rare", "often", "never", "short"])
def test_a_frozen_result_thaws_to_itself(name, gaps, trading):
    bars = noisy_bars(gaps=gaps)
    generator = np.random.default_rng(7)
    share = {"rare": 0.02, "often": 0.6, "never": 0.0, "short": 0.05}[trading]
    side = -1.0 if trading == "short" else generator.choice([-1.0, 0.0, 1.0], 400)
    targets = np.where(generator.random(400) < share, side, np.nan)
    targets = pl.Series(targets).fill_nan(None).forward_fill().fill_null(0.0).to_numpy().copy()
    if trading == "short":
        targets[200:] = 0.0
    result = BacktestEngine(**ENGINES[name]).run(
        bars, lambda frame, params: targets, {"window": 3, "kind": trading}
    )
    capture = Capture()
    shared = [codec.decode(codec.encode(head)) for _, head, _ in capture.share(result)]
    arrays = [b"".join(bytes(a) for a in buffers) for _, _, buffers in Capture().share(result)]
    flags, buffers = freeze(result, True)
    data = b"".join(bytes(np.ascontiguousarray(buffer)) for buffer in buffers)
    params = codec.decode(params_bytes(result.params))
    static, spooled = Static(arrays[1], *shared[1][2:]), SpooledBars(shared[0][1:], arrays[0])
    assert static.bars_key == spooled.digest
    thawed = quick_result(static, spooled, params, flags, data)
    exact = flags in (TRADES, FILLS)
    assert exact == (flags == TRADES or len(result._outcome.fills) * 88 <= 4 * 400)
    if name == "plain":
        assert flags == TRADES
    tolerance = 1e-9 if exact else 1e-6
    np.testing.assert_allclose(thawed.equity(), result.equity, rtol=tolerance)
    assert thawed.stats.keys() == result.stats.keys()
    for key, value in result.stats.items():
        assert thawed.stats[key] == value or (math.isnan(value) and math.isnan(thawed.stats[key])), key
    expected = {key: value for key, value in result.metadata.items() if key != "hash"}
    assert thawed.metadata == expected
    trades = thawed.trades()
    for column in ("entry_bar", "exit_bar", "net_pnl", "return", "mae", "mfe", "entry_price", "fees"):
        np.testing.assert_array_equal(trades[column], result.trades[column].to_numpy())
    assert list(trades["exit_reason"]) == result.trades["exit_reason"].to_list()


@pytest.mark.parametrize("kind", [TRADES, FILLS, POINTS])
def test_the_curve_is_made_of_what_suffices(kind):
    """Positions that grow and shrink have more than two fills a trade; many of those are more than the curve."""
    bars = noisy_bars(n=3_000)
    targets = np.zeros(3_000)
    steps = {
        TRADES: [1.0, 0.0],
        FILLS: [0.5, 1.0, 0.25, 0.0],
        POINTS: [0.2, 0.4, 0.6, 0.8, 1.0, 0.5, 0.3, 0.0],
    }[kind]
    every = 3_000 // (len(steps) * (60 if kind == POINTS else 15))
    targets[: 3_000 // every * every] = np.repeat(np.resize(steps, 3_000 // every), every)
    costs = Costs(rate=0.001, minimum=20.0, fixed=1.0, per_unit=0.01)
    result = BacktestEngine(costs=costs).run(bars, targets, weights=True)
    capture = Capture()
    shared = [(head, b"".join(bytes(a) for a in arrays)) for _, head, arrays in capture.share(result)]
    flags, buffers = freeze(result, True)
    assert flags == kind
    static = Static(shared[1][1], *shared[1][0][2:])
    data = b"".join(bytes(np.ascontiguousarray(buffer)) for buffer in buffers)
    thawed = quick_result(static, SpooledBars(shared[0][0][1:], shared[0][1]), {}, flags, data)
    np.testing.assert_allclose(thawed.equity(), result.equity, rtol=1e-6 if kind == POINTS else 1e-9)


def test_bars_and_settings_are_written_once_per_segment():
    engine, bars = BacktestEngine(), noisy_bars()
    capture = Capture()

    def kinds(engine, bars, window):
        result = engine.run(bars, "ma_crossover", {"fast": window, "slow": 50})
        return [kind for kind, _, _ in capture.share(result)]

    assert kinds(engine, bars, 5) == [spool.BARS, spool.STATIC]
    assert kinds(engine, bars, 6) == []
    assert kinds(BacktestEngine(costs=Costs(rate=0.01)), bars, 6) == [spool.STATIC]
    assert kinds(engine, noisy_bars(seed=4), 6) == [spool.BARS, spool.STATIC]
    assert spool.BARS not in kinds(engine, bars, 7)


def test_freezing_asks_for_nothing_expensive():
    result = BacktestEngine().run(noisy_bars(), "ma_crossover", {"fast": 5, "slow": 20})
    list(Capture().share(result))
    freeze(result, True)
    assert not {"hash", "trade_records", "trades", "metadata", "stats"} & set(result.__dict__)


def test_a_replay_can_begin_anywhere(tmp_path):
    writer = SegmentWriter(tmp_path, HEADER)
    result = BacktestEngine().run(noisy_bars(), "ma_crossover", {"fast": 5, "slow": 20})
    writer.append(spool.START, ("a" * 32, 5, None, None, {}, False))
    for kind, head, arrays in Capture().share(result):
        writer.append(kind, head, arrays)
    curve, buffers = freeze(result, True)
    flags, params = VALUES | FIGURE | REPORTS | curve, params_bytes(result.params)
    writer.put(spool.QUICK_RESULT, flags, b"%b\n6000000\n%b" % (b"a" * 32, params), buffers)
    confirmed = writer.offset
    writer.put(spool.QUICK_RESULT, flags, b"%b\n7000000\n%b" % (b"a" * 32, params), buffers)
    writer.append(spool.END, ("a" * 32, 8, "FAILED"))
    first = next(SegmentReplay(writer.paths.segment).batches(orphan=False)).updates[0]
    assert first.create is not None
    assert first.tags["mlflow.runName"].startswith("ma_crossover-noise-")
    assert {path.path for path in first.artifacts} >= {
        "plots/equity_curve.png",
        "backtest_2/plots/equity_curve.png",
    }
    assert ("sharpe", result.stats["sharpe"], 7, 1) in first.metrics
    spool.write_ack(writer.paths.ack, spool.Ack(confirmed, 1, None, 0))
    ((rest,),) = [batch.updates for batch in SegmentReplay(writer.paths.segment).batches(orphan=False)]
    assert rest.create is None
    assert "mlflow.runName" not in rest.tags
    assert {path.path.split("/")[0] for path in rest.artifacts} == {"backtest_2"}
    assert rest.end == ("FAILED", 8)
    writer.close()
