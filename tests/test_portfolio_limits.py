"""Limits of the account for portfolios of weights, rules and blocks: the largest drawdown, the loss of a day."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import (
    BacktestEngine,
    Execution,
    Financing,
    Panel,
    PortfolioRules,
    Rank,
    RiskLimits,
    Sweep,
    strategy,
    synthetic,
)
from tests.oracle_portfolio_limits import LimitedAccount
from tests.test_portfolio_financing import financed
from tests.test_portfolio_oracle import cases, check_same, engine_of, lonely_cases, near, pair_of, panel_of

PANEL = synthetic(300, assets=4, seed=5)
LIMITS = st.sampled_from([None, 0.015625, 0.0625, 0.25])


@given(cases(), LIMITS, LIMITS, st.sampled_from([6, 12, 24]))
def test_kernel_equals_the_oracle_of_limits(case, drawdown, loss, hours):
    table, rows, rules = case
    rules.max_drawdown, rules.daily_loss = drawdown, loss
    panel = panel_of(table, rules, hours)
    days = [bar * hours // 24 for bar in range(len(panel))]
    result = engine_of(rules, table).run(panel, pair_of(rows, panel.symbols))
    check_same(result, LimitedAccount(table, rules, days).run(rows))
    gained = result.contributions["contribution"].sum()
    near(result.equity[-1] - rules.initial_cash, gained)
    near(gained, result.trades["net_pnl"].sum())


@given(financed(), LIMITS, LIMITS)
def test_kernel_equals_the_oracle_of_limits_with_financing(case, drawdown, loss):
    """Deposits are no gain and withdrawals no loss; what is paid and got beside trades is."""
    table, rows, rules, payments, financing = case
    rules.max_drawdown, rules.daily_loss = drawdown, loss
    panel, engine = panel_of(table, rules), engine_of(rules, table)
    engine.financing = financing
    account = LimitedAccount(table, rules, list(range(len(panel))), payments).run(rows)
    result = engine.run(panel, pair_of(rows, panel.symbols))
    check_same(result, account, max(1000.0, max(map(abs, account.equity))))


@given(lonely_cases(), LIMITS, LIMITS)
def test_one_asset_is_the_engine_with_limits(case, drawdown, loss):
    """Bit for bit, as long as nothing is liquidated."""
    table, weights, rules = case
    rules.max_drawdown, rules.daily_loss = drawdown, loss
    row = np.full(len(table["C"]), math.nan)
    for bar, weight in weights.items():
        row[bar] = weight
    panel, engine = panel_of(table, rules, 12), engine_of(rules, table)
    many = engine.run(
        panel, (np.array(list(weights), dtype=np.int64), np.array(list(weights.values()))[:, None])
    )
    single = BacktestEngine(
        initial_cash=rules.initial_cash, costs=engine.costs, risk_limits=engine.risk_limits,
        execution=Execution(
            fill_at=rules.fill_at, lot_size=rules.lot_size, min_size=rules.min_size, leverage=rules.leverage
        ),
    ).run(panel_bars(panel), row, weights=True)  # fmt: skip
    if "liquidation" in set(single.fills["reason"]) or "replaced" in set(single.orders["reason"]):
        return
    assert single.fills["bar"].to_list() == many.fills["bar"].to_list()
    assert single.fills["size"].to_list() == many.fills["size"].to_list()
    assert single.equity.tolist() == many.equity.tolist()
    if single.equity.min() > 0.0:
        assert refused_of(single) == refused_of(many)


def refused_of(result):
    """Deciding bars and reasons of the orders that limits have refused."""
    limits = pl.col("reason").is_in(["drawdown_limit", "daily_loss_limit"])
    return set(result.orders.filter(limits).select("bar", "reason").rows())


def panel_bars(panel):
    """All bars of the only asset of a panel, those without prices too."""
    from peak_fast import Bars

    names = ("open", "high", "low", "close")
    frame = pl.DataFrame({"timestamp": panel.timestamp, **{name: getattr(panel, name)[0] for name in names}})
    return Bars.from_frame(frame)


def falling():
    """Two assets: one falls by a tenth on the fourth day, the other has no price on the fifth."""
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 8), "1d", eager=True)
    first = [100.0, 100, 100, 80, 80, 80, 80, 80]
    frames = {}
    for name, closes in (("A", first), ("B", [50.0] * 8)):
        frame = pl.DataFrame({"timestamp": days, "close": closes}).with_columns(
            open="close", high="close", low="close"
        )
        frames[name] = frame if name == "A" else frame.filter(pl.col("timestamp") != days[4])
    return Panel.from_frame(frames)


ROWS = ([0, 4, 6], [[0.5, 0.5], [0.2, 0.2], [0.0, 0.4]])


def test_a_drawdown_closes_everything_and_refuses_what_opens():
    result = BacktestEngine(risk_limits=RiskLimits(max_drawdown=0.05)).run(falling(), ROWS)
    ends = result.orders.filter(pl.col("kind") == "risk_limit")
    assert ends.select("symbol", "bar", "fill_bar", "status").rows() == [
        ("A", 3, 4, "filled"), ("B", 3, 5, "filled"),
    ]  # fmt: skip
    refused = result.orders.filter(pl.col("status") == "rejected")
    assert set(refused["reason"]) == {"drawdown_limit"} and refused.height == 3
    assert result.positions_at_fills[1][-1].tolist() == [0.0, 0.0]
    assert result.trades["exit_reason"].to_list() == ["risk_limit", "risk_limit"]


def test_a_daily_loss_ends_with_its_day():
    result = BacktestEngine(risk_limits=RiskLimits(daily_loss=0.05)).run(falling(), ROWS)
    assert result.orders["status"].to_list().count("rejected") == 0
    assert result.fills.filter(pl.col("bar") == 5)["reason"].to_list() == [
        "risk_limit",
        "rebalance",
        "rebalance",
    ]


def test_blocks_see_what_limits_have_closed():
    @strategy
    def stubborn(i, bars, params, memory, account, want):
        if account[2] == 0.0 and account[3] == 0.0:
            want[0], want[1] = 0.5, 0.5

    engine = BacktestEngine(risk_limits=RiskLimits(daily_loss=0.02))
    result = engine.run(PANEL, stubborn)
    rows = result.orders.filter(pl.col("kind") == "rebalance")["bar"].unique(maintain_order=True).to_list()
    assert len(rows) > 3
    weights = np.full((len(rows), 4), math.nan)
    weights[:, :2] = 0.5
    assert engine.run(PANEL, (rows, weights)).hash == result.hash


def test_sweeps_vary_limits_with_the_bits_of_single_runs():
    rule, grid = (
        Rank(rebalance="month_end"),
        {"max_drawdown_limit": [0.02, 0.1, None], "daily_loss_limit": [None, 0.01]},
    )
    frame = Sweep(rule, grid, PANEL, metrics=["final_equity", "sharpe"]).run(progress=False).frame
    for row in frame.iter_rows(named=True):
        limits = RiskLimits(max_drawdown=row["max_drawdown_limit"], daily_loss=row["daily_loss_limit"])
        stats = BacktestEngine(risk_limits=limits).run(PANEL, rule).stats
        assert [stats[name] for name in ("final_equity", "sharpe")] == [row["final_equity"], row["sharpe"]]
    assert frame["final_equity"].n_unique() > 3


def flat(*closes):
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, len(closes)), "1d", eager=True)
    frame = pl.DataFrame({"timestamp": days, "close": [float(close) for close in closes]})
    return Panel.from_frame({"A": frame.with_columns(open="close", high="close", low="close")})


@pytest.mark.parametrize("limits", [RiskLimits(max_drawdown=0.3), RiskLimits(daily_loss=0.3)])
def test_a_withdrawal_is_no_loss_and_a_deposit_hides_none(limits):
    """Half of the money leaves, and nothing happens; a loss is a share of what there is with the deposit of its bar."""
    market = {"initial_cash": 1000.0, "risk_limits": limits}
    panel, rows = flat(10, 10, 10, 10, 6, 6, 6), ([0], [[1.0]])
    financing = Financing(cash_flows={"2024-01-03": -500.0})
    quiet = BacktestEngine(financing=financing, **market).run(flat(*[10] * 7), rows)
    assert quiet.orders["kind"].to_list() == ["rebalance"]
    financing = Financing(cash_flows={"2024-01-05": 1000.0})
    result = BacktestEngine(financing=financing, **market).run(panel, rows)
    # Of 2,000 400 are lost, a fifth; without the deposit it is two fifths.
    assert result.orders.filter(pl.col("kind") == "risk_limit").is_empty()
    plain = BacktestEngine(**market).run(panel, rows)
    assert plain.orders.filter(pl.col("kind") == "risk_limit").select("bar", "fill_bar").rows() == [(4, 5)]


def test_limits_look_at_opens_where_the_equity_is_that_of_opens():
    """The loss of the third close is seen at the fourth open, and what is held leaves at the fifth."""
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 6), "1d", eager=True)
    opens, closes = [10.0, 10.0, 10.0, 7.0, 7.0, 7.0], [10.0, 10.0, 7.0, 7.0, 7.0, 7.0]
    frame = pl.DataFrame({"timestamp": days, "open": opens, "close": closes}).with_columns(
        high=pl.max_horizontal("open", "close"), low=pl.min_horizontal("open", "close")
    )
    panel = Panel.from_frame({"A": frame})
    for mark_at, bars in (("close", (2, 3)), ("open", (3, 4))):
        engine = BacktestEngine(
            risk_limits=RiskLimits(max_drawdown=0.2), portfolio=PortfolioRules(mark_at=mark_at)
        )
        result = engine.run(panel, ([0], [[1.0]]))
        ends = result.orders.filter(pl.col("kind") == "risk_limit").select("bar", "fill_bar").rows()
        assert ends == [bars]


@pytest.mark.parametrize("mark_at", ["close", "open"])
def test_blocks_see_what_limits_of_a_financed_account_have_closed(mark_at):
    @strategy
    def stubborn(i, bars, params, memory, account, want):
        if account[2] == 0.0 and account[3] == 0.0:
            want[0], want[1] = 0.5, 0.5

    flows = {f"2020-0{month}-15": amount for month, amount in ((2, 20_000.0), (4, -30_000.0))}
    panel = synthetic(300, assets=4, seed=5, start="2020-01-01")
    engine = BacktestEngine(
        risk_limits=RiskLimits(daily_loss=0.02), portfolio=PortfolioRules(mark_at=mark_at),
        financing=Financing(cash_rate=0.03, cash_flows=flows, dividends={"A0": {"2020-03-03": 0.7}}),
    )  # fmt: skip
    result = engine.run(panel, stubborn)
    rows = result.orders.filter(pl.col("kind") == "rebalance")["bar"].unique(maintain_order=True).to_list()
    assert len(rows) > 3
    weights = np.full((len(rows), 4), math.nan)
    weights[:, :2] = 0.5
    assert engine.run(panel, (rows, weights)).hash == result.hash
