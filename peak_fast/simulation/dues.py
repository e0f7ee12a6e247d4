"""From `Financing` and a panel to what kernels read: what is due in which bar, and rates from bar to bar."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data import DatedValues, check_zone, shown_time
from peak_fast.errors import ConfigError, DataError, did_you_mean
from peak_fast.settings import bar_edges
from peak_kernels import portfolio_slots as p
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from peak_fast.data import Panel
    from peak_fast.settings import Financing

_DAY_US = 86_400_000_000
_DAYS_A_YEAR = 365.0
_Due = tuple[float, float, float, float]
"""Bar, kind, asset and amount."""
_Dated = tuple[_Due, int]
_COLUMNS = {"dividends": ("dividend", "dividends"), "splits": ("split", "splits")}


@dataclass(frozen=True, slots=True)
class Dues:
    """What the kernel reads of financing; see `peak_kernels.portfolio_slots`.

    Attributes
    ----------
    dues, accruals, borrow, which
        What is due, rates of cash, rates of shorts and the row of each asset.
    notes
        What was passed over.
    """

    dues: FloatArray
    accruals: FloatArray
    borrow: FloatArray
    which: IntArray
    notes: tuple[str, ...] = ()

    def arrays(self, charges: FloatArray, sums: FloatArray) -> Any:
        """The kernel's argument, with room for charges and sums."""
        return self.dues, self.accruals, self.borrow, self.which, charges, sums


NO_DUES = Dues(np.empty((0, 4)), np.empty((3, 0)), np.empty((0, 0)), np.empty(0, dtype=np.int64))


def dues_of(panel: Panel, financing: Financing | None) -> Dues:
    """What is due on a panel.

    Raises
    ------
    ConfigError, DataError
        The panel has no times; an unknown asset; rates that begin too late; a dividend that is not below its price.
    """
    if financing is None:
        return NO_DUES
    if not panel.has_time:
        raise ConfigError("financing: expected a panel with times, which says what days are; got one without")
    notes = financing.notes()
    dues = due_rows(panel, financing, notes)
    steps = np.diff(panel.day, prepend=panel.day[:1]).astype(np.float64)
    cash = [rates_of(panel, getattr(financing, name), name) for name in ("cash_rate", "debit_rate")]
    borrow, which = _borrow(panel, financing.borrow_rate)
    return Dues(dues, np.array([steps, *cash]), borrow, which, tuple(notes))


def due_rows(panel: Panel, financing: Financing, notes: list[str]) -> FloatArray:
    """What is due on a panel at given bars, float64[due, 4]; see `peak_kernels.portfolio_slots`.

    Raises
    ------
    DataError
        See `dues_of`.
    """
    splits = _of_assets(panel, financing, "splits", p.SPLIT, notes)
    found = [
        *_dividends(_of_assets(panel, financing, "dividends", p.DIVIDEND, notes), splits, financing.reinvest),
        *_splits(splits),
        *_flows(panel, financing.cash_flows, notes),
        *_funding(panel, financing.funding, notes),
    ]
    found.sort(key=itemgetter(0, 1, 2))
    dues = np.array(found, dtype=np.float64).reshape(-1, 4)
    _check_dividends(panel, dues)
    return dues


def _check_names(panel: Panel, symbols: Any, label: str) -> None:
    for symbol in dict.fromkeys(symbols):
        if symbol not in panel.symbols:
            raise DataError(
                f"{label}: {symbol!r} is no asset of the panel; {did_you_mean(symbol, panel.symbols)}; drop it, or add "
                "its prices"
            )


def _assets(panel: Panel, table: DatedValues, label: str, *, all_of_them: bool) -> list[list[int]]:
    """Numbers of the assets that each row is about.

    Raises
    ------
    DataError
        An unknown asset, or none where there are several.
    """
    check_zone(table.zone, panel.time_zone, label)
    _check_names(panel, [symbol for symbol in table.symbols if symbol], label)
    if not all_of_them and panel.n_assets > 1 and not all(table.symbols):
        raise DataError(
            f"{label}: expected a column of symbols, for a panel of {panel.n_assets} assets; got none"
        )
    number = {symbol: [at] for at, symbol in enumerate(panel.symbols)}
    return [number[symbol] if symbol else list(range(panel.n_assets)) for symbol in table.symbols]


def _first_bars(panel: Panel, times: IntArray) -> IntArray:
    """First bar on the day of each time or later; of a moment within a day: at or behind it."""
    days = np.searchsorted(panel.day, times // _DAY_US, side="left")
    inside = np.searchsorted(panel.inside_us, times, side="left")
    return np.where(times % _DAY_US == 0, days, inside)


def _passed_over(notes: list[str], label: str, count: int, total: int, why: str) -> None:
    if count:
        notes.append(f"{label}: {count} of {total} rows passed over, {why}")


def _of_assets(panel: Panel, financing: Financing, name: str, kind: int, notes: list[str]) -> list[_Dated]:
    """Dividends or splits as rows of dues, each with its calendar day."""
    given, label = getattr(financing, name), f"Financing.{name}"
    if given is None:
        return []
    if isinstance(given, str):
        return _of_column(panel, name, given, kind, notes)
    bars = _first_bars(panel, np.array(given.times, dtype=np.int64))
    owners = _assets(panel, given, label, all_of_them=False)
    rows, outside = [], 0
    days = np.array(given.times, dtype=np.int64) // _DAY_US
    for at, own in enumerate(owners):
        first = _priced_from(panel, own[0], int(bars[at]))
        if first is None or days[at] < panel.day[0]:
            outside += 1
        elif first > panel.listed[own[0]]:
            row = (float(first), float(kind), float(own[0]), given.values[at])
            rows.append((row, int(days[at])))
    _passed_over(
        notes, label, outside, len(given), "before the first bar, or with no price of the asset from then on"
    )
    return rows


def _dividends(found: list[_Dated], splits: list[_Dated], reinvest: bool) -> list[_Due]:
    """Dividends with one row for all that an asset pays in a bar, in units before the splits of that bar.

    In bars of a month, or behind a gap, a dividend may be of a unit that a split of the same bar has made.
    """
    sums: dict[tuple[float, float], float] = {}
    ratios: dict[tuple[float, float], list[tuple[int, float]]] = {}
    for (bar, _, asset, ratio), day in splits:
        ratios.setdefault((bar, asset), []).append((day, ratio))
    for (bar, _, asset, amount), day in found:
        earlier = [ratio for of_day, ratio in ratios.get((bar, asset), ()) if of_day < day]
        sums[bar, asset] = sums.get((bar, asset), 0.0) + math.prod(earlier, start=amount)
    kind = float(p.REINVEST if reinvest else p.DIVIDEND)
    return [(bar, kind, asset, amount) for (bar, asset), amount in sums.items()]


def _splits(found: list[_Dated]) -> list[_Due]:
    """Splits with one row for all of an asset in a bar, none where they come to nothing."""
    products: dict[tuple[float, float], float] = {}
    for (bar, _, asset, ratio), _ in found:
        products[bar, asset] = products.get((bar, asset), 1.0) * ratio
    return [(bar, float(p.SPLIT), asset, ratio) for (bar, asset), ratio in products.items() if ratio != 1.0]


def _of_column(panel: Panel, name: str, word: str, kind: int, notes: list[str]) -> list[_Dated]:
    """Dividends or splits of the panel's own column; 0 and NaN are none, and a split of 1.

    Raises
    ------
    DataError
        There is no such column, or it has a number below zero.
    """
    label = f"Financing.{name}={word!r}"
    own = next((column for column in _COLUMNS[name] if column in panel.own_columns), None)
    if own is None:
        raise DataError(
            f"{label}: expected a column {' or '.join(map(repr, _COLUMNS[name]))} in the frame; its own "
            f"columns are {list(panel.own_columns)}; pass a dated table"
        )
    values = panel.column(own)
    if (values < 0.0).any():
        raise DataError(f"{label}: the column {own!r} has numbers below zero")
    none = np.isnan(values) | (values == 0.0)
    if kind == p.SPLIT:
        none |= values == 1.0
    rows, outside = [], 0
    for asset, bar in np.argwhere(~none).tolist():
        first = _priced_from(panel, asset, bar)
        outside += first is None
        if first is not None and first > panel.listed[asset]:
            row = (float(first), float(kind), float(asset), float(values[asset, bar]))
            rows.append((row, int(panel.day[bar])))
    _passed_over(notes, label, outside, int((~none).sum()), "with no price of the asset from then on")
    return rows


def _priced_from(panel: Panel, asset: int, bar: int) -> int | None:
    """First bar of an asset that has a price, at or behind a bar."""
    there = np.flatnonzero(~np.isnan(panel.close[asset, bar:]))
    return bar + int(there[0]) if there.size else None


def _flows(panel: Panel, given: DatedValues | None, notes: list[str]) -> list[_Due]:
    """Deposits and withdrawals as rows of dues."""
    if given is None:
        return []
    label = "Financing.cash_flows"
    check_zone(given.zone, panel.time_zone, label)
    times = np.array(given.times, dtype=np.int64)
    bars = _first_bars(panel, times)
    inside = (bars < len(panel)) & (times // _DAY_US >= panel.day[0])
    _passed_over(
        notes, label, int((~inside).sum()), len(given), "before the first bar or behind the last; initial_cash= is "
        "what is there at the first bar",
    )  # fmt: skip
    rows = [
        (float(bar), float(p.CASH_FLOW), -1.0, amount)
        for bar, amount, fits in zip(bars, given.values, inside, strict=True)
        if fits
    ]
    # Of one bar deposits come first: what is taken out may be what has just come in.
    return sorted(rows, key=itemgetter(3), reverse=True)


def _funding(panel: Panel, given: DatedValues | None, notes: list[str]) -> list[_Due]:
    """Funding as rows of dues; rates of an asset in one bar add up."""
    if given is None:
        return []
    label = "Financing.funding"
    owners = _assets(panel, given, label, all_of_them=True)
    edges = bar_edges(panel)  # type: ignore[arg-type]
    bars = np.searchsorted(edges, np.array(given.times, dtype=np.int64), side="left") - 1
    sums: dict[tuple[int, int], float] = {}
    outside = 0
    for bar, own, rate in zip(bars.tolist(), owners, given.values, strict=True):
        if not 0 <= bar < len(panel):
            outside += 1
            continue
        for asset in own:
            sums[bar, asset] = sums.get((bar, asset), 0.0) + rate
    _passed_over(notes, label, outside, len(given), "outside of the bars")
    return [(float(bar), float(p.FUNDING), float(asset), rate) for (bar, asset), rate in sums.items()]


def _check_dividends(panel: Panel, dues: FloatArray) -> None:
    """Refuse dividends that are not below the close before: they are told in another unit.

    Raises
    ------
    DataError
        There is one.
    """
    for bar, kind, asset, amount in dues.tolist():
        if kind in (p.DIVIDEND, p.REINVEST):
            before = panel.close[int(asset), : int(bar)]
            close = before[~np.isnan(before)][-1]
            if amount >= close:
                raise DataError(
                    f"Financing.dividends: {panel.symbols[int(asset)]!r} pays {amount:g} at "
                    f"{shown_time(panel.time_us[int(bar)])}, with a close of {close:g} before; expected less: amounts "
                    "are of one unit, in the prices' currency and before a split of the same day"
                )


def rates_of(panel: Panel, rate: Any, name: str) -> FloatArray:
    """Rate a day of the step to each bar: float64[bar].

    Raises
    ------
    DataError
        The first date lies behind the first bar.
    """
    if not isinstance(rate, DatedValues):
        return np.full(len(panel), float(rate) / _DAYS_A_YEAR)
    label = f"Financing.{name}"
    check_zone(rate.zone, panel.time_zone, label)
    days = np.array(rate.times, dtype=np.int64) // _DAY_US
    begins = panel.day[np.maximum(np.arange(len(panel)) - 1, 0)]
    at = np.searchsorted(days, begins, side="right") - 1
    if at[0] < 0:
        raise DataError(
            f"{label}: begins at {shown_time(rate.times[0])}, behind the first bar {shown_time(panel.time_us[0])}; "
            "expected a rate at or before it: add a row, 0 where there was none"
        )
    found: FloatArray = np.array(rate.values)[at] / _DAYS_A_YEAR
    return found


def _borrow(panel: Panel, rate: Any) -> tuple[FloatArray, IntArray]:
    """Rates a day float64[row, bar] of what is borrowed, and the row of each asset; -1: it costs nothing."""
    which = np.full(panel.n_assets, -1, dtype=np.int64)
    symbols: dict[str, Any] = {"": rate} if rate != 0.0 else {}
    if isinstance(rate, tuple):
        symbols = dict(rate)
    elif isinstance(rate, DatedValues) and any(rate.symbols):
        symbols = {
            symbol: DatedValues(
                tuple(when for when, who in zip(rate.times, rate.symbols, strict=True) if who == symbol),
                (), tuple(x for x, who in zip(rate.values, rate.symbols, strict=True) if who == symbol), rate.zone,
            )
            for symbol in dict.fromkeys(rate.symbols)
        }  # fmt: skip
    _check_names(panel, [symbol for symbol in symbols if symbol], "Financing.borrow_rate")
    rows = [rates_of(panel, own, "borrow_rate") for own in symbols.values()]
    for row, symbol in enumerate(symbols):
        which[panel.index(symbol) if symbol else slice(None)] = row
    return np.array(rows).reshape(-1, len(panel)), which
