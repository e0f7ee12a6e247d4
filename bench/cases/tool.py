"""Cases that the real engines compute, and whether this package reproduces them.

    python -m bench cases                                     # 100 cases of each engine
    python -m bench cases --engine backtrader --cases 500 --seed 7
    python -m bench cases --engine vectorbt --seed 7 --first 41 --cases 1 --keep kept     # one of them again

Each engine computes in its own virtual environment (`bench/peers/venvs.py`; ``PEAK_FAST_VENVS`` names a folder of
ready ones).  ``--keep FOLDER`` leaves the case folders in FOLDER/cases: ``PEAK_FAST_ORACLES=FOLDER python -m pytest
tests/parity/test_cases.py`` reads them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from bench import harness
from bench.peers import venvs
from tests.parity.cases import find_cases
from tests.parity.reproduce import parity_line, table_of_missed, why_not

ENGINES = ("vectorbt", "backtesting_py", "backtrader")


@dataclass
class Made:
    """What one engine's script did."""

    engine: str
    written: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    failed: str = ""


def _python(engine: str) -> tuple[Path | None, str]:
    """Interpreter of an engine's environment; None and the reason where there is none."""
    ready = os.environ.get("PEAK_FAST_VENVS")
    if ready:
        python = Path(ready) / engine / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        return (python, "") if python.exists() else (None, f"no environment at {python}")
    environment = venvs.make(engine)
    return environment.python, environment.reason


def make_cases(engine: str, folder: Path, seed: int, first: int, cases: int) -> Made:
    """Let one engine compute cases.

    Parameters
    ----------
    engine
        One of `ENGINES`.
    folder
        Where the case folders go.
    seed, first, cases
        Seed of the draw, number of the first case, and how many.

    Returns
    -------
    Made
        ``failed`` says why there are no cases.
    """
    python, reason = _python(engine)
    if python is None:
        return Made(engine, failed=reason)
    words = [str(folder), "--seed", str(seed), "--first", str(first), "--cases", str(cases)]
    done = subprocess.run(
        [str(python), "-m", f"bench.cases.make_{engine}", *words],
        cwd=harness.ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return Made(engine, failed=(done.stderr.strip().splitlines() or ["no message"])[-1])
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    return Made(engine, answer["written"], answer["refused"])


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench cases", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--engine", choices=ENGINES, action="append", help="one engine (may be repeated); default all"
    )
    parser.add_argument("--cases", type=int, default=100, help="cases of each engine (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw (default 1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (default 0)")
    parser.add_argument("--keep", type=Path, help="leave the case folders in this folder")
    given = parser.parse_args(words)
    if given.cases < 1 or given.first < 0 or given.seed < 0:
        parser.error("expected --cases of at least 1, --seed and --first of at least 0")
    return given


def report(made: list[Made], root: Path) -> bool:
    """Compare the cases below a folder and print the outcome; whether all were reproduced."""
    found: dict[str, str] = {}
    outcome: dict[str, list[str]] = {}
    fills: dict[str, int] = {}
    for folder in find_cases(root):
        found[folder.name], outcome[folder.name] = why_not(folder)
        count = pl.scan_parquet(folder / "fills.parquet").select(pl.len()).collect().item()
        fills[found[folder.name]] = fills.get(found[folder.name], 0) + count
    for one in made:
        if one.failed:
            print(f"{one.engine}: no cases: {one.failed}")
        elif one.refused:
            print(f"{one.engine}: drawn anew, because the engine refused: {one.refused}")
    print("fills: " + ", ".join(f"{engine} {count:,}" for engine, count in fills.items()))
    print(parity_line(found, outcome))
    for line in table_of_missed(found, outcome):
        print(line)
    return not any(outcome.values())


def main(words: Sequence[str]) -> int:
    """Make cases, compare them and print the outcome.

    Parameters
    ----------
    words
        Words of the command line after ``cases``.

    Returns
    -------
    int
        0 when every engine could compute its cases and all were reproduced, else 1.
    """
    given = _arguments(words)
    with tempfile.TemporaryDirectory() as scratch:
        root = (given.keep or Path(scratch)).resolve() / "cases"
        made = []
        for engine in given.engine or ENGINES:
            begin = time.perf_counter()
            made.append(make_cases(engine, root, given.seed, given.first, given.cases))
            print(f"{engine}: {made[-1].written} cases in {time.perf_counter() - begin:.0f} s", flush=True)
        same = report(made, root)
    print(
        f"seed {given.seed}. The number at the end of a case's name is its own: python -m bench cases "
        f"--engine ENGINE --seed {given.seed} --first NUMBER --cases 1 --keep FOLDER makes it again."
    )
    return 0 if same and not any(one.failed for one in made) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
