"""Sweeps in the registry of trials: each configuration of the grid counts once, whatever else tried it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peak_fast.engine import BacktestEngine, is_flat, trial_context, trial_hashes, trial_parts
from peak_fast.settings import VARIABLE, RiskPerTrade
from peak_fast.sweep.run import SettingsTable
from peak_fast.trials import MOST, TrialRegistry, finished_hashes

_PART = 1 << 17


def hashes_of(
    engine: BacktestEngine, strategy: Any, data: Any, columns: Mapping[str, Any], varied: Any, count: int
) -> Any:  # fmt: skip
    """Hashes of configurations, ``uint64[count]``, from columns of plain values; ``varied``: names of settings."""
    params, rows = _told(engine, strategy, data, columns, varied, count)
    return trial_hashes(engine.settings, strategy, data, params, rows, count)


def _told(
    engine: BacktestEngine, strategy: Any, data: Any, columns: Mapping[str, Any], varied: Any, count: int
) -> tuple[dict[str, Any], Any]:  # fmt: skip
    """Parameters, and settings as vectors where they are flat."""
    own = {item.name for item in strategy.schema}
    changed = {name: column for name, column in columns.items() if name in varied and name not in own}
    params = {name: column for name, column in columns.items() if name not in changed}
    params |= {item.name: item.default for item in strategy.schema if item.name not in params}
    settings = engine.settings
    if not is_flat(settings, strategy, data):
        return params | changed, None
    weights = getattr(strategy, "weights", False) or getattr(strategy, "returns", "") == "weights"
    base = settings.vector(data, weights=weights, financed=True, varied=changed)
    return params, SettingsTable(base, changed, type(settings.sizing).__name__).rows(0, count)


class _Added:
    """Hashes of a grid's configurations on one data set, from what each value of an axis adds to a sum.

    Values of an axis are few, configurations many: so a sum of looked-up numbers takes the place of hashing each.
    """

    def __init__(self, sweep: Any, data: Any) -> None:
        self._context = trial_context(
            sweep.engine.settings, sweep.strategy, data, is_flat(sweep.engine.settings, sweep.strategy, data)
        )
        fixed = (sweep.engine, sweep.strategy, data)
        bare = trial_parts(*_told(*fixed, {}, sweep._varied, 1), 1)
        self._bare = bare[0]
        self._tables = {}
        for name, axis in _axes(sweep).items():
            params, rows = _told(*fixed, {name: axis.python_values()}, sweep._varied, len(axis))
            self._tables[name] = trial_parts(params, rows, len(axis)) - self._bare

    def hashes(self, codes: Mapping[str, Any], count: int) -> NDArray[np.uint64]:
        """Of ``count`` configurations, given as places on the axes."""
        total = np.full(count, self._bare)
        for name, table in self._tables.items():
            total += table[codes[name]]
        return finished_hashes(self._context, total)


def _axes(sweep: Any) -> dict[str, Any]:
    """Axes of the grid but the one that names the data set."""
    return {name: axis for name, axis in sweep.grid.axes.items() if len(sweep.data) == 1 or name != "data"}


def _is_additive(sweep: Any) -> bool:
    """Whether each axis changes other slots than the rest, and none is judged by another, as stops of a risk are."""
    own = {item.name for item in sweep.strategy.schema}
    axes = _axes(sweep)
    slots = [slot for name in axes if name not in own and name in VARIABLE for slot in VARIABLE[name].slots]
    small = max((len(axis) for axis in axes.values()), default=0) <= _PART
    return small and len(slots) == len(set(slots)) and not isinstance(sweep.engine.sizing, RiskPerTrade)


def count_sweep(registry: TrialRegistry, sweep: Any, result: Any) -> None:
    """Count what a sweep tried, with Sharpe ratios where it has them."""
    if len(sweep.grid) > MOST:
        registry.add_parts("sweep", sweep.strategy.name, _parts(sweep))
        return
    registry.add("sweep", sweep.strategy.name, _grid(sweep), _sharpes(sweep, result, len(sweep.grid)))


def count_grid(sweep: Any, kind: str, parts: Sequence[Mapping[str, Any]] | None = None) -> None:
    """Count the grid of a sweep that others ran, in its registry where it has one.

    ``parts``: what was tried in place of the grid, as columns of plain values.
    """
    if sweep.registry is None:
        return
    hashes = _grid(sweep) if parts is None else np.zeros(0, np.uint64)
    data = next(iter(sweep.data.values()))
    for columns in parts or ():
        size = len(next(iter(columns.values())))
        found = hashes_of(sweep.engine, sweep.strategy, data, columns, sweep._varied, size)
        hashes = np.concatenate((hashes, found))
    sweep.registry.add(kind, sweep.strategy.name, np.unique(hashes))


def _grid(sweep: Any) -> NDArray[np.uint64]:
    """Hashes of all configurations of the grid."""
    return np.concatenate([*_parts(sweep)] or [np.zeros(0, np.uint64)])


def _parts(sweep: Any) -> Iterator[NDArray[np.uint64]]:
    """The same, some at a time."""
    count = len(sweep.grid)
    added = {name: _Added(sweep, data) for name, data in sweep.data.items()} if _is_additive(sweep) else {}
    return (_part(sweep, added, first, min(first + _PART, count)) for first in range(0, count, _PART))


def _part(sweep: Any, added: Mapping[str, _Added], first: int, last: int) -> NDArray[np.uint64]:
    columns = sweep.grid.codes(first, last) if added else sweep.grid.plain_columns(first, last)
    several = len(sweep.data) > 1
    names = sweep.grid.plain_columns(first, last)["data"] if several else None
    found = np.empty(last - first, dtype=np.uint64)
    for name, data in sweep.data.items():
        mine = slice(None) if names is None else np.flatnonzero(names == name)
        part = {key: column[mine] for key, column in columns.items() if not (several and key == "data")}
        size = len(found) if isinstance(mine, slice) else len(mine)
        if size and added:
            found[mine] = added[name].hashes(part, size)
        elif size:
            found[mine] = hashes_of(sweep.engine, sweep.strategy, data, part, sweep._varied, size)
    return found


def _sharpes(sweep: Any, result: Any, count: int) -> Any:
    """Per period; of data sets with years of different lengths each by its own."""
    if "sharpe" not in result.metrics:
        return None
    table = result.lazy().select("config", "sharpe", *(["data"] if len(sweep.data) > 1 else [])).collect()
    found = np.full(count, math.nan)
    year = {name: sweep.engine.periods_per_year or data.periods_per_year for name, data in sweep.data.items()}
    roots = (
        np.sqrt([year[name] for name in table["data"].cast(str).to_list()])
        if "data" in table.columns
        else math.sqrt(next(iter(year.values())))
    )
    found[table["config"].to_numpy()] = table["sharpe"].to_numpy() / roots
    return found
