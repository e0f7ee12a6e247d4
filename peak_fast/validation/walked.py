"""What a walk forward found: the folds, the joined result, how well choices held and how much they moved."""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from peak_fast.arguments import place
from peak_fast.errors import DataError
from peak_fast.guard import guarded_class
from peak_fast.results import jsonable
from peak_fast.validation.windows import Window
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    import polars as pl


class Choice(NamedTuple):
    """What one fold chose.

    Attributes
    ----------
    params
        Parameters; None where no configuration could be chosen.
    value
        Their objective in training, NaN without a choice.
    inside, outside
        Figures of the training window, and of the test window in the joined result.
    tried, eligible
        Configurations that were looked at, and those that could be chosen.
    """

    params: dict[str, Any] | None
    value: float
    inside: dict[str, float]
    outside: dict[str, float]
    tried: int
    eligible: int


@guarded_class()
class WalkForwardResult:
    """One walk forward; immutable.

    Attributes
    ----------
    result
        `BacktestResult` (of panels: `PortfolioResult`) of the test windows joined.
    windows, choices
        The folds and what each chose.
    objective, positions
        What decided, and the mode.
    folds, stability
        Polars frames; columns are listed at each property.
    targets
        What was decided at the closes of the joined result's bars.
    efficiency, efficiency_error
        How much of the return in training was there in testing, and the standard error of that.
    notes
        What was left out, guessed or understood, a sentence each.
    """

    def __init__(
        self, result: Any, windows: Sequence[Window], choices: Sequence[Choice], *, objective: str, positions: str,
        times: Any, notes: Sequence[str],
    ) -> None:  # fmt: skip
        self.result = result
        self.windows, self.choices = tuple(windows), tuple(choices)
        self.objective, self.positions = objective, positions
        self.notes = tuple(notes)
        self._times = times

    @functools.cached_property
    def folds(self) -> pl.DataFrame:
        """One row a fold: fold, train_start, train_end, test_start, test_end (first and last bar of each window),
        train_bars, test_bars, tried, eligible, the chosen parameters, and of each figure ``in_`` (training) and
        ``out_`` (testing): the objective, annual_return (mean return of a bar times bars a year), total_return,
        volatility, sharpe, max_drawdown, closed_trades.
        """
        import polars as pl

        rows = [self._row(number) for number in range(len(self.windows))]
        return pl.DataFrame(rows, infer_schema_length=None)

    def _row(self, number: int) -> dict[str, Any]:
        window, choice = self.windows[number], self.choices[number]
        (first, stop), (begin, end) = window.train, window.test
        params = choice.params or dict.fromkeys(self.parameters)
        name = self.objective.partition(":")[0]
        inside = {name: choice.value, **choice.inside}
        figures = dict.fromkeys((*inside, *choice.outside))
        return {
            "fold": number,
            "train_start": self._times[first], "train_end": self._times[stop - 1],
            "test_start": self._times[begin], "test_end": self._times[end - 1],
            "train_bars": stop - first, "test_bars": end - begin,
            "tried": choice.tried, "eligible": choice.eligible,
            **params,
            **{f"in_{figure}": inside.get(figure, math.nan) for figure in figures},
            **{f"out_{figure}": choice.outside.get(figure, math.nan) for figure in figures},
        }  # fmt: skip

    @functools.cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of what was chosen."""
        return tuple(dict.fromkeys(name for choice in self.choices for name in choice.params or ()))

    @functools.cached_property
    def targets(self) -> FloatArray:
        """What was decided at the closes of the joined result's bars: float64[bars], NaN where nothing was.

        ``BacktestEngine(...).run(walked.result.bars, walked.targets)`` with the same settings gives its equity bit for
        bit (``weights=True`` for strategies of weights), but where signals repeat a side that a stop, or an account
        without money before a deposit, has left; with financing, whose interest is added from decision to decision, to
        rounding.

        Raises
        ------
        DataError
            The result is of a portfolio, of the order book, or of runs with settings that differ by fold.
        """
        replay = getattr(self.result, "_replay", None)
        if replay is None or replay.decisions is None:
            raise DataError(
                "targets: expected a walk of sides or weights with the same settings, off the order book"
            )
        found = np.full(len(self.result.bars), math.nan)
        found[replay.decisions.bar_of] = replay.decisions.target_of
        return found

    def _held(self) -> list[tuple[int, Choice]]:
        """Folds that chose something, with the bars of their test windows."""
        pairs = zip(self.windows, self.choices, strict=True)
        return [
            (window.test[1] - window.test[0], choice) for window, choice in pairs if choice.params is not None
        ]

    @functools.cached_property
    def efficiency(self) -> float:
        """Mean return of a bar in testing over that in training, both as means over the folds that chose something,
        weighted by the bars of their test windows.

        1: what was seen in training came again; 0: nothing of it.  NaN where training had no gain.
        """
        held = self._held()
        gain = sum(bars * choice.inside["annual_return"] for bars, choice in held)
        later = sum(bars * choice.outside["annual_return"] for bars, choice in held)
        return later / gain if gain > 0.0 else math.nan

    @functools.cached_property
    def efficiency_error(self) -> float:
        """Standard error of `efficiency` over the folds, the gain in training taken as given; NaN below two folds."""
        held = self._held()
        bars = np.array([float(bars) for bars, _ in held])
        later = np.array([choice.outside["annual_return"] for _, choice in held])
        gain = sum(size * choice.inside["annual_return"] for size, choice in held)
        if len(held) < 2 or not gain > 0.0:
            return math.nan
        off = bars * (later - (bars * later).sum() / bars.sum())
        return float(np.sqrt((off**2).sum() * len(held) / (len(held) - 1)) / gain)

    @functools.cached_property
    def stability(self) -> pl.DataFrame:
        """One row a parameter: parameter, distinct (values chosen), most_common, share (of the folds that chose it),
        changes (folds that chose otherwise than the one before), mean, deviation (ddof 1; null where it is no number).
        """
        import polars as pl

        rows = []
        for name in self.parameters:
            chosen = [choice.params[name] for choice in self.choices if choice.params is not None]
            usual, times = Counter(chosen).most_common(1)[0]
            numbers = [float(v) for v in chosen if isinstance(v, int | float) and not isinstance(v, bool)]
            known = len(numbers) == len(chosen)
            rows.append(
                {
                    "parameter": name, "distinct": len(set(chosen)), "most_common": str(usual),
                    "share": times / len(chosen),
                    "changes": sum(a != b for a, b in itertools.pairwise(chosen)),
                    "mean": float(np.mean(numbers)) if known else None,
                    "deviation": float(np.std(numbers, ddof=1)) if known and len(numbers) > 1 else None,
                }
            )  # fmt: skip
        return pl.DataFrame(rows, infer_schema_length=None)

    def _rows(self) -> list[tuple[str, str]]:
        stats = self.result.stats
        held = sum(choice.params is not None for choice in self.choices)
        kept = "" if held == len(self.choices) else f", {len(self.choices) - held} without a choice"
        moved = ", ".join(
            f"{row['parameter']} {row['most_common']} in {row['share']:.0%}"
            for row in self.stability.to_dicts()
        )
        return [
            ("Folds", f"{len(self.windows)} of {self.choices[0].tried:,} configurations{kept}"),
            ("Chosen by", f"{self.objective}, positions {self.positions}"),
            ("Tested", f"{stats['start']:%Y-%m-%d} to {stats['end']:%Y-%m-%d}, {stats['bars']} bars"),
            ("Total return", f"{stats['total_return']:.2%}"),
            ("Sharpe", f"{stats['sharpe']:.2f}"),
            ("Max drawdown", f"{stats['max_drawdown']:.2%}"),
            ("Trades", f"{stats['total_trades']}"),
            ("Efficiency", _with_error(self.efficiency, self.efficiency_error)),
            ("Most often", moved or "-"),
            *(("Note", note) for note in self.notes),
        ]

    def summary(self) -> str:
        """The walk in a few lines of text."""
        lines = [f"{self.result.strategy_name} on {self.result.symbol}"]
        return "\n".join([*lines, *(f"  {label:<13} {text}" for label, text in self._rows())])

    def to_dict(self) -> dict[str, Any]:
        """Folds, figures and notes as plain values that JSON can hold (NaN and infinities become None)."""
        plain: dict[str, Any] = jsonable(
            {
                "objective": self.objective,
                "positions": self.positions,
                "efficiency": self.efficiency,
                "efficiency_error": self.efficiency_error,
                "folds": self.folds.to_dicts(),
                "stability": self.stability.to_dicts(),
                "notes": list(self.notes),
                "stats": self.result.stats,
            }
        )
        return plain

    def save(self, folder: str | Path) -> Path:
        """Write the joined result (`BacktestResult.save`) into a folder, with ``walk_forward.json`` in one beside it.

        Raises
        ------
        DataError, StoreError
            See `BacktestResult.save`.
        """
        target = place("folder", folder, "my_walk")
        target.mkdir(parents=True, exist_ok=True)
        self.result.save(target / "result")
        text = json.dumps(self.to_dict(), indent=1, default=str)
        (target / "walk_forward.json").write_text(text, encoding="utf-8")
        return target

    def plot(self, *, path: str | Path | None = None) -> Any:
        """Equity of the joined result with the edges of the folds, and the objective in and out of sample: a Matplotlib
        figure, also written into ``path``.

        Raises
        ------
        MissingDependencyError
            Matplotlib is not installed.
        """
        from peak_fast.report import drawn
        from peak_fast.validation.pictures import walked_figure

        return drawn(walked_figure(self), path)

    def __repr__(self) -> str:
        return (
            f"WalkForwardResult({self.result.strategy_name!r}, {len(self.windows)} folds, "
            f"efficiency {self.efficiency:.2f}, sharpe {self.result.stats['sharpe']:.2f} out of sample)"
        )


def _with_error(efficiency: float, error: float) -> str:
    """Efficiency with its standard error in words."""
    return "-, no gain in training" if math.isnan(efficiency) else f"{efficiency:.2f} +- {error:.2f}"
