"""Rules of sizes, each with its unit in its name."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from peak_fast.errors import ConfigError
from peak_fast.settings.base import Fraction, Limits, NonNegative, Positive
from peak_fast.settings.fields import Kinds, Slot
from peak_fast.settings.frozen import Settings as Settings
from peak_kernels import slots as t

_SIZE = Slot((t.SIZE_VALUE,), "size", decides=True)


_MOST = Slot((t.SIZE_MAX_POSITION,), "size_max_fraction", decides=True)


_FALLBACK = Slot((t.SIZE_FALLBACK,), "size_fallback", decides=True)


class SizeRule(Settings):
    """Base of the sizes; their class names the unit, so ``FractionOfEquity(0.5)`` is clear without a name.

    ``mode``: what the kernel calls it (`peak_kernels.slots`, ``SIZE_``).
    """

    mode: ClassVar[int] = -1

    @classmethod
    def _named(cls, unnamed: tuple[Any, ...], values: dict[str, Any]) -> dict[str, Any]:
        names = [name for name in cls.model_fields if name != "kind"]
        given = dict(zip(names, unnamed, strict=False))
        if len(unnamed) > len(names) or given.keys() & values.keys():
            raise ConfigError(
                f"{cls.__name__}: expected each of {', '.join(names)} once; got {unnamed!r} and {values!r}"
            )
        return {**given, **values}


class FractionOfEquity(SizeRule):
    """Position worth ``fraction`` of equity at the fill, as far as it can be paid with its fee."""

    kind: Literal["fraction_of_equity"] = "fraction_of_equity"
    mode: ClassVar[int] = t.SIZE_FRACTION
    fraction: Annotated[Positive, _SIZE] = 1.0


class FixedUnits(SizeRule):
    """Position of ``units`` shares, coins or contracts; cut to what can be paid."""

    kind: Literal["fixed_units"] = "fixed_units"
    mode: ClassVar[int] = t.SIZE_UNITS
    units: Annotated[Positive, _SIZE]


class FixedValue(SizeRule):
    """Position worth ``value`` in currency at the fill; cut to what can be paid."""

    kind: Literal["fixed_value"] = "fixed_value"
    mode: ClassVar[int] = t.SIZE_NOTIONAL
    value: Annotated[Positive, _SIZE]


class RiskPerTrade(SizeRule):
    """Lose ``risk`` of equity if the stop is hit: size = risk * equity / stop distance.

    At most ``max_position`` of equity; refused where the position would be worth less than ``min_value``.
    Needs a stop-loss or a trailing stop.
    """

    kind: Literal["risk_per_trade"] = "risk_per_trade"
    mode: ClassVar[int] = t.SIZE_RISK
    risk: Annotated[Fraction, _SIZE] = 0.01
    max_position: Annotated[Positive, Slot((t.SIZE_MAX_POSITION,))] = 1.0
    min_value: Annotated[NonNegative, Slot((t.SIZE_MIN_VALUE,))] = 0.0


class VolatilityTarget(SizeRule):
    """Position whose yearly volatility is ``volatility``: fraction of equity = volatility / estimate.

    The estimate is the standard deviation of the last ``window`` returns from close to close, up to the bar that
    decides, times the square root of the bars a year: the engine's ``periods_per_year`` where it is given, else what
    the times before the deciding bar's date show (none on the first date, so there is no estimate there).

    Parameters
    ----------
    volatility
        Target, a fraction a year: 0.2 is 20 %.
    window
        Returns that are looked at.
    max_fraction
        Largest fraction of equity.
    fallback
        Fraction of equity while fewer returns, or no bars a year, are known; 0: such an entry is refused
        (``no_estimate``).
    """

    kind: Literal["volatility_target"] = "volatility_target"
    mode: ClassVar[int] = t.SIZE_VOLATILITY
    volatility: Annotated[Positive, _SIZE] = 0.2
    window: Annotated[int, Limits(ge=2), Slot((t.SIZE_WINDOW,), "size_window", decides=True)] = 20
    max_fraction: Annotated[Positive, _MOST] = 1.0
    fallback: Annotated[NonNegative, _FALLBACK] = 0.0


class KellyFraction(SizeRule):
    """``share`` of the Kelly criterion of the run's own closed trades, as a fraction of equity.

    The criterion is W - (1 - W) / R with the win rate W and the payoff ratio R: mean net return of the winning
    trades over that of the others.

    Parameters
    ----------
    share
        Part of the criterion that is used; 0.5: half Kelly.
    min_trades
        Closed trades that an estimate needs.
    fallback
        Fraction of equity before that; 0: such an entry is refused (``no_estimate``), so nothing ever trades.
    min_fraction
        Smallest fraction of equity.  0: where the criterion is not positive, entries are refused (``no_edge``);
        no further trade can change that, so the run stays out of the market from then on.
    max_fraction
        Largest fraction of equity.
    """

    kind: Literal["kelly"] = "kelly"
    mode: ClassVar[int] = t.SIZE_KELLY
    share: Annotated[Positive, _SIZE] = 0.5
    min_trades: Annotated[int, Limits(ge=1), Slot((t.SIZE_WINDOW,), "size_min_trades", decides=True)] = 20
    fallback: Annotated[NonNegative, _FALLBACK] = 0.1
    min_fraction: Annotated[NonNegative, Slot((t.SIZE_LEAST,), "size_min_fraction", decides=True)] = 0.0
    max_fraction: Annotated[Positive, _MOST] = 1.0


Sizing = FractionOfEquity | FixedUnits | FixedValue | RiskPerTrade | VolatilityTarget | KellyFraction


AnySizing = Annotated[Sizing, Kinds("kind")]
