"""From settings to the flat vector that kernels read; the only place that knows both sides.

The same table says which settings a sweep may vary: ``VARIABLE["stop_loss"]`` is the slot and the divisor of
the grid's column.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from peak_fast.config import (
    BASIS_POINTS,
    Costs,
    Execution,
    FixedUnits,
    FixedValue,
    FractionOfEquity,
    KellyFraction,
    RiskLimits,
    RiskPerTrade,
    Settings,
    Stops,
    VolatilityTarget,
)
from peak_fast.errors import ConfigError
from peak_kernels import types as t

_BOTH_HIT = {"stop_first": 0.0, "target_first": 1.0, "nearest_to_open": 2.0}
_WATERMARK = {"extreme": 0.0, "close": 1.0, "high": 2.0, "low": 3.0}


# Settings that a sweep may vary by name: slots that take the value, and what it is divided by.  A division, as in
# `Costs.from_bps`: multiplying by 1e-4 would give other last bits than the single run.
VARIABLE: dict[str, tuple[tuple[int, ...], float]] = {
    "stop_loss": ((t.STOP_LOSS,), 1.0),
    "take_profit": ((t.TAKE_PROFIT,), 1.0),
    "trailing": ((t.TRAILING,), 1.0),
    "fee_rate": ((t.RATE, t.MAKER_RATE), 1.0),
    "fee_bps": ((t.RATE, t.MAKER_RATE), BASIS_POINTS),
    "fee_fixed": ((t.FEE_FIXED,), 1.0),
    "fee_minimum": ((t.FEE_MINIMUM,), 1.0),
    "fee_per_unit": ((t.FEE_PER_UNIT,), 1.0),
    "slippage_bps": ((t.SLIPPAGE_RATE,), BASIS_POINTS),
    "slippage_abs": ((t.SLIPPAGE_ABSOLUTE,), 1.0),
    "size": ((t.SIZE_VALUE,), 1.0),
    "size_window": ((t.SIZE_WINDOW,), 1.0),
    "size_min_trades": ((t.SIZE_WINDOW,), 1.0),
    "size_fallback": ((t.SIZE_FALLBACK,), 1.0),
    "size_min_fraction": ((t.SIZE_LEAST,), 1.0),
    "size_max_fraction": ((t.SIZE_MAX_POSITION,), 1.0),
    "max_position": ((t.MAX_POSITION,), 1.0),
    "max_drawdown_limit": ((t.MAX_DRAWDOWN_LIMIT,), 1.0),
    "daily_loss_limit": ((t.DAILY_LOSS_LIMIT,), 1.0),
    "leverage": ((t.LEVERAGE,), 1.0),
    "initial_cash": ((t.INITIAL_CASH,), 1.0),
}

# Names above that only these sizings have: with another they would change nothing.
SIZINGS: dict[str, tuple[int, ...]] = {
    "size_window": (t.SIZE_VOLATILITY,),
    "size_min_trades": (t.SIZE_KELLY,),
    "size_fallback": (t.SIZE_VOLATILITY, t.SIZE_KELLY),
    "size_min_fraction": (t.SIZE_KELLY,),
    "size_max_fraction": (t.SIZE_VOLATILITY, t.SIZE_KELLY),
}

# Names above that are counts, with the smallest one.
WHOLE = {"size_window": 2, "size_min_trades": 1}


# Names above that are one setting in two units.
_SAME = (("fee_bps", "fee_rate"),)


def check_apart(names: Iterable[str]) -> None:
    """Refuse two names of one setting: only one of them could hold.

    Raises
    ------
    ConfigError
        Both are there.
    """
    given = set(names)
    for pair in _SAME:
        if given.issuperset(pair):
            raise ConfigError(
                f"expected one of {' and '.join(pair)}, which are one setting; got both; remove one"
            )


def settings_vector(
    *,
    initial_cash: float,
    execution: Execution,
    costs: Costs,
    stops: Stops,
    sizing: Settings,
    risk_limits: RiskLimits,
    periods_per_year: float,
    year_at_bars: bool = False,
    risk_free: float = 0.0,
    weights: bool = False,
    enter_only_flat: bool = False,
    signed: bool = False,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Flat settings of one configuration.

    Parameters
    ----------
    year_at_bars
        Estimated volatilities take the bars a year that were known at each bar (`peak_fast._tables.prices_for`), not
        ``periods_per_year``.
    risk_free
        Yearly rate; the kernel gets (1 + risk_free) ** (1 / periods_per_year) - 1.
    weights
        Targets are fractions of equity instead of sides.
    signed
        The bars have prices at or below zero.

    Raises
    ------
    ConfigError
        The settings contradict each other.
    """
    vector = np.zeros(t.N_SETTINGS)
    vector[t.INITIAL_CASH] = initial_cash
    vector[t.FILL_AT_CLOSE] = execution.fill_at == "close"
    vector[t.BOTH_HIT] = _BOTH_HIT[execution.both_hit]
    vector[t.ENTRY_BAR_STOPS] = execution.entry_bar_stops
    vector[t.RATE] = costs.rate
    vector[t.MAKER_RATE] = costs.rate if costs.maker_rate is None else costs.maker_rate
    vector[t.FEE_FIXED] = costs.fixed
    vector[t.FEE_MINIMUM] = costs.least
    vector[t.FEE_PER_UNIT] = costs.per_unit
    vector[t.SLIPPAGE_RATE] = costs.slippage_bps / BASIS_POINTS
    vector[t.SLIPPAGE_ABSOLUTE] = costs.slippage_abs
    vector[t.STOP_LOSS] = stops.stop_loss or 0.0
    vector[t.TAKE_PROFIT] = stops.take_profit or 0.0
    vector[t.TRAILING] = stops.trailing or 0.0
    vector[t.STOP_ABSOLUTE] = stops.unit == "absolute"
    vector[t.WATERMARK] = _WATERMARK[stops.watermark]
    _put_sizing(vector, sizing, stops)
    if vector[t.SIZE_MODE] == t.SIZE_VOLATILITY and not year_at_bars:
        vector[t.SIZE_YEAR] = periods_per_year
    vector[t.LOT_SIZE] = execution.lot_size
    vector[t.MIN_SIZE] = execution.min_size
    vector[t.LEVERAGE] = execution.leverage
    vector[t.MAX_POSITION] = risk_limits.max_position or 0.0
    vector[t.MAX_DRAWDOWN_LIMIT] = risk_limits.max_drawdown or 0.0
    vector[t.DAILY_LOSS_LIMIT] = risk_limits.daily_loss or 0.0
    vector[t.PERIODS_PER_YEAR] = periods_per_year
    vector[t.RISK_FREE] = (1.0 + risk_free) ** (1.0 / periods_per_year) - 1.0 if risk_free else 0.0
    vector[t.WEIGHT_TARGETS] = weights
    vector[t.ENTER_ONLY_FLAT] = enter_only_flat
    vector[t.SIGNED_PRICES] = signed
    return vector


def _put_sizing(vector: np.ndarray[Any, np.dtype[np.float64]], sizing: Settings, stops: Stops) -> None:
    """Fill the sizing slots."""
    if isinstance(sizing, FractionOfEquity):
        vector[t.SIZE_MODE], vector[t.SIZE_VALUE] = t.SIZE_FRACTION, sizing.fraction
    elif isinstance(sizing, FixedUnits):
        vector[t.SIZE_MODE], vector[t.SIZE_VALUE] = t.SIZE_UNITS, sizing.units
    elif isinstance(sizing, FixedValue):
        vector[t.SIZE_MODE], vector[t.SIZE_VALUE] = t.SIZE_NOTIONAL, sizing.value
    elif isinstance(sizing, RiskPerTrade):
        if stops.stop_loss is None and stops.trailing is None:
            raise ConfigError(
                "RiskPerTrade sizes a position by its stop distance, but no stop is set; "
                "expected Stops(stop_loss=...) or Stops(trailing=...)"
            )
        vector[t.SIZE_MODE], vector[t.SIZE_VALUE] = t.SIZE_RISK, sizing.risk
        vector[t.SIZE_MAX_POSITION], vector[t.SIZE_MIN_VALUE] = sizing.max_position, sizing.min_value
    elif isinstance(sizing, VolatilityTarget):
        vector[t.SIZE_MODE], vector[t.SIZE_VALUE] = t.SIZE_VOLATILITY, sizing.volatility
        vector[t.SIZE_WINDOW], vector[t.SIZE_FALLBACK] = sizing.window, sizing.fallback
        vector[t.SIZE_MAX_POSITION] = sizing.max_fraction
    elif isinstance(sizing, KellyFraction):
        vector[t.SIZE_MODE], vector[t.SIZE_VALUE] = t.SIZE_KELLY, sizing.share
        vector[t.SIZE_WINDOW], vector[t.SIZE_FALLBACK] = sizing.min_trades, sizing.fallback
        vector[t.SIZE_LEAST], vector[t.SIZE_MAX_POSITION] = sizing.min_fraction, sizing.max_fraction
    else:
        raise ConfigError(
            "sizing: expected FractionOfEquity, FixedUnits, FixedValue, RiskPerTrade, VolatilityTarget or "
            f"KellyFraction; got {type(sizing).__name__}"
        )
