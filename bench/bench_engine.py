"""What does one backtest cost at each length, next to a bare loop, and where does the time go?"""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest

from bench import baselines, data, harness, probe
from peak_fast import Bars

BENCH = "engine"
QUESTION = "What does one backtest cost at each length, next to a bare loop, and where does the time go?"
SOURCE = "target for single runs"

SIZES = (1_000, 5_000, 10_000, 100_000, 1_000_000, 10_000_000)
SMALL_SIZES = (1_000, 5_000, 100_000)
TARGETS = {5_000: 0.6e-3, 100_000: 3e-3, 1_000_000: 25e-3}
FRAME_TARGETS = {5_000: 1.5, 100_000: 1.6, 1_000_000: 1.25}
ROUNDS = {1_000: 101, 5_000: 101, 10_000: 51, 100_000: 31, 1_000_000: 11, 10_000_000: 3}
STAGED = (5_000, 100_000, 1_000_000)


def _sizes() -> tuple[int, ...]:
    return SIZES if harness.scale() == "full" else SMALL_SIZES


def _check(stats, raw: data.BenchBars) -> None:
    """Outputs before times: the bare loop's return, drawdown and entries."""
    bare = baselines.scalar_run(raw.open, raw.close, 20, 50)
    np.testing.assert_allclose(1.0 + stats["total_return"], 1.0 + bare[0], rtol=1e-9)
    np.testing.assert_allclose(stats["max_drawdown"], bare[2], rtol=1e-7, atol=1e-9)
    assert stats["total_trades"] in (bare[3], bare[3] - 1)  # a position may be open at the end


@pytest.mark.parametrize("n", _sizes())
def test_one_backtest(rounds, recorder, n):
    raw, bars, engine = data.make_bars(n), probe.load_bars(n), probe.engine()
    _check(engine.run(bars, "ma_crossover", probe.PARAMS).stats, raw)
    samples = rounds(
        {
            "ours": lambda: engine.run(bars, "ma_crossover", probe.PARAMS).stats,
            "bare": lambda: baselines.scalar_run(raw.open, raw.close, 20, 50),
        },
        harness.pick(ROUNDS[n], 3),
    )
    params = {"bars": n, "group": "SMA 20/50 with indicators, records and all statistics"}
    limit = TARGETS.get(n)
    recorder.add(f"{n}/time", samples["ours"], "s", label=f"{n:,} bars", params=params,
                 target=harness.Target(limit, SOURCE) if limit else None)  # fmt: skip
    recorder.add(f"{n}/bare", samples["bare"], "s", label=f"{n:,} bars, bare Numba loop", params=params)
    recorder.add(f"{n}/over_bare", harness.ratios(samples["ours"], samples["bare"]), "ratio",
                 label=f"{n:,} bars, ours / bare loop", params=params)  # fmt: skip


FORMS = {
    "polars": "a Polars frame",
    "pandas_index": "a pandas frame with an index of times",
    "pandas_column": "a pandas frame with a column of times",
    "whole_volume": "a Polars frame, volume of integers",
    "more_columns": "a pandas frame with two columns more",
    "nanoseconds": "a pandas frame whose times are nanoseconds",
}


def _forms(frame) -> dict[str, object]:
    """The same bars as the frames that people have."""
    table = frame.to_pandas()
    return {
        "polars": frame,
        "pandas_index": table.set_index("timestamp"),
        "pandas_column": table,
        "whole_volume": frame.with_columns(pl.col("volume").round().cast(pl.Int64)),
        "more_columns": table.assign(funding=0.0001, venue="X").set_index("timestamp"),
        "nanoseconds": (by_time := table.set_index("timestamp")).set_axis(by_time.index.as_unit("ns")),
    }


@pytest.mark.parametrize("n", [n for n in _sizes() if n in FRAME_TARGETS])
def test_from_a_frame(rounds, recorder, n):
    """The same backtest, given a frame each time instead of bars made before."""
    bars, engine = probe.load_bars(n), probe.engine()
    forms = _forms(data.make_bars(n).frame())
    expected = engine.run(bars, "ma_crossover", probe.PARAMS).stats
    for frame in forms.values():
        assert engine.run(frame, "ma_crossover", probe.PARAMS).stats == expected
    samples = rounds(
        {
            name: lambda data=data: engine.run(data, "ma_crossover", probe.PARAMS).stats
            for name, data in {"bars": bars, **forms}.items()
        },
        harness.pick(ROUNDS[n], 3),
    )
    params = {"bars": n, "group": f"From a frame, {n:,} bars"}
    recorder.add(f"{n}/from/bars", samples["bars"], "s", label="Bars made before", params=params)
    for name, label in FORMS.items():
        recorder.add(f"{n}/from/{name}", samples[name], "s", label=label, params=params)
        recorder.add(f"{n}/from/{name}/over_bars", harness.ratios(samples[name], samples["bars"]), "ratio",
                     label=f"{label} / Bars", params=params,
                     target=harness.Target(FRAME_TARGETS[n], SOURCE))  # fmt: skip


@pytest.mark.parametrize("n", [n for n in _sizes() if n in FRAME_TARGETS])
def test_frames_in_turn(rounds, recorder, n):
    """Three frames, one after the other, beside three bars: what was found of one must not be lost to the next."""
    engine, frame = probe.engine(), data.make_bars(n).frame()
    prices = ("open", "high", "low", "close")
    frames = [frame.with_columns(pl.col(*prices) * factor) for factor in (1.0, 2.0, 4.0)]
    tables = [one.to_pandas().set_index("timestamp") for one in frames]
    works = {"bars": [Bars.from_frame(one) for one in frames], "polars": frames, "pandas": tables}
    turns = {name: itertools.cycle(items) for name, items in works.items()}
    for name, label in (("polars", "Polars"), ("pandas", "pandas")):
        for one, bars in zip(works[name], works["bars"], strict=True):
            stats = engine.run(bars, "ma_crossover", probe.PARAMS).stats
            assert engine.run(one, "ma_crossover", probe.PARAMS).stats == stats, label
    samples = rounds(
        {
            name: lambda turn=turn: engine.run(next(turn), "ma_crossover", probe.PARAMS).stats
            for name, turn in turns.items()
        },
        harness.pick(ROUNDS[n], 3),
    )
    params = {"bars": n, "group": f"Three frames in turn, {n:,} bars"}
    for name, label in (("polars", "Polars"), ("pandas", "pandas")):
        recorder.add(f"{n}/turn/{name}/over_bars", harness.ratios(samples[name], samples["bars"]), "ratio",
                     label=f"three {label} frames in turn / three Bars in turn", params=params,
                     target=harness.Target(FRAME_TARGETS[n], SOURCE))  # fmt: skip


@pytest.mark.parametrize("n", _sizes())
def test_memory(benchmark, recorder, n):
    answers = []
    benchmark.pedantic(lambda: answers.append(probe.ask(job="engine", bars=n)), rounds=1, iterations=1)
    recorder.add(
        f"{n}/memory",
        [answer["memory_mb"] for answer in answers],
        "MB",
        label=f"{n:,} bars",
        params={"bars": n, "group": "Peak memory of one backtest above its data"},
    )


@pytest.mark.parametrize("n", STAGED)
def test_where_the_time_goes(rounds, recorder, n):
    """The engine's own steps, called one by one as it calls them."""
    from peak_fast.simulation import run as _run
    from peak_fast.simulation.decisions import rule_decisions
    from peak_fast.strategies.registry import resolve

    frame, bars, engine = data.make_bars(n).frame(), probe.load_bars(n), probe.engine()
    item = resolve("ma_crossover")
    params = {**probe.PARAMS, "allow_short": False}
    result = engine.run(bars, "ma_crossover", params)
    settings = engine.settings.vector(bars)
    decisions = rule_decisions(item, bars, params)

    def fresh_tables() -> None:
        again = engine.run(bars, "ma_crossover", params)
        for table in (again.equity_curve, again.drawdown, again.trades, again.orders, again.fills):
            assert table is not None

    samples = rounds(
        {
            "validation": lambda: Bars.from_frame(frame),
            "indicators": lambda: rule_decisions(item, bars, params),
            "kernel": lambda: _run.run_single(bars, decisions, settings),
            "engine": lambda: engine.run(bars, "ma_crossover", params),
            "with_stats": lambda: engine.run(bars, "ma_crossover", params).stats,
            "with_tables": fresh_tables,
        },
        harness.pick(max(5, ROUNDS[n] // 2), 3),
    )
    assert result.stats
    labels = {
        "validation": "a Polars frame to checked Bars",
        "indicators": "indicator rows",
        "kernel": "decisions, simulation and metrics in the kernel",
        "engine": "the whole run, result not looked at",
        "with_stats": "the whole run, statistics read",
        "with_tables": "the whole run, all five tables read",
    }
    for stage, seconds in samples.items():
        recorder.add(
            f"{n}/stage/{stage}",
            seconds,
            "s",
            label=labels[stage],
            params={"bars": n, "group": f"Where the time goes, {n:,} bars"},
        )


def test_load_parquet(rounds, recorder):
    from peak_fast.data import load

    path = data.parquet(harness.pick(1_000_000, 100_000))
    samples = rounds({"load": lambda: load(path)}, harness.pick(11, 2))
    recorder.add("load_parquet", samples["load"], "s", label="1,000,000 rows of Parquet to Bars",
                 params={"group": "Reading"},
                 target=harness.Target(0.05, "target for single runs"))  # fmt: skip


def _order_frame(raw: data.BenchBars, count: int):
    """Orders at even distances: buys in turn by limit below and by stop above, sells the other way round."""
    import polars as pl

    bars = np.linspace(0, len(raw) - 200, count).astype(np.int64)
    number = np.arange(count)
    buy = number % 2 == 0
    limit = number % 4 < 2
    close = raw.close[bars]
    below = limit == buy  # a buy limit and a sell stop rest below the price, the others above
    price = np.where(below, close * 0.999, close * 1.001)
    return pl.DataFrame(
        {
            "bar": bars,
            "side": np.where(buy, "buy", "sell"),
            "size": np.full(count, 1.0),
            "type": np.where(limit, "limit", "stop"),
            "limit": pl.Series(np.where(limit, price, np.nan)).fill_nan(None),
            "stop": pl.Series(np.where(limit, np.nan, price)).fill_nan(None),
        }
    )


def test_orders(rounds, recorder):
    from peak_fast.orders.simulate import simulate_orders

    n, count = harness.pick((1_000_000, 10_000), (100_000, 1_000))
    raw, bars = data.make_bars(n), probe.load_bars(n)
    frame = _order_frame(raw, count)
    result = simulate_orders(bars, frame, initial_cash=1e6)
    assert result.stats["total_orders"] == count
    assert result.stats["filled_orders"] > count // 2
    samples = rounds(
        {
            "orders": lambda: simulate_orders(bars, frame, initial_cash=1e6),
            "orders_stats": lambda: simulate_orders(bars, frame, initial_cash=1e6).stats,
        },
        harness.pick(11, 2),
    )
    label = f"{n:,} bars, {count:,} limit and stop orders"
    params = {"group": "Order level"}
    recorder.add("orders", samples["orders"], "s", label=label, params=params,
                 target=harness.Target(0.06, "target for orders"))  # fmt: skip
    recorder.add(
        "orders_stats", samples["orders_stats"], "s", label=f"{label}, statistics read", params=params
    )
