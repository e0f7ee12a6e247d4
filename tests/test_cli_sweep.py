"""``peak-fast sweep``: tables, stores, pictures, settings files."""

import polars as pl
import pytest

from peak_fast import Sweep, load
from tests.cli_fixtures import check_wrong


class TestSweep:
    def test_table_store_and_picture(self, command, prices, tmp_path):
        arguments = (
            "sweep", "--data", str(prices), "--strategy", "ma_crossover", "--grid", "fast=5:20:5",
            "--grid", "slow=30,40", "--metric", "sharpe", "--metric", "total_return", "--top", "3",
            "--by", "total_return", "--store", "store", "--heatmap", "map.png", "--threads", "2", "--memory", "1GB",
        )  # fmt: skip
        code, out, err = command(*arguments)
        assert code == 0, err
        assert "heatmap written to map.png" in out
        assert (tmp_path / "map.png").read_bytes()[:4] == b"\x89PNG"
        assert len(pl.read_parquet(tmp_path / "store" / "part-*.parquet")) == 8
        again = command(*arguments)
        assert again[0] == 0 and again[1] == out
        code, _, err = command(*arguments[:-4], "--metric", "sqn")
        assert code == 2 and "changed: metrics" in err
        code, _, err = command(*arguments, "--metric", "sqn", "--restart")
        assert code == 0

    def test_without_a_grid_it_sweeps_the_schema(self, command, prices, monkeypatch):
        code, out, _ = command(
            "sweep",
            "--data",
            str(prices),
            "--strategy",
            "buy_and_hold",
            "--grid",
            "fee_bps=0:10:5",
            "--top",
            "2",
        )
        assert code == 0 and "fee_bps" in out

    def test_constraint(self, command, prices):
        code, out, _ = command(
            "sweep", "--data", str(prices), "--strategy", "ma_crossover", "--grid", "fast=5:9", "--grid", "slow=6:10",
            "--constraint", "slow - fast > 4", "--top", "30",
        )  # fmt: skip
        assert code == 0 and "1 configuration" in out


FILE = """
initial_cash = 5000
[sweep]
strategy = "ma_crossover"
metrics = ["total_return", "final_equity"]
constraint = ["fast < slow", "slow > 9"]
[sweep.grid]
fast = "5:15:5"
slow = [9, 20, 40]
stop_loss = "none,0.05"
allow_short = true
"""


class TestSettingsFile:
    """The table [sweep] of --config."""

    @pytest.fixture
    def sweep(self, command, prices, tmp_path):
        (tmp_path / "sweep.toml").write_text(FILE)

        def call(*options):
            outcome = command(
                "sweep", "--data", str(prices), "--config", "sweep.toml", "--store", "s", *options
            )
            return outcome, pl.read_parquet(tmp_path / "s" / "part-*.parquet") if not outcome[0] else None

        return call

    def test_it_is_the_sweep_in_python(self, sweep):
        (code, _, err), table = sweep()
        grid = {"fast": [5, 10, 15], "slow": [9, 20, 40], "stop_loss": [None, 0.05], "allow_short": [True]}
        expected = Sweep(
            "ma_crossover", grid, load("prices.parquet"), initial_cash=5000.0,
            constraint=["fast < slow", "slow > 9"], metrics=["total_return", "final_equity"],
        ).run(progress=False)  # fmt: skip
        assert code == 0, err
        assert table.equals(expected.frame) and table.height == 12

    def test_options_come_first(self, sweep):
        (code, _, err), table = sweep(
            "--grid",
            "slow=50",
            "--metric",
            "sharpe",
            "--constraint",
            "fast > 5",
            "--strategy",
            "ema_crossover",
        )
        assert code == 0, err
        assert table["slow"].unique().to_list() == [50] and sorted(table["fast"].unique()) == [10, 15]
        assert table.columns == ["config", "fast", "slow", "stop_loss", "allow_short", "sharpe"]

    def test_the_other_commands_take_the_same_file(self, command, prices, tmp_path):
        (tmp_path / "sweep.toml").write_text(FILE)
        code, out, err = command(
            "run", "--data", str(prices), "--strategy", "momentum", "--config", "sweep.toml"
        )
        assert code == 0 and "momentum on prices" in out, err

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("", "--strategy: expected a strategy; got none; name one, or write strategy under [sweep]"),
            ("[sweep]\nstrategi = 'macd'", "SweepTable.strategi: no such setting; did you mean 'strategy'"),
            ("[sweep]\nmetrics = 'sharpe'", "SweepTable.metrics: expected"),
            (
                "[sweep]\nstrategy = 'momentum'\n[sweep.grid.period]\na = 1",
                "[sweep.grid] period: expected values",
            ),
            (
                "[sweep]\nstrategy = 'momentum'\n[sweep.grid]\nperiod = '9:3'",
                "--grid period: expected start <= stop",
            ),
            ("[sweep]\nstrategy = 'momentum'\n[sweep.grid]\nperid = 9", "did you mean 'period'"),
        ],
    )
    def test_wrong_tables(self, command, prices, tmp_path, text, word):
        (tmp_path / "wrong.toml").write_text(text)
        check_wrong(command("sweep", "--data", str(prices), "--config", "wrong.toml"), word)


class TestEmptyValues:
    """As a path, an empty text would be the folder one is in."""

    @pytest.mark.parametrize("arguments", [("--store", ""), ("--store=",), ("--out", "")])
    def test_they_are_refused(self, command, prices, arguments, tmp_path):
        before = set(tmp_path.iterdir())
        code, _, err = command("sweep", "--data", str(prices), "--strategy", "momentum", *arguments)
        assert code == 2 and "expected a value; got an empty text; leave the option out" in err
        assert arguments[0] in err
        assert set(tmp_path.iterdir()) == before
