"""From points to metrics: one call for many configurations, on one or several steps of data.

A step is a stretch of time (segment or walk-forward fold), an asset, or a stretch of an asset. Without any,
the data is one step. A study with several steps optimises the mean of its objective over them.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from peak_fast.errors import ConfigError, DataError, StrategyError, did_you_mean
from peak_fast.metrics import is_summed
from peak_fast.params import column_of
from peak_fast.studies.points import FAILED, Point, Space

_MINIMUM_BARS = 2


class Evaluator(Protocol):
    """Runs many configurations on one piece of data."""

    def __call__(self, columns: Mapping[str, Any], bars: Any, metrics: Sequence[str]) -> Mapping[str, Any]:
        """Metrics of every configuration.

        Parameters
        ----------
        columns
            One array of n values per parameter.
        bars
            The step's ``Bars``.
        metrics
            Names wanted.

        Returns
        -------
        mapping of str to array
            float64[n] per metric; NaN where a metric is undefined.
        """


class SweepEvaluator:
    """The compiled sweep as an evaluator.

    Parameters
    ----------
    strategy
        Name, function or compiled block, as the engine takes it.
    threads
        Threads of the sweep; None uses all.
    cluster
        Workers that run each generation, as in `Sweep.run`; those of an address stay connected inside ``with``.
    settings
        Keyword arguments of the engine (execution, costs, sizing, stops, risk_limits, initial_cash).
    """

    def __init__(
        self, strategy: Any, threads: int | None = None, *, cluster: Any = None, **settings: Any
    ) -> None:
        self.strategy = strategy
        self.threads = threads
        self.cluster = cluster
        self._crew: Any = None
        self._stack = contextlib.ExitStack()
        self.settings = {name: value for name, value in settings.items() if value is not None}

    def __call__(self, columns: Mapping[str, Any], bars: Any, metrics: Sequence[str]) -> Mapping[str, Any]:
        """See ``Evaluator``."""
        from peak_fast.sweep import evaluate

        found: Mapping[str, Any] = evaluate(
            self.strategy, bars, dict(columns), metrics=list(metrics), threads=self.threads,
            cluster=self._crew or self.cluster, **self.settings,
        )  # fmt: skip
        return found

    def __enter__(self) -> None:
        """Connect to the cluster, where there is one, for all calls until the end."""
        if self.cluster is not None:
            from peak_fast.sweep import crew_of

            self._crew = self._stack.enter_context(crew_of(self.cluster, self.threads))

    def __exit__(self, *exception: object) -> None:
        """Leave the cluster."""
        self._crew = None
        self._stack.close()


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of data that every configuration runs on."""

    name: str
    bars: Any


def make_steps(data: Any, segments: Any = None) -> tuple[Step, ...]:
    """Cut the data into steps.

    Parameters
    ----------
    data
        ``Bars``, or a dict of name to ``Bars``.
    segments
        Number of consecutive stretches of equal length, or ``(start, stop)`` bar positions of each (such as
        walk-forward folds). With several assets every asset is cut alike and a stretch of all of them comes
        before the next one.

    Raises
    ------
    ConfigError
        No asset, a number of segments that is not positive, or a stretch outside the data or under 2 bars.
    """
    assets = dict(data) if isinstance(data, Mapping) else {"": data}
    if not assets:
        raise ConfigError("expected at least one asset; got an empty dict; pass Bars or {'AAPL': bars}")
    if segments is None:
        return tuple(Step(name or "all", bars) for name, bars in assets.items())
    cut = {name: _stretches(bars, segments) for name, bars in assets.items()}
    steps = []
    for number in range(len(next(iter(cut.values())))):
        for name, bars in assets.items():
            start, stop = cut[name][number]
            label = f"{name}[{start}:{stop}]" if name else f"[{start}:{stop}]"
            steps.append(Step(label, bars.slice(start, stop)))
    return tuple(steps)


def _stretches(bars: Any, segments: Any) -> list[tuple[int, int]]:
    count = len(bars)
    if isinstance(segments, int) and not isinstance(segments, bool):
        if segments < 1 or count < segments * _MINIMUM_BARS:
            raise ConfigError(
                f"expected between 1 and {count // _MINIMUM_BARS} segments of {count} bars; got {segments}; "
                "choose fewer segments or more data"
            )
        edges = [round(count * k / segments) for k in range(segments + 1)]
        return list(itertools.pairwise(edges))
    found = []
    for start, stop in _pairs(segments):
        if not 0 <= start < stop <= count or stop - start < _MINIMUM_BARS:
            raise ConfigError(
                f"expected folds as (start, stop) with 0 <= start < stop <= {count} and at least "
                f"{_MINIMUM_BARS} bars; got {(start, stop)}; correct the fold"
            )
        found.append((start, stop))
    if not found:
        raise ConfigError("expected at least one fold; got none; pass a number of segments or leave it out")
    return found


def _pairs(segments: Any) -> list[tuple[int, int]]:
    try:
        return [(int(start), int(stop)) for start, stop in segments]
    except (TypeError, ValueError):
        raise ConfigError(
            f"segments: expected a number, or (start, stop) bar positions of each; got {segments!r}"
        ) from None


class BatchRunner:
    """Evaluates points on steps and collects their metrics.

    Parameters
    ----------
    space
        Parameters, for the types of the columns.
    evaluator
        What runs the configurations.
    steps
        Pieces of data.
    metrics
        Names of the metrics wanted.

    Attributes
    ----------
    configurations : int
        Number of (configuration, step) pairs run so far.
    has_worked : bool
        Whether any point has had a result, here or in an earlier run: then one that fails is the point's own trouble.
    """

    def __init__(
        self, space: Space, evaluator: Evaluator, steps: Sequence[Step], metrics: Sequence[str]
    ) -> None:
        self._space = space
        self._evaluator = evaluator
        self.steps = tuple(steps)
        self.metrics = tuple(metrics)
        self.configurations = 0
        self.has_worked = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the bars of all steps, each once."""
        return tuple(dict.fromkeys(note for step in self.steps for note in getattr(step.bars, "notes", ())))

    def run(self, points: Sequence[Point], step: int) -> list[dict[str, float]]:
        """Metrics of every point on one step.

        A batch that raises is run again point by point: a point that raises on its own is marked as failed
        with the error as reason, and gets no metrics.

        Raises
        ------
        StrategyError
            Every point of a batch of several raised, and none has ever worked: the strategy does not work at all.
        """
        if not points:
            return []
        try:
            found = self._call(points, step)
        except (ConfigError, DataError):
            raise
        except Exception as error:
            found = self._one_by_one(points, step, error)
        self.has_worked = self.has_worked or any(found)
        self.configurations += len(points)
        return found

    def _call(self, points: Sequence[Point], step: int) -> list[dict[str, float]]:
        columns = {
            item.name: column_of(item, [point.params[item.name] for point in points])
            for item in self._space.schema
        }
        found = self._evaluator(columns, self.steps[step].bars, self.metrics)
        rows = []
        for name in self.metrics:
            if name not in found:
                raise ConfigError(
                    f"expected the metric {name!r} from the evaluator; got none; " + did_you_mean(name, found)
                )
            column = np.asarray(found[name], dtype=np.float64)
            if column.shape != (len(points),):
                raise ConfigError(
                    f"expected {len(points)} values of {name!r} from the evaluator; "
                    f"got shape {column.shape}; return one value per configuration"
                )
            rows.append(column.tolist())
        return [dict(zip(self.metrics, row, strict=True)) for row in zip(*rows, strict=True)]

    def _one_by_one(self, points: Sequence[Point], step: int, first: Exception) -> list[dict[str, float]]:
        found: list[dict[str, float]] = []
        failures = 0
        for point in points:
            try:
                found.append(self._call([point], step)[0] if len(points) > 1 else self._raise(first))
            except Exception as error:
                failures += 1
                point.finish(FAILED, f"{type(error).__name__}: {error}"[:500])
                found.append({})
        if failures == len(points) > 1 and not self.has_worked:
            raise StrategyError(
                f"expected the strategy to run; got {type(first).__name__}: {first} for each of "
                f"{failures} parameter sets, the first {points[0].params}; correct the strategy or its ranges"
            ) from first
        return found

    @staticmethod
    def _raise(error: Exception) -> dict[str, float]:
        raise error


def combine(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Metrics over steps: sums of counts and money spent, means of everything else (NaN if any step is)."""
    if len(rows) == 1:
        return dict(rows[0])
    return {
        name: float(sum(row[name] for row in rows) / (1 if is_summed(name) else len(rows)))
        for name in rows[0]
    }
