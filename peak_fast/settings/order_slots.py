"""From `OrderRules` to the flat vector that the order kernel reads; the only place that knows both sides."""

from __future__ import annotations

import functools
from typing import get_args

import numpy as np
import numpy.typing as npt

from peak_fast.settings.order_rules import OrderRules, rule_types
from peak_kernels import order_slots as f

_COLUMNS: dict[str, int] = {
    "market_fill": f.R_MARKET_AT,
    "latency": f.R_LATENCY,
    "first_bar": f.R_START_BAR,
    "exclusive": f.R_EXCLUSIVE,
    "alternate_removal": f.R_ALTERNATE,
    "hedging": f.R_HEDGING,
    "close_stop_base": f.R_STOP_BASE,
    "exits_active": f.R_CHILD_BAR,
    "repeat_queue": f.R_AGAIN_ALL,
    "open_first": f.R_OPEN_FIRST,
    "target_first": f.R_TARGET_FIRST,
    "family_cancel": f.R_FAMILY,
    "path": f.R_PATH,
    "stop_limit": f.R_STOP_LIMIT,
    "stop_stays_stop": f.R_RETRIGGER,
    "trail_watermark": f.R_TRAIL_MARK,
    "limit_fill": f.R_LIMIT_TOUCH,
    "limit_chance": f.R_LIMIT_CHANCE,
    "seed": f.R_SEED,
    "slippage": f.R_SLIP_KIND,
    "slippage_amount": f.R_SLIP_AMOUNT,
    "slippage_extra": f.R_SLIP_EXTRA,
    "slip_open": f.R_SLIP_OPEN,
    "slip_stop": f.R_SLIP_STOP,
    "slip_limit": f.R_SLIP_LIMIT,
    "slip_cap": f.R_SLIP_CAP,
    "slip_limit_cap": f.R_SLIP_LIMIT_CAP,
    "slip_past_limit": f.R_SLIP_OUTSIDE,
    "sell_limit_floor": f.R_SELL_LIMIT_FLOOR,
    "spread": f.R_SPREAD,
    "volume": f.R_VOLUME_KIND,
    "volume_amount": f.R_VOLUME_AMOUNT,
    "volume_step": f.R_VOLUME_STEP,
    "volume_shared": f.R_VOLUME_SHARED,
    "volume_whole": f.R_VOLUME_WHOLE,
    "fee_rate": f.R_FEE_RATE,
    "fee_fixed": f.R_FEE_FIXED,
    "fee_per_unit": f.R_FEE_UNIT,
    "fee_minimum": f.R_FEE_MINIMUM,
    "merge_fills": f.R_MERGE,
    "ledger": f.R_LEDGER,
    "afford": f.R_AFFORD,
    "shortfall": f.R_SHORTFALL,
    "leverage": f.R_LEVERAGE,
    "margin_mark": f.R_MARGIN_MARK,
    "fee_as_ordered": f.R_FEE_AS_ORDERED,
    "check_submission": f.R_CHECK_SUBMISSION,
    "check_at_open": f.R_CHECK_AT_OPEN,
    "short_proceeds": f.R_SHORT_PROCEEDS,
    "short_absolute": f.R_SHORT_ABSOLUTE,
    "shorting": f.R_SHORTING,
    "only_flat": f.R_ONLY_FLAT,
    "min_value": f.R_MIN_VALUE,
    "size_for_fee": f.R_SIZE_FEE,
    "target_step": f.R_TARGET_STEP,
    "stop_at_level": f.R_STOP_AT_LEVEL,
    "borrow_short": f.R_BORROW_SHORT,
    "borrow_long": f.R_BORROW_LONG,
    "borrow_cash": f.R_BORROW_CASH,
    "interest_on_average": f.R_INTEREST_BASE,
    "maintenance": f.R_MAINTENANCE,
    "liquidation_fee": f.R_LIQUIDATION_FEE,
    "ruin": f.R_RUIN,
    "equity_floor": f.R_FLOOR,
    "max_drawdown": f.R_DRAWDOWN,
    "daily_loss": f.R_DAILY_LOSS,
}


# A loop of runs has the same few rules: 14 us each otherwise.
@functools.lru_cache(maxsize=64)
def rule_vector(rules: OrderRules) -> npt.NDArray[np.float64]:
    """The kernel's flat vector (``R_...`` of `peak_kernels.orders.simulate.slots`); read-only, because equal
    rules share it.
    """
    vector = np.zeros(f.N_RULE)
    hints = rule_types()
    for name, column in _COLUMNS.items():
        value = getattr(rules, name)
        vector[column] = get_args(hints[name]).index(value) if isinstance(value, str) else float(value)
    vector[f.R_FINALIZE] = {"keep": 0.0, "second_pass": 1.0, "close": 2.0}[rules.finalize]
    vector[f.R_FEE_MINIMUM] = rules.least_fee
    vector[f.R_FEE_MAKER] = np.nan if rules.maker_rate is None else rules.maker_rate
    vector.flags.writeable = False
    return vector


def column_of(name: str) -> int:
    """Slot of a rule in `rule_vector`."""
    return _COLUMNS[name]
