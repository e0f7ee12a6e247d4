"""The one place that hides secrets: passwords, tokens and query credentials, in addresses and in any text.

`mask` shows an address without them.  `masked` takes them out of a text that somebody else wrote (an error of a
library, a log): those of the addresses that this process has worked with (`remember`), those of the environment
(``MLFLOW_TRACKING_PASSWORD`` and the like), and what looks like one in any address that stands in the text.

Programs disagree on where a password ends: SQLAlchemy takes it up to the first ``@``, HTTP libraries up to the last
one before ``/``, ``?`` or ``#``.  Here it ends at the last ``@`` of the address.  Where that is too much, a part of
the host is hidden, which does less harm than a part of a password that is shown.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from typing import Any

MASK = "***"

# Patterns are compiled when they are needed first: most processes never need one.
# Schemes whose slashes begin a path; a user's name and password cannot stand there.
_PATHS = ("sqlite", "file", "journal")
# Schemes that are recognised without slashes behind them.
_KNOWN = (
    *_PATHS, "postgresql", "postgres", "mysql", "mariadb", "mssql", "oracle", "http", "https", "grpc", "databricks",
    "databricks-uc", "uc", "s3",
)  # fmt: skip
# Options whose values are shown; all others may be secrets.
_SHOWN = {
    "application_name", "autocommit", "cache", "charset", "check_same_thread", "connect_timeout", "database", "db",
    "dbname", "driver", "encrypt", "host", "immutable", "isolation_level", "mode", "nolock", "port", "region", "schema",
    "ssl", "ssl_mode", "sslmode", "target_session_attrs", "timeout", "trusted_connection", "trustservercertificate",
    "uri", "user", "username", "version",
}  # fmt: skip
_SCHEME = r"([A-Za-z][A-Za-z0-9+.\-]+):(/*)"
_PLAIN_PATH = r"[./~\\]|[A-Za-z]:[\\/]"
_NAME = r"[^/?#@\s]*"
_PLAIN_VALUE = r"[\w.\-+/:,% ]*"
_ADDRESS = r"[A-Za-z][A-Za-z0-9+.\-]+:/+[^\s\"'<>`]*[^\s\"'<>`.,;:)\]!]"
_OPTION = (
    r"(?i)\b((?:password|passwd|pwd|passphrase|token|secret|api_?key|access_?key|account_?key)\s*=\s*)"
    r"('[^']*'|[^\s'\",;&#]+)"
)
_SECRET_VARIABLE = (
    r"(?i)(PASSWORD|PASSWD|PASSPHRASE|_PWD|TOKEN|SECRET|SECRET_?KEY|ACCESS_?KEY|API_?KEY|ACCOUNT_?KEY|"
    r"CONNECTION_STRING)$"
)
_ADDRESS_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PEAK_FAST_TRACKING_URI")
# A password in pieces, as a library that reads the address otherwise names them; shorter pieces tell nothing.
_PIECES = r"[/?#@:\[\]\\&;=,\s%<>\"'{}|^`\x00-\x20\x7f]+"
_SHORTEST_PIECE = 3
# Below this length a secret is replaced only where it stands alone.
_LONG = 4
# Where a word begins, behind an encoded or escaped sign, too; and where one ends.
_BEGIN = r"(?:(?<![^\W_])|(?<=%[0-9A-F]{2})|(?<=\\[a-z])|(?<=\\x[0-9A-F]{2})|(?<=\\u[0-9A-F]{4}))"
_END = r"(?![^\W_])"
# A backslash, which may be encoded itself; and forms of single signs besides the general ones.
_SLASH = r"(?:\\|%(?:25)*5C)"
_ESCAPES = {
    " ": (r"\+",),
    "\n": (f"{_SLASH}+n",),
    "\r": (f"{_SLASH}+r",),
    "\t": (f"{_SLASH}+t",),
    "\\": (f"{_SLASH}+",),
    "&": ("&(?:amp;)+",),
    "<": ("&(?:amp;)*lt;",),
    ">": ("&(?:amp;)*gt;",),
    '"': ("&(?:amp;)*quot;",),
}
# Loggers of programs that are given an address by us.
_LIBRARIES = {
    "mlflow", "sqlalchemy", "alembic", "urllib3", "requests", "optuna", "grpc", "databricks", "botocore", "boto3",
    "azure", "google", "psycopg", "psycopg2", "pymysql", "peak_fast",
}  # fmt: skip

_remembered: dict[str, tuple[str, ...]] = {}


def mask(uri: str) -> str:
    """The address without its secrets, for logs, errors and results; the same again for one that is masked.

    >>> mask("postgresql://ann:hunt/er@2@db/mlflow?password=x")
    'postgresql://ann:***@db/mlflow?password=***'
    """
    return _apart(uri)[0]


def has_secrets(uri: str) -> bool:
    """Whether the address holds a password, a token or a query value that may be one."""
    return mask(uri) != uri


@functools.lru_cache(maxsize=256)
def _apart(uri: str) -> tuple[str, tuple[str, ...]]:
    """The address as it is shown, and what is hidden of it."""
    if not any(sign in uri for sign in "@?#;&") or re.match(_PLAIN_PATH, uri):
        return uri, ()
    head, rest, is_path = _head(uri)
    secrets: list[str] = []
    if not is_path:
        user, at, place = rest.rpartition("@")
        if at:
            name, colon, password = user.partition(":")
            if colon and password and re.fullmatch(_NAME, name):
                head, hidden = f"{head}{name}:", password
            else:
                # A lone user may be a token ("https://TOKEN@host"); so may one with an empty password.
                hidden = user
            secrets.append(hidden)
            if _is_doubtful(user):
                secrets.append(place)
                return f"{head}{MASK}", tuple(secrets)
            head, rest = f"{head}{MASK}@", place
    shown = head + _without_values(rest, "?" if is_path else "?#;&", secrets)
    return shown, tuple(secret for secret in secrets if secret.strip("*"))


def _is_doubtful(user: str) -> bool:
    """Whether what stands before the last ``@`` may be a host and options, so that a secret may stand behind it.

    ``ann:hunt?er@db`` is a password with a question mark, ``db/x?token=hunt@er`` a token with an ``@``.
    """
    before, mark, option = user.partition("?")
    return bool(mark) and ("/" in before or "=" in option)


def _head(uri: str) -> tuple[str, str, bool]:
    """Scheme with its slashes, the rest, and whether no user can stand before the host."""
    match = re.match(_SCHEME, uri)
    if match is None or not (match[2] or match[1].lower().partition("+")[0] in _KNOWN):
        # Nothing, or a user: "ann:password@host" without a scheme.
        return "", uri, False
    rest = uri[match.end() :]
    is_path = match[1].lower().partition("+")[0] in _PATHS and len(match[2]) not in (0, 2)
    if len(match[2]) == 1 and re.match(rf"{_NAME}:.*@", rest, re.DOTALL) and not re.match(_PLAIN_PATH, rest):
        is_path = False  # it had two slashes before somebody made a path of it
    return match[0], rest, is_path


def _without_values(text: str, begin: str, secrets: list[str]) -> str:
    """The text behind the user, with the values of its options hidden from the first sign of ``begin`` on."""
    start = re.search(f"[{begin}]", text)
    if start is None:
        return text
    shown = [text[: start.start()]]
    for sign, option in re.findall(r"([?#;&])([^?#;&]*)", text[start.start() :]):
        name, equals, value = option.partition("=")
        is_known = equals and name.lower() in _SHOWN and re.fullmatch(_PLAIN_VALUE, value)
        is_anchor = sign == "#" and len(shown) == 1 and not equals and re.fullmatch(_PLAIN_VALUE, option)
        if is_known or is_anchor or not option:
            shown.append(sign + option)
        elif equals:
            shown.append(f"{sign}{name}={MASK}")
            secrets.append(value)
        else:
            shown.append(sign + MASK)
            secrets.append(option)
    return "".join(shown)


def remember(uri: str) -> None:
    """From now on `masked` knows the secrets of an address, and logs of libraries do not show them."""
    secrets = _apart(uri)[1]
    if secrets and uri not in _remembered:
        _remembered[uri] = secrets
        _mask_logs()


def masked(text: str, uri: str = "") -> str:
    """A text without secrets: those of ``uri``, of remembered addresses, of the environment, of addresses in it.

    Letters of either case, quoted, escaped and encoded forms, and the parts of a secret between the signs at which
    addresses are taken apart, are found, too.
    """
    addresses = {uri, *_remembered, *filter(None, map(os.environ.get, _ADDRESS_VARIABLES))}
    known = tuple(sorted(address for address in addresses if _apart(address)[1]))
    pattern = _pattern(known, tuple(sorted(_environment())))
    for address in known:
        text = text.replace(address, mask(address))
    if pattern is not None:
        text = pattern.sub(MASK, text)
    if ":/" in text:
        text = re.sub(_ADDRESS, lambda match: mask(match[0]), text)
    return re.sub(_OPTION, rf"\1{MASK}", text) if "=" in text else text


def _environment() -> Iterator[str]:
    """Values of variables that are named like secrets."""
    for name, value in os.environ.items():
        if (
            len(value) >= _SHORTEST_PIECE
            and re.search(_SECRET_VARIABLE, name)
            and value.lower() not in ("true", "false")
        ):
            yield value
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD"))
    if user and password:
        yield _basic(user, password)


def _basic(user: str, password: str) -> str:
    """What stands in a header for a user's name and password."""
    import base64

    return base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogatepass")).decode()


@functools.lru_cache(maxsize=64)
def _pattern(addresses: tuple[str, ...], values: tuple[str, ...]) -> re.Pattern[str] | None:
    """What finds the secrets of addresses, and other values."""
    from urllib.parse import unquote

    words: set[str] = set()
    for address in addresses:
        shown, secrets = _apart(address)
        found: set[str] = set()
        for secret in secrets:
            pieces = {*re.split(_PIECES, secret), *re.split(_PIECES, unquote(secret))}
            found.update((secret, *(piece for piece in pieces if len(piece) >= _SHORTEST_PIECE)))
        # What the address shows anyway is no secret: a name that is also the password.
        words.update(word for word in found if word.lower() not in shown.lower())
        head, rest, _ = _head(address)
        user = rest.rpartition("@")[0]
        if head.startswith("http") and ":" in user:
            words.add(_basic(*user.split(":", 1)))
            words.add(_basic(*map(unquote, user.split(":", 1))))
    words.update(values)
    # An address has a secret as it stands, or with signs that are encoded there.
    words |= {unquote(word) for word in words}
    words = {word for word in words if word.strip("*")}
    if not words:
        return None
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile("|".join(map(_found_as, longest_first)), re.IGNORECASE)


def _found_as(word: str) -> str:
    """Pattern of a word in all its forms; a short one is part of many words, and is meant where it is none of them."""
    forms = "".join(letter if letter.isascii() and letter.isalnum() else _forms(letter) for letter in word)
    return forms if len(word) >= _LONG else f"{_BEGIN}{forms}{_END}"


@functools.cache
def _forms(letter: str) -> str:
    """Pattern of a sign: as it is, or encoded or escaped once or several times, as addresses, logs and JSON do."""
    code, octets = ord(letter), letter.encode("utf-8", "surrogatepass")
    found = [
        f"{_SLASH}*{re.escape(letter)}",
        f"{_SLASH}*" + "".join(f"%(?:25)*{octet:02x}" for octet in octets),
        "".join(f"{_SLASH}+x{octet:02x}" for octet in octets),
        f"{_SLASH}+x{code:02x}",
        f"{_SLASH}+u{code:04x}",
        f"{_SLASH}+U{code:08x}",
        f"&(?:amp;)*#(?:{code}|x{code:x});",
        *_ESCAPES.get(letter, ()),
    ]
    if code > 0xFFFF:
        pair = letter.encode("utf-16-be").hex()
        found.append(f"{_SLASH}+u{pair[:4]}{_SLASH}+u{pair[4:]}")
    return f"(?:{'|'.join(found)})"


def shown_cause(error: BaseException, uri: str = "") -> BaseException | None:
    """For ``raise ... from``: the error, or None where a traceback through it would show a secret."""
    seen: BaseException | None = error
    while seen is not None:
        for text in (str(seen), repr(seen)):
            if masked(text, uri) != text:
                return None
        seen = seen.__cause__ or seen.__context__
    return error


class MaskedStream:
    """A text stream that hides secrets in what is written to it; everything else is the inner stream's.

    A secret that is written in two calls is not found.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def write(self, text: str) -> int:
        """Write a text without secrets."""
        self._inner.write(masked(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@functools.cache
def _mask_logs() -> None:
    """Hide secrets in the log records of the libraries that are given addresses; records of others are not touched."""
    import logging

    outer = logging.getLogRecordFactory()

    def make(*arguments: Any, **named: Any) -> logging.LogRecord:
        record = outer(*arguments, **named)
        if record.name.partition(".")[0] in _LIBRARIES:
            _clean(record)
        return record

    logging.setLogRecordFactory(make)


def _clean(record: Any) -> None:
    """Hide secrets in a log record, those of the exception that it shows included."""
    try:
        text = record.getMessage()
    except Exception:  # arguments that do not fit the message: logging says so itself
        return
    hidden = masked(text)
    if hidden != text:
        record.msg, record.args = hidden, None
    if record.exc_info and record.exc_info[0] is not None:
        import traceback

        shown = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        hidden = masked(shown)
        if hidden != shown:
            record.exc_info, record.exc_text = None, hidden
