"""Random runs of every kind, as one hash each: ``python -m tests.level_runs COUNT [SEED]`` prints them.

`test_levels` compares what processes print that use machine code for different processors.
"""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np
import polars as pl

from peak_fast import BacktestEngine, Costs, Execution, Rank, RiskLimits, Stops, Sweep, synthetic
from peak_fast.orders import simulate_orders
from peak_fast.portfolio import Momentum, Volatility
from peak_fast.settings import FractionOfEquity, KellyFraction, OrderRules, RiskPerTrade, VolatilityTarget
from peak_fast.strategies.builtin import NAMES
from peak_fast.validation import monte_carlo, permutation_test
from peak_kernels import entries

SIZINGS = (
    lambda rng: FractionOfEquity(fraction=rng.uniform(0.1, 1.0)),
    lambda rng: RiskPerTrade(risk=rng.uniform(0.001, 0.05)),
    lambda rng: VolatilityTarget(volatility=rng.uniform(0.05, 0.5), window=int(rng.integers(5, 40))),
    lambda rng: KellyFraction(share=rng.uniform(0.1, 1.0), min_trades=2),
)


def rules(rng):
    """Settings of an engine."""
    return {
        "costs": Costs(rate=rng.choice([0.0, rng.uniform(0.0, 0.01)]), slippage_bps=rng.uniform(0.0, 20.0)),
        "stops": Stops(
            stop_loss=rng.uniform(0.01, 0.1),
            take_profit=rng.choice([None, rng.uniform(0.01, 0.2)]),
            trailing=None,
        )
        if rng.random() < 0.7
        else Stops(trailing=rng.uniform(0.01, 0.1)),
        "execution": Execution(
            fill_at=str(rng.choice(["next_open", "close"])), leverage=rng.choice([1.0, 2.0])
        ),
        "risk_limits": RiskLimits(daily_loss=rng.choice([None, rng.uniform(0.01, 0.1)]), max_drawdown=0.5),
        "sizing": SIZINGS[rng.integers(len(SIZINGS))](rng),
    }


def bars_of(rng):
    """Prices, a few hundred bars, not a whole number of eights."""
    return synthetic(int(rng.integers(90, 900)), seed=int(rng.integers(1 << 30)))


def single(rng):
    """A run of a built-in strategy."""
    return BacktestEngine(**rules(rng)).run(bars_of(rng), NAMES[rng.integers(len(NAMES))]).hash


def sweep(rng):
    """A grid over a setting, with sums by block in every other one."""
    name = NAMES[rng.integers(len(NAMES))]
    blocks = {"blocks": 4} if rng.random() < 0.5 else {}
    grid = {"fee_rate": [0.0, *rng.uniform(0.0, 0.01, 3).tolist()]}
    given = {key: value for key, value in rules(rng).items() if key != "costs"}
    return Sweep(name, grid, bars_of(rng), **given, **blocks).run(threads=1, progress=False).frame


def orders(rng):
    """A table of orders of several kinds, or decisions through the book."""
    bars = bars_of(rng)
    if rng.random() < 0.3:
        book = OrderRules(path=str(rng.choice(["queue", "nearest"])))
        return BacktestEngine(order_book=book, costs=Costs(rate=0.001)).run(bars, NAMES[0]).hash
    count = int(rng.integers(5, 60))
    at = np.sort(rng.integers(1, len(bars) - 1, count))
    kinds = rng.choice(["market", "limit", "stop"], count)
    price = bars.close[at] * rng.uniform(0.95, 1.05, count)
    table = pl.DataFrame({
        "bar": at, "side": rng.choice(["buy", "sell"], count), "size": rng.uniform(0.1, 5.0, count), "type": kinds,
        "limit": np.where(kinds == "limit", price, np.nan), "stop": np.where(kinds == "stop", price, np.nan),
    }).fill_nan(None)  # fmt: skip
    return simulate_orders(bars, table).orders


def portfolio(rng):
    """Ranks of a few assets."""
    score = (Momentum, Volatility)[rng.integers(2)](int(rng.integers(5, 60)))
    panel = synthetic(
        int(rng.integers(90, 400)), seed=int(rng.integers(1 << 30)), assets=int(rng.integers(2, 9))
    )
    return BacktestEngine(costs=Costs(rate=rng.uniform(0.0, 0.01))).run(panel, Rank(score, top=1)).hash


def checks(rng):
    """Other worlds, and other paths of an account."""
    bars = bars_of(rng)
    if rng.random() < 0.5:
        test = permutation_test("momentum", None, bars, worlds=2, seed=int(rng.integers(1 << 30)))
        return test.frame
    return monte_carlo(
        BacktestEngine().run(bars, "momentum"), paths=20, seed=int(rng.integers(1 << 30))
    ).frame


KINDS = (single, sweep, orders, portfolio, single, sweep, orders, portfolio, single, checks)


def hash_of(found):
    """One text of what a run gave: its hash, or the bits of a table."""
    if isinstance(found, str):
        return found
    columns = [(name, str(found[name].dtype), found[name].to_list()) for name in found.columns]
    return hashlib.blake2b(repr(columns).encode(), digest_size=16).hexdigest()


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    hashes = [hash_of(KINDS[n % len(KINDS)](np.random.default_rng((seed, n)))) for n in range(count)]
    ways = {name: entry.way for name, entry in entries.ENTRIES.items() if entry.way}
    print(json.dumps({"hashes": hashes, "ways": ways}))


if __name__ == "__main__":
    main()
