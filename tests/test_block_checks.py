"""What is said about a user's block: why it does not compile, and where it leaves its arrays."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numba
import numpy as np
import pytest

from peak_fast import BacktestEngine, Param, StrategyError, Study, Sweep, simulate_orders, strategy, synthetic
from peak_fast.orders import OrderRules
from peak_fast.orders.block import BUY, CLOSE
from peak_fast.settings.order_book import OrderBook
from peak_fast.strategies.blocks import Block, OrderBlock
from peak_kernels.orders.place import place_market

BARS = synthetic(300, seed=1)
ROW = 6


def line_with(function, text):
    """Number of the line of this file, inside the function, that has the text."""
    lines = Path(__file__).read_text().splitlines()
    first = function.__code__.co_firstlineno
    return next(n for n in range(first, len(lines) + 1) if text in lines[n - 1])


# Blocks that cannot be compiled


def no_attribute(i, bars, params, memory, account):
    x = bars.mean_of(3)  # here
    return x


def no_name(i, bars, params, memory, account):
    y = 1.0
    return y + undefined_name  # noqa: F821  here


def two_kinds(i, bars, params, memory, account):
    if i > 3:
        return "long"  # here
    return 1.0


def text_as_an_index(i, bars, params, memory, account):
    return params["fast"]  # here


def unsupported(i, bars, params, memory, account):
    import math  # here

    return math.pi


def returns_nothing(i, bars, params, memory, account):  # here
    pass


def returns_two(i, bars, params, memory, account):  # here
    return 1.0, 2


def writes_to_a_row(i, bars, params, memory, account):
    row = bars[3]
    row[i] = 1.0  # here
    return 1.0


def orders_that_write(i, bars, params, memory, account, orders):
    bars[3, i] = 1.0  # here


def orders_without_a_name(i, bars, params, memory, account, orders):
    place_nothing(orders)  # noqa: F821  here


def orders_of_a_wrong_kind(i, bars, params, memory, account, orders):  # here
    place_market(orders, BUY, "all")


WORDS = {
    no_attribute: "Unknown attribute 'mean_of' of type.* array",
    no_name: "name 'undefined_name' is not defined",
    two_kinds: "Can't unify return type from the following types",
    text_as_an_index: "getitem.*Unsupported array index type",
    unsupported: "Use of unsupported opcode",
    returns_nothing: "it returns none, expected a number",
    returns_two: "it returns Tuple.*, expected a number",
    writes_to_a_row: "writes to an array that it can only read, which bars",
    orders_that_write: "writes to an array that it can only read, which bars",
    orders_without_a_name: "name 'place_nothing' is not defined",
    orders_of_a_wrong_kind: "could not convert string to float: 'all'",
}


def block_of(function, **options):
    kind = OrderBlock if function.__code__.co_argcount == 6 else Block
    return kind(function, name="mine", **options)


@pytest.mark.parametrize("function", WORDS)
def test_what_cannot_be_compiled_says_numbas_reason_and_the_line(function):
    with pytest.raises(StrategyError, match=WORDS[function]) as caught:
        BacktestEngine().run(BARS, block_of(function))
    said = str(caught.value)
    assert said.startswith("the block 'mine' cannot be compiled: ")
    assert "\x1b" not in said
    number = line_with(function, "here")
    assert f"in line {number} of test_block_checks.py (" in said and "\n" not in said
    assert caught.value.__cause__ is not None, "all that numba said"


def test_it_says_so_in_sweeps_and_through_the_book():
    number = line_with(no_attribute, "here")
    for call in (
        lambda: Sweep(block_of(no_attribute), {"fee_bps": [1, 2]}, BARS).run(progress=False),
        lambda: BacktestEngine(order_book=OrderBook()).run(BARS, block_of(no_attribute)),
    ):
        with pytest.raises(StrategyError, match=f"Unknown attribute.* line {number} of"):
            call()


# Indices that are known before the run


@numba.njit
def cell(array, place):
    return array[place]  # in the helper


@numba.njit
def through(array):
    return cell(array, 2)


def row_outside(i, bars, params, memory, account):
    return bars[6, i]


def row_by_name(i, bars, params, memory, account):
    return bars[ROW, i]


def row_by_arithmetic(i, bars, params, memory, account):
    row = CLOSE
    return bars[row + 3, i]


def row_below(i, bars, params, memory, account):
    return bars[-7, i]


def row_alone(i, bars, params, memory, account):
    return bars[8][i]


def row_in_a_branch(i, bars, params, memory, account):
    return bars[7, i] if i > 200 else 0.0


def row_of_an_alias(i, bars, params, memory, account):
    prices = bars
    return prices[6, i - 1]


def bar_first(i, bars, params, memory, account):
    return bars[i, 3]


def memory_written(i, bars, params, memory, account):
    memory[2] = 1.0
    return 0.0


def memory_added(i, bars, params, memory, account):
    memory[2] += 1.0
    return 0.0


def memory_of_a_helper(i, bars, params, memory, account):
    return cell(memory, 2)


def memory_of_a_helpers_helper(i, bars, params, memory, account):
    return through(memory)


def parameter(i, bars, params, memory, account):
    return params[1]


def account_outside(i, bars, params, memory, account):
    return account[5]


def account_of_orders(i, bars, params, memory, account, orders):
    if account[16] > 0.0:
        place_market(orders, BUY, 1.0)


def memory_of_orders(i, bars, params, memory, account, orders):
    memory[5] = i


OUTSIDE = {
    row_outside: "index of bars below 6 .*; got 6",
    row_by_name: "index of bars below 6 .*; got 6",
    row_by_arithmetic: "index of bars below 6 .*; got 6",
    row_below: "index of bars below 6 .*; got -7",
    row_alone: "index of bars below 6 .*; got 8",
    row_in_a_branch: "index of bars below 6 .*; got 7",
    row_of_an_alias: "index of bars below 6 .*; got 6",
    bar_first: r"the row of bars first; .* write bars\[3, i\]",
    memory_written: "index of memory below 2 .*memory=.*; got 2",
    memory_added: "index of memory below 2 .*; got 2",
    memory_of_a_helper: "index of memory below 2 .*; got 2",
    memory_of_a_helpers_helper: "index of memory below 2 .*; got 2",
    parameter: "index of params below 1 .*; got 1",
    account_outside: "index of account below 5 .*; got 5",
    account_of_orders: "index of account below 16 .*; got 16",
    memory_of_orders: "index of memory below 2 .*; got 5",
}
ONE = (Param("n", "int", 3, low=1, high=9),)


@pytest.mark.parametrize("function", OUTSIDE)
def test_an_index_outside_is_refused_with_its_line(function):
    block = block_of(function, memory=2, schema=ONE)
    helper = "helper" in function.__name__
    number = line_with(cell.py_func if helper else function, "in the helper" if helper else "[")
    for call in (
        lambda: BacktestEngine().run(BARS, block),
        lambda: BacktestEngine(order_book=OrderBook()).run(BARS, block),
        lambda: Sweep(block, {"n": [2, 3]}, BARS).run(progress=False),
    ):
        with pytest.raises(StrategyError, match=OUTSIDE[function]) as caught:
            call()
        assert f"block 'mine', line {number} of test_block_checks.py (" in str(caught.value)


def test_a_cell_that_was_not_asked_for_is_outside():
    with pytest.raises(StrategyError, match=r"index of memory below 0 .*; got 0"):
        BacktestEngine().run(BARS, Block(lambda i, bars, params, memory, account: memory[0], name="mine"))


def test_parameters_without_a_schema_are_those_that_are_given():
    block = Block(lambda i, bars, params, memory, account: params[1], name="mine")
    assert BacktestEngine().run(BARS, block, {"a": 0, "b": 1}).stats["total_trades"] == 1
    with pytest.raises(StrategyError, match="index of params below 1"):
        BacktestEngine().run(BARS, block, {"a": 0})


def test_the_last_place_and_places_from_the_end_are_inside():
    def inside(i, bars, params, memory, account):
        memory[1] = bars[5, i] + bars[-6, i] + account[4] + account[-5] + memory[-2]
        return (params[0] + params[-1]) / 2

    assert (
        BacktestEngine().run(BARS, block_of(inside, memory=2, schema=ONE), {"n": 1}).stats["total_trades"]
        == 1
    )


def test_rows_of_several_assets():
    def second(i, bars, params, memory, account, orders):
        if i == 0:
            memory[0] = bars[6 + 3, i] + account[16]

    assert simulate_orders({"A": BARS, "B": BARS}, OrderBlock(second, memory=1)).equity.shape == (300,)
    with pytest.raises(StrategyError, match="index of bars below 6"):
        simulate_orders(BARS, OrderBlock(second, memory=1))


# Runs with bounds checks


def wanders(i, bars, params, memory, account):
    row = 6 if i == 40 else 3
    return 1.0 if bars[row, i] > 0.0 else 0.0  # wanders


def wanders_in_a_helper(i, bars, params, memory, account):
    return cell(memory, i // 20)


def wanders_with_orders(i, bars, params, memory, account, orders):
    if i == 0:
        place_market(orders, BUY, 1.0)
    memory[i // 20] = 1.0  # wanders with orders


CHECKED = {
    wanders: ("# wanders", "index 6 is out of bounds for axis 0 with size 6"),
    wanders_in_a_helper: ("in the helper", "index 2 is out of bounds for axis 0 with size 2"),
    wanders_with_orders: ("# wanders with orders", "index 2 is out of bounds for axis 0 with size 2"),
}


@pytest.fixture(params=["option", "environment"])
def checked(request, monkeypatch):
    """Options of a block that is checked by one of the two ways to ask for it."""
    if request.param == "option":
        return {"debug": True}
    monkeypatch.setenv("PEAK_FAST_DEBUG", "1")
    return {}


@pytest.mark.parametrize("function", CHECKED)
def test_a_checked_block_says_bar_line_and_index(function, checked):
    block = block_of(function, memory=2, **checked)
    text, words = CHECKED[function]
    number = line_with(cell.py_func if "helper" in text else function, text)
    for call in (
        lambda: BacktestEngine().run(BARS, block),
        lambda: BacktestEngine(order_book=OrderBook()).run(BARS, block),
        lambda: Sweep(block, {"fee_bps": [1, 2, 3]}, BARS).run(progress=False),
        lambda: Sweep(block, {"fee_bps": [1, 2]}, BARS, order_book=OrderBook()).run(progress=False),
    ):
        with pytest.raises(StrategyError, match=words) as caught:
            call()
        assert f"block 'mine' at bar 40, line {number} of test_block_checks.py" in str(caught.value)


def test_the_configuration_that_fails_is_the_one_that_is_told():
    def by_parameter(i, bars, params, memory, account):
        return cell(memory, int(params[0]))

    block = block_of(by_parameter, memory=2, schema=(Param("n", "int", 0, low=0, high=9),), debug=True)
    with pytest.raises(StrategyError, match="index 7 is out of bounds"):
        Sweep(block, {"n": [0, 1, 7]}, BARS).run(threads=1, progress=False)


def inside_its_arrays(i, bars, params, memory, account):
    memory[0] = 0.9 * memory[0] + 0.1 * bars[3, i]
    memory[1] += 1.0
    return 1.0 if bars[3, i] > cell(memory, 0) and memory[1] > 20 else 0.0


def buys_and_sells(i, bars, params, memory, account, orders):
    memory[0] += 1.0
    if i % 20 == 10:
        place_market(orders, BUY if account[2] == 0.0 else -BUY, 5.0)


@pytest.mark.parametrize("function", [inside_its_arrays, buys_and_sells])
@pytest.mark.parametrize("book", [None, OrderBook()])
def test_checks_change_no_result(function, book):
    plain, checked = block_of(function, memory=2), block_of(function, memory=2, debug=True)
    engine = BacktestEngine(order_book=book)
    first, second = engine.run(BARS, plain), engine.run(BARS, checked)
    assert first.stats["total_orders"] > 5 and first.hash == second.hash
    tables = [
        Sweep(item, {"fee_bps": [0, 5, 9]}, BARS, order_book=book).run(progress=False)
        for item in (plain, checked)
    ]
    assert tables[0].frame.equals(tables[1].frame)


def test_errors_of_ones_own_stay_as_they_are():
    def refuses(i, bars, params, memory, account):
        if i == 10:
            raise IndexError("not today")
        return 0.0

    for debug in (False, True):
        with pytest.raises(IndexError, match="not today"):
            BacktestEngine().run(BARS, block_of(refuses, debug=debug))


def test_a_study_of_a_checked_block_says_why():
    pytest.importorskip("optuna")
    block = block_of(wanders, debug=True, schema=ONE)
    with pytest.raises(StrategyError, match="at bar 40"):
        Study(block, BARS).run(n_trials=5)


SCRIPT = """
import peak_fast as pf

@pf.strategy
def stray(i, bars, params, memory, account):
    row = 6 if i == 40 else 3
    return 1.0 if bars[row, i] > 0.0 else 0.0

print(pf.BacktestEngine().run(pf.synthetic(300, seed=1), stray).stats["final_equity"])
"""


@pytest.mark.parametrize("switch", ["PEAK_FAST_DEBUG", "NUMBA_BOUNDSCHECK"])
def test_a_kept_compile_is_not_used_for_a_checked_run(tmp_path, switch):
    (tmp_path / "block.py").write_text(textwrap.dedent(SCRIPT))

    def run(**more):
        env = {**os.environ, "PEAK_FAST_CACHE_DIR": str(tmp_path / "cache"), **more}
        return subprocess.run(
            [sys.executable, "-W", "ignore", "block.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=env,
        )

    assert run().returncode == 0
    checked = run(**{switch: "1"})
    assert "at bar 40, line 7 of block.py" in checked.stderr
    assert run().returncode == 0, "and the next one without checks is quick again"


# Names


def test_the_name_of_a_built_in_strategy_is_refused():
    def macd(df, params):
        return np.ones(len(df))

    with pytest.raises(StrategyError, match=r"'macd' is that of a built-in strategy.*name='my_macd'"):
        strategy(macd)
    with pytest.raises(StrategyError, match="'momentum' is that of a built-in"):

        @strategy(name="momentum")
        def mine(i, bars, params, memory, account):
            return 1.0

    assert BacktestEngine().run(BARS, "macd").metadata["strategy"]["params"]["fast"] == 12


@pytest.mark.parametrize("rules", [None, OrderRules()], ids=["fast", "book"])
@pytest.mark.parametrize("weights", [False, True])
def test_an_answer_that_is_no_target_is_refused(weights, rules):
    @strategy(weights=weights, schema=(Param("over", "float", 1.0), Param("under", "float", 1.0)))
    def answers(i, bars, params, memory, account):
        return params[0] / params[1] if i == 20 else np.nan

    engine = BacktestEngine(order_book=rules)
    assert engine.run(BARS, answers, {"over": -1.0}).position[-1] < 0
    for over, under in ((1.0, 2.0), (-7.0, 1.0), (1.0, 0.0), (-1.0, 0.0)):
        given = {"over": over, "under": under}
        if weights and under:
            assert engine.run(BARS, answers, given).position[-1] != 0
            continue
        with pytest.raises(StrategyError, match=r"got -?(0\.5|7\.0|inf) at bar 20"):
            engine.run(BARS, answers, given)
        with pytest.raises(StrategyError, match="at bar 20"):
            Sweep(answers, {"over": [0.0, over], "under": [3.0, under]}, BARS, order_book=rules).run()
