"""The process that runs items which may kill it: reads ranges, writes rows; its output and errors go nowhere."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
from typing import Any, BinaryIO

import numpy as np

ROWS, ERROR, TICK = b"R", b"E", b"T"
HEAD = 9
"""Bytes of a message's head: its kind, and the size of what follows."""


def main() -> None:
    """Run ranges of a job until there are no more."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what functions print
    inward, lock = sys.stdin.buffer, threading.Lock()

    def say(kind: bytes, content: bytes = b"") -> None:
        with lock:
            _write(out, kind + len(content).to_bytes(8, "little") + content)

    threading.Thread(target=_tick, args=(say,), daemon=True).start()
    opened: Any = None
    sent = _next(inward)
    while sent is not None:
        try:
            if opened is None:
                opened = _opened(*sent)
            else:
                say(ROWS, pickle.dumps(np.ascontiguousarray(opened.rows(*sent))))
        except Exception as error:
            say(ERROR, pickled(error))
        sent = _next(inward)


def _opened(job: str, parcels: dict[str, bytes], threads: int) -> Any:
    from peak_fast.cluster.shelf import Means, Shelf

    shelf = Shelf(0)
    for key, content in parcels.items():
        shelf.keep(key, len(content), 0, content)
    return shelf.load(job).open(Means(threads, 0))


def pickled(error: BaseException) -> bytes:
    """An error as it travels; one that would not arrive as it is becomes a RuntimeError that says it."""
    import cloudpickle

    try:
        content: bytes = cloudpickle.dumps(error)
        pickle.loads(content)
    except Exception:
        plain = RuntimeError(f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", []):
            plain.add_note(str(note))
        content = pickle.dumps(plain)
    return content


def _tick(say: Any) -> None:
    """Say every second that Python's lock is free; whoever listens is gone when that fails."""
    while True:
        time.sleep(1.0)
        say(TICK)


def _write(out: Any, content: bytes) -> None:
    view = memoryview(content)
    try:
        while view:
            view = view[out.write(view) :]
    except BrokenPipeError:
        os._exit(1)


def _next(inward: BinaryIO) -> Any:
    head = inward.read(8)
    if len(head) < 8:
        return None
    return pickle.loads(inward.read(int.from_bytes(head, "little")))
