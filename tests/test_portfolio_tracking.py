"""Portfolios in real MLflow stores, read back by MLflow's own client: parameters, metrics, notes, artifacts."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from peak_fast import BacktestEngine, Costs, NoopTracker, Panel, PortfolioResult, Rank, sample
from peak_fast.metrics import HEADLINE
from peak_fast.report import render_artifacts
from peak_fast.tracking import MLflowTracker, log_backtest, log_backtest_artifacts, log_backtest_metadata
from peak_kernels import portfolio_slots as p

PANEL = sample("panel")
RULE = Rank(top="top", rebalance="month_end", name="rotation")
COSTS = Costs.from_bps(fee_bps=10, slippage_bps=5)
FILES = {
    "plots/equity_curve.png",
    "plots/weights.png",
    "reports/backtest_report.txt",
    "reports/trades_summary.json",
    "reports/weights.parquet",
}
SHORTS = (
    np.array([300, 1500, 2500]),
    np.array([[0.5, 0, 0, -0.3, 0.2], [0, 0, 0.4, 0.3, -0.2], [0, 0, 0, 0, 0]]),
)


def frame_of(content):
    return pl.read_parquet(io.BytesIO(content))


def same(stored, value):
    return (math.isnan(stored) and math.isnan(value)) or stored == float(value)


class Stored:
    """A run as the store has it, with its files."""

    def __init__(self, reader, run, folder):
        self._reader, self._run, self._folder = reader, run, folder
        self.artifacts = reader.artifacts(run.run_id)

    def __getattr__(self, name):
        return getattr(self._run, name)

    def bytes(self, path):
        return self._reader.read(self._run.run_id, path, self._folder)

    def text(self, path):
        return self.bytes(path).decode()


class Mine(NoopTracker):
    """A tracker that somebody wrote: it has the protocol and nothing else."""

    __slots__ = ("files", "metrics", "params")

    def __init__(self):
        self.files, self.params, self.metrics = {}, {}, {}

    def get_run_id(self):
        return "mine"

    def log_params(self, params):
        self.params.update(params)

    def log_metrics(self, metrics, step=None):
        self.metrics.update(metrics)

    def log_figure(self, figure, artifact_file, artifact_path=None):
        self.files[f"{artifact_path}/{artifact_file}"] = figure

    def log_text(self, text, artifact_file):
        self.files[artifact_file] = text.encode()

    def log_artifact(self, path, artifact_path=None):
        self.files[f"{artifact_path}/{path.name}"] = path.read_bytes()


@pytest.fixture
def read(uri, reader_of, tmp_path):
    """``read(tracker)``: flush, then the runs of its experiment, oldest first."""

    def runs(tracker):
        tracker.flush()
        reader = reader_of(uri)
        return [Stored(reader, run, tmp_path) for run in reader.runs(tracker.experiment_name)]

    return runs


@pytest.fixture(scope="module")
def shorts():
    return BacktestEngine(costs=COSTS).run(PANEL, SHORTS)


class TestARunOfTheEngine:
    @pytest.mark.parametrize("pipeline", [True, False])
    def test_is_recorded_in_both_modes(self, tracker, read, pipeline):
        engine = BacktestEngine(costs=COSTS, tracker=tracker, use_execution_pipeline=pipeline)
        with tracker.start_run("mine"):
            result = engine.run(PANEL, RULE, {"top": 2})
        (run,) = read(tracker)
        assert run.status == "FINISHED"
        for name, value in {
            "strategy.name": "rotation",
            "strategy.params.top": "2",
            "settings.costs.rate": "0.001",
            "settings.initial_cash": "100000.0",
            "settings.portfolio.fill_at": "next_open",
            "data.assets": "5",
            "data.symbols": "AAPL, FB, GOOG, IBM, MSFT",
            "data.hash": PANEL.hash,
        }.items():
            assert run.params.get(name) == value, name
        assert run.tags["fill_rule"] == result.metadata["fill_rule"]

    def test_has_every_statistic(self, tracker, read, shorts):
        with tracker.start_run():
            log_backtest(tracker, shorts)
        (run,) = read(tracker)
        given = {"bars", "initial_cash", "periods_per_year", "start", "end"}
        assert set(run.metrics) == set(shorts.stats) - given
        for name, value in run.metrics.items():
            assert same(value, shorts.stats[name]), name
        for name in ("rebalances", "turnover", "average_gross", "largest_weight", "sharpe", "total_fees"):
            assert name in run.metrics

    def test_describes_itself(self, tracker, read, shorts):
        with tracker.start_run():
            log_backtest(tracker, shorts)
        (run,) = read(tracker)
        note = run.tags["mlflow.note.content"]
        assert f"**weights** on **{PANEL.name}**" in note
        assert "max drawdown" in note and len([name for name in HEADLINE if name in shorts.stats]) > 5

    def test_tells_its_notes(self, tracker, read):
        table = np.full((len(PANEL), 5), np.nan)
        table[100:, 0] = 0.5
        with tracker.start_run():
            result = BacktestEngine(tracker=tracker).run(PANEL, table)
        assert result.notes
        (run,) = read(tracker)
        for note in result.notes:
            assert note in run.tags["mlflow.note.content"]
            assert note in run.text("reports/backtest_report.txt")


class TestArtifacts:
    @pytest.fixture
    def stored(self, tracker, read, shorts):
        with tracker.start_run():
            log_backtest_artifacts(tracker, shorts)
        (run,) = read(tracker)
        return run

    def test_are_those_of_one_asset_and_the_weights(self, stored):
        assert set(stored.artifacts) == FILES
        assert not stored.params and not stored.metrics

    def test_are_what_the_report_makes(self, stored, shorts):
        here = render_artifacts(shorts)
        assert set(here) == FILES
        assert stored.text("reports/trades_summary.json") == here["reports/trades_summary.json"].decode()
        # The hash of the numbers is left to whoever asks for it.
        report = here["reports/backtest_report.txt"].decode().splitlines()
        lines = [line for line in report if shorts.hash not in line]
        assert stored.text("reports/backtest_report.txt").splitlines() == lines
        assert frame_of(stored.bytes("reports/weights.parquet")).equals(
            frame_of(here["reports/weights.parquet"])
        )

    def test_weights_are_those_of_the_result(self, stored, shorts):
        frame = frame_of(stored.bytes("reports/weights.parquet"))
        assert frame.columns == ["bar", "timestamp", "symbol", "units", "weight"]
        assert (frame["units"] != 0.0).all() and (frame["weight"] < 0.0).any()
        for column, wide in (("weight", shorts.weights), ("units", shorts.positions)):
            back = wide.select("bar", "timestamp").join(
                frame.pivot("symbol", index="bar", values=column), on="bar", how="left"
            )
            for symbol in PANEL.symbols:
                expected = wide[symbol]
                found = (
                    back[symbol].fill_null(0.0) if symbol in back.columns else pl.zeros(len(wide), eager=True)
                )
                assert found.to_list() == expected.to_list(), (column, symbol)

    def test_a_picture(self, stored):
        image = Image.open(io.BytesIO(stored.bytes("plots/equity_curve.png"))).convert("RGB")
        assert image.size == (1000, 580)
        assert len(image.getcolors(1 << 24)) > 20

    def test_trades_name_their_asset(self, stored, shorts):
        summary = json.loads(stored.text("reports/trades_summary.json"))
        assert [trade["symbol"] for trade in summary["first"]] == shorts.trades["symbol"].to_list()[:10]
        assert [trade["exit_reason"] for trade in summary["first"]] == shorts.trades["exit_reason"].to_list()[
            :10
        ]
        assert summary["counts"]["total"] == shorts.stats["total_trades"]
        gained = dict(shorts.contributions.select("symbol", "contribution").iter_rows())
        for symbol, of in summary["by_symbol"].items():
            assert of["net_pnl"] == pytest.approx(gained[symbol], abs=1e-6)

    def test_one_asset_has_no_weights(self, tracker, read):
        with tracker.start_run():
            log_backtest_artifacts(tracker, BacktestEngine().run(PANEL["IBM"], "ma_crossover"))
        (run,) = read(tracker)
        assert set(run.artifacts) == FILES - {"reports/weights.parquet", "plots/weights.png"}


class TestOtherDoors:
    def test_a_loaded_result_is_recorded_as_the_run(self, tracker, read, shorts, tmp_path):
        loaded = PortfolioResult.load(shorts.save(tmp_path / "mine"))
        for name, result in (("run", shorts), ("loaded", loaded)):
            with tracker.start_run(name):
                log_backtest(tracker, result)
        one, other = sorted(read(tracker), key=lambda run: run.name)
        assert set(one.artifacts) == set(other.artifacts) == FILES
        assert {k: v for k, v in one.metrics.items() if v == v} == {
            k: v for k, v in other.metrics.items() if v == v
        }
        assert one.bytes("reports/weights.parquet") == other.bytes("reports/weights.parquet")
        assert one.params == other.params

    def test_a_bundle_can_be_loaded(self, tracker, read, shorts, tmp_path):
        with tracker.start_run():
            log_backtest(tracker, shorts, bundle=True)
        (run,) = read(tracker)
        for name in [name for name in run.artifacts if name.startswith("bundle/")]:
            (tmp_path / "bundle").mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(run.bytes(name))
        assert PortfolioResult.load(tmp_path / "bundle").hash == shorts.hash

    def test_several_in_one_run(self, tracker, read, shorts):
        with tracker.start_run():
            log_backtest(tracker, shorts)
            log_backtest(tracker, BacktestEngine().run(PANEL["IBM"], "ma_crossover"))
            log_backtest(tracker, shorts)
        (run,) = read(tracker)
        assert {name for name in run.artifacts if name.startswith("backtest_3/")} == {
            f"backtest_3/{name}" for name in FILES
        }
        assert "backtest_2/reports/weights.parquet" not in run.artifacts

    def test_a_tracker_of_ones_own(self, shorts):
        mine = Mine()
        log_backtest_artifacts(mine, shorts)
        log_backtest_metadata(mine, shorts)
        assert mine.files == render_artifacts(shorts)
        assert mine.params["data.assets"] == "5"
        assert mine.metrics["turnover"] == shorts.stats["turnover"]

    def test_files_without_a_run(self, shorts, tmp_path):
        written = log_backtest_artifacts(NoopTracker(), shorts, output_dir=tmp_path)
        assert set(written) == FILES
        assert all(path.is_file() for path in written.values())

    def test_an_untracked_run_and_a_tracked_one_are_the_same(self, uri, experiment, shorts):
        with MLflowTracker(uri, experiment) as tracker:
            tracked = BacktestEngine(costs=COSTS, tracker=tracker).run(PANEL, SHORTS)
        assert tracked.hash == shorts.hash


def test_many_assets_are_counted_and_some_named(tracker, read):
    rng = np.random.default_rng(5)
    days = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, (days.size, 60)), axis=0))
    frame = pl.DataFrame({"timestamp": days, **{f"S{k:02d}": closes[:, k] for k in range(60)}})
    with tracker.start_run():
        BacktestEngine(tracker=tracker).run(Panel.from_frame({"close": frame}), Rank(rebalance="month_end"))
    (run,) = read(tracker)
    assert run.params["data.assets"] == "60"
    assert run.params["data.symbols"].endswith("S18, S19, ...")
    held = frame_of(run.bytes("reports/weights.parquet"))
    assert held["symbol"].n_unique() == 60


def test_the_command_line_records_a_portfolio(command, spool_dir, tmp_path, reader_of):
    (tmp_path / "rules.py").write_text(
        'from peak_fast import Rank\nequal = Rank(rebalance="month_end", name="equal")\n'
    )
    address = f"sqlite:///{tmp_path}/mine.db"
    (tmp_path / "settings.toml").write_text(
        f'[tracking]\nenabled = true\nbackend = "mlflow"\n[tracking.mlflow]\n'
        f'tracking_uri = "{address}"\nexperiment_name = "mine"\n'
        "[portfolio]\ncash_buffer = 0.02\n"
    )
    code, out, err = command("run", "--data", "panel", "--strategy", "rules.py", "--config", "settings.toml")
    assert (code, err) == (0, ""), out
    reader = reader_of(address)
    run = reader.run("mine")
    assert set(reader.artifacts(run.run_id)) == FILES
    assert run.params["settings.portfolio.cash_buffer"] == "0.02"
    assert f"{run.metrics['total_return']:.2%}" in out


@pytest.mark.parametrize("twice", [False, True])
def test_units_behind_fills_are_added_in_order(twice):
    """An asset that fills twice at one bar, a waiting order and a new one, is added up fill by fill."""
    result = BacktestEngine(costs=COSTS).run(PANEL, SHORTS)
    if twice:
        orders = result._outcome.orders.copy()
        half = orders[orders[:, p.ORDER_COLUMNS.index("filled")] > 0.0][:1].copy()
        half[:, p.ORDER_COLUMNS.index("filled")] /= 4.0
        object.__setattr__(result, "_outcome", replace(result._outcome, orders=np.vstack([half, orders])))
    bars, units = result.positions_at_fills
    held, at = {}, {}
    for fill in result.fills.iter_rows(named=True):
        held[fill["symbol"]] = held.get(fill["symbol"], 0.0) + fill["side"] * fill["size"]
        at[fill["bar"]] = dict(held)
    assert bars.tolist() == sorted(at)
    for bar, row in zip(bars.tolist(), units, strict=True):
        assert [at[bar].get(symbol, 0.0) for symbol in PANEL.symbols] == row.tolist()
