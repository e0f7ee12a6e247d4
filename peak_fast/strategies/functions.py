"""Strategies as functions of a frame."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from peak_fast.arguments import wrong
from peak_fast.errors import StrategyError, did_you_mean
from peak_fast.guard import guarded_class
from peak_fast.params import Param
from peak_fast.strategies.base import check_parts, source_hash


def _takes(function: Any, count: int) -> bool:
    """Whether a function can be called with so many arguments; True where that cannot be told."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _second(function: Any) -> tuple[str, bool]:
    """Name of the second argument, empty where that cannot be told, and whether its default is a number."""
    try:
        second = list(inspect.signature(function).parameters.values())[1]
    except (TypeError, ValueError, IndexError):
        return "", False
    return second.name, isinstance(second.default, int | float)


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
        except Exception as error:
            self.explain(error, params)
            raise

    def explain(self, error: Exception, params: Mapping[str, Any]) -> None:
        """Raise in plain words what calling the function raised, where it does not take the two arguments as they are.

        Raises
        ------
        StrategyError
            It takes one parameter in place of all, or another number of arguments.
        """
        second, is_number = _second(self.function)
        if second in params or is_number:
            raise StrategyError(
                f"strategy {self.name!r}: its second argument, {second!r}, gets the dict of all parameters and "
                f"not one of them ({error}); write (df, params) and params[{second!r}]"
            ) from error
        if isinstance(error, TypeError) and not _takes(self.function, 2):
            raise StrategyError(
                f"strategy {self.name!r}: expected a function of (df, params); it does not take two arguments; "
                "add what is missing"
            ) from error

    def fingerprint(self) -> str:
        """Hash of the function's source."""
        return source_hash(self.function)
