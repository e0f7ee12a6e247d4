"""What goes into a run through the order book: rules of an engine and its book, prices, instructions.

Nothing runs here.  `decision_inputs` (strategies of sides) and `block_inputs` (blocks that place orders) make the
`Inputs` of one configuration, which `Inputs.repeat` runs; `peak_fast.orders.outcome.finished` turns its records into
the arrays of a result.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast import simulation as _simulation
from peak_fast.errors import ConfigError, DataError
from peak_fast.orders.columns import bar_column, detail_bars, funding_column
from peak_fast.orders.inputs import Inputs, Tables, asking_of
from peak_fast.orders.memory import Asking, EngineSizing, Prices, blank_actions
from peak_fast.settings import Asset, OrderRules, check_book, check_half_spread, merge_rules
from peak_fast.simulation import Decisions, calendar_table, price_table, prices_for
from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.order_entries import decision_rows

if TYPE_CHECKING:
    from peak_fast.data import Bars
    from peak_fast.settings import Costs, Execution, OrderBook, RiskLimits, Stops
    from peak_fast.strategies import Block, OrderBlock

DECISION = "decision"
"""Tag of all orders that decisions place."""
# Rules that contradict one position that follows one decision.
_REFUSED = ("hedging", "exclusive", "only_flat", "alternate_removal")
# Rules that the engine's settings change without meaning to: a book that says otherwise is right.
_QUIET = {"shortfall", "afford", "merge_fills", "exits_active"}


def book_rules(
    book: OrderBook, execution: Execution, costs: Costs, stops: Stops, limits: RiskLimits
) -> OrderRules:
    """Rules of a run of decisions: the engine's settings, and over them what the book's rules say.

    Raises
    ------
    ConfigError
        Both say something, and not the same, or the book's rules contradict one position that follows a strategy.
    """
    if book.session_end is not None:
        raise ConfigError(
            f"OrderBook.session_end: expected None, because decisions place no market-on-close orders; got "
            f"{book.session_end!r}"
        )
    for name in _REFUSED:
        if getattr(book.rules, name):
            raise ConfigError(
                f"OrderBook.rules: {name}=True contradicts one position that follows the strategy; "
                "expected it off, or a block that places orders of its own"
            )
    return _over(_of_decisions(costs, execution, stops, limits), book.rules)


# A loop of runs has the same few settings: rules are made and checked once.
@functools.lru_cache(maxsize=64)
def _of_decisions(costs: Costs, execution: Execution, stops: Stops, limits: RiskLimits) -> OrderRules:
    """The engine's settings as rules."""
    return replace(
        merge_rules(OrderRules(), costs, execution),
        shortfall="cut",
        afford="financed",
        trail_watermark=stops.watermark,
        max_drawdown=limits.max_drawdown or 0.0,
        daily_loss=limits.daily_loss or 0.0,
    )


def block_rules(book: OrderBook, execution: Execution, costs: Costs, limits: RiskLimits) -> OrderRules:
    """Rules of a run of a block that places orders: what it orders is sized and paid as in `simulate_orders`.

    Raises
    ------
    ConfigError
        Engine and book both say something, and not the same, or the book has settings for decisions.
    """
    if book.entry_limit is not None:
        raise ConfigError(
            f"OrderBook.entry_limit: expected None, because the block gives each order its own type; got "
            f"{book.entry_limit!r}; place limit orders in the block"
        )
    return _over(_of_blocks(costs, execution, limits), book.rules)


@functools.lru_cache(maxsize=64)
def _of_blocks(costs: Costs, execution: Execution, limits: RiskLimits) -> OrderRules:
    """The engine's settings as rules of a block that places orders."""
    return replace(
        merge_rules(OrderRules(), costs, execution, split_fills=False),
        max_drawdown=limits.max_drawdown or 0.0,
        daily_loss=limits.daily_loss or 0.0,
    )


@functools.lru_cache(maxsize=64)
def _over(base: OrderRules, rules: OrderRules) -> OrderRules:
    """The engine's rules with those of the book that are not at their defaults."""
    plain = OrderRules()
    changes = {}
    for item in fields(plain):
        name, default = item.name, getattr(plain, item.name)
        ours, theirs = getattr(base, name), getattr(rules, name)
        if theirs in (default, ours):
            continue
        if ours != default and name not in _QUIET:
            raise ConfigError(
                f"order_book: rules.{name}={theirs!r} contradicts the engine's own settings, which give {ours!r}; "
                "expected one of the two"
            )
        changes[name] = theirs
    return replace(base, **changes)


def decided(bars: Bars, decisions: Decisions, settings: FloatArray) -> tuple[IntArray, FloatArray]:
    """Bars and targets of a run's decisions."""
    if len(decisions.rules) == 0:
        return decisions.bar_of[: decisions.count], decisions.target_of[: decisions.count]
    decisions.bar_of[:] = -1
    _simulation.run_single(bars, decisions, settings)
    count = int(np.argmax(np.append(decisions.bar_of, -1) < 0))
    return decisions.bar_of[:count], decisions.target_of[:count]


def actions_of(
    book: OrderBook, bars: Bars, decisions: tuple[IntArray, FloatArray], settings: FloatArray
) -> FloatArray:
    """Instructions of the kernel for decisions (`peak_kernels.orders.simulate.decisions`)."""
    bar_of, target_of = decisions
    state = np.zeros(t.N_STATE)
    state[: t.N_SETTINGS] = settings
    rows = np.empty(3 * len(bar_of) * f.N_ACTION)
    tick = book.asset.tick if book.asset is not None else 0.0
    prices, calendar = prices_for(bars, settings), calendar_table(bars, False)
    terms = (*_entry(book), tick)
    stop = decision_rows(rows, (bar_of, target_of), prices, calendar, state, terms)
    return rows[:stop].reshape(-1, f.N_ACTION)


def _entry(book: OrderBook) -> tuple[float, float]:
    """Entries at a limit as the kernels read them; NaN: not set."""
    limit, valid = book.entry_limit, book.entry_bars
    return np.nan if limit is None else float(limit), np.nan if valid is None else float(valid)


def book_prices(book: OrderBook, bars: Bars, rules: OrderRules, notes: list[str]) -> Prices:
    """Market data of one asset, with what the book adds to the bars; ``notes`` gets what was passed over."""
    if bars.volume is None and (rules.volume != "any" or rules.slippage.startswith("volume")):
        raise DataError("order_book: these rules need a volume column in the bars")
    check_half_spread(rules, book.half_spread)
    shape = (1, len(bars))
    fine, fine_start = detail_bars(book.detail, bars, notes)
    signed = check_book((bars,), rules, (book.asset or Asset(),), book.entry_limit)
    return Prices(
        bars.open.reshape(shape),
        bars.high.reshape(shape),
        bars.low.reshape(shape),
        bars.close.reshape(shape),
        np.empty((0, 0)) if bars.volume is None else bars.volume.reshape(shape),
        bar_column("half_spread", book.half_spread, (bars,), notes, levels=True),
        funding_column(book.funding, book.funding_times, (bars,), notes),
        bars.day,
        fine,
        fine_start,
        signed=signed,
    )


def _settled(settings: FloatArray, rules: OrderRules, asset: Asset) -> FloatArray:
    """The engine's flat settings with what the rules of the run say."""
    settings = settings.copy()
    settings[t.LOT_SIZE], settings[t.MIN_SIZE] = asset.lot, asset.min_size
    settings[t.LEVERAGE] = rules.leverage
    settings[t.RATE], settings[t.FEE_FIXED] = rules.fee_rate, rules.fee_fixed
    settings[t.FEE_MINIMUM], settings[t.FEE_PER_UNIT] = rules.least_fee, rules.fee_per_unit
    if rules.slippage == "fraction":
        settings[t.SLIPPAGE_RATE], settings[t.SLIPPAGE_ABSOLUTE] = rules.slippage_amount, rules.slippage_extra
    return settings


def _asset(book: OrderBook, settings: FloatArray) -> Asset:
    """The book's asset, else lot and smallest size of the engine."""
    if book.asset is not None and book.asset.quote:
        raise ConfigError(
            f"OrderBook.asset: the engine's account has the currency of the prices; got quote={book.asset.quote!r}; "
            "expected an asset without it, or simulate_orders with currency and rates"
        )
    return book.asset or Asset(lot=float(settings[t.LOT_SIZE]), min_size=float(settings[t.MIN_SIZE]))


def _check_entries(book: OrderBook, settings: FloatArray) -> None:
    """Refuse entries at a limit where an order may as well sell a surplus."""
    if book.entry_limit is not None and settings[t.WEIGHT_TARGETS] > 0.0:
        raise ConfigError(
            "OrderBook.entry_limit: expected None with weights, whose orders enlarge and reduce positions; got "
            f"{book.entry_limit!r}; give sides, or let a block place the orders"
        )


def decision_inputs(
    book: OrderBook,
    bars: Bars,
    decisions: tuple[IntArray, FloatArray],
    settings: FloatArray,
    rules: OrderRules,
    stops: Stops,
    prices: Prices | None = None,
) -> tuple[Inputs, FloatArray]:
    """Inputs of a run of decisions, and the flat settings that its outcome is made with.

    Parameters
    ----------
    decisions
        Bars and targets, see `decided`.
    settings
        The engine's flat settings.
    rules
        From `book_rules`.
    prices
        From `book_prices`, where many runs share them.

    Raises
    ------
    DataError
        The bars lack what the rules need, or the book's columns have another length.
    """
    bar_of, target_of = decisions
    _check_entries(book, settings)
    if book.entry_limit is not None and len(bar_of) and np.isnan(bars.mark[bar_of[0]]):
        raise DataError(
            f"order_book: bar {bar_of[0]} decides on an entry at a limit before the first close; expected prices "
            "from there on"
        )
    asset = _asset(book, settings)
    settings = _settled(settings, rules, asset)
    if (target_of < 0.0).any() or rules.leverage > 1.0 or bars.n_not_positive:
        rules = _with_liquidation(rules)
    notes: list[str] = []
    prices = prices or book_prices(book, bars, rules, notes)
    actions = actions_of(book, bars, decisions, settings)
    tables = Tables(bars.time_us, (bars.name,), (DECISION,), np.arange(len(actions)), prices)
    sizing = _sizing(book, settings, stops)
    return _inputs(
        book, bars, asset, rules, settings, tables, actions=actions, sizing=sizing, notes=notes
    ), settings


def _inputs(
    book: OrderBook, bars: Bars, asset: Asset, rules: OrderRules, settings: FloatArray, tables: Tables, *,
    actions: FloatArray | None = None, asking: Asking | None = None, sizing: EngineSizing | None = None,
    notes: list[str],
) -> Inputs:  # fmt: skip
    """Inputs of a run of one asset: with instructions, or with a block that gives them."""
    return Inputs(
        bars=(bars,),
        prices=tables.prices,
        actions=blank_actions(0) if actions is None else actions,
        asking=asking,
        rules=rules,
        assets=(asset,),
        initial_cash=float(settings[t.INITIAL_CASH]),
        book_size=book.book_size,
        tables=tables,
        sizing=sizing,
        notes=(*bars.notes, *notes),
    )


@functools.lru_cache(maxsize=64)
def _with_liquidation(rules: OrderRules) -> OrderRules:
    """As on the fast path: a position whose equity is gone is closed."""
    return rules if rules.maintenance != 0.0 else replace(rules, maintenance=f.LEAST_MARGIN)


def _sizing(book: OrderBook, settings: FloatArray, stops: Stops) -> EngineSizing:
    """What the kernel needs of the engine's settings."""
    unit = f.DISTANCE if stops.unit == "absolute" else f.FRACTION
    return EngineSizing(settings, stops.trailing or 0.0, unit, *_entry(book))


def with_years(asking: Asking, bars: Bars, needed: bool) -> Asking:
    """A block whose calendar says the bars a year that were known at each bar, where volatilities are estimated."""
    if not needed:
        return asking
    years = price_table(bars, years=True)[t.YEAR]
    return asking._replace(calendar=np.vstack((asking.calendar, years)))


def target_inputs(
    book: OrderBook,
    bars: Bars,
    block: Block,
    values: Mapping[str, Any],
    settings: FloatArray,
    rules: OrderRules,
    stops: Stops,
    prices: Prices | None = None,
) -> tuple[Inputs, FloatArray]:
    """Inputs of a run of a block that returns targets, which is asked in the run, and the outcome's flat settings.

    ``values`` are all parameters of the block; the other arguments and errors are those of `decision_inputs`.
    """
    _check_entries(book, settings)
    asset = _asset(book, settings)
    settings, rules = _settled(settings, rules, asset), _with_liquidation(rules)
    notes: list[str] = []
    prices = prices or book_prices(book, bars, rules, notes)
    tables = Tables(bars.time_us, (bars.name,), (DECISION,), None, prices)
    asking, sizing = asking_of(block, values, bars.opens_us, bars=(bars,)), _sizing(book, settings, stops)
    asking = with_years(asking, bars, bool(settings[t.SIZE_MODE] == t.SIZE_VOLATILITY))
    return _inputs(
        book, bars, asset, rules, settings, tables, asking=asking, sizing=sizing, notes=notes
    ), settings


def block_inputs(
    book: OrderBook,
    bars: Bars,
    block: OrderBlock,
    values: Mapping[str, Any],
    settings: FloatArray,
    rules: OrderRules,
    prices: Prices | None = None,
) -> tuple[Inputs, FloatArray]:
    """Inputs of a run of a block that places orders, and the flat settings that its outcome is made with.

    Parameters
    ----------
    values
        All parameters of the block, by name.
    settings
        The engine's flat settings; only its cash, lot and smallest size are read.
    rules
        From `block_rules`.
    prices
        From `book_prices`, where many runs share them.

    Raises
    ------
    DataError
        The bars lack what the rules need, or the book's columns have another length.
    StrategyError
        The block cannot be compiled, or a parameter is no number.
    """
    asset = _asset(book, settings)
    settings = _settled(settings, rules, asset)
    settings[t.FILL_AT_CLOSE] = rules.market_fill == "same_close"
    notes: list[str] = []
    prices = prices or book_prices(book, bars, rules, notes)
    tables = Tables(bars.time_us, (bars.name,), None, None, prices)
    asking = asking_of(block, values, bars.opens_us, book.session_end, (bars,))
    return _inputs(book, bars, asset, rules, settings, tables, asking=asking, notes=notes), settings
