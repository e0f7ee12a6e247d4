"""Financing of one asset in windows and in other worlds: ledgers in Decimal, single runs, and what no order changes."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from peak_fast import BacktestEngine, ConfigError, Costs, DataError, Financing, Panel, Sweep, synthetic
from peak_fast.data import given_bars
from peak_fast.sweep import PLANES, folded_result, free_rate, stretch_sums
from peak_fast.validation import (
    cross_validate,
    noise_test,
    permutation_test,
    reality_check,
    regimes,
    sensitivity,
    validate,
    walk_forward,
)

FIRST = date(2024, 1, 1)
DAYS = [str(FIRST + timedelta(days=bar)) for bar in range(600)]
RATE, BORROW, RATIO = Decimal("0.03"), Decimal("0.01"), Decimal(2)
PAID = {bar: Decimal("0.4") for bar in range(60, 600, 45)}
FLOWS = {150: Decimal(5000), 333: Decimal(-2000), 500: Decimal(1000)}
SPLIT = 320


def frame_of(seed=3):
    """Prices of 600 days, which halve where the split is and fall by the dividends."""
    close = np.asarray(synthetic(600, seed=seed).close).copy()
    close[SPLIT:] /= float(RATIO)
    opened = np.concatenate(([close[0]], close[:-1]))
    opened[SPLIT] /= float(RATIO)
    return pl.DataFrame(
        {
            "timestamp": [FIRST + timedelta(days=bar) for bar in range(600)],
            "open": opened,
            "high": np.maximum(opened, close) * 1.002,
            "low": np.minimum(opened, close) * 0.998,
            "close": close,
        }
    )


FRAME = frame_of()
BARS = given_bars(FRAME)
RATES = {"cash_rate": float(RATE), "borrow_rate": float(BORROW)}
EVENTS = {
    "dividends": {DAYS[bar]: float(amount) for bar, amount in PAID.items()},
    "splits": {DAYS[SPLIT]: float(RATIO)},
}
DATED = {"cash_flows": {DAYS[bar]: float(amount) for bar, amount in FLOWS.items()}}
PAYS = Financing(**RATES, **EVENTS, **DATED)
GRID = {"fast": [3, 8], "slow": [20, 40], "allow_short": [True]}
OPTIONS = {"train": 200, "test": 80, "progress": False}


def follows(frame, params):
    close = frame["close"].to_numpy()
    return np.sign(close - np.roll(close, params["lag"]))


def ledger(result, first):
    """Equity of a run that begins with a bar, from its fills, dates and rates: Decimal."""
    cash, units, close, days = Decimal(100_000), Decimal(0), None, 0
    fills = {bar: rows for (bar,), rows in result.fills.group_by("bar")}
    equity = []
    for bar in range(len(result.bars)):
        if bar:
            owed = max(-units, Decimal(0)) * close * BORROW / 365
            cash += cash * RATE / 365 - owed
            days += 1
        cash += units * PAID.get(first + bar, Decimal(0))
        units *= RATIO if first + bar == SPLIT else 1
        cash += FLOWS.get(first + bar, Decimal(0))
        for fill in fills[bar].iter_rows(named=True) if bar in fills else ():
            if fill["reason"] != "split":
                signed = Decimal(fill["side"]) * Decimal(fill["size"])
                units, cash = (
                    units + signed,
                    cash - signed * Decimal(fill["price"]) - Decimal(fill["fee"]),
                )
        close = Decimal(float(result.bars.close[bar]))
        equity.append(float(cash + units * close))
    return np.array(equity)


@pytest.mark.parametrize("item", ["ma_crossover", follows], ids=["rules", "function"])
@pytest.mark.parametrize("way", ["carry", "flat", "chain"])
def test_a_walk_is_a_ledger_of_its_fills(item, way):
    grid = {"lag": [5, 20]} if callable(item) else GRID
    grid = {**grid, "fee_bps": [1.0, 2.0]} if way == "chain" else grid
    walked = walk_forward(
        item, grid, FRAME, positions="carry" if way == "carry" else "flat", financing=PAYS, **OPTIONS
    )
    result, first = walked.result, walked.windows[0].test[0] - 1
    assert (result.position < 0).any() and result.stats["total_dividends"] != 0.0
    np.testing.assert_allclose(result.equity, ledger(result, first), rtol=1e-9)
    assert result.stats["net_deposits"] == float(sum(x for bar, x in FLOWS.items() if bar >= first))
    grown = np.prod(1.0 + result.returns["return"].to_numpy())
    assert grown == pytest.approx(1.0 + result.stats["total_return"], rel=1e-12)
    if way != "chain":
        again = BacktestEngine(financing=PAYS).run(result.bars, walked.targets)
        np.testing.assert_allclose(again.equity, result.equity, rtol=1e-12)
        assert again.charges["bar"].to_list() == result.charges["bar"].to_list()
        np.testing.assert_allclose(again.charges["amount"], result.charges["amount"], rtol=1e-9)


@pytest.mark.parametrize("words", [False, True])
def test_what_trains_is_a_run_on_a_part_of_the_bars(words):
    """Bit for bit, with events of tables and of the frame's own columns."""
    events = {"dividends": "cash", "splits": "column"} if words else EVENTS
    financing = Financing(**RATES, **DATED, **events)
    paid = [float(PAID.get(bar, 0)) for bar in range(600)]
    frame = FRAME.with_columns(
        dividend=pl.Series(paid), split=pl.Series([2.0 if bar == SPLIT else 1.0 for bar in range(600)])
    )
    walked = walk_forward(follows, {"lag": [5]}, frame, positions="flat", financing=financing, **OPTIONS)
    sides = follows(frame, {"lag": 5})
    for window, choice in zip(walked.windows, walked.choices, strict=True):
        part = given_bars(frame).slice(*window.train)
        own = BacktestEngine(financing=financing).run(part, sides[slice(*window.train)])
        assert choice.value == own.stats["sharpe"]
        assert choice.inside["total_return"] == own.stats["total_return"]


def test_sums_of_stretches_are_those_of_single_runs():
    sweep = Sweep("ma_crossover", GRID, FRAME, financing=PAYS)
    edges = np.array([0, 100, 333, 340, 600])
    sums = stretch_sums(sweep, sweep.grid.columns(0, 4), edges)
    for number in range(4):
        own = np.empty((len(PLANES), 4))
        folded_result(sweep.rerun(sweep.grid[number]), edges, free_rate(sweep), own)
        np.testing.assert_allclose(sums[number], own, rtol=1e-9, atol=1e-12)


def stays_out(frame, params):
    return np.zeros(len(frame["close"])) + 0.0 * params["nothing"]


def weighs_nothing(panel, params):
    return np.zeros((len(panel), 1)) + 0.0 * params["nothing"]


@pytest.mark.parametrize("panel", [False, True])
def test_deposits_are_no_returns_anywhere(panel):
    """An account that holds nothing and gets no interest has no return, whatever comes and goes."""
    data, item = (Panel.from_frame({"A": FRAME}), weighs_nothing) if panel else (FRAME, stays_out)
    sweep = Sweep(
        item, {"nothing": [0.0]}, data, financing=Financing(**DATED), metrics=["total_return"], blocks=4
    )
    crossed = cross_validate(sweep, folds=4, test_folds=1, progress=False)
    assert np.abs(crossed.path_returns).max() < 1e-12
    walked = walk_forward(sweep, objective="total_return", **OPTIONS)
    for choice in walked.choices:
        assert choice.value == pytest.approx(0.0, abs=1e-12)
        assert choice.outside["total_return"] == pytest.approx(0.0, abs=1e-12)
    found = sweep.run(progress=False)
    assert found.frame["total_return"].to_list() == pytest.approx([0.0], abs=1e-12)
    assert np.abs(found.frame["block_sum"].to_numpy()).max() < 1e-12


@pytest.mark.parametrize("method", ["permutation", "block", "stationary"])
@pytest.mark.parametrize("reinvest", [False, True])
def test_a_world_of_permuted_bars_is_a_run_on_it(method, reinvest):
    financing = Financing(**RATES, **EVENTS, **DATED, reinvest=reinvest)
    options = {"worlds": 5, "method": method, "financing": financing, "costs": Costs(rate=0.001)}
    for item, params in (
        ("ma_crossover", {"fast": 5, "slow": 20, "allow_short": True}),
        (follows, {"lag": 9}),
    ):
        test = permutation_test(item, params, FRAME, **options)
        for number in range(5):
            engine = BacktestEngine(financing=test.financing(number), costs=Costs(rate=0.001))
            assert engine.run(test.world(number), item, params).stats["sharpe"] == test.distribution[number]


def holds(frame, params):
    return np.ones(len(frame["close"]))


def test_what_holding_brings_depends_on_no_order():
    """Reinvested dividends and splits go along with their bars, so the product of all moves stays."""
    financing = Financing(**EVENTS, reinvest=True)
    test = permutation_test(holds, {}, FRAME, worlds=20, objective="total_return", financing=financing)
    assert FRAME["open"][1] == FRAME["close"][0]  # all of it is bought at the first close
    assert test.distribution == pytest.approx(np.full(20, test.real), rel=1e-9)
    plain = permutation_test(holds, {}, FRAME, worlds=20, objective="total_return")
    assert plain.real < 0.6 * test.real


def test_noise_leaves_events_where_they_are():
    test = noise_test(
        "ma_crossover", {"fast": 5, "slow": 20, "allow_short": True}, FRAME, runs=4, financing=PAYS
    )
    for number in range(4):
        own = BacktestEngine(financing=PAYS).run(
            test.world(number), "ma_crossover", {"fast": 5, "slow": 20, "allow_short": True}
        )
        assert own.stats["sharpe"] == test.distribution[number]
    low = float(FRAME["low"][59])
    with pytest.raises(DataError, match="below the low of the bar before"):
        near = Financing(dividends={DAYS[60]: (low + float(FRAME["close"][59])) / 2})
        noise_test("momentum", {}, FRAME, runs=2, financing=near)


def adjusted_of(frame):
    """The same prices with dividends and the split taken out, in plain Python."""
    factors, factor = [1.0] * len(frame), 1.0
    closes = frame["close"].to_list()
    for bar in range(len(frame) - 1, 0, -1):
        factors[bar] = factor
        factor *= 1.0 - float(PAID.get(bar, 0)) / closes[bar - 1]
        factor /= 2.0 if bar == SPLIT else 1.0
    factors[0] = factor
    names = ["open", "high", "low", "close"]
    return frame.with_columns([pl.col(name) * pl.Series(factors) for name in names])


def test_the_market_of_raw_prices_is_that_of_adjusted_ones():
    adjusted = adjusted_of(FRAME)
    financing = Financing(**EVENTS, reinvest=True)
    raw_sweep, plain = (
        Sweep("ma_crossover", GRID, data, **more)
        for data, more in ((FRAME, {"financing": financing}), (adjusted, {}))
    )
    found = [regimes(sweep.rerun(sweep.grid[0]), trend=50) for sweep in (raw_sweep, plain)]
    np.testing.assert_array_equal(found[0].regime_of, found[1].regime_of)
    np.testing.assert_allclose(*(one.frame["market_return"].to_numpy() for one in found), rtol=1e-9)
    held = Sweep(holds, {"none": [0]}, FRAME, financing=financing)
    beside = reality_check(held, "hold", replications=5, block=5.0).test
    # What is bought at the open of the second bar costs the first close, and is held from there on.
    assert beside.mean[0] == pytest.approx(0.0, abs=1e-12)


def test_every_question_of_validate_is_answered():
    found = Sweep("ma_crossover", {**GRID, "slow": [20, 40, 60]}, frame_of(4), financing=PAYS).run(
        progress=False
    )
    verdict = validate(found, worlds=19, replications=49)
    grey = [finding.name for finding in verdict.findings if finding.colour == "grey"]
    assert grey == ["tried"]
    around = sensitivity("ma_crossover", {"fast": 3, "slow": 20}, FRAME, financing=PAYS, starts=2)
    assert around.delays.height == 2
    assert around.notes[-1] == "delays of more than a bar are passed over: the order book has no financing"


def test_what_has_no_meaning_is_refused():
    for data, method, message in (
        (FRAME, "sign", "mirrored bar"),
        (Panel.from_frame({"A": FRAME}), "permutation", "of a panel go along with no date"),
    ):
        item = weighs_nothing if isinstance(data, Panel) else follows
        params = {"nothing": 0.0} if isinstance(data, Panel) else {"lag": 3}
        with pytest.raises(ConfigError, match=message):
            permutation_test(item, params, data, worlds=2, method=method, financing=Financing(**EVENTS))
    mirrored = permutation_test(
        follows, {"lag": 3}, FRAME, worlds=2, method="sign", financing=Financing(**RATES)
    )
    assert np.isfinite(mirrored.distribution).all()
