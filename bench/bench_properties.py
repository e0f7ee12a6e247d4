"""How many examples per second do the property tests try, and how many of them count?

Nightly settings follow from it: examples wanted, divided by examples per second.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from bench import harness

BENCH = "properties"
QUESTION = "How many examples per second do the property tests try, and how many of them count?"

_TEST = re.compile(r"^(tests/\S+?)::(\S+?):\s*$")
_PHASE = re.compile(r"during generate phase \(([\d.]+) seconds\)")
_COUNTS = re.compile(r"(\d+) passing, (\d+) failing, and (\d+) invalid")


@dataclass
class Tried:
    """What one file's property tests tried in Hypothesis' generate phase."""

    seconds: float = 0.0
    passing: int = 0
    failing: int = 0
    invalid: int = 0
    tests: int = 0

    @property
    def examples(self) -> int:
        return self.passing + self.failing + self.invalid


def parse(statistics: str) -> dict[str, Tried]:
    """Sum Hypothesis' statistics by test file.

    Parameters
    ----------
    statistics
        Output of ``pytest --hypothesis-show-statistics``.
    """
    found: dict[str, Tried] = {}
    current: Tried | None = None
    generating = False
    for line in statistics.splitlines():
        if test := _TEST.match(line):
            current = found.setdefault(test[1], Tried())
            current.tests += 1
        elif current is not None and (phase := _PHASE.search(line)):
            current.seconds += float(phase[1])
            generating = True
        elif "phase (" in line:
            generating = False
        elif current is not None and generating and (counts := _COUNTS.search(line)):
            passing, failing, invalid = map(int, counts.groups())
            current.passing += passing
            current.failing += failing
            current.invalid += invalid
            generating = False
    return found


def run_property_tests() -> str:
    """Run the property tests alone, in the fast profile, and return the statistics."""
    command = [sys.executable, "-m", "pytest", "tests", "-m", "hypothesis", "--hypothesis-show-statistics"]
    env = {"PEAK_FAST_HYPOTHESIS": "fast"}
    return harness.run_process(command, env=env, timeout=400.0).output


def test_examples_per_second(benchmark, recorder):
    outputs = []
    benchmark.pedantic(lambda: outputs.append(run_property_tests()), rounds=1, iterations=1)
    found = parse(outputs[0])
    assert found, "no property test was run"
    everything = Tried()
    for file, tried in sorted(found.items()):
        everything.tests += tried.tests
        everything.seconds += tried.seconds
        everything.passing += tried.passing
        everything.failing += tried.failing
        everything.invalid += tried.invalid
        _record(recorder, file.removeprefix("tests/").removesuffix(".py"), tried)
    _record(recorder, "all", everything)


def _record(recorder: harness.Recorder, name: str, tried: Tried) -> None:
    params = {"tests": tried.tests, "examples": tried.examples}
    rate = tried.examples / max(tried.seconds, 1e-9)
    label = f"{name}: {tried.tests} tests, {tried.examples:,} examples"
    recorder.add(f"{name}/rate", [rate], "examples/s", label=label, params=params)
    share = 100.0 * tried.passing / max(tried.examples, 1)
    recorder.add(f"{name}/hit_rate", [share], "% valid", label=f"{name}: share that counts", params=params)
