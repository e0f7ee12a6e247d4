"""Prices at or below zero: fixed sizes trade them, everything else refuses them by name, at every door."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given

import peak_fast
from peak_fast import (
    BacktestEngine,
    Costs,
    DataError,
    Execution,
    FixedUnits,
    FixedValue,
    FractionOfEquity,
    KellyFraction,
    RiskPerTrade,
    Stops,
    Sweep,
    VolatilityTarget,
    simulate_orders,
    strategy,
)
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_rules import Asset, OrderRules
from peak_fast.signals.simulate import simulate_signals, simulate_sizes
from tests.kernel_cases import engine_settings, make_bars, signed_cases
from tests.test_kernel_oracle import check_equal

SPREAD = {name: [10.0, 10.0, 2.0, -5.0, -4.0] for name in ("open", "high", "low", "close")}
LONG = [1, 1, 1, 1, 1]


@strategy(name="long_through_zero")
def always_long(i, bars, params, memory, account):
    """Long from the first bar on."""
    return 1.0


@given(signed_cases())
def test_the_fast_path_equals_the_oracle(case):
    check_equal(*case)


@given(signed_cases())
def test_the_order_book_equals_the_fast_path(case):
    """Where both know the same rule: no tie of events in a bar, no order that neither can pay in full."""
    rules, bars, decide = case
    if rules.both_hit == "nearest_to_open" or rules.enter_only_flat:
        return
    data = make_bars(bars)
    targets = np.full(len(bars), math.nan)
    for bar, side in decide.items():
        targets[bar] = side
    settings = engine_settings(rules)
    fast = BacktestEngine(**settings).run(data, targets)
    book = BacktestEngine(**settings, order_book=OrderRules()).run(data, targets)
    if "liquidation" in {*fast.trades["exit_reason"], *book.trades["exit_reason"]}:
        return  # without slippage in the book
    np.testing.assert_allclose(book.equity, fast.equity, rtol=1e-9, atol=1e-6)
    assert book.fills["bar"].to_list() == fast.fills["bar"].to_list()


class TestFixedUnits:
    @pytest.mark.parametrize("book", [None, OrderRules()])
    def test_a_long_position_through_zero(self, book):
        result = BacktestEngine(sizing=FixedUnits(1), order_book=book).run(SPREAD, LONG)
        assert result.equity.tolist() == [100_000.0, 100_000.0, 99_992.0, 99_985.0, 99_986.0]
        (note,) = [note for note in result.metadata["notes"] if "zero" in note]
        assert "row 3 is -5.0, the first of 2" in note
        assert note in result.summary()

    @pytest.mark.parametrize("book", [None, OrderRules()])
    def test_costs_are_shares_of_the_absolute_price(self, book):
        prices = {name: [-10.0] * 4 for name in ("open", "high", "low", "close")}
        costs = Costs(rate=0.01, slippage_bps=100)
        result = BacktestEngine(sizing=FixedUnits(2), costs=costs, order_book=book).run(prices, [1, 1, 0, 0])
        # Bought for more (less is got), sold for less (more is paid).
        assert result.fills["price"].to_list() == pytest.approx([-9.9, -10.1])
        assert result.fills["fee"].to_list() == pytest.approx([0.198, 0.202])
        assert result.fills["slippage"].to_list() == pytest.approx([0.2, 0.2])
        assert result.trades["net_pnl"].to_list() == pytest.approx([-0.8])
        for name in ("return", "mae", "mfe"):
            assert math.isnan(result.trades[name][0])
        for name in ("average_trade_return", "benchmark_return"):
            assert math.isnan(result.stats[name])

    @pytest.mark.parametrize("book", [None, OrderRules()])
    def test_a_price_of_exactly_zero_fills(self, book):
        prices = {name: [5.0, 0.0, -3.0] for name in ("open", "high", "low", "close")}
        result = BacktestEngine(sizing=FixedUnits(3), order_book=book).run(prices, [1, 1, 1])
        assert result.fills["price"].to_list() == [0.0]
        assert result.stats["final_equity"] == 100_000.0 - 9.0

    @pytest.mark.parametrize("book", [None, OrderRules()])
    def test_a_stop_below_zero(self, book):
        engine = BacktestEngine(
            sizing=FixedUnits(1), stops=Stops(stop_loss=12, unit="absolute"), order_book=book
        )
        trade = engine.run(SPREAD, LONG).trades
        assert trade["exit_price"].to_list() == [-5.0]
        assert trade["exit_reason"].to_list() == ["stop_loss"]

    @pytest.mark.parametrize("book", [None, OrderRules()])
    def test_what_has_no_equity_is_closed(self, book):
        """A long position can lose more than it cost, so it has a price at which nothing is left."""
        bars = {
            "open": [10.0, 10, 2, -5],
            "high": [10.0, 10, 2, -5],
            "low": [10.0, 10, -9, -5],
            "close": [10.0, 10, 2, -5],
        }
        result = BacktestEngine(initial_cash=60, sizing=FixedUnits(5), order_book=book).run(
            bars, [1, 1, 1, 1]
        )
        assert result.trades["exit_reason"].to_list() == ["liquidation"]
        assert result.trades["exit_price"].to_list() == pytest.approx([-2.0])
        assert result.stats["final_equity"] == pytest.approx(0.0, abs=1e-9)

    def test_a_sweep_row_is_the_single_run(self):
        rng = np.random.default_rng(3)
        close = np.cumsum(rng.normal(0, 1.0, 400)) - 2.0
        bars = {"open": close, "high": close + 0.3, "low": close - 0.4, "close": close}
        for book in (None, OrderRules()):
            engine = {
                "sizing": FixedUnits(2),
                "stops": Stops(stop_loss=1.5, unit="absolute"),
                "order_book": book,
            }
            grid = {"fast": [3, 5], "slow": [20], "stop_loss": [1.0, 2.0]}
            table = Sweep(
                "ma_crossover", grid, bars, metrics=["final_equity", "total_trades"], **engine
            ).run()
            for row in table.frame.iter_rows(named=True):
                stops = Stops(stop_loss=row["stop_loss"], unit="absolute")
                single = BacktestEngine(**{**engine, "stops": stops}).run(
                    bars, "ma_crossover", {"fast": row["fast"], "slow": row["slow"]}
                )
                assert single.stats["final_equity"] == row["final_equity"]
                assert single.stats["total_trades"] == row["total_trades"]

    def test_a_saved_result_is_read_again(self, tmp_path):
        result = BacktestEngine(sizing=FixedUnits(1)).run(SPREAD, LONG)
        again = peak_fast.BacktestResult.load(result.save(tmp_path / "spread"))
        assert again.hash == result.hash
        assert again.bars.n_not_positive == 2


class TestRefusals:
    SIZES = (
        FractionOfEquity(0.5), FixedValue(100), RiskPerTrade(0.01), VolatilityTarget(0.2), KellyFraction(0.5),
    )  # fmt: skip

    @pytest.mark.parametrize("book", [None, OrderRules()])
    @pytest.mark.parametrize("sizing", SIZES)
    def test_every_other_size(self, sizing, book):
        engine = BacktestEngine(sizing=sizing, stops=Stops(stop_loss=1, unit="absolute"), order_book=book)
        for run in (lambda: engine.run(SPREAD, LONG), lambda: engine.run(SPREAD, always_long)):
            with pytest.raises(DataError, match=rf"row 3 is -5\.0.*{type(sizing).__name__}.*FixedUnits"):
                run()

    @pytest.mark.parametrize("book", [None, OrderRules()])
    def test_sweeps(self, book):
        for sizing in self.SIZES:
            stops = Stops(stop_loss=1, unit="absolute")
            sweep = {"sizing": sizing, "stops": stops, "order_book": book}
            with pytest.raises(DataError, match=f"{type(sizing).__name__}.*FixedUnits"):
                Sweep("ma_crossover", {"fast": [2], "slow": [3]}, SPREAD, **sweep).run()
        with pytest.raises(DataError, match=r"stop_loss as a fraction.*absolute"):
            Sweep(
                "ma_crossover", {"fast": [2], "slow": [3], "stop_loss": [0.1]}, SPREAD, sizing=FixedUnits(1),
                order_book=book,
            ).run()  # fmt: skip

    @pytest.mark.parametrize("book", [None, OrderRules()])
    def test_weights(self, book):
        with pytest.raises(DataError, match=r"weights.*FixedUnits"):
            BacktestEngine(sizing=FixedUnits(1), order_book=book).run(SPREAD, LONG, weights=True)

    @pytest.mark.parametrize("name", ["stop_loss", "take_profit", "trailing"])
    def test_distances_as_fractions(self, name):
        with pytest.raises(DataError, match=rf"{name} as a fraction.*absolute"):
            BacktestEngine(sizing=FixedUnits(1), stops=Stops(**{name: 0.1})).run(SPREAD, LONG)

    def test_other_runs_of_the_engine(self):
        def hold(df, params):
            return np.ones(len(df["close"]))

        with pytest.raises(DataError, match="FractionOfEquity"):
            BacktestEngine(sizing=FixedUnits(1)).run_vectorized(pl.DataFrame(SPREAD), hold)
        with pytest.raises(DataError, match="stop_loss as a fraction"):
            BacktestEngine(sizing=FixedUnits(1), use_execution_pipeline=False).run_realistic(
                pl.DataFrame(SPREAD), hold
            )
        assert (
            BacktestEngine(sizing=FixedUnits(1))
            .run_realistic(pl.DataFrame(SPREAD), hold)
            .stats["total_trades"]
            == 1
        )

    def test_entries_at_a_limit(self):
        with pytest.raises(peak_fast.ConfigError, match=r"entry_limit=0\.01 has no meaning"):
            BacktestEngine(sizing=FixedUnits(1), order_book=OrderBook(entry_limit=0.01)).run(SPREAD, LONG)

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ({"size": 1, "size_unit": "value"}, "orders row 1: size_unit='value'"),
            ({"size": 1, "size_unit": "equity_fraction"}, "size_unit='equity_fraction'"),
            ({"size": 1, "size_unit": "target_value", "side": None}, "size_unit='target_value'"),
            ({"size": 1, "stop_loss": 0.1, "exit_unit": "fraction"}, "exit_unit='fraction'"),
            ({"size": 1, "type": "trailing_stop", "trail": 0.1}, "trail_unit='fraction'"),
        ],
    )
    def test_instructions(self, row, message):
        rows = [{"bar": 0, "side": "buy", "size": 1}, {"bar": 0, "side": "buy", **row}]
        with pytest.raises(DataError, match=message):
            simulate_orders(SPREAD, rows)

    def test_pairs_whose_rate_is_the_price(self):
        asset = Asset(quote="JPY", base="USD")
        with pytest.raises(peak_fast.ConfigError, match="no rate of exchange"):
            simulate_orders(
                SPREAD, [{"bar": 0, "side": "buy", "size": 1}], assets=asset, currency="USD",
                rules=OrderRules(ledger="settled", merge_fills=False),
            )  # fmt: skip

    def test_signals_of_several_assets(self):
        ohlc = [np.array(SPREAD[name]) for name in ("open", "high", "low", "close")]
        with pytest.raises(
            DataError, match=r"simulate_signals: prices at or below zero \(-5\).*simulate_orders"
        ):
            simulate_signals(ohlc, entries=np.ones(5, bool), exits=False)
        with pytest.raises(DataError, match="simulate_sizes: prices at or below zero"):
            simulate_sizes(ohlc, size=np.ones(5))


class TestOrders:
    def test_limits_stops_and_exits_below_zero(self):
        bars = {
            "open": [1.0, 1.0, -2.0, -3.0, -1.0], "high": [1.5, 1.5, -1.0, -2.0, 2.0],
            "low": [0.5, -2.5, -4.0, -4.5, -1.0], "close": [1.0, -2.0, -3.0, -2.5, 1.5],
        }  # fmt: skip
        rows = [
            {"bar": 0, "side": "buy", "size": 2, "type": "limit", "limit": -1.5, "stop_loss": -4.25,
             "take_profit": -0.5, "tag": "a"},
            {"bar": 2, "side": "sell", "size": 1, "type": "stop", "stop": -4.0, "tag": "b"},
        ]  # fmt: skip
        result = simulate_orders(bars, rows, initial_cash=100.0)
        assert result.fills.select("bar", "price", "reason").rows()[0] == (1, -1.5, "order")
        assert result.trades["exit_price"][0] == -4.25
        assert math.isnan(result.trades["return"][0])
        assert result.equity[-1] == pytest.approx(
            100.0 + result.trades["net_pnl"].sum() + result.stats["open_pnl"]
        )

    def test_modified_and_removed_exits(self):
        rows = [
            {"bar": 0, "side": "buy", "size": 1, "tag": "a", "stop_loss": -20.0},
            {"bar": 1, "action": "modify", "tag": "a", "stop_loss": -4.5},
        ]
        result = simulate_orders(SPREAD, rows)
        assert result.trades["exit_price"].to_list() == [-5.0]
        rows.append({"bar": 1, "action": "set_exits", "tag": "a", "stop_loss": 0.0})
        assert simulate_orders(SPREAD, rows).trades.height == 0

    @pytest.mark.parametrize("ledger", ["paid", "settled"])
    @pytest.mark.parametrize("leverage", [1.0, 4.0])
    @pytest.mark.parametrize("side", ["buy", "sell"])
    @pytest.mark.parametrize("margin", [0.0, 2.0])
    def test_equity_is_what_the_units_earn(self, ledger, leverage, side, margin):
        """Equity follows the price whatever the ledger, the leverage and the sign of the price."""
        rules = OrderRules(ledger=ledger, merge_fills=ledger == "paid", leverage=leverage)
        for shift in (0.0, 20.0):
            bars = {name: [price - shift for price in values] for name, values in SPREAD.items()}
            rows = [{"bar": 0, "side": side, "size": 3}, {"bar": 2, "action": "close", "size": 0.5}]
            asset = Asset(multiplier=2.0, margin=margin)
            result = simulate_orders(bars, rows, rules=rules, assets=asset, initial_cash=10_000.0)
            assert result.fills.height == 2
            sign = 1.0 if side == "buy" else -1.0
            close = np.array(bars["close"])
            earned = np.concatenate(([0.0], np.cumsum(result.position[0][:-1] * np.diff(close)))) * 2.0
            assert sign * result.position[0][-1] == 1.5
            np.testing.assert_allclose(result.equity, 10_000.0 + earned)

    def test_a_block_is_refused_order_by_order(self):
        from peak_fast.orders.block import BUY, EQUITY_FRACTION, FRACTION
        from peak_kernels.orders.place import place_market, place_trailing_stop

        @strategy(name="mixed_through_zero")
        def mixed(i, bars, params, memory, account, orders):
            if i == 0:
                place_market(orders, BUY, 0.5, tag=1, unit=EQUITY_FRACTION)
                place_market(orders, BUY, 1.0, tag=2, stop_loss=0.1, exit_unit=FRACTION)
                place_trailing_stop(orders, BUY, 1.0, 0.1, FRACTION, tag=3)
                place_market(orders, BUY, 1.0, tag=4)

        for orders in (simulate_orders(SPREAD, mixed).orders, BacktestEngine().run(SPREAD, mixed).orders):
            ends = dict(zip(orders["tag"], zip(orders["status"], orders["reason"], strict=True), strict=True))
            assert [ends[tag] for tag in "123"] == [("rejected", "bad_price")] * 3
            assert ends["4"] == ("filled", "")


def test_positive_bars_keep_their_floor():
    """Without a price at or below zero, slippage never sells below zero."""
    prices = {name: [0.02] * 3 for name in ("open", "high", "low", "close")}
    engine = BacktestEngine(sizing=FixedUnits(1), costs=Costs(slippage_abs=0.05), execution=Execution())
    assert engine.run(prices, [1, 0, 0]).fills["price"].to_list() == pytest.approx([0.07, 0.0])


class TestCommandLine:
    """The same permission and the same refusals from files."""

    STRATEGY = "from peak_fast import strategy\n\n\n@strategy\ndef hold_it(df, params):\n    return [1.0] * len(df)\n"
    UNITS = '[sizing]\nkind = "fixed_units"\nunits = 2\n'

    @pytest.fixture
    def files(self, tmp_path, command):
        pl.DataFrame(SPREAD).write_csv(tmp_path / "spread.csv")
        (tmp_path / "hold.py").write_text(self.STRATEGY)
        return tmp_path, command

    def run(self, files, text, *more):
        folder, command = files
        (folder / "settings.toml").write_text(text)
        base = ("run", "--data", "spread.csv", "--strategy", "hold.py", "--config", "settings.toml")
        return command(*base, *more)

    @pytest.mark.parametrize("book", ["", "[order_book]\n"])
    def test_sizes_in_units_run_with_a_note(self, files, book):
        code, out, err = self.run(files, self.UNITS + book)
        assert (code, err) == (0, "")
        assert "99,972.00" in out and "prices at or below zero" in out

    @pytest.mark.parametrize("book", ["", "[order_book]\n"])
    def test_the_default_size_is_refused_with_the_way_onward(self, files, book):
        code, out, err = self.run(files, book)
        assert (code, out) == (2, "")
        assert "FractionOfEquity" in err and 'kind = "fixed_units"' in err

    def test_stops_as_fractions(self, files):
        code, _, err = self.run(files, self.UNITS + "[stops]\nstop_loss = 0.1\n")
        assert code == 2 and 'unit = "absolute"' in err


class TestIndicators:
    """A percentage of a value below zero has the wrong sign: NaN, not a number."""

    VALUES = np.array([4.0, 2.0, 0.0, -2.0, -1.0, 1.0, 2.0])

    def test_changes_in_percent(self):
        from peak_fast.indicators import functions as ta

        found = ta.roc(self.VALUES, 1)
        np.testing.assert_array_equal(found, [np.nan, -50.0, -100.0, 0.0, np.nan, np.nan, 100.0])
        smoothed = np.asarray(ta.trix(np.linspace(5.0, -5.0, 40), 2))
        average = np.asarray(ta.ema(ta.ema(ta.ema(np.linspace(5.0, -5.0, 40), 2), 2), 2))
        below = np.flatnonzero(average[:-1] < 0.0) + 1
        assert below.size and np.isnan(smoothed[below]).all()
        assert np.isfinite(smoothed[np.flatnonzero(average[:-1] > 0.0) + 1]).all()

    def test_ranges_and_flows(self):
        from peak_fast.indicators import functions as ta

        close = self.VALUES
        ratio = np.asarray(ta.natr(close + 0.5, close - 0.5, close, 2))
        assert np.isnan(ratio[2:5]).all() and (ratio[5:] > 0.0).all()
        flow = np.asarray(ta.mfi(close, close, close, np.ones(7), 2))
        assert np.isnan(flow[3:6]).all() and flow[6] == 100.0
        # Differences and places in a range mean what they mean.
        assert np.isfinite(np.asarray(ta.atr(close + 0.5, close - 0.5, close, 2))[2:]).all()
        assert np.isfinite(np.asarray(ta.rsi(close, 2))[2:]).all()


@pytest.mark.parametrize("book", [None, OrderRules()], ids=["fast", "book"])
def test_shares_of_a_price_next_to_nothing_are_infinite(book):
    """Without a word of numpy's."""
    prices = {name: [1e-310, 1e-310, 1e-310, 5.0] for name in ("open", "high", "low", "close")}
    result = BacktestEngine(sizing=FixedUnits(2), order_book=book).run(prices, [1, 1, 0, 0])
    assert result.trades["return"].to_list() == result.trades["mfe"].to_list() == [math.inf]
    assert result.trades["mae"].to_list() == [0.0]
    assert result.trades["net_pnl"].to_list() == [10.0]
