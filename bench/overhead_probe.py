"""One way of tracking, measured in a process of its own.

    python -m bench.overhead_probe '{"tracker": "mlflow", "uri": "sqlite:////tmp/x.db", "runs": 100, ...}'

Three loops of the same backtests: untracked, tracked with a cold writer, tracked with the writer that is
there now.  The time a loop takes is what the caller is blocked; the time of the loop and of ``flush`` is
what it takes until everything is durable.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench import probe


def build_tracker(request: dict[str, Any]) -> Any:
    """Return None, a NoopTracker or an MLflowTracker."""
    kind = request["tracker"]
    if kind == "none":
        return None
    from peak_fast import tracking

    if kind == "noop":
        return tracking.NoopTracker()
    return tracking.MLflowTracker(
        tracking_uri=request["uri"],
        experiment_name="bench",
        mode=request["mode"],
        artifacts=request["artifacts"],
    )


class Loop:
    """The benched loop: ``runs`` backtests, statistics read, each tracked as a run of its own.

    ``bars`` are loaded bars, or how many to load: loops that are compared share them, and with them their place
    in the processor's caches.
    """

    def __init__(self, bars: Any, runs: int, tracker: Any) -> None:
        self.bars = probe.load_bars(bars) if isinstance(bars, int) else bars
        self.runs = runs
        self.tracker = tracker
        self.engine = probe.engine(tracker=tracker)

    def __call__(self) -> None:
        for k in range(self.runs):
            params = {"fast": 10 + k % 40, "slow": 60 + k}
            name = f"bench-{k}"
            if self.tracker is None:
                self.engine.run(self.bars, "ma_crossover", params).stats  # noqa: B018 - computed when read
                continue
            self.tracker.start_run(name)
            self.engine.run(self.bars, "ma_crossover", params).stats  # noqa: B018
            self.tracker.end_run()


def children() -> list[int]:
    """Return the processes that this one started and that still run: the writer, where there is one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def child_usage() -> tuple[float, float]:
    """Highest resident size (MB) and CPU seconds of the running children, summed."""
    peak, cpu = 0.0, 0.0
    tick = os.sysconf("SC_CLK_TCK")
    for number in children():
        folder = Path(f"/proc/{number}")
        try:
            for line in (folder / "status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak += int(line.split()[1]) / 1024
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            cpu += (int(fields[11]) + int(fields[12])) / tick
        except OSError:
            continue
    return peak, cpu


def _timed(loop: Loop) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    loop()
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Run the three loops and return what they took."""
    plain = Loop(request["bars"], request["runs"], None)
    plain()
    untracked, untracked_cpu = _timed(plain)
    answer: dict[str, Any] = {"untracked": untracked, "untracked_cpu": untracked_cpu}
    before = probe.resident_mb()
    tracker = build_tracker(request)
    loop = Loop(request["bars"], request["runs"], tracker)
    for turn in request["turns"]:
        blocked, cpu = _timed(loop)
        begin = time.perf_counter()
        if tracker is not None:
            tracker.flush()
        flushed = time.perf_counter() - begin
        answer |= {f"{turn}_blocked": blocked, f"{turn}_cpu": cpu, f"{turn}_durable": blocked + flushed}
        if turn == "cold":
            peak, writer_cpu = child_usage()
            answer |= {"writer_mb": peak, "writer_cpu": writer_cpu}
    answer["caller_mb"] = max(0.0, probe.resident_mb("VmHWM") - before)
    answer["mlflow_imported"] = "mlflow" in sys.modules
    return answer


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
