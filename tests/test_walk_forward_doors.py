"""Walking forward: modes, objectives, what is refused and what is told."""

import json
import math

import numpy as np
import pytest

from peak_fast import (
    BacktestEngine,
    BacktestResult,
    ConfigError,
    Costs,
    Param,
    Stops,
    VolatilityTarget,
    synthetic,
)
from peak_fast import metrics as statistics
from peak_fast.errors import DataError
from peak_fast.settings import OrderBook
from peak_fast.strategies import SignalStrategy
from peak_fast.sweep import PLANES, Sweep, stretch_sums
from peak_fast.validation import walk_forward
from peak_fast.validation.figures import SUMMED, Windowed
from tests.test_walk_forward import BARS, CROSS, GRID, RULES

OPTIONS = {"train": 100, "test": 40}


@pytest.mark.parametrize("name", sorted(SUMMED))
@pytest.mark.parametrize("window", [(0, 3), (2, 5), (7, 8)])
def test_figures_from_sums(name, window):
    """What the sums give is what the functions of `peak_fast.metrics` give of the window's returns and trades."""
    sweep = Sweep(RULES, GRID, BARS, costs=Costs.from_bps(10), risk_free=0.03)
    edges = np.arange(0, 401, 50)
    sums = stretch_sums(sweep, sweep.grid.columns(0, 9), edges, threads=1)
    assert sums.shape == (9, len(PLANES), 8)
    start, stop = edges[window[0]], edges[window[1]]
    year = BARS.periods_per_year
    free = 1.03 ** (1 / year) - 1.0
    of = Windowed(sums, window, int(stop - start), year=year, free=free, initial=100_000.0)
    found = SUMMED[name](of)
    for number in range(9):
        result = sweep.rerun(sweep.grid[number])
        returns = statistics.returns_from_equity(result.equity, 100_000.0)[start:stop]
        trades = result.trades.filter(result.trades["exit_reason"] != "open")
        pnl = [p for p, bar in zip(trades["net_pnl"], trades["exit_bar"], strict=True) if start <= bar < stop]
        if name == "closed_trades":
            expected = len(pnl)
        elif name in ("win_rate", "profit_factor", "expectancy"):
            expected = getattr(statistics, name)(pnl) if pnl else math.nan
        else:
            expected = statistics.return_statistics(returns, year, 0.03)[name]
        assert found[number] == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("positions", ["carry", "flat"])
def test_a_choice_needs_its_trades(positions):
    everything = walk_forward(RULES, GRID, BARS, positions=positions, **OPTIONS)
    least = int(max(choice.inside["closed_trades"] for choice in everything.choices)) - 1
    some = walk_forward(RULES, GRID, BARS, min_trades=least, positions=positions, **OPTIONS)
    assert all(choice.inside["closed_trades"] >= least for choice in some.choices if choice.params)
    assert all(choice.tried == 9 for choice in some.choices)
    assert [choice.params for choice in some.choices] != [choice.params for choice in everything.choices]
    for choice in some.choices:
        assert (choice.params is None) == (choice.eligible == 0)


@pytest.mark.parametrize("positions", ["carry", "flat"])
def test_folds_without_a_choice_hold_nothing(positions):
    walked = walk_forward(RULES, GRID, BARS, min_trades=1_000, positions=positions, **OPTIONS)
    assert walked.result.stats["total_trades"] == 0 and set(walked.result.equity) == {100_000.0}
    assert "no configuration with 1000 closed trades" in walked.notes[-1] and "held there" in walked.summary()
    assert math.isnan(walked.efficiency) and walked.folds["in_sharpe"].is_nan().all()
    assert walked.result.notes[-1] == walked.notes[-1]
    json.dumps(walked.to_dict())


def test_equal_values_take_the_first():
    item = SignalStrategy(
        lambda df, p: np.ones(len(df)), "same", schema=(Param("x", "int", 1, low=1, high=9),)
    )
    walked = walk_forward(item, {"x": [7, 3, 5]}, BARS, **OPTIONS)
    assert {choice.params["x"] for choice in walked.choices} == {7}


def test_infinite_values_never_win():
    """An account that never loses has an infinite Sortino ratio; it is no reason to choose it."""

    def lucky(df, params):
        return np.zeros(len(df)) if params["x"] == 1 else np.ones(len(df))

    item = SignalStrategy(lucky, "lucky", schema=(Param("x", "int", 1, low=1, high=2),))
    walked = walk_forward(item, {"x": [1, 2]}, BARS, objective="sortino", **OPTIONS)
    assert {choice.params["x"] for choice in walked.choices} == {2}


@pytest.mark.parametrize(
    "given, sign", [("sharpe", 1), ("volatility", -1), ("max_drawdown:min", 1), ("closed_trades:min", -1)]
)
def test_directions(given, sign):
    name = given.partition(":")[0]
    walked = walk_forward(RULES, GRID, BARS, objective=given, **OPTIONS)
    for window, choice in zip(walked.windows, walked.choices, strict=True):
        values = []
        for number in range(9):
            one = walk_forward(
                RULES, [Sweep(RULES, GRID, BARS).grid[number]], BARS, objective=given, **OPTIONS
            )
            values.append(one.choices[walked.windows.index(window)].value)
        assert choice.value == (max if sign > 0 else min)(values), name
        break


def test_functions_as_objectives():
    def steady(returns):
        return float(np.mean(returns) - np.abs(returns).max())

    walked = walk_forward(RULES, GRID, BARS, objective=steady, **OPTIONS)
    returns = statistics.returns_from_equity(
        Sweep(RULES, GRID, BARS).rerun(walked.choices[0].params).equity, 100_000.0
    )
    assert walked.choices[0].value == steady(returns[:100])
    assert "in_steady" in walked.folds.columns and "out_steady" in walked.folds.columns
    other = walk_forward(RULES, GRID, BARS, objective="omega", **OPTIONS)
    assert other.choices[0].value == statistics.omega(
        statistics.returns_from_equity(
            Sweep(RULES, GRID, BARS).rerun(other.choices[0].params).equity, 100_000.0
        )[:100],
        BARS.periods_per_year,
    )


def test_all_metrics_of_sweeps_choose_where_windows_are_runs():
    walked = walk_forward(RULES, GRID, BARS, objective="exposure", positions="flat", **OPTIONS)
    assert "in_exposure" in walked.folds.columns
    with pytest.raises(
        ConfigError, match="'exposure' of windows of a run that goes on; expected positions='flat'"
    ):
        walk_forward(RULES, GRID, BARS, objective="exposure", **OPTIONS)


@pytest.mark.parametrize("positions", ["carry", "flat"])
@pytest.mark.parametrize("item", [RULES, CROSS], ids=["rules", "function"])
def test_through_the_order_book(item, positions):
    """A plain order book fills as the fast path does, so it chooses and holds the same."""
    fast = walk_forward(item, GRID, BARS, positions=positions, **OPTIONS)
    slow = walk_forward(item, GRID, BARS, positions=positions, order_book=OrderBook(), **OPTIONS)
    assert [c.params for c in slow.choices] == [c.params for c in fast.choices]
    assert slow.result.equity == pytest.approx(fast.result.equity, rel=1e-12)


def test_steps_longer_than_tests_leave_gaps_flat():
    walked = walk_forward(RULES, GRID, BARS, train=100, test=20, step=60)
    first = walked.windows[0].test[0] - 1
    for before, window in zip(walked.windows, walked.windows[1:], strict=False):
        between = slice(before.test[1] + 1 - first, window.test[0] - first)
        assert not walked.result.position[between].any()


def test_steps_shorter_than_tests_are_refused():
    with pytest.raises(ConfigError, match="no bar is tested twice"):
        walk_forward(RULES, GRID, BARS, train=100, test=40, step=20)


def test_sizes_that_look_back_have_bars_to_look_at():
    walked = walk_forward(RULES, GRID, BARS, sizing=VolatilityTarget(volatility=0.1, window=30), **OPTIONS)
    assert any("begins 33 bars early" in note for note in walked.notes)
    assert len(walked.result.bars) == 400 - 100 + 1 + 33
    assert not walked.result.position[:34].any()
    assert walked.folds["test_start"][0] == BARS.timestamp[100]


def test_grids_of_settings_are_refused_where_positions_go_on():
    with pytest.raises(ConfigError, match=r"got the setting 'stop_loss'.*expected positions='flat'"):
        walk_forward(RULES, {**GRID, "stop_loss": [0.02, 0.05]}, BARS, **OPTIONS)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"positions": "hold"}, "expected 'carry' or 'flat'"),
        ({"objective": "sharp"}, "sharpe"),
        ({"objective": 3}, "a metric such as 'sharpe'"),
        ({"objective": max, "positions": "flat"}, "positions='carry'"),
        ({"objective": "sharpe:up"}, "sharpe:max"),
        ({"min_trades": -1}, "min_trades"),
        ({"trian": 3}, "train"),
    ],
)
def test_what_is_no_argument(change, words):
    with pytest.raises((ConfigError, TypeError), match=words):
        walk_forward(RULES, GRID, BARS, **{**OPTIONS, **change})


def test_several_data_sets_are_refused():
    with pytest.raises(ConfigError, match="one data set"):
        walk_forward(RULES, GRID, {"a": BARS, "b": synthetic(300, seed=2)}, **OPTIONS)


def test_saved_and_shown(tmp_path):
    walked = walk_forward(RULES, GRID, BARS, **OPTIONS)
    folder = walked.save(tmp_path / "walk")
    loaded = BacktestResult.load(folder / "result")
    assert np.array_equal(loaded.equity, walked.result.equity)
    told = json.loads((folder / "walk_forward.json").read_text(encoding="utf-8"))
    assert told["objective"] == "sharpe:max" and len(told["folds"]) == len(walked.windows)
    assert "Efficiency" in walked.summary() and "folds" in repr(walked)
    figure = walked.plot()
    assert len(figure.axes) == 2


def test_the_joined_result_replays_from_its_decisions():
    """The joined result is an ordinary one: it has a hash and trades of its own."""
    walked = walk_forward(RULES, GRID, BARS, costs=Costs.from_bps(5), **OPTIONS)
    again = walk_forward(RULES, GRID, BARS, costs=Costs.from_bps(5), threads=2, **OPTIONS)
    assert walked.result.hash == again.result.hash
    assert walked.result.trades.height > 0
    assert BacktestEngine().run(BARS, RULES, walked.choices[0].params).stats["total_trades"] > 0


def test_what_was_tried_counts_once(tmp_path):
    from peak_fast.trials import TrialRegistry
    from peak_fast.validation import cross_validate

    registry = TrialRegistry(tmp_path / "trials.sqlite")
    Sweep(RULES, GRID, BARS, registry=registry).run(progress=False)
    walk_forward(RULES, {**GRID, "fast": [3, 4]}, BARS, registry=registry, **OPTIONS)
    assert registry.trials == 9 + 3
    walk_forward(RULES, GRID, BARS, positions="flat", registry=tmp_path / "trials.sqlite", **OPTIONS)
    cross_validate(RULES, {**GRID, "slow": [10, 40]}, BARS, registry=registry)
    assert registry.trials == 9 + 3 + 3
    pytest.importorskip("optuna")
    walk_forward(RULES, GRID, BARS, registry=registry, n_trials=9, sampler="grid", **OPTIONS)
    assert registry.trials == 15


@pytest.mark.parametrize("positions", ["carry", "flat"])
def test_settings_of_functions_without_a_schema_are_settings(positions):
    item = SignalStrategy(CROSS.function, "bare")
    grid = {"fast": [3], "slow": [10, 20], "stop_loss": [0.02]}
    if positions == "carry":
        with pytest.raises(ConfigError, match="got the setting 'stop_loss'"):
            walk_forward(item, grid, BARS, **OPTIONS)
        return
    bare = walk_forward(item, grid, BARS, positions=positions, **OPTIONS)
    declared = walk_forward(CROSS, grid, BARS, positions=positions, **OPTIONS)
    assert np.array_equal(bare.result.equity, declared.result.equity)


@pytest.mark.parametrize("positions", ["carry", "flat"])
@pytest.mark.parametrize("item", [RULES, CROSS], ids=["rules", "function"])
def test_the_decisions_run_again_are_the_joined_result(item, positions):
    settings = {"costs": Costs.from_bps(10), "stops": Stops(stop_loss=0.03, take_profit=0.1)}
    walked = walk_forward(item, GRID, BARS, positions=positions, **settings, **OPTIONS)
    again = BacktestEngine(**settings).run(walked.result.bars, walked.targets)
    assert np.array_equal(again.equity, walked.result.equity)
    assert again.trades.height == walked.result.trades.height > 0


def test_decisions_that_are_no_row_of_targets():
    walked = walk_forward(RULES, GRID, BARS, order_book=OrderBook(), **OPTIONS)
    with pytest.raises(DataError, match="off the order book"):
        walked.targets  # noqa: B018


def test_windows_of_one_bar():
    flat = walk_forward(RULES, GRID, BARS, train=100, test=1, positions="flat")
    assert flat.result.stats["total_trades"] == 0
    assert "walk forward: 300 test windows of one bar hold nothing, as each of them ends flat" in flat.notes
    carried = walk_forward(RULES, GRID, BARS, train=100, test=1)
    assert carried.result.stats["total_trades"] > 3 and len(carried.windows) == 300


def test_a_sweep_or_its_result_alone():
    from peak_fast.validation import cross_validate

    sweep = Sweep(RULES, GRID, BARS, costs=Costs.from_bps(10))
    expected = walk_forward(RULES, GRID, BARS, costs=Costs.from_bps(10), **OPTIONS)
    for found in (sweep, sweep.run(progress=False)):
        walked = walk_forward(found, **OPTIONS)
        assert np.array_equal(walked.result.equity, expected.result.equity)
        crossed = cross_validate(found, folds=4)
        assert crossed.splits.height == 6
    with pytest.raises(ConfigError, match="grid: expected none besides a sweep"):
        walk_forward(sweep, GRID, **OPTIONS)
    with pytest.raises(ConfigError, match="costs: expected none besides a sweep"):
        cross_validate(sweep, costs=Costs.from_bps(10))
    with pytest.raises(ConfigError, match="a strategy, a space and data"):
        walk_forward(sweep, n_trials=3, **OPTIONS)
    with pytest.raises(ConfigError, match="data: expected bars"):
        walk_forward(RULES, GRID, **OPTIONS)
