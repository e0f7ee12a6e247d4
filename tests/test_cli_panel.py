"""Panels at the command line: rules, functions and weights in run, sweep and optimize."""

import polars as pl
import pytest

from peak_fast import BacktestEngine, Costs, Panel, PortfolioRules, Rank, Sweep, sample, synthetic
from peak_fast.portfolio import Momentum
from tests.cli_fixtures import check_wrong, command

__all__ = ["command"]

PANEL = synthetic(400, assets=8, seed=5)
RULE = """
import polars as pl
from peak_fast import Param, Rank
from peak_fast.portfolio import Momentum, WeightFunction

best = Rank(Momentum("lookback"), top="top", rebalance="month_end")

def equal(frame, params):
    first = frame.filter(pl.col("timestamp").dt.day() == 1)
    return first.select("timestamp", "symbol", weight=0.5 / pl.len().over("timestamp"))
"""
BEST = Rank(Momentum("lookback"), top="top", rebalance="month_end")


@pytest.fixture
def files(tmp_path):
    PANEL.to_polars().write_parquet(tmp_path / "long.parquet")
    (tmp_path / "rules.py").write_text(RULE)
    weights = {"timestamp": PANEL.timestamp[[20, 200]], "A0": [0.5, 0.2], "A7": [0.3, 0.0]}
    pl.DataFrame(weights).write_csv(tmp_path / "weights.csv")
    pl.DataFrame({"symbol": PANEL.symbols, "sector": list("aabbccdd")}).write_csv(tmp_path / "groups.csv")
    pl.DataFrame({"symbol": ["A1", "A2"], "from": ["2000-01-01"] * 2}).write_csv(tmp_path / "members.csv")
    for symbol in PANEL.symbols:
        PANEL[symbol].to_polars().write_csv(tmp_path / f"{symbol}.csv")
    return tmp_path


PRICES = ("--data", "long.parquet", "--panel")


@pytest.mark.parametrize("what", ["rules.py", "rules.py:best", "rules.py:equal", "weights.csv"])
def test_runs_of_each_kind(command, files, what):
    code, out, err = command("run", *PRICES, "--strategy", what, "--fee-bps", "10")
    assert (code, err) == (0, "")
    held = {
        "rules.py": BEST,
        "rules.py:best": BEST,
        "weights.csv": pl.read_csv(files / "weights.csv", try_parse_dates=True),
    }
    if what in held:
        expected = BacktestEngine(costs=Costs.from_bps(10)).run(PANEL, held[what])
        assert f"{expected.stats['total_return']:.2%}" in out.replace("+", "")


def test_settings_of_portfolios_in_a_file(command, files):
    (files / "settings.toml").write_text(
        '[data]\npanel = true\ngroups = "groups.csv"\n[portfolio]\nfill_at = "close"\nmax_group = 0.4\n'
        '[sweep]\nstrategy = "rules.py"\n[sweep.grid]\nlookback = [10, 40]\ntop = [1, 3]\n'
    )
    code, out, err = command(
        "sweep", "--data", "long.parquet", "--config", "settings.toml", "--metric", "final_equity"
    )
    assert (code, err) == (0, "")
    groups = dict(zip(PANEL.symbols, "aabbccdd", strict=True))
    rules = PortfolioRules(fill_at="close", max_group=0.4)
    sweep = Sweep(
        BEST,
        {"lookback": [10, 40], "top": [1, 3]},
        PANEL.with_groups(groups),
        portfolio=rules,
        metrics=["final_equity"],
    )
    for value in sweep.run(progress=False).frame["final_equity"]:
        assert f"{value:,.0f}"[:5] in out.replace("_", ",") or f"{value:.5g}" in out or str(int(value)) in out


@pytest.mark.parametrize("what", ["rules.py", "rules.py:equal", "weights.csv"])
def test_sweeps_and_studies_of_each_kind(command, files, what):
    pytest.importorskip("optuna")
    code, out, err = command(
        "sweep", *PRICES, "--strategy", what, "--grid", "fee_bps=0,25", "--store", "kept"
    )
    assert (code, err) == (0, "") and "fee_bps" in out
    assert command("sweep", *PRICES, "--strategy", what, "--grid", "fee_bps=0,25", "--store", "kept")[0] == 0
    code, out, err = command(
        "optimize", *PRICES, "--strategy", what, "--param", "band=0.0:0.05", "--trials", "3", "--seed", "1"
    )
    assert (code, err) == (0, "") and "band" in out


def test_what_was_understood_is_shown(command, files):
    code, out, err = command(
        "inspect", *PRICES[1:2], "--panel", "--groups", "groups.csv", "--universe", "members.csv"
    )
    assert (code, err) == (0, "")
    told = Panel.load(
        files / "long.parquet",
        groups=pl.read_csv(files / "groups.csv"),
        universe=pl.read_csv(files / "members.csv"),
    )
    assert told.hash in out and "8: A0, A1" in out and "a, b, c, d" in out and "2 members a bar" in out
    for note in told.notes:
        assert note in out
    assert sample("panel").hash in command("inspect", "panel")[1]
    assert PANEL.hash in command("inspect", "A?.csv", "--panel")[1]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("run", *PRICES, "--strategy", "ema_crossover"), "FILE.py[:NAME] with a rule"),
        (("run", *PRICES, "--strategy", "rules.py:bset"), "did you mean 'best'"),
        (("run", *PRICES, "--strategy", "rules.py:Rank"), "weights"),
        (("run", *PRICES, "--strategy", "nothing.csv"), "no such file"),
        (("run", *PRICES, "--symbol", "A1", "--strategy", "rules.py"), "--symbol-column"),
        (("run", *PRICES, "--align", "outer", "--strategy", "rules.py"), "'union' or 'intersection'"),
        (
            ("run", "--data", "A0.csv", "--align", "union", "--strategy", "momentum"),
            "expected --panel as well",
        ),
        (("run", "--data", "panel", "--align", "union", "--strategy", "rules.py"), "read as they are"),
    ],
)
def test_wrong_arguments_are_one_line(command, files, arguments, word):
    check_wrong(command(*arguments), word)
