"""Tracking URIs: resolved, named on disk, taken apart; and local artifact roots as paths."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.masking import has_secrets, mask, remember

DEFAULT_DATABASE = "mlflow.db"
# How the writer process is told the URI: never on the command line, which everybody can read.
URI_VARIABLE = "PEAK_FAST_TRACKING_URI"
SQL_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql")
SCHEMES = (*SQL_SCHEMES, "http", "https", "file", "databricks", "databricks-uc", "uc")
_WITHOUT_SCHEME = (
    "expected a URI, got a user and a host; write its scheme, as in 'https://user:password@host'"
)
_IN_MEMORY = (
    "expected a database file, got an in-memory database, which ends with its connection; pass for example "
    "'sqlite:///mlflow.db'"
)
# How other programs call a database, and endings of the files of one.
_OTHER_NAMES = {"postgres": "postgresql", "sqlite3": "sqlite", "mariadb": "mysql"}
_DATABASE_ENDINGS = (".db", ".sqlite", ".sqlite3", ".db3")
# Of the hash in the name of a folder, about a tenth of a second.
_ROUNDS = 200_000
# As SQLAlchemy takes an address apart: a password may hold a slash or a question mark.
_SQL_ADDRESS = (
    r"[^:]+://(?:[^:/]*(?::[^@]*)?@)?(?:\[(?P<v6>[^/?]+)\]|(?P<host>[^/:?]+))?(?::(?P<port>[^/?]*))?"
)


def resolve(uri: str | Path | None) -> str:
    """The absolute form of the tracking URI that the user passed.

    None takes ``MLFLOW_TRACKING_URI`` (which ``mlflow.set_tracking_uri`` sets, too), else ``mlflow.db`` in the current
    folder.  Relative SQLite files and folders are taken from the current folder once, here, so that a later change of
    folder does not move the store.  An in-memory database (no other process could write to it), a path that is a file
    and a scheme that nobody knows are a :class:`ConfigError`.
    """
    if uri is None or not str(uri):
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{DEFAULT_DATABASE}"
    remember(str(uri))
    if isinstance(uri, Path):
        if scheme_of(str(uri)) in (*SCHEMES, *_OTHER_NAMES):
            raise _wrong(str(uri), "expected a URI as text, got it as a path; pass a text")
        return _folder_uri(uri)
    scheme = scheme_of(uri)
    if scheme == "sqlite":
        return _resolve_sqlite(uri)
    if scheme == "file":
        return _folder_uri(file_uri_path(uri))
    if scheme == "":
        return uri if uri in ("databricks", "databricks-uc", "uc") else _folder_uri(Path(_plain_path(uri)))
    _check_scheme(uri, scheme)
    return uri


def _wrong(uri: str, problem: str) -> ConfigError:
    return ConfigError(f"tracking_uri {mask(uri)!r}: {problem}")


def _sqlite(name: str) -> str:
    return f"for an SQLite database write 'sqlite:///{mask(name)}'"


def _plain_path(text: str) -> str:
    """A text without a scheme, unless it looks like an address or like the file of a database."""
    if re.fullmatch(r"\d+\.\d+\.\d+\.\d+(:\d+)?(/.*)?|\[[0-9a-fA-F:]+\](:\d+)?(/.*)?", text):
        raise _wrong(text, f"expected a URI, got an address; for a server write 'http://{mask(text)}'")
    if re.match(r"[^/\\]*@[^/\\]*:", text):
        raise _wrong(text, _WITHOUT_SCHEME)
    if text.lower().endswith(_DATABASE_ENDINGS) and not Path(text).is_dir():
        raise _wrong(
            text, "expected the folder of a file store, got the name of a database file; " + _sqlite(text)
        )
    return text


def _check_scheme(uri: str, scheme: str) -> None:
    """Refuse what neither MLflow nor a plugin of it can open."""
    if scheme in SCHEMES:
        return
    shown = mask(uri)
    if "@" in uri and not re.match(r"[^@]*:/", uri):
        raise _wrong(uri, _WITHOUT_SCHEME)
    rest = shown.partition(":")[2]
    if re.fullmatch(r"\d+(/.*)?", rest):
        raise _wrong(uri, f"expected a URI, got a host and a port; write 'http://{shown}'")
    from importlib.metadata import entry_points

    plugins = sorted(point.name for point in entry_points(group="mlflow.tracking_store"))
    if scheme in plugins:
        return
    known = [name for name in (*SCHEMES, *plugins) if name not in ("uc", "databricks-uc")]
    other = _OTHER_NAMES.get(scheme)
    hint = did_you_mean(scheme, known) if other is None else f"did you mean {other!r}?"
    raise _wrong(uri, f"the scheme {scheme!r} is not known; {hint}")


def scheme_of(uri: str) -> str:
    """``"sqlite"`` of ``sqlite+pysqlite:///x``; an empty string for a plain path (also ``C:\\\\x``)."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.\-]+):", uri)
    return match.group(1).lower().partition("+")[0] if match else ""


def _resolve_sqlite(uri: str) -> str:
    prefix, slashes, rest = uri.partition("///")
    if not slashes and re.fullmatch(r"[^:]+:/{0,2}[^/?:]+(\?.*)?", uri):
        name = uri.partition(":")[2].lstrip("/")
        raise _wrong(
            uri, f"a database file has three slashes before its name; write 'sqlite:///{mask(name)}'"
        )
    path, question, query = rest.partition("?")
    if not path or path == ":memory:" or path.startswith("file:") or "mode=memory" in query:
        raise _wrong(uri, _IN_MEMORY)
    # SQLAlchemy takes the path as it stands: percent signs are not an escape here.
    return f"{prefix}///{Path(path).absolute().as_posix()}{question}{query}"


def _folder_uri(path: Path) -> str:
    full = path.expanduser().absolute()
    if full.is_file():
        raise _wrong(
            str(path), "expected the folder of a file store, got a file; " + _sqlite(path.as_posix())
        )
    return full.as_uri()


def file_uri_path(uri: str) -> Path:
    """The path of a ``file:`` URI, with or without slashes after the colon."""
    rest = uri[len("file:") :]
    if rest.startswith("//"):
        rest = urlsplit(uri).path
    if os.name != "nt":
        # What url2pathname does here; its module would bring SSL and HTTP, two megabytes, into the caller's process.
        return Path(unquote(rest))
    from urllib.request import url2pathname

    return Path(url2pathname(rest))


def server_address(uri: str) -> tuple[str | None, str | None]:
    """Host and port of a server, as the library takes them that will connect to it; None where there is none.

    >>> server_address("postgresql://ann:hunt/er2@db:5432/mlflow")
    ('db', '5432')
    """
    if scheme_of(uri) in SQL_SCHEMES:
        match = re.match(_SQL_ADDRESS, uri)
        return (match["v6"] or match["host"], match["port"] or None) if match else (None, None)
    place = re.split(r"[/?#\\]", uri.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]
    match = re.fullmatch(r"(?:\[([^\]]*)\]|([^:]*))(?::(.*))?", place, re.DOTALL)
    return (match[1] or match[2] or None, match[3] or None) if match else (None, place)


def is_file_store(uri: str) -> bool:
    """Whether MLflow keeps this store in a folder of files (deprecated there since 3.7)."""
    return scheme_of(uri) == "file"


def is_remote(uri: str) -> bool:
    """Whether a server is asked over HTTP."""
    return scheme_of(uri) in ("http", "https", "databricks", "databricks-uc", "uc", "")


def sqlite_file(uri: str) -> Path | None:
    """The database file of an SQLite URI, with options or without; None for another store."""
    return Path(uri.partition("///")[2].partition("?")[0]) if scheme_of(uri) == "sqlite" else None


def local_path(uri: str) -> Path | None:
    """The folder of a local artifact URI (``file:...`` or a plain path); None for anything else."""
    scheme = scheme_of(uri)
    if scheme == "file":
        return file_uri_path(uri)
    return Path(uri) if scheme == "" or (os.name == "nt" and len(scheme) == 1) else None


@functools.lru_cache(maxsize=64)
def store_key(uri: str) -> str:
    """Name of the spool folder of a store: readable, and distinct for distinct URIs.

    It tells nothing about a password: whoever reads the name could try passwords, so that trying takes its time.
    """
    if has_secrets(uri):
        digest = hashlib.pbkdf2_hmac("sha256", uri.encode("utf-8", "surrogatepass"), b"peak_fast", _ROUNDS, 6)
    else:
        digest = hashlib.blake2b(uri.encode("utf-8", "surrogatepass"), digest_size=6).digest()
    words = re.sub(r"[^A-Za-z0-9]+", "-", mask(uri)).strip("-")
    return f"{words[-40:].strip('-')}-{digest.hex()}"
