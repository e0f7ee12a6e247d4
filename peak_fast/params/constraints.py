"""Conditions between parameters, such as ``"fast < slow"``.

A constraint is a text, a function of the parameter dict, or a Polars expression. A text is parsed into a
small tree of known operations: no code of the text's author is ever executed, and a name that is not a
parameter is an error. The same tree works on one value per name and on one NumPy column per name, so a grid
of a million points is filtered in one pass.

>>> Constraint("fast < slow").holds({"fast": 10, "slow": 30})
True
>>> Constraint("fast * 2 <= slow and slow in (20, 30)").names
('fast', 'slow')
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any, NamedTuple, TypeAlias

from peak_fast.errors import StrategyError, did_you_mean

_Node: TypeAlias = Callable[[Mapping[str, Any]], Any]

_NAN = float("nan")


def _is_array(value: Any) -> bool:
    return getattr(value, "ndim", 0) > 0


def _truth(value: Any) -> Any:
    return value.astype(bool) if _is_array(value) else bool(value)


def _not(value: Any) -> Any:
    return _truth(value) ^ True


def _without_zero_division(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Division whose result is NaN where the divisor is 0, for numbers and arrays alike."""

    def divide(left: Any, right: Any) -> Any:
        if not (_is_array(left) or _is_array(right)):
            return operation(left, right) if right != 0 else _NAN
        import numpy as np

        zero = np.asarray(right) == 0
        return np.where(zero, _NAN, operation(left, np.where(zero, 1, right)))

    return divide


def _extreme(name: str) -> Callable[..., Any]:
    scalar: Callable[..., Any] = min if name == "min" else max

    def pick(*values: Any) -> Any:
        if not any(_is_array(value) for value in values):
            return scalar(values)
        import numpy as np

        return reduce(np.minimum if name == "min" else np.maximum, values)

    return pick


def _member(value: Any, allowed: Any) -> Any:
    if not _is_array(value):
        return value in allowed
    import numpy as np

    return reduce(operator.or_, (np.asarray(value == item) for item in allowed), np.zeros(value.shape, bool))


_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: _member,
    ast.NotIn: lambda value, allowed: _not(_member(value, allowed)),
}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _without_zero_division(operator.truediv),
    ast.FloorDiv: _without_zero_division(operator.floordiv),
    ast.Mod: _without_zero_division(operator.mod),
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: _not,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_CALLS: dict[str, Callable[..., Any]] = {"abs": abs, "min": _extreme("min"), "max": _extreme("max")}


class Order(NamedTuple):
    """A condition of the form ``left < right``, or ``left <= right`` where it is not strict.

    Attributes
    ----------
    left_names, right_names
        What each side reads.
    left, right
        Values of the sides, from a mapping of names to values or columns.
    """

    left_names: frozenset[str]
    right_names: frozenset[str]
    left: _Node
    right: _Node
    is_strict: bool


def _names_in(node: ast.expr) -> frozenset[str]:
    """Names in an expression, those of functions aside."""
    called = {id(item.func) for item in ast.walk(node) if isinstance(item, ast.Call)}
    return frozenset(
        item.id for item in ast.walk(node) if isinstance(item, ast.Name) and id(item) not in called
    )


class _Parser:
    """Turns one expression into nested functions; collects the parameter names on the way."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: list[str] = []
        self.flags: list[str] = []
        self.ends: tuple[_Node, _Node] | None = None
        self.order: Order | None = None

    def parse(self) -> _Node:
        try:
            body = ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise StrategyError(
                f"expected a condition such as 'fast < slow'; got {self.text!r}, which is not an expression "
                f"({error}); write comparisons of parameter names and numbers, joined by and/or/not"
            ) from error
        if not isinstance(body, ast.Compare | ast.BoolOp | ast.Name | ast.UnaryOp):
            raise self._refuse(type(body).__name__)
        if isinstance(body, ast.Compare) and len(body.ops) == 1:
            left, right = body.left, body.comparators[0]
            if isinstance(body.ops[0], ast.Gt | ast.GtE):
                left, right = right, left
            if isinstance(body.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE):
                self.ends = self._node(left), self._node(right)
                is_strict = isinstance(body.ops[0], ast.Lt | ast.Gt)
                self.order = Order(_names_in(left), _names_in(right), *self.ends, is_strict)
        return self._flag(body)

    def _flag(self, node: ast.expr) -> _Node:
        """A node whose truth is asked for; a name there is a boolean parameter."""
        if isinstance(node, ast.Name):
            self.flags.append(node.id)
        return self._node(node)

    def _refuse(self, what: str) -> StrategyError:
        return StrategyError(
            f"expected a condition on parameters; got {self.text!r}, which uses {what}; allowed are names, "
            "constants, comparisons, in, and/or/not, + - * / // %, abs(), min(), max(); "
            "for anything else pass a function of the parameter dict"
        )

    def _node(self, node: ast.expr) -> _Node:
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str):
            value = node.value
            return lambda values: value
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, ast.BoolOp):
            return self._bool(node)
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            binary, left, right = _BINARY[type(node.op)], self._node(node.left), self._node(node.right)
            return lambda values: binary(left(values), right(values))
        if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
            inner = self._flag if isinstance(node.op, ast.Not) else self._node
            unary, operand = _UNARY[type(node.op)], inner(node.operand)
            return lambda values: unary(operand(values))
        if isinstance(node, ast.Call):
            return self._call(node)
        raise self._refuse(type(node).__name__)

    def _call(self, node: ast.Call) -> _Node:
        if (
            not isinstance(node.func, ast.Name)
            or node.func.id not in _CALLS
            or node.keywords
            or not node.args
        ):
            raise self._refuse("such a call")
        if node.func.id == "abs" and len(node.args) != 1:
            raise self._refuse("abs() of several values")
        call, arguments = _CALLS[node.func.id], [self._node(argument) for argument in node.args]
        return lambda values: call(*(argument(values) for argument in arguments))

    def _name(self, name: str) -> _Node:
        if name not in self.names:
            self.names.append(name)
        return lambda values: values[name]

    def _compare(self, node: ast.Compare) -> _Node:
        sides = [self._side(side) for side in (node.left, *node.comparators)]
        try:
            operations = [_COMPARE[type(item)] for item in node.ops]
        except KeyError as error:
            raise self._refuse(error.args[0].__name__) from error

        def compare(values: Mapping[str, Any]) -> Any:
            got = [side(values) for side in sides]
            pairs = zip(operations, got, got[1:], strict=False)
            return reduce(operator.and_, (_truth(operation(left, right)) for operation, left, right in pairs))

        return compare

    def _side(self, node: ast.expr) -> _Node:
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            items = [item.value if isinstance(item, ast.Constant) else None for item in node.elts]
            if not all(isinstance(item, bool | int | float | str) for item in items):
                raise self._refuse("a collection of something other than constants")
            return lambda values: tuple(items)
        return self._node(node)

    def _bool(self, node: ast.BoolOp) -> _Node:
        parts = [self._flag(part) for part in node.values]
        join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        return lambda values: reduce(join, (_truth(part(values)) for part in parts))


class Constraint:
    """One condition that a set of parameters must meet.

    Parameters
    ----------
    condition
        Text such as ``"fast < slow"``, a function ``fn(params) -> bool``, or a Polars expression over
        parameter names.

    Attributes
    ----------
    text : str
        What to show to people.
    names : tuple of str
        Parameters that the condition reads; empty for a function, which may read any.
    flags : tuple of str
        Names of a text whose truth is asked for without a comparison, as in ``"not use_filter"``.
    order : Order or None
        Both sides of a text that is one comparison by size.

    Raises
    ------
    StrategyError
        The text is not a condition made of the allowed operations.
    """

    __slots__ = ("_condition", "_ends", "_kind", "_tree", "flags", "names", "order", "text")

    def __init__(self, condition: str | Callable[[dict[str, Any]], Any] | Any) -> None:
        self._condition: Any = condition
        self._tree: _Node | None = None
        self._ends: tuple[_Node, _Node] | None = None
        self.order: Order | None = None
        self.names: tuple[str, ...] = ()
        self.flags: tuple[str, ...] = ()
        if isinstance(condition, str):
            parser = _Parser(condition)
            self._kind, self.text, self._tree = "text", condition.strip(), parser.parse()
            self.names, self._ends = tuple(parser.names), parser.ends
            self.flags, self.order = tuple(parser.flags), parser.order
        elif type(condition).__module__.split(".")[0] == "polars" and hasattr(condition, "meta"):
            self._kind, self.text = "polars", str(condition)
            self.names = tuple(condition.meta.root_names())
        elif callable(condition):
            self._kind, self.text = "function", getattr(condition, "__name__", repr(condition))
        else:
            raise StrategyError(
                f"expected a constraint as text ('fast < slow'), function or Polars expression; "
                f"got {type(condition).__name__}: {condition!r}; write for example 'fast < slow'"
            )

    def __repr__(self) -> str:
        return f"Constraint({self.text!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Constraint, (self._condition,))

    def check_names(self, known: Iterable[str]) -> None:
        """Raise StrategyError when the condition reads a name that is no parameter."""
        names = list(known)
        for name in self.names:
            if name not in names:
                raise StrategyError(
                    f"expected parameter names in the constraint {self.text!r}; got {name!r}; "
                    + did_you_mean(name, names)
                )

    def check_flags(self, numeric: Iterable[str]) -> None:
        """Raise StrategyError when a number stands where a comparison or a boolean is expected."""
        found = set(self.flags).intersection(numeric)
        if found:
            name = min(found)
            raise StrategyError(
                f"expected a comparison in {self.text!r}; got the number {name!r} alone; write for example "
                f"'{name} > 0'"
            )

    @property
    def reads_anything(self) -> bool:
        """Whether it is a function, which may look at any parameter."""
        return self._kind == "function"

    def _ask(self, node: _Node, values: Mapping[str, Any]) -> Any:
        """Value of a part of a text; numbers and texts cannot be compared."""
        try:
            return node(values)
        except TypeError as error:
            raise StrategyError(
                f"expected numbers compared with numbers and texts with texts; got {self.text!r} ({error}); "
                "correct the condition"
            ) from error

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether one set of parameters meets the condition (NaN in a comparison: it does not)."""
        if self._tree is not None:
            return bool(_truth(self._ask(self._tree, params)))
        if self._kind == "polars":
            import polars as pl

            frame = pl.DataFrame({name: [value] for name, value in params.items()})
            return bool(frame.select(self._condition).to_series().fill_null(False).item())
        return bool(self._condition(dict(params)))

    def excess(self, params: Mapping[str, Any]) -> float:
        """By how much the condition is missed.

        Returns
        -------
        float
            For ``left < right`` (also <=, >, >=) the difference of the sides, negative where it is met; for
            any other condition 0 where it is met and 1 where not. NaN where a side is NaN.
        """
        if self._ends is None:
            return 0.0 if self.holds(params) else 1.0
        left, right = self._ends
        return float(self._ask(lambda values: left(values) - right(values), params))

    def mask(self, columns: Mapping[str, Any]) -> Any:
        """Evaluate on columns.

        Parameters
        ----------
        columns
            One array of equal length per parameter name.

        Returns
        -------
        numpy.ndarray
            bool[n], True where the condition is met. A function is called once per row.
        """
        import numpy as np

        count = len(next(iter(columns.values()))) if columns else 0
        if self._tree is not None:
            arrays = {name: np.asarray(columns[name]) for name in self.names}
            return np.broadcast_to(
                np.asarray(_truth(self._ask(self._tree, arrays)), dtype=bool), (count,)
            ).copy()
        if self._kind == "polars":
            import polars as pl

            return pl.DataFrame(dict(columns)).select(self._condition).to_series().fill_null(False).to_numpy()
        names = list(columns)
        rows = zip(*(np.asarray(columns[name]).tolist() for name in names), strict=True)
        return np.fromiter(
            (bool(self._condition(dict(zip(names, row, strict=True)))) for row in rows),
            dtype=bool,
            count=count,
        )
