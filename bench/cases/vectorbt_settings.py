"""Random settings and inputs for vectorbt's `from_signals` and `from_orders`; NumPy only.

Arrays are ``[asset, bar]`` as in the case form; `native` in make_vectorbt.py turns them for the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.cases.made_up import STEPS, Bars, chance, panel, pick, remove_prices

MOST_BARS = 300
CONFLICTS = ("ignore", "entry", "exit", "adjacent", "opposite")
SIZE_TYPES = ("amount", "value", "percent", "targetamount", "targetvalue", "targetpercent")


@dataclass
class Draw:
    """One drawn case."""

    api: str
    bars: list[Bars]
    config: dict[str, Any]
    inputs: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Assets and bars."""
        return len(self.bars), len(self.bars[0])

    def stack(self, name: str) -> np.ndarray:
        """One column of all assets, ``[asset, bar]``."""
        return np.stack([one[name] for one in self.bars])


def _bars(rng: np.random.Generator) -> list[Bars]:
    count, n = pick(rng, 1, 1, 1, 2, 3, 4, 5), int(rng.integers(5, MOST_BARS))
    assets = panel(rng, n, count, pick(rng, *STEPS))
    if chance(rng, 0.25):
        remove_prices(rng, assets, 0.08)
    return assets


def _account(rng: np.random.Generator, price: float, assets: int) -> dict[str, Any]:
    """Settings that both functions have."""
    cash = round(price * 10.0 ** rng.uniform(0.3, 3.0), 6)
    return {
        "init_cash": cash,
        "fees": pick(rng, 0.0, 0.001, 0.002, -0.0005, 0.05),
        "fixed_fees": pick(rng, 0.0, 0.0, price * 0.01, price * 0.2),
        "slippage": pick(rng, 0.0, 0.0005, 0.01),
        "min_size": pick(rng, 1e-8, 1e-8, 1e-8, 0.5, 0.0),
        "max_size": pick(rng, np.inf, np.inf, 7.0, 12.0),
        "size_granularity": pick(rng, None, None, 1.0, 0.1, 5.0),
        "lock_cash": chance(rng, 0.25),
        "allow_partial": chance(rng, 0.85),
        "cash_sharing": False,
        "call_seq": pick(rng, "default", "default", "reversed") if assets > 1 else "default",
        "val_price": "order price before slippage",
        "ffill_val_price": True,
        "update_value": False,
        "annualisation": {"freq": "1D", "year_freq": "365 days", "ddof": 1, "risk_free": 0.0},
    }


def _groups(rng: np.random.Generator, drawn: Draw) -> None:
    """Cash shared by all assets or by groups of neighbours; else at times cash of each asset's own."""
    assets, config = len(drawn.bars), drawn.config
    if assets > 1 and chance(rng, 0.7):
        bounds = sorted(int(group) for group in rng.integers(0, max(2, assets - 1), assets))
        numbers = {group: number for number, group in enumerate(dict.fromkeys(bounds))}
        config.update(
            cash_sharing=True,
            group_by=pick(rng, True, [numbers[group] for group in bounds]),
            call_seq=pick(rng, "default", "reversed", "auto", "auto"),
            update_value=chance(rng, 0.2),
        )
        if chance(rng, 0.1):
            count = 1 if config["group_by"] is True else len(numbers)
            config["init_cash"] = [
                round(config["init_cash"] * rng.uniform(0.2, 2.0), 6) for _ in range(count)
            ]
    elif assets > 1 and chance(rng, 0.2):
        config["init_cash"] = [round(config["init_cash"] * rng.uniform(0.2, 2.0), 6) for _ in range(assets)]


def _costs(rng: np.random.Generator, drawn: Draw, price: float) -> None:
    """Costs that vary per bar, and order prices other than the close."""
    shape, inputs = drawn.shape, drawn.inputs
    if chance(rng, 0.15):
        inputs["fees"] = rng.uniform(-0.001, 0.004, shape)
    if chance(rng, 0.15):
        inputs["slippage"] = rng.uniform(0.0, 0.004, shape)
    if chance(rng, 0.08):
        inputs["fixed_fees"] = rng.uniform(0.0, 0.05 * price, shape)
    if chance(rng, 0.35):
        at = drawn.stack("open").copy()
        if chance(rng, 0.3):
            at[rng.random(shape) < 0.1] = np.nan
        if chance(rng, 0.2):
            at[rng.random(shape) < 0.1] = np.inf
            at[rng.random(shape) < 0.1] = -np.inf
        inputs["exec_price"] = at


def _orders(rng: np.random.Generator, drawn: Draw, units: float, cash: float) -> None:
    """Sizes of `from_orders`."""
    shape = drawn.shape
    kind = pick(rng, *SIZE_TYPES)
    share = 1.5 / shape[0]
    scale = {"amount": units, "targetamount": units, "value": cash, "targetvalue": cash}.get(kind, 1.0)
    size = rng.uniform(-1.0, 1.0, shape) * (scale if kind == "percent" else scale * share)
    if kind in ("amount", "targetamount") and chance(rng, 0.4):
        size = np.round(size)
    size[rng.random(shape) < rng.uniform(0.1, 0.9)] = np.nan
    if kind in ("amount", "percent") and chance(rng, 0.3):
        size[rng.random(shape) < 0.1] = np.inf
        size[rng.random(shape) < 0.1] = -np.inf
    if chance(rng, 0.2):
        size[rng.random(shape) < 0.1] = 0.0
    if kind.startswith("target") and chance(rng, 0.3):
        size = np.abs(size)
    drawn.inputs["size"] = size
    drawn.config.update(size_type=kind, direction=pick(rng, "both", "both", "longonly", "shortonly"))


def _signal_size(rng: np.random.Generator, drawn: Draw, units: float, cash: float) -> None:
    """Size of a signal: a constant, everything, or an array with holes."""
    shape, kind = drawn.shape, pick(rng, "amount", "amount", "value", "percent")
    constant = {"amount": units * 0.6, "value": cash * 0.6, "percent": 0.5}[kind]
    constant /= 1.0 if kind == "percent" else shape[0]
    if kind != "percent" and chance(rng, 0.35):
        constant = np.inf
    elif kind == "percent" and chance(rng, 0.2):
        constant = 1.0
    elif kind == "amount" and chance(rng, 0.4):
        constant = float(max(1, round(constant)))
    drawn.config.update(size_type=kind, size=float(constant))
    if np.isfinite(constant) and chance(rng, 0.2):
        size = constant * rng.uniform(0.2, 1.5, shape)
        size[rng.random(shape) < 0.05] = np.nan
        if chance(rng, 0.3):
            size[rng.random(shape) < 0.05] = 0.0
        drawn.inputs["size"] = np.minimum(size, 1.0) if kind == "percent" else size


def _stops(rng: np.random.Generator, drawn: Draw) -> None:
    """Stop-losses, targets, trailing; constants or arrays with holes; tested in the range or at the close."""
    config, shape = drawn.config, drawn.shape
    for name, varies in (("sl_stop", 0.3), ("tp_stop", 0.2)):
        constant = pick(rng, None, 0.01, 0.03, 0.1)
        config[name] = constant
        if constant and chance(rng, varies):
            stops = constant * rng.uniform(1.0, 1.5, shape)
            stops[rng.random(shape) < 0.2] = np.nan
            drawn.inputs[name], config[name] = stops, None
    has_loss = config["sl_stop"] is not None or "sl_stop" in drawn.inputs
    has_stops = has_loss or config["tp_stop"] is not None or "tp_stop" in drawn.inputs
    config.update(
        sl_trail=has_loss and chance(rng, 0.3),
        ohlc_given_for_stops=has_stops and chance(rng, 0.75),
        stop_entry_price=pick(rng, "close", "price", "fillprice", "valprice"),
        stop_exit_price=pick(rng, "stoplimit", "stopmarket", "close", "price"),
        upon_stop_exit=pick(rng, "close", "closereduce", "reverse", "reversereduce"),
        upon_stop_update=pick(rng, "keep", "override", "overridenan"),
    )


def _signals(rng: np.random.Generator, drawn: Draw, units: float, cash: float) -> None:
    """Entries and exits of `from_signals`, long and short, with everything that decides between them."""
    config, shape, density = drawn.config, drawn.shape, rng.uniform(0.02, 0.5)
    names = ["entry", "exit", "short_entry", "short_exit"] if chance(rng, 0.65) else ["entry", "exit"]
    for name in names:
        often = density * (1.0 if name.endswith("entry") else rng.uniform(0.2, 1.5))
        drawn.inputs[name] = rng.random(shape) < often
    if len(names) == 2 and chance(rng, 0.5):
        config["direction"] = pick(rng, "longonly", "shortonly", "both")
    config.update(
        accumulate=pick(rng, False, False, True, "addonly", "removeonly", "both"),
        upon_long_conflict=pick(rng, *CONFLICTS),
        upon_short_conflict=pick(rng, *CONFLICTS),
        upon_dir_conflict=pick(rng, "ignore", "long", "short", "adjacent", "opposite"),
        upon_opposite_entry=pick(rng, "ignore", "close", "closereduce", "reverse", "reversereduce"),
    )
    _signal_size(rng, drawn, units, cash)
    _stops(rng, drawn)


def draw(rng: np.random.Generator) -> Draw:
    """Draw bars, settings and inputs of one case."""
    bars = _bars(rng)
    price = float(np.nanmedian(np.concatenate([one["close"] for one in bars])))
    drawn = Draw(
        pick(rng, "from_signals", "from_signals", "from_orders"), bars, _account(rng, price, len(bars))
    )
    cash = drawn.config["init_cash"]
    _costs(rng, drawn, price)
    _groups(rng, drawn)
    units = cash / price / len(bars)
    (_orders if drawn.api == "from_orders" else _signals)(rng, drawn, units, cash)
    return drawn
