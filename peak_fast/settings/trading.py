"""Execution, costs, stops and limits."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from peak_fast.arguments import rate_of_bps
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded, holds
from peak_fast.settings.base import BASIS_POINTS, Fraction, Limits, NonNegative, Positive, _preset
from peak_fast.settings.fields import Slot
from peak_fast.settings.frozen import Settings as Settings
from peak_kernels import slots as t


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
        """Rules of vectorbt's signal simulation, for `simulate_signals`; see `peak_fast.settings.vectorbt`."""
        return _preset("vectorbt", changes)

    @classmethod
    def backtesting_py(cls, **changes: Any) -> Any:
        """Rules of backtesting.py, for `simulate_orders`; see `peak_fast.settings.backtesting_py`."""
        return _preset("backtesting_py", changes)

    @classmethod
    def backtrader(cls, **changes: Any) -> Any:
        """Rules of backtrader, for `simulate_orders`; see `peak_fast.settings.backtrader`."""
        return _preset("backtrader", changes)

    @classmethod
    def peak_trade_legacy(cls, **changes: Any) -> Any:
        """Rules of peak_trade's long-only mode; see `peak_fast.settings.peak_trade_legacy`."""
        return _preset("peak_trade_legacy", changes)

    @classmethod
    def peak_trade_pipeline(cls, **changes: Any) -> Any:
        """Rules of peak_trade's execution pipeline; see `peak_fast.settings.peak_trade_pipeline`."""
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
        Limits(ge=0, lt=1, allow_inf_nan=False),
        Slot((t.RATE, t.MAKER_RATE), "fee_rate", in_bps="fee_bps"),
    ] = 0.0
    fixed: Annotated[NonNegative, Slot((t.FEE_FIXED,), "fee_fixed")] = 0.0
    minimum: Annotated[NonNegative, Slot((t.FEE_MINIMUM,), "fee_minimum")] = 0.0
    per_unit: Annotated[NonNegative, Slot((t.FEE_PER_UNIT,), "fee_per_unit")] = 0.0
    maker_rate: Annotated[
        Annotated[float, Limits(gt=-1, lt=1, allow_inf_nan=False)] | None, Slot((t.MAKER_RATE,))
    ] = None
    slippage_bps: Annotated[
        float,
        Limits(ge=0, lt=10_000, allow_inf_nan=False),
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


holds("execution", "Execution", Execution.model_fields)
holds("stops", "Stops", Stops.model_fields)
holds("risk_limits", "RiskLimits", RiskLimits.model_fields)
_from_bps = {name: f"Costs.from_bps({name}=...)" for name in ("fee_bps", "slippage_bps")}
holds("costs", "Costs", Costs.model_fields, **_from_bps)
