"""What follows from the charges of financing: their sums, what a unit of the account is worth, returns of the money.

Charges: float64[payment, columns of `peak_kernels.portfolio_slots.CHARGE_COLUMNS`].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_kernels import portfolio_slots as p
from peak_kernels.arrays import FloatArray, IntArray


def column(rows: FloatArray, name: str) -> FloatArray:
    """One column of charges."""
    found: FloatArray = rows[:, p.CHARGE_COLUMNS.index(name)]
    return found


def charged(charges: FloatArray, *kinds: int) -> float:
    """Sum of the payments of some kinds, as the account got them."""
    if not len(charges):  # as nearly always
        return 0.0
    return float(column(charges, "amount")[np.isin(column(charges, "kind"), kinds)].sum())


def flows_of(charges: FloatArray) -> tuple[IntArray, FloatArray]:
    """Bars with deposits or withdrawals, and their amounts."""
    if not len(charges):
        return np.empty(0, dtype=np.int64), np.empty(0)
    rows = charges[column(charges, "kind") == p.CASH_FLOW]
    return column(rows, "bar").astype(np.int64), column(rows, "amount")


def unit_values(equity: FloatArray, charges: FloatArray, initial: float) -> FloatArray:
    """Equity as a unit of the account has it, float64[bar]: money that comes or goes is no gain and no loss."""
    flows = flows_at(equity, charges, initial)
    if not flows:
        return equity
    factors = np.ones(equity.size)
    for bar, before, amount in flows:
        if before > 0.0 and before + amount > 0.0:
            factors[bar] *= before / (before + amount)
    values: FloatArray = equity * np.cumprod(factors)
    return values


def flows_at(equity: FloatArray, charges: FloatArray, initial: float) -> list[tuple[int, float, float]]:
    """Bar of each deposit or withdrawal, what the account was worth before it, and its amount."""
    bars, amounts = flows_of(charges)
    found = []
    added = 0.0
    for k, bar in enumerate(bars.tolist()):
        added = 0.0 if k == 0 or bars[k - 1] != bar else added + float(amounts[k - 1])
        found.append((bar, (float(equity[bar - 1]) if bar else initial) + added, float(amounts[k])))
    return found


def flow_notes(equity: FloatArray, charges: FloatArray | None, initial: float) -> tuple[str, ...]:
    """A word on money that came into an account at or below zero, or took it there: no return links the two sides."""
    if charges is None or not len(charges):
        return ()
    flows = flows_at(equity, charges, initial)
    lost = [one for one in flows if one[1] <= 0.0 or one[1] + one[2] <= 0.0]
    if not lost:
        return ()
    bar, before, amount = lost[0]
    said = (
        f"Financing.cash_flows: {len(lost)} of {len(flows)} came at an equity at or below zero, or took it there, the "
        f"first {amount:g} at {before:g} in bar {bar}: no share of it, so total_return and cagr take it for a gain or "
        "a loss; see money_weighted_return"
    )
    return (said,)


def units_of(result: Any) -> FloatArray:
    """What a unit of the account was worth at each close, of a result of any kind: equity without what deposits added.

    One is the initial cash.
    """
    values: FloatArray = result._course().values
    return values


def _grown_a_year(grown: float, years: float) -> float:
    """Growth of a year; of a few bars it may be beyond float64, which is infinity as in `metrics.cagr`."""
    try:
        return math.pow(grown, 1.0 / years) - 1.0
    except OverflowError:
        return math.inf


def money_weighted(prices: Any, charges: FloatArray, initial: float, final: float) -> float:
    """Yearly rate that discounts flows and the final equity to the initial cash, act/365; NaN: there is none."""
    bars, amounts = flows_of(charges)
    if not prices.has_time:
        return math.nan
    day = prices.day
    whole = float(day[-1] - day[0]) / 365.0
    if whole <= 0.0:
        return math.nan
    if not bars.size:
        return _grown_a_year(final / initial, whole) if final > 0.0 else math.nan
    years = (day - day[0]) / 365.0
    from scipy.optimize import brentq

    def missing(rate: float) -> float:
        discounts = (1.0 + rate) ** -years
        return float(final * discounts[-1] - (amounts * discounts[bars]).sum() - initial)

    grid = np.concatenate([np.linspace(-0.99, 1.0, 40), np.geomspace(1.1, 1e6, 40)])
    signs = np.sign([missing(rate) for rate in grid])
    changes = np.flatnonzero(signs[1:] != signs[:-1])
    if not changes.size:
        return math.nan
    # Of several the one nearest to nothing.
    at = min(changes.tolist(), key=lambda k: abs(grid[k]))
    return float(brentq(missing, grid[at], grid[at + 1], xtol=1e-14, rtol=1e-14))


def payment_stats(prices: Any, charges: FloatArray, initial: float, final: float) -> dict[str, float]:
    """Statistics of financing by name."""
    return {
        "cash_interest": charged(charges, p.CASH_INTEREST, p.DEBIT_INTEREST),
        "total_borrow": charged(charges, p.BORROWING),
        "total_dividends": charged(charges, p.DIVIDEND),
        "net_deposits": charged(charges, p.CASH_FLOW),
        "money_weighted_return": money_weighted(prices, charges, initial, final),
    }


def payment_rows(stats: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Lines of a summary on payments that there were."""
    rows = (
        ("Interest", stats["cash_interest"]),
        ("Borrowing", stats["total_borrow"]),
        ("Dividends", stats["total_dividends"]),
        ("Funding", stats["total_funding"]),
        ("Deposits, net", stats["net_deposits"]),
    )
    found = [(label, f"{amount:,.2f}") for label, amount in rows if amount]
    if stats["net_deposits"]:
        found.append(("Money-weighted", f"{stats['money_weighted_return']:.2%} a year"))
    return found


def split_scale(
    bars: int, charges: FloatArray, fills: FloatArray, columns: tuple[str, ...], kind: int
) -> Any:
    """What prices of a bar are multiplied by for those of all bars to be of one unit, float64[bar]; None: no splits.

    Parameters
    ----------
    fills, columns, kind
        Those of the run, what their columns are, and the number of a split among their reasons.
    """
    rows = charges[column(charges, "kind") == p.SPLIT]
    if not len(rows):
        return None
    bar, side, size, reason = (fills[:, columns.index(name)] for name in ("bar", "side", "size", "reason"))
    split = reason == kind
    ratios = 1.0 + (side * size)[split] / column(rows, "units")
    scale = np.ones(bars)
    np.multiply.at(scale, bar[split].astype(np.int64), ratios)
    return np.cumprod(scale)
