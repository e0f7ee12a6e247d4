"""How figures are written: one place, so that the same figure reads the same everywhere."""

from __future__ import annotations

from typing import Any

_TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def significant(value: float, digits: int = 3) -> str:
    """Plain decimal notation with ``digits`` significant digits and thousands separators."""
    if value != value:
        return "n/a"
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    text = f"{value:.{digits}g}"
    return text if "e" not in text else f"{value:.{digits + 4}f}".rstrip("0")


def seconds(value: float) -> str:
    """A time in the unit that keeps it between 1 and 1000: ``0.00081`` becomes ``810 us``."""
    for size, unit in _TIME_UNITS:
        if abs(value) >= size:
            return f"{significant(value / size)} {unit}"
    return f"{significant(value / 1e-9)} ns"


def figure(value: float, unit: str) -> str:
    """One value with its unit, as it is printed in tables."""
    if unit == "s":
        return seconds(value)
    if unit == "ratio":
        return f"{significant(value)}x"
    if unit == "%":
        return f"{value:+.1f} %"
    return f"{significant(value)} {unit}"


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
