"""Sweeps in the registry of trials: each configuration of the grid counts once, whatever else tried it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peak_fast.engine import BacktestEngine, is_flat, trial_hashes
from peak_fast.sweep.run import SettingsTable
from peak_fast.trials import MOST, TrialRegistry

_PART = 1 << 17


def hashes_of(
    engine: BacktestEngine, strategy: Any, data: Any, columns: Mapping[str, Any], varied: Any, count: int
) -> Any:  # fmt: skip
    """Hashes of configurations, ``uint64[count]``, from columns of plain values; ``varied``: names of settings."""
    own = {item.name for item in strategy.schema}
    changed = {name: column for name, column in columns.items() if name in varied and name not in own}
    params = {name: column for name, column in columns.items() if name not in changed}
    params |= {item.name: item.default for item in strategy.schema if item.name not in params}
    settings, rows = engine.settings, None
    if is_flat(settings, strategy, data):
        weights = getattr(strategy, "weights", False) or getattr(strategy, "returns", "") == "weights"
        base = settings.vector(data, weights=weights, financed=True, varied=changed)
        rows = SettingsTable(base, changed, type(settings.sizing).__name__).rows(0, count)
    else:
        params |= changed
    return trial_hashes(settings, strategy, data, params, rows, count)


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
    return (_part(sweep, first, min(first + _PART, count)) for first in range(0, count, _PART))


def _part(sweep: Any, first: int, last: int) -> NDArray[np.uint64]:
    columns = sweep.grid.plain_columns(first, last)
    names = columns.pop("data", None) if len(sweep.data) > 1 else None
    found = np.empty(last - first, dtype=np.uint64)
    for name, data in sweep.data.items():
        mine = slice(None) if names is None else np.flatnonzero(names == name)
        part = {key: column[mine] for key, column in columns.items()}
        size = len(found) if isinstance(mine, slice) else len(mine)
        if size:
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
