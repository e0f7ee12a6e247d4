"""How people write a metric, a number and parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable

from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.metrics import is_fraction


def format_metric(metric: str, value: float | None) -> str:
    """A metric's value in few characters: per cent for fractions, about three digits otherwise."""
    if value is None or math.isnan(value):
        return "none"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if is_fraction(metric):
        return f"{value:.1%}" if abs(value) < 10 else f"{value:,.0%}"
    return format_number(value)


def format_number(value: object) -> str:
    """A number in about three digits, whole numbers in full; other values as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "none" if value is None else str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.0f}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.4g}" if abs(value) >= 100 else f"{value:.2f}"


def format_params(params: dict[str, object]) -> str:
    """Parameters as ``fast=10, slow=50``."""
    return ", ".join(f"{name}={format_number(value)}" for name, value in params.items())


def check_metric(name: str, metrics: Iterable[str]) -> str:
    """The name, if it is one of the metrics of a sweep.

    Raises
    ------
    ConfigError
        It is not.
    """
    known = list(metrics)
    if not isinstance(name, str) or name not in known:
        raise ConfigError(
            f"expected a metric of this sweep; got {name!r}; {did_you_mean(str(name), known)}; "
            "others must be asked for when the sweep runs: Sweep(..., metrics=[...]), --metric"
        )
    return name
