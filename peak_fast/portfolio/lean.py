"""Metrics of one portfolio after another, without records: what sweeps need, with the bits of full runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from peak_fast.metrics import METRICS
from peak_fast.portfolio.parts import NO_CHARGES, NO_RECORDS
from peak_fast.portfolio.run import check_sums, rows_of
from peak_fast.portfolio.setup import Setup, with_band
from peak_fast.portfolio.targets import TargetWeights
from peak_fast.simulation import NO_DUES
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.entries import run_portfolio as _run

if TYPE_CHECKING:
    from peak_fast.data import Panel


class Bench:
    """Memory of one thread that measures portfolios of a panel.

    Attributes
    ----------
    metrics, equity
        Of the last one measured: float64[metrics] in the order of the catalog, float64[bar].
    """

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._curve = np.empty((1, len(panel)))
        self.equity: FloatArray = self._curve[0]
        self.metrics: FloatArray = np.empty(len(METRICS))
        self._state = np.empty(t.N_STATE)
        self._cells = np.empty((panel.n_assets, p.N_CELLS))
        self._lists = np.empty((p.N_LISTS, panel.n_assets), dtype=np.int64)
        self._counts = np.empty(p.N_COUNTS, dtype=np.int64)
        self._sums = np.empty(p.N_SUMS)
        self._sheet = np.empty((p.N_SHEET, panel.n_assets))

    def _curve_of(self, setup: Setup) -> FloatArray:
        """Memory for the curve, with the rows of financing once they are needed."""
        rows = p.N_CURVES if setup.dues is not NO_DUES else 1
        if self._curve.shape[0] != rows:
            self._curve = np.empty((rows, len(self._panel)))
            self.equity = self._curve[p.EQUITY]
        return self._curve

    def course(self) -> tuple[FloatArray, float]:
        """What a unit of the account of the last bar was worth at each close of the last run, and before the first."""
        flowed = self._curve.shape[0] > 1 and self._sums[p.FLOWED] > 0.0
        return (self._curve[p.OWED] if flowed else self.equity), float(self._state[t.INITIAL_CASH])

    def measure(self, setup: Setup, targets: TargetWeights) -> FloatArray:
        """Run weights and return the metrics, which the next run overwrites.

        Raises
        ------
        DataError
            Weights that sum to more than the rules allow.
        """
        check_sums(self._panel, targets, setup.portfolio)
        setup = with_band(setup, targets)
        rows, picks = rows_of(self._panel, targets, setup.portfolio.rebalance)
        self._lists[: p.N_GIVEN_LISTS] = setup.lists
        _run(
            self._panel.prices, setup.spans, (rows, picks, targets.weights),
            (setup.settings, setup.rules, setup.terms), setup.days,
            (self._state, self._cells, self._lists, self._counts), NO_RECORDS,
            setup.dues.arrays(NO_CHARGES, self._sums), self._curve_of(setup), self.metrics, self._sheet,
        )  # fmt: skip
        return self.metrics
