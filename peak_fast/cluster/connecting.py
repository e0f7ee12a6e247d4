"""From what a user says to a client of Dask: an address, a client or cluster of his own, or workers on this machine."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import re
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from peak_fast.errors import ConfigError, SweepError, require

_ADDRESS = re.compile(r"[a-z][a-z0-9+]*://\S+")
_LOCAL = re.compile(r"local(?::(\d+))?")
_FORMS = "a distributed.Client, an address such as 'tcp://host:8786', 'local' or 'local:4'"

_CERTIFICATES = (
    "tls:// needs certificates of this machine: DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..._TLS__CLIENT__CERT and "
    "..._TLS__CLIENT__KEY, or the same in Dask's configuration"
)

CONNECT_SECONDS = 20.0
"""How long a scheduler may take to answer."""
# Dask itself gives up by then, where it does.
_GRACE = 5.0


def check_cluster(cluster: Any) -> None:
    """Raise ConfigError for something that is no cluster, before anything is connected or started."""
    if isinstance(cluster, str):
        local = _LOCAL.fullmatch(cluster)
        if (local and local[1] != "0") or _ADDRESS.fullmatch(cluster) or cluster.endswith(".json"):
            return
        raise ConfigError(f"cluster: expected {_FORMS}; got {cluster!r}")
    if getattr(cluster, "asynchronous", False):
        raise ConfigError(
            "cluster: expected a client that waits; got one with asynchronous=True; make another"
        )
    if not (hasattr(cluster, "submit") and hasattr(cluster, "scheduler_info")) and not _is_cluster(cluster):
        raise ConfigError(f"cluster: expected {_FORMS}; got {type(cluster).__name__}")


def _is_cluster(cluster: Any) -> bool:
    return hasattr(cluster, "scheduler_address") and hasattr(cluster, "scale")


def opening(cluster: Any) -> str:
    """What is waited for until a cluster is connected, for a display of progress."""
    local = _LOCAL.fullmatch(cluster) if isinstance(cluster, str) else None
    if local is not None:
        return f"starting {local[1] or 'worker'} processes on this machine"
    return f"connecting to {cluster}" if isinstance(cluster, str) else "connecting to the cluster"


@contextlib.contextmanager
def connected(cluster: Any) -> Iterator[Any]:
    """A client of the cluster; what was opened or started for it is closed afterwards.

    Raises
    ------
    ConfigError
        Something that is no cluster.
    SweepError
        No scheduler answers at the address, or none has written the file.
    MissingDependencyError
        Dask is not installed here.
    """
    check_cluster(cluster)
    distributed = require("distributed", extra="cluster")
    local = _LOCAL.fullmatch(cluster) if isinstance(cluster, str) else None
    if isinstance(cluster, distributed.Client):
        if cluster.status != "running":
            raise SweepError(
                f"cluster: expected a connected client; its status is {cluster.status!r}; make another"
            )
        yield cluster
    elif local is not None:
        with (
            _without_main(),
            _ended(_local_cluster(distributed, int(local[1] or 0))) as own,
            _client(distributed, own, "the scheduler of this process") as client,
        ):
            yield client
    elif isinstance(cluster, str) and cluster.endswith(".json"):
        _await_file(Path(cluster))
        with _client(distributed, None, cluster, scheduler_file=cluster) as client:
            yield client
    else:
        with _client(
            distributed, cluster, cluster if isinstance(cluster, str) else "its scheduler"
        ) as client:
            yield client


def _await_file(file: Path) -> None:
    """Wait for the file of a scheduler that may just be starting; Dask itself would wait for ever."""
    end = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            json.loads(file.read_text())["address"]
            return
        except FileNotFoundError:
            trouble = "there is no such file"
        except (OSError, ValueError, KeyError, TypeError) as error:
            trouble = f"it does not hold a scheduler's address: {type(error).__name__}: {error}"
        if time.monotonic() > end:
            raise SweepError(
                f"cluster: no scheduler wrote {file} within {CONNECT_SECONDS:.0f} s ({trouble}); start one with "
                f"`dask scheduler --scheduler-file {file}`, and check that this machine sees its folder"
            )
        time.sleep(0.1)


def _answering(distributed: Any, place: Any, options: dict[str, Any]) -> Any:
    """A client whose scheduler has answered.

    It is made on a thread: Dask waits for ever for somebody who listens at the address and says nothing.
    """
    made: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def make() -> None:
        try:
            made.put(distributed.Client(place, timeout=CONNECT_SECONDS, set_as_default=False, **options))
        except Exception as error:
            made.put(error)

    threading.Thread(target=make, daemon=True).start()
    try:
        found = made.get(timeout=CONNECT_SECONDS + _GRACE)
    except queue.Empty:
        raise TimeoutError("who listens there does not speak like a scheduler") from None
    if isinstance(found, Exception):
        raise found
    return found


@contextlib.contextmanager
def _client(distributed: Any, place: Any, said: str, **options: Any) -> Iterator[Any]:
    try:
        client = _answering(distributed, place, options)
    except (OSError, TimeoutError) as error:
        raise SweepError(
            f"cluster: no scheduler answered at {said} within {CONNECT_SECONDS:.0f} s ({error}); start one with "
            "`dask scheduler`, and check the address, its port and the firewall between"
        ) from error
    except (
        Exception
    ) as error:  # of whatever kind: a way of connecting that lacks its package, or its certificates
        remedy = _CERTIFICATES if said.startswith("tls:") else "tcp:// is the usual way"
        raise SweepError(
            f"cluster: cannot connect to {said} ({type(error).__name__}: {error}); {remedy}"
        ) from error
    try:
        yield client
    finally:
        with _quiet(), contextlib.suppress(OSError, TimeoutError):
            client.close(timeout=CONNECT_SECONDS)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No tracebacks in the log of a client that leaves while it still looks for a scheduler that is gone."""
    log = logging.getLogger("distributed.utils")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def _local_cluster(distributed: Any, workers: int) -> Any:
    """Worker processes of one thread on this machine: functions in Python then run beside each other, too."""
    import dask

    # A scheduler tries so long to reach a worker that has died, and what waits for its results with it.
    quick = {"distributed.scheduler.allowed-failures": 1, "distributed.comm.timeouts.connect": "5s"}
    with dask.config.set(quick), warnings.catch_warnings():
        # Said of a busy machine; where warnings are errors it would keep a worker from starting.
        warnings.filterwarnings("ignore", message="Creating scratch directories")
        return distributed.LocalCluster(
            n_workers=workers or dask.system.CPU_COUNT,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs="CRITICAL",
        )


@contextlib.contextmanager
def _ended(cluster: Any) -> Iterator[Any]:
    """End a cluster's processes afterwards; Dask may wait for ever for one that has died, so only for a while."""
    try:
        yield cluster
    finally:
        with contextlib.suppress(TimeoutError):
            cluster.close(timeout=CONNECT_SECONDS)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hide the script that runs, which each new process would run again from its first line.

    What a worker needs of it travels by value.
    """
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    main.__spec__ = None
    if "__file__" in kept:
        del main.__file__
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)
