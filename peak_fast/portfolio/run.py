"""One call of the portfolio kernel: room for its records, and what comes back."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.errors import DataError
from peak_fast.metrics import METRICS
from peak_fast.portfolio.parts import NO_CHARGES, Outcome
from peak_fast.portfolio.placing import places_orders
from peak_fast.portfolio.rules import WeightFunction
from peak_fast.portfolio.setup import Setup, described, setup_of, with_band
from peak_fast.portfolio.targets import TargetWeights, provides_weights, target_weights
from peak_fast.results import flow_notes
from peak_fast.simulation import NO_DUES
from peak_fast.strategies import PanelBlock, complete_params
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.entries import run_portfolio as _run

if TYPE_CHECKING:
    from peak_fast.data import Panel
    from peak_fast.portfolio.result import PortfolioResult
    from peak_fast.settings import EngineSettings, PortfolioRules

_SAME = 1e-10
"""Weights that differ by less are the same to a rule that trades on changes."""
_ROOM = threading.local()


def run_portfolio(
    settings: EngineSettings, panel: Panel, what: Any, params: Mapping[str, Any], name: str | None = None,
    varied: Mapping[str, Any] | None = None,
) -> PortfolioResult:  # fmt: skip
    """Run target weights of a panel's assets through one account.

    ``varied`` are settings by name that a sweep has changed.

    Raises
    ------
    DataError, StrategyError, ConfigError
        Weights or settings that cannot be used.
    """
    from peak_fast.portfolio.result import PortfolioResult

    if places_orders(what):
        from peak_fast.portfolio.ordered import run_orders

        return run_orders(settings, panel, what, params, name, varied)
    if varied:
        from peak_fast.settings import varied_portfolio

        settings = varied_portfolio(settings, varied)
    setup = setup_of(panel, settings)
    if callable(what) and not provides_weights(what):
        what = WeightFunction(what)
    # A frame of Polars has a schema, too.
    block = isinstance(what, PanelBlock)
    declared = block or (provides_weights(what) and hasattr(what, "schema"))
    values = complete_params(what, params) if declared else dict(params)
    targets = _decided(panel, setup, what, values) if block else target_weights(panel, what, values)
    check_sums(panel, targets, setup.portfolio)
    setup = with_band(setup, targets)
    outcome = simulate(panel, setup, targets)
    label = getattr(what, "name", None) if block or hasattr(what, "weights") else None
    used = described(setup, settings)
    if varied:
        used, values = {**used, "varied": dict(varied)}, {**values, **varied}
    return PortfolioResult(
        panel, outcome, setup.settings, str(label or "weights"), values, used,
        name or panel.name, what if label else None,
        targets.notes + setup.dues.notes + flow_notes(outcome.equity, outcome.charges, setup.settings[t.INITIAL_CASH]),
        targets.identity,
    )  # fmt: skip


def _decided(panel: Panel, setup: Setup, block: PanelBlock, values: Mapping[str, Any]) -> TargetWeights:
    """Weights of a block; what compiles blocks is loaded for one only."""
    from peak_fast.portfolio.deciding import decided

    return decided(panel, setup, block, values)


def check_sums(panel: Panel, targets: TargetWeights, rules: PortfolioRules) -> None:
    """Refuse rows that need more than the account has, unless the rules say what becomes of them.

    Raises
    ------
    DataError
        Weights that sum to more than the leverage.
    """
    limited = rules.max_gross is not None and rules.max_gross <= (rules.leverage or 1.0)
    if rules.over_invested == "allowed" or limited or not targets.rows.size:
        return
    if targets.most is not None and targets.most <= (rules.leverage or 1.0):
        return
    weights = targets.weights
    counted = weights if rules.buying_power == "cash" else np.abs(weights)
    sums = counted.sum(axis=1)
    if np.isnan(sums).any():
        sums = np.nansum(counted, axis=1)
    most = rules.leverage or 1.0
    if sums.max() <= most * (1.0 + 1e-9):
        return
    over = np.flatnonzero(sums > most * (1.0 + 1e-9))
    bar = int(targets.rows[over[0]])
    when = f"{panel.timestamp[bar]:%Y-%m-%d %H:%M}" if panel.has_time else f"bar {bar}"
    hint = "they look like percentages: divide by 100" if sums[over[0]] > 10.0 * most else "scale them"
    raise DataError(
        f"the weights: expected {'' if rules.buying_power == 'cash' else 'absolute '}weights that sum to at most "
        f"{most:g} (the leverage); got {sums[over[0]]:g} in {over.size} of {sums.size} rows, the first at {when}; "
        f"{hint}, raise Execution(leverage=), limit them with PortfolioRules(max_gross=), or trade them as far "
        'as money goes with PortfolioRules(over_invested="allowed")'
    )


def rows_of(panel: Panel, targets: TargetWeights, rule: str) -> tuple[IntArray, IntArray]:
    """Deciding bars, and the row of weights of each, by the rule on when weights trade."""
    rows = targets.rows
    picks: Any = np.arange(rows.size)
    if rule == "rows" or rows.size == 0:
        return rows, picks
    if rule == "changes":
        with np.errstate(invalid="ignore"):
            moved = np.abs(np.diff(targets.weights, axis=0))
        gaps = np.isnan(targets.weights)
        changed = ((moved > _SAME) | (gaps[1:] != gaps[:-1])).any(axis=1)
        picks = np.flatnonzero(np.concatenate([[True], changed]))
        return rows[picks], picks
    every = np.arange(rows[0], len(panel))
    return every, np.searchsorted(rows, every, side="right") - 1


def _room(
    rows: int, assets: int
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray, FloatArray]:
    """Memory of this thread for trades, events and what the assets need; it is written anew by each run."""
    kept = getattr(_ROOM, "kept", None)
    if kept is None or kept[0].shape[0] < rows or kept[2].shape[0] != assets:
        kept = _ROOM.kept = (
            np.empty((rows, len(p.TRADE_COLUMNS))),
            np.empty((rows, len(p.EVENT_COLUMNS))), np.empty((assets, p.N_CELLS)),
            np.empty((p.N_LISTS, assets), dtype=np.int64), np.empty(p.N_COUNTS, dtype=np.int64),
            np.empty((p.N_SHEET, assets)),
        )  # fmt: skip
    room: tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray, FloatArray] = kept
    return room


def simulate(panel: Panel, setup: Setup, targets: TargetWeights) -> Outcome:
    """Run the kernel, with curve and records."""
    rows, picks = rows_of(panel, targets, setup.portfolio.rebalance)
    financed = setup.dues is not NO_DUES
    curve = np.empty((p.N_CURVES if financed else 1, len(panel)))
    sums, charges = np.empty(p.N_SUMS), NO_CHARGES
    state, metrics = np.empty(t.N_STATE), np.empty(len(METRICS))
    # Each weight is one order and, when it is gone, another one; a split or a reinvestment is one, too.
    needed = 2 * int(np.count_nonzero(targets.weights)) + panel.n_assets + len(setup.dues.dues) + 64
    while True:
        trades, events, cells, lists, counts, sheet = _room(needed, panel.n_assets)
        orders = np.empty((needed, len(p.ORDER_COLUMNS)))
        lists[: p.N_GIVEN_LISTS] = setup.lists
        _run(
            panel.prices, setup.spans, (rows, picks, targets.weights), (setup.settings, setup.rules, setup.terms),
            setup.days, (state, cells, lists, counts), (orders, trades, events), setup.dues.arrays(charges, sums),
            curve, metrics, sheet,
        )  # fmt: skip
        used = [int(counts[k]) for k in (p.N_RECORDS, p.N_TRADES, p.N_EVENTS)]
        paid = int(sums[p.N_CHARGES])
        if max(used) <= orders.shape[0] and paid <= charges.shape[0]:
            break
        needed = max(used)
        if paid > charges.shape[0]:
            charges = np.empty((paid, len(p.CHARGE_COLUMNS)))
    # In place: the orders are most of what a run leaves, and nobody else has seen them.
    orders.resize((used[0], orders.shape[1]), refcheck=False)
    return Outcome(
        metrics, curve[p.EQUITY], state, np.ascontiguousarray(cells[:, : p.KEPT_CELLS].T), orders,
        trades[: used[1]].copy(), events[: used[2]].copy(), charges[:paid],
        curve[p.CASH_AT].copy() if financed else None,
    )  # fmt: skip
