"""Cost of tear sheets: ours and named peers in one run, each in a process of its own; see `bench.validation`.

python -m bench sheets
python -m bench.sheets --install    # make the environments of the peers first
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.validation import Call, measure_rows

QUESTION = "What does it cost to see everything about a result?"


def sheet() -> tuple[Call, Call]:
    """A tear sheet of 5,000 days beside a benchmark, written to a file; the answer is its size in bytes."""
    return _sheet(5_000, "1d", {"fast": 20, "slow": 60})


def sheet_of_a_million_bars() -> tuple[Call, Call]:
    """The same of 1,000,000 bars of a minute with about 10,000 trades."""
    return _sheet(1_000_000, "1m", {"fast": 20, "slow": 60})


def sheet_of_the_sample() -> tuple[Call, Call]:
    """The same of 3,270 packaged days."""
    return _sheet(0, "", {"fast": 20, "slow": 50})


def _sheet(count: int, clock: str, params: dict[str, Any]) -> tuple[Call, Call]:
    from peak_fast import BacktestEngine, sample, synthetic

    bars = synthetic(count, clock, seed=3) if count else sample("AAPL")
    target = Path(tempfile.mkdtemp()) / "sheet.html"
    results = [BacktestEngine().run(bars, "ma_crossover", params) for _ in range(2)]
    for result in results:
        _ = result.stats
    return lambda: results[0].report(target), lambda: results[1].report(target).stat().st_size


ROWS = {row.__name__: row for row in (sheet, sheet_of_the_sample, sheet_of_a_million_bars)}


if __name__ == "__main__":
    raise SystemExit(measure_rows(sys.argv[1:], ROWS, "sheets", QUESTION))
