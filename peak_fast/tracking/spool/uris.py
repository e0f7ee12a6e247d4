"""Tracking URIs: resolved, masked, named on disk; and local artifact roots as paths."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from peak_fast.errors import ConfigError, did_you_mean

DEFAULT_DATABASE = "mlflow.db"
# How the writer process is told the URI: never on the command line, which everybody can read.
URI_VARIABLE = "PEAK_FAST_TRACKING_URI"
SQL_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql")
SCHEMES = (*SQL_SCHEMES, "http", "https", "file", "databricks", "databricks-uc", "uc")
# How other programs call a database, and endings of the files of one.
_OTHER_NAMES = {"postgres": "postgresql", "sqlite3": "sqlite", "mariadb": "mysql"}
_DATABASE_ENDINGS = (".db", ".sqlite", ".sqlite3", ".db3")
_SECRET_WORDS = ("password", "passwd", "pwd", "token", "secret", "apikey", "api_key", "access_key")
_MASK = "***"


def resolve(uri: str | Path | None) -> str:
    """The absolute tracking URI.

    Parameters
    ----------
    uri
        What the user passed; None takes ``MLFLOW_TRACKING_URI`` (which ``mlflow.set_tracking_uri`` sets,
        too), else ``mlflow.db`` in the current folder.  Relative SQLite files and folders are taken from the
        current folder once, here, so that a later change of folder does not move the store.

    Raises
    ------
    ConfigError
        An in-memory database (no other process could write to it), a path that is a file, or a scheme that nobody
        knows.
    """
    if uri is None or not str(uri):
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{DEFAULT_DATABASE}"
    if isinstance(uri, Path):
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


def _plain_path(text: str) -> str:
    """A text without a scheme, if it is a folder.

    Raises
    ------
    ConfigError
        It looks like an address, or like the file of a database.
    """
    if re.fullmatch(r"\d+\.\d+\.\d+\.\d+(:\d+)?(/.*)?|\[[0-9a-fA-F:]+\](:\d+)?(/.*)?", text):
        raise ConfigError(
            f"tracking_uri {text!r}: expected a URI, got an address; for a server write 'http://{text}'"
        )
    if text.lower().endswith(_DATABASE_ENDINGS) and not Path(text).is_dir():
        raise ConfigError(
            f"tracking_uri {text!r}: expected the folder of a file store, got the name of a database file; for an "
            f"SQLite database write 'sqlite:///{text}'"
        )
    return text


def _check_scheme(uri: str, scheme: str) -> None:
    """Refuse what neither MLflow nor a plugin of it can open.

    Raises
    ------
    ConfigError
        The scheme is not known.
    """
    if scheme in SCHEMES:
        return
    shown = mask(uri)
    rest = shown.partition(":")[2]
    if re.fullmatch(r"\d+(/.*)?", rest):
        raise ConfigError(
            f"tracking_uri {shown!r}: expected a URI, got a host and a port; write 'http://{shown}'"
        )
    from importlib.metadata import entry_points

    plugins = sorted(point.name for point in entry_points(group="mlflow.tracking_store"))
    if scheme in plugins:
        return
    known = [name for name in (*SCHEMES, *plugins) if name not in ("uc", "databricks-uc")]
    if scheme in _OTHER_NAMES:
        hint = f"did you mean {_OTHER_NAMES[scheme]!r}?"
    else:
        hint = did_you_mean(scheme, known)
    raise ConfigError(f"tracking_uri {shown!r}: the scheme {scheme!r} is not known; {hint}")


def scheme_of(uri: str) -> str:
    """``"sqlite"`` of ``sqlite+pysqlite:///x``; an empty string for a plain path (also ``C:\\\\x``)."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.\-]+):", uri)
    return match.group(1).lower().partition("+")[0] if match else ""


def _resolve_sqlite(uri: str) -> str:
    prefix, slashes, rest = uri.partition("///")
    if not slashes and re.fullmatch(r"[^:]+:/{0,2}[^/?:]+(\?.*)?", uri):
        name = uri.partition(":")[2].lstrip("/")
        raise ConfigError(
            f"tracking_uri {uri!r}: a database file has three slashes before its name; write 'sqlite:///{name}'"
        )
    path, question, query = rest.partition("?")
    if not path or path == ":memory:" or path.startswith("file:") or "mode=memory" in query:
        raise ConfigError(
            f"tracking_uri {uri!r}: expected a database file, got an in-memory database, which ends with its "
            "connection; pass for example 'sqlite:///mlflow.db'"
        )
    # SQLAlchemy takes the path as it stands: percent signs are not an escape here.
    return f"{prefix}///{Path(path).absolute().as_posix()}{question}{query}"


def _folder_uri(path: Path) -> str:
    full = path.expanduser().absolute()
    if full.is_file():
        raise ConfigError(
            f"tracking_uri {str(path)!r}: expected the folder of a file store, got a file; "
            f"for an SQLite database write 'sqlite:///{path.as_posix()}'"
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


def is_file_store(uri: str) -> bool:
    """Whether MLflow keeps this store in a folder of files (deprecated there since 3.7)."""
    return scheme_of(uri) == "file"


def is_remote(uri: str) -> bool:
    """Whether a server is asked over HTTP."""
    return scheme_of(uri) in ("http", "https", "databricks", "databricks-uc", "uc", "")


def sqlite_path(uri: str) -> Path | None:
    """The database file of a plain SQLite URI; None for another store or a URI with options."""
    return None if "?" in uri else sqlite_file(uri)


def sqlite_file(uri: str) -> Path | None:
    """The database file of an SQLite URI, with options or without; None for another store."""
    return Path(uri.partition("///")[2].partition("?")[0]) if scheme_of(uri) == "sqlite" else None


def sqlite_artifacts(uri: str) -> str | None:
    """Folder that holds the artifacts of new experiments of an SQLite store, beside its file; None for others."""
    database = sqlite_file(uri)
    return None if database is None else (database.parent / "mlruns").as_posix()


def local_path(uri: str) -> Path | None:
    """The folder of a local artifact URI (``file:...`` or a plain path); None for anything else."""
    scheme = scheme_of(uri)
    if scheme == "file":
        return file_uri_path(uri)
    return Path(uri) if scheme == "" or (os.name == "nt" and len(scheme) == 1) else None


def mask(uri: str) -> str:
    """The URI without its credentials, for logs, errors and results.

    >>> mask("postgresql://ann:secret@db/mlflow?password=x")
    'postgresql://ann:***@db/mlflow?password=***'
    """
    if "@" not in uri and "?" not in uri:
        return uri
    try:
        parts = urlsplit(uri)
    except ValueError:
        return re.sub(r"//[^@/]*@", f"//{_MASK}@", uri)
    place = parts.netloc
    if "@" in place:
        user, _, host = place.rpartition("@")
        name, colon, _ = user.partition(":")
        # A lone user part may be a token ("https://TOKEN@host").
        place = f"{name}:{_MASK}@{host}" if colon else f"{_MASK}@{host}"
    return urlunsplit(SplitResult(parts.scheme, place, parts.path, _mask_query(parts.query), parts.fragment))


def _mask_query(query: str) -> str:
    if not query:
        return query
    pairs = parse_qsl(query, keep_blank_values=True)
    hidden = [(k, _MASK if any(word in k.lower() for word in _SECRET_WORDS) else v) for k, v in pairs]
    return urlencode(hidden, safe="*/:") if hidden != pairs else query


def mask_in(text: str, uri: str) -> str:
    """The text with every occurrence of the URI, and of its password, masked."""
    hidden = mask(uri)
    if hidden == uri:
        return text
    text = text.replace(uri, hidden)
    try:
        parts = urlsplit(uri)
    except ValueError:
        return text
    secrets = [parts.password, unquote(parts.password or "")]
    secrets += [v for k, v in parse_qsl(parts.query) if any(word in k.lower() for word in _SECRET_WORDS)]
    for secret in secrets:
        if secret:
            text = text.replace(secret, _MASK)
    return text


def has_credentials(uri: str) -> bool:
    """Whether the URI holds a password or token."""
    return mask(uri) != uri


def store_key(uri: str) -> str:
    """Name of the spool folder of a store: readable, and distinct for distinct URIs."""
    digest = hashlib.blake2b(uri.encode(), digest_size=6).hexdigest()
    words = re.sub(r"[^A-Za-z0-9]+", "-", mask(uri)).strip("-")
    return f"{words[-40:].strip('-')}-{digest}"
