"""Do our own tests hold?  Searches of pure noise, where every alarm is false, and searches with a planted edge.

    python -m bench.size                # 1,000 searches of each kind: some minutes
    python -m bench.size 200            # fewer

* Noise: 64 moving-average crosses, long and short, on 750 bars of a random walk without drift; no costs.
* Edge: 100 independent strategies over 1,260 days (five years), one of which has a true Sharpe ratio a year.

Each search is asked as a user asks it: `peak_fast.validation.reality_check` of the sweep, `data_snooping` of the
matrix, the deflated Sharpe ratio of the best.  The docs quote what this prints (docs/validation.md).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np

LEVEL = 0.05
NAMES = ("reality check", "SPA", "steps", "DSR 2014", "DSR 2026")
YEAR = 252


def noise_search(seed: int) -> dict[str, bool]:
    """One sweep over prices that nobody can foresee."""
    from peak_fast import Sweep
    from peak_fast.sweep import return_tiles
    from peak_fast.validation import reality_check

    rng = np.random.default_rng([20261130, seed])
    close = 100.0 * np.cumprod(1.0 + 0.01 * rng.standard_normal(750))
    start = np.concatenate([[100.0], close[:-1]])
    prices = {
        "open": start,
        "high": np.maximum(start, close),
        "low": np.minimum(start, close),
        "close": close,
    }
    grid = {"fast": range(2, 18, 2), "slow": range(20, 100, 10), "allow_short": [True]}
    sweep = Sweep("ma_crossover", grid, prices, periods_per_year=YEAR)
    found = reality_check(sweep, replications=199, seed=seed, threads=1)
    returns = np.hstack(list(return_tiles(sweep, threads=1)))
    return {**_alarms(found.test), **_deflated(returns)}


def planted_search(seed: int, edge: float) -> dict[str, bool]:
    """One matrix of strategies, the first of which has a Sharpe ratio of ``edge`` a year; found: it is rejected."""
    from peak_fast.statistics import data_snooping

    rng = np.random.default_rng([20261201, seed])
    returns = 0.01 * rng.standard_normal((1_260, 100))
    returns[:, 0] += 0.01 * edge / math.sqrt(YEAR)
    test = data_snooping(returns, block=1, replications=199, seed=seed)
    return {**_alarms(test), **_deflated(returns)}


def _alarms(test: object) -> dict[str, bool]:
    return {
        "reality check": test.reality_check <= LEVEL,
        "SPA": test.pvalue <= LEVEL,
        "steps": bool(test.rejected),
    }


def _deflated(returns: np.ndarray) -> dict[str, bool]:
    """Whether the deflated Sharpe ratio of the best is above 95 %."""
    from peak_fast.metrics import kurtosis, skew
    from peak_fast.statistics import deflated_sharpe

    ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    best = int(ratios.argmax())
    moments = skew(returns[:, best]), kurtosis(returns[:, best]) + 3.0
    told = (float(ratios[best]), len(returns), len(ratios), float(ratios.var(ddof=1)), *moments)
    return {f"DSR {form}": deflated_sharpe(*told, form=form) > 1.0 - LEVEL for form in ("2014", "2026")}


def shares(search: Callable[[int], dict[str, bool]], searches: int) -> dict[str, float]:
    """Share of searches that raise each alarm."""
    alarms = [search(seed) for seed in range(searches)]
    return {name: float(np.mean([found[name] for found in alarms])) for name in NAMES}


def main(arguments: list[str]) -> int:
    """Print the table."""
    searches = int(arguments[0]) if arguments else 1_000
    error = math.sqrt(LEVEL * (1.0 - LEVEL) / searches)
    print(f"{searches:,} searches, level {LEVEL:.0%}, standard error of a share of 5 %: {error:.2%}")
    rows: list[tuple[str, Callable[[int], dict[str, bool]]]] = [
        ("noise, sweeps", noise_search),
        ("noise, matrices", lambda seed: planted_search(seed, 0.0)),
    ]
    rows += [
        (f"edge of {edge:g} a year", lambda seed, edge=edge: planted_search(seed, edge))
        for edge in (0.5, 1.0, 2.0)
    ]
    print(f"{'':20}", *(f"{name:>14}" for name in NAMES))
    for name, search in rows:
        found = shares(search, searches)
        print(f"{name:20}", *(f"{found[key]:14.1%}" for key in NAMES), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
