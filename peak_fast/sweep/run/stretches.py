"""Sums over stretches of time for many configurations, each of which runs once: folds of windows are sums of them.

A window that begins and ends at edges of stretches has the sums of its stretches, so one run of a configuration gives
its figures in every window (`peak_fast.sweep.windows`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from peak_fast.data import Bars
from peak_fast.results import units_of
from peak_fast.settings import EngineSettings
from peak_fast.simulation import prepare_many, run_block
from peak_fast.sweep.run.batch import SMALLEST_TILE_BARS, Batch, Report, Scratch
from peak_fast.sweep.run.functions import check_columns
from peak_fast.sweep.run.settings import SettingsTable
from peak_fast.sweep.run.threads import Team, cut
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.entries import fold_stretches

PLANES = (
    "sum", "squares", "downside", "last", "high", "low", "worst", "trades", "wins", "won", "lost",
)  # fmt: skip
"""What is kept of a stretch: sums of the returns, of their squares and of the squares of those below the risk-free
rate; equity at its last close, the highest and the lowest, the lowest one as a share of an earlier one of the stretch;
trades that it closed, those of them that won, what the winners won and what the others lost."""
_EXIT_BAR, _NET_PNL = t.TRADE_COLUMNS.index("exit_bar"), t.TRADE_COLUMNS.index("net_pnl")


class StretchBatch(Batch):
    """A `Batch` of the fast path that gives the sums of stretches in place of metrics.

    Parameters
    ----------
    edges
        int64[stretches + 1]: where stretches begin, the first at 0, and the end of the last.
    """

    def __init__(
        self, shared: EngineSettings, strategy: Any, bars: Bars, edges: IntArray, *, team: Team, budget: int
    ) -> None:
        super().__init__(shared, strategy, bars, ("total_return",), team=team, budget=budget)
        self._edges = edges
        self._own = self.width
        self._needs_curve = True
        self.width = self._own + len(PLANES) * (len(edges) - 1)
        self._places = list(range(self._own, self.width))
        self._records = len(self.bars) // 4 + 64

    def _scratch(self) -> Scratch:
        room = super()._scratch()
        if room.records.shape[1] < self._records:
            room.records = np.empty((3, self._records, t.RECORD_WIDTH))
        return room

    def _folded(self, room: Scratch, row: FloatArray) -> bool:
        """Fold the run that just ended; whether its records fitted."""
        used = max(int(room.state[slot]) for slot in (t.N_ORDERS, t.N_FILLS, t.N_TRADES))
        if used > room.records.shape[1]:
            self._records = max(self._records, 2 * used)
            room.records = np.empty((3, 2 * used, t.RECORD_WIDTH))
            return False
        trades = room.records[t.TRADES, : int(room.state[t.N_TRADES])]
        closed = trades[:, _EXIT_BAR].copy(), trades[:, _NET_PNL].copy()
        terms = np.array([self.shared.initial_cash, room.state[t.RISK_FREE]])
        fold_stretches(
            self._values(room), closed, terms, self._edges, row[self._own :].reshape(len(PLANES), -1)
        )
        return True

    def _values(self, room: Scratch) -> FloatArray:
        """What a unit of the account was worth at the closes of the run that just ended; one is the initial cash."""
        equity: FloatArray = room.curve[t.CURVE_EQUITY]
        if room.financing is None or room.financing[-1][p.FLOWED] == 0.0:
            return equity
        # The kernel's units are those of the last bar, by which it has moved the initial cash, too.
        moved: FloatArray = room.curve[-1] * (self.shared.initial_cash / room.state[t.INITIAL_CASH])
        return moved

    def _kernel(
        self, calendar: Any, plane: FloatArray, stride: int, rules: Any, settings: FloatArray, room: Scratch,
        out: FloatArray,
    ) -> None:  # fmt: skip
        own = np.empty((1, self._own))
        for c, row in enumerate(out):
            mine = settings if len(settings) == 1 else settings[c : c + 1]
            while True:
                super()._kernel(calendar, plane, stride, rules[c : c + 1], mine, room, own)
                row[0] = own[0, 0]
                # What the kernel refuses has no curve.
                if row[0] != row[0] or self._folded(room, row):
                    break

    def _run_blocks(
        self, params: Mapping[str, Any], settings: SettingsTable, out: FloatArray, done: Report | None
    ) -> None:
        call = prepare_many(self.strategy, self.bars, check_columns(self.strategy, params), len(out))
        calendar, width = self._calendar(settings), self._own

        def work(tile: tuple[int, int]) -> None:
            room, own = self._scratch(), np.empty((1, width))
            found = room.results[: tile[1] - tile[0]]
            for c, row in enumerate(found, tile[0]):
                fitted = False
                while not fitted:
                    scratch = (room.state, room.records, room.curve)
                    run_block(
                        call.part(c, c + 1), self._prices, calendar, settings.rows(c, c + 1), scratch, own,
                        None, room.financing,
                    )  # fmt: skip
                    fitted = self._folded(room, row)
            self._keep(found, slice(*tile), out, done)

        smallest = SMALLEST_TILE_BARS // len(self.bars)
        self.team.share(work, cut(len(out), self.tile, smallest, self.team.threads))


def folded_result(result: Any, edges: IntArray, free: float, out: FloatArray) -> None:
    """Write the sums of a run that has a result of its own, of whatever kind."""
    terms = np.array([float(result.stats["initial_cash"]), free])
    fold_stretches(np.ascontiguousarray(units_of(result)), closed_trades(result), terms, edges, out)


def closed_trades(result: Any) -> tuple[FloatArray, FloatArray]:
    """Bars at which a result's trades closed, ascending, and their net results."""
    if hasattr(type(result), "trade_records"):
        records = result.trade_records
        closed = records["exit_reason"] != t.STILL_OPEN
        exits, pnl = (np.asarray(records[name][closed], np.float64) for name in ("exit_bar", "net_pnl"))
    else:
        table = result.trades.filter(result.trades["exit_reason"] != t.KINDS[t.STILL_OPEN])
        exits, pnl = (table[name].to_numpy().astype(np.float64) for name in ("exit_bar", "net_pnl"))
    order = np.argsort(exits, kind="stable")
    return exits[order], pnl[order]


def stretches_of(windows: Sequence[tuple[int, int]]) -> tuple[IntArray, list[tuple[int, int]]]:
    """Edges of stretches that windows of bars are made of, from 0 on, and each window in stretches."""
    edges = np.unique(np.array([0, *(edge for window in windows for edge in window)], np.int64))
    place = {edge: number for number, edge in enumerate(edges.tolist())}
    return edges, [(place[start], place[stop]) for start, stop in windows]
