"""Doors of rooms: names that are looked up in their files when they are first asked for (PEP 562).

Importing a room costs nothing until one of its names is used, so a room may hand on names of heavy files.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def _is_in(room: str, file: str, name: str) -> bool:
    """Whether a name is public and made in a file of a room; nothing is loaded for the name of a file."""
    if name.startswith("_") or importlib.util.find_spec(f"{room}.{name}") is not None:
        return False
    file = f"{room}.{file}"
    return getattr(getattr(importlib.import_module(file), name, None), "__module__", None) == file


def door(
    room: str, homes: Mapping[str, Iterable[str]], public: Iterable[str], further: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a room.

    Parameters
    ----------
    room
        The package's ``__name__``.
    homes
        For each file or inner room, by its name below ``room``, or another room, by its whole name: the names
        that it gives.
    public
        Names that users may rely on, which is what ``dir`` shows.
    further
        Files whose own public names are handed on without being listed; they are asked in this order.  The first one
        gives the names of ``public`` that ``homes`` does not say.

    Examples
    --------
    >>> ask, show = door("json", {"decoder": ("JSONDecoder",)}, ("JSONDecoder",))
    >>> ask("JSONDecoder").__name__, show()
    ('JSONDecoder', ['JSONDecoder'])
    """
    further, shown = tuple(further), sorted(public)
    where = dict.fromkeys(shown, further[0]) if further else {}
    where |= {name: home for home, names in homes.items() for name in names}

    def __getattr__(name: str) -> Any:
        home = where.get(name)
        if home is None:
            home = next((file for file in further if _is_in(room, file, name)), None)
        if home is None:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        file = home if home.startswith(("peak_fast.", "peak_kernels.")) else f"{room}.{home}"
        value = getattr(importlib.import_module(file), name)
        setattr(sys.modules[room], name, value)
        return value

    def __dir__() -> list[str]:
        return shown

    return __getattr__, __dir__
