"""One verdict about a whole search: a planted leak, planted noise and a planted edge, thresholds, doors."""

import datetime as dt
import json

import numpy as np
import polars as pl
import pytest

from peak_fast import BacktestEngine, NoopTracker, Param, Stops, Sweep, sample, strategy
from peak_fast.errors import ConfigError
from peak_fast.settings import OrderRules
from peak_fast.validation import QUESTIONS, Thresholds, Verdict, judged, validate
from tests.cli_fixtures import check_wrong

FEW = {"worlds": 59, "replications": 199, "seed": 1}
GRID = {"fast": range(3, 15, 2), "slow": range(20, 80, 10), "allow_short": [True]}


def prices(kind, n=1_500, seed=1):
    """A random walk; with ``"edge"`` its drift turns every 40 to 120 bars."""
    random = np.random.default_rng(seed)
    moves = random.normal(0.0, 0.01, n)
    if kind == "edge":
        turns = np.cumsum(random.integers(40, 120, n))
        side = 1.0 - 2.0 * (np.searchsorted(turns, np.arange(n), side="right") % 2)
        moves = 0.8 * moves + 0.004 * side
    close = 100.0 * np.exp(np.cumsum(moves))
    opened = np.concatenate(([100.0], close[:-1]))
    days = pl.datetime_range(
        dt.datetime(2010, 1, 1), dt.datetime(2010, 1, 1) + dt.timedelta(days=n - 1), "1d", eager=True
    )
    return pl.DataFrame(
        {
            "timestamp": days,
            "open": opened,
            "high": np.maximum(opened, close) * 1.001,
            "low": np.minimum(opened, close) * 0.999,
            "close": close,
        }
    )


@strategy(schema=(Param("bars", "int", 3, low=1, high=20),))
def peeks(df, params):
    """Long where the close in a few bars is higher."""
    return df["close"].shift(-params["bars"]) > df["close"]


@pytest.fixture(scope="module")
def noise():
    return validate(Sweep("ma_crossover", GRID, prices("noise")).run(), **FEW)


@pytest.fixture(scope="module")
def edge():
    return validate(Sweep("ma_crossover", GRID, prices("edge")).run(), **FEW)


@pytest.fixture(scope="module")
def leak():
    return validate(Sweep(peeks, {"bars": range(1, 6)}, prices("noise")).run(), **FEW)


def test_three_searches_have_three_verdicts(noise, edge, leak):
    assert [one.verdict.split(" (")[0] for one in (noise, edge, leak)] == [
        "does not hold",
        "nothing spoke against it",
        "knows later bars",
    ]
    assert [one.colour for one in (noise, edge, leak)] == ["red", "green", "red"]


def test_each_reason_has_the_figure_that_decided(noise, edge, leak):
    red = {one.name for one in noise.findings if one.colour == "red"}
    assert {"data_snooping", "permutation"} <= red
    assert f"{noise.finding('permutation').figure:.3f}" in noise.finding("permutation").sentence
    assert noise.finding("permutation").figure == noise.parts["permutation"].p > 0.2
    assert edge.finding("walk_forward").figure == edge.parts["walk_forward"].efficiency > 0.5
    assert edge.finding("overfitting").figure == edge.parts["overfitting"].pbo < 0.25
    assert edge.finding("data_snooping").figure == edge.parts["data_snooping"].pvalue <= 0.05
    found = leak.finding("look_ahead")
    assert found.figure == len(leak.parts["look_ahead"].leaks) > 0 and "'close'" in found.sentence
    for verdict in (noise, edge, leak):
        assert [one.name for one in verdict.findings] == list(QUESTIONS)
        assert all(one.sentence in verdict.summary() for one in verdict.findings)
        json.dumps(verdict.to_dict(), allow_nan=False)


def test_thresholds_move_the_colours(edge):
    found = Sweep("ma_crossover", GRID, prices("edge"))
    strict = validate(found, questions=["overfitting"], thresholds={"overfitting": (-0.1, 0.0)})
    assert strict.colour == "red" and edge.finding("overfitting").colour == "green"
    assert strict.finding("overfitting").threshold == "Green from -0.1, red from 0."
    with pytest.raises(ConfigError, match="did you mean 'overfitting'"):
        validate(found, thresholds={"overfiting": (0.1, 0.2)})
    with pytest.raises(ConfigError, match="two different numbers"):
        Thresholds(overfitting=(0.2, 0.2))


@pytest.mark.parametrize(
    ("value", "green", "red", "colour"),
    [
        (0.5, 0.5, 0.0, "green"),
        (0.49, 0.5, 0.0, "yellow"),
        (0.0, 0.5, 0.0, "red"),
        (0.05, 0.05, 0.2, "green"),
        (0.1, 0.05, 0.2, "yellow"),
        (0.2, 0.05, 0.2, "red"),
        (float("nan"), 0.5, 0.0, "grey"),
    ],
)
def test_colours_of_figures(value, green, red, colour):
    assert judged(value, green, red) == colour


def test_what_cannot_be_asked_is_grey_and_says_why():
    short = Sweep("ma_crossover", {"fast": [2, 3], "slow": [5, 8]}, prices("noise", 12)).run()
    verdict = validate(short, questions=["overfitting", "walk_forward"])
    assert verdict.finding("overfitting").colour == "grey"
    assert "could not be asked" in verdict.finding("overfitting").sentence


def test_ambiguous_fills_are_judged_by_their_bounds():
    stops = Stops(stop_loss=0.005, take_profit=0.005)
    found = Sweep("ma_crossover", {"fast": [5], "slow": [20, 30]}, sample("AAPL"), stops=stops).run()
    finding = validate(found, questions=["ambiguity"]).finding("ambiguity")
    bounds = found.best("sharpe").ambiguity
    gain = abs(bounds.final_equity - 100_000.0)
    assert finding.figure == pytest.approx((bounds.best - bounds.worst) / gain)
    assert f"{bounds.bars:,} bars" in finding.sentence


def test_wrong_input_is_one_error(tmp_path):
    found = Sweep("ma_crossover", GRID, prices("noise")).run(store=tmp_path / "store")
    with pytest.raises(ConfigError, match="did you mean 'permutation'"):
        validate(found, questions=["permutations"])
    with pytest.raises(ConfigError, match="was loaded"):
        validate(type(found).load(tmp_path / "store"))
    with pytest.raises(ConfigError, match="expected a Sweep or its result"):
        validate(BacktestEngine().run(prices("noise"), "ma_crossover"))


def test_another_objective_than_the_sweep_has():
    found = Sweep("ma_crossover", GRID, prices("edge"), metrics=("total_return",)).run()
    verdict = validate(found, objective="max_drawdown", questions=["tried", "walk_forward"])
    assert isinstance(verdict, Verdict) and verdict.objective == "max_drawdown"
    assert verdict.finding("walk_forward").colour != "grey"


def test_shown_logged_and_in_the_tear_sheet(noise, tmp_path):
    said = {}

    class Tracker(NoopTracker):
        def set_tags(self, tags):
            said.update(tags)

        def log_text(self, text, artifact_file):
            said[artifact_file] = text

    noise.log(Tracker())
    assert said["validation"] == noise.verdict
    assert json.loads(said["reports/validation.json"])["colour"] == "red"
    assert noise.summary() in said["reports/validation.txt"]
    result = BacktestEngine().run(prices("noise"), "ma_crossover")
    page = result.report(tmp_path / "x.html", sections=[noise.section()]).read_text(encoding="utf-8")
    assert "Does it hold?" in page and "permutation" in page
    assert json.loads(noise.save(tmp_path / "x.json").read_text())["verdict"] == noise.verdict


def test_the_command_line_asks_a_store(tmp_path, command):
    prices("noise").write_parquet(tmp_path / "p.parquet")
    grid = ("--grid", "fast=3:7:2", "--grid", "slow=20,40")
    code, _, err = command(
        "sweep",
        "--data",
        "p.parquet",
        "--strategy",
        "ma_crossover",
        *grid,
        "--store",
        "kept",
        "--metric",
        "sharpe",
    )
    assert (code, err) == (0, "")
    asked = (
        "validate",
        "kept",
        "--data",
        "p.parquet",
        "--strategy",
        "ma_crossover",
        "--question",
        "overfitting",
    )
    code, out, err = command(*asked, "--out", "v.json", "--report", "v.html")
    assert (code, err) == (0, "") and "overfitting" in out
    assert json.loads((tmp_path / "v.json").read_text())["findings"][0]["name"] == "overfitting"
    assert "Does it hold?" in (tmp_path / "v.html").read_text(encoding="utf-8")
    other = ("--objective", "total_return", "--min-trades", "2", "--report", "other.html")
    code, _, err = command(*asked, *other)  # the store has neither these returns nor the trades
    assert (code, err) == (0, "") and (tmp_path / "other.html").exists()
    prices("edge").write_parquet(tmp_path / "p.parquet")
    check_wrong(command(*asked), "expected --data, --strategy and --config of this sweep")


def test_a_grid_that_varies_settings_and_a_sweep_through_the_book():
    grid = {"fast": [3, 5], "slow": [20, 40], "stop_loss": [0.02, 0.05]}
    few = {"questions": ["walk_forward", "permutation", "sensitivity"], "worlds": 19}
    verdict = validate(Sweep("ma_crossover", grid, prices("edge")), **few)
    assert [one.colour for one in verdict.findings] == ["green"] * 3
    assert verdict.params["stop_loss"] in (0.02, 0.05)
    book = validate(Sweep("ma_crossover", GRID, prices("edge", 600), order_book=OrderRules(latency=1)), **few)
    assert all(one.colour != "grey" for one in book.findings)


def test_one_configuration_cannot_be_overfitted():
    one = {"fast": [5], "slow": [45], "allow_short": [True]}
    verdict = validate(
        Sweep("ma_crossover", one, prices("noise")), questions=["overfitting", "deflated_sharpe"]
    )
    finding = verdict.finding("overfitting")
    assert finding.colour == "grey" and "nothing was chosen" in finding.sentence
    assert verdict.finding("deflated_sharpe").colour != "grey"


def test_where_there_is_no_gain_costs_take_none():
    falls = prices("noise").select(
        "timestamp", *(pl.col(n) * 0.999 ** pl.int_range(pl.len()) for n in ("open", "high", "low", "close"))
    )
    verdict = validate(
        Sweep("ma_crossover", {"fast": [5, 9], "slow": [30]}, falls), questions=["sensitivity"]
    )
    assert "no gain that costs could take" in verdict.finding("sensitivity").sentence


def test_the_verdict_is_about_the_best_of_enough_trades():
    found = Sweep("ma_crossover", {"fast": range(2, 30, 3), "slow": [50, 100, 200]}, sample("AAPL")).run(
        progress=False
    )
    for least in (0, 50):
        chosen = validate(found, min_trades=least, questions=["tried", "sensitivity"])
        best = found.best("sharpe", min_trades=least)
        assert chosen.params == {name: best.params[name] for name in ("fast", "slow")}
    few = Sweep("ma_crossover", {"fast": [2, 5], "slow": [50, 200]}, sample("AAPL"), metrics=["sharpe"])
    assert validate(few, min_trades=50, questions=["tried"]).params == {"fast": 5, "slow": 50}
    assert validate(few.run(progress=False), min_trades=50, questions=["tried"]).params == {
        "fast": 5,
        "slow": 50,
    }
