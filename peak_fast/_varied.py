"""Values of settings that are varied by name: checked alike in a grid and in a single configuration of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_fast._slots import SIZINGS, WHOLE
from peak_fast.errors import ConfigError
from peak_kernels import types as t

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

# As in `Stops` and `RiskLimits`: positive, or not set.
OPTIONAL = ("stop_loss", "take_profit", "trailing", "max_position", "max_drawdown_limit", "daily_loss_limit")
# As in `Costs`: a fee or a slippage of the whole price is a misplaced decimal.
_BELOW = {"fee_rate": 1.0, "fee_bps": 10_000.0, "slippage_bps": 10_000.0}


def checked_values(name: str, column: Any, base: FloatArray, sizing: str, where: str = "") -> FloatArray:
    """One column of values, 0 where a setting is not set.

    Parameters
    ----------
    name
        A name of `peak_fast._slots.VARIABLE`.
    column
        Its values; None or NaN: not set.
    base
        The flat settings that are varied.
    sizing
        What the sizing is called, for messages.
    where
        Where the values stand, for messages.

    Raises
    ------
    ConfigError
        A value that the setting cannot take.
    """
    try:
        values = np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"{name}: expected numbers, or None for 'not set'; got {list(column)!r}") from None
    unset = np.isnan(values)
    values = np.where(unset, 0.0, values)
    bad = (values < 0.0) | np.isinf(values)
    if name in OPTIONAL:
        # Zero is what the kernel reads as "not set": a limit of 0 would be none at all.
        bad |= (values == 0.0) & ~unset
    if name in _BELOW:
        bad |= values >= _BELOW[name]
    if name in ("max_drawdown_limit", "daily_loss_limit"):
        bad |= values > 1.0
    if name in ("stop_loss", "trailing") and base[t.STOP_ABSOLUTE] == 0.0:
        bad |= values >= 1.0
    if name in ("size", "leverage", "initial_cash", "size_max_fraction"):
        bad |= values == 0.0
    if name in WHOLE:
        bad |= (values < WHOLE[name]) | (values != np.rint(values))
    if name == "fee_minimum" and base[t.FEE_MINIMUM] < 0.0:
        raise ConfigError(
            "fee_minimum: the engine's maker_rate is a rebate, which a minimum would take away; expected one of the two"
        )
    if bad.any():
        wanted = "numbers above 0, None for 'not set'" if name in OPTIONAL else "numbers from 0 on"
        if name in _BELOW:
            wanted = f"numbers from 0 to below {_BELOW[name]:g}"
        if name in ("max_drawdown_limit", "daily_loss_limit"):
            wanted = "fractions above 0 up to 1, None for 'not set'"
        if name in WHOLE:
            wanted = f"whole numbers from {WHOLE[name]} on"
        elif name in ("size", "leverage", "initial_cash", "size_max_fraction"):
            wanted = "numbers above 0"
        elif name in ("stop_loss", "trailing") and base[t.STOP_ABSOLUTE] == 0.0:
            wanted = "fractions of the price above 0 and below 1, None for 'not set'"
        raise ConfigError(f"{name}: {values[np.argmax(bad)]}{where} is out of range; expected {wanted}")
    if name in SIZINGS and base[t.SIZE_MODE] not in SIZINGS[name]:
        raise ConfigError(
            f"{name}: the sizing {sizing} has no such setting; expected "
            "sizing=VolatilityTarget(...) or KellyFraction(...)"
        )
    return values
