"""Fast, trustworthy backtesting: compiled kernels, recorded runs, sweeps in constant memory.

>>> from peak_fast import BacktestEngine, Costs, sample
>>> engine = BacktestEngine(costs=Costs.from_bps(10, slippage_bps=5))
>>> result = engine.run(sample("AAPL"), "ma_crossover", {"fast": 20, "slow": 50})
>>> result.stats["total_trades"] > 0
True

Names are loaded on first use, so that ``import peak_fast`` costs next to nothing.
"""

from __future__ import annotations

import importlib

# Importing `typing` takes ten times as long as the rest; type checkers know this name.
TYPE_CHECKING = False

_HOMES = {
    "Above": "strategies",
    "AtLeast": "strategies",
    "BacktestConfig": "settings",
    "BacktestEngine": "engine",
    "BacktestResult": "results",
    "Bars": "data",
    "ConfigError": "errors",
    "Costs": "settings",
    "DataError": "errors",
    "Execution": "settings",
    "Financing": "settings",
    "FixedUnits": "settings",
    "FixedValue": "settings",
    "FractionOfEquity": "settings",
    "Grid": "sweep",
    "KellyFraction": "settings",
    "MLflowTracker": "tracking",
    "MissingDependencyError": "errors",
    "NoopTracker": "tracking",
    "Panel": "data",
    "Param": "params",
    "PeakFastError": "errors",
    "PortfolioResult": "portfolio",
    "PortfolioRules": "settings",
    "Rank": "portfolio",
    "Rebalance": "portfolio",
    "RiskLimits": "settings",
    "RiskPerTrade": "settings",
    "Row": "strategies",
    "RuleStrategy": "strategies",
    "Slots": "portfolio",
    "Stops": "settings",
    "StoreError": "errors",
    "StrategyError": "errors",
    "Study": "studies",
    "Sweep": "sweep",
    "SweepError": "errors",
    "SweepResult": "sweep",
    "TrackingError": "errors",
    "VolatilityTarget": "settings",
    "__version__": "version",
    "build_tracker_from_config": "tracking",
    "load": "data",
    "log_backtest_artifacts": "tracking",
    "sample": "data",
    "simulate_orders": "orders",
    "strategy": "strategies",
    "synthetic": "data",
}

__all__ = [
    "Above",
    "AtLeast",
    "BacktestConfig",
    "BacktestEngine",
    "BacktestResult",
    "Bars",
    "ConfigError",
    "Costs",
    "DataError",
    "Execution",
    "Financing",
    "FixedUnits",
    "FixedValue",
    "FractionOfEquity",
    "Grid",
    "KellyFraction",
    "MLflowTracker",
    "MissingDependencyError",
    "NoopTracker",
    "Panel",
    "Param",
    "PeakFastError",
    "PortfolioResult",
    "PortfolioRules",
    "Rank",
    "Rebalance",
    "RiskLimits",
    "RiskPerTrade",
    "Row",
    "RuleStrategy",
    "Slots",
    "Stops",
    "StoreError",
    "StrategyError",
    "Study",
    "Sweep",
    "SweepError",
    "SweepResult",
    "TrackingError",
    "VolatilityTarget",
    "__version__",
    "build_tracker_from_config",
    "load",
    "log_backtest_artifacts",
    "sample",
    "simulate_orders",
    "strategy",
    "synthetic",
]

if TYPE_CHECKING:
    from typing import Any

    from peak_fast.data import Bars, Panel, load, sample, synthetic
    from peak_fast.engine import BacktestEngine
    from peak_fast.errors import (
        ConfigError,
        DataError,
        MissingDependencyError,
        PeakFastError,
        StoreError,
        StrategyError,
        SweepError,
        TrackingError,
    )
    from peak_fast.orders import simulate_orders
    from peak_fast.params import Param
    from peak_fast.portfolio import PortfolioResult, Rank, Rebalance, Slots
    from peak_fast.results import BacktestResult
    from peak_fast.settings import (
        BacktestConfig,
        Costs,
        Execution,
        Financing,
        FixedUnits,
        FixedValue,
        FractionOfEquity,
        KellyFraction,
        PortfolioRules,
        RiskLimits,
        RiskPerTrade,
        Stops,
        VolatilityTarget,
    )
    from peak_fast.strategies import Above, AtLeast, Row, RuleStrategy, strategy
    from peak_fast.studies import Study
    from peak_fast.sweep import Grid, Sweep, SweepResult
    from peak_fast.tracking import (
        MLflowTracker,
        NoopTracker,
        build_tracker_from_config,
        log_backtest_artifacts,
    )
    from peak_fast.version import __version__


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        from peak_fast.errors import did_you_mean

        hint = "" if name.startswith("_") else f"; {did_you_mean(name, _HOMES)}"
        raise AttributeError(f"module 'peak_fast' has no attribute {name!r}{hint}")

    value = getattr(importlib.import_module(f"peak_fast.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
