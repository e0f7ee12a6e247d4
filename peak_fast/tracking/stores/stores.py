"""Which path leads into a store: bulk SQL where it is proven safe, MLflow's client everywhere else."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from peak_fast.errors import TrackingError
from peak_fast.masking import mask
from peak_fast.tracking.base import logger
from peak_fast.tracking.spool import RunIds, is_file_store, scheme_of, sqlite_file
from peak_fast.tracking.stores import bulk, template
from peak_fast.tracking.stores.client import ClientStore
from peak_fast.tracking.stores.database import Database
from peak_fast.tracking.stores.filestore import FolderStore
from peak_fast.tracking.updates import Rejection, RunUpdate, StoreUnavailable


class Store(Protocol):
    """A tracking store that takes updates; which class it is of says the way that they take."""

    def apply(self, updates: Sequence[RunUpdate], ids: RunIds) -> list[Rejection]:
        """Make updates, at most one per run, durable; doing it twice changes nothing.

        ``ids`` are the segment's, for a store that chooses its own. Returned is what the store refuses for good.  After
        :class:`StoreUnavailable` not all of it is in the store: apply the same updates again later.
        """

    def close(self) -> None:
        """Close connections."""


def open_store(uri: str, folder: str, contact: Callable[[], None] = lambda: None) -> Store:
    """Open the store of a resolved URI, and make the tables of an SQLite file that has none.

    ``folder`` is the caller's; ``contact`` is called when everything is imported and the store is asked for the first
    time.  A store that does not answer is :class:`StoreUnavailable`.
    """
    path = sqlite_file(uri)
    if path is not None and template.is_blank(path):
        try:
            template.create_database(path, str(path.parent))
        except (OSError, sqlite3.Error, TrackingError) as error:
            raise StoreUnavailable(f"SQLite file {path}: {error}") from error
    bulk_store = _bulk(uri, contact, path)
    if bulk_store is not None:
        return bulk_store
    client = (FolderStore if is_file_store(uri) else ClientStore)(uri, contact)
    # MLflow makes the tables of an empty database; then the bulk path may be open.
    return _bulk(uri, contact, path) or client


def _bulk(uri: str, contact: Callable[[], None], path: Path | None) -> bulk.BulkStore | None:
    has_workspaces = os.environ.get("MLFLOW_ENABLE_WORKSPACES", "") in ("true", "1")
    if os.environ.get("PEAK_FAST_BULK", "1") == "0" or has_workspaces:
        return None
    if scheme_of(uri) not in ("sqlite", "postgresql") or (path is not None and "?" in uri):
        return None
    contact()
    database = Database(uri)
    problem = bulk.problem(database)
    if problem is None:
        return bulk.BulkStore(database, uri, None if path is None else path.parent)
    database.close()
    logger.info("%s: written through MLflow's client, because %s", mask(uri), problem)
    return None
