"""A peer's process, as the bench sees it: requests in, answers out, its time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench.peers.contestants import Contestant


class PeerError(RuntimeError):
    """A peer's process died, ran out of time or answered with an error."""


class Worker:
    """One running process of one contestant; use it as a context manager.

    Parameters
    ----------
    contestant
        Whose runner to start.
    python
        Interpreter of its virtual environment.
    env
        Additions to the environment, for instance an empty cache folder.
    """

    def __init__(self, contestant: Contestant, python: Path, env: dict[str, str] | None = None) -> None:
        self.contestant = contestant
        self.started = time.perf_counter()
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [str(python), str(contestant.runner), *contestant.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **(env or {})},
        )

    def ask(self, timeout: float = 300.0, **request: Any) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Raises
        ------
        PeerError
            With the peer's own message, or the end of its error output where it died.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        killer = threading.Timer(timeout, self._process.kill)
        killer.start()
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            killer.cancel()
        if not line:
            raise PeerError(f"{self.contestant.label} died at {request['op']!r}: {self._last_error()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(f"{self.contestant.label}: {answer['error']}")
        return answer

    def _last_error(self) -> str:
        self._errors.seek(0)
        lines = [line for line in self._errors.read().splitlines() if line.strip()]
        return lines[-1] if lines else "no message"

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
