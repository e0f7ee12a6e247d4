"""What a configuration decided over the bars, and decisions of several in turn as those of one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from peak_fast import simulation as _simulation
from peak_fast.data import Bars, is_panel
from peak_fast.errors import ConfigError
from peak_fast.indicators import stride_of
from peak_fast.settings import VolatilityTarget
from peak_fast.simulation import Decisions
from peak_fast.strategies import Block, OrderBlock, PanelBlock, RuleStrategy, complete_params
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray


class Track(NamedTuple):
    """One configuration's decisions.

    Attributes
    ----------
    bars, targets
        At whose closes it decided, and what: int64[decisions], float64[decisions].
    held
        Units that its own run held at each close: float64[bars], bar 0 at ``first``.
    first
        First bar of its run.
    missing
        bool[bars], where bars have no prices; None: nowhere.
    """

    bars: IntArray
    targets: FloatArray
    held: FloatArray
    first: int
    missing: Any = None

    def in_force(self, bar: int) -> float:
        """What it holds at the close of a bar: its last target, or 0 where it is flat by then (a stop, a refusal).

        What it decides at that close counts.
        """
        last = int(np.searchsorted(self.bars, bar, side="right")) - 1
        if last < 0:
            return 0.0
        decided = int(self.bars[last])
        waits = decided == bar or self._waits(decided, bar)
        return 0.0 if self.held[bar - self.first] == 0.0 and not waits else float(self.targets[last])

    def _waits(self, decided: int, bar: int) -> bool:
        """Whether a decision has found no price up to the close of a bar."""
        part = slice(decided + 1 - self.first, bar + 1 - self.first)
        return self.missing is not None and bool(self.missing[part].all())

    def between(self, start: int, stop: int) -> tuple[IntArray, FloatArray]:
        """Decisions at the closes of bars ``[start, stop)``."""
        first, last = np.searchsorted(self.bars, (start, stop))
        return self.bars[first:last], self.targets[first:last]


def by_weight(item: Any) -> bool:
    """Whether the targets of a strategy are fractions of equity."""
    return bool(getattr(item, "weights", False) or getattr(item, "returns", "") == "weights")


def varied_names(sweep: Any) -> list[str]:
    """Names in the grid that are settings of the engine."""
    own = {param.name for param in sweep.strategy.schema}
    return [name for name in sweep.grid.names if name in sweep._varied and name not in own]


def check_decides(sweep: Any, *, flat: bool) -> None:
    """Refuse what cannot be handed from one configuration to the next in one run.

    Raises
    ------
    ConfigError
        A block that places orders, or one that gives weights or runs through the order book; a grid of settings.
    """
    item = sweep.strategy
    if is_panel(next(iter(sweep.data.values()))):
        _check_panel(item, flat=flat)
    blocks = isinstance(item, Block) and (by_weight(item) or sweep.engine.order_book is not None)
    if isinstance(item, OrderBlock) or blocks:
        raise ConfigError(
            f"walk forward: {item.name!r} places orders or gives weights out of what its account holds, which another "
            "configuration cannot take over; expected rules, functions, or a block of sides without an order book"
        )
    settings = varied_names(sweep)
    alone = flat and sweep.engine.order_book is None and not isinstance(sweep.engine.sizing, VolatilityTarget)
    if settings and not alone:
        raise ConfigError(
            f"walk forward: expected parameters of the strategy in the grid; got the setting {settings[0]!r}, which "
            "one run cannot change on its way; expected positions='flat', without an order book and without sizes "
            "that look back, or one walk for each of its values"
        )


def _check_panel(rule: Any, *, flat: bool) -> None:
    if flat:
        raise ConfigError(
            "positions: expected 'carry' for portfolios, whose weights are of all bars; got 'flat'"
        )
    if not (hasattr(rule, "weights") or isinstance(rule, PanelBlock)):
        raise ConfigError(
            f"walk forward: expected a rule that gives weights of a panel; {rule.name!r} places orders"
        )


def track_of(
    engine: Any, item: Any, bars: Bars, params: Mapping[str, Any], first: int, stop: int,
    settings: FloatArray | None = None,
) -> Track:  # fmt: skip
    """Decisions of a configuration that begins flat at ``first``, with all bars before it behind its indicators.

    ``settings``: the kernel's flat vector, where it is not the engine's.
    """
    values = complete_params(item, params)
    part = _cut(bars, first, stop)
    flat = vector_of(engine, item, part) if settings is None else settings
    decisions = _decisions(item, bars, values, flat, (first, stop))
    missing = np.isnan(part.close) if part.has_nan else None
    if engine.order_book is not None:
        result, decisions = _through_book(engine, item, part, values, decisions, flat)
        return Track(decisions.bar_of + first, decisions.target_of, result.position, first, missing)
    payments = _simulation.payments_in(engine.settings, bars, (first, stop))
    outcome = _simulation.run_single(part, decisions, flat, payments)
    held = outcome.curve[t.CURVE_POSITION]
    if isinstance(item, Block):
        at, targets = _asked(outcome)
    else:
        at, targets = _written(decisions)
    return Track(at + first, targets, held, first, missing)


def vector_of(engine: Any, item: Any, part: Bars) -> FloatArray:
    """The kernel's flat vector of a run on bars."""
    plain = engine.order_book is None
    flat: FloatArray = engine.settings.vector(part, weights=by_weight(item), financed=plain)
    return flat


def result_of(engine: Any, item: Any, bars: Bars, params: Mapping[str, Any], first: int, stop: int) -> Any:
    """Result of a configuration through the order book that begins flat at ``first``; see `track_of`."""
    values, part = complete_params(item, params), _cut(bars, first, stop)
    flat = engine.settings.vector(part, weights=by_weight(item))
    decisions = _decisions(item, bars, values, flat, (first, stop))
    return _through_book(engine, item, part, values, decisions, flat)[0]


def _cut(bars: Bars, first: int, stop: int) -> Bars:
    """A part of bars; they themselves where it is all of them, whose tables are made already."""
    return bars if stop - first == len(bars) else bars.slice(first, stop)


def _through_book(
    engine: Any, item: Any, part: Bars, values: dict[str, Any], decisions: Decisions, flat: FloatArray
) -> tuple[Any, Decisions]:
    """Result of decisions in the order book, and these as given ones."""
    if len(decisions.rules):
        _simulation.run_single(part, decisions, flat)
    given = _simulation.given_decisions(*_written(decisions))
    return engine._finish(part, given, item.name, values, None, weights=by_weight(item)), given


def _decisions(
    item: Any, bars: Bars, values: dict[str, Any], flat: FloatArray, window: tuple[int, int]
) -> Decisions:
    """Decisions in a window of bars, of indicators and functions over the bars up to its end."""
    first, stop = window
    known = _cut(bars, 0, stop)
    if isinstance(item, RuleStrategy | Block):
        decisions = _part(_simulation.decisions_of(known, item, values, flat, []), first, stop - first)
        if len(decisions.rules):
            # Room for what the kernel will decide, and nothing else.
            decisions.bar_of.fill(-1)
        return decisions
    given = _simulation.returned_by(item, known, _simulation.call_function(item, known, values), [])
    part = type(given)(np.ascontiguousarray(given.row[first:]), given.boolean)
    return _simulation.decided_by(item, part, [], weights=flat[t.WEIGHT_TARGETS] != 0.0)


def _part(decisions: Decisions, first: int, count: int) -> Decisions:
    """The same decisions as though bar ``first`` were the first one."""
    if first == 0:
        return decisions
    block = decisions.block
    if block is not None:
        call = block if block.rows is None else next(iter(block.by_rows()))[1]
        seen = np.ascontiguousarray(call.seen[:, first : first + count])
        return dataclasses.replace(decisions, block=dataclasses.replace(call, seen=seen))
    stride = stride_of(count)
    rows = decisions.plane.reshape(-1, decisions.stride)
    plane = np.full((len(rows), stride), np.nan)
    plane[:, :count] = rows[:, first : first + count]
    return dataclasses.replace(
        decisions, plane=plane.reshape(-1), stride=stride, bar_of=np.empty(count, np.int64),
        target_of=np.empty(count),
    )  # fmt: skip


def _written(decisions: Decisions) -> tuple[IntArray, FloatArray]:
    """Decisions that were given, or those that the kernel made of rules and left in its scratch memory."""
    count = decisions.count
    if len(decisions.rules):
        ends = np.flatnonzero(decisions.bar_of < 0)
        count = int(ends[0]) if ends.size else decisions.bar_of.size
    return decisions.bar_of[:count].copy(), decisions.target_of[:count].copy()


def _asked(outcome: Any) -> tuple[IntArray, FloatArray]:
    """Sides that a compiled block decided on, from the orders of its run: those that its account was ready for."""
    columns = [t.ORDER_COLUMNS.index(name) for name in ("bar", "kind", "side", "requested", "filled")]
    held, bars, targets = 0.0, [], []
    for bar, kind, side, requested, filled in outcome.orders[:, columns].tolist():
        closes = held * side < 0.0
        if kind == t.SIGNAL:
            bars.append(int(bar))
            targets.append(0.0 if closes and requested <= abs(held) else side)
        held += side * filled
        if abs(held) < 1e-9 * filled:
            held = 0.0
    return np.array(bars, np.int64), np.array(targets)


class Leg(NamedTuple):
    """A stretch of the stitched run: the bars ``[start, stop)`` and whose decisions hold in them; None: nobody's."""

    start: int
    stop: int
    track: Track | None


def carried(legs: Sequence[Leg], *, weights: bool) -> Decisions:
    """Decisions of legs in turn, where a position goes on over their edges.

    The decision at the close before a leg takes over what its configuration holds there; behind a leg that no other
    follows at once, all is sold.  Bars count from the one before the first leg.
    """
    bars: list[IntArray] = []
    targets: list[FloatArray] = []
    force = 0.0
    for number, leg in enumerate(legs):
        at = leg.start - 1
        begin = 0.0 if leg.track is None else leg.track.in_force(at)
        # A side that is held already is no order; a weight would be set anew.
        if begin != force or not weights:
            bars.append(np.array([at]))
            targets.append(np.array([begin]))
        force = begin
        if leg.track is not None:
            own, wanted = leg.track.between(leg.start, leg.stop - 1)
            bars.append(own)
            targets.append(wanted)
            force = float(wanted[-1]) if wanted.size else begin
        if number + 1 < len(legs) and legs[number + 1].start > leg.stop:
            bars.append(np.array([leg.stop - 1]))
            targets.append(np.zeros(1))
            force = 0.0
    return _joined(bars, targets, legs[0].start - 1)


def flat_legs(legs: Sequence[Leg]) -> Decisions:
    """Decisions of legs each of which begins flat, and is sold so that its last bar is flat."""
    bars: list[IntArray] = []
    targets: list[FloatArray] = []
    for leg in legs:
        if leg.track is None or leg.stop - leg.start < 2:
            continue
        own, wanted = leg.track.between(leg.start - 1, leg.stop - 2)
        bars += [own, np.array([leg.stop - 2])]
        targets += [wanted, np.zeros(1)]
    return _joined(bars, targets, legs[0].start - 1)


def _joined(bars: Sequence[IntArray], targets: Sequence[FloatArray], first: int) -> Decisions:
    at = np.concatenate([np.empty(0, np.int64), *bars]).astype(np.int64) - first
    return _simulation.given_decisions(at, np.concatenate([np.empty(0), *targets]))
