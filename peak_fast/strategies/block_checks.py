"""What can be said about a user's block: why it does not compile, and where it reads outside its arrays."""

from __future__ import annotations

import ast
import inspect
import linecache
import operator
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from peak_fast.errors import StrategyError
from peak_kernels import order_slots as f
from peak_kernels import portfolio_slots as q
from peak_kernels import slots as t

DEBUG = "PEAK_FAST_DEBUG"
"""Environment variable that makes every block run with bounds checks."""

_ROLES = ("bar", "bars", "params", "memory", "account", "orders")
_N_PANEL = 5  # prices of an asset that a block of all assets sees
_DEPTH = 4  # of functions that a block calls


def is_debug(block: Any) -> bool:
    """Whether the block is to run with bounds checks: its own wish, the environment's, or numba's switch."""
    numba = sys.modules.get("numba")  # where it was not imported yet, its switch is read from the environment
    switch = os.environ.get("NUMBA_BOUNDSCHECK", "0") != "0" if numba is None else numba.config.BOUNDSCHECK
    return bool(block.debug or switch or os.environ.get(DEBUG, "") not in ("", "0"))


def line_of(file: str, number: int) -> str:
    """A line of a source file as an error names it."""
    text = linecache.getline(file, number).strip()
    return f"line {number} of {Path(file).name}" + (f" ({text})" if text else "")


# Indices that are known before anything runs


@dataclass(frozen=True, slots=True)
class Reach:
    """One constant index into an argument of a block.

    Attributes
    ----------
    role
        Argument, as `_ROLES` names it.
    axis, index
        Place; ``index`` None: the number of the bar, which is no row.
    where
        Line.
    """

    role: str
    axis: int
    index: int | None
    where: str


def constant_indices(function: Callable[..., Any]) -> tuple[Reach, ...]:
    """Constant indices of a block and of the functions that it calls; none where numba cannot read the source."""
    from peak_kernels.compiling import known_of

    def find() -> list[tuple[Any, ...]]:
        names = list(inspect.signature(function).parameters)
        found = dict.fromkeys(_scan(function, dict(zip(names, _ROLES, strict=False)), _DEPTH))
        return [(item.role, item.axis, item.index, item.where) for item in found]

    return tuple(Reach(*item) for item in known_of(function, "indices", find))


def _scan(function: Callable[..., Any], known: Mapping[str, str | int], depth: int) -> Iterator[Reach]:
    """Constant indices of a function whose arguments are these of the block, or these whole numbers."""
    from numba.core import ir
    from numba.core.compiler import run_frontend

    try:
        code: Any = run_frontend(function)
    except Exception:
        return  # the compiler says why
    for block in code.blocks.values():
        for statement in block.body:
            node = statement.value if isinstance(statement, ir.Assign) else statement
            op = getattr(node, "op", "") if isinstance(node, ir.Expr) else type(node).__name__
            if op in ("getitem", "static_getitem", "SetItem", "StaticSetItem"):
                array = node.value if isinstance(node, ir.Expr) else node.target
                role = known.get(_argument(code, array) or "")
                if isinstance(role, str):
                    where = line_of(code.loc.filename, statement.loc.line)
                    yield from (Reach(role, axis, at, where) for axis, at in _places(code, node, known))
            elif op == "call" and depth:
                yield from _scan_called(code, node, known, depth)


def _scan_called(code: Any, call: Any, known: Mapping[str, str | int], depth: int) -> Iterator[Reach]:
    """Indices in a function of the user's that gets arguments of the block."""
    from numba.core.dispatcher import Dispatcher
    from numba.core.ir_utils import get_definition, guard

    definition = guard(get_definition, code, call.func)
    target = getattr(definition, "value", None)
    if not isinstance(target, Dispatcher) or target.py_func.__module__.startswith(
        ("peak_fast", "peak_kernels")
    ):
        return
    names = list(inspect.signature(target.py_func).parameters)
    given = [*zip(names, call.args, strict=False), *call.kws]
    passed = {name: _passed(code, variable, known) for name, variable in given}
    told = {name: value for name, value in passed.items() if value is not None}
    if told:
        yield from _scan(target.py_func, told, depth - 1)


def _passed(code: Any, item: Any, known: Mapping[str, str | int]) -> str | int | None:
    """What is known of a variable: the argument of the block that it is, or its whole number."""
    from numba.core import ir

    if isinstance(item, ir.Var):
        told = known.get(_argument(code, item) or "")
        if told is not None:
            return told
        item = _constant(code, item)
    return item if isinstance(item, int) and not isinstance(item, bool) else None


def _argument(code: Any, variable: Any) -> str | None:
    """Name of the argument that a variable is; None for anything else."""
    from numba.core import ir
    from numba.core.ir_utils import get_definition, guard

    definition = guard(get_definition, code, variable)
    return str(definition.name) if isinstance(definition, ir.Arg) else None


def _places(code: Any, node: Any, known: Mapping[str, str | int]) -> Iterator[tuple[int, int | None]]:
    """Axis and constant index of an access, with None for the bar's number as a row."""
    from numba.core import ir
    from numba.core.ir_utils import get_definition, guard

    index = node.index
    definition = guard(get_definition, code, index) if isinstance(index, ir.Var) else None
    if isinstance(definition, ir.Expr) and definition.op == "build_tuple":
        parts = list(definition.items)
    else:
        whole = _constant(code, index)
        parts = list(whole) if isinstance(whole, tuple) else [index]
    for axis, part in enumerate(parts):
        value = _passed(code, part, known)
        if isinstance(value, int):
            yield axis, value
        elif value == "bar" and axis == 0 and len(parts) == 2:
            yield axis, None


def _constant(code: Any, item: Any) -> Any:
    """A value that is known before the run; None where it is not."""
    from numba.core import ir
    from numba.core.ir_utils import find_const, get_definition, guard

    if not isinstance(item, ir.Var):
        return item
    definition = guard(get_definition, code, item)
    if isinstance(definition, ir.Expr) and definition.op == "binop":
        sides = _constant(code, definition.lhs), _constant(code, definition.rhs)
        known = definition.fn in (operator.add, operator.sub, operator.mul)
        return definition.fn(*sides) if known and all(type(side) is int for side in sides) else None
    return guard(find_const, code, item)


def check_indices(block: Any, n_params: int, assets: int = 1) -> None:
    """Refuse a block that reads or writes outside its arrays, as far as that is known before it runs.

    Parameters
    ----------
    n_params, assets
        How many parameters and assets it will get.

    Raises
    ------
    StrategyError
        An index outside; the message has the line.
    """
    if block.compiled.get("sizes") == (n_params, assets):
        return
    if "reaches" not in block.compiled:
        block.compiled["reaches"] = constant_indices(block.function)
    orders = hasattr(block, "room")
    sizes = {
        ("bars", 0): ((f.N_SEEN + len(block.rows)) * (assets if orders else 1), "rows of bars"),
        ("params", 0): (n_params, "parameters"),
        ("memory", 0): (block.memory, "cells of memory: @strategy(memory=...)"),
        ("account", 0): (f.N_VIEW * assets if orders else t.VIEW_SEEN, "values of the account"),
    }
    if hasattr(block, "of_panel"):
        sizes |= {
            ("bars", 0): (_N_PANEL, "prices of an asset"),
            ("bars", 1): (assets, "assets"),
            ("account", 0): (q.SEEN_UNITS + assets, "values of the account"),
            ("orders", 0): (assets, "weights"),
        }
    for reach in block.compiled["reaches"]:
        size, what = sizes.get((reach.role, reach.axis), (None, ""))
        if size is None:
            continue
        if reach.index is None and reach.role == "bars":
            raise StrategyError(
                f"block {block.name!r}, {reach.where}: expected the row of bars first; got the number of the bar; "
                "write bars[3, i] for the close"
            )
        if reach.index is not None and not -size <= reach.index < size:
            raise StrategyError(
                f"block {block.name!r}, {reach.where}: expected an index of {reach.role} below {size} ({size} {what}); "
                f"got {reach.index}; correct it"
            )
    block.compiled["sizes"] = n_params, assets


# Why a block cannot be compiled


def compile_error(block: Any, error: BaseException) -> StrategyError:
    """What numba says about a block, with the line of the user's that it is about."""
    from peak_kernels.fast import diagnose

    orders = hasattr(block, "room") or hasattr(block, "of_panel")
    try:
        found = "" if hasattr(block, "of_panel") else diagnose(block.function, orders=orders)
    except Exception as alone:
        said, place = _message(alone), _place(block.function, alone)
    else:
        if orders:
            said, place = _message(error), _place(block.function, error)
        else:
            said = f"it returns {found}, expected a number: the target, or NaN for no change"
            place = _place(block.function, None)
    return StrategyError(
        f"the block {block.name!r} cannot be compiled: {said}, in {place}; expected a function of numbers and "
        "arrays (docs/strategies.md)"
    )


def _message(error: BaseException) -> str:
    """The part of numba's message that says what is wrong, on one line."""
    lines = [line.strip() for line in _uncoloured(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith("Failed in nopython mode")]
    told: list[str] = []
    for line in lines:
        if told and line.startswith(("During", "File ", "There are", "- Of which", "[1]", "Return of")):
            break
        told.append(line.removeprefix(">>> "))
    told += [line for line in lines if line.startswith("NumbaTypeError: ")][:1]
    said = " ".join(told) or type(error).__name__
    if "Cannot modify readonly array" in said:
        return (
            "it writes to an array that it can only read, which bars and arrays from outside of the block are; keep "
            "what changes in memory, or in a copy (bars[3].copy())"
        )
    return said.split(" Raised from")[0].rstrip(".")


def _uncoloured(error: BaseException | None) -> str:
    """The message without the colours that numba gives it where colorama is installed."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error))


def _place(function: Callable[..., Any], error: BaseException | None) -> str:
    """Line of the user's source that an error of numba's is about; that of the function where it does not say."""
    code = function.__code__
    file, first = code.co_filename, code.co_firstlineno
    text = _uncoloured(error)
    try:
        source, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        source = [""]
    named = re.escape(Path(file).name)
    # Of several kinds of return the one that is no number.
    text = "\n".join(re.split(r"(?=Return of: )", text)[:1] + sorted(_returns(text), key=_is_number))
    numbers = re.findall(rf'{named}",? line (\d+)|{named} \((\d+)\)', text)
    inside = [int(a or b) for a, b in numbers if first <= int(a or b) < first + len(source)]
    if inside:
        return line_of(file, inside[0])
    missing = re.search(r"name '(\w+)' is not defined", text)
    found = _line_with(source, missing[1]) if missing else None
    if found is None:
        # Without a line of its own: the one of the name, below the decorators.
        found = next((k for k, line in enumerate(source) if line.lstrip().startswith("def ")), 0)
    return line_of(file, first + found)


def _returns(text: str) -> list[str]:
    """What numba says about each return of a function, where it cannot unite them."""
    return re.split(r"(?=Return of: )", text)[1:]


def _is_number(told: str) -> bool:
    return re.search(r"type '(float|int|bool|Literal\[int)", told) is not None


def _line_with(source: list[str], name: str) -> int | None:
    """Place of the first use of a name in the lines of a function."""
    try:
        tree = ast.parse(textwrap.dedent("".join(source)))
    except SyntaxError:
        return None
    lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    return min(lines) - 1 if lines else None


# Where a block left its arrays in a run with bounds checks


def is_outside(block: Any, error: IndexError) -> bool:
    """Whether an error of a run is that of the bounds checks of its block; others of the kind have their own words."""
    return block is not None and is_debug(block) and str(error) == "index is out of bounds"


def outside_error(
    block: Any, error: IndexError, seen: Any, params: Any, memory: Any, account: Any
) -> StrategyError:  # fmt: skip
    """The error for a block that a run with bounds checks has stopped.

    The bar stands behind the block's memory.  The call is made again in plain Python, which knows the line.
    """
    bar = int(memory[block.memory])
    arguments = [bar, *(array.copy() for array in (seen, params, memory[: block.memory], account))]
    if hasattr(block, "room"):
        arguments.append(None)
    elif hasattr(block, "of_panel"):
        arguments.append(np.full(seen.shape[1], np.nan))
    said, place = str(error), f"line {block.function.__code__.co_firstlineno} or below"
    try:
        _plain(block.function)(*arguments)
    except IndexError as again:
        trace = again.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None:
            said, place = str(again), line_of(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
    except Exception:  # functions that place orders do not run in plain Python: the bar has to do
        pass
    return StrategyError(
        f"block {block.name!r} at bar {bar}, {place}: {said}; bars is {_shape(seen)}, params {_shape(params)}, memory "
        f"({block.memory}), account {_shape(account)}"
    )


def _shape(array: Any) -> str:
    return "(" + ", ".join(str(size) for size in np.shape(array)) + ")"


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in plain Python: compiled functions of users too, while those of this package do nothing."""
    from numba.core.dispatcher import Dispatcher

    from peak_kernels.compiling import Later, copied, is_own

    def nothing(*given: Any, **named: Any) -> float:
        return 0.0

    def change(value: Any) -> Any:
        if isinstance(value, Later):
            return nothing
        if not isinstance(value, Dispatcher):
            return value
        if is_own(value.py_func.__code__.co_filename):
            return nothing
        return copied(value.py_func, change)

    return copied(function, change)
