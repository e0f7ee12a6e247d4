"""Base of all settings: frozen, validated once, one clear error.

Pydantic says what a field takes, and says it in its words; but importing it takes as long as a first backtest. So a
value that is plainly right (a float in its range, a word that is one of those asked for) is taken as it is
(`peak_fast.settings.taking`), and everything else is left to a pydantic model that is made of the same annotations
when it is first needed (`peak_fast.settings.models`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, TypeVar, get_origin, get_type_hints

from peak_fast.errors import ConfigError
from peak_fast.guard import guarded
from peak_fast.settings.fields import ABSENT, Field, Fresh, Slot
from peak_fast.settings.taking import taker

S = TypeVar("S", bound="Settings")


class _Kind(type):
    """Class of the settings' classes: what else pydantic's models can say, theirs says."""

    model_fields: dict[str, Field]

    def __getattr__(cls, name: str) -> Any:
        if not name.startswith("model_"):
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        if name == "model_fields":
            return fields_of(cls)
        from peak_fast.settings.models import model_of

        return getattr(model_of(cls), name)


class Settings(metaclass=_Kind):
    """Base of all settings: unknown names and wrong values are one clear `ConfigError`."""

    __slots__ = ("__dict__", "__weakref__", "_given")
    _given: set[str]
    _defaults: ClassVar[dict[str, Any]] = {}
    _befores: ClassVar[dict[str, str]] = {}
    _strips: ClassVar[bool] = True  # whether texts lose blanks at their ends

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        own = {
            name: vars(cls).get(name, ABSENT)
            for name, hint in inspect.get_annotations(cls).items()
            if not str(hint).startswith("ClassVar")
        }
        for name, default in own.items():
            if default is not ABSENT:
                delattr(cls, name)
        cls._defaults = {**cls._defaults, **own}
        marked = {name: getattr(item, "__func__", None) for name, item in vars(cls).items()}
        settles = {name: getattr(item, "_settles", "") for name, item in marked.items()}
        cls._befores = {**cls._befores, **{field: name for name, field in settles.items() if field}}

    def __init__(self, *unnamed: Any, **values: Any) -> None:
        if unnamed:
            values = self._named(unnamed, values)
        taken = self._taken(values)
        if taken is None:
            from peak_fast.settings.models import validated

            taken = validated(type(self), values)
        self._fill(taken, values)

    def _fill(self, taken: dict[str, Any], given: Iterable[str]) -> None:
        """Become these values."""
        put = object.__setattr__
        put(self, "_given", set(given))
        put(self, "__dict__", taken)
        try:
            self.model_post_init(None)
        except ValueError as error:
            from peak_fast.settings.models import retold

            raise retold(self, error) from None

    def model_post_init(self, context: Any, /) -> None:
        """Checks of several fields together."""

    @classmethod
    def _plainly(cls, values: dict[str, Any]) -> Any:
        """Settings of values that are plainly right, else ABSENT."""
        taken = cls._taken(values)
        if taken is None:
            return ABSENT
        made = cls.__new__(cls)
        try:
            made._fill(taken, values)
        except ValueError:
            return ABSENT
        return made

    @classmethod
    def _named(cls, unnamed: tuple[Any, ...], values: dict[str, Any]) -> dict[str, Any]:
        """Values by name; only sizes may be given without."""
        first = next(iter(cls._defaults))
        raise ConfigError(f"{cls.__name__}: expected settings by name; got {unnamed[0]!r}; write {first}=...")

    @classmethod
    def _taken(cls, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Values of all fields where those that are given are plainly right, else None."""
        taken = {}
        for name, default in cls._defaults.items():
            value = values.get(name, ABSENT)
            if value is not ABSENT:
                value = cls._settled(name, value)
            elif isinstance(default, Fresh):
                value = default.make()
            else:
                value = default
            if value is ABSENT:
                return None
            taken[name] = value
        return taken if values.keys() <= taken.keys() else None

    @classmethod
    def _settled(cls, name: str, value: Any) -> Any:
        """The value to keep for one that is given, else ABSENT."""
        settle = cls._befores.get(name)
        if settle is not None:
            try:
                value = getattr(cls, settle)(value)
            except ValueError:
                return ABSENT
        return fields_of(cls)[name].take(value)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._model(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._model(), name)

    def _model(self) -> Any:
        """Pydantic's model with these values."""
        from peak_fast.settings.models import model_of

        return model_of(type(self)).model_construct(self._given, **self.__dict__)

    def __getattr__(self, name: str) -> Any:
        if name == "model_fields_set":
            return self._given
        if not name.startswith("model_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._model(), name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Settings):
            return NotImplemented
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        yield from self.__dict__.items()

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Names and values as they are shown."""
        yield from self.__dict__.items()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__repr_args__())})"
        )

    def __str__(self) -> str:
        return " ".join(f"{name}={value!r}" for name, value in self.__repr_args__())

    def __getstate__(self) -> dict[str, Any]:
        return {"__dict__": dict(self.__dict__), "__pydantic_fields_set__": self._given}

    def __setstate__(self, state: dict[str, Any]) -> None:
        object.__setattr__(self, "_given", set(state["__pydantic_fields_set__"]))
        object.__setattr__(self, "__dict__", dict(state["__dict__"]))

    @guarded
    def model_copy(self: S, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> S:
        """These settings with others in the place of some; the others are not checked."""
        import copy

        made = copy.deepcopy(self) if deep else copy.copy(self)
        if update:
            made.__setstate__({
                "__dict__": {**made.__dict__, **update}, "__pydantic_fields_set__": made._given | update.keys()
            })  # fmt: skip
        return made

    @guarded
    def model_dump(
        self, *, mode: str = "python", include: Any = None, exclude: Any = None, exclude_unset: bool = False,
        exclude_defaults: bool = False, exclude_none: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Plain values by name; the arguments are those of pydantic's method of this name."""
        how = {
            "mode": mode, "include": include, "exclude": exclude, "exclude_unset": exclude_unset,
            "exclude_defaults": exclude_defaults, "exclude_none": exclude_none,
        }  # fmt: skip
        found = dumped(self) if how == _AS_THEY_ARE else ABSENT
        return dict(self._model().model_dump(**how) if found is ABSENT else found)

    @classmethod
    @guarded
    def model_validate(cls: type[S], value: Any) -> S:
        """Settings of a dict of values, or the settings themselves."""
        if isinstance(value, cls):
            return value
        from peak_fast.settings.models import model_of

        return cls(**(value if isinstance(value, dict) else dict(model_of(cls).model_validate(value))))

    @property
    def __pydantic_serializer__(self) -> Any:
        """How pydantic writes these settings where a field may be anything."""
        from peak_fast.settings.models import serializer_of

        return serializer_of(type(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, kind: Any, handler: Any) -> Any:
        """These settings as a field of a pydantic model."""
        from peak_fast.settings.models import as_field

        return as_field(kind, handler)


_AS_THEY_ARE = {
    "mode": "python", "include": None, "exclude": None, "exclude_unset": False, "exclude_defaults": False,
    "exclude_none": False,
}  # fmt: skip
_PLAIN = (str, int, float, bool, type(None))


def dumped(value: Any) -> Any:
    """A value as plain values, ABSENT where only pydantic knows how."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Settings):
        value = value.__dict__
    if type(value) is dict:
        items = {name: dumped(item) for name, item in value.items()}
        return ABSENT if any(item is ABSENT for item in items.values()) else items
    if type(value) in (list, tuple):
        parts = [dumped(item) for item in value]
        return ABSENT if any(item is ABSENT for item in parts) else type(value)(parts)
    return ABSENT


@functools.cache
def fields_of(kind: type[Any]) -> dict[str, Field]:
    """Fields of some settings by name, those of their base first."""
    hints = get_type_hints(kind, include_extras=True)
    found = {}
    for name, default in kind._defaults.items():
        hint = hints[name]
        annotation, extras = (
            (hint.__origin__, hint.__metadata__) if get_origin(hint) is Annotated else (hint, ())
        )
        found[name] = Field(annotation, default, extras, hint, taker(hint, strips=kind._strips))
    return found


def slotted(model: type[Settings]) -> Iterator[tuple[str, Field, Slot]]:
    """Fields of a model that kernels read: name, field, slot."""
    for name, field in fields_of(model).items():
        yield from ((name, field, item) for item in field.metadata if isinstance(item, Slot))


@functools.cache
def _plan(model: type[Settings]) -> tuple[tuple[str, tuple[int, ...], float, dict[str, float]], ...]:
    """What `put_fields` does for each field of a model: name, places, unit, numbers of texts."""
    return tuple(
        (name, slot.places, slot.unit, {text: float(place) for place, text in enumerate(slot.codes)})
        for name, _, slot in slotted(model)
    )


def put_fields(vector: list[float], part: Settings) -> None:
    """Fill the slots of the fields of some settings; None leaves what is there."""
    values = part.__dict__
    for name, places, unit, codes in _plan(type(part)):
        value = values[name]
        if value is None:
            continue
        if codes:
            value = codes[value]
        elif unit != 1.0:
            value = value / unit
        for place in places:
            vector[place] = value
