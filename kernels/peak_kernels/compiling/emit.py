"""Object files of all entries for several levels of processors: what a wheel brings along (`levels`).

``python -m peak_kernels.compiling.emit FOLDER`` writes them.  Numba lowers each entry once; LLVM then optimises the
same code for each level.  Nothing depends on the processor that builds: numba is told to build for the lowest level.

Levels give the same bits because nothing but the width of instructions differs.  Without ``fastmath`` LLVM keeps the
order of every sum and contracts no product and sum into one rounding, although ``v3`` has that instruction; sums in
eight lanes are written as such (`simd`); and functions of the C library stay calls of it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from peak_kernels.compiling.levels import LEVELS

LOWEST = {"NUMBA_CPU_NAME": "x86-64-v2", "NUMBA_CPU_FEATURES": ""}


def main() -> int:
    """Write the object files below the folder that is named."""
    os.environ.update(LOWEST)  # before numba is imported
    folder, begin, size = Path(sys.argv[1]), time.perf_counter(), 0
    for count, (level, name, content) in enumerate(emit_all(), 1):
        (folder / level).mkdir(parents=True, exist_ok=True)
        (folder / level / f"{name}.object").write_bytes(content)
        size += len(content)
        if sys.stderr.isatty():
            print(f"\r{count} object files, {size / 1e6:.1f} MB", end="", file=sys.stderr)
    took = time.perf_counter() - begin
    print(f"{count} object files for {', '.join(sorted(LEVELS))}: {size / 1e6:.1f} MB in {took:.0f} s")
    return 0


def emit_all() -> Iterator[tuple[str, str, bytes]]:
    """Level, name and content of each object file; lowering and optimising go on at the same time."""
    from peak_kernels.compiling.options import lower_native
    from peak_kernels.entries import ENTRIES

    _refuse_other_mathematics()
    with ProcessPoolExecutor(max(1, (os.cpu_count() or 2) - 1), get_context("spawn")) as pool:
        jobs: list[tuple[str, str, str, Future[bytes]]] = []
        for name, entry in ENTRIES.items():
            symbol, bitcode = lower_native(entry.body(name), entry.numbers)
            jobs += [(level, name, symbol, pool.submit(emit, bitcode, level)) for level in LEVELS]
        for level, name, symbol, job in jobs:
            yield level, name, _file(symbol, job.result())


def _file(symbol: str, code: bytes) -> bytes:
    """Content of an object file that this very process would accept."""
    from peak_kernels.compiling.levels import package_facts
    from peak_kernels.compiling.linking import placed
    from peak_kernels.compiling.objects import written

    placed(code, symbol)  # raises if it could not be loaded without LLVM
    kept = {name: os.environ.pop(name) for name in LOWEST}
    try:
        return written(symbol, code, package_facts())
    finally:
        os.environ.update(kept)


def _refuse_other_mathematics() -> None:
    """Intel's vector functions would give other numbers than the C library; they are used where they are found.

    Raises
    ------
    RuntimeError
        They are installed beside Numba.
    """
    from numba.core import config

    if config.USING_SVML:
        raise RuntimeError(
            "Numba would use Intel's SVML (package icc_rt); expected an environment without it"
        )


def emit(bitcode: bytes, level: str) -> bytes:
    """Object file of lowered code for a level: numba's own passes, with the level's processor as the target."""
    from llvmlite import binding
    from numba.core import config
    from numba.core.codegen import JITCodeLibrary
    from numba.core.registry import cpu_target

    codegen = cpu_target.target_context.codegen()
    target = binding.Target.from_triple(binding.get_process_triple())
    host, codegen._tm = codegen._tm, target.create_target_machine(
        cpu=f"x86-64-{level}", features="", opt=config.OPT, reloc="static", codemodel="jitdefault", jit=True
    )  # fmt: skip
    try:
        library = JITCodeLibrary(codegen, level)
        library._final_module = binding.parse_bitcode(bitcode)
        _hide_environments(library._final_module)
        library._optimize_final_module()
        library._final_module.verify()
        code: bytes = codegen._tm.emit_object(library._final_module)
    finally:
        codegen._tm = host
    return code


def _hide_environments(module: object) -> None:
    """Let the optimiser drop the places of Python environments, which native code has no use for."""
    for variable in module.global_variables:  # type: ignore[attr-defined]
        if variable.name.startswith("_ZN08NumbaEnv"):
            variable.linkage = "internal"


if __name__ == "__main__":
    sys.exit(main())
