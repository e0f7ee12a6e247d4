"""polars_backtest's runner of portfolios: opens as the one price that fills a bar later, and marks."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import polars as pl
import polars_backtest
from portfolio_jobs import CASH, FEE, ranked, read
from protocol import package_versions, serve


class Peer:
    def versions(self):
        return package_versions("polars_backtest", "polars", "numpy")

    def load_path(self, path):
        self.prices = prices = read(path)
        bars, self.assets = prices.close.shape
        self.panel = pl.DataFrame(
            {
                "date": np.repeat(prices.times, self.assets),
                "symbol": np.tile(prices.symbols, bars),
                "open": prices.open.ravel(),
            }
        ).with_columns(pl.col("date").cast(pl.Date))

    def asked(self, rows, weights):
        """The panel with weights at every bar; it trades where they change."""
        bars = len(self.prices.times)
        at = np.searchsorted(rows, np.arange(bars), side="right") - 1
        table = np.where(at[:, None] >= 0, weights[np.maximum(at, 0)], 0.0)
        return self.panel.with_columns(weight=pl.Series(table.ravel()))

    def run(self, form):
        found = polars_backtest.backtest(
            form, trade_at_price="open", position="weight", resample=None, fee_ratio=FEE, tax_ratio=0.0
        )
        return CASH * found["creturn"][-1]

    def many(self, pairs):
        return [self.run(self.asked(*ranked(self.prices, lookback, top))) for lookback, top in pairs]


serve(Peer())
