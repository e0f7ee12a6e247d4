"""BacktestResult: the kernel's arrays, and everything a user reads from them, made when asked for.

>>> result = engine.run(bars, "ma_crossover")            # doctest: +SKIP
>>> result.stats["sharpe"], result.trades.height         # doctest: +SKIP
>>> result.save("run_1"); BacktestResult.load("run_1")   # doctest: +SKIP
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import peak_fast.simulation as _simulation
from peak_fast.arguments import place
from peak_fast.data import Bars
from peak_fast.errors import DataError
from peak_fast.guard import Named, guarded_class
from peak_fast.results import frames as _records
from peak_fast.results.ambiguity import Ambiguity
from peak_fast.results.metadata import metadata_of
from peak_fast.results.payments import unit_values
from peak_fast.results.shown import Shown, hash_of
from peak_fast.results.summary import stats_of, summary_rows
from peak_fast.simulation import Outcome
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.results.views import Course


@guarded_class()
class BacktestResult(Shown):
    """One finished backtest; immutable.  Frames, statistics and metadata are built on first use.

    Attributes
    ----------
    equity, cash, position
        float64[n_bars], at the close of each bar.
    bars
        The prices it ran on.
    equity_curve, drawdown, trades, orders, fills, charges
        Polars frames; columns are listed at each property.
    stats
        Plain dict of statistics.
    metadata
        Every setting, the strategy and its parameters, data and code identity, fill rule, result hash, notes.
    notes
        What was understood, guessed, passed over or reordered, a sentence each: the notes of the bars, then those of
        the run.
    hash
        Identity of the numbers: equal for two runs that computed the same bits.
    ambiguity
        How far the final equity depends on the unknown path inside bars.
    book
        `OrderResult` of a run through the order book (`peak_fast.settings`), else None.
    """

    def __init__(
        self, bars: Bars, outcome: Outcome, settings: FloatArray, strategy_name: str, params: dict[str, Any],
        used: dict[str, Any], symbol: str, strategy: Any = None, *,
        replay: _simulation.Replay | None = None, book: Any = None, notes: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        put = object.__setattr__
        put(self, "bars", bars)
        put(self, "strategy_name", strategy_name)
        put(self, "params", params)
        put(self, "symbol", symbol)
        put(self, "_outcome", outcome)
        put(self, "_settings", settings)
        put(self, "_used", used)
        put(self, "_strategy", strategy)
        put(self, "_replay", replay)
        put(self, "book", book)
        put(self, "_notes", notes)

    bars: Bars
    strategy_name: str
    params: dict[str, Any]
    symbol: str
    _outcome: Outcome
    _settings: FloatArray
    _used: dict[str, Any]
    _strategy: Any
    _replay: _simulation.Replay | None
    _notes: tuple[str, ...]
    book: Any
    _FRAMES = ("equity_curve", "drawdown", "trades", "orders", "fills", "charges")

    def _remedy(self, name: str) -> str:
        from peak_fast.errors import did_you_mean
        from peak_fast.metrics import CATALOG

        if name in CATALOG and CATALOG[name].found in ("sums", "curve", "result", "financing"):
            return f"statistics stand in result.stats[{name!r}]"
        if "plot" in name or "report" in name or "show" in name:
            return "result.plot() draws it, result.report(path) writes a page, peak_fast.report has the parts"
        return did_you_mean(name, [item for item in dir(self) if not item.startswith("_")])

    def _rows(self) -> list[tuple[str, str]]:
        return summary_rows(self)

    def _course(self) -> Course:
        from peak_fast.results.views import Course

        start, per_year = self._settings[t.INITIAL_CASH], self._settings[t.PERIODS_PER_YEAR]
        return Course(self.bars, self._units(), float(start), float(per_year))

    def _units(self) -> FloatArray:
        """Equity without what deposits added: float64[n_bars]."""
        charges = self._outcome.charges
        return (
            self.equity
            if charges is None
            else unit_values(self.equity, charges, self._settings[t.INITIAL_CASH])
        )

    @property
    def equity(self) -> FloatArray:
        """Equity at each close: float64[n_bars], currency."""
        equity: FloatArray = self._outcome.curve[t.CURVE_EQUITY]
        return equity

    @property
    def cash(self) -> FloatArray:
        """Cash at each close: float64[n_bars]; what a short sale brought in is part of it."""
        cash: FloatArray = self._outcome.curve[t.CURVE_CASH]
        return cash

    @property
    def position(self) -> FloatArray:
        """Units held at each close: float64[n_bars], negative when short."""
        position: FloatArray = self._outcome.curve[t.CURVE_POSITION]
        return position

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the bars, then those of the run; also in ``metadata["notes"]`` and `summary`."""
        return self.bars.notes + self._notes

    @functools.cached_property
    def trade_records(self) -> Any:
        """All trades as a NumPy structured array; the one still open comes last with reason "open"."""
        records: Any = _records.trade_array(self)
        return records

    @functools.cached_property
    def stats(self) -> dict[str, Any]:
        """Statistics; undefined ones are NaN.  Definitions: docs/metrics.md."""
        return stats_of(self)

    @functools.cached_property
    def hash(self) -> str:
        """32 hexadecimal digits over equity, fills and metrics."""
        outcome = self._outcome
        more = () if outcome.charges is None else (outcome.charges,)
        return hash_of((outcome.curve, outcome.fills, outcome.metrics, *more))

    @functools.cached_property
    def ambiguity(self) -> Ambiguity:
        """Bounds of the final equity when the stop, or the target, of each ambiguous bar comes first.

        Runs the backtest again for each bound; through the order book, with the worst and the best path inside
        each bar.

        Raises
        ------
        DataError
            The result was loaded, and what it was computed from is not there.
        """
        if self.book is not None:
            ambiguity: Ambiguity = self.book.ambiguity
            return ambiguity
        count, final = int(self.stats["ambiguous_bars"]), float(self.equity[-1])
        if count == 0:
            return Ambiguity(0, final, final, final)
        if self._replay is None:
            raise DataError(
                "ambiguity runs the backtest again; this result was loaded, expected one of a run"
            )
        ends = [final, *(self._replay.final_equity(rule) for rule in _simulation.BOTH_HIT_RULES)]
        return Ambiguity(count, final, min(ends), max(ends))

    @functools.cached_property
    def metadata(self) -> dict[str, Any]:
        """Settings, strategy, data and code identity, fill rule and result hash; nested plain values."""
        return Named(metadata_of(self))

    @functools.cached_property
    def equity_curve(self) -> pl.DataFrame:
        """Columns timestamp, equity, cash, position, close: one row a bar."""
        import polars as pl

        from peak_fast.results.named_frames import NamedFrame

        return NamedFrame(
            [
                self.bars.timestamp,
                pl.Series("equity", self.equity),
                pl.Series("cash", self.cash),
                pl.Series("position", self.position),
                pl.Series("close", self.bars.close),
            ]
        )

    @functools.cached_property
    def drawdown(self) -> pl.DataFrame:
        """Columns timestamp, drawdown: fraction below the highest equity so far (the start counts), <= 0."""
        import polars as pl

        from peak_fast.results.named_frames import NamedFrame

        equity = self._units()
        peak = np.maximum(np.maximum.accumulate(equity), self._settings[t.INITIAL_CASH])
        return NamedFrame([self.bars.timestamp, pl.Series("drawdown", equity / peak - 1.0)])

    @functools.cached_property
    def trades(self) -> pl.DataFrame:
        """Round trips: trade_id, side, entry_bar, exit_bar, entry_time, exit_time, entry_price, exit_price, size,
        fees, slippage, gross_pnl, net_pnl, return, mae, mfe, bars_held, exit_reason.

        ``return`` is net PnL over the entry value; ``mae`` and ``mfe`` are the worst and the best price while
        the position was held as a fraction of the entry price, signed by side (<= 0 and >= 0).
        A block that places orders adds ``tag``, that of the order which opened the lot.
        """
        from peak_fast.results.named_frames import named

        return named(_records.trades_frame(self))

    @functools.cached_property
    def orders(self) -> pl.DataFrame:
        """Orders: order_id, bar, time, fill_bar, kind, side, requested, filled, status, reason.

        A block that places orders adds ``tag``.
        """
        from peak_fast.results.named_frames import named

        return named(_records.orders_frame(self))

    @functools.cached_property
    def fills(self) -> pl.DataFrame:
        """Fills: fill_id, order_id, bar, time, side (1 buy, -1 sell), size, price, fee, slippage, reason.

        A block that places orders adds ``tag``.
        """
        from peak_fast.results.named_frames import named

        return named(_records.fills_frame(self))

    @functools.cached_property
    def charges(self) -> pl.DataFrame:
        """Payments of `Financing`: bar, time, symbol (null: of the account), kind, units, amount (negative: paid).

        Interest and borrowing have a row for each stretch without trades, at its last bar.
        """
        from peak_fast.results.named_frames import named

        return named(_records.charges_frame(self))

    def save(self, folder: str | Path) -> Path:
        """Write settings and statistics as JSON, and prices, curve, orders, fills and trades as Parquet, into a folder.

        An existing result there is replaced; whoever is killed in between leaves the old one or the new one. Every
        byte is covered by a checksum.

        Raises
        ------
        DataError
            The folder exists and holds something else.
        StoreError
            The folder cannot be written.
        """
        from peak_fast.results import bundle as _bundle

        return _bundle.save(self, place("folder", folder, "my_result"))

    @classmethod
    def load(cls, folder: str | Path) -> BacktestResult:
        """Read what `save` wrote; equal to the saved result to the last bit.

        Raises
        ------
        DataError
            The folder holds no result, a file of it is damaged, or it is of another format.
        """
        from peak_fast.results import bundle as _bundle

        result = _bundle.load(cls, place("folder", folder, "my_result"))
        return result

    def __repr__(self) -> str:
        stats = self.stats
        return (
            f"BacktestResult({self.strategy_name!r} on {self.symbol!r}, {len(self.bars)} bars, "
            f"return {stats['total_return']:.2%}, sharpe {stats['sharpe']:.2f}, "
            f"max drawdown {stats['max_drawdown']:.2%}, {stats['total_trades']} trades)"
        )
