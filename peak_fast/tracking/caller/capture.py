"""A finished backtest as one spool record: what must be copied in the caller's process, and nothing more.

Everything that can wait (flattening parameters, sorting metrics, trade statistics, pictures) is done by the
writer from what is captured here: two dicts, the equity curve as float32 points, the trades as raw records.
The float32 curve is for the picture only (relative error 6e-8); figures come from ``stats``.

Head of a RESULT record (an engine's own results take the quicker way of
:mod:`~peak_fast.tracking.spool.frozen`)::

    (run id, time in ms, key of the bars or None, parts, (stats, metadata, n_bars, n_points, trades))

``trades`` is None, ``("records", dtype text, n)``, ``("ipc", "", 0)`` or ``("columns", dict, 0)``; the
buffers are the equity points and the trade bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from peak_fast.tracking.spool import BARS, FIGURE, REPORTS, STATIC, describe, reduce_curve, shared_by

Head = tuple[Any, ...]


class Capture:
    """Captures results for one segment; remembers what the segment already holds."""

    def __init__(self) -> None:
        self.bars_key = ""
        # What the latest STATIC record speaks of.
        self.latest_bars: Any = None
        self.latest_strategy: Any = None
        self.latest_settings: Any = None
        self.latest_symbol: Any = None
        self.latest_notes: Any = None
        self._shared: tuple[Any, ...] = ()
        self._keys: set[str] = set()
        self._n_static = 0
        self._dtype: Any = None
        self._dtype_text = ""

    def share(self, result: Any) -> Iterator[tuple[int, Head, list[Any]]]:
        """The BARS and STATIC records that must precede the record of a frozen result, if there are any.

        An engine hands the same settings to each result, so identity tells that there are none in most cases
        (see the caller); objects that are equal, of two engines, are found here.
        """
        shared = shared_by(result)
        if shared != self._shared:
            self.bars_key, record = self.bars(result)
            if record is not None:
                yield BARS, *record
            self._shared = shared
            content = describe(result)
            head = (None, self._n_static, content, self.bars_key, str(result.symbol))
            self._n_static += 1
            yield STATIC, head, [result._settings.tobytes()]
        self.latest_bars, self.latest_strategy = result.bars, result._strategy
        self.latest_settings, self.latest_symbol = result._settings, result.symbol
        self.latest_notes = result._notes

    def bars(self, result: Any, metadata: Any = None) -> tuple[str, tuple[Head, list[Any]] | None]:
        """Key of a result's bars, and head and buffers of their BARS record if the segment lacks it."""
        bars = getattr(result, "bars", None)
        if bars is None:
            return "", None
        digest = getattr(bars, "hash", None) or _digest(metadata)
        key = str(digest or f"object {id(bars)}")
        known = key in self._keys
        if digest:  # another object may get the same id later
            self._keys.add(key)
        return key, (None if known else bars_record(key, bars, str(digest or "")))

    def result(self, result: Any, parts: int) -> tuple[Head, list[Any]]:
        """Head and buffers of the RESULT record of anything with the attributes of a ``BacktestResult``."""
        n_bars, n_points = 0, 0
        buffers: list[Any] = []
        trades = None
        if parts & FIGURE:
            n_bars = len(result.equity)
            points = reduce_curve(result.equity)
            n_points = len(points)
            buffers.append(points)
        if parts & (FIGURE | REPORTS):
            trades, data = self._trades(result)
            buffers.append(data)
        return (result.stats, getattr(result, "metadata", None), n_bars, n_points, trades), buffers

    def _trades(self, result: Any) -> tuple[tuple[str, Any, int] | None, Any]:
        records = getattr(result, "trade_records", None)
        if isinstance(records, np.ndarray) and records.dtype.names and not records.dtype.hasobject:
            if records.dtype is not self._dtype:
                self._dtype, self._dtype_text = records.dtype, repr(records.dtype.descr)
            return ("records", self._dtype_text, len(records)), np.ascontiguousarray(records)
        return encode_trades(getattr(result, "trades", None))


def _digest(metadata: Any) -> str | None:
    try:
        return str(metadata["data"]["hash"] or "") or None
    except (KeyError, TypeError):
        return None


def bars_record(key: str, bars: Any, digest: str) -> tuple[Head, list[Any]]:
    """Head and buffers of a BARS record.

    The head is ``(None, key, n_bars, time zone, number of price arrays, hash, bars without prices)``; the
    buffers are times, closes and, where the bars have them, highs and lows.
    """
    arrays = [np.ascontiguousarray(bars.time_us, dtype=np.int64)]
    names = ("close", "high", "low") if getattr(bars, "high", None) is not None else ("close",)
    arrays += [np.ascontiguousarray(getattr(bars, name), dtype=np.float64) for name in names]
    n_invalid = int(getattr(bars, "n_invalid", 0))
    zone = getattr(bars, "time_zone", None)
    return (None, key, len(arrays[0]), zone, len(names), digest, n_invalid), arrays


def encode_trades(trades: Any) -> tuple[tuple[str, Any, int] | None, Any]:
    """Trades of any form that :func:`peak_fast.report.trades.trade_columns` takes, for a record."""
    if trades is None:
        return None, b""
    if hasattr(trades, "write_ipc"):
        buffer = io.BytesIO()
        trades.write_ipc(buffer)
        return ("ipc", "", 0), buffer.getvalue()
    if isinstance(trades, np.ndarray) and trades.dtype.names is not None and not trades.dtype.hasobject:
        return ("records", repr(trades.dtype.descr), len(trades)), np.ascontiguousarray(trades)
    if hasattr(trades, "columns") and hasattr(trades, "to_dict"):
        return ("columns", trades.to_dict("list"), 0), b""
    return ("columns", trades, 0), b""
