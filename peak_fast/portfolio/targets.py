"""Target weights as the simulation takes them: rows of fractions of the equity, decided at the closes of bars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data import is_frame, numbers_of, package_of, weight_rows
from peak_fast.errors import DataError, StrategyError
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from peak_fast.data import Panel

_KINDS = (
    "a frame of weights (wide: times and a column for each asset; long: times, symbols, weights), an array "
    "float64[bar, asset], a pair (bars, weights), a rule such as Rank, a compiled block with the argument want, or a "
    "table of orders (times or bars, symbols, sizes)"
)


@dataclass(frozen=True, slots=True)
class TargetWeights:
    """What a portfolio is to hold, from the fill of one row to that of the next.

    Attributes
    ----------
    rows
        int64[k]: numbers of the deciding bars, ascending, each once.
    weights
        float64[k, asset], C-contiguous: fractions of the equity, negative for shorts; NaN leaves an asset alone.
    notes
        What was understood or passed over on the way, a sentence each.
    identity
        What the weights came from, as plain values for the result's metadata.
    band
        Share of the equity by which an asset's weight must be off to be traded; None: the settings say it.
    most
        What the absolute weights of a row add up to at most, where it is known without looking at them.
    """

    rows: IntArray
    weights: FloatArray
    notes: tuple[str, ...] = ()
    identity: dict[str, Any] = field(default_factory=dict)
    band: float | None = None
    most: float | None = None


def provides_weights(item: Any) -> bool:
    """Whether an object is a rule that gives weights of a panel."""
    return callable(getattr(item, "weights", None)) and not is_frame(item)


def are_weights(item: Any) -> bool:
    """Whether an object is of a kind that weights are given in; what is in it is seen on a panel."""
    if isinstance(item, tuple):
        return len(item) == 2
    if isinstance(item, list):
        return bool(item) and isinstance(item[0], list | tuple)
    known = isinstance(item, TargetWeights | np.ndarray | Mapping) or is_frame(item)
    return known or package_of(item) in ("pyarrow", "duckdb", "narwhals")


def not_weights(item: Any) -> StrategyError:
    """The error for anything else."""
    hint = ""
    if isinstance(item, str | PurePath):
        hint = f"; a strategy of one asset on every asset: Slots({item!r})"
        if isinstance(item, PurePath) or PurePath(item).suffix:
            hint = f"; read the file first, for example polars.read_csv({str(item)!r})"
    return StrategyError(f"what to hold: expected {_KINDS}; got {type(item).__name__}{hint}")


def target_weights(panel: Panel, what: Any, params: Mapping[str, Any]) -> TargetWeights:
    """Weights of anything that gives some.

    Raises
    ------
    DataError, StrategyError
        It gives none, or they do not fit the panel.
    """
    if isinstance(what, TargetWeights):
        return checked(panel, _made(panel, what))
    if provides_weights(what):
        found = what.weights(panel, dict(params))
        if not isinstance(found, TargetWeights):
            raise StrategyError(
                f"{getattr(what, 'name', type(what).__name__)}: expected TargetWeights of weights(panel, params); got "
                f"{type(found).__name__}"
            )
        return checked(panel, _made(panel, found))
    if params:
        raise StrategyError(
            f"params: expected none with given weights, which have no parameters; got {dict(params)!r}"
        )
    if not are_weights(what):
        raise not_weights(what)
    notes: list[str] = []
    if isinstance(what, tuple):
        rows, weights = _pair(panel, what)
    elif isinstance(what, np.ndarray | list):
        rows, weights = _by_bar(panel, what, notes)
    else:
        rows, weights = weight_rows(what, panel, notes)
    return checked(panel, TargetWeights(rows, weights, tuple(notes)))


def _made(panel: Panel, given: TargetWeights) -> TargetWeights:
    """Weights of somebody's own rule in the types that kernels read."""
    rows, weights = given.rows, given.weights
    plain = isinstance(rows, np.ndarray) and isinstance(weights, np.ndarray)
    if plain and rows.dtype == np.int64 and weights.dtype == np.float64 and weights.flags.c_contiguous:
        return given
    rows, weights = _pair(panel, (rows, weights))
    return replace(given, rows=rows, weights=weights)


def _pair(panel: Panel, what: tuple[Any, Any]) -> tuple[IntArray, FloatArray]:
    """Numbers of bars and a table of weights."""
    try:
        bars = np.asarray(what[0])
    except ValueError:
        bars = np.empty(0, dtype=object)
    if (
        bars.ndim != 1
        or bars.dtype.kind not in "iu"
        or (type(what[0]) is list and bool in set(map(type, what[0])))
    ):
        raise DataError(
            f"the weights: expected numbers of bars first in the pair; got {bars.dtype} {bars.shape}"
        )
    return bars.astype(np.int64), _table(panel, what[1], bars.size)


def _table(panel: Panel, values: Any, rows: int) -> FloatArray:
    if isinstance(values, list | tuple):  # as objects, so that truth values and texts among numbers are seen
        try:
            values = np.array(values, dtype=object)
        except ValueError:
            raise DataError("the weights: expected rows of equal lengths; got others") from None
    table, boolean = numbers_of(values, "the weights")
    if boolean:
        raise DataError("the weights: expected numbers; got truth values; say the weight, such as 0.5")
    if table.shape != (rows, panel.n_assets):
        raise DataError(
            f"the weights: expected shape {(rows, panel.n_assets)}, rows by assets; got {table.shape}; a frame names "
            "its assets"
        )
    return table


def _by_bar(panel: Panel, values: Any, notes: list[str]) -> tuple[IntArray, FloatArray]:
    """Rows of an array with one for each bar: those that say something and differ from the row before."""
    table = _table(panel, values, len(panel))
    said = ~np.isnan(table)
    # What each asset was last told: missing weights change nothing.
    last = np.where(said, np.arange(len(table))[:, None], -1)
    np.maximum.accumulate(last, axis=0, out=last)
    before = np.vstack(
        [np.zeros((1, table.shape[1])), np.take_along_axis(table, np.maximum(last[:-1], 0), axis=0)]
    )
    before[1:][last[:-1] < 0] = 0.0
    rows = np.flatnonzero((said & (table != before)).any(axis=1))
    if rows.size < np.count_nonzero(said.any(axis=1)):
        notes.append(
            f"the weights: an array with a row for each bar; the {rows.size} rows that differ from the one before are "
            "orders, as for one asset (a frame is taken as it is)"
        )
    return rows, table[rows]


def checked(panel: Panel, targets: TargetWeights) -> TargetWeights:
    """The same weights, if a portfolio of the panel can be asked for them.

    Raises
    ------
    DataError
        Bars that are not ascending, a wrong shape, an infinite weight.
    """
    rows, weights = targets.rows, targets.weights
    if rows.size and (rows[0] < 0 or rows[-1] >= len(panel) or not (rows[1:] > rows[:-1]).all()):
        raise DataError(
            f"the weights: expected ascending numbers of the {len(panel)} bars, each once; got {rows[:6].tolist()}"
        )
    if weights.shape != (rows.size, panel.n_assets):
        raise DataError(
            f"the weights: expected shape {(rows.size, panel.n_assets)}, rows by assets; got {weights.shape}"
        )
    if np.isinf(weights).any():
        row, asset = (int(at[0]) for at in np.nonzero(np.isinf(weights)))
        raise DataError(
            f"the weights: infinite for {panel.symbols[asset]!r} at bar {rows[row]}; expected a fraction of the "
            "equity, or NaN to leave the asset alone"
        )
    return targets
