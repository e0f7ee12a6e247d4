"""SweepResult: ranking, best by re-running, DuckDB, files, displays."""

import io
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.errors import ConfigError, StoreError, SweepError
from peak_fast.metrics.catalog import higher_is_better
from peak_fast.sweep.grid.grid import Grid
from peak_fast.sweep.result import SweepResult
from peak_fast.sweep.store.store import SweepStore
from peak_fast.sweep.view import best_configs
from peak_fast.sweep.view.texts import format_metric
from tests.sweep_fakes import GRID, METRICS, fill, make_grid, make_key
from tests.sweep_results import FakeRun, in_memory


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
