"""How do time and memory grow with bars, configurations, trades and assets?

The exponent is the slope of a straight line through the logarithms of the larger half of the sizes:
1 is proportional, 0 does not grow.
"""

from __future__ import annotations

import numpy as np
import pytest

from bench import harness, probe

BENCH = "growth"
QUESTION = "How do time and memory grow with bars, configurations, trades and assets?"

CURVES = {
    "bars": ("engine", "bars", {}, (1_000, 10_000, 100_000, 1_000_000, 10_000_000)),
    "configurations": ("sweep", "configurations", {"bars": 1_000}, (1_000, 10_000, 100_000, 1_000_000)),
    "trades": ("trades", "trades", {"bars": 100_000}, (10, 100, 1_000, 10_000, 50_000)),
    "assets": ("assets", "assets", {"bars": 5_000}, (1, 4, 16, 64)),
}
FLOOR_MB = 1.0  # smaller than that is the allocator's grain, and would spoil a fit


def exponent(sizes: list[float], values: list[float]) -> float:
    """Slope of log value against log size over the larger half of the sizes (at least two)."""
    keep = max(2, (len(sizes) + 1) // 2)
    slope = np.polyfit(np.log(sizes[-keep:]), np.log(values[-keep:]), 1)[0]
    return float(slope)


@pytest.mark.parametrize("curve", CURVES)
def test_growth(benchmark, recorder, curve):
    job, size_name, fixed, sizes = CURVES[curve]
    sizes = harness.pick(sizes, sizes[:3])
    answers = {}

    def measure() -> None:
        for size in sizes:
            repeat = 5 if size < sizes[-1] else 2
            answers[size] = probe.ask(job=job, repeat=repeat, **fixed, **{size_name: size})

    benchmark.pedantic(measure, rounds=1, iterations=1)
    for quantity, unit in (("time", "s"), ("memory", "MB")):
        medians = []
        for size in sizes:
            samples = answers[size]["seconds"] if quantity == "time" else [answers[size]["memory_mb"]]
            params = {"curve": curve, "quantity": quantity, "size": size, "group": f"{quantity}: {curve}"}
            label = f"{size:,} {curve}"
            record = recorder.add(f"{curve}/{quantity}/{size}", samples, unit, label=label, params=params)
            medians.append(max(record["median"], FLOOR_MB) if quantity == "memory" else record["median"])
        others = ", ".join(f"{value:,} {name}" for name, value in fixed.items())
        label = f"{quantity} against {curve}" + (f" ({others})" if others else "")
        slope = exponent([float(size) for size in sizes], medians)
        recorder.add(f"{curve}/{quantity}/exponent", [slope], "exponent", label=label)
