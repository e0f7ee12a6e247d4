"""Sweeps through the order book: each row is the single run of its configuration, to the last bit."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from peak_fast import (
    BacktestEngine,
    Bars,
    ConfigError,
    Costs,
    DataError,
    Execution,
    FixedValue,
    FractionOfEquity,
    KellyFraction,
    Param,
    RiskLimits,
    RiskPerTrade,
    Stops,
    Study,
    Sweep,
    SweepResult,
    VolatilityTarget,
    strategy,
    synthetic,
)
from peak_fast.errors import StoreError, SweepError
from peak_fast.metrics.catalog import METRICS as CATALOGUED
from peak_fast.orders.from_engine import book_rules
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_fields import ENTRIES, RULES
from peak_fast.settings.order_rules import Asset, OrderRules
from peak_fast.settings.variable import VARIABLE
from peak_fast.settings.varied import varied_settings
from peak_fast.sweep import evaluate
from tests.test_config import SIZED, VARIED

GRID = {"fast": [3, 5, 8], "slow": [12, 20], "allow_short": [False, True]}


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def with_gaps(bars, share, seed):
    """The bars, some of them without prices."""
    prices = np.array([bars.open, bars.high, bars.low, bars.close])
    prices[:, np.random.default_rng(seed).random(len(bars)) < share] = np.nan
    columns = dict(zip(("open", "high", "low", "close"), prices, strict=True))
    return Bars.from_frame(pl.DataFrame({"timestamp": bars.timestamp, **columns, "volume": bars.volume}))


def whole_prices(bars):
    """The bars with prices that a limit may be equal to."""
    prices = {name: np.rint(getattr(bars, name)) for name in ("open", "high", "low", "close")}
    return Bars.from_frame({**prices, "volume": bars.volume})


def check_rows(item, grid, bars, **settings):
    """Compare every row of a sweep with the engine's run of it."""
    sweep = Sweep(item, grid, bars, metrics=CATALOGUED, **settings)
    frame = sweep.run(progress=False, threads=2).frame
    engine = BacktestEngine(**settings)
    for row in frame.iter_rows(named=True):
        params = {name: row[name] for name in sweep.grid.names}
        stats = engine.run(bars, item, params).stats
        assert [(n, row[n], stats[n]) for n in CATALOGUED if not same(row[n], stats[n])] == []
    return frame


@st.composite
def engines(draw):
    """Settings of an engine with a book, as keyword arguments."""

    def often(values):
        return draw(st.one_of(st.none(), values))

    stops = Stops(
        stop_loss=often(st.floats(0.005, 0.1)),
        take_profit=often(st.floats(0.005, 0.1)),
        trailing=often(st.floats(0.005, 0.1)),
    )
    sizings = [FractionOfEquity(draw(st.floats(0.2, 1.5))), FixedValue(draw(st.floats(100, 2e5)))]
    sizings += [VolatilityTarget(0.3, window=5, fallback=0.5), KellyFraction(0.5, min_trades=2, fallback=0.3)]
    if stops.stop_loss or stops.trailing:
        sizings.append(RiskPerTrade(0.02))
    volume = draw(st.sampled_from(["any", "any", "fixed", "share"]))
    slippage = draw(st.sampled_from(["none", "none", "fraction", "absolute", "half_spread", "volume_root"]))
    limit_fill = draw(st.sampled_from(["touch", "through", "chance"]))
    rules = OrderRules(
        latency=draw(st.sampled_from([0, 0, 1, 3])),
        path=draw(st.sampled_from(["queue", "queue", "worst", "ohlc", "nearest"])),
        limit_fill=limit_fill,
        limit_chance=0.5 if limit_fill == "chance" else 1.0,
        slippage=slippage,
        slippage_amount=0.001 if slippage != "none" else 0.0,
        volume=volume,
        volume_amount={"any": 0.0, "fixed": 30.0, "share": 0.001}[volume],
        finalize=draw(st.sampled_from(["keep", "close", "second_pass"])),
        borrow_short=draw(st.sampled_from([0.0, 0.05])),
        fee_tiers=draw(st.sampled_from([(), ((0.0, 0.002), (5e5, 0.001))])),
    )
    entry_limit = often(st.floats(0.0, 0.02))
    book = OrderBook(
        rules=rules,
        asset=often(st.sampled_from([Asset(tick=0.05, lot=0.1), Asset(multiplier=5.0)])),
        entry_limit=entry_limit,
        entry_bars=None if entry_limit is None else often(st.integers(1, 6)),
        half_spread=0.02 if slippage == "half_spread" else None,
    )
    settings = {
        "costs": Costs(rate=draw(st.sampled_from([0.0, 0.001])), minimum=draw(st.sampled_from([0.0, 1.0]))),
        "stops": stops,
        "sizing": draw(st.sampled_from(sizings)),
        "execution": Execution(
            fill_at=draw(st.sampled_from(["next_open", "close"])), leverage=draw(st.sampled_from([1.0, 2.0]))
        ),
        "risk_limits": RiskLimits(
            max_drawdown=often(st.floats(0.02, 0.3)), daily_loss=often(st.floats(0.01, 0.1))
        ),
        "order_book": book,
    }
    engine = BacktestEngine(**settings)
    try:
        book_rules(book, engine.execution, engine.costs, engine.stops, engine.risk_limits)
    except ConfigError:
        assume(False)
    return settings


@given(engines(), st.sampled_from(["ma_crossover", "bollinger", "momentum"]), st.integers(0, 5))
def test_a_row_is_the_single_run(settings, name, seed):
    bars = synthetic(260, seed=seed)
    if seed % 2:
        bars = with_gaps(bars, 0.1, seed)
        first = int(np.argmax(~np.isnan(bars.close)))
        assume(settings["order_book"].entry_limit is None or first == 0)
    grids = {
        "ma_crossover": GRID,
        "bollinger": {"period": [5, 9], "width": [1.0, 1.5], "allow_short": [False, True]},
        "momentum": {"period": [1, 2, 7]},
    }
    check_rows(name, grids[name], bars, **settings)


class TestStrategies:
    BARS = synthetic(400, seed=3)
    SETTINGS = {  # noqa: RUF012
        "costs": Costs(rate=0.001, slippage_bps=3),
        "stops": Stops(stop_loss=0.03, take_profit=0.05),
        "order_book": OrderRules(latency=1),
    }

    @pytest.mark.parametrize("returns", ["targets", "signals", "weights"])
    def test_python_functions(self, returns):
        @strategy(
            name=f"book_function_{returns}",
            schema=(Param("seed", "int", 1, low=0, high=99),),
            returns=returns,
        )
        def function(df, params):
            return np.random.default_rng(params["seed"]).choice([-1.0, 0.0, 0.0, 1.0], len(df))

        frame = check_rows(function, {"seed": range(7)}, self.BARS, **self.SETTINGS)
        assert frame["total_trades"].n_unique() > 3
        # Decisions that wait for prices, and those that replace them, at both prices.
        gaps = with_gaps(self.BARS, 0.4, 1)
        for fill_at in ("next_open", "close"):
            settings = {"execution": Execution(fill_at=fill_at), "sizing": VolatilityTarget(0.2, window=3)}
            check_rows(function, {"seed": range(7)}, gaps, order_book=OrderRules(), **settings)

    def test_more_decisions_than_there_is_room_for_at_first(self):
        bars = synthetic(20_000, seed=3)
        frame = check_rows("momentum", {"period": [1, 60]}, bars, order_book=OrderRules())
        assert frame["total_orders"][0] > 20_000 // 8

    def test_several_sets_of_bars_and_curves(self):
        data = {"a": self.BARS, "b": synthetic(300, seed=4)}
        result = Sweep("ma_crossover", GRID, data, **self.SETTINGS).run(progress=False)
        best = result.best("total_return")
        assert best.book is not None and best.stats["total_return"] == result.frame["total_return"].max()
        curve = result.curves(1, "total_return").filter(result.curves(1, "total_return")["config"] >= 0)
        assert curve["equity"].to_list() == best.equity.tolist()

    def test_stretches_of_time(self):
        row = (
            Sweep("momentum", {"period": [5]}, self.BARS, blocks=True, **self.SETTINGS)
            .run(progress=False)
            .frame
        )
        equity = BacktestEngine(**self.SETTINGS).run(self.BARS, "momentum", {"period": 5}).equity
        returns = np.diff(equity, prepend=100_000.0) / np.concatenate(([100_000.0], equity[:-1]))
        expected = [part.sum() for part in np.split(returns, [400 * k // 16 for k in range(1, 16)])]
        np.testing.assert_allclose(row["block_sum"][0].to_numpy(), expected, rtol=1e-9, atol=1e-15)

    def test_working_memory_is_counted(self):
        bars = synthetic(20_000, seed=3)
        Sweep("momentum", {"period": [5]}, bars).run(progress=False, threads=1, memory="2MB")
        with pytest.raises(SweepError, match=r"this sweep of 1 configurations .* needs about 3 MB"):
            Sweep("momentum", {"period": [5]}, bars, order_book=OrderRules()).run(threads=1, memory="2MB")


class TestAxes:
    """A value in a grid is the engine that has it."""

    PARAMS = {"fast": [3], "slow": [9], "allow_short": [True]}  # noqa: RUF012
    BARS = synthetic(300, seed=4)
    METRICS = ("final_equity", "sharpe", "total_fees", "total_orders")
    VALUES = {  # noqa: RUF012
        "latency": (2, {}),
        "first_bar": (40, {}),
        "path": ("worst", {}),
        "limit_fill": ("chance", {"limit_chance": 0.3}),
        "limit_chance": (0.3, {"limit_fill": "chance"}),
        "seed": (5, {"limit_fill": "chance", "limit_chance": 0.5}),
        "slippage_amount": (0.002, {"slippage": "fraction"}),
        "slippage_extra": (1.5, {"slippage": "fraction", "slippage_amount": 0.001}),
        "spread": (0.004, {}),
        "volume_amount": (20.0, {"volume": "fixed"}),
        "volume_step": (0.3, {"volume": "range", "volume_amount": 1.0, "volume_step": 0.1}),
        "min_value": (99_000.0, {}),
        "borrow_short": (0.2, {}),
        "borrow_long": (0.2, {}),
        "maintenance": (0.99, {}),
        "liquidation_fee": (0.01, {"maintenance": 0.99}),
        "equity_floor": (99_000.0, {}),
        "entry_limit": (0.004, {}),
        "entry_bars": (2, {}),
    }

    def single(self, bars=BARS, **settings):
        params = {name: values[0] for name, values in self.PARAMS.items()}
        stats = BacktestEngine(**settings).run(bars, "ma_crossover", params).stats
        return [float(stats[name]) for name in self.METRICS]

    def swept(self, columns, bars=BARS, **settings):
        found = evaluate("ma_crossover", bars, {**self.PARAMS, **columns}, metrics=self.METRICS, **settings)
        return [float(found[name][0]) for name in self.METRICS]

    def test_every_field_is_covered(self):
        assert {*self.VALUES, "borrow_cash"} == {*RULES, *ENTRIES}
        assert not {*RULES, *ENTRIES} & {*VARIABLE}

    @pytest.mark.parametrize("name", VALUES)
    def test_a_field_of_the_book(self, name):
        value, others = self.VALUES[name]
        limited = name not in ("entry_limit", "latency", "spread", "min_value", "equity_floor")
        book = OrderBook(
            rules=OrderRules(**others), entry_limit=0.004 if limited else None, asset=Asset(tick=1.0)
        )
        given = replace(
            book, **{name: value} if name in ENTRIES else {"rules": replace(book.rules, **{name: value})}
        )
        shared = {"stops": Stops(stop_loss=0.02, take_profit=0.02), "bars": whole_prices(self.BARS)}
        expected = self.single(order_book=given, **shared)
        assert self.swept({name: [value]}, order_book=book, **shared) == expected
        assert expected != self.single(order_book=book, **shared)

    @pytest.mark.parametrize("name", sorted(VARIED))
    def test_a_setting_of_the_engine(self, name):
        settings = {"initial_cash": 100_000.0, "order_book": OrderRules(), **VARIED[name](0.03)}
        assert self.swept({name: [0.03]}, order_book=OrderRules()) == self.single(**settings)

    @pytest.mark.parametrize("name", sorted(SIZED))
    def test_a_setting_of_a_sizing(self, name):
        value, given, base = SIZED[name]
        found = self.swept({name: [value]}, order_book=OrderRules(), sizing=base)
        assert found == self.single(order_book=OrderRules(), sizing=given)

    @pytest.mark.parametrize("name", [*sorted(VARIED), *sorted(SIZED), *VALUES])
    def test_a_row_runs_again_alone(self, name):
        settings = {"order_book": OrderRules(), "stops": Stops(stop_loss=0.02)}
        value = 0.03
        if name in SIZED:
            value, _, settings["sizing"] = SIZED[name]
        elif name in self.VALUES:
            value, others = self.VALUES[name]
            settings["order_book"] = OrderBook(rules=OrderRules(**others), entry_limit=0.004)
        grid = {**self.PARAMS, name: [value]}
        result = Sweep("ma_crossover", grid, self.BARS, **settings).run(progress=False)
        best = result.best("total_return")
        assert best.params[name] == value and best.metadata["settings"]["varied"] == {name: value}
        assert best.stats["sharpe"] == result.frame["sharpe"][0]

    def test_many_at_once_and_none_for_not_set(self):
        grid = {
            **self.PARAMS, "latency": [0, 2], "entry_limit": [None, 0.003], "stop_loss": [None, 0.02],
            "slippage_bps": [0.0, 5.0], "path": ["queue", "best"],
        }  # fmt: skip
        engine = BacktestEngine(order_book=OrderRules())
        shared = engine.settings
        sweep = Sweep("ma_crossover", grid, self.BARS, order_book=OrderRules(), metrics=CATALOGUED)
        frame = sweep.run(progress=False).frame
        assert frame.height == 32 and frame["final_equity"].n_unique() >= 20
        for number, row in enumerate(frame.iter_rows(named=True)):
            varied = {name: value for name, value in sweep.grid[number].items() if name not in self.PARAMS}
            params = {name: sweep.grid[number][name] for name in self.PARAMS}
            engine.settings = varied_settings(shared, varied)
            stats = engine.run(self.BARS, "ma_crossover", params).stats
            assert [name for name in CATALOGUED if not same(row[name], stats[name])] == []


class TestStores:
    GRID = {"fast": range(2, 22), "slow": range(30, 70), "latency": [0, 1]}  # noqa: RUF012

    def sweep(self, book=None, **changed):
        book = book or OrderRules(spread=0.001)
        return Sweep("ma_crossover", self.GRID, synthetic(200, seed=5), order_book=book, **changed)

    def test_resume(self, tmp_path):
        expected = self.sweep().run(progress=False).frame
        self.sweep().run(progress=False, store=tmp_path / "s")
        part = sorted((tmp_path / "s").glob("*.parquet"))[0]
        part.unlink()
        again = self.sweep().run(progress=False, store=tmp_path / "s")
        assert again.frame.equals(expected, null_equal=True)
        assert SweepResult.load(tmp_path / "s").frame.equals(expected, null_equal=True)

    @pytest.mark.parametrize(
        ("book", "message"),
        [
            (OrderRules(spread=0.002), r"settings\.order_book\.rules\.spread \(0\.001 -> 0\.002\)"),
            (OrderBook(rules=OrderRules(spread=0.001), entry_limit=0.01), r"order_book\.entry_limit"),
            (
                OrderBook(rules=OrderRules(spread=0.001), funding=0.001, funding_times="bar"),
                r"order_book\.funding",
            ),
            (OrderBook(rules=OrderRules(spread=0.001), asset=Asset(tick=0.1)), r"order_book\.asset"),
        ],
    )
    def test_another_book_is_other_work(self, tmp_path, book, message):
        self.sweep().run(progress=False, store=tmp_path / "s")
        with pytest.raises(StoreError, match=message):
            self.sweep(book).run(progress=False, store=tmp_path / "s")


class TestErrors:
    BARS = synthetic(60, seed=1)

    @pytest.mark.parametrize(
        ("columns", "book", "settings", "message"),
        [
            ({"latency": [-1]}, OrderRules(), {}, "latency must be >= 0, got -1"),
            ({"latency": [math.nan]}, OrderRules(), {}, r"latency: expected a value of OrderRules\.latency"),
            ({"path": ["wurst"]}, OrderRules(), {}, "path='wurst': did you mean 'worst'"),
            ({"volume_amount": [5.0]}, OrderRules(), {}, "it changes nothing while OrderRules.volume is 'any'"),
            ({"limit_chance": [0.5]}, OrderRules(), {}, "it changes nothing while OrderRules.limit_fill is 'touch'"),
            ({"entry_bars": [3]}, OrderRules(), {}, "entry_bars: expected entry_limit in each configuration"),
            ({"entry_limit": [1.5]}, OrderRules(), {}, "entry_limit: expected a fraction below 1; got 1.5"),
            (
                {"fee_bps": [5.0]}, OrderRules(fee_rate=0.001), {},
                r"fee_bps: varied in the grid, while order_book says rules\.fee_rate=0\.001",
            ),
            (
                {"slippage_bps": [5.0]}, OrderRules(slippage="volume_root"), {},
                r"while order_book says rules\.slippage='volume_root'",
            ),
            (
                {"path": ["worst"]}, OrderRules(), {"execution": Execution(both_hit="nearest_to_open")},
                "path: the engine's own settings give 'nearest'",
            ),
            ({"latencies": [1]}, OrderRules(), {}, "no parameter 'latencies'; did you mean 'latency'"),
            ({"latency": [1]}, None, {}, "no parameter 'latency'"),
        ],
    )  # fmt: skip
    def test_columns(self, columns, book, settings, message):
        with pytest.raises(ConfigError, match=message):
            evaluate("momentum", self.BARS, {"period": [5], **columns}, order_book=book, **settings)

    @pytest.mark.parametrize("varied", [False, True])
    def test_weights_at_a_limit(self, varied):
        weights = strategy(name="book_halves", weights=True)(lambda df, params: np.full(len(df), 0.5))
        columns = {"entry_limit": [0.01]} if varied else {"x": [1]}
        with pytest.raises(ConfigError, match="entry_limit: expected None with weights"):
            evaluate(weights, self.BARS, columns, order_book=OrderBook(entry_limit=None if varied else 0.01))

    def test_an_entry_at_a_limit_before_the_first_close(self):
        prices = {name: getattr(self.BARS, name).copy() for name in ("open", "high", "low", "close")}
        for values in prices.values():
            values[:3] = np.nan
        early = strategy(name="early")(lambda df, params: np.ones(60))
        with pytest.raises(DataError, match="an entry at a limit before the first close"):
            evaluate(early, Bars.from_frame(prices), {"x": [1]}, order_book=OrderBook(entry_limit=0.01))


def test_a_study_goes_through_the_book():
    bars = synthetic(300, seed=6)
    book = OrderBook(rules=OrderRules(latency=1), entry_limit=0.002)
    space = {"latency": (0, 3), "path": ["queue", "worst"]}
    study = Study("ma_crossover", bars, objectives="sharpe", order_book=book, space=space, seed=1)
    found = study.run(12, progress=False)
    best = study.best_result()
    assert best.book is not None and best.stats["sharpe"] == found.best_value
