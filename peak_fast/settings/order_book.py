"""Settings of a run through the order book, for any strategy and for blocks that place orders.

>>> engine = BacktestEngine(order_book=OrderBook(rules=OrderRules(latency=1)))     # doctest: +SKIP
>>> engine.run(bars, "ma_crossover").book.orders                                  # doctest: +SKIP

Each decision becomes market orders (or an entry at a limit) with the engine's stops attached, sized by the engine's
sizing when they fill.  With rules that say nothing of their own, fills, trades and equity are those of the fast path.
"""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from peak_fast.data import Bars, fingerprint, time_of_day
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded_class
from peak_fast.settings.frozen import Settings
from peak_fast.settings.funding import check_funding, identity_of
from peak_fast.settings.order_checks import check_book_size
from peak_fast.settings.order_rules import Asset, OrderRules


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
        asset = (
            {} if self.asset is None else {i.name: getattr(self.asset, i.name) for i in fields(self.asset)}
        )
        data = [name for name in ("half_spread", "funding", "detail") if getattr(self, name) is not None]
        return {
            "rules": dict(_changed(rules)),
            "asset": asset,
            "entry_limit": self.entry_limit,
            "entry_bars": self.entry_bars,
            "with": data,
            **({} if self.funding_times is None else {"funding_times": identity_of(self.funding_times)}),
        }

    def identity(self) -> dict[str, Any]:
        """Plain values of all that a run through the book depends on; data by their hashes."""
        plain: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        plain["rules"] = dict(_changed(self.rules))
        plain["asset"] = None if self.asset is None else asdict(self.asset)
        plain["funding_times"] = identity_of(self.funding_times)
        for name in ("half_spread", "funding"):
            if plain[name] is not None:
                plain[name] = fingerprint(plain[name])
        if self.detail is not None:
            plain["detail"] = Bars.from_frame(self.detail).hash
        return plain


@functools.lru_cache(maxsize=64)
def _changed(rules: OrderRules) -> dict[str, Any]:
    """Rules that differ from their defaults."""
    plain = OrderRules()
    names = (item.name for item in fields(rules))
    return {name: getattr(rules, name) for name in names if getattr(rules, name) != getattr(plain, name)}


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
        from peak_fast.settings.order_table import OrderBookTable

        if isinstance(value, OrderBookTable):
            return OrderBook(rules=value.rules(), **dict(value.others()))
    if value is None or isinstance(value, OrderBook):
        return value
    raise ConfigError(f"order_book: expected OrderBook or OrderRules; got {type(value).__name__}")


@functools.cache
def plain_book() -> OrderBook:
    """An order book with nothing set."""
    return OrderBook()
