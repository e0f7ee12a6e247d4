"""Rolling walk-forward of neutrinobt: 400 crossings of means, 5,000 bars, windows of 1,000 and 200."""

import contextlib
import io
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from measured import measure, prices
from neutrinobt.core.schema import create_dtype
from neutrinobt.strategy.base import Strategy
from neutrinobt.wfo.rolling_optimize import run_rolling_wfo

COLUMNS = prices(5_000)
BARS = np.zeros(5_000, dtype=create_dtype())
BARS["timestamp"] = np.arange(5_000) * 86_400_000
for name, values in COLUMNS.items():
    BARS[name] = values


class Crossing(Strategy):
    """Long while the mean of few closes is above that of many."""

    def __init__(self, bars, timeframe="1d", fast=10, slow=50):
        self.periods = fast, slow
        super().__init__(bars, timeframe=timeframe)

    def init(self):
        """Two means."""
        self.fast, self.slow = (self.I.SMA(period=period) for period in self.periods)

    def generate_signals(self):
        """Entries and exits where they cross."""
        above = self.fast > self.slow
        before = np.append(False, above[:-1])
        self.entries[:], self.exits[:] = above & ~before, ~above & before
        self.entry_sizes[:], self.exit_sizes[:], self.directions[:] = 1.0, 1.0, 1.0


def test(bars=5_000, fast=20):
    """Windows that were walked."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = run_rolling_wfo(
            Crossing, BARS[:bars], {"fast": list(range(5, 5 + 2 * fast, 2)), "slow": list(range(50, 250, 10))},
            lambda results: results["statistics"]["sharpe_ratio"]["all_usd"], train_size=1_000, test_size=200,
            timeframe="1d", context_bars=250, warmup_check=False, optimizer_kwargs={"method": "grid", "n_jobs": 1},
        )  # fmt: skip
    return f"{len(found.windows)} windows"


# It writes a folder for each window into the working directory.
os.chdir(tempfile.mkdtemp())
print(json.dumps(measure(lambda: test(1_250, 1), test)))
