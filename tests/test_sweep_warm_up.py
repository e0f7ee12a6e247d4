"""Sweeps say once in how many configurations an indicator is longer than the data, as a single run does of its own."""

import pytest

from peak_fast import BacktestEngine, Sweep, SweepResult, synthetic
from peak_fast.settings import OrderBook
from peak_fast.sweep import evaluate

BARS = synthetic(300, seed=1)
GRID = {"fast": [5, 10, 350], "slow": [50, 299, 300, 301, 400], "allow_short": [False, True]}


def warm_up(notes):
    return [note for note in notes if "warm-up" in note]


def expected(grid):
    """Configurations whose single run has the note."""
    runs = [BacktestEngine().run(BARS, "ma_crossover", params).notes for params in grid]
    return sum(bool(warm_up(notes)) for notes in runs), len(runs)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("options", [{}, {"order_book": OrderBook()}])
def test_one_note_with_the_number_of_configurations(threads, options, tmp_path):
    sweep = Sweep("ma_crossover", GRID, BARS, **options)
    count, among = expected(sweep.grid)
    assert 0 < count < among
    result = sweep.run(threads=threads, progress=False, store=tmp_path / "store")
    [note] = warm_up(result.notes)
    assert note.startswith(
        f"warm-up: in {count} of {among} configurations an indicator has no value in 300 bars, such"
    )
    assert "sma(301)" in note or "sma(350)" in note
    assert note in SweepResult.load(tmp_path / "store").notes
    assert note in result._repr_html_().replace("&gt;", ">")


def test_in_pieces_and_with_rows_of_each_thread_the_number_is_the_same(monkeypatch):
    from peak_fast.sweep.run import batch, ranges

    grid = {"fast": range(2, 300, 7), "slow": range(250, 400, 3)}
    [whole] = warm_up(Sweep("ema_crossover", grid, BARS).run(threads=2, progress=False).notes)
    monkeypatch.setattr(ranges, "_CHUNK", 100)
    monkeypatch.setattr(batch, "_SMALL_PLANE", 300_000)
    [pieces] = warm_up(Sweep("ema_crossover", grid, BARS).run(threads=2, progress=False).notes)
    assert whole.split(", such")[0] == pieces.split(", such")[0]


def test_no_note_where_all_have_values():
    assert not warm_up(
        Sweep("ma_crossover", {"fast": [5], "slow": [50, 300]}, BARS).run(progress=False).notes
    )
    found = evaluate("ma_crossover", BARS, {"fast": [5, 5], "slow": [50, 301]}, metrics=["total_trades"])
    assert found["total_trades"][1] == 0.0
