"""The only place that calls ``numba.njit``: options and the cache stamp.

Numba stamps a cached function with the date and size of the file that holds it, and with nothing else.
A kernel that calls a helper in another file would therefore go on using the helper's old machine code
after an edit or an upgrade.  This module stamps every cache entry with a hash of all sources of the
package instead, so that a change in any of them recompiles what it must (`_cache`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, overload

import numba
from numba.core import caching
from numba.core.dispatcher import Dispatcher

from peak_kernels.compiling.cache import PACKAGE_DIR, cache_dir, is_own, source_stamp
from peak_kernels.compiling.disk import CheckedFiles
from peak_kernels.compiling.parts import ALLOCATING, LoweringCompiler, PartCompiler, WholeCompiler

F = TypeVar("F", bound=Callable[..., Any])


class _StampedLocator(caching._CacheLocator):  # type: ignore[misc]
    """Cache locator whose stamp covers the whole package (see the module's docstring)."""

    def __init__(self, py_func: Callable[..., Any], folder: Path) -> None:
        self._py_func = py_func
        self._folder = folder

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return source_stamp()

    def get_disambiguator(self) -> str:
        # Numba names an entry after the file without its folder, and two folders may have a file of one name.
        code = self._py_func.__code__
        folder = Path(code.co_filename).resolve().relative_to(PACKAGE_DIR).parent
        return "-".join((*folder.parts, str(code.co_firstlineno)))

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _StampedLocator | None:
        folder = cache_dir()
        if folder is None or not is_own(py_file):
            return None
        return cls(py_func, folder)


def _install_locator() -> None:
    """Put the stamped locator and the checked files in the place of numba's own; it answers for this package only."""
    for impl in (caching.CompileResultCacheImpl, caching.CodeLibraryCacheImpl):
        if _StampedLocator not in impl._locator_classes:
            impl._locator_classes.insert(0, _StampedLocator)
    caching.IndexDataCacheFile = CheckedFiles


_install_locator()


def part(function: F) -> F:
    """Compile a function that only other kernels call, as a part of them.

    It has no machine code, no cache entry and no wrapper of its own (`peak_kernels.compiling.parts`).  It
    must not allocate,
    nor return an array that has an owner: it knows no reference counts.
    """
    compiled: F = numba.njit(
        nogil=True,
        error_model="numpy",
        no_cfunc_wrapper=True,
        no_cpython_wrapper=True,
        # Nothing is allocated, and arrays belong to the caller: counting references, atomically, at each call took
        # most of the time of small functions.
        _nrt=False,
        pipeline_class=PartCompiler,
    )(function)
    return _refusing(compiled)


def _part_of_entries(compiled: F) -> F:
    """A kernel that entries which allocate have as a part; its own machine code is for everybody else."""
    if not isinstance(compiled, Dispatcher):  # under NUMBA_DISABLE_JIT
        return compiled
    dispatcher: Any = compiled
    own = {name: getattr(dispatcher, name) for name in ("get_call_template", "get_overload")}

    @functools.cache
    def twin() -> Any:
        options = {**dispatcher.targetoptions, "no_cfunc_wrapper": True, "no_cpython_wrapper": True}
        options.pop("nopython", None)  # njit sets it, and warns
        return _refusing(numba.njit(pipeline_class=PartCompiler, **options)(dispatcher.py_func))

    def chosen(name: str, *given: Any) -> Any:
        return (getattr(twin(), name) if ALLOCATING.get() else own[name])(*given)

    for name in own:
        setattr(dispatcher, name, functools.partial(chosen, name))
    return compiled


def allocating(function: F) -> F:
    """Say of the body of an entry that its kernels allocate scratch arrays: their memory is then the C library's."""
    function.__dict__["allocates"] = True
    return function


def _refusing(compiled: F) -> F:
    """A function that only machine code can call, made to say so where Python calls it: at its address is nothing."""
    dispatcher: Any = compiled

    def refuse(*args: Any, **kwargs: Any) -> Any:
        name = compiled.__name__
        raise TypeError(
            f"{name} works inside compiled functions only (a block of @strategy); Python called it"
        )

    def add_overload(result: Any) -> None:
        # Known to other compiled functions, and not to the table in which Python's calls are looked up.
        dispatcher.overloads[tuple(result.signature.args)] = result

    if isinstance(compiled, Dispatcher):  # and no plain function, as under NUMBA_DISABLE_JIT
        dispatcher._compile_for_args, dispatcher.add_overload = refuse, add_overload
    return compiled


@overload
def jit(function: F) -> F: ...
@overload
def jit(function: None = None, *, inline: bool = False, fastmath: bool = False) -> Callable[[F], F]: ...
@overload
def jit(function: F, *, signature: Any) -> F: ...


def jit(
    function: F | None = None, *, inline: bool = False, fastmath: bool = False, signature: Any = None
) -> F | Callable[[F], F]:
    """Compile a kernel: no Python objects, no GIL, IEEE division, cached on disk.

    Parameters
    ----------
    inline
        Make it part of its callers.  A call passes arrays field by field, which costs more than the arithmetic
        of a rule; a function with one call site costs no more compile time either.  Inlined functions are
        parts (see `part`).
    fastmath
        Allow reassociation.  Never for money arithmetic: it would break bit equality between runs.
    signature
        Compile at once, for these types only: an argument that is a function keeps its general type only then.
    """

    def decorate(func: F) -> F:
        compiled: F = numba.njit(
            signature,
            nogil=True,
            error_model="numpy",
            fastmath=fastmath,
            forceinline=inline,
            cache=cache_dir() is not None and not inline,
            # Only a function with a C wrapper can be passed as an argument.
            no_cfunc_wrapper=signature is None,
            no_cpython_wrapper=inline,
            _nrt=not inline,
            pipeline_class=PartCompiler if inline else WholeCompiler,
        )(func)
        return _refusing(compiled) if inline else _part_of_entries(compiled)

    return decorate if function is None else decorate(function)


def _native(function: Callable[..., None], numbers: int, pipeline: type) -> tuple[Any, Any]:
    """Numba's result for a function of an address and whole numbers, and what must be kept for it to stay."""
    allocates = function.__dict__.get("allocates", False)
    compiled: Any = numba.njit(
        nogil=True,
        error_model="numpy",
        no_cfunc_wrapper=True,
        no_cpython_wrapper=True,
        _nrt=allocates,
        pipeline_class=pipeline,
    )(function)
    before = ALLOCATING.set(allocates)
    try:
        compiled.compile((numba.types.int64,) * (1 + numbers))
    finally:
        ALLOCATING.reset(before)
    (result,) = compiled.overloads.values()
    return result, compiled


def compile_native(function: Callable[..., None], numbers: int) -> tuple[str, bytes, int, object]:
    """Compile a function of an address and ``numbers`` whole numbers that returns nothing.

    Returns
    -------
    tuple
        Symbol of the machine code, the object file that holds it, its address, what must be kept for it to stay.
    """
    result, owner = _native(function, numbers, WholeCompiler)
    symbol, library = result.fndesc.llvm_func_name, result.library
    return symbol, library._get_compiled_object(), library.get_pointer_to_function(symbol), owner


def lower_native(function: Callable[..., None], numbers: int) -> tuple[str, bytes]:
    """Symbol and LLVM's code of such a function with all that it calls, not yet optimised for any processor."""
    result, _ = _native(function, numbers, LoweringCompiler)
    return result.fndesc.llvm_func_name, result.library.bitcode
