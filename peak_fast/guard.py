"""Guards around public callables: a misspelt keyword is answered with the nearest one, Ctrl-C with one line.

The line says what was stopped and how to go on, in place of a traceback, and the exit code is 130.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, TypeVar

from peak_fast.errors import UnknownKeywordError, UnknownNameError, did_you_mean

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

EXIT_CODE = 130
"""What shells report for a command that Ctrl-C ended."""

_last = "stopped"
# By keyword: names that belong into its value, and how to write them; see `holds`.
_held: dict[str, dict[str, str]] = {}


def guarded(function: F) -> F:
    """The same function, whose unknown keywords are an error that names the nearest known one.

    A call that Python accepts costs a tenth of a microsecond more.

    Raises
    ------
    UnknownKeywordError
        From the function that is returned: a keyword that it does not have.
    """

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        try:
            return function(*args, **named)
        except TypeError as error:
            unknown = _unknown(function, named) if error.__traceback__.tb_next is None else None  # type: ignore[union-attr]
            if unknown is None:
                raise
            cls = _class_of(function, args)
            raise no_argument(_label(function, args), unknown, keywords(function), cls) from None
        except KeyboardInterrupt as error:
            say_stopped(error, f"stopped during {_label(function, args)}", knows_more=False)
            raise

    return call  # type: ignore[return-value]


def guarded_class(*, without: tuple[str, ...] = ()) -> Callable[[C], C]:
    """Guard the constructor and the public methods of a class, but those named."""

    def decorate(cls: C) -> C:
        for name, item in list(vars(cls).items()):
            if name in without or (name.startswith("_") and name != "__init__"):
                continue
            if isinstance(item, classmethod | staticmethod):
                setattr(cls, name, type(item)(guarded(item.__func__)))
            elif inspect.isfunction(item):
                setattr(cls, name, guarded(item))
        return cls

    return decorate


class Named(dict[str, Any]):
    """A dict whose missing keys are answered with the nearest one; otherwise a plain dict, also to JSON and pickle."""

    __slots__ = ()

    def __missing__(self, key: Any) -> Any:
        raise UnknownNameError(f"no {key!r} here; {did_you_mean(str(key), self)}")


def keywords(function: Callable[..., Any]) -> list[str]:
    """Names that a function takes as keywords."""
    parameters = list(inspect.signature(function).parameters.values())
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = [item.name for item in parameters if item.kind in kinds]
    return names[1:] if names and names[0] in ("self", "cls") else names


def _unknown(function: Callable[..., Any], named: dict[str, Any]) -> str | None:
    """First keyword of a call that the function does not have; None where it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters):
        return None
    known = keywords(function)
    return next((name for name in named if name not in known), None)


def no_argument(label: str, name: str, known: Iterable[str], cls: type | None = None) -> UnknownKeywordError:
    """The error for a keyword that a callable does not have.

    Parameters
    ----------
    label
        The callable, as the user writes it.
    name
        The keyword.
    known
        The keywords that it has.
    cls
        Its class: where the constructor or another method takes the keyword, or a nearer one, the error says so.
    """
    from difflib import get_close_matches

    own = list(known)
    others = {} if cls is None else _doors(cls)
    nearest = get_close_matches(name, [*own, *others], n=1)
    hint = did_you_mean(name, own)
    if not nearest and "params" in own:
        hint = f"a parameter of the strategy stands in params={{{name!r}: ...}}; {hint}"
    inside = [word for word in _held if name in _held[word] and word in (*own, *others)]
    if inside:
        value = f"{inside[0]}={_held[inside[0]][name]}"
        hint = f"it belongs into {value if inside[0] in own else others[inside[0]].replace(f'{inside[0]}=...', value)}"
    elif nearest and nearest[0] not in own:
        hint = f"{others[nearest[0]]} {'takes it' if nearest[0] == name else 'may be what is meant'}"
    return UnknownKeywordError(f"{label}: no argument {name!r}; {hint}")


def holds(keyword: str, kind: str, names: Iterable[str], **others: str) -> None:
    """Remember which names belong into the value of a keyword, so that an error can say so.

    Parameters
    ----------
    keyword
        Such as ``stops``.
    kind
        Class of its value, such as ``Stops``.
    names
        Settings of that class.
    others
        Further names, and how each is written.
    """
    _held[keyword] = {name: f"{kind}({name}=...)" for name in names} | others


def _doors(cls: type) -> dict[str, str]:
    """Calls that take a keyword, by the keyword: the constructor before ``run``, that before other methods."""
    names = [name for name in dir(cls) if not name.startswith("_")]
    names.sort(key=lambda name: name != "run")
    calls = {"__init__": cls.__name__} | {name: f"{cls.__name__}.{name}" for name in names}
    found: dict[str, str] = {}
    for name, call in calls.items():
        item = getattr(cls, name)
        for word in keywords(item) if inspect.isfunction(item) else ():
            found.setdefault(word, f"{call}({word}=...)")
    return found


def _class_of(function: Callable[..., Any], args: tuple[Any, ...]) -> type | None:
    """Class of the object whose method was called; None for a function."""
    name = function.__qualname__.rpartition(".")[0]
    kinds = type(args[0]).__mro__ if args and name else ()
    return next((kind for kind in kinds if kind.__name__ == name), None)


def _label(function: Callable[..., Any], args: tuple[Any, ...] = ()) -> str:
    """Name of a function as the user writes it; of an inherited method, with the class of the object."""
    home, _, name = function.__qualname__.removesuffix(".__init__").rpartition(".")
    own = type(args[0]) if args and home else None
    if own is not None and home in {base.__name__ for base in own.__mro__}:
        home = own.__name__ if function.__name__ != "__init__" else home
    return f"{home}.{name}" if home else name


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
