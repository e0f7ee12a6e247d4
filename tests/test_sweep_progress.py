"""The progress display of a sweep."""

import io
import math
import threading

import pytest

from peak_fast.sweep import progress as progress_module
from peak_fast.sweep.progress import SweepProgress, duration
from tests.sweep_fakes import Clock

# --- progress ----------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return clock


def test_lines_are_written_per_tenth_with_rate_rest_and_best(clock):
    stream = io.StringIO()
    with SweepProgress(10_000, metric="sharpe", stream=stream) as progress:
        for number in range(100):
            clock.now += 0.5
            progress.advance(100, best=math.nan if number % 2 else number / 10, best_params={"fast": number})
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "sweep  10% · 1,000 of 10,000 · 200/s · 45 s left · best sharpe 0.8 at fast=8"
    assert lines[-1] == "sweep 100% · 10,000 of 10,000 · 200/s · 50 s · best sharpe 9.80 at fast=98"


def test_an_interrupted_run_leaves_its_last_state(clock):
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), SweepProgress(1000, stream=stream) as progress:
        clock.now += 1.0
        progress.advance(150)
        progress.advance(17)
        raise KeyboardInterrupt
    assert stream.getvalue().splitlines()[-1].startswith("sweep  16% · 167 of 1,000 · 167/s")


def test_less_is_better_and_earlier_work_does_not_count_as_speed(clock):
    stream = io.StringIO()
    with SweepProgress(1000, done=500, metric="volatility", stream=stream) as progress:
        assert progress.done == 500
        clock.now += 10.0
        progress.advance(100, best=0.3)
        progress.advance(100, best=0.2)
        progress.advance(100, best=0.4)
    assert (
        stream.getvalue().splitlines()[-1]
        == "sweep  80% · 800 of 1,000 · 30/s · 6.7 s left · best volatility 20.0%"
    )


def test_a_sweep_that_goes_on_says_nothing_before_it_knows_something(clock):
    stream = io.StringIO()
    with SweepProgress(1000, done=550, metric="sharpe", mode="lines", stream=stream) as progress:
        for _ in range(45):
            clock.now += 0.1
            progress.advance(1)
        assert stream.getvalue() == ""
        for _ in range(10):
            clock.now += 0.1
            progress.advance(1)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("sweep  60% · 600 of 1,000 · 10/s · 40 s left")


def test_a_bar_is_redrawn_at_most_ten_times_a_second(clock, monkeypatch):
    from rich.console import Console

    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    drawn = []
    monkeypatch.setattr(
        progress_module._Bar,
        "show",
        lambda self, state, show=progress_module._Bar.show: (drawn.append(state.done), show(self, state)),
    )
    with SweepProgress(3000, metric="sharpe", console=console) as progress:
        for _ in range(3000):
            clock.now += 0.001
            progress.advance(1, best=0.5)
    assert 25 <= len(drawn) <= 30  # three seconds, less the quiet start
    text = console.file.getvalue()
    assert "100%" in text and "1,000/s" in text and "best sharpe 0.5" in text


def test_short_and_silent_sweeps_show_nothing(clock):
    for mode in ("auto", "off", False):
        stream = io.StringIO()
        with SweepProgress(10, mode=mode, stream=stream) as progress:
            clock.now += 0.2 if mode == "auto" else 20.0
            progress.advance(10)
        assert stream.getvalue() == "" and progress.done == 10


def test_a_notebook_shows_one_bar_that_is_replaced(clock, monkeypatch):
    import sys
    import types

    shown = []

    class Handle:
        def update(self, content):
            shown.append(content)

    def display(content, display_id):
        assert display_id is True
        shown.append(content)
        return Handle()

    shell = type("ZMQInteractiveShell", (), {})()
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    displays = types.ModuleType("IPython.display")
    displays.HTML, displays.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", displays)
    with SweepProgress(100, metric="sharpe") as progress:
        for _ in range(4):
            clock.now += 1.0
            progress.advance(25, best=1.5)
    assert len(shown) == 5
    assert 'value="25" max="100"' in shown[0] and "100%" in shown[-1] and "best sharpe 1.50" in shown[-1]


def test_threads_lose_no_count():
    progress = SweepProgress(80_000, mode="off")
    threads = [
        threading.Thread(target=lambda: [progress.advance(1) for _ in range(10_000)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress.done == 80_000


def test_reports_between_two_lines_write_nothing(clock):
    """Sweeps report after every piece of their work; what that costs each time is measured in bench."""
    stream = io.StringIO()
    with SweepProgress(10**9, metric="sharpe", stream=stream) as progress:
        for number in range(20_000):
            progress.advance(1, best=number, best_params={"fast": number})
        assert stream.getvalue() == ""
        clock.now += 60.0
        progress.advance(10**8)
    assert stream.getvalue().startswith("sweep  10% · 100,020,000 of 1,000,000,000")


def test_spans_are_said_as_people_do():
    assert [duration(x) for x in (0.04, 9.94, 9.96, 75, 3599.6, 7500, math.inf)] == [
        "0.0 s",
        "9.9 s",
        "10 s",
        "1 min 15 s",
        "1 h 00 min",
        "2 h 05 min",
        "unknown time",
    ]


def test_what_is_waited_for_is_shown_after_a_moment_until_something_is_finished(monkeypatch):
    monkeypatch.setattr(progress_module, "QUIET", 0.01)
    shown, stream = threading.Event(), io.StringIO()
    stream.flush = shown.set
    with SweepProgress(4, stream=stream, name="walk forward") as progress:
        progress.waits("starting 4 processes on this machine")
        assert shown.wait(60.0)
        progress.waits(None)
        progress.advance(4)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "walk forward: starting 4 processes on this machine"
    assert lines[-1].startswith("walk forward 100% · 4 of 4")


def test_nothing_is_said_of_a_wait_that_is_over_or_where_nothing_is_shown():
    stream = io.StringIO()
    with SweepProgress(4, stream=stream) as progress:
        progress.waits("connecting to tcp://host:8786")
    with SweepProgress(4, stream=stream, mode="off") as progress:
        progress.waits("connecting to tcp://host:8786")
    assert not stream.getvalue()
