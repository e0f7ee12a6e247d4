"""From bars and decisions to the records of a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.simulation.blocks import cells_of as cells_of
    from peak_fast.simulation.blocks import compiled as compiled
    from peak_fast.simulation.blocks import no_target as no_target
    from peak_fast.simulation.blocks import numbers as numbers
    from peak_fast.simulation.blocks import prepare_many as prepare_many
    from peak_fast.simulation.blocks import run_block as run_block
    from peak_fast.simulation.decisions import Decisions as Decisions
    from peak_fast.simulation.decisions import target_decisions as target_decisions
    from peak_fast.simulation.run import Outcome as Outcome
    from peak_fast.simulation.tables import calendar_table as calendar_table
    from peak_fast.simulation.tables import price_table as price_table
    from peak_fast.simulation.tables import prices_for as prices_for

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "blocks": ("no_target", "cells_of", "compiled", "numbers", "prepare_many", "run_block"),
    "decisions": ("Decisions", "target_decisions"),
    "run": ("Outcome",),
    "tables": ("calendar_table", "price_table", "prices_for"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
