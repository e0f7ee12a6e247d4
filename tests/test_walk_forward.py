"""Walking forward: against a plain-Python oracle and by hand; what is chosen knows nothing of what comes."""

import itertools

import numpy as np
import pytest

from peak_fast import (
    Above,
    BacktestEngine,
    Bars,
    Costs,
    Execution,
    Param,
    Row,
    RuleStrategy,
    Stops,
    strategy,
    synthetic,
)
from peak_fast.strategies import SignalStrategy
from peak_fast.validation import walk_forward
from tests import walk_oracle as oracle

BARS = synthetic(400, seed=11)
GRID = {"fast": [3, 5, 8], "slow": [10, 20, 35]}
CONFIGURATIONS = [(fast, slow) for fast in GRID["fast"] for slow in GRID["slow"]]


def mean(values, length):
    sums = np.concatenate(([0.0], np.cumsum(values)))
    found = np.full(len(values), np.nan)
    found[length - 1 :] = (sums[length:] - sums[:-length]) / length
    return found


def sides_of(close, fast, slow):
    with np.errstate(invalid="ignore"):
        return (mean(close, fast) > mean(close, slow)).astype(float)


ROWS = [sides_of(np.asarray(BARS.close), *pair) for pair in CONFIGURATIONS]
PARAMS = (Param("fast", "int", 5, low=2, high=50), Param("slow", "int", 20, low=3, high=100))
CROSS = SignalStrategy(
    lambda df, p: sides_of(np.asarray(df["close"]), p["fast"], p["slow"]), "cross", schema=PARAMS
)
RULES = RuleStrategy(
    "cross", PARAMS, enter_long=Above(Row("sma", "fast"), Row("sma", "slow")),
    leave_long=Above(Row("sma", "slow"), Row("sma", "fast")),
)  # fmt: skip


def places(walked):
    return [CONFIGURATIONS.index((choice.params["fast"], choice.params["slow"])) for choice in walked.choices]


@pytest.mark.parametrize("item", [CROSS, RULES], ids=["function", "rules"])
@pytest.mark.parametrize("objective", ["sharpe", "total_return"])
@pytest.mark.parametrize("positions", ["carry", "flat"])
def test_like_the_oracle(item, objective, positions):
    engine = BacktestEngine(costs=Costs.from_bps(10))
    walked = walk_forward(
        item, GRID, BARS, train=100, test=40, purge=2, objective=objective, positions=positions,
        costs=Costs.from_bps(10),
    )  # fmt: skip
    choose, join = {
        "carry": (oracle.chosen_carried, oracle.joined_carried),
        "flat": (oracle.chosen_flat, oracle.joined_flat),
    }[positions]
    picked = choose(BARS, ROWS, walked.windows, getattr(oracle, objective), engine)
    assert places(walked) == [place for place, _ in picked] and len(set(places(walked))) > 1
    assert [choice.value for choice in walked.choices] == pytest.approx(
        [value for _, value in picked], rel=1e-9
    )
    first, last = walked.windows[0].test[0] - 1, walked.windows[-1].test[1]
    sides = np.array(join(ROWS, walked.windows, picked))
    again = engine.run(BARS.slice(first, last), sides)
    assert np.array_equal(walked.result.equity, again.equity)
    assert walked.result.stats["closed_trades"] == again.stats["closed_trades"] > 3


@pytest.mark.parametrize("positions", ["carry", "flat"])
@pytest.mark.parametrize("execution", [Execution(fill_at="close"), Execution()], ids=["close", "open"])
def test_other_fills_and_gaps_of_prices(positions, execution):
    """Fills at the deciding close, and bars without prices, of which some lie at edges of windows."""
    holes = np.zeros(len(BARS), bool)
    holes[[50, 99, 100, 140, 141, 142, 180, 301]] = True
    frame = {name: np.where(holes, np.nan, getattr(BARS, name)) for name in ("open", "high", "low", "close")}
    bars = Bars.from_frame({**frame, "timestamp": BARS.timestamp})
    engine = BacktestEngine(execution=execution)
    known = np.asarray(bars.mark)
    item = SignalStrategy(
        lambda df, p: sides_of(known, p["fast"], p["slow"])[: len(df["close"])], "cross", schema=PARAMS
    )
    walked = walk_forward(item, GRID, bars, train=100, test=40, positions=positions, execution=execution)
    rows = [sides_of(known, *pair) for pair in CONFIGURATIONS]
    join = oracle.joined_carried if positions == "carry" else oracle.joined_flat
    sides = np.array(join(rows, walked.windows, [(place, 0) for place in places(walked)]))
    again = engine.run(bars.slice(99), sides)
    assert np.array_equal(walked.result.equity, again.equity)


@pytest.mark.parametrize("positions", ["carry", "flat"])
def test_figures_of_folds_are_those_of_their_bars(positions):
    walked = walk_forward(
        RULES, GRID, BARS, train=100, test=45, positions=positions, risk_free=0.02, costs=Costs.from_bps(10)
    )
    from peak_fast.metrics import max_drawdown, return_statistics

    first = walked.windows[0].test[0] - 1
    returns = np.array(oracle.returns_of(walked.result.equity.tolist(), 100_000.0))
    for window, row in zip(walked.windows, walked.folds.to_dicts(), strict=True):
        part = returns[window.test[0] - first : window.test[1] - first]
        known = return_statistics(part, BARS.periods_per_year, 0.02)
        for name in ("sharpe", "total_return", "volatility", "max_drawdown"):
            assert row[f"out_{name}"] == pytest.approx(known[name], rel=1e-9, abs=1e-12)
        assert row["out_annual_return"] == pytest.approx(part.mean() * BARS.periods_per_year)
        assert row["out_max_drawdown"] == pytest.approx(max_drawdown(part), rel=1e-12, abs=1e-15)
        sold = walked.result.trades.filter(walked.result.trades["exit_reason"] != "open")[
            "exit_bar"
        ].to_numpy()
        inside = (sold >= window.test[0] - first) & (sold < window.test[1] - first)
        assert row["out_closed_trades"] == inside.sum()


def test_efficiency_and_stability_by_their_definitions():
    walked = walk_forward(RULES, GRID, BARS, train=100, test=45)
    table = walked.folds
    bars, inside, outside = (
        table[name].to_numpy() for name in ("test_bars", "in_annual_return", "out_annual_return")
    )
    assert walked.efficiency == pytest.approx((bars * outside).sum() / (bars * inside).sum())
    fast = table["fast"].to_list()
    row = walked.stability.row(0, named=True)
    assert row["parameter"] == "fast" and row["distinct"] == len(set(fast))
    assert row["changes"] == sum(a != b for a, b in itertools.pairwise(fast))
    assert row["share"] == max(map(fast.count, fast)) / len(fast)
    assert row["mean"] == pytest.approx(np.mean(fast)) and row["deviation"] == pytest.approx(
        np.std(fast, ddof=1)
    )


def both_ways(df, params):
    return np.full(len(df["close"]), float(params["side"]))


BOTH = SignalStrategy(both_ways, "both", schema=(Param("side", "int", 1, low=-1, high=1),))


def straight(closes):
    """Bars that open at the last close."""
    close = np.array(closes, float)
    open_ = np.concatenate((close[:1], close[:-1]))
    return Bars.from_frame(
        {"open": open_, "high": np.maximum(open_, close), "low": np.minimum(open_, close), "close": close}
    )


def test_by_hand():
    """Up for five bars, then down: the first fold buys into the fall, the second has seen it and sells short.

    Training on bars 0-3 (100 to 130) chooses the long side for bars 4 and 5; training on bars 2-5 (120, 130, 140, 130)
    the long side again, as 110 to 130 beats the short side; training on bars 4-7 (140, 130, 120, 110) the short one.
    """
    bars = straight([100, 110, 120, 130, 140, 130, 120, 110, 100, 90])
    walked = walk_forward(BOTH, {"side": [-1, 1]}, bars, train=4, test=2, objective="total_return")
    assert [choice.params["side"] for choice in walked.choices] == [1, 1, -1]
    # 100,000 buy at 130 (the open of bar 4), are held to the open of bar 8 (110), and are short from there to 90.
    assert walked.result.equity[0] == 100_000.0
    held = 100_000.0 / 130.0
    assert walked.result.equity[:5] == pytest.approx(
        [100_000.0, *(held * price for price in (140, 130, 120, 110))]
    )
    left = held * 110.0
    assert walked.result.equity[-1] == pytest.approx(left + left / 110.0 * (110.0 - 90.0))


def test_each_fold_begins_and_ends_flat_by_hand():
    bars = straight([100, 110, 120, 130, 140, 150, 160, 170, 180, 190])
    walked = walk_forward(
        BOTH, {"side": [-1, 1]}, bars, train=4, test=3, objective="total_return", positions="flat"
    )
    # Bought at the opens of bars 4 and 7 (130, 160), sold at those of bars 6 and 9 (150, 180).
    assert walked.result.stats["closed_trades"] == 2
    assert walked.result.equity[-1] == pytest.approx(100_000 * 150 / 130 * 180 / 160)
    assert (walked.result.position == 0).tolist() == [True, False, False, True, False, False, True]


@pytest.mark.parametrize("positions", ["carry", "flat"])
@pytest.mark.parametrize("item", [RULES, CROSS], ids=["rules", "function"])
def test_no_choice_knows_the_future(positions, item):
    options = {"train": 100, "test": 40, "purge": 1, "positions": positions, "stops": Stops(stop_loss=0.04)}
    walked = walk_forward(item, GRID, BARS, **options)
    generator = np.random.default_rng(5)
    for number in (0, 2, len(walked.windows) - 1):
        start = walked.windows[number].train[1]
        factor = np.where(
            np.arange(len(BARS)) < start, 1.0, np.exp(generator.normal(0, 0.05, len(BARS)).cumsum())
        )
        frame = {name: getattr(BARS, name) * factor for name in ("open", "high", "low", "close")}
        other = Bars.from_frame({**frame, "timestamp": BARS.timestamp})
        changed = walk_forward(item, GRID, other, **options)
        assert [c.params for c in changed.choices[: number + 1]] == [
            c.params for c in walked.choices[: number + 1]
        ]
        assert [c.inside for c in changed.choices[: number + 1]] == [
            c.inside for c in walked.choices[: number + 1]
        ]
        known = walked.windows[number].test[0] - walked.windows[0].test[0] + 1
        reach = known - (walked.windows[number].test[0] - start)
        assert np.array_equal(changed.result.equity[: max(reach, 1)], walked.result.equity[: max(reach, 1)])
    assert not np.array_equal(changed.result.equity, walked.result.equity)


@pytest.mark.parametrize("positions", ["carry", "flat"])
def test_one_configuration_is_its_own_run(positions):
    """With nothing to choose from, the joined result holds in the test windows what a run of it holds."""
    walked = walk_forward(
        RULES,
        {"fast": 5, "slow": 20},
        BARS,
        train=100,
        test=300,
        positions=positions,
        stops=Stops(stop_loss=0.05),
    )
    whole = BacktestEngine(stops=Stops(stop_loss=0.05)).run(BARS, RULES, {"fast": 5, "slow": 20})
    own, other = np.sign(walked.result.position[1:-1]), np.sign(whole.position[100:-1])
    # A position that is taken over has its stop below another entry.
    assert (own != other).mean() < 0.05


@strategy(name="crossing_block", schema=PARAMS, rows=(Row("sma", "fast"), Row("sma", "slow")))
def crossing_block(i, bars, params, memory, account):
    return 1.0 if bars[6, i] > bars[7, i] else 0.0


@pytest.mark.parametrize("positions", ["carry", "flat"])
def test_blocks_are_like_rules(positions):
    options = {"train": 100, "test": 40, "positions": positions, "costs": Costs.from_bps(5)}
    block, rules = (
        walk_forward(crossing_block, GRID, BARS, **options),
        walk_forward(RULES, GRID, BARS, **options),
    )
    assert [c.params for c in block.choices] == [c.params for c in rules.choices]
    assert [c.inside for c in block.choices] == [c.inside for c in rules.choices]
    assert np.array_equal(block.result.equity, rules.result.equity)


def test_functions_of_signals_and_weights():
    signals = SignalStrategy(
        lambda df, p: 2.0 * sides_of(np.asarray(df["close"]), p["fast"], p["slow"]) - 1.0, "signals",
        schema=PARAMS, returns="signals",
    )  # fmt: skip
    weights = SignalStrategy(
        lambda df, p: 0.5 * sides_of(np.asarray(df["close"]), p["fast"], p["slow"]), "weights",
        schema=PARAMS, returns="weights",
    )  # fmt: skip
    rows = [2.0 * row - 1.0 for row in ROWS]
    walked = walk_forward(signals, GRID, BARS, train=100, test=40)
    picked = oracle.chosen_carried(BARS, rows, walked.windows, oracle.sharpe)
    assert places(walked) == [place for place, _ in picked]
    sides = np.array(oracle.joined_carried(rows, walked.windows, picked))
    assert np.array_equal(walked.result.equity, BacktestEngine().run(BARS.slice(99), sides).equity)
    half = walk_forward(weights, GRID, BARS, train=100, test=40)
    sides = 0.5 * np.array(oracle.joined_carried(ROWS, half.windows, [(place, 0) for place in places(half)]))
    again = BacktestEngine().run(BARS.slice(99), sides, weights=True)
    assert np.array_equal(half.result.equity, again.equity)
