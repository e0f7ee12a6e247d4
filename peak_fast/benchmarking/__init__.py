"""``peak-fast bench``: how fast is this machine at the main jobs, in half a minute.

The full benches, with peers and tracking backends, live in the repository's ``bench/`` folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["run_bench"]


def __dir__() -> list[str]:
    return sorted(__all__)


def run_bench(out: Path | None = None, *, console: Any = None) -> dict[str, Any]:
    """Run the half-minute bench, print a table, write JSON; see :func:`peak_fast.benchmarking.quick.run`."""
    from peak_fast.benchmarking.quick import run

    return run(out, console=console)
