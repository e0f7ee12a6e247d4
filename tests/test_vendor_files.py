"""Files in the forms of vendors, each with its answer: every folder of ``vendor_files`` beside the repository.

The answers were written without this reader. A folder holds ``sample.<ending>`` and ``expected.json``; its
README says what each field means. Nothing here knows the name of a folder.
"""

import json
import os
import re
from datetime import datetime
from pathlib import Path

import pytest

from peak_fast import Bars, DataError, load
from peak_fast.data import checks

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("PEAK_FAST_ORACLES", ROOT / ".." / "shared")) / "vendor_files"
CASES = sorted(path.parent for path in FOLDER.glob("*/expected.json"))
# Words that carry the idea of a note; the sentences are the reader's own.
IDLE = {"the", "and", "were", "was", "from", "comes", "are", "there", "not", "used", "because", "throughout",
        "taken", "put", "unless", "told", "one", "all", "with", "without", "before", "is", "of", "in", "at",
        "to", "as", "by"}  # fmt: skip

pytestmark = pytest.mark.skipif(not CASES, reason=f"no folders of vendor files in {FOLDER}")


def options_of(hints):
    """The neutral names of the hints are those of the product but for ``columns``, which may list names."""
    return {
        name: value for name, value in hints.items() if name not in ("optional", "first_time", "last_time")
    }


def read(case, call, options):
    sample = next(path for path in case.iterdir() if path.name.startswith("sample."))
    if call == "load(sample)":
        return load(sample, **options)
    pandas = pytest.importorskip("pandas")
    frame = eval(
        call.removeprefix("Bars.from_frame(").removesuffix(")"), {"pandas": pandas, "sample": sample}
    )
    return Bars.from_frame(frame, **options)


def figures(bars, row):
    names = ("open", "high", "low", "close", "volume")
    arrays = {name: getattr(bars, name) for name in names}
    return {name: None if array is None else float(array[row]) for name, array in arrays.items()}


def compare(bars, wanted, also_first=()):
    assert len(bars) == wanted["rows"]
    first, last = (checks.moment(int(t)) for t in (bars.time_us[0], bars.time_us[-1]))
    assert first in [datetime.fromisoformat(time) for time in (wanted["first_time"], *also_first)]
    if first == datetime.fromisoformat(wanted["first_time"]):
        assert last == datetime.fromisoformat(wanted["last_time"])
    for row, name in ((0, "first"), (-1, "last")):
        near = {
            key: value if value is None else pytest.approx(value, rel=1e-12)
            for key, value in wanted[name].items()
        }
        assert figures(bars, row) == near


def is_told(idea, notes):
    """Whether some note carries an idea: its figures, and half of the words that carry it, by their beginnings."""
    words = [word for word in re.findall(r"[a-z]{3,}", idea.lower()) if word not in IDLE]
    said = " ".join(notes).lower()
    figures = re.findall(r"\d[\d,.-]*", idea)
    hits = sum(word[:4] in said for word in words)
    return all(figure.strip(".,") in said for figure in figures) and 2 * hits >= len(words)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reading(case):
    wanted = json.loads((case / "expected.json").read_text())
    outcomes = {wanted["expect"], *wanted["also_accept"]}
    also_first = re.findall(r"first_time is then (\S+?)\.?(?:\s|$)", wanted.get("why", ""))
    try:
        bars = read(case, wanted["call"], {})
    except DataError as error:
        assert "refuse" in outcomes, error
        for word in wanted["refusal_must_say"]:
            assert word.lower() in str(error).lower(), error
        return
    assert "read" in outcomes, f"expected a refusal, got {bars} with {bars.notes}"
    compare(bars, wanted if wanted["rows"] is not None else wanted["with_hints"], also_first)
    for idea in wanted["notes"]:
        assert is_told(idea, bars.notes), f"{idea!r} is not told: {bars.notes}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reading_with_hints(case):
    wanted = json.loads((case / "expected.json").read_text())
    hints = options_of(wanted["hints"])
    if hints and "with_hints" in wanted:
        compare(read(case, wanted["call"], hints), wanted["with_hints"])
    optional = wanted["hints"].get("optional", {})
    if options_of(optional):
        times = {name: optional[name] for name in ("first_time", "last_time") if name in optional}
        compare(read(case, wanted["call"], options_of(optional)), {**wanted, **times})
