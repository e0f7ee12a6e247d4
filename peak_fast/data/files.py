"""Files and SQL queries to Polars frames."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from peak_fast.errors import DataError, did_you_mean, require

if TYPE_CHECKING:
    import polars as pl


def read_file(file: Path) -> pl.DataFrame:
    """Read a file by its ending; see `peak_fast.data.load`."""
    import polars as pl

    if file.is_dir():
        raise DataError(
            f"{file}: expected a file; got a folder; name one file, or read several with "
            f"\"duckdb:SELECT * FROM '{file}/*.parquet' ORDER BY timestamp\""
        )
    suffix = file.suffix.lower()
    if suffix == ".gz":
        suffix = "".join(file.suffixes[-2:]).lower()
    if suffix not in _READERS:
        raise DataError(f"{file}: cannot read files of type {suffix!r}; {did_you_mean(suffix, _READERS)}")
    if not file.is_file():
        beside = file.parent.iterdir() if file.parent.is_dir() else ()
        raise DataError(f"{file}: no such file; {_similar(file.name, [entry.name for entry in beside])}")
    try:
        frame: pl.DataFrame = _READERS[suffix](file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{file}: cannot be read as {suffix} ({str(error).splitlines()[0]})") from error
    # One chunk per column, copied by Polars' threads; each column is then taken without a further copy.
    return frame.rechunk()


def _similar(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else "check the path"


def _read_csv(file: Path) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_csv(file, try_parse_dates=True, infer_schema_length=10_000)
    except pl.exceptions.ComputeError:  # a value further down does not fit the type of the first rows
        return pl.read_csv(file, try_parse_dates=True, infer_schema_length=None)


def _read_parquet(file: Path) -> pl.DataFrame:
    import polars as pl

    return pl.read_parquet(file, glob=False)


def _read_ipc(file: Path) -> pl.DataFrame:
    import polars as pl

    return pl.read_ipc(file)


_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": _read_csv,
    ".csv.gz": _read_csv,
    ".parquet": _read_parquet,
    ".feather": _read_ipc,
    ".arrow": _read_ipc,
    ".ipc": _read_ipc,
}


def read_query(sql: str) -> pl.DataFrame:
    """Result of an SQL query in an in-memory DuckDB, as a Polars frame."""
    import polars as pl

    duckdb = require("duckdb", extra="duckdb")
    if not sql.strip():
        raise DataError(
            "duckdb: expected a query after 'duckdb:', for example \"duckdb:SELECT * FROM 'aapl.csv'\""
        )
    with duckdb.connect(":memory:") as connection:
        try:
            relation = connection.sql(sql)
            if relation is None:
                raise DataError(f"duckdb: {sql.strip()!r} returns no rows; expected a SELECT")
            return pl.DataFrame(relation).rechunk()
        except duckdb.Error as error:
            raise DataError(f"duckdb: the query failed: {str(error).splitlines()[0]}") from error
