"""What a cluster costs: 2 and 4 worker processes of one thread against two threads, and what each task costs whom.

``python -m bench.cluster`` takes some minutes on two cores; ``--configurations 200000 --bars 100000`` is a quick look.
Everything runs on this machine, scheduler and workers in processes of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.harness import ROOT
from peak_fast import Sweep, synthetic
from peak_fast.benchmarking.records import load_average, machine
from peak_fast.cluster import Crew, who

WORKERS = (2, 4)
METRICS = ("total_return", "sharpe", "max_drawdown", "total_trades")
TASKS = 2_000


@dataclass(frozen=True)
class Numbers:
    """Work that is nothing: what remains is what a task costs."""

    width: int = 4

    def open(self, means: Any) -> Numbers:
        return self

    def rows(self, start: int, stop: int) -> np.ndarray:
        return np.zeros((stop - start, self.width))

    def notes(self) -> list[str]:
        return []


class Cluster:
    """A scheduler and workers of one thread, each a process of its own."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.file = folder / f"scheduler-{workers}.json"
        env = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}"}
        tail = ["--scheduler-file", str(self.file), "--no-dashboard"]
        begin = [["scheduler", "--host", "127.0.0.1", "--port", "0"]]
        begin += [["worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]] * workers
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, "env": env}
        self.processes = []
        for one in begin:
            self.processes.append(subprocess.Popen([sys.executable, "-m", "dask", *one, *tail], **quiet))
            while not (self.file.exists() and self.file.stat().st_size):
                time.sleep(0.05)
        self.count = workers

    def cpu(self) -> np.ndarray:
        """CPU seconds of the scheduler and of all workers."""
        times = [psutil.Process(process.pid).cpu_times() for process in self.processes]
        spent = [one.user + one.system for one in times]
        return np.array([spent[0], sum(spent[1:])])

    def close(self) -> None:
        """End all processes."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.file.unlink(missing_ok=True)


@contextlib.contextmanager
def connected(folder: Path, workers: int) -> Iterator[tuple[Cluster, Any]]:
    """A cluster whose workers are all there, and a client."""
    import distributed

    cluster = Cluster(folder, workers)
    try:
        with distributed.Client(scheduler_file=str(cluster.file), set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=120)
            yield cluster, client
    finally:
        cluster.close()


@contextlib.contextmanager
def peak() -> Iterator[list[float]]:
    """Megabytes that this process grows by at most, in the list afterwards."""
    me, found, done = psutil.Process(), [0.0], threading.Event()
    start = me.memory_info().rss

    def watch() -> None:
        while not done.wait(0.005):
            found[0] = max(found[0], (me.memory_info().rss - start) / 1e6)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def sweep_of(configurations: int, bars: int) -> Sweep:
    """About so many configurations of a crossover with a stop."""
    stops = max(round(configurations / 50_000), 1)
    grid = {
        "fast": range(2, 102),
        "slow": range(110, 610),
        "stop_loss": [0.01 + 0.001 * k for k in range(stops)],
    }
    return Sweep("ma_crossover", grid, synthetic(bars, seed=1), metrics=METRICS)


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU seconds of a call in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def stored(sweep: Sweep, folder: Path, **options: Any) -> Callable[[], Any]:
    """A run with a store of its own."""

    def run() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as store:
            sweep.run(store=Path(store) / "sweep", progress=False, **options)

    return run


def overhead(folder: Path, configurations: int, rounds: int) -> None:
    """Two threads and workers by turns."""
    sweep = sweep_of(configurations, 5_000)
    print(
        f"{len(sweep.grid):,} configurations x 5,000 bars, {len(METRICS)} metrics, into a store; "
        f"{rounds} rounds by turns"
    )
    small = sweep_of(1, 5_000)
    with contextlib.ExitStack() as stack:
        parts = [stack.enter_context(connected(folder, workers)) for workers in WORKERS]
        for _, client in parts:
            small.run(cluster=client, progress=False)  # warm: machine code, prices, connections
        stored(small, folder, threads=2)()
        table: list[list[tuple[float, ...]]] = [[] for _ in range(1 + len(parts))]
        for _ in range(rounds):
            table[0].append((*timed(stored(sweep, folder, threads=2)), 0.0, 0.0, 0.0))
            for found, (cluster, client) in zip(table[1:], parts, strict=True):
                before = cluster.cpu()
                with peak() as grown:
                    took = timed(stored(sweep, folder, cluster=client))
                found.append((*took, *(cluster.cpu() - before), grown[0]))
    print(
        f"{'':12}{'wall':>9}{'of two threads':>16}{'CPU client':>12}{'scheduler':>11}{'workers':>9}{'client MB':>11}"
    )
    for name, found in zip(["2 threads", *(f"{w} workers" for w in WORKERS)], table, strict=True):
        ratio = statistics.median(one[0] / base[0] for one, base in zip(found, table[0], strict=True))
        wall, mine, scheduler, theirs, grown = (
            statistics.median(column) for column in zip(*found, strict=True)
        )
        print(f"{name:12}{wall:8.2f}s{ratio:16.3f}{mine:11.2f}s{scheduler:10.2f}s{theirs:8.2f}s{grown:11.0f}")


def prices(folder: Path, bars: int) -> None:
    """What is sent of prices, and what the client needs for it."""
    sweep, size = sweep_of(1, bars), 6 * 8 * bars
    few = Sweep(
        "ma_crossover", {"fast": range(5, 15), "slow": range(20, 40)}, next(iter(sweep.data.values()))
    )
    with connected(folder, WORKERS[0]) as (_, client), Crew(client) as crew:
        sweep_of(1, 500).run(cluster=crew, progress=False)
        before = dict(crew.sent)
        with peak() as grown:
            took = timed(lambda: few.run(cluster=crew, progress=False))[0]
        shares = [(crew.sent[worker] - before[worker]) / size for worker in crew.sent]
        again = dict(crew.sent)
        few.run(cluster=crew, progress=False)
        more = max(crew.sent[worker] - again[worker] for worker in again)
    print(
        f"{bars:,} bars, {size / 1e6:.0f} MB of prices: sent {', '.join(f'{share:.3f}x' for share in shares)} to a "
        "worker; "
        f"client grows by {grown[0]:.0f} MB; {took:.2f} s; the same again: {more:,} bytes"
    )


def constants(folder: Path) -> None:
    """What a task costs the scheduler, the client and a worker, and how large its messages are."""
    from distributed.protocol.pickle import dumps

    from peak_fast.cluster.parcels import pack
    from peak_fast.cluster.tasks import Reply, run_piece
    from peak_fast.cluster.versions import digest

    with connected(folder, WORKERS[0]) as (cluster, client), Crew(client) as crew:
        list(crew.run(Numbers(), [(0, 10)], 4))
        key = pack(Numbers()).key
        call = (run_piece, key, 0, 1, 1.0, digest(), None, False)
        before, cpu, begin = cluster.cpu(), time.process_time(), time.perf_counter()
        futures = [client.submit(*call, key=("bench", number), pure=False) for number in range(TASKS)]
        client.gather(futures)
        took, mine = time.perf_counter() - begin, time.process_time() - cpu
        scheduler, theirs = (cluster.cpu() - before) / TASKS
        checks = [timed(lambda: client.run(who, [key]))[0] for _ in range(50)]
        task, reply = (
            len(dumps(call)),
            len(pickle.dumps(Reply("tcp://127.0.0.1:12345", np.zeros((1, 4)), 1, 0.1))),
        )
    print(
        f"{TASKS:,} tasks of nothing on {WORKERS[0]} workers: {TASKS / took:,.0f} a second from submit to result"
    )
    print(
        f"CPU of a task: scheduler {1e6 * scheduler:,.0f} us, client {1e6 * mine / TASKS:,.0f} us, "
        f"worker {1e6 * theirs:,.0f} us"
    )
    print(f"so a scheduler of this speed has time for {1 / scheduler:,.0f} a second (extrapolated)")
    print(f"task {task:,} bytes, reply {reply - 32:,} bytes and 8 for each number of its rows")
    print(
        f"versions of {WORKERS[0]} workers compared in {1e3 * statistics.median(checks):.1f} ms "
        "(they know their own by then)"
    )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument("--configurations", type=int, default=5_000_000)
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    about = machine()
    print(f"{about.get('cpu', '')}, {os.cpu_count()} cores; load {load_average():.2f} at the start")
    with tempfile.TemporaryDirectory() as folder:
        constants(Path(folder))
        prices(Path(folder), given.bars)
        overhead(Path(folder), given.configurations, given.rounds)
    print(f"load {load_average():.2f} at the end")


if __name__ == "__main__":
    main()
