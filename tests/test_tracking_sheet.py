"""The tear sheet among a run's artifacts: made by the writer, with the figures of the run's metrics."""

import math

import numpy as np
import pytest

from peak_fast import BacktestEngine, Financing, Rank, Stops, sample, synthetic
from peak_fast.orders.block import BUY, FRACTION, POSITION
from peak_fast.orders.block import CLOSE as CLOSES
from peak_fast.report import payload_of, render_artifacts, tear_sheet
from peak_fast.settings.order_rules import OrderRules
from peak_fast.strategies.blocks import OrderBlock
from peak_fast.tracking import MLflowTracker, NoopTracker, build_tracker_from_config, log_backtest_artifacts
from peak_fast.tracking.spool.curves import RAW_POINTS
from peak_kernels.orders.place import place_limit
from tests.test_sheet import read as tables_of
from tests.test_sheet import unpacked

SHEET = "reports/tearsheet.html"
FULL = ["plots/equity_curve.png", "reports/backtest_report.txt", "reports/trades_summary.json"]
REPORT = sorted([*FULL, SHEET])


@pytest.fixture(params=["background", "sync"])
def tracker(request, uri, experiment):
    made = MLflowTracker(uri, experiment, mode=request.param, artifacts="report")
    yield made
    made.close()


@pytest.fixture
def background(uri, experiment):
    made = MLflowTracker(uri, experiment, artifacts="report")
    yield made
    made.close()


@pytest.fixture
def sheets(uri, reader_of, tmp_path):
    """``sheets(tracker)``: flush; each run and its tear sheet, fetched by MLflow's client."""

    def found(tracker, name=SHEET):
        tracker.flush()
        reader = reader_of(uri)
        return [
            (run, reader.read(run.run_id, name, tmp_path).decode())
            for run in reader.runs(tracker.experiment_name)
        ]

    return found


def dips(i, bars, params, memory, account, orders):
    """Bid below every other close, with a target."""
    if i % 2 == 0 and account[POSITION] == 0.0:
        place_limit(orders, BUY, 100.0, bars[CLOSES, i] * 0.99, take_profit=0.03, exit_unit=FRACTION)


def test_the_sheet_has_the_figures_of_the_run(tracker, sheets, uri, reader_of):
    engine = BacktestEngine(stops=Stops(stop_loss=0.1), tracker=tracker)
    with tracker.start_run():
        result = engine.run(sample("AAPL"), "ma_crossover", {"fast": 20, "slow": 50})
    ((run, page),) = sheets(tracker)
    assert reader_of(uri).artifacts(run.run_id) == REPORT
    assert page.startswith("<!doctype html>")
    rows = {name: value for name, value in tables_of(page).tables["stats"] if name in run.metrics}
    assert set(rows) == set(run.metrics) and "sharpe" in rows
    assert {name: float(value) for name, value in rows.items()} == run.metrics
    ours, direct = tables_of(page).tables, tables_of(tear_sheet(result)).tables
    for table in ("Key figures", "Figures of trades", "Returns by month", "The deepest drawdowns"):
        assert ours[table] == direct[table]
    drawn, there = unpacked(page), unpacked(tear_sheet(result))
    assert "open" not in drawn
    assert drawn.keys() == there.keys() - {"open", "high", "low"}
    for name, values in drawn.items():
        np.testing.assert_allclose(values, there[name], rtol=1e-9, atol=1e-6 * np.nanmax(np.abs(there[name])))


def test_nothing_changes_for_full(uri, experiment, reader_of, engine_result, tmp_path):
    def files(artifacts):
        tracker = MLflowTracker(uri, f"{experiment}-{artifacts}", artifacts=artifacts)
        with tracker.start_run() as run:
            tracker.log_result(engine_result)
        tracker.close()
        reader = reader_of(uri)
        return {name: reader.read(str(run), name, tmp_path) for name in reader.artifacts(str(run))}

    full, report = files("full"), files("report")
    assert sorted(full) == FULL and sorted(report) == REPORT
    assert all(report[name] == content for name, content in full.items())


def test_a_second_backtest_and_the_bundle(background, sheets, uri, reader_of):
    engine = BacktestEngine()
    with background.start_run():
        background.log_result(engine.run(synthetic(300), "macd"))
        background.log_result(engine.run(synthetic(300), "momentum"), bundle=True)
    ((run, page),) = sheets(background)
    files = reader_of(uri).artifacts(run.run_id)
    assert {SHEET, f"backtest_2/{SHEET}", "bundle/result.json"} <= set(files)
    ((_, second),) = sheets(background, f"backtest_2/{SHEET}")
    assert "macd" in page and "momentum" in second and "macd" not in tables_of(second).headings[0][1]


def test_many_results_at_once(background, sheets):
    engine = BacktestEngine()
    results = [engine.run(synthetic(300), "ma_crossover", {"fast": fast, "slow": 40}) for fast in (5, 9)]
    background.log_results(results)
    found = sheets(background)
    assert len(found) == 2
    for run, page in found:
        assert dict(tables_of(page).tables["stats"])["sharpe"] == repr(run.metrics["sharpe"])


@pytest.mark.parametrize("book", [False, True], ids=["fills", "points"])
def test_a_long_run_keeps_the_returns_of_its_days(book, background, sheets):
    bars = synthetic(RAW_POINTS + 5_000, seed=3, freq="1h")
    strategy = OrderBlock(dips, name="dips") if book else "ma_crossover"
    engine = BacktestEngine(order_book=OrderRules(fee_rate=0.001) if book else None, tracker=background)
    with background.start_run():
        result = engine.run(bars, strategy)
    ((_, page),) = sheets(background)
    direct = tear_sheet(result)
    for table in ("Returns by month", "Distribution of returns", "The deepest drawdowns"):
        assert tables_of(page).tables[table] == tables_of(direct).tables[table]


def test_bars_without_times_get_none(background, sheets):
    closes = 100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.01, 500)))
    engine = BacktestEngine(tracker=background)
    with background.start_run():
        engine.run(
            dict.fromkeys(("open", "high", "low", "close"), closes), "ma_crossover", {"fast": 5, "slow": 20}
        )
    ((_, page),) = sheets(background)
    assert "time" not in unpacked(page) and "price" in unpacked(page)
    assert "Returns by month" not in tables_of(page).tables


def test_a_portfolio_with_deposits(background, sheets):
    panel = sample("panel")
    paid = Financing(cash_flows={str(panel.timestamp[1_000])[:10]: 50_000.0})
    engine = BacktestEngine(tracker=background, financing=paid)
    with background.start_run():
        result = engine.run(panel, Rank(top=2, rebalance="month_end"))
    ((run, page),) = sheets(background)
    ours, direct = tables_of(page).tables, tables_of(tear_sheet(result)).tables
    for table in ("Key figures", "Returns by month", "Distribution of returns"):
        assert ours[table] == direct[table]
    assert "price" not in unpacked(page) and "trade_symbol" in unpacked(page)
    assert float(dict(ours["stats"])["total_return"]) == run.metrics["total_return"]


def test_files_that_are_logged_later(tracker, sheets, engine_result, tmp_path):
    with tracker.start_run():
        assert log_backtest_artifacts(tracker, engine_result) == {}
    with tracker.start_run():
        written = log_backtest_artifacts(tracker, payload_of(engine_result), output_dir=tmp_path / "out")
    assert sorted(written) == REPORT
    for _, page in sheets(tracker):
        sharpe = dict(tables_of(page).tables["stats"])["sharpe"]
        assert float(sharpe) == engine_result.stats["sharpe"]
        assert "price" in unpacked(page)
    assert sorted(log_backtest_artifacts(NoopTracker(), engine_result, output_dir=tmp_path / "plain")) == FULL


def test_rendered_by_hand(engine_result):
    assert sorted(render_artifacts(engine_result)) == FULL
    files = render_artifacts(engine_result, sheet=True)
    assert sorted(files) == REPORT
    assert files[SHEET].decode() == tear_sheet(engine_result)


def test_a_payload_draws_the_price_line_of_its_closes(engine_result):
    payload = payload_of(engine_result)
    drawn = unpacked(tear_sheet(payload))
    np.testing.assert_allclose(drawn["price"], engine_result.bars.close, rtol=1e-6)
    assert len(drawn["trade_entry_price"]) == len(engine_result.trades)
    without = unpacked(tear_sheet({**payload, "close": None}))
    assert "price" not in without and "benchmark" not in without
    many = {"time_us": None, "close": np.arange(1.0, 100_001.0), "equity": np.ones(100_000), "trades": None}
    long = unpacked(tear_sheet(many))
    assert long["price_low"][0] == pytest.approx(1.0) and long["price_high"][-1] == pytest.approx(100_000.0)


def test_a_configuration_asks_for_it(uri, experiment):
    section = {"tracking_uri": uri, "experiment_name": experiment, "artifacts": "report"}
    tracker = build_tracker_from_config(
        {"tracking": {"enabled": True, "backend": "mlflow", "mlflow": section}}
    )
    assert tracker.artifacts == "report" and "artifacts='report'" in repr(tracker)
    tracker.close()


def test_numbers_that_are_not_finite(background, sheets):
    engine = BacktestEngine(tracker=background)
    with background.start_run():
        result = engine.run(synthetic(60), "ma_crossover", {"fast": 30, "slow": 50})
    ((_, page),) = sheets(background)
    rows = dict(tables_of(page).tables["stats"])
    unknown = [
        name for name, value in result.stats.items() if isinstance(value, float) and not math.isfinite(value)
    ]
    assert unknown and all(not math.isfinite(float(rows[name])) for name in unknown)
