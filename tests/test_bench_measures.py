"""What the benches measure with: records, rounds, processes, yardsticks, peers, statistics."""

import io
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from bench import (
    baselines,
    bench_growth,
    bench_peers,
    bench_properties,
    bench_startup,
    data,
    harness,
    probe,
)
from bench.peers.contestants import ALL, CONTESTANTS, ROWS, Contestant, Row
from peak_fast.benchmarking import quick, run_bench

# --- records --------------------------------------------------------------------------------------


def test_record_has_median_and_range():
    record = harness.make_record("engine/x", [3.0, 1.0, 2.0, 10.0], "s", label="x", params={"bars": 5})
    assert (record["median"], record["min"], record["max"]) == (2.5, 1.0, 10.0)
    assert record["samples"] == [3.0, 1.0, 2.0, 10.0]
    assert record["params"] == {"bars": 5}


def test_record_without_samples_is_refused():
    with pytest.raises(ValueError, match="no samples"):
        harness.make_record("engine/x", [], "s")


def test_only_ratios_are_guarded():
    with pytest.raises(ValueError, match="only ratios are guarded"):
        harness.make_record("engine/x", [1.0], "s", guard=True)


@pytest.mark.parametrize(
    ("relation", "value", "verdict"),
    [("<=", 2.0, "met"), ("<=", 2.1, "missed"), (">=", 2.0, "met"), (">=", 1.9, "missed")],
)
def test_target_verdict(relation, value, verdict):
    judged = harness.Target(2.0, "specification", relation).judge(value)
    assert judged["verdict"] == verdict
    assert judged["ratio"] == pytest.approx(value / 2.0)


def test_target_with_unknown_relation_is_refused():
    with pytest.raises(ValueError, match="expected <= or >="):
        harness.Target(2.0, "specification", "<").judge(1.0)


def test_recorder_writes_the_format_and_refuses_a_second_record_of_one_name(tmp_path):
    recorder = harness.Recorder("engine", "How fast?", "command")
    recorder.add("5000/time", [0.5, 0.7], "ms", target=harness.Target(1.0, "target for tests"))
    with pytest.raises(ValueError, match="added before"):
        recorder.add("5000/time", [0.5], "ms")
    found = json.loads(recorder.write(tmp_path).read_text())
    expected = {"schema", "bench", "question", "command", "date", "commit", "scale", "machine", "versions"}
    assert set(found) == expected | {"load", "notes", "records"}
    assert found["records"][0]["name"] == "engine/5000/time"
    assert found["records"][0]["target"]["verdict"] == "met"
    assert list(tmp_path.iterdir()) == [tmp_path / "engine.json"]


def test_scale_is_full_or_small(monkeypatch):
    monkeypatch.setenv("PEAK_FAST_BENCH", "small")
    assert harness.pick(10, 1) == 1
    monkeypatch.setenv("PEAK_FAST_BENCH", "tiny")
    with pytest.raises(ValueError, match="expected full or small"):
        harness.scale()


def test_interleaved_rounds_take_turns_and_reverse():
    calls = []
    ticks = iter(range(100))
    variants = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    samples = harness.interleave(variants, rounds=3, clock=lambda: float(next(ticks)))
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert samples == {"a": [1.0] * 3, "b": [1.0] * 3}


def test_ratios_are_taken_round_by_round():
    assert harness.ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
    with pytest.raises(ValueError):
        harness.ratios([2.0], [1.0, 3.0])


def test_a_process_that_fails_says_why():
    with pytest.raises(RuntimeError, match=r"(?s)ended with 1:.*ValueError: reason"):
        harness.run_snippet("raise ValueError('reason')")


def test_a_process_reports_output_and_memory():
    # From a small process: the system counts the caller's size at the start as part of the child's peak.
    code = (
        "from bench import harness; done = harness.run_snippet('x = bytearray(60_000_000); print(len(x))'); "
        "print(done.output.strip(), done.peak_rss_mb, done.seconds, done.cpu_seconds)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=harness.ROOT, capture_output=True, text=True, check=True
    )
    output, peak, seconds, cpu = run.stdout.split()
    assert output == "60000000"
    assert 60 < float(peak) < 400
    assert float(seconds) >= 0 and float(cpu) > 0


# --- the yardstick --------------------------------------------------------------------------------


def plain_run(open_, close, fast, slow, cash, fee, slippage):
    """Independent of the yardstick: Python floats, means summed afresh."""
    initial, units, entries = cash, 0.0, 0
    equity = [cash]
    for i in range(len(close)):
        want = i >= slow and sum(close[i - fast : i]) / fast > sum(close[i - slow : i]) / slow
        if want and units == 0.0:
            units, cash, entries = cash / (open_[i] * (1 + slippage) * (1 + fee)), 0.0, entries + 1
        elif units > 0.0 and not want:
            units, cash = 0.0, units * open_[i] * (1 - slippage) * (1 - fee)
        equity.append(cash + units * close[i])
    changes = [after / before - 1 for before, after in itertools.pairwise(equity)]
    mean = sum(changes) / len(changes)
    deviation = (sum((change - mean) ** 2 for change in changes) / (len(changes) - 1)) ** 0.5
    peaks = [max(equity[: i + 1]) for i in range(len(equity))]
    drawdown = min(value / peak - 1 for value, peak in zip(equity, peaks, strict=True))
    return equity[-1] / initial - 1, mean / deviation, drawdown, entries


@pytest.mark.parametrize(("fast", "slow"), [(3, 8), (20, 50)])
def test_yardstick_equals_plain_python(fast, slow):
    bars = data.make_bars(700, seed=3)
    found = baselines.scalar_run(bars.open, bars.close, fast, slow, 1000.0, 0.001, 0.0005)
    expected = plain_run(bars.open.tolist(), bars.close.tolist(), fast, slow, 1000.0, 0.001, 0.0005)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert found[3] > 0


def test_lanes_equal_the_scalar_sweep_and_the_single_run():
    bars = data.make_bars(1_300)
    grid = baselines.sma_grid(150)
    windows, rows = baselines.index_grid(grid)
    means = baselines.sma_rows(bars.close, windows)
    lanes = baselines.lanes_sweep(bars.open, bars.close, means, rows)
    scalar = baselines.scalar_sweep(bars.open, bars.close, means, rows)
    np.testing.assert_allclose(lanes, scalar, rtol=1e-9, atol=1e-12)
    single = baselines.scalar_run(bars.open, bars.close, *grid[77])
    np.testing.assert_allclose(scalar[77], single, rtol=1e-12)


def test_grid_has_no_configuration_twice_and_keeps_fast_below_slow():
    grid = baselines.sma_grid(10_000)
    assert len(np.unique(grid, axis=0)) == 10_000
    assert (grid[:, 0] < grid[:, 1]).all()


def test_bench_bars_are_valid_and_repeatable():
    bars, again = data.make_bars(5_000), data.make_bars(5_000)
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(bars, name), getattr(again, name))
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.low > 0).all() and (np.diff(bars.time_us) > 0).all()


# --- peers ----------------------------------------------------------------------------------------

PEER = Contestant("p", "Peer", "p")


def test_reference_at_the_next_open_is_the_single_run():
    bars = data.make_bars(2_000)
    found = bench_peers.reference(bars, np.array([[20, 50]]), PEER)
    expected = baselines.scalar_run(bars.open, bars.close, 20, 50)
    np.testing.assert_allclose(found, [[1 + expected[0], expected[3]]], rtol=1e-12)


def test_reference_at_the_close_trades_at_the_deciding_close():
    bars = data.make_bars(600)
    peer = Contestant("p", "Peer", "p", fill="close", fee=0.0015, slippage=0.0)
    found = bench_peers.reference(bars, np.array([[5, 12]]), peer)[0]
    close, cash, units, entries = bars.close, 1.0, 0.0, 0
    for i in range(11, len(close)):
        want = close[i - 4 : i + 1].mean() > close[i - 11 : i + 1].mean()
        if want and units == 0:
            units, cash, entries = cash / (close[i] * 1.0015), 0.0, entries + 1
        elif units > 0 and not want:
            cash, units = units * close[i] * 0.9985, 0.0
    assert found[0] == pytest.approx(cash + units * close[-1], rel=1e-9)
    assert found[1] == entries


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ([[1.5, 3.0], [0.5, 4.0]], ""),
        ([[1.5, 3.0]], "1 results, expected 2"),
        ([[1.5, 3.0], [0.6, 4.0]], "growth of equity 0.6, expected 0.5"),
        ([[1.5, 3.0], [float("nan"), 4.0]], "growth of equity"),
        ([[1.5, 2.0], [0.5, 4.0]], "2 entries, expected 3"),
    ],
)
def test_a_peer_whose_result_differs_is_found(outcomes, message):
    found = bench_peers.disagreement(outcomes, np.array([[1.5, 3.0], [0.5, 4.0]]), 1e-6)
    assert message in found
    assert bool(found) == bool(message)


def test_contestants_are_unique_and_ours_runs_every_row_whole():
    assert len({contestant.name for contestant in CONTESTANTS}) == len(CONTESTANTS)
    ours = next(contestant for contestant in CONTESTANTS if contestant.name == "peak_fast")
    for row in ROWS:
        assert ours.asked(row) == row.configurations
    for contestant in CONTESTANTS:
        assert set(contestant.configurations) <= set(ALL)
        assert contestant.runner.name == "runner.py"


def test_a_row_is_asked_only_of_those_fast_enough():
    slow = Contestant("s", "S", "s", longest_single=100, configurations={50: 4})
    assert slow.asked(Row("single", 100)) == 1
    assert slow.asked(Row("single", 101)) == 0
    assert slow.asked(Row("sweep", 50, 1_000)) == 4
    assert slow.asked(Row("sweep", 60, 1_000)) == 0


# --- what the benches compute from what they measure ----------------------------------------------

STATISTICS = """
============================ Hypothesis Statistics =============================
tests/test_a.py::test_one:

  - during reuse phase (0.50 seconds):
    - 7 passing, 0 failing, and 0 invalid test cases

  - during generate phase (2.00 seconds):
    - Typical runtimes: ~ 1-2 ms, of which ~ 0-1 ms in data generation
    - 60 passing, 1 failing, and 3 invalid test cases

tests/test_a.py::test_two[x]:

  - during generate phase (1.00 seconds):
    - 40 passing, 0 failing, and 0 invalid test cases

  - Stopped because settings.max_examples=60
"""


def test_property_statistics_are_summed_by_file_in_the_generate_phase():
    found = bench_properties.parse(STATISTICS)
    assert list(found) == ["tests/test_a.py"]
    tried = found["tests/test_a.py"]
    assert (tried.tests, tried.seconds) == (2, 3.0)
    assert (tried.passing, tried.failing, tried.invalid, tried.examples) == (100, 1, 3, 104)


def test_exponent_is_the_slope_of_the_larger_sizes():
    sizes = [1.0, 10.0, 100.0, 1000.0]
    assert bench_growth.exponent(sizes, [5.0, 5.0, 50.0, 500.0]) == pytest.approx(1.0)
    assert bench_growth.exponent(sizes, [1.0, 2.0, 3.0, 3.0]) == pytest.approx(0.0, abs=1e-12)


def test_dependencies_are_followed_and_extras_left_out():
    found = bench_startup.closure("peak-fast")
    assert {"numba", "numpy", "polars", "llvmlite"} <= found
    assert "mlflow" not in found and "peak-fast" not in found
    assert bench_startup.installed_mb("numpy") > 1.0


def test_large_grids_have_as_many_configurations_as_asked():
    for count in (1_000, 10_000, 1_000_000):
        grid = probe.large_grid(count)
        assert np.prod([len(values) for values in grid.values()]) == count
        assert max(grid["fast"]) < min(grid["slow"])


def test_probe_measures_a_job_and_its_memory():
    found = probe.measure({"job": "engine", "bars": 2_000, "repeat": 2})
    assert len(found["seconds"]) == 2 and min(found["seconds"]) > 0
    assert found["memory_mb"] >= 0 and found["start_mb"] > 10


def test_trades_job_makes_as_many_trades_as_asked():
    stats = probe.JOBS["trades"](bars=4_000, trades=100)()
    assert stats["total_trades"] == pytest.approx(100, abs=1)


# --- the half-minute bench ------------------------------------------------------------------------


@pytest.fixture
def short_bench(monkeypatch):
    monkeypatch.setattr(quick, "SIZES", {500: 2})
    monkeypatch.setattr(quick, "GRID", {"fast": range(5, 8), "slow": range(20, 22)})
    monkeypatch.setattr(quick, "SWEEP_BARS", 400)
    monkeypatch.setattr(quick, "RUNS", 2)
    monkeypatch.setattr(quick, "start_up", list)


def without_mlflow(folder, loop):
    raise ImportError("install the extra mlflow")


def test_quick_bench_prints_a_table_and_writes_the_format(short_bench, monkeypatch, tmp_path):
    monkeypatch.setattr(quick, "_mlflow", without_mlflow)
    text = io.StringIO()
    path = tmp_path / "new" / "bench.json"
    found = run_bench(path, console=Console(file=text, width=140))
    assert json.loads(path.read_text()) == found
    assert found["schema"] == harness.SCHEMA and found["bench"] == "quick"
    names = [record["name"] for record in found["records"]]
    assert names[:2] == ["quick/500/time", "quick/500/over_bare"]
    assert "quick/sweep/threads_2/ns" in names and "quick/tracking/noop" in names
    assert "one backtest, 500 bars" in text.getvalue()
    assert "MLflow tracking is left out: install the extra mlflow" in text.getvalue()


def test_quick_bench_counts_nanoseconds_by_the_grid_it_runs(short_bench):
    found = {record["name"]: record["median"] for record in quick.sweeps()}
    cells = 3 * 2 * 400
    expected = found["quick/sweep/threads_1/time"] / cells * 1e9
    assert found["quick/sweep/threads_1/ns"] == pytest.approx(expected)
