"""Settings and rules of a sweep's configurations as the order kernel reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.settings import (
    ENTRIES,
    ENTRY_FIELDS,
    RULE_FIELDS,
    RULES,
    OrderRules,
    is_unset,
    rule_vector,
    varied_entries,
    varied_rules,
)
from peak_fast.sweep.run.settings import SettingsTable
from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    from peak_fast.settings import OrderBook

# Settings of the engine that the kernel reads as rules, by their names in a grid.
_AS_RULES: dict[str, tuple[str, ...]] = {
    "fee_rate": ("fee_rate", "maker_rate"),
    "fee_bps": ("fee_rate", "maker_rate"),
    "fee_fixed": ("fee_fixed",),
    "fee_minimum": ("fee_minimum",),
    "fee_per_unit": ("fee_per_unit",),
    "slippage_bps": ("slippage_amount", "slippage"),
    "slippage_abs": ("slippage_extra", "slippage"),
    "leverage": ("leverage",),
    "max_drawdown_limit": ("max_drawdown",),
    "daily_loss_limit": ("daily_loss",),
}


class BookTable(SettingsTable):
    """Rows of `peak_kernels.order_slots.N_WIDE` slots: settings of the engine, rules, entries at a limit.

    Parameters
    ----------
    base
        The engine's settings.
    columns
        What the configurations vary, by the names of `peak_fast.settings.varied.names_of`.
    sizing
        What the sizing is called, for messages.
    book
        The engine's.
    rules
        Rules of a run without anything varied.
    flags
        What the data make the kernel do (`peak_fast.orders.memory.flags_of`).

    Raises
    ------
    ConfigError
        A value that the setting cannot take, that contradicts another one, or that would change nothing.
    """

    def __init__(
        self,
        base: FloatArray,
        columns: Mapping[str, Any],
        sizing: str,
        book: OrderBook,
        rules: OrderRules,
        flags: tuple[bool, bool, bool],
    ) -> None:
        settings = {name: column for name, column in columns.items() if name not in (*RULES, *ENTRIES)}
        super().__init__(base, settings, sizing)
        self._book, self._rules = book, rules
        wide = np.full((1, f.N_WIDE), np.nan)
        wide[0, : f.W_RULES] = base
        own = wide[0, f.W_RULES : f.W_RULES + f.N_RULE]
        own[:] = rule_vector(rules)
        own[f.R_CARRY], own[f.R_INTRABAR], own[f.R_SIGNED] = flags
        for name in ENTRY_FIELDS:
            value = getattr(book, name)
            wide[0, _slot(name)] = np.nan if value is None else value
        self._base = wide
        self._pass_on(list(settings))
        for name, column in columns.items():
            if name not in settings:
                self._put(name, column)
        if base[t.WEIGHT_TARGETS] > 0.0 and np.any(~np.isnan(self._column(f.W_ENTRY_LIMIT))):
            raise ConfigError(
                "entry_limit: expected None with weights, whose orders enlarge and reduce positions; give sides, or "
                "let a block place the orders"
            )
        if np.any(~np.isnan(self._column(f.W_ENTRY_BARS)) & np.isnan(self._column(f.W_ENTRY_LIMIT))):
            raise ConfigError(
                "entry_bars: expected entry_limit in each configuration that has it; got None; give entry_bars=None "
                "there, or leave such configurations out with constraint=..."
            )

    def _pass_on(self, names: list[str]) -> None:
        """Let varied settings of the engine reach the rules that they stand for."""
        plain, ours = OrderRules(), self._book.rules
        for name, (_, values) in list(zip(names, self._columns, strict=True)):
            for rule in _AS_RULES.get(name, ()):
                if getattr(ours, rule) != getattr(plain, rule):
                    raise ConfigError(
                        f"{name}: varied in the grid, while order_book says rules.{rule}={getattr(ours, rule)!r}; "
                        "expected one of the two"
                    )
                if rule != "slippage":
                    self._columns.append(((_slot(rule),), values))
        if "slippage_bps" in names or "slippage_abs" in names:
            amount, extra = (self._column(f.W_RULES + slot) for slot in (f.R_SLIP_AMOUNT, f.R_SLIP_EXTRA))
            kind = np.where((amount != 0.0) | (extra != 0.0), float(f.SLIP_FRACTION), float(f.SLIP_NONE))
            self._columns.append(((f.W_RULES + f.R_SLIP_KIND,), kind))

    def _put(self, name: str, column: Any) -> None:
        """Let a field of the book or its rules vary; each distinct value is checked."""
        if name in RULES and getattr(self._rules, name) != getattr(self._book.rules, name):
            raise ConfigError(
                f"{name}: the engine's own settings give {getattr(self._rules, name)!r}; expected them not to say "
                "it where the grid varies it"
            )
        codes = {value: self._code(name, value) for value in dict.fromkeys(_plain(column))}
        self._columns.append(((_slot(name),), np.array([codes[value] for value in _plain(column)])))

    def _code(self, name: str, value: Any) -> float:
        """A value as the kernel reads it."""
        if name in RULES:
            return float(rule_vector(varied_rules(self._book, name, value).rules)[_slot(name) - f.W_RULES])
        # A limit and its validity need each other; whether both are there is seen when all are known.
        alone = {"entry_limit": 0.0, "entry_bars": None} if value is not None else {"entry_bars": None}
        found = getattr(varied_entries(self._book, {**alone, name: value}), name)
        return np.nan if found is None else float(found)


def _slot(name: str) -> int:
    """Column of a field in a configuration's row."""
    slot = (ENTRY_FIELDS.get(name) or RULE_FIELDS[name]).slot
    assert slot is not None
    return slot if name in ENTRY_FIELDS else f.W_RULES + slot


def _plain(column: Any) -> list[Any]:
    """A column's values, None in place of NaN."""
    return [None if is_unset(value) else value for value in np.asarray(column).tolist()]
