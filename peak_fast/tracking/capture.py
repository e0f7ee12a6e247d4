"""A finished backtest as one spool record: what must be copied in the caller's process, and nothing more.

Everything that can wait (flattening parameters, sorting metrics, trade statistics, pictures) is done by the
writer from what is captured here: two dicts, the equity curve as float32 points, the trades as raw records.
The float32 curve is for the picture only (relative error 6e-8); figures come from ``stats``.

Head of a RESULT record::

    (run id, time in ms, stats, metadata, key of the bars or None, parts, n_bars, n_points, trades)

``trades`` is None, ``("records", dtype text, n)``, ``("ipc", "", 0)`` or ``("columns", dict, 0)``; the
buffers are the equity points and the trade bytes.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

# Parts of a result that a record asks the writer to log.
VALUES, FIGURE, REPORTS = 1, 2, 4
ARTIFACT_PARTS = {"full": FIGURE | REPORTS, "light": REPORTS, "none": 0}

# Longer curves are reduced to the lowest and the highest value of each of MAX_POINTS / 2 buckets.
MAX_POINTS = 8_192
RAW_POINTS = 16_384

Head = tuple[Any, ...]


class Capture:
    """Captures results for one segment; remembers which bars the segment already holds."""

    def __init__(self) -> None:
        self._bars: set[str] = set()
        self._dtype: Any = None
        self._dtype_text = ""

    def result(self, run_id: str, now_ms: int, result: Any, parts: int) -> tuple[Head, list[Any]]:
        """Head and buffers of the RESULT record of a ``BacktestResult`` (or anything with its attributes)."""
        metadata = getattr(result, "metadata", None)
        n_bars, n_points = 0, 0
        buffers: list[Any] = []
        trades = None
        key = None
        if parts & (FIGURE | REPORTS):
            key = self.bars_key(result, metadata)
        if parts & FIGURE:
            equity = result.equity
            n_bars = len(equity)
            points = reduce_curve(equity)
            n_points = len(points)
            buffers.append(points)
        if parts & (FIGURE | REPORTS):
            trades, data = self._trades(result)
            buffers.append(data)
        return (run_id, now_ms, result.stats, metadata, key, parts, n_bars, n_points, trades), buffers

    def bars_key(self, result: Any, metadata: Any) -> str | None:
        """Key under which the segment holds, or will hold, the bars of a result."""
        bars = getattr(result, "bars", None)
        if bars is None:
            return None
        try:
            found = metadata["data"]["hash"]
        except (KeyError, TypeError):
            found = None
        return str(found or getattr(bars, "hash", "") or f"id-{id(bars)}")

    def new_bars(self, key: str | None, result: Any) -> tuple[Head, list[Any]] | None:
        """Head and buffers of a BARS record, the first time that a key is seen in this segment."""
        if key is None or key in self._bars:
            return None
        if not key.startswith("id-"):  # another object may get the same id later
            self._bars.add(key)
        return bars_record(key, result.bars)

    def _trades(self, result: Any) -> tuple[tuple[str, Any, int] | None, Any]:
        records = getattr(result, "trade_records", None)
        if (
            isinstance(records, np.ndarray)
            and records.dtype.names is not None
            and not records.dtype.hasobject
        ):
            if records.dtype is not self._dtype:
                self._dtype, self._dtype_text = records.dtype, repr(records.dtype.descr)
            return ("records", self._dtype_text, len(records)), np.ascontiguousarray(records)
        return encode_trades(getattr(result, "trades", None))


def bars_record(key: str, bars: Any) -> tuple[Head, list[Any]]:
    """Head and buffers of a BARS record: key, number of bars, time zone; times and closes."""
    time_us = np.ascontiguousarray(bars.time_us, dtype=np.int64)
    close = np.ascontiguousarray(bars.close, dtype=np.float64)
    return (None, key, len(time_us), getattr(bars, "time_zone", None)), [time_us, close]


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


def reduce_curve(values: Any) -> Any:
    """A curve as float32 points: all of them, or lowest and highest value of each bucket.

    Parameters
    ----------
    values : ndarray, shape (n,)

    Returns
    -------
    ndarray of float32
        Shape (n,) up to 16,384 values; else (2 * n_buckets,), in each bucket in the order in which a rising
        or falling curve passes them.  NaN in a bucket makes its two points NaN.
    """
    array = np.ascontiguousarray(values, dtype=np.float64)
    n = len(array)
    if n <= RAW_POINTS:
        return array.astype(np.float32)
    width = -(-n // (MAX_POINTS // 2))
    full = n // width
    blocks = array[: full * width].reshape(full, width)
    low, high = blocks.min(axis=1), blocks.max(axis=1)
    rising = blocks[:, 0] <= blocks[:, -1]
    tail = array[full * width :]
    if len(tail):
        low, high = np.append(low, tail.min()), np.append(high, tail.max())
        rising = np.append(rising, tail[0] <= tail[-1])
    points = np.empty((len(low), 2), dtype=np.float32)
    points[:, 0] = np.where(rising, low, high)
    points[:, 1] = np.where(rising, high, low)
    return points.ravel()


def expand_curve(points: Any, n_bars: int) -> Any:
    """The curve of ``n_bars`` values that has the extremes of each bucket of :func:`reduce_curve`.

    The first half of a bucket holds its first point, the second half the other one.
    """
    if len(points) == n_bars:
        return points.astype(np.float64)
    width = -(-n_bars // (MAX_POINTS // 2))
    half = width // 2
    pairs = points.reshape(-1, 2).astype(np.float64)
    return np.repeat(pairs.ravel(), np.tile([half, width - half], len(pairs)))[:n_bars]
