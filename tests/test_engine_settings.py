"""The frozen settings of an engine, and rules as keys of what is kept between runs."""

import copy
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from peak_fast import (
    BacktestEngine,
    ConfigError,
    Costs,
    FixedUnits,
    NoopTracker,
    RiskLimits,
    Stops,
    Sweep,
    synthetic,
)
from peak_fast.settings.engine import EngineSettings
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_fields import RULE_FIELDS
from peak_fast.settings.order_rules import OrderRules
from peak_fast.settings.order_slots import rule_vector

PARAMS = {"fast": 5, "slow": 20}
BARS = synthetic(400, seed=3)


def test_settings_are_frozen():
    with pytest.raises(FrozenInstanceError):
        EngineSettings().costs = Costs(rate=0.1)


@pytest.mark.parametrize("book", [None, OrderRules()], ids=["fast path", "order book"])
@pytest.mark.parametrize(
    "changes",
    [
        {"costs": Costs(rate=0.01)},
        {"stops": Stops(stop_loss=0.02)},
        {"sizing": FixedUnits(units=3.0)},
        {"risk_limits": RiskLimits(max_position=0.5)},
        {"initial_cash": 5_000.0},
        {"periods_per_year": 100.0},
        {"risk_free": 0.03},
    ],
)
def test_an_attribute_that_is_set_after_a_run_counts(book, changes):
    engine = BacktestEngine(order_book=book)
    before = engine.run(BARS, "ma_crossover", PARAMS)
    for name, value in changes.items():
        setattr(engine, name, value)
        assert getattr(engine, name) == value
    after = engine.run(BARS, "ma_crossover", PARAMS)
    expected = BacktestEngine(order_book=book, **changes).run(BARS, "ma_crossover", PARAMS)
    assert after.hash == expected.hash != before.hash
    assert after.metadata["settings"] == expected.metadata["settings"]


def test_an_attribute_is_checked_when_it_is_set():
    engine = BacktestEngine()
    with pytest.raises(ConfigError, match="costs: expected Costs; got float"):
        engine.costs = 0.001
    assert engine.costs == Costs()


def test_a_copy_of_an_engine_has_settings_of_its_own():
    engine = BacktestEngine()
    other = copy.copy(engine)
    other.costs = Costs(rate=0.01)
    assert engine.costs == Costs()


def test_changed_settings_are_kept():
    settings = EngineSettings()
    changed = settings.changed(costs=Costs(rate=0.01))
    assert changed is settings.changed(costs=Costs(rate=0.01)) and changed.costs.rate == 0.01
    assert settings.costs.rate == 0.0
    for number in range(1_000):
        settings.changed(initial_cash=1.0 + number)
    assert len(settings._others) <= 256


def test_settings_go_through_a_plain_book_where_they_have_none():
    settings = EngineSettings()
    assert settings.through_book().order_book == OrderBook() and settings.order_book is None
    own = EngineSettings(order_book=OrderRules(latency=1))
    assert own.through_book() is own and own.order_book.rules.latency == 1


def test_a_rerun_of_a_varied_row_tells_no_tracker():
    told = []

    class Tracker(NoopTracker):
        enabled = True

        def log_result(self, result):
            told.append(result)

    engine = BacktestEngine(order_book=OrderRules(), tracker=Tracker())
    item = Sweep("ma_crossover", {"fast": [5], "slow": [20]}, BARS).strategy
    result = engine.rerun(BARS, item, PARAMS, {"latency": 2})
    assert told == []
    engine.run(BARS, "ma_crossover", PARAMS)
    assert len(told) == 1
    assert result.metadata["settings"]["varied"] == {"latency": 2}
    assert result.params["latency"] == 2 and engine.order_book.rules.latency == 0


class TestRulesAsKeys:
    def test_equal_rules_share_a_vector_that_nobody_can_change(self):
        vector = rule_vector(OrderRules(latency=2))
        assert vector is rule_vector(OrderRules(latency=2)) and vector[RULE_FIELDS["latency"].slot] == 2.0
        with pytest.raises(ValueError, match="read-only"):
            vector[0] = 1.0

    def test_every_rule_reaches_the_vector(self):
        changed = {
            "latency": 3, "hedging": True, "merge_fills": False, "path": "best", "spread": 0.01, "ledger": "settled",
            "maker_rate": 0.002, "finalize": "close", "afford": "cash",
        }  # fmt: skip
        plain = rule_vector(OrderRules())
        for name, value in changed.items():
            extra = {"merge_fills": False} if name in ("ledger", "hedging") else {}
            extra |= {"ledger": "settled"} if name == "hedging" else {}
            assert not np.array_equal(
                rule_vector(OrderRules(**{name: value}, **extra)), plain, equal_nan=True
            ), name

    def test_tiers_may_be_lists(self):
        rules = OrderRules(fee_tiers=[[0, 0.001], [1e6, 0.0005]])
        assert rules.fee_tiers == ((0, 0.001), (1e6, 0.0005)) and rules == OrderRules(
            fee_tiers=rules.fee_tiers
        )
        assert BacktestEngine(order_book=rules).run(BARS, "ma_crossover", PARAMS).stats["total_fees"] > 0.0

    def test_a_hash_does_not_travel(self):
        rules = OrderRules(path="best")
        assert hash(rules) == hash(OrderRules(path="best")) != hash(OrderRules())
        assert hash(pickle.loads(pickle.dumps(rules))) == hash(rules)
        code = (
            "import pickle, sys; from peak_fast.settings.order_rules import OrderRules; "
            "rules = pickle.load(sys.stdin.buffer); print(hash(rules) == hash(OrderRules(path='best')))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], input=pickle.dumps(rules), capture_output=True, check=True
        )
        assert done.stdout.split() == [b"True"]
        assert {item.name for item in fields(rules)} == set(vars(copy.copy(rules)))
