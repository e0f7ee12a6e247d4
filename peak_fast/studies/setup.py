"""What a study needs before it runs: strategy and schema, data, its identity in the storage."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from peak_fast.arguments import is_whole, listing, wrong
from peak_fast.errors import ConfigError, StoreError, StrategyError
from peak_fast.guard import keywords, no_argument
from peak_fast.params import Param, extract_defaults, parse_constraints, validate_schema
from peak_fast.strategies import OrderBlock
from peak_fast.studies.objectives import Objective
from peak_fast.studies.points import Space
from peak_fast.studies.search import narrow
from peak_fast.studies.storage import OpenStorage, quiet_optuna

IDENTITY = "peak_fast:study"
# Optuna's samplers seed NumPy generators of 32 bits.
_SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class Subject:
    """What is optimised.

    Attributes
    ----------
    strategy : object
        As the sweep and the engine take it; None when only an evaluator is given.
    name, fingerprint : str
        Name and hash of the strategy.
    space : Space
        Its parameters and constraints.
    defaults : dict
        What a parameter was in a run that did not name it: the schema's defaults before any narrowing.
    """

    strategy: Any
    name: str
    fingerprint: str
    space: Space
    defaults: dict[str, Any]


def check_numbers(batch: Any, threads: Any, seed: Any) -> None:
    """Raise ConfigError unless these are whole numbers in range; threads and seed may be None."""
    if not is_whole(batch) or batch < 1:
        raise ConfigError(f"expected a batch of at least 1; got {batch!r}; 64 is a good size")
    if threads is not None and (not is_whole(threads) or threads < 1):
        raise ConfigError(f"threads: expected at least 1; got {threads!r}; leave it out for all")
    if seed is not None and (not is_whole(seed) or not 0 <= seed < _SEEDS):
        raise ConfigError(f"seed: expected a whole number from 0 to {_SEEDS - 1:,}; got {seed!r}")


def check_heartbeat(heartbeat: Any) -> tuple[float, float]:
    """Seconds between signs of life, and until a silent worker counts as dead.

    Raises
    ------
    ConfigError
        Not two numbers, the second at least twice the first.
    """
    try:
        beat, dead = (float(seconds) for seconds in heartbeat)
    except (TypeError, ValueError):
        beat, dead = 0.0, 0.0
    if not 0.0 < 2.0 * beat <= dead:
        raise ConfigError(
            "heartbeat: expected two numbers of seconds, the second at least twice the first; "
            f"got {heartbeat!r}; for example (5, 60)"
        )
    return beat, dead


def check_keywords(settings: Mapping[str, Any], study: type) -> None:
    """Raise UnknownKeywordError for an argument that neither the study nor the engine knows."""
    known = {*keywords(study), *_engine_keywords()}
    for name in settings:
        if name not in known:
            raise no_argument("Study", name, known, study)


def _engine_keywords() -> set[str]:
    """Settings of the engine that a study takes."""
    from peak_fast.engine import BacktestEngine

    return set(keywords(BacktestEngine)) - {"tracker", "use_execution_pipeline", "registry"}


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise ConfigError for a wrong setting of the engine."""
    from peak_fast.engine import BacktestEngine

    BacktestEngine(**settings)


def check_metrics(metrics: Any) -> tuple[str, ...]:
    """Names of further metrics; whether they are known shows when the first trial runs.

    Raises
    ------
    ConfigError
        Not a list of names.
    """
    names = listing("metrics", metrics, "['sharpe', 'total_return']")
    for name in names:
        if not isinstance(name, str):
            raise wrong("metrics", "names", name, "write for example ['sharpe', 'total_return']")
    return names


def check_name(name: Any) -> None:
    """Raise ConfigError unless this can be a study's name."""
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"expected a name for the study; got {name!r}; for example 'trend'")


def make_subject(
    strategy: Any,
    schema: Sequence[Param] | None,
    constraints: Any,
    space: Mapping[str, Any] | None = None,
    order_book: Any = None,
    data: Any = None,
) -> Subject:
    """Resolve a strategy and decide what to search.

    Parameters
    ----------
    strategy
        Name, strategy object or function; None with ``schema``.
    schema
        Parameters to search; the strategy's own where None.
    constraints
        Conditions between parameters; the strategy's own where None.
    space
        Changes of the schema, see ``peak_fast.studies.search.narrowing.narrow``.
    order_book
        The engine's; its fields may be searched, too.
    data
        What it runs on; with panels the strategy is what a portfolio holds.

    Raises
    ------
    StrategyError
        No parameter to search, or one without a range.
    """
    resolved: Any = None
    portfolio = holds_panels(data)
    if strategy is not None and portfolio:
        from peak_fast.portfolio import rule_of

        resolved = rule_of(strategy)
    elif strategy is not None:
        from peak_fast.strategies import resolve

        resolved = resolve(strategy)
    own = getattr(resolved, "schema", ())
    chosen = validate_schema(schema if schema is not None else own)
    if not chosen and not (portfolio and space):
        raise StrategyError(
            "expected parameters to search; got none: the strategy has no schema; "
            "pass schema=(Param('fast', 'int', 20, low=5, high=100), ...)"
        )
    defaults = extract_defaults(chosen)
    chosen = narrow(chosen, space or {}, _names(order_book, resolved, portfolio))
    if constraints is None:
        names = {item.name for item in chosen}
        parsed = parse_constraints(getattr(resolved, "constraints", ()))
        parsed = tuple(c for c in parsed if names.issuperset(c.names))
    else:
        parsed = parse_constraints(constraints)
    items = validate_schema(chosen, parsed)
    for item in items:
        if not item.is_bounded:
            raise StrategyError(
                f"parameter {item.name!r}: expected low and high for a search; "
                f"got low={item.low}, high={item.high}; give both, or fix it with low = high"
            )
    name = getattr(resolved, "name", None) or getattr(strategy, "__name__", "objective")
    fingerprint = resolved.fingerprint() if resolved is not None else ""
    return Subject(resolved, str(name), fingerprint, Space(items, parsed), defaults)


def _names(order_book: Any, strategy: Any, portfolio: bool) -> tuple[str, ...]:
    """Settings that may be searched."""
    from peak_fast.portfolio import names_varied
    from peak_fast.settings import names_of

    if portfolio:
        return names_varied(strategy, order_book)
    return names_of(order_book, orders=isinstance(strategy, OrderBlock))


def names_searched(order_book: Any, strategy: Any, data: Any) -> tuple[str, ...]:
    """Settings that a study of such data may search."""
    return () if strategy is None else _names(order_book, strategy, holds_panels(data))


def holds_panels(data: Any) -> bool:
    """Whether the data of a study are a panel, or several."""
    from peak_fast.data import is_panel

    return is_panel(next(iter(data.values())) if isinstance(data, Mapping) and data else data)


def make_bars(data: Any) -> Any:
    """Bars, or a dict of Bars, from these or from any frame.

    What has a ``hash`` and can be sliced and measured like Bars passes as it is: an evaluator of one's own
    may run on anything.
    """
    if isinstance(data, Mapping) and not _is_column_dict(data):
        return {str(name): make_bars(item) for name, item in data.items()}
    if all(hasattr(data, name) for name in ("hash", "slice", "__len__")) and not hasattr(data, "columns"):
        return data
    from peak_fast.data import given_bars

    return given_bars(data)


def _is_column_dict(data: Mapping[Any, Any]) -> bool:
    return any(str(name).lower() == "close" for name in data)


def rerun(strategy: Any, bars: Any, params: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    """One full backtest; parameters that are settings of the engine go to the engine.

    Returns
    -------
    BacktestResult
    """
    from peak_fast.engine import BacktestEngine

    of_panel = holds_panels(bars)
    known = _names(settings.get("order_book"), strategy, of_panel)
    own = {item.name for item in strategy.schema}
    if (
        not own and not of_panel
    ):  # an evaluator of one's own; what a portfolio holds without a schema has none
        own = set(params)
    varied = {name: value for name, value in params.items() if name in known and name not in own}
    values = {name: value for name, value in params.items() if name not in varied}
    return BacktestEngine(**settings).rerun(bars, strategy, values, varied)


def time_scale(data: Any, settings: Mapping[str, Any]) -> tuple[float | None, int | None]:
    """Periods per year, and bars of all assets together; None where it cannot be told."""
    if data is None:
        return None, None
    assets = list(data.values()) if isinstance(data, Mapping) else [data]
    periods = settings.get("periods_per_year") or getattr(assets[0], "periods_per_year", None)
    return periods, sum(len(bars) for bars in assets)


def identity(
    subject: Subject,
    objectives: Sequence[Objective],
    feasibility: Sequence[str],
    data: Any,
    segments: Any,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that the results of a study depend on, as plain data."""
    bars = data if isinstance(data, Mapping) else {"": data}
    schema = {}
    for item in subject.space.schema:
        described = {k: v for k, v in asdict(item).items() if v not in (None, "", False)}
        # What may be given besides the search changes no result of it.
        for key in ("name", "hard_low", "hard_high"):
            described.pop(key, None)
        described.pop("description", None)
        schema[item.name] = _plain(described)
    return {
        "strategy": {"name": subject.name, "fingerprint": subject.fingerprint},
        "schema": schema,
        "constraints": [constraint.text for constraint in subject.space.constraints],
        "objectives": [str(objective) for objective in objectives],
        "feasible": list(feasibility),
        "data": {name or "bars": getattr(item, "hash", None) for name, item in bars.items()},
        "segments": _plain(segments),
        "settings": {name: _plain(value) for name, value in settings.items() if value is not None},
    }


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "identity"):
        return _plain(value.identity())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        return value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def open_study(
    opened: OpenStorage, name: str, objectives: Sequence[Objective], described: dict[str, Any], resume: bool
) -> Any:
    """Create the Optuna study or take up the one that exists.

    Raises
    ------
    StoreError
        The study exists and ``resume`` is off, or it is about something else: the message names what differs.
    """
    directions = [objective.direction for objective in objectives]
    with quiet_optuna() as optuna:
        try:
            study = optuna.create_study(
                storage=opened.storage, study_name=name, directions=directions, load_if_exists=resume
            )
        except optuna.exceptions.DuplicatedStudyError:
            raise StoreError(
                f"expected a new study; {name!r} exists in {opened.label}; "
                "resume it (resume=True, --resume) or choose another name"
            ) from None
    if [direction.name.lower() for direction in study.directions] != directions:
        found = ", ".join(direction.name.lower() for direction in study.directions)
        raise StoreError(
            f"expected a study with {len(directions)} objectives ({', '.join(directions)}); {name!r} in "
            f"{opened.label} has {found}; choose another name"
        )
    known = study.user_attrs.get(IDENTITY)
    if known is None:
        study.set_user_attr(IDENTITY, described)
        with quiet_optuna():
            study.set_metric_names([objective.metric for objective in objectives])
    else:
        from peak_fast.sweep import changes

        different = changes(known, _through_json(described))
        if different:
            raise StoreError(
                f"expected the study {name!r} as it was started; got changes in {'; '.join(different)}; "
                "choose another name for a new study, or put the old settings back"
            )
    return study


def _through_json(value: Any) -> Any:
    import json

    return json.loads(json.dumps(value))


def study_seed(study: Any, seed: int | None, name: str, is_shared: bool) -> int:
    """The study's seed: as stored, else as given, else from the name (shared) or from chance (memory)."""
    import secrets

    stored = study.user_attrs.get("peak_fast:seed")
    if stored is not None:
        return int(stored)
    if seed is None:
        seed = zlib.crc32(name.encode()) if is_shared else secrets.randbits(31)
    study.set_user_attr("peak_fast:seed", int(seed))
    return int(seed)


def worker_seed(seed: int, finished: int, rank: int) -> int:
    """Seed of a sampler: the study's own for its first worker, another for a resumed run or a further one."""
    if finished == 0 and rank == 0:
        return seed
    import numpy as np

    return int(np.random.SeedSequence([seed, finished, rank]).generate_state(1)[0])
