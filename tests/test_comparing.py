"""Results side by side, at a glance, and from the command line; pictures of sweeps and studies."""

import html
import io
import re

import numpy as np
import pytest

from peak_fast import BacktestEngine, Costs, Study, Sweep, sample
from peak_fast.errors import ConfigError, PeakFastError
from peak_fast.report import compare, small_picture, sparkline
from tests.cli_fixtures import check_wrong


@pytest.fixture(scope="module")
def results():
    engine = BacktestEngine(costs=Costs.from_bps(fee_bps=10))
    bars = sample("AAPL")
    return [engine.run(bars, "ma_crossover", {"fast": fast, "slow": 50}) for fast in (10, 20)]


@pytest.fixture(scope="module")
def found():
    grid = {"fast": range(2, 12), "slow": range(20, 100, 10), "allow_short": [True, False]}
    return Sweep("ma_crossover", grid, sample("AAPL")).run()


def test_what_differs_is_named_and_nothing_else(results):
    both = compare(*results)
    assert both.differences.rows() == [("params.fast", "10", "20")]
    assert not both.same_numbers
    sharpe = dict(zip(both.figures["figure"], both.figures.rows(), strict=True))["sharpe"]
    assert sharpe[1:] == tuple(one.stats["sharpe"] for one in results)
    assert "params.fast" in both.summary() and "Sharpe ratio" in both.summary()
    assert len(both.plot().axes[0].lines) == 2


def test_equal_runs_are_the_same(results):
    again = BacktestEngine(costs=Costs.from_bps(fee_bps=10)).run(
        sample("AAPL"), "ma_crossover", {"fast": 10, "slow": 50}
    )
    both = compare([results[0], again], names=["one", "other"])
    assert both.same_numbers and both.differences.height == 0
    assert both.figures.columns == ["figure", "one", "other"]


@pytest.mark.parametrize("given", [(), (1, 2), ("one",)])
def test_too_few_or_others_are_one_error(results, given):
    with pytest.raises(ConfigError, match="expected at least two results"):
        compare(*given)
    with pytest.raises(ConfigError, match="names: expected 2 different"):
        compare(*results, names=["a", "a"])


def test_notebooks_show_escaped_text_a_picture_and_figures(results):
    engine = BacktestEngine()
    result = engine.run(sample("AAPL"), "ma_crossover", {"fast": 10, "slow": 50}, symbol="<b>A&B</b>")
    page = result._repr_html_()
    assert "<svg" in page and "Sharpe" in page and "fast=10" in page
    assert "<b>A&B</b>" not in page and html.escape("<b>A&B</b>") in page
    assert "<table>" in compare(*results)._repr_html_()


def test_a_line_of_blocks_goes_from_the_lowest_to_the_highest():
    assert sparkline(np.arange(8.0), 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([1.0, 1.0]) == "▄▄"
    assert sparkline([]) == ""
    assert len(sparkline(np.random.default_rng(0).normal(size=10_000), 40)) == 40


def test_small_pictures_keep_inside_their_frame():
    picture = small_picture([(np.random.default_rng(0).normal(size=5_000), "red")], "x<y")
    points = [
        tuple(map(float, pair.split(","))) for pair in re.search('points="([^"]*)"', picture)[1].split()
    ]
    assert all(0 <= x <= 420 and 0 <= y <= 90 for x, y in points) and len(points) <= 500
    assert 'aria-label="x&lt;y"' in picture
    assert small_picture([([], "red")], "nothing") == ""


def test_pictures_of_a_sweep(found, tmp_path):
    slices = found.plot()
    assert [axes.get_xlabel() for axes in slices.axes] == ["fast", "slow", "allow_short"]
    frame = found.frame
    middle = slices.axes[0].lines[0].get_ydata()
    wanted = [frame.filter(frame["fast"] == fast)["sharpe"].median() for fast in range(2, 12)]
    assert middle == pytest.approx(wanted, rel=1e-12)
    lines = found.plot("parallel", most=50, path=tmp_path / "x.png").axes[0].collections[0]
    assert len(lines.get_segments()) == 50
    best = lines.get_segments()[-1]
    assert best[-1][1] == 1.0  # the best one lies on top
    image = pytest.importorskip("PIL.Image").open(io.BytesIO((tmp_path / "x.png").read_bytes()))
    assert image.width > 400
    two = Sweep("ma_crossover", {"fast": [5, 10], "slow": [30, 40]}, sample("AAPL")).run()
    assert len(two.plot().axes) == 2  # a heatmap and its scale


def test_other_kinds_of_pictures_are_one_error(found):
    with pytest.raises(ConfigError, match="did you mean 'slices'"):
        found.plot("slice")
    one = Sweep("ma_crossover", {"fast": [5], "slow": [30]}, sample("AAPL")).run()
    with pytest.raises(PeakFastError, match="none that varies"):
        one.plot()


def test_pictures_of_a_study():
    study = Study("ma_crossover", sample("AAPL"), objectives={"sharpe": "maximize"}, seed=1)
    with pytest.raises(ConfigError, match="no trial has a value yet"):
        study.plot()
    study.run(n_trials=12)
    assert study.plot().axes
    with pytest.raises(ConfigError, match="did you mean 'history'"):
        study.plot("histroy")


def test_the_command_line_writes_compares_and_lists(results, tmp_path, command):
    folders = [str(results[k].save(tmp_path / name)) for k, name in enumerate(("one", "two"))]
    code, out, err = command("report", folders[0], "--out", "x.html", "--benchmark", "MSFT")
    assert (code, err) == (0, "") and "x.html" in out
    assert "MSFT" in (tmp_path / "x.html").read_text(encoding="utf-8")
    code, out, err = command("compare", *folders, "--plot", "x.png")
    assert (code, err) == (0, "")
    assert "params.fast" in out and "The numbers differ." in out
    assert (tmp_path / "x.png").exists()
    code, out, _ = command("strategies")
    assert code == 0 and "ma_crossover" in out and "fast=20" in out
    check_wrong(command("report", "none"), "none")
    check_wrong(command("compare", folders[0]), "two folders of saved results or more")
