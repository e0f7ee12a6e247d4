"""Vector operations over many holdings: the bars of a stretch lie in lanes, one holding is added after the other.

The sums of some bars stay in registers while all holdings pass, so nothing is written and read again in between, and
memory answers for many holdings at a time.  At each bar holdings are added in their sequence, which is the plain loop's
sequence: the same bits.  See `simd` for the rest.

Reads prices and units; writes the equity of a stretch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from peak_kernels import simd

_I64 = ir.IntType(64)
# Vectors of bars that are summed side by side.
_WIDE = 4

Step = Callable[[Any, Any, Any], None]


def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


def _store(builder: Any, value: Any, data: Any, index: Any, mask: Any) -> None:
    """Write a vector, or its lanes in a mask."""
    pointer = builder.bitcast(builder.gep(data, [index]), value.type.as_pointer())
    if mask is None:
        builder.store(value, pointer).align = 8
        return
    kind = ir.FunctionType(ir.VoidType(), [value.type, value.type.as_pointer(), ir.IntType(32), mask.type])
    store = cgutils.get_or_insert_function(builder.module, kind, "llvm.masked.store.v8f64.p0")
    builder.call(store, [value, pointer, ir.Constant(ir.IntType(32), 8), mask])


def _load(builder: Any, data: Any, index: Any, mask: Any) -> Any:
    return simd.load(builder, data, index) if mask is None else simd.masked_load(builder, data, index, mask)


def _blocks(builder: Any, count: Any, work: Callable[[Any, list[Any]], None]) -> None:
    """Call ``work(first bar, masks)`` for blocks of bars: whole ones, and one for each length of what is left.

    There is a mask for each vector; None: all lanes.
    """
    width = ir.Constant(_I64, simd.LANES * _WIDE)
    whole = builder.sdiv(count, width)
    with cgutils.for_range(builder, whole, intp=_I64) as loop:
        work(builder.mul(loop.index, width), [None] * _WIDE)
    first = builder.mul(whole, width)
    rest = builder.sub(count, first)
    vectors = builder.sdiv(
        builder.add(rest, ir.Constant(_I64, simd.LANES - 1)), ir.Constant(_I64, simd.LANES)
    )
    for number in range(1, _WIDE + 1):
        with builder.if_then(builder.icmp_signed("==", vectors, ir.Constant(_I64, number))):
            left = builder.sub(rest, ir.Constant(_I64, simd.LANES * (number - 1)))
            work(first, [None] * (number - 1) + [simd.lane_mask(builder, left)])


@intrinsic
def add_holdings(
    typing_context: Any, prices: Any, field: Any, assets: Any, units: Any, count: Any, start: Any, equity: Any
) -> Any:
    """Add the values of holdings to the equity of the bars from ``start`` on.

    ``equity[t] = equity[t] + units[k] * prices[field, assets[k], start + t]`` for k from 0 to ``count - 1``, one after
    the other, for all t of ``equity``.
    """
    signature = types.void(prices, types.int64, assets, units, types.int64, types.int64, equity)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        cube = context.make_array(sig.args[0])(context, builder, args[0])
        rows, columns = (builder.extract_value(cube.shape, k) for k in (1, 2))
        held, size = (_data(context, builder, sig.args[k], args[k]) for k in (2, 3))
        curve = context.make_array(sig.args[6])(context, builder, args[6])
        base = builder.mul(args[1], rows)

        def work(first: Any, masks: list[Any]) -> None:
            places = [
                builder.add(first, ir.Constant(_I64, simd.LANES * number)) for number in range(len(masks))
            ]
            sums = [
                cgutils.alloca_once_value(builder, _load(builder, curve.data, place, mask))
                for place, mask in zip(places, masks, strict=True)
            ]
            with cgutils.for_range(builder, args[4], intp=_I64) as loop:
                asset = builder.load(builder.gep(held, [loop.index]))
                units_v = simd.splat(builder, builder.load(builder.gep(size, [loop.index])))
                row = builder.add(builder.mul(builder.add(base, asset), columns), args[5])
                for total, place, mask in zip(sums, places, masks, strict=True):
                    marks = _load(builder, cube.data, builder.add(row, place), mask)
                    worth = builder.fadd(builder.load(total), builder.fmul(units_v, marks))
                    builder.store(worth, total)
            for total, place, mask in zip(sums, places, masks, strict=True):
                _store(builder, builder.load(total), curve.data, place, mask)

        _blocks(builder, builder.extract_value(curve.shape, 0), work)
        return context.get_dummy_value()

    return signature, codegen
