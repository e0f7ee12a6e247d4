"""SweepResult: ranking, best by re-running, plateau, heatmap, DuckDB, files; and the progress display."""

import io
import math
import threading
import time
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.errors import ConfigError, StoreError, SweepError
from peak_fast.sweep import progress as progress_module
from peak_fast.sweep.grid import Grid
from peak_fast.sweep.heatmap import heatmap_data
from peak_fast.sweep.plateau import Cells, _dense, _sparse, lattice, neighbourhood
from peak_fast.sweep.progress import SweepProgress, duration
from peak_fast.sweep.result import SweepResult, best_configs
from peak_fast.sweep.senses import format_metric, higher_is_better
from peak_fast.sweep.store import SweepStore
from tests.sweep_fakes import GRID, METRICS, compute, fill, make_grid, make_key


@dataclass
class FakeRun:
    """What ``rerun`` gives: remembers its parameters and has a curve that depends on them."""

    params: dict

    @property
    def equity_curve(self):
        equity = 100.0 + np.arange(5) * self.params["fast"]
        return pl.DataFrame({"timestamp": np.arange(5), "equity": equity, "cash": equity})


def in_memory(grid=None, **columns):
    grid = make_grid() if grid is None else grid
    table = columns or compute(grid, 0, len(grid))
    metrics = [name for name in table if not name.startswith("block")]
    return SweepResult(table, grid, metrics, FakeRun, {"costs": {"rate": 0.001}})


@pytest.fixture(params=["memory", "frame", "stored", "resumed"])
def result(request, tmp_path):
    grid = make_grid()
    if request.param == "memory":
        return in_memory(grid)
    if request.param == "frame":
        return SweepResult(in_memory(grid).frame, grid, METRICS, FakeRun)
    with SweepStore.open(tmp_path / "s", make_key(), grid, tile_size=77) as store:
        fill(store, grid, [5, 2])
    if request.param == "resumed":
        store = SweepStore.open(tmp_path / "s", make_key(), grid)
    else:
        store = SweepStore.open(tmp_path / "s", make_key(), grid, resume="restart", tile_size=500)
    with store:
        fill(store, grid)
    return SweepResult(store, grid, METRICS, FakeRun)


def test_every_kind_of_table_gives_the_same_answers(result):
    other = in_memory()
    assert len(result) == len(other) == len(make_grid())
    assert result.frame.equals(other.frame)
    assert result.lazy().collect().equals(other.frame)
    assert result.top(7).equals(other.top(7))
    assert result.top(3, "trades").equals(other.top(3, "trades"))
    assert result.plateau().equals(other.plateau())
    assert repr(result) == repr(other)
    assert result.parameters == tuple(GRID)
    assert result.params_of(17) == make_grid()[17]
    assert result.is_stored == bool(result.parts())
    query = "select kind, max(sharpe) as top from sweep group by kind order by kind"
    assert result.sql(query).equals(other.sql(query))


@given(
    st.lists(st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0, 1.5, -2.0]), min_size=1, max_size=30),
    st.integers(1, 35),
    st.booleans(),
)
def test_ranking_is_best_first_ties_in_order_nan_last(values, n, descending):
    rows = sorted(
        range(len(values)),
        key=lambda i: (
            math.isnan(values[i]),
            0 if math.isnan(values[i]) else -values[i] * (2 * descending - 1),
            i,
        ),
    )
    got = best_configs(np.arange(len(values)), np.array(values), n, descending)
    assert got.tolist() == rows[:n]


def test_top_knows_which_way_a_metric_is_good():
    grid = Grid.full({"fast": range(4)})
    result = in_memory(
        grid,
        sharpe=np.array([1.0, 3.0, np.nan, 2.0]),
        volatility=np.array([0.3, 0.2, 0.1, 0.4]),
        max_drawdown=np.array([-0.5, -0.1, -0.2, -0.3]),
    )
    assert result.top(4)["config"].to_list() == [1, 3, 0, 2]
    assert result.top(4, "volatility")["config"].to_list() == [2, 1, 0, 3]
    assert result.top(4, "max_drawdown")["config"].to_list() == [1, 2, 3, 0]
    assert result.top(2, "sharpe", descending=False)["config"].to_list() == [0, 3]
    assert result.default_metric == "sharpe"
    assert higher_is_better("profit_factor") and not higher_is_better("max_drawdown_duration")


def test_best_runs_the_best_configuration_again(result):
    best = result.best()
    row = result.frame.sort("sharpe", descending=True).row(0, named=True)
    assert best.params == {name: row[name] for name in GRID}
    assert all(value is None or type(value) in (int, float, str) for value in best.params.values())
    assert result.best("trades").params == make_grid()[result.top(1, "trades")["config"][0]]
    plateau = result.plateau("sharpe", radius=2, n=1)
    assert result.best("sharpe", radius=2).params == make_grid()[plateau["config"][0]]


def test_curves_are_long_and_best_first(result):
    curves = result.curves(3)
    top = result.top(3)
    assert curves.columns == ["config", "timestamp", "equity"]
    assert curves["config"].unique(maintain_order=True).to_list() == top["config"].to_list()
    last = curves.group_by("config", maintain_order=True).last()["equity"]
    assert last.to_list() == [100.0 + 4 * fast for fast in top["fast"]]


def brute_plateau(rows, values, numeric, radius):
    ranks = {
        name: {v: i for i, v in enumerate(sorted({r[name] for r in rows if r[name] is not None}))}
        for name in numeric
    }

    def near(a, b):
        for name in a:
            if name not in numeric or a[name] is None or b[name] is None:
                if a[name] != b[name]:
                    return False
            elif abs(ranks[name][a[name]] - ranks[name][b[name]]) > radius:
                return False
        return True

    means, counts = [], []
    for a in rows:
        chosen = [v for b, v in zip(rows, values, strict=True) if near(a, b) and math.isfinite(v)]
        means.append(float(np.mean(chosen)) if chosen else math.nan)
        counts.append(len(chosen))
    return means, counts


@given(st.integers(1, 3), st.integers(0, 10**6))
def test_plateau_averages_over_neighbours(radius, seed):
    generator = np.random.default_rng(seed)
    grid = Grid.full(
        {"fast": [2, 3, 5, 9, 20], "slow": [4, 6, 30], "stop": [None, 0.1, 0.5], "kind": ["a", "b"]},
        "fast < slow",
    )
    values = generator.normal(size=len(grid))
    values[generator.integers(0, len(grid), 3)] = [np.nan, np.inf, -np.inf]
    result = in_memory(grid, sharpe=values)
    means, counts = brute_plateau(list(grid), values, ("fast", "slow", "stop"), radius)
    table = result.plateau("sharpe", radius=radius, min_coverage=0.0).sort("config")
    assert table["config"].to_list() == [i for i, count in enumerate(counts) if count]
    assert table["neighbours"].to_list() == [count for count in counts if count]
    assert np.allclose(table["sharpe_plateau"], [mean for mean in means if not math.isnan(mean)], atol=1e-12)
    ranked = result.plateau("sharpe", radius=radius, min_coverage=0.0)["sharpe_plateau"]
    assert ranked.to_list() == sorted(ranked, reverse=True)


@given(st.integers(0, 10**6))
def test_both_ways_to_count_neighbours_agree(seed):
    generator = np.random.default_rng(seed)
    frame = Grid.random({"a": (1, 9), "b": (0.0, 1.0), "c": ["x", "y"]}, 60, seed=seed).frame().drop("config")
    cells = lattice(frame, int(generator.integers(1, 4)), is_full=False)
    values, finite = generator.normal(size=60), generator.random(60) < 0.9
    clean = np.where(finite, values, 0.0)
    for one, other in zip(_dense(cells, clean, finite), _sparse(cells, clean, finite), strict=True):
        assert np.allclose(one, other)


def test_plateau_prefers_a_broad_hill_to_a_lone_peak():
    grid = Grid.full({"fast": range(20), "slow": range(20)})
    columns = grid.columns(0, len(grid))
    hill = np.exp(-((columns["fast"] - 6) ** 2 + (columns["slow"] - 12) ** 2) / 20.0)
    hill[(columns["fast"] == 15) & (columns["slow"] == 3)] = 2.0
    result = in_memory(grid, sharpe=hill)
    assert result.best().params == {"fast": 15, "slow": 3}
    assert result.best(radius=1).params == {"fast": 6, "slow": 12}
    assert result.plateau(n=3).height == 3
    corner = result.plateau().filter((pl.col("fast") == 0) & (pl.col("slow") == 0))
    assert len(corner) == 0  # 4 of 9 neighbours are too few
    sample = Grid.sobol({"x": (0.0, 1.0), "y": (0.0, 1.0)}, 1024)
    points = sample.columns(0, 1024)
    broad = np.exp(-((points["x"] - 0.3) ** 2 + (points["y"] - 0.6) ** 2) * 20)
    broad[int(np.argmin(np.hypot(points["x"] - 0.9, points["y"] - 0.1)))] = 1.5
    found = in_memory(sample, sharpe=broad).plateau(n=1)
    assert abs(found["x"][0] - 0.3) < 0.1 and abs(found["y"][0] - 0.6) < 0.1


def test_plateau_with_too_many_parameters_says_so():
    places = [np.random.default_rng(0).integers(0, 9, 20_000) for _ in range(12)]
    cells = Cells(places, [9] * 12, [2] * 12, 5.0**12)
    with pytest.raises(SweepError, match="smaller radius"):
        neighbourhood(cells, np.ones(20_000))


@pytest.mark.parametrize("aggregate", ["best", "max", "min", "mean", "median"])
def test_heatmap_cells_summarise_the_other_parameters(result, aggregate):
    for metric in ("sharpe", "trades"):
        data = heatmap_data(result.lazy(), list(GRID), "fast", "stop", metric, aggregate)
        name = "max" if aggregate == "best" else aggregate
        expected = result.frame.group_by("fast", "stop").agg(getattr(pl.col(metric), name)())
        assert data.x_values == sorted(set(result.frame["fast"])) and data.y_values == [None, 0.05]
        for fast, stop, value in expected.iter_rows():
            cell = data.cells[data.y_values.index(stop), data.x_values.index(fast)]
            assert cell == pytest.approx(value, rel=1e-15)
        best = result.top(1, metric)
        assert data.best == {key: best[key][0] for key in GRID} and data.best_value == best[metric][0]
        row, column = data.best_cell
        assert (data.y_values[row], data.x_values[column]) == (data.best["stop"], data.best["fast"])


def test_heatmap_bins_many_values_and_leaves_gaps():
    grid = Grid.latin_hypercube({"x": (0.0, 1.0), "y": (0.0, 1.0)}, 2000, seed=1)
    values = grid.columns(0, 2000)["x"] + 5
    values[3] = np.inf
    data = heatmap_data(in_memory(grid, sharpe=values).lazy(), ["x", "y"], "x", "y", "sharpe")
    assert data.cells.shape == (60, 60)
    assert 0.4 < np.isnan(data.cells).mean() < 0.7
    columns = np.nanmean(data.cells, axis=0)
    assert np.all(np.diff(columns) > 0) and data.x_values == sorted(data.x_values)
    assert abs(columns[30] - 5.5) < 0.02
    less = heatmap_data(in_memory(grid, volatility=values).lazy(), ["x", "y"], "x", "y", "volatility")
    assert less.best_value == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_heatmap_is_drawn_and_written(tmp_path, suffix):
    path = tmp_path / "new folder" / f"map.{suffix}"
    figure = in_memory().heatmap("slow", "fast", path=path)
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(start)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    main, bar = figure.axes
    assert (main.get_xlabel(), main.get_ylabel(), bar.get_ylabel()) == ("slow", "fast", "sharpe")
    best = in_memory().top(1)
    assert f"fast={best['fast'][0]}" in figure.get_suptitle()
    assert "max over stop, kind" in main.get_title(loc="left")
    assert main.images[0].get_array().shape == (20, 30)


def test_heatmap_scale_and_text_follow_the_values():
    from matplotlib.colors import LogNorm

    grid = Grid.full({"fast": range(4), "kind": ["a", "b"], "on": [True, False]})
    wide = in_memory(grid, profit_factor=np.geomspace(0.01, 100, len(grid)))
    figure = wide.heatmap()
    assert isinstance(figure.axes[0].images[0].norm, LogNorm)
    assert len(figure.axes[0].texts) == 8
    flat = in_memory(grid, total_return=np.full(len(grid), 0.25)).heatmap("fast", "on")
    assert {text.get_text() for text in flat.axes[0].texts} == {"25.0%"}
    less = in_memory(grid, volatility=np.linspace(0.1, 0.2, len(grid))).heatmap()
    assert "less is better" in less.axes[1].get_ylabel()
    assert less.axes[0].images[0].get_cmap().name == "viridis_r"
    with pytest.raises(ConfigError, match="positive values"):
        in_memory(grid, sharpe=np.linspace(-1, 1, len(grid))).heatmap(log=True)


def test_matplotlib_keeps_no_figure():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    in_memory().heatmap()
    assert plt.get_fignums() == before


def test_duckdb_file_holds_the_table(result, tmp_path):
    import duckdb

    path = tmp_path / "folder" / "sweeps.duckdb"
    for _ in range(2):
        assert result.to_duckdb(path, 'my "table"') == len(result)
    with duckdb.connect(str(path)) as connection:
        rows = connection.execute('select config, fast, stop, kind, sharpe from "my ""table"""').fetchall()
        blocks = connection.execute('select block_sum from "my ""table""" where config = 5').fetchone()[0]
    expected = result.frame
    assert rows == expected.select("config", "fast", "stop", "kind", "sharpe").rows()
    assert list(blocks) == expected["block_sum"][5].to_list()


def test_duckdb_in_memory(result):
    with result.to_duckdb() as connection:
        assert (
            connection.execute("select config, sharpe from sweep").fetchall()
            == result.frame.select("config", "sharpe").rows()
        )


def test_sql_refusals_are_clear():
    result = in_memory()
    with pytest.raises(ConfigError, match=r"columns config, fast.*nosuch"):
        result.sql("select nosuch from sweep")
    with pytest.raises(ConfigError, match="query with an answer"):
        result.sql("-- nothing")


def test_pandas_frame_equals_the_table():
    frame = in_memory().to_pandas()
    table = in_memory().frame
    assert list(frame.columns) == table.columns
    assert frame["sharpe"].tolist() == table["sharpe"].to_list()
    assert np.array_equal(np.stack(frame["block_sum"]), table["block_sum"].to_numpy())


def test_saved_tables_come_back(result, tmp_path):
    table = result.frame
    assert pl.read_parquet(result.save(tmp_path / "a" / "t.parquet")).equals(table)
    flat = pl.read_csv(result.save(tmp_path / "t.csv"))
    assert flat.columns == ["config", *GRID, *METRICS]
    assert flat["sharpe"].to_list() == table["sharpe"].to_list()
    folder = result.save(tmp_path / "saved")
    loaded = SweepResult.load(folder)
    assert loaded.frame.equals(table) and loaded.is_full
    assert loaded.settings == result.settings
    assert loaded.top(4).equals(result.top(4)) and loaded.plateau().equals(result.plateau())
    with pytest.raises(ConfigError, match="holds a sweep already"):
        result.save(folder)
    with pytest.raises(ConfigError, match=r"\.parquet or \.csv"):
        result.save(tmp_path / "t.xlsx")


def test_a_store_can_be_looked_at_without_its_sweep(tmp_path):
    grid = make_grid()
    with SweepStore.open(tmp_path, make_key(), grid, tile_size=100) as store:
        fill(store, grid, [1, 0])
        loaded = SweepResult.load(tmp_path)  # while it is being written
        assert len(loaded) == 200
        fill(store, grid, [2])
        assert len(loaded) == 300
    assert loaded.settings == make_key().parts()["settings"]
    assert loaded.params_of(150) == grid[150]
    for call in (loaded.best, loaded.curves):
        with pytest.raises(SweepError, match="data and strategy"):
            call()
    with pytest.raises(IndexError, match="finished configuration"):
        loaded.params_of(400)
    assert SweepResult.load(tmp_path, rerun=FakeRun).best().params == grid[loaded.top(1)["config"][0]]
    with pytest.raises(StoreError, match=r"manifest\.json"):
        SweepResult.load(tmp_path / "nowhere")


def test_an_interrupted_sweep_says_how_much_it_has(tmp_path):
    grid = make_grid()
    with SweepStore.open(tmp_path, make_key(), grid, tile_size=100) as store:
        fill(store, grid, [2])
    result = SweepResult(store, grid, METRICS, FakeRun)
    assert repr(result).startswith(
        f"SweepResult(100 of {len(grid):,} configurations of fast, slow, stop, kind; best"
    )
    assert result.best().params == grid[result.top(1)["config"][0]]


def test_displays_show_the_best_rows():
    from rich.console import Console

    result = in_memory()
    html = result._repr_html_()
    assert "best sharpe" in html and "<table" in html and "block_sum" not in html
    console = Console(file=io.StringIO(), width=120)
    console.print(result)
    text = console.file.getvalue()
    assert str(result.top(1)["config"][0]) in text and "sharpe" in text and "none" in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.top(0), "positive whole number"),
        (lambda r: r.top(3, "sharp"), "did you mean 'sharpe'"),
        (lambda r: r.top(3, "fast"), "expected a metric"),
        (lambda r: r.plateau(radius=0), "radius"),
        (lambda r: r.heatmap("fast", "fats"), "did you mean 'fast'"),
        (lambda r: r.heatmap("fast", "fast"), "two parameters"),
        (lambda r: r.heatmap("fast", "slow", aggregate="maximum"), "expected an aggregate"),
        (lambda r: r.heatmap(path="x.jpg"), r"\.png"),
        (lambda r: r.to_duckdb("x", ""), "name of a table"),
        (lambda r: SweepResult(r.frame, None, METRICS), "expected a grid"),
        (lambda r: SweepResult(r.frame, r.grid, []), "at least one metric"),
    ],
)
def test_wrong_questions_are_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call(in_memory())


def test_nothing_to_show_is_said():
    grid = Grid.full({"fast": range(3), "slow": [1]})
    result = in_memory(grid, sharpe=np.full(3, np.nan))
    with pytest.raises(SweepError, match="all are NaN"):
        result.best()
    with pytest.raises(SweepError, match="finite"):
        result.heatmap("fast", "slow")
    with pytest.raises(ConfigError, match="has fewer"):
        result.heatmap()
    assert len(result.plateau()) == 0
    assert "none" in repr(result)


def test_metrics_are_written_as_people_read_them():
    written = [
        format_metric("total_return", 0.1234),
        format_metric("max_drawdown", -0.5),
        format_metric("sharpe", 1.23456),
        format_metric("total_trades", 1234.0),
        format_metric("final_equity", 1234567.0),
        format_metric("profit_factor", math.inf),
        format_metric("sharpe", math.nan),
    ]
    assert written == ["12.3%", "-50.0%", "1.23", "1234", "1,234,567", "inf", "none"]


# --- progress ----------------------------------------------------------------------------------------------


class Clock:
    """A clock that tests move by hand."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return clock


def test_lines_are_written_per_tenth_with_rate_rest_and_best(clock):
    stream = io.StringIO()
    with SweepProgress(10_000, metric="sharpe", stream=stream) as progress:
        for number in range(100):
            clock.now += 0.5
            progress.advance(100, best=math.nan if number % 2 else number / 10, best_params={"fast": number})
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "sweep  10% · 1,000 of 10,000 · 200/s · 45 s left · best sharpe 0.8 at fast=8"
    assert lines[-1] == "sweep 100% · 10,000 of 10,000 · 200/s · 50 s · best sharpe 9.80 at fast=98"


def test_an_interrupted_run_leaves_its_last_state(clock):
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), SweepProgress(1000, stream=stream) as progress:
        clock.now += 1.0
        progress.advance(150)
        progress.advance(17)
        raise KeyboardInterrupt
    assert stream.getvalue().splitlines()[-1].startswith("sweep  16% · 167 of 1,000 · 167/s")


def test_less_is_better_and_earlier_work_does_not_count_as_speed(clock):
    stream = io.StringIO()
    with SweepProgress(1000, done=500, metric="volatility", stream=stream) as progress:
        assert progress.done == 500
        clock.now += 10.0
        progress.advance(100, best=0.3)
        progress.advance(100, best=0.2)
        progress.advance(100, best=0.4)
    assert (
        stream.getvalue().splitlines()[-1]
        == "sweep  80% · 800 of 1,000 · 30/s · 6.7 s left · best volatility 20.0%"
    )


def test_a_bar_is_redrawn_at_most_ten_times_a_second(clock, monkeypatch):
    from rich.console import Console

    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    drawn = []
    monkeypatch.setattr(
        progress_module._Bar,
        "show",
        lambda self, state, show=progress_module._Bar.show: (drawn.append(state.done), show(self, state)),
    )
    with SweepProgress(3000, metric="sharpe", console=console) as progress:
        for _ in range(3000):
            clock.now += 0.001
            progress.advance(1, best=0.5)
    assert 25 <= len(drawn) <= 30  # three seconds, less the quiet start
    text = console.file.getvalue()
    assert "100%" in text and "1,000/s" in text and "best sharpe 0.5" in text


def test_short_and_silent_sweeps_show_nothing(clock):
    for mode in ("auto", "off", False):
        stream = io.StringIO()
        with SweepProgress(10, mode=mode, stream=stream) as progress:
            clock.now += 0.2 if mode == "auto" else 20.0
            progress.advance(10)
        assert stream.getvalue() == "" and progress.done == 10


def test_a_notebook_shows_one_bar_that_is_replaced(clock, monkeypatch):
    import sys
    import types

    shown = []

    class Handle:
        def update(self, content):
            shown.append(content)

    def display(content, display_id):
        assert display_id is True
        shown.append(content)
        return Handle()

    shell = type("ZMQInteractiveShell", (), {})()
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    displays = types.ModuleType("IPython.display")
    displays.HTML, displays.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", displays)
    with SweepProgress(100, metric="sharpe") as progress:
        for _ in range(4):
            clock.now += 1.0
            progress.advance(25, best=1.5)
    assert len(shown) == 5
    assert 'value="25" max="100"' in shown[0] and "100%" in shown[-1] and "best sharpe 1.50" in shown[-1]


def test_threads_lose_no_count():
    progress = SweepProgress(80_000, mode="off")
    threads = [
        threading.Thread(target=lambda: [progress.advance(1) for _ in range(10_000)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress.done == 80_000


def test_reporting_costs_microseconds():
    with SweepProgress(10**9, metric="sharpe", stream=io.StringIO()) as progress:
        started = time.perf_counter()
        for number in range(20_000):
            progress.advance(1, best=number, best_params={"fast": number})
        elapsed = time.perf_counter() - started
    assert elapsed / 20_000 < 50e-6


def test_spans_are_said_as_people_do():
    assert [duration(x) for x in (0.04, 9.94, 9.96, 75, 3599.6, 7500, math.inf)] == [
        "0.0 s",
        "9.9 s",
        "10 s",
        "1 min 15 s",
        "1 h 00 min",
        "2 h 05 min",
        "unknown time",
    ]
