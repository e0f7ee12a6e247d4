"""Changing what is searched without writing a schema anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from peak_fast.arguments import mapping
from peak_fast.errors import StrategyError, did_you_mean
from peak_fast.params import Param
from peak_fast.settings import VARIABLE, check_apart


def narrow(
    schema: Sequence[Param], changes: Mapping[str, Any], settings: Sequence[str] = tuple(VARIABLE)
) -> tuple[Param, ...]:
    """A schema with other ranges, other choices or held values.

    Parameters
    ----------
    schema
        Parameters of the strategy.
    changes
        Per name: a tuple ``(low, high)`` or ``(low, high, step)``, a list of choices, or one value to hold; or
        the same as text: ``"5:60"``, ``"5:60:5"``, ``"50,100,200"``, ``"50"``. A name that is no parameter but
        a setting that sweeps may vary (``stop_loss``, ``fee_bps``, ...) is added as a parameter; None among
        its choices turns it off.
    settings
        Names of such settings.

    Raises
    ------
    StrategyError
        An unknown name, a value that is not allowed, or a range for a choice.

    Examples
    --------
    >>> narrow((Param("fast", "int", 20, low=2, high=200),), {"fast": "5:60:5"})[0].grid(3)
    [5, 35, 60]
    """
    known = {item.name: item for item in schema}
    mapping("space", changes, "{'fast': (5, 60)}", StrategyError)
    for name in changes:
        if name not in known and name not in settings:
            raise StrategyError(
                f"expected a parameter or setting to search; got {name!r}; "
                + did_you_mean(str(name), {*known, *settings})
            )
    for name, change in changes.items():
        if isinstance(change, list | tuple | range | set | frozenset) and not len(change):
            raise StrategyError(
                f"parameter {name!r}: expected at least one value; got none ({change!r}); list a value, or leave it out"
            )
    check_apart(changes)
    found = [_changed(item, changes[item.name]) if item.name in changes else item for item in schema]
    added = [_setting(name, change) for name, change in changes.items() if name not in known]
    return (*found, *added)


def _parts(item: Param, change: Any) -> tuple[str, list[Any]]:
    """What a change asks for: ``"range"``, ``"choices"`` or ``"hold"``, with plain values."""
    if isinstance(change, str) and not (item.kind == "choice" and change in (item.choices or ())):
        if ":" in change:
            return "range", [_number(item, part) for part in change.split(":")]
        if "," in change:
            return "choices", [item.parse(part) for part in change.split(",")]
        return "hold", [item.parse(change)]
    if isinstance(change, tuple):
        return "range", list(change)
    if isinstance(change, list | range | set | frozenset):
        values = sorted(change) if isinstance(change, set | frozenset) else list(change)
        return "choices", [item.validate_value(value) for value in values]
    return "hold", [item.validate_value(change)]


def _number(item: Param, text: str) -> int | float:
    try:
        return float(text) if item.kind == "float" else int(text)
    except ValueError:
        raise StrategyError(
            f"parameter {item.name!r}: expected low:high or low:high:step; got {text!r} in it; write numbers"
        ) from None


def _changed(item: Param, change: Any) -> Param:
    way, values = _parts(item, change)
    if way == "hold":
        return _held(item, values[0])
    if way == "choices":
        default = item.default if item.default in values else values[0]
        return replace(
            item,
            kind="choice",
            choices=tuple(values),
            default=default,
            low=None,
            high=None,
            step=None,
            log=False,
            hard_low=None,
            hard_high=None,
        )
    if item.kind not in ("int", "float") or len(values) not in (2, 3):
        raise StrategyError(
            f"parameter {item.name!r} ({item.kind}): expected "
            + (
                "(low, high) or (low, high, step)"
                if item.kind in ("int", "float")
                else "choices or one value"
            )
            + f"; got {change!r}"
        )
    low, high = (item.validate_value(value) for value in values[:2])
    step = values[2] if len(values) == 3 else item.step
    log = item.log and len(values) == 2
    least, most = item.limits
    return replace(
        item, low=low, high=high, step=step, log=log, default=min(max(item.default, low), high),
        hard_low=least, hard_high=most,
    )  # fmt: skip


def _held(item: Param, value: Any) -> Param:
    if item.kind in ("choice", "bool"):
        return replace(item, kind="choice", choices=(value,), default=value)
    least, most = item.limits
    return replace(
        item, low=value, high=value, step=None, log=False, default=value, hard_low=least, hard_high=most
    )


def _setting(name: str, change: Any) -> Param:
    from peak_fast.settings import PORTFOLIO_TEXTS, varied_field

    field = varied_field(name)
    whole = field.whole if field is not None else name in VARIABLE and VARIABLE[name].whole
    number = int if whole else float
    free = Param(name, "int" if whole else "float", number(0), description="setting of the engine")
    if name in PORTFOLIO_TEXTS or (field is not None and field.unit == "choice"):
        texts = tuple(change.split(",") if isinstance(change, str) else change)
        return Param(name, "choice", texts[0], choices=texts, description=free.description)
    if isinstance(change, str) and "," in change:
        change = [None if part.strip().lower() == "none" else part for part in change.split(",")]
        change = [part if part is None else free.parse(part) for part in change]
    if isinstance(change, list):
        values = tuple(value if value is None else free.validate_value(value) for value in change)
        return Param(name, "choice", values[0], choices=values, description=free.description)
    way, numbers = _parts(free, change)
    if way == "hold":
        return _held(free, numbers[0])
    return _changed(replace(free, default=number(numbers[0])), tuple(map(number, numbers)))
