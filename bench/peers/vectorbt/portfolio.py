"""vectorbt's runner of portfolios: targets moved a bar on and filled at the open."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from portfolio_jobs import CASH, FEE, ranked, read
from protocol import package_versions, serve

# A folder of another peer beside this one is called quantstats: vectorbt would take it for the package.
sys.path.pop(0)

import numpy as np
import pandas as pd
import vectorbt as vbt


class Peer:
    def __init__(self, engine: str) -> None:
        vbt.settings["engine"] = engine

    def versions(self):
        return package_versions("vectorbt", "vectorbt-rust", "numba", "numpy", "pandas")

    def load_path(self, path):
        self.prices = prices = read(path)
        index = pd.DatetimeIndex(prices.times)
        self.open = pd.DataFrame(prices.open, index=index, columns=prices.symbols)
        self.close = pd.DataFrame(prices.close, index=index, columns=prices.symbols)

    def asked(self, rows, weights):
        table = np.full(self.close.shape, np.nan)
        table[rows + 1] = weights
        return pd.DataFrame(table, index=self.close.index, columns=self.close.columns)

    def run(self, form):
        portfolio = vbt.Portfolio.from_orders(
            self.close, size=form, size_type="targetpercent", price=self.open, fees=FEE, init_cash=CASH,
            cash_sharing=True, group_by=True, call_seq="auto", freq="1D",
        )  # fmt: skip
        return np.asarray(portfolio.value()).ravel()[-1]

    def many(self, pairs):
        return [self.run(self.asked(*ranked(self.prices, lookback, top))) for lookback, top in pairs]


serve(Peer(sys.argv[1]))
