"""What `SweepResult.overfitting` found: figures of the search, of its best configuration and of others, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from peak_fast.guard import guarded_class
from peak_fast.statistics import CSCV
from peak_kernels.arrays import IntArray

if TYPE_CHECKING:
    import polars as pl


@guarded_class()
class Overfitting:
    """How much of what a sweep found is selection.

    Attributes
    ----------
    cscv : CSCV
        Probability of overfitting with all logits, degradation, probability of loss, dominance, selection; its
        ``winners`` are places in ``configs``.
    configs : numpy.ndarray
        Numbers of the configurations that were compared.
    trials : int or float
        How many trials the figures count with.
    effective_trials : float
        Groups of correlated returns among ``sampled`` configurations; NaN: not computed.
    sampled : int
        How many configurations that are.
    rows : tuple of dict
        Figures of each configuration that was asked for, the best where none was; NaN where they need data that are not
        at hand.  Those of the first are attributes, too.
    notes : tuple of str
        What was passed over.
    """

    def __init__(
        self, crossed: CSCV, rows: Sequence[dict[str, Any]], configs: IntArray, trials: float,
        effective: tuple[float, int], notes: tuple[str, ...],
    ) -> None:  # fmt: skip
        self.cscv, self.configs, self.notes = crossed, configs, notes
        self.trials: int | float = int(trials) if trials == int(trials) else trials
        self.effective_trials, self.sampled = effective
        missing = dict.fromkeys(FIGURES, math.nan)
        self.rows = tuple({**missing, **row} for row in rows)

    @property
    def pbo(self) -> float:
        """Probability of backtest overfitting."""
        return self.cscv.pbo

    @property
    def config(self) -> int:
        """Number of the configuration that the single figures are about."""
        return int(self.rows[0]["config"])

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters."""
        return dict(self.rows[0]["params"])

    def __getattr__(self, name: str) -> float:
        """Figure of the first configuration."""
        if name not in FIGURES:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return float(self.rows[0][name])

    @property
    def frame(self) -> pl.DataFrame:
        """One row for each configuration that was asked for: number, parameters, figures."""
        import polars as pl

        from peak_fast.results import named

        plain = [{"config": row["config"], **row["params"]} for row in self.rows]
        return named(
            pl.DataFrame(
                [
                    {**first, **{name: row[name] for name in FIGURES}}
                    for first, row in zip(plain, self.rows, strict=True)
                ]
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """All single figures, ready for JSON."""
        from peak_fast.results import jsonable

        plain: dict[str, Any] = jsonable(
            {
                **self.cscv.to_dict(),
                "most_selected": int(self.configs[self.cscv.to_dict()["most_selected"]]),
                "trials": self.trials,
                "effective_trials": self.effective_trials,
                "sampled": self.sampled,
                "rows": [dict(row) for row in self.rows],
                "notes": list(self.notes),
            }
        )
        return plain

    def summary(self) -> str:
        """The answers in sentences."""
        lines = [self.cscv.summary(), *(line for row in self.rows for line in self._about(row))]
        if self.sampled:
            lines.append(
                f"Groups among the returns of {self.sampled:,} configurations (correlations below 0.5 between them): "
                f"{self.effective_trials:,.0f}."
            )
        return "\n".join([*lines, *(f"{note[0].upper()}{note[1:]}." for note in self.notes)])

    def _about(self, row: dict[str, Any]) -> list[str]:
        """Sentences on one configuration."""
        params = ", ".join(f"{name}={value}" for name, value in row["params"].items())
        first = f"Configuration {row['config']} ({params}) has a Sharpe ratio of {row['sharpe']:.2f} a year."
        if math.isnan(row["deflated_sharpe"]):
            return [first]
        tries, new = f"{self.trials:,}", row["deflated_sharpe_2026"]
        second = (
            f"Deflated Sharpe ratio {row['deflated_sharpe']:.3f} (2014; {new:.3f} by the revision of 2026): the chance "
            f"that it is above that. That it is above 0, without selection: {row['probabilistic_sharpe']:.3f}."
        )
        third = (
            f"Cut for {tries} trials its Sharpe ratio is {row['haircut_sharpe']:.2f}; alone it would need "
            f"{row['min_track_record_bars']:,.0f} bars, as the best of so many {row['min_backtest_years']:,.1f} years."
        )
        return [
            f"{first} The best of {tries} worthless ones is expected to have {row['expected_max_sharpe']:.2f}.",
            second,
            third,
        ]

    def __repr__(self) -> str:
        return (
            f"Overfitting(pbo={self.pbo:.3f}, deflated_sharpe={self.rows[0]['deflated_sharpe']:.3f}, "
            f"config={self.config}, trials={self.trials:,})"
        )


FIGURES = (
    "sharpe",
    "sharpe_per_bar",
    "skew",
    "kurtosis",
    "autocorrelation",
    "probabilistic_sharpe",
    "deflated_sharpe",
    "deflated_sharpe_2026",
    "deflated_sharpe_effective",
    "expected_max_sharpe",
    "haircut_sharpe",
    "min_track_record_bars",
    "min_backtest_years",
)
"""Names of the figures of a configuration; Sharpe ratios a year where they do not say a bar."""
