"""Bars that nobody traded, drawn from a generator of random numbers; NumPy only, because peers' environments draw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

DAY_US, HOUR_US, MINUTE_US = 86_400_000_000, 3_600_000_000, 60_000_000
STEPS = (DAY_US, HOUR_US, 5 * MINUTE_US, MINUTE_US)
FIRST_DAY = np.datetime64("2015-03-02", "D")
PRICES = ("open", "high", "low", "close")
VOLATILITY = {
    "normal": 0.01, "gap": 0.04, "flat": 0.005, "tiny": 0.03, "large": 0.02, "tick": 0.004, "whole": 0.02,
    "wild": 0.15,
}  # fmt: skip
"""Kinds of bars and the standard deviation of a bar's return."""


@dataclass
class Bars:
    """One asset: columns of ``n`` bars, times in microseconds."""

    name: str
    time_us: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    """open, high, low, close, volume."""

    def __len__(self) -> int:
        return len(self.time_us)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    @property
    def volatility(self) -> float:
        """Median size of a bar's move, as a fraction of the price; never 0."""
        return float(np.nanmedian(np.abs(np.diff(np.log(self["close"]))))) + 2e-4


def pick(rng: np.random.Generator, *choices: Any) -> Any:
    """One of the choices; write a choice twice to draw it more often."""
    return choices[rng.integers(len(choices))]


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Whether something of that probability happens."""
    return bool(rng.random() < probability)


def digits(value: float, significant: int) -> float:
    """A price with so many significant digits, as scripts write it."""
    return float(f"{value:.{significant}g}")


def times(rng: np.random.Generator, n: int, step_us: int) -> np.ndarray:
    """Times of ``n`` bars: days without weekends, all days, or an intraday grid with holes (nights, halts)."""
    if step_us >= DAY_US and chance(rng, 0.7):
        days = np.busday_offset(FIRST_DAY, np.arange(n), roll="forward")
        return days.astype("datetime64[us]").astype(np.int64)
    start = int(FIRST_DAY.astype("datetime64[us]").astype(np.int64))
    holes = rng.random(n) < (0.02 if step_us < DAY_US else 0.0)
    steps = np.where(holes, step_us * rng.integers(2, 400, n), step_us)
    return start + np.cumsum(steps) - steps[0]


def _moves(rng: np.random.Generator, n: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Previous close, open and close of each bar."""
    spread = VOLATILITY[kind]
    base = {"tiny": 10.0 ** rng.uniform(-6, -3), "large": 10.0 ** rng.uniform(4, 7)}.get(kind)
    base = 10.0 ** rng.uniform(0.7, 2.5) if base is None else base
    drift = pick(rng, 0.0, 0.0, spread / 10, -spread / 10)
    close = base * np.exp(np.cumsum(rng.normal(drift, spread, n)))
    jump = rng.normal(0.0, spread * 0.3, n)
    if kind == "gap":
        jump = np.where(rng.random(n) < 0.2, rng.normal(0.0, 0.1, n), jump)
    before = np.concatenate([[base], close[:-1]])
    return before, before * np.exp(jump), close


def bars(rng: np.random.Generator, n: int, kind: str, step_us: int = DAY_US) -> Bars:
    """Draw one asset.

    Parameters
    ----------
    rng
        Where the randomness comes from.
    n
        Bars.
    kind
        A key of `VOLATILITY`: ``flat`` has bars without a range, ``tick`` and ``whole`` prices on a grid (ties),
        ``tiny`` and ``large`` prices near 1e-5 and 1e5, ``gap`` openings far from the close before.
    step_us
        Distance of the bars in microseconds.

    Returns
    -------
    Bars
        Every tenth bar is empty (volume 0); bars without a range are empty, too.
    """
    before, first, close = _moves(rng, n, kind)
    reach = VOLATILITY[kind] * 0.6
    high = np.maximum(first, close) * np.exp(np.abs(rng.normal(0.0, reach, n)))
    low = np.minimum(first, close) * np.exp(-np.abs(rng.normal(0.0, reach, n)))
    still = rng.random(n) < (0.4 if kind == "flat" else 0.005)
    close = np.where(still, before, close)
    first = np.where(still, close, first)
    high = np.where(still, close, np.maximum(np.maximum(first, close), high))
    low = np.where(still, close, np.minimum(np.minimum(first, close), low))
    prices = [first, high, low, close]
    if kind in ("tick", "whole"):
        places = 2 if kind == "tick" else 0
        prices = [np.maximum(np.round(price, places), 10.0**-places) for price in prices]
    volume = np.floor(rng.lognormal(5.0, 1.5, n))
    if chance(rng, 0.15):
        volume *= 0.37
    volume[(rng.random(n) < 0.1) | still] = 0.0
    columns = dict(zip((*PRICES, "volume"), (*prices, volume), strict=True))
    return Bars(f"made_up_{kind}", times(rng, n, step_us), columns)


def panel(rng: np.random.Generator, n: int, assets: int, step_us: int = DAY_US) -> list[Bars]:
    """Several assets with the same times."""
    kinds = list(VOLATILITY)
    if assets == 1:
        return [bars(rng, n, pick(rng, *kinds), step_us)]
    found = [
        bars(rng, n, pick(rng, "normal", "gap", "flat", "tick", "whole"), step_us) for _ in range(assets)
    ]
    for number, one in enumerate(found):
        one.name, one.time_us = f"{one.name}_{number}", found[0].time_us
    return found


def remove_prices(rng: np.random.Generator, assets: list[Bars], share: float) -> None:
    """Take away the prices of some bars of each asset (NaN), and some single ones."""
    for one in assets:
        away = rng.random(len(one)) < share
        for name in PRICES:
            alone = rng.random(len(one)) < (share * 0.1 if name != "close" else 0.0)
            one.columns[name] = np.where(away | alone, np.nan, one[name])
