"""Which number of a captured backtest is where: by name, as the version that wrote it had them.

A spool may be read by a later version than the one that wrote it, whose kernels have more slots, columns and figures.
So the spool says the names of what its arrays hold, and the reader puts each number where its own version has that
name.  Spools of format 1 do not say it; what they hold is written down here.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_SLOTS_1 = """
INITIAL_CASH FILL_AT_CLOSE BOTH_HIT ENTRY_BAR_STOPS RATE MAKER_RATE FEE_FIXED FEE_MINIMUM FEE_PER_UNIT
SLIPPAGE_RATE SLIPPAGE_ABSOLUTE STOP_LOSS TAKE_PROFIT TRAILING STOP_ABSOLUTE WATERMARK SIZE_MODE SIZE_VALUE
SIZE_MAX_POSITION SIZE_MIN_VALUE LOT_SIZE MIN_SIZE LEVERAGE MAX_POSITION MAX_DRAWDOWN_LIMIT DAILY_LOSS_LIMIT
PERIODS_PER_YEAR RISK_FREE WEIGHT_TARGETS ENTER_ONLY_FLAT SIZE_WINDOW SIZE_FALLBACK SIZE_LEAST CASH UNITS
PREVIOUS_EQUITY SUM_RETURN SUM_RETURN_SQUARED SUM_DOWNSIDE_SQUARED PEAK_EQUITY WORST_RATIO BEST_PRICE
ENTRY_VALUE ENTRY_UNITS EXIT_VALUE EXIT_UNITS TRADE_FEES TRADE_SLIPPAGE TOTAL_FEES TOTAL_SLIPPAGE GROSS_WIN
GROSS_LOSS SUM_PNL SUM_PNL_SQUARED DAY_EQUITY SUM_TRADE_RETURN BAR SCAN_FROM ENTRY_BAR N_ORDERS N_FILLS
N_TRADES N_WINS N_REJECTED N_CUT N_FILLED N_AMBIGUOUS BARS_IN_MARKET HALTED HALTED_DAY CURRENT_DAY N_CANCELLED
SIZED_FRACTION SUM_WIN_RETURN SUM_LOSS_RETURN
"""
_METRICS_1 = """
final_equity total_return cagr volatility sharpe sortino calmar max_drawdown recovery_factor exposure
total_trades closed_trades win_rate profit_factor expectancy sqn average_trade_return total_fees
total_slippage total_orders filled_orders rejected_orders ambiguous_bars max_drawdown_duration ulcer_index
"""
_TRADES_1 = "side entry_bar exit_bar entry_price exit_price size fees slippage gross_pnl net_pnl exit_reason"
_FILLS_1 = "order_id bar side size price fee slippage reason"
_KINDS_1 = (
    "signal stop_loss take_profit trailing_stop liquidation risk_limit open end_of_data order close child"
)


@dataclass(frozen=True)
class Layout:
    """Names of what arrays hold, in order.

    Attributes
    ----------
    metrics
        Figures of the metrics array.
    slots
        Numbers of the state; the settings are the first of them.
    trades, fills
        Columns of the records.
    width
        Columns of a row of records, those without a name at the end among them.
    kinds
        Names of the exit reasons, by their code.
    """

    metrics: tuple[str, ...]
    slots: tuple[str, ...]
    trades: tuple[str, ...]
    fills: tuple[str, ...]
    width: int
    kinds: tuple[str, ...]

    def state_now(self, state: Any) -> Any:
        """State as this version has it; zero where the writer had no such slot (see :meth:`unknown`)."""
        now = current()
        return state if now.slots == self.slots else _moved(state, self.slots, now.slots, 0.0)

    def settings_now(self, settings: Any) -> Any:
        """Settings as this version has them; a setting that the writer did not have is off."""
        now = current()
        if now.slots == self.slots:
            return settings
        from peak_kernels import slots as t

        return _moved(settings, self.slots[: len(settings)], now.slots[: t.N_SETTINGS], 0.0)

    def metrics_now(self, metrics: Any) -> Any:
        """Figures as this version has them; zero where the writer had none (see :meth:`unknown`)."""
        now = current()
        return metrics if now.metrics == self.metrics else _moved(metrics, self.metrics, now.metrics, 0.0)

    def unknown(self) -> frozenset[str]:
        """Figures of this version that the writer did not count: they are left out, and not said to be zero."""
        now = current()
        counted = {slot.lower() for slot in now.slots if slot not in self.slots}
        return frozenset(counted | (set(now.metrics) - set(self.metrics)))

    def trades_now(self, rows: Any) -> Any:
        """Trades as this version has them; zero in columns that the writer did not have."""
        now = current()
        if (now.trades, now.width, now.kinds) == (self.trades, self.width, self.kinds):
            return rows
        moved = np.zeros((len(rows), now.width))
        for place, name in enumerate(now.trades):
            if name in self.trades:
                moved[:, place] = rows[:, self.trades.index(name)]
        reason = now.trades.index("exit_reason")
        codes = np.array([now.kinds.index(name) for name in self.kinds], dtype=np.float64)
        moved[:, reason] = codes[moved[:, reason].astype(np.int64)]
        return moved


def _moved(values: Any, names: Sequence[str], wanted: Sequence[str], missing: float) -> Any:
    known = dict(zip(names, values, strict=True))
    return np.array([known.get(name, missing) for name in wanted], dtype=np.float64)


@functools.cache
def current() -> Layout:
    """The layout of this version's kernels."""
    # Not at the top: a tracker is built without the kernels.
    from peak_fast.metrics import METRICS
    from peak_fast.results import KINDS
    from peak_kernels import slots as t

    names = list(vars(t))
    between = names[names.index("INITIAL_CASH") : names.index("N_STATE")]
    slots: list[str] = []
    for name in between:
        # In their order; other names of a slot, counts and choices stand among them.
        if name != "N_SETTINGS" and getattr(t, name) == len(slots):
            slots.append(name)
    return Layout(METRICS, tuple(slots), t.TRADE_COLUMNS, t.FILL_COLUMNS, t.RECORD_WIDTH, KINDS)


@functools.cache
def spooled() -> tuple[Any, ...]:
    """The layout of this version in the form that the spool holds."""
    now = current()
    names = (now.metrics, now.slots, now.trades, now.fills, now.kinds)
    return (now.width, *(" ".join(some) for some in names))


def layout_of(content: Any) -> Layout:
    """The layout that a spool holds; that of format 1 where it holds none."""
    if content is None:
        return FORMAT_1
    width, *names = content
    metrics, slots, trades, fills, kinds = (tuple(some.split()) for some in names)
    return Layout(metrics, slots, trades, fills, int(width), kinds)


FORMAT_1 = layout_of((11, _METRICS_1, _SLOTS_1, _TRADES_1, _FILLS_1, _KINDS_1))
