"""The engine through the order book: what only the order machinery knows, for any strategy and for blocks that order.

>>> engine = BacktestEngine(order_book=OrderBook(rules=OrderRules(latency=1)))     # doctest: +SKIP
>>> engine.run(bars, "ma_crossover").book.orders                                  # doctest: +SKIP

Each decision becomes market orders (or an entry at a limit) with the engine's stops attached, sized by the engine's
sizing when they fill.  With rules that say nothing of their own, fills, trades and equity are those of the fast path.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from peak_fast._guard import guarded_class
from peak_fast._strategy import Block, OrderBlock
from peak_fast.config import FractionOfEquity, Settings, Stops
from peak_fast.data import Bars
from peak_fast.data.alignment import fingerprint
from peak_fast.errors import ConfigError
from peak_fast.order_actions import time_of_day
from peak_fast.order_inputs import (
    block_inputs,
    block_rules,
    book_rules,
    decided,
    decision_inputs,
    target_inputs,
)
from peak_fast.order_outcome import finished
from peak_fast.order_rule_checks import check_book_size
from peak_fast.order_rules import Asset, OrderRules
from peak_fast.order_schedule import check_funding, identity_of
from peak_fast.orders import OrderResult
from peak_fast.result import BacktestResult

if TYPE_CHECKING:
    from peak_fast import _run
    from peak_fast.engine import BacktestEngine
    from peak_fast.order_run import Floats, Ints


@guarded_class()
@dataclass(frozen=True, kw_only=True)
class OrderBook:
    """Settings of a run whose decisions go through the order book.

    Parameters
    ----------
    rules
        What differs from the engine's settings: a field at its default follows `Execution`, `Costs`, `Stops` and
        `RiskLimits`.
    asset
        Contract size, margin, tick, lot; None: lot and smallest size of `Execution`.
    entry_limit
        Entries are limit orders this fraction of the deciding close better than it; None: market orders.
    entry_bars
        Bars that such an entry is valid; None: until the next decision.
    half_spread, funding, funding_times
        As in `simulate_orders`: numbers, or one for each bar; when funding is paid.
    detail
        Finer bars of the same asset: they decide the order of events inside a bar.
    session_end
        Time of day (``"17:00"``) at which a block's market-on-close orders fill; None: last bar of each day.
    book_size
        Live orders that the book can hold.
    """

    rules: OrderRules = field(default_factory=OrderRules)
    asset: Asset | None = None
    entry_limit: float | None = None
    entry_bars: int | None = None
    half_spread: Any = None
    funding: Any = None
    funding_times: Any = None
    detail: Any = None
    session_end: str | None = None
    book_size: int = 4096

    def __post_init__(self) -> None:
        if not isinstance(self.rules, OrderRules):
            raise ConfigError(f"OrderBook.rules: expected OrderRules; got {type(self.rules).__name__}")
        if self.asset is not None and not isinstance(self.asset, Asset):
            raise ConfigError(f"OrderBook.asset: expected Asset; got {type(self.asset).__name__}")
        if self.entry_limit is not None and not 0 <= self.entry_limit < 1:
            raise ConfigError(f"OrderBook.entry_limit: expected a fraction below 1; got {self.entry_limit!r}")
        if self.entry_bars is not None and (self.entry_limit is None or self.entry_bars < 1):
            raise ConfigError(
                f"OrderBook.entry_bars: expected at least 1, with entry_limit; got {self.entry_bars!r} with "
                f"entry_limit={self.entry_limit!r}"
            )
        check_funding(self.funding, self.funding_times, "OrderBook: ")
        time_of_day(self.session_end)
        check_book_size(self.book_size)

    def described(self, rules: OrderRules) -> dict[str, Any]:
        """Plain values for metadata: the rules of the run that differ from their defaults, and what else is set."""
        plain = OrderRules()
        changed = {
            item.name: getattr(rules, item.name)
            for item in fields(rules)
            if getattr(rules, item.name) != getattr(plain, item.name)
        }
        asset = (
            {} if self.asset is None else {i.name: getattr(self.asset, i.name) for i in fields(self.asset)}
        )
        data = [name for name in ("half_spread", "funding", "detail") if getattr(self, name) is not None]
        return {
            "rules": changed,
            "asset": asset,
            "entry_limit": self.entry_limit,
            "entry_bars": self.entry_bars,
            "with": data,
            **({} if self.funding_times is None else {"funding_times": identity_of(self.funding_times)}),
        }

    def identity(self) -> dict[str, Any]:
        """Plain values of all that a run through the book depends on; data by their hashes."""
        plain: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        plain["rules"] = self.described(self.rules)["rules"]
        plain["asset"] = None if self.asset is None else asdict(self.asset)
        plain["funding_times"] = identity_of(self.funding_times)
        for name in ("half_spread", "funding"):
            if plain[name] is not None:
                plain[name] = fingerprint(plain[name])
        if self.detail is not None:
            plain["detail"] = Bars.from_frame(self.detail).hash
        return plain


def as_book(value: Any) -> OrderBook | None:
    """An `OrderBook`, made of `OrderRules` or of a table of settings where those were given.

    Raises
    ------
    ConfigError
        Something else.
    """
    if isinstance(value, OrderRules):
        return OrderBook(rules=value)
    if isinstance(value, Settings):
        from peak_fast.order_settings import OrderBookTable

        if isinstance(value, OrderBookTable):
            return OrderBook(rules=value.rules(), **dict(value.others()))
    if value is None or isinstance(value, OrderBook):
        return value
    raise ConfigError(f"order_book: expected OrderBook or OrderRules; got {type(value).__name__}")


def run_book(
    book: OrderBook,
    bars: Bars,
    decisions: tuple[Ints, Floats],
    settings: Floats,
    rules: OrderRules,
    stops: Stops,
) -> tuple[_run.Outcome, OrderResult]:
    """Run decisions through the order book; the arguments are those of `decision_inputs`."""
    run, settings = decision_inputs(book, bars, decisions, settings, rules, stops)
    result = OrderResult(run, run.repeat(run.rules))
    return finished(run, result.records, settings, stops), result


def result_of(
    engine: BacktestEngine,
    bars: Bars,
    decisions: _run.Decisions,
    settings: Floats,
    names: tuple[str, dict[str, Any], dict[str, Any], str, Any],
    notes: tuple[str, ...] = (),
) -> BacktestResult:
    """Result of an engine whose decisions go through its order book; ``names`` are the result's own arguments.

    Raises
    ------
    ConfigError
        Settings that contradict each other.
    """
    book, used = engine.order_book, names[2]
    assert book is not None
    stops = used["stops"]
    rules = book_rules(book, engine.execution, engine.costs, stops, engine.risk_limits)
    outcome, orders = run_book(book, bars, decided(bars, decisions, settings), settings, rules, stops)
    _name_rules(used, book, orders.rules)
    own = orders.notes[len(bars.notes) :]
    return BacktestResult(bars, outcome, settings, *names, book=orders, notes=(*notes, *own))


def block_result(
    engine: BacktestEngine,
    bars: Bars,
    block: Block | OrderBlock,
    params: dict[str, Any],
    symbol: str,
    weights: bool,
) -> BacktestResult:
    """Result of an engine that runs a block through the order book; ``params`` are all of its parameters.

    Raises
    ------
    ConfigError
        Settings that mean nothing to a block that places orders, or that contradict each other.
    """
    by_weight = weights or (isinstance(block, Block) and block.weights)
    book, settings = (
        engine.order_book or OrderBook(),
        engine._settings(bars, weights=by_weight, sized=isinstance(block, Block)),
    )
    used = engine._used(weights=by_weight)
    stops: Stops | None = None
    if isinstance(block, Block):
        stops = engine.stops
        rules = book_rules(book, engine.execution, engine.costs, stops, engine.risk_limits)
        run, settings = target_inputs(book, bars, block, params, settings, rules, stops)
    else:
        if weights:
            raise ConfigError(f"weights: expected False for {block.name!r}, which places orders; got True")
        check_block_settings(engine)
        used["targets"] = "orders"
        rules = block_rules(book, engine.execution, engine.costs, engine.risk_limits)
        run, settings = block_inputs(book, bars, block, params, settings, rules)
    result = OrderResult(run, run.repeat(run.rules))
    _name_rules(used, book, run.rules)
    outcome = finished(run, result.records, settings, stops)
    own = result.notes[len(bars.notes) :]
    return BacktestResult(
        bars, outcome, settings, block.name, params, used, symbol, block, book=result, notes=own
    )


def check_block_settings(engine: BacktestEngine) -> None:
    """Refuse what a block that places orders would silently ignore.

    Raises
    ------
    ConfigError
        Stops, a size or a largest position is set.
    """
    for name, value, plain, remedy in (
        ("stops", engine.stops, Stops(), "give each order its stop_loss and take_profit"),
        ("sizing", engine.sizing, FractionOfEquity(), "give each order its size and unit"),
        ("risk_limits.max_position", engine.risk_limits.max_position, None, "order smaller sizes"),
    ):
        if value != plain:
            raise ConfigError(
                f"{name}: expected the default with a block that places orders, because it says nothing to them; "
                f"got {value!r}; {remedy} in the block"
            )


def _name_rules(used: dict[str, Any], book: OrderBook, rules: OrderRules) -> None:
    """Name the rules of the run among the settings that a result shows."""
    used["order_book"] = book.described(rules)
    if rules.market_fill != "next_open":
        # The book may say so alone, and every result states its fill rule.
        used["execution"] = used["execution"].model_copy(update={"fill_at": "close"})
