"""What every strategy is: a name, a schema, constraints, a fingerprint."""

from __future__ import annotations

import hashlib
import inspect
import tokenize
from collections.abc import Callable, Collection
from typing import Any, Protocol

from peak_fast.arguments import is_whole, wrong
from peak_fast.errors import StrategyError, did_you_mean
from peak_fast.params import Param, validate_schema
from peak_fast.strategies.conditions import Row


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
        check_row(f"block {block.name!r}", row, known)


def check_row(label: str, row: Row, known: Collection[str]) -> None:
    """Raise StrategyError for a row whose arguments name something else than parameters."""
    for name in row.args:
        if isinstance(name, str) and name not in known:
            raise StrategyError(
                f"{label}: {row.kind!r} takes the parameter {name!r}, which the schema does not have; "
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
