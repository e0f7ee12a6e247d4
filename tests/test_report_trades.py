"""The trade summary matches sums done by hand and its JSON schema."""

import json
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import BacktestEngine, Costs
from peak_fast.report import dump_json, trades_summary
from peak_fast.report.trades import trade_columns
from peak_fast.settings.order_rules import OrderRules
from tests.conftest import ROOT
from tests.report_fakes import DAY_US, START_US, fake_result, trade_table

FOUR_TRADES = {
    "side": ["long", "short", "long", "short"],
    "entry_bar": [0, 3, 5, 9],
    "exit_bar": [2, 4, 8, 10],
    "size": [10.0, 10.0, 10.0, 10.0],
    "net_pnl": [100.0, -50.0, 30.0, -20.0],
    "gross_pnl": [101.0, -49.0, 31.0, -19.0],
    "fees": [1.0, 1.0, 1.0, 1.0],
    "slippage": [0.5, 0.5, 0.5, 0.5],
    "return": [0.10, -0.05, 0.03, -0.02],
    "mae": [-0.01, -0.06, -0.02, -0.03],
    "mfe": [0.12, 0.01, 0.04, 0.01],
    "exit_reason": ["signal", "stop_loss", "signal", "signal"],
}


class TestTradesSummary:
    def test_by_hand(self):
        summary = trades_summary(FOUR_TRADES)
        assert summary["counts"] == {
            "total": 4,
            "closed": 4,
            "winning": 2,
            "losing": 2,
            "breakeven": 0,
            "long": 2,
            "short": 2,
            "open": 0,
        }
        assert summary["win_rate"] == 0.5
        assert summary["profit_factor"] == pytest.approx(130.0 / 70.0)
        assert summary["expectancy"] == 15.0
        assert summary["payoff_ratio"] == pytest.approx(65.0 / 35.0)
        assert summary["totals"] == {"net_pnl": 60.0, "gross_pnl": 64.0, "fees": 4.0, "slippage": 2.0} | {
            "financing": 0.0,
            "open_net_pnl": 0.0,
        }
        assert summary["net_pnl"]["quantiles"]["p50"] == 5.0
        assert summary["net_pnl"]["std"] == pytest.approx(math.sqrt((85**2 + 65**2 + 15**2 + 35**2) / 3))
        assert summary["by_side"]["long"]["net_pnl"] == 130.0
        assert summary["by_side"]["long"]["profit_factor"] is None
        assert summary["by_side"]["short"]["win_rate"] == 0.0
        assert summary["by_exit_reason"]["stop_loss"]["count"] == 1
        assert summary["by_exit_reason"]["signal"]["net_pnl"] == 110.0
        assert summary["holding"]["mean_bars"] == 1.75
        assert summary["excursions"] == {"mean_mae": pytest.approx(-0.03), "mean_mfe": pytest.approx(0.045)}
        assert summary["streaks"] == {"longest_winning": 1, "longest_losing": 1, "current": -1}
        assert summary["best"]["net_pnl"] == 100.0 and summary["best"]["side"] == "long"
        assert summary["worst"]["exit_reason"] == "stop_loss"

    def test_streaks_by_hand(self):
        profit = [1.0, 2.0, 3.0, -1.0, -1.0, 0.0, 4.0, 5.0]
        streaks = trades_summary({"net_pnl": profit})["streaks"]
        assert streaks == {"longest_winning": 3, "longest_losing": 2, "current": 2}

    @pytest.mark.parametrize("form", ["polars", "pandas", "structured", "dict", "rows"])
    def test_every_form_of_trades_gives_the_same_summary(self, form):
        frame = trade_table(500, 25)
        if form == "polars":
            trades = frame
        elif form == "pandas":
            trades = pytest.importorskip("pandas").DataFrame(frame.to_dict(as_series=False))
        elif form == "dict":
            trades = frame.to_dict(as_series=False)
        elif form == "rows":
            trades = frame.to_dicts()
        else:
            columns = frame.with_columns(pl.col("entry_time", "exit_time").dt.timestamp("us")).to_dict(
                as_series=False
            )
            kinds = [
                (name, "U12" if isinstance(values[0], str) else np.asarray(values).dtype)
                for name, values in columns.items()
            ]
            trades = np.array(list(zip(*columns.values(), strict=True)), dtype=kinds)
        assert trades_summary(trades) == trades_summary(frame)

    def test_times_with_zone_become_utc(self):
        frame = trade_table(50, 3).with_columns(
            pl.col("entry_time", "exit_time").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
        )
        rows = frame.to_dicts()
        assert (
            trade_columns(rows)["entry_time"].tolist()
            == trade_columns(trade_table(50, 3))["entry_time"].tolist()
        )
        assert (
            trade_columns(frame)["entry_time"].tolist()
            == trade_columns(trade_table(50, 3))["entry_time"].tolist()
        )

    def test_numeric_sides_and_bar_times(self):
        trades = {"side": [1, -1], "entry_bar": [0, 1], "exit_bar": [1, -1], "net_pnl": [1.0, np.nan]}
        summary = trades_summary(trades, time_us=[START_US, START_US + DAY_US])
        assert [t["side"] for t in summary["first"]] == ["long", "short"]
        assert summary["first"][0]["entry_time"] == "2015-01-02T00:00:00Z"
        assert summary["first"][0]["exit_time"] == "2015-01-03T00:00:00Z"
        assert summary["first"][1]["exit_time"] is None
        assert summary["first"][1]["net_pnl"] is None
        assert summary["counts"]["open"] == 1

    def test_kernel_records_with_numbered_reasons(self):
        kinds = [(name, "f8") for name in ("side", "entry_bar", "exit_bar", "net_pnl", "exit_reason")]
        records = np.array([(1, 0, 2, 5.0, 0), (-1, 3, 4, -2.0, 1), (1, 5, 9, 1.0, 6)], dtype=kinds)
        summary = trades_summary(records)
        assert [t["exit_reason"] for t in summary["first"]] == ["signal", "stop_loss", "open"]
        assert [t["side"] for t in summary["first"]] == ["long", "short", "long"]
        assert summary["counts"]["open"] == 1
        assert summary["win_rate"] == 0.5 and summary["expectancy"] == 1.5

    def test_figures_are_those_of_the_result(self):
        """One definition of each figure: a trade that is still open is in none but the sums."""
        rng = np.random.default_rng(11)
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, 300)))
        bars = dict.fromkeys(("open", "high", "low", "close"), close)
        targets = np.repeat(rng.choice([-1.0, 0.0, 1.0], 30), 10)
        targets[-10:] = 1.0
        for book in (None, OrderRules(borrow_short=0.1)):
            result = BacktestEngine(costs=Costs(rate=0.001), order_book=book).run(bars, targets)
            stats, summary = result.stats, trades_summary(result.trades, result.stats)
            counts = summary["counts"]
            assert counts["open"] == 1 and counts["closed"] > 5
            assert (counts["total"], counts["closed"]) == (stats["total_trades"], stats["closed_trades"])
            for name in ("win_rate", "profit_factor", "expectancy"):
                assert summary[name] == pytest.approx(stats[name], rel=1e-12)
            assert summary["return"]["mean"] == pytest.approx(stats["average_trade_return"], rel=1e-12)
            assert summary["totals"]["fees"] == pytest.approx(stats["total_fees"])
            assert summary["totals"]["slippage"] == pytest.approx(stats["total_slippage"])
            assert summary["totals"]["financing"] == pytest.approx(stats["total_interest"])
            assert summary["totals"]["net_pnl"] == pytest.approx(
                stats["final_equity"] - stats["initial_cash"]
            )
            assert "open" not in summary["by_exit_reason"]
            assert summary["last"][-1]["exit_reason"] == "open"
            conforms(json.loads(dump_json(summary)), schema())

    def test_only_an_open_trade(self):
        summary = trades_summary({"net_pnl": [5.0], "exit_reason": ["open"], "side": ["long"]})
        assert summary["counts"]["closed"] == 0 and summary["counts"]["open"] == 1
        assert summary["win_rate"] is None and summary["best"] is None
        assert summary["totals"]["open_net_pnl"] == summary["totals"]["net_pnl"] == 5.0
        conforms(json.loads(dump_json(summary)), schema())

    def test_no_trades(self):
        summary = trades_summary(None, {"sharpe": float("nan")})
        assert summary["counts"]["total"] == 0
        assert summary["win_rate"] is None and summary["best"] is None and summary["first"] == []
        assert summary["stats"] == {"sharpe": None}
        conforms(summary, schema())

    def test_listed_trades_are_the_first_and_the_last(self):
        summary = trades_summary(trade_table(500, 25), listed=4)
        assert [t["trade_id"] for t in summary["first"]] == [0, 1, 2, 3]
        assert [t["trade_id"] for t in summary["last"]] == [21, 22, 23, 24]

    @given(st.lists(st.floats(-1e6, 1e6), max_size=40))
    def test_counts_and_totals_add_up(self, profits):
        summary = trades_summary({"net_pnl": profits, "side": [1] * len(profits)})
        counts = summary["counts"]
        assert counts["winning"] + counts["losing"] + counts["breakeven"] == counts["total"] == len(profits)
        assert summary["totals"]["net_pnl"] == pytest.approx(math.fsum(profits), abs=1e-6)
        conforms(json.loads(dump_json(summary)), schema())

    def test_wrong_forms_say_what_was_expected(self):
        with pytest.raises(TypeError, match="structured array"):
            trades_summary(np.zeros(3))
        with pytest.raises(TypeError, match="got int"):
            trades_summary(7)


def schema():
    return json.loads((ROOT / "docs" / "trades_summary.schema.json").read_text())


TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def conforms(value, rule, root=None, path="$"):
    """Check ``value`` against the keywords of JSON Schema that our schema uses."""
    root = root or rule
    known = {
        "$schema", "title", "description", "type", "additionalProperties", "required", "properties", "$defs",
        "$ref", "const", "enum", "minimum", "items", "anyOf",
    }  # fmt: skip
    assert set(rule) <= known, f"{path}: the checker does not know {set(rule) - known}"
    if "$ref" in rule:
        conforms(value, root["$defs"][rule["$ref"].rsplit("/", 1)[1]], root, path)
    if "anyOf" in rule:
        failures = []
        for choice in rule["anyOf"]:
            try:
                conforms(value, choice, root, path)
                break
            except AssertionError as error:
                failures.append(error)
        else:
            raise failures[0]
    if "const" in rule:
        assert value == rule["const"], path
    if "enum" in rule:
        assert value in rule["enum"], path
    if "type" in rule:
        kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        assert any(isinstance(value, TYPES[k]) and not isinstance(value, bool) for k in kinds), (
            f"{path}: {value!r}"
        )
    if "minimum" in rule:
        assert value >= rule["minimum"], path
    if isinstance(value, dict):
        properties, extra = rule.get("properties", {}), rule.get("additionalProperties", True)
        assert set(rule.get("required", ())) <= set(value), (
            f"{path}: {set(rule['required']) - set(value)} missing"
        )
        for key, item in value.items():
            assert key in properties or extra is not False, f"{path}.{key} is not in the schema"
            if key in properties or isinstance(extra, dict):
                conforms(item, properties.get(key, extra), root, f"{path}.{key}")
    if isinstance(value, list) and "items" in rule:
        for i, item in enumerate(value):
            conforms(item, rule["items"], root, f"{path}[{i}]")


class TestSchema:
    def test_summary_conforms(self):
        conforms(json.loads(dump_json(trades_summary(trade_table(500, 25), fake_result().stats))), schema())

    def test_checker_refuses_what_is_wrong(self):
        summary = trades_summary(trade_table(500, 25))
        for change in ({"win_rate": "half"}, {"extra": 1}, {"schema_version": 1}):
            with pytest.raises(AssertionError):
                conforms({**summary, **change}, schema())
        summary.pop("streaks")
        with pytest.raises(AssertionError):
            conforms(summary, schema())
