"""Settings of a run: execution, costs, stops, sizes, limits, rules of orders, presets, configuration files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.settings.config import BacktestConfig, MLflowTracking, SweepTable, Tracking
    from peak_fast.settings.engine import EngineSettings as EngineSettings
    from peak_fast.settings.financing import Financing
    from peak_fast.settings.funding import EVERY_BAR as EVERY_BAR
    from peak_fast.settings.funding import are_moments as are_moments
    from peak_fast.settings.funding import bar_edges as bar_edges
    from peak_fast.settings.funding import bars_of_moments as bars_of_moments
    from peak_fast.settings.funding import check_funding as check_funding
    from peak_fast.settings.funding import payments as payments
    from peak_fast.settings.names_of_sweeps import checked_values as checked_values
    from peak_fast.settings.order_book import OrderBook
    from peak_fast.settings.order_book import as_book as as_book
    from peak_fast.settings.order_checks import check_assets as check_assets
    from peak_fast.settings.order_checks import check_book_size as check_book_size
    from peak_fast.settings.order_checks import check_cash as check_cash
    from peak_fast.settings.order_checks import check_effects as check_effects
    from peak_fast.settings.order_checks import check_half_spread as check_half_spread
    from peak_fast.settings.order_checks import check_kind as check_kind
    from peak_fast.settings.order_fields import ENTRIES as ENTRIES
    from peak_fast.settings.order_fields import ENTRY_FIELDS as ENTRY_FIELDS
    from peak_fast.settings.order_fields import RULE_FIELDS as RULE_FIELDS
    from peak_fast.settings.order_fields import RULES as RULES
    from peak_fast.settings.order_fields import varied_field as varied_field
    from peak_fast.settings.order_rules import Asset, OrderRules
    from peak_fast.settings.order_rules import merge_rules as merge_rules
    from peak_fast.settings.order_slots import rule_vector as rule_vector
    from peak_fast.settings.portfolio_rules import PortfolioRules
    from peak_fast.settings.portfolio_rules import rules_vector as rules_vector
    from peak_fast.settings.portfolio_sweeps import PORTFOLIO_TEXTS as PORTFOLIO_TEXTS
    from peak_fast.settings.portfolio_sweeps import portfolio_names as portfolio_names
    from peak_fast.settings.portfolio_sweeps import varied_portfolio as varied_portfolio
    from peak_fast.settings.presets import (
        backtesting_py,
        backtrader,
        peak_trade_legacy,
        peak_trade_pipeline,
        vectorbt,
    )
    from peak_fast.settings.signal_rules import SignalRules
    from peak_fast.settings.signal_rules import signal_types as signal_types
    from peak_fast.settings.signed_prices import check_book as check_book
    from peak_fast.settings.signed_prices import refuse_prices as refuse_prices
    from peak_fast.settings.sizing import AnySizing as AnySizing
    from peak_fast.settings.sizing import (
        FixedUnits,
        FixedValue,
        FractionOfEquity,
        KellyFraction,
        RiskPerTrade,
        VolatilityTarget,
    )
    from peak_fast.settings.sizing import SizeRule as SizeRule
    from peak_fast.settings.trading import Costs, Execution, RiskLimits, Stops
    from peak_fast.settings.variable import VARIABLE as VARIABLE
    from peak_fast.settings.variable import check_apart as check_apart
    from peak_fast.settings.varied import is_unset as is_unset
    from peak_fast.settings.varied import names_of as names_of
    from peak_fast.settings.varied import varied_entries as varied_entries
    from peak_fast.settings.varied import varied_rules as varied_rules
    from peak_fast.settings.varied import varied_settings as varied_settings

__all__ = [
    "Asset",
    "BacktestConfig",
    "Costs",
    "Execution",
    "Financing",
    "FixedUnits",
    "FixedValue",
    "FractionOfEquity",
    "KellyFraction",
    "MLflowTracking",
    "OrderBook",
    "OrderRules",
    "PortfolioRules",
    "RiskLimits",
    "RiskPerTrade",
    "SignalRules",
    "Stops",
    "SweepTable",
    "Tracking",
    "VolatilityTarget",
    "backtesting_py",
    "backtrader",
    "peak_trade_legacy",
    "peak_trade_pipeline",
    "vectorbt",
]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "order_fields": ("ENTRIES", "ENTRY_FIELDS", "RULES", "RULE_FIELDS", "varied_field"),
    "config": ("BacktestConfig", "MLflowTracking", "SweepTable", "Tracking"),
    "engine": ("EngineSettings",),
    "financing": ("Financing",),
    "funding": ("EVERY_BAR", "are_moments", "bar_edges", "bars_of_moments", "check_funding", "payments"),
    "names_of_sweeps": ("checked_values",),
    "order_book": ("OrderBook", "as_book"),
    "order_checks": (
        "check_assets",
        "check_book_size",
        "check_cash",
        "check_effects",
        "check_half_spread",
        "check_kind",
    ),
    "order_rules": ("Asset", "OrderRules", "merge_rules"),
    "order_slots": ("rule_vector",),
    "portfolio_rules": ("PortfolioRules", "rules_vector"),
    "presets": ("backtesting_py", "backtrader", "peak_trade_legacy", "peak_trade_pipeline", "vectorbt"),
    "signal_rules": ("SignalRules", "signal_types"),
    "signed_prices": ("check_book", "refuse_prices"),
    "sizing": (
        "AnySizing",
        "FixedUnits",
        "FixedValue",
        "FractionOfEquity",
        "KellyFraction",
        "RiskPerTrade",
        "SizeRule",
        "VolatilityTarget",
    ),
    "variable": ("VARIABLE", "check_apart"),
    "trading": ("Costs", "Execution", "RiskLimits", "Stops"),
    "portfolio_sweeps": ("PORTFOLIO_TEXTS", "portfolio_names", "varied_portfolio"),
    "varied": (
        "is_unset",
        "names_of",
        "varied_entries",
        "varied_rules",
        "varied_settings",
    ),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__, further=("sizing",))
