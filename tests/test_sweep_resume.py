"""Sweeps with a store: resumed, refused, stopped, killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import polars as pl
import pytest

from peak_fast import (
    Costs,
    Stops,
    Sweep,
    synthetic,
)
from peak_fast.errors import StoreError
from peak_fast.strategies.registry import resolve
from peak_fast.sweep import evaluate
from peak_fast.sweep.run.ranges import Ranges
from tests.sweep_cases import ROOT, run, same
from tests.sweep_process import make_sweep

# Store


class TestStore:
    GRID = {"fast": range(2, 32), "slow": range(40, 80)}  # noqa: RUF012

    def sweep(self, **changed):
        return Sweep(
            "ma_crossover",
            self.GRID,
            synthetic(300, seed=5),
            **{"metrics": ("sharpe", "max_drawdown"), **changed},
        )

    def test_a_stored_table_is_the_table(self, tmp_path):
        expected = run(self.sweep(blocks=True)).frame
        stored = run(self.sweep(blocks=True), store=tmp_path / "store")
        assert stored.is_stored
        same(stored.frame, expected)

    def test_resume_computes_what_is_missing_only(self, tmp_path, monkeypatch):
        folder = tmp_path / "store"
        expected = run(self.sweep(), store=folder).frame
        parts = sorted(folder.glob("part-*.parquet"))
        assert len(parts) >= 4
        before = {path: path.stat().st_mtime_ns for path in parts}
        parts[1].unlink()
        parts[3].unlink()
        counted = []
        original = Ranges.rows
        monkeypatch.setattr(
            Ranges, "rows", lambda *args: counted.append(args[2] - args[1]) or original(*args)
        )
        same(run(self.sweep(), store=folder).frame, expected)
        assert len(counted) == 2
        same(run(self.sweep(), store=folder).frame, expected)
        assert len(counted) == 2
        for k, path in enumerate(parts):
            assert (path.stat().st_mtime_ns == before[path]) == (k not in (1, 3))

    @pytest.mark.parametrize(
        ("changed", "named"),
        [
            ({"costs": Costs(rate=0.002)}, r"settings\.costs\.rate \(0\.0 -> 0\.002\)"),
            ({"initial_cash": 5.0}, r"settings\.initial_cash"),
            ({"stops": Stops(stop_loss=0.1)}, r"settings\.stops\.stop_loss"),
            ({"metrics": ("sharpe",)}, r"metrics"),
            ({"blocks": True}, r"settings\.blocks"),
        ],
    )
    def test_changed_work_is_refused_by_name(self, tmp_path, changed, named):
        folder = tmp_path / "store"
        run(self.sweep(), store=folder)
        with pytest.raises(StoreError, match=f"changed: .*{named}.*resume='restart' .--restart."):
            run(self.sweep(**changed), store=folder)
        table = run(self.sweep(**changed), store=folder, resume="restart").frame
        same(table, run(self.sweep(**changed)).frame)

    def test_changed_data_strategy_and_defaults_are_refused(self, tmp_path):
        folder = tmp_path / "store"
        run(self.sweep(), store=folder)
        with pytest.raises(StoreError, match=r"changed: data"):
            run(
                Sweep("ma_crossover", self.GRID, synthetic(300, seed=6), metrics=("sharpe", "max_drawdown")),
                store=folder,
            )
        with pytest.raises(StoreError, match=r"changed: .*strategy"):
            run(
                Sweep("ema_crossover", self.GRID, synthetic(300, seed=5), metrics=("sharpe", "max_drawdown")),
                store=folder,
            )
        from dataclasses import replace

        item = resolve("ma_crossover")
        schema = (*item.schema[:2], replace(item.schema[2], default=True))
        with pytest.raises(StoreError, match=r"strategy\.defaults\.allow_short \(false -> true\)"):
            run(
                Sweep(
                    replace(item, schema=schema),
                    self.GRID,
                    synthetic(300, seed=5),
                    metrics=("sharpe", "max_drawdown"),
                ),
                store=folder,
            )

    def test_an_interrupted_call_says_how_to_go_on(self, tmp_path, monkeypatch):
        calls = []
        original = Ranges.rows

        def interrupted(*args):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return original(*args)

        monkeypatch.setattr(Ranges, "rows", interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            run(self.sweep(), store=tmp_path / "store")
        said = caught.value.stopped
        assert "2 of 5 parts are in" in said and "the same call continues there" in said
        assert len(list((tmp_path / "store").glob("part-*.parquet"))) == 2
        monkeypatch.undo()
        same(run(self.sweep(), store=tmp_path / "store").frame, run(self.sweep()).frame)


# Processes


def prepare(folder, scale=1):
    """A process that loads what a sweep needs."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sweep_process", str(folder), str(scale)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def begin(process):
    """Let it sweep."""
    assert process.stdout.readline() == "ready\n", process.communicate()
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.fixture
def processes():
    """Processes of a test; none outlives it."""
    started = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="SIGINT to another process is POSIX")
def test_ctrl_c_stops_within_a_second_and_keeps_what_is_done(tmp_path, processes):
    folder = tmp_path / "store"
    process = prepare(folder, scale=100)
    processes.append(process)
    begin(process)
    end = time.monotonic() + 60
    while not list(folder.glob("part-*.parquet")):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.005)
    # A second process is refused meanwhile, by the pid of the first.
    with pytest.raises(StoreError, match=rf"{process.pid}"):
        run(make_sweep(100), store=folder)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert float(out.split()[-1]) - sent < 1.0
    assert "the same call continues there" in err
    kept = pl.concat([pl.read_parquet(part) for part in sorted(folder.glob("part-*.parquet"))])
    assert 0 < len(kept) < len(make_sweep(100).grid)
    rows = kept.head(200)
    columns = {name: rows[name].to_numpy() for name in ("fast", "slow", "stop_loss")}
    sweep = make_sweep()
    found = evaluate(
        "ma_crossover", next(iter(sweep.data.values())), columns, metrics=sweep.metrics,
        costs=sweep.engine.costs, stops=sweep.engine.stops,
    )  # fmt: skip
    for name in sweep.metrics:
        assert found[name].tolist() == rows[name].to_list()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_killed_twenty_times_the_table_is_the_same(tmp_path, processes):
    expected = run(make_sweep()).frame
    began = time.perf_counter()
    run(make_sweep(), store=tmp_path / "timed")
    took = time.perf_counter() - began
    generator = random.Random(20)
    folder = tmp_path / "store"
    cut = 0
    processes += [prepare(folder), prepare(folder)]
    for kill in range(20):
        # The next ones load while this one is killed.
        process = processes[kill]
        processes.append(prepare(folder))
        begin(process)
        time.sleep(generator.uniform(0.0, took))
        process.kill()
        out, _ = process.communicate(timeout=30)
        if "done" in out:
            same(run(make_sweep(), store=folder).frame, expected)
            shutil.rmtree(folder)
        elif folder.exists() and 0 < len(list(folder.glob("part-*.parquet"))) < 10:
            cut += 1
    assert cut >= 3, "the kills must hit sweeps under way to prove anything"
    same(run(make_sweep(), store=folder).frame, expected)
    assert [path.name for path in folder.iterdir() if "tmp" in path.name] == []
