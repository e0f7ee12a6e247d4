"""Figures of an order-level run: counts, sums, and what ties its trades to its equity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    from peak_fast.orders.inputs import Inputs
    from peak_fast.orders.memory import Records


def order_stats(run: Inputs, records: Records) -> dict[str, float]:
    """Dict behind `OrderResult.stats`.

    ``final_equity = initial_cash + net_pnl of all closed trades + open_pnl + cash_interest`` (`docs/orders.md`).
    """
    status = records.book[:, f.O_STATUS]
    equity = np.concatenate(([run.initial_cash], records.equity))
    peaks = np.maximum.accumulate(equity)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawdown = np.where(peaks > 0.0, equity / peaks - 1.0, 0.0)
    return {
        "initial_cash": run.initial_cash,
        "final_equity": float(equity[-1]),
        "total_return": float(equity[-1] / run.initial_cash - 1.0),
        "max_drawdown": float(drawdown.min()),
        "total_orders": int(status.size),
        "filled_orders": int((status == f.FILLED).sum()),
        "cancelled_orders": int((status == f.CANCELLED).sum()),
        "expired_orders": int((status == f.EXPIRED).sum()),
        "rejected_orders": int((status == f.REJECTED).sum()),
        "fills": int(records.fills.shape[0]),
        "closed_trades": int(records.trades.shape[0]),
        "total_fees": float(records.fills[:, f.F_FEE].sum()),
        "total_slippage": float(records.fills[:, f.F_SLIPPAGE].sum()),
        "total_interest": float(records.state[f.S_INTEREST]),
        "total_funding": float(records.state[f.S_FUNDING]),
        "cash_interest": float(records.state[f.S_CASH_INTEREST]),
        "written_off": float(records.state[f.S_WRITTEN_OFF]),
        "open_pnl": float(open_results(run, records).sum()),
        "ambiguous_bars": int(records.state[f.S_AMBIGUOUS]),
    }


def open_results(run: Inputs, records: Records) -> FloatArray:
    """Net result so far of each lot that is open at the end, at the last mark: entry fee and financing included."""
    lots = records.lots[records.lots[:, f.L_OPEN] > 0.0]
    asset = lots[:, f.L_ASSET].astype(np.int64)
    # A ruin is the end: what it left open is worth what it was at its close.
    last = int(records.charges[-1, f.H_BAR]) if records.state[f.S_STOPPED] > 0.0 else -1
    mark = np.array([bars.mark[last] for bars in run.bars])[asset]
    multiplier, margin = np.array([(item.multiplier, item.margin) for item in run.assets])[asset].T
    size, entry = lots[:, f.L_SIZE], lots[:, f.L_PRICE]
    gain: FloatArray = size * (mark - entry) * multiplier
    if run.prices.rate.size:
        rate = run.prices.rate[asset, last]
        rate = np.where(np.isnan(rate), 1.0 / mark, rate)
        paid = size * (mark * rate - entry * lots[:, f.L_RATE]) * multiplier
        settled = run.rules.ledger == "settled"
        gain = gain * rate if settled else np.where(margin > 0.0, lots[:, f.L_SETTLED], paid)
    net: FloatArray = gain - lots[:, f.L_FEE] + lots[:, f.L_FINANCING]
    return net
