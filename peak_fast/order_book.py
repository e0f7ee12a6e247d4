"""The engine's decisions through the order book: what only the order machinery knows, for any strategy of sides.

>>> engine = BacktestEngine(order_book=OrderBook(rules=OrderRules(latency=1)))     # doctest: +SKIP
>>> engine.run(bars, "ma_crossover").book.orders                                  # doctest: +SKIP

Each decision becomes market orders (or an entry at a limit) with the engine's stops attached, sized by the engine's
sizing when they fill.  With rules that say nothing of their own, fills, trades and equity are those of the fast path.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast import _run
from peak_fast.config import BASIS_POINTS
from peak_fast.errors import ConfigError, DataError
from peak_fast.order_outcome import outcome_of
from peak_fast.order_rules import Asset, OrderRules
from peak_fast.order_run import EngineSizing, Floats, Ints, Prices, blank_actions, calendar_day
from peak_fast.orders import Inputs, OrderResult, Tables, as_column, detail_bars, merge_rules
from peak_fast.result import BacktestResult
from peak_kernels import orders_fields as f
from peak_kernels import types as t
from peak_kernels.estimates import take_volatility

if TYPE_CHECKING:
    from peak_fast.config import Costs, Execution, RiskLimits, Stops
    from peak_fast.data import Bars
    from peak_fast.engine import BacktestEngine

DECISION = "decision"
"""Tag of all orders that decisions place."""
# Rules that contradict one position that follows one decision.
_REFUSED = ("hedging", "exclusive", "only_flat", "alternate_removal")


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
    half_spread, funding
        Number, or one for each bar, as in `simulate_orders`.
    detail
        Finer bars of the same asset: they decide the order of events inside a bar.
    book_size
        Live orders that the book can hold.
    """

    rules: OrderRules = field(default_factory=OrderRules)
    asset: Asset | None = None
    entry_limit: float | None = None
    entry_bars: int | None = None
    half_spread: Any = None
    funding: Any = None
    detail: Any = None
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
        for name in _REFUSED:
            if getattr(self.rules, name):
                raise ConfigError(
                    f"OrderBook.rules: {name}=True contradicts one position that follows the strategy; "
                    "expected it off, or orders of your own with simulate_orders"
                )

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
        }


def as_book(value: Any) -> OrderBook | None:
    """An `OrderBook`, made of `OrderRules` where those were given.

    Raises
    ------
    ConfigError
        Something else.
    """
    if isinstance(value, OrderRules):
        return OrderBook(rules=value)
    if value is None or isinstance(value, OrderBook):
        return value
    raise ConfigError(f"order_book: expected OrderBook or OrderRules; got {type(value).__name__}")


def book_rules(
    book: OrderBook, execution: Execution, costs: Costs, stops: Stops, limits: RiskLimits
) -> OrderRules:
    """Rules of a run: the engine's settings, and over them what the book's rules say.

    Raises
    ------
    ConfigError
        Both say something, and not the same.
    """
    plain = OrderRules()
    base = replace(
        merge_rules(plain, costs, execution),
        shortfall="cut",
        afford="financed",
        trail_watermark=stops.watermark,
        max_drawdown=limits.max_drawdown or 0.0,
        daily_loss=limits.daily_loss or 0.0,
    )
    quiet = {"shortfall", "afford", "merge_fills", "exits_active"}
    changes = {}
    for item in fields(plain):
        name, default = item.name, getattr(plain, item.name)
        ours, theirs = getattr(base, name), getattr(book.rules, name)
        if theirs in (default, ours):
            continue
        if ours != default and name not in quiet:
            raise ConfigError(
                f"order_book: rules.{name}={theirs!r} contradicts the engine's own settings, which give {ours!r}; "
                "expected one of the two"
            )
        changes[name] = theirs
    return replace(base, **changes)


def decided(bars: Bars, decisions: _run.Decisions, settings: Floats) -> tuple[Ints, Floats]:
    """Bars and targets of a run's decisions.

    Raises
    ------
    ConfigError
        They depend on the account of the fast path.
    """
    if decisions.block is not None:
        raise ConfigError(
            "order_book: a compiled block that returns targets looks at the account of the fast path; expected a "
            "strategy of rules, signals or targets"
        )
    if len(decisions.rules) == 0:
        return decisions.bar_of[: decisions.count], decisions.target_of[: decisions.count]
    decisions.bar_of[:] = -1
    _run.run_single(bars, decisions, settings)
    count = int(np.argmax(np.append(decisions.bar_of, -1) < 0))
    return decisions.bar_of[:count], decisions.target_of[:count]


def entry_fractions(bars: Bars, bar_of: Ints, settings: Floats) -> Floats:
    """What the orders carry as their size: the fraction of volatility sizing (0: no estimate), else 1."""
    sizes = np.ones(len(bar_of))
    if settings[t.SIZE_MODE] == t.SIZE_VOLATILITY:
        state, table = np.zeros(t.N_STATE), _run.price_table(bars)
        state[: t.N_SETTINGS] = settings
        for number, bar in enumerate(bar_of):
            take_volatility(state, table, int(bar))
            sizes[number] = state[t.SIZED_FRACTION]
    return sizes


def actions_of(
    book: OrderBook, bars: Bars, decisions: tuple[Ints, Floats], stops: Stops, settings: Floats
) -> Floats:
    """Instructions of the kernel: for each decision, what was wanted before ends, the other side is closed, and
    an order of the engine's size is placed.

    A decision that repeats the one before it places its order only, which does nothing where the side is held.
    """
    bar_of, target_of = decisions
    fractions = entry_fractions(bars, bar_of, settings)
    if settings[t.FILL_AT_CLOSE] > 0.0 and bars.has_nan:
        # A close that is not there: the decision waits for the next one.
        priced = np.flatnonzero(~np.isnan(bars.close))
        bar_of = np.append(priced, len(bars) - 1)[np.searchsorted(priced, bar_of)]
    rows = blank_actions(3 * len(bar_of)).reshape(len(bar_of), 3, f.N_ACTION)
    side = np.sign(target_of)
    rows[:, :, f.X_BAR] = bar_of[:, None]
    cancel, close, place = rows[:, 0], rows[:, 1], rows[:, 2]
    cancel[:, f.X_OP], cancel[:, f.X_TAG] = f.OP_CANCEL, 0.0
    close[:, f.X_OP], close[:, f.X_SIZE], close[:, f.X_SIDE] = f.OP_CLOSE, 1.0, side
    place[:, f.X_OP], place[:, f.X_SIDE], place[:, f.X_TAG] = f.OP_PLACE, side, 0.0
    place[:, f.X_UNIT], place[:, f.X_SIZE] = f.BY_RULES, fractions
    place[:, f.X_STOP_LOSS] = np.nan if stops.stop_loss is None else stops.stop_loss
    place[:, f.X_TAKE_PROFIT] = np.nan if stops.take_profit is None else stops.take_profit
    place[:, f.X_EXIT_UNIT] = f.DISTANCE if stops.unit == "absolute" else f.FRACTION
    if book.entry_limit is not None:
        limit = bars.mark[bar_of] * (1.0 - side * book.entry_limit)
        tick = book.asset.tick if book.asset is not None else 0.0
        place[:, f.X_KIND] = f.LIMIT
        place[:, f.X_LIMIT] = side * np.floor(side * limit / tick + 1e-9) * tick if tick > 0.0 else limit
        if book.entry_bars is not None:
            place[:, f.X_VALID] = bar_of + book.entry_bars
    repeated = np.zeros(len(bar_of), bool)
    repeated[1:] = target_of[1:] == target_of[:-1]
    wanted = np.column_stack((~repeated, ~repeated, side != 0.0))
    wanted[:1, 0] = False
    return np.ascontiguousarray(rows[wanted])


def _prices(book: OrderBook, bars: Bars, rules: OrderRules) -> Prices:
    """Market data of one asset, with what the book adds to the bars."""
    if bars.volume is None and (rules.volume != "any" or rules.slippage.startswith("volume")):
        raise DataError("order_book: these rules need a volume column in the bars")
    shape = (1, len(bars))
    fine, fine_start = detail_bars(book.detail, bars.time_us)
    return Prices(
        bars.open.reshape(shape),
        bars.high.reshape(shape),
        bars.low.reshape(shape),
        bars.close.reshape(shape),
        np.empty((0, 0)) if bars.volume is None else bars.volume.reshape(shape),
        as_column("half_spread", book.half_spread, shape),
        as_column("funding", book.funding, shape),
        calendar_day(bars.time_us),
        fine,
        fine_start,
    )


def run_book(
    book: OrderBook,
    bars: Bars,
    decisions: tuple[Ints, Floats],
    settings: Floats,
    rules: OrderRules,
    stops: Stops,
) -> tuple[_run.Outcome, OrderResult]:
    """Run decisions through the order book.

    Parameters
    ----------
    settings
        The engine's flat settings.
    rules
        From `book_rules`.

    Raises
    ------
    DataError
        The bars lack what the rules need, or the book's columns have another length.
    """
    bar_of, target_of = decisions
    if book.entry_limit is not None and len(bar_of) and np.isnan(bars.mark[bar_of[0]]):
        raise DataError(
            f"order_book: bar {bar_of[0]} decides on an entry at a limit before the first close; expected prices "
            "from there on"
        )
    settings = settings.copy()
    asset = book.asset or Asset(lot=float(settings[t.LOT_SIZE]), min_size=float(settings[t.MIN_SIZE]))
    settings[t.LOT_SIZE], settings[t.MIN_SIZE] = asset.lot, asset.min_size
    settings[t.LEVERAGE] = rules.leverage
    settings[t.RATE], settings[t.FEE_FIXED] = rules.fee_rate, rules.fee_fixed
    settings[t.FEE_MINIMUM], settings[t.FEE_PER_UNIT] = rules.fee_minimum, rules.fee_per_unit
    if rules.slippage == "fraction":
        settings[t.SLIPPAGE_RATE], settings[t.SLIPPAGE_ABSOLUTE] = rules.slippage_amount, rules.slippage_extra
    if rules.maintenance == 0.0 and ((target_of < 0.0).any() or rules.leverage > 1.0):
        # As on the fast path: a position whose equity is gone is closed.
        rules = replace(rules, maintenance=1.0 / BASIS_POINTS**3)
    unit = f.DISTANCE if stops.unit == "absolute" else f.FRACTION
    prices = _prices(book, bars, rules)
    actions = actions_of(book, bars, decisions, stops, settings)
    rows = np.arange(len(actions))
    run = Inputs(
        bars=(bars,),
        prices=prices,
        actions=actions,
        asking=None,
        rules=rules,
        assets=(asset,),
        initial_cash=float(settings[t.INITIAL_CASH]),
        book_size=book.book_size,
        tables=Tables(bars.time_us, (bars.name,), (DECISION,), rows, prices),
        sizing=EngineSizing(settings, stops.trailing or 0.0, unit),
    )
    result = OrderResult(run, run.repeat(rules))
    position = result.position[0]
    value = np.where(position != 0.0, position * bars.mark, 0.0) * asset.multiplier
    return outcome_of(result.records, settings, stops, value, asset.multiplier), result


def result_of(
    engine: BacktestEngine,
    bars: Bars,
    decisions: _run.Decisions,
    settings: Floats,
    names: tuple[str, dict[str, Any], dict[str, Any], str, Any],
) -> BacktestResult:
    """Result of an engine whose decisions go through its order book; ``names`` are the result's own arguments.

    Raises
    ------
    ConfigError
        Weights, which the book does not rebalance, or settings that contradict each other.
    """
    book, used = engine.order_book, names[2]
    assert book is not None
    if settings[t.WEIGHT_TARGETS] > 0.0:
        raise ConfigError(
            "order_book: weights are not rebalanced there; expected sides (-1, 0, 1), or orders with "
            "size_unit='target_fraction' and simulate_orders"
        )
    stops = used["stops"]
    rules = book_rules(book, engine.execution, engine.costs, stops, engine.risk_limits)
    outcome, orders = run_book(book, bars, decided(bars, decisions, settings), settings, rules, stops)
    used["order_book"] = book.described(orders.rules)
    return BacktestResult(bars, outcome, settings, *names, book=orders)
