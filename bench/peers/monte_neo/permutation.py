"""Surrogates of monte-neo, which has no test around them: 1,000 of 5,000 bars, and a crossing of two means in each."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd
from measured import measure, prices
from monte_neo.discover.search import surrogate

FRAME = pd.DataFrame(prices(5_000))


def sharpe(frame):
    """Sharpe ratio of being long while the mean of 10 closes is above that of 50, a bar later."""
    close = frame["close"]
    held = (close.rolling(10).mean() > close.rolling(50).mean()).shift(1, fill_value=False)
    returns = np.where(held, close.pct_change(), 0.0)
    return np.nanmean(returns) / np.nanstd(returns)


def test(worlds=1_000):
    """P-value of the Sharpe ratio."""
    draws, real = np.random.default_rng(0), sharpe(FRAME)
    return np.mean([sharpe(surrogate(FRAME, draws)) >= real for _ in range(worlds)])


print(json.dumps(measure(lambda: test(20), test)))
