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

import hashlib
import inspect
import tokenize
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from peak_fast._arguments import is_whole, wrong
from peak_fast._conditions import Above, AtLeast, Condition, Row
from peak_fast._guard import guarded, guarded_class
from peak_fast.errors import StrategyError, did_you_mean
from peak_fast.params import Param, extract_defaults, validate_params, validate_schema
from peak_fast.strategies import NAMES, load

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


class Strategy(Protocol):
    """What every form of strategy has."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def schema(self) -> tuple[Param, ...]:
        """Its parameters; empty where any are taken."""
        ...

    @property
    def constraints(self) -> tuple[Any, ...]:
        """What parameters must fulfil together."""
        ...

    def fingerprint(self) -> str:
        """Hash of what the strategy does; changes when its source changes."""
        ...


def check_parts(item: Any) -> None:
    """Raise StrategyError for a name, function, schema, constraints or memory that no strategy can have."""
    kind = type(item).__name__
    if not isinstance(item.name, str) or not item.name.strip():
        raise wrong(f"{kind}.name", "a name", item.name, "name it as engine.run shall know it", StrategyError)
    function = getattr(item, "function", len)
    if not callable(function):
        raise wrong(f"{kind}.function", "a function", function, "pass it without calling it", StrategyError)
    object.__setattr__(item, "schema", validate_schema(item.schema, item.constraints))
    for name, least in (("memory", 0), ("room", 1)):
        value = getattr(item, name, least)
        if not is_whole(value) or value < least:
            raise wrong(
                f"{kind}.{name}", f"a whole number of at least {least}", value, "count cells", StrategyError
            )
    if getattr(item, "rows", None):
        _check_rows(item)


def _check_rows(block: Any) -> None:
    """Raise StrategyError for rows of a block that are none, or whose arguments are none of its parameters."""
    rows = block.rows if isinstance(block.rows, tuple | list) else (block.rows,)
    object.__setattr__(block, "rows", tuple(rows))
    known = {parameter.name for parameter in block.schema}
    for row in block.rows:
        if not isinstance(row, Row):
            remedy = "write rows=(Row('atr', 14),)"
            raise wrong(f"block {block.name!r}: rows", "indicator rows", row, remedy, StrategyError)
        for name in row.args:
            if isinstance(name, str) and name not in known:
                raise StrategyError(
                    f"block {block.name!r}: {row.kind!r} takes the parameter {name!r}, which the schema does not have; "
                    f"{did_you_mean(name, known)}"
                )


def source_hash(function: Callable[..., Any], rows: tuple[Row, ...] = ()) -> str:
    """Hash of a function's source (where that is not at hand, of its code) and of the rows that it reads."""
    try:
        text = inspect.getsource(function).encode()
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        code = getattr(function, "__code__", None)
        text = repr(function).encode() if code is None else code.co_code + repr(code.co_consts).encode()
    text += repr(rows).encode() if rows else b""
    return hashlib.blake2b(text, digest_size=16).hexdigest()


@guarded_class()
@dataclass(frozen=True, slots=True)
class RuleStrategy:
    """Four conditions over indicator rows; runs compiled, in single runs and in sweeps.

    Flat: enter long, else enter short.  Long: a short entry reverses, else ``leave_long``.  Short mirrored.
    At most one change of side a bar.

    Parameters
    ----------
    short_switch
        Name of a boolean parameter that turns the short side on; None: always on where conditions are given.
    """

    name: str
    schema: tuple[Param, ...] = ()
    enter_long: Condition | None = None
    leave_long: Condition | None = None
    enter_short: Condition | None = None
    leave_short: Condition | None = None
    constraints: tuple[Any, ...] = ()
    short_switch: str | None = None
    description: str = ""

    def __post_init__(self) -> None:
        check_parts(self)
        conditions: tuple[Any, ...] = self.conditions
        for condition in conditions:
            if condition is not None and not isinstance(condition, Above | AtLeast):
                remedy = "write Above(Row('close'), Row('sma', 20))"
                raise wrong(f"RuleStrategy {self.name!r}", "conditions", condition, remedy, StrategyError)

    @property
    def conditions(self) -> tuple[Condition | None, ...]:
        """The four conditions in the order of the kernel."""
        return self.enter_long, self.leave_long, self.enter_short, self.leave_short

    def fingerprint(self) -> str:
        """Hash of the conditions and the names they use."""
        text = repr((self.name, self.conditions, self.short_switch))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _takes(function: Any, count: int) -> bool:
    """Whether a function can be called with so many arguments; True where that cannot be told."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True
    return True


_RETURNS = ("signals", "targets", "weights")


@guarded_class()
@dataclass(frozen=True, slots=True)
class SignalStrategy:
    """A Python function ``fn(df, params)`` that returns one signal or target a bar.

    Parameters
    ----------
    returns
        ``"targets"`` (default): -1, 0, 1 is the side to hold.  ``"signals"``: 1 buys, -1 sells, 0 holds what is
        held.  ``"weights"``: fractions of equity.
    """

    function: Callable[..., Any]
    name: str = "signals"
    schema: tuple[Param, ...] = ()
    constraints: tuple[Any, ...] = ()
    returns: str = "targets"
    description: str = ""

    def __post_init__(self) -> None:
        check_parts(self)
        if self.returns not in _RETURNS:
            remedy = did_you_mean(str(self.returns), _RETURNS)
            raise wrong(f"strategy {self.name!r}", "what it returns", self.returns, remedy, StrategyError)

    def __call__(self, frame: Any, params: Mapping[str, Any]) -> Any:
        try:
            return self.function(frame, params)
        except TypeError as error:
            if _takes(self.function, 2):
                raise
            raise StrategyError(
                f"strategy {self.name!r}: expected a function of (df, params); it does not take two arguments; "
                "add what is missing"
            ) from error

    def fingerprint(self) -> str:
        """Hash of the function's source."""
        return source_hash(self.function)


@guarded_class()
@dataclass(frozen=True, slots=True)
class Block:
    """A compiled function called once a bar: ``block(i, bars, params, memory, account) -> target``.

    Parameters
    ----------
    function
        Plain Python that numba can compile.  ``i``: bar; ``bars``: float64[6, n_bars], rows open, high, low,
        close, last known close, volume (only columns up to ``i`` are the past); ``params``: float64 in the
        order of the schema; ``memory``: float64[memory], zero at the start, the block's own; ``account``:
        float64[5]: cash, position, equity at this close, average entry price (0 when flat), bars held.
        Returns the target (-1, 0, 1, or a weight), NaN for "no change".
    memory
        Number of float64 cells that the block keeps between bars.
    rows
        Indicators that it reads, ``bars[6, i]`` the first of them: `Row` by kind and arguments.
    debug
        Run with bounds checks: slower, and an index outside an array is an error with its line.
    """

    function: Callable[..., Any]
    name: str = "block"
    schema: tuple[Param, ...] = ()
    constraints: tuple[Any, ...] = ()
    memory: int = 0
    weights: bool = False
    description: str = ""
    debug: bool = False
    rows: tuple[Row, ...] = ()
    compiled: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_parts(self)

    def fingerprint(self) -> str:
        """Hash of the function's source and of the rows that it reads."""
        return source_hash(self.function, self.rows)


@guarded_class()
@dataclass(frozen=True, slots=True)
class OrderBlock:
    """A compiled function called at every close that places orders.

    Parameters
    ----------
    function
        ``block(i, bars, params, memory, account, orders)``, plain Python that numba can compile.  ``i``,
        ``params`` and ``memory`` are those of `Block`; ``bars``: float64[6, n_bars], of which later columns than
        ``i`` are NaN; ``account``: the values that `peak_fast.order_block` names; ``orders``: first argument of
        the functions there.  Returns nothing.
    memory
        Number of float64 cells that the block keeps between bars.
    rows
        Indicators that it reads, ``bars[6, i]`` the first of them: `Row` by kind and arguments.  With several assets
        they follow the prices of all: ``bars[6 * assets + len(rows) * a + k, i]``.
    room
        Instructions that it can give at one close; more are rejected (reason ``too_many_instructions``).
    debug
        Run with bounds checks: slower, and an index outside an array is an error with its line.
    """

    function: Callable[..., Any]
    name: str = "orders"
    schema: tuple[Param, ...] = ()
    constraints: tuple[Any, ...] = ()
    memory: int = 0
    room: int = 64
    description: str = ""
    debug: bool = False
    rows: tuple[Row, ...] = ()
    compiled: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_parts(self)

    def fingerprint(self) -> str:
        """Hash of the function's source and of the rows that it reads."""
        return source_hash(self.function, self.rows)


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
    ``(df, params)`` a `SignalStrategy`.  The result is registered, so ``engine.run(df, "its_name")`` works.

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
        text = inspect.getdoc(target) or ""
        common: dict[str, Any] = {
            "name": label,
            "schema": schema,
            "constraints": constraints,
            "description": text,
        }
        if count == 5:
            return register(Block(target, memory=memory, weights=weights, debug=debug, rows=rows, **common))
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
