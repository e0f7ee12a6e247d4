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


def _engine(settings: Mapping[str, Any]) -> BacktestEngine:
    return BacktestEngine(**{name: value for name, value in settings.items() if value is not None})


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
        from peak_fast.sweep.run import ColumnsJob

        job = ColumnsJob(engine.settings, item, bars, names, dict(columns), memory)
        with crew_of(cluster, threads) as crew:
            out = crew.table(job, count, len(names), {})
            for number, reason in crew.failed.items():
                raise StrategyError(f"configuration {number} of {count:,} has no result: {reason}")
    return {name: out[:, k] for k, name in enumerate(names)}
