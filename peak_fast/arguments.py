"""Checks of single arguments: a wrong one is one error that says what was expected, what came and what to do."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from peak_fast.errors import ConfigError, PeakFastError

_SHOWN = 60
_MOST_BITS = 1023


def shown(value: Any) -> str:
    """A value as an error message names it: short, on one line, with its type where that is not plain."""
    text = (
        _long(value) if isinstance(value, int) and is_beyond_float(value) else " ".join(repr(value).split())
    )
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    plain = value is None or isinstance(value, bool | int | float | str)
    return text if plain else f"{type(value).__name__} {text}"


def wrong(
    name: str, expected: str, value: Any, remedy: str, error: type[PeakFastError] = ConfigError
) -> PeakFastError:
    """The error for an argument that is not what was expected."""
    return error(f"{name}: expected {expected}; got {shown(value)}; {remedy}")


def is_whole(value: Any) -> bool:
    """Whether a value is an integer, of NumPy's too, and not a truth value."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a real number, of NumPy's too, that a float can hold, and not a truth value."""
    return not isinstance(value, bool) and isinstance(value, numbers.Real) and not is_beyond_float(value)


def is_beyond_float(value: Any) -> bool:
    """Whether a number is a whole one of more than 308 digits."""
    return isinstance(value, int) and value.bit_length() > _MOST_BITS


def _long(value: int) -> str:
    """A number that is too long to be written out, or to be written at all."""
    return f"a whole number of about {int(abs(value).bit_length() * math.log10(2.0)) + 1:,} digits"


def whole(name: str, value: Any, low: int, most: int, remedy: str) -> int:
    """A whole number from ``low`` to ``most``.

    Raises
    ------
    ConfigError
        Something else.
    """
    if not is_whole(value) or not low <= value <= most:
        raise wrong(name, f"a whole number from {low:,} to {most:,}", value, remedy)
    return int(value)


def number(name: str, value: Any, expected: str, remedy: str) -> float:
    """A number that is not NaN.

    Raises
    ------
    ConfigError
        Something else.
    """
    if not is_number(value) or math.isnan(value):
        raise wrong(name, expected, value, remedy)
    return float(value)


def seed_of(value: Any) -> int | None:
    """The seed of a generator: a whole number of at least 0, or None for another one each time.

    Raises
    ------
    ConfigError
        Something else.
    """
    if value is not None and (not is_whole(value) or value < 0):
        raise wrong("seed", "a whole number of at least 0", value, "0 is as good as any")
    return None if value is None else int(value)


def place(name: str, value: Any, example: str) -> Path:
    """A path of the file system, given as text or a path.

    Raises
    ------
    ConfigError
        Something else, or an empty text.
    """
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise wrong(name, "a path", value, f"write for example {example!r}")
    return Path(value)


def mapping(
    name: str, value: Any, example: str, error: type[PeakFastError] = ConfigError
) -> Mapping[str, Any]:
    """A dict.

    Raises
    ------
    PeakFastError
        Something else; of the class given.
    """
    if not isinstance(value, Mapping):
        raise wrong(name, f"a dict such as {example}", value, "pass names with their values", error)
    return value


def listing(name: str, value: Any, example: str, error: type[PeakFastError] = ConfigError) -> tuple[Any, ...]:
    """Several values: a list, tuple or another iterable that is no text.

    Raises
    ------
    PeakFastError
        Something else; of the class given.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise wrong(name, f"a list such as {example}", value, "put it into brackets", error)
    return tuple(value)


def tracker_or_none(value: Any) -> Any:
    """A tracker, or None.

    Raises
    ------
    ConfigError
        Something that is no tracker.
    """
    if value is None or (hasattr(value, "get_run_id") and not isinstance(value, type)):
        return value
    raise wrong("tracker", "a tracker, or None", value, "pass MLflowTracker(...), NoopTracker() or None")


def rate_of_bps(name: str, value: Any) -> float:
    """A number of basis points as a fraction.

    Raises
    ------
    ConfigError
        Not a number.
    """
    if not is_number(value):
        raise ConfigError(f"{name}: expected a number of basis points (10 is 0.1 %); got {shown(value)}")
    return float(value) / 10_000.0
