"""Arrays copied to where another process reads them, as one record with a checksum.

`peak_fast.tracking.spool.records` says the form and reads it.  A record is complete for its readers once its mark is
there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from peak_kernels.compiling import jit

# Odd, so that no difference of one word is lost; `peak_fast.tracking.spool.records` has the same two.
TURN, FACTOR = np.uint64(0x9D3C_51B7_E60F_2A85), np.uint64(0xC6A1_08F3_5B9D_74EB)
# Of the bytes that a caller gives: kind of the record, its mark, number of the settings, time, id, then parameters.
CODE, MARK, NUMBER, TIME, RUN, PARAMETERS = 0, 1, 2, 3, 4, 6
_WORDS_BEFORE, _HALF, _SHIFT = 7, np.uint64(32), np.uint64(29)


@intrinsic
def _put(typing_context: Any, address: Any, word: Any) -> Any:
    """Store a word at an address of any kind."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        builder.store(args[1], pointer, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), codegen


@intrinsic
def _fence(typing_context: Any) -> Any:
    """What was stored before is visible before what is stored behind it."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.fence("release")
        return context.get_dummy_value()

    return types.void(), codegen


@jit(inline=True)
def _mixed(word: Any, place: Any) -> Any:
    """Part of a word in the checksum of its record, in which it has this place."""
    mixture = word + (place + np.uint64(1)) * TURN
    mixture ^= mixture >> _HALF
    mixture *= FACTOR
    return mixture ^ (mixture >> _SHIFT)


@jit(inline=True)
def _copied(words: Any, begin: int, address: int, place: Any) -> Any:
    """Copy words from number ``begin`` on to a place of a record; their part in the checksum."""
    total = np.uint64(0)
    for k in range(begin, words.size):
        word = words[k]
        _put(address + 8 * (place + k - begin), word)
        total += _mixed(word, np.uint64(place + k - begin))
    return total


@jit(inline=True)
def store_record(given: Any, metrics: Any, state: Any, trades: Any, address: int) -> None:
    """Store a record at an address, its mark last.

    Parameters
    ----------
    given
        uint64[at least 6]: see `CODE` and the names beside it.
    metrics, state, trades
        uint64[n], uint64[n] and uint64[n, columns]: the bits of the arrays.
    """
    head = np.uint64(8 * (1 + given.size - PARAMETERS))
    size = np.uint64(8 * (metrics.size + state.size + trades.size))
    code, first, second = given[CODE], given[RUN], given[RUN + 1]
    check = (code * np.uint64(31) + head * np.uint64(3) + size) % np.uint64(65_521)
    begin = head << _HALF
    kind = code | check << np.uint64(16) | first << _HALF
    inner = first >> _HALF | second << _HALF
    last = second >> _HALF | given[MARK] << _HALF
    count = given[NUMBER] | np.uint64(trades.shape[0]) << _HALF
    total, place = np.uint64(0), np.uint64(0)
    for word in (begin, size, given[TIME], kind, inner, last, count):
        total += _mixed(word, place)
        place += np.uint64(1)
    at = _WORDS_BEFORE
    total += _copied(given, PARAMETERS, address, at)
    at += given.size - PARAMETERS
    for words in (metrics, state):
        total += _copied(words, 0, address, at)
        at += words.size
    for row in range(trades.shape[0]):
        total += _copied(trades[row], 0, address, at)
        at += trades.shape[1]
    _put(address + 8, size)
    _put(address + 16, given[TIME])
    _put(address + 24, kind)
    _put(address + 32, inner)
    _put(address + 48, count)
    _put(address, begin | (total ^ (total >> _HALF)) & np.uint64(0xFFFF_FFFF))
    _fence()
    _put(address + 40, last)
