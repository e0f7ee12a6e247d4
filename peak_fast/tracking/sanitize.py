"""From whatever users log to what MLflow can store: keys, values, limits.

The limits are MLflow's (version 3): keys of at most 250 characters out of letters, digits and ``/ _ . - : ``
and space, and in the normal form of a relative path; parameter values of 6,000 characters, tag values of
8,000; metrics are floats.  What does not fit is made to fit here and never refused.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib
import json
import math
import posixpath
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

MAX_KEY = 250
MAX_PARAM = 6_000
MAX_TAG = 8_000
MAX_NAME = 250  # of runs, experiments and users
MAX_DEPTH = 20
# Steps and times in milliseconds are integers of 64 bits in every SQL store.
MAX_INTEGER = 2**63 - 1
MAX_BITS = 10_000

_BAD = re.compile(r"[^/\w.\- :]" if sys.platform != "win32" else r"[^/\w.\- ]")
_SIMPLE_KEY = re.compile(r"[A-Za-z_][\w]*(?:\.[\w]+)*")


def clean_key(key: Any) -> str:
    """A key that MLflow accepts.

    Characters that are not allowed become ``_``; path parts that would resolve to another name are changed;
    a key that is too long is cut and ends with ``-`` and eight digits of its hash, so that two long keys
    stay two keys.
    """
    text = key if type(key) is str else str(key)
    if len(text) <= MAX_KEY and _SIMPLE_KEY.fullmatch(text):
        return text
    name = _BAD.sub("_", text)
    parts = ["_" * len(part) if part.strip(".") == "" else part for part in name.split("/") if part]
    name = "/".join(parts) or "_"
    if len(name) > MAX_KEY:
        name = f"{name[: MAX_KEY - 9]}-{_digits(text)}"
    return name if posixpath.normpath(name) == name else _digits(text)


def _digits(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=4).hexdigest()


def clean_keys(entries: Mapping[Any, Any]) -> dict[str, Any]:
    """The entries under clean keys; two keys that become equal are told apart by digits of their hash."""
    result: dict[str, Any] = {}
    for key, value in entries.items():
        name = clean_key(key)
        if name in result:
            name = f"{name[: MAX_KEY - 9]}-{_digits(repr(key))}"
        result[name] = value
    return result


def clean_text(text: str, limit: int) -> str:
    """Text of at most ``limit`` characters; a cut one ends with a marker that says so."""
    text = text.replace("\x00", "")
    if text and not text.isascii():
        # Half of a surrogate pair cannot be written as UTF-8, which every store does.
        text = text.encode("utf-8", "replace").decode("utf-8")
    if len(text) <= limit:
        return text
    marker = f"... [cut, {len(text)} characters]"
    return text[: limit - len(marker)] + marker


def as_text(value: Any) -> str:
    """The text of one parameter or tag value: JSON for lists, ISO 8601 for times, names for functions."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is float or kind is bool or value is None:
        return repr(value)
    if isinstance(value, int) and not isinstance(value, enum.Enum):
        # Python writes no decimal digits of a number with more than some thousand of them.
        return repr(value) if value.bit_length() < MAX_BITS else hex(value)
    if isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64)):
        plain = value.item()
        return _shown(plain) if isinstance(plain, np.generic) else as_text(plain)  # a long double stays one
    if isinstance(value, enum.Enum):
        return as_text(value.value)
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray, Mapping, range)):
        return _json(value)
    if isinstance(value, (str, PurePath, dt.timedelta)):
        return str(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    return _shown(value)


def _shown(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _json(value: Any) -> str:
    try:
        return json.dumps(_plain(value), default=_plain, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return _shown(value)


def _plain(value: Any) -> Any:
    """What JSON holds in place of a value that it does not know."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=_shown)
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, (list, tuple, range)):
        return list(value)
    if isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64)):
        return value.item()
    return as_text(value)


def mapping_of(value: Any) -> Mapping[Any, Any] | None:
    """The mapping that a value is or stands for (pydantic model, dataclass, named tuple), else None."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type):
        return None
    for name in ("model_dump", "_asdict"):
        dump: Callable[[], Any] | None = getattr(value, name, None)
        if callable(dump):
            found = dump()
            return found if isinstance(found, Mapping) else None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def flatten(params: Any, limit: int = MAX_PARAM, twice: list[str] | None = None) -> dict[str, str]:
    """Parameters as flat text: nested mappings joined with dots, lists as JSON, values cut to ``limit``.

    ``twice`` takes the names that came with two values (``{"a.b": 1, "a": {"b": 2}}``), of which the first stays.
    """
    if params is None:
        return {}
    top = mapping_of(params)
    if top is None:
        return {"value": clean_text(as_text(params), limit)}
    flat: dict[Any, str] = {}
    _flatten_into(flat, "", top, limit, 0, [] if twice is None else twice)
    return clean_keys(flat)


def _flatten_into(
    flat: dict[Any, str], prefix: str, mapping: Mapping[Any, Any], limit: int, depth: int, twice: list[str]
) -> None:
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        inner = None if type(value) in (float, int, str, bool) else mapping_of(value)
        if inner and depth < MAX_DEPTH:
            _flatten_into(flat, f"{name}.", inner, limit, depth + 1, twice)
            continue
        text = clean_text(as_text(value if inner is None else inner), limit)
        if flat.setdefault(name, text) != text:
            twice.append(name)


def clean_tags(tags: Mapping[Any, Any] | None) -> dict[str, str]:
    """Tags under clean keys with text values cut to MLflow's limit; None values are left out."""
    kept = {key: value for key, value in (tags or {}).items() if value is not None}
    return {key: clean_text(as_text(value), MAX_TAG) for key, value in clean_keys(kept).items()}


@dataclasses.dataclass(slots=True)
class SplitMetrics:
    """What becomes of a mapping of metrics."""

    # Finite values, and NaN for those that are not finite.
    numbers: dict[str, float]
    # Text of what is no finite number: ``metric.<key>`` for NaN and infinities, the key itself for all else.
    tags: dict[str, str]
    # Keys whose value was None or empty.
    dropped: list[str]


def split_metrics(metrics: Mapping[Any, Any]) -> SplitMetrics:
    """Sort metrics into numbers, tags and what is dropped; never raises because of a value."""
    found = SplitMetrics({}, {}, [])
    for key, given in clean_keys(metrics).items():
        value = given if type(given) is float else as_number(given)
        if isinstance(value, float):
            found.numbers[key] = value if math.isfinite(value) else math.nan
            if not math.isfinite(value):
                # What is beyond the range of a float is not infinite: its own text says what it is.
                found.tags[clean_key(f"metric.{key}")] = clean_text(as_text(given), MAX_TAG)
        elif value is None:
            found.dropped.append(key)
        else:
            found.tags[key] = clean_text(as_text(value), MAX_TAG)
    return found


def as_number(value: Any) -> Any:
    """The value as float where it is a number, None where it is nothing, else unchanged."""
    if value is None or isinstance(value, str):
        return value if value else None
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return str(value)
    if isinstance(value, np.ndarray):
        return as_number(value.item()) if value.size == 1 else (value.tolist() or None)
    if isinstance(value, (list, tuple, Mapping, complex, dt.date, dt.time, dt.timedelta)):
        return value if value or not isinstance(value, (list, tuple, Mapping)) else None
    try:
        return float(value)
    except OverflowError:
        return as_text(value)
    except Exception:  # an object of the user's with any __float__
        return as_text(value)


def clean_step(step: Any) -> int | None:
    """A step that every store can hold, a whole number of 64 bits; None for another one.

    None and 0 are 0; a fraction is cut.
    """
    try:
        position = int(step or 0)
    except (TypeError, ValueError, OverflowError):
        return None
    return position if -MAX_INTEGER - 1 <= position <= MAX_INTEGER else None
