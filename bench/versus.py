"""Two checkouts at the same work, in turn: is this one slower than that one?

    python -m bench.versus ../before                     # everything
    python -m bench.versus ../before engine_5000 sweep   # some
    python -m bench.versus ../before --pairs 61

Each checkout has a process of its own that stays warm; A and B alternate work by work, and the figure is the median of
the ratios A/B pair by pair, A being this checkout; on a busy machine the processor time says more.  Works that need a
fresh process (import, first result) start one each time.  The other checkout is any folder with another commit
(``git worktree add ../before COMMIT``); the packages around it are those of the running interpreter.  What a work does
is written for both: only names of `peak_fast.__all__` are used.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAIRS = 31

Times = tuple[float, float]
"""Seconds of wall time and of processor time."""

_FRESH = {
    "import": "import peak_fast",
    "first_result": (
        "import peak_fast as pf; "
        "pf.BacktestEngine().run(pf.synthetic(5_000, seed=7), 'ma_crossover', {'fast': 20, 'slow': 50}).stats"
    ),
}


def _engine(bars: int, repeats: int) -> Callable[[], Any]:
    import peak_fast as pf

    prices, engine = pf.synthetic(bars, seed=7), pf.BacktestEngine(costs=pf.Costs.from_bps(10, 5))
    params = {"fast": 20, "slow": 50}
    return lambda: [engine.run(prices, "ma_crossover", params).stats for _ in range(repeats)]


def _single_book(bars: int, repeats: int) -> Callable[[], Any]:
    import peak_fast as pf

    config = pf.BacktestConfig(costs=pf.Costs.from_bps(10, 5), order_book={})
    prices, engine = pf.synthetic(bars, seed=7), pf.BacktestEngine.from_config(config)
    params = {"fast": 20, "slow": 50}
    return lambda: [engine.run(prices, "ma_crossover", params).stats for _ in range(repeats)]


def _sweep(count: int, bars: int) -> Callable[[], Any]:
    import peak_fast as pf

    grid = {"fast": list(range(2, 2 + count // 100)), "slow": list(range(110, 210))}
    sweep = pf.Sweep("ma_crossover", grid, pf.synthetic(bars, seed=7))
    return lambda: sweep.run(threads=1, progress=False)


def _book(bars: int) -> Callable[[], Any]:
    import peak_fast as pf

    prices = pf.synthetic(bars, seed=7)
    step = bars // 10_000
    orders = [
        {"bar": i * step, "side": "buy" if i % 2 == 0 else "sell", "size": 1.0, "type": "market"}
        for i in range(10_000)
    ]
    return lambda: pf.simulate_orders(prices, orders).stats


def _tracked(folder: str) -> Callable[[], Any]:
    import peak_fast as pf

    os.environ["PEAK_FAST_SPOOL_DIR"] = f"{folder}/spool"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    tracker = pf.MLflowTracker(f"sqlite:///{folder}/store.db", experiment_name="versus")
    engine, prices = pf.BacktestEngine(tracker=tracker), pf.synthetic(5_000, seed=7)
    params = {"fast": 20, "slow": 50}

    def loop() -> None:
        for _ in range(100):
            with tracker.start_run("run"):
                engine.run(prices, "ma_crossover", params)

    return loop


def _load(folder: str, ending: str, zone: bool = True) -> Callable[[], Any]:
    import peak_fast as pf

    path = Path(folder) / f"bars{ending}"
    frame = pf.synthetic(2_000_000, "1m", seed=7).to_polars()
    if not zone:
        frame = frame.with_columns(frame["timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S"))
    frame.write_csv(path) if ending == ".csv" else frame.write_parquet(path)
    return lambda: pf.load(path)


def _from_frame(bars: int, kind: str) -> Callable[[], Any]:
    import peak_fast as pf

    frame = pf.synthetic(bars, "1m", seed=7).to_polars()
    if kind == "pandas":
        frame = frame.to_pandas().set_index("timestamp")
    return lambda: pf.Bars.from_frame(frame)


def _run_frame(bars: int, kind: str, repeats: int) -> Callable[[], Any]:
    import peak_fast as pf

    frame = pf.synthetic(bars, "1m", seed=7).to_polars()
    if kind == "pandas":
        frame = frame.to_pandas().set_index("timestamp")
    engine, params = pf.BacktestEngine(costs=pf.Costs.from_bps(10, 5)), {"fast": 20, "slow": 50}
    return lambda: [engine.run(frame, "ma_crossover", params).stats for _ in range(repeats)]


def _signal(bars: int) -> Callable[[], Any]:
    import polars as pl

    import peak_fast as pf

    prices, engine = pf.synthetic(bars, seed=7), pf.BacktestEngine()

    def crosses(frame: pl.DataFrame, params: dict[str, Any]) -> pl.Series:
        slow = frame["close"].rolling_mean(params["slow"])
        return (frame["close"] > slow).fill_null(False).cast(pl.Int8)

    strategy = pf.strategy(name="versus_crosses")(crosses)
    return lambda: engine.run(prices, strategy, {"slow": 50}).stats


WORKS: dict[str, Callable[[str], Callable[[], Any]]] = {
    "engine_5000": lambda _: _engine(5_000, 50),
    "engine_100000": lambda _: _engine(100_000, 8),
    "engine_1000000": lambda _: _engine(1_000_000, 1),
    "single_book_5000": lambda _: _single_book(5_000, 10),
    "sweep": lambda _: _sweep(10_000, 5_000),
    "book_1000000": lambda _: _book(1_000_000),
    "tracked_loop": _tracked,
    "signal_100000": lambda _: _signal(100_000),
    "frame_polars": lambda _: _from_frame(1_000_000, "polars"),
    "frame_pandas": lambda _: _from_frame(1_000_000, "pandas"),
    "run_polars_5000": lambda _: _run_frame(5_000, "polars", 50),
    "run_pandas_5000": lambda _: _run_frame(5_000, "pandas", 50),
    "run_polars_100000": lambda _: _run_frame(100_000, "polars", 8),
    "run_pandas_100000": lambda _: _run_frame(100_000, "pandas", 8),
    "run_polars_1000000": lambda _: _run_frame(1_000_000, "polars", 1),
    "run_pandas_1000000": lambda _: _run_frame(1_000_000, "pandas", 1),
    "load_csv": lambda folder: _load(folder, ".csv"),
    "load_csv_without_zone": lambda folder: _load(folder, ".csv", zone=False),
    "load_parquet": lambda folder: _load(folder, ".parquet"),
}


def serve() -> None:
    """Be the process of one checkout: a name makes a work and repeats it once a line until a blank line."""
    for name in iter(sys.stdin.readline, ""):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            work = WORKS[name.strip()](folder)
            work()
            print("ready", flush=True)
            for line in iter(sys.stdin.readline, ""):
                if not line.strip():
                    break
                begin, busy = time.perf_counter(), time.process_time()
                work()
                print(time.perf_counter() - begin, time.process_time() - busy, flush=True)


class Side:
    """One checkout and its process."""

    def __init__(self, folder: Path) -> None:
        paths = os.pathsep.join((str(folder), str(folder / "kernels")))
        self.environment = {**os.environ, "PYTHONPATH": paths}
        code = (
            f"import runpy; runpy.run_path({str(Path(__file__).resolve())!r}, run_name='versus')['serve']()"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=tempfile.gettempdir(),
        )

    def ask(self, line: str) -> str:
        """Send a line; return the answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip() if line else ""
        if line and not answer:
            raise SystemExit(f"versus: a checkout failed at {line!r}; its message stands above")
        return answer

    def again(self) -> Times:
        """Repeat the work of the process once."""
        wall, busy = self.ask("again").split()
        return float(wall), float(busy)

    def fresh(self, code: str) -> Times:
        """Run a new process."""
        begin, busy = time.perf_counter(), os.times()
        subprocess.run(
            [sys.executable, "-c", code], env=self.environment, check=True, cwd=tempfile.gettempdir()
        )
        after = os.times()
        spent = after.children_user + after.children_system - busy.children_user - busy.children_system
        return time.perf_counter() - begin, spent

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(60)


def compare(here: Side, there: Side, name: str, pairs: int) -> list[tuple[float, float, float]]:
    """Medians of both sides in seconds and of the ratios pair by pair: of wall time, then of processor time."""
    if name in _FRESH:
        works = [lambda side=side: side.fresh(_FRESH[name]) for side in (here, there)]
        [work() for work in works]
    else:
        [side.ask(name) for side in (here, there)]
        works = [side.again for side in (here, there)]
    times: list[tuple[Times, Times]] = []
    for number in range(pairs):
        first, second = (0, 1) if number % 2 == 0 else (1, 0)
        taken = {first: works[first](), second: works[second]()}
        times.append((taken[0], taken[1]))
    if name not in _FRESH:
        [side.ask("") for side in (here, there)]
    return [
        (
            statistics.median(a[clock] for a, _ in times),
            statistics.median(b[clock] for _, b in times),
            statistics.median(a[clock] / max(b[clock], 1e-9) for a, b in times),
        )
        for clock in (0, 1)
    ]


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit code 0 whatever the ratios are: they are for reading."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.versus", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("other", type=Path, help="folder of the other checkout")
    parser.add_argument("works", nargs="*", help=f"default all: {', '.join([*WORKS, *_FRESH])}")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    options = parser.parse_args(arguments)
    names = options.works or [*WORKS, *_FRESH]
    if unknown := sorted(set(names) - {*WORKS, *_FRESH}):
        parser.error(f"unknown works {unknown}; known: {', '.join([*WORKS, *_FRESH])}")
    here, there = Side(ROOT), Side(options.other.resolve())
    print(f"Medians of {options.pairs} pairs; CPU: processor time of the process, all its threads.")
    print("| work | here | there | here / there | CPU here | CPU there | CPU here / there |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in names:
        cells = [
            cell
            for ours, theirs, ratio in compare(here, there, name, options.pairs)
            for cell in (f"{ours * 1e3:.3f} ms", f"{theirs * 1e3:.3f} ms", f"{ratio:.3f}")
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    here.close()
    there.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
