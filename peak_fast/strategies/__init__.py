"""Built-in strategies, one file each; loaded by name on first use."""

from __future__ import annotations

import importlib
from typing import Any

from peak_fast._strategy import RuleStrategy, register

NAMES = (
    "bollinger",
    "buy_and_hold",
    "donchian_breakout",
    "ema_crossover",
    "ma_crossover",
    "macd",
    "momentum",
    "rsi_reversion",
)


def load(name: str) -> RuleStrategy:
    """Import a built-in strategy and register it."""
    item: Any = importlib.import_module(f"peak_fast.strategies.{name}").STRATEGY
    strategy: RuleStrategy = register(item, built_in=True)
    return strategy
