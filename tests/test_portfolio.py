"""Runs of a panel: what a person hands over, what is refused and how, what a result says."""

import math
import os
import runpy
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    ConfigError,
    Costs,
    DataError,
    Execution,
    FixedUnits,
    Panel,
    PortfolioResult,
    PortfolioRules,
    Stops,
    StrategyError,
    sample,
)
from peak_fast.portfolio import TargetWeights
from tests.conftest import ROOT

NAMES = ("AAPL", "GOOG", "IBM", "MSFT")
PANEL = Panel.from_frame({name: sample(name) for name in NAMES}, align="intersection").slice(0, 250)
STAMPS = PANEL.timestamp
ROWS = (20, 60, 120)
WEIGHTS = np.array([[0.4, 0.2, 0.2, 0.2], [0.0, 0.5, 0.25, 0.2], [0.25, 0.25, 0.25, 0.25]])
ENGINE = BacktestEngine(initial_cash=100_000.0, costs=Costs(rate=0.001))


def wide():
    return pl.DataFrame({"date": STAMPS[list(ROWS)], **{n: WEIGHTS[:, k] for k, n in enumerate(NAMES)}})


def long():
    return wide().unpivot(index="date", variable_name="symbol", value_name="weight")


PAIR = (np.array(ROWS), WEIGHTS)
DIRECT = ENGINE.run(PANEL, PAIR)


class Rule:
    """A rule as Rank is one: it has parameters and a name."""

    name = "own rule"

    def weights(self, panel, params):
        weights = np.full((1, panel.n_assets), params.get("share", 0.2))
        return TargetWeights(
            np.array([30]), weights, ("said by the rule",), {"share": params.get("share", 0.2)}
        )


class TestDoors:
    """The same weights in every form are the same run, to the last bit."""

    @pytest.mark.parametrize(
        "given",
        [
            wide, long, lambda: wide().lazy(), lambda: wide().select(["date", *reversed(NAMES)]),
            lambda: long().sample(fraction=1.0, shuffle=True, seed=1), lambda: wide().to_dict(as_series=False),
            lambda: wide().sort("date", descending=True),
            lambda: wide().with_columns(pl.col("date").cast(pl.Datetime("ns", "UTC"))),
        ],
    )  # fmt: skip
    def test_frames(self, given):
        result = ENGINE.run(PANEL, given())
        assert isinstance(result, PortfolioResult)
        np.testing.assert_array_equal(result.equity, DIRECT.equity)

    def test_pandas(self):
        pytest.importorskip("pandas")
        frame = wide().to_pandas().set_index("date")
        for given in (
            frame,
            frame.iloc[::-1],
            long().to_pandas(),
            long().to_pandas().set_index(["date", "symbol"]),
        ):
            np.testing.assert_array_equal(ENGINE.run(PANEL, given).equity, DIRECT.equity)

    def test_an_array_with_a_row_for_each_bar(self):
        table = np.full((len(PANEL), 4), math.nan)
        for bar, row in zip(ROWS, WEIGHTS, strict=True):
            table[bar] = row
        np.testing.assert_array_equal(ENGINE.run(PANEL, table).equity, DIRECT.equity)
        held = np.zeros((len(PANEL), 4))
        for bar, row in zip(ROWS, WEIGHTS, strict=True):
            held[bar:] = row
        result = ENGINE.run(PANEL, held)
        np.testing.assert_array_equal(result.equity, DIRECT.equity)
        assert any("differ from the one before" in note for note in result.notes)

    def test_an_asset_that_a_wide_frame_does_not_name_is_not_held(self):
        result = ENGINE.run(PANEL, wide().drop("IBM"))
        assert result.positions["IBM"].to_list() == [0.0, 0.0, 0.0]

    def test_a_date_of_a_long_frame_says_the_whole_portfolio(self):
        rows = pl.DataFrame({"date": STAMPS[[20, 60]], "symbol": ["AAPL", "MSFT"], "weight": [0.5, 0.5]})
        result = ENGINE.run(PANEL, rows)
        assert (result.positions["AAPL"] > 0).to_list() == [True, False]
        assert any("do not name every asset" in note for note in result.metadata["notes"])
        kept = pl.concat(
            [rows, pl.DataFrame({"date": STAMPS[[60]], "symbol": ["AAPL"], "weight": [math.nan]})]
        )
        assert (ENGINE.run(PANEL, kept).positions["AAPL"] > 0).to_list() == [True, True]

    def test_a_rule(self):
        result = ENGINE.run(PANEL, Rule(), {"share": 0.1})
        assert (result.strategy_name, result.params) == ("own rule", {"share": 0.1})
        assert result.metadata["strategy"]["weights"] == {"share": 0.1}
        assert "said by the rule" in result.summary()
        assert result.stats["rebalances"] == 1

    def test_rows_outside_the_bars_are_passed_over_and_said(self):
        early = wide().with_columns(pl.col("date").dt.offset_by("-20y"))
        result = ENGINE.run(PANEL, pl.concat([early, wide()]))
        np.testing.assert_array_equal(result.equity, DIRECT.equity)
        assert any("3 of 6 rows passed over" in note for note in result.notes)


class TestRefused:
    @pytest.mark.parametrize(
        ("given", "says"),
        [
            (lambda: wide().rename({"IBM": "IBN"}), r"1 names are no assets.*'IBN'; did you mean 'IBM'"),
            (lambda: pl.concat([wide(), wide()]), "stands there more than once; expected one row a bar"),
            (lambda: pl.concat([long(), long()]), "more than one row at .*expected one; drop the duplicates"),
            (lambda: wide().with_columns(pl.col("date").dt.offset_by("1h")), "3 of 3 times are no bars.*join_asof"),
            (lambda: wide().with_columns(pl.col("date").dt.offset_by("-50y")), "no time is a bar; they run from"),
            (lambda: wide().drop("date"), "expected a column of times"),
            (lambda: wide().select("date"), "expected a column for each asset"),
            (lambda: wide().with_columns(IBM=pl.lit(math.inf)), "infinite for 'IBM' at bar 20"),
            (lambda: wide().with_columns(IBM=pl.lit("x")), "the weights"),
            (lambda: wide().with_columns(pl.col(NAMES) * 100), "got 100 in 3 of 3.*percentages: divide by 100"),
            (lambda: wide().with_columns(IBM=pl.lit(0.9)), r"at most 1 \(the leverage\); got 1.7.*over_invested"),
            (lambda: (np.array([3, 2]), WEIGHTS[:2]), "ascending numbers of the 250 bars"),
            (lambda: (np.array([3, 250]), WEIGHTS[:2]), "ascending numbers of the 250 bars"),
            (lambda: (np.array([3]), WEIGHTS), r"expected shape \(1, 4\), rows by assets; got \(3, 4\)"),
            (lambda: WEIGHTS, r"expected shape \(250, 4\)"),
        ],
    )  # fmt: skip
    def test_weights(self, given, says):
        with pytest.raises(DataError, match=says):
            ENGINE.run(PANEL, given())

    @pytest.mark.parametrize("what", ["ma_crossover", 3.0, None, object()])
    def test_what_is_no_portfolio(self, what):
        with pytest.raises(StrategyError, match="expected a frame of weights"):
            ENGINE.run(PANEL, what)

    def test_parameters_of_given_weights(self):
        with pytest.raises(StrategyError, match="expected none with given weights"):
            ENGINE.run(PANEL, wide(), {"top": 3})

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({"stops": Stops(stop_loss=0.1)}, "stops: expected the default for a portfolio"),
            ({"sizing": FixedUnits(3)}, "sizing: .*weights are the sizes"),
            ({"costs": Costs(rate=0.001, maker_rate=0.0)}, "costs.maker_rate"),
            ({"execution": Execution(both_hit="target_first")}, "execution.both_hit"),
            ({"portfolio": PortfolioRules(mark_at="open", fill_at="close")}, "mark_at.*expected fill_at"),
            ({"portfolio": PortfolioRules(max_group=0.5)}, "expected a panel with groups"),
            ({"portfolio": PortfolioRules(costs={"IBN": Costs()})}, "'IBN' is no asset.*did you mean 'IBM'"),
            ({"portfolio": PortfolioRules.bt(), "costs": Costs(fixed=1.0)}, "knows fees as a rate only"),
        ],
    )  # fmt: skip
    def test_settings_that_mean_nothing(self, settings, says):
        with pytest.raises(ConfigError, match=says):
            BacktestEngine(**settings).run(PANEL, PAIR)

    def test_rules(self):
        with pytest.raises(ConfigError, match=r"short_cash: expected 'scale'.*got 'skale'"):
            PortfolioRules(short_cash="skale")
        with pytest.raises(ConfigError, match="no such setting; did you mean 'max_gross'"):
            PortfolioRules(max_gros=1.0)
        with pytest.raises(ConfigError, match="round_lots"):
            PortfolioRules(round_lots="down")
        with pytest.raises(ConfigError, match=r"expected one of .*'A'"):
            PortfolioRules.rule("F")
        with pytest.raises(ConfigError, match="portfolio: expected PortfolioRules"):
            BacktestEngine(portfolio={"band": 0.1})

    def test_prices_at_or_below_zero(self):
        prices = {n: np.array([1.0, -1.0, 1.0]) for n in ("open", "high", "low", "close")}
        days = ["2024-01-02", "2024-01-03", "2024-01-04"]
        panel = Panel.from_frame({"A": {**prices, "timestamp": days}, "B": {**prices, "timestamp": days}})
        with pytest.raises(DataError, match=r"'A' has prices at or below zero.*panel.select"):
            ENGINE.run(panel, (np.array([0]), np.array([[0.5, 0.5]])))


class TestResult:
    def test_frames_belong_together(self):
        result = DIRECT
        assert result.orders.height == result.fills.height == 12
        assert result.orders["status"].to_list().count("cut") > 0
        assert result.trades.filter(pl.col("exit_reason") == "open").height == 4
        assert result.positions["bar"].to_list() == [21, 61, 121]
        total = result.contributions["contribution"].sum()
        assert total == pytest.approx(result.equity[-1] - 100_000.0, rel=1e-9)
        shares = result.weights.select(NAMES).sum_horizontal().to_numpy()
        np.testing.assert_allclose(shares, result.exposure["gross"].to_numpy()[[21, 61, 121]], rtol=1e-12)
        assert result.rebalances["factor"].is_between(0.9, 1.0).any()
        assert result.equity_curve.columns == ["timestamp", "equity", "cash"]
        assert result.drawdown["drawdown"].max() <= 0.0

    def test_statistics_are_those_of_the_curve(self):
        from peak_fast import metrics

        stats, equity = DIRECT.stats, DIRECT.equity
        returns = np.diff(equity, prepend=100_000.0) / np.concatenate([[100_000.0], equity[:-1]])
        assert stats["sharpe"] == pytest.approx(metrics.sharpe(returns, periods_per_year=252), rel=1e-9)
        assert stats["max_drawdown"] == pytest.approx(metrics.max_drawdown(returns), rel=1e-9)
        assert stats["final_equity"] == equity[-1]
        assert stats["total_trades"] == DIRECT.trades.height
        assert stats["total_fees"] == pytest.approx(DIRECT.fills["fee"].sum(), rel=1e-12)
        exposure = DIRECT.exposure
        assert stats["average_holdings"] == pytest.approx(exposure["holdings"].mean())
        assert stats["largest_weight"] == pytest.approx(exposure["largest"].max())

    def test_it_says_how_it_came_to_be(self):
        data = DIRECT.metadata
        assert data["fill_rule"] == "next bar's open after the deciding close"
        assert data["settings"]["portfolio"]["short_cash"] == "scale"
        assert data["data"]["hash"] == PANEL.hash
        assert DIRECT.to_dict()["metadata"]["hash"] == DIRECT.hash == ENGINE.run(PANEL, wide()).hash
        other = BacktestEngine(costs=Costs(rate=0.002)).run(PANEL, PAIR)
        assert other.hash != DIRECT.hash
        closes = BacktestEngine(execution=Execution(fill_at="close")).run(PANEL, PAIR)
        assert "assumes the close is known" in closes.summary()

    def test_it_is_shown(self):
        assert "PortfolioResult('weights' on 'panel', 4 assets, 250 bars" in repr(DIRECT)
        assert "Turnover a year" in DIRECT.summary()
        assert "<table>" in DIRECT._repr_html_()
        with pytest.raises(AttributeError, match="immutable"):
            DIRECT.symbol = "x"
        with pytest.raises(ConfigError, match="did you mean 'sharpe'"):
            DIRECT.stats["sharp"]
        with pytest.raises(ConfigError, match="did you mean 'contribution'"):
            DIRECT.contributions["contributio"]

    def test_pandas(self):
        pytest.importorskip("pandas")
        pytest.importorskip("pyarrow")
        assert DIRECT.to_pandas()["orders"].shape == DIRECT.orders.shape


def job():
    root = Path(os.environ.get("PEAK_FAST_ORACLES", "../shared"))
    path = (root if root.is_absolute() else ROOT / root) / "portfolio_job.py"
    if not path.exists():
        pytest.skip(f"no {path}")
    return runpy.run_path(str(path))


def test_five_rules_on_five_hundred_assets():
    """Final equities that a bare loop computed for the same rules, on seeded walks, with 109 rebalances."""
    script = job()
    prices = script["p1"]()
    days = script["days"]().astype("M8[us]")
    panel = Panel.from_frame(script["long_frame"](days, prices))
    bars, weights = script["targets"](prices[3])
    finals = {"A": 2_566_101.7001887844, "B": 2_574_308, "C": 2_535_871, "D": 2_547_930, "E": 2_618_765}
    for name, final in finals.items():
        engine = BacktestEngine(
            initial_cash=1e6, costs=Costs(rate=0.001), portfolio=PortfolioRules.rule(name)
        )
        equity = engine.run(panel, (bars, weights)).equity[-1]
        assert equity == pytest.approx(final, rel=1e-9 if name == "A" else 2e-7), name
    plain = BacktestEngine(initial_cash=1e6, costs=Costs(rate=0.001)).run(panel, (bars, weights))
    assert plain.equity[-1] == pytest.approx(finals["A"], rel=1e-9)
