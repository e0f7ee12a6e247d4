"""The command line: every command and what it prints."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from peak_fast import BacktestEngine, BacktestResult, Costs, sample, synthetic
from peak_fast.cli.strategy import load_strategy
from peak_fast.cli.values import parse_grid, parse_params, parse_value
from peak_fast.errors import ConfigError
from peak_fast.settings.order_rules import OrderRules
from peak_fast.strategies.builtin import NAMES
from peak_kernels.entries import ENTRIES

ROOT = Path(__file__).resolve().parent.parent


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("20", 20),
            ("-3", -3),
            ("0.5", 0.5),
            ("1e-3", 0.001),
            ("true", True),
            ("False", False),
            ("none", None),
            ("ema", "ema"),
        ],
    )
    def test_values(self, text, value):
        found = parse_value(text)
        assert found == value and type(found) is type(value)

    def test_params(self):
        assert parse_params(["fast=20", " slow = 50", "kind=a=b"]) == {"fast": 20, "slow": 50, "kind": "a=b"}
        assert parse_params([]) == {}

    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("x=5:8", [5, 6, 7, 8]),
            ("x=5:20:5", [5, 10, 15, 20]),
            ("x=5:21:5", [5, 10, 15, 20]),
            ("x=0.1:0.3:0.1", [0.1, 0.2, 0.3]),
            ("x=0:1:0.25", [0, 0.25, 0.5, 0.75, 1.0]),
            ("x=0.01:0.07:0.02", [0.01, 0.03, 0.05, 0.07]),
            ("x=3:3", [3]),
            ("x=20,50, 80", [20, 50, 80]),
            ("x=none,0.02", [None, 0.02]),
            ("x=true,false", [True, False]),
            ("x=sma,ema", ["sma", "ema"]),
            ("x=7", [7]),
        ],
    )
    def test_grids(self, text, values):
        assert parse_grid([text]) == {"x": values}

    def test_whole_steps_stay_whole_numbers(self):
        assert [type(value) for value in parse_grid(["x=5:15:5"])["x"]] == [int] * 3

    @pytest.mark.parametrize("text", ["x", "=5", "x=", "x=1:2:3:4", "x=a:b", "x=5:1", "x=1:5:0", "x=1:5:-1",
                                      "x=1:inf", "x=nan:2", "x=0:1:nan", "x=true:5",
                                      "x=0:1e12", "x=2:9:1e-300"])  # fmt: skip
    def test_wrong_grids(self, text):
        with pytest.raises(ConfigError, match="--grid"):
            parse_grid([text])

    def test_a_name_twice_is_refused(self):
        with pytest.raises(ConfigError, match="--param: expected each name once; got 'fast' twice"):
            parse_params(["fast=2", "fast=3"])
        with pytest.raises(ConfigError, match="--grid: expected each name once; got 'fast' twice"):
            parse_grid(["fast=2:9", "fast=3"])

    @pytest.mark.parametrize("text", ["fast", "=3", "fast="])
    def test_wrong_params(self, text):
        with pytest.raises(ConfigError, match="--param: expected name=value"):
            parse_params([text])


class TestRun:
    def test_on_a_file(self, command, prices):
        code, out, err = command(
            "run",
            "--data",
            str(prices),
            "--strategy",
            "ma_crossover",
            "--param",
            "fast=5",
            "--param",
            "slow=20",
        )
        expected = BacktestEngine().run(synthetic(400, seed=3), "ma_crossover", {"fast": 5, "slow": 20})
        assert code == 0 and err == ""
        assert "ma_crossover on prices" in out
        assert f"{expected.stats['final_equity']:,.2f}" in out

    def test_on_a_packaged_symbol_with_settings(self, command, tmp_path):
        (tmp_path / "s.toml").write_text("initial_cash = 5000\n[costs]\nrate = 0.002\n")
        code, out, _ = command(
            "run", "--data", "IBM", "--strategy", "momentum", "--config", "s.toml", "--out", "result"
        )
        assert code == 0
        assert "result written to result" in out
        loaded = BacktestResult.load(tmp_path / "result")
        expected = BacktestEngine(initial_cash=5000, costs=Costs(rate=0.002)).run(sample("IBM"), "momentum")
        assert loaded.hash == expected.hash
        assert loaded.metadata["settings"]["costs"]["rate"] == 0.002

    def test_csv_and_query(self, command, prices, tmp_path):
        pytest.importorskip("duckdb")
        pl.read_parquet(prices).write_csv(tmp_path / "prices.csv")
        outputs = []
        for data in ("prices.csv", f"duckdb:SELECT * FROM '{prices}'"):
            code, out, err = command("run", "--data", data, "--strategy", "macd")
            assert code == 0, err
            outputs.append(next(line for line in out.splitlines() if "Final equity" in line).split()[-1])
        assert outputs[0] == outputs[1]


OWN = """
from peak_fast import Param, RuleStrategy, strategy
from peak_fast.orders.block import BUY, CLOSE, FRACTION, POSITION, place_limit
from helper import SIZE


@strategy(schema=(Param("below", "float", 0.01, low=0.0, high=0.2),))
def dips(i, bars, params, memory, account, orders):
    if account[POSITION] == 0.0 and i % 4 == 0:
        place_limit(orders, BUY, SIZE, bars[CLOSE, i] * (1.0 - params[0]), valid_until=i + 3, take_profit=0.05,
                    exit_unit=FRACTION)
"""


OTHER = """

@strategy(name="by_sides")
def sides(df, params):
    return (df["close"] > df["close"].mean()).cast(int)
"""


class TestStrategyFiles:
    @pytest.fixture
    def own(self, tmp_path, monkeypatch):
        from peak_fast.strategies import registry as _strategy

        monkeypatch.setattr(_strategy, "_registry", {})
        monkeypatch.delitem(sys.modules, "helper", raising=False)
        (tmp_path / "helper.py").write_text("SIZE = 25.0\n")
        (tmp_path / "own.py").write_text(OWN)
        return tmp_path / "own.py"

    def test_a_block_that_places_orders_with_a_book(self, command, prices, own, tmp_path):
        (tmp_path / "s.toml").write_text("[order_book]\nlatency = 1\nfee_rate = 0.001\n")
        code, out, err = command(
            "run", "--data", str(prices), "--strategy", "own.py", "--param", "below=0.005", "--config", "s.toml",
            "--out", "result",
        )  # fmt: skip
        assert code == 0, err
        assert "dips on prices" in out
        loaded = BacktestResult.load(tmp_path / "result")
        assert loaded.stats["closed_trades"] > 3 and set(loaded.fills["size"]) == {25.0}
        assert loaded.metadata["settings"]["order_book"]["rules"] == {"latency": 1, "fee_rate": 0.001}
        assert loaded.metadata["strategy"]["params"] == {"below": 0.005}

    def test_one_of_several(self, command, prices, own):
        own.write_text(OWN + OTHER)
        for name in ("sides", "by_sides"):
            code, out, err = command("run", "--data", str(prices), "--strategy", f"own.py:{name}")
            assert code == 0 and "by_sides on prices" in out, err
        code, out, err = command(
            "sweep", "--data", str(prices), "--strategy", "own.py:sides", "--grid", "fee_bps=1,2"
        )
        assert code == 0, err
        code, _, err = command("run", "--data", str(prices), "--strategy", "own.py")
        assert code == 2 and "several strategies; expected one of own.py:dips, own.py:sides" in err
        code, _, err = command("run", "--data", str(prices), "--strategy", "own.py:side")
        assert code == 2 and "did you mean 'sides'" in err

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (None, "expected a Python file; got 'own.py', which is not there"),
            ("x = 1\n", "'own.py' defines no strategy; expected a function with the decorator"),
            ("def up(df, params): ...\n", "or a RuleStrategy; write @strategy() above 'def up'"),
            ("\ny = 1 / 0\n", "'own.py' could not be run: ZeroDivisionError in line 2: division by zero"),
            ("def f(:\n", "could not be run: SyntaxError in line 1"),
            (
                "from peak_fast import strategy\n@strategy\ndef f(a): pass\n",
                "strategy 'f': expected a function of",
            ),
        ],
    )
    def test_files_that_hold_none(self, command, prices, own, text, message):
        own.unlink()
        if text is not None:
            own.write_text(text)
        code, _, err = command("run", "--data", str(prices), "--strategy", "own.py")
        assert code == 2 and message in err and err.count("\n") == 1

    def test_sweep_and_study_with_a_book(self, command, prices, own, tmp_path):
        (tmp_path / "s.toml").write_text("[order_book]\nlatency = 1\nfee_rate = 0.001\n")
        code, _, err = command(
            "sweep", "--data", str(prices), "--strategy", "own.py", "--grid", "below=0.005,0.01", "--config", "s.toml",
            "--store", "store", "--metric", "final_equity",
        )  # fmt: skip
        assert code == 0, err
        rows = pl.read_parquet(tmp_path / "store" / "part-*.parquet")
        engine = BacktestEngine(order_book=OrderRules(latency=1, fee_rate=0.001))
        item = load_strategy(str(own))
        for below, final in rows.select("below", "final_equity").rows():
            assert engine.run(synthetic(400, seed=3), item, {"below": below}).equity[-1] == final
        code, _, err = command(
            "optimize", "--data", str(prices), "--strategy", "own.py", "--objective", "final_equity:max",
            "--trials", "6", "--seed", "1", "--config", "s.toml", "--out", "found",
        )  # fmt: skip
        assert code == 0, err
        trials = pl.read_parquet(tmp_path / "found" / "trials.parquet")
        values = trials.select("below", "objective_final_equity").rows()
        for below, final in values[:2]:
            assert engine.run(synthetic(400, seed=3), item, {"below": below}).equity[-1] == final


class TestOthers:
    def test_doctor(self, command):
        import peak_fast

        code, out, _ = command("doctor")
        assert code == 0
        for word in (peak_fast.__version__, "numba", "kernel cache", "threads", "Python"):
            assert word in out

    def test_warmup(self, command):
        code, out, _ = command("warmup")
        assert code == 0
        assert [line.split()[3] for line in out.splitlines()][: len(NAMES)] == list(NAMES)
        code, out, _ = command("doctor")
        assert f"{len(ENTRIES)} of {len(ENTRIES)} entries load without numba" in out

    def test_help_names_every_command(self, command):
        code, out, _ = command("--help")
        assert code == 0
        for name in ("run", "sweep", "demo", "warmup", "doctor", "sync", "bench"):
            assert name in out

    def test_demo(self, command, tmp_path, monkeypatch):
        import importlib.util

        found = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name == "mlflow" else found(name)
        )
        code, out, err = command("demo", "--out", "shown")
        assert code == 0, err
        assert "ma_crossover on AAPL" in out
        assert "configurations of 3," in out
        assert "MLflow is not installed" in out
        assert (tmp_path / "shown" / "heatmap.png").exists()
        count = next(line for line in out.splitlines() if "configurations of" in line).split()[0]
        assert int(count.replace(",", "")) >= 10_000

    def test_config_for_a_tracker_that_is_off(self, command, prices, tmp_path):
        (tmp_path / "s.toml").write_text('[tracking]\nenabled = false\nbackend = "mlflow"\n')
        code, _, err = command("run", "--data", str(prices), "--strategy", "momentum", "--config", "s.toml")
        assert code == 0, err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["prices.parquet", "s.toml"]


def process(*arguments, folder, **options):
    return subprocess.run(
        [sys.executable, "-m", "peak_fast", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def test_as_a_process(tmp_path):
    done = process("run", "--data", "AAPL", "--strategy", "ma_crossover", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Final equity" in done.stdout
    failed = process("run", "--data", "AAPL", "--strategy", "nothing", folder=tmp_path)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.count("\n") == 1 and failed.stderr.startswith("peak-fast: no strategy 'nothing'")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="SIGINT to another process is POSIX")
def test_ctrl_c_says_how_to_go_on(tmp_path):
    synthetic(20_000, seed=1, freq="1h").to_polars().write_parquet(tmp_path / "p.parquet")
    sweep = subprocess.Popen(
        [
            sys.executable, "-m", "peak_fast", "sweep", "--data", "p.parquet", "--strategy", "ma_crossover",
            "--grid", "fast=2:199", "--grid", "slow=200:400", "--grid", "fee_bps=1:9", "--store", "store",
        ],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not list(tmp_path.glob("store/part-*.parquet")):
        assert time.monotonic() < end and sweep.poll() is None, sweep.communicate()
        time.sleep(0.01)
    sweep.send_signal(signal.SIGINT)
    _, err = sweep.communicate(timeout=30)
    assert sweep.returncode == 130
    assert "peak-fast: stopped; finished parts are in store; the same command goes on from there" in err
    assert "Traceback" not in err
