"""Signal functions written for pandas, on data that the command line reads."""

import polars as pl
import pytest

from peak_fast import BacktestEngine, BacktestResult, synthetic
from peak_fast.cli.data import load_data
from tests.cli_fixtures import check_wrong

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

OWN = """
from peak_fast import Param, strategy

@strategy(name="written_for_pandas_{kind}", schema=(Param("n", "int", 10, low=2, high=50),))
def trend(df, params):
    average = df["close"].rolling(params["n"]).mean()
    return (df["close"] > average).astype(int)
"""
BARS = synthetic(400, seed=3)


@pytest.fixture
def folder(tmp_path):
    BARS.to_polars().write_csv(tmp_path / "p.csv")
    for kind in ("run", "sweep", "optimize"):
        (tmp_path / f"{kind}.py").write_text(OWN.format(kind=kind))
    (tmp_path / "s.toml").write_text('[data]\nframe = "pandas"\n')
    return tmp_path


@pytest.fixture
def expected():
    frame = BARS.to_polars().to_pandas()
    side = (frame["close"] > frame["close"].rolling(10).mean()).astype(int)
    return BacktestEngine().run(BARS, side.to_numpy())


WAYS = {"option": ("--frame", "pandas"), "file": ("--config", "s.toml")}


@pytest.mark.parametrize("way", WAYS)
def test_every_command_gives_the_frame(command, folder, expected, way):
    options = ("--data", "p.csv", *WAYS[way])
    code, _, err = command("run", *options, "--strategy", "run.py", "--out", "r")
    assert code == 0, err
    assert BacktestResult.load(folder / "r").equity.tolist() == expected.equity.tolist()
    code, _, err = command(
        "sweep",
        *options,
        "--strategy",
        "sweep.py",
        "--grid",
        "n=10,20",
        "--metric",
        "final_equity",
        "--store",
        "s",
    )
    assert code == 0, err
    found = pl.read_parquet(folder / "s" / "part-*.parquet")["final_equity"][0]
    assert found == expected.stats["final_equity"]
    pytest.importorskip("optuna")
    code, out, err = command(
        "optimize", *options, "--strategy", "optimize.py", "--trials", "3", "--segments", "2", "--seed", "1"
    )
    assert code == 0 and "3 complete" in out, err


def test_the_option_wins_over_the_file(command, folder):
    code, _, err = command(
        "run", "--data", "p.csv", "--strategy", "run.py", "--config", "s.toml", "--frame", "polars"
    )
    assert code == 2 and "got a Polars frame" in err and "--frame pandas" in err


def test_what_the_frame_holds(folder):
    bars = load_data(str(folder / "p.csv"), {"frame": "pandas"}, {})
    plain = load_data(str(folder / "p.csv"), {}, {})
    assert isinstance(bars.source, pd.DataFrame) and isinstance(plain.source, pl.DataFrame)
    assert list(bars.source.columns) == plain.source.columns
    assert bars.source.index.tolist() == bars.timestamp.to_list()
    assert bars.hash == plain.hash and bars.notes == plain.notes and bars.name == plain.name
    packaged = load_data("IBM", {}, {"frame": "pandas"})
    assert isinstance(packaged.source, pd.DataFrame) and len(packaged.source) == len(packaged)


def test_wrong_frames(command, folder):
    check_wrong(
        command("run", "--data", "p.csv", "--strategy", "run.py", "--frame", "panda"), "did you mean 'pandas'"
    )
    (folder / "bad.toml").write_text('[data]\nframe = "panda"\n')
    check_wrong(
        command("run", "--data", "p.csv", "--strategy", "run.py", "--config", "bad.toml"), "DataTable.frame"
    )
    (folder / "bad.toml").write_text('[data]\nframes = "pandas"\n')
    check_wrong(
        command("run", "--data", "p.csv", "--strategy", "run.py", "--config", "bad.toml"),
        "did you mean 'frame'",
    )
