"""Did a change make us slower?  Ratios of a fresh run against the ones written down.

    python -m bench.guard               # compare bench/results/check.json with bench/baseline.json
    python -m bench.guard --update      # write the baseline from the run

Ratios only (our time over a bare loop's, taken in the same moments), because absolute times differ from
machine to machine.  Smaller is better for every guarded ratio.  Exit code 1 names the worst offenders.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import harness

BASELINE = harness.ROOT / "bench" / "baseline.json"
TOLERANCE = 0.35


@dataclass(frozen=True)
class Comparison:
    """One guarded ratio: its baseline, the run's value, and what follows."""

    name: str
    baseline: float | None
    measured: float | None
    tolerance: float

    @property
    def excess(self) -> float:
        """Measured over the largest value that passes; above 1 is a regression."""
        if self.measured is None:
            return float("inf")
        if self.baseline is None:
            return 0.0
        return self.measured / (self.baseline * (1.0 + self.tolerance))

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "missing from the run"
        if self.baseline is None:
            return "new: not in the baseline"
        return "regression" if self.excess > 1.0 else "ok"


def guarded(document: dict[str, Any]) -> dict[str, float]:
    """Return the guarded ratios of a result document: name to the median."""
    return {record["name"]: record["median"] for record in document["records"] if record["guard"]}


def compare(document: dict[str, Any], baseline: dict[str, Any]) -> list[Comparison]:
    """Compare every ratio that either side knows, worst first."""
    measured = guarded(document)
    known = baseline["ratios"]
    rows = [
        Comparison(
            name,
            known[name]["median"] if name in known else None,
            measured.get(name),
            known[name].get("tolerance", baseline["tolerance"]) if name in known else baseline["tolerance"],
        )
        for name in {**known, **measured}
    ]
    return sorted(rows, key=lambda row: row.excess, reverse=True)


def make_baseline(document: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Return a baseline from a run; tolerances set by hand for single ratios are kept."""
    old = before["ratios"] if before else {}
    ratios = {}
    for name, value in sorted(guarded(document).items()):
        ratios[name] = {"median": round(value, 4)}
        if "tolerance" in old.get(name, {}):
            ratios[name]["tolerance"] = old[name]["tolerance"]
    return {
        "schema": harness.SCHEMA,
        "tolerance": before["tolerance"] if before else TOLERANCE,
        "date": document["date"],
        "commit": document["commit"],
        "machine": document["machine"],
        "ratios": ratios,
    }


def lines(rows: list[Comparison]) -> list[str]:
    """Return the table, worst first."""

    def text(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    out = [f"{'ratio':44s} {'baseline':>9s} {'measured':>9s} {'allowed':>8s}  verdict"]
    for row in rows:
        allowed = None if row.baseline is None else row.baseline * (1 + row.tolerance)
        values = f"{text(row.baseline):>9s} {text(row.measured):>9s} {text(allowed):>8s}"
        out.append(f"{row.name:44s} {values}  {row.verdict}")
    return out


def _read(path: Path, remedy: str) -> dict[str, Any]:
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is not there: {remedy}")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if found.get("schema") != harness.SCHEMA:
        raise ValueError(f"{path.name}: schema {found.get('schema')}, expected {harness.SCHEMA}; {remedy}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Compare or update; 0 passes, 1 is a regression, 2 is bad input."""
    parser = argparse.ArgumentParser(description="Compare guarded ratios with bench/baseline.json.")
    parser.add_argument("--update", action="store_true", help="write the baseline from this run")
    parser.add_argument("--run", type=Path, default=harness.RESULTS / "check.json")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    options = parser.parse_args(arguments)
    try:
        document = _read(options.run, "run `python -m pytest bench/bench_check.py` first")
        if options.update:
            before = json.loads(options.baseline.read_text()) if options.baseline.exists() else None
            harness.write_json(options.baseline, make_baseline(document, before))
            print(f"written: {options.baseline.name}")
            return 0
        baseline = _read(options.baseline, "write it with `python -m bench.guard --update`")
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    rows = compare(document, baseline)
    print("\n".join(lines(rows)))
    bad = [row for row in rows if row.verdict in ("regression", "missing from the run")]
    if bad:
        print(f"{len(bad)} of {len(rows)} ratios fail; worst: {', '.join(row.name for row in bad[:3])}")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
