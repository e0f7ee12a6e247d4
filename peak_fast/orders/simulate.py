"""Order-level backtests: `simulate_orders` takes bars and a frame of instructions.

>>> import polars as pl
>>> bars = {"open": [10.0, 11, 12, 13], "high": [11.0, 12, 13, 14], "low": [9.0, 10, 11, 12],
...         "close": [10.5, 11.5, 12.5, 13.5]}
>>> orders = [{"bar": 0, "side": "buy", "size": 5}, {"bar": 1, "side": "sell", "size": 5,
...            "type": "limit", "limit": 12.5}]
>>> result = simulate_orders(bars, orders, initial_cash=1000)
>>> result.fills.select("bar", "side", "price").rows()
[(1, 1, 11.0), (2, -1, 12.5)]

An action of bar *i* is decided at the close of bar *i*; its order works from bar *i + 1* on.  What every rule
is, and how to change it, says `peak_fast.settings.OrderRules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from peak_fast.data import calendar_of_bars, time_of_day
from peak_fast.errors import ConfigError, DataError, StrategyError
from peak_fast.guard import guarded
from peak_fast.orders.columns import bar_column, detail_bars, funding_column
from peak_fast.orders.currency import exchange_rates
from peak_fast.orders.inputs import Inputs, Tables, asking_of
from peak_fast.orders.markets import Markets, markets_of
from peak_fast.orders.memory import Asking, Prices, blank_actions
from peak_fast.orders.result import OrderResult
from peak_fast.orders.table import Actions, read_actions
from peak_fast.orders.table_frames import table_of_panel
from peak_fast.settings import (
    Asset,
    OrderRules,
    check_assets,
    check_book,
    check_book_size,
    check_cash,
    check_effects,
    check_half_spread,
    check_kind,
    merge_rules,
)
from peak_fast.strategies import Block, OrderBlock, RuleStrategy, SignalStrategy, complete_params, resolve

if TYPE_CHECKING:
    from peak_fast.data import Calendar

__all__ = ["Asset", "OrderResult", "OrderRules", "simulate_orders"]


def _instructions(
    orders: Any,
    params: Mapping[str, Any] | None,
    markets: Markets,
    session_end: str | None,
    rules: OrderRules,
    calendar: Calendar,
) -> tuple[Actions, Asking | None]:
    """Instructions of a frame, or a block that will give them (and no instructions yet)."""
    every, time_us = markets.bars, markets.bars[0].opens_us
    block = resolve(orders) if isinstance(orders, str | Block | RuleStrategy | SignalStrategy) else orders
    if isinstance(block, OrderBlock):
        asking = asking_of(block, complete_params(block, params), time_us, session_end, every)
        return Actions(blank_actions(0), None, None), asking
    if callable(block) or isinstance(block, Block | RuleStrategy | SignalStrategy):
        raise StrategyError(
            "orders: expected a frame of instructions, or a block of (i, bars, params, memory, account, orders) "
            f"with the decorator strategy; got {getattr(block, 'name', type(block).__name__)!r}, which places none"
        )
    if params is not None:
        raise ConfigError("params belong to a block; a frame of instructions takes none")
    end = time_of_day(session_end)
    options: dict[str, Any] = {"latency": rules.latency, "first_bar": rules.first_bar, "session_end_us": end}
    signed = [item.n_not_positive > 0 for item in every]
    if markets.is_panel:
        orders = table_of_panel(orders, markets.names)
    return read_actions(
        orders, time_us, list(markets.names), signed=signed, calendar=calendar, **options
    ), None


@guarded
def simulate_orders(
    bars: Any,
    orders: Any,
    params: Mapping[str, Any] | None = None,
    *,
    initial_cash: float = 100_000.0,
    rules: OrderRules | None = None,
    costs: Any = None,
    execution: Any = None,
    assets: Asset | Mapping[str, Asset] | None = None,
    half_spread: Any = None,
    funding: Any = None,
    funding_times: Any = None,
    detail: Any = None,
    session_end: str | None = None,
    book_size: int = 4096,
    currency: str = "",
    rates: Mapping[str, Any] | None = None,
) -> OrderResult:
    """Simulate orders given as a frame of instructions, or placed by a compiled block.

    Parameters
    ----------
    bars
        A frame of bars (or `Bars`), a dict of asset name to frame, all on one calendar, or a `Panel`.
    orders
        A block of ``(i, bars, params, memory, account, orders)`` with the decorator `strategy` (or its name),
        which gives its instructions at every close (`peak_fast.orders`).  Or a frame with one row per
        instruction; columns (all but the first are optional):

        ``bar`` or ``timestamp``: close at which it is decided;
        ``action``: place, modify, cancel (orders of ``tag``; cancel_with_exits also the exits of its lots),
        close (open lots, or those of ``tag``; ``size`` is the portion), trail_stops, set_exits;
        ``type``: market, limit, stop, stop_limit, trailing_stop, trailing_stop_limit, market_on_close;
        ``side``: buy or sell;
        ``size`` and ``size_unit``: units, value, equity_fraction, margin_fraction, position_fraction,
        target_units, target_value, target_fraction;
        ``limit``, ``stop`` (of a trailing stop: its first reference price), ``trail`` and ``trail_unit``:
        fraction or distance;
        ``stop_loss``, ``take_profit`` and ``exit_unit``: price, fraction of the fill price, distance;
        ``valid_until``: last bar or time stamp; ``time_in_force``: gtc, day, gtd, ioc, fok;
        ``parent``: tag of the order that has to be filled first; ``oco_group``; ``tag``; ``reduce_only``;
        ``asset`` (or ``symbol``); of a panel each row has one, and without ``side`` sizes are signed.
    params
        Parameters of the block; missing ones take their defaults.
    initial_cash
        Cash before the first bar.
    rules
        `OrderRules`; `peak_fast.settings` has those of other engines.
    costs, execution
        `Costs` and `Execution`; they replace the rules of the same meaning.
    assets
        Contract sizes, margins, ticks and lots: one `Asset` for all, or a dict by name.
    half_spread, funding
        Number, ``[bar]`` or ``[asset, bar]``: half of the spread in price units (``slippage="half_spread"``);
        rate that longs pay to shorts, on the value of the position at the close of the bar (NaN: none).
    funding_times
        When funding is paid: ``"8h"``, times of day (``["00:00", "12:00"]``, UTC), moments (with one rate for each, or
        for all), ``"bar"`` (every bar).  None: ``funding`` has a value for each bar; one rate for all is refused.
    detail
        Finer bars of the (first) asset: they decide the order of events inside a bar.
    session_end
        Time of day (``"17:00"``) at which market-on-close orders fill; None: last bar of each day.
    book_size
        Live orders that the book can hold; one more is rejected with the reason ``book_full``.
    currency
        Currency of the account, where an asset has a `Asset.quote` of its own.
    rates
        Account money for one unit of each quote currency (``{"JPY": usd_per_yen}``): a number, or one for each bar,
        known from its close on; NaN repeats the last one.  A pair whose base is the account's currency needs none.

    Returns
    -------
    OrderResult

    Raises
    ------
    DataError
        Bars or instructions that cannot be used; the message names the row.
    ConfigError
        A setting that cannot be used.
    StrategyError
        A block that cannot be compiled, or parameters that it does not take.
    """
    markets = markets_of(bars)
    run = order_inputs(
        markets, orders, params, initial_cash=initial_cash, rules=rules, costs=costs, execution=execution,
        assets=assets, half_spread=half_spread, funding=funding, funding_times=funding_times, detail=detail,
        session_end=session_end, book_size=book_size, currency=currency, rates=rates,
    )  # fmt: skip
    return OrderResult(run, run.repeat(run.rules))


def order_inputs(
    markets: Markets,
    orders: Any,
    params: Mapping[str, Any] | None,
    *,
    initial_cash: float,
    rules: OrderRules | None = None,
    costs: Any = None,
    execution: Any = None,
    assets: Asset | Mapping[str, Asset] | None = None,
    session_end: str | None = None,
    book_size: int = 4096,
    **columns: Any,
) -> Inputs:
    """What a run of orders is made of; the arguments and errors are those of `simulate_orders`."""
    names, every = markets.names, markets.bars
    calendar, notes = calendar_of_bars(every[0]), list(markets.notes)
    check_cash(initial_cash)
    check_book_size(book_size)
    _check_settings(rules, costs, execution, assets, names)
    own = rules or OrderRules()
    check_effects(own)
    if own.first_bar >= len(every[0]):
        raise ConfigError(f"first_bar={own.first_bar} lies behind the {len(every[0])} bars")
    actions, asking = _instructions(orders, params, markets, session_end, own, calendar)
    settled = merge_rules(own, costs, execution, split_fills=asking is None)
    traded = _assets(assets, names, execution)
    prices = _prices(markets, settled, traded, calendar, notes, **columns)
    return Inputs(
        bars=every,
        prices=prices,
        actions=actions.array,
        asking=asking,
        rules=settled,
        assets=traded,
        initial_cash=float(initial_cash),
        book_size=book_size,
        tables=Tables(every[0].time_us, names, actions.tags, actions.rows, prices),
        notes=tuple(notes),
    )


def _prices(
    markets: Markets, rules: OrderRules, assets: tuple[Asset, ...], calendar: Calendar, notes: list[str], *,
    half_spread: Any = None, funding: Any = None, funding_times: Any = None, detail: Any = None, currency: str = "",
    rates: Mapping[str, Any] | None = None,
) -> Prices:  # fmt: skip
    """Market data, with what came beside the bars; ``notes`` gets what was passed over."""
    every = markets.bars
    check_half_spread(rules, half_spread)
    if not markets.has_volume and (rules.volume != "any" or rules.slippage.startswith("volume")):
        raise DataError("these rules need a volume column in every frame of bars")
    fine, fine_start = detail_bars(detail, every[0], notes)
    opens, highs, lows, closes, volumes = markets.tables
    return Prices(
        opens,
        highs,
        lows,
        closes,
        volumes,
        bar_column("half_spread", half_spread, every, notes, levels=True),
        funding_column(funding, funding_times, every, notes),
        every[0].day,
        fine,
        fine_start,
        exchange_rates(assets, markets.names, currency, rates, rules.ledger, calendar, notes),
        check_book(every, rules, assets),
    )


def _check_settings(rules: Any, costs: Any, execution: Any, assets: Any, names: tuple[str, ...]) -> None:
    """Refuse objects of another kind than the settings."""
    check_kind("rules", rules, OrderRules)
    check_assets(assets, names, Asset)
    if costs is not None or execution is not None:
        from peak_fast.settings import Costs, Execution

        check_kind("costs", costs, Costs)
        check_kind("execution", execution, Execution)


def _assets(
    assets: Asset | Mapping[str, Asset] | None, names: tuple[str, ...], execution: Any
) -> tuple[Asset, ...]:
    if assets is None and execution is not None:
        assets = Asset(lot=execution.lot_size, min_size=execution.min_size)
    if assets is None or isinstance(assets, Asset):
        return tuple(assets or Asset() for _ in names)
    return tuple(assets.get(name, Asset()) for name in names)
