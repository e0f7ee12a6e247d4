"""Numba is imported and made ready to compile, quickly.

Whoever waits for the first compilation of a block waits for this, for as long as for the compilation itself.  Two
things make half of that time and are not needed: looking for garbage among some hundred thousand objects that all
stay, and importing SciPy's linear algebra, only to see whether it is there.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator


def start_numba() -> None:
    """Import numba and what it needs to compile anything, where that has not happened."""
    if "numba.np.arraymath" in sys.modules:
        return
    with uncollected():
        from numba.core.compiler_lock import global_compiler_lock
        from numba.core.registry import cpu_target

        with global_compiler_lock, _scipy_unopened():
            cpu_target.typing_context.refresh()
            cpu_target.target_context.refresh()


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without looks for garbage, as long as many objects are made that stay."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextlib.contextmanager
def _scipy_unopened() -> Iterator[None]:
    """Numba sees at once whether SciPy is installed; a function that uses its linear algebra imports it as ever."""
    from importlib.util import find_spec

    from numba.np import linalg

    asked = linalg.ensure_blas
    if "scipy.linalg" not in sys.modules and find_spec("scipy") is not None:
        linalg.ensure_blas = lambda: None
    try:
        yield
    finally:
        linalg.ensure_blas = asked
