"""Orders from compiled blocks: the same bits as a frame, what a block sees, what it may not do."""

import importlib.util
import math
from dataclasses import fields

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import Param, simulate_orders, strategy, synthetic
from peak_fast.errors import ConfigError, DataError, StrategyError
from peak_fast.orders import block as b
from peak_fast.orders.block import (
    ACCOUNT_SIZE,
    AVERAGE_PRICE,
    BARS_HELD,
    BUY,
    CASH,
    CLOSE,
    CLOSED_PNL,
    EQUITY,
    FILL_PRICE,
    FILLED_SIZE,
    FILLS,
    FRACTION,
    FREE_MARGIN,
    LIVE_EXITS,
    LIVE_ORDERS,
    OPEN_LOTS,
    POSITION,
    REJECTIONS,
    SELL,
)
from peak_fast.strategies.blocks import Block, OrderBlock
from peak_fast.strategies.registry import _registry
from peak_kernels import order_slots as f
from peak_kernels.orders.place import (
    cancel,
    close_lots,
    filled_of,
    live_orders,
    modify,
    new_fill,
    new_fills,
    place_limit,
    place_market,
    place_stop,
    place_trailing_stop,
    status_of,
)
from tests.test_orders import BARS


def scale_out(i, bars, params, memory, account, orders):
    """Buy by limit; answer each fill with a sale ``params[0]`` above the price it got."""
    if i == 0:
        place_limit(orders, BUY, 10, 100.5, tag=1)
    for n in range(new_fills(orders)):
        tag, size, price, role, asset = new_fill(orders, n)
        if tag == 1:
            place_limit(orders, SELL, size, price + params[0], tag=2)
            memory[0] = i
        if tag == 2:
            memory[1], memory[2], memory[3], memory[4] = i, size, role, asset
            memory[5] = account[CLOSED_PNL]


def test_a_block_answers_fills():
    block = OrderBlock(scale_out, memory=6, schema=(Param("gain", "float", 4.0, low=0.0, high=9.0),))
    result = simulate_orders(BARS, block, initial_cash=1_500)
    # Bar 1 comes down to 100 through the limit of 100.5; the sale of 104.5 is placed at its close and bar 2
    # goes up to 105.
    assert result.fills.select("bar", "side", "size", "price", "tag").rows() == [
        (1, 1, 10.0, 100.5, "1"),
        (2, -1, 10.0, 104.5, "2"),
    ]
    assert result.equity.tolist() == [1_500, 1_525, 1_540, 1_540, 1_540, 1_540]
    assert result._run.asking.memory.tolist() == [1, 2, -10, b.ROLE_ORDER, 0, 40]
    # 106.5 is reached in bar 5 only, which opens at 105 and goes up to 107.
    later = simulate_orders(BARS, block, {"gain": 6}, initial_cash=1_500)
    assert later.fills.select("bar", "price").rows() == [(1, 100.5), (5, 106.5)]
    # And 9 is never reached.
    assert simulate_orders(BARS, block, {"gain": 9}).orders["status"].to_list() == ["filled", "cancelled"]


def observer(i, bars, params, memory, account, orders):
    """Write down the account at every bar."""
    for k in range(ACCOUNT_SIZE):
        memory[i * ACCOUNT_SIZE + k] = account[k]
    if i == 0:
        place_market(orders, BUY, 10, stop_loss=98.5)
        place_limit(orders, BUY, 5, 90.0, tag=3)
    if i == 1:
        place_market(orders, BUY, 500)
        place_market(orders, BUY, 2)


def test_a_block_sees_the_account():
    result = simulate_orders(BARS, OrderBlock(observer, memory=6 * ACCOUNT_SIZE), initial_cash=10_000)
    seen = result._run.asking.memory.reshape(6, ACCOUNT_SIZE)
    assert seen[:, CASH].tolist() == result.cash.tolist()
    assert seen[:, EQUITY].tolist() == result.equity.tolist()
    assert seen[:, POSITION].tolist() == result.position[0].tolist() == [0, 10, 12, 2, 2, 2]
    # Bar 1: ten at 101.  Bar 2: 500 refused, two at 103.  Bar 3 falls to 97 through the stop of 98.5.
    assert seen[:, AVERAGE_PRICE].tolist() == pytest.approx(
        [0, 101, (1010 + 206) / 12] + [seen[3, AVERAGE_PRICE]] * 3
    )
    assert seen[:, BARS_HELD].tolist() == [0, 0, 1, 1, 2, 3]
    assert seen[:, OPEN_LOTS].tolist() == [0, 1, 2, 1, 1, 1]
    assert seen[:, LIVE_ORDERS].tolist() == [0, 1, 1, 1, 1, 1]
    assert seen[:, LIVE_EXITS].tolist() == [0, 1, 1, 0, 0, 0]
    assert seen[:, FILLS].tolist() == [0, 1, 1, 1, 0, 0]
    assert seen[:, FILLED_SIZE].tolist() == [0, 10, 2, -10, 0, 0]
    assert seen[1:4, FILL_PRICE].tolist() == [101, 103, 98.5]
    assert np.isnan(seen[[0, 4, 5], FILL_PRICE]).all()
    assert seen[:, CLOSED_PNL].tolist() == [0, 0, 0, -25, 0, 0]
    assert seen[:, REJECTIONS].tolist() == [0, 0, 1, 0, 0, 0]
    # Free is the equity less the value of what is held.
    assert seen[:, FREE_MARGIN].tolist() == pytest.approx(
        [
            equity - held * close
            for equity, held, close in zip(result.equity, result.position[0], BARS["close"], strict=True)
        ]
    )


def follower(i, bars, params, memory, account, orders):
    """Keep one order and say what became of it."""
    if i == 0:
        memory[0] = place_limit(orders, BUY, 4, 99.5, tag=7)
        memory[1] = status_of(orders, int(memory[0]))
    if i == 1:
        memory[2], memory[3] = status_of(orders, int(memory[0])), live_orders(orders, 7)
        modify(orders, 7, limit=102.5)
    if i == 2:
        memory[4], memory[5] = status_of(orders, int(memory[0])), filled_of(orders, int(memory[0]))
        memory[6] = status_of(orders, 99)
        memory[7] = place_limit(orders, BUY, 4, 50.0, tag=8)
        memory[8] = place_stop(orders, SELL, 4, 40.0, parent=memory[7])
    if i == 3:
        memory[9] = status_of(orders, int(memory[8]))
        cancel(orders, 8)
    if i == 4:
        memory[10] = status_of(orders, int(memory[8]))


def test_orders_are_known_by_the_number_of_their_instruction():
    memory = simulate_orders(BARS, OrderBlock(follower, memory=11))._run.asking.memory
    assert memory[:2].tolist() == [0, b.NONE]
    assert memory[2:4].tolist() == [b.WORKING, 1]
    assert memory[4:7].tolist() == [b.FILLED, 4, b.NONE]
    # Number 1 was the modification.
    assert memory[7:].tolist() == [2, 3, b.WAITING, b.CANCELLED]


def greedy(i, bars, params, memory, account, orders):
    """Five orders at once, the last one a child of the fourth."""
    if i == 1:
        for n in range(4):
            memory[n] = place_market(orders, BUY, 1)
        memory[4] = place_market(orders, BUY, 1, parent=memory[3])
    if i == 2:
        memory[5] = account[REJECTIONS]
        memory[6] = place_market(orders, BUY, 1, parent=memory[3])


def test_instructions_without_room_are_recorded_rejections():
    result = simulate_orders(BARS, OrderBlock(greedy, memory=7, room=2))
    assert result._run.asking.memory.tolist() == [0, 1, b.NO_ROOM, b.NO_ROOM, b.NO_ROOM, 3, 2]
    rejected = result.orders.filter(pl.col("status") == "rejected")
    assert rejected.select("bar", "reason").rows() == [(1, "too_many_instructions")] * 3 + [
        (2, "parent_missing")
    ]
    assert result.position[0].tolist() == [0, 0, 2, 2, 2, 2]


def careless(i, bars, params, memory, account, orders):
    """Orders that lack what they need."""
    if i == 0:
        place_limit(orders, BUY, 1, np.nan)
        place_stop(orders, BUY, 1, -5.0)
        place_trailing_stop(orders, SELL, 1, np.nan)
        place_market(orders, BUY, np.nan)
        place_market(orders, BUY, -3)
        place_market(orders, 0, 1)
        place_market(orders, BUY, 1, parent=77)


def test_bad_instructions_are_recorded_rejections():
    result = simulate_orders(BARS, OrderBlock(careless))
    assert result.orders["reason"].to_list() == [
        "bad_price", "bad_price", "bad_price", "size_zero", "size_zero", "nothing_to_reduce", "parent_missing"
    ]  # fmt: skip
    assert result.fills.height == 0


def busy(i, bars, params, memory, account, orders):
    """As many orders as there is room for, at every bar."""
    for _ in range(60):
        place_limit(orders, BUY, 0.01, bars[CLOSE, i] * 1.1)
    cancel(orders, 3)


def test_any_number_of_orders_has_room_in_the_records():
    bars = synthetic(100, seed=4)
    result = simulate_orders(bars, OrderBlock(busy))
    assert result.stats["total_orders"] == 6_000
    assert result.stats["fills"] == 99 * 60


def peeker(i, bars, params, memory, account, orders):
    """Count the numbers that lie in the future."""
    for row in range(bars.shape[0]):
        for k in range(i + 1, bars.shape[1]):
            memory[0] += not np.isnan(bars[row, k])
        memory[1] += not np.isnan(bars[row, i])


def test_a_block_cannot_see_later_bars():
    result = simulate_orders(BARS, OrderBlock(peeker, memory=2))
    assert result._run.asking.memory.tolist() == [0, 6 * 6]


def crossing(i, bars, params, memory, account, orders):
    """Long by limit above the average of ten closes, with exits; flat by market below it."""
    if i < 10:
        return
    average = bars[CLOSE, i - 9 : i + 1].mean()
    if bars[CLOSE, i] > average and account[POSITION] == 0.0 and live_orders(orders, 1) == 0:
        place_limit(orders, BUY, 0.5, bars[CLOSE, i] * 0.999, tag=1, unit=b.EQUITY_FRACTION, valid_until=i + 3,
                    stop_loss=0.02, take_profit=0.04, exit_unit=FRACTION)  # fmt: skip
    if bars[CLOSE, i] < average and account[POSITION] > 0.0:
        close_lots(orders)


@given(seed=st.integers(0, 1_000), cut=st.integers(30, 280))
def test_a_prefix_of_the_bars_gives_a_prefix_of_the_run(seed, cut):
    bars, block = synthetic(300, seed=seed), OrderBlock(crossing)
    whole, part = simulate_orders(bars, block), simulate_orders(bars.slice(0, cut), block)
    assert whole.equity[:cut].tobytes() == part.equity.tobytes()
    assert whole.position[:, :cut].tobytes() == part.position.tobytes()
    assert whole.fills.filter(pl.col("bar") < cut).equals(part.fills)


def pair(i, bars, params, memory, account, orders):
    """Buy the first and sell the second asset."""
    if i == 0:
        place_market(orders, BUY, 10, asset=0)
        place_market(orders, SELL, 2, asset=1)
    memory[0], memory[1] = account[POSITION], account[ACCOUNT_SIZE + POSITION]
    memory[2], memory[3] = bars[CLOSE, i], bars[6 + CLOSE, i]


def second_alone(i, bars, params, memory, account, orders):
    place_market(orders, SELL, 2, asset=1)


def test_several_assets():
    other = {name: [10.0 * value for value in values] for name, values in BARS.items()}
    result = simulate_orders({"A": BARS, "B": other}, OrderBlock(pair, memory=4))
    assert result._run.asking.memory.tolist() == [10, -2, 106, 1060]
    assert result.fills.select("asset", "side", "size").rows() == [("A", 1, 10.0), ("B", -1, 2.0)]
    with pytest.raises(StrategyError, match="index of account below 16"):
        simulate_orders(BARS, OrderBlock(pair, memory=4))
    for debug in (False, True):
        with pytest.raises(IndexError, match="names an asset that has no bars"):
            simulate_orders(BARS, OrderBlock(second_alone, debug=debug))


def count_calls(i, bars, params, memory, account, orders):
    """How often it is asked, and the last known close."""
    memory[0] += 1
    memory[1] = bars[b.LAST_CLOSE, i]
    memory[2] = bars[b.LAST_CLOSE, i - 1]


def test_not_asked_where_there_are_no_prices():
    holes = {name: [float(value) for value in values] for name, values in BARS.items()}
    for name in ("open", "high", "low", "close"):
        holes[name][1] = holes[name][4] = math.nan
    memory = simulate_orders(holes, OrderBlock(count_calls, memory=3))._run.asking.memory
    assert memory.tolist() == [4, 106, 98]


def test_ambiguity_asks_the_block_again():
    def both(i, bars, params, memory, account, orders):
        if memory[0] == 0 and i == 1:
            memory[0] = 1
            place_market(orders, BUY, 1, stop_loss=102.5, take_profit=104.5)

    result = simulate_orders(BARS, OrderBlock(both, memory=1), initial_cash=10_000)
    assert (result.ambiguity.bars, result.ambiguity.worst, result.ambiguity.best) == (1, 9_999.5, 10_001.5)


def test_decorator_name_and_parameters():
    schema = (Param("size", "int", 3, low=1, high=9), Param("side", "choice", "buy", choices=("buy", "sell")))

    @strategy(name="orders_for_test", schema=schema, room=5, memory=2)
    def orders_for_test(i, bars, params, memory, account, orders):
        """One order."""
        if i == 0:
            place_market(orders, 1 - 2 * params[1], params[0])

    try:
        assert isinstance(orders_for_test, OrderBlock)
        assert (orders_for_test.room, orders_for_test.memory, orders_for_test.description) == (
            5,
            2,
            "One order.",
        )
        assert simulate_orders(BARS, "orders_for_test").position[0, -1] == 3
        assert simulate_orders(BARS, orders_for_test, {"side": "sell", "size": 2}).position[0, -1] == -2
        with pytest.raises(StrategyError, match="size"):
            simulate_orders(BARS, orders_for_test, {"size": 0})
    finally:
        _registry.pop("orders_for_test", None)


def test_machine_code_is_kept_in_the_package_folder(tmp_path):
    source = (
        "from peak_fast.orders.block import BUY, place_market\n"
        "def one(i, bars, params, memory, account, orders):\n"
        "    if i == 0:\n"
        "        place_market(orders, BUY, {size})\n"
    )
    for size in (1, 25):
        path = tmp_path / "my_block.py"
        path.write_text(source.format(size=size), encoding="utf-8")
        spec = importlib.util.spec_from_file_location("my_block", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        block = OrderBlock(module.one)
        # The second time the file has changed: its old code must not be used.
        assert simulate_orders(BARS, block).position[0, -1] == size
        assert block.compiled["function"].way == "compiled"
        again = OrderBlock(module.one)
        assert simulate_orders(BARS, again).position[0, -1] == size
        assert again.compiled["function"].way == "object file"


class TestRefused:
    def test_other_strategies(self):
        def target(i, bars, params, memory, account):
            return 1.0

        for item in (Block(target, name="target"), "ma_crossover", lambda df, params: df):
            with pytest.raises(
                (StrategyError, DataError), match="expected a frame of instructions, or a block"
            ):
                simulate_orders(BARS, item)

    def test_parameters_of_a_frame(self):
        with pytest.raises(ConfigError, match="params belong to a block"):
            simulate_orders(BARS, [{"bar": 0, "side": "buy", "size": 1}], {"a": 1})

    def test_no_room(self):
        with pytest.raises(
            StrategyError, match=r"OrderBlock\.room: expected a whole number of at least 1; got 0"
        ):
            simulate_orders(BARS, OrderBlock(crossing, room=0))

    def test_what_cannot_be_compiled(self):
        def unknown(i, bars, params, memory, account, orders):
            no_such_thing(orders)  # noqa: F821

        with pytest.raises(StrategyError, match="the block 'bad' cannot be compiled"):
            simulate_orders(BARS, OrderBlock(unknown, name="bad"))


def test_names_are_those_of_the_kernel():
    for name in (
        "UNITS",
        "VALUE",
        "TARGET_FRACTION",
        "FRACTION",
        "GTC",
        "IOC",
        "FILLED",
        "REJECTED",
        "WAITING",
    ):
        assert getattr(b, name) == getattr(f, name)
    assert len({field.name for field in fields(OrderBlock)}) == len(fields(Block))


@pytest.mark.parametrize(("over", "under"), [(7, 1), (1, 2), (-1, 3), (0, 1), (0, 0), (1, 0)])
def test_a_side_that_is_none_is_a_rejected_order(over, under):
    @strategy(room=4, schema=(Param("over", "float", 1.0), Param("under", "float", 1.0)), name="a_side")
    def places(i, bars, params, memory, account, orders):
        if i == 7:
            place_market(orders, params[0] / params[1], 1.0)

    result = simulate_orders(synthetic(60, seed=7), places, {"over": float(over), "under": float(under)})
    assert result.orders["status"].to_list() == ["rejected"]
    assert result.fills.is_empty()
