"""How a call of the validation bench is measured, here and in the peers' environments; needs NumPy alone."""

import resource
import sys
import time

import numpy as np


def returns(periods, strategies):
    """Normal daily returns, of which column 7 has an edge of 0.06 deviations a day."""
    made = 0.01 * np.random.default_rng(20261129).standard_normal((periods, strategies))
    made[:, 7] += 0.06 * 0.01
    return made


def measure(warm, call):
    """Processor time of a call, how far the process grew in it, and its answer in short."""
    warm()
    before, began = _largest(), time.process_time()
    answer = call()
    seconds = time.process_time() - began
    return {"seconds": seconds, "megabytes": _largest() - before, "answer": _short(answer)}


def _largest():
    """Largest size of this process so far, in MB."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1e6 if sys.platform == "darwin" else 1e3)


def _short(answer):
    return str(getattr(answer, "pvalues", answer))[:100]


def prices(bars):
    """Open, high, low, close and volume of a random walk of days, as a dict of arrays."""
    draws = np.random.default_rng(20261130)
    close = 100.0 * np.exp(np.cumsum(draws.normal(0.0, 0.01, bars)))
    opened = np.append(100.0, close[:-1]) * np.exp(draws.normal(0.0, 0.002, bars))
    high = np.maximum(opened, close) * (1.0 + draws.exponential(0.003, bars))
    low = np.minimum(opened, close) * (1.0 - draws.exponential(0.003, bars))
    volume = draws.integers(1_000, 9_000, bars).astype(np.float64)
    return {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
