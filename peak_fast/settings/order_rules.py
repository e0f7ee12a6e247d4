"""Settings of the order-level simulation: one named field for every question on which engines differ.

`OrderRules` is the whole list.  The defaults are this package's own rules; `peak_fast.settings` holds the
settings that reproduce other engines.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_type_hints

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.guard import guarded_class
from peak_fast.settings.order_checks import check_field, check_number, check_together


@guarded_class()
@dataclass(frozen=True, kw_only=True)
class Asset:
    """One tradable asset.  Prices, ticks and half spreads are in its quote currency, all else in the account's.

    Parameters
    ----------
    multiplier
        Money per point and unit (futures: contract size).
    margin
        Account money that one unit ties up (futures).  0 means the asset is paid in full, or on `OrderRules.leverage`.
    tick
        Smallest price step; limits, stops and exits are rounded to the nearest one, slippage to the worse one.
        0 means any price.
    lot
        Smallest size step; sizes are rounded down to it.  0 means any size.
    min_size
        Smallest size that an order may open (parts of it may be smaller).
    quote
        Currency of the prices (``"JPY"``); "" means the account's.
    base
        Currency that one unit is, for a currency pair (``"USD"`` of USDJPY); else "".
    """

    multiplier: float = 1.0
    margin: float = 0.0
    tick: float = 0.0
    lot: float = 0.0
    min_size: float = 0.0
    quote: str = ""
    base: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("quote", "base"):
                if not isinstance(value, str):
                    raise ConfigError(
                        f"Asset({field.name}=...) must be the name of a currency, got {value!r}"
                    )
                continue
            least = "(" if field.name == "multiplier" else "["
            check_number(f"Asset({field.name}=...)", value, (least, 0.0, np.inf, ")"))


@guarded_class()
@dataclass(frozen=True, kw_only=True)
class OrderRules:
    """Every rule of the order-level simulation; all of them take effect, none is a hint.

    Parameters
    ----------
    market_fill
        Price of a market order: ``next_open``; ``same_close``, the close of the bar that placed it, at once;
        ``placing_close``, the same price, but booked on the next bar.
    latency
        Bars that an order needs to arrive, on top of the one after the placing bar; with them even ``same_close``
        means an open.  Cancellations, changes and attached exits need none.
    first_bar
        Bars before this one are not simulated; their equity is that of the first simulated bar.
    exclusive
        A new order cancels all pending ones and closes the open position first.
    alternate_removal
        When many orders or lots are removed at once, the one behind each removed one is passed over: what
        happens to a list that is changed while it is walked.
    hedging
        Opposite orders open lots of their own instead of closing (oldest first) what is open.
    close_stop_base
        With ``placing_close``: every order without a limit starts from the previous close, not the open.
    exits_active
        When attached exits and child orders begin to work: ``next_bar``; ``after_market``: in the entry bar
        when a market order opened the position (or a stop order whose target alone lies in the bar);
        ``same_bar``: always in the entry bar.
    repeat_queue
        Whether all pending orders, not only the new exits, are tried again when exits work in the entry bar.
    open_first
        Market orders act first, then orders whose level the bar opens beyond, then what the bar reaches later.
    target_first
        Which attached exit is tried first when both could fill in a bar: the target, not the stop.
    family_cancel
        Cancelling one member of a bracket cancels all of it.
    path
        What is assumed about prices inside a bar.  ``queue``: nothing, orders are tried in their sequence
        (stop before target).  ``ohlc``, ``olhc``, ``nearest`` (nearer extreme first; of two
        equally near the one against the position), ``worst`` (against the position first), ``best``: orders act in
        the order in which that path meets their prices.
    stop_limit
        Stop and limit of a stop-limit order in the bar of the trigger.  ``rest``: fills at the trigger when
        the limit allows that price, else it rests from the next bar; ``limit_first``: the limit was touched
        before the stop when it lies on the near side; ``close_direction``: a bar that closes on the other
        side of its open came back to its close.
    stop_stays_stop
        A partly filled stop order needs its trigger again for the rest.
    stop_at_level
        A stop that the bar opens beyond fills at its own price, which nobody could have had.
    trail_watermark
        Price that moves a trailing stop after each bar: ``close``, ``extreme`` (a sell: the high),
        ``opposite`` (a sell: the low), ``high``, ``low``.
    limit_fill
        A limit order fills when the price ``touch``-es its limit, trades ``through`` it, or, when it is
        touched only, by ``chance`` with the probability ``limit_chance`` (seeded by ``seed``).
    slippage, slippage_amount
        ``none``; ``fraction`` of the price; ``absolute``; ``half_spread`` (column); ``volume_root`` and
        ``volume_linear``: amount x price x (size / volume) to the power 0.5 or 1.
    slippage_extra
        Price units on top of ``slippage="fraction"``.
    slip_open, slip_stop, slip_limit
        Whether slippage applies to fills at the open, to stops at their trigger, to limits filled at the open.
    slip_cap, slip_limit_cap
        A slipped price beyond the bar's range (beyond the limit): ``free`` keeps it, ``range`` caps it,
        ``no_fill`` lets the order wait.
    slip_past_limit
        A stop-limit order that fills at its trigger may slip past its own limit.
    sell_limit_floor
        The cap of a sell limit that fills at the open is its limit even below the bar's low.
    spread
        Fraction by which opening fills are worse; closing fills are not.
    volume, volume_amount, volume_step
        Size per bar: ``any``; ``fixed`` units; ``share`` in percent of the volume; ``range``: percent of the
        volume that falls to one step of the bar's range.  No volume, no fill.
    volume_shared
        All orders of a bar share the limit (else each order has it for itself).
    volume_whole
        Limits are rounded down to whole units.
    fee_rate, fee_fixed, fee_per_unit, fee_minimum, maker_rate
        Fee of a fill: ``fixed + per_unit * size + rate * value``, at least the minimum; ``maker_rate``
        replaces the rate for limit fills when it is given.  A rate below 0 is a rebate, with which there is no
        minimum (0, or ``-inf``).
    fee_tiers
        ``((traded value, rate), ...)``: the rate once the fills so far have that value; limit fills have
        ``maker_rate`` all the same, when it is given.
    merge_fills
        An order that closes and opens makes one fill with one fee; else one fill per lot.
    ledger
        ``paid``: purchases leave the cash; ``settled``: cash holds realised results only.  Equity is equal.
    afford
        What an opening needs: ``any`` nothing, ``cash`` non-negative cash, ``margin`` free margin and the fee,
        ``financed`` free margin for value and fee.
    shortfall
        An opening that cannot be paid is refused (``reject``) or reduced to what can be paid (``cut``).
    leverage
        Value that can be held per unit of equity; ``1 / initial margin``.
    margin_mark
        Price that values positions when margin is judged: that of the ``fill`` before slippage, or the ``close`` of
        the bar.
    fee_as_ordered
        Margin and relative sizes count the fee of the order's size as it was given (a fraction included).
    check_submission, check_at_open
        Orders are tried against the cash when they are submitted, at their own price; market orders at the
        close of the placing bar, or at the open.
    short_proceeds
        Proceeds of a short sale become cash; else the short ties up its value.
    short_absolute
        Without short proceeds, a short whose price has more than doubled still counts as worth something: the
        absolute value of what is left of it.
    shorting
        Whether short positions may be opened.
    only_flat
        An opening is refused while a position is open.
    min_value
        Smallest value that may be opened.
    size_for_fee
        Sizes as a value or a fraction are of the price that is paid, slippage included, and a fraction of equity
        leaves room for the fee; else they are of the price before slippage, and both come on top.
    target_step
        Orders for a target value or fraction are rounded down to multiples of it, as of the asset's lot.
    borrow_short, borrow_long, borrow_cash, interest_on_average
        Yearly rates on shorts, longs and negative cash, by calendar days (UTC) since the bar before; on the average
        price, or the mark.  A negative one is paid to the account.
    maintenance, liquidation_fee
        A position is liquidated when equity falls to this fraction of its value (of a contract's margin), at that
        price, or at an open beyond it; fee as a fraction of value.
    ruin
        Equity of zero closes everything and ends the run.
    equity_floor, max_drawdown, daily_loss
        Equity, loss as a fraction of the highest equity, and as a fraction of the last day's equity, at which
        everything is closed at the next open and new entries are refused (for the rest of the run; of the day).
    finalize
        What is open at the end: ``keep``, ``close`` at the last close, or ``second_pass``: closed by market
        orders in a second pass over the last bar.
    """

    market_fill: Literal["next_open", "placing_close", "same_close"] = "next_open"
    latency: int = 0
    first_bar: int = 0
    exclusive: bool = False
    alternate_removal: bool = False
    hedging: bool = False
    close_stop_base: bool = False
    exits_active: Literal["next_bar", "after_market", "same_bar"] = "after_market"
    repeat_queue: bool = False
    open_first: bool = True
    target_first: bool = False
    family_cancel: bool = False
    path: Literal["queue", "ohlc", "olhc", "nearest", "worst", "best"] = "queue"
    stop_limit: Literal["rest", "limit_first", "close_direction"] = "rest"
    stop_stays_stop: bool = False
    stop_at_level: bool = False
    trail_watermark: Literal["close", "extreme", "opposite", "high", "low"] = "extreme"
    limit_fill: Literal["touch", "through", "chance"] = "touch"
    limit_chance: float = 1.0
    seed: int = 0
    slippage: Literal["none", "fraction", "absolute", "half_spread", "volume_root", "volume_linear"] = "none"
    slippage_amount: float = 0.0
    slippage_extra: float = 0.0
    slip_open: bool = True
    slip_stop: bool = True
    slip_limit: bool = False
    slip_cap: Literal["free", "range", "no_fill"] = "free"
    slip_limit_cap: Literal["free", "range", "no_fill"] = "range"
    slip_past_limit: bool = False
    sell_limit_floor: bool = False
    spread: float = 0.0
    volume: Literal["any", "fixed", "share", "range"] = "any"
    volume_amount: float = 0.0
    volume_step: float = 0.0
    volume_shared: bool = True
    volume_whole: bool = False
    fee_rate: float = 0.0
    fee_fixed: float = 0.0
    fee_per_unit: float = 0.0
    fee_minimum: float = 0.0
    maker_rate: float | None = None
    fee_tiers: tuple[tuple[float, float], ...] = ()
    merge_fills: bool = True
    ledger: Literal["paid", "settled"] = "paid"
    afford: Literal["any", "cash", "margin", "financed"] = "margin"
    shortfall: Literal["reject", "cut"] = "reject"
    leverage: float = 1.0
    margin_mark: Literal["close", "fill"] = "fill"
    fee_as_ordered: bool = False
    check_submission: bool = False
    check_at_open: bool = False
    short_proceeds: bool = True
    short_absolute: bool = False
    shorting: bool = True
    only_flat: bool = False
    min_value: float = 0.0
    size_for_fee: bool = True
    target_step: float = 0.0
    borrow_short: float = 0.0
    borrow_long: float = 0.0
    borrow_cash: float = 0.0
    interest_on_average: bool = False
    maintenance: float = 0.0
    liquidation_fee: float = 0.0
    ruin: bool = False
    equity_floor: float = 0.0
    max_drawdown: float = 0.0
    daily_loss: float = 0.0
    finalize: Literal["keep", "close", "second_pass"] = "keep"

    def __post_init__(self) -> None:
        for name, hint in rule_types().items():
            check_field(name, hint, getattr(self, name))
        # Lists become tuples: rules are keys of what is kept for the next run.
        object.__setattr__(self, "fee_tiers", tuple((value, rate) for value, rate in self.fee_tiers))
        check_together(self)

    def __hash__(self) -> int:
        # Sixty fields: computed once, because every run through the book looks up what it keeps by its rules.
        kept: int | None = self.__dict__.get("_hash")
        if kept is None:
            kept = hash(tuple(self.__dict__.values()))
            object.__setattr__(self, "_hash", kept)
        return kept

    def __getstate__(self) -> dict[str, Any]:
        # Texts hash to other numbers in another process.
        return {name: value for name, value in self.__dict__.items() if name != "_hash"}

    @property
    def least_fee(self) -> float:
        """Smallest fee of a fill: the minimum, or none (minus infinity) with a rebate."""
        rates = (self.fee_rate, self.maker_rate or 0.0, *(rate for _, rate in self.fee_tiers))
        return -math.inf if min(rates) < 0.0 else self.fee_minimum


def merge_rules(
    rules: OrderRules | None, costs: Any, execution: Any, *, split_fills: bool = True
) -> OrderRules:
    """Order rules with the settings of `Costs` and `Execution` put in.

    ``split_fills``: with an `Execution` an order that closes and opens makes two fills, as a decision of the engine.
    """
    rules = rules or OrderRules()
    changes: dict[str, Any] = {}
    if execution is not None:
        paths = {"stop_first": "queue", "target_first": "queue", "nearest_to_open": "nearest"}
        if split_fills:
            changes["merge_fills"] = False
        changes["market_fill"] = "same_close" if execution.fill_at == "close" else "next_open"
        changes["target_first"] = execution.both_hit == "target_first"
        changes["path"] = paths[execution.both_hit]
        # After a fill at its close a bar has no prices left.
        same_bar = execution.entry_bar_stops and execution.fill_at == "next_open"
        changes["exits_active"] = "after_market" if same_bar else "next_bar"
        changes["leverage"] = execution.leverage
    if costs is not None:
        changes["fee_rate"], changes["fee_fixed"] = costs.rate, costs.fixed
        changes["fee_minimum"], changes["fee_per_unit"] = costs.minimum, costs.per_unit
        changes["maker_rate"] = costs.maker_rate
        if costs.slippage_bps or costs.slippage_abs:
            changes["slippage"], changes["slippage_amount"] = "fraction", costs.slippage_bps / 1e4
            changes["slippage_extra"] = costs.slippage_abs
    return replace(rules, **changes)


@functools.cache
def rule_types() -> dict[str, Any]:
    """Types of the fields of `OrderRules`."""
    return get_type_hints(OrderRules)
