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
from peak_kernels.portfolio.sizes import valued_at


@jit(inline=True)
def left_alone(desk: Any, prices: FloatArray, field: int, bar: int, asset: int, equity: float) -> float:
    """Weight of a holding that no order of the bar is about."""
    held = money.value(valued_at(prices, field, asset, bar), desk[2][asset, p.MULTIPLIER])
    return money.value(desk[3][asset, p.UNITS], held) / equity


@jit(inline=True)
def shrink(desk: Any, limit: float, others: float, group: int, side: float, reason: int) -> None:
    """Shrink weights of a group (-1: all) and a side (0: both) that go beyond a limit together with ``others``."""
    cells, lists, counts = desk[3], desk[4], desk[5]
    total = 0.0
    for k in range(counts[p.N_ASKED]):
        asset = lists[p.ASKED, k]
        if (group < 0 or lists[p.GROUP, asset] == group) and side * cells[asset, p.TARGET] >= 0.0:
            total += abs(cells[asset, p.TARGET])
    if total + others <= limit or total == 0.0:
        return
    factor = max(limit - others, 0.0) / total
    for k in range(counts[p.N_ASKED]):
        asset = lists[p.ASKED, k]
        concerned = (group < 0 or lists[p.GROUP, asset] == group) and side * cells[asset, p.TARGET] >= 0.0
        if concerned and cells[asset, p.TARGET] != 0.0:
            cells[asset, p.TARGET] *= factor
            cells[asset, p.CLIPPED] = reason


@jit(inline=True)
def limit_targets(desk: Any, prices: FloatArray, field: int, bar: int, equity: float) -> None:
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
                others += abs(left_alone(desk, prices, field, bar, asset, equity))
        shrink(desk, rules[p.MAX_GROUP], others, group, 0.0, p.GROUP_LIMIT)
    gross, net = 0.0, 0.0
    for k in range(counts[p.N_HELD]):
        asset = lists[p.HELD, k]
        if cells[asset, p.SECOND] == 0.0:
            share = left_alone(desk, prices, field, bar, asset, equity)
            gross += abs(share)
            net += share
    if rules[p.MAX_GROSS] > 0.0:
        shrink(desk, rules[p.MAX_GROSS], gross, -1, 0.0, p.GROSS_LIMIT)
    if rules[p.MAX_NET] > 0.0:
        total = net
        for k in range(counts[p.N_ASKED]):
            total += cells[lists[p.ASKED, k], p.TARGET]
        side = 1.0 if total > 0.0 else -1.0
        against = side * net
        for k in range(counts[p.N_ASKED]):
            against += min(side * cells[lists[p.ASKED, k], p.TARGET], 0.0)
        shrink(desk, rules[p.MAX_NET], against, -1, side, p.NET_LIMIT)
