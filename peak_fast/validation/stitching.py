"""The run of what was chosen: the decisions of each choice in its test window, carried out as those of one strategy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from peak_fast.data import is_panel
from peak_fast.settings import VolatilityTarget
from peak_fast.simulation import payments_in
from peak_fast.validation.chained import Link, chained, settings_of
from peak_fast.validation.tracks import Leg, Track, by_weight, carried, flat_legs, track_of, varied_names


def stitched(
    sweep: Any, choices: Sequence[Mapping[str, Any] | None], tests: Sequence[tuple[int, int]], *, flat: bool,
    notes: Sequence[str],
) -> Any:  # fmt: skip
    """Result of the test windows joined: it begins with the close before the first one, where its first decision falls.

    Parameters
    ----------
    sweep
        Strategy, settings and the one data set.
    choices
        Parameters of each window; None: nothing is held.
    tests
        The windows: bars ``(start, stop)``, ascending and apart.
    flat
        Whether each window begins and ends flat.
    notes
        What the result says besides.
    """
    bars = next(iter(sweep.data.values()))
    if is_panel(bars):
        from peak_fast.validation.panels import stitched_panel

        return stitched_panel(sweep, choices, tests)
    settings = varied_names(sweep)
    if settings:
        return _chain(sweep, settings, choices, tests, notes)
    known: dict[str, Track] = {}
    legs = []
    for params, (start, stop) in zip(choices, tests, strict=True):
        if params is None:
            legs.append(Leg(start, stop, None))
            continue
        key = json.dumps([params, start if flat else 0], default=str)
        if key not in known:
            window = (start - 1, stop) if flat else (0, len(bars))
            known[key] = track_of(sweep.engine, sweep.strategy, bars, params, *window)
        legs.append(Leg(start, stop, known[key]))
    weights = by_weight(sweep.strategy)
    decisions = flat_legs(legs) if flat else carried(legs, weights=weights)
    lead, said = _lead(sweep.engine.sizing, tests[0][0] - 1)
    whole = (tests[0][0] - 1 - lead, tests[-1][1])
    decisions.bar_of[:] += lead
    return sweep.engine._finish(
        bars.slice(*whole), decisions, f"{sweep.strategy.name}, walked forward", {}, None, weights=weights,
        strategy=sweep.strategy, notes=[*notes, *said],
        payments=payments_in(sweep.engine.settings, bars, whole),
    )  # fmt: skip


def _chain(
    sweep: Any, settings: Sequence[str], choices: Sequence[Mapping[str, Any] | None], tests: Sequence[tuple[int, int]],
    notes: Sequence[str],
) -> Any:  # fmt: skip
    """The joined result where settings of the engine differ from fold to fold, each of which begins and ends flat."""
    bars, item, engine = next(iter(sweep.data.values())), sweep.strategy, sweep.engine
    weights, links = by_weight(item), []
    for params, (start, stop) in zip(choices, tests, strict=True):
        given = params or {}
        varied = {name: value for name, value in given.items() if name in settings}
        flat = settings_of(engine, bars.slice(start - 1, stop), varied, weights=weights)
        track = None
        if params is not None:
            values = {name: value for name, value in given.items() if name not in settings}
            track = track_of(engine, item, bars, values, start - 1, stop, flat)
        links.append(Link(start - 1, stop, flat_legs([Leg(start, stop, track)]), flat))
    return chained(engine, bars, links, item, notes, weights=weights)


def _lead(sizing: Any, before: int) -> tuple[int, list[str]]:
    """Bars that the result begins earlier, because sizes look back at them."""
    if not isinstance(sizing, VolatilityTarget):
        return 0, []
    # Two dates more, from which the bars a year are known.
    lead = min(before, sizing.window + 3)
    return lead, [
        f"walk forward: the result begins {lead} bars early, without a position: its sizes look back at them"
    ]
