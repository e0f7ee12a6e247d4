"""What a configuration is to the registry of trials: the same for a run, a row of a sweep and a trial of a study."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from peak_fast.data import is_panel
from peak_fast.engine.identity import function_identity
from peak_fast.settings import EngineSettings
from peak_fast.strategies import OrderBlock, SignalStrategy
from peak_fast.trials import TrialRegistry, column_hashes, context_hash, finished_hashes, vector_hashes
from peak_kernels.arrays import FloatArray


def is_flat(settings: EngineSettings, strategy: Any, data: Any) -> bool:
    """Whether a configuration's settings are one vector of numbers, in whatever words they were given."""
    return settings.order_book is None and not is_panel(data) and not isinstance(strategy, OrderBlock)


def trial_hashes(
    settings: EngineSettings, strategy: Any, data: Any, params: Mapping[str, Any], rows: FloatArray | None, count: int
) -> Any:  # fmt: skip
    """Hashes of configurations, ``uint64[count]``.

    Parameters
    ----------
    strategy
        Resolved, or a text that stands for decisions that were given.
    params
        A column or one value for each parameter, the default ones too; for a run without ``rows`` also what a sweep
        varied of the settings.
    rows
        The settings as vectors, one for all or one each; None: they are told by their names (`is_flat`).
        Financing is in no vector, so it is told beside them.
    """
    context = trial_context(settings, strategy, data, rows is not None)
    return finished_hashes(context, trial_parts(params, rows, count))


def trial_context(settings: EngineSettings, strategy: Any, data: Any, flat: bool) -> np.uint64:
    """Hash of what configurations share; ``flat``: their settings are told beside it, as vectors."""
    source = strategy if isinstance(strategy, str) else (strategy.name, _source(strategy))
    beside = None if settings.financing is None else repr(_plain(settings.financing))
    return context_hash(data.hash, source, beside if flat else _named(settings))


def trial_parts(params: Mapping[str, Any], rows: FloatArray | None, count: int) -> Any:
    """Sums of the hashes of values and settings, ``uint64[count]``, of which hashes are made (see `trial_hashes`)."""
    return column_hashes(params, count) + (vector_hashes(rows) if rows is not None else np.uint64(0))


def count_later(registry: TrialRegistry, result: Any, settings: EngineSettings) -> None:
    """Count a single run on the registry's thread."""
    registry.later(lambda: trial_of(result, settings))


def trial_of(result: Any, settings: EngineSettings) -> tuple[str, int, Callable[[], float]]:
    """Name and hash of a single run, and what gives its Sharpe ratio per period."""
    data = (
        vars(result).get("panel") or result.bars
    )  # asking for a name that is not there looks for the nearest
    strategy = f"decisions of result {result.hash}" if result._strategy is None else result._strategy
    rows = result._settings.reshape(1, -1) if is_flat(settings, strategy, data) else None
    (key,) = trial_hashes(settings, strategy, data, result.params, rows, 1)
    year = settings.periods_per_year or data.periods_per_year
    return result.strategy_name, int(key), lambda: float(result.stats["sharpe"]) / math.sqrt(year)


def _source(strategy: Any) -> Any:
    fingerprint = getattr(strategy, "fingerprint", None)
    if isinstance(strategy, SignalStrategy):
        return strategy.returns, function_identity(strategy.function)
    return fingerprint() if callable(fingerprint) else repr(strategy)


def _named(settings: EngineSettings) -> str:
    """Settings by their names; a portfolio and an order book have more than the vector."""
    names = (
        "initial_cash", "execution", "costs", "sizing", "stops", "risk_limits", "periods_per_year", "risk_free",
        "order_book", "portfolio", "financing",
    )  # fmt: skip
    return repr({name: _plain(getattr(settings, name)) for name in names})


def _plain(value: Any) -> Any:
    for told in ("identity", "model_dump", "described"):
        if hasattr(value, told):
            return getattr(value, told)()
    return value
