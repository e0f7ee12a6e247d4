"""Pydantic's models of the settings: what is not plainly right is judged here, and wrong values get its words.

Imported when they are needed first, because importing pydantic takes as long as a first backtest.
"""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model, field_validator
from pydantic import Field as PydanticField
from pydantic_core import core_schema

from peak_fast.arguments import shown
from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.masking import masked
from peak_fast.settings.fields import ABSENT, Field, Fresh, Slot, check_number


@functools.cache
def model_of(kind: Any) -> type[BaseModel]:
    """Pydantic's model of some settings: the same fields."""
    settles = {
        f"_settle_{name}": field_validator(name, mode="before")(_settler(getattr(kind, function)))
        for name, function in kind._befores.items()
    }
    build: Any = create_model
    made = build(
        kind.__name__,
        __config__=ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=kind._strips),
        __module__=kind.__module__,
        __doc__=kind.__doc__,
        __validators__=settles,
        **{name: (field.whole, _default(field)) for name, field in kind.model_fields.items()},
    )
    return cast("type[BaseModel]", made)


def _settler(function: Any) -> Any:
    def settle(given: Any) -> Any:
        return function(given)

    return settle


def _default(field: Field) -> Any:
    if field.default is ABSENT:
        return ...
    if isinstance(field.default, Fresh):
        return PydanticField(default_factory=field.default.make)
    return field.default


def as_field(kind: Any, handler: Any) -> Any:
    """Schema of some settings as a field of a pydantic model: objects as they are, dicts become objects."""

    def made(value: Any, inner: Any) -> Any:
        if isinstance(value, kind):
            return value
        return kind(**value) if isinstance(value, dict) else inner(value)

    def plain(value: Any, info: Any) -> Any:
        return value.model_dump(mode=info.mode)

    shown_as = core_schema.plain_serializer_function_ser_schema(plain, info_arg=True)
    inner = handler.generate_schema(model_of(kind))
    return core_schema.no_info_wrap_validator_function(made, inner, serialization=shown_as)


@functools.cache
def serializer_of(kind: Any) -> Any:
    """Pydantic's serializer of some settings."""
    return TypeAdapter(kind).serializer


def validated(kind: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Values of all fields.

    Raises
    ------
    ConfigError
        An unknown name, or a value that its field cannot take.
    """
    numeric, words = _numeric(kind), _worded(kind)
    for name, value in values.items():  # of two that are wrong, the first is named
        among = isinstance(value, str) and value.strip() in words.get(name, ())
        if (name in numeric or name in words) and not among:
            check_number(f"{kind.__name__}.{name}", value, " or ".join(map(repr, words.get(name, ()))))
    try:
        return dict(model_of(kind)(**values).__dict__)
    except ValidationError as error:
        raise ConfigError(explain(kind, error)) from None


@functools.cache
def _numeric(kind: Any) -> frozenset[str]:
    """Names of the fields that hold a number, or None."""
    found = []
    for name, field in kind.model_fields.items():
        kinds = {
            item for item in (get_args(field.annotation) or (field.annotation,)) if item is not type(None)
        }
        plain = {get_args(item)[0] if get_origin(item) is Annotated else item for item in kinds}
        if plain and plain <= {int, float}:
            found.append(name)
    return frozenset(found)


@functools.cache
def _worded(kind: Any) -> dict[str, tuple[str, ...]]:
    """Fields that hold a number or one of some words, and these words."""
    found = {}
    for name, field in kind.model_fields.items():
        kinds = get_args(field.annotation)
        plain = {get_args(item)[0] if get_origin(item) is Annotated else item for item in kinds}
        words = [word for item in kinds if get_origin(item) is Literal for word in get_args(item)]
        if words and plain & {int, float}:
            found[name] = tuple(words)
    return found


def retold(made: Any, error: ValueError) -> ConfigError:
    """The error of some settings for one of a check of several fields."""
    said = str(error)
    if not isinstance(error, ConfigError):
        said = f"{type(made).__name__}: expected {said}; got {shown(made)}"
    return ConfigError(masked(said))


def explain(kind: Any, error: ValidationError) -> str:
    """One line for a failed validation: field, what was expected, what came."""
    parts = []
    for item in error.errors():
        field = ".".join(str(step) for step in item["loc"])
        name = f"{kind.__name__}.{field}" if field else kind.__name__
        if item["type"] == "extra_forbidden":
            parts.append(f"{name}: no such setting; {_name_of_sweeps(kind, field)}")
            continue
        inner = item.get("ctx", {}).get("error")
        if isinstance(inner, ConfigError):
            # A table inside a table has said it already.
            parts.append(str(inner))
            continue
        wanted = item["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        most = {name: value for name, value in (item.get("ctx") or {}).items() if name in ("lt", "le")}
        percents = "; a fraction: 2 per cent is 0.02" * (1.0 in most.values())
        parts.append(f"{name}: expected {wanted}; got {shown(item['input'])}{percents}")
    return masked("; ".join(parts))


def _name_of_sweeps(kind: Any, wrong: str) -> str:
    """What is meant by an unknown name: the field that sweeps vary by it, else the nearest one."""
    slots = ((name, slot) for name, field in kind.model_fields.items() for slot in field.metadata)
    for name, slot in slots:
        if not isinstance(slot, Slot):
            continue
        if wrong == slot.in_bps:
            return f"{name!r} is it as a fraction (a basis point is 0.0001); sweeps and the command line say {wrong!r}"
        if wrong == slot.varied:
            return f"{name!r} is what sweeps vary as {wrong!r}"
    return did_you_mean(wrong, kind.model_fields)
