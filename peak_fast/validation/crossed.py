"""What a cross-validation found: a table of splits, and paths through all folds with their distribution."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from peak_fast.arguments import place
from peak_fast.guard import guarded_class
from peak_fast.metrics import returns_from_equity
from peak_fast.results import jsonable, units_of
from peak_fast.statistics import Split, combinatorial_paths
from peak_fast.sweep import PLANES
from peak_fast.validation.figures import DOWNSIDE, HIGH, LAST, LOW, SUMMED, WORST, Joined
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    import polars as pl

_PATH_FIGURES = ("total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "closed_trades")
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


class Part(NamedTuple):
    """What one split chose.

    Attributes
    ----------
    number, params
        The configuration; None where none could be chosen.
    value
        Its objective in the training folds.
    eligible
        Configurations that could be chosen.
    """

    number: int | None
    params: dict[str, Any] | None
    value: float
    eligible: int


class Parts(NamedTuple):
    """Configurations in the stretches of one window.

    Attributes
    ----------
    sums
        float64[configurations, PLANES, stretches].
    begins
        Equity before each of them: float64[configurations, stretches].
    bars
        Bars of the window.
    """

    sums: FloatArray
    begins: FloatArray
    bars: int


def idle(bars: int, free: float) -> Parts:
    """A window in which nothing is held."""
    sums = np.zeros((1, len(PLANES), 1))
    sums[0, [LAST, HIGH, LOW, WORST]] = 1.0
    sums[0, DOWNSIDE] = bars * min(-free, 0.0) ** 2
    return Parts(sums, np.ones((1, 1)), bars)


def join(parts: Sequence[Parts], terms: Mapping[str, float]) -> Joined | None:
    """Windows one after the other; None where there are no bars."""
    if not parts:
        return None
    sums = np.concatenate([part.sums for part in parts], axis=2)
    begins = np.concatenate([part.begins for part in parts], axis=1)
    return Joined(sums, begins, sum(part.bars for part in parts), year=terms["year"], free=terms["free"])


@guarded_class()
class CrossValidationResult:
    """One cross-validation; immutable.

    Attributes
    ----------
    splits, paths
        Polars frames; columns are listed at each property.
    sharpes
        Sharpe ratio of each path: float64[paths].
    objective
        What decided.
    notes
        What was left out, guessed or understood, a sentence each.
    """

    def __init__(
        self, sweep: Any, splits: Sequence[Split], chosen: Sequence[Part], tested: Sequence[Sequence[Parts]], *,
        terms: Mapping[str, float], folds: int, test_folds: int, objective: Any, notes: Sequence[str],
    ) -> None:  # fmt: skip
        self._sweep, self._splits, self.choices, self._tested = sweep, tuple(splits), tuple(chosen), tested
        self._terms, self._goal = terms, objective
        self.folds, self.test_folds = folds, test_folds
        self.objective, self.notes = str(objective), tuple(notes)

    @functools.cached_property
    def splits(self) -> pl.DataFrame:
        """One row a split: split, test_folds (their numbers), train_bars, test_bars, tried, eligible, the chosen
        parameters, and the objective in training (``in_``) and in the testing folds joined (``out_``).
        """
        import polars as pl

        return pl.DataFrame(
            [self._row(number) for number in range(len(self._splits))], infer_schema_length=None
        )

    def _row(self, number: int) -> dict[str, Any]:
        split, choice, name = self._splits[number], self.choices[number], self._goal.name
        of = join(self._tested[number], self._terms)
        assert of is not None
        shown = {"sharpe": SUMMED["sharpe"], "total_return": SUMMED["total_return"]}
        shown |= {name: SUMMED[name]} if name in SUMMED else {}
        return {
            "split": number,
            "test_folds": list(split.folds),
            "train_bars": sum(stop - start for start, stop in split.train),
            "test_bars": of.bars,
            "tried": len(self._sweep.grid),
            "eligible": choice.eligible,
            **(choice.params or dict.fromkeys(self._sweep.grid.names)),
            f"in_{name}": choice.value,
            **{f"out_{figure}": float(function(of)[0]) for figure, function in shown.items()},
        }

    @functools.cached_property
    def _routes(self) -> list[list[tuple[int, int]]]:
        """For each path, and each fold of it in order, the split that tests it and the place of the fold there."""
        numbers = combinatorial_paths(self.folds, self.test_folds).tolist()
        found: list[dict[int, tuple[int, int]]] = [{} for _ in range(max(map(max, numbers)) + 1)]
        for number, (split, row) in enumerate(zip(self._splits, numbers, strict=True)):
            for at, (fold, path) in enumerate(zip(split.folds, row, strict=True)):
                found[path][fold] = number, at
        return [[path[fold] for fold in range(self.folds)] for path in found]

    @functools.cached_property
    def paths(self) -> pl.DataFrame:
        """One row a path through all folds: path, total_return, cagr, volatility, sharpe, sortino, max_drawdown,
        closed_trades.
        """
        import polars as pl

        rows = []
        for number, route in enumerate(self._routes):
            of = join([self._tested[split][at] for split, at in route], self._terms)
            assert of is not None
            rows.append({"path": number, **{name: float(SUMMED[name](of)[0]) for name in _PATH_FIGURES}})
        return pl.DataFrame(rows)

    @property
    def sharpes(self) -> FloatArray:
        """Sharpe ratio of each path: float64[paths], NaN of one that never held anything."""
        return self.paths["sharpe"].to_numpy()

    def quantiles(self, levels: Sequence[float] = _LEVELS) -> dict[float, float]:
        """Quantiles of the paths' Sharpe ratios, interpolated; undefined ones count as 0."""
        found = np.quantile(np.nan_to_num(self.sharpes), levels)
        return dict(zip(levels, found.tolist(), strict=True))

    @property
    def share_below_zero(self) -> float:
        """Share of paths whose Sharpe ratio is not above 0; undefined ones count as 0."""
        return float((np.nan_to_num(self.sharpes) <= 0.0).mean())

    @functools.cached_property
    def path_returns(self) -> FloatArray:
        """Returns of each path at each bar: float64[paths, bars]; the chosen configurations run again for them."""
        numbers = {choice.number for choice in self.choices if choice.number is not None}
        initial = float(self._sweep.engine.initial_cash)
        runs = {
            number: returns_from_equity(units_of(self._sweep.rerun(self._sweep.grid[number])), initial)
            for number in sorted(numbers)
        }
        count = self._splits[-1].test[-1][1]
        found = np.zeros((len(self._routes), count))
        for path, route in zip(found, self._routes, strict=True):
            for split, at in route:
                number, (start, stop) = self.choices[split].number, self._splits[split].test[at]
                if number is not None:
                    path[start:stop] = runs[number][start:stop]
        return found

    def _rows(self) -> list[tuple[str, str]]:
        sharpes = np.nan_to_num(self.sharpes)
        spread = f" +- {sharpes.std(ddof=1):.2f}" if len(sharpes) > 1 else ""
        levels = ", ".join(f"{value:.2f}" for value in self.quantiles().values())
        returns = np.nan_to_num(self.paths["total_return"].to_numpy())
        inside = [choice.value for choice in self.choices if math.isfinite(choice.value)]
        return [
            ("Splits", f"{len(self._splits)} of {self.folds} folds, {self.test_folds} testing"),
            ("Tried", f"{len(self._sweep.grid):,} configurations in each, by {self.objective}"),
            ("In training", f"{np.mean(inside):.2f} on the mean" if inside else "-"),
            (
                "Paths",
                f"{len(sharpes)}, Sharpe {sharpes.mean():.2f}{spread}, {self.share_below_zero:.0%} not above 0",
            ),
            ("5 to 95 %", levels),
            ("Total return", f"{np.median(returns):.2%} on the median path, worst {returns.min():.2%}"),
            *(("Note", note) for note in self.notes),
        ]

    def summary(self) -> str:
        """The cross-validation in a few lines of text."""
        bars = next(iter(self._sweep.data.values()))
        lines = [f"{self._sweep.strategy.name} on {bars.name}, cross-validated"]
        return "\n".join([*lines, *(f"  {label:<13} {text}" for label, text in self._rows())])

    def to_dict(self) -> dict[str, Any]:
        """Splits, paths and notes as plain values that JSON can hold (NaN and infinities become None)."""
        plain: dict[str, Any] = jsonable(
            {
                "objective": self.objective,
                "folds": self.folds,
                "test_folds": self.test_folds,
                "share_below_zero": self.share_below_zero,
                "quantiles": {str(level): value for level, value in self.quantiles().items()},
                "splits": self.splits.to_dicts(),
                "paths": self.paths.to_dicts(),
                "notes": list(self.notes),
            }
        )
        return plain

    def save(self, path: str | Path) -> Path:
        """Write `to_dict` as JSON into a file."""
        target = place("path", path, "crossed.json")
        target.write_text(json.dumps(self.to_dict(), indent=1), encoding="utf-8")
        return target

    def plot(self, *, path: str | Path | None = None) -> Any:
        """Curves of all paths above the distribution of their Sharpe ratios: a Matplotlib figure (``path``: as a file).

        Raises
        ------
        MissingDependencyError
            Matplotlib is not installed.
        """
        from peak_fast.report import drawn
        from peak_fast.validation.pictures import crossed_figure

        return drawn(crossed_figure(self), path)

    def __repr__(self) -> str:
        return (
            f"CrossValidationResult({self._sweep.strategy.name!r}, {len(self._splits)} splits, "
            f"{len(self._routes)} paths, sharpe {np.nan_to_num(self.sharpes).mean():.2f})"
        )
