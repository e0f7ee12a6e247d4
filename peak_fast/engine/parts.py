"""Parts of the engine: its settings as attributes, and what it says of a run's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

from peak_fast.arguments import is_number, shown
from peak_fast.errors import ConfigError
from peak_fast.results import flow_notes
from peak_kernels.slots import INITIAL_CASH

LEGACY_STOP = 0.02
T = TypeVar("T")


class Setting(Generic[T]):
    """An attribute of the engine that stands in its settings; setting it makes others of them."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, engine: Any, owner: type | None = None) -> T:
        value: T = self if engine is None else getattr(engine.settings, self._name)  # type: ignore[assignment]
        return value

    def __set__(self, engine: Any, value: T) -> None:
        engine.settings = replace(engine.settings, **{self._name: value})


def with_varied(
    used: dict[str, Any], params: dict[str, Any], varied: Mapping[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and parameters as a result shows them, with what a sweep has varied."""
    return ({**used, "varied": dict(varied)}, {**params, **varied}) if varied else (used, params)


def stop_pct(params: Mapping[str, Any]) -> float:
    """Stop distance of the long-only mode from the strategy's parameters."""
    value = params.get("stop_pct", LEGACY_STOP)
    if not is_number(value) or not 0 < value < 1:
        raise ConfigError(f"stop_pct: expected a fraction between 0 and 1; got {shown(value)}")
    return float(value)


def notes_of(payments: Any, outcome: Any, flat: Any) -> tuple[str, ...]:
    """Notes on financing, and on what it did in a run with the flat settings."""
    initial = float(flat[INITIAL_CASH])
    return (*payments.notes, *flow_notes(outcome.curve[0], outcome.charges, initial))
