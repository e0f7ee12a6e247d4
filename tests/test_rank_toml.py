"""A ``Rank`` written in a settings file or named on the command line: the same as in Python, in every command."""

import pytest

from peak_fast import (
    BacktestConfig,
    BacktestEngine,
    ConfigError,
    PortfolioResult,
    Rank,
    Rebalance,
    Row,
    StrategyError,
    Sweep,
    synthetic,
)
from peak_fast.portfolio import Momentum, Volatility
from tests.cli_fixtures import check_wrong, command

__all__ = ["command"]

PANEL = synthetic(400, assets=8, seed=5)
PRICES = ("--data", "long.parquet", "--panel")
TABLE = """
[rank]
name = "calm momentum"
score = "Momentum(lookback, skip=5) / Volatility(63)"
top = "top"
bottom = 1
long = 0.6
short = 0.4
cap = 0.3
weighting = "1 / Volatility(20)"

[rank.rebalance]
when = "week"
band = 0.01
buffer = 1
"""
CALM = Rank(
    Momentum("lookback", skip=5) / Volatility(63), top="top", bottom=1, long=0.6, short=0.4, cap=0.3,
    weighting=1 / Volatility(20), rebalance=Rebalance("week", band=0.01, buffer=1), name="calm momentum",
)  # fmt: skip
PARAMS = {"lookback": 30, "top": 3}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    PANEL.to_polars().write_parquet(tmp_path / "long.parquet")
    (tmp_path / "s.toml").write_text(TABLE)
    return tmp_path


def test_a_file_says_what_python_says(files):
    rule = Rank.from_table(BacktestConfig.from_toml("s.toml").rank)
    assert rule.fingerprint() == CALM.fingerprint() and rule.schema == CALM.schema
    engine = BacktestEngine.from_config(BacktestConfig.from_toml("s.toml"))
    assert engine.run(PANEL, rule, PARAMS).hash == BacktestEngine().run(PANEL, CALM, PARAMS).hash
    assert BacktestConfig().rank is None
    assert Rank.from_table({}).fingerprint() == Rank().fingerprint()


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Momentum(126, 21)", Momentum(126, 21)),
        ("Momentum()", Momentum()),
        ("-Volatility(lookback='window')", -Volatility("window")),
        ("+close / open - 1", Rank("close").score / "open" - 1),
        ("Row(rsi, 14) * 0.5 + 2 * Momentum(20)", Rank(Row("rsi", 14)).score * 0.5 + 2 * Momentum(20)),
        ("(Momentum(20) + Momentum(60)) / Volatility(window)", (Momentum(20) + Momentum(60)) / Volatility("window")),
        ("-Row('sma', window) + -1", -Rank(Row("sma", "window")).score + -1),
        ("'volume'", Rank("volume").score),
        ("1.0", 1.0),
    ],
)  # fmt: skip
def test_scores_as_text(text, score):
    made, said = Rank.from_table({"score": text}), Rank(score)
    assert made.fingerprint() == said.fingerprint() and made.schema == said.schema
    again = Rank.from_table({"score": repr(made.score)})
    assert again.fingerprint() == made.fingerprint()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"score": "Momentm(126)"}, ("rank.score", "'Momentm(126)'", "Momentum")),
        ({"score": "Momentum(126"}, ("rank.score", "Momentum(126, skip=21)")),
        ({"score": "Momentum(lookbak=126)"}, ("rank.score", "lookbak")),
        ({"score": "Momentum(0)"}, ("lookback", "at least 1")),
        ({"score": "Row(nothing, 3)"}, ("nothing",)),
        ({"score": "__import__('os').system('true')"}, ("rank.score",)),
        ({"score": "close if open else 1"}, ("rank.score",)),
        ({"score": "close ** 2"}, ("rank.score", "'close ** 2'")),
        ({"score": "Momentum(*[1])"}, ("rank.score",)),
        ({"score": "(" * 5000 + "1" + ")" * 5000}, ("rank.score",)),
        ({"score": ""}, ("rank.score",)),
        ({"score": True}, ("score",)),
        ({"top": -1}, ("top", "-1")),
        ({"weighting": "Volatlity(3)"}, ("rank.weighting",)),
        ({"rebalance": "monthend!"}, ("when", "month_end")),
        ({"rebalance": {"wen": 5}}, ("rank.rebalance.wen", "did you mean 'when'")),
    ],
)
def test_what_is_wrong_is_said(table, words):
    with pytest.raises(StrategyError) as error:
        Rank.from_table(table)
    for word in words:
        assert word in str(error.value)


def test_wrong_tables(files):
    with pytest.raises(ConfigError, match=r"rank.tpo: no such setting; did you mean 'top'"):
        BacktestConfig(rank={"tpo": 3})
    with pytest.raises(ConfigError, match="rank: expected a table"):
        BacktestConfig(rank=3)
    with pytest.raises(StrategyError, match=r"Rank\.from_table"):
        Rank.from_table(3)


def test_dates_and_groups(files):
    dates = [moment.date() for moment in PANEL.timestamp[[40, 200]]]
    (files / "t.toml").write_text(
        f"[rank]\ntop = 1\nwithin = {{ A0 = 'x', A1 = 'x', A2 = 'y' }}\nrebalance = [{dates[0]}, '{dates[1]}']\n"
    )
    rule = Rank.from_table(BacktestConfig.from_toml("t.toml").rank)
    said = Rank(top=1, within={"A0": "x", "A1": "x", "A2": "y"}, rebalance=[str(day) for day in dates])
    engine = BacktestEngine()
    result = engine.run(PANEL, rule)
    assert list(result.equity) == list(engine.run(PANEL, said).equity)
    assert result.rebalances.height == 2 and set(result.orders["symbol"]) == {"A0", "A2"}


@pytest.mark.parametrize("options", [("--config", "s.toml"), ()])
def test_every_command(command, files, options):
    rule = CALM if options else Rank(
        Momentum("lookback", "skip"), top="top", bottom="bottom", rebalance="rebalance"
    )  # fmt: skip
    base = (*PRICES, *options, "--strategy", "rank")
    given = {**PARAMS} if options else {**PARAMS, "skip": 5, "bottom": 0, "rebalance": "week"}
    params = [text for name, value in given.items() for text in ("--param", f"{name}={value}")]
    expected = BacktestEngine().run(PANEL, rule, given)
    code, _, err = command("run", *base, *params, "--out", "kept")
    assert (code, err) == (0, "")
    kept = PortfolioResult.load("kept")
    assert (kept.hash, kept.strategy_name) == (expected.hash, rule.name)
    grid = {name: [value] for name, value in given.items()} | {"lookback": [10, 30]}
    cells = [
        text for name, values in grid.items() for text in ("--grid", f"{name}={','.join(map(str, values))}")
    ]
    code, out, err = command("sweep", *base, *cells, "--metric", "final_equity")
    assert (code, err) == (0, "")
    found = Sweep(rule, grid, PANEL, metrics=["final_equity"]).run(progress=False).frame["final_equity"]
    assert found[1] == expected.stats["final_equity"]
    assert all(f"{value:,.0f}" in out for value in found), out
    assert command("check-lookahead", *base, *params)[0] == 0
    pytest.importorskip("optuna")
    code, out, err = command("optimize", *base, *params, "--trials", "1", "--seed", "1")
    assert (code, err) == (0, "")


def test_a_sweep_of_a_file_alone(command, files):
    (files / "s.toml").write_text(
        TABLE
        + '[sweep]\nstrategy = "rank"\n[sweep.grid]\nlookback = [10, 30]\ntop = 3\n[data]\npanel = true\n'
    )
    code, out, err = command("sweep", "--data", "long.parquet", "--config", "s.toml")
    assert (code, err) == (0, "") and "lookback" in out


def test_wrong_arguments_are_one_line(command, files):
    PANEL["A0"].to_polars().write_parquet("one.parquet")
    (files / "wrong.toml").write_text("[rank]\nscore = 'Momentum(0)'\n")
    base = ("run", *PRICES, "--strategy")
    check_wrong(command(*base, "rnk"), "did you mean 'rank'")
    check_wrong(command(*base, "rank", "--config", "wrong.toml"), "at least 1")
    check_wrong(command(*base, "rank", "--param", "lookbak=3"), "lookbak")
    check_wrong(command("run", "--data", "one.parquet", "--strategy", "rank"), "--panel")
