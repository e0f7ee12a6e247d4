"""What a user may say about a file or frame: one set of options for every door, checked once.

`Bars.from_frame`, `load`, the table ``[data]`` of a TOML file and the options of the command line share the
names and the checks here.

>>> read_options({"stamp": "close"}).stamp
'close'
>>> read_options({"date_order": "dym"})
Traceback (most recent call last):
peak_fast.errors.ConfigError: date_order: expected 'dmy', 'mdy' or 'ymd'; got 'dym'; did you mean 'ymd'?
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

from peak_fast.arguments import is_number, wrong
from peak_fast.data.checks import normalise_repair
from peak_fast.errors import ConfigError, did_you_mean

STAMPS = ("open", "close")
DATE_ORDERS = ("dmy", "mdy", "ymd")
DECIMALS = (".", ",")

# What a column can be for the bars; ``columns=`` maps these to the names in the frame.
ROLES = ("timestamp", "open", "high", "low", "close", "volume", "symbol", "adj_close", "split")

Stamp = Literal["open", "close"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options of reading bars; every one is optional, and None means "find out, or refuse".

    Attributes
    ----------
    symbol
        The one value to take of a symbol column or level; False: all rows are one series.
    timestamp
        Name of the time column or index level; two names: a date and a time column, which are joined; False:
        the bars have no times.
    stamp
        What a time means: ``"open"`` or ``"close"`` of its bar.
    date_order
        ``"dmy"``, ``"mdy"`` or ``"ymd"``: order of day, month and year in dates as text.
    time_zone
        Zone that times without an offset are in, as an IANA name ("America/New_York") or "UTC".
    columns
        Name in the frame by what it is (one of `ROLES`): ``{"close": "Last"}``.
    scale
        Factor of every price: 0.0001 where the frame holds ten thousandths.
    adjust
        Whether prices are adjusted for splits and dividends by the columns that say how.
    repair
        Repairs to make; subset of "clip", "drop", "sort".
    dialect
        Name of a vendor's form of text file.
    separator, decimal, encoding
        Of text files: character between columns, decimal mark ("." or ","), encoding.
    """

    symbol: str | Literal[False] | None = None
    timestamp: str | tuple[str, str] | Literal[False] | None = None
    stamp: Stamp = "open"
    date_order: Literal["dmy", "mdy", "ymd"] | None = None
    time_zone: str | None = None
    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    scale: float | None = None
    adjust: bool = False
    repair: frozenset[str] = frozenset()
    dialect: str | None = None
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return read_options, ({**values, "columns": dict(self.columns)},)


DEFAULTS = ReadOptions()
OPTION_NAMES = tuple(item.name for item in fields(ReadOptions))
# Those that describe the text of a file and mean nothing for a frame.
FILE_OPTIONS = ("dialect", "separator", "decimal", "encoding")


def read_options(values: Mapping[str, Any]) -> ReadOptions:
    """Options from what the user passed, by name; a value of None (or the default) says nothing.

    Raises
    ------
    ConfigError
        An unknown name, or a value that the option cannot have.
    """
    made: dict[str, Any] = {}
    for name, value in values.items():
        check = _CHECKS.get(name)
        if check is None:
            raise ConfigError(f"{name}: no such option of data; {did_you_mean(name, OPTION_NAMES)}")
        if value is not None:
            made[name] = check(name, value)
    options = ReadOptions(**made) if made else DEFAULTS
    mapped = options.columns.get("timestamp")
    if mapped is not None and options.timestamp not in (None, mapped):
        raise ConfigError(
            f"timestamp: expected one column; got {options.timestamp!r} and columns={{'timestamp': "
            f"{mapped!r}}}; keep one of the two"
        )
    return options


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong(name, "a text that is not empty", value, "leave the option out to have it found")
    return value


def _symbol(name: str, value: Any) -> str | Literal[False]:
    if value is False:
        return False
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise wrong(
            name, "one symbol, or False", value, "read several symbols one by one, each with its symbol="
        )
    return _text(name, str(value))


def _timestamp(name: str, value: Any) -> str | tuple[str, str] | Literal[False]:
    if value is False:
        return False
    if isinstance(value, str):
        return _text(name, value)
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes):
        parts = tuple(value)
        if len(parts) == 2 and all(isinstance(part, str) and part.strip() for part in parts):
            return parts[0], parts[1]
    raise wrong(
        name,
        "the name of a column or index level, a pair of names (date and time), or False",
        value,
        "False says that the bars have no times",
    )


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in known:
        return value
    listing = ", ".join(repr(item) for item in known[:-1]) + f" or {known[-1]!r}"
    import difflib

    near = difflib.get_close_matches(value.lower(), known, n=1) if isinstance(value, str) else []
    raise wrong(name, listing, value, f"did you mean {near[0]!r}?" if near else "choose one of them")


def _stamp(name: str, value: Any) -> str:
    return _one_of(name, value, STAMPS)


def _date_order(name: str, value: Any) -> str:
    return _one_of(name, value, DATE_ORDERS)


def _decimal(name: str, value: Any) -> str:
    return _one_of(name, value, DECIMALS)


def _time_zone(name: str, value: Any) -> str:
    """An IANA name that this machine knows; it is looked up, not only compared."""
    from zoneinfo import ZoneInfo, available_timezones

    key = getattr(value, "key", None) or _text(name, value)
    try:
        ZoneInfo(key)
    except (ValueError, OSError, KeyError):  # unknown, or no name of a file at all
        folded = {zone.lower(): zone for zone in available_timezones()}
        near = folded.get(key.lower()) or next(iter(_nearest_zones(key, folded)), None)
        remedy = (
            f"did you mean {near!r}?" if near else "fixed offsets are 'Etc/GMT+5' (five hours behind UTC)"
        )
        raise wrong(name, "a time zone such as 'America/New_York'", value, remedy) from None
    return str(key)


def _nearest_zones(key: str, folded: Mapping[str, str]) -> list[str]:
    """Zones of a similar name; also by the city alone, which is what people type."""
    asked = key.lower().replace(" ", "_")
    cities = {zone.rpartition("/")[2]: name for zone, name in folded.items()}
    if asked in cities:
        return [cities[asked]]
    import difflib

    return [folded[zone] for zone in difflib.get_close_matches(asked, folded, n=1)]


def _columns(name: str, value: Any) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise wrong(name, "a table of names such as {'close': 'Last'}", value, "name what differs only")
    for role, column in value.items():
        if role in ROLES and isinstance(column, str) and column:
            continue
        if role not in ROLES and column in ROLES:
            raise ConfigError(
                f"{name}: expected what a column is, then its name in the frame; got {role!r}: {column!r}; "
                f"write {{{column!r}: {role!r}}}"
            )
        if role not in ROLES:
            raise ConfigError(f"{name}: bars have no {role!r}; {did_you_mean(str(role), ROLES)}")
        raise wrong(f"{name}[{role!r}]", "the name of a column", column, "write it as the frame has it")
    return MappingProxyType(dict(value))


def _scale(name: str, value: Any) -> float:
    if not is_number(value) or not math.isfinite(value) or value <= 0:
        raise wrong(name, "a number above 0", value, "0.0001 where prices are in ten thousandths")
    return float(value)


def _adjust(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise wrong(name, "True or False", value, "True adjusts prices by the columns that say how")
    return value


def _repair(name: str, value: Any) -> frozenset[str]:
    return normalise_repair(value)


def _separator(name: str, value: Any) -> str:
    if value in ("tab", r"\t"):
        return "\t"
    if not isinstance(value, str) or len(value) != 1:
        raise wrong(name, "one character, or 'tab'", value, "leave it out to have it found")
    return value


def _encoding(name: str, value: Any) -> str:
    try:
        "x".encode(_text(name, value))  # refuses codecs of other things than text, too
        return codecs.lookup(value).name
    except (LookupError, ValueError):
        raise wrong(
            name, "an encoding such as 'utf-8', 'utf-16' or 'cp1252'", value, "check the name"
        ) from None


_CHECKS: dict[str, Any] = {
    "symbol": _symbol,
    "timestamp": _timestamp,
    "stamp": _stamp,
    "date_order": _date_order,
    "time_zone": _time_zone,
    "columns": _columns,
    "scale": _scale,
    "adjust": _adjust,
    "repair": _repair,
    "dialect": _text,
    "separator": _separator,
    "decimal": _decimal,
    "encoding": _encoding,
}
