"""Progress of a study: a bar in a terminal or notebook, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

_LINE_SECONDS = 10.0


def describe(state: Any) -> str:
    """Trials per second, best values and front size as one line of text."""
    best = ", ".join(f"{name} {value:.5g}" for name, value in state.best.items()) or "none yet"
    parts = [f"{state.rate:,.0f} trials/s", f"best: {best}"]
    if len(state.best) > 1:
        parts.append(f"front: {state.front_size}")
    if state.pruned:
        parts.append(f"pruned: {state.pruned:,}")
    if state.duplicates:
        parts.append(f"duplicates: {state.duplicates:,}")
    return "  ".join(parts)


class Display:
    """Shows ``Progress`` objects on standard error.

    Parameters
    ----------
    total
        Number of trials; None without a limit.
    objectives
        For the title.
    """

    def __init__(self, total: int | None, objectives: Sequence[str]) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._title = ", ".join(objectives)
        self._total = total
        self._bar: Any = None
        self._task: Any = None
        self._line = time.perf_counter()

    def __call__(self, state: Any) -> None:
        """Show a state."""
        if self._console.is_terminal or self._console.is_jupyter:
            self._draw(state)
        elif time.perf_counter() - self._line > _LINE_SECONDS:
            self._line = time.perf_counter()
            total = "" if self._total is None else f"/{self._total:,}"
            self._console.print(f"{state.finished:,}{total} trials  {describe(state)}", highlight=False)

    def _draw(self, state: Any) -> None:
        if self._bar is None:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=self._total, note="")
        self._bar.update(self._task, completed=state.finished, note=describe(state))

    def close(self) -> None:
        """Leave the last state on the screen and free the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
