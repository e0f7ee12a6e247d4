"""A stretch of bars in which cash grows with interest, eight bars at a time.

Reads rows of prices and of accruals (`slots`); writes curves, and gives sums.  The plain-Python meaning is in the
docstrings.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from peak_kernels.simd import (
    LANES,
    constant,
    lane_mask,
    load,
    masked_load,
    return_step,
    row_pointer,
    splat,
    table_type,
    totals,
)

_I64 = ir.IntType(64)
_BEHIND = ir.Constant(ir.VectorType(ir.IntType(32), LANES), list(range(LANES - 1, 2 * LANES - 1)))
"""Of two vectors the last element of the one, and all but the last of the other."""
_TABLE = types.Array(types.float64, 2, "C")
_FIVE: Any = getattr(types, "UniTuple")(types.float64, 5)  # noqa: B009


def _next_equity(builder: Any, kept: Any, equity: Any) -> Any:
    """Equities of the bars before, of which the first is the last one that is kept; then these are kept."""
    before = builder.shuffle_vector(builder.load(kept), equity, _BEHIND)
    builder.store(equity, kept)
    return before


def _folded(context: Any, builder: Any, sig: Any, rows: Any, bounds: Any, terms: Any) -> Any:
    """Code of a fold: ``rows`` of prices, growth and, or None, of what is owed; ``terms`` as vectors."""
    base, sold, units, free = terms
    starts = [0.0, 0.0, 0.0, float("-inf"), float("inf")]
    sums = [cgutils.alloca_once_value(builder, constant(s)) for s in starts]
    one = ir.Constant(_I64, 1)

    def equity(index: Any, mask: Any) -> Any:
        price, grown, owes = (
            data and (load(builder, data, index) if mask is None else masked_load(builder, data, index, mask))
            for data in rows
        )
        cash = base if owes is None else builder.fadd(base, builder.fmul(sold, owes))
        return builder.fadd(builder.fmul(grown, cash), builder.fmul(units, price))

    first, last = bounds
    count = builder.sub(last, first)
    count = builder.select(builder.icmp_signed(">", count, ir.Constant(_I64, 0)), count, ir.Constant(_I64, 0))
    kept = cgutils.alloca_once_value(builder, constant(0.0))
    with builder.if_then(builder.icmp_signed(">", count, ir.Constant(_I64, 0))):
        earlier = equity(builder.sub(first, one), lane_mask(builder, one))
        lane = builder.extract_element(earlier, ir.Constant(ir.IntType(32), 0))
        builder.store(splat(builder, lane), kept)

    def step(index: Any, mask: Any) -> None:
        now = equity(index, mask)
        return_step(builder, sums, (now, _next_equity(builder, kept, now), free), mask)

    blocks = builder.lshr(count, ir.Constant(_I64, 3))
    with cgutils.for_range(builder, blocks, intp=_I64) as loop:
        step(builder.add(first, builder.shl(loop.index, ir.Constant(_I64, 3))), None)
    rest = builder.and_(count, ir.Constant(_I64, LANES - 1))
    with builder.if_then(builder.icmp_signed(">", rest, ir.Constant(_I64, 0))):
        index = builder.add(first, builder.shl(blocks, ir.Constant(_I64, 3)))
        step(index, lane_mask(builder, rest))
    return context.make_tuple(builder, sig.return_type, totals(builder, sums))


@intrinsic
def fold_growing(
    typing_context: Any, table: Any, row: Any, accruals: Any, growth: Any, start: Any, stop: Any, base: Any,
    units: Any, free: Any,
) -> Any:  # fmt: skip
    """Sums over the bars of one position, as `simd.fold_equity` gives them, of an account whose cash grows.

    ``e[t] = accruals[growth, t] * base + units * table[row, t]``.
    """
    signature = _FIVE(table_type(table), types.int64, _TABLE, *[types.int64] * 3, *[types.float64] * 3)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        prices = row_pointer(context, builder, sig.args[0], args[0], args[1])
        grown = row_pointer(context, builder, sig.args[2], args[2], args[3])
        base, units, free = (splat(builder, args[k]) for k in (6, 7, 8))
        return _folded(context, builder, sig, (prices, grown, None), args[4:6], (base, None, units, free))

    return signature, codegen


@intrinsic
def fold_owing(
    typing_context: Any, table: Any, row: Any, accruals: Any, growth: Any, owed: Any, start: Any, stop: Any,
    base: Any, sold: Any, units: Any, free: Any,
) -> Any:  # fmt: skip
    """The same of units sold short, each of which owes.

    ``e[t] = accruals[growth, t] * (base + sold * accruals[owed, t]) + units * table[row, t]``.
    """
    signature = _FIVE(table_type(table), types.int64, _TABLE, *[types.int64] * 4, *[types.float64] * 4)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        prices = row_pointer(context, builder, sig.args[0], args[0], args[1])
        grown, owes = (row_pointer(context, builder, sig.args[2], args[2], args[k]) for k in (3, 4))
        terms = [splat(builder, args[k]) for k in (7, 8, 9, 10)]
        return _folded(context, builder, sig, (prices, grown, owes), args[5:7], terms)

    return signature, codegen


def _store(builder: Any, data: Any, index: Any, value: Any, mask: Any) -> None:
    """Store a vector, or the lanes in ``mask`` of it."""
    pointer = builder.bitcast(builder.gep(data, [index]), value.type.as_pointer())
    if mask is None:
        builder.store(value, pointer).align = 8
        return
    number = ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [value.type, pointer.type, number, mask.type])
    store = cgutils.get_or_insert_function(builder.module, kind, "llvm.masked.store.v8f64.p0")
    builder.call(store, [value, pointer, number(8), mask])


@intrinsic
def write_growing(
    typing_context: Any, table: Any, row: Any, accruals: Any, growth: Any, owed: Any, bounds: Any, terms: Any,
    curve: Any, cash_row: Any, equity_row: Any,
) -> Any:  # fmt: skip
    """Write the curves of bars ``bounds = (start, stop)``; ``terms = (base, sold, units)`` of `fold_owing`.

    First ``curve[cash_row, t] = accruals[growth, t] * (base + sold * accruals[owed, t])``, then in the equity's row
    that and ``units * table[row, t]``, where units are held.
    """
    whole = types.int64
    signature = types.void(
        table_type(table), whole, _TABLE, whole, whole, bounds, terms, _TABLE, whole, whole
    )

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        prices = row_pointer(context, builder, sig.args[0], args[0], args[1])
        grown, owes = (row_pointer(context, builder, _TABLE, args[2], args[k]) for k in (3, 4))
        cashes, equities = (row_pointer(context, builder, _TABLE, args[7], args[k]) for k in (8, 9))
        first, last = cgutils.unpack_tuple(builder, args[5])
        base, sold, units = (splat(builder, value) for value in cgutils.unpack_tuple(builder, args[6]))
        flat = builder.fcmp_ordered("==", units, constant(0.0))

        def step(index: Any, mask: Any) -> None:
            price, growth, owing = (
                load(builder, data, index) if mask is None else masked_load(builder, data, index, mask)
                for data in (prices, grown, owes)
            )
            cash = builder.fmul(growth, builder.fadd(base, builder.fmul(sold, owing)))
            worth = builder.fadd(cash, builder.fmul(units, price))
            _store(builder, cashes, index, cash, mask)
            _store(builder, equities, index, builder.select(flat, cash, worth), mask)

        count = builder.sub(last, first)
        blocks = builder.lshr(count, ir.Constant(_I64, 3))
        with cgutils.for_range(builder, blocks, intp=_I64) as loop:
            step(builder.add(first, builder.shl(loop.index, ir.Constant(_I64, 3))), None)
        rest = builder.and_(count, ir.Constant(_I64, LANES - 1))
        with builder.if_then(builder.icmp_signed(">", rest, ir.Constant(_I64, 0))):
            index = builder.add(first, builder.shl(blocks, ir.Constant(_I64, 3)))
            step(index, lane_mask(builder, rest))
        return context.get_dummy_value()

    return signature, codegen
