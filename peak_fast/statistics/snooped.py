"""What a resampling of many strategies found: maxima of samples, p-values, and which strategies are rejected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from peak_fast.guard import guarded_class
from peak_kernels.arrays import FloatArray, IntArray

CENTRINGS = ("lower", "consistent", "upper")
_KEPT = 1 << 21
"""Numbers of samples that are kept for the steps: 16 MB."""


@guarded_class()
@dataclass(frozen=True)
class Snooping:
    """Answers of `peak_fast.statistics.data_snooping`; strategies are numbers of columns.

    Attributes
    ----------
    periods, strategies, replications, block, seed
        What was tested; the seed is None where samples were given.
    form, level
        As asked for.
    mean, deviation
        Excess mean d of each strategy per period, and o of its ``sqrt(T)`` fold; 0 for one that never moves.
    maxima
        For each kind, ``"raw"`` and ``"studentised"``, and each centring the maximum of every sample.
    ranked, adjusted
        Strategies from the best on, as many as were kept, and their step-down p-values.
    rejected
        Strategies that are better than the benchmark at the level, from the best on, by the steps.
    notes
        What was passed over.
    """

    periods: int
    replications: int
    block: float
    seed: int | None
    form: str
    level: float
    mean: FloatArray = field(repr=False)
    deviation: FloatArray = field(repr=False)
    maxima: Mapping[str, Mapping[str, FloatArray]] = field(repr=False)
    ranked: IntArray = field(repr=False)
    adjusted: FloatArray = field(repr=False)
    rejected: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def strategies(self) -> int:
        """Number of strategies tested."""
        return self.mean.size

    @property
    def statistics(self) -> FloatArray:
        """What is compared for each strategy: ``sqrt(T) d / o``, NaN without movement, or d for "arch"."""
        return self.mean if self.form == "arch" else studentised(self.mean, self.deviation, self.periods)

    @property
    def statistic(self) -> float:
        """The largest one; "hansen": at least 0."""
        return float(_floored(_largest(self.statistics), self.form))

    @property
    def best(self) -> int:
        """The strategy that has it; of strategies that never move, the one with the largest mean."""
        return int(self.ranked[0] if self.ranked.size else self.mean.argmax())

    @property
    def reality_check(self) -> float:
        """White's p-value, of the raw means."""
        return _pvalue(self.maxima["raw"]["upper"], _largest(self.mean), "white")

    @property
    def pvalues(self) -> dict[str, float]:
        """Hansen's three: "lower", "consistent" (the one to quote) and "upper"."""
        return {
            name: _pvalue(_floored(maxima, self.form), self.statistic, self.form)
            for name, maxima in self.maxima[kind_of(self.form)].items()
        }

    @property
    def pvalue(self) -> float:
        """Hansen's consistent p-value."""
        return self.pvalues["consistent"]

    def critical_values(self, level: float | None = None) -> dict[str, float]:
        """Statistic that must be exceeded to reject at a level, by centring; infinite with too few samples for it."""
        share = self.level if level is None else level
        return {
            name: critical(_floored(maxima, self.form), share, self.form)
            for name, maxima in self.maxima[kind_of(self.form)].items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, ready for JSON."""
        return {
            "strategies": self.strategies, "periods": self.periods, "replications": self.replications,
            "block": self.block, "seed": self.seed, "form": self.form, "level": self.level, "best": self.best,
            "mean_of_best": float(self.mean[self.best]), "statistic": self.statistic,
            "reality_check": self.reality_check, "pvalues": self.pvalues, "critical_values": self.critical_values(),
            "rejected": list(self.rejected), "notes": list(self.notes),
        }  # fmt: skip

    def summary(self) -> str:
        """The answers in a few lines."""
        spa = ", ".join(f"{value:.4f} {name}" for name, value in self.pvalues.items())
        shown = ", ".join(map(str, self.rejected[:10])) + (", ..." if len(self.rejected) > 10 else "")
        samples = f"{self.replications:,} samples of blocks of {self.block:.1f} on average"
        return "\n".join([
            f"{self.strategies:,} strategies, {self.periods:,} periods, {samples}",
            f"reality check (White 2000): p = {self.reality_check:.4f}",
            f"superior predictive ability ({'Hansen 2005' if self.form == 'hansen' else 'as arch'}): p = {spa}",
            f"better than the benchmark at {self.level:g} by steps (Romano & Wolf 2005): "
            + (f"{len(self.rejected):,} ({shown})" if self.rejected else "none"),
            *self.notes,
        ])  # fmt: skip


class Fold:
    """Means and maxima of tile after tile; the samples of the best strategies are kept for the steps.

    A strategy is rejected before any that is worse, so the best kept ones decide all steps, unless all of them are
    rejected: then another pass keeps the next ones.
    """

    def __init__(self, replications: int, periods: int, form: str, level: float) -> None:
        self.periods, self.form, self.level = periods, form, level
        self._replications = replications
        self._most = max(64, _KEPT // replications)
        self.maxima = {
            kind: {name: np.full(replications, -math.inf) for name in CENTRINGS}
            for kind in ("raw", "studentised")
        }
        self._means: list[FloatArray] = []
        self._deviations: list[FloatArray] = []
        self._ranked: list[int] = []
        self._adjusted: list[float] = []
        self._rejected: list[int] = []
        self.columns, self._pass = 0, 0

    def passes(self) -> Iterator[int]:
        """Numbers of passes over the tiles, for as long as one is needed."""
        while True:
            self.columns = 0
            self._best = _Best(self._replications, self._most, frozenset(self._ranked))
            yield self._pass
            self._pass += 1
            if not self._step() or len(self._ranked) == self.columns:
                return

    def add(self, mean: FloatArray, deviation: FloatArray, moved: FloatArray) -> None:
        """Means and deviations of the next strategies, and ``d* - d`` for each ``[sample, strategy]``."""
        with np.errstate(divide="ignore"):
            scale = np.where(deviation > 0.0, math.sqrt(self.periods) / deviation, math.nan)
        steps = "upper" if self.form == "hansen" else "consistent"
        for kind, factor in (("raw", None), ("studentised", scale)):
            for name, shift in _shifts(mean, deviation, self.periods).items():
                values = (moved + shift) if factor is None else (moved + shift) * factor
                if self._pass == 0:
                    maxima = self.maxima[kind][name]
                    np.fmax(maxima, np.fmax.reduce(values, axis=1), out=maxima)
                if kind == kind_of(self.form) and name == steps:
                    self._best.add(mean if factor is None else mean * factor, values, self.columns)
        if self._pass == 0:
            self._means.append(mean)
            self._deviations.append(deviation)
        self.columns += mean.size

    def result(self, block: float, seed: int | None) -> Snooping:
        """The answers."""
        deviation = np.concatenate(self._deviations)
        flat = int((deviation == 0.0).sum())
        then = (
            "their mean of 0 is compared: where all others lose, a low p comes from them and is no edge"
            if self.form == "arch" else "they are left out"
        )  # fmt: skip
        notes = (f"{flat:,} strategies never move against the benchmark: {then}",) if flat else ()
        return Snooping(
            self.periods, self._replications, block, seed, self.form, self.level, np.concatenate(self._means),
            deviation, self.maxima, np.array(self._ranked), np.array(self._adjusted), tuple(self._rejected), notes,
        )  # fmt: skip

    def _step(self) -> bool:
        """Step down the kept strategies; whether all of them were rejected, so that the next may be, too."""
        numbers, statistics, maxima = self._best.ranked()
        at, before = 0, self._adjusted[-1] if self._adjusted else 0.0
        while at < len(numbers):
            border = critical(maxima[at], self.level, self.form)
            reached = at + int((statistics[at:] > border).sum())
            if reached == at:
                break
            at = reached
        own = [_pvalue(row, statistic, self.form) for row, statistic in zip(maxima, statistics, strict=True)]
        self._adjusted += np.maximum.accumulate([before, *own])[1:].tolist()
        self._ranked += numbers.tolist()
        self._rejected += numbers[:at].tolist()
        return 0 < at == len(numbers)


class _Best:
    """Samples of the strategies with the largest statistics, and the maximum of all others that are left."""

    def __init__(self, replications: int, most: int, decided: frozenset[int]) -> None:
        self._decided, self._size, self._most = decided, 0, most
        self._values = np.empty((0, replications))
        self._statistics, self._numbers = np.empty(0), np.empty(0, dtype=np.int64)
        self._rest = np.full(replications, -math.inf)

    def add(self, statistics: FloatArray, values: FloatArray, first: int) -> None:
        """Strategies from number ``first`` on with their samples ``[sample, strategy]``."""
        numbers = first + np.arange(statistics.size)
        keep = ~np.isnan(statistics)
        if self._decided:
            keep &= ~np.isin(numbers, list(self._decided))
        if self._numbers.size == self._most:
            worse = keep & (statistics <= self._statistics.min())
            self._drop(values[:, worse].T)
            keep &= ~worse
        if not keep.any():
            return
        self._statistics = np.concatenate([self._statistics, statistics[keep]])
        self._numbers = np.concatenate([self._numbers, numbers[keep]])
        self._values = np.concatenate([self._values, values[:, keep].T])
        if self._numbers.size > self._most:
            order = np.argsort(-self._statistics, kind="stable")
            self._drop(self._values[order[self._most :]])
            order = order[: self._most]
            self._statistics, self._numbers = self._statistics[order], self._numbers[order]
            self._values = self._values[order]

    def _drop(self, values: FloatArray) -> None:
        if len(values):
            np.maximum(self._rest, values.max(axis=0), out=self._rest)

    def ranked(self) -> tuple[IntArray, FloatArray, FloatArray]:
        """Numbers and statistics from the best on, and the maxima over each and all behind it."""
        order = np.argsort(-self._statistics, kind="stable")
        behind = np.vstack([self._values[order], self._rest])[::-1]
        maxima = np.maximum.accumulate(behind)[::-1][:-1]
        return self._numbers[order], self._statistics[order], maxima


def kind_of(form: str) -> str:
    """Which maxima a form compares."""
    return "raw" if form == "arch" else "studentised"


def studentised(mean: FloatArray, deviation: FloatArray, periods: int) -> FloatArray:
    """``sqrt(T) d / o``; NaN where o is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(deviation > 0.0, math.sqrt(periods) * mean / deviation, math.nan)


def critical(maxima: FloatArray, level: float, form: str) -> float:
    """Statistic above which `_pvalue` is at most the level."""
    if form == "arch":
        return float(np.percentile(maxima, 100.0 * (1.0 - level)))
    allowed = math.floor(level * (maxima.size + 1) * (1.0 + 1e-12)) - 1
    return float(np.sort(maxima)[::-1][allowed]) if allowed >= 0 else math.inf


def _pvalue(maxima: FloatArray, statistic: float, form: str) -> float:
    if form == "arch":
        return float((maxima > statistic).mean())
    return (1 + int((maxima >= statistic).sum())) / (maxima.size + 1)


def _shifts(mean: FloatArray, deviation: FloatArray, periods: int) -> dict[str, FloatArray]:
    """``d - g`` by centring."""
    threshold = -deviation * math.sqrt(2.0 * math.log(math.log(max(periods, 3))) / periods)
    return {
        "lower": np.minimum(mean, 0.0),
        "consistent": np.where(mean >= threshold, 0.0, mean),
        "upper": np.zeros_like(mean),
    }


def _floored(values: Any, form: str) -> Any:
    return np.maximum(values, 0.0) if form == "hansen" else values


def _largest(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if known.size else 0.0
