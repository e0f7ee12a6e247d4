"""Studies in the registry of trials: what the evaluator runs counts once, with the hashes of sweeps and single runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from peak_fast.sweep import hashes_of
from peak_fast.trials import TrialRegistry, column_hashes, context_hash, finished_hashes, registry_or_none


class CountedEvaluator:
    """An evaluator that remembers which configurations it ran on the first of the study's steps, which all run on.

    Parameters
    ----------
    evaluator
        What runs them.
    registry
        A registry, a path, or None: nothing is counted.
    """

    def __init__(self, evaluator: Any, registry: Any, name: str) -> None:
        self._evaluator, self._name = evaluator, name
        self._registry: TrialRegistry | None = registry_or_none(registry)
        self._steps: Sequence[Any] = ()
        self._hashes: Callable[[Mapping[str, Any], int], Any] = lambda columns, count: np.zeros(0, np.uint64)
        self._kept: list[tuple[Any, Any]] = []
        if self._registry is not None:
            self._registry.check()

    def tell(
        self, steps: Sequence[Any], strategy: Any, settings: Mapping[str, Any], varied: Sequence[str]
    ) -> None:
        """Say what is run on which steps; ``strategy`` is None for an evaluator that runs something of its own."""
        self._steps = steps
        bars, marks = steps[0].bars, tuple(str(getattr(step.bars, "hash", step.name)) for step in steps)
        if strategy is None:
            context = context_hash(self._name, *marks)
            self._hashes = lambda columns, count: finished_hashes(context, column_hashes(columns, count))
            return
        from peak_fast.engine import BacktestEngine

        engine = BacktestEngine(**settings)
        several = context_hash(*marks) if len(steps) > 1 else np.uint64(0)
        self._hashes = lambda columns, count: (
            hashes_of(engine, strategy, bars, columns, varied, count) ^ several
        )

    def __call__(self, columns: Mapping[str, Any], bars: Any, metrics: Sequence[str]) -> Mapping[str, Any]:
        """See `peak_fast.studies.evaluation.Evaluator`."""
        found: Mapping[str, Any] = self._evaluator(columns, bars, metrics)
        if self._registry is not None and bars is self._steps[0].bars:
            count = len(next(iter(columns.values()))) if columns else 1
            self._kept.append((self._hashes(columns, count), self._ratios(found, bars, count)))
        return found

    def _ratios(self, found: Mapping[str, Any], bars: Any, count: int) -> Any:
        """Sharpe ratios per period, where the steps are one and it was asked for."""
        given: Any = getattr(self._evaluator, "settings", {}).get("periods_per_year")
        own: Any = getattr(bars, "periods_per_year", math.nan)
        year = float(given or own)
        known = len(self._steps) == 1 and "sharpe" in found
        return np.asarray(found["sharpe"], float) / math.sqrt(year) if known else np.full(count, math.nan)

    def __enter__(self) -> None:
        """Begin: what was run before, such as neighbours of the best, was no trial."""
        self._kept = []
        if hasattr(self._evaluator, "__enter__"):
            self._evaluator.__enter__()

    def __exit__(self, *raised: object) -> None:
        """Count what was run since, however it ended."""
        if hasattr(self._evaluator, "__exit__"):
            self._evaluator.__exit__(*raised)
        kept, self._kept = self._kept, []
        if self._registry is not None and kept:
            hashes, ratios = (np.concatenate(parts) for parts in zip(*kept, strict=True))
            self._registry.add("study", self._name, hashes, ratios)
