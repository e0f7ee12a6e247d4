"""What a result says of itself: versions, settings, data, rules."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_kernels import slots as t
from peak_kernels.compiling import source_stamp

if TYPE_CHECKING:
    from peak_fast.results.parts import RunParts


@functools.cache
def code_version() -> dict[str, str]:
    """Version of the package and hash of its kernels."""
    from peak_fast.version import __version__

    return {"peak_fast": __version__, "kernels": source_stamp()}


def metadata_of(result: RunParts) -> dict[str, Any]:
    """Dict behind `BacktestResult.metadata`."""
    used = result._used
    settings = {
        name: value.model_dump() if hasattr(value, "model_dump") else value for name, value in used.items()
    }
    start, end = result.bars.span
    fingerprint = None if result._strategy is None else result._strategy.fingerprint()
    return {
        "strategy": {"name": result.strategy_name, "params": dict(result.params), "fingerprint": fingerprint},
        "settings": settings,
        "data": {
            "name": result.symbol,
            "hash": result.bars.hash,
            "start": start.isoformat(),
            "end": end.isoformat(),
            "bars": len(result.bars),
            "stamp": result.bars.stamp,
            "bars_without_prices": result.bars.n_invalid,
        },
        "periods_per_year": float(result._settings[t.PERIODS_PER_YEAR]),
        "fill_rule": used["execution"].fill_rule,
        "code_version": code_version(),
        "notes": list(result.notes),
        "hash": result.hash,
    }


def jsonable(value: Any) -> Any:
    """Plain value that strict JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return repr(value)
