"""Result of an order-level run: orders, fills, trades, equity and what ties them together."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from peak_fast.orders.frames import charges_frame, fills_frame, log_frame, orders_frame, trades_frame
from peak_fast.orders.inputs import Inputs
from peak_fast.orders.memory import Records
from peak_fast.orders.statistics import order_stats
from peak_fast.results import Ambiguity
from peak_kernels import order_slots as f

if TYPE_CHECKING:
    import polars as pl


class OrderResult:
    """Outcome of `simulate_orders`; tables are Polars frames, made when they are asked for.

    Attributes
    ----------
    equity, cash : numpy.ndarray
        ``[bar]``, at the close.
    position : numpy.ndarray
        ``[asset, bar]`` units at the close.
    records : Records
        The kernel's record arrays (`peak_kernels.order_slots` names their columns).
    notes : tuple of str
        What was reordered, passed over or understood, a sentence each; those of the bars come first.
    """

    def __init__(self, run: Inputs, records: Records) -> None:
        self._run = run
        self.records = records
        self.equity, self.cash, self.position = records.equity, records.cash, records.position
        self.bars = run.bars
        self.rules = run.rules
        self.notes = run.notes

    @cached_property
    def fills(self) -> pl.DataFrame:
        """One row per fill: order_id, tag, bar, booked_bar, time, asset, side, size, price, fee, slippage, reason."""
        from peak_fast.results import named

        return named(fills_frame(self.records, self._run.tables))

    @cached_property
    def orders(self) -> pl.DataFrame:
        """One row per order with its final status and the reason for it."""
        from peak_fast.results import named

        return named(orders_frame(self.records, self._run.tables))

    @cached_property
    def log(self) -> pl.DataFrame:
        """Every status that an order had: order_id, bar, status, reason, filled."""
        return log_frame(self.records)

    @cached_property
    def trades(self) -> pl.DataFrame:
        """Closed trades, one row for each closing of (a part of) a lot; ``net_pnl = gross_pnl - fees + financing``."""
        from peak_fast.results import named

        return named(trades_frame(self.records, self._run.tables))

    @cached_property
    def equity_curve(self) -> pl.DataFrame:
        """Time, equity and cash of every bar."""
        import polars as pl

        times = pl.Series("timestamp", self._run.tables.time_us).cast(pl.Datetime("us"))
        return pl.DataFrame({"timestamp": times, "equity": self.equity, "cash": self.cash})

    @cached_property
    def positions(self) -> pl.DataFrame:
        """Units of every asset at every close: bar, one column per asset."""
        import polars as pl

        columns = dict(zip(self._run.tables.assets, self.position, strict=True))
        return pl.DataFrame({"bar": np.arange(self.equity.size), **columns})

    @cached_property
    def stats(self) -> dict[str, float]:
        """Counts and sums: orders by status, fills, fees, slippage, interest, funding, return, drawdown."""
        return order_stats(self._run, self.records)

    @cached_property
    def charges(self) -> pl.DataFrame:
        """Cash that moved beside fills and lots: bar, time, kind (cash_interest, write_off), amount."""
        return charges_frame(self.records, self._run.tables)

    @cached_property
    def ambiguity(self) -> Ambiguity:
        """How far the result depends on the unknown path inside bars; runs the worst and the best path."""
        bars = int(self.records.state[f.S_AMBIGUOUS])
        final = float(self.equity[-1]) if self.equity.size else self._run.initial_cash
        if bars == 0:
            return Ambiguity(0, final, final, final)
        ends = [
            float(self._run.repeat(replace(self.rules, path=path)).equity[-1]) for path in ("worst", "best")
        ]
        return Ambiguity(bars, final, min(final, *ends), max(final, *ends))

    def __repr__(self) -> str:
        stats = self.stats
        return (
            f"OrderResult({stats['filled_orders']} of {stats['total_orders']} orders filled, "
            f"{stats['fills']} fills, final equity {stats['final_equity']:,.2f})"
            + "".join(f"\n  Note: {note}" for note in self.notes)
        )
