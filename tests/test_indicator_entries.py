"""Indicators whose kernels allocate, by entries: the bits of numba's dispatchers, and memory that comes back."""

import resource

import numpy as np
import pytest

import peak_kernels.indicators
from peak_fast import synthetic
from peak_fast.indicators import ready
from peak_fast.indicators.rows import DEFINED, kinds
from peak_kernels import entries

VALUES = 100.0 + np.cumsum(np.sin(np.arange(2_600.0)) + np.cos(np.arange(2_600.0) ** 2))
WITH_GAPS = np.where(np.arange(2_600) % 37 == 5, np.nan, VALUES)


@pytest.mark.parametrize("name", entries.OF_INDICATORS)
def test_indicators_are_those_of_numba(name):
    shape = entries.OF_INDICATORS[name]
    first = len(shape) - len(shape.lstrip("a"))
    outputs = shape.count("a") - first
    ready, kernel = entries.indicator(name), getattr(peak_kernels.indicators, name)
    for values in (VALUES, WITH_GAPS, VALUES[:9], VALUES[:1], VALUES[:0]):
        columns = [values, 2.0 * values - 50.0, values[::-1].copy(), np.abs(values)][:first]
        for number in (2, 7, 300):
            parameters = [0.01 * number if kind == "f" else number for kind in shape if kind != "a"]
            out, expected = np.empty((2, outputs, values.size))
            ready(*columns, *parameters, *out)
            kernel(*columns, *parameters, *expected)
            assert out.tobytes() == expected.tobytes(), (values.size, number)


def test_no_function_is_left_to_numba():
    bars = synthetic(100, seed=1)
    assert kinds()  # defines them
    for known in DEFINED.values():
        known.compute(bars, tuple(9 if name in known.whole else 0.1 for name in known.parameters))
    made = {name: item for name, item in vars(ready).items() if callable(item)}
    assert entries.OF_INDICATORS.keys() <= made.keys()
    assert [name for name, item in made.items() if hasattr(item, "py_func")] == []


def test_scratch_of_indicators_is_given_back():
    values, out = np.resize(WITH_GAPS, 200_000), np.empty(200_000)
    adx = entries.indicator("adx")
    adx(values, values, values, 14, out)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(100):
        adx(values, values, values, 14, out)
    # Ten rows of 1.6 MB a call.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


def test_no_memory_for_scratch_is_an_error():
    with pytest.raises(MemoryError, match="wma: expected memory"):
        entries.indicator("wma")(VALUES, 2**59, np.empty(VALUES.size))
