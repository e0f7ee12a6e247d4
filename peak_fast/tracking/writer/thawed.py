"""Frozen results as the writer reads them; see :mod:`peak_fast.tracking.caller.capture`."""

from __future__ import annotations

import functools
import struct
from types import SimpleNamespace
from typing import Any

import numpy as np

from peak_fast.tracking.base import logger
from peak_fast.tracking.spool import FILLS, NO_CURVE, POINTS, TRADES, expand_curve, layout_of
from peak_fast.tracking.writer.unpack import Bars

# Largest difference between a rebuilt curve's end and the kernel's final equity, relative.
TOLERANCE = 1e-6


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

    def __init__(self, static: Static, bars: Bars, head: Any, data: bytes) -> None:
        flags, params, n_trades, n_more = head
        self._params = static.params_of(params)
        self._kind = flags & (FILLS | POINTS | TRADES)
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
        width, form = {FILLS: (layout.width, np.float64), POINTS: (1, np.float32)}.get(
            self._kind, (1, np.float64)
        )
        self._more = take(n_more * width, form)
        outcome = SimpleNamespace(metrics=metrics, state=state, trades=trades)
        # Enough of a result for the functions that make its statistics and trades.
        self._result: Any = SimpleNamespace(
            bars=bars, _outcome=outcome, _settings=static.settings, _used=static.content["settings"]
        )

    @functools.cached_property
    def stats(self) -> dict[str, Any]:
        """As ``BacktestResult.stats``."""
        from peak_fast.results import stats_of

        found = stats_of(self._result)
        unknown = self._static.layout.unknown()
        return {name: value for name, value in found.items() if name not in unknown} if unknown else found

    @functools.cached_property
    def metadata(self) -> dict[str, Any]:
        """As ``BacktestResult.metadata``, without the result's hash."""
        content = self._static.content
        start, end = self.bars.span
        return {
            "strategy": {
                "name": content["strategy"]["name"],
                "params": self._params,
                "fingerprint": content["strategy"]["fingerprint"],
            },
            "settings": content["settings"],
            "data": {
                "name": self._static.symbol,
                "hash": self.bars.digest,
                "start": start.isoformat(),
                "end": end.isoformat(),
                "bars": len(self.bars),
                "stamp": content["stamp"],
                "bars_without_prices": self.bars.n_invalid,
            },
            "periods_per_year": self.stats["periods_per_year"],
            "fill_rule": content["fill_rule"],
            "code_version": content["code_version"],
            "notes": content["notes"],
        }

    def trades(self) -> dict[str, Any]:
        """Trades as columns, with returns, excursions and the names of the exit reasons."""
        from peak_fast.results import KINDS, trade_array

        records = trade_array(self._result)
        columns = {name: records[name] for name in records.dtype.names}
        columns["exit_reason"] = np.asarray(KINDS, dtype=object)[records["exit_reason"].astype(np.int64)]
        return columns

    def equity(self) -> Any:
        """The equity curve; shape (n_bars,)."""
        n = len(self.bars)
        if self._kind in (NO_CURVE, POINTS):
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
        if self._kind in (FILLS, TRADES):
            told["held"] = {"units": self._account()[1]}
        return told

    def _account(self) -> tuple[Any, Any]:
        """Cash and units at each bar, shape (n_bars,) each, as the fills change them."""
        from peak_kernels import slots as t

        bar, signed, price, fee = self._fills_of_trades() if self._kind == TRADES else self._fills()
        changes = -signed * price - fee
        # Entry 0 is the time before the first fill.
        cash = np.cumsum(np.concatenate(([self._static.settings[t.INITIAL_CASH]], changes)))
        position = np.cumsum(np.concatenate(([0.0], signed)))
        last = np.searchsorted(bar, np.arange(len(self.bars)), side="right")
        held = position[last]
        # What is left of a closed position is rounding.
        held[np.abs(held) < 1e-12 * max(float(np.abs(position).max()), 1e-300)] = 0.0
        return cash[last], held

    def _fills(self) -> Any:
        """Bar, signed size, price and fee of each fill."""
        layout = self._static.layout
        rows = dict(zip(layout.fills, self._more.reshape(-1, layout.width).T, strict=False))
        return rows["bar"], rows["side"] * rows["size"], rows["price"], rows["fee"]

    def _fills_of_trades(self) -> Any:
        """The same of the entry and the exit of each trade, and of the entry of the open one."""
        from peak_kernels import slots as t

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
        from peak_kernels import slots as t

        entry, exit_ = np.abs(rows["entry_price"]), np.abs(rows["exit_price"])
        both = entry + exit_
        fee = rows["fees"] * np.divide(entry, both, out=np.zeros_like(both), where=both != 0.0)
        return np.append(fee, state[t.TOTAL_FEES] - rows["fees"].sum())
