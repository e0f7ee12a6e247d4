"""The catalogue of metrics is the one list: kernels, functions, statistics, sweeps, reports and docs agree with it."""

import inspect

import pytest

from peak_fast import BacktestEngine, Financing, Sweep, simulate_orders
from peak_fast.data import synthetic
from peak_fast.errors import ConfigError
from peak_fast.metrics import returns as metrics
from peak_fast.metrics.catalog import CATALOG, COUNTS, FOLDED, HEADLINE, METRICS, PLACES, shown_in
from peak_fast.report.sheet.figures import cost_rows, key_rows
from peak_fast.report.text import report_text
from peak_fast.studies.evaluation import combine
from peak_kernels.fast import reduce

# Helpers of `peak_fast.metrics.returns` that are no figures, and curves.
NO_FIGURES = {"DrawdownEpisode", "deepest_episodes", "drawdown", "drawdown_episodes", "growth_curve",
              "return_statistics", "returns_from_equity"}  # fmt: skip
BARS = synthetic(300, seed=4)


def test_the_kernel_writes_what_the_catalogue_counts():
    assert (len(FOLDED), len(METRICS)) == (reduce.N_FOLDED, reduce.N_METRICS)
    assert list(CATALOG) == [row.name for row in CATALOG.values()]
    assert set(FOLDED) < set(METRICS) < set(PLACES) < set(CATALOG)


def test_every_figure_of_the_metrics_module_has_a_row():
    functions = set(metrics.__all__) - NO_FIGURES
    assert functions - set(CATALOG) == set()
    alone = {row.name for row in CATALOG.values() if row.found == "array"}
    assert alone - functions == set()
    for row in CATALOG.values():
        if row.takes is not None:
            taken = list(inspect.signature(getattr(metrics, row.name)).parameters)
            assert taken[: 1 + len(row.takes)] == ["returns", *row.takes], row.name


def test_statistics_are_what_the_catalogue_says():
    stats = BacktestEngine().run(BARS, "ma_crossover").stats
    said = {row.name for row in CATALOG.values() if row.found not in ("array", "orders", "financing")}
    assert set(stats) - {"start", "end", "bars"} == said
    paid = BacktestEngine(financing=Financing(cash_rate=0.03)).run(BARS, "ma_crossover").stats
    assert set(paid) - set(stats) == {row.name for row in CATALOG.values() if row.found == "financing"}
    shown = {label for label, *_ in (*key_rows({"stats": paid}, None), *cost_rows({"stats": paid}))}
    assert {"Dividends (negative: paid)", "Deposits, net", "Money-weighted return a year"} <= shown
    assert "Dividends (negative: paid)" in {label for label, _ in cost_rows({"stats": paid})}
    assert {name for name in METRICS if isinstance(stats[name], int)} == set(COUNTS)
    found = metrics.return_statistics([0.01, -0.02, 0.005], 252)
    assert set(found) == {row.name for row in CATALOG.values() if row.takes is not None}


def test_statistics_of_order_runs_have_rows():
    stats = simulate_orders(BARS, [{"bar": 3, "side": "buy", "size": 1.0}]).stats
    assert set(stats) - set(CATALOG) == set()
    assert {row.name for row in CATALOG.values() if row.found == "orders"} <= set(stats)
    counts = {name for name, value in stats.items() if isinstance(value, int)}
    assert counts == {name for name in stats if CATALOG[name].kind == "count"}


def test_sweeps_have_every_metric_of_the_kernel_and_say_what_else_there_is():
    frame = Sweep("ma_crossover", {"fast": [5, 9]}, BARS, metrics=list(PLACES)).run().frame
    stats = BacktestEngine().run(BARS, "ma_crossover", {"fast": 9}).stats
    row = frame.filter(frame["fast"] == 9).to_dicts()[0]
    assert {name: row[name] for name in PLACES} == pytest.approx({n: stats[n] for n in PLACES}, nan_ok=True)
    with pytest.raises(ConfigError, match=r"no metric 'sharp' in sweeps; did you mean 'sharpe'"):
        Sweep("ma_crossover", {"fast": [5]}, BARS, metrics=["sharp"])
    with pytest.raises(ConfigError, match=r"compute it of one run: peak_fast.metrics.omega, or"):
        Sweep("ma_crossover", {"fast": [5]}, BARS, metrics=["omega"])


def test_reports_show_labels_and_the_rest_under_their_names():
    text = report_text(
        BacktestEngine(financing=Financing(cash_rate=0.03)).run(BARS, "ma_crossover").stats, {}
    )
    for section in ("performance", "trading"):
        for row in shown_in(section):
            assert f"  {row.label}" in text, row.name
    assert "average_trade_return" in text


def test_stretches_of_data_add_up_or_are_averaged():
    one = dict.fromkeys(CATALOG, 1.0)
    joined = combine([one, one, one])
    for row in CATALOG.values():
        assert joined[row.name] == (3.0 if row.segments == "sum" else 1.0), row.name
    # Counts add up, but for a longest stretch; so does money paid, but for what is a mean.
    summed = {row.name for row in CATALOG.values() if row.segments == "sum"}
    assert summed >= set(COUNTS) - {"max_drawdown_duration"}
    assert summed >= {"blocked_trades", "total_fees", "total_slippage"}
    for row in CATALOG.values():
        if row.same_as:
            other = CATALOG[row.same_as]
            assert (row.kind, row.sense, row.segments) == (other.kind, other.sense, other.segments)


def test_headline_is_ranked_once_each():
    assert [CATALOG[name].headline for name in HEADLINE] == list(range(1, len(HEADLINE) + 1))
