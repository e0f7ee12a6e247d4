"""Captured results as the writer reads them; see :mod:`peak_fast.tracking.caller.capture`."""

from __future__ import annotations

import ast
import functools
import io
import struct
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np

from peak_fast import report, results
from peak_fast.tracking.base import logger
from peak_fast.tracking.spool import Curve, expand_curve, layout_of
from peak_kernels import slots as t

# Largest difference between a rebuilt curve's end and the kernel's final equity, relative.
TOLERANCE = 1e-6


class Bars:
    """Bars of one or more results as the spool holds them: arrays of shape (n_bars,), ``high`` and ``low`` or None.

    ``hash`` is that of the data, empty if it is not known.
    """

    def __init__(self, head: Any, data: bytes) -> None:
        """From the head (without the run id) and the buffers of a BARS record."""
        _, n, self.time_zone, n_prices, self.hash, self.n_invalid = head
        self.time_us = np.frombuffer(data, dtype=np.int64, count=n)
        prices = np.frombuffer(data, dtype=np.float64, offset=8 * n, count=n_prices * n).reshape(n_prices, n)
        found: Any = prices if n_prices == 3 else (prices[0], None, None)
        self.close, self.high, self.low = found

    def __len__(self) -> int:
        return len(self.close)

    @functools.cached_property
    def mark(self) -> Any:
        """Closes, with the last known one where a bar has none."""
        valid = ~np.isnan(self.close)
        if valid.all():
            return self.close
        return self.close[np.maximum.accumulate(np.where(valid, np.arange(len(valid)), 0))]

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Times of the first and the last bar, UTC."""
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        start, end = (epoch + timedelta(microseconds=int(self.time_us[i])) for i in (0, -1))
        return start, end


class Captured:
    """A result of any kind: stats, metadata, curve and trades as they were captured."""

    def __init__(self, bars: Bars | None, head: Any, data: bytes) -> None:
        stats, metadata, self._n_bars, self._n_points, self._trades, *more = head
        self.stats, self.metadata = dict(stats or {}), dict(metadata or {})
        self.bars: Bars | None = bars
        self._data = data[4 * self._n_points :]
        self._points = data[: 4 * self._n_points]
        self.names: dict[str, Any] = {}
        self.holdings: Any = None
        self._timing: dict[str, Any] = {}
        if more:
            self.names, count, description, *timing = more
            self._timing = dict(timing[0]) if timing else {}
            kind = np.dtype(ast.literal_eval(description))
            self.holdings = np.frombuffer(self._data, dtype=kind, count=count)
            self._data = self._data[self.holdings.nbytes :]

    def trades(self) -> Any:
        """The trades as they were captured: records, a frame or columns."""
        if self._trades is None:
            return None
        kind, description, count = self._trades
        if kind == "records":
            records = np.frombuffer(self._data, dtype=np.dtype(ast.literal_eval(description)), count=count)
            return report.named_columns(records, self.names) if self.names else records
        if kind == "ipc":
            import polars as pl

            return pl.read_ipc(io.BytesIO(self._data))
        return description

    def extra(self) -> dict[str, Any]:
        """Of a portfolio, its assets, the equity without deposits, and what its times mean; else nothing."""
        if self.holdings is None:
            return {}
        told: dict[str, Any] = {"holdings": self.holdings, "symbols": self.names["symbol"]}
        told["stamp"] = self._timing.get("stamp", "open")
        if not self._timing.get("has_time", True):
            told["time_us"] = None
        count = self._timing.get("n_values", 0)
        if count:
            told["values"] = np.frombuffer(self._data[-8 * count :], dtype=np.float64)
        return told

    def equity(self) -> Any:
        """The curve of its float32 points."""
        points = np.frombuffer(self._points, dtype=np.float32)
        return expand_curve(points, self._n_bars) if self._n_points else np.empty(0)


class Static:
    """What results share, as the writer reads it from a STATIC record."""

    def __init__(self, settings: bytes, content: dict[str, Any], bars_key: str, symbol: str) -> None:
        self.layout = layout_of(content["layout"])
        self.settings = self.layout.settings_now(np.frombuffer(settings, dtype=np.float64))
        self.content = content
        self.bars_key = bars_key
        self.symbol = symbol

    def params_of(self, packed: Any) -> dict[str, Any]:
        """Parameters of a record, which may say the values only."""
        if not isinstance(packed, bytes):
            return dict(packed)
        names, form = self.content["params"]
        return dict(zip(names, struct.unpack(f"<{form}", packed), strict=True))


class Thawed:
    """A frozen result as the writer needs it.

    ``head`` has parts and kind of the curve, parameters, and how many trades and entries of the last array there are;
    ``data`` the arrays, one after the other.
    """

    holdings = None

    def __init__(self, static: Static, bars: Bars, head: Any, data: bytes) -> None:
        flags, params, n_trades, n_more = head
        self._kind = flags & (Curve.FILLS | Curve.POINTS | Curve.TRADES)
        self.bars = bars
        self._static = static
        place = 0

        def take(count: int, kind: Any = np.float64) -> Any:
            nonlocal place
            array = np.frombuffer(data, dtype=kind, count=count, offset=place)
            place += array.nbytes
            return array

        layout = static.layout
        metrics = layout.metrics_now(take(len(layout.metrics)))
        state = layout.state_now(take(len(layout.slots)))
        trades = layout.trades_now(take(n_trades * layout.width).reshape(-1, layout.width))
        width, form = {Curve.FILLS: (layout.width, np.float64), Curve.POINTS: (1, np.float32)}.get(
            self._kind, (1, np.float64)
        )
        self._more = take(n_more * width, form)
        outcome = SimpleNamespace(metrics=metrics, state=state, trades=trades)
        # Enough of a result for the functions that make its statistics, metadata and trades.
        self._result: Any = SimpleNamespace(
            bars=bars,
            symbol=static.symbol,
            params=static.params_of(params),
            _outcome=outcome,
            _settings=static.settings,
            _used=static.content["settings"],
        )

    @functools.cached_property
    def stats(self) -> dict[str, Any]:
        """As ``BacktestResult.stats``."""
        found = results.stats_of(self._result)
        unknown = self._static.layout.unknown()
        return {name: value for name, value in found.items() if name not in unknown} if unknown else found

    @functools.cached_property
    def metadata(self) -> dict[str, Any]:
        """As ``BacktestResult.metadata``, without the result's hash."""
        return results.metadata_with(self._static.content, self._result)

    def trades(self) -> dict[str, Any]:
        """Trades as columns, with returns, excursions and the names of the exit reasons."""
        records = results.trade_array(self._result)
        columns = {name: records[name] for name in records.dtype.names}
        columns["exit_reason"] = np.asarray(results.KINDS, dtype=object)[
            records["exit_reason"].astype(np.int64)
        ]
        return columns

    def equity(self) -> Any:
        """The equity curve; shape (n_bars,)."""
        n = len(self.bars)
        if self._kind in (Curve.NONE, Curve.POINTS):
            return expand_curve(self._more, n)
        cash, held = self._account()
        curve = cash + held * np.where(held == 0.0, 0.0, self.bars.mark)
        final = self.stats["final_equity"]
        if len(curve) and abs(curve[-1] - final) > TOLERANCE * max(abs(final), 1.0):
            logger.warning("the curve of the fills ends at %r, the backtest at %r", curve[-1], final)
        return curve

    def extra(self) -> dict[str, Any]:
        """For a tear sheet: what was held, where fills say it; no times where the bars had none."""
        told: dict[str, Any] = {} if self._static.content.get("has_time", True) else {"time_us": None}
        if self._kind in (Curve.FILLS, Curve.TRADES):
            told["held"] = {"units": self._account()[1]}
        return told

    def _account(self) -> tuple[Any, Any]:
        """Cash and units at each bar, shape (n_bars,) each, as the fills change them."""
        bar, signed, price, fee = self._fills_of_trades() if self._kind == Curve.TRADES else self._fills()
        changes = -signed * price - fee
        # Entry 0 is the time before the first fill.
        cash = np.cumsum(np.concatenate(([self._static.settings[t.INITIAL_CASH]], changes)))
        position = np.cumsum(np.concatenate(([0.0], signed)))
        # What is left of a closed position is rounding.
        position[np.abs(position) < 1e-12 * max(float(np.abs(position).max()), 1e-300)] = 0.0
        n = len(self.bars)
        edges = np.minimum(bar, n).astype(np.int64)
        lengths = np.diff(edges, prepend=0, append=n)
        return np.repeat(cash, lengths), np.repeat(position, lengths)

    def _fills(self) -> Any:
        """Bar, signed size, price and fee of each fill."""
        layout = self._static.layout
        rows = dict(zip(layout.fills, self._more.reshape(-1, layout.width).T, strict=False))
        return rows["bar"], rows["side"] * rows["size"], rows["price"], rows["fee"]

    def _fills_of_trades(self) -> Any:
        """The same of the entry and the exit of each trade, and of the entry of the open one."""
        outcome = self._result._outcome
        rows, state = dict(zip(t.TRADE_COLUMNS, outcome.trades.T, strict=True)), outcome.state
        signed = rows["side"] * rows["size"]
        fees = self._more if len(self._more) else self._fees_of_entries(rows, state)
        fee = fees[: len(outcome.trades)]
        columns = (
            (rows["entry_bar"], rows["exit_bar"]),
            (signed, -signed),
            (rows["entry_price"], rows["exit_price"]),
            (fee, rows["fees"] - fee),
        )
        pairs = [np.column_stack(column).reshape(-1) for column in columns]
        if state[t.UNITS] == 0.0:
            return pairs
        price = state[t.ENTRY_VALUE] / state[t.ENTRY_UNITS]
        still = (state[t.ENTRY_BAR], state[t.UNITS], price, fees[-1])
        return [np.append(column, value) for column, value in zip(pairs, still, strict=True)]

    @staticmethod
    def _fees_of_entries(rows: dict[str, Any], state: Any) -> Any:
        """Fees of the entries where all fills pay the same share of their value; the open trade's is the last."""
        entry, exit_ = np.abs(rows["entry_price"]), np.abs(rows["exit_price"])
        both = entry + exit_
        fee = rows["fees"] * np.divide(entry, both, out=np.zeros_like(both), where=both != 0.0)
        return np.append(fee, state[t.TOTAL_FEES] - rows["fees"].sum())


# A captured backtest.
Source = Captured | Thawed
