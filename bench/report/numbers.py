"""Cells and tables of the report; figures are written as `peak_fast.benchmarking.records` writes them."""

from __future__ import annotations

from typing import Any

from peak_fast.benchmarking.records import figure, seconds, significant

__all__ = ["figure", "seconds", "significant", "spread", "table", "target"]


def spread(record: dict[str, Any]) -> str:
    """Smallest and largest sample, or a remark where there was only one."""
    if len(record["samples"]) == 1:
        return "once"
    return f"{figure(record['min'], record['unit'])} - {figure(record['max'], record['unit'])}"


def target(record: dict[str, Any]) -> tuple[str, str, str]:
    """Documented limit, measured over limit, verdict; empty texts where there is no target."""
    found = record.get("target")
    if not found:
        return "", "", ""
    ratio = "" if found["ratio"] is None else f"{significant(found['ratio'])}x"
    return f"{found['relation']} {figure(found['limit'], record['unit'])}", ratio, found["verdict"]


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table; the first column is text, the others are numbers."""
    align = ["---"] + ["---:"] * (len(header) - 1)
    lines = [header, align, *rows]
    return ["| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines]
