"""Text, HTML and the three artifacts of a backtest; what importing reports loads."""

import io
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from peak_fast.errors import ConfigError
from peak_fast.report import (
    dump_json,
    json_safe,
    payload_of,
    render_artifacts,
    report_text,
    trades_summary,
)
from peak_fast.report.text import warnings_of
from tests.report_fakes import fake_result

pytest.importorskip("PIL")
from PIL import Image


class TestText:
    def test_every_setting_and_figure_is_there(self):
        result = fake_result()
        text = report_text(result.stats, result.metadata, trades_summary(result.trades, result.stats))
        for part in (
            "fast",
            "slow",
            "execution.both_hit",
            "stop_first",
            "costs.rate",
            "0.0005",
            "stops.stop_loss",
        ):
            assert part in text
        for part in ("next_open", "AAPL", "9f2c", "abc123", "some_new_figure", "Sharpe ratio", "0.830"):
            assert part in text
        assert "Sortino ratio                  n/a" in text
        assert "Calmar ratio                   inf" in text
        assert text.endswith("\n") and max(map(len, text.splitlines())) <= 110

    def test_every_scalar_of_stats_is_shown(self):
        stats = dict.fromkeys(("sharpe", "made_up", "total_fees", "win_rate"), 7.25) | {"start": "2020-01-01"}
        text = report_text(stats, {})
        assert "made_up" in text and "2020-01-01" in text and text.count("7.25") == 3 and "725.00%" in text

    def test_warnings(self):
        notes = warnings_of(
            {"ambiguous_bars": 3, "rejected_orders": 2, "blocked_trades": 0, "total_trades": 0},
            {"settings": {"execution": {"fill_at": "close"}}, "warnings": ["short history"]},
        )
        assert [n.split()[0] for n in notes] == ["3", "2", "fills", "no", "short"]
        assert warnings_of({"ambiguous_bars": float("nan"), "total_trades": 5}, {}) == []
        assert len(warnings_of({"blocked_trades": 4}, {})) == 1
        assert len(warnings_of({"blocked_trades": 4, "rejected_orders": 4}, {})) == 1
        assert len(warnings_of({}, {"data": {"bars_without_prices": 2}})) == 1
        assert len(warnings_of({}, {"fill_rule": "same bar's close as the decision"})) == 1
        assert warnings_of({}, {"fill_rule": "next bar's open after the deciding close"}) == []

    def test_numpy_scalars_and_empty_input(self):
        assert "1,234.50" in report_text({"final_equity": np.float64(1234.5)}, {})
        assert report_text({}, {}).startswith("=" * 78)


class TestPlain:
    def test_json_safe(self):
        value = {
            "a": np.float64("nan"),
            2: np.array([1, 2]),
            "c": {3, 1},
            "d": np.datetime64("NaT"),
            "e": -math.inf,
        }
        assert json_safe(value) == {"a": None, "2": [1, 2], "c": [1, 3], "d": None, "e": None}

    def test_dump_is_strict_json_and_round_trips(self):
        value = {"x": float("nan"), "rows": [{"a": 1}, {"a": 2}], "none": [], "text": "é\n"}
        assert json.loads(dump_json(value), parse_constant=pytest.fail) == {**value, "x": None}


class TestArtifactsOfAPayload:
    def test_three_files(self):
        files = render_artifacts(fake_result())
        assert sorted(files) == [
            "plots/equity_curve.png",
            "reports/backtest_report.txt",
            "reports/trades_summary.json",
        ]
        assert Image.open(io.BytesIO(files["plots/equity_curve.png"])).size == (1000, 580)
        assert json.loads(files["reports/trades_summary.json"])["counts"]["total"] == 40
        assert files["reports/backtest_report.txt"].decode().count("sma_cross") >= 1
        assert sum(map(len, files.values())) < 100_000

    def test_result_and_payload_agree(self):
        result = fake_result()
        assert render_artifacts(result) == render_artifacts(payload_of(result))

    def test_plain_lists_as_they_come_from_json_are_enough(self):
        result = fake_result(300, 5)
        payload = {
            "time_us": result.bars.time_us.tolist(),
            "equity": result.equity.tolist(),
            "close": result.bars.close.tolist(),
            "trades": result.trades.to_dicts(),
            "stats": json_safe(result.stats),
            "metadata": json_safe(result.metadata),
        }
        assert (
            render_artifacts(payload)["plots/equity_curve.png"]
            == render_artifacts(result)["plots/equity_curve.png"]
        )

    def test_wrong_source(self):
        with pytest.raises(ConfigError, match="BacktestResult"):
            render_artifacts(5)
        with pytest.raises(ConfigError, match="'equity'"):
            render_artifacts({"close": [1.0]})


def modules_after(code):
    """Names of modules loaded in a fresh interpreter after ``code``."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.split())


class TestImports:
    def test_lean_rendering_needs_no_heavy_package(self):
        loaded = modules_after(
            "from peak_fast.report import render_artifacts; render_artifacts({'equity': [1.0, 2.0]})"
        )
        assert not loaded & {
            "matplotlib",
            "polars",
            "pandas",
            "numba",
            "mlflow",
            "pydantic",
            "peak_fast.engine.engine",
        }

    def test_matplotlib_rendering_leaves_pyplot_alone(self):
        code = (
            "from peak_fast.report import render_equity_png as render\n"
            "render(None, [1.0, 2.0], engine='matplotlib')"
        )
        assert "matplotlib.pyplot" not in modules_after(code)
