"""Built-in strategies, one file each; loaded by name on first use."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["NAMES", "load"]

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


def load(name: str) -> Any:
    """The `RuleStrategy` of a built-in name."""
    return importlib.import_module(f"{__name__}.{name}").STRATEGY


def __dir__() -> list[str]:
    return sorted(__all__)
