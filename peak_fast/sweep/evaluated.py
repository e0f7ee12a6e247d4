"""Metrics of listed configurations, without a grid and without a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from peak_fast.data import Bars
from peak_fast.engine import BacktestEngine
from peak_fast.errors import ConfigError, StrategyError
from peak_fast.settings import check_apart
from peak_fast.sweep.run import Team, check_metrics, crew_of, default_threads, make_batch, parse_memory
from peak_fast.sweep.runner import DEFAULT_METRICS, _check_names, _names, _resolved
from peak_kernels.arrays import FloatArray


def _engine(settings: Mapping[str, Any]) -> BacktestEngine:
    return BacktestEngine(**{name: value for name, value in settings.items() if value is not None})


def metrics_on(
    crew: Any, settings: Any, item: Any, data: Any, metrics: Sequence[str], columns: Mapping[str, Any],
    memory: str | int | None = None,
) -> FloatArray:  # fmt: skip
    """Metrics of listed configurations from the workers of a cluster: float64[configurations, metrics].

    Raises
    ------
    StrategyError
        A configuration ended each process that ran it.
    """
    from peak_fast.sweep.run import ColumnsJob

    count = len(next(iter(columns.values())))
    job = ColumnsJob(settings, item, data, metrics, dict(columns), memory)
    out: FloatArray = crew.table(job, count, len(metrics), {})
    for number, reason in crew.failed.items():
        raise StrategyError(f"configuration {number} of {count:,} has no result: {reason}")
    return out


def evaluate(
    strategy: Any,
    bars: Bars,
    columns: Mapping[str, Any],
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    threads: int | None = None,
    memory: str | int | None = None,
    cluster: Any = None,
    **settings: Any,
) -> dict[str, Any]:
    """Metrics of many configurations, one value a configuration in each column.

    Parameters
    ----------
    columns
        Per parameter or setting (`peak_fast.settings.varied.names_of`) one array; all of one length.
    threads, memory, cluster
        As in `Sweep.run`.
    settings
        Keyword arguments of `BacktestEngine`.

    Returns
    -------
    dict of numpy.ndarray
        float64[configurations] for each metric.

    Raises
    ------
    StrategyError
        A configuration ended the process of a cluster that ran it.
    """
    names = check_metrics(metrics)
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        raise ConfigError(f"columns: expected one length; got {sorted(lengths)}")
    count = lengths.pop()
    item = _resolved(strategy, bars)
    engine = _engine(settings)
    _check_names(item, columns, _names(engine, item, bars))
    check_apart(name for name in columns if name not in {param.name for param in item.schema})
    if cluster is None:
        out = np.empty((count, len(names)), order="F")
        with Team(threads or default_threads()) as team:
            batch = make_batch(engine.settings, item, bars, names, team=team, budget=parse_memory(memory))
            batch.run(columns, out)
    else:
        with crew_of(cluster, threads) as crew:
            out = metrics_on(crew, engine.settings, item, bars, names, columns, memory)
    return {name: out[:, k] for k, name in enumerate(names)}
