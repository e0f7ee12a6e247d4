"""Forms of vendors: what a header of theirs means, and which columns a file without a header has.

The forms themselves are data, in ``dialects.toml``. File names play no part in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peak_fast.data.names import counts_money
from peak_fast.data.options import ReadOptions
from peak_fast.errors import ConfigError, DataError, did_you_mean

PRICES = ("open", "high", "low", "close")
# Names that say everything, in a table of nothing else.
_USUAL = frozenset({"timestamp", "datetime", "date", "time", "ts", *PRICES, "volume", "symbol"})
# Prices of at least 0.001 times 1,000,000,000.
_RAW = 1e6
DECIMAL_PRICES = (
    "prices have decimals and are taken as they stand; only whole numbers are of the form's scale"
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One form.

    Attributes
    ----------
    name
        What ``dialect=`` takes.
    columns
        Name of a column in the file by what it is.
    names
        Names of all columns of a file without a header; empty for a form that is known by its header.
    kinds
        One letter per column of a file without a header: t, d, k, n, s (see ``dialects.toml``).
    time
        Pattern of the first time, or None.
    separator
        Separator of a file without a header, or None.
    stamp
        "close" where the vendor writes the end of each bar, else None.
    scale
        Factor of the prices, or None.
    raw
        Whether whole numbers as prices need the user's word (``dialect=`` or ``scale=``).
    only_by_name
        Whether the form is never found, only named.
    proven
        Columns whose values have to show what they are: a vwap or adjusted close that goes with the prices, a turnover
        that is volume times price.
    notes
        What to tell.
    """

    name: str
    columns: Mapping[str, str]
    names: tuple[str, ...] = ()
    kinds: str = ""
    time: str | None = None
    separator: str | None = None
    stamp: str | None = None
    scale: float | None = None
    raw: bool = False
    only_by_name: bool = False
    proven: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def plain(name: str) -> str:
    """A name without case, blanks, punctuation and accents."""
    if name.isascii():
        return re.sub(r"[\W_]+", "", name).lower()
    import unicodedata

    spread = unicodedata.normalize("NFKD", name.replace("ł", "l").replace("Ł", "l").replace("ß", "ss"))
    kept = "".join(letter for letter in spread if not unicodedata.combining(letter))
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", kept)).lower()


@cache
def _table() -> dict[str, Any]:
    import tomllib

    table = tomllib.loads(Path(__file__).with_name("dialects.toml").read_text(encoding="utf-8"))
    for language in table["language"]:
        for role, words in language.items():
            if role != "name":
                language[role] = [plain(word) for word in words]
    return table


@cache
def forms() -> tuple[Dialect, ...]:
    """Forms of files without a header, the more particular first."""
    return tuple(
        Dialect(
            name=form["name"],
            columns={},
            names=tuple(form["names"]),
            kinds=form["kinds"],
            time=form.get("time"),
            separator=form.get("separator"),
            stamp=form.get("stamp"),
            scale=form.get("scale"),
            raw=form.get("raw", False),
            only_by_name=form.get("only_by_name", False),
            proven=tuple(form.get("proven", ())),
            notes=tuple(form.get("notes", ())),
        )
        for form in _table()["form"]
    )


def dialect_names() -> list[str]:
    """Every name that ``dialect=`` takes."""
    return sorted({entry["name"] for kind in ("header", "form") for entry in _table()[kind]})


def check_dialect(name: str) -> str:
    """The name of a form that exists.

    Raises
    ------
    ConfigError
        No such form.
    """
    if name not in dialect_names():
        raise ConfigError(f"dialect: got {name!r}; {did_you_mean(name, dialect_names())}")
    return name


def form_named(name: str) -> Dialect | None:
    """The form of files without a header that has this name, or None where it is known by a header."""
    return next((form for form in forms() if form.name == name), None)


def by_header(names: Iterable[str], wanted: str | None = None) -> Dialect | None:
    """The form that a header tells, or None where its names say everything.

    Parameters
    ----------
    names
        Names of the columns.
    wanted
        Name of the form that the user gave; another one is not looked for then.

    Raises
    ------
    ConfigError
        The header lacks names of the form that the user named.
    """
    known = {plain(name): name for name in names}
    has_prices = all(price in known for price in PRICES)
    if wanted is None and has_prices and _USUAL.issuperset(known):
        return None  # without reading the table, in which every form has another name
    for entry in _table()["header"]:
        if wanted not in (None, entry["name"]):
            continue
        missing = [name for name in entry["has"] if name not in known]
        if wanted is not None and missing:
            raise ConfigError(
                f"dialect: {wanted!r} has columns like {entry['has']}; this file has no {missing}: "
                f"{list(known.values())}"
            )
        if missing or (wanted is None and any(name in known for name in entry.get("without", ()))):
            continue
        return Dialect(
            name=entry["name"],
            columns=_found(entry.get("columns", {}), known),
            stamp=entry.get("stamp"),
            scale=entry.get("scale"),
            raw=entry.get("raw", False),
            notes=tuple(entry.get("notes", ())),
        )
    if wanted is not None or has_prices:
        return None
    return _language(known) or _marked(list(known.values()))


def with_header_form(
    names: list[str], options: ReadOptions, price: Callable[[str], NDArray[np.float64]]
) -> tuple[ReadOptions, list[str]]:
    """The options with what the form of a header adds to them, and notes; what the user said goes before it.

    Parameters
    ----------
    names
        Names of the columns.
    options
        What the user said.
    price
        A column as float64, by its name.

    Raises
    ------
    DataError
        Prices are whole numbers in a form that multiplies them, and the user did not say so.
    ConfigError
        The header lacks names of the form that the user named.
    """
    wanted = options.dialect
    if wanted is None and _USUAL.issuperset(names):
        return options, []
    if wanted is not None and form_named(wanted) is not None:
        return options, []
    form = _cached_form(tuple(names), wanted)
    if form is None:
        return options, []
    notes = list(form.notes)
    scale = form.scale
    if form.raw and wanted is not None and options.scale is None and not _whole(names, price):
        scale, notes = None, [DECIMAL_PRICES]
    elif form.raw and wanted is None and options.scale is None:
        scale, notes = None, []
        values = price(next(name for name in names if plain(name) == "close"))
        if values.size and values.min() >= _RAW and (values == np.round(values)).all():
            raise DataError(
                f"prices are whole numbers such as {values[0]:.0f} in the form of {form.name}, which writes prices "
                f"times {1 / (form.scale or 1):,.0f}; pass scale={form.scale!r} to divide them (for a file also "
                f"dialect={form.name!r}), or scale=1 to take them as they are"
            )
    columns = {role: name for role, name in form.columns.items() if role not in options.columns}
    clock, day = columns.pop("clock", None), columns.get("timestamp")
    changed: dict[str, Any] = {}
    if options.timestamp is not None or "timestamp" in options.columns:
        columns.pop("timestamp", None)
    elif clock is not None and day not in (None, clock):
        del columns["timestamp"]
        changed["timestamp"] = (day, clock)
    changed["columns"] = {**columns, **options.columns}
    if scale is not None and options.scale is None:
        changed["scale"] = scale
    if form.stamp is not None and options.stamp == "open":
        changed["stamp"] = form.stamp
    return replace(options, **changed), notes


def _whole(names: list[str], price: Callable[[str], NDArray[np.float64]]) -> bool:
    """Whether all four prices are whole numbers, which a scale can stand behind."""
    columns = [price(name) for name in names if plain(name) in PRICES]
    return all(bool((values == np.round(values))[np.isfinite(values)].all()) for values in columns)


@lru_cache(maxsize=256)
def _cached_form(names: tuple[str, ...], wanted: str | None) -> Dialect | None:
    return by_header(names, wanted)


def _found(columns: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for role, choices in columns.items():
        name = next((known[choice] for choice in choices.split("|") if choice in known), None)
        if name is not None:
            found[role] = name
    return found


def _language(known: dict[str, str]) -> Dialect | None:
    """The language of the names, where all four prices are found in it."""
    written = list(known.values())
    known = _words(written)
    units = _words([name for name in written if not counts_money(name)])
    for language in _table()["language"]:
        columns = {}
        for role, words in language.items():
            among = units if role == "volume" else known
            name = None if role == "name" else next((among[word] for word in words if word in among), None)
            if name is not None:
                columns[role] = name
        if all(price in columns for price in PRICES):
            said = ", ".join(f"{columns[price]!r} is {price}" for price in PRICES)
            notes = [f"columns are named in {language['name']}: {said}"]
            money = [
                name
                for name in written
                if counts_money(name) and _words([name]).keys() & set(language["volume"])
            ]
            notes += [f"column {name!r} counts money and is not read as volume" for name in money]
            return Dialect(name=language["name"].lower(), columns=columns, notes=tuple(notes))
    return None


def _words(written: list[str]) -> dict[str, str]:
    """Names by what they say, with and without what stands in brackets: units are not part of a word."""
    known = {plain(name): name for name in written}
    for name in written:
        known.setdefault(plain(re.sub(r"[(（\[].*?[)）\]]", "", name)), name)
    return known


def _marked(names: list[str]) -> Dialect | None:
    """Prices under names with one mark on all of them: "Open (USD)", "AAPL.Open", "Open_AAPL".

    Marks of two kinds (bid and ask, two symbols) are no form, also where one of them lacks prices: which is meant is
    the user's to say.
    """
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        for pattern in (_BEHIND, _BEFORE, _AFTER):
            match = re.match(pattern, name.strip())
            role = _MARKED.get(plain(match["name"])) if match else None
            if match and role:
                groups.setdefault((pattern, match["mark"]), {}).setdefault(role, name)
    whole = {mark: found for (_, mark), found in groups.items() if all(price in found for price in PRICES)}
    if len(whole) != 1 or sum(len(found) > 1 for found in groups.values()) > 1:
        return None
    ((mark, columns),) = whole.items()
    return Dialect(name="marked", columns=columns, notes=(f"prices are those marked {mark!r}",))


# Texts, compiled where a header is looked at: compiling patterns takes as long as importing a room.
_BEHIND = r"^(?P<name>\w+?)\s*[\s_]?[(\[](?P<mark>[^)\]]+)[)\]]$"
_BEFORE = r"^(?P<mark>.+)[._: ](?P<name>[A-Za-z]+)$"
_AFTER = r"(?i)^(?P<name>(?:adj )?[A-Za-z]+)[._: -](?P<mark>[^(\[]+)$"
_MARKED = {name: name for name in (*PRICES, "volume")} | {"adjclose": "adj_close", "adjusted": "adj_close"}
