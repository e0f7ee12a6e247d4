"""Bodies of the entries of indicators that have no entry of their own (`compiling.objects`); see `entries`.

Their kernels allocate scratch arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from peak_kernels import indicators
from peak_kernels.arrays import OF_INDICATORS
from peak_kernels.compiling import allocating
from peak_kernels.natives import row

_I64 = ir.IntType(64)
_TYPES = {"a": types.Array(types.float64, 1, "C"), "i": types.int64, "f": types.float64}


def _arguments_of(shape: str) -> Any:
    """Intrinsic ``arguments(arrays, numbers...)``: what a kernel is given, as a tuple; three numbers at most."""
    together, fractions = types.Tuple([_TYPES[letter] for letter in shape]), shape.count("a")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def array(place: int) -> Any:
            return row.codegen(context, builder, None, (args[0], _I64(place)))

        def fraction(place: int) -> Any:
            data = context.make_array(_TYPES["a"])(context, builder, array(fractions)).data
            return builder.load(builder.gep(data, [_I64(place)]))

        kinds = {"a": array, "i": lambda place: args[1 + place], "f": fraction}
        values = [kinds[letter](shape[:at].count(letter)) for at, letter in enumerate(shape)]
        return context.make_tuple(builder, together, values)

    def typed(typing_context: Any, arrays: Any, first: Any, second: Any, third: Any) -> Any:
        return together(*[types.int64] * 4), codegen

    return intrinsic(typed)


def __getattr__(name: str) -> Callable[..., None]:
    """Body of the entry of an indicator: ``(inputs, outputs, fractions)``, and integers."""
    if name not in OF_INDICATORS:
        raise AttributeError(name)
    kernel: Any = getattr(indicators, name)
    arguments = _arguments_of(OF_INDICATORS[name])
    bodies: list[Callable[..., None]] = [
        lambda arrays: kernel(*arguments(arrays, 0, 0, 0)),
        lambda arrays, first: kernel(*arguments(arrays, first, 0, 0)),
        lambda arrays, first, second: kernel(*arguments(arrays, first, second, 0)),
        lambda arrays, first, second, third: kernel(*arguments(arrays, first, second, third)),
    ]
    return allocating(bodies[OF_INDICATORS[name].count("i")])
