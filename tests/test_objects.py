"""Entries: the same bits with and without numba, and no file, folder, thread or process can break a call."""

import functools
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    Bars,
    Costs,
    Financing,
    Rank,
    RiskLimits,
    Stops,
    Sweep,
    simulate_orders,
    statistics,
    strategy,
    synthetic,
)
from peak_fast.indicators import functions  # noqa: F401  its import defines them
from peak_fast.indicators.definitions import DEFINED
from peak_fast.portfolio import Momentum, Volatility
from peak_fast.report import render_equity_png
from peak_fast.settings import OrderRules
from peak_fast.signals import simulate_signals
from peak_fast.statistics import cscv
from peak_fast.strategies.builtin import NAMES
from peak_fast.tracking.caller import capture
from peak_fast.validation import monte_carlo, noise_test, permutation_test, walk_forward
from peak_kernels import entries, natives
from peak_kernels.compiling import objects as _objects
from peak_kernels.compiling.cache import PACKAGE_DIR
from peak_kernels.compiling.objects import Entry
from peak_kernels.indicators import usual as indicators

VALUES = 100.0 + np.cumsum(np.sin(np.arange(2_600.0)) + np.cos(np.arange(2_600.0) ** 2))
WITH_GAPS = np.where(np.arange(2_600) % 37 == 5, np.nan, VALUES)
PERIODS = (1, 2, 5, 6, 7, 20, 300, 2_599, 2_600, 5_000)

# Processes


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache folder of the test's own, and nothing that the package brings along."""
    monkeypatch.setenv("PEAK_FAST_CPU_LEVEL", "none")
    monkeypatch.setattr(_objects, "cache_dir", lambda: tmp_path)
    return tmp_path


def start(code, **variables):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], env={**os.environ, "PEAK_FAST_CPU_LEVEL": "none", **variables},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip()


WITHOUT_NUMBA = """
import sys
from peak_fast import BacktestEngine, Sweep, synthetic
bars = synthetic(600, seed=0)
print(BacktestEngine().run(bars, "macd").hash)
grid = {"fast": [5, 10], "slow": [30, 60]}
print(Sweep("ema_crossover", grid, bars).run(threads=2).frame["sharpe"].to_list())
print("numba" in sys.modules)
"""


def test_a_process_that_finds_object_files_imports_no_numba():
    for entry in entries.ENTRIES.values():
        entry.prepare()
        if entry.way == "package":
            pytest.skip("an installed wheel: its code is looked at in test_levels")
    run, sweep, numba = finish(start(WITHOUT_NUMBA)).split("\n")
    assert numba == "False"
    bars = synthetic(600, seed=0)
    assert run == BacktestEngine().run(bars, "macd").hash
    table = Sweep("ema_crossover", {"fast": [5, 10], "slow": [30, 60]}, bars).run().frame
    assert sweep == str(table["sharpe"].to_list())


ROC = """
import numpy as np
from peak_kernels import entries
rows = np.empty((1, 4))
entries.roc_rows(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2]), rows)
print(rows[0, 2], entries.ENTRIES["roc_rows"].way)
"""


def test_an_edit_of_the_sources_counts(tmp_path):
    package = tmp_path / "peak_kernels"
    shutil.copytree(PACKAGE_DIR, package)
    places = {"PYTHONPATH": str(tmp_path), "PEAK_FAST_CACHE_DIR": str(tmp_path / "cache")}
    assert finish(start(ROC, **places)) == "200.0 compiled"
    assert finish(start(ROC, **places)) == "200.0 object file"
    text = (package / "indicators" / "usual.py").read_text(encoding="utf-8")
    edited = text.replace("- 1.0) * 100.0", "- 1.0) * 300.0")
    assert edited != text
    (package / "indicators" / "usual.py").write_text(edited, encoding="utf-8")
    assert finish(start(ROC, **places)) == "600.0 compiled"
    (package / "indicators" / "usual.py").write_text(text, encoding="utf-8")
    assert finish(start(ROC, **places)) == "200.0 object file"


def test_several_processes_at_once(tmp_path):
    running = [start(ROC, PEAK_FAST_CACHE_DIR=str(tmp_path)) for _ in range(3)]
    assert {finish(process).split()[0] for process in running} == {"200.0"}
    assert finish(start(ROC, PEAK_FAST_CACHE_DIR=str(tmp_path))) == "200.0 object file"
    assert list(tmp_path.rglob("*.part")) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert finish(start(ROC, PEAK_FAST_CACHE_DIR=str(tmp_path / "file"))) == "200.0 compiled"


# Files


def body(name):
    """What a test's own entry is compiled from."""
    return getattr(natives, name)


def rate_of_change(entry):
    rows = np.empty((1, 4))
    entry.call((np.array([1.0, 2.0, 3.0, 4.0]), np.array([2]), rows))
    return rows[0, 2]


def damaged(content, how):
    first, code = content.split(b"\n", 1)
    header = json.loads(first)
    if how == "torn":
        return content[: len(content) // 2]
    if how == "empty":
        return b""
    if how == "not json":
        return b"\x00" * 64 + b"\n" + code
    if how == "one bit":
        return first + b"\n" + bytes([code[0] ^ 1]) + code[1:]
    if how == "no code":
        header["checksum"] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        return json.dumps(header).encode() + b"\n"
    if how == "other symbol":
        header["symbol"] = "nobody"
    else:
        header["facts"][how] = "another"
    return json.dumps(header).encode() + b"\n" + code


FACTS = ("python", "numba", "llvmlite", "processor", "features", "settings", "headers")


@pytest.mark.parametrize("how", ["torn", "empty", "not json", "one bit", "no code", "other symbol", *FACTS])
def test_a_file_that_is_not_valid_here_is_replaced(folder, how):
    _objects.compile_and_store("roc_rows", 0, body)
    file = folder / "roc_rows.object"
    whole = file.read_bytes()
    file.write_bytes(damaged(whole, how))
    assert _objects.load("roc_rows") is None
    entry = Entry("roc_rows", 0, body)
    assert rate_of_change(entry) == 200.0
    assert entry.way == "compiled"
    again = Entry("roc_rows", 0, body)
    assert rate_of_change(again) == 200.0
    assert again.way == "object file"
    assert sorted(folder.iterdir()) == [file]


def test_the_facts_are_those_of_this_machine(monkeypatch):
    assert sorted(_objects.facts()) == sorted(FACTS)
    before = _objects.facts()
    monkeypatch.setenv("NUMBA_OPT", "1")
    assert _objects.facts() != before


# Calls


def test_threads_that_come_first_together(folder, monkeypatch):
    calls = []
    compile_once = _objects.compile_and_store
    monkeypatch.setattr(
        _objects, "compile_and_store", lambda *given: (calls.append(given), compile_once(*given))[1]
    )
    entry = Entry("roc_rows", 0, body)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: rate_of_change(entry), range(8))) == [200.0] * 8
    assert calls == [("roc_rows", 0, body)]


def test_another_layout_of_arrays(monkeypatch):
    """What a NumPy with other headers would get: the same words from a buffer."""
    assert _objects.known_layout()
    monkeypatch.setattr(_objects, "known_layout", lambda: False)
    periods, out, expected = np.array([7, 20]), np.empty((2, VALUES.size)), np.empty((2, VALUES.size))
    Entry("ema_rows", 0, body).call((WITH_GAPS, periods, out, np.empty((2, VALUES.size))))
    entries.ema_rows(WITH_GAPS, periods, expected)
    assert out.tobytes() == expected.tobytes()
    assert np.isfinite(out).sum() > VALUES.size
    Entry("std", 1, body).call((VALUES, out[0], np.empty((3, VALUES.size))), 20)
    entries.std(VALUES, 20, expected[0])
    assert out[0].tobytes() == expected[0].tobytes()


def test_a_kernel_that_fails_says_so():
    with pytest.raises(SystemError, match="kernel std failed"):
        entries.std(VALUES, 0, np.empty(VALUES.size))


ROWS = {"sma_rows": "sma", "ema_rows": "ema", "rsi_rows": "rsi", "roc_rows": "roc",
        "highest_before_rows": "highest", "lowest_before_rows": "lowest"}  # fmt: skip


@pytest.mark.parametrize("values", [VALUES, WITH_GAPS, VALUES[:1]], ids=["whole", "gaps", "one bar"])
@pytest.mark.parametrize("name", ROWS)
def test_rows_are_those_of_numba(name, values):
    out = np.full((len(PERIODS), values.size + 3), -1.0)
    getattr(entries, name)(values, np.array(PERIODS), out)
    for period, row in zip(PERIODS, out, strict=True):
        expected = np.full(values.size + 3, -1.0)
        kernel = getattr(indicators, ROWS[name])
        if "before" in name:
            expected[0] = np.nan
            kernel(values[:-1], period, expected[1:-3])
        else:
            kernel(values, period, expected[:-3])
        assert row.tobytes() == expected.tobytes(), period


@pytest.mark.parametrize("values", [VALUES, WITH_GAPS, VALUES[:1]], ids=["whole", "gaps", "one bar"])
def test_deviations_are_those_of_numba(values):
    for period in PERIODS:
        out, expected = np.empty(values.size), np.empty(values.size)
        entries.std(values, period, out)
        indicators.std(values, period, expected)
        assert out.tobytes() == expected.tobytes(), period


@pytest.mark.parametrize("values", [VALUES, WITH_GAPS, VALUES[:1]], ids=["whole", "gaps", "one bar"])
def test_macd_is_that_of_numba(values):
    for periods in ((12, 26, 9), (26, 12, 9), (1, 1, 1), (3, 2_000, 900)):
        out, expected = np.empty((3, values.size)), np.empty((3, values.size))
        entries.macd(values, *periods, *out)
        indicators.macd(values, *periods, *expected)
        assert out.tobytes() == expected.tobytes(), periods


RULES = [
    {},
    {"costs": Costs(rate=0.001, slippage_bps=5.0), "stops": Stops(trailing=0.05, take_profit=0.1)},
    {"stops": Stops(stop_loss=0.02), "risk_limits": RiskLimits(max_drawdown=0.2, daily_loss=0.02)},
]


@pytest.mark.slow
def test_runs_are_those_of_numba(folder, monkeypatch):
    """The same calls, once with the machine code of this process's numba, once with the file it left."""
    frame = {
        name: np.array(getattr(synthetic(900, seed=3), name)) for name in ("open", "high", "low", "close")
    }
    for column in frame.values():
        column[100:110] = np.nan
    data = [synthetic(900, seed=2), Bars.from_frame(frame)]
    hashes = {}
    for way in ("compiled", "object file"):
        entry = Entry("run_configurations", 2, body)
        monkeypatch.setattr(entries, "_RUN", entry)
        hashes[way] = [
            BacktestEngine(**rules).run(bars, name).hash
            for bars in data for rules in RULES for name in NAMES
        ]  # fmt: skip
        assert entry.way == way
    assert hashes["compiled"] == hashes["object file"]
    assert len(set(hashes["compiled"])) > len(NAMES)


@strategy(name="held_for_objects", memory=1)
def held(i, bars, params, memory, account):
    return 1.0 if bars[3, i] > bars[3, max(i - 5, 0)] else -1.0


@strategy(name="wanted_for_objects")
def wanted(i, bars, params, memory, account, want):
    if i % 10 == 0:
        want[0] = 0.5


# Arrays of a run of orders, which a batch gets, too.
ORDERS = "f1 f2 f2 f2 f2 f2 f2 f2 i1 f2 i1 f2 f1 f1 f2 f2 f2 f1 f1 f2"


def always(values):
    return lambda frame, params: values


def run_the_book_and_blocks(bars, panel):
    table = pl.DataFrame({"bar": [10, 20], "side": ["buy", "sell"], "size": [1.0, 1.0]})
    assert simulate_orders(bars, table).stats["filled_orders"] == 2
    book = {"order_book": OrderRules()}
    for item in ("momentum", held):
        BacktestEngine(**book).run(bars, item)
        Sweep(item, {"fee_rate": [0.0, 0.001]}, bars, blocks=4, **book).run()
    BacktestEngine().run(bars, held)
    Sweep(held, {"fee_rate": [0.0, 0.001]}, bars, blocks=4).run()
    BacktestEngine().run(panel, wanted)
    simulate_signals([bars.close] * 4, entries=np.arange(400) % 40 == 0, exits=np.arange(400) % 40 == 20)


def store_a_result(bars):
    memory, kept = np.zeros(100_000, dtype=np.uint8), capture.Capture()
    segment = SimpleNamespace(put_words=lambda store, arrays, size: store(arrays, memory.ctypes.data) or size)
    result = BacktestEngine().run(bars, "momentum")
    list(kept.share(result))
    size = kept.store(segment, b"r" * 16, result)
    assert memory[size - 96 : size].any() and not memory[size:].any()


def resample(returns):
    samples = statistics.bootstrap_indices(40, 5.0, 3, seed=1)
    assert np.allclose(statistics.resampled_means(returns, samples), returns[samples].mean(axis=1))
    assert np.isfinite(statistics.long_run_deviation(returns, 5.0)).all()


def test_every_call_passes_arrays_as_the_machine_code_reads_them(monkeypatch):
    """Entries check nothing, so the callers are held to types, order and the number of arrays here."""
    prices = "f1 f1 f1 f1 f1 f1"
    shapes = {
        "run_configurations": f"{prices} i2 f1 i2 f2 i1 f1 f1 f3 f2 f2", "fold_blocks": "f2 f1 f1",
        "run_by_block": f"{prices} i2 f1 i2 f2 i1 f1 f1 f3 f2 f2 f2 i1",
        "run_financed": f"{prices} i2 f1 i2 f2 i1 f1 f1 f3 f2 f2 f2 f2 f1 f2 f1", "sma_rows": "f1 i1 f2 f1",
        "ema_rows": "f1 i1 f2 f2", "rsi_rows": "f1 i1 f2 f2 f2", "roc_rows": "f1 i1 f2",
        "highest_before_rows": "f1 i1 f2 f1", "lowest_before_rows": "f1 i1 f2 f1",
        "std": "f1 f1 f2", "macd": "f1 f1 f1 f1 f2", "momentum_scores": "f2 i2 i1 f2",
        "volatility_scores": "f2 i2 i1 f2", "taken_scores": "f2 i1 f2", "screen_scores": "f2 i2 i2 i1 f2",
        "best_ranks": "f2 i1 i1 i2 i2 f1 f1 i1", "weigh_ranks": "i2 i2 i2 i2 f2 f1 i1 i1 i1 f1 f1 i1 i1 f2",
        "run_portfolio": (
            "f3 i2 i1 i1 f2 f1 f1 f2 i1 f1 f2 i2 i1 f2 f2 f2 f2 f2 f2 i1 f2 f1 f2 f1 f2"
        ),
        "fold_exposures": "f3 i2 f2 f1 f1 i2 f2 f1", "draw_order": "i1 i1 f1 i1", "chain_moves": "f2 i1 f2",
        "cscv_winners": "f2 f2 i1 f2 f2 i2 f3 f1 i1", "cscv_ranks": "f2 f2 i1 f2 f2 i2 f3 f2 i2",
        "cscv_means": "f2 f2 i1 f3 f1", "take_along": "f1 i1 f1", "jitter": "f2 f1 f2", "walk_paths": "f1 f1 i1 f2 f2",
        "fold_stretches": "f1 f1 f1 f1 i1 f2", "are_clean": "f1 f1 f1 f1 f1 i1 i1",
        "are_same": "i1 f1 f1 f1 f1 f1 M1 f1 f1 f1 f1 f1 i1", "fold_holdings": "f2 f1 f1",
        "read_small": "i1 i1 i1 i1", "narrow": "i1 i1", "store_record": "u1 f1 f1 f2",
        "pack_pixels": "i1 i2 i2", "fold_columns": "f1 f1 f1", "draw_spans": "f1 f1",
        "follow_runs": "i1 f1 f1 i1", "add_differences": "i1 i1 u1/4 f1/4 i1",
        "cut_into_chunks": "i1 u1/4 f1/4 i2 i1 u1/4 f1/4", "sum_samples": "f3 i2 u1/4 f1/4 f3",
        "long_run_variances": "f3 f1 f2 f2", "run_orders": ORDERS,
        "run_order_batch": f"{ORDERS} f2 f2 f2 i2 i2 f1 f1 i1 f1 f2 f2 i1", "order_metrics": "f1 f2 f1 f2 f2 f2 f1",
        "decision_rows": "f1 i1 f1 f2 i2 f1 f1 i1", "run_signals": "f1 f1 i2 i1 f2 f2 f2 i1",
        "run_block": "f2 f2 i2 f2 f2 f1 f1 f1 f3 f2 i1 f1 f2",
        "run_block_by_block": "f2 f2 i2 f2 f2 f1 f1 f1 f3 f2 i1 f1 f2 f2 i1",
        "run_block_financed": "f2 f2 i2 f2 f2 f1 f1 f1 f3 f2 i1 f1 f2 f2 f2 f1 f2 f1",
        **{
            name: " ".join(["f1"] * (shape.count("a") + ("f" in shape)))
            for name, shape in entries.OF_INDICATORS.items()
        },
        "decide_panel": "f3 i2 f1 f1 f2 i1 f1 f2 i2 i1 f2 f2 f2 f1 f1 f1 i1 f2 f2 f2 f2 i1 f2 f1 f2 i1",
    }  # fmt: skip
    seen = set()

    def watched(entry, call, arrays, *numbers):
        seen.add(entry.name)
        assert all(array.flags.c_contiguous for array in arrays)
        half = {4: "/4", 8: ""}
        found = [f"{array.dtype.kind}{array.ndim}{half[array.dtype.itemsize]}" for array in arrays]
        assert found == shapes[entry.name].split()
        assert len(numbers) == entry.numbers
        call(arrays, *numbers)

    for entry in entries.ENTRIES.values():
        entry.prepare()
        monkeypatch.setattr(entry, "call", functools.partial(watched, entry, entry.call))
    bars = synthetic(400, seed=1)
    metrics = ["sharpe", "ulcer_index"]
    for name in NAMES:
        BacktestEngine(risk_limits=RiskLimits(daily_loss=0.02)).run(bars, name)
        Sweep(name, {"fee_rate": [0.0, 0.001]}, bars, metrics=metrics).run()
    for frame in (bars.to_polars(), synthetic(20_000, seed=1).to_polars()):
        for _ in range(2):
            BacktestEngine().run(frame, "momentum")
    BacktestEngine().run(bars, lambda frame, params: np.sign(np.arange(400) % 40 - 20))
    for kind in (pl.Int8, pl.Float64):
        Sweep(always(pl.Series([1] * len(bars)).cast(kind)), {"fee_rate": [0.0, 0.001]}, bars).run()
    Sweep(always(np.ones(len(bars))), {"fee_rate": [0.0, 0.001]}, bars).run()
    panel = synthetic(300, seed=1, assets=6)
    for score in (Momentum(20), Volatility(20), pl.col("close").rolling_mean(5).over("symbol")):
        assert BacktestEngine().run(panel, Rank(score, top=2)).stats["total_trades"] > 0
    permutation_test("momentum", None, bars, worlds=1)
    walk_forward("momentum", {"period": [10, 20]}, bars, train=200, test=100)
    noise_test("momentum", None, bars, runs=1)
    monte_carlo(BacktestEngine().run(bars, "momentum"), paths=1)
    assert np.isfinite(cscv(np.sin(np.arange(400.0).reshape(80, 5) ** 2), 4).means).all()
    resample(np.sin(np.arange(120.0).reshape(40, 3) ** 2))
    for known in DEFINED.values():
        known.compute(bars, tuple(9 if name in known.whole else 0.1 for name in known.parameters))
    Sweep("momentum", {"period": [10, 20]}, bars, blocks=4).run()
    Sweep(Rank(Momentum(20), top="top"), {"top": [1, 2]}, panel, blocks=4).run()
    run_the_book_and_blocks(bars, panel)
    paid = {"financing": Financing(cash_rate=0.01, funding={"2000-02-01": 0.01})}
    for item in ("momentum", held):
        BacktestEngine(**paid).run(bars, item)
    Sweep("momentum", {"period": [10, 20]}, bars, blocks=4, metrics=metrics, **paid).run()
    store_a_result(bars)
    render_equity_png(BacktestEngine().run(bars, "momentum"), engine="lean")
    assert seen == set(entries.ENTRIES)
