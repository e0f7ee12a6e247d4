"""What ``peak-fast demo`` shows: one backtest and one sweep of real prices, recorded where MLflow is installed."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

SYMBOL = "AAPL"


def run_demo(folder: Path) -> None:
    """Backtest, sweep, print, and write pictures into ``folder``."""
    from rich.console import Console

    from peak_fast.data import sample
    from peak_fast.engine import BacktestEngine
    from peak_fast.errors import writing
    from peak_fast.settings import Costs
    from peak_fast.sweep import Sweep, log_sweep, rich_table

    console = Console()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    bars = sample(SYMBOL)
    costs = Costs.from_bps(fee_bps=10, slippage_bps=5)
    tracker = _tracker(folder)
    result = BacktestEngine(costs=costs).run(bars, "ma_crossover", {"fast": 20, "slow": 50})
    console.print(result)
    begin = time.perf_counter()
    sweep = Sweep("ma_crossover", {"fast": range(2, 102), "slow": range(3, 203)}, bars, costs=costs)
    found = sweep.run()
    seconds = time.perf_counter() - begin
    log_sweep(tracker, sweep, found, "best:10")
    console.print(rich_table(found, 10, "sharpe"))
    console.print(f"{len(sweep.grid):,} configurations of {len(bars):,} bars in {seconds:.2f} s")
    if importlib.util.find_spec("matplotlib") is not None:
        found.heatmap("fast", "slow", "sharpe", path=folder / "heatmap.png")
        console.print(f"heatmap: {folder / 'heatmap.png'}")
    _say_where(tracker, console)


def _tracker(folder: Path) -> Any:
    """MLflow in a SQLite file of the folder; nothing where it is not installed."""
    from peak_fast.tracking import MLflowTracker, NoopTracker

    if importlib.util.find_spec("mlflow") is None:
        return NoopTracker()
    store = (folder / "mlflow.db").resolve()
    return MLflowTracker(tracking_uri=f"sqlite:///{store.as_posix()}", experiment_name="peak_fast_demo")


def _say_where(tracker: Any, console: Any) -> None:
    """The command that opens the MLflow UI on what was recorded."""
    if not tracker.tracking_uri:
        console.print("MLflow is not installed: pip install 'peak-fast[mlflow]' to record runs")
        return
    tracker.flush()
    console.print(
        f"recorded; look at it with:  {sys.executable} -m mlflow ui --backend-store-uri {tracker.tracking_uri}\n"
        "then open http://127.0.0.1:5000, choose 'Model training' at the top left, and click on the experiment "
        f"'{tracker.experiment_name}': the run 'sweep ma_crossover' holds the table and the pictures (tab Artifacts)",
        soft_wrap=True,
        markup=False,
    )
