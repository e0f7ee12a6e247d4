"""What must be the same on two machines for their results to have the same bits."""

from __future__ import annotations

import functools
import hashlib
import math
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.version import __version__

_REMEDIES = {
    "python": "give the workers the client's Python",
    "peak_fast": "install the client's peak_fast there",
    "kernels": "install the same peak_fast on both (its kernels' sources differ)",
    "arithmetic": (
        "exp, log and their like round differently on that processor: use workers of one processor level, or run the "
        "client on a machine like theirs"
    ),
}


@functools.cache
def identity() -> dict[str, str]:
    """Versions, stamp of the kernels' sources, and a hash of what this processor makes of exp, log and their like."""
    import numba

    from peak_kernels.compiling import source_stamp

    return {
        "peak_fast": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "kernels": source_stamp(),
        "arithmetic": _arithmetic(),
    }


@functools.cache
def digest() -> str:
    """The identity in one short text."""
    return hashlib.blake2b(repr(sorted(identity().items())).encode(), digest_size=8).hexdigest()


def _arithmetic() -> str:
    """Hash of functions whose last bit depends on the processor: NumPy's loops, and those of the C library."""
    values = np.linspace(0.001, 30.0, 4099)
    found = hashlib.blake2b(digest_size=8)
    for function in (np.exp, np.log, np.log1p, np.expm1, np.sin, np.sqrt, np.tanh):
        found.update(function(values).tobytes())
    for plain in (math.exp, math.log, math.log1p, math.expm1):
        found.update(np.array([plain(value) for value in values[::7].tolist()]).tobytes())
    return found.hexdigest()


def difference(worker: str, theirs: Mapping[str, Any]) -> str | None:
    """What a worker's identity differs in, as an error says it; None where it is ours."""
    ours = identity()
    wrong = [name for name in ours if theirs.get(name) != ours[name]]
    if not wrong:
        return None
    said = "; ".join(f"{name} {theirs.get(name) or 'is missing'} there, {ours[name]} here" for name in wrong)
    remedy = _REMEDIES.get(wrong[0], f"install the client's {wrong[0]} there")
    return f"worker {worker} would not compute the same bits: {said}; {remedy}"
