"""The thread that looks after the spools of a process: one that fails stops no other, and it can be told to stop."""

import threading
import time

import pytest

from peak_fast.tracking.caller import background


class Looked:
    """What the thread looks after; it counts the looks."""

    failing = False

    def __init__(self, error=None):
        self.error, self.looks, self.third = error, 0, threading.Event()

    def kick(self):
        self.looks += 1
        if self.looks == 3:
            self.third.set()
        if self.error is not None:
            raise self.error


@pytest.fixture
def rounds(monkeypatch):
    """Rounds of a thread of this test's own, every hundredth of a second."""
    monkeypatch.setattr(background, "_channels", set())
    monkeypatch.setattr(background, "_running", False)
    monkeypatch.setattr(background, "INTERVAL", 0.01)
    yield
    background._channels.clear()
    ended()


def ended(patience=20.0):
    deadline = time.monotonic() + patience
    while background._running and time.monotonic() < deadline:
        time.sleep(0.005)
    return not background._running


def test_one_that_fails_stops_no_other_and_no_later_round(rounds):
    bad, good = Looked(RuntimeError("no")), Looked()
    background.watch(bad)
    background.watch(good)
    assert bad.third.wait(20.0) and good.third.wait(20.0)


def test_an_interval_of_nothing_ends_the_rounds(rounds, monkeypatch):
    """Also those of a thread that runs already: it does not look at what comes later, and does not spin."""
    first, later = Looked(), Looked()
    background.watch(first)
    assert first.third.wait(20.0)
    monkeypatch.setattr(background, "INTERVAL", 0.0)
    assert ended()
    background.watch(later)
    assert not background._running and later.looks == 0
