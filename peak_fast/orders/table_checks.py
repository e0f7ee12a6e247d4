"""Checks of parsed instructions: what an action needs, and what it would silently ignore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from peak_fast.errors import DataError, did_you_mean
from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray

Flags = npt.NDArray[np.bool_]

_TRAILING = (f.TRAILING_STOP, f.TRAILING_STOP_LIMIT)
# Columns that an action reads; every action has a bar, a tag and an asset.
_READS: dict[int, tuple[str, ...]] = {
    f.OP_MODIFY: (
        "size", "size_unit", "limit", "stop", "trail", "trail_unit", "stop_loss", "take_profit", "valid_until",
        "time_in_force",
    ),
    f.OP_CANCEL: (),
    f.OP_CLOSE: ("size", "side"),
    f.OP_TRAIL_LOTS: ("trail", "trail_unit"),
    f.OP_EXITS: ("stop_loss", "take_profit"),
}  # fmt: skip
# Column of the action array, and the value that says nothing (NaN: missing).
_CELLS: dict[str, tuple[int, float]] = {
    "type": (f.X_KIND, f.MARKET), "side": (f.X_SIDE, 0.0), "size": (f.X_SIZE, np.nan),
    "size_unit": (f.X_UNIT, f.UNITS), "limit": (f.X_LIMIT, np.nan), "stop": (f.X_STOP, np.nan),
    "trail": (f.X_TRAIL, np.nan), "trail_unit": (f.X_TRAIL_UNIT, f.FRACTION),
    "stop_loss": (f.X_STOP_LOSS, np.nan), "take_profit": (f.X_TAKE_PROFIT, np.nan),
    "exit_unit": (f.X_EXIT_UNIT, f.PRICE), "valid_until": (f.X_VALID, np.inf), "time_in_force": (f.X_TIF, f.GTC),
    "oco_group": (f.X_OCO, -1.0),
}  # fmt: skip
# Prices that a kind of order has.
_PRICES: dict[str, tuple[int, tuple[int, ...], tuple[int, ...]]] = {
    # Column, kinds that need it, kinds that may have it.
    "limit": (
        f.X_LIMIT, (f.LIMIT, f.STOP_LIMIT, f.TRAILING_STOP_LIMIT), (f.LIMIT, f.STOP_LIMIT, f.TRAILING_STOP_LIMIT),
    ),
    "stop": (f.X_STOP, (f.STOP, f.STOP_LIMIT), (f.STOP, f.STOP_LIMIT, *_TRAILING)),
    "trail": (f.X_TRAIL, _TRAILING, _TRAILING),
}  # fmt: skip


def refuse(wrong: Flags, message: Any) -> None:
    """Raise for the first wrong row; ``message`` may be made of its place in the array."""
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(f"orders row {at}: {message(at) if callable(message) else message}")


def _check_placed(
    array: FloatArray, kinds: Mapping[str, int], units: Mapping[str, int], signed: Flags
) -> None:
    """Orders have the prices and sizes that their kind needs, and no others."""
    placed, kind = array[:, f.X_OP] == f.OP_PLACE, array[:, f.X_KIND]
    names, unit_names = (
        {code: name for name, code in kinds.items()},
        {code: name for name, code in units.items()},
    )

    def kind_at(at: int) -> str:
        return repr(names[int(kind[at])])

    for name, (column, needed, allowed) in _PRICES.items():
        given = ~np.isnan(array[:, column])
        refuse(placed & np.isin(kind, needed) & ~given, lambda at, n=name: f"type={kind_at(at)} needs {n}")
        refuse(
            placed & ~np.isin(kind, allowed) & given,
            lambda at, n=name: f"type={kind_at(at)} takes no {n}{' price' if n == 'limit' else ''}",
        )
    size, unit, side = array[:, f.X_SIZE], array[:, f.X_UNIT], array[:, f.X_SIDE]
    refuse(placed & np.isnan(size), "size is missing")
    negative = placed & (size < 0.0)
    refuse(negative & (unit < f.POSITION_FRACTION), "size must be >= 0; the side says buy or sell")
    refuse(negative & (unit == f.POSITION_FRACTION), "size must be >= 0, the part of the position to close")
    aimed = placed & (unit >= f.POSITION_FRACTION)
    refuse(
        aimed & (side != 0.0),
        lambda at: f"size_unit={unit_names[int(unit[at])]!r} takes no side: it follows from the position",
    )
    refuse(placed & (unit < f.POSITION_FRACTION) & (side == 0.0), "side is missing (buy or sell)")
    for name, column in (("stop_loss", f.X_STOP_LOSS), ("take_profit", f.X_TAKE_PROFIT)):
        refuse(
            placed & (array[:, column] <= 0.0) & ~(signed & (array[:, f.X_EXIT_UNIT] == f.PRICE)),
            lambda at, n=name, c=column: f"{n} must be > 0, got {array[at, c]:g}",
        )


def _check_others(
    array: FloatArray, actions: Mapping[str, int], linked: Mapping[str, Flags], signed: Flags
) -> None:
    """Every other action has what it needs, and nothing that it would ignore.

    ``linked``: rows with a parent, rows that only reduce; columns whose cells do not say so.
    """
    op = array[:, f.X_OP]
    names = {code: name for name, code in actions.items() if name != "cancel_with_exits"}
    for code, reads in _READS.items():
        chosen = op == code
        if not chosen.any():
            continue
        given = {name: linked[name] for name in linked}
        for name, (column, nothing) in _CELLS.items():
            cell = array[:, column]
            given[name] = ~np.isnan(cell) if np.isnan(nothing) else cell != nothing
        for name, cells in given.items():
            if name not in reads:
                message = f"action={names[code]!r} takes no {name}"
                if name == "exit_unit":
                    message += ": the exits of open lots are prices"
                refuse(chosen & cells, message)
        useful = [given[name] for name in reads if name not in ("size_unit", "trail_unit")]
        if useful and code != f.OP_CLOSE:
            refuse(
                chosen & ~np.logical_or.reduce(useful),
                f"action={names[code]!r} changes nothing: give {' or '.join(n for n in reads if 'unit' not in n)}",
            )
    _check_values(array, signed)


def _check_values(array: FloatArray, signed: Flags) -> None:
    """Sizes, trails and prices of actions that change something."""
    op, size = array[:, f.X_OP], array[:, f.X_SIZE]
    modify = op == f.OP_MODIFY
    refuse((op == f.OP_CLOSE) & ~((size > 0.0) & (size <= 1.0)), lambda at: (
        f"size of action='close' is the portion, above 0 and at most 1; got {size[at]:g}"
    ))  # fmt: skip
    refuse(modify & (size <= 0.0), "size must be > 0; action='cancel' ends an order")
    refuse(
        modify & (array[:, f.X_UNIT] >= f.POSITION_FRACTION),
        "an order takes units, value, equity_fraction or margin_fraction as its new size_unit",
    )
    refuse(
        modify & (array[:, f.X_TIF] >= f.IOC),
        "action='modify' takes gtc, day or gtd; cancel the order instead",
    )
    refuse(array[:, f.X_TRAIL] <= 0.0, lambda at: f"trail must be > 0, got {array[at, f.X_TRAIL]:g}")
    for name, column in (("limit", f.X_LIMIT), ("stop", f.X_STOP)):
        refuse(modify & (array[:, column] <= 0.0) & ~signed, lambda at, n=name, c=column: (
            f"{n} must be > 0, got {array[at, c]:g}"
        ))  # fmt: skip
    for name, column in (("stop_loss", f.X_STOP_LOSS), ("take_profit", f.X_TAKE_PROFIT)):
        refuse((array[:, column] < 0.0) & ~signed, lambda at, n=name, c=column: (
            f"{n} must be a price > 0 (0 takes it away), got {array[at, c]:g}"
        ))  # fmt: skip


def _check_shares(array: FloatArray, units: Mapping[str, int], signed: Flags) -> None:
    """A share of a price that may be zero or below, or of the equity at it, is no size and no distance."""
    why = "has no meaning for an asset with prices at or below zero; expected"
    unit, names = array[:, f.X_UNIT], {code: name for name, code in units.items()}
    in_units = np.isin(unit, (f.UNITS, f.TARGET_UNITS, f.POSITION_FRACTION))
    refuse(signed & ~in_units, lambda at: (
        f"size_unit={names[int(unit[at])]!r} {why} 'units', 'target_units' or 'position_fraction'"
    ))  # fmt: skip
    exits = ~(np.isnan(array[:, f.X_STOP_LOSS]) & np.isnan(array[:, f.X_TAKE_PROFIT]))
    by_share = array[:, f.X_EXIT_UNIT] == f.FRACTION
    refuse(signed & exits & by_share, f"exit_unit='fraction' {why} 'price' or 'distance'")
    by_share = (array[:, f.X_TRAIL] > 0.0) & (array[:, f.X_TRAIL_UNIT] == f.FRACTION)
    refuse(signed & by_share, f"trail_unit='fraction' {why} 'distance'")


def _check_tags(array: FloatArray, tags: tuple[str, ...]) -> None:
    """Tags of other actions name an order that some row places."""
    op, tag = array[:, f.X_OP], array[:, f.X_TAG]
    refuse(
        np.isin(op, (f.OP_MODIFY, f.OP_CANCEL)) & (tag < 0.0),
        "modify and cancel need the tag of an order",
    )
    known = np.unique(tag[(op == f.OP_PLACE) & (tag >= 0.0)])
    unknown = (op != f.OP_PLACE) & (tag >= 0.0) & ~np.isin(tag, known)
    names = [tags[int(code)] for code in known]
    refuse(unknown, lambda at: (
        f"no order has the tag {tags[int(tag[at])]!r}; {did_you_mean(tags[int(tag[at])], names)}"
    ))  # fmt: skip


def check_counts(name: str, column: Any) -> None:
    """Refuse numbers of bars in a column that holds times."""
    given = column.drop_nulls()
    if name == "timestamp" and given.len():
        raise DataError(
            f"orders: column 'timestamp': expected times; got numbers such as {given[0]}; numbers of bars stand in a "
            "column 'bar'"
        )


def check_actions(
    array: FloatArray,
    words: Sequence[Mapping[str, int]],
    linked: Mapping[str, Flags],
    tags: tuple[str, ...],
    first_bar: int,
    signed: Sequence[bool] = (),
) -> None:
    """Check parsed instructions, in the rows of the user's frame; a closing without a size gets one.

    Parameters
    ----------
    array
        ``[row, N_ACTION]`` (`peak_kernels.order_slots`).
    words
        Names of actions, kinds and units, with their codes.
    linked
        Rows with a parent, and rows that only reduce.
    tags
        Names of the tags.
    first_bar
        First bar that is simulated.
    signed
        Whether each asset has prices at or below zero; empty: none has.

    Raises
    ------
    DataError
        The first row that lacks what its action needs, or has what it would ignore.
    """
    actions, kinds, units = words
    bars, size = array[:, f.X_BAR], array[:, f.X_SIZE]
    refuse(
        bars < first_bar,
        lambda at: f"bar {bars[at]:.0f} lies before first_bar={first_bar}, which is not simulated",
    )
    _check_tags(array, tags)
    size[(array[:, f.X_OP] == f.OP_CLOSE) & np.isnan(size)] = 1.0
    which = np.asarray(signed, bool)[array[:, f.X_ASSET].astype(np.int64)] if any(signed) else bars < -np.inf
    _check_shares(array, units, which)
    _check_placed(array, kinds, units, which)
    _check_others(array, actions, linked, which)
