"""Write the tables that docs take from the code: ``python scripts/make_tables.py``.

Built-in strategies and kinds of rows in docs/strategies.md, metrics in docs/metrics.md, what a sweep may vary in
docs/settings.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from peak_fast.indicators.definitions import DEFINED
from peak_fast.indicators.rows import kinds
from peak_fast.metrics.catalog import markdown
from peak_fast.params.schema import schema_table
from peak_fast.settings.order_fields import ENTRIES, RULES, varied_field
from peak_fast.settings.order_rules import rule_types
from peak_fast.settings.variable import VARIABLE
from peak_fast.strategies.builtin import NAMES, load

DOCS = Path(__file__).resolve().parent.parent / "docs"
# Rows that are no indicators, or whose function has another name.
PLAIN = {
    "open": ((), "open"),
    "high": ((), "high"),
    "low": ((), "low"),
    "close": ((), "close"),
    "volume": ((), "volume"),
    "constant": (("value",), "the value"),
    "negative": (("value",), "minus the value"),
    "highest_before": (("period",), "highest high of the `period` bars before t"),
    "lowest_before": (("period",), "lowest low of the `period` bars before t"),
}


def strategies() -> str:
    """One section for each built-in strategy: what it does, its constraints, its parameters."""
    parts = []
    for name in NAMES:
        item = load(name)
        limits = " and ".join(f"`{constraint}`" for constraint in item.constraints)
        parts.append(f"### {name}\n\n{item.description}" + (f" Needs {limits}." if limits else "") + "\n")
        parts.append(schema_table(item.schema) if item.schema else "No parameters.\n")
    return "\n".join(parts)


def rows() -> str:
    """Every kind of row: its arguments, and what it is."""
    lines = ["| row | arguments | value at bar t |", "|---|---|---|"]
    for name in (*PLAIN, *(kind for kind in kinds() if kind not in PLAIN)):
        if name in PLAIN:
            arguments, text = PLAIN[name]
        else:
            definition = DEFINED[name]
            arguments = definition.parameters
            columns = ", ".join(definition.columns)
            text = f"`ta.{definition.function.__name__}` of {columns}"
            if len(definition.outputs) > 1:
                text += f": output {definition.outputs.index(name) + 1}"
        lines.append(f"| `{name}` | {', '.join(arguments)} | {text} |")
    return "\n".join(lines) + "\n"


def in_words(low: float, high: float, left: str, right: str) -> str:
    """A range of numbers."""
    at_least = "from" if left == "[" else "above"
    at_most = "to" if right == "]" else "below"
    if math.isinf(low):
        return "any number"
    start = f"{at_least} {low:g}"
    return start if math.isinf(high) else f"{start} {at_most} {high:g}"


def variable() -> str:
    """Every name that a sweep may vary: what it is, its unit, its range."""
    lines = ["| name | setting | divided by | values |", "|---|---|---|---|"]
    for name, row in VARIABLE.items():
        part = {"": "of the account", "sizing": "of the sizing that has it"}.get(
            row.part, f"`{row.part}.{row.field}`"
        )
        low, left = (row.above, "(") if row.above == row.above else (row.least, "[")
        high, right = (row.below, ")") if row.below == row.below else (row.most, "]")
        low, high = low if low == low else 0.0, high if high == high else math.inf
        values = in_words(low, high, left, right) + (", whole" if row.whole else "")
        values += "; None: not set" if row.optional else ""
        lines.append(f"| `{name}` | {part} | {row.unit:g} | {values} |")
    lines += ["", "Through the order book also:", "", "| name | unit | values |", "|---|---|---|"]
    for name in (*RULES, *ENTRIES):
        field = varied_field(name)
        assert field is not None
        choices = get_args(rule_types()[name]) if field.unit == "choice" else ()
        left, low, high, right = field.bounds
        values = ", ".join(f'`"{choice}"`' for choice in choices) or in_words(low, high, left, right)
        values += "; None: not set" if name in ENTRIES else ""
        lines.append(f"| `{name}` | {field.unit} | {values} |")
    return "\n".join(lines) + "\n"


# Page, name of the markers, what stands between them.
TABLES: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("strategies.md", "strategies", strategies),
    ("strategies.md", "rows", rows),
    ("settings.md", "varied", variable),
    ("metrics.md", "metrics", lambda: markdown() + "\n"),
)


def with_tables(page: str, text: str) -> str:
    """The page with its tables between their markers."""
    for name, marker, table in TABLES:
        if name == page:
            start, end = f"<!-- {marker}:start -->", f"<!-- {marker}:end -->"
            before, rest = text.split(start)
            text = f"{before}{start}\n{table()}{end}{rest.split(end)[1]}"
    return text


if __name__ == "__main__":
    for page in dict.fromkeys(name for name, _, _ in TABLES):
        path = DOCS / page
        path.write_text(with_tables(page, path.read_text("utf-8")), "utf-8")
