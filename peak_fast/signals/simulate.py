"""Signals and target sizes for several assets and groups, filled in the bar that gives them.

This is the other way to describe trading: not orders that rest in a book, but for each bar and asset entry
and exit signals (`simulate_signals`) or sizes (`simulate_sizes`), as vectorbt has it.  Filling at the close
that gives the signal is a look-ahead unless the signal was known before; shift the signals, or give ``price``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from peak_fast.arguments import shown
from peak_fast.data import numbers_of
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded
from peak_fast.settings import SignalRules, refuse_prices, signal_types
from peak_fast.signals.inputs import SIGNALS, Matrices, check_ends
from peak_kernels import signal_slots as f
from peak_kernels.arrays import FloatArray
from peak_kernels.order_entries import run_signals

if TYPE_CHECKING:
    import polars as pl


STATUSES = (
    "filled", "no_size", "price_missing", "size_zero", "no_cash", "no_cash_for_short", "cannot_cover_fees",
    "min_size_not_reached", "max_size_exceeded", "partial_fill", "no_open_position", "valuation_missing",
    "value_not_positive",
)  # fmt: skip


_COLUMNS = {
    "size_type": f.P_SIZE_TYPE,
    "direction": f.P_DIRECTION,
    "accumulate": f.P_ACCUMULATE,
    "upon_long_conflict": f.P_LONG_CONFLICT,
    "upon_short_conflict": f.P_SHORT_CONFLICT,
    "upon_dir_conflict": f.P_DIR_CONFLICT,
    "upon_opposite_entry": f.P_OPPOSITE,
    "upon_stop_exit": f.P_STOP_EXIT,
    "upon_stop_update": f.P_STOP_UPDATE,
    "stop_entry_price": f.P_STOP_ENTRY_PRICE,
    "stop_exit_price": f.P_STOP_EXIT_PRICE,
    "sl_trail": f.P_TRAIL,
    "stops_use_range": f.P_OHLC,
    "min_size": f.P_MIN_SIZE,
    "max_size": f.P_MAX_SIZE,
    "size_granularity": f.P_GRANULARITY,
    "lock_cash": f.P_LOCK_CASH,
    "allow_partial": f.P_PARTIAL,
    "call_seq": f.P_SEQUENCE,
    "update_value": f.P_UPDATE_VALUE,
    "ffill_val_price": f.P_CARRY_VALUATION,
}


def _settings(rules: SignalRules, *, from_orders: bool) -> FloatArray:
    vector = np.zeros(f.N_SETTINGS)
    hints = signal_types()
    for name, column in _COLUMNS.items():
        value = getattr(rules, name)
        vector[column] = get_args(hints[name]).index(value) if isinstance(value, str) else float(value)
    vector[f.P_FROM_ORDERS] = float(from_orders)
    return vector


class SignalResult(NamedTuple):
    """Outcome of a signal simulation.

    Attributes
    ----------
    events : numpy.ndarray
        ``[order, N_EVENT]``, one row for each order, filled or not, in the sequence of execution.
    equity, cash : numpy.ndarray
        ``[group, bar]`` at the close; prices that are missing are carried forward, then backward.
    position : numpy.ndarray
        ``[asset, bar]``.
    groups : numpy.ndarray
        Group number of each asset.
    notes : tuple of str
        What was reordered, passed over or taken by position.
    """

    events: FloatArray
    equity: FloatArray
    cash: FloatArray
    position: FloatArray
    groups: npt.NDArray[np.int64]
    notes: tuple[str, ...] = ()

    @property
    def fills(self) -> pl.DataFrame:
        """Filled orders: bar, asset, side (+1/-1), size, price, fee, by_stop."""
        frame = self.orders.filter(self.orders["status"] == "filled")
        return frame.select("bar", "asset", "side", "size", "price", "fee", "by_stop")

    @property
    def orders(self) -> pl.DataFrame:
        """All orders: bar, asset, requested, side, size, price, fee, by_stop, status."""
        import polars as pl

        e = self.events
        status = [STATUSES[int(code)] for code in e[:, f.V_STATUS]]
        return pl.DataFrame(
            {
                "bar": e[:, f.V_BAR].astype(np.int64),
                "asset": e[:, f.V_ASSET].astype(np.int64),
                "requested": e[:, f.V_REQUESTED],
                "side": e[:, f.V_SIDE].astype(np.int8),
                "size": e[:, f.V_SIZE],
                "price": e[:, f.V_PRICE],
                "fee": e[:, f.V_FEE],
                "by_stop": e[:, f.V_BY_STOP] > 0.0,
                "status": pl.Series(status, dtype=pl.String),
            }
        )


def _signals(matrices: Matrices, given: Mapping[str, Any]) -> FloatArray:
    """Four signal arrays as one array of bits."""
    bits = np.zeros(matrices.close.shape)
    for (name, value), bit in zip(given.items(), (f.ENTRY, f.EXIT, f.SHORT_ENTRY, f.SHORT_EXIT), strict=True):
        if value is not None:
            bits += bit * matrices.signals(name, value)
    return bits


def _carry(close: FloatArray) -> FloatArray:
    """Close with missing prices carried forward, then backward."""
    out = close.copy()
    for row in out:
        known = np.flatnonzero(~np.isnan(row))
        if known.size and known.size < row.size:
            at = np.searchsorted(known, np.arange(row.size), side="right") - 1
            row[:] = row[known[np.maximum(at, 0)]]
    return out


def _group_numbers(groups: Any, assets: int) -> npt.NDArray[np.int64]:
    """Group number of each asset: each its own (None), all one (True), or as given, by first appearance."""
    if groups is None or groups is False:
        return np.arange(assets)
    if groups is True:
        return np.zeros(assets, dtype=np.int64)
    _, first, numbers = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    if numbers.size != assets:
        raise ConfigError(f"groups names {numbers.size} assets, there are {assets}")
    return np.argsort(np.argsort(first))[numbers].astype(np.int64)


def _run(
    matrices: Matrices,
    inputs: dict[int, FloatArray],
    rules: SignalRules,
    *,
    initial_cash: Any,
    groups: Any,
    from_orders: bool,
) -> SignalResult:
    refuse_prices(matrices.prices, "simulate_sizes" if from_orders else "simulate_signals")
    close = matrices.close
    assets, bars = close.shape
    numbers = _group_numbers(groups, assets)
    count = int(numbers.max()) + 1
    tables = [*matrices.prices, *(inputs[column] for column in range(f.A_PRICE, f.A_INDEX))]
    at = np.zeros((len(tables), 3), dtype=np.int64)
    start = 0
    for row, table in zip(at, tables, strict=True):
        row[:] = start, table.shape[1] if table.shape[0] > 1 else 0, 1 if table.shape[1] > 1 else 0
        start += table.size
    data = np.concatenate([table.ravel() for table in tables])
    memory, places = _memory(rules, numbers, count, initial_cash, from_orders=from_orders)
    events = np.empty((assets * bars, f.N_EVENT))
    cash, position = np.empty((count, bars)), np.empty((assets, bars))
    run_signals(memory, data, at, bars, places, (events, cash, position))
    if memory[f.P_PERCENT_REVERSAL] > 0.0:
        raise ConfigError(
            "size_type='percent' cannot reverse a position: use accumulate, another upon_opposite_entry, "
            "or another size type"
        )
    equity = cash.copy()
    value = np.where(position == 0.0, 0.0, position * _carry(close))
    np.add.at(equity, numbers, value)
    notes = tuple(dict.fromkeys(matrices.notes))
    return SignalResult(events[: int(memory[f.P_EVENTS])], equity, cash, position, numbers, notes)


def _memory(
    rules: SignalRules, numbers: npt.NDArray[np.int64], count: int, initial_cash: Any, *, from_orders: bool
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """The kernel's memory and where groups and assets lie in it."""
    assets = numbers.size
    groups_at = f.N_SETTINGS
    assets_at = groups_at + count * f.N_GROUP
    memory = np.zeros(assets_at + assets * f.N_ASSET)
    memory[:groups_at] = _settings(rules, from_orders=from_orders)
    rows = memory[assets_at:].reshape(assets, f.N_ASSET)
    rows[:, (f.A_VALUATION, f.A_LAST_CLOSE, f.A_STOP, f.A_STOP_REFERENCE, f.A_TARGET)] = np.nan
    rows[:, f.A_INDEX] = np.arange(assets)
    order = np.argsort(numbers, kind="stable")
    rows[:, f.A_MEMBER] = assets_at + order * f.N_ASSET
    table = memory[groups_at:assets_at].reshape(count, f.N_GROUP)
    table[:, f.G_CASH] = table[:, f.G_FREE] = _cash(initial_cash, count)
    sizes = np.bincount(numbers, minlength=count)
    table[:, f.G_COUNT] = sizes
    table[:, f.G_FIRST] = assets_at + (np.cumsum(sizes) - sizes) * f.N_ASSET
    return memory, np.array([groups_at, count, assets_at, assets])


@guarded
def simulate_signals(
    ohlc: Any,
    *,
    entries: Any = None,
    exits: Any = None,
    short_entries: Any = None,
    short_exits: Any = None,
    size: Any = np.inf,
    price: Any = None,
    stop_loss: Any = np.nan,
    take_profit: Any = np.nan,
    fees: Any = 0.0,
    fixed_fees: Any = 0.0,
    slippage: Any = 0.0,
    rules: SignalRules | None = None,
    initial_cash: Any = 100_000.0,
    groups: Any = None,
) -> SignalResult:
    """Trade entry and exit signals.

    Parameters
    ----------
    ohlc
        Open, high, low, close: each ``[bar]`` or ``[asset, bar]``, or a frame with a row for each bar and a column
        for each asset; or `Bars` of one asset.  NaN: no price, no order.
    entries, exits, short_entries, short_exits
        Booleans of the shape of the close: events, not states.  Entries that nothing ends (exits, entries of the
        other side, a stop) are refused: ``exits=~entries`` holds while they are True, ``exits=False`` to the end.
        What is missing is no signal.
    size, price, stop_loss, take_profit, fees, fixed_fees, slippage
        Numbers or arrays ``[bar]``, ``[asset, 1]`` or ``[asset, bar]``, or frames.  ``price`` is the close when None;
        stops (NaN: none), fees and slippage are fractions.  Frames and pandas series are put at the times and assets
        of the close.
    rules
        `SignalRules`.
    initial_cash
        Cash of each group.
    groups
        None: each asset for itself; True: all share one cash; a sequence: group of each asset.

    Raises
    ------
    ConfigError
        A rule has an unknown value, a size is negative, costs, prices or cash are out of range, nothing ends the
        entries, or an entry against a position would have to reverse it by a percent.
    DataError
        An input has the wrong shape, other times or assets than the close, or booleans stand where numbers belong.
    """
    rules = rules or SignalRules()
    if rules.size_type.startswith("target"):
        raise ConfigError(f"signals cannot use size_type={rules.size_type!r}; use simulate_sizes")
    given = dict(zip(SIGNALS, (entries, exits, short_entries, short_exits), strict=True))
    matrices = Matrices(ohlc)
    sizes = matrices.table("size", size)
    if (sizes < 0.0).any():
        raise ConfigError("size must not be negative: short_entries give the direction of a signal")
    stops = {f.A_NEW_STOP: matrices.table("stop_loss", stop_loss, levels=True),
             f.A_NEW_TARGET: matrices.table("take_profit", take_profit, levels=True)}  # fmt: skip
    check_ends(given, any(not np.isnan(table).all() for table in stops.values()))
    inputs = _costs(matrices, price, fees, fixed_fees, slippage) | stops
    inputs |= {f.A_SIZE: sizes, f.A_SIGNALS: _signals(matrices, given)}
    return _run(matrices, inputs, rules, initial_cash=initial_cash, groups=groups, from_orders=False)


def _costs(
    matrices: Matrices, price: Any, fees: Any, fixed_fees: Any, slippage: Any
) -> dict[int, FloatArray]:
    """Order prices (the close where there are none) and costs."""
    prices = matrices.close if price is None else matrices.table("price", price, levels=True)
    wrong = (prices <= 0.0) | np.isinf(prices)
    if price is not None and wrong.any():
        raise ConfigError(
            f"price: expected prices above 0; got {prices[wrong][0]:g}; NaN where there is none"
        )
    return {
        f.A_PRICE: prices,
        # Below zero: a rebate.
        f.A_FEES: matrices.money(
            "fees", fees, (np.nextafter(-1.0, 0.0), 1.0), "a fraction above -1 and below 1"
        ),
        f.A_FIXED: matrices.money("fixed_fees", fixed_fees, (0.0, np.inf), "an amount from 0"),
        f.A_SLIPPAGE: matrices.money("slippage", slippage, (0.0, 1.0), "a fraction from 0 to below 1"),
    }


def _cash(initial_cash: Any, groups: int) -> FloatArray:
    """Cash of each group at the start.

    Raises
    ------
    ConfigError
        No positive numbers, or not one for each group.
    """
    try:
        given, boolean = numbers_of(initial_cash, "initial_cash", ConfigError)
        cash: FloatArray = np.broadcast_to(given, groups)
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"initial_cash: expected a number, or one for each of {groups} groups; got {shown(initial_cash)}"
        ) from None
    if boolean or not ((cash > 0.0) & np.isfinite(cash)).all():
        raise ConfigError(f"initial_cash: expected positive numbers; got {shown(initial_cash)}")
    return cash


@guarded
def simulate_sizes(
    ohlc: Any,
    size: Any,
    *,
    price: Any = None,
    fees: Any = 0.0,
    fixed_fees: Any = 0.0,
    slippage: Any = 0.0,
    rules: SignalRules | None = None,
    initial_cash: Any = 100_000.0,
    groups: Any = None,
) -> SignalResult:
    """Trade a size for each bar and asset (NaN: no order); the meaning of a size is ``rules.size_type``.

    Parameters and errors are those of `simulate_signals`.  Booleans are sizes of 1 and 0 where a size is a target: held
    while True.
    """
    rules, matrices = rules or SignalRules(), Matrices(ohlc)
    nothing = np.full((1, 1), np.nan)
    inputs = _costs(matrices, price, fees, fixed_fees, slippage)
    inputs |= {f.A_SIZE: matrices.sizes(size, rules.size_type), f.A_SIGNALS: np.zeros((1, 1)),
               f.A_NEW_STOP: nothing, f.A_NEW_TARGET: nothing}  # fmt: skip
    return _run(matrices, inputs, rules, initial_cash=initial_cash, groups=groups, from_orders=True)
