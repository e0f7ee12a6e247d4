"""Vector operations over many holdings: the bars of a stretch lie in lanes, one holding is added after the other.

The sums of some bars stay in registers while all holdings pass, so nothing is written and read again in between, and
memory answers for many holdings at a time.  At each bar holdings are added in their sequence, which is the plain loop's
sequence: the same bits.  See `simd` for the rest.

Reads prices and units; writes the equity of a stretch, or what was held in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from peak_kernels import portfolio_slots as p
from peak_kernels import simd

_I64 = ir.IntType(64)
# Vectors of bars that are summed side by side.
_WIDE = 4

Step = Callable[[list[Any], Any, Any], None]


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


class _Stretch:
    """Code that walks over holdings for a block of bars; the sums of the block are vectors in registers."""

    def __init__(self, context: Any, builder: Any, sig: Any, args: Any) -> None:
        cube = context.make_array(sig.args[0])(context, builder, args[0])
        rows, self._columns = (builder.extract_value(cube.shape, k) for k in (1, 2))
        self._builder, self._marks, self._count, self._start = builder, cube.data, args[4], args[5]
        self._assets, self._units = (_data(context, builder, sig.args[k], args[k]) for k in (2, 3))
        self._base = builder.mul(args[1], rows)

    def walk(self, sums: list[list[Any]], step: Step, places: list[Any], masks: list[Any]) -> None:
        """Take all holdings into ``sums``, for each vector of bars those that ``step(sums, units, marks)`` knows."""
        builder = self._builder
        with cgutils.for_range(builder, self._count, intp=_I64) as loop:
            asset = builder.load(builder.gep(self._assets, [loop.index]))
            units = simd.splat(builder, builder.load(builder.gep(self._units, [loop.index])))
            row = builder.add(builder.mul(builder.add(self._base, asset), self._columns), self._start)
            for own, place, mask in zip(sums, places, masks, strict=True):
                step(own, units, _load(builder, self._marks, builder.add(row, place), mask))

    def places(self, first: Any, masks: list[Any]) -> list[Any]:
        """First bars of the vectors of a block, from the beginning of the stretch."""
        numbers = [ir.Constant(_I64, simd.LANES * number) for number in range(len(masks))]
        return [self._builder.add(first, number) for number in numbers]


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
        stretch = _Stretch(context, builder, sig, args)
        curve = context.make_array(sig.args[6])(context, builder, args[6])

        def step(sums: list[Any], size: Any, marks: Any) -> None:
            builder.store(builder.fadd(builder.load(sums[0]), builder.fmul(size, marks)), sums[0])

        def work(first: Any, masks: list[Any]) -> None:
            places = stretch.places(first, masks)
            each = list(zip(places, masks, strict=True))
            sums = [
                [cgutils.alloca_once_value(builder, _load(builder, curve.data, *place))] for place in each
            ]
            stretch.walk(sums, step, places, masks)
            for (total,), (place, mask) in zip(sums, each, strict=True):
                _store(builder, builder.load(total), curve.data, place, mask)

        _blocks(builder, builder.extract_value(curve.shape, 0), work)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def hold_values(
    typing_context: Any, prices: Any, field: Any, assets: Any, units: Any, count: Any, start: Any, stop: Any,
    out: Any,
) -> Any:  # fmt: skip
    """Write what is held at the bars from ``start`` to ``stop``, float64[rows, bars] as `fold_exposures` has it.

    With ``v = abs(units[k]) * prices[field, assets[k], t]``, for k from 0 to ``count - 1`` one after the other: sums
    of the values held long and short, the largest value, the sum of squares.
    """
    signature = types.void(prices, types.int64, assets, units, types.int64, types.int64, types.int64, out)
    rows = (p.LONG, p.SHORT, p.LARGEST, p.SQUARES)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        stretch = _Stretch(context, builder, sig, args)
        data = [
            builder.gep(
                simd.row_pointer(context, builder, sig.args[7], args[7], ir.Constant(_I64, row)), [args[5]]
            )
            for row in rows
        ]
        zero = simd.constant(0.0)

        def step(sums: list[Any], size: Any, marks: Any) -> None:
            above = builder.fcmp_ordered(">", size, zero)
            value = builder.fmul(builder.select(above, size, builder.fneg(size)), marks)
            long, short, largest, squares = (builder.load(item) for item in sums)
            builder.store(builder.fadd(long, builder.select(above, value, zero)), sums[0])
            builder.store(builder.fadd(short, builder.select(above, zero, value)), sums[1])
            larger = builder.fcmp_ordered(">", value, largest)
            builder.store(builder.select(larger, value, largest), sums[2])
            builder.store(builder.fadd(squares, builder.fmul(value, value)), sums[3])

        def work(first: Any, masks: list[Any]) -> None:
            places = stretch.places(first, masks)
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in rows] for _ in masks]
            stretch.walk(sums, step, places, masks)
            for own, place, mask in zip(sums, places, masks, strict=True):
                for total, row in zip(own, data, strict=True):
                    _store(builder, builder.load(total), row, place, mask)

        _blocks(builder, builder.sub(args[6], args[5]), work)
        return context.get_dummy_value()

    return signature, codegen
