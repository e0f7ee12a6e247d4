"""How long a sweep says that it takes, told after five seconds, where configurations differ in what they cost."""

import io
import re

import numpy as np
import pytest

from peak_fast import Param, Sweep, strategy, synthetic
from peak_fast.settings import EngineSettings
from peak_fast.strategies import resolve
from peak_fast.sweep import progress as progress_module
from peak_fast.sweep.grid import Grid
from peak_fast.sweep.progress import SweepProgress
from peak_fast.sweep.run import ranges as ranges_module
from peak_fast.sweep.run.ranges import Ranges, Work
from peak_fast.sweep.run.threads import Team, cut_spread, spread
from tests.sweep_fakes import Clock

BARS = synthetic(500, seed=1)
SPANS = {"s": 1.0, "min": 60.0, "h": 3600.0}


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return clock


class Costly:
    """In place of a batch: warms up, then takes what each configuration costs, tile by tile."""

    def __init__(self, clock, cost, scale, warm_up):
        self.clock, self.cost, self.scale, self.warm_up = clock, cost, scale, warm_up

    def expect(self, rows, configurations):
        assert rows <= 2 * configurations

    def run(self, columns, out, done):
        self.clock.now += self.warm_up
        self.warm_up = 0.0
        costs = np.broadcast_to(self.cost(columns), len(out)) * self.scale
        for first, last in cut_spread(len(out), 800, 40, 2):
            self.clock.now += costs[first:last].sum()
            done(last - first, out[first:last, 0])


def seconds(text):
    return sum(float(number) * SPANS[unit] for number, unit in re.findall(r"([\d.]+) (s|min|h)\b", text))


class Recorded(io.StringIO):
    """Lines with the time at which they were written."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.lines = clock, []

    def write(self, text):
        if text.strip():
            self.lines.append((self.clock.now, text))
        return len(text)


def foretold(lines, begun, end):
    """Total time that the first line after five seconds says, as a share of what it took."""
    for now, text in lines:
        if now - begun >= 5.0 and "left" in text:
            left = re.search(r"· ([\d. a-z]+) left", text)[1]
            return (now - begun + seconds(left)) / (end - begun)
    raise AssertionError(f"no line with an estimate: {lines}")


SHAPES = {
    "flat": lambda c: 1.0,
    "short windows trade more": lambda c: 0.2 + 10.0 / c["fast"],
    "the same along the last axis": lambda c: 0.2 + 40.0 / c["slow"],
    "ascending": lambda c: c["fast"] ** 2,
    "half is nearly free": lambda c: np.where(c["fast"] < 50, 0.02, 1.0),
    "both axes": lambda c: np.abs(c["slow"] - 2.0 * c["fast"]) + 5.0,
}


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("length", [30.0, 1_000.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_told_after_five_seconds_within_a_fifth(shape, length, stored, clock, monkeypatch):
    grid = Grid.full(
        {"fast": range(2, 102), "slow": range(20, 220), "stop_loss": [0.01 * k for k in range(1, 101)]}
    )
    cost = SHAPES[shape]
    mean = np.mean(np.broadcast_to(cost(grid.columns(0, len(grid))), len(grid)))
    batch = Costly(clock, cost, length / mean / len(grid), warm_up=9.0)
    monkeypatch.setattr(ranges_module, "make_batch", lambda *a, **k: batch)
    # What a bar is thought to cost is four times wrong.
    monkeypatch.setattr(ranges_module, "_SECONDS", [length / len(grid) / len(BARS) / 4.0] * 3)
    work = Work(EngineSettings(), resolve("ma_crossover"), {"x": BARS}, grid, ("sharpe",))
    stream = Recorded(clock)
    with SweepProgress(len(grid), metric="sharpe", mode="lines", stream=stream) as shown:
        runner = Ranges(work, Team(1), 1 << 30, stored=stored)
        if stored:
            bounds = [(k, min(k + 16_384, len(grid))) for k in range(0, len(grid), 16_384)]
            done = {number: len(columns["sharpe"]) for number, columns in runner.tiles(bounds, shown)}
            assert done == {number: stop - start for number, (start, stop) in enumerate(bounds)}
        else:
            runner.rows(0, len(grid), shown)
    share = foretold(stream.lines, 1_009.0, clock.now)
    assert 0.8 <= share <= 1.2


@pytest.mark.parametrize("busy", [(0.5, 0.0), (0.0, 0.5)])
@pytest.mark.parametrize("shape", ["flat", "short windows trade more", "both axes"])
def test_other_programs_that_end_or_begin_while_it_runs(shape, busy, clock, monkeypatch):
    grid = Grid.full({"fast": range(2, 102), "slow": range(20, 220)})
    mean = np.mean(np.broadcast_to(SHAPES[shape](grid.columns(0, len(grid))), len(grid)))

    class Disturbed(Costly):
        def run(self, columns, out, done):
            share, before = busy[int(clock.now > 1_002.0)], clock.now

            def told(count, values):
                nonlocal before
                waited = (clock.now - before) * share / (1.0 - share)
                clock.now += waited
                clock.others += waited
                before = clock.now
                done(count, values)

            super().run(columns, out, told)

    batch = Disturbed(clock, SHAPES[shape], 60.0 / mean / len(grid), warm_up=0.0)
    monkeypatch.setattr(ranges_module, "make_batch", lambda *a, **k: batch)
    monkeypatch.setattr(ranges_module, "_SECONDS", [60.0 / len(grid) / len(BARS)] * 3)
    work = Work(EngineSettings(), resolve("ma_crossover"), {"x": BARS}, grid, ("sharpe",))
    stream = Recorded(clock)
    with SweepProgress(len(grid), metric="sharpe", mode="lines", stream=stream) as shown:
        Ranges(work, Team(1), 1 << 30, stored=False).rows(0, len(grid), shown)
    assert 0.8 <= foretold(stream.lines, 1_000.0, clock.now) <= 1.2


def test_data_sets_of_different_length(clock, monkeypatch):
    grid = Grid.full({"fast": range(2, 102), "slow": range(20, 120)}).crossed("data", ["a", "b", "c", "d"])
    monkeypatch.setattr(
        ranges_module,
        "make_batch",
        lambda shared, item, bars, *a, **k: Costly(clock, lambda c: 1.0, len(bars) * 5e-7, 0.02),
    )
    data = {name: synthetic(500 * 3**k, seed=1) for k, name in enumerate("abcd")}
    work = Work(EngineSettings(), resolve("ma_crossover"), data, grid, ("sharpe",))
    monkeypatch.setattr(ranges_module, "_SECONDS", [5e-7] * 3)
    stream = Recorded(clock)
    with SweepProgress(len(grid), metric="sharpe", mode="lines", stream=stream) as shown:
        Ranges(work, Team(1), 1 << 30, stored=False).rows(0, len(grid), shown)
    assert 0.8 <= foretold(stream.lines, 1_000.02, clock.now) <= 1.2


@pytest.mark.parametrize("stored", [False, True])
def test_python_functions(stored, clock, tmp_path, monkeypatch):
    def slow_where_short(df, params):
        clock.now += 0.05 + 2.0 / params["window"]
        return df["close"] > df["close"].rolling_mean(params["window"])

    item = strategy(schema=(Param("window", "int", 5, low=2, high=1000),), name="s")(slow_where_short)
    stream = Recorded(clock)
    sweep = Sweep(item, {"window": range(2, 402)}, BARS)
    monkeypatch.setattr(
        sweep,
        "_progress",
        lambda mode, ranges=None: SweepProgress(400, mode="lines", stream=stream, ranges=ranges),
    )
    monkeypatch.setattr("peak_fast.sweep.run.functions._REPORT", 0.0)
    sweep.run(store=tmp_path / "s" if stored else None, threads=1)
    assert 0.8 <= foretold(stream.lines, 1_000.0, clock.now) <= 1.2


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 64, 1_000])
def test_the_first_of_a_spread_lie_evenly_among_all(count):
    order = spread(count)
    assert sorted(order.tolist()) == list(range(count))
    for taken in (4, 16, 100):
        if taken * 4 <= count:
            gaps = np.diff(np.sort(np.concatenate(([0], order[:taken], [count]))))
            assert gaps.max() <= 2 * count / taken + 2


def test_a_sweep_that_waits_for_the_compiler_is_not_slow(clock):
    stream = io.StringIO()
    with SweepProgress(1_000_000, mode="lines", stream=stream) as shown:
        clock.now += 60.0
        for _ in range(60):
            shown.advance(1_000)
            clock.now += 0.1
    assert stream.getvalue().splitlines()[0].split(" · ")[2:] == ["10,000/s", "1 min 35 s left"]
