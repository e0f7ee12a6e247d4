"""One measurement in a process of its own: time and memory of a job, after a warm-up at a small size.

    python -m bench.probe '{"job": "engine", "bars": 100000, "repeat": 3}'

prints ``{"seconds": [...], "memory_mb": ..., "start_mb": ...}``.  Memory is the highest resident size while
the job runs, above the resident size just before it: inputs are there already, results are counted.
"""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench import data, harness

FAST, SLOW = 20, 50
PARAMS = {"fast": FAST, "slow": SLOW}
RATE, SLIPPAGE_BPS = 0.001, 5.0


def load_bars(n: int, seed: int = 7) -> Any:
    """Return the bench's bars as the package's own ``Bars``."""
    from peak_fast.data import Bars

    return Bars.from_frame(data.make_bars(n, seed).frame(), name="BENCH")


def engine(**options: Any) -> Any:
    """Return a backtest engine with the bench's costs."""
    from peak_fast.engine.engine import BacktestEngine
    from peak_fast.settings.trading import Costs

    return BacktestEngine(costs=Costs(rate=RATE, slippage_bps=SLIPPAGE_BPS), **options)


def sweep(strategy: str, grid: Any, bars: Any, **options: Any) -> Any:
    """Return a sweep with the bench's costs and the four metrics that every engine computes."""
    from peak_fast.settings.trading import Costs
    from peak_fast.sweep import Sweep

    costs = Costs(rate=RATE, slippage_bps=SLIPPAGE_BPS)
    metrics = ["total_return", "sharpe", "max_drawdown", "total_trades"]
    return Sweep(strategy, grid, bars, costs=costs, metrics=metrics, **options)


def sma_frame(configurations: int) -> dict[str, list[int]]:
    """Grid of moving averages as columns, the same configurations as the yardstick's."""
    from bench import baselines

    pairs = baselines.sma_grid(configurations)
    return {"fast": pairs[:, 0].tolist(), "slow": pairs[:, 1].tolist()}


def large_grid(configurations: int) -> dict[str, list[float]]:
    """A full grid of at least 1,000 configurations: averages, then slippage for what exceeds 10,000."""
    averages = min(configurations, 10_000)
    slow = [110 + 2 * k for k in range(max(1, averages // 100))]
    grid: dict[str, list[float]] = {"fast": list(range(5, 105)), "slow": slow}
    if configurations > averages:
        grid["slippage_bps"] = [0.1 * k for k in range(configurations // averages)]
    return grid


def _engine_job(bars: int) -> Callable[[], Any]:
    loaded, runner = load_bars(bars), engine()
    return lambda: runner.run(loaded, "ma_crossover", PARAMS).stats


def _trades_job(bars: int, trades: int) -> Callable[[], Any]:
    """Targets that enter and leave ``trades`` times at even distances."""
    loaded, runner = load_bars(bars), engine()
    half = max(1, bars // (2 * trades))
    targets = ((np.arange(bars) // half) % 2).astype(np.int8)
    return lambda: runner.run(loaded, targets).stats


def _sweep_job(bars: int, configurations: int, threads: int = 2) -> Callable[[], Any]:
    import polars as pl

    loaded = load_bars(bars)
    grid = large_grid(configurations) if configurations >= 1_000 else pl.DataFrame(sma_frame(configurations))
    found = sweep("ma_crossover", grid, loaded)
    return lambda: found.run(threads=threads, progress=False)


def _assets_job(bars: int, assets: int, configurations: int = 100) -> Callable[[], Any]:
    import polars as pl

    loaded = {f"A{k}": load_bars(bars, seed=k) for k in range(assets)}
    found = sweep("ma_crossover", pl.DataFrame(sma_frame(configurations)), loaded)
    return lambda: found.run(threads=1, progress=False)


JOBS = {"engine": _engine_job, "trades": _trades_job, "sweep": _sweep_job, "assets": _assets_job}
WARM = {
    "engine": {"bars": 1_000},
    "trades": {"bars": 1_000, "trades": 10},
    "sweep": {"bars": 1_000, "configurations": 10},
    "assets": {"bars": 1_000, "assets": 2, "configurations": 10},
}


def resident_mb(field: str = "VmRSS") -> float:
    """Resident size of this process (``VmHWM``: the highest so far), from the kernel."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def _reset_peak() -> None:
    """Give freed memory back and start the highest resident size afresh, where the system can."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):
        pass


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Run one job ``repeat`` times and return times and the memory of the first run."""
    request = dict(request)
    name, repeat = request.pop("job"), request.pop("repeat", 1)
    JOBS[name](**WARM[name])()
    job = JOBS[name](**request)
    _reset_peak()
    start = resident_mb()
    seconds = []
    memory = 0.0
    for turn in range(repeat):
        begin = time.perf_counter()
        kept = job()
        seconds.append(time.perf_counter() - begin)
        if turn == 0:
            memory = resident_mb("VmHWM") - start
        del kept
    return {"seconds": seconds, "memory_mb": max(memory, 0.0), "start_mb": start}


def ask(**request: Any) -> dict[str, Any]:
    """Run :func:`measure` in a fresh process."""
    done = harness.run_process([sys.executable, "-m", "bench.probe", json.dumps(request)])
    answer: dict[str, Any] = json.loads(done.output.strip().splitlines()[-1])
    return answer


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
