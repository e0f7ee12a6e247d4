"""Money that moves without a fill: in trades, in figures, in rows of its own; and when funding is paid."""

import math
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import BacktestEngine, ConfigError, Costs, DataError, FixedUnits, Stops, Sweep, simulate_orders
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_rules import Asset, OrderRules
from peak_kernels import order_slots as f
from tests.test_order_properties import make_bars, make_orders

START = datetime(2024, 1, 1)


def flat(price, count, step=timedelta(days=1)):
    """Bars of one price."""
    times = [START + n * step for n in range(count)]
    return pl.DataFrame(
        {"timestamp": times, **{n: [float(price)] * count for n in ("open", "high", "low", "close")}}
    )


@st.composite
def book_rules(draw):
    """Rules with everything that moves cash beside fills, in many combinations."""
    rate = st.sampled_from([0.0, 0.3, -0.1])
    settled = draw(st.booleans())
    return OrderRules(
        ledger="settled" if settled else "paid",
        merge_fills=not settled,
        hedging=settled and draw(st.booleans()),
        leverage=draw(st.sampled_from([1.0, 4.0])),
        afford=draw(st.sampled_from(["any", "margin"])),
        fee_rate=draw(st.sampled_from([0.0, 0.002])),
        fee_fixed=draw(st.sampled_from([0.0, 40.0])),
        borrow_short=draw(rate),
        borrow_long=draw(rate),
        borrow_cash=draw(rate),
        interest_on_average=draw(st.booleans()),
        maintenance=draw(st.sampled_from([0.0, 0.1])),
        ruin=draw(st.booleans()),
        finalize=draw(st.sampled_from(["keep", "close", "second_pass"])),
        path=draw(st.sampled_from(["queue", "worst"])),
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    rules=book_rules(),
    margin=st.sampled_from([0.0, 25.0]),
    quote=st.sampled_from(["", "JPY"]),
)
def test_trades_and_the_account_add_up_to_the_equity(seed, rules, margin, quote):
    rng = np.random.default_rng(seed)
    bars = make_bars(rng, 40)
    rows, _ = make_orders(rng, bars, 14)
    if not rows:
        return
    funding = np.where(rng.random(40) < 0.3, rng.choice([0.01, -0.02], 40), np.nan)
    asset = Asset(multiplier=float(rng.choice([1.0, 5.0])), margin=margin, quote=quote)
    exchange = {"currency": "USD", "rates": {"JPY": np.round(rng.uniform(0.5, 1.5, 40), 3)}} if quote else {}
    result = simulate_orders(
        bars, rows, initial_cash=2_000.0, rules=rules, assets=asset, funding=funding, **exchange
    )
    stats, trades = result.stats, result.trades
    scale = 1e-9 * (2_000.0 + result.fills["price"].dot(result.fills["size"]) * asset.multiplier)
    booked = 2_000.0 + trades["net_pnl"].sum() + stats["open_pnl"] + stats["cash_interest"]
    assert stats["final_equity"] == pytest.approx(booked, abs=scale)
    parts = trades["gross_pnl"] - trades["fees"] + trades["financing"]
    np.testing.assert_allclose(parts, trades["net_pnl"], atol=scale)
    lots = result.records.lots
    open_financing = lots[lots[:, f.L_OPEN] > 0.0, f.L_FINANCING].sum()
    got = stats["total_interest"] + stats["total_funding"] + stats["written_off"] - stats["cash_interest"]
    assert trades["financing"].sum() + open_financing == pytest.approx(got, abs=scale)
    charges = dict(result.charges.group_by("kind").agg(pl.col("amount").sum()).rows())
    assert charges.get("cash_interest", 0.0) == pytest.approx(stats["cash_interest"], abs=scale)
    assert charges.get("write_off", 0.0) == pytest.approx(stats["written_off"], abs=scale)
    assert stats["written_off"] >= 0.0


@given(
    seed=st.integers(0, 2**32 - 1),
    rules=book_rules(),
    weights=st.booleans(),
    stop=st.sampled_from([None, 0.03]),
    fast=st.booleans(),
)
def test_trades_of_the_engine_add_up_to_the_equity(seed, rules, weights, stop, fast):
    """The open position is a row of its own; on the fast path nothing is financed."""
    rng = np.random.default_rng(seed)
    bars = make_bars(rng, 60)
    targets = rng.choice([-0.9, 0.0, 0.4, 1.0], 60) if weights else rng.choice([-1.0, 0.0, 1.0], 60)
    targets[rng.random(60) < 0.6] = math.nan
    funding = np.where(rng.random(60) < 0.3, 0.01, np.nan)
    plain = {"afford": OrderRules().afford, "hedging": False}
    book = OrderBook(rules=OrderRules(**{**vars(rules), **plain}), funding=funding)
    engine = BacktestEngine(
        initial_cash=2_000.0,
        costs=Costs(fixed=1.0),
        stops=Stops(stop_loss=stop),
        order_book=None if fast else book,
    )
    if not fast and rules.fee_fixed == 40.0:
        return  # says another fee than the engine
    result = engine.run(bars, targets, weights=weights)
    stats, trades = result.stats, result.trades
    booked = 2_000.0 + trades["net_pnl"].sum() + stats["cash_interest"]
    assert stats["final_equity"] == pytest.approx(booked, abs=1e-6)
    got = stats["total_interest"] + stats["total_funding"] + stats["written_off"] - stats["cash_interest"]
    assert trades["financing"].sum() == pytest.approx(got, abs=1e-6)
    np.testing.assert_allclose(
        trades["gross_pnl"] - trades["fees"] + trades["financing"], trades["net_pnl"], atol=1e-6
    )
    if fast:
        assert (trades["financing"] == 0.0).all()
    else:
        for name in ("total_interest", "total_funding", "cash_interest", "written_off"):
            assert stats[name] == result.book.stats[name]


class TestRows:
    def test_borrow_fees_of_a_short_are_in_its_trade(self):
        rules = OrderRules(borrow_short=0.365)
        rows = [{"bar": 0, "side": "sell", "size": 10}, {"bar": 4, "action": "close"}]
        result = simulate_orders(flat(100, 8), rows, rules=rules)
        # Four nights of a tenth of a percent of 1,000.
        assert result.trades.select("gross_pnl", "fees", "financing", "net_pnl").rows() == [
            pytest.approx((0.0, 0.0, -4.0, -4.0))
        ]
        assert result.stats["total_interest"] == pytest.approx(-4.0)
        assert result.charges.height == 0
        assert result.equity[-1] == pytest.approx(99_996.0)

    def test_parts_of_a_lot_share_its_charges(self):
        rows = [
            {"bar": 0, "side": "buy", "size": 10},
            {"bar": 3, "action": "close", "size": 0.25},
            {"bar": 6, "action": "close"},
        ]
        result = simulate_orders(flat(100, 9), rows, rules=OrderRules(borrow_long=0.365))
        # Three nights for all, three more for what is left.
        assert result.trades["financing"].to_list() == pytest.approx([-0.75, -2.25 - 2.25])

    def test_interest_on_cash_has_rows_and_a_figure(self):
        rules = OrderRules(borrow_cash=0.365, afford="any")
        result = simulate_orders(
            flat(100, 4), [{"bar": 0, "side": "buy", "size": 20}], initial_cash=1_000.0, rules=rules
        )
        # The cash is -1,000, then 1 less each night.
        assert result.charges.select("bar", "kind").rows() == [(2, "cash_interest"), (3, "cash_interest")]
        assert result.charges["amount"].to_list() == pytest.approx([-1.0, -1.001])
        assert result.charges["time"][0] == START + timedelta(days=2)
        assert result.stats["cash_interest"] == result.stats["total_interest"] == pytest.approx(-2.001)
        assert result.stats["open_pnl"] == 0.0

    def test_hedged_lots_bear_what_their_sides_pay(self):
        """Funding: the long lot pays, the short lot gets; the position pays the difference."""
        rules = OrderRules(ledger="settled", merge_fills=False, hedging=True)
        rows = [{"bar": 0, "side": "buy", "size": 10}, {"bar": 0, "side": "sell", "size": 4}]
        rows += [{"bar": 2, "action": "close"}]
        funding = [np.nan, np.nan, 0.01, np.nan, np.nan]
        result = simulate_orders(flat(100, 5), rows, rules=rules, funding=funding)
        assert dict(result.trades.select("side", "financing").rows()) == pytest.approx(
            {"long": -10.0, "short": 4.0}
        )
        assert result.stats["total_funding"] == pytest.approx(-6.0)

    def test_lots_that_cancel_out_are_a_row_of_the_engine(self):
        from peak_fast import strategy
        from peak_fast.orders.block import BUY, SELL
        from peak_kernels.orders.place import place_market

        @strategy(name="both_sides_at_once")
        def both_sides(i, bars, params, memory, account, orders):
            if i == 0:
                place_market(orders, BUY, 10.0)
            if i == 2:
                place_market(orders, SELL, 10.0)

        close = [100.0, 100.0, 100.0, 110.0, 130.0]
        bars = dict.fromkeys(("open", "high", "low", "close"), close)
        rules = OrderRules(ledger="settled", merge_fills=False, hedging=True, fee_fixed=1.0)
        result = BacktestEngine(order_book=rules).run(bars, both_sides)
        assert result.trades.select(
            "side", "entry_price", "exit_price", "size", "net_pnl", "exit_reason"
        ).rows() == [("long", 100.0, 110.0, 10.0, 98.0, "open")]
        assert result.stats["final_equity"] == 100_098.0
        assert result.stats["total_trades"] == 1

    def test_the_summary_says_it(self):
        short = BacktestEngine(order_book=OrderRules(borrow_short=0.365), sizing=FixedUnits(10))
        result = short.run(flat(100, 5), [-1] * 5)
        assert "Interest, funding" in result.summary()
        assert result.stats["total_interest"] == pytest.approx(-3.0)
        assert "Interest, funding" not in BacktestEngine().run(flat(100, 5), [1] * 5).summary()


class TestRuin:
    def test_what_is_written_off_is_on_record(self):
        engine = BacktestEngine(costs=Costs(fixed=60_000), order_book=OrderRules(ruin=True))
        result = engine.run(flat(100, 6), [1, 0, 0, 0, 0, 0])
        assert result.equity[-1] == 0.0
        assert result.trades["net_pnl"].to_list() == [-100_000.0]
        assert result.trades["financing"].to_list() == [20_000.0]
        assert result.stats["written_off"] == 20_000.0
        assert result.stats["total_interest"] == 0.0
        assert result.book.charges.select("kind", "amount").rows() == [("write_off", 20_000.0)]
        assert "20,000.00 owed" in result.summary()

    def test_a_gap_through_everything(self):
        bars = pl.DataFrame(
            {
                "timestamp": [START + timedelta(days=n) for n in range(4)],
                **{n: [100.0, 100.0, 10.0, 10.0] for n in ("open", "high", "low", "close")},
            }
        )
        rules = OrderRules(ruin=True, leverage=5.0)
        rows = [{"bar": 0, "side": "buy", "size": 40}]
        result = simulate_orders(bars, rows, initial_cash=1_000.0, rules=rules)
        # 40 units lose 90 each: 2,600 more than there was.
        assert result.equity.tolist() == [1_000.0, 1_000.0, 0.0, 0.0]
        assert result.stats["written_off"] == pytest.approx(2_600.0)
        assert result.trades["net_pnl"].sum() == pytest.approx(-1_000.0)


class TestFundingTimes:
    HOURS = flat(100, 72, timedelta(hours=1))
    BUY = [{"bar": 0, "side": "buy", "size": 10}]  # noqa: RUF012

    def paid(self, bars=None, **options):
        """Bars at which ten units of 100 pay, and how much."""
        result = simulate_orders(self.HOURS if bars is None else bars, self.BUY, **options)
        moves = np.diff(result.equity, prepend=100_000.0)
        return {int(bar): round(float(moves[bar]), 9) for bar in np.flatnonzero(moves)}

    def test_a_rate_without_times_is_refused(self):
        for funding in (0.0001, [0.0001] * 72, np.full((1, 72), 0.0001)):
            with pytest.raises(ConfigError, match=r"one rate for all bars.*funding_times='8h'"):
                simulate_orders(self.HOURS, self.BUY, funding=funding)
        with pytest.raises(ConfigError, match=r"OrderBook: funding: one rate"):
            OrderBook(funding=0.0001)
        with pytest.raises(ConfigError, match="no effect without funding"):
            simulate_orders(self.HOURS, self.BUY, funding_times="8h")

    def test_every_eight_hours(self):
        """The bar from 07:00 ends at 08:00."""
        expected = dict.fromkeys(range(7, 72, 8), -0.1)
        for times in ("8h", "every 8 hours", "480m", ["00:00", "08:00", "16:00"]):
            assert self.paid(funding=0.0001, funding_times=times) == expected

    def test_several_in_one_bar_add_up(self):
        days = flat(100, 5)
        # Nothing is held in the first bar; in each other one fall 08:00, 16:00 and midnight.
        assert self.paid(days, funding=0.0001, funding_times="8h") == dict.fromkeys(range(1, 5), -0.3)

    def test_every_bar_where_it_is_said(self):
        assert self.paid(funding=0.0001, funding_times="bar") == dict.fromkeys(range(1, 72), -0.1)
        column = np.where(np.arange(72) == 40, 0.0002, np.nan)
        assert self.paid(funding=column) == self.paid(funding=column, funding_times="bar") == {40: -0.2}

    def test_a_column_with_a_schedule_pays_at_its_moments(self):
        rates = np.repeat([0.0001, 0.0002, np.nan], 24)
        first, second = dict.fromkeys((7, 15, 23), -0.1), dict.fromkeys((31, 39, 47), -0.2)
        assert self.paid(funding=rates, funding_times="8h") == first | second

    @pytest.mark.parametrize(
        "kind", [list, pd.DatetimeIndex, lambda m: pl.Series(m), lambda m: np.array(m, "M8[us]")]
    )
    def test_moments(self, kind):
        moments = [START + timedelta(hours=h) for h in (4, 8.5, 19.5, 20, 500)]
        rates = [0.0001, 0.0002, 0.0003, 0.0004, 0.5]
        assert self.paid(funding=rates, funding_times=kind(moments)) == {3: -0.1, 8: -0.2, 19: -0.7}
        assert self.paid(funding=0.0001, funding_times=kind(moments)) == {3: -0.1, 8: -0.1, 19: -0.2}

    def test_a_moment_in_a_gap_belongs_to_the_bar_before(self):
        bars = self.HOURS.filter(
            (pl.col("timestamp") < START + timedelta(hours=5))
            | (pl.col("timestamp") >= START + timedelta(hours=10))
        )
        assert list(self.paid(bars, funding=0.0001, funding_times="8h"))[:2] == [4, 10]

    @pytest.mark.parametrize(
        ("times", "message"),
        [
            ("7h", "funding_times: got '7h'"),
            ("often", "funding_times: got 'often'"),
            (["25:00"], "funding_times: got '25:00'"),
            ([], "funding_times: got"),
        ],
    )
    def test_schedules_that_say_nothing(self, times, message):
        with pytest.raises(ConfigError, match=message):
            simulate_orders(self.HOURS, self.BUY, funding=0.0001, funding_times=times)

    def test_bars_must_have_times(self):
        with pytest.raises(DataError, match="has no times"):
            simulate_orders(self.HOURS.drop("timestamp"), self.BUY, funding=0.0001, funding_times="8h")
        with pytest.raises(DataError, match="none of the moments"):
            simulate_orders(self.HOURS, self.BUY, funding=0.0001, funding_times=[datetime(2030, 1, 1)])
        with pytest.raises(DataError, match="funding has the shape"):
            simulate_orders(self.HOURS, self.BUY, funding=[0.1, 0.2], funding_times=[START])

    def test_the_engine_and_its_sweeps(self):
        book = OrderBook(funding=0.0001, funding_times="8h")
        engine = {"order_book": book, "sizing": FixedUnits(10), "initial_cash": 10_000.0}
        result = BacktestEngine(**engine).run(self.HOURS, [1] * 72)
        assert result.stats["total_funding"] == pytest.approx(-0.9)
        assert result.trades["financing"].to_list() == pytest.approx([-0.9])
        assert result.metadata["settings"]["order_book"]["funding_times"] == "8h"
        rng = np.random.default_rng(1)
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 72)))
        bars = self.HOURS.with_columns(
            **{name: pl.Series(close) for name in ("open", "high", "low", "close")}
        )
        metrics = ["final_equity", "total_funding", "total_interest", "average_trade_return", "total_trades"]
        table = Sweep("ma_crossover", {"fast": [2, 3, 5], "slow": [9]}, bars, metrics=metrics, **engine).run()
        for row in table.frame.iter_rows(named=True):
            single = BacktestEngine(**engine).run(
                bars, "ma_crossover", {"fast": row["fast"], "slow": row["slow"]}
            )
            assert {name: single.stats[name] for name in metrics} == {name: row[name] for name in metrics}
            assert row["total_funding"] != 0.0
