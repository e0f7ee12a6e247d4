"""Random settings and scripts for backtesting.py; NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.cases.made_up import Bars, chance, digits, pick

Action = dict[str, Any]
OPERATIONS = ("order", "cancel", "close_position", "close_trade", "set_sl", "set_tp", "trail_all")
KINDS = ("market", "limit", "stop", "stop_limit")


def config(rng: np.random.Generator, bars: Bars) -> dict[str, Any]:
    """Settings of the engine, as ``case.json`` names them."""
    price = float(np.median(bars["close"]))
    unit = pick(rng, None, None, None, 1e-6, 1e-8, 0.001)
    reach = (-1.0, 1.5) if unit else (-0.3, 3.0)
    commission = pick(
        rng, 0.0, 0.001, 0.002, -0.0002, [round(price * 0.01, 6), 0.0005], [round(price * 0.1, 6), 0.0]
    )
    return {
        "cash": digits(price * 10.0 ** rng.uniform(*reach), 4),
        "commission": commission,
        "spread": pick(rng, 0.0, 0.0, 0.0004, 0.003),
        "margin": pick(rng, 1.0, 1.0, 0.5, 0.1, 0.02),
        "trade_on_close": chance(rng, 0.35),
        "hedging": chance(rng, 0.4),
        "exclusive_orders": chance(rng, 0.25),
        "finalize_trades": chance(rng, 0.4),
        "fractional_unit": unit,
    }


@dataclass
class Style:
    """What kind of script is drawn: how often what, how large, how far from the price."""

    density: float
    relative: float
    """Share of orders whose size is a fraction or missing."""
    scale: float
    exits: float
    """Share of orders with a stop-loss, and of those with a take-profit."""
    significant: int
    distance: float
    operations: list[float]
    kinds: list[float]


def style(rng: np.random.Generator, bars: Bars) -> Style:
    """Draw a style."""
    return Style(
        density=rng.uniform(0.05, 0.6),
        relative=pick(rng, 0.0, 0.3, 0.9),
        scale=pick(rng, 0.2, 1.0, 2.0),
        exits=pick(rng, 0.0, 0.3, 0.7, 0.9),
        significant=pick(rng, 4, 6, 8, 17),
        distance=bars.volatility * pick(rng, 1, 3, 8),
        operations=pick(
            rng,
            [0.7, 0.08, 0.05, 0.07, 0.03, 0.03, 0.04],
            [0.9, 0.02, 0.02, 0.02, 0.02, 0.01, 0.01],
            [0.5, 0.1, 0.05, 0.15, 0.08, 0.07, 0.05],
        ),
        kinds=pick(rng, [0.4, 0.2, 0.2, 0.2], [1, 0, 0, 0], [0.1, 0.5, 0.2, 0.2], [0.1, 0.2, 0.5, 0.2]),
    )


def _prices(rng: np.random.Generator, close: float, side: int, how: Style, spread: float) -> Action:
    """Limit, stop, stop-loss and take-profit of one order."""
    out: Action = {}

    def away(reference: float, sigmas: float) -> float:
        return digits(reference * np.exp(sigmas * how.distance), how.significant)

    kind = rng.choice(KINDS, p=how.kinds)
    if kind in ("limit", "stop_limit"):
        out["limit"] = away(close, -side * rng.normal(0.5, 1.0))
    if kind in ("stop", "stop_limit"):
        out["stop"] = away(close, side * rng.normal(0.5, 1.0))
    if kind == "stop_limit" and chance(rng, 0.5):
        out["limit"] = away(out["stop"], side * abs(rng.normal(0.0, 0.3)))
    base = out.get("limit") or out.get("stop") or close
    beyond = np.exp(side * (spread + 1e-4))
    if chance(rng, how.exits):
        out["sl"] = away(base / beyond, -side * abs(rng.normal(0.8, 1.0)))
    if chance(rng, how.exits):
        out["tp"] = away(base * beyond, side * abs(rng.normal(0.8, 1.0)))
    return out


def _order(
    rng: np.random.Generator, close: float, settings: dict[str, Any], how: Style, number: int
) -> Action:
    """One order: side, size, tag and prices."""
    out: Action = {"op": pick(rng, "buy", "sell")}
    side = 1 if out["op"] == "buy" else -1
    if chance(rng, how.relative):
        if chance(rng, 0.6):
            out["size"] = round(float(rng.uniform(0.02, 0.99)), 3)
    else:
        most = settings["cash"] / settings["margin"] / (close * (settings["fractional_unit"] or 1.0))
        out["size"] = int(max(1, most * rng.uniform(0.02, 0.6) * how.scale))
    if chance(rng, 0.95):
        out["tag"] = f"t{number}" if chance(rng, 0.9) else "twice"
    return {**out, **_prices(rng, close, side, how, settings["spread"])}


def _change(rng: np.random.Generator, op: str, close: float, how: Style, tag: str) -> Action:
    """An action on orders and trades that are there already, or are not."""
    if op == "cancel":
        return {"op": op, "tag": tag}
    if op == "close_trade":
        return {"op": op, "trade_tag": tag, "portion": pick(rng, 0.25, 0.5, 1.0, 0.33, 0.1)}
    if op in ("set_sl", "set_tp"):
        price = (
            None
            if chance(rng, 0.08)
            else digits(close * np.exp(rng.normal() * how.distance), how.significant)
        )
        return {"op": op, "trade_tag": tag, "price": price}
    if op == "trail_all":
        return {"op": op, "pct": round(float(abs(rng.normal()) * how.distance) + 1e-4, 5)}
    return {"op": op}


def script(rng: np.random.Generator, bars: Bars, settings: dict[str, Any]) -> list[Action]:
    """Actions for each bar, in the sequence in which they run.

    Parameters
    ----------
    rng
        Where the randomness comes from.
    bars
        Prices that the actions are near to.
    settings
        Of `config`: cash, margin and unit decide what a large order is.

    Returns
    -------
    list of dict
        Actions as ``script.json`` holds them; bar 0 has some at times, which never run.
    """
    how, out, number = style(rng, bars), [], 0
    for bar in range(0 if chance(rng, 0.1) else 1, len(bars)):
        if not chance(rng, how.density):
            continue
        for _ in range(1 + int(rng.integers(0, 3)) if chance(rng, 0.15) else 1):
            op, close = str(rng.choice(OPERATIONS, p=how.operations)), float(bars["close"][bar])
            if op == "order":
                action = _order(rng, close, settings, how, number)
                number += 1
            else:
                action = _change(rng, op, close, how, f"t{max(0, number - int(rng.integers(1, 6)))}")
            out.append({"bar": bar, **action})
    return out
