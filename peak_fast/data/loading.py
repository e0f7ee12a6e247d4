"""Bars from a file or an SQL query."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from peak_fast._arguments import place
from peak_fast._guard import guarded
from peak_fast.data.bars import Bars
from peak_fast.data.files import read_file, read_query


@guarded
def load(
    path: str | Path,
    name: str | None = None,
    repair: str | Iterable[str] | None = None,
    timestamp: str | None = None,
) -> Bars:
    """Read bars from a file or an SQL query; ``source`` is the Polars frame that was read.

    Parameters
    ----------
    path
        ``.csv``, ``.csv.gz``, ``.parquet``, ``.feather``, ``.arrow`` or ``.ipc`` file, or
        ``"duckdb:SELECT ..."`` (needs the extra ``duckdb``; the query may read files, as in
        ``duckdb:SELECT * FROM 'prices/*.parquet'``).
    name
        Display name; default the file name without suffix.
    repair, timestamp
        As for :meth:`Bars.from_frame`.

    Raises
    ------
    DataError
        No such file, an unknown suffix, a file or query that cannot be read, or bars that fail the checks.
    """
    text = str(place("path", path, "prices.parquet"))
    if text.startswith("duckdb:"):
        return Bars.from_frame(read_query(text.removeprefix("duckdb:")), name or "duckdb", repair, timestamp)
    file = Path(path)
    frame = read_file(file)
    return Bars.from_frame(frame, name or file.name.split(".")[0], repair, timestamp)
