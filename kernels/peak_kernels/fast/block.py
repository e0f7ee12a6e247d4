"""Runs of compiled blocks: user functions of machine code that are asked at every close.

A block is compiled into a loop over bars of its own (`_ask`), which comes back at the first bar on which the
block changes its mind.  That loop travels as a first-class function of one fixed type, so the simulation around
it compiles once, a new block costs only its own compilation, and a bar costs no call through a pointer.
Decisions and fills go through the same `simulate` as everything else.

Reads prices, the calendar, settings and parameters; writes the block's memory and view, the state, records, the
curve and the row of metrics.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core.errors import NumbaExperimentalFeatureWarning

from peak_kernels import money, simd
from peak_kernels import slots as t
from peak_kernels.compiling import OPTIONS, around, cache_dir
from peak_kernels.fast.blocks import begin_blocks
from peak_kernels.fast.reduce import conclude, conclude_blocks
from peak_kernels.fast.simulation import simulate

nb: Any = numba.types

_TABLE, _ROW, _RECORDS = nb.float64[:, ::1], nb.float64[::1], nb.float64[:, :, ::1]
# What a block sees of the bars: it cannot write there, and so cannot change what a later configuration sees.
_SEEN = nb.Array(nb.float64, 2, "C", readonly=True)
BLOCK_SIGNATURE = nb.float64(nb.int64, _SEEN, _ROW, _ROW, _ROW)
ASK_SIGNATURE = nb.int64(nb.int64, nb.int64, _SEEN, _ROW, _ROW, _ROW)
_RUN_TYPES = (
    nb.FunctionType(ASK_SIGNATURE), _TABLE, _TABLE, nb.int64[:, ::1], _TABLE, _TABLE,
    nb.UniTuple(_ROW, 3), _RECORDS, _TABLE, _TABLE,
)  # fmt: skip
_CUTS = nb.Tuple([_TABLE, nb.int64[::1]])


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


def _run_block(
    ask: Any, prices: Any, seen: Any, calendar: Any, settings: Any, params: Any, rooms: Any, records: Any,
    curve: Any, out: Any, cuts: Any,
) -> None:  # fmt: skip
    """Configurations of a block, one after the other.

    ``rooms = (state, memory, view)``, ``seen`` is the table the block reads; ``params`` and ``out`` have one row
    a configuration, ``settings`` too, or one row for all.  ``cuts``: see `simulation.run_configurations`.
    """
    state, memory, view = simd.borrow(rooms[0]), simd.borrow(rooms[1]), simd.borrow(rooms[2])
    prices, seen, calendar = simd.borrow(prices), simd.borrow(seen), simd.borrow(calendar)
    settings, params, records = simd.borrow(settings), simd.borrow(params), simd.borrow(records)
    curve, out = simd.borrow(curve), simd.borrow(out)
    nothing: Any = (np.empty(0, np.int64), np.empty(0), np.int64(0))
    shared = settings.shape[0] == 1
    for c in range(out.shape[0]):
        memory[:] = 0.0
        block = (ask, seen, params[c], memory, view)
        if cuts is not None:
            begin_blocks(cuts, prices.shape[1])
        simulate(prices, calendar, nothing, settings[0 if shared else c], state, records, curve, block, cuts)
        if cuts is None:
            conclude(state, curve, prices.shape[1], out[c])
        else:
            conclude_blocks(state, curve, prices.shape[1], out[c], cuts)


@functools.cache
def block_runner(*, by_block: bool = False) -> Callable[..., None]:
    """The compiled loop, with memory of blocks of time or None behind its arguments.

    An explicit signature, because only then a function argument keeps its general type.
    """
    signature = nb.void(*_RUN_TYPES, _CUTS if by_block else nb.none)
    with warnings.catch_warnings():
        # First-class functions are marked experimental; `tests/test_block.py` watches them.
        warnings.simplefilter("ignore", NumbaExperimentalFeatureWarning)
        compiled: Callable[..., None] = numba.njit(signature, **OPTIONS, cache=cache_dir() is not None)(
            _run_block
        )
    return compiled


def diagnose(function: Callable[..., Any], *, orders: bool) -> Any:
    """Type that a user's function returns for the arguments of a block, as text.

    Raises
    ------
    Exception
        What numba says about the function alone, without what this package puts around it.
    """
    alone: Any = numba.njit(**OPTIONS)(function)
    given = (nb.int64, _SEEN, _ROW, _ROW, _ROW)
    alone.compile((*given, _ROW) if orders else given)
    (result,) = alone.overloads.values()
    return str(result.signature.return_type)


def compile_block(function: Callable[..., float], *, checked: bool = False) -> Any:
    """Machine code of a user's block in a loop over bars, cached with the kernels where that is possible.

    ``checked``: with bounds checks, never cached; its memory needs `NOTED` further cells.

    Raises
    ------
    numba.core.errors.NumbaError
        The function uses something that cannot be compiled.
    """
    return around(_ask, function, ASK_SIGNATURE, {"t": t, "money": money}, checked)
