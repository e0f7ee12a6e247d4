"""Fixtures of the benches: a recorder per module, and interleaved rounds under pytest-benchmark.

A bench module names itself with ``BENCH`` and ``QUESTION``.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench import harness

EVERY_DAY = "not nightly"  # the marks of pyproject.toml, which leave out no bench


@pytest.fixture(scope="module")
def recorder(request: pytest.FixtureRequest) -> Iterator[harness.Recorder]:
    """Collect the module's records; the result file is written after its last test."""
    module = request.module
    command = f"python -m pytest bench/{module.__name__.rsplit('.', 1)[-1]}.py"
    found = harness.Recorder(module.BENCH, module.QUESTION, command)
    yield found
    if found.records:
        options = request.config.option
        marked = options.markexpr not in ("", EVERY_DAY)
        partial = options.keyword or marked or any("::" in name for name in request.config.args)
        # a part of a bench never replaces the results of the whole
        found.write(harness.RESULTS / "partial" if partial else harness.RESULTS)


@pytest.fixture
def rounds(benchmark: Any) -> Callable[..., dict[str, list[float]]]:
    """Time variants in turn under pytest-benchmark.

    Returns a function of ``(variants, rounds, clock)`` like :func:`bench.harness.interleave`.  One round of
    pytest-benchmark is one turn of all variants; the samples of each go into its ``extra_info``.
    """

    def run(variants: dict[str, Callable[[], Any]], count: int, **options: Any) -> dict[str, list[float]]:
        samples: dict[str, list[float]] = {name: [] for name in variants}
        for function in variants.values():
            function()

        gc.collect()

        def turn() -> None:
            found = harness.interleave(variants, 1, warm_up=0, collect=False, **options)
            for name, values in found.items():
                samples[name] += values

        benchmark.pedantic(turn, rounds=count, iterations=1, warmup_rounds=0)
        benchmark.extra_info.update(samples)
        return samples

    return run
