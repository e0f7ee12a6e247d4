"""What users' functions may do inside the loops that are compiled around them, and how the compiler starts."""

import copy
import inspect
import pickle
import subprocess
import sys

import numba
import numpy as np
import pytest

from peak_fast import BacktestEngine, orders, strategy, synthetic
from peak_fast.orders import new_fills, place_limit

BARS = synthetic(300, seed=3)


def targets(function):
    """What a run of a block leaves: bars and sides of its trades."""
    result = BacktestEngine().run(BARS, strategy(name=function.__name__)(function))
    return result.trades["entry_bar"].to_list(), result.stats["total_return"]


def rising(i, bars, params, memory, account):
    return 1.0 if i > 5 and bars[3, i] > bars[3, i - 5] else 0.0


def prints(i, bars, params, memory, account):
    if i == 7:
        print("bar", i)
    return 1.0 if i > 5 and bars[3, i] > bars[3, i - 5] else 0.0


def allocates(i, bars, params, memory, account):
    if i <= 5:
        return 0.0
    pair = np.empty(2)
    pair[:] = bars[3, i], bars[3, i - 5]
    return 1.0 if np.sort(pair)[0] == bars[3, i - 5] and pair[0] != pair[1] else 0.0


def counts(i, bars, params, memory, account):
    return 1 if i > 5 and bars[3, i] > bars[3, i - 5] else 0


@numba.njit
def later(prices, i, back):
    return prices[i] if back == 0 else later(prices, i - 1, back - 1)


def recurses(i, bars, params, memory, account):
    return 1.0 if i > 5 and bars[3, i] > later(bars[3], i, 5) else 0.0


@pytest.mark.parametrize("block", [prints, allocates, counts, recurses])
def test_functions_of_every_kind_decide_the_same(block):
    assert targets(block) == targets(rising)


def test_what_a_block_prints(capfd):
    targets(prints)
    assert capfd.readouterr().out == "bar 7\n"


def test_what_a_block_raises():
    def raises(i, bars, params, memory, account):
        if i == 20:
            raise ValueError("nothing to hold at bar", i)
        return 0.0

    with pytest.raises(ValueError, match="nothing to hold at bar"):
        targets(raises)


@pytest.mark.parametrize(("function", "arguments"), [(place_limit, (1.0, 1.0, 5.0)), (new_fills, ())])
def test_functions_of_blocks_say_where_they_work(function, arguments):
    memory = np.zeros(1000)
    for _ in range(2):
        with pytest.raises(TypeError, match=f"{function.__name__} works inside compiled functions only"):
            function(memory, *arguments)

    @numba.njit
    def fills(orders):
        return new_fills(orders)

    assert fills(memory) == 0
    with pytest.raises(TypeError, match="Python called it"):
        new_fills(memory)


def test_functions_of_blocks_are_found_in_every_way_in_which_python_finds_names():
    market, memory = orders.place_market, np.zeros(1000)

    @numba.njit
    def in_module_and_closure(memory):
        return orders.new_fills(memory) + new_fills(memory) + (market(memory, 1.0, 1.0) if False else 0)

    assert in_module_and_closure(memory) == 0
    assert pickle.loads(pickle.dumps(place_limit)) is copy.deepcopy(place_limit) is place_limit
    assert list(inspect.signature(place_limit).parameters)[:4] == ["orders", "side", "size", "limit"]


STARTED = """
import gc, sys
from peak_kernels.compiling.starting import start_numba
start_numba()
assert "numba.np.arraymath" in sys.modules and "scipy.linalg" not in sys.modules
assert gc.isenabled()
import numba, numpy
multiply = numba.njit(lambda a, b: numpy.dot(a, b))
try:
    import scipy.linalg
except ImportError:
    pass
else:
    assert (multiply(numpy.eye(2), numpy.full((2, 2), 3.0)) == 3.0).all()
"""


def test_the_compiler_starts_without_scipy_and_uses_it_where_it_is_asked_to():
    subprocess.run([sys.executable, "-c", STARTED], check=True)
