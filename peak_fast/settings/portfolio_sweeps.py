"""What sweeps and studies of portfolios vary besides a rule's parameters, and one such configuration alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from peak_fast.errors import ConfigError
from peak_fast.settings.fields import check_number
from peak_fast.settings.portfolio_rules import PortfolioRules
from peak_fast.settings.variable import VARIABLE
from peak_fast.settings.varied import is_unset

if TYPE_CHECKING:
    from peak_fast.settings.engine import EngineSettings

# Engine settings that mean something to weights of many assets; those of one asset's entries and exits do not.
_ENGINE = ("max_position", "max_drawdown_limit", "daily_loss_limit", "initial_cash")

# Fields of `PortfolioRules` that are words.
PORTFOLIO_TEXTS = (
    "fill_at", "size_at", "mark_at", "rebalance", "short_cash", "sequence", "fee_from", "round_lots", "buying_power",
    "shorts", "missing", "delisted", "over_invested",
)  # fmt: skip


def portfolio_names() -> tuple[str, ...]:
    """Names that a sweep of a portfolio may vary besides the rule's parameters."""
    own = [name for name in PortfolioRules.model_fields if name != "costs"]
    costs = [name for name, row in VARIABLE.items() if row.part == "costs" and name != "maker_rate"]
    return (*(name for name in (*costs, *_ENGINE) if name in VARIABLE and name not in own), *own)


def varied_portfolio(settings: EngineSettings, varied: Mapping[str, Any]) -> EngineSettings:
    """Settings of one configuration: the engine's, with others in the place of some.

    Raises
    ------
    ConfigError
        A value that its setting cannot take.
    """
    if not varied:
        return settings
    rules = {} if settings.portfolio is None else settings.portfolio.model_dump()
    if settings.portfolio is not None:
        rules["costs"] = settings.portfolio.costs
    parts: dict[str, dict[str, Any]] = {
        "costs": settings.costs.model_dump(), "risk_limits": settings.risk_limits.model_dump()
    }  # fmt: skip
    cash = settings.initial_cash
    for name, value in varied.items():
        plain = None if is_unset(value) else value
        if name in PortfolioRules.model_fields:
            rules[name] = plain
        elif name == "initial_cash":
            cash = _given(name, plain)
        else:
            row = VARIABLE[name]
            # A rate is said in basis points here; slippage is in basis points in its field, too.
            unit = row.unit if row.field == "rate" else 1.0
            parts[row.part][row.field] = (
                None if plain is None and row.optional else _given(name, plain) / unit
            )
    made = {part: type(getattr(settings, part))(**values) for part, values in parts.items()}
    return replace(settings, initial_cash=cash, portfolio=PortfolioRules(**rules), **made)


def _given(name: str, value: Any) -> Any:
    if value is None:
        raise ConfigError(f"{name}: expected a value in each configuration; got None")
    check_number(name, value)
    return value
