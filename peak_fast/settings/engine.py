"""All settings of an engine as one frozen value: what runs, sweeps and the order book get in place of the engine.

>>> settings = EngineSettings(initial_cash=1_000.0)
>>> settings.costs.rate, settings.changed(costs=Costs(rate=0.001)).costs.rate
(0.0, 0.001)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import is_number, shown
from peak_fast.errors import ConfigError
from peak_fast.settings.signed_prices import check_engine
from peak_fast.settings.sizing import FractionOfEquity, SizeRule
from peak_fast.settings.slots import free_rate, settings_vector
from peak_fast.settings.trading import Costs, Execution, RiskLimits, Stops

if TYPE_CHECKING:
    from peak_fast.data import Bars
    from peak_fast.settings.financing import Financing
    from peak_fast.settings.order_book import OrderBook
    from peak_fast.settings.order_rules import OrderRules
    from peak_fast.settings.portfolio_rules import PortfolioRules

_MOST_KEPT = 256
_KINDS = (
    ("execution", Execution),
    ("costs", Costs),
    ("sizing", SizeRule),
    ("stops", Stops),
    ("risk_limits", RiskLimits),
)


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """Settings of a run; `peak_fast.engine.BacktestEngine` says what each is.

    Raises
    ------
    ConfigError
        A setting has the wrong type or value.
    """

    initial_cash: float = 100_000.0
    execution: Execution = field(default_factory=Execution)
    costs: Costs = field(default_factory=Costs)
    sizing: SizeRule = field(default_factory=FractionOfEquity)
    stops: Stops = field(default_factory=Stops)
    risk_limits: RiskLimits = field(default_factory=RiskLimits)
    periods_per_year: float | None = None
    risk_free: float = 0.0
    order_book: OrderBook | None = None
    portfolio: PortfolioRules | None = None
    financing: Financing | None = None
    _vectors: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What the last run has made of them, for the next one."""
    _others: dict[Any, EngineSettings] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, kind in _KINDS:
            value = getattr(self, name)
            if not isinstance(value, kind):
                wanted = "a size such as FractionOfEquity(0.5)" if kind is SizeRule else kind.__name__
                raise ConfigError(f"{name}: expected {wanted}; got {type(value).__name__}")
        for name, number in (
            ("initial_cash", self.initial_cash),
            ("periods_per_year", self.periods_per_year),
        ):
            absent = number is None and name == "periods_per_year"
            if not absent and not (number is not None and is_number(number) and 0 < number < float("inf")):
                raise ConfigError(f"{name}: expected a positive number; got {shown(number)}")
        if not (is_number(self.risk_free) and -1 < self.risk_free < 1):
            hint = "; 3 per cent is 0.03" if is_number(self.risk_free) and self.risk_free >= 1 else ""
            raise ConfigError(
                f"risk_free: expected a yearly rate above -1 and below 1; got {shown(self.risk_free)}{hint}"
            )
        object.__setattr__(self, "initial_cash", float(self.initial_cash))
        if self.order_book is not None:
            from peak_fast.settings.order_book import as_book

            object.__setattr__(self, "order_book", as_book(self.order_book))
        if self.portfolio is not None:
            from peak_fast.settings.portfolio_rules import PortfolioRules

            if not isinstance(self.portfolio, PortfolioRules):
                raise ConfigError(
                    f"portfolio: expected PortfolioRules(...); got {type(self.portfolio).__name__}"
                )
        if self.financing is not None:
            from peak_fast.settings.financing import Financing

            if not isinstance(self.financing, Financing):
                raise ConfigError(f"financing: expected Financing(...); got {type(self.financing).__name__}")

    def changed(self, **changes: Any) -> EngineSettings:
        """These settings with others in their place, kept for the next run that changes the same.

        The others must be hashable; an order book with data of its own is not.
        """
        key = tuple(changes.items())
        found = self._others.get(key)
        if found is None:
            if len(self._others) >= _MOST_KEPT:
                self._others.clear()
            found = self._others[key] = replace(self, **changes)
        return found

    def through_book(self) -> EngineSettings:
        """These settings with an order book: their own, or a plain one."""
        self.refuse_financing("runs through the order book")
        if self.order_book is not None:
            return self
        from peak_fast.settings.order_book import plain_book

        return self.changed(order_book=plain_book())

    def refuse_financing(self, who: str) -> None:
        """Refuse what a run would pass over; ``who`` cannot pay it.

        Raises
        ------
        ConfigError
            There is financing.
        """
        if self.financing is not None:
            raise ConfigError(
                f"financing: {who} cannot pay it; expected None; all other runs of one asset, and portfolios, take it; "
                "prices of adjust=True hold reinvested dividends, and an order book has interest and funding of its "
                "own: order_book=OrderBook(rules=OrderRules(borrow_short=...), funding=...)"
            )

    def vector(
        self,
        bars: Bars,
        *,
        weights: bool = False,
        legacy: bool = False,
        financed: bool = False,
        **used: Any,
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Flat settings for the kernel, kept for the next run with the same ones.

        Parameters
        ----------
        weights
            Targets are fractions of equity instead of sides.
        legacy
            The long-only mode: an entry only when flat.
        financed
            Whether the run takes financing, too.
        **used
            What of them a run uses, see `peak_fast.settings.signed_prices.check_engine`.
        """
        if self.financing is not None and not financed:
            self.refuse_financing("runs through the order book")
        year, signed = self.periods_per_year or bars.periods_per_year, False
        if bars.n_not_positive:
            signed = check_engine(bars, self.sizing, self.stops, weights=weights, **used)
        year_at_bars = self.periods_per_year is None and bars.has_time
        key = (year, year_at_bars, weights, legacy, signed)
        if key not in self._vectors:
            self._vectors[key] = self._vector(
                year, weights=weights, year_at_bars=year_at_bars, enter_only_flat=legacy, signed=signed
            )
        vector: np.ndarray[Any, np.dtype[np.float64]] = self._vectors[key]
        return vector

    def free_rate(self, bars: Bars) -> float:
        """Risk-free rate of a bar."""
        return free_rate(self.risk_free, self.periods_per_year or bars.periods_per_year)

    def portfolio_vector(self, periods_per_year: float) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Flat settings of a portfolio of weights: cash, costs and what statistics need."""
        return self._vector(periods_per_year, weights=True)

    def _vector(self, periods_per_year: float, **more: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
        """All settings as the kernels read them, with what depends on the run."""
        return settings_vector(
            initial_cash=self.initial_cash,
            execution=self.execution,
            costs=self.costs,
            stops=self.stops,
            sizing=self.sizing,
            risk_limits=self.risk_limits,
            periods_per_year=periods_per_year,
            risk_free=self.risk_free,
            **more,
        )

    def shown(
        self, targets: str = "sides", mode: str = "pipeline", rules: OrderRules | None = None
    ) -> dict[str, Any]:
        """Settings as a result names them.

        Parameters
        ----------
        targets
            What the strategy gives: sides, weights or orders.
        mode
            pipeline or legacy.
        rules
            Those of the run, where it went through the order book.
        """
        shown: dict[str, Any] = {
            "initial_cash": self.initial_cash,
            "execution": self.execution,
            "costs": self.costs,
            "stops": self.stops,
            "sizing": self.sizing,
            "risk_limits": self.risk_limits,
            "risk_free": self.risk_free,
            "mode": mode,
            "targets": targets,
        }
        if self.financing is not None:
            shown["financing"] = self.financing.described()
        if rules is not None and self.order_book is not None:
            shown["order_book"] = self.order_book.described(rules)
            if rules.market_fill != "next_open":
                # The book may say so alone, and every result states its fill rule.
                shown["execution"] = self.execution.model_copy(update={"fill_at": "close"})
        return shown
