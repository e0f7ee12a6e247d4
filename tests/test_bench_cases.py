"""Random cases of other engines: what is drawn, the form in which it is written, what the tool says of it."""

import json
import math

import numpy as np
import polars as pl
import pytest

from bench.cases import backtesting_script, backtrader_script, form, made_up, tool, vectorbt_settings
from tests.parity.adapters import backtesting_py, backtrader
from tests.parity.cases import differences, find_cases, load_case

DAYS = np.arange(6) * made_up.DAY_US


def handmade_bars(name="X"):
    price = np.array([100.0, 101.0, 102.0, 103.0, 104.0, 105.0])
    columns = {"open": price, "high": price + 2.0, "low": price - 1.0, "close": price + 1.0}
    return made_up.Bars(name, DAYS, {**columns, "volume": np.full(6, 10.0)})


def handmade(engine="backtrader", size=3.0):
    """Bought at the open of bar 2, sold at the open of bar 4, 1 percent of the value as fee: worked out by hand."""
    fees = 0.01 * size * np.array([102.0, 104.0])
    cash = np.array([1e4, 1e4, 1e4 - size * 102 - fees[0], 0.0, 0.0, 0.0])
    cash[3], cash[4:] = cash[2], cash[2] + size * 104 - fees[1]
    position = np.array([0.0, 0.0, size, size, 0.0, 0.0])
    script = [
        {"bar": 1, "op": "buy", "size": size, "id": "a", "tag": "a"},
        {"bar": 3, "op": "close", "id": "b"},
    ]
    if engine == "backtesting.py":
        script[1] = {"bar": 3, "op": "close_position"}
    return form.Outcome(
        engine=engine,
        engine_version="1",
        api="by hand",
        config={"cash": 1e4, "commission": {"commission": 0.01} if engine == "backtrader" else 0.01},
        bars=[handmade_bars()],
        fills=[
            form.Fill(2, 2, 0, 1, size, 102.0, fees[0], "a"),
            form.Fill(4, 4, 0, -1, size, 104.0, fees[1]),
        ],
        equity=(cash + position * handmade_bars()["close"])[None],
        # That engine's cash is the account without the open profit.
        cash=(cash + position * (102.0 if engine == "backtesting.py" else 0.0))[None],
        position=position[None],
        script=script,
    )


@pytest.mark.parametrize(
    ("engine", "adapter"), [("backtrader", backtrader), ("backtesting.py", backtesting_py)]
)
def test_a_written_case_is_read_and_reproduced(tmp_path, engine, adapter):
    case = load_case(form.write(tmp_path, "hand", handmade(engine)))
    assert (case.engine, case.meta["n_bars"], case.meta["assets"]) == (engine, 6, ["X"])
    assert differences(case, adapter.run(case)) == []


def test_what_was_written_is_what_is_read(tmp_path):
    """Two assets, two groups: nothing changes its place between the engine and the comparison."""
    rng = np.random.default_rng(0)
    bars = made_up.panel(rng, 20, 2)
    made_up.remove_prices(rng, bars, 0.2)
    arrays = rng.normal(size=(2, 20))
    outcome = form.Outcome(
        engine="vectorbt",
        engine_version="1",
        api="from_orders",
        config={"size": math.inf, "sl_stop": math.nan, "max_size": -math.inf, "flag": np.bool_(True)},
        bars=bars,
        fills=[],
        equity=arrays,
        cash=arrays + 1.0,
        position=arrays + 2.0,
        inputs={"size": arrays, "entry": arrays > 0.0},
    )
    case = load_case(form.write(tmp_path, "two", outcome))
    assert case.config == {"size": "Infinity", "sl_stop": "NaN", "max_size": "-Infinity", "flag": True}
    prices = case.prices()
    for name in (*made_up.PRICES, "volume"):
        np.testing.assert_array_equal(prices[name], [one[name] for one in bars])
    np.testing.assert_array_equal(prices["time_us"], bars[0].time_us)
    np.testing.assert_array_equal(case.inputs("size"), arrays)
    np.testing.assert_array_equal(case.inputs("entry"), arrays > 0.0)
    equity, position = case.table("equity"), case.table("positions")
    np.testing.assert_array_equal(equity["equity"].to_numpy().reshape(2, 20), arrays)
    np.testing.assert_array_equal(equity["cash"].to_numpy().reshape(2, 20), arrays + 1.0)
    np.testing.assert_array_equal(position["position"].to_numpy().reshape(2, 20), arrays + 2.0)
    assert case.table("bars")["timestamp"].dtype == pl.Datetime("us", "UTC")
    assert case.table("fills").columns == [
        "seq", "bar", "booked_bar", "asset", "side", "size", "price", "fee", "tag"
    ]  # fmt: skip


def backtesting_draw(rng):
    bars = made_up.panel(rng, 60, 1)[0]
    return backtesting_script.script(rng, bars, backtesting_script.config(rng, bars))


def backtrader_draw(rng):
    assets = made_up.panel(rng, 60, 2, made_up.HOUR_US)
    return backtrader_script.script(rng, assets, backtrader_script.config(rng, assets[0]))


def vectorbt_draw(rng):
    drawn = vectorbt_settings.draw(rng)
    return [drawn.api, drawn.config, {name: values.tolist() for name, values in drawn.inputs.items()}]


@pytest.mark.parametrize("draw", [backtesting_draw, backtrader_draw, vectorbt_draw])
def test_a_seed_draws_the_same_again_and_another_seed_does_not(draw):
    first, again, other = (
        json.dumps(form.words(draw(np.random.default_rng([seed, 3])))) for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("kind", made_up.VOLATILITY)
@pytest.mark.parametrize("step", made_up.STEPS)
def test_bars_hold_their_open_and_close(kind, step):
    bars = made_up.bars(np.random.default_rng(4), 300, kind, step)
    assert (np.diff(bars.time_us) >= step).all()
    assert (bars["low"] > 0.0).all() and (bars["volume"] == 0.0).any()
    assert (bars["low"] <= np.minimum(bars["open"], bars["close"])).all()
    assert (bars["high"] >= np.maximum(bars["open"], bars["close"])).all()


def test_the_report_counts_fills_and_names_what_differs(tmp_path, capsys):
    form.write(tmp_path, "backtrader_1_0", handmade())
    wrong = handmade()
    wrong.fills[1] = form.Fill(4, 4, 0, -1, 3.0, 104.5, wrong.fills[1].fee)
    form.write(tmp_path, "backtrader_1_1", wrong)
    assert [folder.name for folder in find_cases(tmp_path)] == ["backtrader_1_0", "backtrader_1_1"]
    assert not tool.report([tool.Made("vectorbt", failed="no interpreter")], tmp_path)
    out = capsys.readouterr().out
    assert "vectorbt: no cases: no interpreter" in out
    assert "fills: backtrader 4\nparity: vectorbt 0/0, backtesting.py 0/0, backtrader 1/2\n" in out
    assert "backtrader_1_1  fill 1: price 104.0, expected 104.5" in out


@pytest.mark.parametrize("words", [["--cases", "0"], ["--seed", "-1"], ["--engine", "zipline"]])
def test_arguments_that_make_no_case_are_refused(words, capsys):
    with pytest.raises(SystemExit):
        tool.main(words)
    assert "usage: python -m bench cases" in capsys.readouterr().err


def test_an_environment_that_is_not_there_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PEAK_FAST_VENVS", str(tmp_path))
    assert tool.main(["--engine", "backtrader", "--cases", "2"]) == 1
    assert "backtrader: no cases: no environment at" in capsys.readouterr().out
