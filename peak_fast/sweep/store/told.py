"""What hashes of a store stand for, in words: so that a refusal can say which parameters and prices differ."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peak_fast.sweep.grid import Grid

_HASH = re.compile(r"[0-9a-f]{32}")
# Values of a parameter that are listed: so many, or the first and last of them.
_LISTED, _ENDS = 8, 3
_WIDTH = 60


def told_of(grid: Grid, data: Mapping[str, Any]) -> dict[str, Any]:
    """Words for the grid and the data, for the manifest.

    Parameters
    ----------
    grid
        The configurations.
    data
        Bars or panels by name.
    """
    return {
        "configurations": len(grid),
        "grid": {name: [_values(axis), _digest(axis)] for name, axis in grid.axes.items()},
        "data": {name: repr(one) for name, one in data.items()},
    }


def _values(axis: Any) -> str:
    count = len(axis)
    places = range(count) if count <= _LISTED else [*range(_ENDS), *range(count - _ENDS, count)]
    words = [_short(axis.plain(place)) for place in places]
    if count > _LISTED:
        words[_ENDS:_ENDS] = ["..."]
        return f"{count:,} values {', '.join(words)}"
    return ", ".join(words)


def _digest(axis: Any) -> str:
    digest = hashlib.blake2b(digest_size=8)
    axis.update(digest)
    return digest.hexdigest()


def worded(path: str, old: Any, new: Any, told: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """One leaf of a key that differs, as one text or several.

    Parameters
    ----------
    path, old, new
        Where it is, and both values.
    told, now
        Words of both sides, as `told_of` made them; empty where a store holds none.
    """
    if path == "grid" and told and now:
        yield from _of_grids(told, now)
        return
    name = path.removeprefix("data.")
    if path != name and told and now:
        first, second = (side["data"].get(name, "not there") for side in (told, now))
        yield f"{path} (other prices in {second})" if first == second else _pair(path, first, second)
    elif all(isinstance(one, str) and _HASH.fullmatch(one) for one in (old, new)):
        yield f"{path} (changed)"
    else:
        yield _pair(path, _short(old), _short(new))


def _of_grids(told: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    before, after = told["grid"], now["grid"]
    nothing = ["not varied", ""]
    several = False
    for name in [*before, *(name for name in after if name not in before)]:
        (words, digest), (others, other) = before.get(name, nothing), after.get(name, nothing)
        if digest != other:
            several = True
            same = f"grid.{name} ({words}; others between)"
            yield same if words == others else _pair(f"grid.{name}", words, others)
    if several:
        return
    if list(before) != list(after):
        yield _pair("grid, order of the parameters", ", ".join(before), ", ".join(after))
    elif told["configurations"] != now["configurations"]:
        counts = (f"{side['configurations']:,} configurations" for side in (told, now))
        yield _pair("grid, of the same values", *counts)
    else:
        yield f"grid ({now['configurations']:,} configurations, others of the same values)"


def _pair(path: str, old: Any, new: Any) -> str:
    return f"{path} ({old} -> {new})"


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
