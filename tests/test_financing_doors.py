"""Financing of one asset at every door: runs, sweeps, studies, saving, tracking, and what is refused."""

import contextlib
import sqlite3
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peak_fast import (
    BacktestEngine,
    BacktestResult,
    Bars,
    ConfigError,
    Costs,
    DataError,
    Execution,
    Financing,
    Panel,
    RiskLimits,
    Stops,
    Study,
    Sweep,
    VolatilityTarget,
    synthetic,
)
from peak_fast.report import prepare_picture
from peak_fast.report.sheet.curves import curve_columns
from peak_fast.report.sheet.source import sheet_payload
from peak_fast.results import KINDS
from peak_fast.settings import OrderRules
from peak_fast.tracking import MLflowTracker
from peak_kernels import slots as t
from tests.test_financing import payments_in
from tests.test_portfolio_financing import daily, events_of, raw_assets
from tests.test_portfolio_limits import panel_bars
from tests.test_portfolio_oracle import engine_of, lonely_cases, panel_of

BARS = synthetic(600, seed=3)
FIRST = date(2024, 1, 1)
RATES = {"cash_rate": 0.03, "debit_rate": 0.08, "borrow_rate": 0.01}
DUE = {
    "dividends": {str(BARS.timestamp[bar])[:10]: 0.5 for bar in range(60, 600, 90)},
    "splits": {str(BARS.timestamp[300])[:10]: 2.0},
    "cash_flows": {str(BARS.timestamp[200])[:10]: 5_000.0},
    "funding": {str(BARS.timestamp[bar])[:10]: 0.0001 for bar in range(50, 600, 50)},
}
NAMES = [
    "final_equity", "sharpe", "sortino", "max_drawdown", "ulcer_index", "max_drawdown_duration", "total_interest",
    "total_funding", "total_trades", "expectancy",
]  # fmt: skip


def near(actual, expected):
    scale = max(1000.0, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9 * scale)


@settings(max_examples=max(settings().max_examples // 3, 1))
@given(lonely_cases(), st.data())
def test_one_asset_is_the_panel_of_it(case, data):
    """Bit for bit without interest; with it to 1e-9, because growth is one row of products in runs of one asset."""
    table, weights, rules = case
    rates = data.draw(st.sampled_from([[0.0], [0.0, 0.03, 0.5]]))
    _, financing = data.draw(payments_in(table["C"], 1, rates, str(FIRST)))
    rules.max_position = None
    if rates != [0.0]:
        rules.lot_size = rules.min_size = 0.0
    panel, engine = panel_of(table, rules), engine_of(rules, table)
    if panel.listed[0] > 0 or panel.delisted[0] < len(panel):
        return
    engine.financing = financing
    rows, asked = np.array(list(weights), dtype=np.int64), np.array(list(weights.values()), dtype=float)
    many = engine.run(panel, (rows, asked[:, None]))
    row = np.full(len(panel), np.nan)
    row[rows] = asked
    execution = Execution(
        fill_at=rules.fill_at, lot_size=rules.lot_size, min_size=rules.min_size, leverage=rules.leverage
    )
    own = {"initial_cash": rules.initial_cash, "costs": engine.costs, "execution": execution}
    single = BacktestEngine(financing=financing, **own).run(panel_bars(panel), row, weights=True)
    if "liquidation" in set(single.fills["reason"]) or "replaced" in set(single.orders["reason"]):
        return
    assert single.fills["bar"].to_list() == many.fills["bar"].to_list()
    same = np.testing.assert_array_equal if rates == [0.0] else near
    same(single.equity, many.equity)
    same(single.cash, many.cash)
    same(single.fills["size"].to_numpy(), many.fills["size"].to_numpy())
    for kind in many.charges["kind"].unique():
        near(*(result.charges.filter(pl.col("kind") == kind)["amount"].sum() for result in (single, many)))
    for name in ("total_return", "sharpe", "max_drawdown", "ulcer_index", "money_weighted_return"):
        if many.equity.min() > 1.0:
            np.testing.assert_allclose(single.stats[name], many.stats[name], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", raw_assets())
def test_raw_prices_with_reinvested_dividends_are_adjusted_prices(name):
    """With stops, too: they are measured from the prices that adjusted ones show."""
    raw, adjusted, dividends, splits = events_of(name)
    financing = Financing(dividends=dividends, splits=splits or None, reinvest=True)
    side = np.where(np.arange(len(raw)) // 63 % 3 == 2, -1.0, 1.0)
    costs = {"costs": Costs(rate=0.0005, slippage_bps=2)}
    for rules in ({}, {"stops": Stops(stop_loss=0.08, take_profit=0.3)}, {"stops": Stops(trailing=0.1)}):
        one = BacktestEngine(financing=financing, **costs, **rules).run(raw, side)
        other = BacktestEngine(**costs, **rules).run(adjusted, side)
        assert one.stats["total_dividends"] != 0.0
        assert one.stats["total_return"] == pytest.approx(other.stats["total_return"], rel=1e-9)
        np.testing.assert_allclose(one.equity, other.equity, rtol=1e-9)
        assert one.stats["total_trades"] == other.stats["total_trades"]


def test_cash_dividends_equal_a_ledger_in_decimal():
    """Long and short in turn, over years of quarterly amounts: to the last cent, and far below it."""
    generator = np.random.default_rng(5)
    prices = np.round(50 + generator.normal(0, 1, 800).cumsum().clip(-30, 90), 2)
    paid = {bar: float(np.round(generator.uniform(0.1, 2.0), 4)) for bar in range(60, 800, 90)}
    table = {str(FIRST + timedelta(days=bar)): amount for bar, amount in paid.items()}
    side = np.where(np.arange(800) // 100 % 2 == 0, 0.5, -0.25)
    result = BacktestEngine(financing=Financing(dividends=table)).run(daily(prices), side, weights=True)
    cash, units, total = Decimal(100_000), Decimal(0), Decimal(0)
    fills = {bar: rows for (bar,), rows in result.fills.group_by("bar")}
    for bar in range(800):
        if bar in paid:
            total += units * Decimal(str(paid[bar]))
            cash += units * Decimal(str(paid[bar]))
        for fill in fills[bar].iter_rows(named=True) if bar in fills else ():
            signed = Decimal(fill["side"]) * Decimal(fill["size"])
            units, cash = units + signed, cash - signed * Decimal(fill["price"])
    assert abs(Decimal(float(result.cash[-1])) - cash) < Decimal("1e-8")
    assert abs(Decimal(result.stats["total_dividends"]) - total) < Decimal("1e-8")
    assert result.charges["amount"].min() < 0.0 < result.charges["amount"].max()


@pytest.mark.parametrize(
    "rules", [{}, {"stops": Stops(stop_loss=0.05)}, {"risk_limits": RiskLimits(max_drawdown=0.2)}]
)
@pytest.mark.parametrize("parts", [RATES, DUE, {**RATES, **DUE}, {**RATES, "cash_rate": -0.02}])
def test_rows_of_a_sweep_are_single_runs(parts, rules):
    market = {"financing": Financing(**parts), **rules}
    sweep = Sweep(
        "ma_crossover", {"fast": [5, 20], "slow": [30, 60]}, BARS, metrics=NAMES, blocks=4, **market
    )
    engine = BacktestEngine(**market)
    for row in sweep.run(progress=False, threads=2).frame.iter_rows(named=True):
        params = {name: row[name] for name in ("fast", "slow")}
        for single in (engine.run(BARS, "ma_crossover", params), sweep.rerun(params)):
            np.testing.assert_array_equal(
                [single.stats[name] for name in NAMES], [row[name] for name in NAMES]
            )
        assert (
            BacktestEngine(**rules).run(BARS, "ma_crossover", params).stats["final_equity"]
            != row["final_equity"]
        )


def by_function(frame, params):
    close = frame["close"].to_numpy()
    return np.sign(close - np.roll(close, params["lag"]))


def test_functions_and_studies_take_it():
    market = {"financing": Financing(**RATES, **DUE)}
    frame = Sweep(by_function, {"lag": [5, 20]}, BARS, metrics=NAMES, **market).run(progress=False).frame
    engine = BacktestEngine(**market)
    for row in frame.iter_rows(named=True):
        single = engine.run(BARS, by_function, {"lag": row["lag"]})
        np.testing.assert_array_equal([single.stats[name] for name in NAMES], [row[name] for name in NAMES])
    study = Study("momentum", BARS, objectives="final_equity:max", sampler="random", seed=1, **market)
    found = study.run(n_trials=5, progress=False)
    again = engine.run(BARS, "momentum", found.best_params)
    assert again.stats["final_equity"] == found.best_value


@pytest.mark.parametrize("pipeline", [True, False])
def test_both_modes_take_it(pipeline):
    side = np.sign(np.sin(np.arange(len(BARS)) / 20.0))
    with_it, without = (
        BacktestEngine(use_execution_pipeline=pipeline, **more).run_realistic(
            BARS, lambda frame, params: side
        )
        for more in ({"financing": Financing(**RATES, **DUE)}, {})
    )
    assert with_it.stats["total_interest"] != 0.0 != with_it.stats["total_dividends"]
    assert with_it.metadata["settings"]["financing"]["cash_rate"] == 0.03
    assert with_it.hash != without.hash
    nothing = BacktestEngine(use_execution_pipeline=pipeline, financing=Financing()).run_realistic(
        BARS, lambda frame, params: side
    )
    np.testing.assert_array_equal(nothing.equity, without.equity)
    np.testing.assert_array_equal(nothing._outcome.metrics, without._outcome.metrics)
    assert nothing.charges.is_empty() and without.charges.is_empty()


def test_what_is_charged_and_how_results_are_saved(tmp_path):
    result = BacktestEngine(financing=Financing(**RATES, **DUE)).run(
        BARS, "ma_crossover", {"fast": 5, "slow": 30}
    )
    stats, charges = result.stats, result.charges
    sums = dict(charges.group_by("kind").agg(pl.col("amount").sum()).iter_rows())
    assert {"cash_interest", "dividend", "split", "cash_flow", "funding"} <= set(sums)
    assert stats["net_deposits"] == sums["cash_flow"] == 5_000.0
    gained = result.trades["net_pnl"].sum() + stats["cash_interest"] + stats["net_deposits"]
    assert result.equity[-1] - 100_000.0 == pytest.approx(gained, rel=1e-9)
    assert result.trades["financing"].sum() == pytest.approx(
        stats["total_dividends"] + stats["total_borrow"] + stats["total_funding"], rel=1e-9
    )
    assert (charges["symbol"].is_null() == charges["units"].is_null()).all()
    assert "Money-weighted" in result.summary()
    assert 1.0 + result.drawdown["drawdown"].min() == pytest.approx(1.0 + stats["max_drawdown"])
    assert np.prod(1.0 + result.returns["return"].to_numpy()) == pytest.approx(1.0 + stats["total_return"])
    again = BacktestResult.load(result.save(tmp_path / "one"))
    assert again.hash == result.hash and again.charges.equals(charges)
    assert repr(again.stats) == repr(stats)


def test_tables_of_several_assets_and_columns():
    frame = daily([100.0, 100.0, 50.0, 45.0])
    table = {"A": {"2024-01-03": 1.0}, "B": {"2024-01-03": 2.0}}
    engine = BacktestEngine(financing=Financing(dividends=table, borrow_rate={"B": 0.1}))
    with pytest.raises(DataError, match=r"have no name.*symbol='AAPL'"):
        engine.run(frame, np.ones(4))
    result = engine.run(frame, np.ones(4), symbol="A")
    assert result.charges["amount"].to_list() == [1000.0]
    assert any("rows of 1 other assets passed over" in note for note in result.notes)
    named = engine.run(Bars.from_frame(frame, name="A"), np.ones(4))
    assert named.charges["amount"].to_list() == [1000.0]
    own = {**frame, "Dividend": [0.0, 0.0, 0.0, 5.0], "split": [1.0, 1.0, 2.0, 1.0]}
    held = BacktestEngine(financing=Financing(dividends="reinvest", splits="column")).run(own, np.ones(4))
    np.testing.assert_allclose(held.equity, 100_000.0, rtol=1e-12)
    assert held.orders["kind"].to_list() == ["signal", "split", "reinvested"]
    assert held.trades["mae"][0] == pytest.approx(45.0 / held.trades["entry_price"][0] - 1.0)


def test_what_cannot_be_combined_is_refused():
    financing = Financing(**RATES)
    engine = BacktestEngine(financing=financing)
    frame = BARS.to_polars()
    bare = frame.drop("timestamp")
    for call, message in (
        (lambda: BacktestEngine(financing=financing, order_book=OrderRules()).run(BARS, "momentum"), "order book"),
        (lambda: engine.run(bare, "momentum"), "bars with times"),
        (
            lambda: BacktestEngine(
                financing=Financing(splits=DUE["splits"]), sizing=VolatilityTarget(volatility=0.1)
            ).run(BARS, "momentum"),
            "adjust=True",
        ),
    ):  # fmt: skip
        with pytest.raises((ConfigError, DataError), match=message):
            call()


def test_pictures_and_sheets_show_the_drawdown_of_a_unit(tmp_path):
    """A deposit in the middle of a fall ends it in the account, and in no statistic."""
    frame = daily([100.0, 100.0, 80.0, 60.0, 60.0, 66.0])
    flows = Financing(cash_flows={"2024-01-05": 200_000.0})
    result = BacktestEngine(financing=flows).run(frame, np.ones(6))
    deepest = result.stats["max_drawdown"]
    assert deepest == pytest.approx(-0.4)
    picture = prepare_picture(result)
    np.testing.assert_array_equal(picture.equity, result.equity)
    np.testing.assert_allclose(picture.drawdown, result.drawdown["drawdown"].to_numpy(), atol=1e-12)
    columns, _ = curve_columns(sheet_payload(result), None)
    np.testing.assert_allclose(columns["drawdown"], picture.drawdown, atol=1e-12)
    assert picture.drawdown[-1] < -0.3  # the account has more than ever, a unit of it has not
    assert result.equity[-1] == result.equity.max()
    page = result.report(tmp_path / "sheet.html")
    assert "over time, deposits and withdrawals in it" in page.read_text(encoding="utf-8")
    plain = BacktestEngine().run(frame, np.ones(6)).report(tmp_path / "plain.html")
    assert "over time, deposits" not in plain.read_text(encoding="utf-8")


def test_a_note_tells_of_money_that_saves_an_account():
    frame = daily([100.0, 100.0, 50.0, 210.0, 210.0, 210.0])
    flows = Financing(cash_flows={"2024-01-05": 500_000.0, "2024-01-06": 1_000.0}, borrow_rate=0.01)
    single = BacktestEngine(financing=flows, execution=Execution(leverage=2.0)).run(frame, -np.ones(6))
    weights = np.full((6, 1), np.nan)
    weights[0] = -1.0
    many = BacktestEngine(financing=flows).run(Panel.from_frame({"A": frame}), weights)
    for result in (single, many):
        told = [note for note in result.notes if "at or below zero" in note]
        assert len(told) == (result.equity[3] <= 0.0)
    assert many.equity[3] <= 0.0 and "1 of 2 came" in told[0] and "500000" in told[0] and "bar 4" in told[0]
    spent = BacktestEngine(financing=Financing(cash_flows={"2024-01-03": -150_000.0})).run(frame, np.zeros(6))
    assert any("took it there" in note for note in spent.notes)


def test_kinds_of_orders_have_the_numbers_that_are_written():
    """Records hold them: a number that is in use means the same for good."""
    assert KINDS[8:] == ("order", "close", "child", "split", "reinvested")
    assert [KINDS[code] for code in (t.OF_SPLIT, t.REINVESTED)] == ["split", "reinvested"]


def test_a_tracker_gets_what_was_paid(tmp_path):
    pytest.importorskip("mlflow")
    address = tmp_path / "runs.db"
    with MLflowTracker(f"sqlite:///{address}") as tracker, tracker.start_run("financed"):
        engine = BacktestEngine(financing=Financing(**RATES, **DUE), tracker=tracker)
        stats = engine.run(BARS, "ma_crossover", {"fast": 5, "slow": 30}).stats
    with contextlib.closing(sqlite3.connect(address)) as store:
        stored = dict(store.execute("select key, value from latest_metrics"))
    for name in (
        "cash_interest",
        "total_borrow",
        "total_dividends",
        "total_funding",
        "net_deposits",
        "total_return",
    ):
        assert stored[name] == stats[name]


def test_columns_pay_at_the_next_price_as_tables_do():
    nothing = float("nan")
    frame = {
        **daily([100.0, 100.0, nothing, 99.0, nothing, 49.0, nothing]),
        "dividend": [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "split": [1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0],
    }
    by_column, by_table = (
        BacktestEngine(financing=financing).run(frame, np.ones(7))
        for financing in (
            Financing(dividends="cash", splits="column"),
            Financing(dividends={"2024-01-03": 1.0}, splits={"2024-01-05": 2.0}),
        )
    )
    assert by_column.charges["bar"].to_list() == [3, 5]
    assert by_column.charges.equals(by_table.charges)
    np.testing.assert_array_equal(by_column.equity, by_table.equity)
    assert any("dividends='cash': 1 of 2 rows passed over" in note for note in by_column.notes)
    panel = Panel.from_frame({"A": frame})
    weights = np.full((7, 1), nothing)
    weights[0] = 1.0
    engine = BacktestEngine(financing=Financing(dividends="cash", splits="column"))
    assert engine.run(panel, weights).charges["bar"].to_list() == [3, 5]


@pytest.mark.parametrize(
    "parts",
    [
        {"cash_rate": {"2024-01-01": True}},
        {"dividends": {"2024-01-03": True}},
        {"splits": pl.DataFrame({"date": ["2024-01-03"], "ratio": [True]})},
        {"cash_flows": {"2024-01-03": False}},
        {"borrow_rate": {"A": True}},
    ],
)
def test_truth_values_are_no_amounts(parts):
    with pytest.raises((ConfigError, DataError), match=rf"Financing\.{next(iter(parts))}.*expected"):
        Financing(**parts)
    frame = {**daily([100.0, 100.0, 99.0]), "dividend": [False, False, True]}
    with pytest.raises(DataError, match="column 'dividend': expected numbers; got True and False"):
        BacktestEngine(financing=Financing(dividends="cash")).run(frame, np.ones(3))


@pytest.mark.parametrize("costs", [Costs(), Costs(rate=0.0007, slippage_bps=3)])
def test_an_account_without_cash_owes_nothing(costs):
    """What a purchase with all of the cash leaves by rounding is nothing: no rows of interest on it."""
    engine = BacktestEngine(financing=Financing(**RATES), costs=costs)
    single = engine.run(BARS, "ma_crossover", {"fast": 5, "slow": 30, "allow_short": False})
    side = np.sign(single.position)
    many = engine.run(Panel.from_frame({"A": BARS.to_polars()}), side[:, None])
    for result in (single, many):
        held = side != 0.0
        assert held.sum() > 100
        kinds = result.charges["kind"]
        assert set(kinds) == {"cash_interest"}
        assert result.charges["amount"].min() > 1.0
        if result is single:
            assert (result.cash[held] == 0.0).all()


def test_a_note_says_that_a_short_costs_more_than_its_value():
    frame, side = daily([100.0, 100.0, 99.0]), -np.ones(3)
    for rate, said in ((3.0, True), ({"asset": 3.0}, True), ({"2024-01-01": 3.0}, True), (0.9, False)):
        engine = BacktestEngine(financing=Financing(borrow_rate=rate))
        result = engine.run(frame, side, symbol="asset")
        assert any("up to 300% a year" in note for note in result.notes) == said
        weights = np.full((3, 1), -1.0)
        many = engine.run(Panel.from_frame({"asset": frame}), weights)
        assert any("up to 300% a year" in note for note in many.notes) == said


@pytest.mark.parametrize("symbol", ["600519.SH", "2330.TW", "00005.HK", "BTC-2024"])
def test_symbols_of_numbers_are_no_dates(symbol):
    assert Financing(borrow_rate={symbol: 0.1}).borrow_rate == ((symbol, 0.1),)
    for day in ("2024-01-01", "20240101", "2024/1/1", "2024-01-01T09:30", "31.1.2024", "31.01.2024 14:30"):
        assert len(Financing(borrow_rate={day: 0.1}).borrow_rate.times) == 1
    with pytest.raises(
        DataError, match=r"Financing\.dividends: expected a frame with a column of times.*got list"
    ):
        Financing(dividends=[["2024-01-03", 1.0]])


def test_dates_beside_bars_with_a_zone_say_their_offset():
    frame = pl.DataFrame(daily([100.0, 100.0, 99.0])).with_columns(
        pl.col("timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York")
    )
    with pytest.raises(DataError, match=r"no time zone.*'2024-01-31T00:00-05:00' \(texts"):
        BacktestEngine(financing=Financing(dividends={"2024-01-03": 1.0})).run(frame, np.ones(3))
    financing = Financing(dividends={"2024-01-03T00:00-05:00": 1.0})
    assert BacktestEngine(financing=financing).run(frame, np.ones(3)).charges["bar"].to_list() == [2]
