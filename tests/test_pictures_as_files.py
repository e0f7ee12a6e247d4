"""Pictures and pages are written where and as the caller says, or not at all."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from peak_fast import BacktestEngine, ConfigError, Study, Sweep, sample
from peak_fast.report import compare, equity_figure, overview_figure, render_equity_png
from peak_fast.report.series import percent
from peak_fast.validation import monte_carlo, noise_test, permutation_test, regimes, walk_forward

PRICES = sample("AAPL").to_polars().head(600)


@pytest.fixture(scope="module")
def result():
    return BacktestEngine().run(PRICES, "ma_crossover", {"fast": 5, "slow": 20})


def test_every_picture_takes_a_path(result, tmp_path):
    sweep = {"fast": [3, 5], "slow": [20, 30]}
    shown = {
        "run": result,
        "both": compare(result, result),
        "sweep": Sweep("ma_crossover", sweep, PRICES).run(),
        "walk": walk_forward("ma_crossover", sweep, PRICES, train=200, test=100),
        "paths": monte_carlo(result, paths=50, seed=1),
        "worlds": permutation_test("ma_crossover", {"fast": 5, "slow": 20}, PRICES, worlds=20, seed=1),
        "noise": noise_test("ma_crossover", {"fast": 5, "slow": 20}, PRICES, runs=20, seed=1),
        "states": regimes(result),
        "study": Study("ma_crossover", PRICES, seed=1),
    }
    shown["study"].run(n_trials=8)
    for name, one in shown.items():
        one.plot(path=tmp_path / "new folder" / f"{name}.png")
        with Image.open(tmp_path / "new folder" / f"{name}.png") as picture:
            assert min(picture.size) >= 200, name
        with pytest.raises(ConfigError, match="change the suffix"):
            one.plot(path=tmp_path / f"{name}.bmp")
    assert len(list((tmp_path / "new folder").iterdir())) == len(shown)
    assert [path.name for path in tmp_path.iterdir()] == ["new folder"]


@pytest.mark.parametrize("name", ["page.pdf", "page", "page.png", "page.HTML.gz"])
def test_a_page_is_not_written_under_the_name_of_something_else(result, tmp_path, name):
    with pytest.raises(ConfigError, match=r"ends in \.html.*write 'page"):
        result.report(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_page_needs_a_name(result, tmp_path):
    with pytest.raises(ConfigError, match=r"expected a file.*report\.html"):
        result.report(tmp_path)
    assert result.report(tmp_path / "page.HTM").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    "size", [(-1, 300), (0, 0), (1000,), 1000, (1e3, 500), (True, 500), (10**6, 500), "1000x500", None]
)
def test_a_size_that_is_none_is_refused(result, size):
    for draw in (overview_figure, equity_figure, render_equity_png):
        with pytest.raises(ConfigError, match=r"^size: expected .*size=\(1000, 580\)"):
            draw(result, size=size)


def test_a_size_is_that_of_the_picture(result):
    with Image.open(io.BytesIO(render_equity_png(result, size=(640, 400)))) as picture:
        assert picture.size == (640, 400)


def test_results_are_compared_by_the_names_of_a_dict(result):
    other = BacktestEngine().run(PRICES, "buy_and_hold")
    found = compare({"crossing": result, "holding": other})
    assert list(found.results) == ["crossing", "holding"]
    assert found.figures.columns == ["figure", "crossing", "holding"]
    assert list(compare({"a": result, "b": other}, names=["x", "y"]).results) == ["x", "y"]
    with pytest.raises(ConfigError, match="at least two results"):
        compare({"alone": result})


def test_nothing_lost_is_no_loss():
    assert [percent(-0.0004, 1), percent(0.0, 1), percent(-0.0006, 1), percent(-0.001)] == [
        "0.0%",
        "0.0%",
        "-0.1%",
        "0%",
    ]
