"""From settings to the flat vector that kernels read, and the table of what each setting is.

Slots, units and ranges stand beside the fields of the settings (`peak_fast.settings.frozen.Slot`).
``VARIABLE["stop_loss"]``
is what a sweep may vary under that name: part, field, slots, what the grid's values are divided by, and the range.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, get_args

import annotated_types as limits
import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.settings.base import BASIS_POINTS
from peak_fast.settings.config import BacktestConfig
from peak_fast.settings.frozen import Settings, put_fields, slotted
from peak_fast.settings.sizing import RiskPerTrade, SizeRule, Sizing
from peak_fast.settings.trading import Costs, Execution, RiskLimits, Stops
from peak_kernels import slots as t

SIZES: tuple[type[SizeRule], ...] = get_args(Sizing)
# In the order in which lists of names show them.
_PARTS: tuple[tuple[str, type[Settings]], ...] = (
    ("stops", Stops), ("costs", Costs), *(("sizing", size) for size in SIZES), ("risk_limits", RiskLimits),
    ("execution", Execution), ("", BacktestConfig),
)  # fmt: skip


class Setting(NamedTuple):
    """A setting under a name of sweeps.

    Attributes
    ----------
    part, field
        Of which settings object it is which field; an empty part: of the engine itself.
    slots, unit
        Slots that take the value, and what it is divided by.  A division, as in `Costs.from_bps`: multiplying by 1e-4
        would give other last bits than the single run.
    above, least, below, most
        Range, in the unit of the grid's values; NaN: no such limit.
    optional
        Whether it can be None, "not set".
    whole
        Whether it is a count.
    decides
        Whether it says nothing to a block that places orders.
    modes
        Sizings that have it; empty: it is none of a sizing, or all have it.
    """

    part: str
    field: str
    slots: tuple[int, ...]
    unit: float
    above: float
    least: float
    below: float
    most: float
    optional: bool
    whole: bool
    decides: bool
    modes: tuple[int, ...]


def _limits(field: Any) -> Iterator[Any]:
    """Limits of a field's values, also of one that can be None."""
    yield from field.metadata
    for kind in get_args(field.annotation):
        for item in getattr(kind, "__metadata__", ()):
            yield from getattr(item, "metadata", (item,))


def _settings_of(part: str, model: type[Settings]) -> Iterator[tuple[str, Setting]]:
    for name, field, slot in slotted(model):
        found = {type(item): item for item in _limits(field)}
        optional = type(None) in get_args(field.annotation)
        for varied, factor in ((slot.varied, 1.0), (slot.in_bps, BASIS_POINTS)):
            if not varied:
                continue
            above, least, below, most = (
                getattr(found[kind], word) * factor if kind in found else math.nan
                for kind, word in ((limits.Gt, "gt"), (limits.Ge, "ge"), (limits.Lt, "lt"), (limits.Le, "le"))
            )
            # What a size is at most depends on the sizing, whose object says it.
            most = math.nan if slot.places == (t.SIZE_VALUE,) else most
            modes = (model.mode,) if issubclass(model, SizeRule) else ()
            unit = slot.unit * factor
            yield varied, Setting(
                part, name, slot.places, unit, above, least, below, most, optional, field.annotation is int,
                slot.decides, modes,
            )  # fmt: skip


def _table() -> dict[str, Setting]:
    table: dict[str, Setting] = {}
    for part, model in _PARTS:
        for name, row in _settings_of(part, model):
            modes = table[name].modes + row.modes if name in table else row.modes
            table[name] = row._replace(modes=modes)
    return {
        name: row._replace(modes=() if len(row.modes) == len(SIZES) else row.modes)
        for name, row in table.items()
    }


VARIABLE: dict[str, Setting] = _table()
"""Settings that a sweep may vary, by their names there."""


def check_apart(names: Iterable[str]) -> None:
    """Refuse two names of one setting: only one of them could hold.

    Raises
    ------
    ConfigError
        Both are there.
    """
    first: dict[tuple[str, str], str] = {}
    for name in dict.fromkeys(names):
        row = VARIABLE.get(name)
        # The main figures of the sizings share a name, and none of their other names is another's.
        other = None if row is None else first.setdefault((row.part, row.field), name)
        if other is not None and other != name:
            pair = " and ".join(sorted((other, name)))
            raise ConfigError(f"expected one of {pair}, which are one setting; got both; remove one")


def settings_vector(
    *,
    initial_cash: float,
    execution: Execution,
    costs: Costs,
    stops: Stops,
    sizing: Settings,
    risk_limits: RiskLimits,
    periods_per_year: float,
    year_at_bars: bool = False,
    risk_free: float = 0.0,
    weights: bool = False,
    enter_only_flat: bool = False,
    signed: bool = False,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Flat settings of one configuration.

    Parameters
    ----------
    year_at_bars
        Estimated volatilities take the bars a year that were known at each bar
        (`peak_fast.simulation.tables.prices_for`), not
        ``periods_per_year``.
    risk_free
        Yearly rate; the kernel gets (1 + risk_free) ** (1 / periods_per_year) - 1.
    weights
        Targets are fractions of equity instead of sides.
    signed
        The bars have prices at or below zero.

    Raises
    ------
    ConfigError
        The settings contradict each other.
    """
    # A list, because single numbers of an array are slow to write.
    vector: list[float] = [0.0] * t.N_SETTINGS
    vector[t.INITIAL_CASH] = initial_cash
    for part in (execution, costs, stops, risk_limits):
        put_fields(vector, part)
    # A rebate has no minimum, which would take it away.
    vector[t.FEE_MINIMUM] = costs.least
    _put_sizing(vector, sizing, stops)
    if vector[t.SIZE_MODE] == t.SIZE_VOLATILITY and not year_at_bars:
        vector[t.SIZE_YEAR] = periods_per_year
    vector[t.PERIODS_PER_YEAR] = periods_per_year
    vector[t.RISK_FREE] = (1.0 + risk_free) ** (1.0 / periods_per_year) - 1.0 if risk_free else 0.0
    vector[t.WEIGHT_TARGETS] = weights
    vector[t.ENTER_ONLY_FLAT] = enter_only_flat
    vector[t.SIGNED_PRICES] = signed
    return np.array(vector, dtype=np.float64)


def _put_sizing(vector: list[float], sizing: Settings, stops: Stops) -> None:
    """Fill the sizing slots."""
    if not isinstance(sizing, SizeRule) or sizing.mode < 0:
        *names, last = (size.__name__ for size in SIZES)
        raise ConfigError(f"sizing: expected {', '.join(names)} or {last}; got {type(sizing).__name__}")
    if isinstance(sizing, RiskPerTrade) and stops.stop_loss is None and stops.trailing is None:
        raise ConfigError(
            "RiskPerTrade sizes a position by its stop distance, but no stop is set; "
            "expected Stops(stop_loss=...) or Stops(trailing=...)"
        )
    vector[t.SIZE_MODE] = sizing.mode
    put_fields(vector, sizing)
