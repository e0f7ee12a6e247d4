"""Frozen results as the writer reads them; see :mod:`peak_fast.tracking.spool.frozen`."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

import numpy as np

from peak_fast.tracking.base import logger
from peak_fast.tracking.spool import FILLS, POINTS, TRADES, expand_curve, layout_of
from peak_fast.tracking.writer.unpack import Bars

# Largest difference between a rebuilt curve's end and the kernel's final equity, relative.
TOLERANCE = 1e-6
# Instead of a number of fills: the curve has to be made of something else.
_NO_FILLS, _FROM_TRADES = -1, -2


class Static:
    """What results share, as the writer reads it from a STATIC record."""

    def __init__(
        self, settings: bytes, content: dict[str, Any], bars_key: str = "", symbol: str = ""
    ) -> None:
        self.layout = layout_of(content.get("layout"))
        self.settings = self.layout.settings_now(np.frombuffer(settings, dtype=np.float64))
        self.content = content
        self.bars_key = bars_key
        self.symbol = symbol


def quick_result(static: Static, bars: Bars, params: Any, flags: int, data: bytes) -> Thawed:
    """The result of a QUICK_RESULT record: sizes that its head leaves out follow from the kernel's counters."""
    layout = static.layout
    n_metrics, slots = len(layout.metrics), layout.slots
    state = np.frombuffer(data, count=len(slots), offset=8 * n_metrics)
    n_trades, n_fills, n_points = int(state[slots.index("N_TRADES")]), _NO_FILLS, 0
    if flags & TRADES:
        n_fills = _FROM_TRADES
    elif flags & FILLS:
        n_fills = int(state[slots.index("N_FILLS")])
    elif flags & POINTS:
        n_points = (len(data) - 8 * (n_metrics + len(slots) + n_trades * layout.width)) // 4
    return Thawed(static, bars, (params, static.symbol, len(bars), n_trades, n_fills, n_points), data)


class Thawed:
    """A frozen result as the writer needs it.

    Parameters
    ----------
    head
        ``(params, symbol, n_bars, n_trades, n_fills, n_points)``; ``n_fills`` is -1 where there are none, and -2 where
        the trades stand for them.
    data
        Metrics, state, trades, fills and points, one after the other.

    Attributes
    ----------
    bars
        The bars it ran on.
    """

    def __init__(self, static: Static, bars: Bars, head: Any, data: bytes) -> None:
        self._params, self._symbol, self._n_bars, n_trades, n_fills, n_points = head
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
        self._fills = take(max(n_fills, 0) * layout.width).reshape(-1, layout.width)
        self._points = take(n_points, np.float32)
        self._n_fills = n_fills
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
                "params": dict(self._params),
                "fingerprint": content["strategy"]["fingerprint"],
            },
            "settings": content["settings"],
            "data": {
                "name": str(self._symbol),
                "hash": self.bars.digest,
                "start": start.isoformat(),
                "end": end.isoformat(),
                "bars": self._n_bars,
                **({"stamp": content["stamp"]} if "stamp" in content else {}),
                "bars_without_prices": self.bars.n_invalid,
            },
            "periods_per_year": self.stats["periods_per_year"],
            "fill_rule": content["fill_rule"],
            "code_version": content["code_version"],
            # Spools of earlier versions have none.
            "notes": content.get("notes", []),
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
        if self._n_fills == _NO_FILLS:
            return expand_curve(self._points, self._n_bars)
        from peak_kernels import slots as t

        bar, signed, price, fee = (
            self._fills_of_trades() if self._n_fills == _FROM_TRADES else self._own_fills()
        )
        changes = -signed * price - fee
        # Entry 0 is the time before the first fill.
        cash = np.cumsum(np.concatenate(([self._static.settings[t.INITIAL_CASH]], changes)))
        position = np.cumsum(np.concatenate(([0.0], signed)))
        last = np.searchsorted(bar, np.arange(self._n_bars), side="right")
        held = position[last]
        # What is left of a closed position is rounding.
        held[np.abs(held) < 1e-12 * max(float(np.abs(position).max()), 1e-300)] = 0.0
        mark = np.where(held == 0.0, 0.0, self.bars.mark)
        curve = cash[last] + held * mark
        final = self.stats["final_equity"]
        if len(curve) and abs(curve[-1] - final) > TOLERANCE * max(abs(final), 1.0):
            logger.warning("the curve of the fills ends at %r, the backtest at %r", curve[-1], final)
        return curve

    def _own_fills(self) -> Any:
        """Bar, signed size, price and fee of each fill."""
        rows = dict(zip(self._static.layout.fills, self._fills.T, strict=False))
        return rows["bar"], rows["side"] * rows["size"], rows["price"], rows["fee"]

    def _fills_of_trades(self) -> Any:
        """The same of the entry and the exit of each trade, and of the entry of the open one."""
        from peak_kernels import slots as t

        outcome, settings = self._result._outcome, self._static.settings
        rows, state = dict(zip(t.TRADE_COLUMNS, outcome.trades.T, strict=True)), outcome.state
        signed, entry = rows["side"] * rows["size"], rows["entry_price"]
        # Entries pay the ordinary rate; see ``fee_of`` in the kernels.
        fee = rows["size"] * (entry * settings[t.RATE] + settings[t.FEE_PER_UNIT]) + settings[t.FEE_FIXED]
        fee = np.maximum(fee, settings[t.FEE_MINIMUM])
        columns = (
            (rows["entry_bar"], rows["exit_bar"]),
            (signed, -signed),
            (entry, rows["exit_price"]),
            (fee, rows["fees"] - fee),
        )
        pairs = [np.column_stack(column).reshape(-1) for column in columns]
        if state[t.UNITS] == 0.0:
            return pairs
        price = state[t.ENTRY_VALUE] / state[t.ENTRY_UNITS]
        still = (state[t.ENTRY_BAR], state[t.UNITS], price, state[t.TRADE_FEES])
        return [np.append(column, value) for column, value in zip(pairs, still, strict=True)]
