"""Ctrl-C: one line that says what was stopped and how to go on, and exit code 130, in place of a traceback."""

from __future__ import annotations

import sys
from types import TracebackType

EXIT_CODE = 130
"""What shells report for a command that Ctrl-C ended."""


def say_stopped(error: KeyboardInterrupt, message: str) -> None:
    """Give an interruption of a long piece of work the line that a script ends with when it does not catch it.

    The innermost piece of work knows best how to go on: what it said stays.  Only a script that Python runs
    to its end is concerned; a prompt, a notebook, and a program with an exception hook of its own show what
    they always show, and so does an interruption of work that is not this package's.
    """
    if not hasattr(error, "stopped"):
        error.stopped = message  # type: ignore[attr-defined]
    interactive = hasattr(sys, "ps1") or sys.flags.interactive or sys.flags.inspect
    if sys.excepthook is sys.__excepthook__ and not interactive:
        sys.excepthook = _hook


def stopped(message: str) -> KeyboardInterrupt:
    """An interruption that carries this line."""
    error = KeyboardInterrupt(message)
    say_stopped(error, message)
    return error


def message_of(error: BaseException) -> str:
    """What `say_stopped` left, for the command line."""
    return str(getattr(error, "stopped", "stopped"))


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print one line for an interruption that `say_stopped` has seen, and what Python prints for all else."""
    if not (isinstance(error, KeyboardInterrupt) and hasattr(error, "stopped")):
        sys.__excepthook__(kind, error, trace)
        return
    print(f"peak_fast: {message_of(error)}", file=sys.stderr)
    # Python ends with this code, and still runs what is to be done at the end.
    raise SystemExit(EXIT_CODE)
