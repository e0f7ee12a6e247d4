"""Of which library a value is, without importing any."""

from __future__ import annotations

from typing import Any


def package_of(value: Any) -> str:
    """Top-level package that defines the type of a value ("polars", "pandas", "numpy", ...)."""
    return type(value).__module__.partition(".")[0]
