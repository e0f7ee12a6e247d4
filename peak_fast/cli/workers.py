"""What ``peak-fast doctor --cluster`` asks of the workers of a cluster, and the table of what they say."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Mapping
from typing import Any

_CONFIGURATIONS, _BARS, _ROUNDS = 2_000, 5_000, 5
_PATIENCE = 120.0


def about(dask_worker: Any) -> dict[str, Any]:
    """Versions, threads, memory and cache of a worker; runs on its event loop, so it is quick."""
    from peak_fast.cluster import identity
    from peak_kernels.compiling import cache_dir, cache_problem
    from peak_kernels.entries import ENTRIES

    folder = cache_dir()
    ready = sum(entry.is_stored() for entry in ENTRIES.values())
    return {
        "identity": identity(),
        "host": platform.node(),
        "threads": dask_worker.state.nthreads,
        "memory": int(getattr(dask_worker.memory_manager, "memory_limit", 0) or 0),
        "cache": str(folder) if folder else f"none: {cache_problem() or 'no folder can be written'}",
        "ready": f"{ready} of {len(ENTRIES)}",
    }


def speed() -> float:
    """Configurations of 5,000 bars a second, on one thread; the first round, which may compile, does not count."""
    from peak_fast.data import synthetic
    from peak_fast.sweep import Sweep

    grid = {"fast": range(2, 42), "slow": range(50, 100)}
    sweep = Sweep("ma_crossover", grid, synthetic(_BARS, seed=1), metrics=("total_return",))
    took = []
    for _ in range(_ROUNDS + 1):
        begin = time.perf_counter()
        sweep.run(threads=1, progress=False)
        took.append(time.perf_counter() - begin)
    return _CONFIGURATIONS / sorted(took[1:])[_ROUNDS // 2]


def survey(cluster: Any) -> list[dict[str, Any]]:
    """What each worker says of itself, by address, with ``speed`` or, where it does not answer, ``error``.

    Raises
    ------
    ConfigError, SweepError
        No cluster, no scheduler that answers, or no worker.
    """
    from peak_fast.cluster import connected
    from peak_fast.errors import SweepError

    with connected(cluster) as client:
        workers = sorted(client.nthreads())
        if not workers:
            raise SweepError("cluster: there is no worker; start one with `dask worker ADDRESS`")
        told = client.run(about, workers=workers, on_error="return")
        running = {
            worker: client.submit(speed, workers=[worker], allow_other_workers=False, pure=False)
            for worker, answer in told.items()
            if isinstance(answer, dict)
        }
        return [_row(worker, told.get(worker), running.get(worker)) for worker in workers]


def _row(worker: str, answer: Any, future: Any) -> dict[str, Any]:
    row = {"worker": worker, **(answer if isinstance(answer, dict) else {})}
    try:
        if future is None:
            return row | {"error": str(answer or "did not answer")}
        return row | {"speed": future.result(timeout=_PATIENCE)}
    except Exception as error:  # of the worker, whatever it is: the table says so and the others are shown
        return row | {"error": f"{type(error).__name__}: {error}"}


def is_sound(row: Mapping[str, Any]) -> bool:
    """Whether a worker answers and would compute this machine's bits."""
    from peak_fast.cluster import difference

    return "error" not in row and difference(row["worker"], row["identity"]) is None


def table(rows: Iterable[Mapping[str, Any]]) -> Any:
    """The answers for a terminal."""
    from rich.table import Table

    from peak_fast.cluster import difference

    rows = list(rows)
    caches = {row.get("cache", "") for row in rows} - {""}
    shown = Table(title="workers", caption="cache: " + "; ".join(sorted(caches)) if caches else None)
    for name in ("worker", "host", "threads", "memory", "kernels", "runs/s", "same bits"):
        shown.add_column(name, overflow="fold", min_width=len(name))
    for row in rows:
        wrong = row.get("error") or difference(row["worker"], row["identity"])
        memory = f"{row['memory'] / 1e9:.1f} GB" if row.get("memory") else "no limit"
        speed_of = f"{row['speed']:,.0f}" if "speed" in row else ""
        shown.add_row(
            row["worker"], row.get("host", ""), str(row.get("threads", "")), memory, row.get("ready", ""),
            speed_of, f"no: {wrong}" if wrong else "yes",
        )  # fmt: skip
    return shown
