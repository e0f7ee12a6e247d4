"""Settings of a backtest: frozen, validated once, the same in Python and in TOML.

>>> costs = Costs(rate=0.001, slippage_bps=5)
>>> Stops(stop_loss=0.02, trailing=0.05).trailing
0.05
>>> Execution(fill_at="tomorrow")
Traceback (most recent call last):
peak_fast.errors.ConfigError: Execution.fill_at: expected 'next_open' or 'close'; got 'tomorrow'

`BacktestConfig` groups them as the tables of a TOML file: ``[execution]``, ``[costs]``, ``[stops]``,
``[sizing]``, ``[risk_limits]``, ``[tracking]``, ``[order_book]``, ``[sweep]``, ``[data]``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from peak_fast._arguments import place, rate_of_bps
from peak_fast._guard import guarded
from peak_fast._settings import Settings as Settings
from peak_fast._settings import Slot
from peak_fast.data.table import DataTable
from peak_fast.errors import ConfigError
from peak_kernels import types as t

BASIS_POINTS = 10_000.0

Fraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _preset(name: str, changes: dict[str, Any]) -> Any:
    """Rules of another engine, with some of them changed; whoever asks for none does not load them."""
    from peak_fast.presets import preset_rules

    return preset_rules(name, changes)


class Execution(Settings):
    """How and when orders fill.

    Parameters
    ----------
    fill_at
        ``"next_open"`` (default): a decision made at the close of a bar fills at the next bar's open.
        ``"close"``: it fills at the close it was made at, which assumes that the close is known before it
        trades; every result says so.
    both_hit
        What fills when a bar reaches stop and target: ``"stop_first"``, ``"target_first"`` or
        ``"nearest_to_open"`` (a tie goes to the stop).  Such bars are counted as ``ambiguous_bars``.
    entry_bar_stops
        Whether stops may end a position in the bar whose open it was entered at.
    lot_size
        Sizes are rounded down to a multiple of it; 0: any size.
    min_size
        Smallest size worth an order.
    leverage
        Largest position value as a multiple of equity; 1: a cash account, shorts backed in full.
    """

    fill_at: Annotated[
        Literal["next_open", "close"], Slot((t.FILL_AT_CLOSE,), codes=("next_open", "close"))
    ] = "next_open"
    both_hit: Annotated[
        Literal["stop_first", "target_first", "nearest_to_open"],
        Slot((t.BOTH_HIT,), codes=("stop_first", "target_first", "nearest_to_open")),
    ] = "stop_first"
    entry_bar_stops: Annotated[bool, Slot((t.ENTRY_BAR_STOPS,))] = True
    lot_size: Annotated[NonNegative, Slot((t.LOT_SIZE,))] = 0.0
    min_size: Annotated[NonNegative, Slot((t.MIN_SIZE,))] = 0.0
    leverage: Annotated[Positive, Slot((t.LEVERAGE,), "leverage")] = 1.0

    @classmethod
    def vectorbt(cls, **changes: Any) -> Any:
        """Rules of vectorbt's signal simulation, for `simulate_signals`; see `peak_fast.presets.vectorbt`."""
        return _preset("vectorbt", changes)

    @classmethod
    def backtesting_py(cls, **changes: Any) -> Any:
        """Rules of backtesting.py, for `simulate_orders`; see `peak_fast.presets.backtesting_py`."""
        return _preset("backtesting_py", changes)

    @classmethod
    def backtrader(cls, **changes: Any) -> Any:
        """Rules of backtrader, for `simulate_orders`; see `peak_fast.presets.backtrader`."""
        return _preset("backtrader", changes)

    @classmethod
    def peak_trade_legacy(cls, **changes: Any) -> Any:
        """Rules of peak_trade's long-only mode; see `peak_fast.presets.peak_trade_legacy`."""
        return _preset("peak_trade_legacy", changes)

    @classmethod
    def peak_trade_pipeline(cls, **changes: Any) -> Any:
        """Rules of peak_trade's execution pipeline; see `peak_fast.presets.peak_trade_pipeline`."""
        return _preset("peak_trade_pipeline", changes)

    @property
    def fill_rule(self) -> str:
        """The fill rule in words, as every result states it."""
        if self.fill_at == "next_open":
            return "next bar's open after the deciding close"
        return "same bar's close as the decision (assumes the close is known before it trades)"


class Costs(Settings):
    """What trading costs.

    Parameters
    ----------
    rate
        Fee as a fraction of the traded value: 0.001 is 10 basis points.
    fixed
        Fee per fill, in currency.
    minimum
        Smallest fee of a fill, in currency.
    per_unit
        Fee per unit traded, in currency.
    maker_rate
        Rate of fills at a resting price (take-profit); None: the same as ``rate``.  Below zero: a rebate.
    slippage_bps
        Market and stop fills are worse by this many basis points of the price.
    slippage_abs
        The same in price units; both add up.
    """

    rate: Annotated[
        float,
        Field(ge=0, lt=1, allow_inf_nan=False),
        Slot((t.RATE, t.MAKER_RATE), "fee_rate", in_bps="fee_bps"),
    ] = 0.0
    fixed: Annotated[NonNegative, Slot((t.FEE_FIXED,), "fee_fixed")] = 0.0
    minimum: Annotated[NonNegative, Slot((t.FEE_MINIMUM,), "fee_minimum")] = 0.0
    per_unit: Annotated[NonNegative, Slot((t.FEE_PER_UNIT,), "fee_per_unit")] = 0.0
    maker_rate: Annotated[
        Annotated[float, Field(gt=-1, lt=1, allow_inf_nan=False)] | None, Slot((t.MAKER_RATE,))
    ] = None
    slippage_bps: Annotated[
        float,
        Field(ge=0, lt=10_000, allow_inf_nan=False),
        Slot((t.SLIPPAGE_RATE,), "slippage_bps", BASIS_POINTS),
    ] = 0.0
    slippage_abs: Annotated[NonNegative, Slot((t.SLIPPAGE_ABSOLUTE,), "slippage_abs")] = 0.0

    def model_post_init(self, context: Any, /) -> None:
        """A minimum would take a rebate away."""
        if self.least < 0.0 < self.minimum:
            raise ConfigError(
                f"Costs.maker_rate: {self.maker_rate!r} is a rebate; expected no minimum with it, got {self.minimum!r}"
            )

    @property
    def least(self) -> float:
        """Smallest fee of a fill: the minimum, or none (minus infinity) with a rebate."""
        return -math.inf if (self.maker_rate or 0.0) < 0.0 else self.minimum

    @classmethod
    @guarded
    def from_bps(cls, fee_bps: float = 0.0, slippage_bps: float = 0.0) -> Costs:
        """Costs from a fee and a slippage in basis points."""
        return cls(rate=rate_of_bps("fee_bps", fee_bps), slippage_bps=slippage_bps)


class Stops(Settings):
    """Orders that protect or take the profit of an open position.

    Parameters
    ----------
    stop_loss, take_profit
        Distance from the average entry price; None: off.
    trailing
        Distance from the best price since entry; None: off.
    unit
        ``"fraction"`` of the entry price (trailing: of the best price), or ``"absolute"`` price units.
    watermark
        What the best price is made of: ``"extreme"`` (the high for longs, the low for shorts), ``"close"``,
        ``"high"`` or ``"low"``.
    """

    stop_loss: Annotated[Positive | None, Slot((t.STOP_LOSS,), "stop_loss", decides=True)] = None
    take_profit: Annotated[Positive | None, Slot((t.TAKE_PROFIT,), "take_profit", decides=True)] = None
    trailing: Annotated[Positive | None, Slot((t.TRAILING,), "trailing", decides=True)] = None
    unit: Annotated[
        Literal["fraction", "absolute"], Slot((t.STOP_ABSOLUTE,), codes=("fraction", "absolute"))
    ] = "fraction"
    watermark: Annotated[
        Literal["extreme", "close", "high", "low"],
        Slot((t.WATERMARK,), codes=("extreme", "close", "high", "low")),
    ] = "extreme"

    def model_post_init(self, context: Any, /) -> None:
        """A stop of 100 % or more of a long's price could never be reached."""
        for name in ("stop_loss", "trailing"):
            value = getattr(self, name)
            if self.unit == "fraction" and value is not None and value >= 1.0:
                raise ConfigError(f"Stops.{name}: expected a fraction below 1 (0.02 is 2 %); got {value!r}")


_SIZE = Slot((t.SIZE_VALUE,), "size", decides=True)
_MOST = Slot((t.SIZE_MAX_POSITION,), "size_max_fraction", decides=True)
_FALLBACK = Slot((t.SIZE_FALLBACK,), "size_fallback", decides=True)


class SizeRule(Settings):
    """Base of the sizes; their class names the unit, so ``FractionOfEquity(0.5)`` is clear without a name.

    ``mode``: what the kernel calls it (`peak_kernels.types`, ``SIZE_``).
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
    window: Annotated[int, Field(ge=2), Slot((t.SIZE_WINDOW,), "size_window", decides=True)] = 20
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
    min_trades: Annotated[int, Field(ge=1), Slot((t.SIZE_WINDOW,), "size_min_trades", decides=True)] = 20
    fallback: Annotated[NonNegative, _FALLBACK] = 0.1
    min_fraction: Annotated[NonNegative, Slot((t.SIZE_LEAST,), "size_min_fraction", decides=True)] = 0.0
    max_fraction: Annotated[Positive, _MOST] = 1.0


Sizing = FractionOfEquity | FixedUnits | FixedValue | RiskPerTrade | VolatilityTarget | KellyFraction
AnySizing = Annotated[Sizing, Field(discriminator="kind")]


class RiskLimits(Settings):
    """Limits of the account, checked at each close; a breach closes the position at the next open.

    Parameters
    ----------
    max_drawdown
        Fraction of the highest equity; reached once, no more positions are opened.
    daily_loss
        Fraction of the equity at the end of the day before; no more positions on that day.
    max_position
        Largest position value as a fraction of equity; larger orders are cut.
    """

    max_drawdown: Annotated[Fraction | None, Slot((t.MAX_DRAWDOWN_LIMIT,), "max_drawdown_limit")] = None
    daily_loss: Annotated[Fraction | None, Slot((t.DAILY_LOSS_LIMIT,), "daily_loss_limit")] = None
    max_position: Annotated[Positive | None, Slot((t.MAX_POSITION,), "max_position", decides=True)] = None


class MLflowTracking(Settings):
    """``[tracking.mlflow]``: see `peak_fast.tracking.MLflowTracker`."""

    tracking_uri: str | None = None
    experiment_name: str = "peak_fast"
    auto_start_run: bool = False
    run_name: str | None = None
    mode: Literal["background", "sync"] = "background"
    artifacts: Literal["full", "light", "none"] = "full"
    tags: dict[str, str] = Field(default_factory=dict)


class Tracking(Settings):
    """``[tracking]``: which tracker records the runs."""

    enabled: bool = False
    backend: str = "noop"
    mlflow: MLflowTracking = MLflowTracking()


class SweepTable(Settings):
    """``[sweep]``: what ``peak-fast sweep`` runs where its options do not say it.

    Parameters
    ----------
    strategy
        Name, or ``FILE.py[:NAME]``.
    grid
        Values by parameter or setting: a list, one value, or a text as of ``--grid``, such as ``"5:100:5"``.
    metrics
        Columns of the result.
    constraint
        Conditions such as ``"fast < slow"``.
    """

    strategy: str | None = None
    grid: dict[str, Any] = Field(default_factory=dict)
    metrics: list[str] = Field(default_factory=list)
    constraint: str | list[str] | None = None


class BacktestConfig(Settings):
    """All settings of a backtest as the tables of one TOML file.

    ``order_book`` is None for the fast path, or a `peak_fast.order_settings.OrderBookTable` (a dict becomes one).
    """

    initial_cash: Annotated[Positive, Slot((t.INITIAL_CASH,), "initial_cash")] = 100_000.0
    execution: Execution = Execution()
    costs: Costs = Costs()
    stops: Stops = Stops()
    sizing: AnySizing = FractionOfEquity()
    risk_limits: RiskLimits = RiskLimits()
    tracking: Tracking = Tracking()
    sweep: SweepTable = SweepTable()
    data: DataTable = DataTable()
    periods_per_year: Positive | None = None
    risk_free: Annotated[float, Field(gt=-1, lt=10, allow_inf_nan=False)] = 0.0
    use_execution_pipeline: bool = True
    order_book: Any = None

    @field_validator("order_book", mode="before")
    @classmethod
    def _order_book(cls, given: Any) -> Any:
        """A table of its own, whose model is made where one is given."""
        if given is None:
            return None
        from peak_fast.order_settings import OrderBookTable

        if isinstance(given, OrderBookTable):
            return given
        if not isinstance(given, dict):
            raise ConfigError(
                "order_book: expected a table of settings, such as {'latency': 1}; got "
                f"{type(given).__name__}; BacktestEngine(order_book=...) takes objects"
            )
        return OrderBookTable(**given)

    @classmethod
    @guarded
    def from_toml(cls, path: str | Path) -> BacktestConfig:
        """Read a TOML file.

        Raises
        ------
        ConfigError
            The file is missing or not TOML, or a setting is unknown or wrong.
        """
        import tomllib

        try:
            with place("path", path, "settings.toml").open("rb") as file:
                values = tomllib.load(file)
        except FileNotFoundError:
            raise ConfigError(f"no settings file at {str(path)!r}; expected a TOML file") from None
        except OSError as error:
            raise ConfigError(f"expected a TOML file of settings; {str(path)!r}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"{str(path)!r} is not valid TOML: {error}") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{str(path)!r} is not valid TOML: {error}") from None
        return cls(**values)
