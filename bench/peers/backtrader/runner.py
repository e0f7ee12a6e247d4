"""backtrader's runner: signals of a close become orders at the next open, where they fill (cheat-on-open)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import backtrader as bt
import pandas as pd
from protocol import FEE, SLIPPAGE, package_versions, serve

CASH = 100_000.0


class SmaCross(bt.Strategy):
    params = (("fast", 20), ("slow", 50))

    def __init__(self):
        self.fast_mean = bt.indicators.SimpleMovingAverage(self.data.close, period=self.p.fast)
        self.slow_mean = bt.indicators.SimpleMovingAverage(self.data.close, period=self.p.slow)
        self.above = None
        self.entries = 0

    def next(self):
        self.above = self.fast_mean[0] > self.slow_mean[0]

    def next_open(self):
        if self.above is None:
            return
        if self.above and not self.position:
            unit = self.data.open[0] * (1 + SLIPPAGE) * (1 + FEE)
            self.buy(size=self.broker.getcash() / unit * (1 - 1e-12))
            self.entries += 1
        elif not self.above and self.position:
            self.sell(size=self.position.size)


class Peer:
    def versions(self):
        return package_versions("backtrader", "numpy", "pandas")

    def load(self, columns):
        self.frame = pd.DataFrame(
            {name: columns[name] for name in ("open", "high", "low", "close", "volume")},
            index=pd.to_datetime(columns["time_us"], unit="us"),
        )

    def single(self, fast, slow):
        cerebro = bt.Cerebro(cheat_on_open=True, stdstats=False)
        cerebro.adddata(bt.feeds.PandasData(dataname=self.frame))
        cerebro.broker.setcash(CASH)
        cerebro.broker.setcommission(commission=FEE)
        cerebro.broker.set_slippage_perc(SLIPPAGE, slip_open=True, slip_out=True)
        cerebro.addstrategy(SmaCross, fast=fast, slow=slow)
        for analyzer in (bt.analyzers.TimeReturn, bt.analyzers.DrawDown, bt.analyzers.TradeAnalyzer):
            cerebro.addanalyzer(analyzer)
        strategy = cerebro.run()[0]
        return cerebro.broker.getvalue() / CASH, strategy.entries

    def sweep(self, pairs, threads):
        return [self.single(fast, slow) for fast, slow in pairs]


serve(Peer())
