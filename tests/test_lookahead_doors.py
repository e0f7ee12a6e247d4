"""Look-ahead: what a strategy remembers and reads from outside, chance, searches, settings, the command line."""

import dataclasses
import functools
import json
import random

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    ConfigError,
    Execution,
    PortfolioRules,
    Study,
    Sweep,
    strategy,
    synthetic,
)
from peak_fast.settings import FixedUnits, OrderRules
from peak_fast.validation import check_lookahead

BARS = synthetic(600, seed=3)
FRAME = BARS.to_polars()
MEAN = None
KEPT = {}
EVENTS = FRAME[7::9].select(
    pl.col("timestamp").dt.replace_time_zone(None).alias("at"), what=pl.arange(66) % 3
)


class Model:
    """Remembers the mean of what it is fitted on."""

    def __init__(self):
        self.mean = None

    def fit(self, values):
        self.mean = values.mean()

    def predict(self, values):
        return values > self.mean


MODEL = Model()
READY = Model()
READY.fit(BARS.close)


def in_a_global(df, params):
    global MEAN
    if MEAN is None:
        MEAN = df["close"].mean()
    return (df["close"] > MEAN).cast(pl.Int8)


def in_a_dict(df, params):
    mean = KEPT.setdefault("mean", df["close"].mean())
    return (df["close"] > mean).cast(pl.Int8)


def in_a_model(df, params):
    if MODEL.mean is None:
        MODEL.fit(df["close"])
    return MODEL.predict(df["close"]).cast(pl.Int8)


def in_a_default(df, params, kept=[]):  # noqa: B006
    kept or kept.append(df["close"].mean())
    return (df["close"] > kept[0]).cast(pl.Int8)


def in_an_attribute(df, params):
    if not hasattr(in_an_attribute, "mean"):
        in_an_attribute.mean = df["close"].mean()
    return (df["close"] > in_an_attribute.mean).cast(pl.Int8)


@functools.cache
def level(name):
    return []


def in_a_cache(df, params):
    found = level("mean")
    found or found.append(df["close"].mean())
    return (df["close"] > found[0]).cast(pl.Int8)


def _closed():
    mean = None

    def in_a_closure(df, params):
        nonlocal mean
        mean = df["close"].mean() if mean is None else mean
        return (df["close"] > mean).cast(pl.Int8)

    return in_a_closure


class Called:
    """A strategy that is an object."""

    def __init__(self):
        self.model = Model()

    def __call__(self, df, params):
        if self.model.mean is None:
            self.model.fit(df["close"])
        return self.model.predict(df["close"]).cast(pl.Int8)

    def method(self, df, params):
        return self(df, params)


KEEPERS = {
    "the global 'MEAN'": in_a_global,
    "the global 'KEPT'": in_a_dict,
    "the global 'MODEL'": in_a_model,
    "a default of in_a_default": in_a_default,
    "attributes of in_an_attribute": in_an_attribute,
    "the cache of level": in_a_cache,
    "the variable 'mean' around in_a_closure": _closed(),
    "the object Called": Called(),
}


@pytest.mark.parametrize("label", KEEPERS)
def test_what_is_kept_between_calls_is_told_and_put_back(label):
    """A mean of all bars that is kept from the first call would make every later call look the same."""
    report = check_lookahead(KEEPERS[label], FRAME)
    assert report.verdict == "leaks" and report.leaks[0].columns == ("close",)
    assert report.state[0].startswith(label)
    assert "keeps something between calls" in report.summary()
    # As before the check: fewer bars make a mean of their own.
    short = KEEPERS[label](FRAME.head(50), {})
    assert (short == (FRAME["close"].head(50) > FRAME["close"].head(50).mean()).cast(pl.Int8)).all()
    assert check_lookahead(Called().method, FRAME).verdict == "leaks"


def test_a_model_that_was_there_before_is_told():
    def ready(df, params):
        return READY.predict(df["close"]).cast(pl.Int8)

    report = check_lookahead(ready, FRAME)
    assert report.ok
    assert "'READY' is a model that was there before the check" in report.summary()


def joined(way):
    def events(df, params):
        times = df.select(pl.col("timestamp").dt.replace_time_zone(None).alias("at"))
        return (times.join_asof(EVENTS, on="at", strategy=way)["what"] == 2).fill_null(False)

    return events


def test_a_frame_from_outside_ends_with_the_bars():
    assert check_lookahead(joined("backward"), FRAME).ok
    report = check_lookahead(joined("forward"), FRAME)
    assert report.leaks[0].columns == ("EVENTS",)
    assert "'EVENTS' from outside" in report.summary()
    assert check_lookahead(joined("forward"), FRAME, allow=["EVENTS"]).ok
    assert len(EVENTS) == 66, "the frame is back"


def test_what_is_allowed_hides_nothing_else():
    def both(df, params):
        label = (df["volume"].shift(-1) > df["volume"]).fill_null(False)
        return pl.DataFrame(
            {"label": label, "signal": (df["close"].shift(-1) > df["close"]).fill_null(False)}
        )

    assert [leak.what for leak in check_lookahead(both, FRAME).leaks] == ["signal", "label"]
    assert [leak.what for leak in check_lookahead(both, FRAME, allow=["label"]).leaks] == ["signal"]

    def mixed(df, params):
        return ((df["volume"].shift(-1) > df["volume"]) & (df["close"].shift(-2) > df["close"])).cast(pl.Int8)

    assert check_lookahead(mixed, FRAME).leaks[0].columns == ("close", "volume")
    assert check_lookahead(mixed, FRAME, allow=["volume"]).leaks[0].columns == ("close", "volume")
    assert check_lookahead(mixed, FRAME, allow=["volume", "close"]).ok


def test_chance_is_named():
    def unseeded(df, params):
        return np.random.default_rng().random(len(df)) > 0.5

    report = check_lookahead(unseeded, FRAME)
    assert (report.verdict, report.random, report.ok) == ("random", ("decision",), False)
    assert report.summary().startswith("unseeded is random by itself: two equal runs differ in 'decision'.")
    report.raise_on_leak()


@pytest.mark.parametrize(
    "draw",
    [lambda: np.random.rand(600), lambda: np.array([random.random() for _ in range(600)])],  # noqa: NPY002
)
def test_global_generators_are_set_for_the_check_and_go_on_afterwards(draw):
    def clean(df, params):
        return (draw()[: len(df)] > 0.5).astype(int)

    def ahead(df, params):
        return (draw()[: len(df)] > 2.0) | (df["close"].shift(-1) > df["close"]).fill_null(False).to_numpy()

    np.random.seed(4)  # noqa: NPY002
    random.seed(4)
    report = check_lookahead(clean, FRAME)
    after = np.random.rand(), random.random()  # noqa: NPY002
    np.random.seed(4)  # noqa: NPY002
    random.seed(4)
    assert after == (np.random.rand(), random.random())  # noqa: NPY002
    assert report.verdict == "random" and "without a seed" in report.summary()
    assert check_lookahead(ahead, FRAME).verdict == "leaks"


def test_noise_hides_only_what_is_as_small():
    def noisy(df, params):
        noise = np.random.default_rng().random(len(df))
        close = df["close"]
        score = (close - close.mean()) / close.std()
        return pl.DataFrame({"large": score + noise * 1e-4, "small": close * 0 + noise, "signal": close * 0})

    report = check_lookahead(noisy, FRAME)
    assert [leak.what for leak in report.leaks if leak.kind == "column"] == ["large"]
    assert {"large", "small"} <= set(report.random)


def test_labels_are_a_hint_and_no_leak():
    def learns(df, params):
        label = (df["close"].shift(-5) / df["close"] - 1.0).fill_null(0.0)
        held = np.zeros(len(df))
        for bar in range(100, len(df)):
            held[bar] = label[bar - 105 : bar - 5].mean() > 0 if bar >= 105 else 0
        return held

    report = check_lookahead(learns, FRAME, cuts=6)
    assert report.ok
    assert [hint.what for hint in report.hints] == ["label"]
    assert "No decision follows from it" in report.summary()


def test_a_calendar_is_named_and_what_it_hides_is_found():
    def month_end(df, params):
        month = df["timestamp"].dt.month()
        return (month != month.shift(-1)).fill_null(False)

    def month_end_ahead(df, params):
        return month_end(df, params) & (df["close"].shift(-1) > df["close"]).fill_null(False)

    known = check_lookahead(month_end, FRAME)
    assert known.ok and known.calendar[0].columns == ("time stamps",)
    report = check_lookahead(month_end_ahead, FRAME)
    assert report.verdict == "leaks" and "close" in report.leaks[0].columns


@pytest.mark.parametrize(
    "engine",
    [
        BacktestEngine(execution=Execution(fill_at="close")),
        BacktestEngine(order_book=OrderRules(market_fill="placing_close")),
    ],
)
def test_fills_at_the_deciding_close_are_named_and_no_leak(engine):
    report = check_lookahead("ma_crossover", BARS, {"fast": 5, "slow": 20}, engine=engine)
    assert report.ok and report.leaks == ()
    assert report.assumptions[0].startswith("fills: at the close of the bar that decides")
    assert report.assumptions[0][1:] in report.summary()
    assert check_lookahead("ma_crossover", BARS).assumptions == ()


def test_numbers_are_not_checked():
    report = check_lookahead(np.ones(600), BARS)
    assert (report.verdict, report.ok, report.leaks) == ("unchecked", False, ())
    assert "given as numbers" in report.summary()


def test_a_function_that_needs_many_bars():
    def long(df, params):
        if len(df) < 600:
            raise ValueError("too few")
        return (df["close"].shift(params["lag"]) > df["close"]).cast(pl.Int8)

    ahead, back = (check_lookahead(long, FRAME, {"lag": lag}) for lag in (-1, 1))
    assert ahead.leaks[0].columns == ("close",)
    assert back.ok and "only other later values were tried" in back.summary()
    assert "ValueError: too few" in back.summary()


def lagged(df, params):
    return (df["close"].shift(params["lag"]) > df["close"]).cast(pl.Int8)


def test_searches_and_results():
    sweep = Sweep(lagged, {"lag": [2, 1, -1]}, BARS)
    for item in (sweep, sweep.run()):
        report = check_lookahead(item)
        assert (report.verdict, report.params) == ("leaks", {"lag": -1})
    assert check_lookahead(Sweep("ma_crossover", {"fast": [5, 10], "slow": [20, 30]}, BARS).run()).ok
    assert check_lookahead(BacktestEngine().run(BARS, lagged, {"lag": -2})).verdict == "leaks"
    assert check_lookahead(BacktestEngine().run(BARS, lagged, {"lag": 2})).ok
    assert check_lookahead(BacktestEngine().run(BARS, np.ones(600))).verdict == "unchecked"
    with pytest.raises(ConfigError, match="has its own"):
        check_lookahead(sweep, BARS)


def test_a_study():
    pytest.importorskip("optuna")
    study = Study("ma_crossover", {"one": BARS, "two": synthetic(500, seed=4)}, seed=1, sampler="random")
    study.run(n_trials=4)
    report = check_lookahead(study)
    assert report.ok and report.notes[-1].startswith("2 configurations were checked")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cuts": 0}, "cuts: expected a whole number of at least 1"),
        ({"allow": "label"}, "allow: expected names in a list"),
        ({"engine": "fast"}, "engine: expected a BacktestEngine"),
        ({"data": None}, "data: expected bars"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        check_lookahead(**{"strategy": lagged, "data": BARS, "params": {"lag": 1}, **arguments})


def test_check_lookahead_of_the_engine_is_true_or_false():
    with pytest.raises(ConfigError, match="check_lookahead: expected True or False"):
        BacktestEngine(check_lookahead="yes")


def test_settings_of_a_portfolio_are_named():
    from tests.lookahead_cases import panel
    from tests.lookahead_clean import CLEAN

    rule = CLEAN["momentum"][0]
    engine = BacktestEngine(portfolio=PortfolioRules(fill_at="close"))
    assert check_lookahead(rule, panel(), engine=engine).assumptions
    assert not check_lookahead(rule, panel()).assumptions


FILE = """
from peak_fast import strategy

@strategy(name="by_a_lag")
def by_a_lag(df, params):
    return (df["close"].shift(params.get("lag", 1)) > df["close"]).cast(int).fill_null(0)
"""


def test_the_command_line(command, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    given = ("--data", "AAPL", "--strategy", str(path))
    code, out, err = command("check-lookahead", *given)
    assert (code, err) == (0, "") and out.startswith("by_a_lag: no look-ahead found at ")
    code, out, _ = command("check-lookahead", *given, "--param", "lag=-1", "--json")
    said = json.loads(out)
    assert code == 1 and said["leaks"][0]["columns"] == ["close"]
    assert command("check-lookahead", *given, "--param", "lag=-1", "--allow", "close")[0] == 0
    code, out, err = command("run", *given, "--param", "lag=-1", "--check-lookahead")
    assert code == 2 and "looks ahead: the decision at bar" in err
    assert command("run", *given, "--check-lookahead")[0] == 0


def test_a_report_is_plain_values():
    report = check_lookahead(lagged, BARS, {"lag": -1})
    said = json.loads(json.dumps(report.to_dict()))
    assert set(said) == {field.name for field in dataclasses.fields(report)} | {"ok"}


def test_blocks_that_place_orders_see_nothing_later():
    from peak_fast.orders import BUY, CLOSE, EQUITY_FRACTION, POSITION, SELL, close_lots, place_limit

    @strategy(name="bids_below")
    def bids_below(i, bars, params, memory, account, orders):
        later = bars[CLOSE, i + 1] if i + 1 < bars.shape[1] else 0.0
        if later > 0.0:  # it is NaN
            place_limit(orders, SELL, 0.5, bars[CLOSE, i], unit=EQUITY_FRACTION)
        if account[POSITION] == 0.0 and i % 5 == 0:
            place_limit(orders, BUY, 0.5, bars[CLOSE, i] * 0.99, unit=EQUITY_FRACTION)
        elif i % 17 == 0:
            close_lots(orders, 1.0)

    report = check_lookahead(bids_below, BARS)
    assert report.ok and report.kind == "order block"
    assert BacktestEngine().run(BARS, bids_below).orders.height > 20


def test_a_search_is_checked_with_its_own_settings():
    below = np.linspace(5.0, -5.0, 300) + np.sin(np.arange(300) / 9.0)
    frame = pl.DataFrame({"open": below, "high": below + 1.0, "low": below - 1.0, "close": below})
    grid, settings = (
        {"fast": [3, 5], "slow": [20, 30]},
        {"sizing": FixedUnits(10), "execution": Execution(fill_at="close")},
    )
    sweep = Sweep("ma_crossover", grid, frame, **settings)
    for search in (sweep, sweep.run(progress=False)):
        report = check_lookahead(search)
        assert report.ok and "close" in report.assumptions[0]


@pytest.mark.parametrize("cuts", [1, 2, 3])
def test_few_places_are_enough_for_a_leak_everywhere(cuts):
    def next_close(df, params):
        return (df["close"].shift(-3) > df["close"]).cast(int)

    assert check_lookahead(next_close, synthetic(300, seed=3), {}, cuts=cuts).verdict == "leaks"
