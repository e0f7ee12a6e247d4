"""How much of the work a task gets: as many items as take about a second, less towards the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

SECONDS = 1.0
"""Time that a task shall take."""

LEAST_SECONDS = 0.2
"""Tasks are not made shorter than this: a scheduler serves some thousands a second."""

# So many tasks wait for each worker: it never waits for the next one.
_AHEAD = 2
# While there is work for so many seconds besides, more of it is shown to the scheduler, by which clusters that grow
# and shrink by themselves decide.
_PLENTY, _MOST_AHEAD = 10.0, 12
_FIRST = 4096


def merged(ranges: Iterable[tuple[int, int]]) -> deque[tuple[int, int]]:
    """Ranges in ascending order, those that touch as one."""
    found: deque[tuple[int, int]] = deque()
    for start, stop in sorted(ranges):
        if found and found[-1][1] == start:
            start = found.pop()[0]
        if start < stop:
            found.append((start, stop))
    return found


class Pace:
    """What is left to be handed out, and in pieces of which size.

    Parameters
    ----------
    ranges
        Numbers of the items.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._todo = merged(ranges)
        self.left = sum(stop - start for start, stop in self._todo)
        self._speed = 0.0

    def measured(self, items: int, seconds: float, *, fresh: bool) -> None:
        """Learn from a task; what a worker does first tells least."""
        speed = items / max(seconds, 1e-6)
        if not self._speed:
            self._speed = speed
        elif not fresh:
            self._speed += 0.3 * (speed - self._speed)

    def give_back(self, start: int, stop: int) -> None:
        """Take back what was not done; it comes next."""
        if start < stop:
            self._todo.appendleft((start, stop))
            self.left += stop - start

    def wants(self, tasks: int, workers: int) -> bool:
        """Whether another task is to be handed out while there are so many."""
        if not self.left:
            return False
        if tasks < _AHEAD * workers:
            return True
        plenty = self._speed and self.left / (self._speed * max(workers, 1)) > _PLENTY
        return bool(plenty) and tasks < _MOST_AHEAD * workers

    def take(self, workers: int) -> tuple[int, int]:
        """The next piece."""
        start, stop = self._todo.popleft()
        cut = min(start + self._size(max(workers, 1)), stop)
        if cut < stop:
            self._todo.appendleft((cut, stop))
        self.left -= cut - start
        return start, cut

    def _size(self, workers: int) -> int:
        fair = -(-self.left // (2 * workers))
        if not self._speed:
            return max(min(fair, _FIRST), 1)
        return max(min(int(self._speed * SECONDS), max(fair, int(self._speed * LEAST_SECONDS))), 1)
