"""Guards: misspelt arguments, metrics and names are answered with the nearest one; Ctrl-C ends in one line."""

import copy
import inspect
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap

import pytest

import peak_fast
from peak_fast import (
    BacktestConfig,
    BacktestEngine,
    ConfigError,
    Costs,
    Execution,
    NoopTracker,
    PeakFastError,
    Study,
    Sweep,
    synthetic,
)
from peak_fast.guard import guarded, keywords
from peak_fast.settings.frozen import Settings
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_rules import Asset, OrderRules
from peak_fast.settings.signal_rules import SignalRules
from peak_fast.signals.simulate import simulate_signals, simulate_sizes

BARS = synthetic(300, seed=1)
# Called by this package at every run, never by users.
UNGUARDED = ("model_post_init", "log_result", "log_result_values", "id_of", "end_started")
FURTHER = (OrderBook, Asset, OrderRules, SignalRules, simulate_signals, simulate_sizes)


def misspelt(name):
    """The name without its last but one letter, or with one letter more where it is short."""
    return name[:-2] + name[-1] if len(name) > 4 else name + name[-1]


def public_calls():
    """Every public callable that takes keywords, methods of public classes among them: label, function."""
    items = [getattr(peak_fast, name) for name in peak_fast.__all__ if name != "__version__"]
    for item in (*items, *FURTHER):
        if inspect.isclass(item) and issubclass(item, BaseException):
            continue
        label = item.__name__
        if not inspect.isclass(item):
            yield label, item
            continue
        if not issubclass(item, Settings):
            yield label, item
        for owner in item.__mro__:
            if owner.__module__.split(".")[0] != "peak_fast":
                continue
            for name, method in vars(owner).items():
                if name.startswith("_") or name in UNGUARDED:
                    continue
                if inspect.isfunction(method) or isinstance(method, classmethod | staticmethod):
                    yield f"{label}.{name}", getattr(item, name)


def takes_anything(function):
    return any(
        p.kind is inspect.Parameter.VAR_KEYWORD for p in inspect.signature(function).parameters.values()
    )


CALLS = {label: function for label, function in public_calls() if keywords(function)}


@pytest.mark.parametrize(
    "label", [label for label, function in CALLS.items() if not takes_anything(function)]
)
def test_a_misspelt_argument_names_the_nearest_one(label):
    function = CALLS[label]
    for name in keywords(function):
        wrong = misspelt(name)
        with pytest.raises(ConfigError, match=f"no argument '{wrong}'; did you mean '{name}'") as caught:
            function(**{wrong: 1})
        assert isinstance(caught.value, TypeError), (
            "what Python raises for one, so that callers need not change"
        )


def test_callables_that_take_any_argument_are_these():
    """Each of them answers by itself: see the tests below, and those of presets and trackers."""
    anything = {label for label, function in CALLS.items() if takes_anything(function)}
    presets = {f"PortfolioRules.{name}" for name in ("polars_backtest", "rule", "vectorbt")}
    assert anything == {"Study", "NoopTracker.log_results", "NoopTracker.log_runs", *presets}


@pytest.mark.parametrize("name", ["smapler", "objektives", "inital_cash", "trackr", "treads"])
def test_a_study_names_the_nearest_argument_before_anything_else(name):
    right = {"smapler": "sampler", "objektives": "objectives", "inital_cash": "initial_cash", "trackr": "tracker",
             "treads": "threads"}[name]  # fmt: skip
    with pytest.raises(ConfigError, match=f"no argument '{name}'; did you mean '{right}'"):
        Study(None, None, **{name: None})


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (lambda: Sweep("macd", {}, 0, tracker=0), "Sweep: no argument 'tracker'; Sweep.run(tracker=...) takes it"),
        (lambda: Sweep("macd", {}, 0, store="s"), "Sweep: no argument 'store'; Sweep.run(store=...) takes it"),
        (lambda: Study(None, None, n_trials=5), "Study: no argument 'n_trials'; Study.run(n_trials=...) takes it"),
        (lambda: Study(None, None, trials=5), "no argument 'trials'; Study.run(n_trials=...) may be what is meant"),
        (lambda: BacktestEngine().run(None, "macd", tracker=None), "BacktestEngine(tracker=...) takes it"),
        (lambda: BacktestEngine().run(None, "macd", cost=None), "BacktestEngine(costs=...) may be what is meant"),
        (lambda: BacktestEngine().run(None, "macd", quick=9), "stands in params={'quick': ...}"),
        (lambda: BacktestEngine(stop_loss=0.1), "it belongs into stops=Stops(stop_loss=...)"),
        (lambda: Sweep("macd", {}, 0, fee_bps=1), "it belongs into costs=Costs.from_bps(fee_bps=...)"),
        (lambda: BacktestEngine().run(0, "macd", lot_size=1), "into BacktestEngine(execution=Execution(lot_size=...))"),
        (lambda: Study(0, 0, max_drawdown=0.1), "it belongs into risk_limits=RiskLimits(max_drawdown=...)"),
        (lambda: Costs(fee_bps=10), "'rate' is it as a fraction (a basis point is 0.0001)"),
        (lambda: Costs(fee_fixed=1), "'fixed' is what sweeps vary as 'fee_fixed'"),
        (lambda: NoopTracker().start_run(timeout=1), "NoopTracker.flush(timeout=...) takes it"),
    ],
)  # fmt: skip
def test_an_argument_of_another_call_of_the_same_object_is_named_with_that_call(call, answer):
    with pytest.raises(ConfigError, match=re.escape(answer)):
        call()


@pytest.mark.parametrize("name", ["fee_bp", "rte"])
def test_settings_and_presets(name):
    with pytest.raises(ConfigError, match=r"did you mean 'rate'|did you mean 'fee_bps'"):
        Costs(rte=0.1) if name == "rte" else Costs.from_bps(fee_bp=1)
    with pytest.raises(ConfigError, match="did you mean 'commission'"):
        Execution.backtrader(comission=0.1)
    with pytest.raises(ConfigError, match=r"BacktestConfig.cost: no such setting; did you mean 'costs'"):
        BacktestConfig(cost={"rate": 0.1})


def test_an_error_inside_a_guarded_function_stays_what_it_is():
    @guarded
    def longer(value, times=2):
        return len(value) * times

    assert longer([1], times=3) == 3
    with pytest.raises(TypeError, match="no len") as caught:
        longer(3)
    assert not isinstance(caught.value, PeakFastError)
    with pytest.raises(TypeError, match="missing 1 required"):
        longer()
    with pytest.raises(ConfigError, match=r"longer: no argument 'tims'; did you mean 'times'"):
        longer(3, tims=3)


def test_guarded_functions_keep_their_signature():
    assert list(inspect.signature(BacktestEngine.run).parameters)[:4] == [
        "self",
        "data",
        "strategy",
        "params",
    ]
    assert "initial_cash" in inspect.signature(BacktestEngine).parameters
    assert BacktestEngine.run.__doc__.startswith("Backtest a strategy.")


def test_names_of_the_package():
    with pytest.raises(AttributeError, match="did you mean 'Sweep'"):
        peak_fast.Swep  # noqa: B018


class TestStats:
    def test_a_misspelt_metric_names_the_nearest_one(self):
        stats = BacktestEngine().run(BARS, "macd").stats
        with pytest.raises(ConfigError, match="no 'sharp' here; did you mean 'sharpe'") as caught:
            stats["sharp"]
        assert isinstance(caught.value, KeyError), "what a dict raises"
        assert stats.get("sharp") is None and "sharp" not in stats and "sharpe" in stats

    def test_metadata_too(self):
        metadata = BacktestEngine().run(BARS, "macd").metadata
        with pytest.raises(KeyError, match="did you mean 'settings'"):
            metadata["setings"]

    def test_it_is_still_a_dict(self):
        stats = BacktestEngine().run(BARS, "macd").stats
        assert isinstance(stats, dict)
        assert dict(stats) == stats and {**stats} == stats
        assert (
            json.loads(json.dumps({"sharpe": stats["sharpe"]} | {"all": stats}, default=str))["all"]["bars"]
            == 300
        )
        for twin in (pickle.loads(pickle.dumps(stats)), copy.copy(stats), copy.deepcopy(stats)):
            assert twin == stats
            with pytest.raises(KeyError, match="did you mean"):
                twin["sharp"]


class TestMetrics:
    """At the call: not in a worker, not inside Optuna, not after the first trial."""

    @pytest.mark.parametrize("objectives", ["sharp", "sharp:max", ["sharp:max"], {"sharp": "maximize"}])
    def test_of_a_study(self, objectives):
        pytest.importorskip("optuna")
        with pytest.raises(ConfigError, match="did you mean 'sharpe'"):
            Study("macd", BARS, objectives=objectives)
        with pytest.raises(ConfigError, match="did you mean 'sharpe'"):
            Study("macd", BARS, metrics=["sharp"])
        with pytest.raises(ConfigError, match="did you mean 'total_trades'"):
            Study("macd", BARS, feasible="total_trade >= 3")

    def test_of_a_sweep(self):
        with pytest.raises(ConfigError, match="did you mean 'sharpe'"):
            Sweep("macd", {"fast": [5]}, BARS, metrics=["sharp"])
        found = Sweep("macd", {"fast": [5, 6], "signal": [4, 5]}, BARS).run(progress=False)
        for call in (found.top, found.best, found.plateau, found.curves):
            with pytest.raises(ConfigError, match="did you mean 'sharpe'"):
                call(by="sharp")
        with pytest.raises(ConfigError, match="did you mean 'sharpe'"):
            found.heatmap(metric="sharp")
        with pytest.raises(ConfigError, match="did you mean 'signal'"):
            found.heatmap(x="fast", y="signl")


SCRIPT = """
import sys
from peak_fast import BacktestEngine, Study, Sweep, strategy, synthetic

@strategy
def slow(df, params):
    if not hasattr(slow, "said"):
        print("ready", flush=True)
        globals()["said"] = True
    import time
    time.sleep(0.05)
    return [1] * len(df)

bars = synthetic(100, seed=1)
if sys.argv[1] == "run":
    while True:
        BacktestEngine().run(bars, slow)
elif sys.argv[1] == "sweep":
    Sweep(slow, {"fee_bps": range(900)}, bars).run(progress=False, store=sys.argv[2])
elif sys.argv[1] == "own":
    print("ready", flush=True)
    while True:
        pass
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGINT to another process is POSIX")
class TestCtrlC:
    def stop(self, tmp_path, *arguments):
        (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
        work = subprocess.Popen(
            [sys.executable, "script.py", *arguments],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert work.stdout.readline() == "ready\n", work.communicate()
        work.send_signal(signal.SIGINT)
        _, err = work.communicate(timeout=60)
        return work.returncode, err

    def test_in_a_loop_of_runs(self, tmp_path):
        code, err = self.stop(tmp_path, "run")
        assert (code, err) == (130, "peak_fast: stopped during BacktestEngine.run\n")

    def test_in_a_sweep_it_says_how_to_go_on(self, tmp_path):
        code, err = self.stop(tmp_path, "sweep", "store")
        assert code == 130 and err.startswith("peak_fast: sweep stopped: 0 of 15 parts are in store"), err
        assert err.count("\n") == 1 and "the same call continues there" in err

    def test_in_work_of_the_users_own_python_has_the_word(self, tmp_path):
        code, err = self.stop(tmp_path, "own")
        assert code == -signal.SIGINT and "Traceback" in err


class TestColumns:
    """A signal function that asks for what its frame does not have."""

    @pytest.mark.parametrize("kind", ["polars", "pandas"])
    def test_a_misspelt_column_names_the_nearest_one(self, kind):
        frame = (
            BARS.to_polars()
            if kind == "polars"
            else pytest.importorskip("pandas") and BARS.to_polars().to_pandas()
        )

        def misspelt(df, params):
            return df["clsoe"] > 0

        with pytest.raises(PeakFastError, match=r"clsoe.*did you mean 'close'"):
            BacktestEngine().run(frame, misspelt)
        with pytest.raises(PeakFastError, match=r"clsoe.*did you mean 'close'"):
            Sweep(misspelt, {"n": [1, 2]}, frame).run(progress=False)

    def test_a_misspelt_parameter_names_the_nearest_one(self):
        def misspelt(df, params):
            return [params["perod"]] * len(df)

        with pytest.raises(PeakFastError, match=r"perod.*did you mean 'period'"):
            BacktestEngine().run(BARS, misspelt, {"period": 1})

    def test_a_function_for_pandas_says_so(self):
        with pytest.raises(
            PeakFastError, match=r"got a Polars frame.*pass a pandas frame, or say --frame pandas"
        ):
            BacktestEngine().run(BARS, lambda df, params: df["close"].rolling(3).mean() > 0)

    def test_a_misspelt_column_in_an_expression(self):
        import polars as pl

        with pytest.raises(PeakFastError, match="did you mean 'close'"):
            BacktestEngine().run(BARS, (pl.col("clsoe") > 1).cast(pl.Int8))


class TestWarmUp:
    def test_fewer_bars_than_an_indicator_needs_is_a_note(self):
        result = BacktestEngine().run(BARS, "ma_crossover", {"fast": 20, "slow": 1000})
        (note,) = [note for note in result.metadata["notes"] if "warm-up" in note]
        assert "sma(1000) has no value in 300 bars" in note and result.stats["total_trades"] == 0
        assert note in result.summary()

    @pytest.mark.parametrize("book", [None, OrderBook()])
    def test_enough_bars_say_nothing(self, book):
        for slow, told in ((299, False), (300, False), (301, True)):
            result = BacktestEngine(order_book=book).run(BARS, "ma_crossover", {"fast": 20, "slow": slow})
            assert any("warm-up" in note for note in result.metadata["notes"]) is told

    def test_bars_without_a_price_at_the_end_say_nothing(self):
        frame = BARS.to_polars().to_dict(as_series=False)
        for name in ("open", "high", "low", "close"):
            frame[name][-1] = None
        result = BacktestEngine().run(frame, "ma_crossover")
        assert not any("warm-up" in note for note in result.metadata["notes"])


class TestFrames:
    """Square brackets of the frames of results; expressions of Polars name the nearest column by themselves."""

    def frames(self):
        import polars as pl

        result = BacktestEngine().run(BARS, "ma_crossover", {"fast": 3, "slow": 9})
        for name in ("trades", "orders", "fills", "equity_curve", "drawdown"):
            yield getattr(result, name)
        found = Sweep("macd", {"fast": [5, 6], "signal": [4, 5]}, BARS).run(progress=False)
        yield from (found.frame, found.top(2), found.plateau())
        table = pl.DataFrame({"bar": [3], "side": ["buy"], "size": [1.0]})
        ordered = peak_fast.simulate_orders(BARS, table)
        yield from (ordered.fills, ordered.orders, ordered.trades)

    def test_a_misspelt_column_names_the_nearest_one(self):
        import polars as pl

        for frame in self.frames():
            name = max(frame.columns, key=len)
            wrong = misspelt(name)
            for call in (
                lambda f, w: f[w],
                lambda f, w: f[[w]],
                lambda f, w: f[0, w],
                lambda f, w: f.get_column(w),
            ):
                with pytest.raises(
                    ConfigError, match=f"no column '{wrong}' here; did you mean '{name}'"
                ) as caught:
                    call(frame, wrong)
                assert isinstance(caught.value, pl.exceptions.ColumnNotFoundError), "what Polars raises"
            assert frame[name].len() == frame.height

    def test_of_studies(self):
        pytest.importorskip("optuna")
        study = Study("macd", BARS, seed=1)
        result = study.run(n_trials=5)
        for frame in (study.trials, study.front, result.frame, result.front):
            with pytest.raises(ConfigError, match="did you mean 'objective_sharpe'"):
                frame["objective_sharp"]

    def test_they_are_polars_frames(self):
        import polars as pl
        from polars.testing import assert_frame_equal

        trades = BacktestEngine().run(BARS, "ma_crossover", {"fast": 3, "slow": 9}).trades
        plain = pl.DataFrame(trades)
        assert isinstance(trades, pl.DataFrame)
        assert_frame_equal(trades, plain)
        kept = pickle.loads(pickle.dumps(trades))
        assert type(kept) is pl.DataFrame
        for twin in (kept, trades.filter(pl.col("size") > 0), trades.lazy().collect(), copy.deepcopy(trades)):
            assert twin.equals(plain)
        assert trades.to_arrow().num_rows == trades.height == pl.concat([plain, trades]).height // 2
        with pytest.raises(IndexError):
            trades[10_000, "size"]


def test_a_misspelt_keyword_of_a_metric_names_the_right_one():
    from peak_fast.metrics import returns as metrics

    with pytest.raises(PeakFastError, match="periods_per_year"):
        metrics.sharpe([0.01, -0.02, 0.03], periods_per_yaer=252)
