"""Values of settings that are varied by name: checked alike in a grid and in a single configuration of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.settings.slots import SIZES
from peak_fast.settings.variable import VARIABLE, Setting
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray


def checked_values(name: str, column: Any, base: FloatArray, sizing: str, where: str = "") -> FloatArray:
    """One column of values, 0 where a setting is not set.

    Parameters
    ----------
    name
        A name of `peak_fast.settings.variable.VARIABLE`.
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
    row = VARIABLE[name]
    try:
        given = np.asarray(column)
        if given.dtype.kind in "bcSU" or (
            given.dtype.kind == "O" and any(isinstance(item, bool | str | np.bool_) for item in given)
        ):
            raise TypeError("no numbers")
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"{name}: expected numbers, or None for 'not set'; got {list(column)!r}") from None
    unset = np.isnan(values)
    values = np.where(unset, 0.0, values)
    # A stop at a share of the price of one or more could not be reached.
    share = name in ("stop_loss", "trailing") and base[t.STOP_ABSOLUTE] == 0.0
    below = 1.0 if share else row.below
    bad = (values < 0.0) | np.isinf(values) | (values < row.least) | (values >= below) | (values > row.most)
    # Zero is what the kernel reads as "not set": a limit of 0 would be none at all.
    bad |= (values <= row.above) & ~(unset & row.optional)
    if row.whole:
        bad |= values != np.rint(values)
    if name == "fee_minimum" and base[t.FEE_MINIMUM] < 0.0:
        raise ConfigError(
            "fee_minimum: the engine's maker_rate is a rebate, which a minimum would take away; expected one of the two"
        )
    if bad.any():
        wanted = _range(row, share)
        raise ConfigError(f"{name}: {values[np.argmax(bad)]}{where} is out of range; expected {wanted}")
    if row.modes and base[t.SIZE_MODE] not in row.modes:
        estimates = " or ".join(f"{size.__name__}(...)" for size in SIZES if size.mode > t.SIZE_RISK)
        raise ConfigError(f"{name}: the sizing {sizing} has no such setting; expected sizing={estimates}")
    return values


def _range(row: Setting, share: bool) -> str:
    """What a setting can be, for messages."""
    if share:
        return "fractions of the price above 0 and below 1, None for 'not set'"
    unset = ", None for 'not set'" if row.optional else ""
    if row.most == row.most:
        return f"fractions above 0 up to {row.most:g}{unset}"
    if row.whole:
        return f"whole numbers from {row.least:g} on"
    if row.above == row.above:
        return f"numbers above {row.above:g}{unset}"
    return f"numbers from 0 to below {row.below:g}" if row.below == row.below else "numbers from 0 on"
