"""NautilusTrader's runner.

On bars a market order fills at the close it was decided on, and slippage comes in ticks only: the bench
compares with its own same-close run at one commission of 15 bps a side.  Whole units against a billion.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from decimal import Decimal

import pandas as pd
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig, RiskEngineConfig, StrategyConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy
from protocol import FEE, SLIPPAGE, package_versions, serve

CASH = 1_000_000_000
RATE = FEE + SLIPPAGE
VENUE = Venue("BENCH")


class SmaCrossConfig(StrategyConfig, frozen=True):
    bar_type: BarType
    fast: int
    slow: int


class SmaCross(Strategy):
    def __init__(self, config):
        super().__init__(config)
        self.fast_mean = SimpleMovingAverage(config.fast)
        self.slow_mean = SimpleMovingAverage(config.slow)
        self.units = 0
        self.entries = 0

    def on_start(self):
        self.register_indicator_for_bars(self.config.bar_type, self.fast_mean)
        self.register_indicator_for_bars(self.config.bar_type, self.slow_mean)
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar):
        if not self.slow_mean.initialized:
            return
        above = self.fast_mean.value > self.slow_mean.value
        if above and self.units == 0:
            free = float(self.portfolio.account(VENUE).balance_free(USD))
            self.units = int(free / (float(bar.close) * (1 + RATE)))
            self.entries += 1
            self._order(OrderSide.BUY)
        elif not above and self.units > 0:
            self._order(OrderSide.SELL)
            self.units = 0

    def _order(self, side):
        instrument = self.config.bar_type.instrument_id
        self.submit_order(self.order_factory.market(instrument, side, Quantity.from_int(self.units)))


class Peer:
    def versions(self):
        return package_versions("nautilus_trader", "numpy", "pandas")

    def load(self, columns):
        identity = InstrumentId(Symbol("BENCH"), VENUE)
        self.instrument = Equity(
            instrument_id=identity,
            raw_symbol=Symbol("BENCH"),
            currency=USD,
            price_precision=6,
            price_increment=Price.from_str("0.000001"),
            lot_size=Quantity.from_int(1),
            maker_fee=Decimal(str(RATE)),
            taker_fee=Decimal(str(RATE)),
            ts_event=0,
            ts_init=0,
        )
        self.bar_type = BarType.from_str(f"{identity}-1-MINUTE-LAST-EXTERNAL")
        frame = pd.DataFrame(
            {name: columns[name] for name in ("open", "high", "low", "close")},
            index=pd.to_datetime(columns["time_us"], unit="us", utc=True),
        ).assign(volume=4_000_000_000.0)  # the depth that an order may take from one bar
        self.bars = BarDataWrangler(self.bar_type, self.instrument).process(frame)
        self.last_close = columns["close"][-1]

    def single(self, fast, slow):
        engine = BacktestEngine(
            BacktestEngineConfig(
                logging=LoggingConfig(bypass_logging=True), risk_engine=RiskEngineConfig(bypass=True)
            )
        )
        engine.add_venue(VENUE, OmsType.NETTING, AccountType.CASH, [Money(CASH, USD)], base_currency=USD)
        engine.add_instrument(self.instrument)
        engine.add_data(self.bars, validate=False)
        strategy = SmaCross(SmaCrossConfig(bar_type=self.bar_type, fast=fast, slow=slow))
        engine.add_strategy(strategy)
        engine.run()
        cash = float(engine.portfolio.account(VENUE).balance_total(USD))
        engine.get_result()
        outcome = (cash + strategy.units * self.last_close) / CASH, strategy.entries
        engine.dispose()
        return outcome

    def sweep(self, pairs, threads):
        return [self.single(fast, slow) for fast, slow in pairs]


serve(Peer())
