"""What a choice of parameters is made by: a metric with a direction, or a function of returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from peak_fast import metrics as _metrics
from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.guard import keywords, no_argument
from peak_fast.metrics import CATALOG, PLACES, higher_is_better, is_signed_loss
from peak_fast.sweep import Sweep
from peak_fast.validation.figures import SUMMED
from peak_kernels.arrays import FloatArray

Source = Literal["sums", "returns", "runs"]

_WAYS = {"max": 1.0, "maximize": 1.0, "maximise": 1.0, "min": -1.0, "minimize": -1.0, "minimise": -1.0}


class Objective(NamedTuple):
    """What is looked for.

    Attributes
    ----------
    name
        The metric, or the name of the function.
    sign
        1 where more is better, -1 where less is.
    function
        Of the returns of a window, bars a year and the yearly risk-free rate; None: the sums give it.
    """

    name: str
    sign: float
    function: Callable[[FloatArray, float, float], float] | None = None

    def __str__(self) -> str:
        return f"{self.name}:{'max' if self.sign > 0 else 'min'}"

    def best(self, values: FloatArray) -> int | None:
        """Place of the best of several values, the first of equal ones; None where none is a finite number."""
        signed = np.where(np.isfinite(values), self.sign * values, -np.inf)
        place = int(np.argmax(signed))
        return None if signed[place] == -np.inf else place


def objective_of(given: Any, *, carried: bool) -> Objective:
    """An objective as people name it.

    Parameters
    ----------
    given
        Name of a metric, with ``":max"`` or ``":min"`` behind it where it shall be so; or a function of the returns
        of a window, of which more is better.
    carried
        Whether windows are parts of one run; then only what returns and closed trades tell is known of them.

    Raises
    ------
    ConfigError
        Anything else.
    """
    if callable(given):
        if not carried:
            raise ConfigError(
                "objective: expected a metric of sweeps where each window is a run of its own; got a function; "
                "functions of returns go with positions='carry'"
            )
        return Objective(
            getattr(given, "__name__", "objective"), 1.0, lambda returns, *_: float(given(returns))
        )
    if not isinstance(given, str):
        raise ConfigError(
            f"objective: expected a metric such as 'sharpe', or a function of returns; got {given!r}"
        )
    name, colon, way = (part.strip() for part in given.partition(":"))
    known = set(SUMMED) | _of_returns() if carried else set(PLACES)
    if name not in known:
        raise ConfigError(f"objective: no {name!r} of windows{_hint(name, known, carried=carried)}")
    if colon and way.lower() not in _WAYS:
        raise ConfigError(f"objective: expected {name + ':max'!r} or {name + ':min'!r}; got {given!r}")
    # The largest of negative losses is the smallest loss, which is what people mean either way.
    usual = 1.0 if higher_is_better(name) or is_signed_loss(name) else -1.0
    sign = usual if not colon or is_signed_loss(name) else _WAYS[way.lower()]
    return Objective(name, sign, _function(name) if carried and name not in SUMMED else None)


_NO_SETTINGS = ("strategy", "grid", "data", "metrics", "constraint", "blocks")


def check_settings(function: Callable[..., Any], settings: Mapping[str, Any]) -> None:
    """Refuse keywords that are neither a function's own nor settings of the engine.

    Raises
    ------
    UnknownKeywordError
        It names the nearest one.
    """
    known = [name for name in keywords(Sweep) if name not in _NO_SETTINGS]
    for name in settings:
        if name not in known:
            own = [word for word in keywords(function) if word != "settings"]
            raise no_argument(function.__name__, name, [*own, *known])


def _hint(name: str, known: set[str], *, carried: bool) -> str:
    if carried and name in PLACES:
        return " of a run that goes on; expected positions='flat', where each window is a run of its own"
    return f"; {did_you_mean(name, known)}"


def _of_returns() -> set[str]:
    return {row.name for row in CATALOG.values() if row.takes is not None}


def _function(name: str) -> Callable[[FloatArray, float, float], float]:
    """A metric of returns alone."""
    function, takes = getattr(_metrics, name), CATALOG[name].takes or ()

    def value(returns: FloatArray, year: float, free: float) -> float:
        given = {"periods_per_year": year, "risk_free": free}
        return float(function(returns, *(given[word] for word in takes)))

    return value
