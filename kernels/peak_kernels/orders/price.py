"""At which price and for how much an order can fill in a bar: triggers, limits, trails, slippage, volume.

All rules are written once, for a buy.  A sell is the same rule on the negated price axis: open, close,
stop and limit change sign, and the low becomes the negated high.  Negation is exact, so both sides
round alike.

In all kernels of the order level ``m`` is the memory of the run, ``k`` an order in it, ``row`` the order's
asset (see `peak_kernels.order_slots`).

Reads an order and what is left of its asset's bar; writes whether a stop was triggered and where a trail has got to.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part
from peak_kernels.orders.book import to_tick


@part
def chance(seed: float, order: float, bar: float) -> float:
    """Uniform number in [0, 1) that depends on its arguments alone (SplitMix64 finaliser)."""
    x = np.uint64(np.int64(seed)) * np.uint64(0x9E3779B97F4A7C15)
    x ^= np.uint64(np.int64(order)) * np.uint64(0xBF58476D1CE4E5B9)
    x += np.uint64(np.int64(bar)) * np.uint64(0x94D049BB133111EB)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return float(x >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@part
def limit_price(m: FloatArray, k: int, row: int, bar: int) -> tuple[float, int]:
    """Fill of a limit order (buy axis): the open when it is better, else the limit when it is reached."""
    side = m[k + f.O_SIDE]
    limit, open_ = side * m[k + f.O_LIMIT], side * m[row + f.A_OPEN]
    low = m[row + f.A_LOW] if side > 0.0 else -m[row + f.A_HIGH]
    if open_ <= limit:
        return open_, f.AT_LIMIT_OPEN
    rule = m[f.R_LIMIT_TOUCH]
    reached = low < limit or (low == limit and rule == f.TOUCH)
    if low == limit and rule == f.CHANCE:
        number = (k - m[f.S_BOOK_AT]) / f.N_ORDER
        reached = chance(m[f.R_SEED], number, float(bar)) < m[f.R_LIMIT_CHANCE]
    return (limit, f.AT_LIMIT) if reached else (np.nan, f.AT_NOWHERE)


@part
def stop_limit_price(m: FloatArray, k: int, row: int, bar: int) -> tuple[float, int]:
    """Fill in the bar that triggers a stop-limit order (buy axis); NaN: it rests as a limit order."""
    side = m[k + f.O_SIDE]
    open_, close = side * m[row + f.A_OPEN], side * m[row + f.A_CLOSE]
    low = m[row + f.A_LOW] if side > 0.0 else -m[row + f.A_HIGH]
    stop, limit = side * m[k + f.O_STOP], side * m[k + f.O_LIMIT]
    if m[f.R_STOP_LIMIT] == f.LIMIT_CAME_FIRST:
        waits = limit <= stop or low > limit
        return (np.nan, f.AT_NOWHERE) if waits else (stop, f.AT_TRIGGER_LIMIT)
    if open_ >= stop:
        return limit_price(m, k, row, bar)
    if limit >= stop:
        return stop, f.AT_TRIGGER_LIMIT
    # The bar came back to its close after the trigger; a sell counts an unchanged bar as such, too.
    came_back = open_ > close or (side < 0.0 and open_ == close)
    if m[f.R_STOP_LIMIT] == f.BY_CLOSE_DIRECTION and came_back and limit >= close:
        return limit, f.AT_LIMIT
    return np.nan, f.AT_NOWHERE


@part
def reach(m: FloatArray, k: int, row: int, bar: int) -> tuple[float, int]:
    """Price at which a working order can fill in the asset's current bar, before slippage; NaN if none.

    Marks a stop as triggered.  The second value says where the price comes from (``AT_...``).
    """
    side = m[k + f.O_SIDE]
    high = m[row + f.A_HIGH] if side > 0.0 else -m[row + f.A_LOW]
    stop = side * m[k + f.O_STOP]
    has_limit = not np.isnan(m[k + f.O_LIMIT])
    contingent = m[k + f.O_ROLE] == f.STOP_LOSS or m[k + f.O_ROLE] == f.TAKE_PROFIT
    base = side * m[row + f.A_OPEN]
    if m[f.R_STOP_BASE] > 0.0 and not contingent:
        base = side * m[row + f.A_PREVIOUS]
    price, at = base, f.AT_OPEN
    if not np.isnan(stop) and m[k + f.O_TRIGGERED] == 0.0:
        if high < stop:
            return np.nan, f.AT_NOWHERE
        m[k + f.O_TRIGGERED] = 1.0 if has_limit or m[f.R_RETRIGGER] == 0.0 else 0.0
        if has_limit:
            price, at = stop_limit_price(m, k, row, bar)
        elif m[f.R_STOP_AT_LEVEL] > 0.0:
            price, at = stop, f.AT_TRIGGER
        else:
            # A buy ends a short.
            price = money.exit_at(base, stop, -1.0)
            at = f.AT_TRIGGER if base < stop else f.AT_OPEN
    elif has_limit:
        price, at = limit_price(m, k, row, bar)
    return side * price, at


@part
def trail(m: FloatArray, k: int, mark: float) -> None:
    """Move stop (and limit) of a trailing order to its distance from a price, never back."""
    side = m[k + f.O_SIDE]
    row, share = int(m[k + f.O_ASSET]), 0.0
    fixed = m[k + f.O_TRAIL]
    if m[k + f.O_TRAIL_UNIT] == f.FRACTION:
        share, fixed = fixed, 0.0
    stop = to_tick(m, row, -side * money.trailed(-side * mark, share, fixed))
    if m[k + f.O_KIND] == f.TRAILING_STOP and side * stop < side * m[k + f.O_OFFSET]:
        # Beside the stop, which may be another one that is tighter.
        m[k + f.O_OFFSET] = stop
    if np.isnan(m[k + f.O_STOP]) or side * stop < side * m[k + f.O_STOP]:
        m[k + f.O_STOP] = stop
        if m[k + f.O_KIND] == f.TRAILING_STOP_LIMIT:
            m[k + f.O_LIMIT] = to_tick(m, row, stop - m[k + f.O_OFFSET])


@part
def trail_mark(m: FloatArray, k: int, row: int) -> float:
    """Price of the bar just tested that moves a trailing order."""
    if m[f.R_TRAIL_MARK] == f.TRAIL_CLOSE:
        return m[row + f.A_CLOSE]
    if m[f.R_TRAIL_MARK] >= f.TRAIL_HIGH:
        return m[row + (f.A_HIGH if m[f.R_TRAIL_MARK] == f.TRAIL_HIGH else f.A_LOW)]
    lowest = (m[k + f.O_SIDE] > 0.0) == (m[f.R_TRAIL_MARK] == f.TRAIL_EXTREME)
    return m[row + f.A_LOW] if lowest else m[row + f.A_HIGH]


@part
def slipped_price(m: FloatArray, row: int, side: float, price: float, size: float) -> float:
    """Price made worse by the slippage model (`money.slipped`), without any cap of the bar or a limit."""
    kind, amount, signed = m[f.R_SLIP_KIND], m[f.R_SLIP_AMOUNT], m[f.R_SIGNED] > 0.0
    if kind == f.SLIP_FRACTION:
        return money.slipped(price, side, amount, m[f.R_SLIP_EXTRA], signed)
    if kind == f.SLIP_ABSOLUTE:
        return money.slipped(price, side, 0.0, amount, signed)
    if kind == f.SLIP_HALF_SPREAD:
        return money.slipped(price, side, 0.0, m[row + f.A_HALF_SPREAD], signed)
    volume = m[row + f.A_VOLUME]
    share = size / volume if volume > 0.0 else 1.0
    if kind == f.SLIP_VOLUME_ROOT:
        share = np.sqrt(share)
    return money.slipped(price, side, amount * share, 0.0, signed)


@part
def slip(m: FloatArray, k: int, row: int, price: float, at: int, size: float) -> float:
    """Price after slippage; NaN when the rules allow no fill at the slipped price."""
    at_open = at == f.AT_OPEN or at == f.AT_LIMIT_OPEN
    if m[f.R_SLIP_KIND] == f.SLIP_NONE or at == f.AT_LIMIT or at == f.AT_CLOSE:
        return price
    if (at_open and m[f.R_SLIP_OPEN] == 0.0) or (at == f.AT_LIMIT_OPEN and m[f.R_SLIP_LIMIT] == 0.0):
        return price
    if not at_open and m[f.R_SLIP_STOP] == 0.0:
        return price
    side = m[k + f.O_SIDE]
    slipped = slipped_price(m, row, side, price, size)
    tick = m[row + f.A_TICK]
    if tick > 0.0:
        slipped = money.worse_tick(slipped, side, tick)
    limited = at == f.AT_LIMIT_OPEN or at == f.AT_TRIGGER_LIMIT
    worst = m[row + f.A_BAR_HIGH] if side > 0.0 else m[row + f.A_BAR_LOW]
    if at == f.AT_LIMIT_OPEN or (limited and m[f.R_SLIP_OUTSIDE] == 0.0):
        floor_only = side < 0.0 and at == f.AT_LIMIT_OPEN and m[f.R_SELL_LIMIT_FLOOR] > 0.0
        limit = m[k + f.O_LIMIT]
        worst = limit if floor_only else side * min(side * worst, side * limit)
    if side * slipped <= side * worst:
        return slipped
    cap = m[f.R_SLIP_LIMIT_CAP] if limited else m[f.R_SLIP_CAP]
    if cap == f.SLIP_FREE:
        return slipped
    return worst if cap == f.SLIP_AT_RANGE else np.nan


@part
def volume_cap(m: FloatArray, row: int, size: float, past: bool) -> float:
    """Largest size that the volume of the bar, or of the ``past`` one, allows (participation); at most ``size``."""
    kind = m[f.R_VOLUME_KIND]
    if kind == f.VOLUME_ANY:
        return size
    volume = m[row + (f.A_LAST_VOLUME if past else f.A_VOLUME)]
    if not volume > 0.0:
        return 0.0
    cap = min(volume, m[f.R_VOLUME_AMOUNT])
    if kind == f.VOLUME_FIXED and m[f.R_VOLUME_WHOLE] > 0.0:
        cap = np.floor(cap)
    if kind != f.VOLUME_FIXED:
        if kind == f.VOLUME_RANGE:
            step = m[f.R_VOLUME_STEP]
            span = m[row + f.A_LAST_RANGE] if past else m[row + f.A_BAR_HIGH] - m[row + f.A_BAR_LOW]
            volume /= (span + step) // step
        cap = volume * m[f.R_VOLUME_AMOUNT]
        cap = cap // 100.0 if m[f.R_VOLUME_WHOLE] > 0.0 else cap / 100.0
    if m[f.R_VOLUME_SHARED] > 0.0:
        cap -= m[row + f.A_USED]
        # What rounding leaves of a used-up volume is not a size.
        cap = cap if cap > 1e-12 * volume else 0.0
    return max(0.0, min(cap, size))
