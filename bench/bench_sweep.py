"""What does a bar of a configuration cost in a sweep, and does memory stay where it is?"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from bench import baselines, data, harness, probe

BENCH = "sweep"
QUESTION = "What does a bar of a configuration cost in a sweep, and does memory stay where it is?"
SOURCE = "target for sweeps"

SIZES = {
    "10000x5000": (10_000, 5_000),
    "1000x100000": (1_000, 100_000),
}
TIME_TARGETS = {("10000x5000", 1): 0.10, ("1000x100000", 2): 0.15}


def _check(frame: pl.DataFrame, reference: np.ndarray) -> None:
    """Outputs before times: growth of equity, drawdown and trades of every configuration."""
    found = frame.select("total_return", "max_drawdown").to_numpy()
    np.testing.assert_allclose(1.0 + found[:, 0], 1.0 + reference[:, 0], rtol=1e-9)
    np.testing.assert_allclose(found[:, 1], reference[:, 2], rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(frame["total_trades"].to_numpy(), reference[:, 3])


@pytest.mark.parametrize("size", SIZES)
def test_sma(rounds, recorder, size):
    configurations, n = SIZES[size]
    configurations = harness.pick(configurations, 200)
    raw, bars = data.make_bars(n), probe.load_bars(n)
    windows, rows = baselines.index_grid(baselines.sma_grid(configurations))
    work = probe.sweep("ma_crossover", pl.DataFrame(probe.sma_frame(configurations)), bars)
    lanes = baselines.lanes_sweep(raw.open, raw.close, baselines.sma_rows(raw.close, windows), rows)
    _check(work.run(threads=2, progress=False).frame, lanes)

    def yardstick(kind) -> None:
        kind(raw.open, raw.close, baselines.sma_rows(raw.close, windows), rows)

    samples = rounds(
        {
            "threads_1": lambda: work.run(threads=1, progress=False),
            "threads_2": lambda: work.run(threads=2, progress=False),
            "bare_lanes": lambda: yardstick(baselines.lanes_sweep),
            "bare_scalar": lambda: yardstick(baselines.scalar_sweep),
        },
        harness.pick(7, 2),
    )
    cells = configurations * n
    group = f"SMA cross, {configurations:,} configurations x {n:,} bars, indicators included"
    names = {
        "threads_1": "one thread",
        "threads_2": "two threads",
        "bare_lanes": "bare Numba lanes, one thread",
        "bare_scalar": "bare Numba loop with trade records, one thread",
    }
    for variant, seconds in samples.items():
        params = {"configurations": configurations, "bars": n, "group": group}
        label = names[variant]
        limit = TIME_TARGETS.get((size, int(variant[-1]))) if variant.startswith("threads") else None
        target = harness.Target(limit, SOURCE) if limit and harness.scale() == "full" else None
        recorder.add(f"sma/{size}/{variant}/time", seconds, "s", label=label, params=params, target=target)
        nanoseconds = [value / cells * 1e9 for value in seconds]
        target = harness.Target(2.0, SOURCE) if variant == "threads_1" else None
        recorder.add(f"sma/{size}/{variant}/ns", nanoseconds, "ns", label=f"{label}, a bar and configuration",
                     params=params, target=target)  # fmt: skip
    one, two, bare = samples["threads_1"], samples["threads_2"], samples["bare_lanes"]
    recorder.add(f"sma/{size}/over_bare", harness.ratios(one, bare), "ratio",
                 label="one thread / bare Numba lanes", params={"group": group})  # fmt: skip
    recorder.add(f"sma/{size}/speed_up", harness.ratios(one, two), "ratio", label="two threads, speed-up",
                 params={"group": group}, target=harness.Target(1.9, SOURCE, ">="))  # fmt: skip


def _span(low: int, count: int, step: int = 1) -> list[int]:
    return list(range(low, low + count * step, step))


STOPS = {"stop_loss": [0.01, 0.02], "take_profit": [0.02, 0.04, 0.05, 0.06, 0.08], "trailing": [0.015, 0.03]}
STRATEGIES = {
    "sma": ("ma_crossover", {"fast": _span(5, 100), "slow": _span(110, 100, 2)}, 2.0),
    "sma_stops": ("ma_crossover", {"fast": _span(5, 20, 5), "slow": _span(110, 25, 8), **STOPS}, 5.0),
    "sma_short": (
        "ma_crossover",
        {"fast": _span(5, 100), "slow": _span(110, 100, 2), "allow_short": [True]},
        None,
    ),
    "ema": ("ema_crossover", {"fast": _span(5, 100), "slow": _span(110, 100)}, 4.0),
    "rsi": (
        "rsi_reversion",
        {"period": _span(2, 50), "oversold": _span(20, 20), "exit_level": _span(45, 10, 2)},
        4.0,
    ),
    "donchian": ("donchian_breakout", {"entry": _span(5, 100), "exit": _span(4, 100)}, 4.0),
    "bollinger": (
        "bollinger",
        {"period": _span(5, 100), "width": [round(0.5 + 0.04 * k, 2) for k in range(100)]},
        4.0,
    ),
}


def test_strategies(rounds, recorder):
    bars = probe.load_bars(5_000)
    works = {}
    for name, (strategy, grid, _) in STRATEGIES.items():
        grid = harness.pick(grid, {key: values[:5] for key, values in grid.items()})
        works[name] = probe.sweep(strategy, grid, bars)
    results = {name: work.run(threads=1, progress=False) for name, work in works.items()}
    samples = rounds(
        {name: (lambda work=work: work.run(threads=1, progress=False)) for name, work in works.items()},
        harness.pick(5, 2),
    )
    for name, seconds in samples.items():
        frame = results[name].frame
        cells = len(frame) * len(bars)
        trades = float(frame["total_trades"].mean())
        limit = STRATEGIES[name][2]
        recorder.add(
            f"strategy/{name}/ns",
            [value / cells * 1e9 for value in seconds],
            "ns",
            label=f"{name.replace('_', ' with ')}, {len(frame):,} configurations, {trades:.0f} trades each",
            params={
                "group": "Per bar and configuration, 5,000 bars, one thread",
                "configurations": len(frame),
                "trades": trades,
            },
            target=harness.Target(limit, SOURCE) if limit else None,
        )


def _relative_strength(frame: pl.DataFrame, params: dict) -> pl.Series:
    """A usual signal function: about half a millisecond of Polars on 5,000 bars."""
    change, span = frame["close"].diff(), params["span"]
    gain, loss = change.clip(lower_bound=0), (-change).clip(lower_bound=0)
    index = 100 - 100 / (1 + gain.ewm_mean(span=span) / loss.ewm_mean(span=span))
    return (index < 30).cast(pl.Int8) - (index > params["high"]).cast(pl.Int8)


def test_function(rounds, recorder):
    """What a sweep adds to the calls of a Python function: wall time of the sweep over that of the bare calls."""
    frame = probe.load_bars(5_000).to_polars()
    grid = {"span": _span(5, harness.pick(20, 4)), "high": _span(60, 20)}
    work = probe.sweep(_relative_strength, grid, frame)
    calls = [{"span": span, "high": high} for span in grid["span"] for high in grid["high"]]
    samples = rounds(
        {
            "bare": lambda: [_relative_strength(frame, params) for params in calls],
            "threads_1": lambda: work.run(threads=1, progress=False),
            "threads_2": lambda: work.run(threads=2, progress=False),
        },
        harness.pick(9, 2),
    )
    for variant, label in (("threads_1", "one thread, simulation included"), ("threads_2", "two threads")):
        recorder.add(f"function/{variant}", harness.ratios(samples[variant], samples["bare"]), "ratio",
                     label=f"sweep of a Polars function / its bare calls, {label}",
                     params={"group": "A Python function, 5,000 bars", "configurations": len(calls)},
                     target=harness.Target(1.05, SOURCE) if variant == "threads_2" else None)  # fmt: skip


def test_fixed_cost(rounds, recorder):
    bars = probe.load_bars(1_000)
    grid = pl.DataFrame(probe.sma_frame(10))
    variants = {"run": lambda: probe.sweep("ma_crossover", grid, bars).run(threads=1, progress=False)}
    samples = rounds(variants, harness.pick(30, 3))
    recorder.add("fixed", samples["run"], "s", label="a sweep of 10 configurations x 1,000 bars, warm",
                 params={"group": "Fixed cost"}, target=harness.Target(0.003, SOURCE))  # fmt: skip


MEMORY = {
    "1000x5000": (1_000, 5_000, None),
    "10000x5000": (10_000, 5_000, None),
    "100000x5000": (100_000, 5_000, None),
    "1000000x5000": (1_000_000, 5_000, 300.0),
    "1000x100000": (1_000, 100_000, 200.0),
}


@pytest.mark.parametrize("size", MEMORY)
def test_memory(benchmark, recorder, size):
    configurations, n, limit = MEMORY[size]
    configurations = harness.pick(configurations, min(configurations, 2_000))
    answers = []

    def measure() -> None:
        answers.append(probe.ask(job="sweep", configurations=configurations, bars=n))

    benchmark.pedantic(measure, rounds=1, iterations=1)
    params = {"group": "Peak memory above the start of the run", "configurations": configurations, "bars": n}
    recorder.add(
        f"memory/{size}/rss",
        [answer["memory_mb"] for answer in answers],
        "MB",
        label=f"{configurations:,} configurations x {n:,} bars",
        params=params,
        target=harness.Target(limit, SOURCE) if limit else None,
    )
