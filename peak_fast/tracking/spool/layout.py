"""Which number of a captured backtest is where: by name, as the version that wrote it had them.

A spool may be read by a later version than the one that wrote it, whose kernels have more slots, columns and figures.
So the spool says the names of what its arrays hold, and the reader puts each number where its own version has that
name.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Layout:
    """Names of what arrays hold, in order."""

    # Figures of the metrics array.
    metrics: tuple[str, ...]
    # Numbers of the state; the settings are the first of them.
    slots: tuple[str, ...]
    # Columns of the records.
    trades: tuple[str, ...]
    fills: tuple[str, ...]
    # Columns of a row of records, those without a name at the end among them.
    width: int
    # Names of the exit reasons, by their code.
    kinds: tuple[str, ...]

    def state_now(self, state: Any) -> Any:
        """State as this version has it; zero where the writer had no such slot (see :meth:`unknown`)."""
        return _moved(state, self.slots, current().slots)

    def settings_now(self, settings: Any) -> Any:
        """Settings as this version has them; a setting that the writer did not have is off."""
        from peak_kernels import slots as t

        return _moved(settings, self.slots[: len(settings)], current().slots[: t.N_SETTINGS])

    def metrics_now(self, metrics: Any) -> Any:
        """Figures as this version has them; zero where the writer had none (see :meth:`unknown`)."""
        return _moved(metrics, self.metrics, current().metrics)

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


def _moved(values: Any, names: Sequence[str], wanted: Sequence[str]) -> Any:
    if names == wanted:
        return values
    known = dict(zip(names, values, strict=True))
    return np.array([known.get(name, 0.0) for name in wanted], dtype=np.float64)


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
    """The layout that a spool holds."""
    width, *names = content
    metrics, slots, trades, fills, kinds = (tuple(some.split()) for some in names)
    return Layout(metrics, slots, trades, fills, int(width), kinds)
