"""Kernels of many functions: their parts are lowered one by one, and optimised and compiled once, together.

By itself numba makes a library of each function: it links the libraries of all functions that are called, optimises
the whole and turns it into machine code, although a function that only other kernels call never runs from there.
For a kernel of a hundred functions, several calls deep, that is most of what the compiler does.  A part is lowered
and stops there; the kernel that is called from Python links all of them and optimises once.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from llvmlite import binding
from numba import types
from numba.core.codegen import CodeLibrary, JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder

from peak_kernels.compiling.memory import own_memory
from peak_kernels.compiling.starting import uncollected

_PLAIN = (types.Number, types.Boolean, types.Literal, types.Array, types.BaseTuple)
_CASTS = (bool, int, float)
ALLOCATING = ContextVar("ALLOCATING", default=False)
"""Whether an entry is compiled whose kernels allocate: they are its parts, and their memory is the C library's."""


def _closure(libraries: Iterable[CodeLibrary]) -> list[CodeLibrary]:
    """The libraries, and those that their parts link, each once."""
    found: dict[CodeLibrary, None] = {}
    waiting = list(libraries)
    while waiting:
        library = waiting.pop()
        if library not in found:
            found[library] = None
            waiting += library.links if isinstance(library, _Part) else []
    return list(found)


def _share_initialisers(library: Any, linked: CodeLibrary) -> None:
    """What numba runs when it loads machine code from disk; its oldest supported versions have no such list."""
    mine = getattr(library, "_reload_init", None)
    if mine is not None:
        mine.update(linked._reload_init)


def _drop_unused(module: Any) -> None:
    """Let the optimiser drop parts that nothing calls once they are inlined."""
    for function in module.functions:
        if function.linkage == binding.Linkage.weak_odr:
            function.linkage = "linkonce_odr"


class _WithoutEnvironment:
    """The code generator, but without the address of a Python environment, which compiled parts do not use."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, env: object) -> None:
        """Parts have no machine code that an environment could belong to."""


class _Part(JITCodeLibrary):  # type: ignore[misc]
    """Library of a function that is only called by other kernels: never optimised or compiled by itself."""

    _alone: Any = None
    _shared_module: Any
    _linking_libraries: list[CodeLibrary]

    @property
    def links(self) -> list[CodeLibrary]:
        """Libraries of the functions that it calls."""
        return self._linking_libraries

    @property
    def codegen(self) -> Any:
        return _WithoutEnvironment(self._codegen)

    def _optimize_functions(self, ll_module: Any) -> None:
        """The passes within a function only: without them the whole comes out some per cent slower."""
        ll_module.data_layout = self._codegen._data_layout
        passes, builder = self._codegen._function_pass_manager()
        for function in ll_module.functions:
            if not function.is_declaration:
                passes.run(function, builder)

    def finalize(self) -> None:
        self._raise_if_finalized()
        for library in self._linking_libraries:
            _share_initialisers(self, library)
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0

    def without_links(self) -> Any:
        """Its module, ready to be linked, without the functions that it calls."""
        if self._alone is None:
            self._ensure_finalized()
            self._alone = self._final_module.clone()
            for function in self._alone.functions:
                if not function.is_declaration and function.linkage == binding.Linkage.external:
                    # Linked although nothing that was linked before calls it: a caller may come later.
                    function.linkage = "weak_odr"
        return self._alone

    def _get_module_for_linking(self) -> Any:
        """Its module with all that it calls, for functions that are no parts."""
        if self._shared_module is None:
            module = self.without_links().clone()
            for library in _closure(self.links):
                inner = (
                    library.without_links()
                    if isinstance(library, _Part)
                    else library._get_module_for_linking()
                )
                module.link_in(inner, preserve=True)
            _drop_unused(module)
            self._shared_module = module
        return self._shared_module


class _Environments:
    """The code generator for a user's function: notes its environment, which is set once there is machine code."""

    def __init__(self, codegen: Any, noted: dict[str, object]) -> None:
        self._codegen = codegen
        self._noted = noted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, env: object) -> None:
        """Note it."""
        self._noted[name] = env


class _UsersPart(_Part):
    """Library of a user's function inside a loop of ours: it may allocate, raise, and print."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self.environments: dict[str, object] = {}

    @property
    def codegen(self) -> Any:
        return _Environments(self._codegen, self.environments)


class _Whole(JITCodeLibrary):  # type: ignore[misc]
    """Library of a kernel that is called from Python: links each part once."""

    _linking_libraries: list[CodeLibrary]

    def _optimize_final_module(self) -> None:
        if ALLOCATING.get():
            own_memory(self._final_module)
        super()._optimize_final_module()

    def finalize(self) -> None:
        plain, linked = [], _closure(self._linking_libraries)
        for library in linked:
            if isinstance(library, _Part):
                _share_initialisers(self, library)
                self._final_module.link_in(library.without_links(), preserve=True)
            else:
                plain.append(library)
        self._linking_libraries = plain
        _drop_unused(self._final_module)
        super().finalize()
        for library in linked:
            if isinstance(library, _UsersPart):
                for name, environment in library.environments.items():
                    self._codegen.set_env(name, environment)


class _Lowered(_Whole):
    """Library of a kernel that is linked and stops there: `emit` optimises it for several processors."""

    bitcode: bytes

    @property
    def codegen(self) -> Any:
        return _WithoutEnvironment(self._codegen)

    def _optimize_final_module(self) -> None:
        if ALLOCATING.get():
            own_memory(self._final_module)
        self.bitcode = self._final_module.as_bitcode()

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0


_signatures: dict[tuple[Any, ...], Any] = {}
_resolve = types.Function.get_call_type


def _resolve_once(self: Any, context: Any, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
    """Signature of an operator or a cast on numbers and arrays of numbers, looked for once.

    Numba goes through all candidates of an operator at each of its uses: for a kernel, thousands of times the same
    few questions.
    """
    asked = self.typing_key
    plain = asked in _CASTS or getattr(asked, "__module__", "") == "_operator"
    if kws or not plain or not all(isinstance(item, _PLAIN) for item in args):
        return _resolve(self, context, args, kws)
    key = (self, *args)
    signature = _signatures.get(key)
    if signature is None:
        signature = _resolve(self, context, args, kws)
        if signature is not None:
            _signatures[key] = signature
    return signature


class _KernelCompiler(CompilerBase):  # type: ignore[misc]
    """What parts and wholes have in common; numba compiles one function at a time, behind a lock."""

    def _compile_core(self) -> Any:
        outer = types.Function.get_call_type
        types.Function.get_call_type = _resolve_once
        try:
            # Millions of objects that live until the end: looking for garbage among them takes a tenth of the time.
            with uncollected():
                return super()._compile_core()
        finally:
            types.Function.get_call_type = outer


class PartCompiler(_KernelCompiler):
    """Pipeline of parts."""

    library = _Part

    def define_pipelines(self) -> list[Any]:
        """Numba's own passes, into a library that is not compiled."""
        state = self.state
        state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
        return [DefaultPassBuilder.define_nopython_pipeline(state)]


class UsersPartCompiler(PartCompiler):
    """Pipeline of users' functions inside loops of ours."""

    library = _UsersPart


class WholeCompiler(_KernelCompiler):
    """Pipeline of kernels that are made of parts."""

    def define_pipelines(self) -> list[Any]:
        """Numba's own passes, into a library that links all parts."""
        state = self.state
        state.library = _Whole(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return [DefaultPassBuilder.define_nopython_pipeline(state)]


class LoweringCompiler(_KernelCompiler):
    """Pipeline of kernels that are only lowered."""

    def define_pipelines(self) -> list[Any]:
        """Numba's own passes, into a library that links all parts and is not compiled."""
        state = self.state
        state.library = _Lowered(state.targetctx.codegen(), state.func_id.func_qualname)
        return [DefaultPassBuilder.define_nopython_pipeline(state)]
