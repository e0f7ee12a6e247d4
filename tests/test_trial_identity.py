"""Functions with other values around them are other trials, and the same ones however often they are made."""

import functools

import numpy as np
import pytest

from peak_fast import BacktestEngine, Costs, Financing, RiskPerTrade, Stops, Study, Sweep, synthetic
from peak_fast.engine.identity import function_identity
from peak_fast.errors import PeakFastError
from peak_fast.orders import OrderRules
from peak_fast.sweep import counted, hashes_of
from peak_fast.trials import TrialRegistry, vector_hashes

BARS = synthetic(200, seed=1)
LEVEL = 1.0


def above(df, params, days=1):
    return (df["close"] > LEVEL * df["close"].shift(days)).cast(int)


def enclosed(days):
    def inner(df, params):
        return (df["close"] > df["close"].shift(days)).cast(int)

    return inner


def with_default(days):
    def inner(df, params, days=days):
        return (df["close"] > df["close"].shift(days)).cast(int)

    return inner


def with_array(days):
    lags = np.array([days])

    def inner(df, params):
        return (df["close"] > df["close"].shift(int(lags[0]))).cast(int)

    return inner


class Held:
    def __init__(self, days):
        self.days, self.seen = days, object()

    def __call__(self, df, params):
        return (df["close"] > df["close"].shift(self.days)).cast(int)

    def method(self, df, params):
        return self(df, params)


KINDS = {
    "enclosed": enclosed, "default": with_default, "array": with_array, "object": Held,
    "method": lambda days: Held(days).method, "partial": lambda days: functools.partial(above, days=days),
    "partial of a closure": lambda days: functools.partial(with_default(days), days=3),
}  # fmt: skip


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_values_around_a_function_make_other_trials(make, tmp_path):
    registry = TrialRegistry(tmp_path / "trials.sqlite")
    for days in (1, 2, 1, 2):
        BacktestEngine(registry=registry).run(BARS, make(days), {})
    assert registry.errors == [] and registry.trials == 2


def test_a_sweep_and_a_run_of_one_closure_are_one_trial(tmp_path):
    def days_of(offset):
        def inner(df, params):
            return (df["close"] > df["close"].shift(params["days"] + offset)).cast(int)

        return inner

    registry = TrialRegistry(tmp_path / "trials.sqlite")
    Sweep(days_of(1), {"days": [1, 2]}, BARS, registry=registry).run(progress=False)
    BacktestEngine(registry=registry).run(BARS, days_of(1), {"days": 1})
    assert registry.trials == 2
    Sweep(days_of(2), {"days": [1, 2]}, BARS, registry=registry).run(progress=False)
    assert registry.trials == 4


def test_a_global_that_is_named_belongs_to_the_function(monkeypatch):
    before = function_identity(above)
    assert function_identity(above) == before
    monkeypatch.setitem(globals(), "LEVEL", 2.0)
    assert function_identity(above) != before


def test_functions_that_name_themselves_end():
    def turns(df, params):
        return turns(df, params)

    assert function_identity(turns) == function_identity(turns)


def test_one_vector_of_settings_has_the_hash_that_it_has_among_others():
    rows = np.random.default_rng(1).normal(size=(4, 30))
    rows[1, 3], rows[2, 5] = np.nan, -0.0
    assert [int(vector_hashes(rows[n : n + 1])[0]) for n in range(4)] == vector_hashes(rows).tolist()


def test_financing_makes_other_trials_and_the_same_ones_at_every_door(tmp_path):
    pytest.importorskip("optuna")
    registry = TrialRegistry(tmp_path / "trials.sqlite")
    settings = {"financing": Financing(cash_rate=0.03), "registry": registry}
    grid = {"fast": [5, 6], "slow": [20, 30], "fee_bps": [0, 10]}
    found = Sweep("ma_crossover", grid, BARS, **settings).run(progress=False)
    engine = BacktestEngine(costs=Costs.from_bps(fee_bps=10), **settings)
    single = engine.run(BARS, "ma_crossover", {"fast": 5, "slow": 20})
    assert single.stats["total_return"] in found.frame["total_return"].to_list()
    space = {"fast": (5, 6), "slow": 20, "allow_short": False}
    Study("ma_crossover", BARS, space=space, sampler="grid", seed=1, **settings).run(progress=False)
    assert registry.trials == 8 and not registry.errors
    for other in (None, Financing(cash_rate=0.02)):
        BacktestEngine(financing=other, registry=registry).run(BARS, "ma_crossover", {"fast": 5, "slow": 20})
    assert registry.trials == 10 and not registry.errors


def test_a_store_knows_the_financing_of_its_sweep(tmp_path):
    def swept(rate):
        sweep = Sweep(
            "ma_crossover", {"fast": [5, 8], "slow": [20]}, BARS, financing=Financing(cash_rate=rate)
        )
        return sweep.run(progress=False, store=tmp_path / "kept").frame

    assert swept(0.03).equals(swept(0.03))
    with pytest.raises(PeakFastError, match="financing"):
        swept(0.02)
    assert TrialRegistry(tmp_path / "trials.sqlite").trials == 2


def side_of(df, params):
    return [params["side"]] * len(df)


STOPPED = {
    "fast": [3, 4.0],
    "slow": [10, 12],
    "stop_loss": [None, 0.01],
    "fee_bps": [0, 2.5],
    "trailing": [0.1, 0.2],
}
SWEEPS = {
    "stops": lambda: Sweep("ma_crossover", STOPPED, BARS),
    "data sets": lambda: Sweep("ma_crossover", STOPPED, {"a": BARS, "b": synthetic(250, seed=2)}),
    "risk": lambda: Sweep(
        "ma_crossover", STOPPED, BARS, sizing=RiskPerTrade(risk=0.01), stops=Stops(stop_loss=0.1)
    ),
    "mixed values": lambda: Sweep(
        side_of, {"side": [0, 1.0, -1], "x": ["a", None], "stop_loss": [None, 0.1]}, BARS
    ),
    "rows": lambda: Sweep("ma_crossover", [{"fast": 4, "slow": 11}, {"fast": 4.0, "slow": 11}], BARS),
    "book": lambda: Sweep("ma_crossover", {"fast": [3, 4], "latency": [1, 2]}, BARS, order_book=OrderRules()),
}


@pytest.mark.parametrize("make", SWEEPS.values(), ids=SWEEPS)
def test_a_grid_has_the_hashes_of_its_rows(make):
    sweep = make()
    found = [key for part in counted._parts(sweep) for key in part.tolist()]
    for key, row in zip(found, sweep.grid, strict=True):
        data = sweep.data[row.pop("data")] if len(sweep.data) > 1 else BARS
        columns = {name: np.array([value], dtype=object) for name, value in row.items()}
        alone = hashes_of(sweep.engine, sweep.strategy, data, columns, sweep._varied, 1)
        assert alone.tolist() == [key]
