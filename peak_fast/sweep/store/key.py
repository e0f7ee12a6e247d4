"""What the results of a sweep depend on, and what differs between two such descriptions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from peak_fast.errors import ConfigError

_SHOWN = 8
_WIDTH = 60


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
    """

    data: Any
    strategy: Any
    settings: Any
    grid: Any
    metrics: Sequence[str]
    code_version: Any

    def parts(self) -> dict[str, Any]:
        """The parts as JSON would give them back."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        plain: dict[str, Any] = json.loads(json.dumps(content, default=_plain))
        return plain

    @property
    def hash(self) -> str:
        """Hash of all parts: 32 hexadecimal digits."""
        text = json.dumps(self.parts(), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs, one text per leaf: ``settings.costs.rate (0.001 -> 0.002)``; empty when nothing does."""
    found = list(_differences("", old, new))
    if len(found) > _SHOWN:
        found[_SHOWN - 1 :] = [f"and {len(found) - _SHOWN + 1} more"]
    return found


def _differences(path: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*old, *(name for name in new if name not in old)]:
            inner = f"{path}.{name}" if path else str(name)
            if name not in new or name not in old:
                yield f"{inner} ({_short(old.get(name))} -> {_short(new.get(name))})"
            else:
                yield from _differences(inner, old[name], new[name])
    elif json.dumps(old, sort_keys=True) != json.dumps(
        new, sort_keys=True
    ):  # texts, so that NaN equals NaN and 1 is not True
        yield f"{path} ({_short(old)} -> {_short(new)})"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
