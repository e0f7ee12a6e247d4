"""Numbers of a rule that may be names of parameters, and the parameters that follow from them."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any

from peak_fast.arguments import is_number, is_whole, wrong
from peak_fast.errors import StrategyError, did_you_mean
from peak_fast.params import Param

MOST_BARS = 10_000_000
_MOST = 1e15
_SHARES = {"band": 1.0, "cap": 10.0, "group_cap": 10.0}  # of the equity; what is larger was meant in per cent

# What is searched where a rule names a parameter and says nothing else of it.
_RANGES: dict[str, dict[str, Any]] = {
    "lookback": {"kind": "int", "default": 126, "low": 21, "high": 252, "hard_low": 1},
    "skip": {"kind": "int", "default": 21, "low": 0, "high": 63},
    "top": {"kind": "int", "default": 50, "low": 1, "high": 100},
    "bottom": {"kind": "int", "default": 0, "low": 0, "high": 100},
    "buffer": {"kind": "int", "default": 0, "low": 0, "high": 50},
    "bars": {"kind": "int", "default": 21, "low": 1, "high": 252},
    "band": {"kind": "float", "default": 0.0, "low": 0.0, "high": 0.1, "hard_high": 1.0},
    "long": {"kind": "float", "default": 1.0, "low": 0.0, "high": 2.0},
    "short": {"kind": "float", "default": 1.0, "low": 0.0, "high": 2.0},
    "cap": {"kind": "float", "default": 1.0, "low": 0.01, "high": 1.0, "hard_low": 0.0, "hard_high": 10.0},
    "group_cap": {
        "kind": "float",
        "default": 1.0,
        "low": 0.05,
        "high": 1.0,
        "hard_low": 0.0,
        "hard_high": 10.0,
    },
}


def parameter(name: str, role: str) -> Param:
    """The parameter of a name that stands where a rule has a number."""
    return Param(name, **_RANGES[role])


def check_reference(owner: str, role: str, value: Any, *, low: float = 0.0, whole: bool = True) -> None:
    """Raise StrategyError unless a value is a number from ``low`` on, or the name of a parameter."""
    if isinstance(value, str):
        if value.isidentifier() and not keyword.iskeyword(value):
            return
        raise wrong(
            f"{owner}: {role}",
            "a number or the name of a parameter",
            value,
            "use an identifier",
            StrategyError,
        )
    fits = is_whole(value) if whole else is_number(value)
    if fits and role in _SHARES and _SHARES[role] <= value <= _MOST:
        expected = f"a share of the equity below {_SHARES[role]:g}"
        raise wrong(f"{owner}: {role}", expected, value, "40 per cent is 0.4", StrategyError)
    if fits and not value <= (MOST_BARS if whole else _MOST):
        remedy = f"at most {MOST_BARS:,}" if whole else "None stands for no limit"
        raise wrong(f"{owner}: {role}", "a number within reason", value, remedy, StrategyError)
    if not fits or not value >= low:
        kind = "a whole number" if whole else "a number"
        remedy = f"or the name of a parameter, such as {role!r}"
        raise wrong(f"{owner}: {role}", f"{kind} of at least {low:g}", value, remedy, StrategyError)


def named(**roles: Any) -> dict[str, Param]:
    """Parameters that the numbers of a rule name, by role."""
    return {value: parameter(value, role) for role, value in roles.items() if isinstance(value, str)}


def resolved(value: Any, params: Mapping[str, Any]) -> Any:
    """A number, or the value of the parameter that is named.

    Raises
    ------
    StrategyError
        There is no such parameter.
    """
    if not isinstance(value, str):
        return value
    try:
        return params[value]
    except KeyError:
        raise StrategyError(f"no parameter {value!r} was given; {did_you_mean(value, params)}") from None
