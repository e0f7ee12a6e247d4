"""Where a study is kept: memory, SQLite or a server database, a journal file, Optuna's gRPC proxy."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import time
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peak_fast.errors import ConfigError, MissingDependencyError, PeakFastError, StoreError, require
from peak_fast.masking import mask, masked, remember, shown_cause

_JOURNAL_SUFFIXES = (".log", ".journal", ".jsonl")
_SQLITE_TIMEOUT_SECONDS = 60
_LOCK_GRACE_SECONDS = 5
_GRPC_TIMEOUT_SECONDS = 10
_OPEN_ATTEMPTS = 6
_POSTGRES_DRIVERS = ("psycopg2", "psycopg")
_OLDEST_OPTUNA = 5
_SHOWN = 200
_FORMS = (
    "None (memory), 'sqlite:///study.db', 'postgresql://host/db', 'mysql+pymysql://host/db', "
    "'journal:///path/study.log', 'grpc://host:13000', or an optuna storage object"
)


@dataclass(frozen=True, slots=True)
class OpenStorage:
    """An Optuna storage and what the study needs to know about it.

    Attributes
    ----------
    storage : optuna.storages.BaseStorage
        The storage itself.
    is_shared : bool
        Whether other processes can write to it.
    label : str
        Where it is, without credentials.
    notes : tuple of str
        What was found damaged when it was opened.
    """

    storage: Any
    is_shared: bool
    label: str
    notes: tuple[str, ...] = ()


def require_package(module: str, package: str, purpose: str) -> Any:
    """Import a package, or say what needs it.

    Raises
    ------
    MissingDependencyError
        It is not installed; the message names the package.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{purpose} needs the package {package!r}, which could not be imported ({error}); "
            f"install it with: pip install {package}"
        ) from error


@contextlib.contextmanager
def quiet_optuna() -> Iterator[Any]:
    """Import optuna and keep it from logging and warning about experimental parts meanwhile.

    Optuna's own level is put back afterwards, so that a user's choice stays in force.
    """
    with warnings.catch_warnings():
        # In notebooks without ipywidgets tqdm, which Optuna imports and we do not use, asks for them.
        warnings.filterwarnings("ignore", message="IProgress not found")
        optuna = require("optuna", extra="optuna")
    if int(optuna.__version__.split(".")[0]) < _OLDEST_OPTUNA:
        raise MissingDependencyError(
            f"expected optuna {_OLDEST_OPTUNA} or later; got {optuna.__version__}; "
            "upgrade it with: pip install --upgrade 'peak-fast[optuna]'"
        )
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield optuna
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def told(label: str) -> Iterator[None]:
    """Turn what a storage of unknown content makes Optuna and its database raise into an error of this package.

    Raises
    ------
    StoreError
        Something inside Optuna's storages, or the database below them, failed.
    """
    try:
        yield
    except PeakFastError:
        raise
    except Exception as error:
        if not _is_of_storage(error):
            raise
        detail = masked(" ".join(str(error.__cause__ or error).split()))[:_SHOWN]
        raise StoreError(
            f"expected the studies in {label} as they were written; got {type(error).__name__}: {detail}; the "
            "storage is damaged or not a study's: use a copy of it, or begin a new study in another place"
        ) from shown_cause(error)


def _is_of_storage(error: BaseException) -> bool:
    """Whether an error was raised below Optuna's storages."""
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.startswith(("optuna.storages", "peak_fast.studies.storage.bulk")):
            return True
        trace = trace.tb_next
    return False


def open_storage(storage: Any) -> OpenStorage:
    """Open a storage from an address or take one that is open.

    Parameters
    ----------
    storage
        None or ``"memory"``; a database address; ``journal:///path`` or a path that ends in ``.log``,
        ``.journal`` or ``.jsonl``; ``grpc://host:port``; or an ``optuna.storages`` object.

    Raises
    ------
    ConfigError
        The address has none of these forms, or its folder does not exist.
    MissingDependencyError
        The database driver, grpcio, protobuf or Optuna is not installed.
    StoreError
        The storage cannot be opened.
    """
    with quiet_optuna() as optuna:
        if storage is None or storage in ("memory", ":memory:"):
            return OpenStorage(optuna.storages.InMemoryStorage(), False, "memory")
        if isinstance(storage, optuna.storages.BaseStorage):
            shared = not isinstance(storage, optuna.storages.InMemoryStorage)
            return OpenStorage(storage, shared, type(storage).__name__)
        if not isinstance(storage, str | Path):
            raise ConfigError(
                f"expected a storage as {_FORMS}; got {type(storage).__name__}; pass one of these"
            )
        text = str(storage)
        remember(text)
        if text.startswith("journal:") or text.endswith(_JOURNAL_SUFFIXES):
            return _open_journal(optuna, re.sub(r"^journal:(//)?", "", text))
        if text.startswith("grpc://"):
            return _open_grpc(optuna, text)
        if "://" in text:
            return _open_database(optuna, text)
    raise ConfigError(
        f"expected a storage as {_FORMS}; got {mask(text)!r}; for a SQLite file write 'sqlite:///{mask(text)}'"
    )


def _check_folder(path: Path, what: str) -> Path:
    absolute = path.expanduser().absolute()
    if not absolute.parent.is_dir():
        raise ConfigError(
            f"expected an existing folder for the {what}; got {str(path)!r}, whose folder does not exist; "
            f"create {str(absolute.parent)!r} first"
        )
    return absolute


def _open_journal(optuna: Any, text: str) -> OpenStorage:
    from peak_fast.studies.storage.journal import open_journal

    # Absolute, because the lock is a symbolic link to the file: a relative target would dangle, and Optuna
    # then spins for ever on the lock of a killed process.
    path = _check_folder(Path(text), "journal file")
    if path.is_dir():
        raise ConfigError(
            f"expected a journal file; got the folder {str(path)!r}; add a file name, as in "
            f"'journal://{path / 'study.log'}'"
        )
    storage, notes = open_journal(optuna.storages, str(path), _LOCK_GRACE_SECONDS)
    return OpenStorage(storage, True, f"journal://{path}", tuple(notes))


def _open_grpc(optuna: Any, text: str) -> OpenStorage:
    for module, package in (("grpc", "grpcio"), ("google.protobuf", "protobuf")):
        require_package(module, package, "a gRPC storage")
    host, _, port = text.removeprefix("grpc://").rstrip("/").rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"expected grpc://host:port; got {mask(text)!r}; the proxy's default port is 13000")
    storage = optuna.storages.GrpcStorageProxy(host=host, port=int(port))
    try:
        storage.wait_server_ready(timeout=_GRPC_TIMEOUT_SECONDS)
    except ConnectionError:
        raise StoreError(
            f"expected Optuna's gRPC proxy at {mask(text)}; nothing answered within {_GRPC_TIMEOUT_SECONDS} seconds; "
            "check that it runs and the address is right (docs/OPTUNA_GUIDE.md says how to start one)"
        ) from None
    return OpenStorage(storage, True, mask(text))


def _open_database(optuna: Any, url: str) -> OpenStorage:
    settings: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("sqlite"):
        settings = {"connect_args": {"timeout": _SQLITE_TIMEOUT_SECONDS}}
        path = url.partition(":///")[2].partition("?")[0]
        if path and path != ":memory:" and not path.startswith("file:"):
            _check_folder(Path(path), "SQLite file")
    try:
        backend = _create_backend(optuna, with_driver(url), settings)
    except ImportError as error:
        raise MissingDependencyError(
            f"the storage {mask(url)} needs a database driver that could not be imported ({masked(str(error), url)}); "
            "install it, for example: pip install psycopg2-binary (PostgreSQL), or pip install pymysql (MySQL, "
            "with an address that begins with mysql+pymysql://)"
        ) from shown_cause(error, url)
    except Exception as error:
        detail = masked(str(error), url).splitlines()[0]
        raise StoreError(
            f"expected a database at {mask(url)}; got {type(error).__name__}: {detail}; "
            "check that the server runs and the address is right"
        ) from shown_cause(error, url)
    return OpenStorage(optuna.storages.get_storage(backend), True, mask(url))


def with_driver(url: str) -> str:
    """The address with the PostgreSQL driver that is installed, where it names none.

    Which one a bare ``postgresql://`` means depends on the version of SQLAlchemy: psycopg2 before 2.1, psycopg
    since.
    """
    if not url.startswith("postgresql://"):
        return url
    driver = next((name for name in _POSTGRES_DRIVERS if importlib.util.find_spec(name)), None)
    return url if driver is None else url.replace("postgresql", f"postgresql+{driver}", 1)


def _create_backend(optuna: Any, url: str, settings: dict[str, Any]) -> Any:
    """A database storage; several workers may create its tables at the same moment."""
    from sqlalchemy.exc import DatabaseError

    for attempt in range(_OPEN_ATTEMPTS):
        try:
            return _connected(optuna.storages.RDBStorage, url, settings)
        except (DatabaseError, optuna.exceptions.StorageInternalError) as error:
            text = str(error).lower()
            lost_race = any(word in text for word in ("already exists", "unique", "duplicate", "locked"))
            if not lost_race or attempt + 1 == _OPEN_ATTEMPTS:
                raise
            time.sleep(0.1 * 2**attempt)
    raise AssertionError("unreachable")


def _connected(kind: Any, url: str, settings: dict[str, Any]) -> Any:
    """A database storage whose connections are closed when nobody has it any more, or at once if it fails."""
    # In two steps: what fails half made has connections, too.
    backend = kind.__new__(kind)
    try:
        backend.__init__(url, engine_kwargs=settings)
    except BaseException:
        if hasattr(backend, "engine"):
            backend.engine.dispose()
        raise
    weakref.finalize(backend, _close, backend.engine, os.getpid())
    return backend


def _close(engine: Any, owner: int) -> None:
    """Close the connections of an engine; a forked process only forgets its parent's."""
    engine.dispose(close=os.getpid() == owner)


def host_name() -> str:
    """Name of this machine as it stands in worker names."""
    name = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "host")
    return re.sub(r"[^A-Za-z0-9.]", "_", name)
