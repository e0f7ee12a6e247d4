"""Statistics of a portfolio's result, and the texts that show them."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.guard import Named
from peak_fast.metrics import COUNTS, METRICS
from peak_fast.portfolio import measures as _measures
from peak_fast.results import code_version, payment_rows, payment_stats, written
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.entries import fold_holdings

if TYPE_CHECKING:
    from peak_fast.portfolio.parts import PortfolioParts

_FILLS_IN_WORDS = {
    "next_open": "next bar's open after the deciding close",
    "close": "same bar's close as the decision (assumes the close is known before it trades)",
    "next_close": "next bar's close after the deciding close",
}


def stats_of(result: PortfolioParts) -> dict[str, Any]:
    """Dict behind `PortfolioResult.stats`."""
    outcome, panel = result._outcome, result.panel
    values = Named(zip(METRICS, outcome.metrics.tolist(), strict=True))
    for name in COUNTS:
        values[name] = int(values[name])
    values["blocked_trades"] = values["rejected_orders"]
    start, end = panel.span
    values["benchmark_return"] = benchmark_of(result)
    values["initial_cash"] = float(result._settings[t.INITIAL_CASH])
    values["start"], values["end"] = start, end
    values["bars"], values["assets"] = len(panel), panel.n_assets
    values["periods_per_year"] = float(result._settings[t.PERIODS_PER_YEAR])
    values.update(_of_holdings(result))
    initial, final = values["initial_cash"], float(result.equity[-1])
    values.update(payment_stats(panel, outcome.charges, initial, final))
    return values


def _of_holdings(result: PortfolioParts) -> dict[str, Any]:
    """Statistics that a single asset does not have."""
    equity, held = _measures.equity_at_closes(result), result.exposures
    status = _measures.column(result._outcome.orders, p.ORDER_COLUMNS, "status")
    traded = float(result._outcome.cells[p.TRADED].sum())
    years = len(result.panel) / float(result._settings[t.PERIODS_PER_YEAR])
    means = np.empty(p.N_MEANS)
    fold_holdings(held, equity, means)
    found = means.tolist()
    return {
        "rebalances": len(result._outcome.events),
        "cut_orders": int(np.count_nonzero(status == p.CUT)),
        "turnover": traded / 2.0 / found[p.MEAN_EQUITY] / years if found[p.MEAN_EQUITY] else math.nan,
        "average_gross": found[p.MEAN_GROSS],
        "average_net": found[p.MEAN_NET],
        "average_holdings": found[p.MEAN_HOLDINGS],
        "effective_holdings": found[p.EFFECTIVE],
        "largest_weight": found[p.LARGEST_WEIGHT],
    }


def benchmark_of(result: PortfolioParts) -> float:
    """Return of equal amounts of all assets that have a price at the first bar, held to their last price; no costs."""
    panel = result.panel
    found: float | None = panel.memo.get("benchmark_return")
    if found is None:
        # Kept with the panel: one price from each end of every row of a large table is slow to fetch.
        there = np.flatnonzero((panel.listed == 0) & (panel.delisted > 0))
        last = panel.close[there, panel.delisted[there] - 1]
        found = float((last / panel.close[there, 0]).mean() - 1.0) if there.size else math.nan
        panel.memo["benchmark_return"] = found
    return found


def metadata_of(result: PortfolioParts) -> dict[str, Any]:
    """Dict behind `PortfolioResult.metadata`."""
    return {**described(result), "hash": result.hash}


def described(result: PortfolioParts) -> dict[str, Any]:
    """The same without the hash of the numbers, which takes about as long as the run."""
    panel = result.panel
    start, end = panel.span
    fingerprint = getattr(result._strategy, "fingerprint", None)
    return {
        "kind": "portfolio",
        "strategy": {
            "name": result.strategy_name,
            "params": dict(result.params),
            "fingerprint": fingerprint() if callable(fingerprint) else None,
            "weights": dict(result._identity),
        },
        "settings": copy.deepcopy(result._used),
        "data": {
            "name": result.symbol,
            "hash": panel.hash,
            "start": start.isoformat(),
            "end": end.isoformat(),
            "bars": len(panel),
            "assets": list(panel.symbols),
            "stamp": panel.stamp,
        },
        "periods_per_year": float(result._settings[t.PERIODS_PER_YEAR]),
        "fill_rule": fill_rule(result),
        "code_version": code_version(),
        "notes": list(result.notes),
    }


def fill_rule(result: PortfolioParts) -> str:
    """When orders filled, in words."""
    if "order_book" in result._used:
        at = result._used["portfolio"]["fill_at"]
        return f"each order by its type; market orders: {_FILLS_IN_WORDS.get(at, at)}"
    return _FILLS_IN_WORDS[result._used["portfolio"]["fill_at"]]


def summary_rows(result: PortfolioParts) -> list[tuple[str, str]]:
    """Labels and texts of the summary."""
    stats = result.stats
    percent, number = written(stats)
    return [
        ("Period", f"{stats['start']:%Y-%m-%d} to {stats['end']:%Y-%m-%d}, {stats['bars']} bars"),
        ("Assets", f"{stats['assets']}, {stats['average_holdings']:.1f} held on average"),
        ("Fill rule", fill_rule(result)),
        ("Final equity", f"{stats['final_equity']:,.2f}"),
        ("Total return", percent("total_return")),
        ("All, held equally", percent("benchmark_return")),
        ("CAGR", percent("cagr")),
        ("Volatility", percent("volatility")),
        ("Sharpe", number("sharpe")),
        ("Sortino", number("sortino")),
        ("Calmar", number("calmar")),
        ("Max drawdown", f"{percent('max_drawdown')} ({stats['max_drawdown_duration']} bars under water)"),
        ("Gross, net", f"{percent('average_gross')}, {percent('average_net')} on average"),
        ("Largest weight", percent("largest_weight")),
        ("Turnover a year", percent("turnover")),
        ("Trades", f"{stats['total_trades']} ({stats['closed_trades']} closed)"),
        ("Win rate", percent("win_rate")),
        ("Profit factor", number("profit_factor")),
        ("Fees, slippage", f"{stats['total_fees']:,.2f}, {stats['total_slippage']:,.2f}"),
        *payment_rows(stats),
        ("Orders", f"{stats['total_orders']}: {stats['cut_orders']} cut, {stats['rejected_orders']} refused"),
        *(("Note", note) for note in result.notes),
    ]
