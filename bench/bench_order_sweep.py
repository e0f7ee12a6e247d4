"""What does a bar of a configuration cost in a sweep through the order book, and what would single runs cost?

Times are CPU time of all threads: what two threads need more than one is what they cost each other.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from bench import harness, probe

BENCH = "order_sweep"
QUESTION = "What does a bar of a configuration cost in a sweep through the order book, and what would single runs cost?"

BARS = 5_000
GRID = {"fast": list(range(5, 25)), "slow": list(range(30, 230, 10))}
SHORTS = {**GRID, "allow_short": [True]}
BIDS = {"below": np.linspace(0.0, 0.004, 20), "stop": np.linspace(0.01, 0.05, 20)}
CASES = {
    "market": ("market orders", GRID),
    "limit": ("entries at a limit, stops", GRID),
    "short": ("market orders, shorts too", SHORTS),
    "block": ("a block that places orders", BIDS),
}


def _block():
    """Every so often a bid below the market with a bracket, about as many trades as the crossing makes."""
    from peak_fast import Param, strategy
    from peak_fast.orders.block import BUY, CLOSE, EQUITY_FRACTION, FRACTION
    from peak_kernels.orders.place import place_limit

    @strategy(
        name="bench_bids",
        schema=(
            Param("below", "float", 0.01, low=0.0, high=0.1),
            Param("stop", "float", 0.02, low=0.0, high=0.1),
        ),
    )
    def bids(i, bars, params, memory, account, orders):
        if i % 60 == 40:
            limit = bars[CLOSE, i] * (1.0 - params[0])
            place_limit(
                orders, BUY, 0.9, limit, unit=EQUITY_FRACTION, valid_until=i + 20, stop_loss=params[1],
                take_profit=2.0 * params[1], exit_unit=FRACTION,
            )  # fmt: skip

    return bids


def _settings(case: str):
    from peak_fast import Costs, Stops
    from peak_fast.settings.order_book import OrderBook
    from peak_fast.settings.order_rules import OrderRules

    settings = {"costs": Costs(rate=probe.RATE, slippage_bps=probe.SLIPPAGE_BPS), "order_book": OrderRules()}
    if case == "limit":
        settings["order_book"] = OrderBook(entry_limit=0.002, entry_bars=5)
        settings["stops"] = Stops(stop_loss=0.03, take_profit=0.06)
    return settings


@pytest.mark.parametrize("case", CASES)
def test_order_sweep(rounds, recorder, case):
    from peak_fast import BacktestEngine, Sweep

    label, grid = CASES[case]
    grid = harness.pick(grid, {name: values[:3] for name, values in grid.items()})
    item, settings, bars = (
        _block() if case == "block" else "ma_crossover",
        _settings(case),
        probe.load_bars(BARS),
    )
    work, engine = Sweep(item, grid, bars, **settings), BacktestEngine(**settings)
    frame, alone = work.run(progress=False).frame, [work.grid[k] for k in range(0, len(work.grid), 9)]
    for row, params in zip(frame.gather_every(9).iter_rows(named=True), alone, strict=True):
        assert row["total_return"] == engine.run(bars, item, params).stats["total_return"]
    samples = rounds(
        {
            "threads_1": lambda: work.run(threads=1, progress=False),
            "threads_2": lambda: work.run(threads=2, progress=False),
            "single": lambda: [engine.run(bars, item, params).stats for params in alone],
        },
        harness.pick(9, 2),
        clock=time.process_time,
    )
    trades = float(frame["total_trades"].mean())
    params = {"bars": BARS, "trades": round(trades, 1), "group": "Sweeps through the order book, 5,000 bars"}
    names = {"threads_1": "one thread", "threads_2": "two threads", "single": "single runs one by one"}
    for variant, seconds in samples.items():
        count = len(alone) if variant == "single" else len(frame)
        nanoseconds = [value / count / BARS * 1e9 for value in seconds]
        what = f"{label}, {trades:.0f} trades: {names[variant]}, CPU time of a bar and configuration"
        recorder.add(f"{case}/{variant}/ns", nanoseconds, "ns", label=what, params=params)
    each = [value * len(frame) / len(alone) for value in samples["single"]]
    recorder.add(f"{case}/over_single", harness.ratios(each, samples["threads_1"]), "ratio", params=params,
                 label=f"{label}: single runs / sweep on one thread")  # fmt: skip
