"""How a strategy is written, and how the engine reads it.

Four forms, from the quickest to run to the quickest to write:

1. **Rules** (`RuleStrategy`): four comparisons of indicator rows; all built-in strategies are rules.
2. **Compiled block** (`@strategy` on a function of ``(i, bars, params, memory, account)``): one call a bar in
   machine code, sees the account.  With a sixth argument ``orders`` it places orders of every type.
3. **Targets**: an array or a Polars expression with one target a bar: sides (-1, 0, 1) or weights.
4. **Signal function** ``fn(df, params) -> signals``: any Python; sees the frame type that came in.

>>> cross = RuleStrategy(
...     name="price_above_average",
...     schema=(Param("period", "int", 50, low=2, high=400),),
...     enter_long=Above(Row("close"), Row("sma", "period")),
...     leave_long=AtLeast(Row("sma", "period"), Row("close")),
... )
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from peak_fast.arguments import wrong
from peak_fast.errors import StrategyError, did_you_mean
from peak_fast.guard import guarded
from peak_fast.params import Param, extract_defaults, validate_params
from peak_fast.strategies.base import Strategy
from peak_fast.strategies.blocks import Block, OrderBlock, PanelBlock
from peak_fast.strategies.builtin import NAMES, load
from peak_fast.strategies.conditions import Row
from peak_fast.strategies.functions import SignalStrategy
from peak_fast.strategies.rules import RuleStrategy

__all__ = [
    "Block",
    "OrderBlock",
    "RuleStrategy",
    "SignalStrategy",
    "Strategy",
    "register",
    "resolve",
    "strategy",
]


_registry: dict[str, Any] = {}


def register(item: Any) -> Any:
    """Make a strategy known by its name; returns it.

    Raises
    ------
    StrategyError
        Another strategy has the name, or a built-in one.
    """
    if item.name in NAMES:
        raise StrategyError(
            f"the strategy name {item.name!r} is that of a built-in strategy, which engine.run({item.name!r}) would no "
            f"longer find; choose another: @strategy(name='my_{item.name}')"
        )
    known = _registry.get(item.name)
    if known is not None and known.fingerprint() != item.fingerprint():
        raise StrategyError(f"the strategy name {item.name!r} is taken; choose another name")
    _registry[item.name] = item
    return item


@guarded
def strategy(
    function: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    schema: tuple[Param, ...] = (),
    constraints: tuple[Any, ...] = (),
    memory: int = 0,
    returns: str = "targets",
    weights: bool = False,
    room: int = 64,
    debug: bool = False,
    rows: tuple[Row, ...] = (),
) -> Any:
    """Turn a function into a named strategy.

    A function of ``(i, bars, params, memory, account)`` becomes a compiled `Block`, one with a further argument
    ``orders`` an `OrderBlock` for the engine and `simulate_orders` (``room``: instructions at one close), a function of
    ``(df, params)`` a `SignalStrategy`.  The result is registered, so ``engine.run(df, "its_name")`` works.  A sixth
    argument ``want`` makes a `PanelBlock`, asked about all assets of a panel; it is handed to runs itself.

    ``debug`` (or the environment variable ``PEAK_FAST_DEBUG=1`` for all) runs a block with bounds checks: an index
    outside ``bars``, ``params``, ``memory`` or ``account`` is an error with its line, where it else reads or writes
    what lies there.  ``rows``: indicators that a block reads behind the six rows of its bars.

    Raises
    ------
    StrategyError
        The function takes neither two nor five nor six arguments.
    """

    def build(target: Callable[..., Any]) -> Any:
        if not callable(target):
            raise wrong(
                "strategy", "a function", target, "write @strategy(name=...) above one", StrategyError
            )
        count = len(inspect.signature(target).parameters)
        label = name or target.__name__
        common: dict[str, Any] = {
            "name": label, "schema": schema, "constraints": constraints, "description": inspect.getdoc(target) or "",
        }  # fmt: skip
        if count == 5:
            return register(Block(target, memory=memory, weights=weights, debug=debug, rows=rows, **common))
        if count == 6 and list(inspect.signature(target).parameters)[5] == "want":
            return _panel_block(target, rows, memory=memory, debug=debug, **common)
        if count == 6:
            return register(OrderBlock(target, memory=memory, room=room, debug=debug, rows=rows, **common))
        if count == 2:
            if rows:
                raise StrategyError(
                    f"strategy {label!r}: rows belong to compiled blocks; expected a call of peak_fast.indicators in a "
                    "function of (df, params)"
                )
            return register(SignalStrategy(target, returns="weights" if weights else returns, **common))
        raise StrategyError(
            f"strategy {label!r}: expected a function of (df, params), or of (i, bars, params, memory, account) or "
            f"(i, bars, params, memory, account, orders) to compile; got {count} arguments"
        )

    return build if function is None else build(function)


def _panel_block(target: Callable[..., Any], rows: tuple[Row, ...], **parts: Any) -> PanelBlock:
    """A block of all assets, which computes from bars what others read as rows."""
    if rows:
        raise StrategyError(
            f"strategy {parts['name']!r}: rows belong to blocks of one asset; expected none for a block of all assets; "
            "compute what it needs from bars"
        )
    return PanelBlock(target, **parts)


def names() -> tuple[str, ...]:
    """Names of all registered strategies, the built-in ones among them."""
    return tuple(sorted({*_registry, *NAMES}))


def resolve(item: Any) -> Any:
    """Strategy object for a name, a strategy object or a function.

    Raises
    ------
    StrategyError
        Unknown name, or something that is no strategy.
    """
    if isinstance(item, str):
        if item not in _registry:
            if item not in NAMES:
                raise StrategyError(f"no strategy {item!r}; {did_you_mean(item, names())}")
            _registry[item] = load(item)
        return _registry[item]
    if isinstance(item, RuleStrategy | SignalStrategy | Block | OrderBlock):
        return item
    if isinstance(item, PanelBlock):
        raise StrategyError(
            f"{item.name!r} is a block of all assets; expected one of one asset; run it on a Panel"
        )
    if callable(item):
        return SignalStrategy(item, name=getattr(item, "__name__", "signals"), returns="signals")
    raise StrategyError(
        "expected the name of a strategy, a strategy object, a function (df, params), an array of targets or a "
        f"Polars expression; got {type(item).__name__}"
    )


def params_of(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters as given, none of them for None."""
    if params is not None and not isinstance(params, Mapping):
        raise StrategyError(
            f"params: expected a dict such as {{'fast': 20}}; got {type(params).__name__}: {params!r}"
        )
    return dict(params or {})


def complete_params(item: Any, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters with defaults filled in and values checked; free-form where the strategy has no schema."""
    given = params_of(params)
    if not item.schema:
        return given
    if not params:
        return extract_defaults(item.schema)
    return validate_params(item.schema, params, constraints=item.constraints)
