"""Look-ahead: strategies that know later bars are told from those that do not, with column, bar and prefix."""

import functools
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from peak_fast import BacktestEngine, StrategyError, sample, synthetic
from peak_fast.data import Bars, Panel
from peak_fast.lookahead.rows import tolerance
from peak_fast.validation import check_lookahead
from tests.lookahead_cases import BARS, DATA, ROOT, polars_frame
from tests.lookahead_clean import CLEAN
from tests.lookahead_leaks import LEAKS


@functools.cache
def report_on(name):
    """Report on a strategy of the lists, made once."""
    item, data = {**LEAKS, **CLEAN}[name][:2]
    return check_lookahead(item, DATA[data]())


@pytest.mark.parametrize("name", LEAKS)
def test_leaks_are_found_with_their_columns(name):
    report, columns = report_on(name), LEAKS[name][2]
    assert report.verdict == "leaks" and not report.ok
    assert report.leaks[0].columns == columns
    with pytest.raises(StrategyError, match=f"bar {report.leaks[0].bar}"):
        report.raise_on_leak()


@pytest.mark.parametrize("name", CLEAN)
def test_others_are_silent(name):
    report = report_on(name)
    assert (report.verdict, report.leaks) == ("clean", ())
    assert report.cuts >= 8
    report.raise_on_leak()


def test_there_are_enough_of_both():
    assert len(LEAKS) >= 40 and len(CLEAN) >= 33


FUNCTIONS = [
    name
    for name, (item, data, _) in LEAKS.items()
    if callable(item) and not hasattr(item, "schema") and data != "panel"
]


def asked(function, frame, kind):
    """What a function says of a frame, as numbers; bars of a frame that is no frame come by name."""
    if kind == "lazy":
        frame = frame.lazy()
    elif kind in ("pandas", "indexed"):
        frame = frame.to_pandas()
        frame = frame.set_index("timestamp") if kind == "indexed" else frame
    elif kind == "dict":
        frame = {column: frame[column].to_numpy() for column in frame.columns}
    elif kind == "arrow":
        frame = frame.to_arrow()
    return np.nan_to_num(np.asarray(function(frame, {}), dtype=float))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_report_is_what_the_function_says_by_itself(name):
    """The smallest prefix gives the one value, all bars (and those that are said to be enough) the other one."""
    function, data, _ = LEAKS[name]
    frame = polars_frame()
    leak = report_on(name).leaks[0]
    if leak.kind != "decision":
        pytest.skip("a column, which is compared in tests of their own")
    short = asked(function, frame.head(leak.smallest_prefix), data)[leak.bar]
    enough = asked(function, frame.head(leak.seen_with), data)[leak.bar]
    assert leak.before == pytest.approx(short, nan_ok=True)
    assert leak.after == pytest.approx(asked(function, frame, data)[leak.bar], nan_ok=True)
    assert enough != short
    assert leak.bar < leak.smallest_prefix < leak.seen_with


def test_one_bar_is_known_in_the_singular():
    def below_its_mean(df, params):
        return (df["close"] < df["close"].mean()).cast(pl.Int8)

    leak = check_lookahead(below_its_mean, sample("AAPL")).leaks[0]
    assert leak.smallest_prefix == 1 and "while 1 bar is known, and" in leak.text()


@pytest.mark.parametrize("name", LEAKS)
def test_the_engine_refuses_them(name):
    item, data, columns = LEAKS[name]
    engine = BacktestEngine(check_lookahead=True)
    if report_on(name).leaks[0].kind != "decision":
        pytest.skip("no decision depends on it, so nothing is wrong with a run")
    with pytest.raises(StrategyError, match="looks ahead: the decision") as caught:
        engine.run(DATA[data](), item)
    assert f"'{columns[0]}'" in str(caught.value) or f"the {columns[0]}" in str(caught.value)


@pytest.mark.parametrize("name", CLEAN)
def test_the_engine_runs_the_others(name):
    item, data = CLEAN[name]
    plain = BacktestEngine().run(DATA[data](), item)
    looked = BacktestEngine(check_lookahead=True).run(DATA[data](), item)
    assert looked.hash == plain.hash
    assert looked.notes == plain.notes


def test_the_engine_says_what_it_could_not_look_at():
    bars = synthetic(300, seed=1)
    result = BacktestEngine(check_lookahead=True).run(bars, np.ones(300))
    assert [
        note for note in result.notes if note.startswith("look-ahead: what was decided was given as numbers")
    ]


def test_run_realistic_is_looked_at_too():
    with pytest.raises(StrategyError, match="looks ahead"):
        BacktestEngine(check_lookahead=True).run_realistic(polars_frame(), LEAKS["next_close"][0])


def test_a_run_without_the_check_does_not_load_it():
    code = (
        "import sys\nfrom peak_fast import BacktestEngine, synthetic\n"
        "BacktestEngine().run(synthetic(200, seed=1), 'momentum').stats\n"
        "print([name for name in sys.modules if 'lookahead' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume", "score", "estimate"])
@pytest.mark.parametrize("kind", ["polars", "pandas", "panel"])
def test_each_column_is_told_from_the_others(column, kind):
    if kind == "panel" and column in ("score", "estimate"):
        pytest.skip("own columns of panels have a test of their own")
    data = DATA[kind]()

    def ahead(df, params):
        if kind == "panel":
            later = pl.col(column).shift(-3).over("symbol")
            return df.select(
                "timestamp", "symbol", weight=(later > pl.col(column)).cast(pl.Float64).fill_null(0.0) / 9
            )
        if kind == "pandas":
            return (df[column].shift(-3) > df[column].shift(9)).astype(int)
        return (
            (df[column].shift(-3) > df[column].shift(9).fill_null(strategy="forward"))
            .cast(pl.Int8)
            .fill_null(0)
        )

    if column == "estimate":  # a value of 29 bars

        def ahead(df, params):
            known = pl.Series(df[column]).fill_nan(None)
            return (
                (known.fill_null(strategy="backward") > known.fill_null(strategy="forward"))
                .cast(pl.Int8)
                .fill_null(0)
            )

    assert check_lookahead(ahead, data).leaks[0].columns == (column,)


def test_two_columns_are_both_named():
    def ahead(df, params):
        return ((df["high"] + df["low"]).shift(-1) > 2 * df["close"]).cast(pl.Int8)

    assert check_lookahead(ahead, polars_frame()).leaks[0].columns == ("high", "low")


def test_own_columns_and_members_of_a_panel():
    rng = np.random.default_rng(3)
    frames = {
        f"A{k}": synthetic(300, seed=k).to_polars().with_columns(mood=pl.Series(rng.normal(size=300)))
        for k in range(4)
    }
    panel = Panel.from_frame(frames)

    def ahead(df, params):
        return df.select("timestamp", "symbol", weight=pl.col("mood").rank().over("symbol") / 2000)

    assert check_lookahead(ahead, panel).leaks[0].columns == ("mood",)


def test_size_of_a_change():
    bars = synthetic(400, seed=2)
    close = bars.close

    def scaled(df, params):
        return pl.DataFrame({"x": df["close"] / df["close"].max(), "signal": df["close"] * 0})

    leak = check_lookahead(scaled, bars).leaks[0]
    assert (leak.what, leak.kind) == ("x", "column")
    assert leak.before == pytest.approx(close[leak.bar] / close[: leak.smallest_prefix].max())
    assert leak.after == pytest.approx(close[leak.bar] / close.max())
    assert leak.size == pytest.approx(abs(leak.after - leak.before))
    assert close[leak.seen_with - 1] > close[: leak.smallest_prefix].max(), (
        "a bar that is higher than those before"
    )


def test_a_column_alone_is_told_and_no_reason_to_refuse_a_run():
    def blind(df, params):
        df["z"] = df["close"] / df["close"].max()
        return (df["z"].diff() > 0).astype(int)

    result = BacktestEngine(check_lookahead=True).run(DATA["pandas"](), blind)
    assert [note for note in result.notes if note.startswith("look-ahead: the column 'z' at bar 0")]


def windows(values, size):
    return np.lib.stride_tricks.sliding_window_view(values, size)


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e5])
def test_rounding_stays_below_the_threshold_and_one_bar_above_it(size):
    """Sums that begin at the first bar and sums of the window alone differ by rounding, far below what counts."""
    close = size * (100.0 + np.random.default_rng(1).normal(size=20_000).cumsum() * 0.1)
    total, squares = np.cumsum(np.append(0.0, close)), np.cumsum(np.append(0.0, close**2))
    mean = (total[50:] - total[:-50]) / 50
    spread = (squares[50:] - squares[:-50]) / 50 - mean**2
    assert 0.0 < np.abs(mean - windows(close, 50).mean(axis=1)).max() < tolerance(mean) / 100
    assert 0.0 < np.abs(spread - windows(close, 50).var(axis=1)).max() < tolerance(spread)
    # The last of 20,000 bars in a score over the whole sample.
    scores = (close - close.mean()) / close.std()
    fewer = (close - close[:-1].mean()) / close[:-1].std()
    assert np.abs(scores - fewer)[:-1].max() > 10 * tolerance(scores)


def test_figures_and_sentences():
    report = report_on("next_close")
    leak = report.leaks[0]
    said = report.to_dict()
    assert (said["verdict"], said["ok"], said["bars"]) == ("leaks", False, BARS)
    assert said["leaks"][0]["columns"] == ["close"] and said["leaks"][0]["bar"] == leak.bar
    assert str(report) == report.summary()
    assert report.summary().startswith("next_close looks ahead.\n  The decision at bar ")
    assert report.summary().endswith(f"once bar {leak.seen_with - 1} is; it comes from 'close'.")
    silent = report_on("lagged_mean")
    assert silent.summary() == f"lagged_mean: no look-ahead found at {silent.cuts} places of {BARS:,} bars."


def test_time_of_a_leak():
    report = report_on("next_close")
    assert report.leaks[0].time == str(polars_frame()["timestamp"][report.leaks[0].bar]).removesuffix(
        " 00:00:00"
    )
    bare = Bars.from_frame(polars_frame().drop("timestamp"))
    assert check_lookahead(LEAKS["next_close"][0], bare).leaks[0].time is None
