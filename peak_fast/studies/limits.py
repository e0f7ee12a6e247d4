"""When a study ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from peak_fast.arguments import is_number, is_whole, shown
from peak_fast.errors import ConfigError
from peak_fast.studies.objectives import Objective

MOST_TRIALS = 10_000_000
"""So many trials a study may have: each is kept in memory."""


@dataclass(slots=True)
class Limits:
    """When a study ends.

    Attributes
    ----------
    n_trials : int or None
        Finished trials in the whole study, all workers and earlier runs together.
    timeout : float or None
        Seconds of this run.
    targets : dict
        Objective values that are good enough, by metric; all of them in one trial.
    """

    n_trials: int | None = None
    timeout: float | None = None
    targets: dict[str, float] = field(default_factory=dict)


def make_limits(
    n_trials: int | None, timeout: float | None, target: Any, objectives: Sequence[Objective], is_grid: bool
) -> Limits:
    """Limits from the arguments of ``Study.run``.

    Raises
    ------
    ConfigError
        A limit that is not positive, a target for something that is no objective, or no limit at all (only a
        grid ends by itself).
    """
    if n_trials is not None and (not is_whole(n_trials) or n_trials < 1):
        raise ConfigError(
            f"expected a positive number of trials; got {shown(n_trials)}; pass for example 100"
        )
    if n_trials is not None and n_trials > MOST_TRIALS:
        raise ConfigError(
            f"expected at most {MOST_TRIALS:,} trials; got {shown(n_trials)}; a sweep runs so many configurations"
        )
    if timeout is not None and not (is_number(timeout) and 0 < timeout < math.inf):
        raise ConfigError(f"expected a positive timeout in seconds; got {timeout!r}; leave it out for none")
    given = target if isinstance(target, Mapping) else {objectives[0].metric: target}
    try:
        targets = {} if target is None else {str(name): float(value) for name, value in given.items()}
    except (TypeError, ValueError):
        raise ConfigError(f"expected a target as a number, or one per metric; got {target!r}") from None
    if not all(math.isfinite(value) for value in targets.values()):
        raise ConfigError(f"expected finite targets; got {target!r}; leave the target out for none")
    known = [objective.metric for objective in objectives]
    if not set(known).issuperset(targets):
        raise ConfigError(
            f"expected targets for objectives ({', '.join(known)}); got {', '.join(sorted(targets))}; "
            "correct the names"
        )
    if n_trials is None and timeout is None and not targets and not is_grid:
        raise ConfigError(
            "expected a limit; got none; pass n_trials=, timeout= or target= (--trials, --timeout, --target)"
        )
    return Limits(n_trials, timeout, targets)
