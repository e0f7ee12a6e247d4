"""How far a sweep is, and how long it takes: a bar in terminals and notebooks, a line per tenth elsewhere.

Configurations differ in what they cost.  So a sweep runs them in an order in which the first lie evenly among all
(`peak_fast.sweep.run.threads.spread`), and the rest is told from what each part of the grid has taken.

Threads report finished configurations with ``advance``. At most ten times a second one of them redraws, so
that the display costs nothing that could be measured next to the work. A sweep that ends within a third of a
second shows no bar at all.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO

from peak_fast.errors import ConfigError
from peak_fast.metrics import higher_is_better
from peak_fast.sweep.estimate import Estimate
from peak_fast.sweep.view import format_metric, format_params

if TYPE_CHECKING:
    from rich.console import Console

MODES = ("auto", "bar", "lines", "notebook", "off")
INTERVAL = 0.1
QUIET = 0.3
# A rate is one of so many seconds at least.
_RATED = 0.25
# Where lines are written, one says after so many seconds how long the sweep takes.
TELLS = 5.0
_WIDTH = 40

Mode = Literal["auto", "bar", "lines", "notebook", "off"]


def check_mode(mode: Any) -> None:
    """Raise ConfigError for something that is no way of showing progress."""
    if not isinstance(mode, bool) and not (isinstance(mode, str) and mode in MODES):
        raise ConfigError(f"progress: expected True, False or one of {', '.join(MODES)}; got {mode!r}")


class _State:
    """What there is to show."""

    def __init__(
        self, total: int, done: int, metric: str | None, ranges: Sequence[tuple[int, int]] | None = None
    ) -> None:
        self.estimate = Estimate(total, done, ranges)
        self.total = total
        self.done = done
        self.already = done
        self.metric = metric
        self.started = time.perf_counter()
        self.first: tuple[float, int] | None = None
        self.workers: int | None = None
        self.waits: str | None = None
        self.best: float | None = None
        self.best_params: Mapping[str, Any] | None = None

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.started

    @property
    def running(self) -> float:
        """Seconds since the first configurations were finished."""
        return 0.0 if self.first is None else time.perf_counter() - self.first[0]

    @property
    def rate(self) -> float:
        """Configurations per second of this run; what an earlier run finished does not count.

        Nor does what comes before the first are finished: code is compiled there, and rows are computed that all share.
        """
        now = time.perf_counter()
        if self.first is not None:
            moment, done = self.first
            if now - moment > _RATED:
                return (self.done - done) / (now - moment)
        return (self.done - self.already) / max(now - self.started, 1e-9)

    def count(self, more: int) -> None:
        """Note that configurations are finished."""
        self.done += more
        now = time.perf_counter()
        self.estimate.add(more, now, time.process_time())
        if self.first is None:
            self.first = now, self.done

    def consider(self, value: float, params: Mapping[str, Any] | None) -> None:
        if math.isnan(value):
            return
        if self.best is not None:
            better = value > self.best if higher_is_better(self.metric or "") else value < self.best
            if not better:
                return
        self.best, self.best_params = value, params

    def text(self) -> str:
        if self.waits is not None:
            return self.waits
        parts = [f"{self.rate:,.0f}/s"]
        if self.done < self.total:
            rate, left = self.rate, self.estimate.left
            if left is None:
                left = (self.total - self.done) / rate if rate > 0 else math.inf
            parts.append(f"{duration(left)} left")
        else:
            parts.append(duration(self.elapsed))
        if self.workers is not None:
            parts.append(f"{self.workers} worker{'s'[: self.workers != 1]}")
        if self.best is not None and self.metric is not None:
            where = f" at {format_params(dict(self.best_params))}" if self.best_params else ""
            parts.append(f"best {self.metric} {format_metric(self.metric, self.best)}{where}")
        return " · ".join(parts)


def duration(seconds: float) -> str:
    """A time span as people say it: ``0.4 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if not math.isfinite(seconds):
        return "unknown time"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class _View(Protocol):
    def show(self, state: _State) -> None:
        """Draw a state."""

    def close(self, state: _State) -> None:
        """Leave the display after the last state was drawn."""


class _Lines:
    """A line whenever another tenth is done, and one after five seconds: for log files and pipes."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._tenth: int | None = None
        self._told = False

    def show(self, state: _State) -> None:
        if state.waits is not None:
            print(f"{self._name}: {state.waits}", file=self._stream, flush=True)
            return
        total = max(state.total, 1)
        if self._tenth is None:
            # What an earlier run had finished tells nothing about this one.
            self._tenth = 10 * state.already // total
        tenth = 10 * state.done // total
        tells = not self._told and state.running >= TELLS
        if tenth > self._tenth or tells:
            self._tenth, self._told = tenth, True
            self._write(state)

    def _write(self, state: _State) -> None:
        share = f"{100 * state.done // max(state.total, 1)}%"
        print(
            f"{self._name} {share:>4} · {state.done:,} of {state.total:,} · {state.text()}",
            file=self._stream,
            flush=True,
        )

    def close(self, state: _State) -> None:
        if state.done < state.total:
            self._write(state)


class _Bar:
    """A bar drawn by rich, without its refresh thread."""

    def __init__(self, console: Console | None, name: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self._progress = Progress(
            TextColumn(name),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[text]}"),
            console=console or Console(stderr=True),
            auto_refresh=False,
        )
        self._task: Any = None

    def show(self, state: _State) -> None:
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task("", total=state.total, text="")
        self._progress.update(self._task, completed=state.done, text=state.text())
        self._progress.refresh()

    def close(self, state: _State) -> None:
        if self._task is not None:
            self._progress.stop()


class _Notebook:
    """An HTML bar that is replaced in place; needs no widgets."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, state: _State) -> None:
        from IPython.display import HTML, display

        share = 100 * state.done / max(state.total, 1)
        content = HTML(
            f'<div style="font-family:monospace"><progress value="{state.done}" max="{state.total}" '
            f'style="width:{_WIDTH * 5}px"></progress> {share:.0f}% · {state.done:,} of {state.total:,} · '
            f"{state.text()}</div>"
        )
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)

    def close(self, state: _State) -> None:
        self._handle = None


def in_notebook() -> bool:
    """Whether output goes to a Jupyter kernel."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


class SweepProgress:
    """Progress of one sweep; use as a context manager.

    Parameters
    ----------
    total
        Number of configurations.
    done
        How many of them an earlier run had finished.
    metric
        Whose best value is shown.
    mode
        ``"bar"``, ``"lines"``, ``"notebook"``, ``"off"``, or ``"auto"``: what fits where the output goes.
        True means ``"auto"`` and False ``"off"``.
    stream
        Where lines go, and what decides whether this is a terminal: standard error by default.
    console
        Rich console of the bar.
    ranges
        Bounds of the configurations that are to be run; None: all.
    name
        What it is the progress of.

    Attributes
    ----------
    done : int
        Finished configurations, earlier ones included.
    """

    def __init__(
        self,
        total: int,
        *,
        done: int = 0,
        metric: str | None = None,
        mode: Mode | bool = "auto",
        stream: TextIO | None = None,
        console: Console | None = None,
        ranges: Sequence[tuple[int, int]] | None = None,
        name: str = "sweep",
    ) -> None:
        self._state = _State(total, done, metric, ranges)
        self._name = name
        self._timer: threading.Timer | None = None
        self._stream = stream
        self._console = console
        self._mode = {True: "auto", False: "off"}.get(mode, mode) if isinstance(mode, bool) else mode
        self._view: _View | None = None
        self._lock = threading.Lock()
        self._next = self._state.started + QUIET

    @property
    def done(self) -> int:
        """Finished configurations, those of an earlier run included."""
        return self._state.done

    @property
    def workers(self) -> int | None:
        """Workers of a cluster that compute; None: the threads of this process do."""
        return self._state.workers

    @workers.setter
    def workers(self, count: int) -> None:
        self._state.workers = count

    def _open_view(self) -> _View:
        stream = self._stream if self._stream is not None else sys.stderr
        mode = self._mode
        if mode == "auto":
            is_terminal = self._console.is_terminal if self._console is not None else stream.isatty()
            mode = "notebook" if in_notebook() else "bar" if is_terminal else "lines"
        if mode == "notebook":
            return _Notebook()
        return _Bar(self._console, self._name) if mode == "bar" else _Lines(stream, self._name)

    def where(self, first: int, last: int) -> None:
        """Say that the configurations that are finished next are some of ``[first, last)``."""
        with self._lock:
            self._state.estimate.where(first, last)

    def waits(self, what: str | None) -> None:
        """Say what is waited for before anything is finished, which is shown after a moment; None: that is over."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._state.waits = what
            if what is not None and self._mode != "off":
                self._timer = threading.Timer(QUIET, self._show_wait, [what])
                self._timer.daemon = True
                self._timer.start()

    def _show_wait(self, what: str) -> None:
        with self._lock:
            if self._state.waits == what and self._mode != "off":
                self._view = self._view or self._open_view()
                self._view.show(self._state)

    def advance(
        self, count: int, best: float | None = None, best_params: Mapping[str, Any] | None = None
    ) -> None:
        """Report finished configurations; may be called by any thread.

        Parameters
        ----------
        count
            How many more.
        best
            Best value of the metric among them; NaN and None are passed over.
        best_params
            Their parameters, for display.
        """
        state = self._state
        with self._lock:
            if self._mode == "off":
                state.done += count
                return
            state.count(count)
            if best is not None:
                state.consider(float(best), best_params)
            now = time.perf_counter()
            if now < self._next:
                return
            self._next = now + INTERVAL
            if self._view is None:
                self._view = self._open_view()
            self._view.show(state)

    def close(self) -> None:
        """Draw the last state and leave the line."""
        self.waits(None)
        with self._lock:
            view, self._view, self._mode = self._view, None, "off"
            if view is not None:
                view.show(self._state)
                view.close(self._state)

    def __enter__(self) -> SweepProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
