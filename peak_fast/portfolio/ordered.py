"""Orders for the assets of a panel, given as a table or placed by a block, through one account's order book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.orders import (
    OrderResult,
    block_rules,
    markets_of,
    order_inputs,
    placed_state,
    table_of,
)
from peak_fast.portfolio.booked import outcome_of
from peak_fast.portfolio.placing import GivenOrders, places_orders
from peak_fast.portfolio.setup import spans_of
from peak_fast.settings import (
    Asset,
    FractionOfEquity,
    PortfolioRules,
    Stops,
    names_of,
    portfolio_names,
    varied_settings,
)
from peak_fast.strategies import OrderBlock, complete_params
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from peak_fast.data import Panel
    from peak_fast.orders import Inputs
    from peak_fast.portfolio.result import PortfolioResult
    from peak_fast.settings import EngineSettings


# What says, for several assets, what a setting of the book says of one.
_REMEDIES = {
    "asset": "panel.told(assets={symbol: Asset(...)})",
    "detail": "run the asset alone, panel[symbol]",
}


def run_orders(
    settings: EngineSettings, panel: Panel, what: Any, params: Mapping[str, Any], name: str | None = None,
    varied: Mapping[str, Any] | None = None,
) -> PortfolioResult:  # fmt: skip
    """Run orders for a panel's assets through one account; ``varied`` are settings by name that a sweep has changed.

    Raises
    ------
    DataError, StrategyError, ConfigError
        Orders or settings that cannot be used.
    """
    from peak_fast.portfolio.result import PortfolioResult

    item = what if isinstance(what, GivenOrders | OrderBlock) else GivenOrders(what)
    values = complete_params(item, params)
    settings = _settled(settings, varied or {})
    run, places = inputs_of(settings, panel, item, values)
    orders = OrderResult(run, run.repeat(run.rules))
    flat, used = _flat(settings, panel), _described(settings, run)
    outcome = outcome_of(orders, run, flat, places, panel.n_assets)
    if varied:
        used, values = {**used, "varied": dict(varied)}, {**values, **varied}
    identity = {"rule": "orders", "name": item.name, "source": item.fingerprint(), "tags": run.tables.tags}
    return PortfolioResult(
        panel, outcome, flat, item.name, values, used, name or panel.name, item,
        (*orders.notes[len(panel.notes) :], *_of_delisted(panel, outcome.cells[0])), identity, orders,
    )  # fmt: skip


def measure_orders(
    settings: EngineSettings, panel: Panel, what: GivenOrders | OrderBlock, values: Mapping[str, Any],
    varied: Mapping[str, Any],
) -> tuple[FloatArray, tuple[str, ...]]:  # fmt: skip
    """Metrics of one run of orders, with the bits of `run_orders`, and its notes besides the panel's."""
    settings = _settled(settings, varied)
    run, _ = inputs_of(settings, panel, what, values)
    metrics = placed_state(run.repeat(run.rules), _flat(settings, panel))[1]
    return metrics, run.notes[len(panel.notes) :]


def _flat(settings: EngineSettings, panel: Panel) -> FloatArray:
    """The engine's flat settings."""
    return settings.portfolio_vector(settings.periods_per_year or panel.periods_per_year)


def names_varied(what: Any, order_book: Any) -> tuple[str, ...]:
    """Settings that sweeps and studies may vary of what a portfolio does, besides parameters."""
    return names_of(order_book, orders=True) if places_orders(what) else portfolio_names()


def _settled(settings: EngineSettings, varied: Mapping[str, Any]) -> EngineSettings:
    """The settings of one run, with an order book.

    Raises
    ------
    ConfigError
        One of the engine's settings would say nothing to orders, or one of the book's nothing to several assets.
    """
    _refuse_strangers(settings)
    settings = varied_settings(settings, varied) if varied else settings.through_book()
    book = settings.order_book
    assert book is not None
    for name, remedy in _REMEDIES.items():
        if getattr(book, name) is not None:
            raise ConfigError(
                f"OrderBook.{name}: expected None with a panel, which has several assets; got one; {remedy}"
            )
    for name in ("hedging", "ruin"):
        if getattr(book.rules, name):
            raise ConfigError(
                f"OrderBook.rules: {name}=True is not known to portfolios; expected it off; "
                "simulate_orders(panel, orders, ...) knows it"
            )
    return settings


def _refuse_strangers(settings: EngineSettings) -> None:
    """Refuse settings of the engine that say nothing to orders."""
    plain_rules = PortfolioRules()
    for name, value, plain, remedy in (
        ("financing", settings.financing, None, "OrderBook has funding, OrderRules rates of borrowing"),
        (
            "portfolio",
            settings.portfolio or plain_rules,
            plain_rules,
            "rules of orders: order_book=OrderRules(...)",
        ),
        ("stops", settings.stops, Stops(), "give each order its stop_loss and take_profit"),
        ("sizing", settings.sizing, FractionOfEquity(), "give each order its size and unit"),
        ("risk_limits.max_position", settings.risk_limits.max_position, None, "order smaller sizes"),
    ):
        if value != plain:
            raise ConfigError(
                f"{name}: expected the default with orders, to which it says nothing; got {value!r}; {remedy}"
            )


def inputs_of(
    settings: EngineSettings, panel: Panel, item: GivenOrders | OrderBlock, values: Mapping[str, Any]
) -> tuple[Inputs, IntArray]:
    """What a run is made of, and the number in the panel of each of its assets: those that a table names.

    Raises
    ------
    DataError, StrategyError, ConfigError
        As of `run_orders`.
    """
    is_table, orders = isinstance(item, GivenOrders), getattr(item, "what", item)
    spans_of(panel)
    book, execution = settings.order_book, settings.execution
    assert book is not None
    part, places = panel, np.arange(panel.n_assets)
    if is_table and book.half_spread is None and book.funding is None:
        part, places = _named(panel, orders)
    rules = block_rules(book, execution, settings.costs, settings.risk_limits)
    run = order_inputs(
        markets_of(part), orders, (values or None) if is_table else values,
        initial_cash=settings.initial_cash, rules=rules, assets=_assets(part, execution.lot_size, execution.min_size),
        half_spread=book.half_spread, funding=book.funding, funding_times=book.funding_times,
        session_end=book.session_end, book_size=book.book_size,
    )  # fmt: skip
    return run, places


def _named(panel: Panel, table: Any) -> tuple[Panel, IntArray]:
    """The assets that a table names, and their numbers; all where it names others, for which it is refused later."""
    frame = table_of(table)
    names = set(frame["asset"].to_list()) if "asset" in frame.columns else set()
    places = np.array([at for at, symbol in enumerate(panel.symbols) if symbol in names], dtype=np.int64)
    if not places.size or places.size < len(names):
        return panel, np.arange(panel.n_assets)
    kept = panel.memo.setdefault("named", {})
    key = tuple(places.tolist())
    if key not in kept:
        kept.clear()
        kept[key] = (
            panel if places.size == panel.n_assets else panel.select([panel.symbols[at] for at in key])
        )
    part: Panel = kept[key]
    return part, places


def _assets(panel: Panel, lot: float, smallest: float) -> dict[str, Asset]:
    """Properties of each asset: the panel's, else lot and smallest size of the engine.

    Raises
    ------
    ConfigError
        One is quoted in another currency.
    """
    plain = Asset(lot=lot, min_size=smallest)
    found = {symbol: panel.assets.get(symbol, plain) for symbol in panel.symbols}
    for symbol, asset in found.items():
        if asset.quote:
            raise ConfigError(
                f"assets[{symbol!r}]: the engine's account has the currency of the prices; got quote={asset.quote!r}; "
                "expected an asset without it, or simulate_orders(panel, orders, currency=..., rates=...)"
            )
    return found


def _of_delisted(panel: Panel, units: Any) -> list[str]:
    """A note on what is still held of assets whose prices have ended."""
    gone = [
        panel.symbols[at] for at in np.flatnonzero((units != 0.0) & (panel.delisted < len(panel))).tolist()
    ]
    if not gone:
        return []
    which = ", ".join(gone[:5]) + (", ..." if len(gone) > 5 else "")
    return [f"orders: {which} still held though the prices have ended; counted at the last ones"]


def _described(settings: EngineSettings, run: Inputs) -> dict[str, Any]:
    """Settings as a result names them."""
    book = settings.order_book
    assert book is not None
    fill_at = {"next_open": "next_open", "same_close": "close"}.get(
        run.rules.market_fill, run.rules.market_fill
    )
    return {
        "initial_cash": settings.initial_cash,
        "execution": settings.execution.model_dump(),
        "costs": settings.costs.model_dump(),
        "risk_limits": settings.risk_limits.model_dump(),
        "risk_free": settings.risk_free,
        "order_book": book.described(run.rules),
        "portfolio": {"mark_at": "close", "fill_at": fill_at},
    }
