"""What a study optimises, and which results it accepts.

An objective is a metric and a direction. ``max_drawdown`` is a negative fraction in every result of this
package; people write both "minimise the drawdown" and "maximise the drawdown figure" for the same wish, so
here ``"minimize"`` reads its size (0.25 for a fall by a quarter), ``"maximize"`` the signed figure (-0.25).
Either way a smaller loss wins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from peak_fast.arguments import listing
from peak_fast.errors import ConfigError
from peak_fast.metrics import higher_is_better, is_signed_loss
from peak_fast.params import Constraint

Direction: TypeAlias = Literal["maximize", "minimize"]

_DIRECTIONS: dict[str, Direction] = {
    "max": "maximize",
    "maximize": "maximize",
    "maximise": "maximize",
    "min": "minimize",
    "minimize": "minimize",
    "minimise": "minimize",
}
_WORST = 1e9
_SMALLEST = 1e-12  # a strict comparison of equal sides is missed by nothing, yet it is missed


@dataclass(frozen=True, slots=True)
class Objective:
    """One metric to optimise.

    Attributes
    ----------
    metric : str
        Name of the metric in a result's stats.
    direction : str
        ``"maximize"`` or ``"minimize"``.
    """

    metric: str
    direction: Direction

    @property
    def maximize(self) -> bool:
        """Whether a larger value is better."""
        return self.direction == "maximize"

    def value(self, metric: Any) -> Any:
        """The objective's value for a metric: itself, or its size for a loss that is to be minimised."""
        return abs(metric) if is_signed_loss(self.metric) and not self.maximize else metric

    def __str__(self) -> str:
        return f"{self.metric}:{self.direction[:3]}"


def parse_objectives(objectives: Any) -> tuple[Objective, ...]:
    """Objectives of any accepted form.

    Parameters
    ----------
    objectives
        ``{"sharpe": "maximize", "max_drawdown": "minimize"}``, ``"sharpe"``, ``"sharpe:max"``, or a list of
        such texts. Without a direction, losses and costs are minimised and everything else is maximised.

    Raises
    ------
    ConfigError
        No objective, an unknown direction, or a metric named twice.
    """
    if isinstance(objectives, str):
        objectives = [objectives]
    if isinstance(objectives, Mapping):
        pairs: list[tuple[str, str | None]] = [(str(metric), way) for metric, way in objectives.items()]
    elif isinstance(objectives, Sequence) and all(isinstance(item, str) for item in objectives):
        pairs = [_split(item) for item in objectives]
    else:
        raise ConfigError(
            f"expected objectives as {{'sharpe': 'maximize'}} or ['sharpe:max']; "
            f"got {type(objectives).__name__}: {objectives!r}; write a dict of metric to direction"
        )
    if not pairs or any(not metric for metric, _ in pairs):
        raise ConfigError(f"expected at least one objective; got {objectives!r}; write 'sharpe:max'")
    if len({metric for metric, _ in pairs}) < len(pairs):
        raise ConfigError(f"expected each metric once among the objectives; got {objectives!r}; remove one")
    return tuple(Objective(metric, _direction(metric, way)) for metric, way in pairs)


def _split(text: str) -> tuple[str, str | None]:
    """``"sharpe:max"`` as metric and direction; None where there is no colon."""
    metric, colon, way = (part.strip() for part in text.partition(":"))
    return metric, way if colon else None


def _direction(metric: str, way: str | None) -> Direction:
    if way is None:
        return "maximize" if higher_is_better(metric) and not is_signed_loss(metric) else "minimize"
    try:
        return _DIRECTIONS[str(way).lower()]
    except KeyError:
        raise ConfigError(
            f"objective {metric!r}: expected maximize or minimize; got {way!r}; "
            f"write '{metric}:max' or '{metric}:min'"
        ) from None


class Feasibility:
    """Conditions on the metrics of a result, such as ``"total_trades >= 30"``.

    Parameters
    ----------
    conditions
        Texts, or functions of the metrics dict, in the forms ``Constraint`` takes.

    Attributes
    ----------
    metrics : tuple of str
        Metrics that the conditions read.
    """

    def __init__(self, conditions: Iterable[Any] | str | None = None) -> None:
        if conditions is None:
            given: tuple[Any, ...] = ()
        elif isinstance(conditions, str) or callable(conditions):
            given = (conditions,)
        else:
            given = listing("feasible", conditions, "['total_trades >= 30']")
        self._constraints = tuple(c if isinstance(c, Constraint) else Constraint(c) for c in given)
        for constraint in self._constraints:
            constraint.check_flags(constraint.flags)
        self.metrics = tuple(dict.fromkeys(name for c in self._constraints for name in c.names))

    def __bool__(self) -> bool:
        return bool(self._constraints)

    @property
    def texts(self) -> tuple[str, ...]:
        """The conditions as text."""
        return tuple(constraint.text for constraint in self._constraints)

    def violations(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        """How far each condition is from being met.

        Returns
        -------
        dict
            By condition: 0 or less where it is met, else a positive distance. A simple comparison gives the
            difference of its two sides; anything else 1; an undefined metric (NaN) a very large number.
        """
        found: dict[str, float] = {}
        for constraint in self._constraints:
            excess = constraint.excess(metrics)
            if math.isnan(excess) or any(_undefined(metrics[name]) for name in constraint.names):
                found[constraint.text] = _WORST
            elif constraint.holds(metrics):
                found[constraint.text] = max(min(excess, 0.0), -_WORST)
            else:
                found[constraint.text] = min(max(excess, _SMALLEST), _WORST)
        return found


def _undefined(value: Any) -> bool:
    return value is None or value != value
