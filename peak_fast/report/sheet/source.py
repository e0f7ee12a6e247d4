"""What the tear sheet needs of a result, beyond a report's payload: prices, what was held, refused orders, bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.errors import ConfigError, DataError
from peak_fast.report.figure import buy_and_hold_of
from peak_fast.report.overview import held_of
from peak_fast.report.payload import Payload, payload_of
from peak_fast.report.series import filled
from peak_kernels.arrays import FloatArray

# Names of benchmarks that are not the user's: of one asset, of a portfolio, without a name.
OUR_NAMES = ("Buy and hold", "All assets, held equally", "Benchmark")
_MOST_REFUSED = 50


def sheet_payload(source: Any) -> Payload:
    """A payload with, where the source has them, ``prices``, ``held``, ``refused``, ``bounds``, ``contributions``.

    Of a payload the closes alone are known: ``prices`` has no other then, unless it is there already.

    Raises
    ------
    ConfigError
        Neither a result nor a payload.
    """
    payload = payload_of(source)
    if isinstance(source, Mapping):
        # That of a portfolio is what all assets held equally would be worth, and no price.
        if payload.get("close") is not None and "holdings" not in payload:
            payload.setdefault("prices", {"close": filled(payload["close"])})
        data = (payload.get("metadata") or {}).get("data") or {}
        return {"stamp": data.get("stamp") or "open"} | payload
    bars = getattr(source, "bars", None) if "holdings" not in payload else None
    if bars is not None:
        payload["prices"] = {
            "open": bars.open,
            "high": bars.high,
            "low": bars.low,
            "close": filled(bars.close),
        }
    owner = bars if bars is not None else getattr(source, "panel", None)
    payload["stamp"] = getattr(owner, "stamp", "open")
    if hasattr(source, "returns") and hasattr(source, "_course"):
        payload["values"] = source._course().values
    payload["held"] = held_of(source)
    payload["refused"] = _refused(source)
    payload["bounds"] = _bounds(source, payload)
    payload["contributions"] = getattr(source, "contributions", None) if "holdings" in payload else None
    return payload


def _refused(source: Any) -> dict[str, Any]:
    """Orders that did not fill as they were meant: how many for each reason, and the first of them."""
    import polars as pl

    orders = getattr(source, "orders", None)
    if not isinstance(orders, pl.DataFrame) or not orders.height or "reason" not in orders.columns:
        return {"reasons": [], "first": []}
    told = pl.DataFrame(orders).filter(pl.col("reason") != "")
    reasons = told.group_by("status", "reason").len().sort("len", descending=True).rows()
    names = [
        name
        for name in ("time", "symbol", "kind", "side", "requested", "filled", "status", "reason")
        if name in told.columns
    ]
    return {"reasons": reasons, "names": names, "first": told.select(names).head(_MOST_REFUSED).rows()}


def _bounds(source: Any, payload: Payload) -> Any:
    """Bounds of the final equity where bars were ambiguous; None where there were none, or they cannot be told."""
    if not (payload.get("stats") or {}).get("ambiguous_bars"):
        return None
    try:
        return source.ambiguity
    except (AttributeError, DataError):
        return None


def benchmark_of(source: Any, payload: Payload, benchmark: Any) -> tuple[FloatArray | None, str]:
    """The benchmark's curve in money, float64[n_bars], from the same start; its name.

    Raises
    ------
    ConfigError
        A benchmark that does not fit the bars.
    """
    if benchmark is False:
        return None, ""
    if benchmark is None or benchmark is True:
        name = OUR_NAMES["holdings" in payload]
        return buy_and_hold_of(payload), name
    if not hasattr(source, "levels_of"):
        levels = np.asarray(benchmark, dtype=np.float64)
    else:
        levels = source.levels_of(benchmark)
    equity = filled(payload["equity"])
    if levels.shape != equity.shape:
        raise ConfigError(f"benchmark: expected {equity.size} levels, one a bar, got {levels.shape}")
    levels = filled(levels)
    initial = (payload.get("stats") or {}).get("initial_cash")
    start = float(equity[0] if initial is None else initial)
    if not levels.size or not levels[0] > 0.0:
        raise ConfigError(
            "benchmark: expected levels above zero, got a first one that is not; pass prices or an index"
        )
    return levels / levels[0] * start, str(getattr(benchmark, "name", None) or OUR_NAMES[2])
