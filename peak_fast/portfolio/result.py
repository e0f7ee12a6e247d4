"""PortfolioResult: the kernel's arrays, and everything a user reads from them, made when asked for.

>>> result = engine.run(panel, weights)                         # doctest: +SKIP
>>> result.stats["sharpe"], result.contributions.head(3)        # doctest: +SKIP
>>> result.save("run_1"); PortfolioResult.load("run_1")         # doctest: +SKIP
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import place
from peak_fast.errors import DataError, did_you_mean
from peak_fast.guard import Named, guarded_class
from peak_fast.portfolio import frames as _frames
from peak_fast.portfolio import measures as _measures
from peak_fast.portfolio.summary import metadata_of, stats_of, summary_rows
from peak_fast.results import Course, Shown, hash_of, named
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.data import Panel
    from peak_fast.portfolio.parts import Outcome


def _inside(numbers: Any, count: int) -> bool:
    return not numbers.size or bool(numbers.min() >= 0 and numbers.max() < count)


@guarded_class()
class PortfolioResult(Shown):
    """One finished backtest of many assets that share an account; immutable.  Frames are built on first use.

    Attributes
    ----------
    panel
        The prices it ran on.
    equity, cash
        float64[n_bars], at each bar (equity where the rules mark it, cash behind the bar's trades).
    strategy_name, params, symbol
        What gave the weights, with what, and the name of the panel.
    book
        `OrderResult` of a run of orders, which has more of them than the portfolio; None: of weights, and when loaded.
    """

    panel: Panel
    strategy_name: str
    params: dict[str, Any]
    symbol: str
    _outcome: Outcome
    _settings: FloatArray
    _used: dict[str, Any]
    _strategy: Any
    _notes: tuple[str, ...]
    _identity: dict[str, Any]
    book: Any
    _FRAMES = (
        "equity_curve", "drawdown", "trades", "orders", "fills", "positions", "weights", "exposure", "contributions",
        "rebalances", "charges",
    )  # fmt: skip

    def __init__(
        self,
        panel: Panel,
        outcome: Outcome,
        settings: FloatArray,
        strategy_name: str,
        params: dict[str, Any],
        used: dict[str, Any],
        symbol: str,
        strategy: Any = None,
        notes: tuple[str, ...] = (),
        identity: dict[str, Any] | None = None,
        book: Any = None,
    ) -> None:
        put = object.__setattr__
        put(self, "panel", panel)
        put(self, "strategy_name", strategy_name)
        put(self, "params", params)
        put(self, "symbol", symbol)
        put(self, "_outcome", outcome)
        put(self, "_settings", settings)
        put(self, "_used", used)
        put(self, "_strategy", strategy)
        put(self, "_notes", notes)
        put(self, "_identity", identity or {})
        put(self, "book", book)

    def _remedy(self, name: str) -> str:
        if name in ("bars", "position"):
            return f"a portfolio has {'panel' if name == 'bars' else 'positions'}"
        if "plot" in name or "report" in name or "show" in name or "figure" in name:
            return (
                "result.plot() draws it, result.report(path) writes a page; peak_fast.report has more, such as "
                "weights_figure(result)"
            )
        if name in self.stats:
            return f"statistics stand in result.stats[{name!r}]"
        return did_you_mean(name, [item for item in dir(self) if not item.startswith("_")])

    def _rows(self) -> list[tuple[str, str]]:
        return summary_rows(self)

    def _course(self) -> Course:
        start, per_year = self._settings[t.INITIAL_CASH], self._settings[t.PERIODS_PER_YEAR]
        return Course(self.panel, _measures.unit_values(self), float(start), float(per_year))

    @property
    def equity(self) -> FloatArray:
        """Equity at each bar: float64[n_bars], currency."""
        return self._outcome.equity

    @functools.cached_property
    def cash(self) -> FloatArray:
        """Cash at each bar: float64[n_bars]; what short sales brought in is part of it."""
        return _measures.cash_of(self)

    @functools.cached_property
    def positions_at_fills(self) -> tuple[IntArray, FloatArray]:
        """Bars with fills, int64[k], and units behind them, float64[k, asset]."""
        return _measures.positions_of(self)

    @functools.cached_property
    def exposures(self) -> FloatArray:
        """Values held at each close, float64[5, bar]: long, short, holdings, the largest, the sum of squares."""
        return _measures.exposures_of(self)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the panel, then those of the run; also in ``metadata["notes"]`` and `summary`."""
        return self.panel.notes + self._notes

    @functools.cached_property
    def stats(self) -> dict[str, Any]:
        """Statistics; undefined ones are NaN.  Definitions: docs/metrics.md and docs/portfolio_semantics.md."""
        return stats_of(self)

    @functools.cached_property
    def hash(self) -> str:
        """32 hexadecimal digits over equity, orders and metrics: equal for two runs that computed the same bits."""
        outcome = self._outcome
        more = () if outcome.fills is None else (outcome.fills,)
        return hash_of((outcome.equity, outcome.orders, outcome.metrics, *more))

    @functools.cached_property
    def metadata(self) -> dict[str, Any]:
        """Settings, strategy, data and code identity, fill rule and result hash; nested plain values."""
        return Named(metadata_of(self))

    @functools.cached_property
    def equity_curve(self) -> pl.DataFrame:
        """Columns timestamp, equity, cash: one row a bar."""
        import polars as pl

        return named(
            pl.DataFrame(
                [self.panel.timestamp, pl.Series("equity", self.equity), pl.Series("cash", self.cash)]
            )
        )

    @functools.cached_property
    def drawdown(self) -> pl.DataFrame:
        """Columns timestamp, drawdown: fraction below the highest equity so far (the start counts), <= 0."""
        import polars as pl

        equity = _measures.unit_values(self)
        peak = np.maximum(np.maximum.accumulate(equity), self._settings[t.INITIAL_CASH])
        return named(pl.DataFrame([self.panel.timestamp, pl.Series("drawdown", equity / peak - 1.0)]))

    @functools.cached_property
    def positions(self) -> pl.DataFrame:
        """Units behind the trades of each bar with fills: columns bar, timestamp and one for each asset."""
        return named(_frames.positions_frame(self))

    @functools.cached_property
    def weights(self) -> pl.DataFrame:
        """Shares of the equity at the closes of bars with fills: columns bar, timestamp and one for each asset."""
        return named(_frames.weights_frame(self))

    @functools.cached_property
    def exposure(self) -> pl.DataFrame:
        """Shares of the equity at each close: timestamp, long, short, gross, net, holdings, largest,
        effective_holdings.

        ``effective_holdings`` is the number of equal holdings with the same concentration: the squared sum of absolute
        values over the sum of their squares (the inverse Herfindahl index).
        """
        return named(_frames.exposure_frame(self))

    @functools.cached_property
    def contributions(self) -> pl.DataFrame:
        """What each asset added, the largest first: symbol, contribution, return_share, fees, slippage, financing,
        traded, trades, units.

        With `stats["cash_interest"]` and `stats["net_deposits"]`, contributions sum to the final equity less the
        initial cash; ``financing`` is what dividends, funding and borrowing are of one.
        """
        return named(_frames.contributions_frame(self))

    @functools.cached_property
    def rebalances(self) -> pl.DataFrame:
        """Bars with trades: bar, time, equity, cash, bought, sold, turnover, budget, factor.

        ``equity`` is the one that weights were fractions of; ``turnover`` the smaller of bought and sold over the
        equity at the close; ``budget`` what purchases could cost, ``factor`` what all of them were multiplied by (null:
        each was served by itself).
        """
        return named(_frames.rebalances_frame(self))

    @functools.cached_property
    def trades(self) -> pl.DataFrame:
        """Round trips of each asset from flat to flat: trade_id, symbol, side, entry_bar, exit_bar, entry_time,
        exit_time, entry_price, exit_price, size, fees, slippage, gross_pnl, financing, net_pnl, return,
        bars_held, exit_reason.
        """
        return named(_frames.trades_frame(self))

    @functools.cached_property
    def orders(self) -> pl.DataFrame:
        """Orders: order_id, bar, time, fill_bar, symbol, kind, side, requested, filled, price, fee, slippage, status,
        reason.
        """
        return named(_frames.orders_frame(self))

    @functools.cached_property
    def charges(self) -> pl.DataFrame:
        """Payments of financing: bar, time, symbol (null: of the account), kind, units, amount (negative: paid).

        Interest and borrowing have a row for each stretch without trades, at its last bar.
        """
        return named(_frames.charges_frame(self))

    @functools.cached_property
    def fills(self) -> pl.DataFrame:
        """Fills: fill_id, order_id, bar, time, symbol, side (1 buy, -1 sell), size, price, fee, slippage, reason."""
        return named(_frames.fills_frame(self))

    def weights_at(self, bars: Any) -> FloatArray:
        """Shares of the equity at the closes of bars, by their numbers: float64[asset, bar], negative for shorts."""
        numbers = np.asarray(bars)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not _inside(numbers, len(self.panel)):
            raise DataError(
                f"bars: expected numbers of bars from 0 to {len(self.panel) - 1}, an array of whole numbers; got "
                f"{numbers.dtype} {numbers.shape}"
            )
        return _measures.weights_at(self, numbers.astype(np.int64))

    def recorded(self) -> Any:
        """What a tracker records: arrays and plain values, without frames."""
        from peak_fast.portfolio.recorded import recorded

        return recorded(self)

    def save(self, folder: str | Path) -> Path:
        """Write ``result.json``, and prices, equity, orders and trades as Parquet, into a folder.

        The folder appears whole or not at all; an existing result there is replaced.

        Raises
        ------
        DataError
            The folder exists and holds something else.
        StoreError
            The folder cannot be written.
        """
        from peak_fast.portfolio import bundle as _bundle

        return _bundle.save(self, place("folder", folder, "my_portfolio"))

    @classmethod
    def load(cls, folder: str | Path) -> PortfolioResult:
        """Read what `save` wrote; equal to the saved result to the last bit.

        Raises
        ------
        DataError
            The folder holds no portfolio, or not the one its hash names.
        """
        from peak_fast.portfolio import bundle as _bundle

        return _bundle.load(cls, place("folder", folder, "my_portfolio"))

    def __repr__(self) -> str:
        stats = self.stats
        return (
            f"PortfolioResult({self.strategy_name!r} on {self.symbol!r}, {self.panel.n_assets} assets, "
            f"{len(self.panel)} bars, return {stats['total_return']:.2%}, sharpe {stats['sharpe']:.2f}, "
            f"max drawdown {stats['max_drawdown']:.2%}, {stats['rebalances']} rebalances)"
        )
