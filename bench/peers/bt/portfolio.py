"""bt's runner of portfolios: weights traded at the deciding close, fractional units; with its statistics."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bt
import pandas as pd
from portfolio_jobs import CASH, FEE, ranked, read
from protocol import package_versions, serve


class Peer:
    def versions(self):
        return package_versions("bt", "ffn", "numpy", "pandas")

    def load_path(self, path):
        self.prices = prices = read(path)
        index = pd.DatetimeIndex(prices.times)
        self.close = pd.DataFrame(prices.close, index=index, columns=prices.symbols)

    def asked(self, rows, weights):
        return pd.DataFrame(weights, index=self.close.index[rows], columns=self.close.columns)

    def run(self, form):
        strategy = bt.Strategy("weights", [bt.algos.WeighTarget(form), bt.algos.Rebalance()])
        test = bt.Backtest(
            strategy, self.close, initial_capital=CASH, integer_positions=False, progress_bar=False,
            commissions=lambda quantity, price: abs(quantity) * price * FEE,
        )  # fmt: skip
        return bt.run(test).backtests["weights"].strategy.values.iloc[-1]

    def many(self, pairs):
        return [self.run(self.asked(*ranked(self.prices, lookback, top))) for lookback, top in pairs]


serve(Peer())
