"""Runs of compiled blocks: user functions of machine code that are asked at every close.

A block is compiled into a loop over bars of its own (`_ask`), which comes back at the first bar on which the
block changes its mind.  The simulation around it calls that loop by its address: it is compiled once for all blocks, a
new block costs only its own compilation, and a bar costs no call through a pointer.
Decisions and fills go through the same `simulate` as everything else.

Reads prices, the calendar, settings and parameters; writes the block's memory and view, the state, records, the
curve and the row of metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from peak_kernels import money
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import OPTIONS, Guest, around, part
from peak_kernels.fast.asking import ASK_SIGNATURE, ROW, SEEN
from peak_kernels.fast.blocks import Cuts, begin_blocks
from peak_kernels.fast.financing import conclude_financed
from peak_kernels.fast.reduce import conclude, conclude_blocks
from peak_kernels.fast.simulation import simulate

nb: Any = numba.types

# Stands for the user's function, see `guests`.
_block: Any = None


def _ask(first: Any, stop: Any, seen: Any, params: Any, memory: Any, view: Any) -> Any:
    """First bar in ``[first, stop)`` on which the block wants something else than ``view[LAST_WISH]``; else ``stop``.

    The new wish is left in ``view[WISH]``.  The account must be the same at all these closes; the block is not
    asked on bars without prices.
    """
    cash, units, entry_price = view[t.VIEW_CASH], view[t.VIEW_UNITS], view[t.VIEW_ENTRY_PRICE]
    entry_bar, last = view[t.VIEW_ENTRY_BAR], view[t.VIEW_LAST_WISH]
    account = view[: t.VIEW_SEEN]
    for i in range(first, stop):
        if seen[3, i] != seen[3, i]:
            continue
        # All of it again at each bar: the block may have written there.
        account[t.VIEW_CASH] = cash
        account[t.VIEW_UNITS] = units
        account[t.VIEW_EQUITY] = money.equity(cash, units, seen[4, i]) if units != 0.0 else cash
        account[t.VIEW_ENTRY_PRICE] = entry_price
        account[t.VIEW_BARS_HELD] = i - entry_bar if units != 0.0 else 0.0
        wish = float(_block(i, seen, params, memory, account))
        if wish != last and wish == wish:
            view[t.VIEW_WISH] = wish
            return i
    return stop


@part
def run_block(
    ask: int,
    tables: tuple[FloatArray, FloatArray, IntArray],
    settings: FloatArray,
    params: FloatArray,
    rooms: tuple[FloatArray, FloatArray, FloatArray],
    records: tuple[FloatArray, FloatArray],
    nothing: tuple[IntArray, FloatArray, int],
    out: FloatArray,
    cuts: Cuts | None,
    financing: tuple[FloatArray, ...] | None,
) -> None:
    """Configurations of a block, one after the other.

    Parameters
    ----------
    ask
        Address of the machine code of `_ask` around the block.
    tables
        Prices, the table the block reads, the calendar.
    settings, params, out
        One row a configuration; ``settings`` may be one row for all.
    rooms, records
        ``(state, memory, view)``, ``(records, curve)``.
    nothing
        Decisions that were made before: none.
    cuts, financing
        See `simulation.run_configurations`.
    """
    prices, seen, calendar = tables
    state, memory, view = rooms
    shared = settings.shape[0] == 1
    for c in range(out.shape[0]):
        memory[:] = 0.0
        block = (ask, seen, params[c], memory, view)
        if cuts is not None:
            begin_blocks(cuts, prices.shape[1])
        own = settings[0 if shared else c]
        simulate(prices, calendar, nothing, own, state, records[0], records[1], block, cuts, financing)
        if financing is not None:
            conclude_financed(state, records[1], financing, own[t.INITIAL_CASH], out[c])
        elif cuts is None:
            conclude(state, records[1], prices.shape[1], out[c])
        else:
            conclude_blocks(state, records[1], prices.shape[1], out[c], cuts)


def diagnose(function: Callable[..., Any], *, orders: bool) -> Any:
    """Type that a user's function returns for the arguments of a block, as text.

    Raises
    ------
    Exception
        What numba says about the function alone, without what this package puts around it.
    """
    alone: Any = numba.njit(**OPTIONS)(function)
    given = (nb.int64, SEEN, ROW, ROW, ROW)
    alone.compile((*given, ROW) if orders else given)
    (result,) = alone.overloads.values()
    return str(result.signature.return_type)


def compile_block(function: Callable[..., float], *, checked: bool = False) -> Guest:
    """Machine code of a user's block in a loop over bars, cached with the kernels where that is possible.

    ``checked``: with bounds checks, never cached; its memory needs `NOTED` further cells.

    Raises
    ------
    numba.core.errors.NumbaError
        The function uses something that cannot be compiled.
    """
    return around("block", _ask, function, ASK_SIGNATURE, {"t": t, "money": money}, checked)
