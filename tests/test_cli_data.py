"""How data are read, said at the command line and in TOML under the names that load has."""

import inspect

import polars as pl
import pytest

from peak_fast import Bars, Panel, load, synthetic
from peak_fast.cli.data import _HELP
from peak_fast.cli.panel import OPTIONS as PANEL_OPTIONS
from peak_fast.data.options import OPTION_NAMES
from peak_fast.errors import ConfigError
from peak_fast.settings.config import BacktestConfig
from peak_fast.settings.data_table import DataTable
from tests.cli_fixtures import check_wrong, command, prices

__all__ = ["command", "prices"]


@pytest.fixture
def hard(tmp_path):
    """Two symbols, local times of the close, a close of another name."""
    one = synthetic(400, "1h", seed=3).to_polars().rename({"close": "Last", "timestamp": "when"})
    one = one.with_columns(pl.col("when").dt.replace_time_zone(None))
    both = [one.with_columns(pl.lit(name).alias("symbol")) for name in ("AAA", "BBB")]
    path = tmp_path / "hard.csv"
    pl.concat(both).write_csv(path)
    return path


SAID = ("--symbol", "BBB", "--stamp", "close", "--time-zone", "Etc/GMT+5", "--columns", "close=Last")
TABLE = '[data]\nsymbol = "BBB"\nstamp = "close"\ntime_zone = "Etc/GMT+5"\n[data.columns]\nclose = "Last"\n'


def test_every_door_has_the_same_names():
    options = set(OPTION_NAMES)
    assert set(inspect.signature(load).parameters) - {"path", "name"} == options
    # What a signal function gets is said where there is no frame to pass.
    of_panels = {"panel", *PANEL_OPTIONS}
    assert set(DataTable.model_fields) - {"name", "frame"} - of_panels == options
    assert set(_HELP) - {"name", "frame", "no_timestamp", "one_series"} - of_panels == options
    of_text = {"dialect", "separator", "decimal", "encoding"}
    names = options - {"symbol"} | set(PANEL_OPTIONS) | {"assets"}
    assert set(inspect.signature(Panel.load).parameters) - {"path", "name"} == names
    assert set(inspect.signature(Panel.from_frame).parameters) - {"frame", "name"} == names - of_text
    assert set(inspect.signature(Bars.from_frame).parameters) - {"frame", "name"} == options - of_text


def test_options_reach_the_reader(command, hard):
    check_wrong(command("inspect", str(hard)), "")
    code, out, err = command("inspect", str(hard), *SAID)
    assert (code, err) == (0, "")
    bars = load(hard, symbol="BBB", stamp="close", time_zone="Etc/GMT+5", columns={"close": "Last"})
    assert bars.hash in out and "a time is the close of its bar" in out and "Etc/GMT+5" in out
    assert "close = 'Last'" in out and "timestamp = 'when'" in out
    for note in bars.notes:
        assert note in out
    assert f"{bars.close[-1]:.10g}" in out and f"{bars.open[0]:.10g}" in out


@pytest.mark.parametrize("way", ["options", "table"])
def test_run_sweep_and_optimize_read_alike(command, hard, tmp_path, way):
    pytest.importorskip("optuna")
    (tmp_path / "settings.toml").write_text(TABLE)
    said = SAID if way == "options" else ("--config", "settings.toml")
    strategy = ("--data", str(hard), "--strategy", "ma_crossover", *said)
    code, out, err = command("run", *strategy, "--param", "fast=5", "--param", "slow=20")
    assert (code, err) == (0, "") and "BBB" in out
    assert "rows of symbol 'BBB' are taken" in " ".join(out.split())
    code, _, err = command("sweep", *strategy, "--grid", "fast=5:20:5", "--grid", "slow=30")
    assert (code, err) == (0, "")
    code, _, err = command("optimize", *strategy, "--trials", "3", "--objective", "sharpe:max")
    assert code == 0, err


def test_the_command_line_wins_over_the_table(command, hard, tmp_path):
    (tmp_path / "settings.toml").write_text(TABLE)
    code, out, _ = command("inspect", str(hard), "--config", "settings.toml", "--symbol", "AAA")
    assert code == 0 and "rows of symbol 'AAA' are taken" in out


def test_no_times_and_joined_times(command, tmp_path):
    frame = synthetic(48, "1h", seed=1).to_polars().drop("volume")
    day, clock = pl.col("timestamp").dt.strftime("%Y-%m-%d"), pl.col("timestamp").dt.strftime("%H:%M")
    frame.with_columns(day.alias("d"), clock.alias("c")).drop("timestamp").write_csv(tmp_path / "parts.csv")
    code, out, _ = command("inspect", "parts.csv", "--no-timestamp")
    assert code == 0 and "times        none" in out
    code, out, _ = command("inspect", "parts.csv", "--timestamp", "d", "--timestamp", "c")
    assert code == 0 and "joined from 'd' and 'c'" in out and "1:00:00" in out
    check_wrong(command("inspect", "parts.csv", "--no-timestamp", "--timestamp", "d"), "leave one out")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--stamp", "clse"), "did you mean 'close'"),
        (("--date-order", "dym"), "'dmy', 'mdy' or 'ymd'"),
        (("--time-zone", "New York"), "did you mean 'America/New_York'"),
        (("--columns", "close"), "close=Last"),
        (("--columns", "clsoe=Last"), "did you mean 'close'"),
        (("--repair", "srt"), "did you mean 'sort'"),
        (("--scale", "0"), "a number above 0"),
        (("--simbol", "AAA"), "--symbol"),
    ],
)
def test_wrong_options_are_one_line(command, hard, options, says):
    for call in (("inspect", str(hard)), ("run", "--data", str(hard), "--strategy", "momentum")):
        code, out, err = command(*call, *options)
        assert (code, out) == (2, "") and says in err and err.count("\n") == 1


def test_the_table_is_checked_when_it_is_read(tmp_path):
    for text, says in (
        ("simbol = 'A'", "did you mean 'symbol'"),
        ("stamp = 'clse'", "did you mean 'close'"),
        ("timestamp = true", "timestamp"),
        ("columns = {clsoe = 'Last'}", "did you mean 'close'"),
    ):
        (tmp_path / "wrong.toml").write_text(f"[data]\n{text}\n")
        with pytest.raises(ConfigError) as caught:
            BacktestConfig.from_toml(tmp_path / "wrong.toml")
        assert says in str(caught.value)
    (tmp_path / "right.toml").write_text("[data]\ntimestamp = false\nseparator = ' '\nadjust = false\n")
    assert BacktestConfig.from_toml(tmp_path / "right.toml").data.said() == {
        "timestamp": False,
        "separator": " ",
    }


def test_packaged_prices_are_read_as_they_are(command):
    code, out, _ = command("inspect", "AAPL", "--rows", "1")
    assert code == 0 and "3,270" in out and "bars a year  252" in out and "notes        none" in out
    check_wrong(command("inspect", "AAPL", "--stamp", "close"), "packaged prices")


def test_inspect_says_what_numbers_are(command, tmp_path):
    frame = synthetic(30, "1h", seed=1, start="2024-01-01").to_polars()
    for unit, name in (("ms", "milliseconds"), ("us", "microseconds")):
        epochs = frame.with_columns(pl.col("timestamp").dt.epoch(unit))
        epochs.write_parquet(tmp_path / "epochs.parquet")
        code, out, _ = command("inspect", "epochs.parquet")
        assert code == 0 and f"an epoch in {name}" in out
    stamps = frame.with_columns(pl.col("timestamp").dt.strftime("%Y%m%d%H%M").cast(pl.Int64))
    stamps.write_parquet(tmp_path / "calendar.parquet")
    assert "calendar numbers" in command("inspect", "calendar.parquet")[1]
