"""Monte Carlo of a result and noise of prices: oracles in plain Python, seeds, threads, edges, errors."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peak_fast import BacktestEngine, Bars, Financing, PeakFastError, Rank, Rebalance, synthetic
from peak_fast.portfolio import Momentum
from peak_fast.statistics import optimal_block_length
from peak_fast.validation import monte_carlo, noise_test
from tests.oracle_worlds import Draws, jittered

BARS = synthetic(500, seed=3)
PARAMS = {"fast": 5, "slow": 20}
RESULT = BacktestEngine().run(BARS, "ma_crossover", PARAMS)
PANEL = synthetic(200, seed=4, assets=4)
RULE = Rank(Momentum(20), 2, rebalance=Rebalance(10))


def path_of(returns, block, steps, seed, number):
    """Equities of one path, the first of them 1."""
    draws, curve, source = Draws(seed, number), [1.0], 0
    for k in range(steps):
        new = draws.fraction() < 1 / block
        source = draws.below(len(returns)) if k == 0 or new else (source + 1) % len(returns)
        curve.append(max(curve[-1] * (1 + returns[source]), 0.0))
    return curve


def figures_of(curve):
    peak, worst, under, longest = 1.0, 1.0, 0, 0
    for value in curve[1:]:
        under = 0 if value >= peak else under + 1
        peak, longest = max(peak, value), max(longest, under)
        worst = min(worst, value / peak)
    return curve[-1] - 1, worst - 1, min(curve), longest


@pytest.mark.parametrize("block", [1.0, 8.0])
@pytest.mark.parametrize("steps", [None, 37, 900])
def test_paths_are_those_of_the_oracle(block, steps):
    returns = np.diff(np.log(BARS.close))
    found = monte_carlo(returns, paths=5, block=block, steps=steps, seed=7)
    for number in range(5):
        curve = path_of(returns.tolist(), block, steps or len(returns), 7, number)
        row = found.frame.row(number)[1:]
        assert row == pytest.approx(figures_of(curve), rel=0, abs=1e-12)
    last = [path_of(returns.tolist(), block, steps or len(returns), 7, k)[-1] for k in range(5)]
    assert found.bands([0.5])["q50"][-1] == pytest.approx(np.median(last), rel=1e-12)


def test_returns_are_those_of_the_account():
    before = np.append(100_000.0, RESULT.equity[:-1])
    returns = (RESULT.equity - before) / before
    found, plain = monte_carlo(RESULT, paths=50), monte_carlo(returns, paths=50)
    np.testing.assert_allclose(found.total_return, plain.total_return, rtol=1e-9)
    assert found.real_return == pytest.approx(RESULT.stats["total_return"], rel=1e-12)
    assert found.real_drawdown == pytest.approx(RESULT.stats["max_drawdown"], rel=1e-12)
    assert found.block == pytest.approx(max(1.0, optimal_block_length(returns)), rel=1e-6)
    assert found.bands()["q50"][0] == 100_000.0


def test_trades_are_over_the_equity_before_them():
    trades = RESULT.trades
    before = np.append(100_000.0, RESULT.equity)[trades["entry_bar"].to_numpy()]
    steps = (trades["net_pnl"].to_numpy() / before).tolist()
    found = monte_carlo(RESULT, of="trades", paths=3, seed=1)
    assert found.steps == len(steps) and found.block == 1.0
    for number in range(3):
        curve = path_of(steps, 1.0, len(steps), 1, number)
        assert found.total_return[number] == pytest.approx(curve[-1] - 1, abs=1e-12)


def test_shares_and_quantiles():
    found = monte_carlo(RESULT, paths=400, ruin=0.2)
    assert found.probability_of_loss == (found.total_return < 0).mean()
    assert found.risk_of_ruin == (found.lowest <= 0.8).mean() > 0
    assert (found.max_drawdown < found.drawdown_quantile(0.95)).mean() == pytest.approx(0.05, abs=0.003)
    bands = found.bands().drop("step").to_numpy()
    assert (np.diff(bands, axis=1) >= 0).all() and bands.shape == (201, 5)
    assert found.error_of(0.5) == pytest.approx(0.025)
    text = found.summary()
    assert "400 of 500 bars" in text and "ruin (loss of 20%)" in text


def test_a_path_that_is_ruined_stays_so():
    found = monte_carlo([-1.0, 0.5, 0.5, 0.1], paths=300, block=1, steps=60)
    assert found.risk_of_ruin == found.probability_of_loss == 1.0
    assert (found.total_return == -1.0).all() and (found.lowest == 0.0).all()


def test_the_mean_is_right():
    """Paths of independent draws end on average where compounding the mean return ends."""
    returns = np.random.default_rng(1).normal(0.001, 0.01, 300)
    found = monte_carlo(returns, paths=20_000, block=1, steps=50)
    error = found.total_return.std() / math.sqrt(20_000)
    assert abs(found.total_return.mean() - ((1 + returns.mean()) ** 50 - 1)) < 4 * error


def test_threads_and_seeds():
    found = [monte_carlo(RESULT, paths=700, threads=n).frame for n in (1, 2, 7)]
    assert found[0].equals(found[1]) and found[0].equals(found[2])
    assert not monte_carlo(RESULT, paths=700, seed=1).frame.equals(found[0])
    assert monte_carlo(RESULT, paths=300).frame.equals(found[0].head(300))


def test_portfolios_without_their_deposits():
    plain = BacktestEngine().run(PANEL, RULE)
    paid = Financing(cash_flows={str(PANEL.timestamp[100])[:10]: 50_000.0})
    richer = BacktestEngine(financing=paid).run(PANEL, RULE)
    found = [monte_carlo(result, paths=20, block=1).real_return for result in (plain, richer)]
    assert found[0] == pytest.approx(plain.stats["total_return"], rel=1e-9)
    assert found[1] == pytest.approx(richer.stats["total_return"], rel=1e-9)
    assert any("while another was open" in note for note in monte_carlo(plain, of="trades", paths=2).notes)


@pytest.mark.parametrize(
    ("what", "change", "text"),
    [
        (RESULT, {"of": "trade"}, "did you mean 'trades'"),
        (RESULT, {"paths": 0}, "paths: expected a whole number from 1"),
        (RESULT, {"ruin": 0}, "ruin: expected a fraction"),
        (RESULT, {"block": 0.5}, "block: expected a number from 1 to 500"),
        (RESULT, {"steps": 0}, "steps: expected"),
        (RESULT, {"path": 3}, "no argument 'path'; did you mean 'paths'"),
        ([0.1, math.nan], {}, "got nan at bar 1"),
        ([0.1, -1.5], {}, "at least -1; got -1.5 at bar 1"),
        ([0.1], {}, "at least two; got 1"),
        ([0.1, 0.2], {"of": "trades"}, "expected the result of a run"),
        (BacktestEngine().run(BARS, lambda df, p: df["close"] * 0), {"of": "trades"}, "no trades"),
        ("text", {}, "returns: expected"),
    ],
)
def test_wrong_input_is_one_clear_error(what, change, text):
    with pytest.raises(PeakFastError) as error:
        monte_carlo(what, **change)
    assert text in str(error.value)


# Noise of prices


@pytest.mark.parametrize("noise", [0.05, 1.0])
def test_jittered_bars_are_those_of_the_oracle(noise):
    found = noise_test("ma_crossover", PARAMS, BARS, noise=noise, runs=3, seed=5)
    rows = list(zip(*(getattr(BARS, n).tolist() for n in ("open", "high", "low", "close")), strict=True))
    for number in range(3):
        world = found.world(number)
        mine = np.array([world.open, world.high, world.low, world.close]).T
        np.testing.assert_array_equal(mine, jittered(rows, noise, 5, number))
        single = BacktestEngine().run(world, "ma_crossover", PARAMS)
        assert single.stats["sharpe"] == found.distribution[number]
        np.testing.assert_array_equal(world.volume, BARS.volume)


@settings(deadline=None)
@given(seed=st.integers(0, 2**63 - 1), noise=st.floats(1e-6, 1.0))
def test_jittered_bars_lie_inside(seed, noise):
    world = noise_test("momentum", None, BARS, noise=noise, runs=1, seed=seed).world(0)
    reach = noise * (BARS.high - BARS.low) * (1 + 1e-12)
    assert (world.low <= np.minimum(world.open, world.close)).all()
    assert (world.high >= np.maximum(world.open, world.close)).all()
    assert (world.high <= BARS.high).all() and (world.low >= BARS.low).all()
    for name in ("open", "high", "low", "close"):
        assert (np.abs(getattr(world, name) - getattr(BARS, name)) <= reach + 1e-12).all()


def test_missing_and_flat_bars_and_prices_below_zero():
    frame = BARS.to_polars().with_columns(pl.col("open", "high", "low", "close") - float(BARS.close[100]))
    gone = pl.int_range(500).is_in([3, 4, 60])
    frame = frame.with_columns(pl.when(gone).then(None).otherwise(pl.col("close")).alias("close"))
    flat = pl.int_range(500) == 70
    frame = frame.with_columns(
        pl.when(flat).then(5.0).otherwise(pl.col(n)).alias(n) for n in ("open", "high", "low", "close")
    )
    bars = Bars.from_frame(frame)
    from peak_fast import FixedUnits

    found = noise_test(
        "ma_crossover", PARAMS, bars, runs=2, sizing=FixedUnits(units=1), objective="total_return"
    )
    world = found.world(1)
    np.testing.assert_array_equal(np.isnan(world.close), np.isnan(bars.close))
    assert world.open[70] == world.high[70] == world.low[70] == world.close[70] == 5.0
    assert not np.isnan(found.distribution).any()


def test_noise_of_panels_and_of_what_is_kept():
    found = noise_test(RULE, None, PANEL, runs=8, noise=0.3)
    assert BacktestEngine().run(found.world(2), RULE).stats["sharpe"] == found.distribution[2]
    least = found.real - abs(found.real) / 2
    assert found.kept == (found.distribution >= least).mean()
    assert "8 runs" in found.summary()
    with pytest.raises(PeakFastError, match="noise: expected a share"):
        noise_test(RULE, None, PANEL, noise=0)


def test_pictures_are_drawn():
    pytest.importorskip("matplotlib")
    for result in (monte_carlo(RESULT, paths=30), noise_test("ma_crossover", PARAMS, BARS, runs=20)):
        assert len(result.plot().axes) >= 1
        assert result.to_dict()["notes"] == []
