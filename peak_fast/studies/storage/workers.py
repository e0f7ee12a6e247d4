"""Who works on a shared study, and who has died.

A worker is one process that runs a study. It writes its name on every trial that it claims and a time stamp
on the study every few seconds. A worker is dead when its process is gone (same machine) or its stamp is old
(any machine). Optuna's own heartbeat exists only for databases and only inside ``Study.optimize``.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

from peak_fast.studies.storage.storage import host_name

_PREFIX = "peak_fast:worker:"
_ENDED = 0.0


def new_worker_name() -> str:
    """A name that sorts by start time and tells machine and process."""
    return f"{time.time_ns():020d}-{host_name()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _is_local_and_gone(name: str) -> bool:
    parts = name.split("-")
    if len(parts) != 4 or parts[1] != host_name() or not parts[2].isdigit():
        return False
    try:
        os.kill(int(parts[2]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


class Heartbeat:
    """Stamps the study while a worker lives, from a daemon thread.

    Parameters
    ----------
    study
        The shared ``optuna.Study``.
    name
        The worker.
    interval, grace
        Seconds between stamps, and the age of a stamp that counts as death. ``grace`` must be the same for
        all workers of a study and well above ``interval`` plus the machines' difference in time of day.
    """

    def __init__(self, study: Any, name: str, interval: float, grace: float) -> None:
        self._study = study
        self.name = name
        self._interval = interval
        self._grace = grace
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Register the worker and keep stamping."""
        self._stamp(time.time())
        self._thread = threading.Thread(target=self._run, name="peak_fast-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop stamping and mark the worker as ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=self._interval + 5.0)
            with contextlib.suppress(Exception):  # the storage may be gone: others find out by the old stamp
                self._stamp(_ENDED)
        self._thread = None

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            with contextlib.suppress(Exception):  # a busy storage now is stamped at the next turn
                self._stamp(time.time())

    def _stamp(self, moment: float) -> None:
        self._study.set_user_attr(_PREFIX + self.name, moment)

    def stamps(self) -> dict[str, float]:
        """Last stamp of every worker there ever was, by name."""
        attrs: Mapping[str, Any] = self._study.user_attrs
        return {key.removeprefix(_PREFIX): value for key, value in attrs.items() if key.startswith(_PREFIX)}

    def is_alive(self, name: str, stamps: Mapping[str, float]) -> bool:
        """Whether a worker still works."""
        if name == self.name:
            return True
        if _is_local_and_gone(name):
            return False
        return time.time() - stamps.get(name, _ENDED) < self._grace

    def rank(self) -> int:
        """Position of this worker among the living, by start time."""
        stamps = self.stamps()
        return sum(1 for name in stamps if name < self.name and self.is_alive(name, stamps))
