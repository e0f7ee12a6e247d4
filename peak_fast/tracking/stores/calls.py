"""What surrounds the calls of MLflow's client: environment variables, and a quick import."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from peak_fast.errors import MissingDependencyError

Made = TypeVar("Made")

# MLflow looks for these seven times a request; where they are not installed that takes longer than the rest of it.
_SOUGHT = ("dbruntime", "pyspark")
# What MLflow imports where it is there, and needs for none of our calls: a third of its import.
_UNNEEDED = ("pandas", "polars", "pyarrow")
_OWN = ("mlflow", "mlflow-skinny", "mlflow-tracing")
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


def is_our_process() -> bool:
    """Whether this process is a writer's, and no user's."""
    name = getattr(getattr(sys.modules["__main__"], "__spec__", None), "name", "")
    return bool(name.startswith(f"{__package__.rpartition('.')[0]}."))


def lean(make: Callable[[], Made]) -> Made:
    """What a function makes that imports MLflow: in half the time, where the process is our own.

    It then runs without the collector of cycles (a fifth of the time) and without libraries that MLflow can do without.
    Plug-ins may need them: where one is installed, or the function does not work so, MLflow gets them.
    """
    if not is_our_process() or _has_plugin():
        return make()
    hidden = [name for name in _UNNEEDED if name not in sys.modules]
    gc.disable()
    try:
        sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
        try:
            return make()
        except (ImportError, MissingDependencyError):
            _show(hidden)
            return make()
    finally:
        _show(hidden)
        gc.freeze()
        gc.enable()


def _show(hidden: list[str]) -> None:
    for name in hidden:
        if sys.modules.get(name, gc) is None:
            del sys.modules[name]


def _has_plugin() -> bool:
    from importlib.metadata import distributions

    return any(
        point.group.startswith("mlflow.") and found.name not in _OWN
        for found in distributions()
        for point in found.entry_points
    )
