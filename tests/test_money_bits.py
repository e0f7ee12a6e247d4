"""Fast path and order book: the same run, the same bits, at the extremes of prices, costs, sizes and leverage.

What cannot be the same is in `docs/semantics.md`: runs in which an account without equity is liquidated, sums of
returns, and with credit the cash (the book's own holds margins).
"""

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    Costs,
    Execution,
    FixedUnits,
    FixedValue,
    FractionOfEquity,
    KellyFraction,
    RiskLimits,
    RiskPerTrade,
    Stops,
    VolatilityTarget,
)
from peak_fast.settings.order_rules import OrderRules
from peak_fast.signals.simulate import simulate_signals

BARS = 160
FILLS = ("bar", "side", "size", "price", "fee", "slippage", "reason")
TRADES = (
    "side",
    "entry_bar",
    "exit_bar",
    "entry_price",
    "exit_price",
    "size",
    "fees",
    "net_pnl",
    "exit_reason",
)
SEEDS = range(150)


def candles(rng, level, step):
    close = level * np.exp(np.cumsum(rng.normal(0.0, step, BARS)))
    open_ = np.concatenate(([close[0]], close[:-1])) * np.exp(rng.normal(0.0, step / 3, BARS))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, step / 3, BARS)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, step / 3, BARS)))
    times = pl.Series(np.arange(BARS) * 3_600_000_000 + 1_700_000_000_000_000).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame({"timestamp": times, "open": open_, "high": high, "low": low, "close": close})


def case(seed):
    """Bars, decisions, whether they are weights, and settings of an engine."""
    rng = np.random.default_rng(seed)
    level = float(10.0 ** rng.uniform(-9, 9)) if seed % 3 else 100.0
    cash = float(10.0 ** rng.uniform(3, 8))

    def one(*values):
        return values[int(rng.integers(len(values)))]

    def near(low, high):
        return float(rng.uniform(low, high))

    absolute = bool(rng.integers(4) == 0)
    unit = level if absolute else 1.0
    stops = Stops(
        stop_loss=one(None, near(0.01, 0.1) * unit),
        take_profit=one(None, near(0.01, 0.1) * unit),
        trailing=one(None, None, near(0.02, 0.1) * unit),
        unit="absolute" if absolute else "fraction",
        watermark=one("extreme", "close", "high", "low"),
    )
    sizings = [
        FractionOfEquity(), FractionOfEquity(fraction=near(0.1, 1.5)), FixedUnits(units=near(0.01, 2.0) * cash / level),
        FixedValue(value=near(0.01, 2.0) * cash), VolatilityTarget(0.2), KellyFraction(),
    ]  # fmt: skip
    if stops.stop_loss or stops.trailing:
        sizings.append(RiskPerTrade(risk=near(0.005, 0.05)))
    settings = {
        "initial_cash": cash,
        "costs": Costs(
            rate=one(0.0, near(0.0, 0.02)),
            maker_rate=one(None, near(0.0, 0.002)),
            # Now and then fees that leave nothing of the equity, and slippage above the price.
            fixed=one(0.0, near(0.0, 1e-4) * cash, near(0.1, 0.6) * cash),
            minimum=one(0.0, near(0.0, 1e-3) * cash),
            per_unit=one(0.0, near(0.0, 0.01) * level),
            slippage_bps=one(0.0, near(0.0, 50.0)),
            slippage_abs=one(0.0, 0.0, near(0.0, 0.01) * level, near(1.0, 3.0) * level),
        ),
        "execution": Execution(
            fill_at=one("next_open", "close"),
            both_hit=one("stop_first", "target_first"),
            entry_bar_stops=bool(rng.integers(2)),
            lot_size=one(0.0, 0.0, near(1e-4, 0.05) * cash / level),
            leverage=one(1.0, 1.0, near(0.1, 1.0), near(1.0, 10.0)),
        ),
        "stops": stops,
        "sizing": one(*sizings),
        "risk_limits": RiskLimits(
            max_position=one(None, None, near(0.3, 1.2)),
            max_drawdown=one(None, None, near(0.05, 0.4)),
            daily_loss=one(None, None, near(0.01, 0.1)),
        ),
    }
    weights = bool(rng.integers(2))
    targets = np.full(BARS, np.nan)
    where = rng.choice(BARS, BARS // 8, replace=False)
    targets[where] = (
        np.round(rng.uniform(-1, 1, len(where)), 3) if weights else rng.integers(-1, 2, len(where))
    )
    return candles(rng, level, near(0.001, 0.06)), targets, weights, settings


def both(seed):
    bars, targets, weights, settings = case(seed)
    fast = BacktestEngine(**settings).run(bars, targets, weights=weights)
    book = BacktestEngine(**settings, order_book=OrderRules()).run(bars, targets, weights=weights)
    return fast, book, weights, settings["execution"].leverage == 1.0


def liquidated(*results):
    return any("liquidation" in result.fills["reason"].to_list() for result in results)


@pytest.mark.parametrize("first", range(0, len(SEEDS), 10))
def test_the_same_run_gives_the_same_bits(first):
    for seed in SEEDS[first : first + 10]:
        fast, book, weights, own_money = both(seed)
        if liquidated(fast, book):
            continue
        assert book.fills.select(FILLS).equals(fast.fills.select(FILLS)), seed
        assert weights or book.trades["gross_pnl"].to_list() == fast.trades["gross_pnl"].to_list(), seed
        assert book.trades.select(TRADES).equals(fast.trades.select(TRADES)), seed
        assert book.equity.tobytes() == fast.equity.tobytes(), seed
        assert book.position.tolist() == fast.position.tolist(), seed
        if own_money:
            assert book.cash.tolist() == fast.cash.tolist(), seed


def test_the_cases_are_those_that_are_meant():
    """Most runs trade and are compared; all extremes happen among them."""
    compared, fills, negative, free, lots, credit, tiny, huge = 0, 0, 0, 0, 0, 0, 0, 0
    for seed in SEEDS:
        fast, book, _, _ = both(seed)
        if liquidated(fast, book):
            continue
        _, _, _, settings = case(seed)
        compared += 1
        fills += fast.fills.height
        negative += bool((fast.equity < 0.0).any())
        free += 0.0 in fast.fills["price"].to_list()
        lots += settings["execution"].lot_size > 0.0 and fast.fills.height > 0
        credit += settings["execution"].leverage != 1.0 and fast.fills.height > 0
        prices = fast.fills["price"]
        tiny += bool(fast.fills.height and prices.min() < 1e-6)
        huge += bool(fast.fills.height and prices.max() > 1e6)
    assert compared > 0.6 * len(SEEDS) and fills > 10 * compared
    assert min(negative, free) > 0 and min(lots, credit, tiny, huge) > 10


@pytest.mark.parametrize("slippage", [0.0, 0.003])
@pytest.mark.parametrize("rate", [0.0, 0.002])
def test_signal_matrices_and_the_fast_path_agree(rate, slippage):
    """Units at the close, rated fees and slippage: the third machine, with one way to its sums less.

    It rounds cash to nothing at 1e-12 and takes value and fee in two steps, so its cash may differ in the last bits.
    """
    for seed in range(20):
        rng = np.random.default_rng(seed)
        bars, size = candles(rng, float(10.0 ** rng.uniform(-6, 6)), 0.02), 1.0
        held = rng.integers(0, 2, BARS).astype(bool)
        held[0] = False
        matrices = [bars[name].to_numpy() for name in ("open", "high", "low", "close")]
        cash = 1e4 * float(bars["close"][0])
        signals = simulate_signals(
            matrices, entries=held, exits=~held, size=size, fees=rate, slippage=slippage, initial_cash=cash
        )
        fast = BacktestEngine(
            initial_cash=cash,
            sizing=FixedUnits(units=size),
            costs=Costs(rate=rate, slippage_bps=slippage * 1e4),
            execution=Execution(fill_at="close"),
        ).run(bars, held.astype(float))
        ours, theirs = fast.fills, signals.fills
        assert ours.height == theirs.height > 10
        assert theirs["bar"].to_list() == ours["bar"].to_list()
        for name in ("size", "price", "fee"):
            assert theirs[name].to_list() == ours[name].to_list(), (seed, name)
        np.testing.assert_allclose(np.ravel(signals.equity), fast.equity, rtol=1e-12)
