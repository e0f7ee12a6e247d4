"""Ids of runs that wait to be asked for: what ``start_run``, ``log_results`` and ``log_runs`` return.

A loop that starts thousands of runs and looks at none of their ids must not wait for a store.  So these objects ask
when somebody looks: for the id that MLflow knows, of a run that is in the store by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, overload

Status = Literal["FINISHED", "FAILED", "KILLED", "RUNNING", "SCHEDULED"]
# Those of a run that has ended.
ENDED: tuple[str, ...] = ("FINISHED", "FAILED", "KILLED")
STATUSES: tuple[str, ...] = (*ENDED, "RUNNING", "SCHEDULED")

# What a handle holds of a store that makes the ids itself, for code that reads the text past Python's methods
# (``json``, ``re``): no id, and it says how to get one.
UNASKED = "<str(run) is the id>"


def status_of(kind: type[BaseException] | None) -> Status:
    """Status of a run whose block was left with this exception type (None: without one)."""
    if kind is None or issubclass(kind, SystemExit):
        return "FINISHED"
    return "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"


class RunHandle(str):
    """A started run: ends it as a context manager; as text, it is the run's id in MLflow.

    ``str(run)``, ``f"{run}"``, ``run == other`` and the other methods of text ask the store, and wait until the
    run is there.  Nothing else waits, a ``with`` block neither.  Where the store does not answer, the text is empty
    (with one warning).  Functions written in C (``json.dumps``, ``re.match``) read past these methods: give
    them ``str(run)``.

    >>> with tracker.start_run("first") as run:      # doctest: +SKIP
    ...     tracker.log_metrics({"sharpe": 1.2})
    >>> MlflowClient().get_run(str(run))             # doctest: +SKIP
    """

    __slots__ = ("_owner", "_run")

    # The tracker and its open run; None for the handle of a tracker that records nothing.
    _owner: Any
    _run: Any

    def __new__(cls, text: str = "", owner: Any = None, run: Any = None) -> RunHandle:
        handle = str.__new__(cls, text)
        handle._owner = owner
        handle._run = run
        return handle

    @property
    def run_id(self) -> str | None:
        """The run's id in MLflow, once the run is there; None if the store does not answer."""
        if self._owner is None:
            return str.__str__(self) or None
        found: str | None = self._owner.id_of(self._run)
        return found

    def __enter__(self) -> RunHandle:
        if self._run is not None:
            self._run.held = True
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._owner is not None:
            self._owner.end_started(self._run, status_of(kind))

    def __str__(self) -> str:
        return self.run_id or ""

    def __repr__(self) -> str:
        return f"RunHandle({str.__str__(self)!r})"

    def __bool__(self) -> bool:
        return self._owner is not None or str.__len__(self) > 0

    def __format__(self, form: str) -> str:
        return format(str(self), form)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, RunHandle) and other._run is self._run and other._owner is self._owner:
            return True
        return str(self) == (str(other) if isinstance(other, RunHandle) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return (str, (str(self),))


def _asking(name: str) -> Callable[..., Any]:
    """The method of text of this name, on the id that the store gave."""

    def method(self: RunHandle, *arguments: Any, **options: Any) -> Any:
        return getattr(str(self), name)(*arguments, **options)

    method.__name__ = name
    return method


_OPERATORS = ("__add__", "__contains__", "__getitem__", "__iter__", "__len__", "__mul__", "__rmul__",
              "__lt__", "__le__", "__gt__", "__ge__")  # fmt: skip
for _name in (*_OPERATORS, *(name for name in dir(str) if not name.startswith("_") and name != "maketrans")):
    setattr(RunHandle, _name, _asking(_name))
setattr(RunHandle, "__radd__", lambda self, other: other + str(self))  # noqa: B010 - beside those of the loop


class RunIdList(Sequence[str | None]):
    """Ids of runs in MLflow, in order; the first look waits until all of them are in the store.

    Its length is known at once.  Where the store does not answer, the entries are None (with one warning).

    Parameters
    ----------
    count
        How many there are.
    ask
        Gives the ids.
    """

    def __init__(self, count: int, ask: Callable[[], list[str | None]]) -> None:
        self._count, self._ask = count, ask
        self._found: list[str | None] | None = None

    def _ids(self) -> list[str | None]:
        if self._found is not None:
            return self._found
        found = self._ask()
        if None not in found:  # what a store could not say may be asked for again
            self._found = found
        return found

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str | None: ...

    @overload
    def __getitem__(self, index: slice) -> list[str | None]: ...

    def __getitem__(self, index: int | slice) -> str | list[str | None] | None:
        return self._ids()[index]

    def __iter__(self) -> Iterator[str | None]:
        return iter(self._ids())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Sequence, RunIdList)) and list(other) == self._ids()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._found) if self._found is not None else f"<{self._count} ids of runs>"
