"""Run benches one after the other, each in a process of its own, then write the report.

    python -m bench                   # everything
    python -m bench engine sweep      # some
    python -m bench cases             # no bench: random cases of other engines, see `bench/cases/tool.py`

A bench that fails is named at the end and the others still run; the exit code is then 1.
"""

from __future__ import annotations

import subprocess
import sys
import time

from bench import harness

PARTS = (
    "engine",
    "sweep",
    "order_sweep",
    "peers",
    "portfolio",
    "validation",
    "sheets",
    "overhead",
    "servers",
    "startup",
    "growth",
    "study",
    "indicators",
    "check",
    "properties",
)


def command(part: str) -> list[str]:
    """Return the command line of one bench."""
    if part in ("validation", "sheets", "servers"):
        return [sys.executable, "-m", f"bench.{part}"]
    if part in ("peers", "portfolio"):
        return [sys.executable, "-m", f"bench.bench_{part}"]
    return [sys.executable, "-m", "pytest", f"bench/bench_{part}.py"]


def main(parts: list[str]) -> int:
    """Run the named benches, all by default, and the report; or the tool ``cases`` with its own arguments."""
    if parts[:1] == ["cases"]:
        from bench.cases import tool

        return tool.main(parts[1:])
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        print(f"unknown benches {unknown}; known: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    failed = []
    whole = time.perf_counter()
    for part in parts or PARTS:
        begin = time.perf_counter()
        code = subprocess.run(command(part), cwd=harness.ROOT, check=False).returncode
        took = time.perf_counter() - begin
        print(f"bench {part}: {'done' if code == 0 else f'exit code {code}'} in {took:.0f} s", flush=True)
        if code != 0:
            failed.append(part)
    print(f"all benches: {time.perf_counter() - whole:.0f} s", flush=True)
    report = subprocess.run([sys.executable, "-m", "bench.report"], cwd=harness.ROOT, check=False).returncode
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or report else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
