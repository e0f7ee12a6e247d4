"""Files that changed on the disk: the same numbers, or one line that names the file; never other numbers."""

import random
import shutil
from collections import Counter

import pytest

pytest.importorskip("optuna")

from tests.damaged_files import FORMATS, check_flip, files_of, study, sweep


@pytest.fixture(scope="module", params=FORMATS)
def kept(request, tmp_path_factory):
    """A format, the folder of its sound files, and what is read from them."""
    whole = tmp_path_factory.mktemp("whole") / "files"
    FORMATS[request.param].write(whole)
    copy = whole.with_name("copy")
    shutil.copytree(whole, copy)
    expected = FORMATS[request.param].read(copy)
    return request.param, whole, expected


def flip_many(kept, work, count, seed, caplog):
    kind, whole, expected = kept
    chance, answers = random.Random(seed), Counter()
    files = files_of(whole)
    sizes = [path.stat().st_size for path in files]
    for _ in range(count):
        (path,) = chance.choices(files, sizes)
        position, bit = chance.randrange(path.stat().st_size), chance.randrange(8)
        answers[check_flip(kind, whole, expected, path.relative_to(whole), work, position, bit, caplog)] += 1
    return answers


def test_a_flipped_bit_changes_no_number(kept, tmp_path, caplog):
    count = 30 if kept[0] == "study journal" else 100  # a study that goes on waits for its dead worker
    answers = flip_many(kept, tmp_path / "work", count, 1, caplog)
    assert answers["refused"] + answers["went on"] > 0.9 * count  # nearly every bit is covered by a sum


@pytest.mark.nightly
def test_two_thousand_flipped_bits_change_no_number(kept, tmp_path, caplog):
    flip_many(kept, tmp_path / "work", 2_000, 2, caplog)


@pytest.mark.nightly
def test_every_byte_changed_once_changes_no_number(kept, tmp_path, caplog):
    kind, whole, expected = kept
    for path in files_of(whole):
        for position in range(path.stat().st_size):
            check_flip(
                kind,
                whole,
                expected,
                path.relative_to(whole),
                tmp_path / "work",
                position,
                position % 8,
                caplog,
            )


def test_the_same_call_mends_a_damaged_store(tmp_path):
    expected = sweep(tmp_path / "s").frame
    for seed in range(20):
        (part,) = (tmp_path / "s").glob("part-*.parquet")
        content = bytearray(part.read_bytes())
        content[random.Random(seed).randrange(len(content))] ^= 1 << seed % 8
        part.write_bytes(content)
        again = sweep(tmp_path / "s")
        assert again.frame.equals(expected)
        assert any(part.name in note for note in again.notes)


def test_a_study_goes_on_from_the_records_before_the_damage(tmp_path, caplog):
    journal = tmp_path / "study.log"
    study(journal).run()
    lines = journal.read_bytes().splitlines(keepends=True)
    broken = len(lines) // 2
    lines[broken] = lines[broken].replace(b'"op_code"', b'"op_cide"')
    journal.write_bytes(b"".join(lines))
    with caplog.at_level("WARNING"):
        result = study(journal).run()
    (said,) = caplog.messages
    assert f"line {broken + 1} of the journal {journal} is damaged" in said
    assert f"the {broken} records before it are used, the {len(lines) - broken - 1} behind it are not" in said
    assert said in result.notes
    assert (tmp_path / "study.log.damaged-1").read_bytes() == b"".join(lines)
