"""Whether what a portfolio does are orders; asked at every run, so nothing that runs orders is loaded here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peak_fast.data import fingerprint
from peak_fast.orders import are_orders, table_of
from peak_fast.params import Param
from peak_fast.strategies import OrderBlock


@dataclass(frozen=True, slots=True, eq=False)
class GivenOrders:
    """A table of orders as something without parameters that a portfolio does."""

    what: Any
    name: str = "orders"
    schema: tuple[Param, ...] = ()
    constraints: tuple[Any, ...] = ()

    def fingerprint(self) -> str:
        """Hash of the table."""
        return str(fingerprint(table_of(self.what)))


def places_orders(what: Any) -> bool:
    """Whether what a portfolio does are orders: a table of them, or a block that places some."""
    return isinstance(what, GivenOrders | OrderBlock) or are_orders(what)
