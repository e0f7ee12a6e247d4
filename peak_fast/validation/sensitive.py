"""Sensitivity: what the figure is a little beside what was chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import is_number, listing, mapping, whole, wrong
from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.guard import guarded, guarded_class
from peak_fast.sweep import crew_of
from peak_fast.validation.choice import Choice
from peak_fast.validation.jobs import checked_threads, job_of
from peak_fast.validation.neighbours import Neighbours

if TYPE_CHECKING:
    import polars as pl

ADDED_BPS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
PARTS = ("parameters", "pairs", "costs", "starts", "delays", "phases")


@guarded_class()
@dataclass(frozen=True)
class SensitivityResult:
    """The objective around what was chosen; a part that was not asked for, or that does not apply, has no rows.

    Attributes
    ----------
    real
        The objective as chosen.
    params, objective
        What was chosen.
    parameters : polars.DataFrame
        parameter, value (text), the objective; one parameter at a time.
    pairs : polars.DataFrame
        x, y (names), x_value, y_value (text), the objective; two at a time.
    costs : polars.DataFrame
        added_bps, the objective, total_return: slippage more by that many basis points of each fill.
    starts : polars.DataFrame
        start (bars left out at the beginning), the objective.
    delays : polars.DataFrame
        fill, the objective: at the same close, at the next open, bars later.
    phases : polars.DataFrame
        phase (bars by which each decision of a portfolio is later), the objective.
    notes
        What was passed over.
    """

    real: float
    params: dict[str, Any]
    objective: str
    parameters: pl.DataFrame
    pairs: pl.DataFrame
    costs: pl.DataFrame
    starts: pl.DataFrame
    delays: pl.DataFrame
    phases: pl.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def break_even_bps(self) -> tuple[float, float]:
        """Added basis points with the last total return above 0, and the first at or below; NaN: beyond the table."""
        added, ends = self.costs["added_bps"].to_numpy(), self.costs["total_return"].to_numpy()
        lost = np.flatnonzero(~(ends > 0.0))
        if not lost.size:
            return (float(added[-1]) if added.size else float("nan")), float("nan")
        first = int(lost[0])
        return (float(added[first - 1]) if first else float("nan")), float(added[first])

    def range_of(self, part: str) -> tuple[float, float, float]:
        """Smallest, median and largest objective of a part; NaN where it has no figures."""
        if part not in PARTS:
            raise wrong("part", f"one of {', '.join(PARTS)}", part, did_you_mean(str(part), PARTS))
        values = getattr(self, part)[self.objective].to_numpy()
        known = values[~np.isnan(values)]
        if not known.size:
            return (float("nan"),) * 3
        return float(known.min()), float(np.median(known)), float(known.max())

    def summary(self) -> str:
        """The parts in a few lines of text."""
        from peak_fast.validation.texts import sensitivity_text

        return sensitivity_text(self)

    def plot(self, *, path: str | Path | None = None) -> Any:
        """One picture a part, a Matplotlib figure (``path``: as a file, too)."""
        from peak_fast.report import drawn
        from peak_fast.validation.drawings import sensitivity_figure

        return drawn(sensitivity_figure(self), path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: ranges of the parts."""
        ranges = {part: self.range_of(part) for part in PARTS if getattr(self, part).height}
        plain = {"real": self.real, "params": self.params, "objective": self.objective, "ranges": ranges}
        return plain | {"break_even_bps": self.break_even_bps, "notes": list(self.notes)}


@guarded
def sensitivity(
    strategy: Any,
    params: Any = None,
    data: Any = None,
    *,
    objective: str = "sharpe",
    parts: Iterable[str] = PARTS,
    around: Mapping[str, Any] | None = None,
    added_bps: Iterable[float] = ADDED_BPS,
    starts: int = 20,
    delays: int = 3,
    threads: int | None = None,
    cluster: Any = None,
    **settings: Any,
) -> SensitivityResult:
    """Change one thing at a time, or two parameters, and look at the objective.

    Parameters
    ----------
    strategy, params, data, threads, cluster, settings
        As of `permutation_test`, without a grid.  A cluster runs parameters, pairs and costs.
    objective
        A metric.
    parts
        Which of "parameters", "pairs", "costs", "starts", "delays" and "phases".
    around
        Values by parameter; those that it does not name get 50 to 150 % of what was chosen (whole numbers at least one
        up and one down), truth values and choices all they can be.
    added_bps
        Basis points of slippage that are added.
    starts
        Up to how many bars are left out at the beginning.
    delays
        Up to how many bars later decisions are filled.

    Raises
    ------
    ConfigError, DataError, StrategyError
        Input that cannot be used.
    """
    wanted = listing("parts", parts, "['parameters', 'costs']")
    for part in wanted:
        if part not in PARTS:
            raise wrong("parts", f"some of {', '.join(PARTS)}", part, did_you_mean(str(part), PARTS))
    choice, threads = Choice.of(objective, 0), checked_threads(threads)
    job = job_of("sensitivity", strategy, params, data, settings)
    given = dict(mapping("around", around or {}, "{'fast': [8, 10, 12]}"))
    for name in given:
        if name not in job.columns:
            raise ConfigError(f"around: no parameter {name!r}; {did_you_mean(name, job.columns)}")
    values = {name: _values(name, item) for name, item in given.items()}
    with crew_of(cluster, threads) as crew:
        beside = Neighbours(job, choice, (threads, crew), values)
        makers = {
            "parameters": beside.parameters,
            "pairs": beside.pairs,
            "costs": lambda: beside.costs(_basis_points(added_bps)),
            "starts": lambda: beside.starts(whole("starts", starts, 0, 1_000_000, "20 bars are a month")),
            "delays": lambda: beside.delays(whole("delays", delays, 0, 1000, "3 bars are usual")),
            "phases": beside.phases,
        }
        frames = {name: make() if name in wanted else beside.nothing(name) for name, make in makers.items()}
    return SensitivityResult(
        beside.real, job.params(0), choice.objective, **frames, notes=tuple(dict.fromkeys(beside.notes))
    )


def _values(name: str, item: Any) -> list[Any]:
    values = list(listing(f"around[{name!r}]", item, "[8, 10, 12]"))
    if not values:
        raise ConfigError(f"around[{name!r}]: expected at least one value; got none; leave the name out")
    return values


def _basis_points(values: Any) -> list[float]:
    found = [float(value) for value in listing("added_bps", values, "[0, 5, 10]") if is_number(value)]
    given = listing("added_bps", values, "[0, 5, 10]")
    if (
        len(found) != len(given)
        or not found
        or min(found) < 0.0
        or sorted(found) != found
        or found[-1] >= 9000.0
    ):
        raise wrong("added_bps", "rising numbers from 0 on, below 9000", list(given), "write [0, 5, 10]")
    return found
