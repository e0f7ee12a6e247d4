"""What the first result of a process waits for: which modules it may load, so that a start does not grow unseen.

How long a start takes is measured in bench/bench_startup.py; here stands what it is made of.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRAME = """
import numpy as np, polars as pl
from datetime import datetime
from peak_fast import BacktestEngine, Costs
close = 100.0 + np.sin(np.arange(300.0))
days = pl.datetime_range(datetime(2020, 1, 1), datetime(2020, 10, 26), "1d", eager=True)
frame = pl.DataFrame({"timestamp": days, "open": close, "high": close, "low": close, "close": close})
BacktestEngine(costs=Costs(rate=0.001)).run(frame, "ma_crossover", {"fast": 5, "slow": 20}).stats
"""
SYNTHETIC = """
from peak_fast import BacktestEngine, Costs, RiskLimits, Stops, synthetic
engine = BacktestEngine(costs=Costs.from_bps(5.0), stops=Stops(stop_loss=0.05), risk_limits=RiskLimits())
engine.run(synthetic(300, seed=1), "ma_crossover", {"fast": 5, "slow": 20}).stats
"""
TABLE = """
from peak_fast import BacktestConfig, BacktestEngine, synthetic
config = BacktestConfig(costs={"rate": 0.001}, stops={"stop_loss": 0.05}, sizing={"kind": "fixed_units", "units": 3})
BacktestEngine.from_config(config).run(synthetic(300, seed=1), "ma_crossover").stats
"""
PORTFOLIO = """
from peak_fast import BacktestEngine, PortfolioRules, Rank, synthetic
from peak_fast.portfolio import Momentum
engine = BacktestEngine(portfolio=PortfolioRules(band=0.01))
engine.run(synthetic(300, seed=1, assets=4), Rank(Momentum(20), top=2)).stats
"""
# Packages, and modules of the standard library that load many others or are asked for nothing here.
HEAVY = {
    "numba", "llvmlite", "scipy", "pydantic", "pydantic_core", "annotated_types", "narwhals", "pandas", "pyarrow",
    "rich", "typer", "mlflow", "optuna", "duckdb", "sqlite3", "matplotlib", "PIL", "sqlalchemy", "asyncio",
    "multiprocessing", "difflib", "tomllib", "statistics", "fractions", "numpy.ma", "numpy.testing",
}  # fmt: skip
# Besides what Polars loads for itself.
WITHOUT_POLARS = HEAVY | {
    "polars",
    "tempfile",
    "shutil",
    "importlib.metadata",
    "email",
    "logging",
    "uuid",
    "subprocess",
}
ROOMS = {
    "data",
    "engine",
    "indicators",
    "metrics",
    "params",
    "results",
    "settings",
    "simulation",
    "strategies",
}
# Rooms whose door alone is there: names of theirs are looked up when they are used.
DOORS = {"portfolio", "trials"}
LATER = {
    "settings.models", "settings.config", "settings.order_rules", "settings.portfolio_rules", "settings.presets",
    "settings.variable", "strategies.block_checks", "simulation.blocks", "data.panel", "data.files",
    "results.views", "results.generations",
}  # fmt: skip


def modules_after(code):
    """Modules that a process has loaded after a run, kernels being on disk."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True, text=True, check=True, cwd=ROOT, env=dict(os.environ),
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split())


@pytest.fixture(scope="module", autouse=True)
def _kernels_on_disk():
    """The first process compiles where the cache is empty, which needs Numba."""
    for code in (SYNTHETIC, PORTFOLIO):
        modules_after(code)


def test_numbers():
    loaded = modules_after(SYNTHETIC)
    assert loaded & WITHOUT_POLARS == set()
    ours = {name.removeprefix("peak_fast.") for name in loaded if name.startswith("peak_fast.")}
    assert {name.split(".")[0] for name in ours if "." in name} <= ROOMS
    assert {name for name in ours if "." not in name} <= ROOMS | DOORS | {"arguments", "errors", "guard"}
    assert ours & LATER == set()
    assert {name for name in loaded if name.startswith("peak_kernels.")} <= {
        f"peak_kernels.{name}" for name in (
            "arrays", "compiling", "compiling.cache", "compiling.layout", "compiling.levels", "compiling.linking",
            "compiling.objects", "doors", "entries", "folders", "order_slots", "portfolio_slots", "slots",
        )
    }  # fmt: skip


def test_a_frame():
    before = modules_after("import numpy as np, polars as pl\npl.DataFrame({'a': np.ones(3)})")
    loaded = modules_after(FRAME) - before
    assert loaded & HEAVY == set()
    rooms = {name.split(".")[1] for name in loaded if name.startswith("peak_fast.")}
    assert rooms <= ROOMS | DOORS | {"arguments", "errors", "guard"}


def test_a_table_of_settings():
    loaded = modules_after(TABLE)
    assert loaded & WITHOUT_POLARS == set()
    assert "peak_fast.settings.models" not in loaded


def test_a_portfolio():
    loaded = modules_after(PORTFOLIO) - modules_after("import numpy, polars")
    assert loaded & HEAVY == set()
    assert {name for name in loaded if name.startswith("peak_kernels.")} & {
        "peak_kernels.orders",
        "peak_kernels.simd",
    } == set()
    assert (
        loaded & {"peak_fast.portfolio.ordered", "peak_fast.portfolio.deciding", "peak_fast.orders.run"}
        == set()
    )
