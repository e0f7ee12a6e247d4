"""What the results of a sweep depend on, and what differs between two such descriptions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from peak_fast.errors import ConfigError
from peak_fast.sweep.store.told import worded

_SHOWN = 8


def _plain(value: Any) -> Any:
    """What JSON cannot hold by itself: pydantic models and NumPy values."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ConfigError(
        f"expected plain values (text, numbers, lists, dicts) in a store's key; got {type(value).__name__}"
    )


@dataclass(frozen=True, slots=True)
class StoreKey:
    """Everything that the results depend on, in named parts.

    Each part is a hash, or nested plain data: where two stores differ in such data, the leaves that differ
    are named with both values.

    Parameters
    ----------
    data
        Hash of the bars, or one per name.
    strategy
        Name and hash of the source.
    settings
        Execution, costs, sizing, stops, risk limits, initial cash.
    grid
        Hash of the grid.
    metrics
        Names of the metrics, in order.
    code_version
        Version of the package and stamp of the kernels.
    told
        What hashes stand for, in words (`told_of`); no part of the key.
    """

    data: Any
    strategy: Any
    settings: Any
    grid: Any
    metrics: Sequence[str]
    code_version: Any
    told: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    def parts(self) -> dict[str, Any]:
        """The parts as JSON would give them back."""
        content = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "told"}
        plain: dict[str, Any] = json.loads(json.dumps(content, default=_plain))
        return plain

    @property
    def hash(self) -> str:
        """Hash of all parts: 32 hexadecimal digits."""
        text = json.dumps(self.parts(), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def changes(
    old: Mapping[str, Any], new: Mapping[str, Any], told: Mapping[str, Any] | None = None, now: Any = None
) -> list[str]:
    """What differs, one text per leaf: ``settings.costs.rate (0.001 -> 0.002)``; empty when nothing does.

    ``told``, ``now``: words of both sides for what only hashes tell.
    """
    leaves = _differences("", old, new)
    found = [text for leaf in leaves for text in worded(*leaf, told or {}, now or {})]
    if len(found) > _SHOWN:
        found[_SHOWN - 1 :] = [f"and {len(found) - _SHOWN + 1} more"]
    return found


def _differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*old, *(name for name in new if name not in old)]:
            inner = f"{path}.{name}" if path else str(name)
            if name not in new or name not in old:
                yield inner, old.get(name), new.get(name)
            else:
                yield from _differences(inner, old[name], new[name])
    elif json.dumps(old, sort_keys=True) != json.dumps(
        new, sort_keys=True
    ):  # texts, so that NaN equals NaN and 1 is not True
        yield path, old, new
