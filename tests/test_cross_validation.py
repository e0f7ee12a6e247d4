"""Combinatorial purged cross-validation: each split by hand, each path through all folds."""

import json

import numpy as np
import pytest

from peak_fast import BacktestEngine, Bars, ConfigError, Costs
from peak_fast.errors import DataError
from peak_fast.metrics import return_statistics
from peak_fast.settings import OrderBook
from peak_fast.statistics import combinatorial_paths, combinatorial_splits, rows_of
from peak_fast.validation import cross_validate
from tests import walk_oracle as oracle
from tests.test_walk_forward import BARS, CONFIGURATIONS, CROSS, GRID, ROWS, RULES

YEAR = BARS.periods_per_year
CURVES = [
    np.array(
        oracle.returns_of(BacktestEngine(costs=Costs.from_bps(10)).run(BARS, row).equity.tolist(), 100_000.0)
    )
    for row in ROWS
]
CASES = [(6, 2, 0, 0), (5, 1, 7, 3), (7, 3, 4, 0), (4, 3, 0, 12)]


def crossed(item=RULES, folds=6, test_folds=2, purge=0, embargo=0, **options):
    return cross_validate(
        item, GRID, BARS, folds=folds, test_folds=test_folds, purge=purge, embargo=embargo,
        costs=Costs.from_bps(10), **options,
    )  # fmt: skip


def places(found):
    return [CONFIGURATIONS.index((choice.params["fast"], choice.params["slow"])) for choice in found.choices]


@pytest.mark.parametrize("item", [RULES, CROSS], ids=["rules", "function"])
@pytest.mark.parametrize("case", CASES)
def test_like_the_oracle(item, case):
    found = crossed(item, *case)
    splits = combinatorial_splits(len(BARS), *case)
    expected = []
    for split in splits:
        rows = rows_of(split.train)
        expected.append([oracle.sharpe(curve[rows].tolist(), YEAR) for curve in CURVES])
    best = [oracle.best(values) for values in expected]
    assert places(found) == best
    values = [choice.value for choice in found.choices]
    assert values == pytest.approx([row[place] for row, place in zip(expected, best, strict=True)], rel=1e-9)
    paths = combinatorial_paths(case[0], case[1])
    returns = np.full((paths.max() + 1, len(BARS)), np.nan)
    for split, row, place in zip(splits, paths.tolist(), best, strict=True):
        for (start, stop), path in zip(split.test, row, strict=True):
            returns[path, start:stop] = CURVES[place][start:stop]
    assert found.path_returns == pytest.approx(returns, abs=1e-15)
    for path, row in zip(returns, found.paths.to_dicts(), strict=True):
        known = return_statistics(path, YEAR)
        for name in ("sharpe", "total_return", "max_drawdown", "volatility", "sortino", "cagr"):
            assert row[name] == pytest.approx(known[name], rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("objective", ["total_return", "sortino", "max_drawdown", "calmar", "omega"])
def test_objectives_of_joined_folds(objective):
    found = crossed(folds=5, test_folds=2, purge=5, objective=objective)
    for split, choice in zip(combinatorial_splits(len(BARS), 5, 2, 5), found.choices, strict=True):
        rows = rows_of(split.train)
        values = [return_statistics(curve[rows], YEAR)[objective] for curve in CURVES]
        assert choice.value == pytest.approx(max(values), rel=1e-9)


def test_what_tests_is_never_trained_on():
    """Other prices inside the testing folds, the same before and behind: the choice of that split stays.

    Only splits whose testing folds are the last ones can be asked so, as earlier prices reach into later indicators.
    """
    found = crossed(folds=5, test_folds=2)
    start = combinatorial_splits(len(BARS), 5, 2)[-1].test[0][0]
    factor = np.ones(len(BARS))
    factor[start:] = np.exp(np.random.default_rng(3).normal(0, 0.05, len(BARS) - start).cumsum())
    frame = {name: getattr(BARS, name) * factor for name in ("open", "high", "low", "close")}
    other = Bars.from_frame({**frame, "timestamp": BARS.timestamp})
    again = cross_validate(RULES, GRID, other, folds=5, test_folds=2, costs=Costs.from_bps(10))
    assert again.choices[-1] == found.choices[-1]
    assert [choice.value for choice in again.choices] != [choice.value for choice in found.choices]


def test_every_path_is_the_one_configuration_that_there_is():
    found = cross_validate(RULES, {"fast": 5, "slow": 20}, BARS, folds=6, test_folds=2, purge=3)
    whole = BacktestEngine().run(BARS, RULES, {"fast": 5, "slow": 20})
    assert found.sharpes == pytest.approx([whole.stats["sharpe"]] * 5, rel=1e-9)
    assert found.paths["max_drawdown"].to_numpy() == pytest.approx([whole.stats["max_drawdown"]] * 5)
    assert found.paths["closed_trades"].to_list() == [whole.stats["closed_trades"]] * 5
    assert found.share_below_zero == float(whole.stats["sharpe"] <= 0)


def test_splits_without_a_choice_are_flat():
    found = crossed(min_trades=10_000, risk_free=0.02)
    assert all(choice.params is None for choice in found.choices)
    assert "15 of 15 splits chose nothing" in found.notes[-1] and "Note" in found.summary()
    assert found.share_below_zero == 1.0 and not found.path_returns.any()
    flat = return_statistics(np.zeros(len(BARS)), YEAR, 0.02)
    assert found.paths["sortino"].to_numpy() == pytest.approx([flat["sortino"]] * 5)
    json.dumps(found.to_dict())


def test_through_the_order_book():
    fast = cross_validate(RULES, GRID, BARS, folds=4, test_folds=2)
    slow = cross_validate(RULES, GRID, BARS, folds=4, test_folds=2, order_book=OrderBook())
    assert [choice.params for choice in slow.choices] == [choice.params for choice in fast.choices]
    assert slow.sharpes == pytest.approx(fast.sharpes, rel=1e-9)


def test_settings_may_be_crossed(tmp_path):
    """Nothing is handed over between runs here, so settings of the engine are as good as parameters."""
    found = cross_validate(
        RULES, {"fast": [3, 5], "slow": 20, "stop_loss": [None, 0.02]}, BARS, folds=5, test_folds=1
    )
    assert found.splits.height == 5 and found.paths.height == 1 and "stop_loss" in found.splits.columns
    told = json.loads(found.save(tmp_path / "crossed.json").read_text(encoding="utf-8"))
    assert len(told["splits"]) == 5 and set(told["quantiles"]) == {"0.05", "0.25", "0.5", "0.75", "0.95"}
    assert len(found.plot().axes) == 2 and "1 paths" in repr(found)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"folds": 1}, "folds"),
        ({"test_folds": 6}, "test_folds"),
        ({"purge": -1}, "purge"),
        ({"embargo": "3d"}, "embargo"),
        ({"objective": "exposure"}, "exposure"),
        ({"fold": 3}, "folds"),
    ],
)
def test_what_is_no_argument(change, words):
    with pytest.raises((ConfigError, TypeError), match=words):
        crossed(**change)


def test_too_few_bars_for_the_folds():
    with pytest.raises(DataError, match="19 bars are too few for 10 folds"):
        cross_validate(RULES, GRID, BARS.slice(0, 19))


def test_grids_in_parts_choose_the_same(monkeypatch):
    """Large grids are looked at a part at a time; the first of equal values still wins."""
    from peak_fast.validation import choosing, walk_forward

    grid = {"fast": [3, 5, 3, 8], "slow": [10, 20, 10, 35]}
    rows = [dict(zip(grid, row, strict=True)) for row in zip(*grid.values(), strict=True)]
    whole = cross_validate(RULES, rows, BARS, folds=5), walk_forward(RULES, rows, BARS, train=100, test=50)
    monkeypatch.setattr(choosing, "CHUNK", 1)
    parts = cross_validate(RULES, rows, BARS, folds=5), walk_forward(RULES, rows, BARS, train=100, test=50)
    assert parts[0].choices == whole[0].choices and 2 not in {choice.number for choice in parts[0].choices}
    assert parts[1].choices == whole[1].choices
