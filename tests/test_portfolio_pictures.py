"""Pictures of portfolios: what is drawn are the numbers of the result, few names, few points."""

import io
import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from peak_fast import BacktestEngine, ConfigError, Costs, DataError, Rank, sample, synthetic
from peak_fast.report import (
    contributions_figure,
    equity_figure,
    figure_png,
    render_artifacts,
    report_text,
    tear_sheet,
    trades_summary,
    turnover_figure,
    weights_figure,
)

pytest.importorskip("matplotlib")

PANEL = sample("panel")
FIGURES = (weights_figure, contributions_figure, turnover_figure, equity_figure)
COSTS = Costs.from_bps(10)


@pytest.fixture(scope="module")
def few():
    rows = np.array([[0.5, 0, 0, -0.3, 0.2], [0, 0, 0.4, 0.3, -0.2], [0, 0, 0, 0, 0]])
    return BacktestEngine(costs=COSTS).run(PANEL, ([300, 1500, 2500], rows))


@pytest.fixture(scope="module")
def many():
    panel = synthetic(2_500, assets=60, seed=4)
    return BacktestEngine(costs=COSTS).run(panel, (np.arange(2_400), np.full((2_400, 60), 1 / 60)))


def areas(axes):
    """Bars and height of each area by its label; of one asset both sides have the same colour."""
    found = {}
    for area in axes.collections:
        vertices = area.get_paths()[0].vertices
        found[area.get_label()] = vertices
    return found


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("name", ["few", "many"])
def test_every_picture_is_drawn(figure, name, request):
    made = figure(request.getfixturevalue(name))
    assert figure_png(made).startswith(b"\x89PNG")
    assert made._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("figure", FIGURES)
def test_a_portfolio_that_holds_nothing_is_drawn(figure):
    result = BacktestEngine().run(PANEL, ([10], np.zeros((1, 5))))
    assert figure_png(figure(result)).startswith(b"\x89PNG")


def test_weights_are_those_of_the_result(few):
    bars = few.weights["bar"].to_numpy()
    assert np.array_equal(few.weights_at(bars), few.weights.select(PANEL.symbols).to_numpy().T)
    assert not few.weights_at([0, 300]).any()  # what bar 300 decides is filled at the next one
    # Between trades, units times close over equity.
    units = few.positions.filter(pl.col("bar") <= 900).select(PANEL.symbols).to_numpy()[-1]
    held = np.where(units != 0.0, units * PANEL.close[:, 900], 0.0) / few.equity[900]
    assert few.weights_at([900])[:, 0] == pytest.approx(held, rel=1e-12)
    for wrong in ([-1], [len(PANEL)], [0.5], 3):
        with pytest.raises(DataError, match="numbers of bars"):
            few.weights_at(wrong)


def test_longs_stand_above_zero_and_shorts_below(few):
    axes = weights_figure(few).axes[0]
    low, high = axes.get_ylim()
    bars = np.arange(len(PANEL))
    weights = few.weights_at(bars)
    long, short = np.maximum(weights, 0).sum(axis=0), np.minimum(weights, 0).sum(axis=0)
    tops = max(area.get_paths()[0].vertices[:, 1].max() for area in axes.collections)
    depths = min(area.get_paths()[0].vertices[:, 1].min() for area in axes.collections)
    assert 0.9 * long.max() < tops <= long.max() + 1e-12 < high
    assert low < short.min() - 1e-12 <= depths < 0.9 * short.min()
    labels = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert sorted(labels) == sorted(set(few.trades["symbol"]))


def test_many_names_stand_together(many):
    labels = [text.get_text() for text in weights_figure(many).legends[0].get_texts()]
    assert len(labels) == 21 and labels[-1] == "other (40)"
    axes = contributions_figure(many).axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert len(names) == 21 and names[-1] == "other (40)"
    gained = many.equity[-1] - many.stats["initial_cash"]
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(gained, rel=1e-9)


def test_lines_have_few_points(many):
    assert many.rebalances.height > 2_000
    for area in weights_figure(many).axes[0].collections:
        assert len(area.get_paths()[0].vertices) <= 2 * 1_000 + 3  # there and back
    lines = turnover_figure(many).axes[0].collections[0].get_segments()
    assert len(lines) <= 1_000
    assert sum(line[1][1] for line in lines) == pytest.approx(many.rebalances["turnover"].sum(), rel=1e-9)
    assert "3 bars at a time" in turnover_figure(many).texts[0].get_text()


def test_turnover_is_that_of_the_rebalances(few):
    lines = turnover_figure(few).axes[0].collections[0].get_segments()
    drawn = {int(line[0][0]): line[1][1] for line in lines}
    assert drawn == dict(few.rebalances.select("bar", "turnover").iter_rows())


def test_equity_stands_beside_all_held_equally(few):
    axes = equity_figure(few).axes[0]
    (curve,) = [line for line in axes.lines if line.get_label() == "All, held equally"]
    end = curve.get_ydata()[-1] / few.stats["initial_cash"] - 1.0
    assert end == pytest.approx(few.stats["benchmark_return"], rel=1e-9)
    one = equity_figure(BacktestEngine().run(PANEL["IBM"], "ma_crossover")).axes[0]
    assert "Buy and hold" in [line.get_label() for line in one.lines]


def test_one_asset_is_refused_by_name():
    single = BacktestEngine().run(PANEL["IBM"], "ma_crossover")
    for figure in FIGURES[:3]:
        with pytest.raises(ConfigError, match="PortfolioResult of a run over a Panel"):
            figure(single)


def test_the_report_names_assets_and_holdings(many):
    summary = trades_summary(many.trades, many.stats, time_us=many.panel.time_us)
    json.dumps(summary, allow_nan=False)
    assert len(summary["by_symbol"]) == 20
    text = report_text(many.stats, many.metadata, summary)
    assert "HOLDINGS" in text and "Turnover a year" in text and "All, held equally" in text
    assert max(map(len, text.splitlines())) < 200
    page = tear_sheet(many)
    assert "Holdings</h2>" in page and '"symbol"' in page


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("sharpe", "result.stats['sharpe']"),
        ("plot_weights", "weights_figure"),
        ("bars", "panel"),
        ("contribution", "did you mean 'contributions'"),
    ],
)
def test_what_is_not_there_is_answered(few, name, word):
    with pytest.raises(AttributeError, match="has no attribute") as caught:
        getattr(few, name)
    assert word in str(caught.value)


def test_what_is_held_equally_has_gaps_and_late_names():
    result = BacktestEngine().run(PANEL, Rank(rebalance="month_end"))
    curve = result.recorded().bars.close
    there = [k for k, symbol in enumerate(PANEL.symbols) if not np.isnan(PANEL.close[k, 0])]
    assert 0 < len(there) < PANEL.n_assets
    assert curve == pytest.approx((PANEL.close[there] / PANEL.close[there, :1]).mean(axis=0), rel=1e-12)


def test_the_small_picture_of_weights_shows_their_shares_until_the_last_sale():
    panel = synthetic(200, seed=4, assets=3)
    rows = np.array([20, 120]), np.array([[0.6, 0.3, 0.0], [0.0, 0.0, 0.0]])
    result = BacktestEngine().run(panel, rows)
    picture = Image.open(io.BytesIO(render_artifacts(result)["plots/weights.png"])).convert("RGB")
    shown = np.asarray(picture)
    first, second = ((shown == colour).all(axis=2) for colour in ((29, 78, 216), (217, 92, 15)))
    areas = first[:, :840], second[:, :840]  # The names stand on the right.
    columns = np.flatnonzero(areas[0].any(axis=0))
    spread = columns.max() - columns.min() + 1
    assert columns.size == spread  # One piece: from the fill of the first row to that of the second.
    left, right = (64, 64 + 199 / 100 * spread)
    assert abs((columns.min() - left) / (right - left) - 21 / 199) < 0.01
    middle = int(columns.mean())
    tall, short = (int(area[:, middle].sum()) for area in areas)
    assert tall > 100 and abs(tall / short - 2.0) < 0.1
