"""Parts of kernels that blocks name: numba hears of them when it compiles a function that calls one.

A module of a user's blocks imports them, and a process that finds the machine code of its blocks in the cache compiles
nothing.  Importing this, and decorating with it, imports no numba.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])


class Later:
    """A function that only compiled functions can call, as `options.part` makes them; made when numba first asks.

    Parameters
    ----------
    function
        The function, at the top of a module.
    inline
        Make it part of its callers (`options.jit`).
    """

    __name__: str
    __wrapped__: Callable[..., Any]

    def __init__(self, function: Callable[..., Any], inline: bool) -> None:
        functools.update_wrapper(self, function)
        self._inline = inline

    @functools.cached_property
    def _compiled(self) -> Any:
        from peak_kernels.compiling.options import jit, part

        return jit(inline=True)(self.__wrapped__) if self._inline else part(self.__wrapped__)

    @property
    def _numba_type_(self) -> Any:
        """What numba asks of an object that it does not know: here, of a function of its own."""
        return self._compiled._numba_type_

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse, as `options.part` says it; where numba is told to compile nothing at all, Python's own call."""
        return self._compiled(*args, **kwargs)

    def __reduce__(self) -> str:
        return self.__name__


@overload
def later(function: F) -> F: ...
@overload
def later(function: None = None, *, inline: bool = False) -> Callable[[F], F]: ...


def later(function: F | None = None, *, inline: bool = False) -> F | Callable[[F], F]:
    """A function of a user's block, or a part of kernels that such a one calls; see `Later`."""

    def decorate(func: F) -> F:
        made: Any = Later(func, inline)
        named: F = made
        return named

    return decorate if function is None else decorate(function)
