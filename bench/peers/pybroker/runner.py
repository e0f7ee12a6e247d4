"""PyBroker's runner: orders of a close fill at the next open; sizes are cut to the cash, fees come on top."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from decimal import Decimal

import pandas as pd
import pybroker
from protocol import FEE, SLIPPAGE, package_versions, rolling_mean, serve
from pybroker import FeeMode, PositionMode, PriceType, Strategy, StrategyConfig
from pybroker.slippage import SlippageModel

CASH = 100_000.0
DEARER, CHEAPER = Decimal(str(1 + SLIPPAGE)), Decimal(str(1 - SLIPPAGE))


class BothSides(SlippageModel):
    def apply_slippage(self, ctx):
        return ctx.shares, ctx.fill_price * (DEARER if ctx.side == "buy" else CHEAPER)


def trade(ctx):
    above = ctx.indicator("fast")[-1] > ctx.indicator("slow")[-1]
    position = ctx.long_pos()
    if above and position is None:
        ctx.buy_fill_price = PriceType.OPEN
        ctx.buy_shares = ctx.calc_target_shares(2.0)  # cut to the cash at the fill
    elif not above and position is not None:
        ctx.sell_fill_price = PriceType.OPEN
        ctx.sell_all_shares()


class Peer:
    def versions(self):
        return package_versions("lib-pybroker", "numba", "numpy", "pandas")

    def load(self, columns):
        self.frame = pd.DataFrame(
            {name: columns[name] for name in ("open", "high", "low", "close", "volume")}
        ).assign(symbol="BENCH", date=pd.to_datetime(columns["time_us"], unit="us"))
        self.start, self.end = self.frame["date"].iloc[0], self.frame["date"].iloc[-1]

    def single(self, fast, slow):
        config = StrategyConfig(
            initial_cash=CASH,
            fee_mode=FeeMode.ORDER_PERCENT,
            fee_amount=FEE * 100,
            enable_fractional_shares=True,
            round_fill_price=False,
            round_test_result=False,
            position_mode=PositionMode.LONG_ONLY,
        )
        means = [
            pybroker.indicator("fast", lambda data: rolling_mean(data.close, fast)),
            pybroker.indicator("slow", lambda data: rolling_mean(data.close, slow)),
        ]
        strategy = Strategy(self.frame, self.start, self.end + pd.Timedelta("1min"), config)
        strategy.set_slippage_model(BothSides())
        strategy.add_execution(trade, ["BENCH"], indicators=means)
        result = strategy.backtest(calc_bootstrap=False)
        final = float(result.portfolio["market_value"].iloc[-1])
        return final / CASH, int((result.orders["type"] == "buy").sum())

    def sweep(self, pairs, threads):
        return [self.single(fast, slow) for fast, slow in pairs]


serve(Peer())
