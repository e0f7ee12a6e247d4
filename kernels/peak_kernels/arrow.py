"""Columns of small whole numbers, Polars' in the form of Arrow's C interface, read into one byte a value.

Nothing here needs Python's lock.  A column that is not of the usual kind is left to the caller.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from peak_kernels.arrays import LARGE, OTHER, IntArray
from peak_kernels.compiling import jit

_I64 = ir.IntType(64)
_types: Any = types

# Words of the interface's structures: a schema, an array and a stream of arrays.
_FORMAT, _RELEASE_SCHEMA = 0, 7
_LENGTH, _NULLS, _OFFSET, _BUFFERS, _RELEASE = 0, 1, 2, 5, 8
_GET_SCHEMA, _GET_NEXT = 0, 1
# Where the array stands in the room, behind the schema.
_ARRAY = 80

# A byte times the first word is eight copies of it, of which the second one keeps a bit each.
_COPIES, _BITS, _ONES, _CARRY = 0x0101010101010101, 0x8040201008040201, 0x0101010101010101, 0x7F7F7F7F7F7F7F7F


def _pointer(dtype: Any) -> Any:
    """Intrinsic: an address as a pointer."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_data_type(dtype).as_pointer())

    def typed(typing_context: Any, address: Any) -> Any:
        return _types.CPointer(dtype)(types.int64), codegen

    return intrinsic(typed)


_int8, _uint8, _int32, _int64 = map(_pointer, (types.int8, types.uint8, types.int32, types.int64))


@intrinsic
def _fill(typing_context: Any, function: Any, stream: Any, structure: Any) -> Any:
    """Call ``int function(stream, structure)``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [_I64, _I64]).as_pointer()
        return builder.sext(builder.call(builder.inttoptr(args[0], kind), args[1:]), _I64)

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def _release(typing_context: Any, function: Any, structure: Any) -> Any:
    """Call ``void function(structure)``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_I64]).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), args[1:])
        return context.get_constant(types.int64, 0)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def _store(typing_context: Any, address: Any, word: Any) -> Any:
    """Write a word that lies anywhere."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], _I64.as_pointer()), align=1)
        return context.get_constant(types.int64, 0)

    return types.int64(types.int64, types.uint64), codegen


@jit(inline=True)
def _word(address: int, place: int) -> int:
    return _int64(address)[place]


@jit(inline=True)
def _format(stream: int, schema: int) -> int:
    """The letter that says what values are; 0 for longer formats."""
    if _fill(_word(stream, _GET_SCHEMA), stream, schema) != 0:
        return 0
    letters = _uint8(_word(schema, _FORMAT))
    found: Any = np.int64(letters[0]) if letters[0] != 0 and letters[1] == 0 else 0
    _release(_word(schema, _RELEASE_SCHEMA), schema)
    return found


@jit(inline=True)
def _first_known(array: int, bars: int) -> int:
    """How many nulls come first; -1 where others follow, no value does, or the column has another length."""
    nulls = _word(array, _NULLS)
    if _word(array, _LENGTH) != bars or nulls < 0 or nulls >= bars:
        return -1
    if nulls > 0:
        valid, offset = _uint8(_word(_word(array, _BUFFERS), 0)), _word(array, _OFFSET)
        for bit in range(offset, offset + nulls):
            if (valid[bit >> 3] >> (bit & 7)) & 1:
                return -1
    return nulls


@jit(inline=True)
def _bits(data: int, first: int, count: int, out: int) -> None:
    """Truth values, eight to a byte."""
    source, target = _uint8(data), _int8(out)
    k = np.int64(0)
    while k < count and (first + k) & 7:
        target[k] = (source[(first + k) >> 3] >> ((first + k) & 7)) & 1
        k += 1
    whole = (count - k) >> 3
    begin = (first + k) >> 3
    for place in range(whole):
        copies = np.uint64(source[begin + place]) * np.uint64(_COPIES) & np.uint64(_BITS)
        _store(out + k + 8 * place, (copies + np.uint64(_CARRY)) >> np.uint64(7) & np.uint64(_ONES))
    for last in range(k + 8 * whole, count):
        target[last] = (source[(first + last) >> 3] >> ((first + last) & 7)) & 1


# Loops from zero without branches: LLVM turns them into vectors.


@jit(inline=True)
def _wholes(source: Any, count: int, out: int) -> int:
    """Write whole numbers; not 0: one is another number than its byte."""
    target, found = _int8(out), 0
    for k in range(count):
        byte = np.int8(source[k])
        target[k] = byte
        found |= byte != source[k]
    return found


@jit(inline=True)
def _fractions(words: Any, sign: int, exponent: int, count: int, out: int) -> int:
    """Write fractions that are -1.0, 0.0 or 1.0; not 0: one is none of these, -0.0 among them.

    Their bits are numbers here, of which ``exponent`` is the lowest one of the exponent: 1.0 has all of these but one.
    """
    target, found = _int8(out), 0
    one = (1 << (sign - 1)) - (1 << exponent)
    for k in range(count):
        word = np.int64(words[k])
        some = word >> exponent & 1
        minus = word >> sign & some
        target[k] = some - 2 * minus
        found |= (word & ((1 << sign) - 1)) != some * one
        found |= (word >> sign & 1) != minus
    return found


@jit(inline=True)
def _values(kind: int, data: int, first: int, count: int, out: int) -> int:
    """Write the values ``[first, first + count)`` of a buffer; what is found of them as an answer, 0 or less."""
    if kind == ord("b"):
        _bits(data, first, count, out)
        return 0
    found: Any = OTHER
    if kind == ord("c"):
        found = _wholes(_int8(data + first), count, out)
    elif kind == ord("C"):
        found = _wholes(_uint8(data + first), count, out)
    elif kind == ord("i"):
        found = _wholes(_int32(data + 4 * first), count, out)
    elif kind == ord("l"):
        found = _wholes(_int64(data + 8 * first), count, out)
    elif kind == ord("f"):
        found = _fractions(_int32(data + 4 * first), 31, 23, count, out)
    elif kind == ord("g"):
        found = _fractions(_int64(data + 8 * first), 63, 52, count, out)
    return LARGE if found > 0 else found


@jit(inline=True)
def _read(stream: int, room: int, bars: int, out: int) -> int:
    kind, array = _format(stream, room), room + _ARRAY
    if kind == 0 or _fill(_word(stream, _GET_NEXT), stream, array) != 0 or _word(array, _RELEASE) == 0:
        return OTHER
    gap = _first_known(array, bars)
    found = gap
    if gap >= 0:
        zeros = _int8(out)
        for k in range(gap):
            zeros[k] = 0
        first, data = _word(array, _OFFSET) + gap, _word(_word(array, _BUFFERS), 1)
        found = _values(kind, data, first, bars - gap, out + gap)
    _release(_word(array, _RELEASE), array)
    return 1 if found == 0 and kind == ord("b") else found


@jit(inline=True)
def read_small(streams: IntArray, rows: IntArray, answers: IntArray, room: IntArray, bars: int) -> None:
    """Read columns of which each value is a small whole number, nulls before the first one as 0.

    Parameters
    ----------
    streams
        Addresses of structures ``ArrowArrayStream``, of which the first array is taken.
    rows
        Addresses of memory for int8[bars] each.
    answers
        Gets 0 for numbers, 1 for truth values, else `OTHER` or `LARGE`; then a row holds anything.
    room
        int64[`SMALL_ROOM`] to work on.
    bars
        Length that each column must have.
    """
    place: Any = np.int64(room.ctypes.data)
    for k in range(streams.size):
        answers[k] = _read(streams[k], place, bars, rows[k])


@jit(inline=True)
def narrow(words: IntArray, fractions: int, row: int) -> int:
    """As `read_small` for one column of int64, or of the bits of float64: what it answers."""
    kind = ord("g") if fractions else ord("l")
    data: Any = np.int64(words.ctypes.data)
    return _values(kind, data, 0, words.size, row)
