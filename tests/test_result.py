"""BacktestResult: frames, figures by hand, saving and loading, display."""

import copy
import json
import math
import pickle
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    BacktestResult,
    Bars,
    Costs,
    Execution,
    RiskLimits,
    Stops,
    sample,
    synthetic,
)
from peak_fast.report import report_text, trades_summary

FRAMES = ("equity_curve", "drawdown", "trades", "orders", "fills", "charges")


def frame_of(rows):
    """Bars from (open, high, low, close)."""
    return pl.DataFrame(rows, schema=["open", "high", "low", "close"], orient="row")


def real_run():
    """Real prices, all costs, stops; the last trade is still open."""
    engine = BacktestEngine(
        costs=Costs(rate=0.001, fixed=1.0, slippage_bps=5),
        stops=Stops(stop_loss=0.08),
        risk_limits=RiskLimits(max_position=0.9),
    )
    bars = sample("AAPL").slice(0, 1200)
    params = {"fast": 5, "slow": 20, "allow_short": True}
    return engine.run(bars, "ma_crossover", params)


@pytest.fixture(scope="module")
def result():
    return real_run()


class TestFrames:
    def test_columns(self, result):
        assert result.equity_curve.columns == ["timestamp", "equity", "cash", "position", "close"]
        assert result.drawdown.columns == ["timestamp", "drawdown"]
        assert result.trades.columns == [
            "trade_id", "side", "entry_bar", "exit_bar", "entry_time", "exit_time", "entry_price", "exit_price",
            "size", "fees", "slippage", "financing", "gross_pnl", "net_pnl", "return", "mae", "mfe", "bars_held",
            "exit_reason",
        ]  # fmt: skip
        assert result.orders.columns == [
            "order_id", "bar", "time", "fill_bar", "kind", "side", "requested", "filled", "status", "reason",
        ]  # fmt: skip
        assert result.fills.columns == [
            "fill_id", "order_id", "bar", "time", "side", "size", "price", "fee", "slippage", "reason",
        ]  # fmt: skip

    def test_one_row_a_bar(self, result):
        assert result.equity_curve.height == result.drawdown.height == len(result.bars)
        curve = result.equity_curve
        np.testing.assert_array_equal(curve["equity"].to_numpy(), result.equity)
        np.testing.assert_allclose(
            (curve["cash"] + curve["position"] * curve["close"]).to_numpy(), result.equity, rtol=1e-12
        )
        assert curve["timestamp"].to_list() == result.bars.timestamp.to_list()

    def test_drawdown_counts_the_start(self):
        run = BacktestEngine(initial_cash=100).run(
            frame_of([(10, 10, 10, 10), (10, 10, 8, 8), (8, 12, 8, 12), (12, 12, 9, 9)]), [1, 1, 1, 1]
        )
        assert run.drawdown["drawdown"].to_list() == pytest.approx([0, -0.2, 0, -0.25])
        assert run.stats["max_drawdown"] == pytest.approx(-0.25)

    def test_times_are_those_of_the_bars(self, result):
        times = result.bars.timestamp
        for row in result.trades.iter_rows(named=True):
            assert row["entry_time"] == times[row["entry_bar"]]
            assert row["exit_time"] == times[row["exit_bar"]]
            assert row["bars_held"] == row["exit_bar"] - row["entry_bar"]
        assert result.fills["time"].to_list() == times.gather(result.fills["bar"]).to_list()

    def test_fills_belong_to_orders(self, result):
        filled = (
            result.fills.group_by("order_id")
            .agg(pl.col("size").sum(), pl.col("bar").first())
            .sort("order_id")
        )
        orders = result.orders.filter(pl.col("filled") > 0)
        assert filled["order_id"].to_list() == orders["order_id"].to_list()
        assert filled["bar"].to_list() == orders["fill_bar"].to_list()
        np.testing.assert_allclose(filled["size"].to_numpy(), orders["filled"].to_numpy(), rtol=1e-12)

    def test_fees_add_up(self, result):
        assert result.fills["fee"].sum() == pytest.approx(result.stats["total_fees"], rel=1e-12)
        assert result.trades["fees"].sum() == pytest.approx(result.stats["total_fees"], rel=1e-12)
        assert result.fills["slippage"].sum() == pytest.approx(result.stats["total_slippage"], rel=1e-12)

    def test_pnl_adds_up_to_the_final_equity(self, result):
        assert result.trades["exit_reason"][-1] == "open"
        total = result.stats["initial_cash"] + result.trades["net_pnl"].sum()
        assert total == pytest.approx(result.stats["final_equity"], rel=1e-12)
        assert result.equity[-1] == result.stats["final_equity"]

    def test_orders_that_never_filled_have_no_bar(self):
        rows = [(10, 11, 9, 10)] * 3
        run = BacktestEngine().run(frame_of(rows), [0, 0, 1])
        order = run.orders.row(0, named=True)
        assert (order["status"], order["reason"], order["fill_bar"]) == ("unfilled", "end_of_data", None)

    def test_a_run_without_trades_has_empty_frames(self):
        run = BacktestEngine().run(synthetic(30, seed=1), np.zeros(30))
        assert run.trades.height == run.orders.height == run.fills.height == 0
        assert run.trades.columns[0] == "trade_id"
        assert math.isnan(run.stats["win_rate"])
        assert run.summary()


class TestTradesByHand:
    # Entry at the open of bar 1 (100), exit at the open of bar 4.
    ROWS = (
        (100, 101, 99, 100),
        (100, 110, 95, 105),
        (105, 120, 104, 118),
        (118, 119, 90, 100),
        (102, 150, 50, 100),
    )

    def test_long(self):
        trade = (
            BacktestEngine(initial_cash=1000)
            .run(frame_of(self.ROWS), [1, 1, 1, 0, 0])
            .trades.row(0, named=True)
        )
        assert (trade["side"], trade["entry_bar"], trade["exit_bar"], trade["bars_held"]) == ("long", 1, 4, 3)
        assert (trade["entry_price"], trade["exit_price"], trade["size"]) == (100, 102, 10)
        assert (trade["gross_pnl"], trade["net_pnl"], trade["return"]) == pytest.approx((20, 20, 0.02))
        # Bars 1 to 3 were held whole: lowest 90, highest 120; of bar 4 only its open.
        assert (trade["mae"], trade["mfe"]) == pytest.approx((-0.10, 0.20))
        assert trade["exit_reason"] == "signal"

    def test_short_is_mirrored(self):
        trade = (
            BacktestEngine(initial_cash=1000)
            .run(frame_of(self.ROWS), [-1, -1, -1, 0, 0])
            .trades.row(0, named=True)
        )
        assert trade["side"] == "short"
        assert trade["net_pnl"] == pytest.approx(-20)
        assert (trade["mae"], trade["mfe"]) == pytest.approx((-0.20, 0.10))

    def test_open_trade_is_marked_at_the_last_close(self):
        run = BacktestEngine(initial_cash=1000, costs=Costs(fixed=5)).run(
            frame_of(self.ROWS), [1, 1, 1, 1, 1]
        )
        trade = run.trades.row(-1, named=True)
        assert (trade["exit_reason"], trade["exit_bar"], trade["exit_price"]) == ("open", 4, 100.0)
        assert trade["size"] == pytest.approx(9.95)
        assert trade["fees"] == 5
        assert trade["net_pnl"] == pytest.approx(-5)
        assert (trade["mae"], trade["mfe"]) == pytest.approx((-0.5, 0.5))

    def test_same_close_does_not_count_the_entry_bar(self):
        engine = BacktestEngine(initial_cash=1000, execution=Execution(fill_at="close"))
        trade = engine.run(frame_of(self.ROWS), [0, 1, 1, 0, 0]).trades.row(0, named=True)
        # In at the close of bar 1 (105), out at the close of bar 3 (100): bars 2 and 3 whole.
        assert (trade["entry_bar"], trade["exit_bar"]) == (1, 3)
        assert (trade["mae"], trade["mfe"]) == pytest.approx((90 / 105 - 1, 120 / 105 - 1))

    def test_stop_in_the_entry_bar(self):
        engine = BacktestEngine(initial_cash=1000, stops=Stops(stop_loss=0.04))
        trade = engine.run(frame_of(self.ROWS), [1, 1, 1, 1, 1]).trades.row(0, named=True)
        assert (trade["entry_bar"], trade["exit_bar"], trade["exit_price"]) == (1, 1, 96)
        # What happened in that bar before the stop is not known: the prices of the fills are.
        assert (trade["mae"], trade["mfe"]) == pytest.approx((-0.04, 0.0))
        assert trade["exit_reason"] == "stop_loss"

    def test_bars_without_prices_do_not_matter(self):
        rows = [*self.ROWS[:2], (None,) * 4, *self.ROWS[2:]]
        trade = (
            BacktestEngine(initial_cash=1000)
            .run(frame_of(rows), [1, 1, 1, 1, 0, 0])
            .trades.row(0, named=True)
        )
        assert (trade["mae"], trade["mfe"]) == pytest.approx((-0.10, 0.20))

    def test_records_as_numpy(self):
        run = BacktestEngine(initial_cash=1000).run(frame_of(self.ROWS), [1, 1, 1, 0, 0])
        assert run.trade_records["net_pnl"].tolist() == run.trades["net_pnl"].to_list()


class TestStats:
    def test_whole_numbers_are_integers(self, result):
        for name in (
            "total_trades",
            "closed_trades",
            "total_orders",
            "rejected_orders",
            "max_drawdown_duration",
        ):
            assert type(result.stats[name]) is int, name
        assert result.stats["total_trades"] == result.trades.height
        assert result.stats["closed_trades"] == result.trades.height - 1
        assert result.stats["blocked_trades"] == result.orders.filter(pl.col("status") == "rejected").height

    def test_benchmark_starts_at_the_first_price(self):
        rows = [(None,) * 4, (10, 10, 10, 10), (10, 15, 10, 15)]
        run = BacktestEngine().run(frame_of(rows), [0, 0, 0])
        assert run.stats["benchmark_return"] == pytest.approx(0.5)

    def test_start_and_end(self, result):
        assert isinstance(result.stats["start"], datetime)
        assert result.stats["start"].replace(tzinfo=UTC) < result.stats["end"].replace(tzinfo=UTC)

    def test_metadata_names_everything(self, result):
        data = result.metadata
        assert data["strategy"]["params"] == {"fast": 5, "slow": 20, "allow_short": True}
        assert data["settings"]["costs"]["rate"] == 0.001
        assert data["settings"]["stops"]["stop_loss"] == 0.08
        assert data["data"]["hash"] == result.bars.hash
        assert data["data"]["bars"] == 1200
        assert data["fill_rule"] == "next bar's open after the deciding close"
        assert data["hash"] == result.hash
        assert set(data["code_version"]) == {"peak_fast", "kernels"}
        assert data["notes"] == list(result.notes) == []

    def test_notes_of_bars_and_run_are_shown_everywhere(self, result, tmp_path):
        bars = Bars(
            tuple(getattr(result.bars, name) for name in ("open", "high", "low", "close")),
            None,
            result.bars.time_us,
            notes=("the rows were reversed",),
        )
        noted = BacktestResult(
            bars, result._outcome, result._settings, "x", {}, result._used, "x", notes=("taken by position",)
        )
        expected = ["the rows were reversed", "taken by position"]
        assert noted.metadata["notes"] == expected
        assert all(note in noted.summary() and note in noted._repr_html_() for note in expected)
        loaded = BacktestResult.load(noted.save(tmp_path / "noted"))
        assert list(loaded.notes) == expected and all(note in loaded.summary() for note in expected)
        text = report_text(noted.stats, noted.metadata, trades_summary(noted.trades, noted.stats))
        assert all(note in text for note in expected)


class TestIdentity:
    def test_frozen(self, result):
        with pytest.raises(AttributeError, match="immutable; tried to set 'stats'"):
            result.stats = {}
        with pytest.raises(AttributeError, match="immutable"):
            result.equity = np.zeros(3)

    def test_hash_is_that_of_the_numbers(self):
        bars, engine = synthetic(200, seed=3), BacktestEngine(costs=Costs(rate=0.001))
        first, second = engine.run(bars, "momentum"), engine.run(bars.to_polars(), "momentum")
        assert first.hash == second.hash
        assert len(first.hash) == 32
        assert engine.run(bars, "momentum", {"period": 59}).hash != first.hash
        assert BacktestEngine(costs=Costs(rate=0.0010001)).run(bars, "momentum").hash != first.hash


class TestPlainValues:
    def test_to_dict_is_strict_json(self):
        run = BacktestEngine().run(synthetic(30, seed=1), np.zeros(30))
        text = json.dumps(run.to_dict(), allow_nan=False)
        back = json.loads(text)
        assert back["stats"]["win_rate"] is None
        assert back["metadata"]["hash"] == run.hash

    def test_to_dict_of_odd_parameters(self):
        run = BacktestEngine().run_realistic(
            synthetic(20, seed=1),
            lambda df, p: np.zeros(20),
            {"when": datetime(2020, 1, 1), "what": np.float64(2.5), "why": math.inf, "who": (1, {2})},
        )
        params = json.loads(json.dumps(run.to_dict(), allow_nan=False))["metadata"]["strategy"]["params"]
        assert params == {"when": "2020-01-01T00:00:00", "what": 2.5, "why": None, "who": [1, "{2}"]}

    def test_to_pandas(self, result):
        pandas = pytest.importorskip("pandas")
        frames = result.to_pandas()
        assert list(frames) == list(FRAMES)
        for name, frame in frames.items():
            assert isinstance(frame, pandas.DataFrame)
            assert frame.shape == getattr(result, name).shape
        assert frames["trades"]["net_pnl"].tolist() == result.trades["net_pnl"].to_list()


class TestNamesThatAreNotThere:
    """What others call an attribute: the answer says where it is; unpickling and copying are not disturbed."""

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("sharpe", r"stand in result.stats\['sharpe'\]"),
            ("benchmark_return", r"stand in result.stats\['benchmark_return'\]"),
            ("plots", r"result.plot\(\) draws it"),
            ("eqity", "did you mean 'equity'"),
        ],
    )
    def test_the_remedy_is_told(self, result, name, words):
        with pytest.raises(AttributeError, match=words):
            getattr(result, name)

    def test_asking_for_one_makes_no_statistics(self):
        fresh = BacktestEngine().run(synthetic(50, seed=1), "buy_and_hold")
        assert not hasattr(fresh, "sharpe") and "stats" not in fresh.__dict__

    def test_copies_and_pickles(self, result):
        assert copy.copy(result).hash == pickle.loads(pickle.dumps(result)).hash == result.hash

    def test_what_a_property_raises_stays(self, result):
        broken = copy.copy(result)
        del broken.__dict__["_outcome"]
        with pytest.raises(AttributeError, match="_outcome"):
            _ = broken.equity


class TestDisplay:
    def test_summary(self, result):
        text = result.summary()
        assert text.startswith("ma_crossover on AAPL\n  fast=5, slow=20, allow_short=True\n")
        assert f"{result.stats['final_equity']:,.2f}" in text
        assert f"{result.stats['sharpe']:.2f}" in text
        assert "next bar's open" in text

    def test_repr_rich_html(self, result):
        from rich.console import Console

        assert repr(result).startswith("BacktestResult('ma_crossover' on 'AAPL', 1200 bars, return ")
        console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
        console.print(result)
        assert "Final equity" in console.export_text()
        console.file.close()
        html = result._repr_html_()
        assert html.startswith("<div><b>ma_crossover on AAPL</b> fast=5, slow=20") and "<svg " in html
        assert "<table>" in html and "Final equity" in html

    def test_html_is_escaped(self):
        run = BacktestEngine().run_realistic(
            synthetic(20, seed=1), lambda df, p: np.zeros(20), {}, symbol="<script>x</script>"
        )
        object.__setattr__(run, "_notes", ("a <script>y</script>",))
        assert "<script>" in run.summary() and "<script>" not in run._repr_html_()
