"""One call each: what a result shows of itself as frames, figures and a page; read back with pandas and Pillow."""

import io

import numpy as np
import polars as pl
import pytest

from peak_fast import BacktestEngine, BacktestResult, Bars, Costs, sample
from peak_fast.errors import ConfigError, DataError, StoreError


@pytest.fixture(scope="module")
def result():
    engine = BacktestEngine(costs=Costs.from_bps(fee_bps=10, slippage_bps=5))
    return engine.run(sample("AAPL"), "ma_crossover", {"fast": 20, "slow": 50})


@pytest.fixture(scope="module")
def portfolio():
    panel = sample("panel")
    weights = pl.DataFrame({"timestamp": [panel.timestamp[10]], **{name: [0.2] for name in panel.symbols}})
    return BacktestEngine().run(panel, weights)


def test_returns_multiply_to_the_total(result):
    frame = result.returns
    assert frame.columns == ["timestamp", "return"]
    assert np.prod(1 + frame["return"].to_numpy()) - 1 == pytest.approx(
        result.stats["total_return"], rel=1e-12
    )


def test_months_are_those_of_pandas(result):
    series = result.returns.to_pandas().set_index("timestamp")["return"]
    wanted = series.groupby([series.index.year, series.index.month]).apply(lambda part: (1 + part).prod() - 1)
    table = result.monthly_returns()
    found = {
        (row["year"], k + 1): row[name]
        for row in table.to_dicts()
        for k, name in enumerate(table.columns[1:13])
        if row[name] is not None
    }
    assert set(found) == set(wanted.index)
    assert [found[key] for key in wanted.index] == pytest.approx(wanted.tolist(), abs=1e-12)
    yearly = series.groupby(series.index.year).apply(lambda part: (1 + part).prod() - 1)
    assert table["year_return"].to_list() == pytest.approx(yearly.tolist(), abs=1e-12)


def test_drawdowns_have_dates_and_the_depth_of_the_statistics(result):
    table = result.drawdowns(top=3)
    assert table.height == 3
    assert table["depth"][0] == pytest.approx(result.stats["max_drawdown"], rel=1e-12)
    assert table["depth"].is_sorted()
    first = table.row(0, named=True)
    assert first["valley_time"] == result.bars.timestamp[first["valley_bar"]]
    curve = result.drawdown["drawdown"].to_numpy()
    assert curve[first["valley_bar"]] == first["depth"] == curve.min()


def test_moving_figures_end_with_the_last_window(result):
    frame = result.rolling("sharpe", 63)
    last = result.returns["return"].to_numpy()[-200:-137]
    at = frame.height - 138
    assert frame["sharpe"][at] == pytest.approx(last.mean() / last.std(ddof=1) * np.sqrt(252), rel=1e-9)
    assert frame["sharpe"][:62].null_count() == 62
    own = result.rolling("beta", 250, benchmark=result.bars)
    assert own["beta"].equals(result.rolling("beta", 250)["beta"])


def test_bars_without_times_have_no_months():
    bars = Bars.from_frame({name: np.linspace(1, 2, 50) for name in ("open", "high", "low", "close")})
    result = BacktestEngine().run(bars, np.ones(50, dtype=np.int8))
    with pytest.raises(DataError, match="expected bars with times"):
        result.monthly_returns()
    assert result.drawdowns().height == 0
    assert "bar " not in result.plot().axes[-1].get_xlabel()


def test_plot_has_a_panel_each_and_is_a_picture_in_notebooks(result):
    figure = result.plot()
    assert [axes.get_ylabel().split(" (")[0] for axes in figure.axes] == [
        "Price",
        "Equity",
        "Drawdown",
        "Position",
    ]
    image = pytest.importorskip("PIL.Image").open(io.BytesIO(figure._repr_png_()))
    assert image.size == (1000, 980)
    assert len(result.plot(benchmark=False).axes[1].lines) == 1


def test_a_portfolio_has_the_same_calls(portfolio):
    assert [axes.get_ylabel().split(" (")[0] for axes in portfolio.plot().axes] == [
        "Equity",
        "Drawdown",
        "Exposure",
    ]
    total = np.prod(1 + portfolio.returns["return"].to_numpy()) - 1
    assert total == pytest.approx(portfolio.stats["total_return"], rel=1e-12)
    assert portfolio.monthly_returns().height > 3
    assert portfolio.drawdowns(2)["depth"][0] == pytest.approx(portfolio.stats["max_drawdown"], rel=1e-9)
    assert portfolio.rolling("correlation", 60)["correlation"].drop_nulls().abs().max() <= 1 + 1e-9


def test_the_page_is_written_and_what_cannot_be_is_said(result, tmp_path):
    path = result.report(tmp_path / "x.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(StoreError):
        result.report(tmp_path / "none" / "x.html")
    with pytest.raises(ConfigError, match="benchmark"):
        result.report(tmp_path / "y.html", benchmark=[1.0, 2.0])
    assert not (tmp_path / "y.html").exists()


def test_a_loaded_result_has_them_too(result, tmp_path):
    again = BacktestResult.load(result.save(tmp_path / "kept"))
    assert again.monthly_returns().equals(result.monthly_returns())
    assert again.report(tmp_path / "x.html").read_bytes() == result.report(tmp_path / "y.html").read_bytes()


def test_methods_of_the_common_base_have_the_name_of_the_result(result, portfolio):
    with pytest.raises(
        ConfigError, match=r"BacktestResult\.drawdowns: no argument 'topp'; did you mean 'top'"
    ):
        result.drawdowns(topp=3)
    with pytest.raises(ConfigError, match=r"PortfolioResult\.rolling: no argument"):
        portfolio.rolling("sharpe", 10, bench=None)


def test_what_is_asked_for_under_other_names_is_pointed_to(result):
    with pytest.raises(AttributeError, match=r"result\.plot\(\)"):
        _ = result.plot_equity
