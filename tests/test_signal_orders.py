"""Rules of the signal simulation that a scenario decides; the numbers are those of vectorbt 1.2 (numba engine)."""

import numpy as np
import pytest

from peak_fast.errors import ConfigError
from peak_fast.settings.signal_rules import SignalRules
from peak_fast.signals.simulate import simulate_signals, simulate_sizes

CLOSE = np.array([10.0, 11.0, 12.0, 9.0, 8.0, 10.0])
NONE = np.nan


def at(*bars):
    """Boolean signal, true on the given bars."""
    signal = np.zeros(CLOSE.size, dtype=bool)
    signal[list(bars)] = True
    return signal


def fills(result):
    return result.fills.select("bar", "asset", "side", "size", "price").rows()


def test_a_size_between_two_steps_is_floored_without_rounding_up():
    """7 holds 69 whole steps of the float 0.1."""
    size = np.array([7.0, NONE, -7.0, NONE, NONE, NONE])
    result = simulate_sizes([CLOSE] * 4, size, rules=SignalRules(size_granularity=0.1), initial_cash=1000.0)
    assert [row[3] for row in fills(result)] == pytest.approx([6.9, 6.9], rel=1e-12)
    assert result.cash[0, -1] == pytest.approx(1013.8, rel=1e-12)


def test_an_opposite_entry_without_a_size_only_closes():
    size = np.array([5.0, 5.0, NONE, 5.0, 5.0, 5.0])
    result = simulate_signals(
        [CLOSE] * 4, entries=at(0), short_entries=at(2, 4), size=size, initial_cash=1000.0
    )
    assert fills(result) == [(0, 0, 1, 5.0, 10.0), (2, 0, -1, 5.0, 12.0), (4, 0, -1, 5.0, 8.0)]


@pytest.mark.parametrize(("update", "last"), [(True, 3.1), (False, 4.0)])
def test_an_updated_value_takes_the_price_of_the_fill(update, last):
    close = np.stack([CLOSE, CLOSE[::-1] * 2.0])
    size = np.full(close.shape, NONE)
    size[:, 0], size[:, 3] = 0.4, (0.2, 0.6)
    rules = SignalRules(size_type="targetpercent", update_value=update)
    result = simulate_sizes([close] * 4, size, slippage=0.1, rules=rules, initial_cash=1000.0, groups=True)
    expected = [
        (0, 0, 1, 40.0, 11.0),
        (0, 1, 1, 20.0, 22.0),
        (3, 0, -1, 56.0 / 3.0, 8.1),
        (3, 1, 1, last, 26.4),
    ]
    assert np.array(fills(result)) == pytest.approx(np.array(expected), rel=1e-12)


def test_a_group_without_value_takes_no_target_percent():
    """A short of 100 at 10 on 1,000 has lost everything at 25."""
    close = np.array([10.0, 25.0, 30.0, 30.0])
    rules = SignalRules(size_type="targetpercent")
    result = simulate_sizes([close] * 4, np.array([-1.0, NONE, 0.5, NONE]), rules=rules, initial_cash=1000.0)
    assert result.orders["status"].to_list() == ["filled", "value_not_positive"]


def test_a_bar_without_an_open_is_tested_at_its_close():
    """Entry at 10, stop 5 percent below; bar 1 has a close of 9 and nothing else."""
    close = np.array([10.0, 9.0, 12.0, 9.0, 8.0, 10.0])
    rest = [np.array([value, NONE, 12.0, 9.0, 8.0, 10.0]) for value in (10.0, 10.5, 9.5)]
    result = simulate_signals([*rest, close], entries=at(0), size=5.0, stop_loss=0.05, initial_cash=1000.0)
    assert fills(result) == [(0, 0, 1, 5.0, 10.0), (1, 0, -1, 5.0, 9.0)]


def test_an_order_without_a_price_does_not_disturb_the_sequence_of_the_others():
    """Sales come first also when an asset between them has never had a price."""
    close = np.array([[10.0, 10.0], [NONE, NONE], [10.0, 10.0]])
    size = np.array([[NONE, 50.0], [5.0, 5.0], [100.0, -100.0]])
    rules = SignalRules(call_seq="auto")
    result = simulate_sizes([close] * 4, size, rules=rules, initial_cash=1000.0, groups=True)
    assert fills(result) == [(0, 2, 1, 100.0, 10.0), (1, 2, -1, 100.0, 10.0), (1, 0, 1, 50.0, 10.0)]


def test_percent_reverses_nothing_but_may_close():
    rules = SignalRules(size_type="percent")
    with pytest.raises(ConfigError, match="cannot reverse a position"):
        simulate_signals([CLOSE] * 4, entries=at(0), short_entries=at(2), size=0.5, rules=rules)
    result = simulate_signals(
        [CLOSE] * 4,
        entries=at(0),
        exits=at(2),
        short_entries=at(4),
        size=0.5,
        rules=rules,
        initial_cash=1000.0,
    )
    assert [row[:3] for row in fills(result)] == [(0, 0, 1), (2, 0, -1), (4, 0, -1)]


def test_a_negative_size_is_refused():
    with pytest.raises(ConfigError, match="size must not be negative"):
        simulate_signals([CLOSE] * 4, entries=at(0), size=-5.0)
