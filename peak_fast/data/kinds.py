"""Of which library a value is, without importing any."""

from __future__ import annotations

from typing import Any


def package_of(value: Any) -> str:
    """Top-level package that defines the type of a value ("polars", "pandas", "numpy", ...)."""
    return type(value).__module__.partition(".")[0]


class ArrowStream:
    """A relation of DuckDB, or whatever has an Arrow stream, as something of a type of ours.

    Polars keeps the type of what it is given to the end of the process, and with it DuckDB's module, which then
    complains of all that was not freed.
    """

    def __init__(self, source: Any) -> None:
        self._source = source

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._source.__arrow_c_stream__(requested_schema)
