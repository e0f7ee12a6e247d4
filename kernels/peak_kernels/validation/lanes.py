"""Vector operations of CSCV: eight configurations in one instruction, Sharpe ratios compared without a division.

With ``s`` the sum and ``q`` the sum of squares of the returns of a half of the data, the Sharpe ratio grows with
``s * |s| / q``.  Two configurations are therefore compared as ``s |s| q' > s' |s'| q``.  A configuration without
returns has ``s = q = 0``: it is never better than another, and equal to every one.

Tables of a tile are float64[4, subsets, configurations]: sums of each subset of the first half of the blocks, their
squares, and both of the other half.

Reads tables of sums; writes the best of each lane.  The plain-Python meaning of each function is in its docstring.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from peak_kernels.simd import LANES, load, splat

_DOUBLE, _I64, _I8 = ir.DoubleType(), ir.IntType(64), ir.IntType(8)
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_NUMBERS = ir.Constant(_VECTOR, [float(k) for k in range(LANES)])
_ZERO = ir.Constant(_VECTOR, [0.0] * LANES)
_TABLES = types.Array(types.float64, 3, "C")
_ROW = types.Array(types.float64, 1, "C")
_TWO: Any = getattr(types, "UniTuple")(types.int64, 2)  # noqa: B009


def _pointer(builder: Any, data: Any, index: Any) -> Any:
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


class _Rows:
    """The four rows of a combination: sums and squares of both halves of the blocks."""

    def __init__(self, context: Any, builder: Any, tables: Any, first: Any, other: Any) -> None:
        view = context.make_array(_TABLES)(context, builder, tables)
        depth, width = builder.extract_value(view.shape, 1), builder.extract_value(view.shape, 2)
        self.builder = builder
        self.vectors = builder.lshr(width, ir.Constant(_I64, 3))
        self.data = []
        for table, row in ((0, first), (1, first), (2, other), (3, other)):
            place = builder.add(builder.mul(ir.Constant(_I64, table), depth), row)
            self.data.append(builder.gep(view.data, [builder.mul(place, width)]))

    def at(self, index: Any) -> tuple[Any, Any, Any]:
        """``(s * |s|, q, s)`` of eight configurations."""
        builder = self.builder
        parts = [load(builder, data, index) for data in self.data]
        sums, squares = builder.fadd(parts[0], parts[2]), builder.fadd(parts[1], parts[3])
        size = ir.FunctionType(_VECTOR, [_VECTOR])
        fabs = cgutils.get_or_insert_function(builder.module, size, "llvm.fabs.v8f64")
        return builder.fmul(sums, builder.call(fabs, [sums])), squares, sums

    def every(self) -> Any:
        """Loop over the vectors; yields the first configuration of each."""
        return cgutils.for_range(self.builder, self.vectors, intp=_I64)

    def first_of(self, loop: Any) -> Any:
        """First configuration of a vector."""
        return self.builder.shl(loop.index, ir.Constant(_I64, 3))


@intrinsic
def keep_best(
    typing_context: Any, tables: Any, first: Any, other: Any, best: Any, slot: Any, number: Any
) -> Any:
    """Take the configurations of a tile into the best of each lane.

    ``best[slot:slot + 24]`` holds ``s |s|``, ``q`` and the number of the best configuration of each lane, the
    first of equal ones; ``number`` is that of the tile's first configuration.  Lanes begin with ``-inf, 1, -1``.
    """
    signature = types.void(_TABLES, types.int64, types.int64, _ROW, types.int64, types.float64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = _Rows(context, builder, *args[:3])
        kept = context.make_array(_ROW)(context, builder, args[3]).data
        places = [builder.add(args[4], ir.Constant(_I64, k * LANES)) for k in range(3)]
        held = [cgutils.alloca_once_value(builder, load(builder, kept, place)) for place in places]
        start = builder.fadd(splat(builder, args[5]), _NUMBERS)
        with rows.every() as loop:
            index = rows.first_of(loop)
            score, squares, _ = rows.at(index)
            top, top_squares, top_number = (builder.load(item) for item in held)
            better = builder.fcmp_ordered(">", builder.fmul(score, top_squares), builder.fmul(top, squares))
            numbers = builder.fadd(start, splat(builder, builder.sitofp(index, _DOUBLE)))
            for item, new, old in zip(
                held, (score, squares, numbers), (top, top_squares, top_number), strict=True
            ):
                builder.store(builder.select(better, new, old), item)
        for item, place in zip(held, places, strict=True):
            store = builder.store(builder.load(item), _pointer(builder, kept, place))
            store.align = 8
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def count_lower(typing_context: Any, tables: Any, first: Any, other: Any, score: Any, squares: Any) -> Any:
    """How many configurations of a tile are below ``score / squares``, and how many are equal to it."""
    signature = _TWO(_TABLES, types.int64, types.int64, types.float64, types.float64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = _Rows(context, builder, *args[:3])
        top, top_squares = splat(builder, args[3]), splat(builder, args[4])
        counts = [cgutils.alloca_once_value(builder, ir.Constant(_I64, 0)) for _ in range(2)]
        with rows.every() as loop:
            score, squares, _ = rows.at(rows.first_of(loop))
            mine, its = builder.fmul(score, top_squares), builder.fmul(top, squares)
            for count, symbol in zip(counts, ("<", "=="), strict=True):
                bits = builder.bitcast(builder.fcmp_ordered(symbol, mine, its), _I8)
                found = builder.zext(builder.ctpop(bits), _I64)
                builder.store(builder.add(builder.load(count), found), count)
        return context.make_tuple(builder, sig.return_type, [builder.load(count) for count in counts])

    return signature, codegen


@intrinsic
def sum_sharpes(
    typing_context: Any, tables: Any, first: Any, other: Any, bars: Any, sums: Any, slot: Any
) -> Any:
    """Add the Sharpe ratios of a tile to the lanes ``sums[slot:slot + 8]``; those without returns count as 0.

    The ratio is ``s / sqrt((q * bars - s * s) / (bars - 1) * bars) * sqrt(bars)`` without its constant factor:
    ``s / sqrt(q * bars - s * s)``.
    """
    signature = types.void(_TABLES, types.int64, types.int64, types.float64, _ROW, types.int64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = _Rows(context, builder, *args[:3])
        count = splat(builder, args[3])
        kept = context.make_array(_ROW)(context, builder, args[4]).data
        total = cgutils.alloca_once_value(builder, load(builder, kept, args[5]))
        root = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), "llvm.sqrt.v8f64"
        )
        with rows.every() as loop:
            _, squares, sums_ = rows.at(rows.first_of(loop))
            spread = builder.fsub(builder.fmul(squares, count), builder.fmul(sums_, sums_))
            flat = builder.fcmp_ordered("<=", spread, _ZERO)
            ratio = builder.fdiv(sums_, builder.call(root, [spread]))
            ratio = builder.select(flat, _ZERO, ratio)
            builder.store(builder.fadd(builder.load(total), ratio), total)
        store = builder.store(builder.load(total), _pointer(builder, kept, args[5]))
        store.align = 8
        return context.get_dummy_value()

    return signature, codegen
