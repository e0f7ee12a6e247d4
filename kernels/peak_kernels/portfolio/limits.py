"""Limits on weights as a whole: gross, net, and within a group; beyond one, the weights concerned shrink alike.

``desk`` is that of `account`.

Reads targets, groups and rules; writes the targets that are left and why (``CLIPPED``), and which assets are asked.
"""

from __future__ import annotations

from typing import Any

from peak_kernels import money
from peak_kernels import portfolio_slots as p
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import jit
from peak_kernels.portfolio.sizes import deciding_close, valued_at


@jit(inline=True)
def left_alone(desk: Any, prices: FloatArray, at: tuple[int, int, int], asset: int, equity: float) -> float:
    """Weight of a holding that no order of the bar is about, by the price that its equity was made with.

    ``at`` is the field and the bar of the fill, and the bar whose close came before.
    """
    price = valued_at(prices, at[0], asset, at[1])
    if desk[1][p.SIZE_AT] == p.AT_DECISION:
        price = deciding_close(desk, prices, asset, at[2], at[1])
    held = money.value(price, desk[2][asset, p.MULTIPLIER])
    return money.value(desk[3][asset, p.UNITS], held) / equity


@jit(inline=True)
def counted(desk: Any, asset: int) -> float:
    """Weight of an asset that is asked about as limits count it: a short that is refused is nothing."""
    weight = desk[3][asset, p.TARGET]
    return max(weight, 0.0) if desk[1][p.SHORTS] > 0.0 else weight


@jit(inline=True)
def shrink(desk: Any, limit: float, others: float, group: int, side: float, reason: int) -> None:
    """Shrink weights of a group (-1: all) and a side (0: both) that go beyond a limit together with ``others``."""
    cells, lists, counts = desk[3], desk[4], desk[5]
    total = 0.0
    for k in range(counts[p.N_ASKED]):
        asset = lists[p.ASKED, k]
        if (group < 0 or lists[p.GROUP, asset] == group) and side * counted(desk, asset) >= 0.0:
            total += abs(counted(desk, asset))
    # What one limit has left may be the next one's, but for the rounding of the sum.
    if total + others <= limit * (1.0 + money.ROUNDING) or total == 0.0:
        return
    factor = max(limit - others, 0.0) / total
    for k in range(counts[p.N_ASKED]):
        asset = lists[p.ASKED, k]
        concerned = (group < 0 or lists[p.GROUP, asset] == group) and side * counted(desk, asset) >= 0.0
        if concerned and counted(desk, asset) != 0.0:
            cells[asset, p.TARGET] *= factor
            cells[asset, p.CLIPPED] = reason


@jit(inline=True)
def limit_targets(desk: Any, prices: FloatArray, at: tuple[int, int, int], equity: float) -> None:
    """Bring the weights of a bar within the limits of the rules; `slots.CLIPPED` says whose were lowered."""
    rules, cells, lists, counts = desk[1], desk[3], desk[4], desk[5]
    for k in range(counts[p.N_ASKED]):
        cells[lists[p.ASKED, k], p.CLIPPED] = 0.0
    if (
        rules[p.MAX_GROSS] <= 0.0 and rules[p.MAX_NET] <= 0.0 and rules[p.MAX_GROUP] <= 0.0
    ) or not equity > 0.0:
        return
    # A holding that is asked about has its mark in SECOND, so that the others can be told from it.
    for k in range(counts[p.N_HELD]):
        cells[lists[p.HELD, k], p.SECOND] = 0.0
    for k in range(counts[p.N_ASKED]):
        cells[lists[p.ASKED, k], p.SECOND] = 1.0
    groups = 0
    if rules[p.MAX_GROUP] > 0.0:
        for k in range(counts[p.N_ASKED]):
            groups = max(groups, lists[p.GROUP, lists[p.ASKED, k]] + 1)
    for group in range(groups):
        others = 0.0
        for k in range(counts[p.N_HELD]):
            asset = lists[p.HELD, k]
            if cells[asset, p.SECOND] == 0.0 and lists[p.GROUP, asset] == group:
                others += abs(left_alone(desk, prices, at, asset, equity))
        shrink(desk, rules[p.MAX_GROUP], others, group, 0.0, p.GROUP_LIMIT)
    gross, net = 0.0, 0.0
    for k in range(counts[p.N_HELD]):
        asset = lists[p.HELD, k]
        if cells[asset, p.SECOND] == 0.0:
            share = left_alone(desk, prices, at, asset, equity)
            gross += abs(share)
            net += share
    if rules[p.MAX_GROSS] > 0.0:
        shrink(desk, rules[p.MAX_GROSS], gross, -1, 0.0, p.GROSS_LIMIT)
    if rules[p.MAX_NET] > 0.0:
        total = net
        for k in range(counts[p.N_ASKED]):
            total += counted(desk, lists[p.ASKED, k])
        side = 1.0 if total > 0.0 else -1.0
        against = side * net
        for k in range(counts[p.N_ASKED]):
            against += min(side * counted(desk, lists[p.ASKED, k]), 0.0)
        shrink(desk, rules[p.MAX_NET], against, -1, side, p.NET_LIMIT)
