"""What a user gave as decisions: targets as columns, and what a signal function returned, as one number a bar.

Two things are settled here for every door: to which bar a value belongs (`peak_fast.data.alignment`), and what booleans
mean.  A column of booleans is held while True and flat while False, whoever gives it; it never is a list of signals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from peak_fast.data import Bars, aligned, calendar_of_bars, numbers_of, own_frame, own_frames, package_of
from peak_fast.errors import StrategyError, did_you_mean
from peak_fast.simulation.decisions import (
    Decisions,
    block_decisions,
    legacy_decisions,
    rule_decisions,
    signal_decisions,
    target_decisions,
)
from peak_fast.strategies import Block, OrderBlock, RuleStrategy, SignalStrategy
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray

_COLUMNS = {"Series", "DataFrame", "LazyFrame", "Table", "RecordBatch", "Array", "ChunkedArray"}


class Given(NamedTuple):
    """One value a bar.

    Parameters
    ----------
    row
        float64[n_bars], NaN where nothing is said.
    boolean
        Whether they were truth values: 1.0 and 0.0 then.
    """

    row: FloatArray
    boolean: bool


def function_name(item: SignalStrategy) -> str:
    """A signal function as notes and errors name it."""
    return f"the signal function {item.name!r}"


def held_note(item: SignalStrategy) -> str:
    """The note on a signal function that returned booleans."""
    return f"{function_name(item)} returned booleans: held while True, flat while False"


def unsold_note(item: SignalStrategy) -> str:
    """The note on a signal function whose signals buy and never sell."""
    return (
        f"{function_name(item)} returned no -1: nothing is sold on a signal (for a position that is held while a "
        "condition is true, return booleans)"
    )


def is_targets(value: Any) -> bool:
    """Whether a value gives targets by itself: a column of numbers, a frame of one, or a Polars expression."""
    if isinstance(value, np.ndarray | list | tuple) or _is_expression(value):
        return True
    if type(value).__name__ in _COLUMNS and package_of(value) in ("pandas", "polars", "pyarrow"):
        return True
    return hasattr(value, "to_numpy") and not callable(value) and hasattr(value, "dtype")


def _is_expression(value: Any) -> bool:
    return hasattr(value, "meta") and package_of(value) == "polars"


def given_targets(bars: Bars, values: Any, notes: list[str]) -> Given:
    """Targets that the user gave: a column, or a Polars expression over the frame.

    Raises
    ------
    StrategyError
        Not one number a bar, or times that do not fit those of the bars.
    """
    if type(values) is np.ndarray and not bars.repaired:
        return as_given(values, len(bars), "the targets")
    derived = _is_expression(values)
    if derived:
        values = _evaluated(bars, values, "the targets")
    values = aligned(values, calendar_of_bars(bars, derived=derived), "the targets", notes, StrategyError)
    return as_given(values, len(bars), "the targets")


def _evaluated(bars: Bars, expression: Any, what: str) -> Any:
    """A Polars expression over the user's columns as a Series."""
    import polars as pl

    source = bars.source
    frame = source if isinstance(source, pl.DataFrame) else bars.to_polars()
    try:
        return frame.select(expression.alias("target"))["target"]
    except pl.exceptions.PolarsError as error:
        raise StrategyError(
            f"{what}: expected an expression over the frame's columns; got "
            f"{type(error).__name__}: {str(error).splitlines()[0]}; " + _nearest_column(error, frame)
        ) from error


def frame_given(bars: Bars) -> Any:
    """The frame that a signal function gets: a view of the user's, or one that is made from the bars."""
    return own_frame(bars.source) if bars.source is not None else bars.to_polars()


def frames_given(bars: Bars) -> Callable[[], Any]:
    """What gives `frame_given` for call after call."""
    return own_frames(bars.source if bars.source is not None else bars.to_polars())


def call_function(item: SignalStrategy, bars: Bars, params: Mapping[str, Any], frame: Any = None) -> Any:
    """What a signal function returns for the user's frame, of which it gets a view of its own.

    ``frame`` is such a view (`frame_given`), for a caller that looks at it afterwards.

    Raises
    ------
    StrategyError
        It asked for a column or a parameter that is not there, or is written for another kind of frame.
    """
    frame = frame_given(bars) if frame is None else frame
    try:
        return item(frame, dict(params))
    except Exception as error:
        raise_explained(item, error, params, frame)


def raise_explained(
    item: SignalStrategy, error: Exception, params: Mapping[str, Any], frame: Any
) -> NoReturn:
    """Raise what a signal function raised, in words of its own where it is plain what is wrong."""
    name = f"the signal function {item.name!r}"
    if isinstance(error, KeyError):
        raise StrategyError(
            f"{name} asked for {error}, which is neither a column nor a parameter; "
            + did_you_mean(str(error).strip("'"), [*map(str, params), *_columns_of(frame)])
        ) from error
    if isinstance(error, AttributeError) and type(error.obj).__module__.startswith("polars."):
        raise StrategyError(
            f"{name} got a Polars frame: {error}; where it is written for pandas, pass a pandas frame, or say --frame "
            "pandas (frame = 'pandas' in the table [data])"
        ) from error
    if type(error).__name__ == "ColumnNotFoundError":
        raise StrategyError(
            f"{name} asked for a column that is not there: {_first_line(error)}; "
            + _nearest_column(error, frame)
        ) from error
    raise error


def _nearest_column(error: Exception, frame: Any) -> str:
    """Remedy for an error of Polars: the nearest column, where it is about one that is not there."""
    if type(error).__name__ == "ColumnNotFoundError":
        return did_you_mean(_quoted(error), _columns_of(frame))
    return "correct the expression"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _quoted(error: Exception) -> str:
    """The name that an error of Polars is about: in quotes, in older versions the first line as a whole."""
    first = _first_line(error)
    return first.split('"')[1] if first.count('"') > 1 else first


def _columns_of(frame: Any) -> list[str]:
    return [str(name) for name in getattr(frame, "columns", ())]


def returned_by(item: SignalStrategy, bars: Bars, values: Any, notes: list[str]) -> Given:
    """What a signal function returned, in the order of the bars and checked.

    Raises
    ------
    StrategyError
        Not one number a bar, times that do not fit, or signals other than 1, -1 and 0.
    """
    what = function_name(item)
    if _is_expression(values):
        values = _evaluated(bars, values, what)
    values = aligned(values, calendar_of_bars(bars, derived=True), what, notes, StrategyError)
    given = as_given(values, len(bars), what)
    notes += silent_note(item, given.row)
    if item.returns != "signals" or given.boolean:
        return given
    row = given.row
    return given if (row == np.sign(row)).all() else Given(_signals(row, what), False)


def _signals(row: FloatArray, what: str) -> FloatArray:
    """Signals of which some are missing: 0 there.

    Raises
    ------
    StrategyError
        One that is no signal.
    """
    missing = np.isnan(row)
    wrong = (row != np.sign(row)) & ~missing
    if wrong.any():
        bad = int(np.argmax(wrong))
        raise StrategyError(
            f"{what} returned {row[bad]} at bar {bad}; expected 1 (buy), -1 (sell) or 0 (hold); "
            "booleans are held while True"
        )
    return np.where(missing, 0.0, row)


def silent_note(item: SignalStrategy, row: FloatArray) -> list[str]:
    """The note on a signal function that returned no value at any bar; one look where the last bar has one."""
    if row.size == 0 or row[-1] == row[-1] or not np.isnan(row).all():
        return []
    bars = f"{row.size:,} bars"
    return [
        f"{function_name(item)} returned no value at any of {bars}: is an indicator in it longer than the data?"
    ]


def decided_by(
    item: SignalStrategy, given: Given, notes: list[str], *, weights: bool = False, long_only: bool = False
) -> Decisions:
    """Decisions of what a signal function returned.

    Parameters
    ----------
    weights
        Whether the values are fractions of equity.
    long_only
        Whether the long-only mode is on: a 1 asks for a long, a -1 for no position.

    Raises
    ------
    StrategyError
        A side other than -1, 0 and 1.
    """
    signals = item.returns == "signals" and not weights
    if signals and given.boolean:
        notes.append(held_note(item))
        if long_only:
            return legacy_decisions(np.nan_to_num(2.0 * given.row - 1.0, nan=0.0))
    elif signals:
        make = legacy_decisions if long_only else signal_decisions
        decisions = make(given.row)
        if decisions.count and decisions.target_of.min() > 0.0:
            notes.append(unsold_note(item))
        return decisions
    return target_decisions(given.row, None if weights else f"the strategy {item.name!r}")


def as_given(values: Any, count: int, what: str) -> Given:
    """One float64 value a bar from a column of any kind, by position.

    Raises
    ------
    StrategyError
        Not one number a bar, an infinite one, or booleans mixed with numbers.
    """
    if type(values) is np.ndarray and values.dtype.kind in "iu" and values.shape == (count,):
        return Given(np.ascontiguousarray(values, dtype=np.float64), False)
    array, boolean = numbers_of(values, what, StrategyError)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim != 1 or array.size != count:
        got = "None; return the column" if values is None else f"shape {array.shape}"
        raise StrategyError(f"{what}: expected one value a bar ({count}); got {got}")
    # The extremes tell that all are finite, at half the cost of asking each; NaN is asked about.
    if (
        not (boolean or (array.size and -np.inf < array.min() and array.max() < np.inf))
        and np.isinf(array).any()
    ):
        first = int(np.flatnonzero(np.isinf(array))[0])
        raise StrategyError(f"{what}: bar {first} is infinite; expected a number")
    return Given(array, boolean)


def decisions_of(
    bars: Bars, item: Any, values: dict[str, Any], settings: FloatArray, notes: list[str]
) -> Decisions:
    """What a resolved strategy decides with complete parameters.

    ``settings`` is the kernel's flat vector; ``notes`` gets what was reordered, passed over or understood.
    """
    if isinstance(item, RuleStrategy):
        return rule_decisions(item, bars, values, notes)
    if isinstance(item, Block):
        return block_decisions(item, bars, values)
    if isinstance(item, OrderBlock):
        raise StrategyError(
            f"{item.name!r} places orders and decides nothing here: run it with engine.run or simulate_orders"
        )
    given = returned_by(item, bars, call_function(item, bars, values), notes)
    return decided_by(item, given, notes, weights=settings[t.WEIGHT_TARGETS] != 0.0)
