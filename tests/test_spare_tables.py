"""Tables of prices whose memory is used again: whoever still has one keeps it, and results are the same bits."""

import numpy as np
import polars as pl
import pytest

from peak_fast import BacktestEngine, Stops, synthetic
from peak_fast.data import Bars
from peak_fast.data.times import periods_per_year
from peak_fast.simulation import price_table, spare
from peak_fast.simulation.spare import LEAST_BYTES, table_of
from tests.lent_memory import check_never_shared

COLUMNS = LEAST_BYTES // 8
PARAMS = {"fast": 5, "slow": 30}


@pytest.fixture(autouse=True)
def nothing_spare():
    spare._spare.clear()
    yield
    spare._spare.clear()


def place(table):
    return table.__array_interface__["data"][0]


def test_memory_is_used_again_when_no_view_is_left():
    table = table_of(5, COLUMNS)
    assert table.shape == (5, COLUMNS) and table.dtype == np.float64
    assert table.flags.c_contiguous and table.flags.writeable and table.flags.aligned
    table[:] = 7.0
    row, where = table[2][10:], place(table)
    part = row.reshape(1, -1)
    del table, row
    other = table_of(5, COLUMNS)
    other[:] = 1.0
    assert place(other) != where and (part == 7.0).all()
    del part
    again = table_of(5, COLUMNS)
    assert place(again) == where


def test_times_asked_about_in_turn_have_their_own_answers():
    day = 86_400_000_000
    daily, hourly = np.arange(100, dtype=np.int64) * day, np.arange(2_400, dtype=np.int64) * (day // 24)
    weekly, weekdays = daily * 7, daily[(np.arange(100) + 3) % 7 < 5]
    for _ in range(3):
        found = [periods_per_year(times) for times in (daily, daily.copy(), hourly, weekly, weekdays)]
        assert found == [365.0, 365.0, 8_760.0, 52.0, 252.0]
    edited = daily.copy()
    assert periods_per_year(edited) == 365.0
    edited *= 7
    assert periods_per_year(edited) == 52.0


def test_two_at_most_are_kept_and_none_of_another_size():
    tables = [table_of(5, COLUMNS) for _ in range(5)]
    assert len({place(table) for table in tables}) == 5
    tables.clear()
    assert len(spare._spare) == 2
    table_of(6, COLUMNS)
    assert [memory.size for memory in spare._spare] == [6 * COLUMNS]
    small = table_of(1, COLUMNS - 1)
    assert small.base is None


def test_two_threads_never_share_a_table():
    check_never_shared(lambda: table_of(5, COLUMNS), 300)


def frames(count):
    for seed in range(count):
        yield synthetic(3_000 + 500 * (seed % 3), seed=seed, missing=0.01 * (seed % 2)).to_polars()


@pytest.mark.parametrize("make", [pl.DataFrame.clone, pl.DataFrame.to_pandas], ids=["polars", "pandas"])
def test_runs_of_frames_are_those_of_their_bars(make):
    engine = BacktestEngine(stops=Stops(stop_loss=0.03, take_profit=0.05))
    kept = []
    for frame in frames(12):
        bars = Bars.from_frame(frame)
        result, expected = (
            engine.run(make(frame), "ma_crossover", PARAMS),
            engine.run(bars, "ma_crossover", PARAMS),
        )
        assert result.equity.tobytes() == expected.equity.tobytes()
        assert result.trade_records.tobytes() == expected.trade_records.tobytes()
        kept.append((price_table(result.bars), price_table(result.bars).copy(), result, expected))
        del kept[:-3]
        for table, copy, _, _ in kept:
            np.testing.assert_array_equal(table, copy)
    for _, _, result, expected in kept:
        assert repr(result.ambiguity) == repr(expected.ambiguity)


def test_an_edited_frame_gives_new_numbers():
    engine = BacktestEngine()
    frame = synthetic(4_000, seed=4).to_polars().to_pandas()
    first = engine.run(frame, "ma_crossover", PARAMS).stats
    for name in ("open", "high", "low", "close"):
        frame.loc[frame.index[2_000:], name] *= 1.5
    second = engine.run(frame, "ma_crossover", PARAMS)
    fresh = engine.run(Bars.from_frame(frame.copy()), "ma_crossover", PARAMS)
    assert second.stats["final_equity"] != first["final_equity"]
    assert second.equity.tobytes() == fresh.equity.tobytes()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.45, 0.5, 0.55, 0.9, 1.0])
def test_bars_of_a_year_by_the_written_rule(share):
    """More than half of the steps at most 25 hours: bars of days; else not (the count of each step decides)."""
    hour, random = 3_600_000_000, np.random.default_rng(int(100 * share))
    for short in (1, 12, 24):
        steps = np.full(400, short * hour, dtype=np.int64)
        steps[random.permutation(400)[: int(400 * share)]] = random.choice([26, 30, 170, 1_000]) * hour
        times = np.concatenate(([0], np.cumsum(steps)))
        by_day = 2 * int((steps <= 25 * hour).sum()) > steps.size
        found = periods_per_year(times)
        if not by_day:
            days = float(np.median(steps)) / (24 * hour)
            if not any(low <= days <= high for low, high in ((5, 9), (26, 33), (85, 95), (350, 380))):
                assert found == pytest.approx(400 / (times[-1] / (365.25 * 24 * hour)))
        elif short == 24 and share == 0.0:
            assert found == 365.0
        elif short == 24:
            assert found in (252.0, 312.0, 365.0)
