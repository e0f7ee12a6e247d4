"""Fields of settings: their ranges, the slots that kernels read, their defaults; pydantic is asked for nothing here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeVar

from peak_fast.arguments import is_beyond_float, shown
from peak_fast.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

ABSENT: Any = object()
"""In place of a default: the field has none.  In place of a value: it is not plainly right."""


class Slot(NamedTuple):
    """Where kernels read a setting: written beside the range of its field, so that both stand in one place.

    Attributes
    ----------
    places
        Slots of the flat settings (`peak_kernels.slots`).
    varied
        Name by which a sweep may vary it; empty: it may not.
    unit
        What its values are divided by.
    in_bps
        Second name, of values in basis points.
    codes
        Texts that it can be; the kernel reads their place.
    decides
        Whether it is about what a strategy decided, and so says nothing to a block that places orders itself.
    """

    places: tuple[int, ...]
    varied: str = ""
    unit: float = 1.0
    in_bps: str = ""
    codes: tuple[str, ...] = ()
    decides: bool = False


class Limits(NamedTuple):
    """Range of a number, and whether it may be infinite or NaN; None: no such limit."""

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    allow_inf_nan: bool = True

    def __get_pydantic_core_schema__(self, kind: Any, handler: Any) -> Any:
        """The same limits as pydantic writes them."""
        from pydantic import Field as PydanticField

        said = {name: value for name, value in self._asdict().items() if value is not None}
        if self.allow_inf_nan:
            del said["allow_inf_nan"]
        return handler.generate_schema(Annotated[kind, PydanticField(**said)])


class Kinds(NamedTuple):
    """Which of several settings a table is: the field that says it."""

    field: str

    def __get_pydantic_core_schema__(self, kind: Any, handler: Any) -> Any:
        """The same as pydantic writes it."""
        from pydantic import Field as PydanticField

        return handler.generate_schema(Annotated[kind, PydanticField(discriminator=self.field)])


class Field(NamedTuple):
    """A field of some settings.

    Attributes
    ----------
    annotation
        Its type, without what is annotated.
    default
        Value where none is given; ABSENT: one must be given.  A function that makes one: see `fresh`.
    metadata
        What is annotated: `Limits`, `Slot`.
    whole
        Its type as it is written.
    take
        The value to keep for one that is given, ABSENT where only pydantic can say it.
    """

    annotation: Any
    default: Any
    metadata: tuple[Any, ...]
    whole: Any
    take: Callable[[Any], Any]


class Fresh(NamedTuple):
    """A default that is made anew each time."""

    make: Callable[[], Any]


def fresh(make: Callable[[], Any]) -> Any:
    """Default of a field that is made anew for each object."""
    return Fresh(make)


def before(name: str) -> Callable[[F], F]:
    """Mark a class method that turns what is given for a field into its value, or raises a `ConfigError`."""

    def mark(function: F) -> F:
        function._settles = name  # type: ignore[attr-defined]
        return function

    return mark


def check_number(name: str, value: Any, words: str = "") -> None:
    """Refuse what pydantic would take for a number though it is none: truth values, texts, numbers beyond floats.

    Raises
    ------
    ConfigError
        One of these.
    """
    if (
        isinstance(value, bool | str | bytes | complex)
        or getattr(getattr(value, "dtype", None), "kind", "f") not in "iuf"
        or is_beyond_float(value)
    ):
        words = words and f", or {words}"
        raise ConfigError(
            f"{name}: expected a valid number, such as 0.5 without quotes{words}; got {shown(value)}"
        )
