"""`found.overfitting()`: figures of the search and of its best configuration, at every kind of sweep."""

import json
import math

import numpy as np
import pytest

from peak_fast import ConfigError, Costs, Rank, Sweep, SweepError, SweepResult, strategy, synthetic
from peak_fast import metrics as m
from peak_fast.portfolio import Momentum
from peak_fast.settings import OrderBook
from peak_fast.statistics import cscv, deflated_sharpe, effective_trials
from peak_fast.trials import TrialRegistry
from tests.sweep_cases import run

GRID = {"fast": [3, 5, 9, 14], "slow": [20, 40, 60, 90, 120]}
BARS = synthetic(1_203, seed=11)


def returns_of(sweep):
    """float64[bars, configurations] from single runs."""
    curves = [sweep.rerun(sweep.grid[n]).equity for n in range(len(sweep.grid))]
    return np.array([m.returns_from_equity(curve, 100_000.0) for curve in curves]).T


@pytest.fixture(scope="module")
def found():
    return run(Sweep("ma_crossover", GRID, BARS, costs=Costs.from_bps(5, 2), risk_free=0.01, blocks=8))


@pytest.fixture(scope="module")
def matrix():
    return returns_of(Sweep("ma_crossover", GRID, BARS, costs=Costs.from_bps(5, 2), risk_free=0.01))


def test_the_probability_of_overfitting_is_that_of_the_matrix(found, matrix):
    whole, mine = cscv(matrix, 8), found.overfitting(8)
    assert mine.pbo == whole.pbo and np.array_equal(mine.cscv.winners, whole.winners)
    np.testing.assert_allclose(mine.cscv.logits, whole.logits, atol=1e-12)
    assert mine.cscv.left_out == 1_203 % 8


def phi(x):
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def test_figures_of_the_best_are_the_formulas(found, matrix):
    mine = found.overfitting(8)
    best = int(found.frame["sharpe"].arg_max())
    year = found.rerun(found.params_of(best)).stats["periods_per_year"]
    excess = matrix - ((1.0 + 0.01) ** (1.0 / year) - 1.0)
    sharpes = excess.mean(axis=0) / excess.std(axis=0, ddof=1)
    assert mine.config == best == int(sharpes.argmax()) and mine.params == found.params_of(best)
    x = excess[:, best]
    skew, kurtosis = (((x - x.mean()) ** k).mean() / x.std() ** k for k in (3, 4))
    spread = math.sqrt(1.0 - skew * sharpes[best] + (kurtosis - 1.0) / 4.0 * sharpes[best] ** 2)
    assert (mine.skew, mine.kurtosis, mine.sharpe_per_bar) == pytest.approx(
        (skew, kurtosis, sharpes[best]), rel=1e-9
    )
    assert mine.sharpe == pytest.approx(sharpes[best] * math.sqrt(year))
    assert mine.probabilistic_sharpe == pytest.approx(phi(sharpes[best] * math.sqrt(1202) / spread), abs=1e-9)
    from scipy.stats import norm

    most = (1 - np.euler_gamma) * norm.ppf(1 - 1 / 20) + np.euler_gamma * norm.ppf(1 - 1 / (20 * math.e))
    level = sharpes.std(ddof=1) * most
    assert mine.expected_max_sharpe == pytest.approx(level * math.sqrt(year))
    expected = phi((sharpes[best] - level) * math.sqrt(1202) / spread)
    assert mine.deflated_sharpe == pytest.approx(expected, abs=1e-9)
    assert mine.effective_trials == effective_trials(matrix) and mine.sampled == 20


def test_sums_that_were_not_kept_are_made(found):
    without = run(
        Sweep("ma_crossover", GRID, BARS, costs=Costs.from_bps(5, 2), risk_free=0.01, metrics=["calmar"])
    )
    assert without.overfitting(8, seed=3).to_dict() == found.overfitting(8, seed=3).to_dict()
    assert found.overfitting(4).cscv.combinations == 6


def test_rows_and_trials(found):
    several = found.overfitting(8, row=[7, 2], trials=5_000)
    assert several.frame["config"].to_list() == [7, 2] and several.config == 7 and several.trials == 5_000
    one, own = found.overfitting(8, row=7, trials=5_000), found.overfitting(8, row=7)
    assert one.deflated_sharpe == several.deflated_sharpe < own.deflated_sharpe < own.probabilistic_sharpe
    assert own.trials == 20 and found.overfitting(8, trials=["a"] * 30).trials == 30
    json.dumps(several.to_dict())
    text = several.summary()
    assert text.startswith("PBO ") and "Configuration 7 (fast=5, slow=60)" in text and "best of 5,000" in text


def test_a_registry_says_how_many_and_how_different(tmp_path, found):
    registry = TrialRegistry(tmp_path / "trials.sqlite")
    few = found.overfitting(8, trials=registry)
    assert few.trials == 20 and "fewer than the 20 of this sweep" in few.notes[0]
    settings = {"costs": Costs.from_bps(5, 2), "risk_free": 0.01, "registry": registry}
    sweep = Sweep("ma_crossover", GRID, BARS, blocks=8, **settings)
    mine = run(sweep)
    same, own = mine.overfitting(8, trials=registry), mine.overfitting(8)
    assert same.trials == 20 and same.deflated_sharpe == pytest.approx(own.deflated_sharpe, abs=1e-6)
    run(Sweep("ema_crossover", GRID, BARS, **settings))
    more = mine.overfitting(8, trials=str(tmp_path / "trials.sqlite"))
    assert more.trials == 40 and more.notes == ()
    expected = deflated_sharpe(more.sharpe_per_bar, 1_203, 40, registry.variance, more.skew, more.kurtosis)
    assert more.deflated_sharpe == pytest.approx(expected, abs=1e-12)


def test_fewer_trials_than_rows_are_told(found):
    assert "fewer than the 20 configurations" in found.overfitting(8, trials=3).summary()
    assert not found.overfitting(8, trials=20).notes


def test_a_store_that_was_loaded(tmp_path, found):
    sweep = Sweep("ma_crossover", GRID, BARS, costs=Costs.from_bps(5, 2), risk_free=0.01, blocks=8)
    stored = run(sweep, store=tmp_path / "store")
    loaded = SweepResult.load(tmp_path / "store")
    assert stored.overfitting(8).to_dict() == found.overfitting(8).to_dict()
    alone = loaded.overfitting(8)
    assert alone.pbo == found.overfitting(8).pbo and math.isnan(alone.deflated_sharpe)
    assert "effective number of trials not computed" in alone.notes[0] and "Effective" in alone.summary()
    with pytest.raises(SweepError, match="blocks=16"):
        loaded.overfitting()


def test_several_data_sets_are_looked_at_one_by_one():
    data = {"one": BARS, "two": synthetic(900, seed=3)}
    found = run(Sweep("ma_crossover", GRID, data))
    mine = found.overfitting(8, data="two")
    alone = run(Sweep("ma_crossover", GRID, data["two"])).overfitting(8)
    assert mine.pbo == alone.pbo and mine.params["data"] == "two" and mine.trials == 20
    assert mine.deflated_sharpe == pytest.approx(alone.deflated_sharpe, abs=1e-12)
    with pytest.raises(ConfigError, match="one of 'one', 'two'"):
        found.overfitting(8)


@strategy(name="held_above")
def held_above(data, params):
    return (data["close"] > data["close"].shift(params["days"])).cast(int)


def test_other_kinds_of_sweeps():
    panel = synthetic(303, assets=6, seed=3)
    sweeps = [
        Sweep(held_above, {"days": [1, 5, 20]}, BARS),
        Sweep("momentum", {"period": [5, 10, 30]}, BARS.slice(0, 400), order_book=OrderBook()),
        Sweep(Rank(Momentum(20), top="top"), {"top": [1, 2, 3]}, panel),
    ]
    for sweep in sweeps:
        mine = run(sweep).overfitting(4)
        assert mine.pbo == cscv(returns_of(sweep), 4).pbo and 0.0 <= mine.deflated_sharpe <= 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"blocks": 7}, "even number"), ({"row": 20}, "column 'config'"), ({"row": "best"}, "column 'config'"),
        ({"row": []}, "column 'config'"),
        ({"trials": 0}, "trials: expected how many"), ({"trials": "many"}, "trials"), ({"sample": 1}, "sample"),
        ({"ties": "high"}, "ties"), ({"block": 8}, "blocks"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(found, options, said):
    with pytest.raises((ConfigError, TypeError), match=said):
        found.overfitting(**{"blocks": 8, **options})


def test_a_search_that_never_trades():
    found = run(Sweep("momentum", {"period": [200, 201]}, synthetic(150, seed=1)))
    with pytest.raises(SweepError, match="nothing was traded"):
        found.overfitting(4)
