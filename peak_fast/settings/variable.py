"""The table of what each setting is: slots, units and ranges, as they stand beside the fields of the settings.

``VARIABLE["stop_loss"]`` is what a sweep may vary under that name: part, field, slots, what the grid's values are
divided by, and the range.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple, get_args

from peak_fast.errors import ConfigError
from peak_fast.settings.base import BASIS_POINTS
from peak_fast.settings.config import BacktestConfig
from peak_fast.settings.fields import Field, Limits
from peak_fast.settings.frozen import Settings, slotted
from peak_fast.settings.sizing import SizeRule
from peak_fast.settings.slots import SIZES
from peak_fast.settings.trading import Costs, Execution, RiskLimits, Stops
from peak_kernels import slots as t

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


def _limits(field: Field) -> Iterator[Limits]:
    """Limits of a field's values, also of one that can be None."""
    for kind in (field, *get_args(field.annotation)):
        items = kind.metadata if kind is field else getattr(kind, "__metadata__", ())
        yield from (item for item in items if isinstance(item, Limits))


def _settings_of(part: str, model: type[Settings]) -> Iterator[tuple[str, Setting]]:
    for name, field, slot in slotted(model):
        found = next(_limits(field), Limits())
        optional = type(None) in get_args(field.annotation)
        for varied, factor in ((slot.varied, 1.0), (slot.in_bps, BASIS_POINTS)):
            if not varied:
                continue
            above, least, below, most = (
                math.nan if limit is None else limit * factor
                for limit in (found.gt, found.ge, found.lt, found.le)
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
