"""A strategy of one asset on every asset of a panel: who gets a slot when, and what follows."""

import numpy as np
import pytest

from peak_fast import BacktestEngine, Costs, Panel, StrategyError, Sweep, sample
from peak_fast.portfolio import Slots
from peak_fast.portfolio.rules.slots import allotted

PANEL = sample("panel")


class Few:
    """What `allotted` reads of a panel."""

    symbols = ("C", "A", "B")
    n_assets = 3


def rows_of(sides, slots, priority=None):
    bars, weights, missed = allotted(np.array(sides, dtype=np.int8), priority, Few, slots)
    told = [
        {name: weight for name, weight in zip(Few.symbols, row, strict=True) if weight == weight}
        for row in weights
    ]
    return dict(zip(bars.tolist(), told, strict=True)), missed


def test_one_slot_for_each_asset():
    sides = [[0, 1, 1, 0, 0], [1, 1, 0, -1, -1], [0, 0, 0, 0, 0]]
    third = 1 / 3
    assert rows_of(sides, 3) == (
        {0: {"A": third}, 1: {"C": third}, 2: {"A": 0.0}, 3: {"C": 0.0, "A": -third}},
        0,
    )


def test_the_alphabet_decides_and_a_free_slot_goes_to_a_signal_that_lasts():
    sides = [[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]]
    # A before B before C; B ends before a slot is free; C gets the one that A leaves.
    assert rows_of(sides, 1) == ({0: {"A": 1.0}, 2: {"C": 1.0, "A": 0.0}, 4: {"C": 0.0}}, 1)


def test_priority_and_reversals():
    sides = [[1, 1, 1], [1, 1, 1], [1, -1, -1]]
    priority = np.array([[3.0] * 3, [1.0] * 3, [2.0] * 3])
    assert rows_of(sides, 2, priority) == ({0: {"C": 0.5, "B": 0.5}, 1: {"B": -0.5}}, 0)
    priority[0] = -np.inf
    assert rows_of(sides, 2, priority)[0][0] == {"A": 0.5, "B": 0.5}


def test_one_asset_with_one_slot_is_the_strategy_on_it():
    """The same decisions as weights of one asset, to the last bit."""
    panel, engine = PANEL.select("IBM"), BacktestEngine(costs=Costs(rate=0.001))
    many = engine.run(panel, Slots("ma_crossover"), {"fast": 10, "slow": 40})
    one = engine.run(panel["IBM"], "ma_crossover", {"fast": 10, "slow": 40})
    columns = ["bar", "side", "size", "price", "fee"]
    assert many.fills.select(columns).equals(one.fills.select(columns))
    np.testing.assert_array_equal(many.equity, one.equity)
    assert many.strategy_name == "ma_crossover"


def test_a_run_with_fewer_slots_than_signals():
    result = BacktestEngine(costs=Costs(rate=0.001)).run(
        PANEL, Slots("ma_crossover", slots=2), {"fast": 10, "slow": 40}
    )
    assert result.exposure["holdings"].max() == 2
    assert any("signals ended before one of the 2 slots was free" in note for note in result.notes)
    by_score = Slots("ma_crossover", slots=2, priority=lambda panel: panel.close)
    other = BacktestEngine(costs=Costs(rate=0.001)).run(PANEL, by_score, {"fast": 10, "slow": 40})
    assert other.hash != result.hash


def test_a_universe_decides_who_may_hold_a_slot():
    members = np.ones(PANEL.close.shape, dtype=bool)
    members[PANEL.index("AAPL"), 500:] = False
    panel = PANEL.with_universe(members)
    held = BacktestEngine().run(panel, Slots("buy_and_hold")).positions
    assert held["AAPL"].to_numpy()[held["bar"].to_numpy() > 500].max() == 0.0


def test_a_sweep_row_is_the_single_run():
    rule, engine = Slots("ma_crossover", slots=3), BacktestEngine(costs=Costs(rate=0.001))
    found = Sweep(rule, {"fast": [5, 10], "slow": [30, 60]}, PANEL, costs=Costs(rate=0.001)).run(
        progress=False
    )
    for row in found.frame.iter_rows(named=True):
        single = engine.run(PANEL, rule, {"fast": row["fast"], "slow": row["slow"]})
        assert single.stats["sharpe"] == row["sharpe"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: Slots("ma_crossover", slots=0),
            "Slots.slots: .* number above 0, at most 1,000,000; got 0",
        ),
        (lambda: Slots("ma_crosover"), "ma_crossover"),
        (
            lambda: BacktestEngine().run(PANEL, Slots("macd", priority=np.ones(3))),
            "Slots.priority: expected shape",
        ),
        (lambda: BacktestEngine().run(PANEL, "macd"), r"Slots\('macd'\)"),
    ],
)
def test_errors(make, says):
    with pytest.raises(StrategyError, match=says):
        make()


def test_an_asset_without_any_price_wants_nothing():
    days, names = ["2024-01-02", "2024-01-03"], ("open", "high", "low", "close")
    bars = {"timestamp": days, **{name: [1.0, 2.0] for name in names}}
    gone = {"timestamp": days, **{name: [np.nan, np.nan] for name in names}}
    panel = Panel.from_frame({"A": bars, "B": gone})
    assert BacktestEngine().run(panel, Slots("buy_and_hold")).orders["symbol"].unique().to_list() == ["A"]
