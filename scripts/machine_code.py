"""Build hook of the wheel: machine code of all kernels for Linux on x86-64, beside the sources that it was made from.

Nothing of it lies in the repository.  A wheel that cannot have it, or should not (``PEAK_FAST_PURE_WHEEL=1``), is pure
Python and compiles at the first use; the build says which one it has made, and why.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "PEAK_FAST_PURE_WHEEL"
# The code calls `memset` and `pow`, which every C library for x86-64 has had from the beginning, and has no symbol with
# a version. Nothing says less than manylinux 2.17; numba's and llvmlite's own wheels ask for more.
TAG = "py3-none-manylinux_2_17_x86_64"


class MachineCode(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles into a folder of its own and hands it to the wheel."""

    PLUGIN_NAME = "custom"
    _folder: str | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, or say why not."""
        against = reason_against(version)
        if against is not None:
            self.app.display_info(f"a wheel without machine code, which compiles at the first use: {against}")
            return
        self._folder = tempfile.mkdtemp(prefix="machine-code-")
        self.app.display_info(compile_into(Path(self.root), Path(self._folder)))
        build_data["force_include"][self._folder] = "peak_kernels/compiled"
        build_data["pure_python"] = False
        build_data["tag"] = TAG

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the folder once the wheel is written."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def reason_against(version: str) -> str | None:
    """Why the wheel gets no machine code; None where it gets it."""
    if version == "editable":
        return "an editable installation; `peak-fast warmup` compiles into the user's cache"
    if os.environ.get(VARIABLE, "") not in ("", "0"):
        return f"{VARIABLE} is set"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"made for Linux on x86-64 only, and this is {sys.platform} on {platform.machine()}"
    if any(importlib.util.find_spec(name) is None for name in ("numba", "numpy")):
        return (
            "numba and numpy are not installed where it is built; build with --no-isolation in an environment "
            "that has them (make wheel does)"
        )
    return None


def compile_into(root: Path, folder: Path) -> str:
    """Compile the kernels of a checkout; what the compiler said at the end.

    Raises
    ------
    RuntimeError
        They could not be compiled: a release is not to lose its machine code silently.
    """
    hidden = ("NUMBA_", "PEAK_FAST_", "PYTHON")
    seen = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    seen |= {"PYTHONPATH": str(root / "kernels"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "peak_kernels.compiling.emit", str(folder)]
    done = subprocess.run(command, env=seen, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"the kernels did not compile ({VARIABLE}=1 builds without):\n{done.stdout}{done.stderr}"
        )
    return done.stdout.strip()
