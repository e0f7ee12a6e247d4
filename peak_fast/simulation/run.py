"""From bars, decisions and settings to one call of the kernel; shared by single runs and sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.data import Bars
from peak_fast.metrics import METRICS
from peak_fast.simulation.decisions import Decisions, block_decisions, rule_decisions
from peak_fast.simulation.payments import Payments
from peak_fast.simulation.tables import calendar_table, prices_for, rows_for
from peak_fast.strategies import RuleStrategy
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.entries import run_configurations

# Stop first, target first (`peak_kernels.slots.BOTH_HIT`).
BOTH_HIT_RULES = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Replay:
    """What it takes to run again: decisions that were given, or a strategy that the kernel applies."""

    bars: Bars
    settings: FloatArray
    decisions: Decisions | None
    strategy: Any = None
    params: Mapping[str, Any] | None = None
    payments: Payments | None = None

    @classmethod
    def of(
        cls, bars: Bars, settings: FloatArray, decisions: Decisions, strategy: Any, params: Mapping[str, Any],
        payments: Payments | None = None,
    ) -> Replay:  # fmt: skip
        """Keep what is small: rows of indicators are computed again."""
        if len(decisions.rules) == 0 and decisions.block is None:
            return cls(bars, settings, decisions, payments=payments)
        return cls(bars, settings, None, strategy, dict(params), payments)

    def final_equity(self, both_hit: float) -> float:
        """Equity at the end under another rule for bars that reach stop and target
        (`peak_kernels.slots.BOTH_HIT`).
        """
        decisions = self.decisions
        if decisions is None:
            make = rule_decisions if isinstance(self.strategy, RuleStrategy) else block_decisions
            decisions = make(self.strategy, self.bars, self.params or {})
        settings = self.settings.copy()
        settings[t.BOTH_HIT] = both_hit
        return float(run_single(self.bars, decisions, settings, self.payments).curve[t.CURVE_EQUITY, -1])


@dataclass(frozen=True, slots=True)
class Outcome:
    """Arrays of one finished run; ``charges`` are those of its financing, where it has some."""

    metrics: FloatArray
    curve: FloatArray
    state: FloatArray
    orders: FloatArray
    fills: FloatArray
    trades: FloatArray
    charges: FloatArray | None = None


def call_kernel(
    bars: Bars,
    calendar: IntArray,
    decisions: Decisions,
    settings: FloatArray,
    scratch: tuple[FloatArray, FloatArray, FloatArray],
    out: FloatArray,
    financing: tuple[FloatArray, ...] | None = None,
) -> None:
    """Run one configuration: ``settings`` and ``out`` have one row, ``scratch = (state, records, curve)``."""
    if decisions.block is not None:
        from peak_fast.simulation.blocks import run_block

        prices = prices_for(bars, settings[0])
        run_block(decisions.block, prices, calendar, settings, scratch, out, None, financing)
        return
    given = (decisions.bar_of, decisions.target_of, decisions.count)
    run_configurations(
        rows_for(bars, settings[0]),
        calendar,
        decisions.plane,
        decisions.stride,
        decisions.rules,
        settings,
        given,
        scratch,
        out,
        None,
        financing,
    )


def run_single(
    bars: Bars, decisions: Decisions, settings: FloatArray, payments: Payments | None = None
) -> Outcome:
    """One configuration with curve and records."""
    if payments is not None:
        return run_financed(bars, decisions, settings, payments)
    calendar = calendar_table(bars, settings[t.DAILY_LOSS_LIMIT] > 0.0)
    count = len(bars)
    curve = np.empty((3, count))
    state = np.empty(t.N_STATE)
    out = np.empty((1, len(METRICS)))
    rows = count // 4 + 64
    while True:
        records = np.empty((3, rows, t.RECORD_WIDTH))
        call_kernel(bars, calendar, decisions, settings.reshape(1, -1), (state, records, curve), out)
        used = [int(state[slot]) for slot in (t.N_ORDERS, t.N_FILLS, t.N_TRADES)]
        if max(used) <= rows:
            break
        rows = max(used)
    orders, fills, trades = (records[k, :n].copy() for k, n in enumerate(used))
    return Outcome(out[0], curve, state, orders, fills, trades)


def run_financed(bars: Bars, decisions: Decisions, settings: FloatArray, payments: Payments) -> Outcome:
    """The same with financing."""
    calendar = calendar_table(bars, settings[t.DAILY_LOSS_LIMIT] > 0.0)
    count = len(bars)
    # The last row is for what a unit of the account is worth.
    curve, state, out = np.empty((4, count)), np.empty(t.N_STATE), np.empty((1, len(METRICS)))
    sums = np.empty(p.N_ASSET_SUMS)
    rows = count // 4 + 64 + len(payments.dues)
    paid = 0
    while True:
        records, charges = np.empty((3, rows, t.RECORD_WIDTH)), np.empty((rows, len(p.CHARGE_COLUMNS)))
        scratch, financing = (state, records, curve), payments.arrays(charges, sums)
        call_kernel(bars, calendar, decisions, settings.reshape(1, -1), scratch, out, financing)
        used, paid = (
            [int(state[slot]) for slot in (t.N_ORDERS, t.N_FILLS, t.N_TRADES)],
            int(sums[p.N_CHARGES]),
        )
        if max(*used, paid) <= rows:
            break
        rows = max(*used, paid)
    orders, fills, trades = (records[k, :n].copy() for k, n in enumerate(used))
    return Outcome(out[0], curve[:3], state, orders, fills, trades, charges[:paid].copy())
