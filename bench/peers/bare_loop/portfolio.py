"""The floor of the portfolio jobs: the bare Numba loop; ``many`` makes one ordering for each lookback."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from portfolio_floor import final_equity
from portfolio_jobs import CASH, FEE, SKIP, month_ends, read
from protocol import package_versions, serve


class Peer:
    def versions(self):
        return package_versions("numba", "numpy")

    def load_path(self, path):
        self.prices = read(path)

    def asked(self, rows, weights):
        return rows, weights

    def run(self, form):
        return final_equity(self.prices, *form, CASH, FEE)

    def many(self, pairs):
        ends, close, orders, finals = month_ends(self.prices.times), self.prices.close, {}, []
        for lookback, top in pairs:
            if lookback not in orders:
                bars = ends[ends >= lookback + SKIP]
                score = close[bars - SKIP] / close[bars - SKIP - lookback]
                orders = {lookback: (bars, np.argsort(-score, axis=1))}
            bars, order = orders[lookback]
            weights = np.zeros((len(bars), close.shape[1]))
            np.put_along_axis(weights, order[:, :top], 1.0 / top, axis=1)
            finals.append(final_equity(self.prices, bars, weights, CASH, FEE))
        return finals


serve(Peer())
