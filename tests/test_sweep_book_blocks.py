"""Sweeps of blocks through the order book: each row is the single run, to the last bit."""

import pytest

from peak_fast import (
    BacktestEngine,
    ConfigError,
    Costs,
    Execution,
    Param,
    RiskLimits,
    Stops,
    Study,
    Sweep,
    VolatilityTarget,
    strategy,
    synthetic,
)
from peak_fast.metrics.catalog import METRICS as CATALOGUED
from peak_fast.orders.block import (  # fmt: skip
    BUY,
    CLOSE,
    EQUITY_FRACTION,
    FRACTION,
    LAST_CLOSE,
    LIVE_ORDERS,
    POSITION,
    SELL,
)
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_rules import OrderRules
from peak_fast.sweep import evaluate
from peak_kernels.orders.place import (  # fmt: skip
    close_lots,
    new_fill,
    new_fills,
    place_limit,
    place_market,
    place_trailing_stop,
)
from tests.test_sweep_book import check_rows, same


@strategy(
    name="book_ladder",
    schema=(
        Param("below", "float", 0.01, low=0.001, high=0.1),
        Param("trail", "float", 0.03, low=0.01, high=0.5),
        Param("hold", "int", 8, low=1, high=99),
    ),
    memory=1,
    room=8,
)
def ladder(i, bars, params, memory, account, orders):
    """Two bids below the close; a trailing stop for what was filled; out after some bars."""
    for n in range(new_fills(orders)):
        tag, size, price, _role, _asset = new_fill(orders, n)
        if tag > 0:
            memory[0] = i
            place_trailing_stop(orders, SELL, size, params[1], FRACTION, price, tag=0)
    if account[POSITION] > 0.0 and i - memory[0] > params[2]:
        close_lots(orders)
    if account[LIVE_ORDERS] == 0.0 and account[POSITION] == 0.0:
        for step in range(1, 3):
            limit = bars[CLOSE, i] * (1.0 - step * params[0])
            place_limit(orders, BUY, 0.6, limit, tag=step, unit=EQUITY_FRACTION, valid_until=i + 5)


class TestBlocks:
    """Blocks that place orders."""

    BARS = synthetic(500, seed=9)
    GRID = {"below": [0.004, 0.01, 0.02], "trail": [0.02, 0.05], "hold": [3, 12]}  # noqa: RUF012

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"costs": Costs(rate=0.001, slippage_bps=4), "execution": Execution(fill_at="close")},
            {"order_book": OrderRules(latency=2, path="worst", finalize="close")},
            {
                "order_book": OrderBook(
                    rules=OrderRules(volume="share", volume_amount=0.0002), funding=0.0001, funding_times="1d"
                )
            },
            {"order_book": OrderRules(ledger="settled", merge_fills=False), "initial_cash": 5_000.0},
            {"risk_limits": RiskLimits(max_drawdown=0.05, daily_loss=0.02)},
        ],
    )
    def test_a_row_is_the_single_run(self, settings):
        frame = check_rows(ladder, self.GRID, self.BARS, **settings)
        assert frame["total_trades"].min() > 0 and frame["final_equity"].n_unique() > 6

    def test_what_varies_besides_parameters(self):
        grid = {
            **self.GRID, "latency": [0, 3], "fee_bps": [0.0, 7.5], "leverage": [1.0, 2.0], "initial_cash": [1e3, 1e6],
        }  # fmt: skip
        sweep = Sweep(ladder, grid, self.BARS, metrics=CATALOGUED)
        frame = sweep.run(progress=False, threads=2).frame
        for number in range(0, len(sweep.grid), 7):
            stats = sweep.rerun(sweep.grid[number]).stats
            row = frame.row(number, named=True)
            assert [name for name in CATALOGUED if not same(row[name], stats[name])] == []

    def test_debts(self):
        book = OrderRules(afford="any")
        heavy = strategy(name="book_heavy")(heavy_buyer)
        found = evaluate(
            heavy, self.BARS, {"borrow_cash": [0.0, 0.3]}, metrics=["final_equity"], order_book=book
        )
        for rate, equity in zip((0.0, 0.3), found["final_equity"], strict=True):
            engine = BacktestEngine(order_book=OrderRules(afford="any", borrow_cash=rate))
            assert engine.run(self.BARS, heavy).stats["final_equity"] == equity
        assert found["final_equity"][1] < found["final_equity"][0]

    def test_more_orders_than_there_is_room_for_at_first(self):
        busy = strategy(name="book_busy", room=8)(busy_block)
        frame = check_rows(busy, {"count": [1, 7]}, self.BARS)
        assert frame["total_orders"].to_list() == [500, 3500]

    def test_the_best_row_and_a_study(self):
        result = Sweep(ladder, self.GRID, self.BARS).run(progress=False)
        best = result.best("sharpe")
        assert best.book.orders.height == best.stats["total_orders"] and result.heatmap(
            "below", "hold", "sharpe"
        )
        study = Study(ladder, self.BARS, objectives="sharpe", seed=1, space={"latency": [0, 2]})
        found = study.run(20, progress=False)
        again = study.best_result()
        assert again.book is not None and again.stats["sharpe"] == found.best_value

    @pytest.mark.parametrize(
        ("columns", "settings", "message"),
        [
            ({"stop_loss": [0.1]}, {}, "no parameter 'stop_loss'"),
            ({"entry_limit": [0.1]}, {}, "no parameter 'entry_limit'"),
            (
                {},
                {"stops": Stops(stop_loss=0.1)},
                "stops: expected the default with a block that places orders",
            ),
        ],
    )
    def test_what_says_nothing_to_a_block(self, columns, settings, message):
        with pytest.raises(ConfigError, match=message):
            evaluate(ladder, self.BARS, {"hold": [5], **columns}, **settings)


@strategy(
    name="book_sides",
    schema=(Param("period", "int", 10, low=2, high=99), Param("shorts", "bool", False)),
    memory=2,
)
def sides(i, bars, params, memory, account):
    """Above a mean of the closes: long; below it short or flat; out after some bars."""
    memory[0] += (bars[LAST_CLOSE, i] - memory[0]) * 2.0 / (params[0] + 1.0)
    if account[1] != 0.0 and account[4] > 12:
        return 0.0
    if bars[LAST_CLOSE, i] > memory[0]:
        return 1.0
    return -1.0 if params[1] > 0.0 else 0.0


@pytest.mark.parametrize(
    "settings",
    [
        {"order_book": OrderRules()},
        {
            "order_book": OrderBook(entry_limit=0.004, entry_bars=3),
            "stops": Stops(stop_loss=0.02, trailing=0.03),
        },
        {
            "order_book": OrderRules(latency=1),
            "sizing": VolatilityTarget(0.3, window=5),
            "costs": Costs(rate=0.001),
        },
        {
            "order_book": OrderRules(volume="share", volume_amount=0.0005),
            "execution": Execution(leverage=2.0),
        },
    ],
)
def test_blocks_that_return_sides(settings):
    grid = {"period": [3, 9, 30], "shorts": [False, True]}
    frame = check_rows(sides, grid, synthetic(400, seed=2), **settings)
    assert frame["final_equity"].n_unique() == 6


@strategy(name="book_weights", schema=(Param("share", "float", 0.5, low=0.0, high=1.0),), weights=True)
def shares(i, bars, params, memory, account):
    """A part of the equity, long or short by the last bar, traded back to it now and then."""
    side = 1.0 if bars[LAST_CLOSE, i] > bars[LAST_CLOSE, max(i - 5, 0)] else -1.0
    return side * params[0] * (1.0 - 0.01 * (i % 7))


@pytest.mark.parametrize("rules", [OrderRules(), OrderRules(latency=1, volume="share", volume_amount=0.001)])
def test_blocks_that_return_weights(rules):
    settings = {"order_book": rules, "costs": Costs(rate=0.001)}
    frame = check_rows(shares, {"share": [0.2, 0.5, 0.9]}, synthetic(300, seed=2), **settings)
    assert frame["total_orders"].min() > 250


def heavy_buyer(i, bars, params, memory, account, orders):
    """Buy for three times the equity and keep it."""
    if i == 5:
        place_market(orders, BUY, 3.0, unit=EQUITY_FRACTION)


def busy_block(i, bars, params, memory, account, orders):
    """Many small orders at every close."""
    for _ in range(int(params[0])):
        place_market(orders, BUY if i % 2 == 0 else SELL, 1.0)
