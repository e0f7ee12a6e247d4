"""Did a change make us slower?  The ratios that ``make bench-check`` compares with ``baseline.json``.

Each is our time over that of a bare Numba loop (or of our own untracked, or single-threaded work) taken in
the same moments, so that a slower machine gives about the same figures.  Smaller is better for all.
"""

from __future__ import annotations

import statistics

import polars as pl
import pytest

from bench import baselines, bench_startup, bench_sweep, data, harness, overhead_probe, probe

BENCH = "check"
QUESTION = "Did a change make us slower?  Ratios only; smaller is better."


def _add(recorder: harness.Recorder, name: str, samples: list[float], label: str) -> None:
    recorder.add(name, samples, "ratio", label=label, guard=True)


@pytest.mark.parametrize("n", [1_000, 5_000, 100_000])
def test_one_backtest(rounds, recorder, n):
    raw, bars, engine = data.make_bars(n), probe.load_bars(n), probe.engine()
    samples = rounds(
        {
            "ours": lambda: [engine.run(bars, "ma_crossover", probe.PARAMS).stats for _ in range(10)],
            "bare": lambda: [baselines.scalar_run(raw.open, raw.close, 20, 50) for _ in range(10)],
        },
        harness.pick(15, 3),
    )
    ratios = harness.ratios(samples["ours"], samples["bare"])
    _add(recorder, f"engine_{n}", ratios, f"one backtest, {n:,} bars / bare loop")


def test_sweep(rounds, recorder):
    n, configurations = 5_000, harness.pick(2_000, 200)
    raw, bars = data.make_bars(n), probe.load_bars(n)
    windows, rows = baselines.index_grid(baselines.sma_grid(configurations))
    sma = probe.sweep("ma_crossover", pl.DataFrame(probe.sma_frame(configurations)), bars)
    works = {
        "one": lambda: sma.run(threads=1, progress=False),
        "two": lambda: sma.run(threads=2, progress=False),
    }
    cells = {"one": configurations, "two": configurations}
    for name in ("sma_stops", "ema", "rsi", "donchian", "bollinger"):
        strategy, grid, _ = bench_sweep.STRATEGIES[name]
        few = {key: values[:: max(1, len(values) // 30)] for key, values in grid.items()}
        work = probe.sweep(strategy, few, bars)
        works[name] = lambda work=work: work.run(threads=1, progress=False)
        cells[name] = len(work.run(threads=1, progress=False).frame)
    works["bare"] = lambda: baselines.lanes_sweep(
        raw.open, raw.close, baselines.sma_rows(raw.close, windows), rows
    )
    samples = rounds(works, harness.pick(7, 2))
    for name in cells:
        if name == "two":
            continue
        scale = configurations / cells[name]
        ratios = [scale * value for value in harness.ratios(samples[name], samples["bare"])]
        label = "SMA" if name == "one" else name.replace("_", " with ")
        _add(recorder, f"sweep_{name}", ratios, f"sweep, {label}, a configuration / bare SMA lanes")
    _add(recorder, "sweep_threads", harness.ratios(samples["two"], samples["one"]), "two threads / one")


def test_tracking(recorder, benchmark, tmp_path, monkeypatch):
    monkeypatch.setenv("PEAK_FAST_SPOOL_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    request = {"uri": f"sqlite:///{tmp_path}/store.db", "mode": "background", "artifacts": "full"}
    names = ["noop"]
    try:
        import mlflow  # noqa: F401 - only whether it is there

        names.append("mlflow")
    except ImportError:
        pass
    runs = harness.pick(50, 5)
    trackers = {name: overhead_probe.build_tracker({**request, "tracker": name}) for name in names}
    loops = {"none": overhead_probe.Loop(1_000, runs, None)}
    loops |= {name: overhead_probe.Loop(1_000, runs, tracker) for name, tracker in trackers.items()}
    samples: dict[str, list[float]] = {name: [] for name in loops}

    def turn() -> None:
        for name, loop in loops.items():
            samples[name] += harness.interleave({name: loop}, 1, warm_up=0)[name]
            if name == "mlflow":
                trackers[name].flush()

    benchmark.pedantic(turn, rounds=harness.pick(15, 2), iterations=1, warmup_rounds=1)
    for name in names:
        ratios = harness.ratios(samples[name], samples["none"])
        _add(recorder, f"tracking_{name}", ratios, f"loop of {runs} backtests, tracked by {name} / untracked")


def test_first_result(recorder, benchmark):
    ours: list[float] = []
    bare: list[float] = []

    def turn() -> None:
        ours.append(harness.run_snippet(bench_startup.FIRST_RESULT).seconds)
        bare.append(harness.run_snippet(bench_startup.FIRST_BARE).seconds)

    benchmark.pedantic(turn, rounds=harness.pick(5, 2), iterations=1, warmup_rounds=1)
    ratios = harness.ratios(ours[1:], bare[1:])
    assert statistics.median(bare) > 0
    _add(recorder, "first_result", ratios, "process start to the first result, warm cache / a bare loop's")
