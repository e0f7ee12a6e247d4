"""How many configurations a project has tried, and how much their Sharpe ratios vary: N and V of the deflated ratio.

>>> from peak_fast.trials import TrialRegistry
>>> registry = TrialRegistry("research/trials.sqlite")
>>> registry.path.name
'trials.sqlite'
"""

from __future__ import annotations

import atexit
import hashlib
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import place, shown
from peak_fast.errors import ConfigError, PeakFastError
from peak_fast.guard import guarded_class
from peak_fast.statistics import deflated_sharpe
from peak_fast.trials import file as _file
from peak_fast.trials.hashing import Hashes
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    import polars as pl

NAME = "trials.sqlite"
_SOON = 0.25
Trial = tuple[str, int, Callable[[], float]]


@guarded_class(without=("later",))
class TrialRegistry:
    """A file that counts trials; any number of processes may write to it.

    Sweeps, studies and single runs of `peak_fast` write to it where they are given ``registry=``; a configuration,
    which is its data, strategy, settings and parameters, counts once however often and in whatever way it is run.

    Parameters
    ----------
    path
        The file, or a folder for one named ``trials.sqlite``, as a new name without a suffix is.  It is made with the
        first trial.

    Raises
    ------
    ConfigError
        No path.
    StoreError
        From what reads or writes: the file is damaged, is no registry, or cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        given = place("registry", path, f"research/{NAME}").expanduser()
        is_folder = given.is_dir() or not (given.suffix or given.exists())
        self.path = (given / NAME if is_folder else given).absolute()
        self._waiting: list[Callable[[], Trial]] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._seen: set[int] = set()
        self._ends = False
        self.errors: list[str] = []
        """What went wrong with single runs, which are counted behind the caller's back."""

    def check(self) -> None:
        """Raise where the file cannot be used, before work is done."""
        _file.check(self.path)

    def add(self, kind: str, name: str, hashes: Hashes, sharpes: Any = None) -> None:
        """Count configurations.

        Parameters
        ----------
        kind, name
            What tried them: "sweep", "study", "run" or a word of your own; and its name, such as the strategy's.
        hashes
            Eight bytes for each configuration, ``uint64``.
        sharpes
            Their Sharpe ratios *per period*; NaN or None where they are not known.
        """
        keys = np.asarray(hashes, dtype=np.uint64).reshape(-1)
        figures = np.full(keys.size, math.nan) if sharpes is None else np.asarray(sharpes, dtype=np.float64)
        if figures.shape != keys.shape:
            raise ConfigError(
                f"sharpes: expected {keys.size} ratios, one for each trial; got shape {figures.shape}"
            )
        if keys.size:
            _file.write(self.path, str(kind), str(name), keys, figures)

    def add_parts(self, kind: str, name: str, parts: Iterable[Hashes]) -> None:
        """Count more configurations than are kept one by one, by their number and digest: all are distinct.

        ``parts``: their hashes, some at a time, in an order that is the same each time.
        """
        digest, count = hashlib.blake2b(f"{kind}\0{name}\0parts\0".encode(), digest_size=16), 0
        for part in parts:
            digest.update(np.ascontiguousarray(part, dtype="<u8").data)
            count += part.size
        if count:
            _file.write_number(self.path, str(kind), str(name), digest.hexdigest(), count)

    def add_experiment(self, experiment: str, tracking_uri: str | None = None) -> None:
        """Count the single runs that are tracked in an MLflow experiment.

        They are told apart by what was tracked of data, strategy, settings and parameters, and not matched with runs
        that were counted here with ``registry=``: count by one of the two.  Called again, it counts what is new.
        """
        from peak_fast.trials.experiment import tracked_trials

        keys, sharpes = tracked_trials(experiment, tracking_uri)
        held = [
            entry.hashes for entry in self.entries if entry.kind == "tracked" and entry.hashes is not None
        ]
        fresh = ~np.isin(keys, np.concatenate(held)) if held else np.ones(keys.size, dtype=bool)
        self.add("tracked", experiment, keys[fresh], sharpes[fresh])

    def later(self, make: Callable[[], Trial]) -> None:
        """Count a single run soon, on another thread: ``make`` gives its name, hash, and what gives its Sharpe."""
        with self._lock:
            self._waiting.append(make)
            if self._thread is None or self._process != os.getpid():
                self._begin()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        by_name: dict[str, list[tuple[int, float]]] = {}
        for make in waiting:
            try:
                name, key, sharpe = make()
                if key not in self._seen:
                    self._seen.add(key)
                    by_name.setdefault(name, []).append((key, sharpe()))
            except Exception as error:
                self.errors.append(f"a run was not counted: {error}")
        for name, trials in by_name.items():
            keys, sharpes = zip(*trials, strict=True)
            self.add("run", name, np.array(keys, dtype=np.uint64), np.array(sharpes))

    @property
    def entries(self) -> list[_file.Entry]:
        """What was counted: sweeps, studies and handfuls of single runs, in the order of time."""
        self.flush()
        return _file.read(self.path)

    @property
    def trials(self) -> int:
        """N: configurations that were tried, each once."""
        return self._union(self.entries)[0]

    @property
    def sharpes(self) -> FloatArray:
        """Sharpe ratios per period of the distinct trials whose ratio is known."""
        return self._union(self.entries)[1]

    @property
    def variance(self) -> float:
        """V: variance (``ddof`` 1) of `sharpes`; NaN for fewer than two."""
        known = self.sharpes
        return float(known.var(ddof=1)) if known.size > 1 else math.nan

    def deflated_sharpe(self, sharpe: Any, observations: Any, skew: Any = 0.0, kurtosis: Any = 3.0) -> Any:
        """`peak_fast.statistics.deflated_sharpe` with N and V of all that was tried; ``sharpe`` per period."""
        count, known = self._union(self.entries)
        spread = float(known.var(ddof=1)) if known.size > 1 else (0.0 if count == 1 else math.nan)
        return deflated_sharpe(sharpe, observations, count, spread, skew, kurtosis)

    @property
    def frame(self) -> pl.DataFrame:
        """One row for each entry: made, kind, name, configurations, new (not in an earlier one)."""
        import polars as pl

        entries, seen, new = self.entries, np.empty(0, dtype=np.uint64), []
        for entry in entries:
            fresh = None if entry.hashes is None else np.setdiff1d(entry.hashes, seen, assume_unique=True)
            new.append(entry.count if fresh is None else fresh.size)
            seen = seen if fresh is None else np.union1d(seen, fresh)
        return pl.DataFrame({
            "made": [entry.made for entry in entries], "kind": [entry.kind for entry in entries],
            "name": [entry.name for entry in entries], "configurations": [entry.count for entry in entries],
            "new": new,
        }, schema_overrides={"made": pl.String, "kind": pl.String, "name": pl.String})  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """N, V and what they come from, ready for JSON."""
        entries = self.entries
        count, known = self._union(entries)
        return {
            "path": str(self.path), "trials": count, "entries": len(entries), "with_sharpe": int(known.size),
            "sharpe_variance": float(known.var(ddof=1)) if known.size > 1 else None,
            "kinds": {kind: sum(e.kind == kind for e in entries) for kind in sorted({e.kind for e in entries})},
        }  # fmt: skip

    def summary(self) -> str:
        """The same in words."""
        plain = self.to_dict()
        kinds = ", ".join(f"{number:,} of {kind}" for kind, number in plain["kinds"].items()) or "none"
        spread = plain["sharpe_variance"]
        known = f"Sharpe ratios of {plain['with_sharpe']:,} are known"
        return (
            f"{plain['trials']:,} configurations tried in {plain['entries']:,} entries ({kinds}); {known}"
            + ("" if spread is None else f", their standard deviation per period is {math.sqrt(spread):.4g}")
        )

    def __repr__(self) -> str:
        return f"TrialRegistry({str(self.path)!r})"

    @staticmethod
    def _union(entries: list[_file.Entry]) -> tuple[int, FloatArray]:
        """Number of distinct configurations, and the ratios that are known of them, the first known of each."""
        counted = sum(entry.count for entry in entries if entry.hashes is None)
        held = [entry for entry in entries if entry.hashes is not None]
        if not held:
            return counted, np.empty(0)
        keys = np.concatenate([entry.hashes for entry in held if entry.hashes is not None])
        figures = np.concatenate([entry.sharpes for entry in held if entry.sharpes is not None])
        known = np.isfinite(figures)
        _, first = np.unique(keys[known], return_index=True)
        return counted + int(np.unique(keys).size), figures[known][first]

    def _begin(self) -> None:
        if self._process != os.getpid() or not self._ends:
            self._ends = True
            atexit.register(_flush_last, weakref.ref(self))
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._flush_soon, name="peak_fast trials", daemon=True)
        self._thread.start()

    def _flush_soon(self) -> None:
        """Write what waits every quarter of a second, until nothing does."""
        while True:
            time.sleep(_SOON)
            _flush(self)
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return


def registry_or_none(registry: Any) -> TrialRegistry | None:
    """A registry, from one or a path; None: none.

    Raises
    ------
    ConfigError
        Something else.
    """
    if registry is None or isinstance(registry, TrialRegistry):
        return registry
    if not isinstance(registry, str | os.PathLike):
        raise ConfigError(
            f"registry: expected a path or a TrialRegistry; got {shown(registry)}; write for example {NAME!r}"
        )
    return TrialRegistry(registry)  # type: ignore[arg-type]


def _flush_last(held: weakref.ref[TrialRegistry]) -> None:
    registry = held()
    if registry is not None and registry._process == os.getpid():
        _flush(registry)


def _flush(registry: TrialRegistry) -> None:
    try:
        registry.flush()
    except PeakFastError as error:
        registry.errors.append(str(error))
