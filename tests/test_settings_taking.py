"""Settings: what is taken without pydantic is what pydantic's model of the same fields takes, and keeps."""

import copy
import itertools
import math
import pickle
import random
from typing import get_args

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from peak_fast.errors import ConfigError
from peak_fast.settings import (
    BacktestConfig,
    Costs,
    Execution,
    FixedUnits,
    FractionOfEquity,
    RiskLimits,
    Stops,
)
from peak_fast.settings.config import MLflowTracking, SweepTable, Tracking
from peak_fast.settings.data_table import DataTable
from peak_fast.settings.fields import ABSENT
from peak_fast.settings.models import model_of
from peak_fast.settings.order_table import AssetTable, OrderBookTable
from peak_fast.settings.portfolio_rules import PortfolioRules
from peak_fast.settings.sizing import Sizing

KINDS = (
    Execution, Costs, Stops, RiskLimits, *get_args(Sizing), PortfolioRules, BacktestConfig, Tracking, MLflowTracking,
    SweepTable, DataTable, OrderBookTable, AssetTable,
)  # fmt: skip
VALUES = (
    None, True, False, 0, 1, 2, -1, 3, 2**53, 2**53 + 1, 10**400, 0.0, -0.0, 0.5, 1.0, 2.0, 9_999.0, 10_000.0, -0.5,
    math.inf, -math.inf, math.nan, "", " ", "a", " close ", "close", "next_open", "fraction", "\u2003x", "x\x1f", "1",
    "0.5", "true", b"a", [], ["a"], [" a "], [1], ("a",), {}, {"a": "b"}, {" a ": " b "}, {"a": 1}, {1: "a"},
    {"rate": 0.1}, {"rate": 2}, {"A": {"rate": 0.1}}, {"A": {"rate": "x"}}, {"kind": "fixed_units", "units": 2},
    {"kind": "fixed_units"}, {"kind": "kelly"}, {"kind": "no"}, Costs(rate=0.1), {"A": Costs()}, Stops(),
    FractionOfEquity(0.5), np.float64(0.5), np.float32(0.5), np.int64(3), np.bool_(True), 1 + 2j,
)  # fmt: skip


def same(one, other):
    """Equal in value and in type, all the way down; NaN is itself."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other and repr(one) == repr(other)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_taken_is_what_pydantic_keeps(kind):
    taken = 0
    for name in kind.model_fields:
        others = {other: 1.0 for other, item in kind.model_fields.items() if item.default is ABSENT}
        for value in VALUES:
            if name in kind._befores and value == {1: "a"}:
                continue  # names that are no texts end in Python's own error
            kept = kind._settled(name, value)
            if kept is ABSENT:
                continue
            taken += 1
            try:
                judged = getattr(model_of(kind)(**{**others, name: value}), name)
            except ValidationError as error:
                raise AssertionError((kind.__name__, name, value)) from error
            assert same(kept, judged), (kind.__name__, name, value, kept, judged)
    assert taken >= 2 * len(kind.model_fields)


@pytest.mark.parametrize("kind", [Execution, Costs, Stops, RiskLimits, *get_args(Sizing)])
def test_plain_settings_need_no_model(kind):
    """Every field takes its own default, and a number in its range."""
    for name, field in kind.model_fields.items():
        if field.default is not ABSENT:
            assert same(kind._settled(name, field.default), field.default)
    assert kind._taken({"no such": 1}) is None


def test_errors_of_several_fields_come_together():
    with pytest.raises(ConfigError, match=r"Costs.rate: .*; Costs.fixed: "):
        Costs(rate=-1, fixed=-3)


def test_of_two_that_are_no_numbers_the_first_is_named():
    names = [name for name in Costs.model_fields if name != "maker_rate"]
    for one, other in itertools.permutations(names, 2):
        with pytest.raises(ConfigError, match=rf"^Costs.{one}: expected a valid number"):
            Costs(**{one: "x", other: True})
    with pytest.raises(
        ConfigError, match=r"^PortfolioRules.delisted: .* or 'last_price' or 'zero' or 'hold'"
    ):
        PortfolioRules(delisted=True, band="x")


def test_settings_in_models_of_others():
    class Mine(BaseModel):
        costs: Costs = Costs()
        size: FractionOfEquity | FixedUnits = FractionOfEquity(0.5)

    mine = Mine(costs={"rate": 0.1}, size={"units": 2})
    assert (mine.costs, mine.size) == (Costs(rate=0.1), FixedUnits(2))
    assert mine.model_dump()["size"] == {"kind": "fixed_units", "units": 2.0}
    assert Mine.model_validate_json(mine.model_dump_json()).costs == mine.costs
    assert "costs" in Mine.model_json_schema()["properties"]
    with pytest.raises(ValidationError, match="less than 1"):
        Mine(costs={"rate": 2})


def test_copies():
    costs = Costs(rate=0.1)
    for made in (
        copy.copy(costs),
        copy.deepcopy(costs),
        pickle.loads(pickle.dumps(costs)),
        costs.model_copy(),
    ):
        assert made == costs
        assert (hash(made), repr(made), made.model_fields_set) == (hash(costs), repr(costs), {"rate"})
    changed = costs.model_copy(update={"fixed": 1.0})
    assert (changed.fixed, changed.rate, costs.fixed) == (1.0, 0.1, 0.0)
    assert changed.model_fields_set == {"rate", "fixed"}
    for change in (lambda: setattr(costs, "rate", 0.2), lambda: delattr(costs, "rate")):
        with pytest.raises(ValidationError, match="frozen"):
            change()


def test_plain_values():
    config = BacktestConfig(costs={"rate": 0.1}, portfolio={"costs": {"A": Costs(rate=0.2)}})
    plain = config.model_dump()
    assert plain["portfolio"]["costs"]["A"]["rate"] == 0.2
    assert plain == config.model_dump(mode="json")
    assert config.costs.model_dump(exclude_defaults=True) == {"rate": 0.1}
    assert BacktestConfig.model_validate(plain) == config
    assert Costs.model_json_schema()["properties"]["rate"]["exclusiveMaximum"] == 1


def test_random_settings_are_those_of_the_model():
    """Whole objects: the values of the fields together, given or not."""
    chosen, made = random.Random(3), 0
    for kind, _ in itertools.product((Execution, Costs, Stops, RiskLimits), range(300)):
        names = chosen.sample(list(kind.model_fields), chosen.randint(0, 3))
        values = {name: chosen.choice(VALUES) for name in names}
        taken = kind._taken(values)
        if taken is None:
            continue
        made += 1
        assert same(taken, dict(model_of(kind)(**values)))
    assert made > 200
