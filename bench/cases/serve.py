"""What the script of one engine does with its arguments: draw, compute and write one case after the other.

Every case has a generator of random numbers of its own, made from (seed, number, attempt): a case can be made again
without the others.  Where the engine refuses what was drawn (its exception is counted), the next attempt draws
anew.  The last line on standard output is JSON: ``{"written": count, "refused": {message: count}}``.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.cases.form import Outcome, write

MOST_ATTEMPTS = 40
MESSAGE_CHARS = 90


def _first(
    make: Callable[[np.random.Generator], Outcome], seed: int, number: int, refused: Counter
) -> Outcome:
    """First outcome that the engine computes without an error."""
    for attempt in range(MOST_ATTEMPTS):
        try:
            return make(np.random.default_rng([seed, number, attempt]))
        except Exception as error:
            last = error
            refused[f"{type(error).__name__}: {error}"[:MESSAGE_CHARS]] += 1
    raise RuntimeError(f"case {number} of seed {seed}: {MOST_ATTEMPTS} attempts were refused") from last


def serve(engine: str, make: Callable[[np.random.Generator], Outcome]) -> None:
    """Read FOLDER, ``--seed``, ``--first`` and ``--cases`` from the command line and write the cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, required=True)
    given = parser.parse_args()
    refused: Counter = Counter()
    for number in range(given.first, given.first + given.cases):
        outcome = _first(make, given.seed, number, refused)
        again = f"python -m bench cases --engine {engine} --seed {given.seed} --first {number} --cases 1"
        write(given.folder, f"{engine}_{given.seed}_{number}", outcome, again)
    print(json.dumps({"written": given.cases, "refused": dict(refused.most_common())}))
