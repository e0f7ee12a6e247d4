"""A series of signals traded as peak_trade's two engines do: orders under the presets of the same names."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from peak_fast.data import aligned, calendar_of_bars, given_bars, settled
from peak_fast.errors import ConfigError
from peak_fast.orders.result import OrderResult
from peak_fast.orders.simulate import simulate_orders
from peak_fast.settings import peak_trade_legacy, peak_trade_pipeline


def _legacy_orders(sides: Any, fraction: float, stop_pct: float) -> list[dict[str, Any]]:
    """An entry with its stop for every 1, a closing for every -1."""
    entry = {"size": fraction, "size_unit": "equity_fraction", "stop_loss": stop_pct, "exit_unit": "fraction"}
    return [
        {"bar": int(bar), "side": "buy", **entry} if sides[bar] > 0 else {"bar": int(bar), "action": "close"}
        for bar in np.flatnonzero(sides)
    ]


def _pipeline_orders(sides: Any, max_position: float) -> list[dict[str, Any]]:
    """For every change of the side: close, then open the new side."""
    rows: list[dict[str, Any]] = []
    for bar in np.flatnonzero(np.diff(sides, prepend=0.0)):
        rows.append({"bar": int(bar), "action": "close"})
        if sides[bar] != 0.0:
            side = "buy" if sides[bar] > 0 else "sell"
            rows.append({"bar": int(bar), "side": side, "size": max_position, "size_unit": "equity_fraction"})
    return rows


def run_peak_trade(
    bars: Any,
    signal: Any,
    *,
    mode: Literal["legacy", "pipeline"],
    initial_cash: float = 100_000.0,
    max_position: float = 1.0,
    risk_per_trade: float = 0.01,
    stop_pct: float = 0.02,
    min_value: float = 0.0,
    fee_rate: float = 0.0,
    slippage: float = 0.0,
) -> tuple[OrderResult, np.ndarray[Any, np.dtype[np.float64]]]:
    """Trade a signal as peak_trade does.

    Parameters
    ----------
    bars
        Bars of one asset.
    signal
        ``[bar]``; legacy: 1 enters, -1 leaves, 0 does nothing; pipeline: the side that is wanted (-1, 0, 1).
    mode
        Which of the two engines.
    max_position
        Largest value of a position as a fraction of equity.
    risk_per_trade, stop_pct, min_value
        Legacy only: size = min(equity x risk / stop distance, equity x max_position / price).
    fee_rate, slippage
        Pipeline only.

    Returns
    -------
    OrderResult
        Fills, orders and trades.
    numpy.ndarray
        The engine's equity curve: legacy, ``[bar + 1]`` with the initial cash in front, moved by closed trades
        only; pipeline, ``[bar]``, marked at each close.

    Raises
    ------
    ConfigError
        The mode is unknown, or the signal has another length than the bars.
    """
    frame = given_bars(bars)
    signal = aligned(signal, calendar_of_bars(frame), "signal", [], ConfigError)
    frame = settled(frame)
    sides = np.nan_to_num(np.asarray(signal, dtype=np.float64))
    if sides.shape != (len(frame),):
        raise ConfigError(f"signal has the shape {sides.shape}, expected ({len(frame)},)")
    if mode == "legacy":
        rows = _legacy_orders(sides, min(risk_per_trade / stop_pct, max_position), stop_pct)
        rules = peak_trade_legacy(min_value=min_value)
    elif mode == "pipeline":
        rows = _pipeline_orders(sides, max_position)
        rules = peak_trade_pipeline(fee_rate=fee_rate, slippage=slippage)
    else:
        raise ConfigError(f"mode must be 'legacy' or 'pipeline', got {mode!r}")
    result = simulate_orders(
        frame, rows or [{"bar": 0, "action": "close"}], initial_cash=initial_cash, rules=rules
    )
    curve = np.concatenate(([initial_cash], result.cash)) if mode == "legacy" else result.equity
    return result, curve
