"""Weights from a function of the long frame of a panel."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.arguments import wrong
from peak_fast.data import Panel, fingerprint, is_frame
from peak_fast.errors import StrategyError
from peak_fast.guard import guarded_class
from peak_fast.params import Param, validate_schema
from peak_fast.portfolio.placing import GivenOrders, places_orders
from peak_fast.portfolio.targets import (
    TargetWeights,
    are_weights,
    not_weights,
    provides_weights,
    target_weights,
)
from peak_fast.strategies import OrderBlock, PanelBlock, complete_params, source_hash


@guarded_class()
@dataclass(frozen=True, slots=True)
class WeightFunction:
    """A Python function ``fn(frame, params)`` that returns weights.

    Parameters
    ----------
    function
        Gets the long frame of the panel (`Panel.to_frame`: Polars, or pandas where the panel came from pandas) and the
        parameters.  It returns weights in any form that a run takes: a long frame (time, symbol, weight), a wide one
        (time and a column for each asset), an array float64[bar, asset], `TargetWeights`.
    """

    function: Callable[[Any, Mapping[str, Any]], Any]
    name: str = ""
    schema: tuple[Param, ...] = ()
    constraints: tuple[Any, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise wrong(
                "WeightFunction.function",
                "a function",
                self.function,
                "pass it without calling it",
                StrategyError,
            )
        object.__setattr__(self, "name", self.name or getattr(self.function, "__name__", "weights"))
        object.__setattr__(self, "schema", validate_schema(self.schema, self.constraints))

    def weights(self, panel: Panel, params: Mapping[str, Any]) -> TargetWeights:
        """Weights that the function returns.

        Raises
        ------
        StrategyError
            The function does not take a frame and parameters.
        DataError
            What it returns is no weights of this panel.
        """
        values = complete_params(self, params)
        found = target_weights(panel, self.function(panel.to_frame(), values), {})
        identity = {"rule": "function", "name": self.name, "source": self.fingerprint()}
        return TargetWeights(found.rows, found.weights, found.notes, identity, found.band)

    def fingerprint(self) -> str:
        """Hash of the function's source."""
        return source_hash(self.function)


@dataclass(frozen=True, slots=True, eq=False)
class GivenWeights:
    """Weights that were given, as a rule without parameters."""

    what: Any
    name: str = "weights"
    schema: tuple[Param, ...] = ()
    constraints: tuple[Any, ...] = ()

    def weights(self, panel: Panel, params: Mapping[str, Any]) -> TargetWeights:
        """The weights on a panel.

        Raises
        ------
        DataError, StrategyError
            They are none of this panel.
        """
        return target_weights(panel, self.what, {})

    def fingerprint(self) -> str:
        """Hash of the weights."""
        what = self.what
        if isinstance(what, TargetWeights):
            what = (what.rows, what.weights)
        if isinstance(what, Mapping) or is_frame(what):
            parts = (
                [fingerprint(what[name]) for name in what]
                if isinstance(what, Mapping)
                else [fingerprint(what)]
            )
            return hashlib.blake2b("".join(parts).encode(), digest_size=16).hexdigest()
        arrays = what if isinstance(what, tuple) else (what,)
        digest = hashlib.blake2b(digest_size=16)
        for array in arrays:
            digest.update(np.ascontiguousarray(array, dtype=np.float64))
        return digest.hexdigest()


def rule_of(what: Any) -> Any:
    """What a portfolio holds as a rule: it has a name, a schema, constraints, a fingerprint and weights of a panel.

    Orders have no weights: `GivenOrders`, or the block that places them.

    Raises
    ------
    StrategyError
        It is nothing that gives weights, and no orders.
    """
    if isinstance(what, str | type):
        remedy = (
            "call it"
            if isinstance(what, type)
            else f"names are those of strategies of one asset: Slots({what!r})"
        )
        raise wrong(
            "what to hold", "a rule such as Rank, a function, or weights", what, remedy, StrategyError
        )
    if provides_weights(what) or isinstance(what, PanelBlock | OrderBlock | GivenOrders):
        return what
    if places_orders(what):
        return GivenOrders(what)
    if callable(what):
        return WeightFunction(what)
    if not are_weights(what):
        raise not_weights(what)
    return GivenWeights(what)
