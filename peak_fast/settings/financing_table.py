"""The table ``[financing]`` of a TOML file: `Financing` whose tables are files, lists of rows, or numbers by date.

>>> from datetime import date
>>> read_financing({"cash_rate": 0.03, "cash_flows": [[date(2024, 3, 1), 5000]]}).cash_flows.values
(5000.0,)
>>> read_financing({"cash_rat": 0.03})
Traceback (most recent call last):
peak_fast.errors.ConfigError: financing.cash_rat: no such setting; did you mean 'cash_rate'?
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from typing import Any

from peak_fast.arguments import shown
from peak_fast.data import read_table
from peak_fast.errors import ConfigError, DataError, did_you_mean
from peak_fast.settings.financing import Financing

_ROWS = (["timestamp", "value"], ["timestamp", "symbol", "value"])
_WORDS = {"dividends": ("cash", "reinvest"), "splits": ("column",)}
_NAMES = tuple(field.name for field in fields(Financing))


def read_financing(given: Any) -> Financing:
    """Financing of a table of settings; what is `Financing` already stays as it is.

    Parameters
    ----------
    given
        Fields of `Financing` by name.  A dated table is a file (relative to the current folder), numbers by date, by
        symbol and date, or a list of rows: ``[date, number]``, ``[date, symbol, number]``, or tables with one of these
        names of columns that a frame may have.

    Raises
    ------
    ConfigError
        An unknown name, or a value that is none of these.
    """
    if isinstance(given, Financing):
        return given
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"financing: expected a table of settings, such as {{'cash_rate': 0.03}}; got {type(given).__name__}"
        )
    for name in given:
        if name not in _NAMES:
            raise ConfigError(f"financing.{name}: no such setting; {did_you_mean(str(name), _NAMES)}")
    try:
        return Financing(**{name: _read(name, value) for name, value in given.items()})
    except DataError as error:
        raise ConfigError(str(error)) from None


def _read(name: str, value: Any) -> Any:
    """A value of the table as `Financing` takes it."""
    if isinstance(value, list):
        return _columns(name, value)
    if not isinstance(value, str) or value in _WORDS.get(name, ()) or name == "reinvest":
        return value
    if "." not in value or value.replace(".", "").replace("-", "").isdigit():
        words = "".join(f"{word!r}, " for word in _WORDS.get(name, ())) or "a number without quotes, "
        raise ConfigError(
            f"financing.{name}: expected {words}rows, or a file such as 'rates.csv'; got {value!r}"
        )
    try:
        return read_table(value)
    except DataError as error:
        raise ConfigError(f"financing.{name}: {error}") from None


def _columns(name: str, rows: list[Any]) -> dict[str, list[Any]]:
    """Rows as columns; dates as texts, since a file may quote some of them."""
    names: list[str] = []
    found: dict[str, list[Any]] = {}
    for number, row in enumerate(rows):
        own = _named(row)
        if own is None or (names and list(own) != names):
            like = "" if own is None else f" with {', '.join(names)}, as in row 0"
            raise ConfigError(
                f"financing.{name}: expected [date, number], [date, symbol, number] or tables such as "
                f"{{date = 2024-02-09, amount = 0.24}}{like}; row {number} is {shown(row)}"
            )
        names = names or list(own)
        for label, cell in own.items():
            found.setdefault(label, []).append(cell.isoformat() if isinstance(cell, date) else cell)
    return found


def _named(row: Any) -> dict[str, Any] | None:
    """Cells of a row by name; None: it is no row."""
    if isinstance(row, Mapping):
        return dict(sorted(row.items()))
    if isinstance(row, list):
        for names in _ROWS:
            if len(row) == len(names):
                return dict(zip(names, row, strict=True))
    return None
