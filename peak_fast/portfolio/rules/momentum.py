"""Momentum and volatility, computed at the deciding bars alone.

>>> value = Momentum(lookback=126, skip=21) / Volatility("lookback")
>>> sorted(value.references()), value
(['lookback'], Momentum(126, 21) / Volatility('lookback'))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.data import Panel
from peak_fast.guard import guarded_class
from peak_fast.params import Param
from peak_fast.portfolio.rules import columns as _columns  # noqa: F401  what scores are joined with
from peak_fast.portfolio.rules.references import check_reference, named, resolved
from peak_fast.portfolio.rules.scores import Params, Score
from peak_fast.portfolio.setup import spans_of
from peak_kernels import entries as kernels
from peak_kernels.arrays import FloatArray, IntArray


@guarded_class()
@dataclass(frozen=True, slots=True, repr=False)
class Momentum(Score):
    """Return of the close over the ``lookback`` bars that ended ``skip`` bars ago.

    That is close[t-skip] / close[t-skip-lookback] - 1.
    NaN where the asset has no price as early.  Where a price is missing later, the last one before it counts.

    Parameters
    ----------
    lookback, skip
        Bars of the panel, or names of parameters.
    """

    lookback: int | str = 126
    skip: int | str = 0

    def __post_init__(self) -> None:
        check_reference("Momentum", "lookback", self.lookback, low=1)
        check_reference("Momentum", "skip", self.skip)

    def at(self, panel: Panel, rows: IntArray, params: Params) -> FloatArray:
        """Returns at the rows."""
        out = np.empty((rows.size, panel.n_assets))
        lookback, skip = int(resolved(self.lookback, params)), int(resolved(self.skip, params))
        kernels.momentum_scores(panel.close, spans_of(panel), rows, lookback, skip, out)
        return out

    def key(self, params: Params) -> Any:
        """Both numbers."""
        return "momentum", resolved(self.lookback, params), resolved(self.skip, params)

    def references(self) -> dict[str, Param]:
        """Parameters that it names."""
        return named(lookback=self.lookback, skip=self.skip)

    def __repr__(self) -> str:
        return f"Momentum({self.lookback!r}, {self.skip!r})"


@guarded_class()
@dataclass(frozen=True, slots=True, repr=False)
class Volatility(Score):
    """Population standard deviation of the returns of the last ``lookback`` bars.

    NaN where the asset has no price as early.  A bar without a price has no return; the next one spans both.
    """

    lookback: int | str = 63

    def __post_init__(self) -> None:
        check_reference("Volatility", "lookback", self.lookback, low=2)

    def at(self, panel: Panel, rows: IntArray, params: Params) -> FloatArray:
        """Deviations at the rows."""
        out = np.empty((rows.size, panel.n_assets))
        kernels.volatility_scores(
            panel.close, spans_of(panel), rows, int(resolved(self.lookback, params)), out
        )
        return out

    def key(self, params: Params) -> Any:
        """The number."""
        return "volatility", resolved(self.lookback, params)

    def references(self) -> dict[str, Param]:
        """Parameters that it names."""
        return named(lookback=self.lookback)

    def __repr__(self) -> str:
        return f"Volatility({self.lookback!r})"
