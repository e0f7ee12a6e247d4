"""Calls by address: kernels call functions of users, and other kernels, whose machine code is somewhere in memory.

A kernel that calls a function by its address is compiled once, whatever function that is, and lies ready in a wheel,
while the function is compiled later, or comes from a cache.  Numba's own convention is used, so an error that the
function raises goes through the kernel to its caller.
"""

from __future__ import annotations

from typing import Any

import numba
from numba.core import cgutils
from numba.extending import intrinsic

# The stubs of numba do not know every type.
nb: Any = numba.types


def by_address(signature: Any) -> Any:
    """Intrinsic ``call(address, *arguments)`` of functions with a signature of three, five or six arguments."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        convention = context.call_conv
        kind = convention.get_function_type(signature.return_type, signature.args)
        function = builder.inttoptr(args[0], kind.as_pointer())
        status, result = convention.call_function(
            builder, function, signature.return_type, signature.args, args[1:]
        )
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return result

    found = signature.return_type(nb.int64, *signature.args), codegen

    def three(typing_context: Any, address: Any, a: Any, b: Any, c: Any) -> Any:
        return found

    def five(typing_context: Any, address: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
        return found

    def six(typing_context: Any, address: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:
        return found

    return intrinsic({3: three, 5: five, 6: six}[len(signature.args)])


@intrinsic
def raise_status(typing_context: Any, code: Any, raised: Any) -> Any:
    """End the function that calls this as the one has ended that left ``code`` and ``raised`` behind."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        from numba.core.callconv import excinfo_ptr_t

        convention = context.call_conv
        status = convention._get_return_status(builder, args[0], builder.inttoptr(args[1], excinfo_ptr_t))
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return nb.void(nb.int32, nb.int64), codegen
