"""Write the tables of docs/strategies.md from the built-in strategies: ``python scripts/make_strategy_tables.py``."""

from __future__ import annotations

from pathlib import Path

from peak_fast.params import schema_table
from peak_fast.strategies import NAMES, load

PAGE = Path(__file__).resolve().parent.parent / "docs" / "strategies.md"
START, END = "<!-- strategies:start -->", "<!-- strategies:end -->"


def tables() -> str:
    """One section for each built-in strategy: what it does, its constraints, its parameters."""
    parts = []
    for name in NAMES:
        item = load(name)
        limits = " and ".join(f"`{constraint}`" for constraint in item.constraints)
        parts.append(f"### {name}\n\n{item.description}" + (f" Needs {limits}." if limits else "") + "\n")
        parts.append(schema_table(item.schema) if item.schema else "No parameters.\n")
    return "\n".join(parts)


def with_tables(text: str) -> str:
    """The page with the tables between its two markers."""
    before, rest = text.split(START)
    after = rest.split(END)[1]
    return f"{before}{START}\n{tables()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
