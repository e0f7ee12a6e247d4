"""The table of the order book: for each of its fields slot, unit, range, and whether a sweep may vary it.

`OrderRules` is checked by it, laid out for the kernel by it, and varied by it; what the fields mean stands there.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from peak_kernels import order_slots as f

# Ranges; a round bracket leaves the end out.
Bounds = tuple[str, float, float, str]
FROM_ZERO: Bounds = ("[", 0, math.inf, ")")
SHARE: Bounds = ("[", 0, 1, "]")
BELOW_ONE: Bounds = ("[", 0, 1, ")")
RATE: Bounds = ("(", -1, 1, ")")
# Of what is hard to borrow: its cost a year may be several times its value.
YEARLY: Bounds = ("(", -1, 10, ")")


class OrderField(NamedTuple):
    """A field of `OrderRules` or `OrderBook`.

    Attributes
    ----------
    slot
        Where the kernel reads it (``R_`` of a run, ``W_`` of a configuration in a sweep); None: in more than one slot.
    unit
        Of its number; "choice" of a text, "flag" of a truth value.
    bounds
        Range of its number.
    varied
        Whether a sweep may vary it under its own name.  Costs, leverage and limits of the account go by the engine's
        names (`peak_fast.settings.variable.VARIABLE`).
    needs
        Another rule, and the values of it under which this one changes nothing.
    """

    slot: int | None
    unit: str
    bounds: Bounds = FROM_ZERO
    varied: bool = False
    needs: tuple[str, tuple[str, ...]] | None = None

    @property
    def whole(self) -> bool:
        """Whether its number is a count."""
        return self.unit in ("bar", "bars", "whole number")


_CHANCE = ("limit_fill", ("touch", "through"))
_SLIPPED = ("slippage", ("none",))

RULE_FIELDS: dict[str, OrderField] = {
    "market_fill": OrderField(f.R_MARKET_AT, "choice"),
    "latency": OrderField(f.R_LATENCY, "bars", varied=True),
    "first_bar": OrderField(f.R_START_BAR, "bar", varied=True),
    "exclusive": OrderField(f.R_EXCLUSIVE, "flag"),
    "alternate_removal": OrderField(f.R_ALTERNATE, "flag"),
    "hedging": OrderField(f.R_HEDGING, "flag"),
    "close_stop_base": OrderField(f.R_STOP_BASE, "flag"),
    "exits_active": OrderField(f.R_CHILD_BAR, "choice"),
    "repeat_queue": OrderField(f.R_AGAIN_ALL, "flag"),
    "open_first": OrderField(f.R_OPEN_FIRST, "flag"),
    "target_first": OrderField(f.R_TARGET_FIRST, "flag"),
    "family_cancel": OrderField(f.R_FAMILY, "flag"),
    "path": OrderField(f.R_PATH, "choice", varied=True),
    "stop_limit": OrderField(f.R_STOP_LIMIT, "choice"),
    "stop_stays_stop": OrderField(f.R_RETRIGGER, "flag"),
    "trail_watermark": OrderField(f.R_TRAIL_MARK, "choice"),
    "limit_fill": OrderField(f.R_LIMIT_TOUCH, "choice", varied=True),
    "limit_chance": OrderField(f.R_LIMIT_CHANCE, "probability", SHARE, varied=True, needs=_CHANCE),
    "seed": OrderField(
        f.R_SEED,
        "whole number",
        ("[", 0, 2**53, ")"),
        varied=True,
        needs=_CHANCE,
    ),
    "slippage": OrderField(f.R_SLIP_KIND, "choice"),
    "slippage_amount": OrderField(f.R_SLIP_AMOUNT, "by slippage", varied=True, needs=_SLIPPED),
    "slippage_extra": OrderField(f.R_SLIP_EXTRA, "price", varied=True, needs=_SLIPPED),
    "slip_open": OrderField(f.R_SLIP_OPEN, "flag"),
    "slip_stop": OrderField(f.R_SLIP_STOP, "flag"),
    "slip_limit": OrderField(f.R_SLIP_LIMIT, "flag"),
    "slip_cap": OrderField(f.R_SLIP_CAP, "choice"),
    "slip_limit_cap": OrderField(f.R_SLIP_LIMIT_CAP, "choice"),
    "slip_past_limit": OrderField(f.R_SLIP_OUTSIDE, "flag"),
    "sell_limit_floor": OrderField(f.R_SELL_LIMIT_FLOOR, "flag"),
    "spread": OrderField(f.R_SPREAD, "share", BELOW_ONE, varied=True),
    "volume": OrderField(f.R_VOLUME_KIND, "choice"),
    "volume_amount": OrderField(f.R_VOLUME_AMOUNT, "by volume", varied=True, needs=("volume", ("any",))),
    "volume_step": OrderField(
        f.R_VOLUME_STEP, "price", varied=True, needs=("volume", ("any", "fixed", "share"))
    ),
    "volume_shared": OrderField(f.R_VOLUME_SHARED, "flag"),
    "volume_whole": OrderField(f.R_VOLUME_WHOLE, "flag"),
    "fee_rate": OrderField(f.R_FEE_RATE, "share", RATE),
    "fee_fixed": OrderField(f.R_FEE_FIXED, "money"),
    "fee_per_unit": OrderField(f.R_FEE_UNIT, "money a unit"),
    "fee_minimum": OrderField(f.R_FEE_MINIMUM, "money", ("[", -math.inf, math.inf, ")")),
    "maker_rate": OrderField(f.R_FEE_MAKER, "share", RATE),
    "fee_tiers": OrderField(None, "money, share"),
    "merge_fills": OrderField(f.R_MERGE, "flag"),
    "ledger": OrderField(f.R_LEDGER, "choice"),
    "afford": OrderField(f.R_AFFORD, "choice"),
    "shortfall": OrderField(f.R_SHORTFALL, "choice"),
    "leverage": OrderField(f.R_LEVERAGE, "factor", ("(", 0, math.inf, ")")),
    "margin_mark": OrderField(f.R_MARGIN_MARK, "choice"),
    "fee_as_ordered": OrderField(f.R_FEE_AS_ORDERED, "flag"),
    "check_submission": OrderField(f.R_CHECK_SUBMISSION, "flag"),
    "check_at_open": OrderField(f.R_CHECK_AT_OPEN, "flag"),
    "short_proceeds": OrderField(f.R_SHORT_PROCEEDS, "flag"),
    "short_absolute": OrderField(f.R_SHORT_ABSOLUTE, "flag"),
    "shorting": OrderField(f.R_SHORTING, "flag"),
    "only_flat": OrderField(f.R_ONLY_FLAT, "flag"),
    "min_value": OrderField(f.R_MIN_VALUE, "money", varied=True),
    "size_for_fee": OrderField(f.R_SIZE_FEE, "flag"),
    "target_step": OrderField(f.R_TARGET_STEP, "units"),
    "stop_at_level": OrderField(f.R_STOP_AT_LEVEL, "flag"),
    "borrow_short": OrderField(f.R_BORROW_SHORT, "share a year", YEARLY, varied=True),
    "borrow_long": OrderField(f.R_BORROW_LONG, "share a year", YEARLY, varied=True),
    "borrow_cash": OrderField(f.R_BORROW_CASH, "share a year", RATE, varied=True),
    "interest_on_average": OrderField(f.R_INTEREST_BASE, "flag"),
    "maintenance": OrderField(f.R_MAINTENANCE, "share", SHARE, varied=True),
    "liquidation_fee": OrderField(f.R_LIQUIDATION_FEE, "share", BELOW_ONE, varied=True),
    "ruin": OrderField(f.R_RUIN, "flag"),
    "equity_floor": OrderField(f.R_FLOOR, "money", varied=True),
    "max_drawdown": OrderField(f.R_DRAWDOWN, "share", SHARE),
    "daily_loss": OrderField(f.R_DAILY_LOSS, "share", SHARE),
    "finalize": OrderField(None, "choice"),
}
"""Fields of `OrderRules`."""

ENTRY_FIELDS: dict[str, OrderField] = {
    "entry_limit": OrderField(f.W_ENTRY_LIMIT, "share", varied=True),
    "entry_bars": OrderField(f.W_ENTRY_BARS, "bars", varied=True),
}
"""Fields of `OrderBook` that a sweep may vary; None is "not set"."""

RULES = tuple(name for name, row in RULE_FIELDS.items() if row.varied)
ENTRIES = tuple(ENTRY_FIELDS)


def varied_field(name: str) -> OrderField | None:
    """The row of a field that a sweep may vary; None: it is none."""
    row = ENTRY_FIELDS.get(name) or RULE_FIELDS.get(name)
    return row if row is not None and row.varied else None
