"""What ``peak-fast doctor`` and ``peak-fast warmup`` do."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from typing import Any

_PACKAGES = (
    "numba", "numpy", "polars", "narwhals", "pydantic", "typer", "rich",
    "mlflow", "matplotlib", "optuna", "scipy", "duckdb", "pyarrow", "pandas", "distributed",
)  # fmt: skip


def report() -> Any:
    """Table of the installation."""
    from rich.table import Table

    from peak_fast.sweep import default_threads
    from peak_fast.version import __version__
    from peak_kernels.compiling import cache_dir, cache_problem, source_stamp
    from peak_kernels.entries import ENTRIES

    folder = cache_dir()
    compiled = len(list(folder.glob("*.nbc"))) if folder else 0
    ready = sum(entry.is_stored() for entry in ENTRIES.values())
    table = Table(title="peak_fast", show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("version", f"{__version__}, kernels {source_stamp()}")
    table.add_row("Python", f"{platform.python_version()} on {platform.platform()}")
    table.add_row("processors", f"{os.cpu_count()}, sweeps use {default_threads()} threads")
    problem = cache_problem() or "no folder can be written"
    table.add_row("kernel cache", f"{folder}, {compiled} compiled" if folder else f"none: {problem}")
    table.add_row("machine code", _machine_code())
    table.add_row(
        "starting",
        f"{ready} of {len(ENTRIES)} entries load without numba"
        + ("" if ready == len(ENTRIES) else ": peak-fast warmup prepares the others" if folder else ""),
    )
    for name in _PACKAGES:
        try:
            table.add_row(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            table.add_row(name, "not installed")
    return table


def _machine_code() -> str:
    """Which machine code of the package is used, or why none is."""
    from peak_kernels.compiling import level, why_not
    from peak_kernels.entries import ENTRIES

    reason = why_not(next(iter(ENTRIES)))
    return (
        f"of the package, for x86-64-{level()}" if reason is None else f"compiled on this machine: {reason}"
    )


def warm_up(say: Callable[[str], object]) -> None:
    """Compile what users may need: a run of each built-in strategy, orders, then every entry that is left."""
    import polars as pl

    from peak_fast.data import synthetic
    from peak_fast.engine import BacktestEngine
    from peak_fast.orders import simulate_orders
    from peak_fast.settings import OrderRules
    from peak_fast.strategies import NAMES
    from peak_fast.sweep import evaluate
    from peak_kernels.entries import ENTRIES

    bars, engine = synthetic(600, seed=0), BacktestEngine()
    orders = pl.DataFrame({"bar": [10, 20], "side": ["buy", "sell"], "size": [1.0, 1.0]})
    jobs: dict[str, Callable[[], object]] = {name: partial(engine.run, bars, name) for name in NAMES}
    jobs["simulate_orders"] = partial(simulate_orders, bars, orders)
    jobs["sweep of orders"] = partial(evaluate, NAMES[0], bars, {"size": [1.0]}, order_book=OrderRules())
    jobs |= {name: entry.prepare for name, entry in ENTRIES.items() if not entry.is_stored()}
    for number, (name, job) in enumerate(jobs.items(), 1):
        begin = time.perf_counter()
        job()
        say(f"{number:3} of {len(jobs)}  {name:<20} {time.perf_counter() - begin:6.2f} s")
