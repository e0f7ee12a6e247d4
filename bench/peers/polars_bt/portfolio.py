"""polars_bt's runner of portfolios: `mosaic`, fed the open as the price of a rebalance, which makes it a next open."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import polars as pl
from polars_bt import mosaic
from portfolio_jobs import CASH, FEE, ranked, read
from protocol import package_versions, serve


class Peer:
    def versions(self):
        return package_versions("polars_bt", "polars", "numpy")

    def load_path(self, path):
        self.prices = prices = read(path)
        bars, self.assets = prices.close.shape
        before = np.vstack([prices.open[:1], prices.close[:-1]])
        always = np.ones(bars * self.assets, dtype=bool)
        self.panel = pl.DataFrame(
            {
                "date": pl.Series(prices.times)
                .dt.to_string("%Y-%m-%d %H:%M")
                .gather(np.repeat(np.arange(bars), self.assets)),
                "ovn_ret": (prices.open / before - 1).ravel(),
                "ind_ret": (prices.close / prices.open - 1).ravel(),
                "buyable": always,
                "sellable": always,
                "prev_close": before.ravel(),
                "vwap": prices.open.ravel(),
            }
        )

    def asked(self, rows, weights):
        """The panel with the weights of each row at the bar where they fill, less the fee.

        A purchase that does not fit the cash is skipped whole, so without room for the fee the last one always is.
        """
        bars = len(self.prices.times)
        table, traded = np.zeros((bars, self.assets)), np.zeros((bars, self.assets), dtype=bool)
        table[rows + 1], traded[rows + 1] = weights * (1.0 - FEE), True
        return self.panel.with_columns(
            weight=pl.Series(table.ravel()), is_rebalance=pl.Series(traded.ravel())
        )

    def run(self, form):
        daily = form.select(
            mosaic(
                "date", "weight", "ovn_ret", "ind_ret", "buyable", "sellable", "prev_close", "vwap", "is_rebalance",
                asset_num=self.assets, st_fee=FEE, lg_fee=FEE,
            ).alias("daily")
        ).unnest("daily")  # fmt: skip
        return CASH * daily["nav"][-1]

    def many(self, pairs):
        return [self.run(self.asked(*ranked(self.prices, lookback, top))) for lookback, top in pairs]


serve(Peer())
