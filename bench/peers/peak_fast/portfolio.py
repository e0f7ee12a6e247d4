"""Our own runner of portfolios; ``many`` is a sweep on one thread.

``stats``: records and all statistics, weights given as a wide frame.  ``rank``: the same, weights made by a rule.
``records``: without reading the statistics.  ``alone``: the simulation and its 27 folded metrics, as in a sweep.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import polars as pl
from portfolio_jobs import CASH, FEE, SKIP, read
from protocol import package_versions, serve

import peak_fast
from peak_fast.metrics import METRICS
from peak_fast.portfolio import Bench, setup_of
from peak_fast.portfolio.targets import target_weights


class Peer:
    def __init__(self, mode):
        self.mode = mode

    def versions(self):
        return package_versions("peak-fast", "numba", "numpy", "polars")

    def load_path(self, path):
        self.prices = prices = read(path)
        tables = {
            name: pl.DataFrame({"timestamp": prices.times, **dict(zip(prices.symbols, table.T, strict=True))})
            for name in ("open", "high", "low", "close")
            for table in [getattr(prices, name)]
        }
        self.panel = peak_fast.Panel.from_frame(tables)
        self.costs = peak_fast.Costs(rate=FEE)
        self.engine = peak_fast.BacktestEngine(costs=self.costs, initial_cash=CASH)

    def asked(self, rows, weights):
        """A wide frame of weights; the same times a rule that makes them."""
        if self.mode == "rank":
            return self.rule(126, 50)
        columns = dict(zip(self.prices.symbols, weights.T, strict=True))
        frame = pl.DataFrame({"timestamp": self.prices.times[rows], **columns})
        if self.mode != "alone":
            return frame
        return (
            Bench(self.panel),
            setup_of(self.panel, self.engine.settings),
            target_weights(self.panel, frame, {}),
        )

    @staticmethod
    def rule(lookback, top):
        calendar = peak_fast.Rebalance("month_end")
        return peak_fast.Rank(peak_fast.portfolio.Momentum(lookback, skip=SKIP), top=top, rebalance=calendar)

    def run(self, form):
        if self.mode == "alone":
            bench, setup, targets = form
            return bench.measure(setup, targets)[METRICS.index("final_equity")]
        if self.mode == "records":
            return self.engine.run(self.panel, form).equity[-1]
        return self.engine.run(self.panel, form).stats["final_equity"]

    def many(self, pairs):
        frame = pl.DataFrame(pairs, schema=["lookback", "top"], orient="row")
        rule = self.rule("lookback", "top")
        sweep = peak_fast.Sweep(
            rule, frame, self.panel, costs=self.costs, initial_cash=CASH, metrics=["final_equity", "sharpe"]
        )
        return sweep.run(threads=1, progress=False).frame["final_equity"].to_list()


serve(Peer(sys.argv[1]))
