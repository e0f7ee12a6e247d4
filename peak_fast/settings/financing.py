"""Financing: what an account pays and gets beside its trades; docs/portfolio_semantics.md, docs/semantics.md.

>>> financing = Financing(cash_rate=0.03, borrow_rate={"AAPL": 0.01}, dividends={"AAPL": {"2024-02-09": 0.24}})
>>> financing.cash_rate, len(financing.dividends)
(0.03, 1)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from peak_fast.arguments import is_number, shown
from peak_fast.data import DatedValues, dated_values
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded_class

_NAMES = {
    "funding": ("funding", "fundingrate", "rate"),
    "dividends": ("dividend", "dividends", "amount", "cash"),
    "splits": ("split", "splits", "ratio", "splitratio"),
    "cash_flows": ("amount", "flow", "cashflow", "cash"),
}
_DATE = re.compile(r"\d{8}(\D|$)|\d{4}([-/. ])\d\d?\2\d\d?(\D|$)|\d\d?([-/. ])\d\d?\4\d{4}(\D|$)")
_RATES = ("cash_rate", "debit_rate", "borrow_rate")


@guarded_class()
@dataclass(frozen=True, kw_only=True)
class Financing:
    """Interest, funding, dividends, splits, and money that comes and goes; every part is nothing unless it is given.

    A dated table is a frame with a column of times, one of numbers and, for several assets, one of symbols; a series
    with an index of times; ``{date: number}``; or ``{symbol: {date: number}}``.

    Parameters
    ----------
    cash_rate, debit_rate
        Interest a year that cash gets, and that negative cash pays: a fraction below 1 (0.03), or a dated table of
        fractions, each of which holds from its date on.
    borrow_rate
        Cost a year of the value of a short position: as above, or a dict of fractions by symbol, or a dated table with
        symbols; assets that it does not name cost nothing.  Below 10, since what is hard to borrow may cost more than
        its value; runs say in a note that one of 1 or more was given.
    funding
        Dated table of rates: at each of its moments holders pay ``rate * value``, and shorts get it.
    dividends
        Dated table of amounts of money for a unit, by ex-date; ``"cash"`` or ``"reinvest"``: the amounts are in the
        frame's own column ``dividend`` or ``dividends``.
    splits
        Dated table of new units for an old one (2.0: two for one); ``"column"``: the frame's own column ``split`` or
        ``splits``.
    cash_flows
        Dated table of deposits (above 0) and withdrawals (below 0).
    reinvest
        Whether dividends of a table buy units at the close before less the dividend, instead of becoming cash.

    Raises
    ------
    ConfigError, DataError
        A value of the wrong type or out of its range; a table that cannot be read.
    """

    cash_rate: Any = 0.0
    debit_rate: Any = 0.0
    borrow_rate: Any = 0.0
    funding: Any = None
    dividends: Any = None
    splits: Any = None
    cash_flows: Any = None
    reinvest: bool = False

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in _RATES:
            put(self, name, _rate(getattr(self, name), name))
        if not isinstance(self.reinvest, bool):
            raise ConfigError(f"Financing.reinvest: expected True or False; got {shown(self.reinvest)}")
        if self.dividends == "reinvest" if isinstance(self.dividends, str) else False:
            put(self, "reinvest", True)
        words = {"dividends": ("cash", "reinvest"), "splits": ("column",)}
        for name, columns in _NAMES.items():
            value = getattr(self, name)
            if value is None or (isinstance(value, str) and value in words.get(name, ())):
                continue
            if isinstance(value, str | int | float):
                known = "".join(f"{word!r}, " for word in words.get(name, ()))
                raise ConfigError(
                    f"Financing.{name}: expected {known}a dated table or None; got {shown(value)}"
                )
            put(self, name, dated_values(value, f"Financing.{name}", columns))
        if self.reinvest and self.dividends is None:
            raise ConfigError(
                "Financing.reinvest: there are no dividends to reinvest; expected dividends= with it"
            )
        self._check_ranges()

    def _check_ranges(self) -> None:
        """Refuse numbers that mean nothing in their place."""
        for name, low, what in (("dividends", 0.0, "amounts"), ("splits", 0.0, "new units for an old one")):
            table = getattr(self, name)
            worst = min(table.values, default=1.0) if isinstance(table, DatedValues) else 1.0
            if worst <= low:
                raise ConfigError(f"Financing.{name}: expected {what} above 0; got {worst}")
        if isinstance(self.cash_flows, DatedValues) and any(self.cash_flows.symbols):
            raise ConfigError(
                "Financing.cash_flows: money belongs to no asset; expected no column of symbols"
            )

    def notes(self) -> list[str]:
        """What may be meant otherwise."""
        rate = self.borrow_rate
        highest = max(_numbers(rate), default=0.0)
        if highest < 1.0:
            return []
        return [f"Financing.borrow_rate: up to {highest:.0%} a year, as it was given; 3 per cent is 0.03"]

    @property
    def accrues(self) -> bool:
        """Whether interest can be due."""
        return any(getattr(self, name) not in (0.0, ()) for name in _RATES)

    def described(self) -> dict[str, Any]:
        """Plain values that JSON can hold; a table is its number of rows and a hash."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def _rate(value: Any, name: str) -> Any:
    """A fraction, a dated table of fractions, or for what is borrowed one by symbol as sorted pairs.

    Raises
    ------
    ConfigError, DataError
        None of these.
    """
    label = f"Financing.{name}"
    if is_number(value):
        _check_rate(label, float(value))
        return float(value)
    if isinstance(value, tuple) and name == "borrow_rate":
        value = dict(value)
    if isinstance(value, Mapping) and value and name == "borrow_rate":
        own = {symbol: number for symbol, number in value.items() if isinstance(symbol, str)}
        if len(own) == len(value) and all(is_number(item) for item in own.values()) and not _are_dates(own):
            for symbol, number in own.items():
                _check_rate(f"{label}[{symbol!r}]", float(number))
            return tuple(sorted((symbol, float(number)) for symbol, number in own.items()))
    inside = value.values() if isinstance(value, Mapping) else ()
    if value is None or isinstance(value, str | bool) or any(isinstance(item, bool) for item in inside):
        raise ConfigError(
            f"{label}: expected a fraction a year such as 0.03, or a dated table; got {shown(value)}"
        )
    table = dated_values(value, label, ("rate", name.replace("_", ""), "value"))
    if not len(table):
        raise ConfigError(f"{label}: expected at least one row; got none")
    for number in table.values:
        _check_rate(label, number)
    if name != "borrow_rate" and any(table.symbols):
        raise ConfigError(f"{label}: cash belongs to no asset; expected no column of symbols")
    return table


def _numbers(rate: Any) -> list[float]:
    """All numbers of a rate."""
    if isinstance(rate, DatedValues):
        return list(rate.values)
    return [number for _, number in rate] if isinstance(rate, tuple) else [rate]


def _are_dates(names: Mapping[str, Any]) -> bool:
    """Whether keys are dates rather than symbols, some of which are numbers, too (600519.SH)."""
    return all(_DATE.match(name) for name in names)


def _check_rate(label: str, value: float) -> None:
    """Refuse a rate that is a number of per cent rather than a fraction."""
    most = 10.0 if "borrow_rate" in label else 1.0
    if not -1.0 < value < most:
        hint = "; 3 per cent is 0.03" if value >= most else ""
        raise ConfigError(
            f"{label}: expected a fraction a year above -1 and below {most:g}; got {value:g}{hint}"
        )


def _plain(value: Any) -> Any:
    if isinstance(value, DatedValues):
        text = repr((value.times, value.symbols, value.values)).encode()
        return {"rows": len(value), "hash": hashlib.blake2b(text, digest_size=16).hexdigest()}
    return dict(value) if isinstance(value, tuple) else value
