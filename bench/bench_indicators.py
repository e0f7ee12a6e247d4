"""What does an indicator cost per bar, called as a user calls it?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench import baselines, data, harness
from peak_fast.indicators import functions as indicators

BENCH = "indicators"
QUESTION = "What does an indicator cost per bar, called as a user calls it, its result array included?"
SIZES = (5_000, 100_000, 1_000_000)

CASES: dict[str, Callable[[data.BenchBars], Any]] = {
    "sma 20": lambda b: indicators.sma(b.close, 20),
    "sma 200": lambda b: indicators.sma(b.close, 200),
    "ema 20": lambda b: indicators.ema(b.close, 20),
    "rsi 14": lambda b: indicators.rsi(b.close, 14),
    "std 20": lambda b: indicators.std(b.close, 20),
    "bollinger 20": lambda b: indicators.bollinger(b.close, 20),
    "macd 12/26/9": lambda b: indicators.macd(b.close),
    "highest 20": lambda b: indicators.highest(b.close, 20),
    "highest 200": lambda b: indicators.highest(b.close, 200),
    "donchian 20": lambda b: indicators.donchian(b.high, b.low, 20),
    "roc 10": lambda b: indicators.roc(b.close, 10),
    "atr 14": lambda b: indicators.atr(b.high, b.low, b.close, 14),
    "wma 20": lambda b: indicators.wma(b.close, 20),
    "cci 20 (O(n) per bar)": lambda b: indicators.cci(b.high, b.low, b.close, 20),
    "adx 14": lambda b: indicators.adx(b.high, b.low, b.close, 14),
}


def slug(name: str) -> str:
    """The name of an indicator within a record's name."""
    return name.split(" (")[0].replace(" ", "_").replace("/", "_")


@pytest.mark.parametrize("n", SIZES)
def test_indicators(rounds, recorder, n):
    bars = data.make_bars(n)
    # The yardstick keeps one running sum: the least that any window of the past costs.
    works = {"naive running sum, for scale": lambda: baselines.sma_rows(bars.close, np.array([20]))}
    works |= {name: lambda case=case: case(bars) for name, case in CASES.items()}
    samples = rounds(works, harness.pick({5_000: 101, 100_000: 31, 1_000_000: 9}[n], 2))
    for name, seconds in samples.items():
        recorder.add(
            f"{slug(name)}/{n}",
            [1e9 * value / n for value in seconds],
            "ns",
            label=name,
            params={"bars": n, "group": f"Nanoseconds per bar, {n:,} bars"},
        )
