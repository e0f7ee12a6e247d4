"""Values of settings that are plainly right, told without pydantic.

A value is taken only where pydantic would take it, too, and would keep the same; of anything else the answer is
ABSENT, and pydantic is asked.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from peak_fast.settings.fields import ABSENT, Limits

Take = Callable[[Any], Any]

_EXACT = 2**53  # whole numbers up to it are the same as floats


def taker(hint: Any, *, strips: bool) -> Take:
    """The function that says what to keep of a value of a type.

    Parameters
    ----------
    hint
        The type, with what is annotated.
    strips
        Whether texts lose the blanks at their ends.
    """
    extras: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, extras = hint.__origin__, hint.__metadata__
    limits = next((item for item in extras if isinstance(item, Limits)), Limits())
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return _same
    if origin is Literal:
        return _one_of(args)
    if origin in (Union, types.UnionType):
        return _first([taker(item, strips=strips) for item in args])
    if origin is list:
        return _listed(taker(args[0], strips=strips))
    if origin is dict and args[0] is str:
        return _named(taker(args[1], strips=strips), _text(strips=strips))
    if isinstance(hint, type) and hasattr(hint, "_plainly"):
        return _settings(hint)
    plain: dict[Any, Take] = {
        float: _float(limits), int: _whole(limits), bool: _exactly(bool), str: _text(strips=strips),
        type(None): _exactly(type(None)),
    }  # fmt: skip
    return plain.get(hint, _never)


def _same(value: Any) -> Any:
    return value


def _never(value: Any) -> Any:
    return ABSENT


def _exactly(kind: type) -> Take:
    return lambda value: value if type(value) is kind else ABSENT


def _one_of(words: Sequence[Any]) -> Take:
    known = frozenset(words)
    kinds = frozenset(type(word) for word in words)
    return lambda value: value if type(value) in kinds and value in known else ABSENT


def _within(limits: Limits) -> Callable[[float], bool]:
    above, least, below, most, _ = limits
    return lambda value: (
        (above is None or value > above)
        and (least is None or value >= least)
        and (below is None or value < below)
        and (most is None or value <= most)
    )


def _float(limits: Limits) -> Take:
    within, any_value = _within(limits), limits.allow_inf_nan

    def take(value: Any) -> Any:
        if type(value) is int and -_EXACT <= value <= _EXACT:
            value = float(value)
        return (
            value
            if type(value) is float and (any_value or math.isfinite(value)) and within(value)
            else ABSENT
        )

    return take


def _whole(limits: Limits) -> Take:
    within = _within(limits)
    return lambda value: (
        value if type(value) is int and -_EXACT <= value <= _EXACT and within(value) else ABSENT
    )


def _text(*, strips: bool) -> Take:
    def take(value: Any) -> Any:
        if type(value) is not str:
            return ABSENT
        if not strips:
            return value
        # What counts as blank beyond ASCII, pydantic decides.
        return value.strip(" ") if value.isascii() and value.isprintable() else ABSENT

    return take


def _first(takes: Sequence[Take]) -> Take:
    """What the only kind that takes it keeps of a value."""

    def take(value: Any) -> Any:
        found = [kept for kept in (item(value) for item in takes) if kept is not ABSENT]
        return found[0] if len(found) == 1 else ABSENT

    return take


def _listed(inner: Take) -> Take:
    def take(value: Any) -> Any:
        kept = [inner(item) for item in value] if type(value) is list else [ABSENT]
        return ABSENT if any(item is ABSENT for item in kept) else kept

    return take


def _named(inner: Take, key: Take) -> Take:
    def take(value: Any) -> Any:
        if type(value) is not dict:
            return ABSENT
        kept = {key(name): inner(item) for name, item in value.items()}
        return ABSENT if len(kept) < len(value) or ABSENT in kept or _has_absent(kept.values()) else kept

    return take


def _has_absent(values: Any) -> bool:
    return any(item is ABSENT for item in values)


def _settings(kind: Any) -> Take:
    """Settings as they are, or of a dict of values that are plainly right."""

    def take(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if type(value) is not dict or not all(type(name) is str for name in value):
            return ABSENT
        word = kind._defaults.get("kind")
        return kind._plainly(value) if word is None or value.get("kind") == word else ABSENT

    return take
