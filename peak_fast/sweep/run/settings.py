"""Settings of a sweep's configurations as the kernel reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.settings import VARIABLE, checked_values
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray


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
            values = checked_values(name, column, base, sizing, " in the grid")
            self._columns.append((VARIABLE[name].slots, values / VARIABLE[name].unit))
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
        return self.at(slice(first, last), last - first)

    def at(self, places: Any, count: int | None = None) -> FloatArray:
        """The same for any configurations, given as numbers."""
        if not self._columns:
            return self._base
        rows = np.repeat(self._base, len(places) if count is None else count, axis=0)
        for slots, values in self._columns:
            for slot in slots:
                rows[:, slot] = values[places]
        return rows
