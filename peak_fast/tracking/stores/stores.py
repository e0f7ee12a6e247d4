"""Which path leads into a store: bulk SQL where it is proven safe, MLflow's client everywhere else."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence

from peak_fast.masking import mask
from peak_fast.tracking.base import logger
from peak_fast.tracking.spool import SQL_SCHEMES, RunIds, scheme_of, sqlite_file, sqlite_path
from peak_fast.tracking.stores import selftest
from peak_fast.tracking.stores.bulk import BulkStore, revision, schema_problem
from peak_fast.tracking.stores.client import ClientStore
from peak_fast.tracking.stores.database import Database, connect
from peak_fast.tracking.updates import Rejection, RunUpdate, StoreUnavailable


class Store:
    """A tracking store that takes updates.

    Parameters
    ----------
    uri
        Resolved tracking URI.
    folder
        The caller's folder.
    contact
        Called when everything is imported and the store is asked for the first time.

    Raises
    ------
    StoreUnavailable
        The store does not answer.
    MissingDependencyError
        MLflow, or the driver of the database, is not installed.

    Attributes
    ----------
    path
        ``"bulk"`` or ``"client"``: the way that updates take.
    """

    def __init__(self, uri: str, folder: str, contact: Callable[[], None] = lambda: None) -> None:
        self._uri = uri
        self._contact = contact
        self._client: ClientStore | None = None
        self._make_file()
        self._bulk = self._open_bulk(folder)
        if self._bulk is None:
            # MLflow creates the tables of an empty database; then the bulk path may be open.
            self._client_store().prepare()
            self._bulk = self._open_bulk(folder)
        self.path = "client" if self._bulk is None else "bulk"

    @property
    def chooses_ids(self) -> bool:
        """Whether the store gives its own ids to runs."""
        return self._bulk is None

    def apply(self, updates: Sequence[RunUpdate], ids: RunIds) -> list[Rejection]:
        """Make updates durable; doing it twice changes nothing.

        Parameters
        ----------
        updates
            At most one per run.
        ids
            The segment's run ids, for a store that chooses its own.

        Returns
        -------
        list of Rejection
            What the store refuses for good.

        Raises
        ------
        StoreUnavailable
            Not all of it is in the store; apply the same updates again later.
        """
        if self._bulk is None:
            return self._client_store().apply(updates, ids)
        return self._bulk.apply(updates)

    def close(self) -> None:
        """Close connections."""
        if self._bulk is not None:
            self._bulk.close()

    def _client_store(self) -> ClientStore:
        if self._client is None:
            self._client = ClientStore(self._uri, self._contact)
        return self._client

    def _upload(self, update: RunUpdate) -> list[str]:
        return self._client_store().upload(update)

    def _make_file(self) -> None:
        """Make a new SQLite store: not by MLflow in its place, where a kill leaves half of the tables for ever."""
        path = sqlite_file(self._uri)
        if path is None or not selftest.is_blank(path):
            return
        try:
            selftest.create_database(path, str(path.parent))
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"SQLite file {path}: {error}") from error

    def _open_bulk(self, folder: str) -> BulkStore | None:
        if os.environ.get("PEAK_FAST_BULK", "1") == "0" or os.environ.get("MLFLOW_ENABLE_WORKSPACES", "") in (
            "true",
            "1",
        ):
            return None
        path = sqlite_path(self._uri)
        if scheme_of(self._uri) in SQL_SCHEMES:
            self._contact()
        database = connect(self._uri)
        if database is None:
            return None
        problem = self._problem(database)
        if problem is None:
            return BulkStore(database, self._upload, None if path is None else path.parent)
        database.close()
        logger.info("%s: written through MLflow's client, because %s", mask(self._uri), problem)
        return None

    def _problem(self, database: Database) -> str | None:
        """Why the bulk path is not safe for this database; None if it is."""
        found = revision(database)
        if found is None:
            return "the database is empty"
        tested = selftest.verdict()
        if tested.problem is not None:
            return f"the self-test failed: {tested.problem}"
        if found != tested.revision:
            return f"its schema is {found}, that of the installed MLflow {tested.revision}"
        return schema_problem(database)
