"""Ctrl-C: one line that says what was stopped and how to go on, and exit code 130, in place of a traceback."""

from __future__ import annotations

import sys
from types import TracebackType

EXIT_CODE = 130
"""What shells report for a command that Ctrl-C ended."""


_last = "stopped"


def say_stopped(error: KeyboardInterrupt, message: str, *, knows_more: bool = True) -> None:
    """Give an interruption of a long piece of work the line that a script ends with when it does not catch it.

    The innermost piece of work that ``knows_more`` than its own name says how to go on; of the others the outermost
    is what the user called.  Only a script that Python runs
    to its end is concerned; a prompt, a notebook, and a program with an exception hook of its own show what
    they always show, and so does an interruption of work that is not this package's.
    """
    global _last
    if not getattr(error, "knows_more", False):
        error.stopped, error.knows_more = message, knows_more  # type: ignore[attr-defined]
        _last = message
    interactive = hasattr(sys, "ps1") or sys.flags.interactive or sys.flags.inspect
    if sys.excepthook is sys.__excepthook__ and not interactive:
        sys.excepthook = _hook


def last_message() -> str:
    """The line of the last interruption, for a caller that gets an exit code only."""
    return _last


def stopped(message: str) -> KeyboardInterrupt:
    """An interruption that carries this line."""
    error = KeyboardInterrupt(message)
    say_stopped(error, message)
    return error


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print one line for an interruption that `say_stopped` has seen, and what Python prints for all else."""
    if not (isinstance(error, KeyboardInterrupt) and hasattr(error, "stopped")):
        sys.__excepthook__(kind, error, trace)
        return
    print(f"peak_fast: {error.stopped}", file=sys.stderr)
    # Python ends with this code, and still runs what is to be done at the end.
    raise SystemExit(EXIT_CODE)
