"""Decisions of rules against a state machine that looks at one bar at a time."""

import math

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import Above, AtLeast, BacktestEngine, Row, RuleStrategy, synthetic
from peak_fast.indicators.rows import stride_of
from peak_kernels.fast.decided import decide
from peak_kernels.slots import ROW_OFFSET, RULE_SIZE, SIDES, SIGNALS, WEIGHTS


@numba.njit
def run(plane, stride, rule, bars, bar_of, target_of):
    return decide(plane, stride, rule, bars, bar_of, target_of)


def plain(rows, rule, bars):
    """The rule of `RuleStrategy`, bar by bar."""

    def holds(condition, bar):
        x, y, code = rule[condition * 3 : condition * 3 + 3]
        if x < 0:
            return False
        left, right = rows[x][bar], rows[y][bar]
        return left >= right if code else left > right

    state, found = 0, []
    for bar in range(bars):
        new = state
        if state == 0:
            new = 1 if holds(0, bar) else -1 if holds(2, bar) else 0
        elif state == 1:
            new = -1 if holds(2, bar) else 0 if holds(1, bar) else 1
        else:
            new = 1 if holds(0, bar) else 0 if holds(3, bar) else -1
        if new != state:
            found.append((bar, new))
        state = new
    return found


@given(st.data())
def test_decide_is_the_state_machine(data):
    bars = data.draw(st.integers(1, 200))
    values = st.sampled_from([0.0, 1.0, 2.0, math.nan])
    seed = data.draw(st.integers(0, 2**32 - 1))
    choices = data.draw(st.lists(values, min_size=3, max_size=9))
    rows = np.random.default_rng(seed).choice(choices, size=(4, bars))
    rule = np.array(
        [
            data.draw(st.integers(-1, 3)) if k % 3 == 0 else data.draw(st.integers(0, 3 if k % 3 == 1 else 1))
            for k in range(RULE_SIZE)
        ],
        np.int64,
    )
    plane = np.full((4, stride_of(bars)), math.nan)
    plane[:, :bars] = rows
    bar_of, target_of = np.empty(bars, np.int64), np.empty(bars)
    count = run(plane.reshape(-1), plane.shape[1], rule, bars, bar_of, target_of)
    assert list(zip(bar_of[:count].tolist(), target_of[:count].tolist(), strict=True)) == plain(
        rows, rule, bars
    )


@given(st.data())
def test_rows_of_decisions(data):
    """A row of targets or signals, as the kernel reads it, against one bar at a time."""
    bars = data.draw(st.integers(1, 200))
    code = data.draw(st.sampled_from([WEIGHTS, SIDES, SIGNALS]))
    values = st.sampled_from([0.0, 1.0, -1.0, math.nan] + ([0.5, 2.0] if code == WEIGHTS else []))
    lengths = st.lists(st.tuples(values, st.integers(1, 90)), min_size=1, max_size=12)
    row = np.repeat(*map(np.array, zip(*data.draw(lengths), strict=True)))[:bars]
    bars = len(row)
    wrong = data.draw(st.none() | st.integers(0, bars - 1))
    if wrong is not None:
        row[wrong] = math.inf if code == WEIGHTS else data.draw(st.sampled_from([2.0, 0.5, -math.inf]))
    found, last = [], 0.0
    for bar, value in enumerate(row.tolist()):
        new = 0.0 if math.isnan(value) and code == SIGNALS else value
        if not math.isnan(new) and new != last:
            last = new
            if new != 0.0 or code != SIGNALS:
                found.append((bar, new))
    stride = ROW_OFFSET + bars + 64
    plane = np.full((2, stride), math.nan)
    plane[:, 0], plane[1, ROW_OFFSET : ROW_OFFSET + bars] = 0.0, row
    rule = np.full(RULE_SIZE, -1, np.int64)
    rule[0], rule[2] = 1, code
    bar_of, target_of = np.empty(bars, np.int64), np.empty(bars)
    count = run(plane.reshape(-1), stride, rule, bars, bar_of, target_of)
    if wrong is not None:
        assert count == -1
    else:
        assert list(zip(bar_of[:count].tolist(), target_of[:count].tolist(), strict=True)) == found


def test_a_rule_of_ones_own_equals_its_targets():
    rule = RuleStrategy(
        name="above_average",
        enter_long=Above(Row("close"), Row("sma", 30)),
        leave_long=AtLeast(Row("sma", 30), Row("close")),
    )
    bars = synthetic(500, seed=3)
    average = np.convolve(bars.close, np.full(30, 1 / 30), "valid")
    target = np.zeros(500)
    target[29:] = bars.close[29:] > average
    by_rule, by_target = BacktestEngine().run(bars, rule), BacktestEngine().run(bars, target)
    np.testing.assert_array_equal(by_rule.equity, by_target.equity)
    assert by_rule.stats["total_trades"] > 3
