"""The command line: what wrong input looks like."""

import pytest

from peak_fast.cli import data as reading
from tests.cli_fixtures import check_wrong

WRONG = {
    "no file": (("run", "--data", "none.csv", "--strategy", "momentum"), "none.csv"),
    "strategy": (("run", "--data", "IBM", "--strategy", "momentun"), "did you mean 'momentum'"),
    "parameter": (("run", "--data", "IBM", "--strategy", "momentum", "--param", "perid=3"), "period"),
    "value": (("run", "--data", "IBM", "--strategy", "momentum", "--param", "period=ten"), "period"),
    "pair": (
        ("run", "--data", "IBM", "--strategy", "momentum", "--param", "period"),
        "--param: expected name=value",
    ),
    "config": (("run", "--data", "IBM", "--strategy", "momentum", "--config", "no.toml"), "no settings file"),
    "setting": (("run", "--data", "IBM", "--strategy", "momentum", "--config", "bad.toml"), "Costs.rat"),
    "missing option": (("run", "--data", "IBM"), "--strategy"),
    "unknown option": (("run", "--data", "IBM", "--strategy", "momentum", "--fast", "3"), "--fast"),
    "unknown command": (("rum",), "rum"),
    "bad prices": (("run", "--data", "bad.csv", "--strategy", "momentum"), "high"),
    "not prices": (("run", "--data", "bad.toml", "--strategy", "momentum"), "bad.toml"),
    "folder": (("run", "--data", ".", "--strategy", "momentum"), "."),
    "occupied": (("run", "--data", "IBM", "--strategy", "momentum", "--out", "."), "choose another folder"),
    "grid": (("sweep", "--data", "IBM", "--strategy", "momentum", "--grid", "period=9:1"), "--grid period"),
    "grid name": (("sweep", "--data", "IBM", "--strategy", "momentum", "--grid", "perod=1:9"), "period"),
    "grid type": (("sweep", "--data", "IBM", "--strategy", "momentum", "--grid", "period=a,b"), "period"),
    "metric": (
        ("sweep", "--data", "IBM", "--strategy", "momentum", "--grid", "period=1:9", "--metric", "sharp"),
        "did you mean 'sharpe'",
    ),
    "by": (
        ("sweep", "--data", "IBM", "--strategy", "momentum", "--grid", "period=1:9", "--by", "sqn"),
        "sqn",
    ),
    "least trades": (
        ("sweep", "--data", "IBM", "--strategy", "momentum", "--metric", "sharpe", "--min-trades", "9"),
        "total_trades",
    ),
    "threads": (
        ("sweep", "--data", "IBM", "--strategy", "momentum", "--grid", "period=1:9", "--threads", "0"),
        "threads",
    ),
    "not a number": (("sweep", "--data", "IBM", "--strategy", "momentum", "--threads", "two"), "--threads"),
    "memory": (
        ("sweep", "--data", "IBM", "--strategy", "momentum", "--grid", "period=1:9", "--memory", "lots"),
        "such as '2GB'",
    ),
    "constraint": (
        (
            "sweep",
            "--data",
            "IBM",
            "--strategy",
            "momentum",
            "--grid",
            "period=1:9",
            "--constraint",
            "period <",
        ),
        "period <",
    ),
    "symbol": (("run", "--data", "AAP", "--strategy", "momentum"), "did you mean 'AAPL'"),
    "empty": (("run", "--data", "empty.csv", "--strategy", "momentum"), "the frame has no rows"),
    "folder of files": (("run", "--data", "folder.csv", "--strategy", "momentum"), "got a folder"),
    "out below a file": (
        ("run", "--data", "IBM", "--strategy", "momentum", "--out", "empty.csv/x"),
        "can be written; got 'empty.csv/x'",
    ),
    "nothing to sweep": (
        ("sweep", "--data", "IBM", "--strategy", "buy_and_hold"),
        "--grid stop_loss=none,0.05",
    ),
    "restart": (("sweep", "--data", "IBM", "--strategy", "momentum", "--restart"), "--store"),
    "setting out of range": (
        ("sweep", "--data", "IBM", "--strategy", "momentum", "--grid", "stop_loss=-1"),
        "stop_loss: -1.0 in the grid",
    ),
    "kind of picture": (
        ("sweep", "--data", "IBM", "--strategy", "momentum", "--heatmap", "x.gif"),
        ".png, .svg or .pdf",
    ),
    "demo": (("demo", "--out", "empty.csv"), "can be written; got 'empty.csv'"),
    "bench": (("bench", "--out", "."), "add a file name"),
    "heatmap": (
        ("sweep", "--data", "IBM", "--strategy", "momentum", "--grid", "period=1:9", "--heatmap", "x.png"),
        "two parameters",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_exit_2(command, tmp_path, case):
    (tmp_path / "bad.toml").write_text("[costs]\nrat = 1\n")
    (tmp_path / "bad.csv").write_text("open,high,low,close\n1,2,1,1\n5,2,1,1\n")
    (tmp_path / "empty.csv").write_text("timestamp,open,high,low,close\n")
    (tmp_path / "folder.csv").mkdir()
    arguments, word = WRONG[case]
    check_wrong(command(*arguments), word)


WRONG_STUDIES = {
    "no limit": ((), "--trials"),
    "trials": (("--trials", "0"), "positive number of trials"),
    "objective": (("--trials", "5", "--objective", "sharp:max"), "did you mean 'sharpe'"),
    "no direction": (("--trials", "5", "--objective", "sharpe:"), "write 'sharpe:max'"),
    "direction": (("--trials", "5", "--objective", "sharpe:up"), "expected maximize or minimize; got 'up'"),
    "sampler": (("--trials", "5", "--sampler", "tpa"), "did you mean 'tpe'"),
    "parameter": (("--trials", "5", "--param", "perid=1:2"), "did you mean 'period'"),
    "no range": (("--trials", "5", "--param", "period"), "expected name=low:high"),
    "range": (("--trials", "5", "--param", "period=a:b"), "got 'a'"),
    "range of a switch": (("--trials", "5", "--param", "allow_short=1:2"), "choices or one value"),
    "no number": (("--trials", "5", "--target", "x"), "expected a number"),
    "storage": (("--trials", "5", "--storage", "nowhere"), "expected a storage"),
    "no segments": (("--trials", "5", "--pruner", "median"), "at least 2 steps"),
    "target": (("--trials", "5", "--target", "nan"), "finite targets"),
    "feasible": (("--trials", "5", "--feasible", "total_trades"), "got the number 'total_trades' alone"),
    "feasible text": (("--trials", "5", "--feasible", "sharpe > 'a'"), "numbers compared with numbers"),
    "constraint": (("--trials", "5", "--constraint", "period"), "got the number 'period' alone"),
    "target twice": (("--target", "sharpe=1", "--target", "sharpe=2"), "--target: expected each name once"),
    "target name": (("--target", "=1"), "--target: expected a number, or metric=number"),
    "endless": (("--timeout", "inf"), "expected a positive timeout"),
    "threads": (("--trials", "5", "--threads", "0"), "threads: expected at least 1"),
    "seed": (("--trials", "5", "--seed", "-1"), "seed: expected a whole number"),
    "rows": (("--trials", "5", "--top", "0"), "--top"),
    "name": (("--trials", "5", "--study-name", " "), "a name for the study"),
    "pruner": (("--trials", "5", "--pruner", "medin"), "did you mean 'median'"),
    "resume": (("--trials", "5", "--resume"), "--storage"),
    "out": (("--trials", "5", "--out", "bad.csv"), "can be written; got 'bad.csv'"),
    "journal": (("--trials", "5", "--storage", "journal:"), "add a file name"),
    "no database": (("--trials", "5", "--storage", "sqlite:///bad.csv"), "sqlite:///bad.csv"),
}


@pytest.mark.parametrize("case", WRONG_STUDIES)
def test_wrong_studies_are_one_line_and_exit_2(command, tmp_path, case):
    pytest.importorskip("optuna")
    (tmp_path / "bad.csv").write_text("not a database")
    options, word = WRONG_STUDIES[case]
    check_wrong(command("optimize", "--data", "IBM", "--strategy", "momentum", *options), word)


def test_a_bug_is_not_hidden(command, monkeypatch):
    """Only errors that peak_fast raises on purpose become one line."""

    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(reading, "load_data", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        command("run", "--data", "IBM", "--strategy", "momentum")
