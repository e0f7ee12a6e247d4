"""Environment variables of the calls of MLflow's client."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading

# MLflow looks for these seven times a request; where they are not installed that takes longer than the rest of it.
_SOUGHT = ("dbruntime", "pyspark")
# Seconds for an answer, where the user has not said how many.
_PATIENCE = "MLFLOW_HTTP_REQUEST_TIMEOUT"


class SharedEnvironment:
    """Environment variables that hold while at least one call of MLflow's client is under way.

    Threads overlap: the first one sets the variables, the last one puts back what was there.
    """

    def __init__(self, wanted: dict[str, str]) -> None:
        self._wanted = wanted
        self._lock = threading.Lock()
        self._users = 0
        self._saved: dict[str, str | None] = {}
        self._absent: list[str] = []

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._saved = {name: os.environ.get(name) for name in self._wanted}
                given = {name for name in (_PATIENCE,) if name in os.environ}
                os.environ.update({name: text for name, text in self._wanted.items() if name not in given})
                self._absent = [
                    name for name in _SOUGHT if name not in sys.modules and not importlib.util.find_spec(name)
                ]
                # Python's mark of what cannot be imported.
                sys.modules.update(dict.fromkeys(self._absent))  # type: ignore[arg-type]
            self._users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for name in self._absent:
                    sys.modules.pop(name, None)
                os.environ.update({name: text for name, text in self._saved.items() if text is not None})
                for name in [name for name, text in self._saved.items() if text is None]:
                    os.environ.pop(name, None)


# MLflow's own retries would block for four minutes on a dead server, and may repeat a request that was
# carried out.  The spool is the retry.
CALLS = SharedEnvironment(
    {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        _PATIENCE: "20",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
        "MLFLOW_ALLOW_FILE_STORE": "true",
    }
)
