"""The short way that usual rules take through a bar's orders: the oracle's numbers, and the bits of the long way."""

from dataclasses import replace

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from peak_kernels import portfolio_slots as p
from peak_kernels.portfolio.exposures import fold_holdings
from peak_kernels.portfolio.lanes import add_holdings
from tests import oracle_portfolio as oracle
from tests.test_portfolio_oracle import check_equal, costs_of, near, price_tables, run, weight_rows

# A limit that nothing reaches: rules that have one trade the long way.
OUT_OF_REACH = 1e6


@st.composite
def usual_rules(draw):
    """Rules under which the short way is taken wherever weights are long and prices are there."""
    fill_at = draw(st.sampled_from(["next_open", "close", "next_close"]))
    return oracle.Rules(
        costs=replace(draw(costs_of), minimum=0.0),
        fill_at=fill_at,
        size_at=draw(st.sampled_from(["fill", "reference"])),
        mark_at=draw(st.sampled_from(["close", "open"])) if fill_at == "next_open" else "close",
        shorts=draw(st.sampled_from(["allowed", "refused"])),
        missing=draw(st.sampled_from(["wait", "drop"])),
        delisted=draw(st.sampled_from(["last_price", "zero", "hold", 0.25])),
        leverage=draw(st.sampled_from([1.0, 1.0, 2.0, 0.5])),
        cash_buffer=draw(st.sampled_from([0.0, 0.0, 0.0625])),
    )


@st.composite
def cases(draw):
    table = draw(price_tables(most_bars=24, missing=draw(st.booleans())))
    return table, draw(weight_rows(table, long_only=draw(st.booleans()))), draw(usual_rules())


@given(cases())
def test_the_short_way_equals_the_oracle(case):
    check_equal(*case)


@given(cases())
def test_the_short_way_has_the_bits_of_the_long_one(case):
    table, rows, rules = case
    short, long = run(table, rows, rules), run(table, rows, replace(rules, max_gross=OUT_OF_REACH))
    for name in ("equity", "metrics", "orders", "trades", "events", "cells"):
        ours, theirs = getattr(short._outcome, name), getattr(long._outcome, name)
        assert ours.tobytes() == theirs.tobytes(), name


def test_a_sale_at_nothing_after_slippage_is_a_sale():
    """Slippage of more than the price: the position is sold for nothing, as by the long way."""
    bar = (1.0, 1.0, 1.0, 1.0)
    table, rows = {"C": [bar] * 4, "A": [bar] * 4}, {0: {"C": 0.5, "A": 0.25}, 1: {"C": 0.0, "A": -0.0}}
    rules = oracle.Rules(costs=oracle.Costs(slippage_abs=2.0), fill_at="next_open", size_at="fill")
    short, long = run(table, rows, rules), run(table, rows, replace(rules, max_gross=OUT_OF_REACH))
    assert short.orders["side"].to_list() == ["buy", "buy", "sell", "sell"]
    assert short.orders.equals(long.orders) and short.equity.tobytes() == long.equity.tobytes()
    check_equal(table, rows, rules)


@numba.njit
def folded(held, equity, out):
    fold_holdings(held, equity, out)


def test_shares_of_an_equity_of_nothing_are_none():
    for bar in range(4):
        held, equity, out = np.zeros((p.N_EXPOSURES, 4)), np.full(4, 100.0), np.zeros(p.N_MEANS)
        held[p.LONG], held[p.LARGEST], held[p.SQUARES], held[p.HOLDINGS] = 80.0, 50.0, 3400.0, 2.0
        folded(held, equity, out)
        assert (out[p.MEAN_GROSS], out[p.LARGEST_WEIGHT]) == (0.8, 0.5)
        held[:, bar], equity[bar] = 0.0, 0.0
        folded(held, equity, out)
        assert np.isnan([out[p.MEAN_GROSS], out[p.LARGEST_WEIGHT]]).all()


@numba.njit
def added(prices, field, assets, units, count, start, equity):
    add_holdings(prices, field, assets, units, count, start, equity)


@given(st.integers(1, 140), st.integers(0, 9), st.integers(0, 5), st.integers(0, 2**32))
def test_holdings_are_added_in_their_sequence(bars, count, start, seed):
    rng = np.random.default_rng(seed)
    prices = rng.uniform(1.0, 500.0, (4, 12, start + bars))
    assets, units = rng.permutation(12)[:count], rng.normal(0.0, 1e4, count)
    equity = rng.normal(1e6, 1e5, bars + 2)
    expected = equity.copy()
    for bar in range(bars):
        for asset, size in zip(assets.tolist(), units.tolist(), strict=True):
            expected[bar + 1] += size * prices[3, asset, start + bar]
    added(prices, 3, assets, units, count, start, equity[1:-1])
    assert equity.tobytes() == expected.tobytes()  # Those beside the stretch are as they were.


@given(cases())
def test_what_is_held_is_what_fills_and_prices_say(case):
    table, rows, rules = case
    result = run(table, rows, replace(rules, mark_at="close"))
    units, closes = np.zeros((len(table), len(result.equity))), np.zeros((len(table), len(result.equity)))
    for place, (symbol, bars) in enumerate(table.items()):
        known = 0.0
        for bar, prices in enumerate(bars):
            known = prices[3] if prices else known
            closes[place, bar] = known
        for name, bar, side, size in result.fills.select("symbol", "bar", "side", "size").iter_rows():
            units[place, bar:] += side * size if name == symbol else 0.0
    values = np.where(np.abs(units) > 1e-9, units * closes, 0.0)
    long, short = np.maximum(values, 0.0).sum(axis=0), -np.minimum(values, 0.0).sum(axis=0)
    held, stats, equity = result.exposures, result.stats, result.equity
    for row, expected in (
        (0, long),
        (1, short),
        (2, (values != 0.0).sum(axis=0)),
        (3, np.abs(values).max(axis=0)),
    ):
        near(held[row], expected)
    near(held[4], (values**2).sum(axis=0), scale=1e6)
    near(stats["average_gross"], ((long + short) / equity).mean(), scale=1.0)
    near(stats["average_net"], ((long - short) / equity).mean(), scale=1.0)
    near(stats["largest_weight"], (np.abs(values).max(axis=0) / equity).max(), scale=1.0)
    there = long + short > 0.0
    even = (long + short)[there] ** 2 / (values**2).sum(axis=0)[there]
    near(stats["effective_holdings"], even.mean() if there.any() else 0.0, scale=1.0)
