"""Our own runner: the same protocol, in the environment of the bench."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from protocol import FEE, SLIPPAGE, package_versions, serve

import peak_fast


class Peer:
    def versions(self):
        return package_versions("peak-fast", "numba", "numpy", "polars")

    def load_path(self, path):
        self.bars = peak_fast.load(path)
        self.costs = peak_fast.Costs(rate=FEE, slippage_bps=SLIPPAGE * 10_000)
        self.engine = peak_fast.BacktestEngine(costs=self.costs)

    def single(self, fast, slow):
        stats = self.engine.run(self.bars, "ma_crossover", {"fast": fast, "slow": slow}).stats
        return 1.0 + stats["total_return"], stats["total_trades"]

    def sweep(self, pairs, threads):
        grid = {"fast": [fast for fast, _ in pairs], "slow": [slow for _, slow in pairs]}
        frame = (
            peak_fast.Sweep(
                "ma_crossover",
                self._frame(grid),
                self.bars,
                costs=self.costs,
                metrics=["total_return", "sharpe", "max_drawdown", "total_trades"],
            )
            .run(threads=threads, progress=False)
            .frame
        )
        growth = 1.0 + frame["total_return"].to_numpy()
        return list(zip(growth, frame["total_trades"].to_numpy(), strict=True))

    @staticmethod
    def _frame(grid):
        import polars as pl

        return pl.DataFrame(grid)


serve(Peer())
