"""Financing of one asset: against an oracle, a panel of it, a ledger in Decimal and adjusted prices."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import Financing
from peak_fast.results import KINDS
from peak_fast.simulation.decisions import given_decisions
from peak_fast.simulation.payments import payments_of
from peak_fast.simulation.run import run_single
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from tests import oracle
from tests.kernel_cases import (
    DAY,
    decisions_of,
    kernel_settings,
    make_bars,
    price_bars,
    rules_of,
    signed_cases,
)
from tests.oracle_financing import Payments
from tests.test_kernel_oracle import names, near

RATES = [0.0, 0.03, 0.0625, 0.5]


@st.composite
def payments_in(draw, bars, a_day, rates=None, first="1970-01-01"):
    """What is due in bars of a case: as the oracle takes it, and as the user says it."""
    count = len(bars)
    when = [np.datetime64(first, "us") + np.timedelta64(bar * (DAY // a_day), "us") for bar in range(count)]
    days = [bar // a_day for bar in range(count)]
    rates = draw(st.sampled_from([RATES, RATES, [*RATES, -0.125]])) if rates is None else rates
    given_rates, of_bars = {}, {}
    for name in ("cash_rate", "debit_rate", "borrow_rate"):
        one, other = (draw(st.sampled_from(rates)) for _ in range(2))
        switch = draw(st.integers(0, days[-1]))
        given_rates[name] = one if switch == 0 else {str(when[0]): one, str(when[switch * a_day]): other}
        # The rate of a step is that of the day it begins with.
        begins = [days[max(bar - 1, 0)] for bar in range(count)]
        of_bars[name] = [other if switch and day >= switch else one for day in begins]
    priced = [bar for bar in range(count) if bars[bar] is not None]
    due = {"dividends": {}, "splits": {}, "flows": {}, "funding": {}}
    for place, bar in enumerate(priced[1:]):
        close = bars[priced[place]][3]
        if close > 0 and draw(st.integers(0, 5)) == 0:
            due["dividends"][bar] = close * draw(st.sampled_from([0.01, 0.125]))
        if draw(st.integers(0, 7)) == 0:
            due["splits"][bar] = draw(st.sampled_from([2.0, 0.5, 3.0]))
    for bar in range(count):
        if draw(st.integers(0, 7)) == 0:
            due["flows"][bar] = draw(st.sampled_from([100.0, -50.0, 1000.0]))
        if bars[bar] is not None and draw(st.integers(0, 7)) == 0:
            due["funding"][bar] = draw(st.sampled_from([0.01, -0.03]))
    reinvest = draw(st.booleans()) and bool(due["dividends"])
    payments = Payments(days, *of_bars.values(), **due, reinvest=reinvest)
    said = {
        "dividends": {str(when[bar]): amount for bar, amount in due["dividends"].items()},
        "splits": {str(when[bar]): ratio for bar, ratio in due["splits"].items()},
        "cash_flows": {str(when[bar]): amount for bar, amount in due["flows"].items()},
        "funding": {str(when[bar] + np.timedelta64(1, "h")): rate for bar, rate in due["funding"].items()},
    }
    tables = {name: table or None for name, table in said.items()}
    return payments, Financing(**given_rates, reinvest=reinvest, **tables)


@st.composite
def cases(draw):
    if draw(st.integers(0, 5)) == 0:
        rules, bars, decide = draw(signed_cases())
    else:
        rules, bars = draw(rules_of()), draw(price_bars())
        decide = draw(decisions_of(len(bars), rules.weights))
    a_day = draw(st.sampled_from([1, 3]))
    return rules, bars, decide, a_day, draw(payments_in(bars, a_day))


@given(cases())
def test_kernel_equals_oracle(case):
    rules, bars, decide, a_day, (payments, financing) = case
    account, equity, cash, position = oracle.run(bars, decide, rules, payments.days, payments)
    data = make_bars(bars, a_day)
    where = np.array(sorted(decide), np.int64)
    decisions = given_decisions(where, np.array([decide[int(bar)] for bar in where], np.float64))
    outcome = run_single(data, decisions, kernel_settings(rules), payments_of(data, financing))
    scale = max(rules.initial_cash, *map(abs, equity), *map(abs, cash))
    orders, fills, trades = outcome.orders, outcome.fills, outcome.trades
    ours = (
        orders[:, 0].astype(int),
        names(orders[:, 2], KINDS),
        orders[:, 3],
        names(orders[:, 6], t.STATUSES),
    )
    theirs = [(order[0], order[1], order[2], order[5]) for order in account.orders]
    assert list(zip(*ours, strict=True)) == theirs
    near(orders[:, 5], [order[4] for order in account.orders], scale)
    assert names(fills[:, 7], KINDS) == [fill[5] for fill in account.fills]
    for column, place in ((3, 2), (4, 3), (5, 4)):
        near(fills[:, column], [fill[place] for fill in account.fills], scale)
    assert trades[:, 1].astype(int).tolist() == [trade.entry_bar for trade in account.trades]
    near(trades[:, 9], [one.gross - one.fees + one.financing for one in account.trades], scale)
    near(trades[:, 11], [one.financing for one in account.trades], scale)
    for row, curve in enumerate((equity, cash, position)):
        near(outcome.curve[row], curve, scale)
    charges = outcome.charges
    for kind in set(p.CHARGES):
        amount = sum(row[4] for row in charges if p.CHARGES[int(row[2])] == kind)
        near(amount, sum(paid for _, name, paid in payments.paid if name == kind), scale)
