"""Single runs that were tracked in an MLflow experiment, as trials."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from peak_fast.errors import StoreError, require
from peak_fast.trials.hashing import Hashes, context_hash
from peak_kernels.arrays import FloatArray

_PAGE = 1_000
_TOLD = ("strategy.", "settings.", "data.hash", "periods_per_year")


def tracked_trials(experiment: str, tracking_uri: str | None) -> tuple[Hashes, FloatArray]:
    """Hashes and Sharpe ratios per period of the backtests of an experiment.

    Raises
    ------
    StoreError
        There is no such experiment.
    """
    client = require("mlflow", extra="mlflow").MlflowClient(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        names = ", ".join(repr(item.name) for item in client.search_experiments(max_results=10)) or "none"
        raise StoreError(f"expected an MLflow experiment; there is no {experiment!r}; the store has {names}")
    trials = [_trial(run.data) for run in _backtests(client, found.experiment_id)]
    keys, sharpes = zip(*trials, strict=True) if trials else ((), ())
    return np.array(keys, dtype=np.uint64), np.array(sharpes, dtype=np.float64)


def _backtests(client: Any, experiment: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs(
            [experiment], "tags.`peak_fast.kind` = 'backtest'", max_results=_PAGE, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _trial(data: Any) -> tuple[int, float]:
    params: Mapping[str, str] = data.params
    told = sorted((name, value) for name, value in params.items() if name.startswith(_TOLD))
    year = float(params.get("periods_per_year", "nan"))
    return int(context_hash("tracked", *told)), float(data.metrics.get("sharpe", math.nan)) / math.sqrt(year)
