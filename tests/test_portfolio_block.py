"""Compiled blocks of all assets: against a plain Python loop, against their own rows, and what is refused."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given

from peak_fast import (
    BacktestEngine,
    Costs,
    Financing,
    Param,
    PortfolioRules,
    StrategyError,
    strategy,
    synthetic,
)
from peak_fast.errors import ConfigError, DataError
from tests import oracle_portfolio as oracle
from tests.test_portfolio_financing import financed
from tests.test_portfolio_oracle import cases, check_equal, engine_of, near, pair_of, panel_of

PANEL = synthetic(300, assets=5, seed=3)
SCHEMA = (
    Param("every", "int", 2, low=1, high=50),
    Param("floor", "float", 0.9371, low=0.0, high=1.0),
    Param("share", "float", 0.3125, low=-1.0, high=2.0),
)


@strategy(schema=SCHEMA, memory=2)
def careful(i, bars, params, memory, account, want):
    """Depends on everything that a block gets: prices, parameters, its memory, cash, equity and units.

    No bound is a number that rounding may end on: cash that is all spent is nothing but for the last bits.
    """
    memory[0] = max(memory[0], account[1])
    memory[1] += 1.0
    if account[1] < params[1] * memory[0] and account[0] < account[1] - 0.0371:
        memory[0] = account[1]
        want[:] = 0.0
    elif memory[1] >= params[0]:
        memory[1] = 0.0
        for asset in range(want.size):
            if bars[3, asset, i] != bars[3, asset, i] and asset % 2 == 0:
                continue
            if account[2 + asset] == 0.0:
                want[asset] = params[2]
            elif asset != 1:
                want[asset] = params[2] / 2 if account[0] > 0.0371 else 0.125


class Asked(oracle.Account):
    """The oracle's account, which asks the plain Python function of a block at each close."""

    def __init__(self, prices, rules, function, params, payments=None):
        super().__init__(prices, rules, payments)
        self.function, self.params, self.rows = function, params, {}
        self.memory = np.zeros(2)
        self.table = np.array(
            [[row or (math.nan,) * 4 for row in prices[symbol]] for symbol in prices]
        ).transpose(2, 0, 1)

    def delist(self, bar):
        super().delist(bar)
        if self.rules.fill_at == "close":
            if self.payments:  # paid at this close, which is the one that the block sees
                self.payments.fund(self, bar)
                self.payments.funding.pop(bar, None)
            self.ask(bar)

    def mark(self, bar):
        super().mark(bar)
        if self.rules.fill_at != "close":
            self.ask(bar)

    def ask(self, bar):
        worth = sum(self.units[symbol] * self.last_close(symbol, bar) for symbol in self.held())
        account = np.array([self.cash, self.cash + worth, *self.units.values()])
        want = np.full(len(self.units), math.nan)
        self.function(bar, self.table, self.params, self.memory, account, want)
        row = {symbol: weight for symbol, weight in zip(self.units, want, strict=True) if weight == weight}
        if row:
            self.rows[bar] = row


@given(cases())
def test_a_block_equals_a_plain_loop(case):
    table, _, rules = case
    values = {"every": 2, "floor": 0.9371, "share": 0.3125}
    panel = panel_of(table, rules)
    asked = Asked(
        {name: table[name] for name in panel.symbols}, rules, careful.function, np.array([*values.values()])
    )
    asked.run(asked.rows)
    result = engine_of(rules, table).run(panel, careful, values)
    near(result.equity, asked.equity)
    near(result.cash, asked.cash_at)
    if asked.rows:
        # The rows of the loop as given weights have the orders of the oracle, and the block those of the rows.
        given_rows = check_equal(table, asked.rows, rules)
        assert np.array_equal(given_rows.equity, result.equity)
        assert given_rows.orders.equals(result.orders)
        same = engine_of(rules, table).run(panel, pair_of(asked.rows, panel.symbols))
        assert same.trades.equals(result.trades) and same.hash == result.hash


@pytest.mark.parametrize("fill_at", ["next_open", "close", "next_close"])
def test_what_a_block_wants_is_what_the_same_rows_give(fill_at):
    """Rows taken from runs that each know one decision more; the account is that of the result, to the last bit."""
    engine = BacktestEngine(
        costs=Costs.from_bps(10, slippage_bps=3), portfolio=PortfolioRules(fill_at=fill_at)
    )
    panel = synthetic(60, assets=5, seed=3)
    params, memory, rows, weights = np.array([7.0, 0.98, 0.15]), np.zeros(2), [], []
    for bar in range(len(panel)):
        known = engine.run(
            panel, (np.array(rows, dtype=np.int64), np.array(weights).reshape(-1, panel.n_assets))
        )
        held = np.zeros(panel.n_assets)
        for symbol, side, size, when in known.fills.select("symbol", "side", "size", "bar").iter_rows():
            if when <= bar:
                held[panel.index(symbol)] += side * size
        near(
            held,
            [known.positions_at(bar)[s] for s in panel.symbols] if hasattr(known, "positions_at") else held,
        )
        want = np.full(panel.n_assets, math.nan)
        account = np.array([known.cash[bar], known.equity[bar], *held])
        careful.function(bar, panel.prices, params, memory, account, want)
        if not np.isnan(want).all():
            rows.append(bar)
            weights.append(want)
    assert len(rows) > 5
    result = engine.run(panel, careful, {"every": 7, "floor": 0.98, "share": 0.15})
    given_rows = engine.run(panel, (np.array(rows), np.array(weights)))
    assert result.hash == given_rows.hash and np.array_equal(result.equity, given_rows.equity)
    assert result.orders.equals(given_rows.orders)


@given(financed())
def test_a_block_of_a_financed_account_equals_a_plain_loop(case):
    """Interest, dividends, splits, deposits and funding are in the account that the block sees."""
    table, _, rules, payments, financing = case
    values = {"every": 2, "floor": 0.9371, "share": 0.3125}
    panel, engine = panel_of(table, rules), engine_of(rules, table)
    engine.financing = financing
    asked = Asked(
        {name: table[name] for name in panel.symbols}, rules, careful.function, np.array([*values.values()]),
        payments,
    )  # fmt: skip
    asked.run(asked.rows)
    result = engine.run(panel, careful, values)
    scale = max(1000.0, max(map(abs, asked.equity)))
    near(result.equity, asked.equity, scale)
    near(result.cash, asked.cash_at, scale)
    if asked.rows:
        same = engine.run(panel, pair_of(asked.rows, panel.symbols))
        assert same.hash == result.hash and same.charges.equals(result.charges)


WATCHED = Financing(
    cash_rate=0.0731, debit_rate=0.11, borrow_rate=0.0437, cash_flows={"2020-01-20": 7000.0},
    dividends={"A0": {"2020-02-03": 0.71}}, splits={"A2": {"2020-02-10": 2.0}}, funding={"2020-02-12 12:00": 0.003},
)  # fmt: skip


@pytest.mark.parametrize("fill_at", ["next_open", "next_close"])
def test_a_block_sees_the_cash_that_the_result_shows(fill_at):
    """The block asks for more of an asset the more cash there is, so its rows tell every cent that it saw."""

    @strategy
    def teller(i, bars, params, memory, account, want):
        if i % 3 == 0:
            want[0] = 0.3 + account[0] * 1e-7
            want[1] = -0.2 - account[1] * 1e-7
            want[2] = 0.1

    panel = synthetic(60, assets=3, seed=3, start="2020-01-01")
    engine = BacktestEngine(
        costs=Costs.from_bps(10, slippage_bps=3), portfolio=PortfolioRules(fill_at=fill_at), financing=WATCHED
    )
    result = engine.run(panel, teller)
    assert {"cash_flow", "dividend", "split", "funding", "borrowing"} <= set(result.charges["kind"])
    asked = np.arange(0, 60, 3)
    seen = [[0.3 + result.cash[bar] * 1e-7, -0.2 - result.equity[bar] * 1e-7, 0.1] for bar in asked]
    again = engine.run(panel, (asked, np.array(seen)))
    near(again.equity, result.equity)
    near(again.orders["filled"], result.orders["filled"])


def test_a_checked_block_gives_the_same(monkeypatch):
    plain = BacktestEngine().run(PANEL, careful, {"share": 0.15})
    monkeypatch.setenv("PEAK_FAST_DEBUG", "1")
    assert BacktestEngine().run(PANEL, careful, {"share": 0.15}).hash == plain.hash


def test_an_index_outside_is_named_with_its_line():
    @strategy
    def beyond(i, bars, params, memory, account, want):
        want[0] = bars[5, 0, i]

    with pytest.raises(StrategyError, match=r"beyond.*index of bars below 5"):
        BacktestEngine().run(PANEL, beyond)

    @strategy(debug=True)
    def late(i, bars, params, memory, account, want):
        for asset in range(want.size + (i > 10)):
            want[asset] = 0.1

    with pytest.raises(StrategyError, match=r"late.* at bar 11, line \d+ of test_portfolio_block.py"):
        BacktestEngine().run(PANEL, late)


def test_what_cannot_be_is_refused():
    @strategy
    def broken(i, bars, params, memory, account, want):
        want[0] = sys.version

    with pytest.raises(StrategyError, match=r"broken.*cannot be compiled"):
        BacktestEngine().run(PANEL, broken)

    @strategy
    def writes(i, bars, params, memory, account, want):
        bars[3, 0, i] = 1.0

    with pytest.raises(StrategyError, match=r"writes.*it can only read"):
        BacktestEngine().run(PANEL, writes)

    @strategy
    def endless(i, bars, params, memory, account, want):
        want[0] = np.inf

    with pytest.raises(DataError, match="infinite for 'A0' at bar 0"):
        BacktestEngine().run(PANEL, endless)

    @strategy
    def greedy(i, bars, params, memory, account, want):
        want[:] = 1.0

    with pytest.raises(DataError, match="sum to at most 1"):
        BacktestEngine().run(PANEL, greedy)
    with pytest.raises(ConfigError, match='expected "rows" for the block'):
        BacktestEngine(portfolio=PortfolioRules(rebalance="changes")).run(PANEL, careful)
    with pytest.raises(StrategyError, match="block of all assets"):
        BacktestEngine().run(PANEL["A0"], careful)


def test_a_block_that_wants_nothing_holds_cash():
    @strategy
    def idle(i, bars, params, memory, account, want):
        pass

    result = BacktestEngine().run(PANEL, idle)
    assert (result.equity == 100_000.0).all() and result.orders.height == 0
