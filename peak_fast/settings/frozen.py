"""Base of all settings: frozen, validated once, one clear error."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from peak_fast.arguments import is_beyond_float, shown
from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.masking import masked


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


class Settings(BaseModel):
    """Base of all settings: unknown names and wrong values are one clear `ConfigError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    def __init__(self, *unnamed: Any, **values: Any) -> None:
        if unnamed:
            values = self._named(unnamed, values)
        for name in _numeric(type(self)) & values.keys():
            check_number(f"{type(self).__name__}.{name}", values[name])
        words = _worded(type(self))
        for name in words.keys() & values.keys():
            if not isinstance(values[name], str) or values[name].strip() not in words[name]:
                check_number(
                    f"{type(self).__name__}.{name}", values[name], " or ".join(map(repr, words[name]))
                )
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(explain(type(self), error)) from None

    @classmethod
    def _named(cls, unnamed: tuple[Any, ...], values: dict[str, Any]) -> dict[str, Any]:
        """Values by name; only sizes may be given without."""
        first = next(iter(cls.model_fields))
        raise ConfigError(f"{cls.__name__}: expected settings by name; got {unnamed[0]!r}; write {first}=...")


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


@functools.cache
def _numeric(model: type[BaseModel]) -> frozenset[str]:
    """Names of the fields that hold a number, or None."""
    found = []
    for name, field in model.model_fields.items():
        kinds = {
            item for item in (get_args(field.annotation) or (field.annotation,)) if item is not type(None)
        }
        plain = {get_args(item)[0] if get_origin(item) is Annotated else item for item in kinds}
        if plain and plain <= {int, float}:
            found.append(name)
    return frozenset(found)


@functools.cache
def _worded(model: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """Fields that hold a number or one of some words, and these words."""
    found = {}
    for name, field in model.model_fields.items():
        kinds = get_args(field.annotation)
        plain = {get_args(item)[0] if get_origin(item) is Annotated else item for item in kinds}
        words = [word for item in kinds if get_origin(item) is Literal for word in get_args(item)]
        if words and plain & {int, float}:
            found[name] = tuple(words)
    return found


def explain(model: type[BaseModel], error: ValidationError) -> str:
    """One line for a failed validation: field, what was expected, what came."""
    parts = []
    for item in error.errors():
        field = ".".join(str(step) for step in item["loc"])
        name = f"{model.__name__}.{field}" if field else model.__name__
        if item["type"] == "extra_forbidden":
            parts.append(f"{name}: no such setting; {_name_of_sweeps(model, field)}")
            continue
        inner = item.get("ctx", {}).get("error")
        if isinstance(inner, ConfigError):
            # A table inside a table has said it already.
            parts.append(str(inner))
            continue
        wanted = item["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        parts.append(f"{name}: expected {wanted}; got {shown(item['input'])}")
    return masked("; ".join(parts))


def _name_of_sweeps(model: type[BaseModel], wrong: str) -> str:
    """What is meant by an unknown name: the field that sweeps vary by it, else the nearest one."""
    for name, _, slot in slotted(model):
        if wrong == slot.in_bps:
            return f"{name!r} is it as a fraction (a basis point is 0.0001); sweeps and the command line say {wrong!r}"
        if wrong == slot.varied:
            return f"{name!r} is what sweeps vary as {wrong!r}"
    return did_you_mean(wrong, model.model_fields)


def slotted(model: type[BaseModel]) -> Iterator[tuple[str, Any, Slot]]:
    """Fields of a model that kernels read: name, field, slot."""
    for name, field in model.model_fields.items():
        yield from ((name, field, item) for item in field.metadata if isinstance(item, Slot))


@functools.cache
def _plan(model: type[BaseModel]) -> tuple[tuple[str, tuple[int, ...], float, dict[str, float]], ...]:
    """What `put_fields` does for each field of a model: name, places, unit, numbers of texts."""
    return tuple(
        (name, slot.places, slot.unit, {text: float(place) for place, text in enumerate(slot.codes)})
        for name, _, slot in slotted(model)
    )


def put_fields(vector: list[float], part: BaseModel) -> None:
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
