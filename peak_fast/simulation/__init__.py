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
    from peak_fast.simulation.decisions import given_decisions as given_decisions
    from peak_fast.simulation.decisions import target_decisions as target_decisions
    from peak_fast.simulation.decisions import warm_up_name as warm_up_name
    from peak_fast.simulation.decisions import warm_up_note as warm_up_note
    from peak_fast.simulation.dues import NO_DUES as NO_DUES
    from peak_fast.simulation.dues import Dues as Dues
    from peak_fast.simulation.dues import dues_of as dues_of
    from peak_fast.simulation.given import call_function as call_function
    from peak_fast.simulation.given import decided_by as decided_by
    from peak_fast.simulation.given import decisions_of as decisions_of
    from peak_fast.simulation.given import frame_given as frame_given
    from peak_fast.simulation.given import frames_given as frames_given
    from peak_fast.simulation.given import function_name as function_name
    from peak_fast.simulation.given import given_targets as given_targets
    from peak_fast.simulation.given import held_note as held_note
    from peak_fast.simulation.given import is_targets as is_targets
    from peak_fast.simulation.given import raise_explained as raise_explained
    from peak_fast.simulation.given import returned_by as returned_by
    from peak_fast.simulation.given import silent_note as silent_note
    from peak_fast.simulation.given import unsold_note as unsold_note
    from peak_fast.simulation.payments import NO_CHARGES as NO_CHARGES
    from peak_fast.simulation.payments import Payments as Payments
    from peak_fast.simulation.payments import payments_for as payments_for
    from peak_fast.simulation.payments import payments_in as payments_in
    from peak_fast.simulation.payments import write_owed as write_owed
    from peak_fast.simulation.run import BOTH_HIT_RULES as BOTH_HIT_RULES
    from peak_fast.simulation.run import Outcome as Outcome
    from peak_fast.simulation.run import Replay as Replay
    from peak_fast.simulation.run import run_single as run_single
    from peak_fast.simulation.spare import lent as lent
    from peak_fast.simulation.tables import calendar_table as calendar_table
    from peak_fast.simulation.tables import movable as movable
    from peak_fast.simulation.tables import price_table as price_table
    from peak_fast.simulation.tables import prices_for as prices_for
    from peak_fast.simulation.tables import rows_of as rows_of

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "given": (
        "call_function",
        "decided_by",
        "decisions_of",
        "frame_given",
        "frames_given",
        "function_name",
        "given_targets",
        "held_note",
        "unsold_note",
        "is_targets",
        "raise_explained",
        "returned_by",
        "silent_note",
    ),
    "blocks": ("no_target", "cells_of", "compiled", "numbers", "prepare_many", "run_block"),
    "decisions": ("Decisions", "given_decisions", "target_decisions", "warm_up_name", "warm_up_note"),
    "dues": ("NO_DUES", "Dues", "dues_of"),
    "payments": ("NO_CHARGES", "Payments", "payments_for", "payments_in", "write_owed"),
    "run": (
        "BOTH_HIT_RULES",
        "Outcome",
        "Replay",
        "run_single",
    ),
    "spare": ("lent",),
    "tables": ("calendar_table", "movable", "price_table", "prices_for", "rows_of"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
