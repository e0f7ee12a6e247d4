"""Financing of portfolios: against the oracle, a ledger in Decimal, adjusted prices, and how it is refused."""

import math
import os
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import (
    BacktestEngine,
    ConfigError,
    Costs,
    DataError,
    Execution,
    Financing,
    Panel,
    PortfolioResult,
    Rank,
    Sweep,
    strategy,
    synthetic,
)
from peak_fast.portfolio import Momentum
from peak_fast.settings import OrderRules, PortfolioRules
from tests import oracle_portfolio as oracle
from tests.oracle_portfolio_financing import Payments
from tests.test_portfolio_oracle import cases, engine_of, near, pair_of, panel_of, shown

FIRST = date(2024, 1, 1)
RATES = [0.0, 0.0625, 0.5, -0.125]
SHARED = (
    Path(os.environ.get("PEAK_FAST_ORACLES", Path(__file__).resolve().parent.parent.parent / "shared"))
    / "data"
)


@st.composite
def financed(draw):
    """A case of the oracle, what is due in it, and the same as the user says it."""
    table, rows, rules = draw(cases())
    bars = len(next(iter(table.values())))
    day = [str(FIRST + timedelta(days=bar)) for bar in range(bars)]
    given_rates = {}
    for name in ("cash_rate", "debit_rate"):
        switch, one, other = draw(st.integers(0, bars)), *(draw(st.sampled_from(RATES)) for _ in range(2))
        given_rates[name] = [one if bar < switch or switch == 0 else other for bar in range(bars)]
    borrow = {symbol: draw(st.sampled_from([0.0, 0.25, 2.0])) for symbol in table if draw(st.booleans())}
    due = {name: {} for name in ("dividends", "splits", "funding")}
    said = {name: {} for name in due}
    for symbol, prices in table.items():
        priced = [bar for bar in range(bars) if prices[bar] is not None]
        for bar in range(1, bars):
            later = [other for other in priced if other >= bar]
            if not later or later[0] == priced[0] or draw(st.integers(0, 3)):
                continue
            before = max(other for other in priced if other < later[0])
            ratio = draw(st.sampled_from([1.0, 2.0, 0.5, 3.0]))
            so_far, amount = due["dividends"].get(later[0], {}).get(symbol, 0.0), prices[before][3] / 64
            earlier = due["splits"].get(later[0], {}).get(symbol, 1.0)
            # Of the days of one bar: dividends are one, in units before the splits of earlier days, too.
            if draw(st.booleans()) and so_far + amount * earlier < 0.5 * prices[before][3]:
                due["dividends"].setdefault(later[0], {})[symbol] = so_far + amount * earlier
                said["dividends"].setdefault(symbol, {})[day[bar]] = amount
            if ratio != 1.0:
                due["splits"].setdefault(later[0], {})[symbol] = earlier * ratio
                if earlier * ratio == 1.0:
                    del due["splits"][later[0]][symbol]
                said["splits"].setdefault(symbol, {})[day[bar]] = ratio
        for bar in range(bars):
            if rules.mark_at == "close" and not draw(st.integers(0, 4)):
                rate = draw(st.sampled_from([0.03125, -0.0625]))
                due["funding"].setdefault(bar, {})[symbol] = rate
                said["funding"].setdefault(symbol, {})[f"{day[bar]} 12:00"] = rate
    flows = {bar: draw(st.sampled_from([100.0, -50.0])) for bar in range(bars) if not draw(st.integers(0, 4))}
    reinvest = draw(st.booleans()) and bool(said["dividends"])
    payments = Payments(
        list(range(bars)), given_rates["cash_rate"], given_rates["debit_rate"], borrow, **due, flows=flows,
        reinvest=reinvest,
    )  # fmt: skip
    financing = Financing(
        **{name: dict(zip(day, rates, strict=True)) for name, rates in given_rates.items()},
        borrow_rate=borrow or 0.0, reinvest=reinvest,
        cash_flows={day[bar]: amount for bar, amount in flows.items()} or None,
        **{name: table or None for name, table in said.items()},
    )  # fmt: skip
    return table, rows, rules, payments, financing


def run_financed(table, rows, rules, financing):
    panel, engine = panel_of(table, rules), engine_of(rules, table)
    engine.financing = financing
    return engine.run(panel, pair_of(rows, panel.symbols))


@given(financed())
def test_kernel_equals_oracle(case):
    table, rows, rules, payments, financing = case
    account = oracle.run(table, rows, rules, payments)
    result = run_financed(table, rows, rules, financing)
    frame = result.orders
    ours = sorted(
        zip(
            frame["fill_bar"].fill_null(-1).to_list(), frame["bar"].to_list(), frame["symbol"].to_list(),
            [1 if side == "buy" else -1 for side in frame["side"]], frame["kind"].to_list(),
            frame["status"].to_list(), frame["reason"].to_list(), frame["filled"].to_list(), strict=True,
        )
    )  # fmt: skip
    theirs = sorted(account.orders, key=lambda order: (*shown(order), order.filled))
    assert [row[:-1] for row in ours] == [shown(order) for order in theirs]
    scale = max(1000.0, max(map(abs, account.equity)))
    near([row[-1] for row in ours], [order.filled for order in theirs], scale)
    near(result.equity, account.equity, scale)
    near(result.cash, account.cash_at, scale)
    paid = result.charges.group_by("kind").agg(pl.col("amount").sum())
    expected = {}
    for _, _, kind, amount in payments.paid:
        expected[kind] = expected.get(kind, 0.0) + amount
    found = dict(paid.filter(pl.col("kind") != "split").iter_rows())
    for kind in {*found, *expected}:
        near(found.get(kind, 0.0), expected.get(kind, 0.0), scale)
    stats, gained = result.stats, result.contributions["contribution"].sum()
    near(
        result.equity[-1] - rules.initial_cash, gained + stats["cash_interest"] + stats["net_deposits"], scale
    )
    near(gained, result.trades["net_pnl"].sum(), scale)
    if min(account.equity) > 1.0:
        near(1 + stats["total_return"], np.prod([1 + one for one in payments.returns]), 1.0)
        grown = np.cumprod([1 + one for one in payments.returns])
        below = grown / np.maximum(np.maximum.accumulate(grown), 1.0) - 1
        near(result.drawdown["drawdown"].to_numpy(), below, 1.0)
        near(stats["max_drawdown"], below.min(), 1.0)


@given(cases())
def test_nothing_said_is_nothing_changed(case):
    table, rows, rules = case
    panel, engine = panel_of(table, rules), engine_of(rules, table)
    plain = engine.run(panel, pair_of(rows, panel.symbols))
    engine.financing = Financing()
    other = engine.run(panel, pair_of(rows, panel.symbols))
    assert plain.hash == other.hash
    np.testing.assert_array_equal(plain.cash, other.cash)
    assert other.charges.is_empty()


def daily(closes, first=FIRST, step=1):
    days = [first + timedelta(days=step * k) for k in range(len(closes))]
    return {
        "timestamp": days,
        **{name: list(map(float, closes)) for name in ("open", "high", "low", "close")},
    }


def held(frame, financing, weight=1.0, cash=1000.0):
    panel = Panel.from_frame({"A": frame})
    engine = BacktestEngine(initial_cash=cash, financing=financing)
    return engine.run(panel, (np.array([0]), np.array([[weight]])))


def test_cash_dividends_equal_a_ledger_in_decimal():
    """Two assets, one of them short, over years of quarterly amounts: to the last cent, and far below it."""
    generator = np.random.default_rng(5)
    prices = {
        name: np.round(50 + generator.normal(0, 1, 800).cumsum().clip(-30, 90), 2)
        for name in ("LONG", "SHORT")
    }
    panel = Panel.from_frame({name: daily(values) for name, values in prices.items()})
    when = range(60, 800, 90)
    table = {
        name: {
            str(FIRST + timedelta(days=bar)): float(np.round(generator.uniform(0.1, 2.0), 4)) for bar in when
        }
        for name in prices
    }
    result = BacktestEngine(initial_cash=100_000.0, financing=Financing(dividends=table)).run(
        panel, (np.array([0]), np.array([[0.5, -0.25]]))
    )
    cash = Decimal(100_000)
    units = {}
    for fill in result.fills.iter_rows(named=True):
        signed = Decimal(fill["side"]) * Decimal(fill["size"])
        units[fill["symbol"]] = signed
        cash -= signed * Decimal(fill["price"])
    for name in prices:
        for amount in table[name].values():
            cash += units[name] * Decimal(str(amount))
    assert units["SHORT"] < 0 < units["LONG"]
    assert abs(Decimal(float(result.cash[-1])) - cash) < Decimal("1e-8")
    total = sum(units[name] * Decimal(str(amount)) for name in prices for amount in table[name].values())
    assert abs(Decimal(result.stats["total_dividends"]) - total) < Decimal("1e-8")


def raw_assets():
    return sorted(path.name[len("equity_daily_raw_") : -len("_factors.parquet")]
                  for path in SHARED.glob("equity_daily_raw_*_factors.parquet"))  # fmt: skip


def events_of(name):
    """Raw bars, the same times their factors, and dividends and splits that these factors stand for."""
    bars = pl.read_parquet(SHARED / f"equity_daily_raw_{name}.parquet").drop("volume")
    factors = pl.read_parquet(SHARED / f"equity_daily_raw_{name}_factors.parquet").sort("date")
    days, until = bars["timestamp"].dt.date().to_numpy(), factors["date"].to_numpy()
    row = np.searchsorted(until, days, side="left")
    price, split = (factors[column].to_numpy()[row] for column in ("price_factor", "split_factor"))
    closes = bars["close"].to_numpy()
    dividends, splits = {}, {}
    for bar in np.flatnonzero((np.diff(price) != 0) | (np.diff(split) != 0)) + 1:
        if price[bar] != price[bar - 1]:
            dividends[str(days[bar])] = closes[bar - 1] * (1 - price[bar - 1] / price[bar])
        if split[bar] != split[bar - 1]:
            splits[str(days[bar])] = split[bar] / split[bar - 1]
    columns = ["open", "high", "low", "close"]
    adjusted = bars.with_columns([pl.col(column) * pl.Series(price * split) for column in columns])
    return bars, adjusted, dividends, splits


@pytest.mark.parametrize("size_at", ["fill", "decision"])
def test_raw_prices_with_reinvested_dividends_are_adjusted_prices(size_at):
    names = raw_assets()
    if not names:
        pytest.skip("no raw prices with factors in PEAK_FAST_ORACLES/data")
    read = {name: events_of(name) for name in names}
    raw = Panel.from_frame({name: found[0] for name, found in read.items()})
    adjusted = Panel.from_frame({name: found[1] for name, found in read.items()})
    financing = Financing(
        dividends={name: found[2] for name, found in read.items()},
        splits={name: found[3] for name, found in read.items() if found[3]}, reinvest=True,
    )  # fmt: skip
    rules = PortfolioRules(size_at=size_at, short_cash="ignore", over_invested="allowed")
    market = {"costs": Costs(rate=0.0005, slippage_bps=2), "portfolio": rules}
    weights = np.full((len(raw) // 21, len(names)), 1 / len(names))
    weights[1::2, 0] = -0.25
    for what in (weights[:1], weights):
        pair = (np.arange(len(what)) * 21, what)
        one = BacktestEngine(financing=financing, **market).run(raw, pair)
        other = BacktestEngine(**market).run(adjusted, pair)
        assert one.stats["total_dividends"] != 0.0
        assert one.stats["total_return"] == pytest.approx(other.stats["total_return"], rel=1e-9)
        np.testing.assert_allclose(one.equity, other.equity, rtol=1e-9)
        without = BacktestEngine(**market).run(raw, pair)
        assert abs(without.stats["total_return"] / other.stats["total_return"] - 1) > 0.01


def test_interest_is_by_calendar_days_and_a_dated_rate_holds_from_its_date_on():
    days = ["2024-01-05", "2024-01-08", "2024-01-09", "2024-01-11"]
    frame = {"timestamp": days, **{name: [10.0] * 4 for name in ("open", "high", "low", "close")}}
    result = held(frame, Financing(cash_rate={"2024-01-01": 0.365, "2024-01-09": 0.73}), weight=0.0)
    np.testing.assert_allclose(result.equity, [1000.0, 1003.0, 1004.003, 1004.003 * 1.004], rtol=1e-12)
    with pytest.raises(DataError, match="behind the first bar"):
        held(frame, Financing(cash_rate={"2024-01-08": 0.1}))


def test_deposits_are_no_return_and_money_weighted_return_discounts_them():
    frame = daily([100.0, 100.0, 110.0, 110.0, 99.0], step=365)
    result = held(frame, Financing(cash_flows={str(FIRST + timedelta(days=365 * 3)): 1100.0}))
    # The deposit is not invested: -10 % of half of the account.
    assert result.equity[-1] == pytest.approx(990.0 + 1100.0)
    assert result.stats["total_return"] == pytest.approx(1.1 * 0.95 - 1)
    assert result.stats["max_drawdown"] == pytest.approx(-0.05)
    rate = result.stats["money_weighted_return"]
    assert 1000 * (1 + rate) ** 4 + 1100 * (1 + rate) == pytest.approx(2090.0, rel=1e-9)
    assert "Money-weighted" in result.summary()


def test_growth_of_two_days_may_be_beyond_every_number_a_year():
    """A thousand times the money in one day: infinity, as in `metrics.cagr`, and the result is shown."""
    frame = daily([1.0, 1.0, 1000.0])
    assert held(frame, None).stats["money_weighted_return"] == math.inf
    assert math.isnan(held(frame, Financing(cash_flows={"2024-01-02": 1.0})).stats["money_weighted_return"])
    assert "99900.00%" in repr(held(frame, None))


def test_columns_of_the_panel_say_dividends_and_splits():
    frame = {
        **daily([100.0, 100.0, 50.0, 45.0]),
        "dividend": [0.0, 0.0, 0.0, 5.0],
        "split": [1.0, 1.0, 2.0, 1.0],
    }
    result = held(frame, Financing(dividends="reinvest", splits="column"))
    np.testing.assert_allclose(result.equity, 1000.0, rtol=1e-12)
    assert result.orders["kind"].to_list() == ["rebalance", "split", "reinvested"]
    assert result.trades["entry_price"][0] == pytest.approx(1100.0 / (20 + 20 / 9))
    cash = held(frame, Financing(dividends="cash", splits="column"))
    assert cash.cash[-1] == pytest.approx(100.0)


def test_days_of_one_bar_are_one_dividend_and_one_split():
    """Bars of months: 1.00 of an old unit, two for one, then 0.60 of a new unit, which is 1.20 of an old one."""
    frame = {"timestamp": ["2024-01-31", "2024-02-29", "2024-03-31"]}
    frame |= {name: [10.0, 10.0, 4.0] for name in ("open", "high", "low", "close")}
    table = {"A": {"2024-03-04": 1.0, "2024-03-20": 0.6}}
    cash = held(frame, Financing(dividends=table, splits={"A": {"2024-03-11": 2.0}}))
    assert cash.charges.select("kind", "units", "amount").rows() == [
        ("dividend", 100.0, pytest.approx(220.0)), ("split", 100.0, 0.0),
    ]  # fmt: skip
    assert cash.equity[-1] == pytest.approx(220.0 + 800.0)
    bought = held(frame, Financing(dividends=table, splits={"A": {"2024-03-11": 2.0}}, reinvest=True))
    assert bought.positions["A"].to_list() == [pytest.approx(100.0), pytest.approx(200 * (1 + 2.2 / 7.8))]
    none = held(frame, Financing(splits={"A": {"2024-03-04": 2.0, "2024-03-11": 0.5}}))
    assert none.orders["kind"].to_list() == ["rebalance"]
    with pytest.raises(DataError, match="close of 10 before"):
        held(frame, Financing(dividends={"A": {"2024-03-04": 6.0, "2024-03-20": 4.0}}))


def test_limits_count_what_is_left_alone_without_the_dividend_that_it_has_paid():
    """Of a purse of 1,000, 25 units at 10 less 1 are left alone: of the half that may be long, 0.275 are free."""
    engine = BacktestEngine(initial_cash=1000.0, portfolio=PortfolioRules(size_at="decision", max_net=0.5))
    engine.financing = Financing(dividends={"D": {"2024-01-04": 1.0}})
    panel = Panel.from_frame({name: daily([10.0] * 5) for name in "CD"})
    rows = np.array([[math.nan, 0.25], [0.5, math.nan]])
    result = engine.run(panel, (np.array([0, 2]), rows))
    assert result.fills["size"].to_list() == [25.0, 27.5]
    assert result.orders["reason"].to_list() == ["", "net_limit"]


@pytest.mark.parametrize("fill_at", ["next_open", "close", "next_close"])
def test_what_is_delisted_pays_no_funding(fill_at):
    """B leaves the account at the beginning of the bar behind its last price; funding is of holdings at the close."""
    frames = {"A": daily([10.0] * 6), "B": daily([10.0] * 4)}
    rate = {f"2024-01-0{day} 12:00": 0.01 for day in range(1, 7)}
    engine = BacktestEngine(initial_cash=1000.0, portfolio=PortfolioRules(fill_at=fill_at))
    engine.financing = Financing(funding={"A": rate, "B": rate})
    panel = Panel.from_frame(frames)
    result = engine.run(panel, (np.array([0]), np.array([[0.25, 0.5]])))
    paid = result.charges.filter(pl.col("kind") == "funding").group_by("symbol").agg(pl.col("bar").max())
    assert dict(paid.iter_rows()) == {"A": 5, "B": 3}

    @strategy
    def once(i, bars, params, memory, account, want):
        if i == 0:
            want[0], want[1] = 0.25, 0.5
        elif i == 4:  # the cash that it sees says whether funding was paid
            want[0] = account[0] / 10_000.0

    asked = engine.run(panel, once)
    known = [[0.25, 0.5], [result.cash[4] / 10_000.0, math.nan]]
    assert asked.hash == engine.run(panel, (np.array([0, 4]), np.array(known))).hash


def test_results_are_saved_with_their_payments(tmp_path):
    financing = Financing(
        cash_rate=0.05, dividends={"A": {"2024-01-03": 1.0}}, cash_flows={"2024-01-04": 10.0}
    )
    result = held(daily([100.0, 99.0, 98.0, 97.0, 99.0]), financing, weight=0.5)
    again = PortfolioResult.load(result.save(tmp_path / "one"))
    assert again.hash == result.hash
    assert again.charges.equals(result.charges)
    np.testing.assert_array_equal(again.cash, result.cash)
    assert repr(again.stats) == repr(result.stats)


def test_rows_of_a_sweep_are_single_runs():
    panel = synthetic(300, assets=4, seed=2)
    rule = Rank(Momentum("lookback", 2), top="top", bottom=1)
    own = {"execution": Execution(leverage=2)}
    market = {"financing": Financing(cash_rate=0.03, debit_rate=0.08, borrow_rate=0.01), **own}
    names = ["final_equity", "sharpe", "max_drawdown"]
    sweep = Sweep(rule, {"lookback": [10, 20], "top": [1, 2]}, panel, metrics=names, **market)
    engine = BacktestEngine(**market)
    for row in sweep.run(progress=False).frame.iter_rows(named=True):
        single = engine.run(panel, rule, {name: row[name] for name in ("lookback", "top")})
        assert [single.stats[name] for name in names] == [row[name] for name in names]
        plain = BacktestEngine(**own).run(panel, rule, {name: row[name] for name in ("lookback", "top")})
        assert plain.stats["final_equity"] != row["final_equity"]
    assert sweep.settings()["financing"]["cash_rate"] == 0.03


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Financing(cash_rate=3), "above -1 and below 1; got 3; 3 per cent is 0.03"),
        (lambda: Financing(debit_rate={"2024-01-01": 0.05, "2024-02-01": 5.25}), "got 5.25; 3 per cent is 0.03"),
        (lambda: Financing(borrow_rate={"A": 30}), "below 10; got 30; 3 per cent"),
        (lambda: BacktestEngine(risk_free=2), "above -1 and below 1; got 2; 3 per cent"),
        (lambda: OrderRules(borrow_cash=2), "got 2; 3 per cent"),
        (lambda: OrderRules(borrow_short=12), "got 12; 3 per cent"),
        (lambda: Financing(cash_rate="0.03"), "expected a fraction"),
        (lambda: Financing(dividends={"A": {"2024-01-02": -1.0}}), "above 0"),
        (lambda: Financing(splits={"A": {"2024-01-02": 0.0}}), "above 0"),
        (lambda: Financing(dividends="spend"), "expected 'cash', 'reinvest'"),
        (lambda: Financing(reinvest=True), "no dividends"),
        (lambda: Financing(cash_flows=100.0), "dated table"),
        (lambda: Financing(funding={"date": ["2024-01-02", "2024-01-02"], "rate": [0.1, 0.2]}), "more than once"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used(made, message):
    with pytest.raises((ConfigError, DataError), match=message):
        made()


def test_tables_that_do_not_fit_the_panel():
    frame = daily([10.0, 10.0, 10.0])
    with pytest.raises(DataError, match="no asset of the panel"):
        held(frame, Financing(dividends={"AA": {"2024-01-02": 0.1}}))
    with pytest.raises(DataError, match="close of 10 before"):
        held(frame, Financing(dividends={"A": {"2024-01-02": 10.0}}))
    late = held(frame, Financing(dividends={"A": {"2024-01-02": 0.5, "2025-01-01": 0.1}}))
    assert any("1 of 2 rows passed over" in note for note in late.notes)
    plain = Panel.from_frame({"A": {name: [1.0] * 3 for name in ("open", "high", "low", "close")}})
    with pytest.raises(ConfigError, match="panel with times"):
        BacktestEngine(financing=Financing(cash_rate=0.1)).run(plain, np.ones((3, 1)))
