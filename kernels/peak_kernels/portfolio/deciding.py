"""Weights of a compiled block: a user's function that is asked at every close about all assets.

The account is run along with the block, fill by fill with the functions of `simulation`, so that the block sees what
its weights have done.  What comes out are rows of weights; `simulation.run_portfolio` runs them like any others.

``desk`` and ``records`` are those of `account`.

Reads prices, weights and settings; writes the block's memory and view, and rows of weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from peak_kernels import money
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.compiling import Guest, by_address, compile_checked, compile_guest, jit, note_orders, part
from peak_kernels.portfolio.financing import begin, pay_funding, settle_dues, walk_cash
from peak_kernels.portfolio.halts import begin_day, is_limited, leave, look
from peak_kernels.portfolio.rebalance import asked_by_row, asked_by_waiting, trade
from peak_kernels.portfolio.simulation import delist, next_gone, reset
from peak_kernels.portfolio.sizes import known_close

nb: Any = numba.types

_ROW = nb.float64[::1]
# A block cannot write where prices are.
_PRICES = nb.Array(nb.float64, 3, "C", readonly=True)
_ASK = nb.void(nb.int64, _PRICES, _ROW, _ROW, _ROW, _ROW)
_call = by_address(_ASK)


@jit(inline=True)
def equity_at(desk: Any, prices: Any, at_open: Any, bar: Any) -> float:
    """Equity at a close, or at an open."""
    state, terms, cells, lists, counts = desk[0], desk[2], desk[3], desk[4], desk[5]
    equity = state[t.CASH]
    for k in range(counts[p.N_HELD]):
        asset = lists[p.HELD, k]
        units = money.value(cells[asset, p.UNITS], terms[asset, p.MULTIPLIER])
        price = known_close(prices, asset, bar)
        if at_open and prices[p.OPEN, asset, bar] == prices[p.OPEN, asset, bar]:
            price = prices[p.OPEN, asset, bar]
        equity = money.equity(equity, units, price)
    return equity


@jit(inline=True)
def see_account(desk: Any, prices: Any, account: Any, bar: Any) -> None:
    """Write cash, equity at a close and the units of all assets to a block's view of the account."""
    state, cells = desk[0], desk[3]
    account[p.SEEN_CASH] = state[t.CASH]
    account[p.SEEN_EQUITY] = equity_at(desk, prices, False, bar)
    for asset in range(cells.shape[0]):
        account[p.SEEN_UNITS + asset] = cells[asset, p.UNITS]


@jit(inline=True)
def is_given(want: Any) -> bool:
    """Whether a block asks for anything."""
    given = False
    for asset in range(want.size):
        given = given or want[asset] == want[asset]
    return given


@jit(inline=True)
def fill_orders(desk: Any, prices: Any, records: Any, want: Any, given: bool, when: Any) -> None:
    """Trade what a block wanted at a close, and what has waited; ``when = (field, bar, deciding bar)``."""
    counts = desk[5]
    field, bar, before = when
    counts[p.N_ASKED] = 0
    if given:
        asked_by_row(desk, records, want, before)
    if counts[p.N_WAITING] > 0:
        asked_by_waiting(desk, bar)
    if counts[p.N_ASKED] > 0:
        trade(desk, prices, records, field, bar, before)


@jit(inline=True)
def judge(desk: Any, prices: Any, bar: Any) -> None:
    """Look at the limits of a bar, with the equity that a run of the rows marks there."""
    state = desk[0]
    state[t.PREVIOUS_EQUITY] = equity_at(desk, prices, desk[1][p.MARK_AT] > 0.0, bar)
    state[t.PEAK_EQUITY] = max(state[t.PEAK_EQUITY], state[t.PREVIOUS_EQUITY])
    look(desk, bar)


@part
def decide(
    ask: Any, prices: Any, spans: Any, settings: Any, days: Any, scratch: Any, records: Any, rooms: Any, rows: Any,
    weights: Any, financing: Any, curve: Any,
) -> Any:  # fmt: skip
    """Ask a block, whose address is ``ask``, at every close; how many rows of weights it has given.

    ``rooms = (params, memory, account)``; ``rows`` int64[bars] and ``weights`` float64[bars, assets] get the bars at
    which it wants something and what it wants; ``curve`` is room that only financing uses; the other arguments
    are those of `simulation.run_portfolio`.
    """
    desk = (scratch[0], settings[1], settings[2], scratch[1], scratch[2], scratch[3])
    reset(desk, settings[0])
    begin(desk, financing, curve)
    bars = prices.shape[2]
    rule = settings[1][p.FILL_AT]
    field = p.OPEN if rule == p.NEXT_OPEN else p.CLOSE
    delay = 0 if rule == p.SAME_CLOSE else 1
    count, given, gone = 0, False, bars
    limited, financed = is_limited(settings[0]), settings[1][p.FINANCED] > 0.0
    for bar in range(bars):
        if limited:
            begin_day(desk[0], days, bar)
        if financed:
            settle_dues(desk, financing, prices, records, curve, bar)
        if bar == gone:
            delist(desk, prices, spans, records, bar)
        if limited:
            leave(desk, prices, records, bar)
        if financed and field == p.CLOSE:
            pay_funding(desk, financing, prices, bar)
        # Orders of the close before fill ahead of this close's question, those of this close behind it.
        for step in range(2):
            if step == delay:
                if financed:
                    pay_funding(desk, financing, prices, bar)
                want = weights[count]
                want[:] = float("nan")
                see_account(desk, prices, rooms[2], bar)
                _call(ask, bar, prices, rooms[0], rooms[1], rooms[2], want)
                given = is_given(want)
                if given:
                    rows[count] = bar
                    count += 1
            else:
                fill_orders(
                    desk, prices, records, weights[max(count - 1, 0)], given, (field, bar, bar - delay)
                )
                gone = next_gone(desk, spans, bars)
        if limited:
            judge(desk, prices, bar)
        if financed:
            walk_cash(desk, financing, prices, curve, bar, bar + 1)
    return count


def compile_panel_block(function: Callable[..., None], *, checked: bool = False) -> Guest:
    """Machine code of a user's block of all assets, cached with the kernels where that is possible.

    ``checked``: with bounds checks, never cached; its memory needs `NOTED` further cells.

    Raises
    ------
    numba.core.errors.NumbaError
        The function uses something that cannot be compiled.
    """
    return compile_checked(function, note_orders, _ASK) if checked else compile_guest("panel", function, _ASK)
