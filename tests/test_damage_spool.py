"""Bytes of a spool that change on disk: no wrong number, what is missing is said with the file's name."""

import random
import shutil

import pytest

from peak_fast import BacktestEngine, MLflowTracker, synthetic
from peak_fast.tracking import spool
from peak_fast.tracking.caller import background
from peak_fast.tracking.catch_up import sync
from peak_fast.tracking.spool import Kind, records
from peak_fast.tracking.spool.run_ids import RunIds
from peak_fast.tracking.updates import UnknownSpool
from peak_fast.tracking.writer.replay import SegmentReplay


@pytest.fixture
def segment(tmp_path, monkeypatch):
    """A spool of three runs as a killed process leaves it, without the allocated zeros behind it."""
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setattr(background, "INTERVAL", 0.0)
    tracker = MLflowTracker(f"sqlite:///{tmp_path}/m.db", "flips", artifacts="light")
    engine, bars = BacktestEngine(tracker=tracker), synthetic(40, seed=1)
    for fast in (2, 3):
        with tracker.start_run(f"run {fast}"):
            engine.run(bars, "ma_crossover", {"fast": fast, "slow": 8})
            tracker.log_metrics({"number": float(fast)})
    with tracker.start_run("last"):
        tracker.set_tags({"kind": "text"})
        tracker.log_text("content", "notes.txt")
    channel = tracker._channel
    made, end = channel.segment, channel.segment.offset
    made.close(abandon=True)
    channel.abandon()
    background.unwatch(channel)
    path = made.paths.segment
    with path.open("rb+") as file:
        file.truncate(end)
    return path


def replayed(path):
    """Everything that would be stored, by run, and what is said about the rest."""
    replay = SegmentReplay(path)
    try:
        if not replay.read_header():
            return {}, ["no header"]
        runs = {}
        for batch in replay.batches(orphan=True):
            for update in batch.updates:
                facts = runs.setdefault(update.run_id, set())
                facts |= {("param", *item) for item in update.params.items()}
                facts |= {("metric", key, repr(value), step) for key, value, _, step in update.metrics}
                facts |= {("tag", *item) for item in update.tags.items()}
                facts |= {("file", item.path, item.content()) for item in update.artifacts}
                facts |= {("input", item.name, item.digest) for item in update.inputs}
                facts |= set() if update.create is None else {("name", update.create.name)}
                facts |= set() if update.end is None else {("end", update.end[0])}
    except UnknownSpool as error:
        return {}, [str(error)]
    return runs, [item.reason for item in replay._refused]


def check_change(path, whole, data, place, value):
    """Change one byte; what is stored then is a part of the whole, and what is missing is said."""
    changed = bytearray(data)
    changed[place] = value
    path.write_bytes(changed)
    runs, said = replayed(path)
    for run_id, facts in runs.items():
        # A run whose end, or name, is lost is stored as one that was killed, or that nobody named.
        unknown = {item for item in facts - whole[run_id] if item[0] in ("end", "name", "tag")}
        assert facts - whole[run_id] <= unknown, (place, facts - whole[run_id])
        assert all(
            item[:2] == ("end", "KILLED") or item[1].startswith("mlflow.runName") or item[0] == "name"
            for item in unknown
        ), (place, unknown)
    if runs != whole:
        assert said, place
        assert any(path.name in text for text in said), (place, said)


def test_each_byte_changed_once(segment):
    """Reading alone: a record is what it was, or it is said to be damaged."""
    data = segment.read_bytes()
    whole = {
        (record.start, record.kind, repr(record.head), record.buffers)
        for record in spool.read_records(segment)
    }
    assert len(whole) > 12
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << (place % 8)
        segment.write_bytes(changed)
        try:
            found = list(spool.read_records(segment))
        except UnknownSpool as error:
            assert segment.name in str(error)
            continue
        good = {
            (record.start, record.kind, repr(record.head), record.buffers)
            for record in found
            if record.kind != Kind.UNREADABLE
        }
        assert good < whole and len(good) == len(whole) - 1, place
        (bad,) = [record for record in found if record.kind == Kind.UNREADABLE]
        assert segment.name in bad.head[1] and "damaged" in bad.head[1], place


def flips(segment, count, seed):
    whole, said = replayed(segment)
    assert len(whole) == 3 and not said
    data = segment.read_bytes()
    generator = random.Random(seed)
    for _ in range(count):
        place = generator.randrange(len(data))
        check_change(segment, whole, data, place, data[place] ^ 1 << generator.randrange(8))


def test_flipped_bits(segment):
    flips(segment, 100, seed=1)


@pytest.mark.nightly
def test_two_thousand_flipped_bits(segment):
    flips(segment, 2_000, seed=2)


@pytest.mark.parametrize("size", [1, 64, 4_096])
@pytest.mark.parametrize("filling", [0, 255], ids=["zeros", "ones"])
def test_a_lost_block(segment, size, filling):
    """What a disk gives back in place of a block; what lies behind it is found."""
    whole, _ = replayed(segment)
    data = segment.read_bytes()
    *_, last = spool.read_records(segment)
    for place in range(0, len(data) - size, max(size // 2, 97)):
        changed = bytearray(data)
        changed[place : place + size] = bytes([filling]) * size
        if changed == data:
            continue
        segment.write_bytes(changed)
        runs, said = replayed(segment)
        assert runs.keys() <= whole.keys()
        # Zeros over the magic of the last record are what a kill in mid-copy leaves.
        magic = last.start + records.PREFIX.size - len(records.MAGIC)
        covered = filling == 0 and place <= magic and place + size >= magic + len(records.MAGIC)
        if runs != whole and not covered:
            assert any(segment.name in text for text in said), (place, said)
        for run_id, facts in runs.items():
            assert {item for item in facts if item[0] in ("metric", "param", "file")} <= whole[run_id]


def test_a_run_outlives_its_beginning(segment):
    """Name and tags of a run go with its first record, and nothing else."""
    data = bytearray(segment.read_bytes())
    data[data.find(b"run 3")] ^= 1
    whole, _ = replayed(segment)
    segment.write_bytes(data)
    runs, said = replayed(segment)
    assert any("damaged" in text for text in said) and runs.keys() == whole.keys()
    (lost,) = [facts for facts in whole.values() if ("name", "run 3") in facts]
    (found,) = [runs[run_id] for run_id, facts in whole.items() if facts is lost]
    kinds = ("metric", "param", "file", "input", "end")
    assert {item for item in lost if item[0] in kinds} == {item for item in found if item[0] in kinds}


def test_sync_counts_damage_and_stores_the_rest(segment, tmp_path, reader_of):
    data = bytearray(segment.read_bytes())
    place = data.find(b"number")
    data[place] ^= 4
    segment.write_bytes(data)
    report = sync()
    assert report.ok and not report.complete
    assert f"{segment.name} is damaged" in str(report)
    runs = {run.name: run for run in reader_of(f"sqlite:///{tmp_path}/m.db").runs("flips")}
    assert {name: run.status for name, run in runs.items()} == dict.fromkeys(
        ("run 2", "run 3", "last"), "FINISHED"
    )
    assert "number" not in runs["run 2"].metrics and runs["run 3"].metrics["number"] == 3.0
    assert segment.with_suffix(".damaged").exists() and not segment.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"00000000 {}", b"\xff" * 40])
def test_a_damaged_acknowledgement_is_none(tmp_path, content):
    path = tmp_path / "x.ack"
    path.write_bytes(content)
    assert spool.read_ack(path) == spool.Ack()


def test_each_byte_of_an_acknowledgement_changed_once(tmp_path):
    path = tmp_path / "x.ack"
    spool.write_ack(path, spool.Ack(123_456, 7, "why", 2, 9))
    data = path.read_bytes()
    assert spool.read_ack(path) == spool.Ack(123_456, 7, "why", 2, 9)
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert spool.read_ack(path) == spool.Ack()


def test_each_byte_of_the_ids_changed_once(tmp_path):
    """A run never gets another run's id; one whose line is damaged is looked up in the store again."""
    path = tmp_path / "x.ids"
    ids = RunIds(path)
    for own, theirs in (("a" * 32, "1" * 32), ("b" * 32, "2" * 32)):
        ids.begin([own])
        ids.done(own, theirs)
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        found = RunIds(path)
        for own, theirs in (("a" * 32, "1" * 32), ("b" * 32, "2" * 32)):
            assert found.get(own) in (theirs, None)
            assert found.get(own) or found.uncertain(own), place


def test_a_spool_without_its_first_records_is_left_alone(segment, tmp_path):
    data = bytearray(segment.read_bytes())
    for record in list(spool.read_records(segment))[:2]:
        data[record.start + 30] ^= 1
    segment.write_bytes(data)
    report = sync()
    assert not report.ok and segment.name in str(report) and "damaged" in str(report)
    assert segment.read_bytes() == data
    shutil.rmtree(segment.parent)


def test_a_spool_within_a_spool_is_not_read_twice(segment):
    """A damaged record that holds whole records: its sizes are right, so it is passed over as one."""
    inner, whole = segment.read_bytes(), list(spool.read_records(segment))
    made = bytearray(inner)
    data = b"a\n1\nb"
    check = records.check_of(Kind.ARTIFACT, len(data), len(inner))
    run = records.NO_RUN
    made += records.PREFIX.pack(12_345, len(data), len(inner), 7, Kind.ARTIFACT, check, run, records.MAGIC)
    made += data + inner
    segment.write_bytes(made)
    found = list(spool.read_records(segment))
    assert len(found) == len(whole) + 1 and found[-1].kind == Kind.UNREADABLE
    assert found[-1].end == len(made)
