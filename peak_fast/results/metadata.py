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


def shared_metadata(result: RunParts) -> dict[str, Any]:
    """What results of one engine, strategy and data set say alike."""
    used, strategy = result._used, result._strategy
    return {
        "strategy": {
            "name": result.strategy_name,
            "fingerprint": None if strategy is None else strategy.fingerprint(),
        },
        "settings": {
            name: value.model_dump() if hasattr(value, "model_dump") else value
            for name, value in used.items()
        },
        "fill_rule": used["execution"].fill_rule,
        "code_version": code_version(),
        "notes": list(result.notes),
        "stamp": result.bars.stamp,
    }


def metadata_with(shared: Mapping[str, Any], result: Any) -> dict[str, Any]:
    """Metadata of a result, without its hash, of which `shared_metadata` is known."""
    bars, strategy = result.bars, shared["strategy"]
    start, end = bars.span
    return {
        "strategy": {
            "name": strategy["name"],
            "params": dict(result.params),
            "fingerprint": strategy["fingerprint"],
        },
        "settings": shared["settings"],
        "data": {
            "name": result.symbol,
            "hash": bars.hash,
            "start": start.isoformat(),
            "end": end.isoformat(),
            "bars": len(bars),
            "stamp": shared["stamp"],
            "bars_without_prices": bars.n_invalid,
        },
        "periods_per_year": float(result._settings[t.PERIODS_PER_YEAR]),
        "fill_rule": shared["fill_rule"],
        "code_version": shared["code_version"],
        "notes": shared["notes"],
    }


def metadata_of(result: RunParts) -> dict[str, Any]:
    """Dict behind `BacktestResult.metadata`."""
    return {**metadata_with(shared_metadata(result), result), "hash": result.hash}


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
