"""At which price and for how much an order can fill in a bar: triggers, limits, trails, slippage, volume.

All rules are written once, for a buy.  A sell is the same rule on the negated price axis: open, close,
stop and limit change sign, and the low becomes the negated high.  Negation is exact, so both sides
round alike.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import orders_fields as f
from peak_kernels._jit import jit
from peak_kernels.orders_fields import Floats


@jit
def chance(seed: float, order: float, bar: float) -> float:
    """Uniform number in [0, 1) that depends on its arguments alone (SplitMix64 finaliser)."""
    x = np.uint64(np.int64(seed)) * np.uint64(0x9E3779B97F4A7C15)
    x ^= np.uint64(np.int64(order)) * np.uint64(0xBF58476D1CE4E5B9)
    x += np.uint64(np.int64(bar)) * np.uint64(0x94D049BB133111EB)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return float(x >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@jit
def limit_price(rules: Floats, limit: float, asset: Floats, side: float, draw: float) -> tuple[float, int]:
    """Fill of a limit order on the buy axis: the open when it is better, else the limit when reached."""
    open_ = side * asset[f.A_OPEN]
    low = asset[f.A_LOW] if side > 0.0 else -asset[f.A_HIGH]
    if open_ <= limit:
        return open_, f.AT_LIMIT_OPEN
    if low < limit or (low == limit and rules[f.R_LIMIT_TOUCH] != f.THROUGH):
        if low < limit or rules[f.R_LIMIT_TOUCH] != f.CHANCE or draw < rules[f.R_LIMIT_CHANCE]:
            return limit, f.AT_LIMIT
    return np.nan, f.AT_NOWHERE


@jit
def stop_limit_price(rules: Floats, order: Floats, asset: Floats) -> tuple[float, int]:
    """Fill in the bar that triggers a stop-limit order (buy axis); NaN: it rests as a limit order."""
    side = order[f.O_SIDE]
    open_, close = side * asset[f.A_OPEN], side * asset[f.A_CLOSE]
    low = asset[f.A_LOW] if side > 0.0 else -asset[f.A_HIGH]
    stop, limit = side * order[f.O_STOP], side * order[f.O_LIMIT]
    if rules[f.R_STOP_LIMIT] == f.LIMIT_CAME_FIRST:
        if limit <= stop or low > limit:
            return np.nan, f.AT_NOWHERE
        return stop, f.AT_TRIGGER_LIMIT
    if open_ >= stop:
        return limit_price(rules, limit, asset, side, 0.0)
    if limit >= stop:
        return stop, f.AT_TRIGGER_LIMIT
    if rules[f.R_STOP_LIMIT] == f.BY_CLOSE_DIRECTION:
        # The bar came back to its close after the trigger; a sell counts an unchanged bar as such, too.
        came_back = open_ > close or (side < 0.0 and open_ == close)
        if came_back and limit >= close:
            return limit, f.AT_LIMIT
    return np.nan, f.AT_NOWHERE


@jit
def reach(rules: Floats, order: Floats, asset: Floats, draw: float) -> tuple[float, int]:
    """Price at which a working order can fill in the asset's current bar, before slippage; NaN if none.

    Marks a stop as triggered.  The second value says where the price comes from (``AT_...``).
    """
    side = order[f.O_SIDE]
    high = asset[f.A_HIGH] if side > 0.0 else -asset[f.A_LOW]
    stop = side * order[f.O_STOP]
    has_limit = not np.isnan(order[f.O_LIMIT])
    contingent = order[f.O_ROLE] == f.STOP_LOSS or order[f.O_ROLE] == f.TAKE_PROFIT
    base = side * asset[f.A_OPEN]
    if rules[f.R_STOP_BASE] > 0.0 and not contingent:
        base = side * asset[f.A_PREVIOUS]
    if not np.isnan(stop) and order[f.O_TRIGGERED] == 0.0:
        if high < stop:
            return np.nan, f.AT_NOWHERE
        order[f.O_TRIGGERED] = 1.0 if has_limit or rules[f.R_RETRIGGER] == 0.0 else 0.0
        if has_limit:
            price, at = stop_limit_price(rules, order, asset)
            return side * price, at
        if base >= stop:
            return side * base, f.AT_OPEN
        return side * stop, f.AT_TRIGGER
    if has_limit:
        price, at = limit_price(rules, side * order[f.O_LIMIT], asset, side, draw)
        return side * price, at
    return side * base, f.AT_OPEN


@jit
def trail(rules: Floats, order: Floats, asset: Floats) -> None:
    """Move the stop of an unfilled trailing order with the bar that was just tested; never back."""
    side = order[f.O_SIDE]
    if rules[f.R_TRAIL_MARK] == f.TRAIL_CLOSE:
        mark = asset[f.A_CLOSE]
    else:
        lowest = (side > 0.0) == (rules[f.R_TRAIL_MARK] == f.TRAIL_EXTREME)
        mark = asset[f.A_LOW] if lowest else asset[f.A_HIGH]
    trail_from(order, mark)


@jit
def trail_from(order: Floats, mark: float) -> None:
    """Set stop (and limit) of a trailing order from a watermark, if that is an improvement."""
    side = order[f.O_SIDE]
    distance = order[f.O_TRAIL] * (mark if order[f.O_TRAIL_UNIT] == f.FRACTION else 1.0)
    stop = mark + side * distance
    if np.isnan(order[f.O_STOP]) or side * stop < side * order[f.O_STOP]:
        order[f.O_STOP] = stop
        if order[f.O_KIND] == f.TRAILING_STOP_LIMIT:
            order[f.O_LIMIT] = stop - order[f.O_OFFSET]


@jit
def slippage_amount(rules: Floats, asset: Floats, price: float, size: float) -> float:
    """Price units by which a fill is worse than its reference price."""
    kind = rules[f.R_SLIP_KIND]
    amount = rules[f.R_SLIP_AMOUNT]
    if kind == f.SLIP_FRACTION:
        return price * amount
    if kind == f.SLIP_ABSOLUTE:
        return amount
    if kind == f.SLIP_HALF_SPREAD:
        return asset[f.A_HALF_SPREAD]
    volume = asset[f.A_VOLUME]
    share = size / volume if volume > 0.0 else 1.0
    return price * amount * (np.sqrt(share) if kind == f.SLIP_VOLUME_ROOT else share)


@jit
def slip(rules: Floats, order: Floats, asset: Floats, price: float, at: int, size: float) -> float:
    """Price after slippage; NaN when the rules allow no fill at the slipped price."""
    kind = rules[f.R_SLIP_KIND]
    if kind == f.SLIP_NONE or at == f.AT_LIMIT or at == f.AT_CLOSE:
        return price
    opens = at == f.AT_OPEN or at == f.AT_LIMIT_OPEN
    if (opens and rules[f.R_SLIP_OPEN] == 0.0) or (at == f.AT_LIMIT_OPEN and rules[f.R_SLIP_LIMIT] == 0.0):
        return price
    if not opens and rules[f.R_SLIP_STOP] == 0.0:
        return price
    side = order[f.O_SIDE]
    if kind == f.SLIP_FRACTION:
        slipped = price * (1.0 + side * rules[f.R_SLIP_AMOUNT])
    else:
        slipped = price + side * slippage_amount(rules, asset, price, size)
    worst = asset[f.A_HIGH] if side > 0.0 else asset[f.A_LOW]
    if at == f.AT_LIMIT_OPEN:
        limit = order[f.O_LIMIT]
        floor_only = side < 0.0 and rules[f.R_SELL_LIMIT_FLOOR] > 0.0
        worst = limit if floor_only else side * min(side * worst, side * limit)
    elif at == f.AT_TRIGGER_LIMIT and rules[f.R_SLIP_OUTSIDE] == 0.0:
        worst = side * min(side * worst, side * order[f.O_LIMIT])
    if side * slipped <= side * worst:
        return slipped
    limited = at == f.AT_LIMIT_OPEN or at == f.AT_TRIGGER_LIMIT
    cap = rules[f.R_SLIP_LIMIT_CAP] if limited else rules[f.R_SLIP_CAP]
    if cap == f.SLIP_FREE:
        return slipped
    return worst if cap == f.SLIP_AT_RANGE else np.nan


@jit
def volume_cap(rules: Floats, asset: Floats, size: float) -> float:
    """Largest size that the bar's volume allows (volume participation); at most ``size``."""
    kind = rules[f.R_VOLUME_KIND]
    if kind == f.VOLUME_ANY:
        return size
    volume = asset[f.A_VOLUME]
    if not volume > 0.0:
        return 0.0
    amount = rules[f.R_VOLUME_AMOUNT]
    cap = 0.0
    if kind == f.VOLUME_FIXED:
        cap = min(volume, amount)
        product = 0.0
    elif kind == f.VOLUME_SHARE:
        product = volume * amount
    else:
        step = rules[f.R_VOLUME_STEP]
        parts = (asset[f.A_HIGH] - asset[f.A_LOW] + step) // step
        product = (volume / parts) * amount
    if kind != f.VOLUME_FIXED:
        cap = product // 100.0 if rules[f.R_VOLUME_WHOLE] > 0.0 else product / 100.0
    if rules[f.R_VOLUME_SHARED] > 0.0:
        cap -= asset[f.A_USED]
    return max(0.0, min(cap, size))
