"""The two SQL databases that the bulk path writes to, as one connection.

SQLite goes through the standard library alone; PostgreSQL through SQLAlchemy's engine, for its URL rules and drivers.
Neither needs mlflow to be imported, which takes two seconds.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from peak_fast.errors import require
from peak_fast.masking import mask
from peak_fast.tracking.spool import sqlite_file
from peak_fast.tracking.updates import Refused, StoreUnavailable

# Longer than any sane transaction, shorter than a user's patience: a locked database is waited for this long.
LOCK_TIMEOUT = 60.0
_CONNECT_TIMEOUT = 10
_ROWS = 1_000
# Errors that speak of a value and not of the database, by the names that all drivers use.
_OF_VALUES = frozenset(("IntegrityError", "DataError", "ValueError", "ArithmeticError", "TypeError"))

Row = tuple[Any, ...]


class Database:
    """One connection to an SQLite file or to PostgreSQL; ``?`` stands for an argument in every statement.

    Every method raises :class:`StoreUnavailable` where the database cannot be used now, and those that write raise
    :class:`Refused` for a value that it never takes.
    """

    def __init__(self, uri: str, timeout: float = LOCK_TIMEOUT) -> None:
        path = sqlite_file(uri)
        self.is_sqlite = path is not None
        self._name = f"SQLite file {path}" if path else f"PostgreSQL {mask(uri)}"
        self._timeout = timeout
        try:
            # Threads share it, one at a time: the tracker's lock sees to that.
            self._connection: Any = (
                sqlite3.connect(path, timeout, isolation_level=None, check_same_thread=False)
                if path is not None
                else _postgres(uri)
            )
        except Exception as error:  # SQLAlchemy's errors, the driver's errors, a missing driver
            raise StoreUnavailable(f"{self._name}: {_first_line(error)}") from error
        self._cursor = self._connection.cursor()
        if self.is_sqlite:
            self._call(self._cursor.execute, "PRAGMA foreign_keys = ON")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside becomes durable at its end, or nothing of it."""
        # SQLite takes the lock for writing first: a read that is upgraded later fails at once instead of waiting.
        self._call(
            *((self._cursor.execute, "BEGIN IMMEDIATE") if self.is_sqlite else (self._connection.rollback,))
        )
        try:
            yield
            self._call(self._connection.commit)
        except BaseException:
            with contextlib.suppress(StoreUnavailable):
                self._call(self._connection.rollback)
            raise

    def query(self, sql: str, arguments: Sequence[Any] = ()) -> list[Row]:
        """Rows of a query."""
        self.execute(sql, arguments)
        rows: list[Row] = self._call(self._cursor.fetchall)
        return rows

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> None:
        """Run one statement."""
        self._call(self._cursor.execute, sql if self.is_sqlite else sql.replace("?", "%s"), tuple(arguments))

    def insert(self, head: str, tail: str, rows: Sequence[Row]) -> None:
        """Insert many rows: ``head VALUES (...) tail``."""
        if not rows:
            return
        marks = f"({', '.join('?' * len(rows[0]))})"
        if self.is_sqlite:
            self._call(self._cursor.executemany, f"{head} VALUES {marks} {tail}", rows)
            return
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            values = [value for row in some for value in row]
            self.execute(f"{head} VALUES {', '.join([marks] * len(some))} {tail}", values)

    def columns(self, table: str) -> dict[str, bool]:
        """Names of a table's columns, and whether an insert must give each a value."""
        if self.is_sqlite:
            found = self.query(f"PRAGMA table_info({table})")
            # An integer primary key of one column is filled in by SQLite.
            keys = [row for row in found if row[5]]
            automatic = keys[0][1] if len(keys) == 1 and str(keys[0][2]).upper() == "INTEGER" else None
            return {row[1]: bool(row[3]) and row[4] is None and row[1] != automatic for row in found}
        rows = self.query(
            "SELECT column_name, is_nullable, column_default FROM information_schema.columns "
            "WHERE table_name = ? AND table_schema = current_schema()",
            (table,),
        )
        return {name: nullable == "NO" and default is None for name, nullable, default in rows}

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(Exception):  # one that the server has already ended
            self._connection.close()

    def _call(self, call: Callable[..., Any], *arguments: Any) -> Any:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return call(*arguments)
            except Exception as error:
                # SQLite answers "locked" without waiting where waiting could be a deadlock.
                if "locked" in str(error) and time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                kinds = {kind.__name__ for kind in type(error).__mro__}
                if _OF_VALUES & kinds or "binding parameter" in str(error):
                    raise Refused(f"{type(error).__name__}: {_first_line(error)}") from error
                raise StoreUnavailable(f"{self._name}: {_first_line(error)}") from error


def _postgres(uri: str) -> Any:
    sqlalchemy = require("sqlalchemy", extra="mlflow")
    driver = sqlalchemy.engine.make_url(uri).get_driver_name()
    options = {"connect_timeout": _CONNECT_TIMEOUT} if driver.startswith("psycopg") else {}
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool, connect_args=options)
    return engine.raw_connection()


def _first_line(error: BaseException) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if not isinstance(error, ImportError):
        return line
    # Which driver a URI without one means depends on the version of SQLAlchemy.
    return (
        f"{line}; install a driver and name it in the URI: pip install psycopg2-binary and "
        "postgresql+psycopg2://..., or pip install 'psycopg[binary]' and postgresql+psycopg://..."
    )
