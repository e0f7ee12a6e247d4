"""Decisions of every kind of strategy, as the kernel reads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data import Bars
from peak_fast.errors import StrategyError
from peak_fast.indicators import Key, check_kind, plane_of, stride_of
from peak_fast.strategies import Block, Row, RuleStrategy
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.slots import RULE_SIZE

if TYPE_CHECKING:
    from peak_fast.simulation.blocks import BlockCall

NO_RULES = np.empty((0, RULE_SIZE), np.int64)


NO_PLANE = np.empty(0)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a strategy decided over the bars: a rule for the kernel to apply, or targets at given bars."""

    plane: FloatArray
    stride: int
    rules: IntArray
    bar_of: IntArray
    target_of: FloatArray
    count: int
    block: BlockCall | None = None


def rule_decisions(
    strategy: RuleStrategy, bars: Bars, params: Mapping[str, Any], notes: list[str] | None = None
) -> Decisions:
    """Indicator rows and the rule of one configuration; ``notes`` gets rows that have no value in these bars."""
    shorts = strategy.short_switch is None or bool(params[strategy.short_switch])
    used = [
        (number, condition)
        for number, condition in enumerate(strategy.conditions)
        if condition is not None and (number < 2 or shorts)
    ]
    keys = {row: _row_key(row, params) for _, condition in used for row in (condition.x, condition.y)}
    plane, places = plane_of(bars, list(dict.fromkeys(keys.values())))
    if notes is not None:
        _note_warm_up(bars, plane, places, notes)
    rule = np.full((1, RULE_SIZE), -1, np.int64)
    for number, condition in used:
        cells = (places[keys[condition.x]], places[keys[condition.y]], condition.code)
        rule[0, number * 3 : number * 3 + 3] = cells
    count = len(bars)
    return Decisions(plane.reshape(-1), stride_of(count), rule, np.empty(count, np.int64), np.empty(count), 0)


def _note_warm_up(bars: Bars, plane: FloatArray, places: Mapping[Key, int], notes: list[str]) -> None:
    """Say which indicators never have a value, because their warm-up is longer than the data."""
    count = len(bars)
    never = [
        warm_up_name(key)
        for key, place in places.items()
        # One look where the row has a value at its end, as nearly all have.
        if plane[place, count - 1] != plane[place, count - 1] and np.isnan(plane[place, :count]).all()
    ]
    if never:
        notes.append(warm_up_note(never, count))


def warm_up_name(key: Key) -> str:
    """An indicator with its arguments, for `warm_up_note`."""
    return f"{key[0]}({', '.join(f'{part:g}' for part in key[1:])})"


def warm_up_note(names: Sequence[str], bars: int, silent: int = 0, among: int = 0) -> str:
    """The note on indicators without any value; in a sweep with how many configurations, of how many, have one."""
    have = "has" if len(names) == 1 else "have"
    if not silent:
        return (
            f"warm-up: {', '.join(names)} {have} no value in {bars:,} bars; the conditions that compare with it never "
            "hold: take more bars, or a shorter window"
        )
    return (
        f"warm-up: in {silent:,} of {among:,} configurations an indicator has no value in {bars:,} bars, such as "
        f"{', '.join(names)}; the conditions that compare with it never hold: take more bars, or shorter windows"
    )


def _row_key(row: Row, params: Mapping[str, Any]) -> Key:
    """Key of an operand: its kind and the values of its arguments."""
    check_kind(row.kind, len(row.args))
    return (row.kind, *(params[a] if isinstance(a, str) else a for a in row.args))


def block_decisions(block: Block, bars: Bars, params: Mapping[str, Any]) -> Decisions:
    """A compiled block, which decides while the kernel runs."""
    # Here, as in `peak_fast.simulation.run`: most runs have no block.
    from peak_fast.simulation.blocks import prepare

    nothing = given_decisions(np.empty(0, np.int64), NO_PLANE)
    return dataclasses.replace(nothing, block=prepare(block, bars, params))


def given_decisions(bar_of: IntArray, target_of: FloatArray) -> Decisions:
    """Decisions that were made outside the kernel."""
    return Decisions(NO_PLANE, 0, NO_RULES, bar_of, target_of, bar_of.size)


def target_decisions(target: FloatArray, sides_of: str | None = None) -> Decisions:
    """Decisions of a row of targets: each bar whose target differs from the last one that was not NaN.

    Parameters
    ----------
    target
        float64[n_bars], NaN for no change.
    sides_of
        What the targets are, for an error, where they must be sides; None: they are weights.

    Raises
    ------
    StrategyError
        A side other than -1, 0 and 1.
    """
    known = np.flatnonzero(target == target)
    values = target[known]
    changed = np.empty(values.size, bool)
    if values.size:
        changed[0] = values[0] != 0.0
        np.not_equal(values[1:], values[:-1], out=changed[1:])
    decided = given_decisions(known[changed], np.ascontiguousarray(values[changed]))
    if sides_of is not None:
        _check_sides(decided, sides_of)
    return decided


def _check_sides(decided: Decisions, what: str) -> None:
    """Fractions are refused: taken as sides, half a position would be a full one."""
    wrong = np.flatnonzero(decided.target_of != np.sign(decided.target_of))
    if wrong.size:
        raise StrategyError(
            f"{what}: expected -1 (short), 0 (flat) or 1 (long); got {decided.target_of[wrong[0]]} at bar "
            f"{decided.bar_of[wrong[0]]}; for fractions of equity pass weights=True"
        )


def signal_decisions(signal: FloatArray) -> Decisions:
    """Decisions of buy/sell/hold signals: each bar whose signal is not 0 and differs from the bar before."""
    before = np.empty_like(signal)
    before[0] = 0.0
    before[1:] = signal[:-1]
    bars = np.flatnonzero((signal != before) & (signal != 0.0))
    return given_decisions(bars, np.ascontiguousarray(signal[bars]))


def legacy_decisions(signal: FloatArray) -> Decisions:
    """Decisions of the long-only mode: every 1 asks for a long, every -1 for no position."""
    bars = np.flatnonzero(signal != 0.0)
    return given_decisions(bars, np.maximum(signal[bars], 0.0))
