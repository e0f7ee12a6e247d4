"""Searches of pure noise and of planted edges, for tests that count how often a statistic is right."""

import math

import numpy as np

from peak_fast import Bars

YEAR = 252
GRID = {"fast": [5, 10, 20, 40], "slow": [50, 75, 100, 150, 200], "allow_short": [True]}


def _bars(closes, seed):
    """Bars whose opens are the closes before, so that a position earns whole moves."""
    opens = np.append(100.0, closes[:-1])
    draws = np.random.default_rng([seed, 1]).exponential(0.003, (2, closes.size))
    high, low = np.maximum(opens, closes) * (1 + draws[0]), np.minimum(opens, closes) * (1 - draws[1])
    return Bars.from_frame({"open": opens, "high": high, "low": low, "close": closes}, name="made")


def noise(bars, seed, deviation=0.01):
    """Independent normal returns without a drift."""
    moves = np.random.default_rng([seed, 0]).normal(0.0, deviation, bars)
    return _bars(100.0 * np.cumprod(1.0 + moves), seed)


def planted(bars, seed, edge, fast=10, slow=100, deviation=0.01):
    """Noise that drifts along a crossing of means: following it has a Sharpe ratio of ``edge`` a year."""
    moves = np.random.default_rng([seed, 0]).normal(0.0, deviation, bars)
    drift, closes, level = edge * deviation / math.sqrt(YEAR), np.empty(bars), 100.0
    sums = np.zeros(bars + 1)
    for bar in range(bars):
        if bar > slow:
            gap = (sums[bar] - sums[bar - fast]) / fast - (sums[bar] - sums[bar - slow]) / slow
            moves[bar] += math.copysign(drift, gap)
        level *= 1.0 + moves[bar]
        closes[bar] = level
        sums[bar + 1] = sums[bar] + level
    return _bars(closes, seed)
