"""Explicit vector operations: eight bars in one instruction, the same bits on every machine.

LLVM does not vectorise a sum of floats on its own, because that would change the order of additions.
These intrinsics state the order instead: eight lanes, lane ``k`` of a block takes bar ``start + 8 * block + k``,
and the lanes are added pairwise at the end.  A machine without 512-bit registers executes the same
operations in smaller pieces, so results do not depend on the processor.

Nothing here knows about trading.  The plain-Python meaning of each function is in its docstring and
`tests/test_simd.py` holds it against that.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from peak_kernels.columns import ColumnsType, column_pointer

LANES = 8
BLOCK = 64

_DOUBLE = ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)
_I64 = ir.IntType(64)
# The stubs of numba do not know every type.
_FIVE: Any = getattr(types, "UniTuple")(types.float64, 5)  # noqa: B009
_FLOAT_ARRAY = types.Array(types.float64, 1, "C")
_FLOAT_TABLE = types.Array(types.float64, 2, "C")


def splat(builder: Any, value: Any) -> Any:
    """Vector whose lanes all hold ``value``."""
    vector = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(vector, ir.Constant(_VECTOR, ir.Undefined), lanes)


def constant(value: float) -> Any:
    """Vector of one constant."""
    return ir.Constant(_VECTOR, [value] * LANES)


def load(builder: Any, data: Any, index: Any, vector_type: Any = _VECTOR) -> Any:
    """Unaligned load of a vector that starts at ``data[index]``."""
    pointer = builder.bitcast(builder.gep(data, [index]), vector_type.as_pointer())
    loaded = builder.load(pointer)
    loaded.align = 8
    return loaded


def lane_mask(builder: Any, count: Any) -> Any:
    """Mask whose first ``count`` lanes are set."""
    numbers = ir.Constant(ir.VectorType(_I64, LANES), list(range(LANES)))
    wanted = builder.insert_element(
        ir.Constant(ir.VectorType(_I64, LANES), ir.Undefined), count, ir.Constant(ir.IntType(32), 0)
    )
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    wanted = builder.shuffle_vector(wanted, ir.Constant(ir.VectorType(_I64, LANES), ir.Undefined), lanes)
    return builder.icmp_signed("<", numbers, wanted)


def masked_load(builder: Any, data: Any, index: Any, mask: Any) -> Any:
    """Load of the lanes in ``mask``; the others hold 1.0 and no memory is touched for them."""
    pointer = builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())
    kind = ir.FunctionType(_VECTOR, [_VECTOR.as_pointer(), ir.IntType(32), _MASK, _VECTOR])
    load = cgutils.get_or_insert_function(builder.module, kind, "llvm.masked.load.v8f64.p0")
    return builder.call(load, [pointer, ir.Constant(ir.IntType(32), 8), mask, constant(1.0)])


def tree(builder: Any, vector: Any, combine: Any) -> Any:
    """Combine eight lanes pairwise: ((0,1),(2,3)),((4,5),(6,7))."""
    lanes = [builder.extract_element(vector, ir.Constant(ir.IntType(32), k)) for k in range(LANES)]
    while len(lanes) > 1:
        lanes = [combine(lanes[k], lanes[k + 1]) for k in range(0, len(lanes), 2)]
    return lanes[0]


def table_type(given: Any) -> Any:
    """Type of a table that is read row by row: an array, or the columns of a frame."""
    return given if isinstance(given, ColumnsType) else _FLOAT_TABLE


def row_pointer(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> Any:
    """Pointer to the first element of a row of a two-dimensional array, or of one of its columns of a frame."""
    if isinstance(array_type, ColumnsType):
        return column_pointer(context, builder, array, row)
    view = context.make_array(array_type)(context, builder, array)
    columns = builder.extract_value(view.shape, 1)
    return builder.gep(view.data, [builder.mul(row, columns)])


def equity_step(
    builder: Any, values: Any, sums: Any, current: Any, previous: Any, mask: Any
) -> tuple[Any, Any]:
    """Take eight bars into ``sums``, see `return_step`; ``values = (cash, units, free)`` as vectors."""
    equity, before = (builder.fadd(values[0], builder.fmul(values[1], at)) for at in (current, previous))
    return return_step(builder, sums, (equity, before, values[2]), mask)


def return_step(builder: Any, sums: Any, values: Any, mask: Any) -> tuple[Any, Any]:
    """Take eight bars into ``sums``, vectors in memory: returns, squares, squares below ``free``, highest, lowest.

    ``values = (equity, equity before, free)`` as vectors.  Returns the first two terms.
    """
    zero, one = constant(0.0), constant(1.0)
    equity, before, free = values
    ret = builder.fsub(builder.fdiv(equity, before), one)
    down = builder.fsub(ret, free)
    down = builder.select(builder.fcmp_ordered("<", down, zero), down, zero)
    highest, lowest = (builder.load(sums[k]) for k in (3, 4))
    above = builder.fcmp_ordered(">", equity, highest)
    below = builder.fcmp_ordered("<", equity, lowest)
    if mask is not None:
        ret = builder.select(mask, ret, zero)
        down = builder.select(mask, down, zero)
        above, below = builder.and_(mask, above), builder.and_(mask, below)
    square = builder.fmul(ret, ret)
    for item, term in zip(sums, (ret, square, builder.fmul(down, down)), strict=False):
        builder.store(builder.fadd(builder.load(item), term), item)
    builder.store(builder.select(above, equity, highest), sums[3])
    builder.store(builder.select(below, equity, lowest), sums[4])
    return ret, square


def totals(builder: Any, sums: Any) -> list[Any]:
    """Numbers of vectors in memory: sums of the lanes, of the fourth and fifth the highest and the lowest."""
    results = []
    for k, item in enumerate(sums):
        symbol = {3: ">", 4: "<"}.get(k)
        vector = builder.load(item)
        if symbol is None:
            results.append(tree(builder, vector, builder.fadd))
            continue
        results.append(
            tree(
                builder,
                vector,
                lambda a, b, s=symbol: builder.select(builder.fcmp_ordered(s, a, b), a, b),
            )
        )
    return results


@intrinsic
def fold_equity(
    typing_context: Any, table: Any, row: Any, start: Any, stop: Any, cash: Any, units: Any, free: Any
) -> Any:
    """Sums over the bars of one position, at eight bars a step.

    With ``e[t] = cash + units * table[row, t]``, ``r[t] = e[t] / e[t-1] - 1`` and ``d[t] = min(r[t] - free, 0)``
    for ``start <= t < stop`` (``start >= 1``) it returns ``(sum r, sum r*r, sum d*d, max e, min e)``.
    An empty range gives ``(0, 0, 0, -inf, inf)``.
    """
    signature = _FIVE(table_type(table), *[types.int64] * 3, *[types.float64] * 3)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = row_pointer(context, builder, sig.args[0], args[0], args[1])
        first, last = args[2], args[3]
        cash_v, units_v, free_v = (splat(builder, args[k]) for k in (4, 5, 6))
        starts = [0.0, 0.0, 0.0, float("-inf"), float("inf")]
        sums = [cgutils.alloca_once_value(builder, constant(s)) for s in starts]
        values = cash_v, units_v, free_v

        count = builder.sub(last, first)
        count = builder.select(
            builder.icmp_signed(">", count, ir.Constant(_I64, 0)), count, ir.Constant(_I64, 0)
        )
        blocks = builder.lshr(count, ir.Constant(_I64, 3))
        with cgutils.for_range(builder, blocks, intp=_I64) as loop:
            index = builder.add(first, builder.shl(loop.index, ir.Constant(_I64, 3)))
            behind = builder.sub(index, ir.Constant(_I64, 1))
            now, before = load(builder, data, index), load(builder, data, behind)
            equity_step(builder, values, sums, now, before, None)
        rest = builder.and_(count, ir.Constant(_I64, LANES - 1))
        with builder.if_then(builder.icmp_signed(">", rest, ir.Constant(_I64, 0))):
            index = builder.add(first, builder.shl(blocks, ir.Constant(_I64, 3)))
            behind = builder.sub(index, ir.Constant(_I64, 1))
            mask = lane_mask(builder, rest)
            now, before = (masked_load(builder, data, place, mask) for place in (index, behind))
            equity_step(builder, values, sums, now, before, mask)
        return context.make_tuple(builder, sig.return_type, totals(builder, sums))

    return signature, codegen


def _block_compare(symbol: str) -> Any:
    """Code generator: bit ``k`` of the result says whether ``x[start + k] symbol y[start + k]``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        left = context.make_array(sig.args[0])(context, builder, args[0])
        right = context.make_array(sig.args[1])(context, builder, args[1])
        word = ir.Constant(_I64, 0)
        for k in range(BLOCK // LANES):
            offset = ir.Constant(_I64, k * LANES)
            at_left, at_right = builder.add(args[2], offset), builder.add(args[3], offset)
            bits = builder.fcmp_ordered(
                symbol, load(builder, left.data, at_left), load(builder, right.data, at_right)
            )
            part = builder.zext(builder.bitcast(bits, ir.IntType(8)), _I64)
            word = builder.or_(word, builder.shl(part, offset))
        return word

    return codegen


_COMPARE_SIGNATURE = types.uint64(_FLOAT_ARRAY, _FLOAT_ARRAY, types.int64, types.int64)


@intrinsic
def above_mask(typing_context: Any, x: Any, y: Any, at_x: Any, at_y: Any) -> Any:
    """64-bit word whose bit ``k`` is ``x[at_x + k] > y[at_y + k]``; NaN compares false.

    The caller guarantees 64 readable elements behind both places.
    """
    return _COMPARE_SIGNATURE, _block_compare(">")


@intrinsic
def above_or_equal_mask(typing_context: Any, x: Any, y: Any, at_x: Any, at_y: Any) -> Any:
    """64-bit word whose bit ``k`` is ``x[at_x + k] >= y[at_y + k]``; NaN compares false."""
    return _COMPARE_SIGNATURE, _block_compare(">=")


@intrinsic
def nonzero_mask(typing_context: Any, x: Any, at: Any) -> Any:
    """64-bit word whose bit ``k`` is ``x[at + k] != 0``; NaN compares false.

    The caller guarantees 64 readable elements behind the place.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        word = ir.Constant(_I64, 0)
        for k in range(BLOCK // LANES):
            offset = ir.Constant(_I64, k * LANES)
            found = load(builder, data, builder.add(args[1], offset))
            bits = builder.fcmp_ordered("!=", found, constant(0.0))
            part = builder.zext(builder.bitcast(bits, ir.IntType(8)), _I64)
            word = builder.or_(word, builder.shl(part, offset))
        return word

    return types.uint64(_FLOAT_ARRAY, types.int64), codegen


def _ask(builder: Any, pointer: Any) -> None:
    """Instruction that asks memory for what a pointer shows to."""
    pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
    number = ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
    call = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(call, [pointer, ir.Constant(number, 0), ir.Constant(number, 3), ir.Constant(number, 1)])


@intrinsic
def fetch(typing_context: Any, table: Any, field: Any, row: Any, column: Any) -> Any:
    """Ask memory for an element of a three-dimensional array without waiting for it; no number depends on it."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        view = context.make_array(sig.args[0])(context, builder, args[0])
        rows, columns = (builder.extract_value(view.shape, k) for k in (1, 2))
        at = builder.add(builder.mul(builder.add(builder.mul(args[1], rows), args[2]), columns), args[3])
        _ask(builder, builder.gep(view.data, [at]))
        return context.get_dummy_value()

    return types.void(table, types.int64, types.int64, types.int64), codegen


@intrinsic
def fetch_cell(typing_context: Any, table: Any, row: Any, column: Any) -> Any:
    """The same of a two-dimensional array."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _ask(builder, builder.gep(row_pointer(context, builder, sig.args[0], args[0], args[1]), [args[2]]))
        return context.get_dummy_value()

    return types.void(table, types.int64, types.int64), codegen


@intrinsic
def trailing_zeros(typing_context: Any, word: Any) -> Any:
    """Number of zero bits below the lowest set bit; 64 for a zero word."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


@intrinsic
def first_outside(
    typing_context: Any,
    table: Any,
    adverse: Any,
    favourable: Any,
    start: Any,
    stop: Any,
    sign: Any,
    level: Any,
    goal: Any,
) -> Any:
    """First column ``t`` in ``[start, stop)`` of a table that reaches one of two levels.

    Reaching means ``sign * table[adverse, t] <= level or sign * table[favourable, t] >= goal``.  Returns
    ``stop`` where there is none.  ``sign`` is 1.0 or -1.0; NaN compares false.
    """
    signature = types.int64(table_type(table), *[types.int64] * 4, *[types.float64] * 3)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        arrays = [row_pointer(context, builder, sig.args[0], args[0], args[k]) for k in (1, 2)]
        first, last = args[3], args[4]
        sign_v, level_v, goal_v = (splat(builder, args[k]) for k in (5, 6, 7))
        found = cgutils.alloca_once_value(builder, last)
        place = cgutils.alloca_once_value(builder, first)
        eight = ir.Constant(_I64, LANES)
        head, body = builder.append_basic_block("head"), builder.append_basic_block("body")
        hit, following = builder.append_basic_block("hit"), builder.append_basic_block("next")
        done = builder.append_basic_block("done")
        builder.branch(head)
        builder.position_at_end(head)
        at = builder.load(place)
        builder.cbranch(builder.icmp_signed("<", at, last), body, done)
        builder.position_at_end(body)
        mask = lane_mask(builder, builder.sub(last, at))
        lows, highs = (builder.fmul(sign_v, masked_load(builder, data, at, mask)) for data in arrays)
        bits = builder.or_(
            builder.fcmp_ordered("<=", lows, level_v), builder.fcmp_ordered(">=", highs, goal_v)
        )
        word = builder.zext(builder.bitcast(builder.and_(bits, mask), ir.IntType(8)), _I64)
        builder.cbranch(builder.icmp_unsigned("!=", word, ir.Constant(_I64, 0)), hit, following)
        builder.position_at_end(hit)
        lane = builder.cttz(word, ir.Constant(ir.IntType(1), 1))
        builder.store(builder.add(at, lane), found)
        builder.branch(done)
        builder.position_at_end(following)
        builder.store(builder.add(at, eight), place)
        builder.branch(head)
        builder.position_at_end(done)
        return builder.load(found)

    return signature, codegen


@intrinsic
def no_bits(typing_context: Any) -> Any:
    """The 64-bit word 0."""
    return types.uint64(), lambda context, builder, sig, args: ir.Constant(_I64, 0)


@intrinsic
def all_bits(typing_context: Any) -> Any:
    """The 64-bit word with every bit set."""
    return types.uint64(), lambda context, builder, sig, args: ir.Constant(_I64, -1)


@intrinsic
def bit(typing_context: Any, word: Any, place: Any) -> Any:
    """Whether bit ``place`` (0 to 63) of a word is set."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.trunc(builder.lshr(args[0], args[1]), ir.IntType(1))

    return types.boolean(types.uint64, types.int64), codegen


@intrinsic
def bits_above(typing_context: Any, place: Any) -> Any:
    """Word with the bits above ``place`` (0 to 63) set: none for 63."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        # Two shifts, because a shift by 64 has no defined result.
        once = builder.shl(ir.Constant(_I64, -1), args[0])
        return builder.shl(once, ir.Constant(_I64, 1))

    return types.uint64(types.int64), codegen


@intrinsic
def borrow(typing_context: Any, array: Any) -> Any:
    """The same array without an owner: no reference counting while it travels through calls.

    Counting is an atomic operation for each array and call, more than the arithmetic of a fill.  The caller
    must keep the real array alive, which a kernel's arguments are for as long as it runs.
    """

    if isinstance(array, ColumnsType):
        return array(array), lambda context, builder, sig, args: args[0]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        view = context.make_array(sig.args[0])(context, builder, args[0])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return array(array), codegen


@intrinsic
def table_of(typing_context: Any, array: Any, start: Any, stop: Any, width: Any) -> Any:
    """Elements ``[start, stop)`` of a row as a table of ``width`` columns, without an owner (see `borrow`)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        view = context.make_array(sig.args[0])(context, builder, args[0])
        table = context.make_array(_FLOAT_TABLE)(context, builder)
        rows, size = builder.sdiv(builder.sub(args[2], args[1]), args[3]), ir.Constant(_I64, 8)
        populate_array(
            table,
            data=builder.gep(view.data, [args[1]]),
            shape=cgutils.pack_array(builder, [rows, args[3]], _I64),
            strides=cgutils.pack_array(builder, [builder.mul(args[3], size), size], _I64),
            itemsize=size,
            meminfo=None,
        )
        return table._getvalue()

    return _FLOAT_TABLE(array, types.int64, types.int64, types.int64), codegen
