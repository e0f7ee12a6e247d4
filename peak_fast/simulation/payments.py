"""From `Financing` and bars to what the fast path reads: dues of one asset, and what cash and a short become.

Between two events cash grows by what is known before a run, so rates become one row of growth, and what a short owes
one of sums (`peak_kernels.fast.financing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data import Bars, DatedValues, aligned, calendar_of_bars, numbers_of, own_frame
from peak_fast.errors import ConfigError, DataError
from peak_fast.settings import VolatilityTarget
from peak_fast.simulation.dues import due_rows, rates_of
from peak_fast.simulation.tables import price_rows
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from peak_fast.settings import EngineSettings, Financing

UNNAMED = "bars"
# Growth beyond this, and all that shrinks, is walked bar by bar.
_MOST_GROWTH = 1e100
_TABLES = ("borrow_rate", "funding", "dividends", "splits")


@dataclass(frozen=True, slots=True)
class Payments:
    """What a run of one asset reads of financing; see `peak_kernels.slots`.

    Attributes
    ----------
    dues, accruals, terms
        What is due, days, rates and growth at each bar, how they are read.
    notes
        What was passed over.
    """

    dues: FloatArray
    accruals: FloatArray
    terms: FloatArray
    notes: tuple[str, ...] = ()

    def arrays(self, charges: FloatArray, sums: FloatArray) -> tuple[FloatArray, ...]:
        """The kernel's argument, with room for charges and sums."""
        return self.dues, self.accruals, self.terms, charges, sums

    def with_blocks(self, blocks: int) -> Payments:
        """The same for runs that sum their returns in so many blocks of time, too."""
        terms = self.terms.copy()
        terms[t.BLOCKS] = blocks
        return replace(self, terms=terms)


class OneAsset:
    """Bars as the functions of `dues` read a panel of them.

    Parameters
    ----------
    bars, symbol
        The prices, and what tables may call them.
    """

    n_assets = 1

    def __init__(self, bars: Bars, symbol: str) -> None:
        self.bars, self.symbols = bars, (symbol,)
        self.has_time, self.time_zone, self.stamp = bars.has_time, bars.time_zone, bars.stamp
        self.time_us, self.inside_us, self.day = bars.time_us, bars.inside_us, bars.day
        self.close = bars.close[None, :]
        priced = np.flatnonzero(~np.isnan(bars.close)) if bars.has_nan else np.zeros(1, np.int64)
        self.listed: IntArray = priced[:1] if priced.size else np.array([len(bars)])

    def __len__(self) -> int:
        return len(self.bars)

    @property
    def own_columns(self) -> tuple[str, ...]:
        """Columns of the user's frame, in small letters."""
        return tuple(self._columns())

    def _columns(self) -> dict[str, Any]:
        source = self.bars.source
        frame = {} if source is None else own_frame(source)
        names = getattr(getattr(frame, "dtype", None), "names", None) or getattr(frame, "columns", frame)
        return {str(name).strip().lower(): frame[name] for name in names}

    def column(self, name: str) -> FloatArray:
        """A column of the user's frame, float64[1, bar].

        Raises
        ------
        DataError
            It is not one number a bar.
        """
        calendar = calendar_of_bars(self.bars, derived=True)
        values = aligned(self._columns()[name], calendar, f"the column {name!r}", [], DataError)
        numbers, truths = numbers_of(values, f"the column {name!r}", DataError)
        if truths:
            raise DataError(f"the column {name!r}: expected numbers; got True and False")
        return np.asarray(numbers, dtype=np.float64).reshape(1, -1)


def payments_for(settings: EngineSettings, bars: Bars, symbol: str | None = None) -> Payments | None:
    """What financing pays and gets in a run on bars; the last ones are kept for the next run.  None: there is none.

    Raises
    ------
    ConfigError, DataError
        The bars have no times; tables that cannot be used with them.
    """
    financing = settings.financing
    if financing is None:
        return None
    # Words mean columns of the user's frame, which may differ where the prices are the same.
    words = isinstance(financing.dividends, str) or isinstance(financing.splits, str)
    first = bars if words or bars._first is None else bars._first
    names = (symbol, bars.name)
    kept = settings.kept.get("payments")
    if kept is None or kept[0] is not first or kept[1] != names:
        if financing.splits is not None and isinstance(settings.sizing, VolatilityTarget):
            raise ConfigError(
                "Financing.splits: a split is no return, and VolatilityTarget would take it for one; expected another "
                "size with them; pass adjusted prices (adjust=True) without splits and dividends"
            )
        free = settings.free_rate(bars)
        kept = settings.kept["payments"] = (first, names, payments_of(bars, financing, symbol, free))
    found: Payments = kept[2]
    return found


def payments_of(bars: Bars, financing: Financing, symbol: str | None = None, free: float = 0.0) -> Payments:
    """The same, made anew; ``symbol`` names the asset beside the name of the bars.

    ``free`` is the risk-free rate of a bar.

    Raises
    ------
    ConfigError, DataError
        See `payments_for`.
    """
    if not bars.has_time:
        raise ConfigError("financing: expected bars with times, which say what days are; got some without")
    notes = financing.notes()
    own = _own_tables(financing, tuple(dict.fromkeys(name for name in (symbol, bars.name) if name)), notes)
    prices: Any = OneAsset(bars, symbol or bars.name)
    dues = due_rows(prices, own, notes)
    accruals = _rates(prices, own)
    return Payments(dues, accruals, _grown(accruals, bars, free), tuple(notes))


def payments_in(settings: EngineSettings, bars: Bars, window: tuple[int, int]) -> Payments | None:
    """What financing pays and gets in a run on the bars ``[start, stop)`` alone; notes are those of all of them.

    Raises
    ------
    ConfigError, DataError
        See `payments_for`.
    """
    whole = payments_for(settings, bars)
    if whole is None or window[1] - window[0] == len(bars):
        return whole
    part = bars.slice(*window)
    return replace(payments_of(part, settings.financing, free=settings.free_rate(part)), notes=whole.notes)  # type: ignore[arg-type]


def _own_tables(financing: Financing, names: Sequence[str], notes: list[str]) -> Financing:
    """Financing with what is said of other assets left out."""
    changes: dict[str, Any] = {}
    for name in _TABLES:
        given = getattr(financing, name)
        if isinstance(given, tuple):
            rates = dict(given)
            _check_named(f"Financing.{name}", rates, names, notes)
            changes[name] = next((rates[own] for own in names if own in rates), 0.0)
        elif isinstance(given, DatedValues) and any(given.symbols):
            changes[name] = _own_rows(f"Financing.{name}", given, names, notes)
    if not changes:
        return financing
    if isinstance(changes.get("borrow_rate"), DatedValues) and not len(changes["borrow_rate"]):
        changes["borrow_rate"] = 0.0
    return replace(financing, **changes)


def _check_named(label: str, symbols: Any, names: Sequence[str], notes: list[str]) -> None:
    """Say what becomes of rows of other assets.

    Raises
    ------
    DataError
        Bars without a name of their own, and none of the rows is theirs.
    """
    others = [symbol for symbol in dict.fromkeys(symbols) if symbol and symbol not in names]
    found = any(symbol in names for symbol in symbols)
    if not found and set(names) == {UNNAMED}:
        raise DataError(
            f"{label}: has rows of {', '.join(map(repr, others[:3]))}, and these bars have no name; expected one that "
            "it knows: engine.run(frame, ..., symbol='AAPL') or Bars.from_frame(frame, name='AAPL')"
        )
    if others:
        notes.append(
            f"{label}: rows of {len(others)} other assets passed over"
            + ("" if found else f"; none is of {names[0]!r}")
        )


def _own_rows(label: str, table: DatedValues, names: Sequence[str], notes: list[str]) -> DatedValues:
    """The rows of one asset, without its symbol."""
    _check_named(label, table.symbols, names, notes)
    rows = [row for row, symbol in enumerate(table.symbols) if not symbol or symbol in names]
    times, values = tuple(table.times[row] for row in rows), tuple(table.values[row] for row in rows)
    return DatedValues(times, ("",) * len(rows), values, table.zone)


def _rates(prices: OneAsset, financing: Financing) -> FloatArray:
    """Days and rates at each bar, with room for what follows from them: see `peak_kernels.slots`."""
    table = np.zeros((t.N_ACCRUALS, len(prices)))
    table[t.DAYS, 1:] = np.diff(prices.day)
    names = ((t.CASH_RATE, "cash_rate"), (t.DEBIT_RATE, "debit_rate"), (t.BORROW_RATE, "borrow_rate"))
    for row, name in names:
        rate = getattr(financing, name)
        if rate != 0.0:
            table[row] = rates_of(prices, rate, name)  # type: ignore[arg-type]
    return table


def _grown(table: FloatArray, bars: Bars, free: float) -> FloatArray:
    """Write what days and rates make of cash and of a short, and give the terms: see `peak_kernels.slots`."""
    days = table[t.DAYS]
    rates = table[[t.CASH_RATE, t.DEBIT_RATE, t.BORROW_RATE]]
    with np.errstate(over="ignore"):
        growth = np.cumprod(1.0 + days * rates[:2], axis=1)
    # Where prices are below zero a short may owe money and live on: its interest changes sides within a stretch.
    walks = bool((rates < 0.0).any() or growth.max() > _MOST_GROWTH or bars.n_not_positive)
    table[[t.GROWTH, t.DEBIT_GROWTH]] = 1.0 if walks else growth
    resting = days * rates[0]
    below = np.minimum(resting - free, 0.0)
    table[[t.RESTING, t.RESTING_SQUARED]] = np.cumsum([resting, resting * resting], axis=1)
    # No step leads to the first bar.
    table[t.RESTING_BELOW, 1:] = np.cumsum(below[1:] * below[1:])
    terms = np.zeros(t.N_TERMS)
    terms[[t.GROWS, t.BORROWS, t.WALKS, t.RESTING_FREE]] = rates[:2].any(), rates[2].any(), walks, free
    write_owed(table, terms, price_rows(bars)[t.MARK])
    return terms


def write_owed(table: FloatArray, terms: FloatArray, mark: FloatArray) -> None:
    """Write what a unit sold short owes by each bar at closes, the last known ones ``mark``: float64[bar]."""
    before = np.concatenate(([0.0], mark[:-1]))
    owed = np.nan_to_num(table[t.DAYS] * before * table[t.BORROW_RATE], nan=0.0)
    table[t.OWED_MONEY] = np.cumsum(owed)
    if not terms[t.WALKS]:
        table[[t.OWED, t.DEBIT_OWED]] = np.cumsum(owed / table[[t.GROWTH, t.DEBIT_GROWTH]], axis=1)


NO_CHARGES: FloatArray = np.empty((0, len(p.CHARGE_COLUMNS)))
