"""Settings in TOML: every table, and errors that name the place in the file."""

from dataclasses import fields, replace
from typing import get_args, get_type_hints

import pytest

from peak_fast import (
    BacktestConfig,
    BacktestEngine,
    Costs,
    Execution,
    FixedUnits,
    FixedValue,
    FractionOfEquity,
    KellyFraction,
    RiskLimits,
    RiskPerTrade,
    Stops,
    VolatilityTarget,
    synthetic,
)
from peak_fast.errors import ConfigError
from peak_fast.settings import presets
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_rules import Asset, OrderRules
from peak_fast.settings.order_table import PRESETS, OrderBookTable
from peak_fast.settings.presets import backtrader

WHOLE = """
initial_cash = 5000
risk_free = 0.02
periods_per_year = 252
use_execution_pipeline = false

[execution]
fill_at = "close"
both_hit = "target_first"
lot_size = 1

[costs]
rate = 0.001
maker_rate = 0.0005
slippage_bps = 2

[stops]
stop_loss = 0.05
watermark = "close"

[sizing]
kind = "risk_per_trade"
risk = 0.02

[risk_limits]
max_drawdown = 0.3

[tracking]
enabled = true
backend = "mlflow"
[tracking.mlflow]
experiment_name = "trial"
tags = { desk = "fx" }
"""


class TestToml:
    def write(self, tmp_path, text):
        path = tmp_path / "settings.toml"
        path.write_text(text)
        return path

    def test_every_table(self, tmp_path):
        config = BacktestConfig.from_toml(self.write(tmp_path, WHOLE))
        assert config.initial_cash == 5000 and config.risk_free == 0.02 and config.periods_per_year == 252
        assert config.execution == Execution(fill_at="close", both_hit="target_first", lot_size=1)
        assert config.costs == Costs(rate=0.001, maker_rate=0.0005, slippage_bps=2)
        assert config.stops == Stops(stop_loss=0.05, watermark="close")
        assert config.sizing == RiskPerTrade(risk=0.02)
        assert config.risk_limits == RiskLimits(max_drawdown=0.3)
        assert config.tracking.enabled and config.tracking.mlflow.experiment_name == "trial"
        assert config.tracking.mlflow.tags == {"desk": "fx"}
        engine = BacktestEngine.from_config(config)
        assert engine.use_execution_pipeline is False
        by_hand = BacktestEngine(
            initial_cash=5000,
            execution=config.execution,
            costs=config.costs,
            stops=config.stops,
            sizing=config.sizing,
            risk_limits=config.risk_limits,
            periods_per_year=252,
            risk_free=0.02,
        )
        bars = synthetic(300, seed=1)
        assert engine.run(bars, "momentum").hash == by_hand.run(bars, "momentum").hash

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ('kind = "fraction_of_equity"\nfraction = 0.5', FractionOfEquity(fraction=0.5)),
            ('kind = "fixed_units"\nunits = 3', FixedUnits(units=3)),
            ('kind = "fixed_value"\nvalue = 400', FixedValue(value=400)),
            (
                'kind = "volatility_target"\nvolatility = 0.1\nwindow = 60',
                VolatilityTarget(volatility=0.1, window=60),
            ),
            ('kind = "kelly"\nshare = 0.25\nmin_trades = 5', KellyFraction(share=0.25, min_trades=5)),
        ],
    )
    def test_every_sizing(self, tmp_path, kind, expected):
        path = self.write(tmp_path, f"[sizing]\n{kind}\n")
        assert BacktestConfig.from_toml(path).sizing == expected

    def test_the_order_book(self, tmp_path):
        text = """
            [costs]
            rate = 0.001
            [order_book]
            preset = "backtrader"
            latency = 1
            fee_tiers = [[0, 0.002], [1e5, 0.001]]
            entry_limit = 0.005
            entry_bars = 5
            funding = 0.0001
            funding_times = ["08:00", "20:00"]
            book_size = 64
            [order_book.asset]
            multiplier = 5
            tick = 0.25
        """
        config = BacktestConfig.from_toml(self.write(tmp_path, text))
        book = BacktestEngine.from_config(config).order_book
        rules = replace(backtrader(), latency=1, fee_tiers=((0.0, 0.002), (1e5, 0.001)))
        assert book == OrderBook(
            rules=rules,
            asset=Asset(multiplier=5, tick=0.25),
            entry_limit=0.005,
            entry_bars=5,
            funding=0.0001,
            funding_times=["08:00", "20:00"],
            book_size=64,
        )
        assert BacktestConfig(**config.model_dump()) == config
        assert config.order_book == BacktestConfig(order_book=config.order_book).order_book != None  # noqa: E711

    @pytest.mark.parametrize("name", PRESETS)
    def test_every_preset(self, name):
        assert OrderBookTable(preset=name).rules() == getattr(presets, name)()

    def test_every_rule_can_be_given(self):
        strict = get_type_hints(OrderRules)
        plain = OrderRules()
        for item in fields(OrderRules):
            values = get_args(strict[item.name])
            if item.name == "fee_tiers":
                value = ((0.0, 0.001),)
            elif values and isinstance(values[0], str):
                value = values[-1]
            else:
                kinds = {bool: not plain.__dict__[item.name], int: 3}
                value = kinds.get(strict[item.name], 0.5)
            if (item.name, value) in (("hedging", True), ("ledger", "settled"), ("volume", "range")):
                continue
            assert getattr(OrderBookTable(**{item.name: value}).rules(), item.name) == value
        pairs = {
            "hedging": True,
            "ledger": "settled",
            "merge_fills": False,
            "volume": "range",
            "volume_step": 0.1,
        }
        assert OrderBookTable(**pairs).rules() == OrderRules(**pairs)

    def test_the_table_runs(self, tmp_path):
        text = "[order_book]\nlatency = 2\nmarket_fill = 'next_open'\n[stops]\nstop_loss = 0.1"
        engine = BacktestEngine.from_config(BacktestConfig.from_toml(self.write(tmp_path, text)))
        by_hand = BacktestEngine(stops=Stops(stop_loss=0.1), order_book=OrderRules(latency=2))
        bars = synthetic(300, seed=1)
        assert engine.run(bars, "momentum").hash == by_hand.run(bars, "momentum").hash
        assert BacktestEngine.from_config(BacktestConfig()).order_book is None

    def test_an_empty_file_is_the_defaults(self, tmp_path):
        assert BacktestConfig.from_toml(self.write(tmp_path, "")) == BacktestConfig()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[costs]\nrate = 'much'", r"^Costs\.rate: expected a valid number, .*; got .much.$"),
            ("[costs]\nrat = 1", r"^Costs\.rat: no such setting; did you mean .rate."),
            ("[cost]\nrate = 0.1", r"did you mean 'costs'"),
            ("[sizing]\nkind = 'all_in'", r"sizing"),
            (
                "[sizing]\nkind = 'kelly'\nmin_trades = 0",
                r"min_trades: expected greater than or equal to 1; got 0",
            ),
            (
                "[sizing]\nkind = 'volatility_target'\nwindow = 1",
                r"window: expected greater than or equal to 2",
            ),
            ("[stops]\nstop_loss = 2.0", r"fraction below 1"),
            ("costs = [", r"not valid TOML"),
            (
                "[order_book]\nlatnecy = 1",
                r"^order_book\.latnecy: no such setting; did you mean 'latency'\?$",
            ),
            ("[order_book]\nlatency = 1.5", r"^order_book\.latency: expected a valid integer.*; got 1\.5$"),
            ("[order_book]\npath = 'wrost'", r"order_book\.path: expected 'queue', .*; got 'wrost'"),
            ("[order_book]\nleverage = 0", r"^order_book: leverage must be > 0, got 0\.0$"),
            ("[order_book]\npreset = 'backtradr'", r"^order_book\.preset: .*did you mean 'backtrader'"),
            ("[order_book]\npreset = 'vectorbt'", r"^order_book\.preset: .*simulate_signals"),
            ("[order_book]\nentry_limit = 1.5", r"^order_book\.entry_limit: expected less than 1; got 1\.5"),
            ("[order_book]\nentry_bars = 2", r"^order_book\.entry_bars: expected entry_limit with it; got 2"),
            ("[order_book]\nfee_tiers = [[1]]", r"order_book\.fee_tiers\.0"),
            ("[order_book.asset]\ntik = 1", r"^order_book\.asset\.tik: no such setting; did you mean 'tick'"),
            ("[order_book.asset]\ntick = -1", r"^order_book\.asset: Asset\(tick=...\) must be >= 0"),
            ("[order_book]\nasset = 3", r"^order_book\.asset: expected a table"),
            ("order_book = 3", r"^order_book: expected a table of settings.*; got int"),
            ("[order_boo]\nlatency = 1", r"did you mean 'order_book'"),
            ("initial_cash = -1", r"initial_cash"),
        ],
    )
    def test_wrong_files(self, tmp_path, text, message):
        with pytest.raises(ConfigError, match=message):
            BacktestConfig.from_toml(self.write(tmp_path, text))

    def test_no_file(self, tmp_path):
        with pytest.raises(ConfigError, match="no settings file"):
            BacktestConfig.from_toml(tmp_path / "nowhere.toml")
        with pytest.raises(ConfigError, match="TOML file of settings"):
            BacktestConfig.from_toml(tmp_path)
