"""Plateaus and heatmaps of a sweep's result."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.errors import ConfigError, SweepError
from peak_fast.sweep.grid.grid import Grid
from peak_fast.sweep.view.heatmap import heatmap_data
from peak_fast.sweep.view.plateau import Cells, _dense, _sparse, lattice, neighbourhood
from tests.sweep_fakes import GRID
from tests.sweep_results import in_memory


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
