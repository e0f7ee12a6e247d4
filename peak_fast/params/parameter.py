"""One parameter of a strategy: kind, default, allowed values, and how to search them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from peak_fast.arguments import is_number, is_whole, shown
from peak_fast.errors import StrategyError, did_you_mean, require
from peak_fast.guard import guarded_class
from peak_fast.params.spacing import last_step, spaced

Kind: TypeAlias = Literal["int", "float", "choice", "bool"]

_KINDS = ("int", "float", "choice", "bool")
# A number of bars that no data reaches, and that takes a fraction of a second and little memory.
_MOST_BARS = 10_000_000
_MISSING: Any = object()
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def _plain(value: Any) -> Any:
    """NumPy scalars and arrays of one element as Python values; anything else as it is."""
    if hasattr(value, "item") and getattr(value, "size", 0) == 1:
        return value.item()
    return value


def _same(left: Any, right: Any) -> bool:
    """Equality that keeps True apart from 1 (choices may hold both)."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


@guarded_class()
@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a strategy.

    Parameters
    ----------
    name
        Name under which the strategy receives the value: a Python identifier.
    kind
        ``"int"``, ``"float"``, ``"choice"`` or ``"bool"``.
    default
        Value where the caller gives none.
    low, high
        Range of searches, both ends included (int and float; None: unbounded, which cannot be searched).  A value that
        is given may lie outside, up to the hard limits.
    step
        Distance between two searched values (int: 1 where None; float: continuous where None).
    log
        Search on a logarithmic scale; needs ``low > 0`` and no step.
    choices
        Allowed values of a choice: text, numbers, booleans or None.
    description
        One line for tables and help texts.
    hard_low, hard_high
        Smallest and largest value that may be given (int and float; infinite: any).  None: see `limits`.
    when
        Values of other parameters under which this one matters, such as ``{"use_filter": True}``; a list,
        tuple or set of values means any of them.

    Raises
    ------
    StrategyError
        The definition contradicts itself.
    """

    name: str
    kind: Kind
    default: Any = _MISSING
    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    choices: tuple[Any, ...] | None = None
    description: str = ""
    when: Mapping[str, Any] | None = field(default=None, hash=False)
    hard_low: float | None = None
    hard_high: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise StrategyError(
                f"expected a parameter name that is a Python identifier; got {self.name!r}; "
                "use letters, digits and underscores"
            )
        if not isinstance(self.kind, str) or self.kind not in _KINDS:
            raise StrategyError(
                f"parameter {self.name!r}: expected a kind out of {', '.join(_KINDS)}; got {self.kind!r}; "
                + did_you_mean(str(self.kind), _KINDS)
            )
        if self.default is _MISSING:
            raise self._fail(
                "a default", "none", f"write Param({self.name!r}, {self.kind!r}, <default>, ...)"
            )
        if not isinstance(self.log, bool):
            raise self._fail("log=True or False", repr(self.log), "leave it out for a linear search")
        given: Any = self.choices
        if given is not None and (isinstance(given, str | bytes) or not isinstance(given, Iterable)):
            raise self._fail("choices as a list", repr(given), "write choices=('a', 'b')")
        if self.when is not None and not isinstance(self.when, Mapping):
            raise self._fail("when as a dict", repr(self.when), "write when={'other': True}")
        if self.choices is not None:
            object.__setattr__(self, "choices", tuple(_plain(choice) for choice in self.choices))
        if self.when is not None:
            object.__setattr__(self, "when", dict(self.when))
        if self.kind in ("int", "float"):
            self._check_range()
        else:
            self._check_choices()
        object.__setattr__(
            self, "default", self._within(self.validate_value(self.default), self.low, self.high)
        )

    def _fail(self, expected: str, got: Any, remedy: str) -> StrategyError:
        return StrategyError(f"parameter {self.name!r}: expected {expected}; got {got}; {remedy}")

    def _check_range(self) -> None:
        if self.choices is not None:
            raise self._fail("no choices for a number", f"choices={self.choices!r}", "use kind='choice'")
        number = int if self.kind == "int" else float
        for key in ("low", "high", "step"):
            value = _plain(getattr(self, key))
            if value is None:
                continue
            if not is_number(value) or not math.isfinite(value):
                raise self._fail(
                    f"{key} as a finite number", shown(value), f"give {key} a number or leave it out"
                )
            if number(value) != value:
                raise self._fail(f"a whole number as {key}", repr(value), "use kind='float' for fractions")
            object.__setattr__(self, key, number(value))
        self._check_limits()
        if self.low is not None and self.high is not None and self.low > self.high:
            raise self._fail("low <= high", f"low={self.low}, high={self.high}", "swap them")
        if self.step is not None and self.step <= 0:
            raise self._fail("step > 0", f"step={self.step}", "leave it out for a continuous search")
        if self.log and (self.low is None or self.low <= 0):
            raise self._fail(
                "low > 0 for a logarithmic search", f"low={self.low}", "raise low or set log=False"
            )
        if self.log and self.step is not None and not (self.kind == "int" and self.step == 1):
            raise self._fail("either step or log", f"step={self.step}, log=True", "drop one of them")

    def _check_limits(self) -> None:
        """Hard limits are numbers, infinite ones too, around the range of searches."""
        for key in ("hard_low", "hard_high"):
            value = _plain(getattr(self, key))
            if value is None:
                continue
            if not is_number(value) or math.isnan(value):
                raise self._fail(f"{key} as a number", shown(value), f"give {key} a number or leave it out")
            whole = self.kind == "int" and math.isfinite(value)
            if whole and int(value) != value:
                raise self._fail(f"a whole number as {key}", repr(value), "use kind='float' for fractions")
            object.__setattr__(self, key, int(value) if whole else value)
        least, most = self.limits
        for key, value in (("low", self.low), ("high", self.high)):
            if value is not None and not least <= value <= most:
                raise self._fail(f"hard_low <= {key} <= hard_high", f"{key}={value}", "widen the hard limits")

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest number that may be given: ``hard_low`` and ``hard_high``, or what they are left out.

        Without limits of its own a value keeps the sign of the range: from 1 where ``low`` of an int is above 0, from
        0 where ``low`` is not below it, up to 0 where ``high`` is not above it.  An int, such as a number of bars, goes
        up to 10,000,000.  A side that has no range has no limit.
        """
        least, most = -math.inf, math.inf
        if self.low is not None and self.low >= 0:
            least = 1 if self.kind == "int" and self.low > 0 else 0
        if self.high is not None and self.high <= 0:
            most = 0
        elif self.high is not None and self.kind == "int":
            most = max(self.high, _MOST_BARS)
        return (
            least if self.hard_low is None else self.hard_low,
            most if self.hard_high is None else self.hard_high,
        )

    def _check_choices(self) -> None:
        ranged = (self.low, self.high, self.step, self.hard_low, self.hard_high)
        if self.log or any(value is not None for value in ranged):
            raise self._fail("no range", "low, high, step or log", f"drop them for kind={self.kind!r}")
        if self.kind == "bool":
            if self.choices is not None:
                raise self._fail("no choices for a bool", repr(self.choices), "use kind='choice'")
            return
        if not self.choices:
            raise self._fail("at least one choice", repr(self.choices), "give choices=(...)")
        for index, choice in enumerate(self.choices):
            if not (choice is None or isinstance(choice, bool | int | float | str)):
                raise self._fail(
                    "choices that are text, numbers, booleans or None",
                    repr(choice),
                    "map names to objects inside",
                )
            if any(_same(choice, other) for other in self.choices[:index]):
                raise self._fail("distinct choices", f"{choice!r} twice", "remove one")

    @property
    def is_bounded(self) -> bool:
        """Whether the values can be enumerated or sampled: both ends known, or a choice."""
        return self.kind in ("choice", "bool") or (self.low is not None and self.high is not None)

    def validate_value(self, value: Any) -> Any:
        """Check one value and return it as a plain int, float, bool or choice.

        NumPy scalars are accepted, a float that is whole counts as an int, and 0 and 1 count as booleans,
        because parameter columns of sweeps are float64.

        Raises
        ------
        StrategyError
            Wrong type, outside the hard limits, not finite, or not among the choices.
        """
        return self._checked(value)

    def _checked(self, value: Any) -> Any:
        """What :meth:`validate_value` does, for the parameters of each single backtest: without a guard."""
        if type(value) is not int and type(value) is not float:
            value = _plain(value)
        if self.kind == "choice":
            for choice in self.choices or ():
                if _same(choice, value):
                    return choice
            listing = ", ".join(repr(choice) for choice in self.choices or ())
            raise self._fail(f"one of {listing}", repr(value), "pick one of them")
        if self.kind == "bool":
            if isinstance(value, bool):
                return value
            if isinstance(value, int | float) and value in (0, 1):
                return bool(value)
            raise self._fail("True or False", f"{value!r} ({type(value).__name__})", "pass a boolean")
        return self._validate_number(value)

    def _validate_number(self, value: Any) -> int | float:
        what = "a whole number" if self.kind == "int" else "a number"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._fail(
                what, f"{' '.join(repr(value).split())} ({type(value).__name__})", f"pass {what}"
            )
        try:
            finite = math.isfinite(value)
        except OverflowError:
            raise self._fail(what, shown(value), "pass a number that a float can hold") from None
        if not finite:
            raise self._fail("a finite number", repr(value), "pass a finite number")
        if self.kind == "int" and value != int(value):
            raise self._fail(what, repr(value), "round it or declare the parameter kind='float'")
        number: int | float = int(value) if self.kind == "int" else float(value)
        if self.low is not None and self.high is not None and self.low <= number <= self.high:
            return number
        least, most = self.limits
        if not least <= number <= most:
            side = "hard_low" if number < least else "hard_high"
            remedy = f"choose a value in the range, or give the Param another {side}"
            raise self._fail(f"{least:,} <= {self.name} <= {most:,}", repr(number), remedy)
        return number

    def _within(self, value: Any, low: float | None, high: float | None) -> Any:
        """The value, if it is one that a search may take."""
        if self.kind in ("int", "float"):
            least, most = -math.inf if low is None else low, math.inf if high is None else high
            if not least <= value <= most:
                raise self._fail(
                    f"{least} <= {self.name} <= {most} as the default",
                    repr(value),
                    "move the default or the range",
                )
        return value

    def parse(self, text: str) -> Any:
        """Read a value from text, as typed on a command line.

        Raises
        ------
        StrategyError
            The text is no such value, or the value is not allowed.
        """
        if not isinstance(text, str):
            raise self._fail(
                "text to read", f"{text!r} ({type(text).__name__})", "validate_value takes values"
            )
        stripped = text.strip()
        if self.kind in ("int", "float") and "_" in stripped:
            raise self._fail(f"kind {self.kind}", repr(text), "write the number without underscores")
        if self.kind == "bool" and stripped.lower() in _TRUE + _FALSE:
            return stripped.lower() in _TRUE
        if self.kind == "choice":
            for choice in self.choices or ():
                if stripped == str(choice):
                    return choice
            return self.validate_value(stripped)
        try:
            return self.validate_value(float(stripped) if self.kind == "float" else _whole(stripped))
        except ValueError as error:
            if isinstance(error, StrategyError):
                raise
            raise self._fail(f"kind {self.kind}", repr(text), "write it as a number") from error

    def _last(self) -> float:
        """Largest value that is low plus a whole number of steps (Optuna warns about any other upper end)."""
        low, high = self._bounds()
        if self.step is None:
            return high
        return last_step(low, high, self.step, self.kind == "int")

    def _bounds(self) -> tuple[float, float]:
        if self.low is None or self.high is None:
            raise self._fail(
                "low and high for a search",
                f"low={self.low}, high={self.high}",
                "give both, or fix the parameter",
            )
        return self.low, self.high

    def to_optuna_suggest(self, trial: Any) -> Any:
        """Ask an ``optuna.Trial`` (or ``FixedTrial``) for a value of this parameter."""
        if self.kind == "bool":
            return trial.suggest_categorical(self.name, [False, True])
        if self.kind == "choice":
            return trial.suggest_categorical(self.name, list(self.choices or ()))
        low, high = self._bounds()[0], self._last()
        if self.kind == "int":
            return trial.suggest_int(self.name, low, high, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.name, low, high, step=self.step, log=self.log)

    def to_distribution(self) -> Any:
        """The matching ``optuna.distributions`` object, equal to the one that ``to_optuna_suggest`` makes.

        Raises
        ------
        MissingDependencyError
            optuna is not installed.
        StrategyError
            A number without ``low`` or ``high``.
        """
        distributions = require("optuna.distributions", extra="optuna")
        if self.kind == "bool":
            return distributions.CategoricalDistribution([False, True])
        if self.kind == "choice":
            return distributions.CategoricalDistribution(list(self.choices or ()))
        low, high = self._bounds()[0], self._last()
        if self.kind == "int":
            return distributions.IntDistribution(int(low), int(high), log=self.log, step=int(self.step or 1))
        return distributions.FloatDistribution(low, high, log=self.log, step=self.step)

    def grid(self, n: int | None = None) -> list[Any]:
        """Values to try, ascending.

        Parameters
        ----------
        n
            At most this many, spread evenly (geometrically with ``log``) and including both ends. None takes
            every value of an int, of a choice and of a float with a step, and 10 of a continuous float.

        Returns
        -------
        list
            Distinct values that ``validate_value`` accepts.
        """
        if n is not None and (not is_whole(n) or n < 1):
            raise self._fail(
                "a grid of at least one value", f"n={n!r}", "pass a positive whole number or None"
            )
        if self.kind == "bool":
            return [False, True][:n]
        if self.kind == "choice":
            return list(self.choices or ())[:n]
        low, last = self._bounds()[0], self._last()
        count = None if n is not None else math.floor((last - low) / (self.step or 1) + 1e-9) + 1
        if count is not None and count > _MOST_BARS and (self.step is not None or self.kind == "int"):
            raise self._fail(
                f"at most {_MOST_BARS:,} values to list", f"{count:,}", "give a larger step, or list values"
            )
        return spaced(low, last, self.step, n, self.log, self.kind == "int")

    def is_active(self, params: Mapping[str, Any]) -> bool:
        """Whether the parameter matters under these values of the others (``when``).

        Raises
        ------
        StrategyError
            No dict, or one that lacks a value that ``when`` names.
        """
        lacking = [name for name in self.when or {} if not isinstance(params, Mapping) or name not in params]
        if lacking:
            raise self._fail(
                f"a dict with {lacking[0]!r}", repr(params), "pass a value for each name in when"
            )
        return all(
            any(_same(_plain(params[name]), option) for option in condition_options(wanted))
            for name, wanted in (self.when or {}).items()
        )


def _whole(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def condition_options(wanted: Any) -> tuple[Any, ...]:
    """The values that a condition in ``when`` accepts."""
    return tuple(wanted) if isinstance(wanted, list | tuple | set | frozenset) else (wanted,)
