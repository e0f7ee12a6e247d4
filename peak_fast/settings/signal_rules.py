"""Rules of the signal simulation (`peak_fast.signals`)."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from peak_fast.arguments import is_number, shown
from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.guard import guarded_class

Conflict = Literal["ignore", "entry", "exit", "adjacent", "opposite"]


@guarded_class()
@dataclass(frozen=True, kw_only=True)
class SignalRules:
    """Rules of the signal simulation; the names are those of vectorbt 1.2, whose defaults they have.

    Parameters
    ----------
    size_type
        ``amount``, ``value`` (divided by the valuation price), ``percent`` of the cash, or a target.
    direction
        For `simulate_sizes`: ``longonly``, ``shortonly`` (positive sizes sell), ``both``.
    accumulate
        ``off``; ``both``: entries add to and exits take from the position; ``addonly``, ``removeonly``.
    upon_long_conflict, upon_short_conflict
        Entry and exit of one direction in one bar: ``ignore`` both, keep the ``entry`` or the ``exit``,
        ``adjacent``: what the position is already, ``opposite``.
    upon_dir_conflict
        Long and short entry in one bar.
    upon_opposite_entry
        Entry against the position: ``ignore``, ``close``, ``closereduce``, ``reverse``, ``reversereduce``.
    upon_stop_exit, upon_stop_update, stop_entry_price, stop_exit_price, sl_trail
        What a hit stop does, whether an added entry moves the stops, the price that stops refer to, the
        price at which they fill, and whether the stop-loss trails the running extreme.
    stops_use_range
        Stops look at open, high and low; else at the close only.
    min_size, max_size, size_granularity, allow_partial
        Limits of an order's size.
    lock_cash
        Shorts tie up their value and the proceeds; else finite short sales are not limited.
    call_seq
        Order of the assets of a group in a bar: ``default``, ``reversed``, ``auto`` (sales first).
    update_value
        The group's value is taken again after each fill of the bar, with the fill's price as valuation price.
    ffill_val_price
        A missing price leaves the valuation where it was.
    """

    size_type: Literal["amount", "value", "percent", "targetamount", "targetvalue", "targetpercent"] = (
        "amount"
    )
    direction: Literal["longonly", "shortonly", "both"] = "both"
    accumulate: Literal["off", "both", "addonly", "removeonly"] = "off"
    upon_long_conflict: Conflict = "ignore"
    upon_short_conflict: Conflict = "ignore"
    upon_dir_conflict: Literal["ignore", "long", "short", "adjacent", "opposite"] = "ignore"
    upon_opposite_entry: Literal["ignore", "close", "closereduce", "reverse", "reversereduce"] = (
        "reversereduce"
    )
    upon_stop_exit: Literal["close", "closereduce", "reverse", "reversereduce"] = "close"
    upon_stop_update: Literal["keep", "override", "overridenan"] = "override"
    stop_entry_price: Literal["close", "price", "fillprice", "valprice"] = "close"
    stop_exit_price: Literal["stoplimit", "stopmarket", "close", "price"] = "stoplimit"
    sl_trail: bool = False
    stops_use_range: bool = True
    min_size: float = 1e-8
    max_size: float = float("inf")
    size_granularity: float = 0.0
    lock_cash: bool = False
    allow_partial: bool = True
    call_seq: Literal["default", "reversed", "auto"] = "default"
    update_value: bool = False
    ffill_val_price: bool = True

    def __post_init__(self) -> None:
        for name, hint in signal_types().items():
            choices = get_args(hint)
            value = getattr(self, name)
            if choices and value not in choices:
                raise ConfigError(f"{name}={value!r}: {did_you_mean(str(value), choices)}")
            if hint is bool and not isinstance(value, bool):
                raise ConfigError(f"{name}: expected True or False; got {shown(value)}")
            fits = is_number(value) and value >= 0.0 and (name == "max_size" or value < math.inf)
            if hint is float and not fits:
                raise ConfigError(f"{name}: expected a number of at least 0; got {shown(value)}")


@functools.cache
def signal_types() -> dict[str, Any]:
    """Types of the fields of `SignalRules`."""
    return get_type_hints(SignalRules)
