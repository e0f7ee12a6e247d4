"""The kernel against the oracle, and properties that hold for every run."""

import math

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from peak_kernels import slots as t
from tests import oracle
from tests.kernel_cases import decisions_of, kernel_settings, make_bars, price_bars, rules_of, run_kernel


@st.composite
def cases(draw, **options):
    rules = draw(rules_of())
    bars = draw(price_bars(**options))
    return rules, bars, draw(decisions_of(len(bars), rules.weights))


def near(actual, expected, scale=1.0):
    """Money to 1e-9, relative to the size of the account where both are small."""
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9 * scale)


def names(codes, table):
    return [table[int(code)] for code in codes]


@given(cases())
@example(
    # A stop in the very bar whose close replaces a waiting decision.
    (
        oracle.Rules(fill_at="close", trailing=0.125, unit="absolute", enter_only_flat=True),
        [(16.0, 16.0, 16.0, 16.0), None, (16.0, 16.25, 16.0, 16.0)],
        {0: -1.0, 1: -1.0, 2: -1.0},
    )
)
@example(
    # Two decisions in a gap, while a forced exit waits for the same price: each is replaced in its own bar.
    (
        oracle.Rules(per_unit=0.09375, daily_loss=0.0625, entry_bar_stops=False),
        [None, (1.0, 1.0, 1.0, 1.0), None, None, (1.0, 1.0, 1.0, 1.0)],
        {0: 1.0, 1: -1.0, 2: 1.0, 3: 0.0},
    )
)
@example(
    # A weight so small that its product with the position is zero in floating point.
    (
        oracle.Rules(weights=True),
        [(1.0, 1.0, 1.0, 1.0)] * 5,
        {0: 1e-33, 1: 1e-305, 2: -1e-305, 3: 1e-305},
    )
)
def test_kernel_equals_oracle(case):
    check_equal(*case)


def check_equal(rules, bars, decide):
    """Orders, fills, trades and curves of the kernel are those of the oracle."""
    days = [bar // 3 for bar in range(len(bars))]
    account, equity, cash, position = oracle.run(bars, decide, rules, days)
    outcome = run_kernel(make_bars(bars), decide, kernel_settings(rules))
    scale = rules.initial_cash
    orders = outcome.orders
    assert orders[:, 0].astype(int).tolist() == [order[0] for order in account.orders]
    assert names(orders[:, 2], t.KINDS) == [order[1] for order in account.orders]
    assert orders[:, 3].tolist() == [order[2] for order in account.orders]
    assert names(orders[:, 6], t.STATUSES) == [order[5] for order in account.orders]
    assert names(orders[:, 7], t.REASONS) == [order[6] for order in account.orders]
    near(orders[:, 4], [order[3] for order in account.orders], scale)
    near(orders[:, 5], [order[4] for order in account.orders], scale)
    fills = outcome.fills
    assert fills[:, 1].astype(int).tolist() == [fill[0] for fill in account.fills]
    assert fills[:, 2].tolist() == [fill[1] for fill in account.fills]
    assert names(fills[:, 7], t.KINDS) == [fill[5] for fill in account.fills]
    for column, place in ((3, 2), (4, 3), (5, 4)):
        near(fills[:, column], [fill[place] for fill in account.fills], scale)
    trades = outcome.trades
    assert trades[:, 1].astype(int).tolist() == [trade.entry_bar for trade in account.trades]
    assert trades[:, 2].astype(int).tolist() == [trade.exit_bar for trade in account.trades]
    near(trades[:, 8], [trade.gross for trade in account.trades], scale)
    near(trades[:, 9], [trade.gross - trade.fees for trade in account.trades], scale)
    near(outcome.curve[t.CURVE_EQUITY], equity, scale)
    near(outcome.curve[t.CURVE_CASH], cash, scale)
    near(outcome.curve[t.CURVE_POSITION], position, scale)
    assert outcome.state[t.N_AMBIGUOUS] == account.ambiguous


def test_sides_of_tiny_weights():
    """A smaller weight sells the surplus, which is all of it; then tiny positions change sides."""
    rules = oracle.Rules(weights=True)
    decide = {0: 1e-33, 1: 1e-305, 2: 1e-305, 3: -1e-305, 4: 0.0}
    outcome = run_kernel(make_bars([(1.0, 1.0, 1.0, 1.0)] * 6), decide, kernel_settings(rules))
    assert outcome.fills[:, 1:3].tolist() == [[1, 1], [2, -1], [3, 1], [4, -1], [4, -1], [5, 1]]
    assert outcome.curve[t.CURVE_POSITION].tolist() == [0.0, 1e-30, 0.0, 1e-302, -1e-302, 0.0]


def test_a_decision_that_is_replaced_while_a_forced_exit_waits():
    """What held when it was replaced counts: the position was still there."""
    rules = oracle.Rules(per_unit=0.09375, daily_loss=0.0625, entry_bar_stops=False)
    bars = [(1.0, 1.0, 1.0, 1.0)] * 2 + [None] * 2 + [(1.0, 1.0, 1.0, 1.0)]
    outcome = run_kernel(make_bars(bars), {0: 1.0, 1: 1.0, 2: -1.0, 3: 0.0}, kernel_settings(rules))
    decided = list(zip(outcome.orders[:, 0], names(outcome.orders[:, 2], t.KINDS), strict=True))
    # The long of bar 1 is held already: no order.
    assert decided == [(0, "signal"), (2, "signal"), (1, "risk_limit")]
    assert names(outcome.orders[:, 7], t.REASONS) == ["", "replaced", ""]


@given(cases())
def test_money_is_conserved(case):
    rules, bars, decide = case
    data = make_bars(bars)
    outcome = run_kernel(data, decide, kernel_settings(rules))
    equity, cash, position = outcome.curve
    mark = np.where(np.isnan(data.mark), 0.0, data.mark)
    near(cash + position * mark, equity, rules.initial_cash)
    sides, sizes, prices, fees = (outcome.fills[:, k] for k in (2, 3, 4, 5))
    near(rules.initial_cash - (sides * sizes * prices).sum() - fees.sum(), cash[-1], rules.initial_cash)
    near((sides * sizes).sum(), position[-1], rules.initial_cash)
    state = outcome.state
    open_value = state[t.EXIT_VALUE] + abs(state[t.UNITS]) * mark[-1]
    side = math.copysign(1.0, state[t.UNITS])
    still = side * (open_value - state[t.ENTRY_VALUE]) - state[t.TRADE_FEES] if state[t.UNITS] else 0.0
    near(rules.initial_cash + outcome.trades[:, 9].sum() + still, equity[-1], rules.initial_cash)


@given(cases(missing=False), st.integers(1, 39))
def test_the_past_does_not_know_the_future(case, cut):
    rules, bars, decide = case
    cut = min(cut, len(bars) - 1)
    whole = run_kernel(make_bars(bars), decide, kernel_settings(rules))
    # Other prices from the cut on change nothing before it.
    changed = bars[:cut] + [tuple(price * 1.37 for price in bar) for bar in bars[cut:]]
    other = run_kernel(make_bars(changed), decide, kernel_settings(rules))
    np.testing.assert_array_equal(whole.curve[:, :cut], other.curve[:, :cut])
    early = whole.fills[:, 1] < cut
    np.testing.assert_array_equal(whole.fills[early], other.fills[other.fills[:, 1] < cut])
    # And so does ending there.
    short = run_kernel(
        make_bars(bars[:cut]), {b: v for b, v in decide.items() if b < cut}, kernel_settings(rules)
    )
    np.testing.assert_array_equal(whole.curve[:, :cut], short.curve)


@given(cases())
def test_nothing_fills_on_a_bar_without_prices(case):
    rules, bars, decide = case
    outcome = run_kernel(make_bars(bars), decide, kernel_settings(rules))
    assert all(bars[int(bar)] is not None for bar in outcome.fills[:, 1])


@given(cases(gaps=False))
def test_fills_lie_within_the_bar(case):
    rules, bars, decide = case
    rules.slippage_bps = rules.slippage_abs = 0.0
    outcome = run_kernel(make_bars(bars), decide, kernel_settings(rules))
    for bar, price in outcome.fills[:, [1, 4]]:
        _, high, low, _ = bars[int(bar)]
        assert low * (1 - 1e-12) <= price <= high * (1 + 1e-12)


@given(cases())
def test_scaling_cash_scales_everything(case):
    rules, bars, decide = case
    # What is stated in units or currency does not scale.
    rules.fixed = rules.minimum = rules.lot_size = rules.min_size = 0.0
    rules.sizing = ("fraction", 0.7)
    small = run_kernel(make_bars(bars), decide, kernel_settings(rules))
    rules.initial_cash *= 1024.0
    large = run_kernel(make_bars(bars), decide, kernel_settings(rules))
    # A power of two moves exponents only: not one bit of a mantissa changes.
    np.testing.assert_array_equal(small.curve[t.CURVE_EQUITY] * 1024.0, large.curve[t.CURVE_EQUITY])


@given(rules_of(), price_bars())
def test_no_decision_leaves_the_cash_alone(rules, bars):
    outcome = run_kernel(make_bars(bars), {}, kernel_settings(rules))
    assert (outcome.curve[t.CURVE_EQUITY] == rules.initial_cash).all()
    assert len(outcome.orders) == len(outcome.fills) == len(outcome.trades) == 0


@given(cases())
def test_two_runs_are_the_same_bits(case):
    rules, bars, decide = case
    data, settings = make_bars(bars), kernel_settings(rules)
    first, second = run_kernel(data, decide, settings), run_kernel(data, decide, settings)
    for name in ("metrics", "curve", "orders", "fills", "trades"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


@given(cases())
def test_every_order_has_one_end(case):
    rules, bars, decide = case
    outcome = run_kernel(make_bars(bars), decide, kernel_settings(rules))
    filled = np.zeros(len(outcome.orders))
    np.add.at(filled, outcome.fills[:, 0].astype(int), outcome.fills[:, 3])
    near(filled, outcome.orders[:, 5], rules.initial_cash)
    status = outcome.orders[:, 6]
    assert ((filled > 0) == (status <= t.CUT)).all()
