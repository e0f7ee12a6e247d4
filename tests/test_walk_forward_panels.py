"""Portfolios walked forward and crossed: rules that rank the assets of a panel."""

import numpy as np
import pytest

from peak_fast import BacktestEngine, ConfigError, Costs, Rank, synthetic
from peak_fast.metrics import returns_from_equity
from peak_fast.portfolio import Momentum
from peak_fast.validation import cross_validate, walk_forward
from tests import walk_oracle as oracle

PANEL = synthetic(400, seed=5, assets=6)
RULE = Rank(Momentum("lookback"), top="top", rebalance="month_end")
GRID = {"lookback": [10, 30, 60], "top": [1, 3]}
OPTIONS = {"costs": Costs.from_bps(10)}


def rows_held(targets_of, windows, choices):
    """Deciding bars and weights of the joined run, by hand."""
    rows, before = {}, None
    for window, params in zip(windows, choices, strict=True):
        start, stop = window.test
        own = targets_of(params)
        held = np.zeros(len(PANEL.symbols))
        for bar, weights in zip(own.rows.tolist(), own.weights, strict=True):
            if bar < start - 1:
                held = np.where(np.isnan(weights), held, weights)
            elif bar < stop - 1:
                rows[bar] = np.where(np.isnan(weights), held, weights) if bar == start - 1 else weights
        if params != before and start - 1 not in rows:
            rows[start - 1] = held
        before = params
    return rows


def test_like_the_oracle():
    engine = BacktestEngine(**OPTIONS)
    walked = walk_forward(RULE, GRID, PANEL, train=120, test=50, **OPTIONS)
    every = [{"lookback": lookback, "top": top} for lookback in GRID["lookback"] for top in GRID["top"]]
    curves = [returns_from_equity(engine.run(PANEL, RULE, params).equity, 100_000.0) for params in every]
    for window, choice in zip(walked.windows, walked.choices, strict=True):
        values = [
            oracle.sharpe(curve[slice(*window.train)].tolist(), PANEL.periods_per_year) for curve in curves
        ]
        assert choice.params == every[oracle.best(values)]
        assert choice.value == pytest.approx(max(values), rel=1e-9)
    assert len({str(choice.params) for choice in walked.choices}) > 1
    chosen = [choice.params for choice in walked.choices]
    rows = rows_held(lambda params: RULE.weights(PANEL, params), walked.windows, chosen)
    bars = np.array(sorted(rows))
    again = engine.run(PANEL.slice(119), (bars - 119, np.array([rows[bar] for bar in bars])))
    assert np.array_equal(walked.result.equity, again.equity)
    assert walked.result.strategy_name.endswith("walked forward") and "Efficiency" in walked.summary()
    assert len(walked.plot().axes) == 2


def test_gaps_hold_nothing():
    walked = walk_forward(RULE, GRID, PANEL, train=120, test=40, step=80, **OPTIONS)
    first = walked.windows[0].test[0] - 1
    inside = slice(walked.windows[0].test[1] + 1 - first, walked.windows[1].test[0] - first)
    assert np.ptp(walked.result.equity[inside]) == 0.0


def test_crossed():
    crossed = cross_validate(RULE, GRID, PANEL, folds=5, test_folds=2, purge=10, **OPTIONS)
    assert crossed.splits.height == 10 and crossed.paths.height == 4
    path = crossed.path_returns[0]
    assert crossed.sharpes[0] == pytest.approx(oracle.sharpe(path.tolist(), PANEL.periods_per_year), rel=1e-9)


def test_what_portfolios_do_not_have():
    with pytest.raises(ConfigError, match="expected 'carry' for portfolios"):
        walk_forward(RULE, GRID, PANEL, train=120, test=50, positions="flat")
    with pytest.raises(ConfigError, match="'fee_bps'"):
        walk_forward(RULE, {**GRID, "fee_bps": [0, 10]}, PANEL, train=120, test=50)


def test_a_study_looks_for_the_weights_of_each_fold():
    pytest.importorskip("optuna")
    space = {"lookback": (21, 60), "top": (1, 3)}
    walked = walk_forward(RULE, space, PANEL, train=200, test=100, n_trials=5, sampler="random", **OPTIONS)
    assert [choice.tried for choice in walked.choices] == [5, 5]
    assert all(21 <= choice.params["lookback"] <= 60 for choice in walked.choices)
