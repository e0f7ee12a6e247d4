"""The spool: records, torn tails, full disks, windows, locks."""

import decimal
import os
import pickle
import zlib

import numpy as np
import pytest

from peak_fast.tracking import spool
from peak_fast.tracking.spool import Kind, codec, records, segment, window
from peak_fast.tracking.spool.locks import is_locked, only_writer, try_lock
from peak_fast.tracking.spool.segment import SegmentWriter, Subject
from tests.tracking_segments import HEADER, heads

# --- records ---------------------------------------------------------------------------------------------------


def test_records_come_back_in_order(writer):
    numbers = np.arange(5.0)
    writer.append(Kind.PARAMS, ("run", 1, {"a": [1, 2.5, None, True, "x"]}))
    writer.append(Kind.RESULT, ("run", 2), [numbers, b"tail"])
    found = list(spool.read_records(writer.paths.segment))
    assert [record.kind for record in found] == [
        Kind.HEADER,
        Kind.HEADER,
        Kind.PARAMS,
        Kind.RESULT,
    ]
    assert found[0].head == found[1].head == (None, HEADER)
    assert found[2].head == ("run", 1, {"a": [1, 2.5, None, True, "x"]})
    assert found[3].buffers == numbers.tobytes() + b"tail"
    assert found[3].end == writer.offset == writer.paths.segment.stat().st_size
    resumed = list(spool.read_records(writer.paths.segment, found[2].start))
    assert [record.kind for record in resumed] == [Kind.PARAMS, Kind.RESULT]


@pytest.mark.parametrize("keep", [0, 1, 10, 24, 40, -1, -5])
def test_a_torn_record_is_left_out(writer, keep):
    writer.append(Kind.PARAMS, ("run", 1, {"a": 1}))
    whole = writer.offset
    writer.append(Kind.PARAMS, ("run", 2, {"b": "x" * 100}))
    data = writer.paths.segment.read_bytes()
    cut = whole + keep if keep >= 0 else len(data) + keep
    writer.paths.segment.write_bytes(data[:cut])
    assert heads(writer.paths.segment) == [(Kind.PARAMS, ("run", 1, {"a": 1}))]


def test_a_record_that_names_code_is_refused(writer, tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path / 'executed'}",))

    writer.append(Kind.PARAMS, ("run", 1))
    data = pickle.dumps(("run", Evil()))
    check, run = records.check_of(Kind.PARAMS, len(data), 0), records.NO_RUN
    checksum = zlib.crc32(data, records.first_of(run, 7, check))
    prefix = records.PREFIX.pack(checksum, len(data), 0, 7, Kind.PARAMS, check, run, records.MAGIC)
    with writer.paths.segment.open("ab") as file:
        file.write(prefix + data)
    found = list(spool.read_records(writer.paths.segment))
    assert found[-1].kind == Kind.UNREADABLE
    assert "posix.system" in found[-1].head[1] or "nt.system" in found[-1].head[1]
    assert not (tmp_path / "executed").exists()


def test_many_appends_by_threads_of_one_tracker_stay_whole(writer):
    import threading

    lock = threading.Lock()

    def work(n):
        for i in range(50):
            with lock:
                writer.append(Kind.METRICS, (str(n), i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [head for _, head in heads(writer.paths.segment)]
    assert sorted(found) == sorted((str(n), i) for n in range(4) for i in range(50))


# --- a disk that does not take it ------------------------------------------------------------------------------


class Disk:
    """Stands between a segment and ``os.write``: takes ``room`` bytes, then nothing."""

    def __init__(self, room):
        self.room, self._write = room, os.write

    def write(self, descriptor, data):
        taken = data[: self.room]
        if not taken:
            raise OSError(28, "No space left on device")
        self.room -= len(taken)
        return self._write(descriptor, taken)


@pytest.mark.parametrize("room", [0, 1, 30, 75])
def test_full_disk_keeps_whole_records_and_order(writer, monkeypatch, room):
    writer.append(Kind.PARAMS, ("run", 0))
    disk = Disk(room)
    monkeypatch.setattr(segment.os, "write", disk.write)
    for i in range(1, 6):
        writer.append(Kind.PARAMS, ("run", i))
    assert writer.n_waiting > 0
    assert writer.error
    written = [head[1] for _, head in heads(writer.paths.segment)]
    assert written == list(range(6 - writer.n_waiting))
    disk.room = 10_000
    writer.append(Kind.PARAMS, ("run", 6))
    assert writer.n_waiting == 0
    assert writer.error is None
    assert [head[1] for _, head in heads(writer.paths.segment)] == list(range(7))


def test_full_disk_for_ever_loses_the_newest_and_says_so(writer, monkeypatch):
    monkeypatch.setattr(segment, "MAX_WAITING_BYTES", 1_000)
    monkeypatch.setattr(segment.os, "write", Disk(0).write)
    for i in range(20):
        writer.append(Kind.PARAMS, ("run", i, "x" * 100))
    assert 0 < writer.n_waiting < 20
    assert writer.lost == 20 - writer.n_waiting
    assert not writer.retry()


def test_waiting_records_do_not_follow_changes_of_their_arrays(writer, monkeypatch):
    disk = Disk(0)
    monkeypatch.setattr(segment.os, "write", disk.write)
    array = np.ones(3)
    writer.append(Kind.RESULT, ("run", 1), [array])
    array[:] = 7.0
    disk.room = 10_000
    assert writer.retry()
    assert list(spool.read_records(writer.paths.segment))[-1].buffers == np.ones(3).tobytes()


def test_what_belongs_to_no_segment_is_removed(writer, tmp_path):
    writer.append(Kind.PARAMS, ("run", 1))
    spool.write_ack(writer.paths.ack, spool.Ack(1, 1, None, 0))
    for name in ("gone.ack", "gone.ids", "gone.flush", "gone.new", "writer.lock", "store.json"):
        (tmp_path / name).touch()
    os.utime(tmp_path / "gone.new", (0, 0))
    (tmp_path / "gone.files").mkdir()
    spool.remove_strays(tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {writer.paths.segment.name, writer.paths.ack.name, "writer.lock", "store.json"}


def test_a_window_holds_what_system_calls_write(mapped, writer, monkeypatch):
    """Records of all sizes, some of them larger than the window: the same bytes in both files."""
    monkeypatch.setattr(segment, "time_ns", lambda: 7_000_000)
    run = Subject(bytes(range(16)))
    for target in (mapped, writer):
        for i, size in enumerate(
            [3, 70_000, 5, window.SIZE * 2, 9, 200_000, 250_000, 240_000, 230_000, 220_000, 1]
        ):
            target.append(Kind.RESULT, ("run", i), [np.full(size // 8 + 1, float(i)), b"tail"])
            target.put(Kind.START, run, b"name", 0)
            target.put(Kind.END + 256, run, b"", 0)
    found = [list(spool.read_records(target.paths.segment)) for target in (mapped, writer)]
    assert len(found[0]) == 35
    assert found[0] == found[1]
    assert (found[0][3].kind, found[0][3].head) == (Kind.START, (run.raw.hex(), 7, "name"))
    assert (found[0][4].kind, found[0][4].head) == (Kind.END, (run.raw.hex(), 7, "FAILED"))
    assert found[0][-1].end == mapped.offset
    assert not spool.has_record(mapped.paths.segment, mapped.offset)
    assert spool.has_record(mapped.paths.segment, found[0][-1].start)


def test_a_closed_segment_ends_behind_its_last_record(mapped):
    mapped.append(Kind.PARAMS, ("run", 1))
    assert mapped.paths.segment.stat().st_size == window.SIZE
    mapped.close()
    found = list(spool.read_records(mapped.paths.segment))
    assert found[-1].kind == Kind.CLOSE
    assert mapped.paths.segment.stat().st_size == found[-1].end


def test_an_interrupted_copy_is_no_record(mapped):
    """Killed between the body and the magic: what is there is neither a record nor damage."""
    mapped.append(Kind.PARAMS, ("run", 1))
    end, (view, place) = mapped.offset, mapped.at
    mapped.append(Kind.PARAMS, ("run", 2))
    behind = place + records.PREFIX.size
    assert end == place and view[behind - 4 : behind] == records.MAGIC
    view[behind - 4 : behind] = b"\0\0\0\0"
    assert heads(mapped.paths.segment) == [(Kind.PARAMS, ("run", 1))]


def test_a_full_disk_ends_the_window(mapped, monkeypatch):
    """No room for another window: the rest goes by system calls, and waits when these fail, too."""
    expected = [("run", i, "x" * 1_000) for i in range(1_100)]
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(window.os, "posix_fallocate", lambda *arguments: (_ for _ in ()).throw(full))
    for head in expected[:1_050]:
        mapped.append(Kind.PARAMS, head)
    assert not mapped.at[0]
    assert mapped.paths.segment.stat().st_size == mapped.offset
    disk = Disk(500)
    monkeypatch.setattr(segment.os, "write", disk.write)
    for head in expected[1_050:]:
        mapped.append(Kind.PARAMS, head)
    assert mapped.n_waiting == 50
    assert len(heads(mapped.paths.segment)) == 1_050
    disk.room = 1 << 20
    assert mapped.retry()
    assert [head for _, head in heads(mapped.paths.segment)] == expected


@pytest.mark.parametrize("size", [10, 3_000, 200_000])
def test_memory_is_made_ready_for_as_much_again(mapped, size, monkeypatch):
    """After each flush: no record is lost, the window changes at most once until the next, and large files end."""
    monkeypatch.setattr(segment, "ROTATE_BYTES", 3 << 20)
    expected = []
    for turn in range(16):
        for _ in range(4):
            expected.append(("run", len(expected), "x" * size))
            mapped.append(Kind.PARAMS, expected[-1])
        mapped.sync()
        end = mapped.offset
        mapped.prepare()
        assert mapped.offset == end
        assert not mapped.at[0] or mapped.at[1] + 4 * size <= window.SIZE
        if turn % 5 == 4:
            mapped.prepare()
    assert [head for _, head in heads(mapped.paths.segment)] == expected
    assert mapped.full == (mapped.offset > 3 << 20)


def test_memory_that_cannot_be_made_ready_is_no_error(mapped, writer, monkeypatch):
    for target in (mapped, writer):
        target.append(Kind.PARAMS, ("run", 1, "x" * 700_000))
        target.append(Kind.PARAMS, ("run", 2, "x" * 200_000))
        target.sync()
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(window.os, "posix_fallocate", lambda *arguments: (_ for _ in ()).throw(full))
    view, place = mapped.at
    for target in (mapped, writer):
        target.prepare()
        target.append(Kind.PARAMS, ("run", 3))
        target.sync()
        target.prepare()
        assert [head[1] for _, head in heads(target.paths.segment)] == [1, 2, 3]
    assert not mapped.at[0]
    view.close()
    view.fetch(place, 10)  # the thread that syncs came late


def test_what_no_tracker_writes_is_refused(mapped):
    run = Subject(b"r" * 16)
    mapped.put(Kind.START, run, b"\xff", 0)
    mapped.put(Kind.END + 256 * 9, run, b"", 0)
    mapped.put(Kind.FROZEN, run, b"no pickle", 9)
    mapped.put(Kind.FROZEN, run, b"\1short", 6)
    mapped.put(Kind.START, Subject(records.NO_RUN), b"no pickle", 9)
    assert [kind for kind, _ in heads(mapped.paths.segment)] == [Kind.UNREADABLE] * 5


@pytest.mark.parametrize("name", ["", "plain", "two\nlines", "\ud800", "é"])
def test_text_of_any_kind_comes_back(mapped, name):
    run = Subject(b"r" * 16)
    mapped.put(Kind.START, run, name.encode("utf-8", "surrogatepass"), 0)
    ((kind, head),) = heads(mapped.paths.segment)
    assert (kind, head[0], head[2]) == (Kind.START, run.raw.hex(), name)


@pytest.mark.parametrize(
    "value", [np.float64(0.5), np.int64(3), len, decimal.Decimal("1.5"), lambda: 0, 1.5, "é\x93"]
)
def test_parameters_of_any_kind_can_be_read(value):
    found = codec.decode(codec.encode({"a": value, "b": 2}))
    assert list(found) == ["a", "b"]
    assert type(found["a"]) in (float, int, str)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_is_in_the_window_survives_a_kill(tmp_path):
    child = os.fork()
    if child == 0:
        made = SegmentWriter(tmp_path, HEADER)
        for i in range(100):
            made.append(Kind.PARAMS, ("run", i), [np.full(2_000, float(i))])
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    (path,) = tmp_path.glob("*.seg")
    found = list(spool.read_records(path))[2:]
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
    with only_writer(tmp_path) as first, only_writer(tmp_path) as second:
        assert (first, second) == (True, False)
    with only_writer(tmp_path) as third:
        assert third


def test_a_lock_dies_with_its_process(tmp_path):
    path = tmp_path / "file"
    path.touch()
    child = os.fork() if hasattr(os, "fork") else pytest.skip("needs fork")
    if child == 0:
        descriptor = os.open(path, os.O_RDWR)
        os._exit(0 if try_lock(descriptor) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not is_locked(path)
