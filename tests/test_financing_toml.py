"""Financing in a settings file: the same as in Python, through the library and every command that runs portfolios."""

import pytest

from peak_fast import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    ConfigError,
    Costs,
    Financing,
    Rank,
    Sweep,
    load,
    synthetic,
)
from peak_fast.portfolio import Momentum
from tests.cli_fixtures import check_wrong, command

__all__ = ["command"]

PANEL = synthetic(400, assets=4, seed=5)
RULE = """
from peak_fast import Rank
from peak_fast.portfolio import Momentum

best = Rank(Momentum("lookback", skip=0), top="top", bottom=1, long=1.2, short=0.4)
"""
BEST = Rank(Momentum("lookback", skip=0), top="top", bottom=1, long=1.2, short=0.4)
EARLY, LATE = PANEL.timestamp[100].date(), PANEL.timestamp[300].date()
BEFORE = PANEL.timestamp[0].date()
WHOLE = f"""
[costs]
rate = 0.001
[portfolio]
over_invested = "allowed"
leverage = 2
buying_power = "cash"
short_cash = "ignore"

[financing]
cash_rate = "rates.csv"
debit_rate = 0.06
borrow_rate = {{ A0 = 0.02, A1 = 0.03 }}
dividends = [[{EARLY}, "A0", 0.4], ["{LATE}", "A2", 0.25]]
funding = [{{ date = {EARLY}, rate = 0.0002 }}, {{ date = {LATE}, rate = -0.0001 }}]
[financing.splits]
A1 = {{ {EARLY} = 2.0 }}
[financing.cash_flows]
{LATE} = 5_000
"""
FINANCING = Financing(
    cash_rate={str(BEFORE): 0.03, str(EARLY): 0.05},
    debit_rate=0.06,
    borrow_rate={"A0": 0.02, "A1": 0.03},
    dividends={"A0": {str(EARLY): 0.4}, "A2": {str(LATE): 0.25}},
    funding={str(EARLY): 0.0002, str(LATE): -0.0001},
    splits={"A1": {str(EARLY): 2.0}},
    cash_flows={str(LATE): 5000.0},
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    PANEL.to_polars().write_parquet(tmp_path / "long.parquet")
    (tmp_path / "rule.py").write_text(RULE)
    (tmp_path / "rates.csv").write_text(f"date,rate\n{BEFORE},0.03\n{EARLY},0.05\n")
    (tmp_path / "s.toml").write_text(WHOLE)
    return tmp_path


def config_of(files, text):
    (files / "t.toml").write_text("[financing]\n" + text)
    return BacktestConfig.from_toml(files / "t.toml")


def test_a_file_says_what_python_says(files):
    config = BacktestConfig.from_toml("s.toml")
    assert config.financing == FINANCING
    assert BacktestConfig(financing=FINANCING).financing is FINANCING
    assert BacktestConfig().financing is None
    read = BacktestEngine.from_config(config).run(PANEL, BEST, {"lookback": 20, "top": 2})
    engine = BacktestEngine(costs=Costs(rate=0.001), portfolio=config.portfolio, financing=FINANCING)
    said = engine.run(PANEL, BEST, {"lookback": 20, "top": 2})
    assert read.charges.equals(said.charges) and read.hash == said.hash
    assert len(set(read.charges["kind"])) > 4, set(read.charges["kind"])


def test_words_and_empty_tables(files):
    assert config_of(files, 'dividends = "reinvest"\nsplits = "column"\n').financing == Financing(
        dividends="reinvest", splits="column"
    )
    assert config_of(files, "").financing == Financing()


@pytest.mark.parametrize("name", ["rates.parquet", "rates.tsv"])
def test_files_of_other_kinds(files, name):
    import polars as pl

    frame = pl.DataFrame({"date": [str(EARLY), str(LATE)], "symbol": ["A0", "A1"], "dividend": [0.5, 0.25]})
    frame.write_parquet(name) if name.endswith("parquet") else frame.write_csv(name, separator="\t")
    expected = Financing(dividends={"A0": {str(EARLY): 0.5}, "A1": {str(LATE): 0.25}})
    assert config_of(files, f'dividends = "{name}"\n').financing == expected


def test_run_sweep_and_optimize(command, files):
    prices = ("--data", "long.parquet", "--panel", "--config", "s.toml", "--strategy", "rule.py")
    engine = BacktestEngine.from_config(BacktestConfig.from_toml("s.toml"))
    result = engine.run(PANEL, BEST, {"lookback": 20, "top": 2})
    code, _, err = command("run", *prices, "--param", "lookback=20", "--param", "top=2", "--out", "kept")
    assert (code, err) == (0, "")
    from peak_fast import PortfolioResult

    kept = PortfolioResult.load("kept")
    assert list(kept.equity) == list(result.equity)
    assert kept.charges.equals(result.charges) and kept.charges.height > 4
    code, out, err = command(
        "sweep", *prices, "--grid", "lookback=20,40", "--grid", "top=2", "--metric", "final_equity"
    )
    assert (code, err) == (0, "")
    sweep = Sweep(
        BEST, {"lookback": [20, 40], "top": [2]}, PANEL, costs=engine.costs, portfolio=engine.portfolio,
        financing=FINANCING, metrics=["final_equity"],
    )  # fmt: skip
    found = sweep.run(progress=False).frame["final_equity"]
    assert found[0] == result.stats["final_equity"]
    assert all(f"{value:,.0f}" in out for value in found), out
    pytest.importorskip("optuna")
    code, out, err = command(
        "optimize", *prices, "--param", "lookback=20,40", "--param", "top=2", "--trials", "2", "--seed", "1",
        "--objective", "final_equity:max",
    )  # fmt: skip
    assert (code, err) == (0, "") and f"{max(found):.4g}" in out, out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cash_rat = 0.03", ("financing.cash_rat: no such setting", "did you mean 'cash_rate'")),
        ('cash_rate = "0.03"', ("financing.cash_rate", "without quotes", "rates.csv")),
        ('dividends = "reinvested"', ("financing.dividends", "'reinvest'", "'reinvested'")),
        ('splits = "none.csv"', ("financing.splits", "none.csv")),
        ("cash_rate = 30.0", ("3 per cent is 0.03",)),
        ("cash_flows = [[2024-01-02]]", ("financing.cash_flows", "[date, number]", "row 0")),
        ("dividends = [0.24]", ("financing.dividends", "row 0", "0.24")),
        ("dividends = [[2024-01-02, 0.2], [2024-01-03, 'A', 0.2]]", ("financing.dividends", "row 1")),
        ("funding = [{ date = 2024-01-02, rate = 0.1 }, { date = 2024-01-02 }]", ("row 1",)),
        ("cash_flows = [[2024-01-02, 'A', 5]]", ("cash_flows", "belongs to no asset")),
        ("reinvest = 1", ("reinvest", "True or False")),
    ],
)
def test_what_is_wrong_is_said_with_its_place(files, text, words):
    with pytest.raises(ConfigError) as error:
        config_of(files, text)
    for word in words:
        assert word in str(error.value)
    assert "Traceback" not in str(error.value)


def test_no_table(files):
    for given in ([1], 0.03, "rates.csv"):
        with pytest.raises(ConfigError, match="financing: expected a table"):
            BacktestConfig(financing=given)


def test_one_asset_takes_it(command, files):
    PANEL["A0"].to_polars().write_parquet("A0.parquet")
    prices = ("--data", "A0.parquet", "--strategy", "momentum", "--config", "s.toml")
    engine = BacktestEngine.from_config(BacktestConfig.from_toml("s.toml"))
    result = engine.run(load("A0.parquet"), "momentum", {"period": 20})
    code, _, err = command("run", *prices, "--param", "period=20", "--out", "kept")
    assert (code, err) == (0, "")
    kept = BacktestResult.load("kept")
    assert kept.hash == result.hash and kept.charges.equals(result.charges)
    assert {"cash_interest", "cash_flow"} <= set(kept.charges["kind"])
    assert any("other assets passed over" in note for note in kept.notes)
    code, out, err = command("sweep", *prices, "--grid", "period=20,40", "--metric", "final_equity")
    assert (code, err) == (0, "") and f"{result.stats['final_equity']:,.0f}" in out, out


def test_a_wrong_file_is_named(command, files):
    check_wrong(
        command(
            "run", "--data", "long.parquet", "--panel", "--strategy", "rule.py", "--config", "wrong.toml"
        ),
        "wrong.toml",
    )
