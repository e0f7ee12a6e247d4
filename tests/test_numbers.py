"""Numbers that are none, or beyond reason: one error that names what was meant, at every door."""

import math
import tomllib

import numpy as np
import pandas as pd
import polars as pl
import pytest

import peak_fast as pf
from peak_fast import StrategyError
from peak_fast.errors import ConfigError, PeakFastError
from peak_fast.indicators import sma
from peak_fast.params import Param
from peak_fast.portfolio import Momentum, Slots, TargetWeights, Volatility
from peak_fast.settings import Asset, SignalRules
from peak_fast.signals import simulate_signals, simulate_sizes
from peak_fast.strategies import Above, AtLeast, Row, RuleStrategy
from peak_fast.sweep.grid.grid import Grid

BARS = pf.synthetic(60, seed=1)
CLOSE = np.asarray(BARS.close)
NO_NUMBERS = [
    True,
    np.True_,
    "1_000",
    "0.5",
    "True",
    1 + 0j,
    10**400,
    -(10**400),
    10**5000,
    math.nan,
    1e400,
    None,
    [0.5],
    {},
]


def engine(**settings):
    return pf.BacktestEngine(**settings).run(BARS, "ma_crossover", {"fast": 3, "slow": 8})


def entries():
    mask = np.zeros(60, dtype=bool)
    mask[5] = True
    return mask


DOORS = {
    "initial_cash": lambda value: engine(initial_cash=value),
    "risk_free": lambda value: engine(risk_free=value),
    "Costs.rate": lambda value: pf.Costs(rate=value),
    "Costs.slippage_bps": lambda value: pf.Costs(slippage_bps=value),
    "Costs.from_bps": lambda value: pf.Costs.from_bps(value),
    "Stops.stop_loss": lambda value: pf.Stops(stop_loss=value if value is not None else "none"),
    "RiskPerTrade": lambda value: pf.RiskPerTrade(value),
    "RiskPerTrade.max_position": lambda value: pf.RiskPerTrade(0.01, max_position=value),
    "FractionOfEquity": lambda value: pf.FractionOfEquity(value),
    "FixedUnits": lambda value: pf.FixedUnits(value),
    "FixedValue": lambda value: pf.FixedValue(value),
    "parameter": lambda value: (
        engine() and pf.BacktestEngine().run(BARS, "ma_crossover", {"fast": value, "slow": 30})
    ),
    "Param.low": lambda value: Param(
        "a", "float", 0.5, low=value if value is not None else "none", high=1e300
    ),
    "grid of a sweep": lambda value: pf.Sweep("ma_crossover", {"fast": [value], "slow": [30]}, BARS),
    "grid of a setting": lambda value: pf.Sweep(
        "ma_crossover", {"stop_loss": [0.1, value if value is not None else "none"]}, BARS
    ).run(progress=False),
    "n_trials": lambda value: pf.Study("ma_crossover", BARS, sampler="random").run(
        n_trials=value if value is not None else "none"
    ),
    "Grid.random": lambda value: Grid.random({"a": (1, 10)}, value),
    "SignalRules.min_size": lambda value: SignalRules(min_size=value),
    "fees": lambda value: simulate_signals((CLOSE,) * 4, entries=entries(), exits=False, fees=value),
    "fixed_fees": lambda value: simulate_signals(
        (CLOSE,) * 4, entries=entries(), exits=False, fixed_fees=value
    ),
    "slippage": lambda value: simulate_sizes((CLOSE,) * 4, np.ones(60), slippage=value),
    "signals' initial_cash": lambda value: simulate_signals(
        (CLOSE,) * 4, entries=entries(), exits=False, initial_cash=value if value != [0.5] else [0.5, 0.5]
    ),
}


PANEL = pf.synthetic(60, assets=3, seed=1)
RANK = pf.Rank(Momentum("lookback"), top="top", rebalance=5)


def portfolio(what, params=None, **rules):
    return pf.BacktestEngine(portfolio=pf.PortfolioRules(**rules)).run(PANEL, what, params)


def ranked(**settings):
    return portfolio(pf.Rank(**{"score": Momentum(5), "top": 2, "rebalance": 5, **settings}))


def wide(column):
    return {"timestamp": PANEL.timestamp[[10]], PANEL.symbols[0]: column}


def unless_none(call):
    """A door where None means something."""
    return lambda value: call("none or so" if value is None else value)


DOORS |= {
    **{
        f"PortfolioRules.{name}": unless_none(lambda value, name=name: ranked() and portfolio(RANK, **{name: value}))
        for name in (
            "leverage", "lot_size", "min_size", "cash_buffer", "min_trade", "band", "max_gross", "max_net", "max_group",
            "delisted",
        )
    },
    **{
        f"Rank.{name}": unless_none(lambda value, name=name: ranked(**{name: value}))
        for name in ("top", "bottom", "long", "short", "cap", "group_cap", "score")
    },
    **{
        f"Rebalance.{name}": lambda value, name=name: ranked(rebalance=pf.Rebalance(**{"when": 5, name: value}))
        for name in ("start", "band", "buffer")
    },
    "Momentum.lookback": lambda value: ranked(score=Momentum(value)),
    "Momentum.skip": lambda value: ranked(score=Momentum(5, value)),
    "Volatility": lambda value: ranked(score=Volatility(value)),
    "Slots.slots": unless_none(lambda value: portfolio(Slots("ma_crossover", slots=value))),
    "Slots.priority": unless_none(lambda value: portfolio(Slots("ma_crossover", slots=1, priority=value))),
    "parameter of a rule": lambda value: portfolio(RANK, {"lookback": value, "top": 2}),
    **{
        f"sweep of {name}": unless_none(
            lambda value, name=name: pf.Sweep(RANK, {"lookback": [5], name: [value]}, PANEL).run(progress=False)
        )
        for name in ("top", "fee_bps", "band", "leverage", "delisted", "initial_cash")
    },
    "weights": lambda value: portfolio(wide([value])) if value is not None and value == value else portfolio(value),
    "Asset.multiplier": lambda value: Asset(multiplier=value),
}  # fmt: skip


@pytest.mark.parametrize("value", [True, np.True_, "0.5", b"1", 0.5 + 1j, np.complex64(0.5), 10**400, {}])
@pytest.mark.parametrize(
    "form", ["list", "array", "objects", "by bar", "pandas", "Polars", "long", "Slots", "score"]
)
def test_weights_and_scores_are_numbers(form, value):
    first, time = PANEL.symbols[0], PANEL.timestamp[[10]]
    table = np.full((60, 3), value, dtype=object)

    def series():
        return pl.Series([value], dtype=None if isinstance(value, bool | str) else pl.Object)

    forms = {
        "list": lambda: ([10], [[value, 0.0, 0.0]]),
        "array": lambda: ([10], np.array([[value] * 3])),
        "objects": lambda: ([10], table[:1]),
        "by bar": lambda: table.tolist(),
        "pandas": lambda: pd.DataFrame({"timestamp": time, first: pd.Series([value], dtype=object)}),
        "Polars": lambda: pl.DataFrame({"timestamp": time, first: series()}),
        "long": lambda: pl.DataFrame({"timestamp": time, "symbol": [first], "weight": series()}),
        "Slots": lambda: Slots("ma_crossover", slots=1, priority=table.T),
        "score": lambda: pf.Rank(table.T, top=1, rebalance=5),
    }
    with pytest.raises(PeakFastError, match=r"number|truth values|booleans|column"):
        portfolio(forms[form]())


def test_masked_weights_are_left_alone():
    masked = np.ma.masked_array([[0.5, 0.9, 0.0]], mask=[[False, True, False]])
    assert portfolio(([10], masked)).hash == portfolio(([10], [[0.5, np.nan, 0.0]])).hash


def test_weights_of_a_rule_of_ones_own_are_checked_in_sweeps():
    class Mine:
        name, schema, constraints = "mine", (Param("at", "int", 5, low=1, high=10**6),), ()

        def weights(self, panel, params):
            return TargetWeights([params["at"]], [[0.5, 0.0, 0.0]])

        def fingerprint(self):
            return "mine"

    single = portfolio(Mine(), {"at": 10})
    table = pf.Sweep(Mine(), {"at": [10]}, PANEL, metrics=["final_equity"]).run(progress=False).frame
    assert table["final_equity"].to_list() == [single.stats["final_equity"]] != [100_000.0]
    with pytest.raises(
        PeakFastError, match=r"expected ascending numbers of the 60 bars, each once; got \[500000\]"
    ):
        pf.Sweep(Mine(), {"at": [10, 500_000]}, PANEL).run(progress=False)


def test_columns_of_weights_have_a_row_for_each_time():
    with pytest.raises(PeakFastError, match=r"expected one weight for each of 1 times; got shape \(2,\)"):
        portfolio(wide([0.5, 0.1]))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
def test_what_is_no_number_is_one_error(door, value):
    if door in ("fees", "fixed_fees", "slippage") and value == [0.5]:
        value = [[0.5, "x"]]
    with pytest.raises(PeakFastError) as caught:
        DOORS[door](value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["fees", "slippage", "fixed_fees", "initial_cash"])
@pytest.mark.parametrize("value", [math.nan, -1.0, math.inf, -math.inf])
def test_signals_check_money_as_every_door_does(name, value):
    with pytest.raises(ConfigError, match=rf"^{name}: expected .*; got "):
        simulate_signals((CLOSE,) * 4, entries=entries(), exits=False, **{name: value})
    with pytest.raises(ConfigError, match=rf"^{name}: expected .*; got "):
        simulate_sizes((CLOSE,) * 4, np.ones(60), **{name: value})


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf])
def test_signals_check_prices_of_orders(value):
    with pytest.raises(ConfigError, match=r"^price: expected prices above 0"):
        simulate_signals((CLOSE,) * 4, entries=entries(), exits=False, price=value)


def test_texts_in_a_settings_file_are_no_numbers():
    table = tomllib.loads("[costs]\nrate = '0.001'\n")
    with pytest.raises(ConfigError, match=r"^Costs.rate: expected a valid number, .*; got '0.001'"):
        pf.Costs(**table["costs"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: pf.BacktestEngine().run(BARS, "ma_crossover", {"fast": 5, "slow": 10**12}),
            r"slow <= 10,000,000; got 1000000000000",
        ),
        (
            lambda: pf.Study("ma_crossover", BARS, sampler="random").run(n_trials=10**15),
            "at most 10,000,000 trials",
        ),
        (lambda: Grid.random({"a": (0.0, 1.0)}, 10**12), "at most 100,000,000 are"),
        (lambda: Grid.latin_hypercube({"a": (0.0, 1.0)}, 10**12), "at most 100,000,000 are"),
        (lambda: Grid.sobol({"a": (0.0, 1.0)}, 10**12), "at most 100,000,000 are"),
        (
            lambda: Param("a", "int", 1, low=1, high=10**12, hard_high=10**12).grid(),
            "at most 10,000,000 values to list",
        ),
        (lambda: Param("a", "int", 1, low=1, high=100).parse("1_0"), "without underscores"),
        (lambda: Row("sma", 10**12), "a number of bars goes up to 10,000,000"),
        (lambda: sma(CLOSE, 10**12), "at most 10,000,000 bars"),
        (lambda: sma(CLOSE, 10**400), "got a whole number of about 401 digits; at most 10,000,000 bars"),
    ],
)
def test_sizes_beyond_reason_are_refused_with_the_limit(call, message):
    with pytest.raises(PeakFastError, match=message):
        call()


def test_a_row_of_a_misspelt_parameter_is_named():
    schema = (Param("period", "int", 10, low=2, high=50),)
    close, average = Row("close"), Row("sma", "peroid")
    with pytest.raises(
        StrategyError, match=r"'sma' takes the parameter 'peroid', .* did you mean 'period'\?"
    ):
        RuleStrategy(
            name="x", schema=schema, enter_long=Above(close, average), leave_long=AtLeast(average, close)
        )
    with pytest.raises(StrategyError, match=r"short_switch names 'alow', .* did you mean 'allow'\?"):
        RuleStrategy(
            name="x",
            schema=(Param("allow", "bool", False),),
            enter_long=Above(close, Row("sma", 5)),
            short_switch="alow",
        )
