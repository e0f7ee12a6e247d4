"""The two SQL databases that the bulk path writes to, behind one small door.

SQLite goes through the standard library alone; PostgreSQL through SQLAlchemy's engine (for its URL rules and
drivers) and the driver's own bulk call.  Neither needs mlflow to be imported, which takes two seconds.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from peak_fast.errors import require
from peak_fast.masking import mask
from peak_fast.tracking.spool import scheme_of, sqlite_path
from peak_fast.tracking.updates import StoreUnavailable

# Longer than any sane transaction, shorter than a user's patience: a locked database is waited for this long.
LOCK_TIMEOUT = 60.0
CONNECT_TIMEOUT = 10

Row = tuple[Any, ...]


class Database(Protocol):
    """One connection; every method raises :class:`StoreUnavailable` when the database cannot be used now."""

    def begin(self) -> None:
        """Open a transaction that may write."""
        ...

    def commit(self) -> None:
        """Make the transaction durable."""
        ...

    def rollback(self) -> None:
        """Forget the transaction."""
        ...

    def query(self, sql: str, arguments: Sequence[Any] = ()) -> list[Row]:
        """Rows of a query; ``?`` stands for an argument."""
        ...

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> None:
        """Run one statement."""
        ...

    def insert(self, head: str, tail: str, rows: Sequence[Row]) -> None:
        """Insert many rows: ``head VALUES (...) tail``."""
        ...

    def insert_returning(self, sql: str, arguments: Sequence[Any], column: str) -> int:
        """Insert one row and return its generated integer key."""
        ...

    def columns(self, table: str) -> dict[str, bool]:
        """Names of a table's columns, and whether an insert must give each a value."""
        ...

    def boolean(self, value: bool) -> Any:
        """The value that the database stores for a boolean."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def connect(uri: str) -> Database | None:
    """A connection for the bulk path, or None where there is no bulk path.

    Raises
    ------
    StoreUnavailable
        The database cannot be reached.
    """
    path = sqlite_path(uri)
    if path is not None:
        return SqliteDatabase(path)
    if scheme_of(uri) == "postgresql":
        return PostgresDatabase(uri)
    return None


class SqliteDatabase:
    """An SQLite file with MLflow's own settings (journal mode and synchronous level are left alone)."""

    def __init__(self, path: Path, timeout: float = LOCK_TIMEOUT) -> None:
        self._timeout = timeout
        try:
            # Threads share it, one at a time: the tracker's lock sees to that.
            self._connection = sqlite3.connect(
                path, timeout=timeout, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error as error:
            raise StoreUnavailable(f"SQLite file {path}: {error}") from error

    def begin(self) -> None:
        # Taking the write lock first: a read that is upgraded later fails at once instead of waiting.
        self._run("BEGIN IMMEDIATE", ())

    def commit(self) -> None:
        self._run("COMMIT", ())

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._run("ROLLBACK", ())

    def _run(self, sql: str, arguments: Sequence[Any]) -> sqlite3.Cursor:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return self._connection.execute(sql, arguments)
            except sqlite3.OperationalError as error:
                # SQLite answers "locked" without waiting where waiting could be a deadlock.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise StoreUnavailable(f"SQLite: {error}") from error
                time.sleep(0.05)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.IntegrityError):
                    raise
                raise StoreUnavailable(f"SQLite: {error}") from error

    def query(self, sql: str, arguments: Sequence[Any] = ()) -> list[Row]:
        return self._run(sql, arguments).fetchall()

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> None:
        self._run(sql, arguments)

    def insert(self, head: str, tail: str, rows: Sequence[Row]) -> None:
        if not rows:
            return
        marks = ", ".join("?" * len(rows[0]))
        try:
            self._connection.executemany(f"{head} VALUES ({marks}) {tail}", rows)
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"SQLite: {error}") from error

    def insert_returning(self, sql: str, arguments: Sequence[Any], column: str) -> int:
        return int(self._run(sql, arguments).lastrowid or 0)

    def columns(self, table: str) -> dict[str, bool]:
        found = self.query(f"PRAGMA table_info({table})")
        # An integer primary key of one column is filled in by SQLite.
        keys = [row for row in found if row[5]]
        automatic = keys[0][1] if len(keys) == 1 and str(keys[0][2]).upper() == "INTEGER" else None
        return {row[1]: bool(row[3]) and row[4] is None and row[1] != automatic for row in found}

    def boolean(self, value: bool) -> Any:
        return int(value)

    def close(self) -> None:
        self._connection.close()


class PostgresDatabase:
    """PostgreSQL through psycopg2 or psycopg, whichever the URI names or SQLAlchemy chooses."""

    def __init__(self, uri: str) -> None:
        sqlalchemy = require("sqlalchemy", extra="mlflow")
        try:
            self._driver = sqlalchemy.engine.make_url(uri).get_driver_name()
            options = {"connect_timeout": CONNECT_TIMEOUT} if self._driver.startswith("psycopg") else {}
            self._engine = sqlalchemy.create_engine(
                uri, poolclass=sqlalchemy.pool.NullPool, connect_args=options
            )
            self._connection = self._engine.raw_connection()
        except Exception as error:  # SQLAlchemy's errors, the driver's errors, a missing driver
            raise StoreUnavailable(f"PostgreSQL {mask(uri)}: {_first_line(error)}") from error
        self._cursor = self._connection.cursor()

    def begin(self) -> None:
        self.rollback()

    def commit(self) -> None:
        self._guard(self._connection.commit)

    def rollback(self) -> None:
        self._guard(self._connection.rollback)

    def _guard(self, call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except Exception as error:
            if type(error).__name__ in ("UniqueViolation", "ForeignKeyViolation", "IntegrityError"):
                raise
            raise StoreUnavailable(f"PostgreSQL: {_first_line(error)}") from error

    def query(self, sql: str, arguments: Sequence[Any] = ()) -> list[Row]:
        self.execute(sql, arguments)
        rows: list[Row] = self._guard(self._cursor.fetchall)
        return rows

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> None:
        self._guard(self._cursor.execute, sql.replace("?", "%s"), tuple(arguments))

    def insert(self, head: str, tail: str, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if self._driver == "psycopg2":
            execute_values = require("psycopg2.extras", extra="mlflow").execute_values
            self._guard(execute_values, self._cursor, f"{head} VALUES %s {tail}", rows, None, 1000)
            return
        marks = ", ".join(["%s"] * len(rows[0]))
        self._guard(self._cursor.executemany, f"{head} VALUES ({marks}) {tail}", rows)

    def insert_returning(self, sql: str, arguments: Sequence[Any], column: str) -> int:
        return int(self.query(f"{sql} RETURNING {column}", arguments)[0][0])

    def columns(self, table: str) -> dict[str, bool]:
        rows = self.query(
            "SELECT column_name, is_nullable, column_default FROM information_schema.columns "
            "WHERE table_name = ? AND table_schema = current_schema()",
            (table,),
        )
        return {name: nullable == "NO" and default is None for name, nullable, default in rows}

    def boolean(self, value: bool) -> Any:
        return value

    def close(self) -> None:
        try:
            self._connection.close()
        except Exception:  # a connection that the server has already ended
            pass
        self._engine.dispose()


def _first_line(error: BaseException) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if not isinstance(error, ImportError):
        return line
    # Which driver a URI without one means depends on the version of SQLAlchemy.
    return (
        f"{line}; install a driver and name it in the URI: pip install psycopg2-binary and "
        "postgresql+psycopg2://..., or pip install 'psycopg[binary]' and postgresql+psycopg://..."
    )
