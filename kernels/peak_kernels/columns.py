"""Columns that lie anywhere in memory as one table: kernels read the prices of a frame where they are.

To a kernel ``Columns`` looks like a float64[6, bars] of `slots` that is only read: ``prices[t.CLOSE, bar]`` and
``prices.shape[1]``.  It travels by value, as six addresses and a length, and owns nothing: the caller keeps the arrays.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    infer_getattr,
    infer_global,
    signature,
)
from numba.extending import lower_builtin, lower_getattr, models, register_model

COUNT = 6
_I64 = ir.IntType(64)
# The stubs of numba do not know every type.
_types: Any = types
_PAIR = _types.UniTuple(types.int64, 2)


class ColumnsType(types.Type):
    """Type of `COUNT` columns of float64 of one length."""

    def __init__(self) -> None:
        super().__init__(name="Columns")


COLUMNS = ColumnsType()


@register_model(ColumnsType)
class _Model(models.StructModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        pointer = _types.CPointer(types.float64)
        members = [(f"column{k}", pointer) for k in range(COUNT)]
        super().__init__(manager, kind, [*members, ("length", types.int64)])


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        """``columns[k, bar]``."""
        whole = (
            isinstance(args[0], ColumnsType) and isinstance(args[1], _types.BaseTuple) and len(args[1]) == 2
        )
        return signature(types.float64, args[0], _PAIR) if whole else None


@infer_getattr
class _Attributes(AttributeTemplate):  # type: ignore[misc]
    key = ColumnsType

    def resolve_shape(self, kind: Any) -> Any:
        """Columns and bars."""
        return _PAIR


def made(context: Any, builder: Any, pointers: list[Any], length: Any) -> Any:
    """Value of `COLUMNS` from addresses of float64 and the length of all."""
    value = cgutils.create_struct_proxy(COLUMNS)(context, builder)
    for k, pointer in enumerate(pointers):
        setattr(value, f"column{k}", pointer)
    value.length = length
    return value._getvalue()


def column_pointer(context: Any, builder: Any, columns: Any, number: Any) -> Any:
    """Address of one column, whose number may be known only when the kernel runs.

    A chain of choices: the optimiser drops it where the number is constant, and takes it out of loops elsewhere.
    """
    value = cgutils.create_struct_proxy(COLUMNS)(context, builder, columns)
    found = value.column0
    for k in range(1, COUNT):
        is_it = builder.icmp_signed("==", number, ir.Constant(_I64, k))
        found = builder.select(is_it, getattr(value, f"column{k}"), found)
    return found


@lower_builtin(operator.getitem, ColumnsType, _types.UniTuple)
def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    number, bar = cgutils.unpack_tuple(builder, args[1])
    return builder.load(builder.gep(column_pointer(context, builder, args[0], number), [bar]))


@lower_getattr(ColumnsType, "shape")
def _shape(context: Any, builder: Any, kind: Any, columns: Any) -> Any:
    value = cgutils.create_struct_proxy(COLUMNS)(context, builder, columns)
    return context.make_tuple(builder, _PAIR, (ir.Constant(_I64, COUNT), value.length))
