"""Rules as text: a score as one writes it in Python, and the arguments of `Rank` in a table of settings.

>>> read_score("Momentum(lookback, skip=21) / Volatility(63)", "score")
Momentum('lookback', 21) / Volatility(63)
>>> read_score("-close / open", "score")
-1 * 'close' / 'open'

Nothing is executed: a text is parsed, and only what is named here has a meaning.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from peak_fast.errors import PeakFastError, StrategyError, did_you_mean
from peak_fast.portfolio.rules.momentum import Momentum, Volatility
from peak_fast.portfolio.rules.rebalance import Rebalance
from peak_fast.portfolio.rules.scores import Score, as_score
from peak_fast.strategies import Row

_CALLED: dict[str, Callable[..., Any]] = {"Momentum": Momentum, "Volatility": Volatility, "Row": Row}
_JOINED: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_WORDS = ("equal", "score", "inverse_volatility")
_PARTS = ("when", "start", "band", "buffer")


def read_score(text: str, label: str) -> Score:
    """A score of a text: calls of `Momentum`, `Volatility` and `Row`, columns, numbers, and + - * / between them.

    Parameters
    ----------
    text
        Names inside of a call are parameters (or the kind of a row), others are columns; quotes are allowed.
    label
        What messages call it.

    Raises
    ------
    StrategyError
        Something else.
    """
    try:
        return as_score(_value(ast.parse(text.strip(), mode="eval").body))
    except PeakFastError as error:
        raise StrategyError(f"{label}: {error}") from None
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        raise StrategyError(
            f"{label}: expected Momentum(126, skip=21), Volatility(63), Row(rsi, 14), columns, numbers, and + - * / "
            f"between them; got {shown!r}"
        ) from None


def _value(node: ast.expr) -> Any:
    """What a part of a score is."""
    if isinstance(node, ast.BinOp):
        return _JOINED[_known(type(node.op))](as_score(_value(node.left)), as_score(_value(node.right)))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _value(node.operand)
        inner = inner if isinstance(inner, int | float) else as_score(inner)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLED:
        named = {item.arg: _argument(item.value) for item in node.keywords if item.arg is not None}
        if len(named) < len(node.keywords):
            raise ValueError("**")
        return _CALLED[node.func.id](*map(_argument, node.args), **named)
    return _argument(node)


def _known(operation: type) -> type:
    if operation not in _JOINED:
        raise ValueError(operation.__name__)
    return operation


def _argument(node: ast.expr) -> Any:
    """A number or a name."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand)
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return _number(node)


def _number(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    raise ValueError(type(node).__name__)


def read_arguments(table: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `Rank` from a table of settings.

    Raises
    ------
    StrategyError
        A score or a calendar that is none.
    """
    found = dict(table)
    for name in ("score", "weighting"):
        value = found.get(name)
        if isinstance(value, str) and not (name == "weighting" and value in _WORDS):
            found[name] = read_score(value, f"rank.{name}")
    given = found.get("rebalance")
    if isinstance(given, Mapping):
        for name in given:
            if name not in _PARTS:
                raise StrategyError(
                    f"rank.rebalance.{name}: no such setting; {did_you_mean(str(name), _PARTS)}"
                )
        found["rebalance"] = Rebalance(
            **{name: _dates(value) if name == "when" else value for name, value in given.items()}
        )
    elif given is not None:
        found["rebalance"] = _dates(given)
    return found


def _dates(given: Any) -> Any:
    """Dates as texts, since a file may quote some of them; anything else as it is."""
    if not isinstance(given, list):
        return given
    return [item.isoformat() if isinstance(item, date) else item for item in given]
