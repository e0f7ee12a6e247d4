"""From bars, decisions and settings to one call of the kernel; shared by single runs and sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.data import Bars
from peak_fast.metrics import METRICS
from peak_fast.simulation.decisions import Decisions, block_decisions, rule_decisions
from peak_fast.simulation.tables import calendar_table, prices_for, rows_for
from peak_fast.strategies import RuleStrategy
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

    @classmethod
    def of(
        cls, bars: Bars, settings: FloatArray, decisions: Decisions, strategy: Any, params: Mapping[str, Any]
    ) -> Replay:
        """Keep what is small: rows of indicators are computed again."""
        if len(decisions.rules) == 0 and decisions.block is None:
            return cls(bars, settings, decisions)
        return cls(bars, settings, None, strategy, dict(params))

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
        return float(run_single(self.bars, decisions, settings).curve[t.CURVE_EQUITY, -1])


@dataclass(frozen=True, slots=True)
class Outcome:
    """Arrays of one finished run."""

    metrics: FloatArray
    curve: FloatArray
    state: FloatArray
    orders: FloatArray
    fills: FloatArray
    trades: FloatArray


def call_kernel(
    bars: Bars,
    calendar: IntArray,
    decisions: Decisions,
    settings: FloatArray,
    scratch: tuple[FloatArray, FloatArray, FloatArray],
    out: FloatArray,
) -> None:
    """Run one configuration: ``settings`` and ``out`` have one row, ``scratch = (state, records, curve)``."""
    if decisions.block is not None:
        from peak_fast.simulation.blocks import run_block

        run_block(decisions.block, prices_for(bars, settings[0]), calendar, settings, scratch, out)
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
    )


def run_single(bars: Bars, decisions: Decisions, settings: FloatArray) -> Outcome:
    """One configuration with curve and records."""
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
