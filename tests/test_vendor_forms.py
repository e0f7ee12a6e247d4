"""The forms of many writers give the same bars, or say what they need; see ``tests/vendor_forms.py``."""

import io

import numpy as np
import pytest

from peak_fast import Bars, DataError, load
from tests.vendor_forms import MINUTES, PRICES, TEXTS, VOLUME


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


@pytest.mark.parametrize(
    "name", ["japanese", "lseg", "bitmex", "quantmod", "units_in_names", "quandl_futures", "yfinance_flat"]
)
def test_frames_know_the_same_headers(name):
    pandas = pytest.importorskip("pandas")
    _, text, options, times, ideas = TEXTS[name]
    check(Bars.from_frame(pandas.read_csv(io.StringIO(text)), **options), times, ideas)


def test_marks_of_two_symbols_are_not_chosen_between():
    text = TEXTS["yfinance_flat"][1]
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(io.StringIO(text))
    for other in ("Close_ABC", "Open_ABC"):
        frame[other] = 1.0
    with pytest.raises(DataError, match=r"known: .*'Open_ABC', 'Open_XYZ'.* columns="):
        Bars.from_frame(frame)
    named = {name: f"{name.title()}_XYZ" for name in (*PRICES, "volume")}
    check(Bars.from_frame(frame, columns=named), TEXTS["yfinance_flat"][3], ())


def test_whole_numbers_that_are_prices_in_a_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(io.StringIO(TEXTS["databento_raw"][1]))
    with pytest.raises(
        DataError, match=r"whole numbers such as 10500000000 .* pass scale=1e-09 .* or scale=1 "
    ):
        Bars.from_frame(frame)
    check(Bars.from_frame(frame, scale=1e-9), MINUTES, ())
    assert Bars.from_frame(frame, scale=1).close[0] == 10_500_000_000


def test_parts_of_dates_in_a_frame_are_refused():
    frame = {
        "year": [2024, 2024],
        "month": [1, 1],
        "day": [30, 31],
        **{name: list(PRICES[name][:2]) for name in PRICES},
    }
    with pytest.raises(DataError, match=r"parts of times; join them .* timestamp=False"):
        Bars.from_frame(frame)
    assert not Bars.from_frame(frame, timestamp=False).has_time


def test_a_frame_whose_first_row_became_its_header():
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(io.StringIO(TEXTS["kraken"][1]))
    with pytest.raises(
        DataError, match=r"a first row was taken for the header; read the file with load\(path\)"
    ):
        Bars.from_frame(frame)
