"""Does a strategy look ahead?  The check that people ask for; how it looks is in `peak_fast.lookahead`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from peak_fast.arguments import is_whole, wrong
from peak_fast.data import given_bars, is_panel
from peak_fast.engine import BacktestEngine
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded
from peak_fast.lookahead import Effort, Leak, LookaheadReport, checked
from peak_fast.results import Shown
from peak_fast.sweep import Sweep, SweepResult

__all__ = ["Leak", "LookaheadReport", "check_lookahead"]

_Case = tuple[Any, Any, dict[str, Any]]


@guarded
def check_lookahead(
    strategy: Any,
    data: Any = None,
    params: Mapping[str, Any] | None = None,
    *,
    engine: BacktestEngine | None = None,
    weights: bool = False,
    allow: Collection[str] = (),
    cuts: int | None = None,
) -> LookaheadReport:
    """Whether decisions, or columns that a function makes, depend on bars that come later.

    The strategy is run on the first bars alone, and on all bars of which the later ones are others, at places spread
    over the data and at those where its decisions change.  What it then says of earlier bars must be what it says
    with all of them.

    Parameters
    ----------
    strategy
        Anything that `BacktestEngine.run` takes: a name, a strategy object, a signal function, a Polars expression, a
        compiled block; for a `Panel` a rule, a function of the long frame, a block of all assets.  A function may also
        return several columns by name (a frame, a dict): each is looked at.  Or, without ``data`` and ``params``: a
        result; a `Sweep`, its result or a `Study`, of which the best configuration, the first and the last are
        checked on each of their data.
    data
        `Bars`, a frame, or a `Panel`.
    params
        Parameters of the strategy; missing ones take their defaults.
    engine
        Settings of the run that compiled blocks see; None: those of ``BacktestEngine()``.  What they assume about
        fills is named in the report, and is no leak.
    weights
        As of `BacktestEngine.run`.
    allow
        Names of columns, variables or inputs that may know later bars: what a model learns from, a calendar of
        events that was published beforehand.
    cuts
        Places at which the future is taken away; None: 24, fewer where one run takes longer than 0.05 seconds.

    Returns
    -------
    LookaheadReport
        Verdict, and for each leak the first bar, the size, the input columns and the smallest prefix.

    Raises
    ------
    StrategyError, DataError, ConfigError
        The strategy cannot be run on the data as they are.  A leak is no error: `LookaheadReport.raise_on_leak`.
    """
    if cuts is not None and (not is_whole(cuts) or cuts < 1):
        raise wrong(
            "cuts", "a whole number of at least 1, or None", cuts, "24 looks at 24 places", ConfigError
        )
    if isinstance(allow, str) or not isinstance(allow, Collection):
        raise wrong("allow", "names in a list", allow, "allow=['label']", ConfigError)
    if engine is not None and not isinstance(engine, BacktestEngine):
        raise wrong("engine", "a BacktestEngine", engine, "engine=BacktestEngine(...)", ConfigError)
    found: list[LookaheadReport] = []
    for case, its_data, its_params in _cases(strategy, data, params):
        used = _engine_of(strategy) if engine is None else engine
        report = checked(
            case, its_data, its_params, used.settings, used.quiet_run(weights), effort=Effort(cuts=cuts), allow=allow
        )  # fmt: skip
        found.append(report)
        if report.leaks:
            break
    return _joined(found)


def _engine_of(strategy: Any) -> BacktestEngine:
    """The engine that a strategy was, or is going to be, run with."""
    if isinstance(strategy, SweepResult):
        strategy = getattr(strategy._rerun, "__self__", None)
    if isinstance(strategy, Sweep):
        return strategy.engine
    return BacktestEngine(**strategy._settings) if _is_study(strategy) else BacktestEngine()


def _cases(strategy: Any, data: Any, params: Any) -> Iterator[_Case]:
    """Strategies with data and parameters."""
    if isinstance(strategy, Sweep | SweepResult | Shown) or _is_study(strategy):
        if data is not None or params is not None:
            kind = type(strategy).__name__
            raise ConfigError(
                f"data, params: expected None with a {kind}, which has its own; got values for them"
            )
        yield from _of_search(strategy)
        return
    if data is None:
        raise wrong("data", "bars, a frame or a panel", data, "check_lookahead(strategy, data)", ConfigError)
    yield strategy, data if is_panel(data) else given_bars(data), params


def _is_study(item: Any) -> bool:
    """Whether this is a `Study`; asked without importing Optuna."""
    return hasattr(item, "best_result") and hasattr(item, "optuna")


def _of_search(search: Any) -> Iterator[_Case]:
    """The configurations of a search or a result that are checked."""
    if isinstance(search, Shown):
        yield _of_result(search)
    elif _is_study(search):
        data = search._data
        for name in data if isinstance(data, Mapping) else (None,):
            yield _of_result(search.best_result(name))
    elif isinstance(search, SweepResult):
        yield _of_result(search.best())
        for config in dict.fromkeys((0, search.total - 1)):
            yield _of_result(search.rerun(search.params_of(config)))
    else:
        known = {param.name for param in search.strategy.schema}
        for config in dict.fromkeys((0, len(search.grid) - 1)):
            row = dict(search.grid[config])
            given = search.data[row.pop("data", next(iter(search.data)))]
            yield search.strategy, given, _own(row, known)


def _of_result(result: Any) -> _Case:
    """Strategy, data and parameters of a result; its decisions where it has none."""
    data = result.panel if hasattr(result, "panel") else result.bars
    strategy = result._strategy
    if strategy is None:
        strategy = [0.0] * len(data)
    return strategy, data, _own(result.params, {param.name for param in getattr(strategy, "schema", ())})


def _own(params: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Parameters of the strategy, without settings that were varied beside them."""
    return {name: value for name, value in params.items() if not known or name in known}


def _joined(found: list[LookaheadReport]) -> LookaheadReport:
    """The report that matters: that of a leak, else the one that is least sure, with a word on the others."""
    rank = {"leaks": 0, "random": 1, "unchecked": 2, "clean": 3}
    worst = min(found, key=lambda report: rank[report.verdict])
    if len(found) == 1:
        return worst
    others = f"{len(found)} configurations were checked; this is the report on {worst.params}"
    return replace(worst, notes=(*worst.notes, others))
