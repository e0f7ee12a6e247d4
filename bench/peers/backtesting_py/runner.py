"""backtesting.py's runner.

Its spread touches openings only, so both costs travel as one commission of 15 bps a side; whole units
against a billion of cash leave a rounding of one part in ten million.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import warnings

import pandas as pd
from protocol import FEE, SLIPPAGE, package_versions, rolling_mean, serve

CASH = 1e9

warnings.simplefilter("ignore")
import backtesting  # noqa: E402

backtesting.set_bokeh_output(notebook=False)


class SmaCross(backtesting.Strategy):
    fast, slow = 20, 50

    def init(self):
        close = self.data.Close
        self.fast_mean = self.I(rolling_mean, close, self.fast)
        self.slow_mean = self.I(rolling_mean, close, self.slow)

    def next(self):
        above = self.fast_mean[-1] > self.slow_mean[-1]
        if above and not self.position:
            self.buy()
        elif not above and self.position:
            self.position.close()


class Peer:
    def versions(self):
        return package_versions("backtesting", "numpy", "pandas")

    def load(self, columns):
        self.frame = pd.DataFrame(
            {name.capitalize(): columns[name] for name in ("open", "high", "low", "close", "volume")},
            index=pd.to_datetime(columns["time_us"], unit="us"),
        )
        self.last_close = columns["close"][-1]

    def single(self, fast, slow):
        test = backtesting.Backtest(self.frame, SmaCross, cash=CASH, commission=FEE + SLIPPAGE)
        stats = test.run(fast=fast, slow=slow)
        strategy = stats["_strategy"]
        return stats["Equity Final [$]"] / CASH, len(strategy.closed_trades) + len(strategy.trades)

    def sweep(self, pairs, threads):
        return [self.single(fast, slow) for fast, slow in pairs]


serve(Peer())
