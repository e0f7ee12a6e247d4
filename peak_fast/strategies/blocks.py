"""Strategies as functions that are compiled and called once a bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from peak_fast.guard import guarded_class
from peak_fast.params import Param
from peak_fast.strategies.base import check_parts, source_hash
from peak_fast.strategies.conditions import Row


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
        ``i`` are NaN; ``account``: the values that `peak_fast.orders` names; ``orders``: first argument of
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


@guarded_class()
@dataclass(frozen=True, slots=True)
class PanelBlock:
    """A compiled function called at every close for all assets of a panel.

    Parameters
    ----------
    function
        ``block(i, bars, params, memory, account, want)``, plain Python that numba can compile.  ``i``, ``params`` and
        ``memory`` are those of `Block`; ``bars``: float64[5, assets, n_bars], rows open, high, low, close, volume, NaN
        where an asset has no bar (only columns up to ``i`` are the past); ``account``: float64[2 + assets]: cash,
        equity at this close, then the signed units of each asset; ``want``: float64[assets], NaN at first: it gets
        target weights, and NaN leaves an asset alone.  Returns nothing.
    memory
        Number of float64 cells that the block keeps between bars.
    debug
        Run with bounds checks: slower, and an index outside an array is an error with its line.
    """

    function: Callable[..., Any]
    name: str = "block"
    schema: tuple[Param, ...] = ()
    constraints: tuple[Any, ...] = ()
    memory: int = 0
    description: str = ""
    debug: bool = False
    compiled: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    rows: ClassVar[tuple[Row, ...]] = ()
    of_panel: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_parts(self)

    def fingerprint(self) -> str:
        """Hash of the function's source."""
        return source_hash(self.function)
