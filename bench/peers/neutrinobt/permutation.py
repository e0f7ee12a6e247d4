"""Null worlds of neutrinobt: 1,000 permuted series of 5,000 bars, a crossing of two means run in each."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from measured import measure, prices
from neutrinobt.core.schema import create_dtype
from neutrinobt.research.null_suite import null_world_test
from neutrinobt.strategy.base import Strategy

COLUMNS = prices(5_000)
BARS = np.zeros(5_000, dtype=create_dtype())
BARS["timestamp"] = np.arange(5_000) * 86_400_000
for name, values in COLUMNS.items():
    BARS[name] = values


class Crossing(Strategy):
    """Long while the mean of 10 closes is above that of 50."""

    def init(self):
        """Two means."""
        self.fast, self.slow = self.I.SMA(period=10), self.I.SMA(period=50)

    def generate_signals(self):
        """Entries and exits where they cross."""
        above = self.fast > self.slow
        before = np.append(False, above[:-1])
        self.entries[:], self.exits[:] = above & ~before, ~above & before
        self.entry_sizes[:], self.exit_sizes[:], self.directions[:] = 1.0, 1.0, 1.0


def test(worlds=1_000):
    """P-value of the Sharpe ratio."""
    found = null_world_test(
        Crossing, BARS, {}, lambda results: results["statistics"]["sharpe_ratio"]["all_usd"], timeframe="1d",
        methods=("permutation",), n_worlds=worlds,
    )  # fmt: skip
    return found.p_values


print(json.dumps(measure(lambda: test(20), test)))
