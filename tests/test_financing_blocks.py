"""Compiled blocks beside financing: what they see of the account, an oracle, targets, sweeps, windows and worlds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import BacktestEngine, Execution, Financing, Param, RiskLimits, Stops, Sweep, strategy
from peak_fast.data import given_bars
from peak_fast.simulation.decisions import block_decisions
from peak_fast.simulation.payments import payments_of
from peak_fast.simulation.run import run_single
from peak_fast.strategies.blocks import Block
from peak_fast.validation import cross_validate, permutation_test, validate, walk_forward
from peak_kernels import slots as t
from tests import oracle
from tests.kernel_cases import kernel_settings, make_bars
from tests.test_block import FROM_PARAMS, cases, edges_of, row_of
from tests.test_financing import payments_in
from tests.test_financing_doors import BARS, DUE, NAMES, RATES
from tests.test_financing_worlds import FRAME, OPTIONS, PAYS


@given(cases(), st.data())
def test_block_equals_oracle(case, data):
    rules, bars, decide = case
    a_day = data.draw(st.sampled_from([1, 3]))
    payments, financing = data.draw(payments_in(bars, a_day))
    account, equity, cash, position = oracle.run(bars, edges_of(decide), rules, payments.days, payments)
    row = row_of(decide, len(bars))
    params = {f"bar_{bar}": value for bar, value in enumerate(row.tolist())}
    made = make_bars(bars, a_day)
    decisions = block_decisions(FROM_PARAMS, made, params)
    outcome = run_single(made, decisions, kernel_settings(rules), payments_of(made, financing))
    scale = max(rules.initial_cash, *map(abs, equity), *map(abs, cash))
    assert outcome.fills[:, 1].astype(int).tolist() == [fill[0] for fill in account.fills]
    assert [t.REASONS[int(code)] for code in outcome.orders[:, 7]] == [order[6] for order in account.orders]
    for mine, theirs in zip(outcome.curve, (equity, cash, position), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9 * scale)


def watch(i, bars, params, memory, account):
    """Write what it sees; its side is the parameter of the bar."""
    for k in range(3):
        memory[3 * i + k] = account[k]
    return params[i]


@given(cases(), st.data())
def test_a_block_sees_the_account_of_its_close(case, data):
    """Cash with interest up to that close, dividends, splits, deposits and funding of it: what the curve has there."""
    rules, bars, decide = case
    rules.fill_at = "next_open"
    a_day = data.draw(st.sampled_from([1, 3]))
    _, financing = data.draw(payments_in(bars, a_day))
    params = {f"bar_{bar}": value for bar, value in enumerate(row_of(decide, len(bars)).tolist())}
    made = make_bars(bars, a_day)
    decisions = block_decisions(Block(watch, name="watch", memory=3 * len(bars)), made, params)
    outcome = run_single(made, decisions, kernel_settings(rules), payments_of(made, financing))
    seen = decisions.block.memory.reshape(-1, 3)[: len(bars)]
    asked = [bar for bar in range(len(bars)) if bars[bar] is not None]
    cash, units, equity = (outcome.curve[row] for row in (t.CURVE_CASH, t.CURVE_POSITION, t.CURVE_EQUITY))
    scale = max(rules.initial_cash, float(np.abs(equity).max()), float(np.abs(cash).max()))
    for column, curve in enumerate((cash, units, equity)):
        np.testing.assert_allclose(seen[asked, column], curve[asked], rtol=1e-9, atol=1e-9 * scale)


@strategy(name="lags", schema=(Param("lag", "int", 20, low=1, high=100),))
def lags(i, bars, params, memory, account):
    lag = int(params[0])
    if i < lag:
        return 0.0
    return 1.0 if bars[3, i] > bars[3, i - lag] else -1.0


def by_function(frame, params):
    close, lag = frame["close"].to_numpy(), params["lag"]
    return np.concatenate([np.zeros(lag), np.where(close[lag:] > close[:-lag], 1.0, -1.0)])


@pytest.mark.parametrize("parts", [RATES, DUE, {**RATES, **DUE}, {**RATES, "cash_rate": -0.02}])
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"stops": Stops(stop_loss=0.03, trailing=0.05)},
        {"risk_limits": RiskLimits(max_drawdown=0.3, daily_loss=0.04)},
        {"execution": Execution(fill_at="close")},
    ],
)
def test_a_block_is_its_own_targets_and_rows_of_sweeps_are_runs(parts, rules):
    market = {"financing": Financing(**parts), **rules}
    engine = BacktestEngine(**market)
    sweep = Sweep(lags, {"lag": [5, 20]}, BARS, metrics=NAMES, blocks=4, **market)
    for row in sweep.run(progress=False, threads=2).frame.iter_rows(named=True):
        single, same = (engine.run(BARS, item, {"lag": row["lag"]}) for item in (lags, by_function))
        np.testing.assert_allclose(single.equity, same.equity, rtol=1e-9)
        assert single.fills["bar"].to_list() == same.fills["bar"].to_list()
        assert set(single.charges["kind"]) == set(same.charges["kind"])
        for result in (single, sweep.rerun({"lag": row["lag"]})):
            np.testing.assert_array_equal(
                [result.stats[name] for name in NAMES], [row[name] for name in NAMES]
            )


def test_windows_and_worlds_take_blocks_with_financing():
    grid = {"lag": [5, 20]}
    block, same = (walk_forward(item, grid, FRAME, financing=PAYS, **OPTIONS) for item in (lags, by_function))
    assert [choice.params for choice in block.choices] == [choice.params for choice in same.choices]
    np.testing.assert_allclose(block.result.equity, same.result.equity, rtol=1e-9)
    for one, other in zip(block.choices, same.choices, strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-9)
    flat = walk_forward(lags, grid, FRAME, positions="flat", financing=PAYS, **OPTIONS)
    again = BacktestEngine(financing=PAYS).run(flat.result.bars, flat.targets)
    np.testing.assert_allclose(again.equity, flat.result.equity, rtol=1e-9)
    for window, choice in zip(flat.windows, flat.choices, strict=True):
        own = BacktestEngine(financing=PAYS).run(given_bars(FRAME).slice(*window.train), lags, choice.params)
        assert own.stats["sharpe"] == choice.value
    crossed = cross_validate(lags, grid, FRAME, folds=4, financing=PAYS, progress=False)
    assert np.isfinite(crossed.sharpes).all()
    test = permutation_test(lags, {"lag": 5}, FRAME, worlds=4, financing=PAYS)
    own = BacktestEngine(financing=test.financing(2)).run(test.world(2), lags, {"lag": 5})
    assert own.stats["sharpe"] == test.distribution[2]
    verdict = validate(
        Sweep(lags, grid, FRAME, financing=PAYS).run(progress=False), worlds=9, replications=19
    )
    said = [finding.sentence for finding in verdict.findings if finding.colour == "grey"]
    assert not any("financing" in sentence.lower() for sentence in said)
