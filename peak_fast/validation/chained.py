"""Runs that follow one another in one account, each with settings of its own, as one result.

Each begins flat with what the one before left, so their curves and records put one after the other are those of
one account; statistics are made of these by the functions of `peak_fast.metrics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from peak_fast import metrics as _metrics
from peak_fast.data import Bars
from peak_fast.metrics import METRICS
from peak_fast.results import BacktestResult, unit_values
from peak_fast.settings import VARIABLE, checked_values
from peak_fast.simulation import NO_CHARGES, Decisions, Outcome, given_decisions, payments_in, run_single
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray

# Counters and sums of a run's state that add up over runs.
_ADDED = (
    t.SUM_RETURN, t.SUM_RETURN_SQUARED, t.SUM_DOWNSIDE_SQUARED, t.TOTAL_FEES, t.TOTAL_SLIPPAGE, t.GROSS_WIN,
    t.GROSS_LOSS, t.SUM_PNL, t.SUM_PNL_SQUARED, t.SUM_TRADE_RETURN, t.N_ORDERS, t.N_FILLS, t.N_TRADES, t.N_WINS,
    t.N_REJECTED, t.N_CUT, t.N_FILLED, t.N_AMBIGUOUS, t.BARS_IN_MARKET, t.N_CANCELLED, t.SUM_WIN_RETURN,
    t.SUM_LOSS_RETURN, t.TOTAL_INTEREST, t.TOTAL_FUNDING, t.CASH_INTEREST, t.WRITTEN_OFF,
)  # fmt: skip
_STATES = {
    "total_fees": t.TOTAL_FEES, "total_slippage": t.TOTAL_SLIPPAGE, "total_orders": t.N_ORDERS,
    "filled_orders": t.N_FILLED, "rejected_orders": t.N_REJECTED, "ambiguous_bars": t.N_AMBIGUOUS,
    "total_interest": t.TOTAL_INTEREST, "total_funding": t.TOTAL_FUNDING, "closed_trades": t.N_TRADES,
    "total_trades": t.N_TRADES,
}  # fmt: skip
_BAR_COLUMNS = {
    "orders": [t.ORDER_COLUMNS.index(name) for name in ("bar", "fill_bar")],
    "fills": [t.FILL_COLUMNS.index("bar")],
    "trades": [t.TRADE_COLUMNS.index(name) for name in ("entry_bar", "exit_bar")],
    "charges": [p.CHARGE_COLUMNS.index("bar")],
}


class Link(NamedTuple):
    """One run of a chain.

    Attributes
    ----------
    start, stop
        Its bars, the first of which is the last one before its window.
    decisions
        At bars counted from ``start``.
    settings
        The kernel's flat vector; the cash of it is replaced.
    """

    start: int
    stop: int
    decisions: Decisions
    settings: FloatArray


def settings_of(engine: Any, part: Bars, varied: Mapping[str, Any], *, weights: bool) -> FloatArray:
    """The kernel's flat vector of a run with some settings changed by name."""
    flat: FloatArray = engine.settings.vector(part, weights=weights, financed=True, varied=varied).copy()
    sizing = type(engine.settings.sizing).__name__
    known = {name: checked_values(name, [value], flat, sizing)[0] for name, value in varied.items()}
    for name, value in known.items():
        for slot in VARIABLE[name].slots:
            flat[slot] = value / VARIABLE[name].unit
    return flat


def chained(
    engine: Any, bars: Bars, links: Sequence[Link], item: Any, notes: Sequence[str], *, weights: bool
) -> Any:
    """One result of runs that follow one another, from the first bar of the first on."""
    first, last = links[0].start, links[-1].stop
    paid = engine.settings.financing is not None
    curve = np.empty((3, last - first))
    records: dict[str, list[FloatArray]] = {name: [] for name in _BAR_COLUMNS if paid or name != "charges"}
    state = np.zeros(t.N_STATE)
    cash, at = float(engine.initial_cash), 0
    for link in _waiting(links) if paid else links:
        begin = link.start - first
        curve[:, at:begin] = [[cash], [cash], [0.0]]
        flat = link.settings.copy()
        flat[t.INITIAL_CASH] = cash
        outcome = _run(engine, bars, link, flat, follows=at > 0)
        curve[:, begin : link.stop - first] = outcome.curve
        _add(records, outcome, begin, int(state[t.N_ORDERS]))
        state[list(_ADDED)] += outcome.state[list(_ADDED)]
        cash, at = float(outcome.curve[t.CURVE_EQUITY, -1]), link.stop - first
    part = bars.slice(first, last)
    settings = engine.settings.vector(part, weights=weights, financed=True)
    tables = {name: np.concatenate(found) for name, found in records.items()}
    state[t.CASH] = state[t.PREVIOUS_EQUITY] = cash
    units = unit_values(curve[t.CURVE_EQUITY], tables.get("charges", NO_CHARGES), float(engine.initial_cash))
    figures = _figures((units, curve), tables["trades"], state, settings, engine)
    joined = Outcome(figures, curve, state, **tables)
    used = {**engine.settings.shown("weights" if weights else "sides"), "varied": "by fold"}
    return BacktestResult(
        part, joined, settings, f"{item.name}, walked forward", {}, used, bars.name, item, notes=tuple(notes)
    )


def _waiting(links: Sequence[Link]) -> list[Link]:
    """Links each of which begins with the last bar of the one before: cash gets interest while nothing is held."""
    found = [links[0]]
    for link in links[1:]:
        start = found[-1].stop - 1
        at = link.decisions.bar_of[: link.decisions.count] + (link.start - start)
        decisions = given_decisions(at, link.decisions.target_of[: link.decisions.count])
        found.append(link._replace(start=start, decisions=decisions))
    return found


def _run(engine: Any, bars: Bars, link: Link, flat: FloatArray, *, follows: bool) -> Outcome:
    """Run one link; what was due at the first bar of one that ``follows`` another has been paid there."""
    payments = payments_in(engine.settings, bars, (link.start, link.stop))
    if payments is not None and follows:
        payments = replace(payments, dues=payments.dues[payments.dues[:, p.D_BAR] > 0.0])
    return run_single(bars.slice(link.start, link.stop), link.decisions, flat, payments)


def _add(records: dict[str, list[FloatArray]], outcome: Outcome, begin: int, orders: int) -> None:
    """Append a run's records, with bars and numbers of orders counted from the first run on."""
    for name, found in records.items():
        table, columns = getattr(outcome, name).copy(), _BAR_COLUMNS[name]
        for column in columns:
            # An order that never filled has no bar.
            table[:, column] = np.where(table[:, column] < 0.0, table[:, column], table[:, column] + begin)
        if name == "fills":
            table[:, t.FILL_COLUMNS.index("order_id")] += orders
        found.append(table)


def _figures(
    curves: tuple[FloatArray, FloatArray],
    trades: FloatArray,
    state: FloatArray,
    settings: FloatArray,
    engine: Any,
) -> FloatArray:
    """Metrics in the kernel's order; ``curves``: what a unit of the account is worth, and the whole account."""
    units, curve = curves
    equity = curve[t.CURVE_EQUITY]
    returns = _metrics.returns_from_equity(units, float(engine.initial_cash))
    known = _metrics.return_statistics(returns, float(settings[t.PERIODS_PER_YEAR]), engine.risk_free)
    pnl = trades[:, t.TRADE_COLUMNS.index("net_pnl")]
    known["final_equity"], known["exposure"] = (
        float(equity[-1]),
        float((curve[t.CURVE_POSITION] != 0.0).mean()),
    )
    known |= {name: float(state[slot]) for name, slot in _STATES.items()}
    for name in ("win_rate", "profit_factor", "expectancy", "sqn"):
        known[name] = getattr(_metrics, name)(pnl)
    count = state[t.N_TRADES]
    known["average_trade_return"] = float(state[t.SUM_TRADE_RETURN] / count) if count else float("nan")
    return np.array([known[name] for name in METRICS])
