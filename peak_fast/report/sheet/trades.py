"""Trades of the tear sheet: columns for the page's table and its scatter pictures, words by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.report.payload import Payload

_NUMBERS = ("entry_price", "exit_price", "size", "net_pnl", "return", "fees", "mae", "mfe")
_COUNTS = ("entry_bar", "exit_bar", "bars_held", "side")


def trade_columns_of(trades: Mapping[str, Any], payload: Payload) -> dict[str, Any]:
    """Columns of the table of trades, each under ``trade_``; times in seconds as clocks of the data's zone go."""
    if not len(trades["entry_bar"]):
        return {}
    columns = {f"trade_{name}": trades[name] for name in (*_NUMBERS, *_COUNTS)}
    for end in ("entry", "exit"):
        moments = _seconds(trades[f"{end}_time"], payload)
        if moments is not None:
            columns[f"trade_{end}_time"] = moments
    for name in ("exit_reason", "symbol"):
        if name in trades:
            words = sorted(set(trades[name]))
            numbers = {word: k for k, word in enumerate(words)}
            columns[f"trade_{name}"] = np.array([numbers[word] for word in trades[name]], dtype=np.int64)
    return columns


def trade_words(trades: Mapping[str, Any]) -> dict[str, list[str]]:
    """Words that numbers in the columns stand for."""
    return {name: sorted(set(trades[name])) for name in ("exit_reason", "symbol") if name in trades}


def _seconds(times: Any, payload: Payload) -> Any:
    if times is None or payload.get("time_us") is None:
        return None
    from peak_fast.report.sheet.curves import local_seconds

    moments = np.asarray(times, dtype=np.int64)
    missing = moments == np.iinfo(np.int64).min
    known = np.where(missing, 0, moments)
    seconds = local_seconds({"time_us": known, "time_zone": payload.get("time_zone")})
    return None if seconds is None else np.where(missing, np.nan, seconds)
