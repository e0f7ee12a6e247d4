"""JSON files of bars: arrays, records, columns and what APIs and pandas wrap around them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from peak_fast.data.date_parts import is_date
from peak_fast.data.dialects import PRICES, by_header, plain
from peak_fast.data.headless import name_columns
from peak_fast.data.named_zones import with_named_zone
from peak_fast.data.options import ReadOptions
from peak_fast.data.text_rows import typed
from peak_fast.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_TIME_KEYS = ("timestamp", "time", "t", "datetime", "date")
_MESSAGES = ("error", "message", "note", "information", "errormessage", "detail", "msg")


class _Found(NamedTuple):
    """A table inside the JSON: its columns by name, or by position where it has no names."""

    key: str
    columns: dict[str, list[Any]]
    named: bool


def read_json(data: bytes, options: ReadOptions, label: str) -> tuple[pl.DataFrame, ReadOptions, list[str]]:
    """Bars in JSON as a typed frame; see :func:`peak_fast.data.text_files.read_text`.

    Raises
    ------
    DataError
        Not JSON, no table of prices in it, or several.
    """
    node = _parsed(data, label)
    found = _tables(node, "")
    if not found:
        raise DataError(
            f"{label}: no table of prices in this JSON{_message(node)}; expected a list of records or arrays, or "
            "columns named open, high, low, close"
        )
    table = _chosen(found, options, label)
    notes = [f"bars come from {table.key!r}"] if table.key else []
    if len(found) > 1:
        options = replace(options, symbol=None)
    columns = _without_groups(table.columns, options, label, notes)
    frame = typed(_frame(columns), options, label, notes)
    if any(getattr(kind, "time_zone", "") is None for kind in frame.dtypes):
        options = _with_zone(node, options, notes)
    if table.named:
        return frame, options, notes
    first = str(next(iter(columns.values()))[0])
    headless = name_columns(frame, options, None, label, first)
    return headless.frame, headless.options, notes + headless.notes


def _with_zone(node: Any, options: ReadOptions, notes: list[str]) -> ReadOptions:
    """The options with the zone that an answer names for its times; that of its exchange alone is told, not used."""
    for key, value in _texts(node):
        folded = re.sub("^[0-9]+", "", plain(key))
        if folded == "timezone":
            return with_named_zone(value, f"the entry {key!r}", options, notes)
        if folded in ("exchangetimezone", "exchangetimezonename") and options.time_zone is None:
            notes.append(
                f"the entry {key!r} says {value!r}, not that the times are in it: they are taken as UTC; time_zone= "
                "names their zone"
            )
    return options


def _texts(node: Any) -> Iterator[tuple[str, str]]:
    """Keys and texts of a JSON's objects, not of its rows."""
    for key, value in node.items() if isinstance(node, dict) else ():
        if isinstance(value, str):
            yield str(key), value
        elif isinstance(value, dict):
            yield from _texts(value)


def _parsed(data: bytes, label: str) -> Any:
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{label}: the text is not UTF-8, as JSON is; write it again in UTF-8") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            return [json.loads(line) for line in lines] if len(lines) > 1 else _no_json(error, label)
        except json.JSONDecodeError:
            _no_json(error, label)
    return None


def _no_json(error: json.JSONDecodeError, label: str) -> None:
    raise DataError(
        f"{label}: cannot be read as JSON (line {error.lineno}: {error.msg}); is the file whole?"
    ) from None


def _message(node: Any) -> str:
    """What an API said instead of data."""
    if isinstance(node, dict):
        for key, value in node.items():
            if plain(key) in _MESSAGES and isinstance(value, str):
                return f"; it says {value[:120]!r}"
    return ""


def _price_names(names: Any) -> int:
    """How many of open, high, low and close are among names, also as o, h, l, c or "1. open"."""
    known = {_role(str(name)) for name in names}
    return sum(price in known or price[0] in known for price in PRICES)


def _holds_prices(names: Any) -> bool:
    """Whether names are those of a table of prices, also in the form of a vendor or in another language."""
    if _price_names(names) == 4:
        return True
    form = by_header([str(name) for name in names])
    return form is not None and set(PRICES) <= set(form.columns)


def _role(name: str) -> str:
    return plain(re.sub(r"^\d+[a-z]?\.\s*", "", name.rpartition(".")[2] if "." in name[1:] else name))


def _tables(node: Any, key: str) -> list[_Found]:
    """Every table inside a node, with the key that leads to it."""
    if isinstance(node, list):
        return _tables_of_list(node, key)
    if isinstance(node, dict):
        return _tables_of_dict(node, key)
    return []


def _tables_of_list(node: list[Any], key: str) -> list[_Found]:
    if node and all(isinstance(item, dict) for item in node):
        flat = [_flat(item) for item in node]
        if _holds_prices(flat[0]) and not isinstance(next(iter(flat[0].values())), list):
            names = list(dict.fromkeys(name for item in flat for name in item))
            return [_Found(key, {name: [item.get(name) for item in flat] for name in names}, True)]
    elif node and all(isinstance(item, list) for item in node):
        width = len(node[0])
        simple = width >= 5 and all(len(item) == width and not any(map(_is_nested, item)) for item in node)
        if simple:
            columns = {f"column_{i + 1}": [item[i] for item in node] for i in range(width)}
            return [_Found(key, columns, False)]
    return [table for item in node for table in _tables(item, key)]


def _is_nested(value: Any) -> bool:
    return isinstance(value, list | dict)


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """A record with the values of inner records beside its own, as "mid.o"."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{inner}": item for inner, item in value.items()})
        else:
            flat[name] = value
    return flat


def _tables_of_dict(node: dict[str, Any], key: str) -> list[_Found]:
    split = _split(node, key)
    if split is not None:
        return [split]
    lists = {name: value for name, value in node.items() if isinstance(value, list)}
    if _price_names(lists) == 4:
        return _columns(lists, key)
    inner = {name: value for name, value in node.items() if isinstance(value, dict)}
    if inner and len(inner) == len(node):
        first = next(iter(inner.values()))
        if _price_names(first) == 4 and all(map(_is_time, list(inner)[:5])):
            return [_by_time(inner, key)]
        if _price_names(first) == 4 and all(name.isdigit() for name in inner):  # rows that pandas numbered
            return _tables_of_list(list(inner.values()), key)
        if _price_names(inner) == 4 and first and all(map(_is_time, list(first)[:5])):
            times = list(first)
            columns = {name: [values.get(time) for time in times] for name, values in inner.items()}
            return [_Found(key, {"timestamp": times, **columns}, True)]
        if _price_names(inner) == 4:  # pandas numbers the rows and keeps the time as a column
            rows = list(first)
            return [
                _Found(key, {name: [values.get(row) for row in rows] for name, values in inner.items()}, True)
            ]
    found = [table for name, value in node.items() for table in _tables(value, str(name))]
    return [_with_times(table, lists) for table in found]


def _split(node: dict[str, Any], key: str) -> _Found | None:
    """Names in one list and rows in another, as pandas and others write them; None where a node is something else."""
    names = next((value for value in node.values() if _are_names(value)), None)
    rows = next((value for value in node.values() if names and _are_rows(value, len(names))), None)
    if names is None or rows is None:
        return None
    columns = {str(name): [row[i] for row in rows] for i, name in enumerate(names)}
    index = node.get("index")
    if not isinstance(index, list) or len(index) != len(rows) or index == list(range(len(index))):
        return _Found(key, columns, True)
    return _Found(key, {"timestamp": index, **columns}, True)


def _are_names(value: Any) -> bool:
    return (
        isinstance(value, list) and all(isinstance(item, str) for item in value) and _price_names(value) == 4
    )


def _are_rows(value: Any, width: int) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, list) and len(row) == width for row in value)
    )


def _columns(lists: dict[str, list[Any]], key: str) -> list[_Found]:
    length = next(len(value) for name, value in lists.items() if _price_names([name]))
    return [_Found(key, {name: value for name, value in lists.items() if len(value) == length}, True)]


def _by_time(inner: dict[str, dict[str, Any]], key: str) -> _Found:
    names = list(dict.fromkeys(name for record in inner.values() for name in record))
    columns = {name: [record.get(name) for record in inner.values()] for name in names}
    return _Found(key, {"timestamp": list(inner), **columns}, True)


def _is_time(text: str) -> bool:
    return is_date(text) or (text.isdigit() and len(text) >= 8)


def _with_times(table: _Found, lists: dict[str, list[Any]]) -> _Found:
    """A table without times and the list of times beside it, where they have one length."""
    if not table.named or any(plain(name) in _TIME_KEYS for name in table.columns):
        return table
    length = len(next(iter(table.columns.values())))
    for name, values in lists.items():
        if plain(name) in _TIME_KEYS and len(values) == length:
            return table._replace(columns={name: values, **table.columns})
    return table


def _chosen(found: list[_Found], options: ReadOptions, label: str) -> _Found:
    if len(found) == 1:
        return found[0]
    keys = [table.key for table in found]
    listing = ", ".join(repr(key) for key in dict.fromkeys(keys[:20]))
    if not options.symbol:
        raise DataError(
            f"{label}: {len(found)} tables of prices, under {listing}; say which with symbol={keys[0]!r}"
        )
    chosen = [table for table in found if table.key == options.symbol]
    if len(chosen) != 1:
        raise DataError(
            f"{label}: {len(chosen)} tables of prices under symbol {options.symbol!r}; there are {listing}"
        )
    return chosen[0]


def _without_groups(
    columns: dict[str, list[Any]], options: ReadOptions, label: str, notes: list[str]
) -> dict[str, list[Any]]:
    """Columns such as "mid.o" under their own name, where only one group holds prices."""
    groups = {name.partition(".")[0] for name in columns if "." in name and not name[:1].isdigit()}
    priced = sorted(
        group for group in groups if _price_names(n for n in columns if n.startswith(f"{group}.")) == 4
    )
    if not priced or any(name in columns for name in options.columns.values()):
        return columns
    if len(priced) > 1:
        names = [name for name in columns if name.startswith(f"{priced[-1]}.")]
        example = {price: next(n for n in names if _role(n) in (price, price[0])) for price in PRICES}
        raise DataError(
            f"{label}: prices of {', '.join(map(repr, priced))}; say which with columns=, for example {example}"
        )
    notes.append(f"prices come from {priced[0]!r}")
    return {name.removeprefix(f"{priced[0]}."): values for name, values in columns.items()}


def _frame(columns: dict[str, list[Any]]) -> pl.DataFrame:
    import polars as pl

    made = {}
    for name, values in columns.items():
        present = [value for value in values if value is not None]
        if any(isinstance(value, str | bool | list | dict) for value in present):
            values = [None if value is None else str(value) for value in values]
            made[name] = pl.Series(name, values, dtype=pl.String)
        elif any(isinstance(value, float) for value in present):
            made[name] = pl.Series(name, values, dtype=pl.Float64)
        else:
            made[name] = pl.Series(name, values, dtype=pl.Int64, strict=False)
    return pl.DataFrame(made)
