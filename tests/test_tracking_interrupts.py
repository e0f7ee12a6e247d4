"""Ctrl-C at every line, and at every instruction, of recording: at most that run is lost, and nothing is mixed up."""

import os
import sys
import threading
import warnings
from pathlib import Path

import pytest

import peak_fast
from peak_fast import BacktestEngine, MLflowTracker, synthetic
from peak_fast.tracking.caller import background
from tests.tracking_segments import read_runs

HERE = str(Path(peak_fast.__file__).parent)
# Two strategies, so that each run needs what the one before has not left behind.
STRATEGIES = (("ma_crossover", {"fast": 3, "slow": 8}), ("momentum", {"period": 5}))


class Interrupt(BaseException):
    """Stands for KeyboardInterrupt, whose line at the end of a script is not the matter here."""


class At:
    """Raises at one line or instruction of this package, counted from 0; -1 only counts them."""

    def __init__(self, place, opcodes):
        self.place, self.opcodes, self.seen = place, opcodes, 0

    def __enter__(self):
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_):
        sys.settrace(None)

    def _enter(self, frame, event, _):
        if not frame.f_code.co_filename.startswith(HERE):
            return None
        frame.f_trace_opcodes = self.opcodes
        return self._step

    def _step(self, frame, event, _):
        if event == ("opcode" if self.opcodes else "line"):
            self.seen += 1
            if self.seen - 1 == self.place:
                sys.settrace(None)
                raise Interrupt
        return self._step


@pytest.fixture(scope="module")
def results():
    bars = (synthetic(60, seed=1), synthetic(70, seed=2))
    return [
        BacktestEngine().run(prices, name, params)
        for prices, (name, params) in zip(bars, STRATEGIES, strict=True)
    ]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No writer looks at the spool meanwhile."""
    monkeypatch.setattr(background, "INTERVAL", 0.0)


def record(tracker, result, number):
    tracker.start_run(f"run {number}")
    tracker.log_result(result)
    tracker.log_metrics({"number": float(number)})
    tracker.end_run()


def record_in_block(tracker, result, number):
    with tracker.start_run(f"run {number}"):
        tracker.log_result(result)
        tracker.log_metrics({"number": float(number)})


def session(folder, results, first, place, opcodes, record=record):
    """One process's work: an interrupt while run ``first`` is recorded, then more runs; what is in the spool."""
    os.environ["PEAK_FAST_SPOOL_DIR"] = str(folder)
    tracker = MLflowTracker(f"sqlite:///{folder}/m.db", "stop", artifacts="full")
    channel = tracker._channel
    for number in range(first):
        record(tracker, results[number % 2], number)
    at = At(place, opcodes)
    try:
        with at:
            record(tracker, results[first % 2], first)
    except Interrupt:
        pass
    for number in range(first + 1, first + 4):
        record(tracker, results[number % 2], number)
    free = []
    thread = threading.Thread(
        target=lambda: free.append(channel.lock.acquire(timeout=5) and channel.lock.release())
    )
    thread.start()
    thread.join()
    assert free == [None], "another thread would wait for ever"
    channel.drop()
    background.unwatch(channel)
    runs = read_runs(channel.folder)
    for path in channel.folder.iterdir():
        path.unlink()
    return at.seen, runs


def check(runs, first):
    for number in range(first + 4):
        update = runs.pop(f"run {number}", None)
        if number == first and update is None:
            continue
        strategy, params = STRATEGIES[number % 2]
        whole = {
            "strategy.name": strategy,
            **{f"strategy.params.{name}": str(value) for name, value in params.items()},
            "data.bars": str((60, 70)[number % 2]),
        }
        had = {name: value for name, value in update.params.items() if name in whole}
        numbers = [value for name, value, _, _ in update.metrics if name == "number"]
        if number == first:
            assert had in ({}, whole)
            assert numbers in ([], [float(number)])
            assert update.end[0] in ("FINISHED", "KILLED", "FAILED")
        else:
            assert (had, numbers, update.end[0]) == (whole, [float(number)], "FINISHED"), number
    # A run that was interrupted before its name was there.
    assert all(not update.params and not update.metrics for update in runs.values()), runs


def everywhere(folder, results, first, opcodes, step=1, record=record):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        total, runs = session(folder, results, first, -1, opcodes, record)
        check(runs, first)
        assert total > 100
        for place in range(0, total, step):
            _, runs = session(folder, results, first, place, opcodes, record)
            try:
                check(runs, first)
            except AssertionError as error:
                raise AssertionError(f"interrupted at {place} of {total}: {error}") from error
    return total


@pytest.mark.parametrize("first", [0, 1, 3])
def test_an_interrupt_at_a_line_loses_that_run_at_most(first, results, tmp_path):
    """Every line of a later run; of the first one, which opens the spool, every seventh."""
    everywhere(tmp_path, results, first, opcodes=False, step=1 if first else 7)


def test_an_interrupt_at_a_line_of_a_block_loses_that_run_at_most(results, tmp_path):
    everywhere(tmp_path, results, 2, opcodes=False, record=record_in_block)


@pytest.mark.nightly
@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_an_interrupt_at_an_instruction_loses_that_run_at_most(first, results, tmp_path):
    everywhere(tmp_path, results, first, opcodes=True)
