"""Settings of a sweep's configurations as the kernel reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast._slots import SIZINGS, VARIABLE, WHOLE
from peak_fast.errors import ConfigError
from peak_kernels import types as t

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

# As in `Stops` and `RiskLimits`: positive, or not set.
_OPTIONAL = ("stop_loss", "take_profit", "trailing", "max_position", "max_drawdown_limit", "daily_loss_limit")
# As in `Costs`: a fee or a slippage of the whole price is a misplaced decimal.
_BELOW = {"fee_rate": 1.0, "fee_bps": 10_000.0, "slippage_bps": 10_000.0}


class SettingsTable:
    """The kernel's settings of many configurations, laid out a tile at a time.

    Parameters
    ----------
    base
        What the configurations share.
    columns
        What they vary, by the names of `VARIABLE`.
    sizing
        What the sizing is called, for messages.

    Raises
    ------
    ConfigError
        A value that the setting cannot take.
    """

    def __init__(self, base: FloatArray, columns: Mapping[str, Any], sizing: str) -> None:
        self._base = base.reshape(1, -1)
        self._columns: list[tuple[tuple[int, ...], FloatArray]] = []
        for name, column in columns.items():
            values = _checked(name, column, base, sizing)
            slots, divisor = VARIABLE[name]
            self._columns.append((slots, values / divisor))
        bare = (self._column(t.STOP_LOSS) == 0.0) & (self._column(t.TRAILING) == 0.0)
        if base[t.SIZE_MODE] == t.SIZE_RISK and bare.any():
            raise ConfigError(
                "RiskPerTrade needs a stop in every configuration; stop_loss and trailing are 0"
            )
        self.any_daily_limit = bool((self._column(t.DAILY_LOSS_LIMIT) > 0.0).any())

    def _column(self, slot: int) -> FloatArray:
        """Values of one slot: one for each configuration, or one for all."""
        found = [values for slots, values in self._columns if slot in slots]
        return found[-1] if found else self._base[:, slot]

    def rows(self, first: int, last: int) -> FloatArray:
        """float64[last - first, N_SETTINGS]; a single row where the configurations share all settings."""
        if not self._columns:
            return self._base
        rows = np.repeat(self._base, last - first, axis=0)
        for slots, values in self._columns:
            for slot in slots:
                rows[:, slot] = values[first:last]
        return rows


def _checked(name: str, column: Any, base: FloatArray, sizing: str) -> FloatArray:
    """One column of values, 0 where a setting is not set."""
    try:
        values = np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"{name}: expected numbers, or None for 'not set'; got {list(column)!r}") from None
    unset = np.isnan(values)
    values = np.where(unset, 0.0, values)
    bad = (values < 0.0) | np.isinf(values)
    if name in _OPTIONAL:
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
        wanted = "numbers above 0, None for 'not set'" if name in _OPTIONAL else "numbers from 0 on"
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
        raise ConfigError(f"{name}: {values[np.argmax(bad)]} in the grid is out of range; expected {wanted}")
    if name in SIZINGS and base[t.SIZE_MODE] not in SIZINGS[name]:
        raise ConfigError(
            f"{name}: the sizing {sizing} has no such setting; expected "
            "sizing=VolatilityTarget(...) or KellyFraction(...)"
        )
    return values
