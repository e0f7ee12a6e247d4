"""How long until the first result, with and without compiled kernels on disk, and what does it weigh?"""

from __future__ import annotations

import re
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from bench import harness

BENCH = "startup"
QUESTION = (
    "How long until the first result, with and without compiled kernels on disk, and what does it weigh?"
)

IMPORT_OURS = "import time; t = time.perf_counter(); import peak_fast; print(time.perf_counter() - t)"
IMPORT_STACK = (
    "import time; t = time.perf_counter(); import numpy, numba, polars; print(time.perf_counter() - t)"
)
FIRST_RESULT = """
import peak_fast
bars = peak_fast.synthetic(5_000, seed=7)
costs = peak_fast.Costs(rate=0.001, slippage_bps=5.0)
result = peak_fast.BacktestEngine(costs=costs).run(bars, "ma_crossover", {"fast": 20, "slow": 50})
assert result.stats["total_trades"] > 0
"""
FIRST_FRAME = """
import numpy as np, polars as pl, peak_fast
from datetime import datetime, timedelta
close = 100.0 * np.exp(np.cumsum(np.random.default_rng(7).normal(0.0, 0.01, 5_000)))
first = datetime(2000, 1, 1)
days = pl.datetime_range(first, first + timedelta(days=4_999), "1d", eager=True)
frame = pl.DataFrame({"timestamp": days, "open": close, "high": close, "low": close, "close": close})
costs = peak_fast.Costs(rate=0.001, slippage_bps=5.0)
result = peak_fast.BacktestEngine(costs=costs).run(frame, "ma_crossover", {"fast": 20, "slow": 50})
assert result.stats["total_trades"] > 0
"""
FIRST_BOOK = """
import peak_fast
from peak_fast.settings import OrderBook
bars = peak_fast.synthetic(5_000, seed=7)
result = peak_fast.BacktestEngine(order_book=OrderBook()).run(bars, "ma_crossover", {"fast": 20, "slow": 50})
assert result.stats["total_trades"] > 0
"""
FIRST_PORTFOLIO = """
import peak_fast
from peak_fast.portfolio import Momentum
panel = peak_fast.synthetic(1_000, seed=7, assets=10)
result = peak_fast.BacktestEngine().run(panel, peak_fast.Rank(Momentum(20), top=3))
assert result.stats["total_trades"] > 0
"""
FIRST_COMMAND = """
import sys
from peak_fast.cli import main
sys.argv = ["peak-fast", "run", "--data", "AAPL", "--strategy", "ma_crossover"]
main()
"""
STACK = "import numpy, polars"
FIRST = (
    ("first_import", "import peak_fast", "`import peak_fast`, the process"),
    ("first_result", FIRST_RESULT, "`synthetic(5_000)`, run, statistics (Polars is not needed)"),
    ("first_frame", FIRST_FRAME, "a Polars frame of 5,000 bars, run, statistics"),
    ("first_book", FIRST_BOOK, "the same strategy through the order book"),
    ("first_portfolio", FIRST_PORTFOLIO, "ten assets, a rank, statistics"),
    ("first_command", FIRST_COMMAND, "`peak-fast run` on packaged prices, report printed"),
)
# An installed package has its bytecode; a checkout gets it at the first run.
INSTALLED = {"PYTHONDONTWRITEBYTECODE": ""}
FIRST_ORDERS = """
import peak_fast, polars
bars = peak_fast.synthetic(5_000, seed=7)
orders = polars.DataFrame({"bar": [10, 20], "side": ["buy", "sell"], "size": [1.0, 1.0]})
assert peak_fast.simulate_orders(bars, orders).stats["filled_orders"] == 2
"""
FIRST_BARE = """
import numpy as np
from bench import baselines
close = 100.0 * np.exp(np.cumsum(np.random.default_rng(7).normal(0.0, 0.01, 5_000)))
assert baselines.scalar_run(close, close, 20, 50)[3] > 0
"""
SOURCE = "target for single runs"


def _rounds(full: int = 7) -> int:
    return harness.pick(full, 2)


def _fresh(code: str, cold: bool = False) -> float:
    """Process start to exit in seconds, with the caches as they are or empty."""
    if not cold:
        return harness.run_snippet(code).seconds
    with tempfile.TemporaryDirectory() as empty:
        env = {"PEAK_FAST_CACHE_DIR": empty, "NUMBA_CACHE_DIR": empty}
        return harness.run_snippet(code, env=env).seconds


def test_import(benchmark, recorder):
    ours: list[float] = []
    stack: list[float] = []

    def turn() -> None:
        ours.append(float(harness.run_snippet(IMPORT_OURS).output))
        stack.append(float(harness.run_snippet(IMPORT_STACK).output))

    benchmark.pedantic(turn, rounds=_rounds(), iterations=1, warmup_rounds=1)
    ours, stack = ours[1:], stack[1:]
    target = harness.Target(0.15, SOURCE)
    recorder.add("import", ours, "s", label="`import peak_fast`", target=target)
    recorder.add("import_stack", stack, "s", label="`import numpy, numba, polars`, for comparison")
    recorder.add(
        "import_ratio", harness.ratios(ours, stack), "ratio", label="import, ours / that of the three"
    )


def test_first_result(benchmark, recorder):
    samples: dict[str, list[float]] = {"warm": [], "cold": [], "bare_warm": [], "bare_cold": []}
    _fresh(FIRST_RESULT)
    _fresh(FIRST_BARE)

    def turn() -> None:
        samples["warm"].append(_fresh(FIRST_RESULT))
        samples["bare_warm"].append(_fresh(FIRST_BARE))
        if len(samples["cold"]) < harness.pick(3, 1):  # compiling takes seconds: fewer rounds do
            samples["cold"].append(_fresh(FIRST_RESULT, cold=True))
            samples["bare_cold"].append(_fresh(FIRST_BARE, cold=True))

    benchmark.pedantic(turn, rounds=_rounds(5), iterations=1)
    what = "process start to the end of the first backtest"
    recorder.add("first_result/warm", samples["warm"], "s", label=f"{what}, warm cache",
                 target=harness.Target(0.8, SOURCE))  # fmt: skip
    recorder.add("first_result/cold", samples["cold"], "s", label=f"{what}, empty cache",
                 target=harness.Target(4.0, SOURCE))  # fmt: skip
    recorder.add("first_result/bare_warm", samples["bare_warm"], "s", label="a bare Numba loop, warm cache")
    recorder.add("first_result/bare_cold", samples["bare_cold"], "s", label="a bare Numba loop, empty cache")
    peak = harness.run_snippet(FIRST_RESULT).peak_rss_mb
    recorder.add("first_result/rss", [peak], "MB", label="peak memory of that process, warm cache")


def test_first_of_a_process(benchmark, recorder):
    """Interleaved with a process that imports NumPy and Polars; processor time, which other work disturbs less."""
    jobs = {"stack": STACK, **{name: code for name, code, _ in FIRST}}
    cpu: dict[str, list[float]] = {name: [] for name in jobs}
    for code in jobs.values():
        harness.run_snippet(code, env=INSTALLED)

    def turn() -> None:
        for name, code in jobs.items():
            cpu[name].append(harness.run_snippet(code, env=INSTALLED).cpu_seconds)

    benchmark.pedantic(turn, rounds=_rounds(21), iterations=1)
    recorder.add(
        "first_cpu/stack", cpu["stack"], "s", label="processor time of a process: `import numpy, polars`"
    )
    for name, _, label in FIRST:
        recorder.add(f"first_cpu/{name}", cpu[name], "s", label=f"processor time of a process: {label}")
        most = {"first_result": 1.4, "first_frame": 1.4, "first_book": 2.0, "first_portfolio": 2.0}.get(name)
        target = None if most is None else harness.Target(most, "target for first results")
        times = harness.ratios(cpu[name], cpu["stack"])
        recorder.add(f"first_ratio/{name}", times, "ratio", label=f"{label}, in processes that import NumPy and Polars",
                     target=target)  # fmt: skip


def test_first_orders(benchmark, recorder):
    warm: list[float] = []
    _fresh(FIRST_ORDERS)
    benchmark.pedantic(lambda: warm.append(_fresh(FIRST_ORDERS)), rounds=_rounds(3), iterations=1)
    what = "process start to the end of the first `simulate_orders`"
    recorder.add("first_orders/warm", warm, "s", label=f"{what}, warm cache")
    recorder.add("first_orders/cold", [_fresh(FIRST_ORDERS, cold=True)], "s", label=f"{what}, empty cache")


def test_warmup(benchmark, recorder):
    def warm_up() -> float:
        with tempfile.TemporaryDirectory() as empty:
            env = {"PEAK_FAST_CACHE_DIR": empty, "NUMBA_CACHE_DIR": empty}
            return harness.run_process(
                [sys.executable, "-c", "from peak_fast.cli import main; main()", "warmup"], env=env
            ).seconds

    samples = []
    benchmark.pedantic(lambda: samples.append(warm_up()), rounds=1, iterations=1)
    recorder.add("warmup", samples, "s", label="`peak-fast warmup` into an empty cache")


def requirement_names(distribution: str) -> list[str]:
    """Names of what a distribution requires without extras, as far as installed here."""
    names = []
    for requirement in metadata.requires(distribution) or []:
        if "extra ==" in requirement:
            continue
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        if match is not None:
            names.append(match[0])
    return names


def closure(distribution: str) -> set[str]:
    """Return the distribution's installed dependencies, theirs included, by normalised name."""
    found: set[str] = set()
    waiting = requirement_names(distribution)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # a requirement of another platform or Python version
        found.add(name)
        waiting += requirement_names(name)
    return found


def installed_mb(distribution: str) -> float:
    """Bytes on disk of a distribution's files, compiled Python left out."""
    total = 0
    for file in metadata.files(distribution) or []:
        path = Path(str(file.locate()))
        if path.suffix != ".pyc" and path.is_file():
            total += path.stat().st_size
    return total / 1024**2


def test_sizes(benchmark, recorder):
    def build() -> float:
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable,
                "-m",
                "pip",
                "wheel",
                "-q",
                "--no-deps",
                "-w",
                folder,
                str(harness.ROOT),
            ]
            harness.run_process(command)
            return next(Path(folder).glob("*.whl")).stat().st_size / 1024**2

    size = benchmark.pedantic(build, rounds=1, iterations=1)
    recorder.add("wheel", [size], "MB", label="wheel")
    sizes = {name: installed_mb(name) for name in sorted(closure("peak-fast"))}
    recorder.add("dependencies", [sum(sizes.values())], "MB", label="installed dependencies, extras left out",
                 params={name: round(size, 2) for name, size in sizes.items()})  # fmt: skip
    largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:4]
    for name in largest:
        recorder.add(f"dependencies/{name}", [sizes[name]], "MB", label=f"of which {name}")
