"""Permutation test: worlds against the plain-Python oracle, rows against single runs, seeds, threads, doors."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peak_fast import (
    BacktestEngine,
    Bars,
    ConfigError,
    Costs,
    DataError,
    Panel,
    PeakFastError,
    Stops,
    Sweep,
    VolatilityTarget,
    strategy,
    synthetic,
)
from peak_fast.settings import OrderBook
from peak_fast.validation import permutation_test, world_of
from tests.oracle_worlds import chained, order_of

BARS = synthetic(400, seed=3)
PARAMS = {"fast": 5, "slow": 20}
GRID = {"fast": [3, 5, 8], "slow": [20, 40]}
METHODS = ["permutation", "block", "stationary", "sign"]


def options(method):
    return {"method": method, "block": 7 if method in ("block", "stationary") else None}


def rows_of(bars):
    return [
        list(row)
        for row in zip(*(getattr(bars, n).tolist() for n in ("open", "high", "low", "close")), strict=True)
    ]


def holes(bars, at):
    table = bars.to_polars()
    gone = pl.Series([k in at for k in range(len(bars))])
    prices = [
        pl.when(gone).then(None).otherwise(pl.col(n)).alias(n) for n in ("open", "high", "low", "close")
    ]
    return Bars.from_frame(table.with_columns(prices))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("missing", [(), (0, 1, 9, 10, 63), (39,)])
def test_worlds_are_those_of_the_oracle(method, missing):
    bars = holes(synthetic(64, seed=5), missing) if missing else synthetic(64, seed=5)
    known = [k for k in range(64) if k not in missing][1:]
    for number in range(5):
        world = world_of(bars, number, seed=11, **options(method))
        order = order_of(method, [known], 64, 7, 11, number)
        np.testing.assert_array_equal(rows_of(world), chained(rows_of(bars), order))
        sources = [-1 - k if k < 0 else k for k in order]
        np.testing.assert_array_equal(world.volume, bars.volume[sources])
        np.testing.assert_array_equal(world.time_us, bars.time_us)


@settings(deadline=None)
@given(seed=st.integers(0, 2**63 - 1), number=st.integers(0, 10**6), method=st.sampled_from(METHODS))
def test_bars_stay_bars(seed, number, method):
    world = world_of(BARS, number, seed=seed, **options(method))
    assert (world.low <= np.minimum(world.open, world.close)).all()
    assert (world.high >= np.maximum(world.open, world.close)).all()
    assert (world.low > 0).all()
    assert world.close[0] == BARS.close[0] and world.open[0] == BARS.open[0]
    Bars.from_frame(world.to_polars())  # passes all checks of prices from outside


def test_a_permutation_keeps_what_it_should():
    world = world_of(BARS, 4, seed=2)
    moves, real = (np.sort(np.diff(np.log(b.close))) for b in (world, BARS))
    np.testing.assert_allclose(moves, real, rtol=0, atol=1e-13)
    assert world.close[-1] == pytest.approx(BARS.close[-1], rel=1e-12)
    ranges, own = (np.sort((b.high / b.low)[1:]) for b in (world, BARS))
    np.testing.assert_allclose(ranges, own, rtol=1e-13)
    assert sorted(world.volume.tolist()) == sorted(BARS.volume.tolist())
    assert (world.close != BARS.close).sum() > 390


def test_every_order_is_as_likely():
    bars, seen = synthetic(5, seed=1), {}
    for number in range(4800):
        key = tuple(np.argsort(world_of(bars, number).volume[1:]).tolist())
        seen[key] = seen.get(key, 0) + 1
    assert len(seen) == 24
    # Chi square with 23 degrees of freedom: 49.7 is its 99.9 % quantile.
    assert sum((count - 200) ** 2 / 200 for count in seen.values()) < 49.7


def test_mirrored_moves():
    world = world_of(BARS, 1, method="sign")
    moves, real = np.diff(np.log(world.close)), np.diff(np.log(BARS.close))
    np.testing.assert_allclose(np.abs(moves), np.abs(real), atol=1e-13)
    assert 140 < np.count_nonzero(moves * real < 0) < 260


def test_blocks_stay_together():
    order = np.diff(world_of(BARS, 1, method="stationary", block=20.0).volume)
    known = set(np.round(np.diff(BARS.volume), 6).tolist())
    kept = sum(round(step, 6) in known for step in order.tolist())
    assert 340 < kept < 399


CASES = {
    "rules": ("ma_crossover", PARAMS, {}),
    "costs and stops": ("momentum", {}, {"costs": Costs(rate=0.001), "stops": Stops(trailing=0.05)}),
    "volatility": ("ma_crossover", PARAMS, {"sizing": VolatilityTarget(volatility=0.1, window=20)}),
    "book": ("ma_crossover", PARAMS, {"order_book": OrderBook()}),
    "a varied setting": ("ma_crossover", {**PARAMS, "stop_loss": 0.03}, {}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bars", [BARS, holes(BARS, range(50, 60))], ids=["whole", "missing"])
def test_a_row_is_a_run_on_that_world(case, bars):
    name, params, rules = CASES[case]
    result = permutation_test(name, params, bars, worlds=6, objective="total_return", **rules)
    own = {key: value for key, value in params.items() if key != "stop_loss"}
    if "stop_loss" in params:
        rules = {"stops": Stops(stop_loss=params["stop_loss"])}
    for number in range(6):
        single = BacktestEngine(**rules).run(result.world(number), name, own)
        assert single.stats["total_return"] == result.distribution[number]
    assert result.real == BacktestEngine(**rules).run(bars, name, own).stats["total_return"]
    assert result.p == (1 + np.count_nonzero(result.distribution >= result.real)) / 7


@strategy(name="worlds_block")
def block(i, bars, params, memory, account):
    return 1.0 if i > 0 and bars[3, i] > bars[3, i - 1] else 0.0


def momentum(df, params):
    return df["close"] > df["close"].shift(params["days"])


def test_blocks_and_functions():
    result = permutation_test(block, {}, BARS, worlds=4, threads=2)
    assert result.distribution[3] == BacktestEngine().run(result.world(3), block).stats["sharpe"]
    for frame in (BARS.to_polars(), BARS.to_polars().to_pandas()):
        result = permutation_test(momentum, {"days": 3}, frame, worlds=4)
        assert isinstance(result.world(2).source, type(frame))
        single = BacktestEngine().run(result.world(2), momentum, {"days": 3})
        assert single.stats["sharpe"] == result.distribution[2]
    rising = pl.col("close") > pl.col("close").shift(3)
    assert permutation_test(rising, None, BARS, worlds=4).distribution[2] == result.distribution[2]


def test_own_columns_go_along_with_their_bar():
    frame = BARS.to_polars().with_columns(pl.Series("mood", np.arange(400.0)), pl.lit("x").alias("text"))
    order = world_of(BARS, 3).volume
    for given_frame in (
        frame,
        frame.lazy(),
        frame.to_pandas(),
        frame.to_dict(),
        frame.to_pandas().set_index("timestamp"),
    ):
        source = world_of(Bars.from_frame(given_frame), 3).source
        assert type(source) is type(given_frame)
        source = source.collect() if isinstance(source, pl.LazyFrame) else source
        places = np.asarray(source["mood"]).astype(int)
        np.testing.assert_array_equal(BARS.volume[places], order)
        np.testing.assert_array_equal(np.asarray(source["close"]), world_of(BARS, 3).close)
        if isinstance(source, pd.DataFrame) and "timestamp" not in source:
            assert source.index.equals(given_frame.index)


def test_the_whole_selection_is_repeated():
    result = permutation_test("ma_crossover", GRID, BARS, worlds=8, select=True)
    for number in range(8):
        found = Sweep("ma_crossover", GRID, result.world(number)).run(progress=False)
        best = found.top(1, "sharpe").row(0, named=True)
        assert result.distribution[number] == best["sharpe"] and result.chosen[number] == best["config"]
    real = Sweep("ma_crossover", GRID, BARS).run(progress=False)
    assert result.real == real.top(1, "sharpe")["sharpe"][0]
    for source in (real, Sweep("ma_crossover", GRID, BARS)):
        again = permutation_test(source, worlds=8)
        np.testing.assert_array_equal(again.distribution, result.distribution)
    row = result.frame.row(5, named=True)
    assert row["sharpe"] == result.distribution[5]
    assert BacktestEngine().run(result.world(5), "ma_crossover", {"fast": row["fast"], "slow": row["slow"]}).stats[
        "sharpe"] == row["sharpe"]  # fmt: skip


@pytest.mark.parametrize("select", [False, True])
def test_threads_change_nothing(select):
    found = [
        permutation_test(
            "ma_crossover", GRID if select else PARAMS, BARS, worlds=150, select=select, threads=n, seed=9
        ).distribution
        for n in (1, 2, 5)
    ]
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()
    other = permutation_test(
        "ma_crossover", GRID if select else PARAMS, BARS, worlds=150, select=select, seed=10
    )
    assert (other.distribution != found[0]).mean() > 0.9


def test_rows_that_do_not_fit_are_computed_in_parts(monkeypatch):
    whole = permutation_test("ma_crossover", GRID, BARS, worlds=3, select=True)
    from peak_fast.sweep.run import repeated

    monkeypatch.setattr(repeated.Repeated.__init__, "__kwdefaults__", {"plane": 3 * 448 * 8})
    parts = permutation_test("ma_crossover", GRID, BARS, worlds=3, select=True)
    assert parts.distribution.tobytes() == whole.distribution.tobytes()


def test_settings_that_are_not_set_are_none():
    grid = {**GRID, "stop_loss": [None, 0.03]}
    result = permutation_test("ma_crossover", grid, BARS, worlds=6, select=True)
    assert set(result.frame["stop_loss"].to_list()) <= {None, 0.03}
    assert result.params["stop_loss"] in (None, 0.03)
    number = int(np.argmax(result.frame["stop_loss"].is_null()))
    row = result.frame.row(number, named=True)
    single = BacktestEngine(stops=Stops(stop_loss=row["stop_loss"]))
    own = {name: row[name] for name in ("fast", "slow")}
    assert single.run(result.world(number), "ma_crossover", own).stats["sharpe"] == row["sharpe"]


def test_less_is_better_where_it_is():
    result = permutation_test("ma_crossover", GRID, BARS, worlds=20, select=True, objective="volatility")
    assert result.at_least == np.count_nonzero(result.distribution <= result.real)


def test_without_trades_nothing_is_claimed():
    result = permutation_test("ma_crossover", {"fast": 300, "slow": 390}, BARS, worlds=9, min_trades=5)
    assert result.p == 1.0 and math.isnan(result.real) and result.chosen.max() == -1
    assert any("9 of 9 worlds give no sharpe" in note for note in result.notes)
    assert "note:" in result.summary()


def test_panels_move_the_same_dates():
    table = synthetic(120, seed=1).to_polars()
    late = synthetic(120, seed=2).to_polars()[30:]
    holed = synthetic(120, seed=3).to_polars()[[k for k in range(120) if k != 50]]
    panel = Panel.from_frame({"A": table, "B": late, "C": holed, "D": synthetic(120, seed=4).to_polars()})
    for method in METHODS:
        world = world_of(panel, 2, seed=3, **options(method))
        np.testing.assert_array_equal(np.isnan(world.close), np.isnan(panel.close))
        groups = [list(range(1, 30)), [k for k in range(31, 120) if k != 50], [50]]
        groups.sort(key=lambda g: [int(not np.isnan(panel.close[a, g[0]])) for a in range(4)])
        order = order_of(method, groups, 120, 7, 3, 2)
        sources = [-1 - k if k < 0 else k for k in order]
        for asset in range(4):
            rows = [panel.prices[:4, asset, k].tolist() for k in range(120)]
            np.testing.assert_array_equal(world.prices[:4, asset].T, chained(rows, order))
            np.testing.assert_array_equal(world.volume[asset], panel.volume[asset][sources])


def test_a_portfolio_row_is_a_run():
    panel = Panel.from_frame({name: synthetic(300, seed=k).to_polars() for k, name in enumerate("ABCDE")})
    from peak_fast import Rank, Rebalance
    from peak_fast.portfolio import Momentum

    rule = Rank(Momentum("lookback"), 2, rebalance=Rebalance(10))
    result = permutation_test(rule, {"lookback": 20}, panel, worlds=4)
    single = BacktestEngine().run(result.world(1), rule, {"lookback": 20})
    assert single.stats["sharpe"] == result.distribution[1]
    chosen = permutation_test(rule, {"lookback": [10, 20]}, panel, worlds=4, select=True)
    assert (chosen.distribution >= result.distribution).all()


BAD = [
    ({"method": "shuffle"}, "method: expected one of permutation"),
    ({"worlds": 0}, "worlds: expected a whole number from 1"),
    ({"seed": -1}, "seed: expected a whole number from 0"),
    ({"block": 5}, "block: expected None with method='permutation'"),
    ({"method": "block", "block": 2.5}, "block: expected a whole number of bars"),
    ({"objective": "sharp"}, "did you mean 'sharpe'"),
    ({"select": 3}, "select: expected True or False"),
    ({"wordls": 9}, "no argument 'wordls'; did you mean 'worlds'"),
    ({"threads": 0}, "threads: expected a whole number"),
    ({"min_trades": -1}, "min_trades: expected"),
    ({"params": {"fast": [5, 6]}}, "select=True"),
    ({"data": None}, "expected data"),
    ({"strategy": np.ones(400)}, "decisions that are made already"),
    ({"data": {"a": BARS, "b": BARS}, "select": True, "params": GRID}, "expected one set of data"),
    ({"data": synthetic(1, seed=1)}, "at least two bars"),
]


@pytest.mark.parametrize(("change", "text"), BAD, ids=[text[:30] for _, text in BAD])
def test_wrong_input_is_one_clear_error(change, text):
    call = {"strategy": "ma_crossover", "params": PARAMS, "data": BARS, "worlds": 2} | change
    with pytest.raises(PeakFastError, match=text.replace("[", "\\[").replace("(", "\\(")):
        permutation_test(**call)


def test_prices_without_ratios_are_refused():
    frame = BARS.to_polars().with_columns(pl.col("open", "high", "low", "close") - BARS.close[7] - 0.01)
    with pytest.raises(DataError, match=r"prices above zero.* at bar "):
        permutation_test("ma_crossover", PARAMS, frame, worlds=2)


def test_a_loaded_result_has_no_sweep(tmp_path):
    from peak_fast import SweepResult

    Sweep("ma_crossover", GRID, BARS).run(store=tmp_path / "s", progress=False)
    with pytest.raises(ConfigError, match="neither data nor strategy"):
        permutation_test(SweepResult.load(tmp_path / "s"), worlds=2)
