"""How fast are we next to other backtesters, at the same work, with the same results?

    python -m bench.bench_peers                       # everything
    python -m bench.bench_peers --only raptorbt       # ourselves, the yardstick and some peers

Each peer runs in its own virtual environment (made on first use) and its own process.  Every row: all
processes are started and warmed up, their results compared with the reference loop's (growth of equity,
number of entries), then timed in interleaved rounds (calls of less than 50 ms: the mean of many in a row).
A result that differs is reported and not timed.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import baselines, data, harness
from bench.peers import venvs
from bench.peers.contestants import CONTESTANTS, ROWS, SMALL_ROWS, Contestant, Row, python_of
from bench.peers.worker import PeerError, Worker

REPEAT_LIMIT_SECONDS = 12.0  # slower samples are taken once
COMMAND = "python -m bench.bench_peers"
QUESTION = "How fast are we next to other backtesters, at the same work, with the same results?"


@dataclass
class Race:
    """One contestant within one row."""

    contestant: Contestant
    worker: Worker
    request: dict[str, Any]
    asked: int
    samples: list[float] = field(default_factory=list)
    rss_mb: float = 0.0

    def run(self) -> dict[str, Any]:
        return self.worker.ask(timeout=600.0, **self.request)


def grid(row: Row, asked: int) -> np.ndarray:
    """Windows of a row: 20/50 for one backtest, else the first ``asked`` of the bench's grid."""
    if row.kind == "single":
        return np.array([[20, 50]], dtype=np.int64)
    return baselines.sma_grid(row.configurations)[:asked]


def reference(bars: data.BenchBars, pairs: np.ndarray, contestant: Contestant) -> np.ndarray:
    """Growth of equity and entries by the bare loop, under the contestant's fill rule and costs.

    ``fill="close"`` is the next-open rule on bars that open at the close before, with one more bar in
    which the last close's decision fills.
    """
    open_, close = bars.open, bars.close
    windows, rows = baselines.index_grid(pairs)
    means = baselines.sma_rows(close, windows)
    if contestant.fill == "close":
        open_ = np.concatenate([close[:1], close])
        close = np.append(close, close[-1])
        means = np.ascontiguousarray(np.pad(means, ((0, 0), (0, 1)), mode="edge"))
    out = baselines.scalar_sweep(
        open_, close, means, rows, baselines.INITIAL_CASH, contestant.fee, contestant.slippage
    )
    return np.stack([1.0 + out[:, 0], out[:, 3]], axis=1)


def disagreement(outcomes: list[list[float]], expected: np.ndarray, tolerance: float) -> str:
    """Empty where the outcomes agree; otherwise the worst difference in words."""
    found = np.asarray(outcomes, dtype=np.float64)
    if found.shape != expected.shape:
        return f"{len(found)} results, expected {len(expected)}"
    off = np.abs(found[:, 0] / expected[:, 0] - 1.0)
    if not np.all(off <= tolerance):
        k = int(np.nanargmax(off)) if not np.all(np.isnan(off)) else 0
        return f"growth of equity {found[k, 0]:.9g}, expected {expected[k, 0]:.9g} (tolerance {tolerance:g})"
    if not np.array_equal(found[:, 1], expected[:, 1]):
        k = int(np.argmax(found[:, 1] != expected[:, 1]))
        return f"{found[k, 1]:.0f} entries, expected {expected[k, 1]:.0f}"
    return ""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def prepare(row: Row, entrants: list[tuple[Contestant, Path]], stack: contextlib.ExitStack, notes: list[str]):
    """Start, load, warm up and check every entrant of a row; those that fail are noted and left out."""
    bars = data.make_bars(row.bars)
    path = str(data.parquet(row.bars))
    races = []
    for contestant, python in entrants:
        asked = contestant.asked(row)
        if asked == 0:
            continue
        pairs = grid(row, asked)
        request: dict[str, Any] = {"op": "single", "fast": 20, "slow": 50}
        if row.kind == "sweep":
            request = {"op": "sweep", "pairs": pairs.tolist(), "threads": contestant.threads}
        worker = stack.enter_context(Worker(contestant, python))
        try:
            worker.ask(op="load", path=path)
            warm = {**request, "pairs": pairs[:4].tolist()} if row.kind == "sweep" else request
            answer = worker.ask(timeout=600.0, **warm)
        except PeerError as error:
            notes.append(f"{row.label}: {error}")
            say(f"  {contestant.label}: {error}")
            continue
        expected = reference(bars, pairs[: len(answer["outcomes"])], contestant)
        wrong = disagreement(answer["outcomes"], expected, contestant.tolerance)
        if wrong:
            notes.append(f"{row.label}: {contestant.label} is not timed, its result differs: {wrong}")
            say(f"  {contestant.label}: result differs: {wrong}")
            continue
        races.append(Race(contestant, worker, request, asked))
    return races, bars


def race(races: list[Race], row: Row, bars: data.BenchBars, notes: list[str]) -> None:
    """Interleaved rounds; the first one's full results are compared as well."""
    for turn in range(row.rounds):
        for entrant in races if turn % 2 == 0 else list(reversed(races)):
            if entrant.samples and max(entrant.samples) > REPEAT_LIMIT_SECONDS:
                continue
            try:
                answer = entrant.run()
            except PeerError as error:
                notes.append(f"{row.label}: {error}")
                continue
            if turn == 0:
                expected = reference(bars, grid(row, entrant.asked), entrant.contestant)
                wrong = disagreement(answer["outcomes"], expected, entrant.contestant.tolerance)
                if wrong:
                    notes.append(f"{row.label}: {entrant.contestant.label}: result differs: {wrong}")
                    continue
            entrant.samples.append(answer["seconds"])
            entrant.rss_mb = max(entrant.rss_mb, answer["rss_mb"])


def record_row(recorder: harness.Recorder, row: Row, races: list[Race]) -> None:
    """Write times, speed-ups over us (per round where both have it) and memory of one row."""
    timed = {entrant.contestant.name: entrant for entrant in races if entrant.samples}
    ours = timed.get("peak_fast")
    for name, entrant in timed.items():
        factor = row.configurations / entrant.asked
        scaled = [seconds * factor for seconds in entrant.samples]
        params = {
            "bars": row.bars,
            "configurations": row.configurations,
            "configurations_run": entrant.asked,
            "engine": name,
            "threads": entrant.contestant.threads if row.kind == "sweep" else 1,
            "row": row.label,
        }
        note = "" if factor == 1 else f"scaled from {entrant.asked} configurations"
        label = entrant.contestant.label
        recorder.add(f"{row.name}/{name}/time", scaled, "s", label=label, params=params, note=note)
        recorder.add(f"{row.name}/{name}/rss", [entrant.rss_mb], "MB", label=label, params=params)
        if ours is not None and entrant is not ours:
            base = [seconds * row.configurations / ours.asked for seconds in ours.samples]
            both = min(len(scaled), len(base))
            recorder.add(
                f"{row.name}/{name}/times_ours",
                harness.ratios(scaled[:both], base[:both]),
                "ratio",
                label=label,
                params=params,
                note=note,
            )


def run_row(recorder: harness.Recorder, row: Row, entrants: list[tuple[Contestant, Path]]) -> None:
    say(f"{row.label}")
    with contextlib.ExitStack() as stack:
        races, bars = prepare(row, entrants, stack, recorder.notes)
        race(races, row, bars, recorder.notes)
        record_row(recorder, row, races)
    for record in recorder.records:
        if record["name"].startswith(f"peers/{row.name}/") and record["name"].endswith("/time"):
            say(f"  {record['label']:24s} {record['median']:12.6f} s {record.get('note', '')}")


def first_result_seconds(contestant: Contestant, python: Path, env: dict[str, str]) -> float:
    """Process start to the result of one backtest of 5,000 bars, reading the file included."""
    with Worker(contestant, python, env) as worker:
        worker.ask(op="load", path=str(data.parquet(5_000)))
        worker.ask(timeout=600.0, op="single", fast=20, slow=50)
        return time.perf_counter() - worker.started


def cold_start(recorder: harness.Recorder, entrants: list[tuple[Contestant, Path]], rounds: int) -> None:
    """Warm caches in interleaved rounds; empty caches once for those that compile (thrice for us)."""
    say("process start to the first result")
    entrants = [(contestant, python) for contestant, python in entrants if contestant.longest_single]
    samples: dict[str, list[float]] = {contestant.name: [] for contestant, _ in entrants}
    for _ in range(rounds):
        for contestant, python in entrants:
            with contextlib.suppress(PeerError):
                samples[contestant.name].append(first_result_seconds(contestant, python, {}))
    for contestant, python in entrants:
        params = {
            "bars": 5_000,
            "engine": contestant.name,
            "row": "process start to first result, warm cache",
        }
        if samples[contestant.name]:
            recorder.add(
                f"start/{contestant.name}/warm", samples[contestant.name], "s",
                label=contestant.label, params=params,
            )  # fmt: skip
        if not contestant.compiles:
            continue
        cold = []
        for _ in range(rounds if contestant.own else 1):
            with tempfile.TemporaryDirectory() as empty, contextlib.suppress(PeerError):
                env = {"NUMBA_CACHE_DIR": empty, "PEAK_FAST_CACHE_DIR": empty}
                cold.append(first_result_seconds(contestant, python, env))
        if cold:
            params = {**params, "row": "process start to first result, empty cache"}
            recorder.add(f"start/{contestant.name}/cold", cold, "s", label=contestant.label, params=params)
        say(f"  {contestant.label:24s} warm {samples[contestant.name]} cold {cold}")


def environments(names: set[str], notes: list[str]) -> dict[str, Path]:
    """Make the virtual environments that are needed; those that fail are named in the notes."""
    found = {}
    for name in venvs.NAMES:
        if name not in names:
            continue
        environment = venvs.make(name)
        if environment.python is None:
            notes.append(f"{name} is skipped: it could not be installed ({environment.reason})")
            say(notes[-1])
        else:
            found[name] = environment.python
    return found


def describe(recorder: harness.Recorder, entrants: list[tuple[Contestant, Path]]) -> None:
    """Put each engine's versions and differences into the result file."""
    for contestant, python in entrants:
        try:
            with Worker(contestant, python) as worker:
                recorder.extra_versions[contestant.label] = worker.ask(op="versions")["versions"]
        except PeerError as error:
            recorder.notes.append(f"{contestant.label}: {error}")
        recorder.notes.append(f"{contestant.label}, differences: {contestant.differences}")


def main(arguments: list[str] | None = None) -> int:
    """Run the rows, write ``bench/results/peers.json``; exit code 1 where a result differed."""
    parser = argparse.ArgumentParser(description=QUESTION)
    parser.add_argument("--only", nargs="*", help="peers to run next to ourselves and the yardstick")
    parser.add_argument("--rows", nargs="*", help="rows to run, for instance single_5000")
    parser.add_argument("--no-start", action="store_true", help="leave the cold start out")
    options = parser.parse_args(arguments)
    chosen = [c for c in CONTESTANTS if options.only is None or c.own or c.folder in options.only]
    recorder = harness.Recorder("peers", QUESTION, COMMAND)
    pythons = environments({contestant.folder for contestant in chosen}, recorder.notes)
    entrants = [
        (contestant, python)
        for contestant in chosen
        if (python := python_of(contestant, pythons)) is not None and contestant.runner.exists()
    ]
    describe(recorder, entrants)
    for row in harness.pick(ROWS, SMALL_ROWS):
        if options.rows is None or row.name in options.rows:
            run_row(recorder, row, entrants)
    if not options.no_start:
        cold_start(recorder, entrants, harness.pick(3, 1))
    say(f"written: {recorder.write()}")
    return 1 if any("differs" in note for note in recorder.notes) else 0


if __name__ == "__main__":
    raise SystemExit(main())
