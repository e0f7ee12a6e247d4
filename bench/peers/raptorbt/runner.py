"""raptorbt's runner: its array path, with its own moving averages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import raptorbt
from protocol import FEE, SLIPPAGE, package_versions, serve

CASH = 100_000.0


class Peer:
    def versions(self):
        return package_versions("raptorbt", "numpy")

    def load(self, columns):
        self.arrays = (
            columns["time_us"] * 1_000,
            *(columns[name] for name in ("open", "high", "low", "close", "volume")),
        )
        self.close = columns["close"]
        self.config = raptorbt.BacktestConfig(
            initial_capital=CASH,
            fees=FEE,
            slippage=SLIPPAGE,
            apply_slippage=True,
            fill_timing="next_bar_open",
        )

    def _signals(self, fast, slow):
        fast_ma, slow_ma = raptorbt.sma(self.close, fast), raptorbt.sma(self.close, slow)
        return fast_ma > slow_ma, fast_ma < slow_ma

    def _outcome(self, result):
        metrics = result.metrics
        _ = metrics.sharpe_ratio, metrics.max_drawdown_pct
        return 1.0 + metrics.total_return_pct / 100.0, metrics.total_trades

    def single(self, fast, slow):
        entries, exits = self._signals(fast, slow)
        result = raptorbt.run_single_backtest(
            *self.arrays, entries, exits, direction=1, weight=1.0, symbol="BENCH", config=self.config
        )
        return self._outcome(result)

    def sweep(self, pairs, threads):
        """Averages once per window; batches bounded in memory, each over all cores (raptorbt's own pool)."""
        means = {w: raptorbt.sma(self.close, w) for w in np.unique(pairs).tolist()}
        batch = max(1, 5_000_000 // len(self.close))
        out = []
        for first in range(0, len(pairs), batch):
            items = [
                raptorbt.BatchSingleItem(
                    f"{first + k}", means[fast] > means[slow], means[fast] < means[slow], 1, 1.0, "BENCH"
                )
                for k, (fast, slow) in enumerate(pairs[first : first + batch])
            ]
            results = raptorbt.batch_single_backtest(*self.arrays, items, self.config)
            out += [self._outcome(result) for _, result in results]
        return out


serve(Peer())
