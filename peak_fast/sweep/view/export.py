"""Ways out of a sweep's table: DuckDB, pandas, files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peak_fast.errors import ConfigError, MissingDependencyError, StoreError, require
from peak_fast.files import write_atomically
from peak_fast.masking import masked, shown_cause
from peak_fast.sweep.grid import RESERVED
from peak_fast.sweep.store import (
    FORMAT,
    LOCK,
    FolderLock,
    Parts,
    find_parts,
    remove_unfinished,
    write_manifest,
)
from peak_fast.sweep.view.finished import Finished

if TYPE_CHECKING:
    import polars as pl


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _attach(connection: Any, result: Finished, name: str) -> None:
    """Make the sweep's table known to a connection; stored parts are read by DuckDB itself."""
    parts = result.parts()
    if parts:
        files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in parts)
        connection.execute(f"create temp view {_quoted(name)} as select * from read_parquet([{files}])")
        return
    require("pyarrow", extra="duckdb")
    connection.register(name, result.frame.to_arrow())


def query_table(result: Finished, query: str) -> pl.DataFrame:
    """See ``SweepResult.sql``."""
    duckdb = require("duckdb", extra="duckdb")
    require("pyarrow", extra="duckdb")
    with duckdb.connect() as connection:
        _attach(connection, result, "sweep")
        try:
            relation = connection.sql(query)
            answer: pl.DataFrame | None = None if relation is None else relation.pl()
        except duckdb.Error as error:
            names = ", ".join(result.lazy().collect_schema().names())
            raise ConfigError(
                f"expected a query on the table sweep with columns {names}; DuckDB refused {masked(query)!r}: "
                f"{masked(str(error))}"
            ) from shown_cause(error)
    if answer is None:
        raise ConfigError(
            f"expected a query with an answer, such as 'select ... from sweep'; got {masked(query)!r}"
        )
    return answer


def write_table(result: Finished, path: Path, table: str) -> int:
    """See ``SweepResult.to_duckdb``."""
    duckdb = require("duckdb", extra="duckdb")
    _check_table(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with duckdb.connect(str(path)) as connection:
            _copy(connection, result, table)
            row = connection.execute(f"select count(*) from {_quoted(table)}").fetchone()
    except duckdb.Error as error:
        raise StoreError(
            f"expected to write the table {table!r} into {path}; DuckDB refused: {error}; "
            "close other connections to the file or choose another"
        ) from error
    return int(row[0])


def memory_database(result: Finished, table: str) -> Any:
    """See ``SweepResult.to_duckdb``."""
    duckdb = require("duckdb", extra="duckdb")
    _check_table(table)
    connection = duckdb.connect()
    try:
        _copy(connection, result, table)
    except duckdb.Error as error:
        raise StoreError(f"expected to copy the table {table!r} into DuckDB; it refused: {error}") from error
    return connection


def _check_table(table: Any) -> None:
    if not isinstance(table, str) or not table:
        raise ConfigError(f"expected the name of a table; got {table!r}")


def _copy(connection: Any, result: Finished, table: str) -> None:
    """Write the sweep's table into a database."""
    _attach(connection, result, "__sweep_source")
    connection.execute(
        f"create or replace table {_quoted(table)} as select * from __sweep_source order by config"
    )


def pandas_frame(frame: pl.DataFrame) -> Any:
    """See ``SweepResult.to_pandas``."""
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError("this needs pandas; install it with: pip install pandas") from error
    return pd.DataFrame(
        {
            column.name: list(column.to_numpy()) if column.dtype.is_nested() else column.to_numpy()
            for column in frame.get_columns()
        }
    )


def save_table(result: Finished, target: Path) -> Path:
    """See ``SweepResult.save``."""
    suffix, buffer = target.suffix.lower(), io.BytesIO()
    if suffix not in (".csv", ".parquet", ""):
        raise ConfigError(f"expected a .parquet or .csv file or a folder; got {target.name!r}")
    folder = target.parent if suffix else target
    folder.mkdir(parents=True, exist_ok=True)
    if suffix == ".csv":
        flat = [name for name in result.lazy().collect_schema().names() if name not in RESERVED[1:]]
        result.lazy().select(flat).collect().write_csv(buffer)
    else:
        result.frame.write_parquet(buffer)
    if suffix:
        write_atomically(target, buffer.getbuffer())
        return target
    lock = FolderLock(folder / LOCK)
    try:
        _write_folder(result, folder, buffer.getbuffer())
    finally:
        lock.release()
    return target


def _write_folder(result: Finished, folder: Path, table: memoryview) -> None:
    """Write a store of one part."""
    remove_unfinished(folder)
    if find_parts(folder):
        raise ConfigError(f"expected an empty folder; {folder} holds a sweep already; choose another")
    manifest = {
        "format": FORMAT,
        "hash": "",
        "configurations": len(result),
        "key": {"settings": json.loads(json.dumps(result.settings, default=str))},
        "parameters": list(result.parameters),
        "is_full": result.is_full,
        "metrics": list(result.metrics),
        "notes": list(result.notes),
    }
    # First what the part belongs to: a save that is killed in between leaves a folder that takes the next one.
    write_manifest(folder, manifest)
    write_atomically(folder / Parts(folder, manifest).name(0, table), table)
