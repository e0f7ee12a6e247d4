"""From settings to the flat vector that kernels read; slots stand beside the fields (`frozen.Slot`)."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.settings.frozen import Settings, put_fields
from peak_fast.settings.sizing import RiskPerTrade, SizeRule, Sizing
from peak_fast.settings.trading import Costs, Execution, RiskLimits, Stops
from peak_kernels import slots as t

SIZES: tuple[type[SizeRule], ...] = get_args(Sizing)


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
        Estimated volatilities take the bars a year that were known at each bar
        (`peak_fast.simulation.tables.prices_for`), not
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
    # A list, because single numbers of an array are slow to write.
    vector: list[float] = [0.0] * t.N_SETTINGS
    vector[t.INITIAL_CASH] = initial_cash
    for part in (execution, costs, stops, risk_limits):
        put_fields(vector, part)
    # A rebate has no minimum, which would take it away.
    vector[t.FEE_MINIMUM] = costs.least
    _put_sizing(vector, sizing, stops)
    if vector[t.SIZE_MODE] == t.SIZE_VOLATILITY and not year_at_bars:
        vector[t.SIZE_YEAR] = periods_per_year
    vector[t.PERIODS_PER_YEAR] = periods_per_year
    vector[t.RISK_FREE] = free_rate(risk_free, periods_per_year)
    vector[t.WEIGHT_TARGETS] = weights
    vector[t.ENTER_ONLY_FLAT] = enter_only_flat
    vector[t.SIGNED_PRICES] = signed
    return np.array(vector, dtype=np.float64)


def _put_sizing(vector: list[float], sizing: Settings, stops: Stops) -> None:
    """Fill the sizing slots."""
    if not isinstance(sizing, SizeRule) or sizing.mode < 0:
        *names, last = (size.__name__ for size in SIZES)
        raise ConfigError(f"sizing: expected {', '.join(names)} or {last}; got {type(sizing).__name__}")
    if isinstance(sizing, RiskPerTrade) and stops.stop_loss is None and stops.trailing is None:
        raise ConfigError(
            "RiskPerTrade sizes a position by its stop distance, but no stop is set; "
            "expected Stops(stop_loss=...) or Stops(trailing=...)"
        )
    vector[t.SIZE_MODE] = sizing.mode
    put_fields(vector, sizing)


def free_rate(risk_free: float, periods_per_year: float) -> float:
    """Risk-free rate of a bar of a yearly one."""
    return (1.0 + risk_free) ** (1.0 / periods_per_year) - 1.0 if risk_free else 0.0
