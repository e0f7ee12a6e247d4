"""A stretch of bars that crosses edges of blocks, in one pass over the bars.

Reads one row of a table; writes sums of blocks.  The plain-Python meaning is in the docstring.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from peak_kernels.simd import (
    LANES,
    constant,
    equity_step,
    lane_mask,
    load,
    masked_load,
    row_pointer,
    splat,
    table_type,
    totals,
    tree,
)

_I64 = ir.IntType(64)
_TABLE = types.Array(types.float64, 2, "C")
_FIVE: Any = getattr(types, "UniTuple")(types.float64, 5)  # noqa: B009
_NEVER = ir.Constant(_I64, 1 << 62)


def _number(value: int) -> Any:
    return ir.Constant(_I64, value)


class _Walk:
    """Code that walks over a stretch: vectors of sums, and what the first two were at the last edge."""

    def __init__(self, context: Any, builder: Any, sig: Any, args: Any) -> None:
        self.builder = builder
        self.data = row_pointer(context, builder, sig.args[0], args[0], args[1])
        self.values = [splat(builder, args[k]) for k in (4, 5, 6)]
        starts = [0.0, 0.0, 0.0, float("-inf"), float("inf")]
        self.sums = [cgutils.alloca_once_value(builder, constant(start)) for start in starts]
        self.earlier = [cgutils.alloca_once_value(builder, constant(0.0)) for _ in range(2)]
        view = context.make_array(_TABLE)(context, builder, args[7])
        self.columns = builder.extract_value(view.shape, 1)
        self.out = view.data
        self.at, self.block, self.edge = (cgutils.alloca_once_value(builder, args[k]) for k in (2, 8, 10))
        self.stop, self.length = args[3], args[9]

    def _prices(self, index: Any, mask: Any) -> tuple[Any, Any]:
        behind = self.builder.sub(index, _number(1))
        if mask is None:
            return load(self.builder, self.data, index), load(self.builder, self.data, behind)
        now = masked_load(self.builder, self.data, index, mask)
        return now, masked_load(self.builder, self.data, behind, mask)

    def whole(self, until: Any) -> None:
        """All vectors of eight bars before a bar."""
        builder, at = self.builder, self.builder.load(self.at)
        left = builder.sub(until, at)
        vectors = builder.ashr(
            builder.select(builder.icmp_signed(">", left, _number(0)), left, _number(0)), _number(3)
        )
        with cgutils.for_range(builder, vectors, intp=_I64) as loop:
            index = builder.add(at, builder.shl(loop.index, _number(3)))
            equity_step(builder, self.values, self.sums, *self._prices(index, None), None)
        builder.store(builder.add(at, builder.shl(vectors, _number(3))), self.at)

    def rest(self) -> None:
        """The bars of the last vector."""
        builder, at = self.builder, self.builder.load(self.at)
        left = builder.sub(self.stop, at)
        with builder.if_then(builder.icmp_signed(">", left, _number(0))):
            mask = lane_mask(builder, left)
            equity_step(builder, self.values, self.sums, *self._prices(at, mask), mask)

    def cross(self, rest: Any) -> list[Any]:
        """A vector of which ``rest`` bars are before the edge; returns the first two sums at the edge."""
        builder, at = self.builder, self.builder.load(self.at)
        mask, low = lane_mask(builder, builder.sub(self.stop, at)), lane_mask(builder, rest)
        before = [builder.load(item) for item in self.sums[:2]]
        terms = equity_step(builder, self.values, self.sums, *self._prices(at, mask), mask)
        builder.store(builder.add(at, _number(LANES)), self.at)
        zero = constant(0.0)
        return [
            builder.fadd(old, builder.select(low, term, zero))
            for old, term in zip(before, terms, strict=True)
        ]

    def put(self, now: list[Any]) -> None:
        """Write what was added since the last edge for the current block."""
        builder, block = self.builder, self.builder.load(self.block)
        for row, (item, value) in enumerate(zip(self.earlier, now, strict=True)):
            added = builder.fsub(value, builder.load(item))
            builder.store(value, item)
            place = builder.gep(self.out, [builder.add(builder.mul(_number(row), self.columns), block)])
            builder.store(tree(builder, added, builder.fadd), place)

    def at_edge(self) -> None:
        """What an edge splits: a vector, or nothing."""
        builder = self.builder
        rest = builder.sub(builder.load(self.edge), builder.load(self.at))
        with builder.if_else(builder.icmp_signed(">", rest, _number(0))) as (then, otherwise):
            with then:
                self.put(self.cross(rest))
            with otherwise:
                self.put([builder.load(item) for item in self.sums[:2]])
        self.step_over()

    def step_over(self) -> None:
        """On to the next block; the last one has no end."""
        builder = self.builder
        block = builder.add(builder.load(self.block), _number(1))
        builder.store(block, self.block)
        inside = builder.icmp_signed("<", block, builder.sub(self.columns, _number(1)))
        edge = builder.add(builder.load(self.edge), self.length)
        builder.store(builder.select(inside, edge, _NEVER), self.edge)


@intrinsic
def fold_across(
    typing_context: Any, table: Any, row: Any, start: Any, stop: Any, cash: Any, units: Any, free: Any, sums: Any,
    block: Any, length: Any, edge: Any,
) -> Any:  # fmt: skip
    """`simd.fold_equity`, with sums of returns and of their squares for the blocks that a stretch touches.

    ``sums``: float64[2, S + 1], written from ``block`` on.  Bars before ``edge`` belong to ``block``, then there is an
    edge every ``length`` bars, of which there must be 8 or more, up to block S, which has no end.  Sums of a block are
    differences of those of the stretch, so their rounding is that of the sums up to there.
    """
    signature = _FIVE(
        table_type(table),
        *[types.int64] * 3,
        *[types.float64] * 3,
        _TABLE,
        types.int64,
        types.int64,
        types.int64,
    )

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        walk = _Walk(context, builder, sig, args)
        head, inside, tail = (builder.append_basic_block(name) for name in ("head", "edge", "tail"))
        builder.branch(head)
        builder.position_at_end(head)
        edge = builder.load(walk.edge)
        crosses = builder.icmp_signed("<", edge, walk.stop)
        walk.whole(builder.select(crosses, edge, walk.stop))
        builder.cbranch(crosses, inside, tail)
        builder.position_at_end(inside)
        walk.at_edge()
        builder.branch(head)
        builder.position_at_end(tail)
        walk.rest()
        walk.put([builder.load(item) for item in walk.sums[:2]])
        return context.make_tuple(builder, sig.return_type, totals(builder, walk.sums))

    return signature, codegen
