"""Whether somebody answers at the address of a store, asked before waiting for it."""

from __future__ import annotations

import os
import threading

from peak_fast.tracking.spool import scheme_of, server_address

_ANSWER_TIMEOUT = 4.0
_PORTS = {"http": 80, "https": 443, "postgresql": 5432}


def unreachable(uri: str) -> str | None:
    """Why nobody answers at the address of a server; None where somebody does, or where there is no address."""
    default = _PORTS.get(scheme_of(uri))
    proxies = ("http_proxy", "https_proxy", "all_proxy")
    if default is None or any(name.lower() in proxies for name in os.environ):
        return None
    host, given = server_address(uri)
    if "@" in (host or "") or not (given or "0").isdecimal():
        return (
            "its address cannot be read; in a user's name or password write / as %2F, ? as %3F, # as %23, @ as %40 and "
            "% as %25, or set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD for a server"
        )
    if not host:
        return None  # a local socket
    port = int(given or default)
    found: list[str | None] = []

    def ask_server() -> None:
        try:
            _knock(host, port, speaks_http=scheme_of(uri) == "http")
            found.append(None)
        except OSError as error:
            found.append(f"{host}:{port} does not answer: {error}")

    # In a thread, as looking up a name has no time limit.
    thread = threading.Thread(target=ask_server, daemon=True)
    thread.start()
    thread.join(_ANSWER_TIMEOUT)
    return found[0] if found else f"{host}:{port} does not answer"


def _knock(host: str, port: int, *, speaks_http: bool) -> None:
    """Return when somebody takes the connection, and says anything to a request if that is not encrypted."""
    import socket  # most callers never ask

    with socket.create_connection((host, port), timeout=_ANSWER_TIMEOUT) as connection:
        if speaks_http:
            connection.sendall(f"GET /health HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            if not connection.recv(1):
                raise OSError("the connection was closed without an answer")
