"""One definition of an indicator, three doors: function, row of rules, row of compiled blocks; and sweeps of both."""

import inspect

import numpy as np
import pytest

from peak_fast import Above, AtLeast, BacktestEngine, Param, Row, RuleStrategy, Sweep, simulate_orders
from peak_fast.data import Bars, synthetic
from peak_fast.errors import ConfigError, StrategyError
from peak_fast.indicators import functions as ta
from peak_fast.indicators.definitions import DEFINED
from peak_fast.indicators.rows import kinds, plane_of, rows_of
from peak_fast.orders.block import BUY, CLOSE, POSITION
from peak_fast.settings.order_rules import OrderRules
from peak_fast.strategies.blocks import Block, OrderBlock
from peak_kernels.indicators import usual
from peak_kernels.orders.place import close_lots, place_market
from tests.sweep_cases import ALL

COLUMNS = ("open", "high", "low", "close", "volume")
BARS = synthetic(400, seed=3)
GAPS = synthetic(400, seed=5).to_polars().to_dict(as_series=False)
for _name in COLUMNS:
    GAPS[_name][150:153] = [float("nan")] * 3
NUMBERS = {"period": 9, "fast": 4, "slow": 11, "signal": 3, "deviations": 1.5, "step": 0.03, "limit": 0.3,
           "fastk_period": 7, "slowk_period": 3, "slowd_period": 2, "fastd_period": 4}  # fmt: skip


def values_of(definition):
    return tuple(NUMBERS[name] for name in definition.parameters)


def by_function(name, data):
    """What the public function gives for the columns of some bars."""
    definition = DEFINED[name]
    columns = {"values": "close", "first": "close", "second": "volume"}
    inputs = [n for n in inspect.signature(definition.function).parameters if n in columns or n in COLUMNS]
    found = definition.function(
        *(getattr(data, columns.get(n, n)) for n in inputs),
        **dict(zip(definition.parameters, values_of(definition), strict=True)),
    )
    return found[definition.outputs.index(name)] if isinstance(found, tuple) else found


def test_every_function_is_an_indicator_and_its_names_are_rows():
    public = {
        name
        for name, item in vars(ta).items()
        if inspect.isfunction(item) and item.__module__ == ta.__name__ and not name.startswith("_")
    }
    assert {definition.function.__name__ for definition in DEFINED.values()} == public
    assert set(DEFINED) <= set(kinds())
    assert {"atr", "adx", "cci", "stoch_k", "plus_di", "obv", "mfi"} <= set(DEFINED)


@pytest.mark.parametrize("name", sorted(DEFINED))
def test_a_row_is_what_the_function_gives_to_the_last_bit(name):
    for data in (BARS, Bars.from_frame(GAPS)):
        (row,) = rows_of(data, [(name, *values_of(DEFINED[name]))])
        np.testing.assert_array_equal(row, by_function(name, data))
        assert np.isfinite(row).any()


def read_row(i, bars, params, memory, account):
    """Long where the first indicator is above its value of the bar before."""
    if i == 0:
        return 0.0
    return 1.0 if bars[6, i] > bars[6, i - 1] else 0.0


def place_by_row(i, bars, params, memory, account, orders):
    """The same with orders."""
    wanted = i > 0 and bars[6, i] > bars[6, i - 1]
    if wanted and account[POSITION] == 0.0:
        place_market(orders, BUY, 10.0)
    if not wanted and account[POSITION] != 0.0:
        close_lots(orders)


# Compiled once each; what they read is in the rows.
BLOCK, PLACER = Block(read_row), OrderBlock(place_by_row)


def schema_of(definition):
    """Parameters of a strategy that hands them on to the indicator."""
    return tuple(
        Param(name, "int", NUMBERS[name], low=1, high=60)
        if name in definition.whole
        else Param(name, "float", NUMBERS[name], low=0.0, high=5.0)
        for name in definition.parameters
    )


@pytest.mark.parametrize("name", sorted(DEFINED))
def test_every_indicator_decides_alike_in_rules_blocks_and_sweeps(name):
    definition = DEFINED[name]
    schema = schema_of(definition)
    row = Row(name, *definition.parameters)
    level = float(np.nanmedian(by_function(name, BARS)))
    rule = RuleStrategy("by_rule", (*schema, Param("level", "float", level, low=-1e9, high=1e9)),
                        enter_long=Above(row, Row("constant", "level")),
                        leave_long=AtLeast(Row("constant", "level"), row))  # fmt: skip
    engine = BacktestEngine()
    decided = np.where(by_function(name, BARS) > level, 1.0, 0.0)
    expected = engine.run(BARS, decided)
    np.testing.assert_array_equal(engine.run(BARS, rule).equity, expected.equity)

    block = Block(read_row, schema=schema, rows=(row,), compiled=BLOCK.compiled)
    values = by_function(name, BARS)
    rising = np.zeros(len(BARS))
    rising[1:] = values[1:] > values[:-1]
    np.testing.assert_array_equal(engine.run(BARS, block).equity, engine.run(BARS, rising).equity)

    if not definition.parameters:
        return
    varied = definition.parameters[0]
    grid = {varied: [NUMBERS[varied], NUMBERS[varied] + (2 if varied in definition.whole else 0.125)]}
    if name == "sar":
        grid = {"limit": [0.3, 0.4]}
    for item in (rule, block):
        frame = Sweep(item, grid, BARS, metrics=list(ALL)).run().frame
        for found in frame.iter_rows(named=True):
            stats = engine.run(BARS, item, {n: found[n] for n in grid}).stats
            assert [n for n in ALL if not (found[n] == stats[n] or found[n] != found[n])] == []


@pytest.mark.parametrize("name", ["atr", "adx", "macd_signal", "sma", "obv", "bollinger_middle"])
def test_orders_of_a_block_read_indicators_through_the_book_and_in_its_sweeps(name):
    definition = DEFINED[name]
    schema = schema_of(definition)
    row = Row(name, *definition.parameters)
    values = by_function(name, BARS)
    rising = np.zeros(len(BARS), bool)
    rising[1:] = values[1:] > values[:-1]
    block = OrderBlock(place_by_row, schema=schema, rows=(row,), compiled=PLACER.compiled)
    engine = BacktestEngine(order_book=OrderRules())
    result = simulate_orders(BARS, block)
    placed = set(result.orders["bar"].to_list())
    held = np.flatnonzero(rising)
    assert placed and min(placed) == held[0] and result.stats["closed_trades"] > 5
    # Through the engine: the same orders; a block of targets in the book reads its rows as well.
    assert engine.run(BARS, block).stats["total_orders"] == result.stats["total_orders"]
    target = Block(read_row, schema=schema, rows=(row,), compiled=BLOCK.compiled)
    through = engine.run(BARS, target)
    assert through.stats["total_orders"] == BacktestEngine().run(BARS, target).stats["total_orders"]
    if definition.parameters:
        varied = definition.parameters[-1]
        grid = {varied: [NUMBERS[varied], NUMBERS[varied] + 1]}
        for item in (block, target):
            frame = Sweep(item, grid, BARS, metrics=list(ALL), order_book=OrderRules()).run().frame
            for found in frame.iter_rows(named=True):
                stats = engine.run(BARS, item, {n: found[n] for n in grid}).stats
                assert [n for n in ALL if not (found[n] == stats[n] or found[n] != found[n])] == []


def ahead(i, bars, params, memory, account, orders):
    """Buys where it can see the indicator of the next bar."""
    if i + 1 < bars.shape[1] and bars[6, i + 1] == bars[6, i + 1]:
        place_market(orders, BUY, 1.0)


def second_asset(i, bars, params, memory, account, orders):
    """Buys the second asset where its own average says so: prices of two assets, then the rows of the two."""
    if bars[12 + 1, i] == bars[6 + CLOSE, i]:
        place_market(orders, BUY, 1.0, asset=1)


def test_a_block_that_places_orders_cannot_read_the_indicators_of_later_bars():
    assert simulate_orders(BARS, OrderBlock(ahead, rows=(Row("sma", 3),))).stats["total_orders"] == 0


def test_with_several_assets_each_has_rows_of_its_own():
    both = {"a": BARS, "b": synthetic(400, seed=8)}
    run = simulate_orders(both, OrderBlock(second_asset, rows=(Row("sma", 1),)))
    assert run.stats["total_orders"] >= 399, "an average of one bar is that bar's close"


def test_what_a_row_cannot_be_is_said():
    with pytest.raises(StrategyError, match=r"'atr' takes 1 arguments \(period\); got 0"):
        Row("atr")
    with pytest.raises(StrategyError, match="no indicator row 'natrr'; did you mean 'natr'"):
        Row("natrr", 14)
    with pytest.raises(
        StrategyError, match=r"takes the parameter 'perod', which the schema does not have; did you mean"
    ):
        Block(read_row, schema=(Param("period", "int", 5, low=1, high=9),), rows=(Row("atr", "perod"),))
    with pytest.raises(StrategyError, match="expected indicator rows"):
        Block(read_row, rows=("atr",))
    with pytest.raises(StrategyError, match=r"expected an index of bars below 7"):
        BacktestEngine().run(BARS, Block(read_second, rows=(Row("atr", 5),)))
    with pytest.raises(ConfigError, match="period"):
        plane_of(BARS, [("atr", 0)])
    prices = Bars.from_frame(BARS.to_polars().drop("volume"))
    with pytest.raises(StrategyError, match="needs the volume, which these bars do not have"):
        BacktestEngine().run(prices, Block(read_row, rows=(Row("obv"),), compiled=BLOCK.compiled))
    assert (
        Block(read_row, rows=(Row("atr", 5),)).fingerprint()
        != Block(read_row, rows=(Row("atr", 6),)).fingerprint()
    )


def read_second(i, bars, params, memory, account):
    """Reads behind its rows."""
    return bars[7, i]


@pytest.mark.parametrize("bars", [0, 1, 9, 300, 5_000])
@pytest.mark.parametrize("gaps", [False, True])
def test_functions_of_ready_kernels_are_those_of_numba_to_the_last_bit(bars, gaps):
    random = np.random.default_rng(bars)
    values = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, bars)))
    if gaps:
        values[random.random(bars) < 0.05] = np.nan
    for name in ("sma", "ema", "rsi", "roc", "std"):
        for period in (1, 2, 14, 200):
            expected = np.empty(bars)
            getattr(usual, name)(values, period, expected)
            np.testing.assert_array_equal(getattr(ta, name)(values, period), expected, f"{name} {period}")
    for periods in ((12, 26, 9), (26, 12, 1)):
        expected = np.empty((3, bars))
        usual.macd(values, *periods, *expected)
        np.testing.assert_array_equal(np.array(ta.macd(values, *periods)), expected)
