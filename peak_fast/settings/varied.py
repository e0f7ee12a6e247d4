"""What a sweep through the order book may vary besides the engine's settings, and one such configuration alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from peak_fast.errors import ConfigError
from peak_fast.settings.order_fields import ENTRIES, RULE_FIELDS, RULES, varied_field
from peak_fast.settings.variable import VARIABLE

if TYPE_CHECKING:
    from peak_fast.settings.engine import EngineSettings
    from peak_fast.settings.order_book import OrderBook


def names_of(order_book: Any, *, orders: bool) -> tuple[str, ...]:
    """Names that a sweep may vary besides the strategy's parameters.

    Parameters
    ----------
    order_book
        The engine's.
    orders
        Whether the strategy is a block that places orders: it goes through the book in any case.
    """
    if orders:
        return (*(name for name, row in VARIABLE.items() if not row.decides), *RULES)
    return tuple(VARIABLE) if order_book is None else (*VARIABLE, *RULES, *ENTRIES)


def is_unset(value: Any) -> bool:
    """Whether a grid's value stands for "not set"."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def varied_rules(book: OrderBook, name: str, value: Any) -> OrderBook:
    """The book with another value of a rule.

    Raises
    ------
    ConfigError
        The value cannot be used, or it would change nothing.
    """
    if is_unset(value):
        raise ConfigError(f"{name}: expected a value of OrderRules.{name} in each configuration; got None")
    needs = RULE_FIELDS[name].needs
    if needs is not None:
        other, idle = needs
        if getattr(book.rules, other) in idle:
            raise ConfigError(
                f"{name}: it changes nothing while OrderRules.{other} is {getattr(book.rules, other)!r}; expected "
                f"order_book=OrderRules({other}=...) of another kind"
            )
    return replace(book, rules=replace(book.rules, **{name: _plain(name, value)}))


def varied_entries(book: OrderBook, varied: Mapping[str, Any]) -> OrderBook:
    """The book with other entries at a limit.

    Raises
    ------
    ConfigError
        A value that cannot be used.
    """
    changes: dict[str, Any] = {n: None if is_unset(v) else _plain(n, v) for n, v in varied.items()}
    return replace(book, **changes)


def _plain(name: str, value: Any) -> Any:
    """A grid's value as the setting takes it: whole numbers that came as floats are whole again."""
    row = varied_field(name) or VARIABLE.get(name)
    whole = row is not None and row.whole
    return int(value) if whole and isinstance(value, float) and value.is_integer() else value


def varied_settings(settings: EngineSettings, varied: Mapping[str, Any]) -> EngineSettings:
    """Settings of one configuration: those of the engine, and fields of the order book, by the names of a sweep.

    Raises
    ------
    ConfigError
        A value that its setting cannot take.
    """
    settings = settings.through_book()
    parts: dict[str, dict[str, Any]] = {}
    for part in ("execution", "costs", "stops", "sizing", "risk_limits"):
        parts[part] = getattr(settings, part).model_dump()
    cash, book = settings.initial_cash, settings.order_book
    assert book is not None
    for name, value in varied.items():
        if name in RULES or name in ENTRIES:
            continue
        value = None if is_unset(value) else _plain(name, value)
        row = VARIABLE[name]
        if value == 0.0 and row.optional:
            raise ConfigError(f"{name}: 0 is out of range; expected numbers above 0, None for 'not set'")
        value = 0.0 if value is None else value
        if name == "initial_cash":
            cash = value
            continue
        # Sizes have their main figure first, behind their kind.
        field = next(key for key in parts["sizing"] if key != "kind") if name == "size" else row.field
        if field == "rate":
            parts["costs"]["maker_rate"] = None
            value = value / row.unit
        parts[row.part][field] = None if value == 0.0 and row.optional else value
    for name in RULES:
        if name in varied:
            book = varied_rules(book, name, varied[name])
    book = varied_entries(book, {name: varied[name] for name in ENTRIES if name in varied})
    made: dict[str, Any] = {part: type(getattr(settings, part))(**values) for part, values in parts.items()}
    return replace(settings, initial_cash=cash, order_book=book, **made)
