"""The forms of many writers give the same bars, or say what they need; see ``tests/vendor_forms.py``."""

import numpy as np
import pytest

from peak_fast import load
from tests.vendor_forms import PRICES, TEXTS, VOLUME


def check(bars, times, ideas):
    wanted = np.array(times, dtype="M8[us]").astype(np.int64)
    assert bars.time_us.tolist() == wanted.tolist()
    missing = len(times) - 3
    for name, values in PRICES.items():
        assert getattr(bars, name)[missing:].tolist() == pytest.approx(values, rel=1e-12)
    if bars.volume is not None:
        assert bars.volume[missing:].tolist() == list(VOLUME)
    told = "\n".join(bars.notes)
    for idea in ideas:
        assert idea in told, told


@pytest.mark.parametrize("name", TEXTS)
def test_text(name, tmp_path):
    ending, text, options, times, ideas = TEXTS[name]
    path = tmp_path / f"x{ending}"
    path.write_text(text, encoding="utf-8", newline="")
    check(load(path, **options), times, ideas)
