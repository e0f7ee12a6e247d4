"""Every error that peak_fast raises on purpose.

::

    PeakFastError
    ├── DataError               (ValueError)    prices or timestamps that cannot be used
    ├── ConfigError             (ValueError)    a setting with a wrong value or an unknown name
    │   ├── UnknownKeywordError (TypeError)     an argument that a function does not have
    │   └── UnknownNameError    (KeyError)      a metric or column that is not there
    ├── StrategyError           (ValueError)    a strategy or its parameters
    ├── TrackingError           (RuntimeError)  a tracking store that could not confirm
    ├── StoreError              (RuntimeError)  a store or folder: locked, changed, full, not writable
    ├── SweepError              (RuntimeError)  a sweep that cannot run as asked
    └── MissingDependencyError  (ImportError)   an optional package is not installed

Each message says what was expected, what came and what to do.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = [
    "ConfigError",
    "DataError",
    "MissingDependencyError",
    "PeakFastError",
    "StoreError",
    "StrategyError",
    "SweepError",
    "TrackingError",
    "UnknownKeywordError",
    "UnknownNameError",
]


def __dir__() -> list[str]:
    return sorted(__all__)


class PeakFastError(Exception):
    """Base class: ``except PeakFastError`` catches everything that peak_fast raises on purpose."""


class DataError(PeakFastError, ValueError):
    """Prices or timestamps that cannot be used."""


class ConfigError(PeakFastError, ValueError):
    """A setting with a wrong value or an unknown name."""


class UnknownKeywordError(ConfigError, TypeError):
    """An argument that a function does not have; also the TypeError that Python raises for one."""


class UnknownNameError(ConfigError, KeyError):
    """A metric or column that is not there; also the KeyError that a dict raises for one."""

    def __str__(self) -> str:
        """The message itself: a KeyError would show it in quotes."""
        return str(self.args[0])


class StrategyError(PeakFastError, ValueError):
    """A strategy that is unknown, returns the wrong thing, or got wrong parameters."""


class TrackingError(PeakFastError, RuntimeError):
    """A tracking store that could not confirm what was logged."""


class StoreError(PeakFastError, RuntimeError):
    """A store that is locked, belongs to other work, or is full; a folder that cannot be written."""


class SweepError(PeakFastError, RuntimeError):
    """A sweep that cannot run as asked."""


class MissingDependencyError(PeakFastError, ImportError):
    """An optional package is not installed."""


def require(module: str, extra: str) -> Any:
    """Import an optional package, or say which extra brings it.

    Parameters
    ----------
    module
        Dotted name of the module.
    extra
        Extra of this package that installs it.

    Raises
    ------
    MissingDependencyError
        The module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"this needs the package {module.split('.')[0]!r}, which could not be imported ({error}); "
            f"install it with: pip install 'peak-fast[{extra}]'"
        ) from error


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into an error that says what to do.

    Raises
    ------
    StoreError
        The path cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"expected a place that can be written; got {str(path)!r} "
            f"({error.strerror or error}); choose another folder"
        ) from error


_MOST_NAMES = 60


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """End of an error message: the nearest known name, then all of them where they fit into a few lines.

    Returns
    -------
    str
        ``"did you mean 'x'? known: 'x', 'y'"`` or ``"known: 'x', 'y'"``.
    """
    import difflib

    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close and len(names) > _MOST_NAMES:
        return f"did you mean {close[0]!r}?"
    listing = "known: " + (", ".join(repr(n) for n in names) or "none")
    return f"did you mean {close[0]!r}? {listing}" if close else listing
