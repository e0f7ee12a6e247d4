"""Prices at or below zero (spreads, power, oil of April 2020): what may trade them, and who says no.

A share of such a price, or of the equity at it, is no size and no distance.  Fixed sizes are the permission:
`FixedUnits`, or orders in units.  Everything else is refused here, before a run, by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data import not_positive
from peak_fast.errors import ConfigError, DataError
from peak_fast.settings.sizing import FixedUnits
from peak_fast.settings.trading import Stops

if TYPE_CHECKING:
    from peak_fast.data import Bars
    from peak_fast.settings.order_rules import Asset, OrderRules

_DISTANCES = ("stop_loss", "take_profit", "trailing")


def _refusal(bars: Bars, what: str, remedy: str) -> DataError:
    """The error: which price, what cannot trade it, what can."""
    times = bars.time_us if bars.has_time else None
    return DataError(
        f"{bars.name!r} has prices at or below zero (column 'low': {not_positive(bars.low, times)}), which {what} "
        f"cannot trade; expected {remedy}; where the price is missing, set it to NaN"
    )


def check_engine(
    bars: Bars,
    sizing: Any,
    stops: Stops,
    *,
    weights: bool = False,
    sized: bool = True,
    varied: Iterable[str] = (),
) -> bool:
    """Whether bars have prices at or below zero; the engine's settings are checked then.

    Parameters
    ----------
    weights
        Targets are fractions of equity.
    sized
        The engine's sizing and stops are used; False: a block gives each order its own.
    varied
        Names that a sweep varies.

    Raises
    ------
    DataError
        A size, or a distance, is a share of prices or of the equity.
    """
    if not bars.n_not_positive:
        return False
    if not sized:
        return True
    in_units = 'sizing=FixedUnits(...), or orders in units ([sizing] kind = "fixed_units" in a file)'
    if weights:
        raise _refusal(bars, "weights (fractions of equity)", f"sides (-1, 0, 1) with {in_units}")
    if not isinstance(sizing, FixedUnits):
        raise _refusal(bars, f"the size {type(sizing).__name__} ({sizing.kind!r})", in_units)
    given = [name for name in _DISTANCES if getattr(stops, name) is not None or name in varied]
    if given and stops.unit != "absolute":
        raise _refusal(
            bars,
            f"{given[0]} as a fraction of the price",
            'Stops(unit="absolute"), distances in units of price ([stops] unit = "absolute" in a file)',
        )
    return True


def check_book(
    bars: Iterable[Bars], rules: OrderRules, assets: Sequence[Asset], entry_limit: Any = None
) -> bool:
    """Whether any of the assets has prices at or below zero; the rules of the order book are checked then.

    Raises
    ------
    ConfigError
        A rule that is a share of prices, or that has no meaning without a positive value.
    """
    signed = [item for item in bars if item.n_not_positive]
    if not signed:
        return False
    for name, value, wrong in (
        ("short_proceeds", rules.short_proceeds, not rules.short_proceeds),
        ("fee_as_ordered", rules.fee_as_ordered, rules.fee_as_ordered),
        ("entry_limit", entry_limit, entry_limit is not None),
    ):
        if wrong:
            raise ConfigError(
                f"{name}={value!r} has no meaning for prices at or below zero, which {signed[0].name!r} has; expected "
                "its default"
            )
    for item, asset in zip(bars, assets, strict=False):
        if item.n_not_positive and asset.base:
            raise ConfigError(
                f"Asset(base={asset.base!r}): {item.name!r} has prices at or below zero, which are no rate of "
                "exchange; expected rates= for its quote currency"
            )
    return True


def refuse_prices(prices: Sequence[Any], door: str) -> None:
    """Refuse plain arrays of prices at or below zero where every size is worth something.

    Raises
    ------
    DataError
        A price at or below zero.
    """
    for array in prices:
        values = np.asarray(array, dtype=np.float64)
        if (values <= 0.0).any():
            worst = float(np.nanmin(values))
            raise DataError(
                f"{door}: prices at or below zero ({worst:g}) cannot be traded here, because sizes and stops are "
                "shares of prices; expected prices above zero, or simulate_orders with sizes in units"
            )
