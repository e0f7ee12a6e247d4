"""One vector operation of resampling: weighted rows of a table, added up sixteen columns at a time.

Reads rows of a table that is sixteen columns wide; writes one row of sums.  The order of additions is that of the
list of rows, for each column alone, so the bits are the same on every machine.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from peak_kernels.arrays import WIDTH
from peak_kernels.simd import LANES

_DOUBLE, _I64, _I32 = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_TABLE = types.Array(types.float64, 2, "C")
_PLACES = types.Array(types.uint32, 1, "C")
_WEIGHTS = types.Array(types.float32, 1, "C")


def _splat(builder: Any, value: Any) -> Any:
    vector = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(_I32, 0))
    lanes = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
    return builder.shuffle_vector(vector, ir.Constant(_VECTOR, ir.Undefined), lanes)


def _pointers(builder: Any, data: Any, row: Any) -> list[Any]:
    """Pointers to the vectors of a row."""
    first = builder.gep(data, [builder.mul(row, ir.Constant(_I64, WIDTH))])
    places = (builder.gep(first, [ir.Constant(_I64, k)]) for k in range(0, WIDTH, LANES))
    return [builder.bitcast(place, _VECTOR.as_pointer()) for place in places]


def _load(builder: Any, pointer: Any) -> Any:
    load = builder.load(pointer)
    load.align = 8
    return load


@intrinsic
def add_weighted(
    typing_context: Any, table: Any, places: Any, weights: Any, start: Any, stop: Any, out: Any, row: Any
) -> Any:
    """``out[row, :] += sum of weights[j] * table[places[j], :]`` for ``start <= j < stop``, in that order."""
    signature = types.void(_TABLE, _PLACES, _WEIGHTS, types.int64, types.int64, _TABLE, types.int64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        source, place_of, weight_of, target = (
            context.make_array(kind)(context, builder, args[k]).data
            for kind, k in ((_TABLE, 0), (_PLACES, 1), (_WEIGHTS, 2), (_TABLE, 5))
        )
        goals = _pointers(builder, target, args[6])
        sums = [cgutils.alloca_once_value(builder, _load(builder, goal)) for goal in goals]
        with cgutils.for_range(builder, builder.sub(args[4], args[3]), intp=_I64) as loop:
            at = [builder.add(args[3], loop.index)]
            place = builder.zext(builder.load(builder.gep(place_of, at)), _I64)
            weight = _splat(builder, builder.fpext(builder.load(builder.gep(weight_of, at)), _DOUBLE))
            for total, pointer in zip(sums, _pointers(builder, source, place), strict=True):
                term = builder.fmul(weight, _load(builder, pointer))
                builder.store(builder.fadd(builder.load(total), term), total)
        for total, goal in zip(sums, goals, strict=True):
            builder.store(builder.load(total), goal).align = 8
        return context.get_dummy_value()

    return signature, codegen
