"""The half-minute bench behind ``peak-fast bench``."""

from __future__ import annotations

import contextlib
import datetime
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peak_fast.benchmarking import records, yardstick

if TYPE_CHECKING:
    from peak_fast.data import Bars

COMMAND = "peak-fast bench"
QUESTION = "How fast is this machine at the main jobs?"
SIZES = {5_000: 60, 100_000: 20, 1_000_000: 5}
GRID = {"fast": range(5, 105), "slow": range(110, 310, 2)}
SWEEP_BARS = 5_000
RUNS = 50

Samples = dict[str, list[float]]


def run(out: Path | None = None, *, console: Any = None) -> dict[str, Any]:
    """Run the bench, print a table and write JSON.

    Parameters
    ----------
    out
        Path of the JSON file; None: nothing is written.
    console
        A rich console; None: standard output.

    Returns
    -------
    dict
        The document that is written: machine, versions, date, and one record per figure with all samples, in
        the format of `peak_fast.benchmarking.records`.
    """
    from rich.console import Console

    console = console or Console()
    load = records.load_average()
    found: list[dict[str, Any]] = []
    notes: list[str] = []
    with console.status("benchmarking: one backtest"):
        found += single_runs()
    with console.status("benchmarking: a sweep"):
        found += sweeps()
    with console.status("benchmarking: tracking"):
        found += tracking(notes)
    with console.status("benchmarking: process start"):
        found += start_up()
    document = {
        "schema": records.SCHEMA,
        "bench": "quick",
        "question": QUESTION,
        "command": COMMAND,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": records.machine(),
        "versions": records.versions(),
        "load": [load, records.load_average()],
        "notes": notes,
        "records": found,
    }
    show(document, console)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        records.write_json(out, document)
        console.print(f"written: {out}")
    return document


def _bars(count: int) -> Bars:
    from peak_fast.data import synthetic

    return synthetic(count, seed=7)


def _costs() -> Any:
    from peak_fast.settings import Costs

    return Costs(rate=yardstick.FEE, slippage_bps=yardstick.SLIPPAGE * 10_000)


def _statistics(engine: Any, bars: Bars, params: Mapping[str, Any]) -> Any:
    return engine.run(bars, "ma_crossover", params).stats


def single_runs() -> list[dict[str, Any]]:
    """One SMA 20/50 backtest with all statistics at three lengths, next to a bare loop."""
    from peak_fast.engine import BacktestEngine

    engine = BacktestEngine(costs=_costs(), initial_cash=yardstick.INITIAL_CASH)
    params = {"fast": 20, "slow": 50}
    found = []
    for count, rounds in SIZES.items():
        bars = _bars(count)
        variants: dict[str, Callable[[], Any]] = {
            "ours": partial(_statistics, engine, bars, params),
            "bare": partial(yardstick.scalar_run, bars.open, bars.close, 20, 50),
        }
        samples = records.interleave(variants, rounds)
        label = f"one backtest, {count:,} bars"
        found += [
            records.make_record(f"quick/{count}/time", samples["ours"], "s", label=label),
            records.make_record(
                f"quick/{count}/over_bare",
                records.ratios(samples["ours"], samples["bare"]),
                "ratio",
                label=f"{label}, over a bare compiled loop",
            ),
        ]
    return found


def sweeps() -> list[dict[str, Any]]:
    """A sweep of 10,000 pairs of averages over 5,000 bars, on one thread and on two."""
    from peak_fast.sweep import Sweep

    bars = _bars(SWEEP_BARS)
    work = Sweep("ma_crossover", GRID, bars, costs=_costs())
    variants: dict[str, Callable[[], Any]] = {
        f"{threads}": partial(work.run, threads=threads, progress=False) for threads in (1, 2)
    }
    samples = records.interleave(variants, 5)
    found = []
    configurations = math.prod(map(len, GRID.values()))
    cells = configurations * SWEEP_BARS
    for threads, seconds in samples.items():
        label = f"sweep of {configurations:,} x {SWEEP_BARS:,} bars, threads: {threads}"
        found.append(records.make_record(f"quick/sweep/threads_{threads}/time", seconds, "s", label=label))
        nanoseconds = [value / cells * 1e9 for value in seconds]
        name = f"quick/sweep/threads_{threads}/ns"
        found.append(records.make_record(name, nanoseconds, "ns", label=f"{label}, a bar and configuration"))
    return found


def tracking(notes: list[str]) -> list[dict[str, Any]]:
    """Loops of tracked backtests over untracked ones; MLflow only where it is installed."""
    from peak_fast.engine import BacktestEngine
    from peak_fast.tracking import NoopTracker

    bars = _bars(SWEEP_BARS)

    def loop(tracker: Any) -> Callable[[], None]:
        engine = BacktestEngine(costs=_costs(), tracker=tracker)

        def work() -> None:
            for k in range(RUNS):
                if tracker is not None:
                    tracker.start_run(f"bench-{k}")
                engine.run(bars, "ma_crossover", {"fast": 10 + k % 40, "slow": 60 + k}).stats  # noqa: B018
                if tracker is not None:
                    tracker.end_run()

        return work

    samples = records.interleave({"none": loop(None), "noop": loop(NoopTracker())}, 10)
    found = [_percent("quick/tracking/noop", samples, "noop", "NoopTracker, slowdown of the loop")]
    # MLflow keeps the artifacts of a database under the working folder
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        try:
            found += _mlflow(folder, loop)
        except ImportError as error:
            notes.append(f"MLflow tracking is left out: {error}")
    return found


def _mlflow(folder: str, loop: Callable[[Any], Callable[[], None]]) -> list[dict[str, Any]]:
    from peak_fast.tracking import MLflowTracker

    tracker = MLflowTracker(tracking_uri=f"sqlite:///{folder}/bench.db", experiment_name="bench")
    samples: Samples = {"none": [], "mlflow": [], "durable": []}
    plain, tracked = loop(None), loop(tracker)
    for _ in range(4):
        samples["none"] += records.interleave({"x": plain}, 1, warm_up=0)["x"]
        busy = records.interleave({"x": tracked}, 1, warm_up=0)["x"]
        waiting = records.interleave({"x": tracker.flush}, 1, warm_up=0)["x"]
        samples["mlflow"] += busy
        samples["durable"] += [busy[0] + waiting[0]]
    samples = {name: values[1:] for name, values in samples.items()}  # the first turn starts the writer
    label = f"{RUNS} backtests tracked by MLflow (SQLite, artifacts), until durable"
    return [
        _percent(
            "quick/tracking/mlflow", samples, "mlflow", "MLflow in the background, slowdown of the loop"
        ),
        records.make_record("quick/tracking/mlflow_durable", samples["durable"], "s", label=label),
    ]


def _percent(name: str, samples: Mapping[str, list[float]], key: str, label: str) -> dict[str, Any]:
    ratios = records.ratios(samples[key], samples["none"])
    return records.make_record(name, [100 * (ratio - 1) for ratio in ratios], "%", label=label)


def start_up() -> list[dict[str, Any]]:
    """Import, and process start to the first result, in fresh processes with warm caches."""
    timed = "import time; t = time.perf_counter(); import peak_fast; print(time.perf_counter() - t)"
    first = (
        "from peak_fast.data import synthetic; from peak_fast.engine import BacktestEngine; "
        "BacktestEngine().run(synthetic(5_000), 'ma_crossover', {'fast': 20, 'slow': 50}).stats"
    )

    def import_time() -> float:
        done = subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True)
        return float(done.stdout)

    def first_result() -> None:
        subprocess.run([sys.executable, "-c", first], capture_output=True, check=True)

    samples = records.interleave({"first": first_result}, 3)
    label = "process start to the first result"
    return [
        records.make_record("quick/import", [import_time() for _ in range(3)], "s", label="import peak_fast"),
        records.make_record("quick/first_result", samples["first"], "s", label=label),
    ]


def show(document: Mapping[str, Any], console: Any) -> None:
    """Print the figures as a table, with the machine below."""
    from rich.table import Table

    table = Table(title="peak_fast bench", title_justify="left")
    table.add_column("figure")
    for name in ("median", "smallest", "largest"):
        table.add_column(name, justify="right")
    for record in document["records"]:
        cells = [records.figure(record[key], record["unit"]) for key in ("median", "min", "max")]
        table.add_row(record["label"], *cells)
    console.print(table)
    machine = document["machine"]
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']}"
    )
    for note in document["notes"]:
        console.print(f"note: {note}")
