"""A raw frame with its newest row first: put in order at every door; only values without times are refused."""

import numpy as np
import polars as pl
import pytest

from peak_fast import BacktestEngine, Bars, PeakFastError, Study, Sweep, strategy
from peak_fast.orders.peak_trade import run_peak_trade
from peak_fast.orders.simulate import simulate_orders
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_rules import OrderRules
from peak_fast.signals.simulate import simulate_signals

pd = pytest.importorskip("pandas")

COUNT = 80
CLOSE = 100.0 * np.cumprod(1.0 + np.random.default_rng(5).normal(0.003, 0.02, COUNT))
SIDES = np.where(np.arange(COUNT) % 13 < 8, 1.0, 0.0)
DAYS = pd.date_range("2023-01-02", periods=COUNT, name="date")
PRICES = pd.DataFrame(
    {"open": CLOSE * 0.999, "high": CLOSE * 1.01, "low": CLOSE * 0.985, "close": CLOSE}, index=DAYS
)
TABLE = PRICES.reset_index()
FRAMES = {
    "pandas": PRICES[::-1],
    "pandas, times in a column": TABLE[::-1],
    "pandas, numbered": TABLE[::-1].reset_index(drop=True),
    "polars": pl.from_pandas(TABLE[::-1]),
    "lazy": pl.from_pandas(TABLE[::-1]).lazy(),
    "dict": {name: TABLE[name].to_numpy()[::-1] for name in TABLE},
}
RULE, GRID = "ma_crossover", {"fast": [3, 5], "slow": [9, 14]}


@strategy
def follow(i, bars, params, memory, account):
    return 1.0 if bars[3, i] > bars[3, max(i - 3, 0)] else 0.0


def rising(frame, params):
    close = np.asarray(frame.collect()["close"] if isinstance(frame, pl.LazyFrame) else frame["close"])
    return np.sign(np.diff(close, prepend=close[0]))


class TestAllKindsOfStrategies:
    @pytest.mark.parametrize("kind", FRAMES)
    @pytest.mark.parametrize(
        "item",
        [RULE, follow, rising, pl.col("close") > pl.col("open") * 1.001],
        ids=["rule", "block", "fn", "expr"],
    )
    def test_a_run(self, kind, item):
        if isinstance(item, pl.Expr) and kind not in ("polars", "pandas"):
            pytest.skip("an expression needs no frame of its own kind")
        right = BacktestEngine().run(PRICES, item)
        found = BacktestEngine().run(FRAMES[kind], item)
        assert found.stats["total_trades"] > 0 and found.hash == right.hash
        note = next(note for note in found.metadata["notes"] if "newest first" in note)
        assert note in found.summary()

    @pytest.mark.parametrize("kind", FRAMES)
    def test_run_realistic(self, kind):
        for pipeline in (True, False):
            engine = BacktestEngine(use_execution_pipeline=pipeline)
            assert (
                engine.run_realistic(FRAMES[kind], rising).hash == engine.run_realistic(PRICES, rising).hash
            )

    @pytest.mark.parametrize("kind", FRAMES)
    def test_a_sweep(self, kind):
        right = Sweep(RULE, GRID, PRICES).run(progress=False)
        found = Sweep(RULE, GRID, FRAMES[kind]).run(progress=False)
        assert found.frame.equals(right.frame)
        assert any("newest first" in note for note in found.notes)

    @pytest.mark.parametrize("kind", ["pandas", "polars", "dict"])
    def test_a_study(self, kind):
        found, right = (
            Study(RULE, data, space=GRID, sampler="grid").run(progress=False)
            for data in (FRAMES[kind], PRICES)
        )
        assert found.best_value == right.best_value
        assert any("newest first" in note for note in found.notes)

    @pytest.mark.parametrize("item", [RULE, follow, rising], ids=["rule", "block", "fn"])
    def test_through_an_order_book(self, item):
        engine = BacktestEngine(order_book=OrderRules(latency=1))
        assert engine.run(FRAMES["polars"], item).hash == engine.run(PRICES, item).hash


def last_sides(index):
    return pd.Series(SIDES, index=DAYS)[index]


ARRAYS = {
    "array": SIDES,
    "list": SIDES.tolist(),
    "booleans": SIDES > 0,
    "column": SIDES.reshape(-1, 1),
    "polars": pl.Series(SIDES),
    "pandas, numbered": pd.Series(SIDES),
    "pyarrow": pytest.importorskip("pyarrow").chunked_array([SIDES]),
}


class TestValuesBesideIt:
    @pytest.mark.parametrize("values", [last_sides(DAYS), last_sides(DAYS[::-1])], ids=["oldest", "newest"])
    @pytest.mark.parametrize("kind", FRAMES)
    def test_those_with_times_are_put_at_their_bars(self, kind, values):
        right = BacktestEngine().run(PRICES, SIDES)
        for given in (values, pl.from_pandas(values.rename("side").reset_index())):
            assert BacktestEngine().run(FRAMES[kind], given).hash == right.hash

    @pytest.mark.parametrize("kind", ["pandas", "polars", "dict"])
    @pytest.mark.parametrize("values", ARRAYS.values(), ids=ARRAYS)
    def test_those_without_are_refused_with_ways_onward(self, kind, values):
        with pytest.raises(
            PeakFastError, match=r"newest first.*their times.*sort the frame.*Bars.from_frame"
        ):
            BacktestEngine().run(FRAMES[kind], values)

    def test_both_ways_onward(self):
        right = BacktestEngine().run(PRICES, SIDES).hash
        assert BacktestEngine().run(FRAMES["pandas"].sort_index(), SIDES).hash == right
        assert BacktestEngine().run(Bars.from_frame(FRAMES["polars"]), SIDES).hash == right

    @pytest.mark.parametrize("name", ["half_spread", "funding"])
    def test_market_data_of_orders(self, name):
        rules = OrderRules(slippage="half_spread") if name == "half_spread" else OrderRules()
        orders = [{"timestamp": DAYS[3].to_pydatetime(), "side": "buy", "size": 5.0}]
        column = pd.Series(np.arange(COUNT) / 1e4, index=DAYS)

        def run(frame, values):
            return simulate_orders(frame, orders, rules=rules, **{name: values}).equity

        right = run(PRICES, column)
        np.testing.assert_array_equal(run(FRAMES["polars"], column), right)
        np.testing.assert_array_equal(run(Bars.from_frame(FRAMES["polars"]), column.to_numpy()), right)
        for values in (column.to_numpy(), column.to_numpy().reshape(1, -1), column.tolist()):
            with pytest.raises(PeakFastError, match=f"{name}: .*newest first"):
                run(FRAMES["polars"], values)
        engine = BacktestEngine(order_book=OrderBook(rules=rules, **{name: column.to_numpy()}))
        assert engine.run(PRICES, RULE).stats["total_trades"] > 0
        for call in (
            lambda: engine.run(FRAMES["pandas"], RULE),
            lambda: Sweep(RULE, GRID, FRAMES["pandas"], order_book=engine.order_book).run(progress=False),
        ):
            with pytest.raises(PeakFastError, match=f"{name}: .*newest first"):
                call()

    def test_numbers_of_bars(self):
        by_time = [{"timestamp": DAYS[3].to_pydatetime(), "side": "buy", "size": 5.0}]
        right = simulate_orders(PRICES, by_time).equity
        np.testing.assert_array_equal(simulate_orders(FRAMES["dict"], by_time).equity, right)
        by_number = [{"bar": 3, "side": "buy", "size": 5.0}]
        np.testing.assert_array_equal(simulate_orders(PRICES, by_number).equity, right)
        until = [{**by_time[0], "valid_until": 9}]
        for orders, column in ((by_number, "bar"), (until, "valid_until")):
            with pytest.raises(PeakFastError, match=f"orders: column '{column}': .*newest first"):
                simulate_orders(FRAMES["dict"], orders)

    def test_signals_of_matrices_and_presets(self):
        entries = SIDES > 0
        right = simulate_signals(PRICES, entries=entries, exits=~entries)
        dated = pd.Series(entries, index=DAYS)
        found = simulate_signals(FRAMES["pandas"], entries=dated, exits=~dated)
        np.testing.assert_array_equal(found.equity, right.equity)
        with pytest.raises(PeakFastError, match=r"entries: .*newest first"):
            simulate_signals(FRAMES["pandas"], entries=entries, exits=~entries)
        _, curve = run_peak_trade(PRICES, SIDES, mode="pipeline")
        for values in (last_sides(DAYS), last_sides(DAYS[::-1])):
            np.testing.assert_array_equal(run_peak_trade(FRAMES["polars"], values, mode="pipeline")[1], curve)
        with pytest.raises(PeakFastError, match=r"signal: .*newest first"):
            run_peak_trade(FRAMES["polars"], SIDES, mode="pipeline")
