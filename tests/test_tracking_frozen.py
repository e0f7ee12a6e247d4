"""Frames and results in a spool: cut into records, frozen and thawed."""

import datetime as dt
import math
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from peak_fast.data import Bars
from peak_fast.engine.engine import BacktestEngine
from peak_fast.errors import ConfigError
from peak_fast.settings.trading import Costs, Execution, Stops
from peak_fast.tracking import spool
from peak_fast.tracking.caller import capture as capturing
from peak_fast.tracking.caller.capture import Capture, freeze
from peak_fast.tracking.spool import Kind, codec
from peak_fast.tracking.spool.curves import Curve, Part, expand_curve, reduce_curve
from peak_fast.tracking.spool.frames import frame_records, frame_runs, prefixed_frame
from peak_fast.tracking.spool.segment import SegmentWriter
from peak_fast.tracking.writer.replay import SegmentReplay
from peak_fast.tracking.writer.thawed import Bars as SpooledBars
from peak_fast.tracking.writer.thawed import Static, Thawed
from tests.tracking_segments import HEADER

CODE = Kind.PACKED + 256 * (Part.VALUES | Part.FIGURE | Part.REPORTS | Curve.TRADES)

# --- frames ----------------------------------------------------------------------------------------------------


def test_frames_become_runs():
    frame = pl.DataFrame(
        {
            "fast": [5, 10],
            "sharpe": [1.5, float("nan")],
            "tags.kind": ["a", None],
            "run_name": ["one", None],
            "status": ["failed", "strange"],
        }
    )
    table = prefixed_frame(frame, ["fast"], ["sharpe"], None, None)
    ((head, data, ids),) = frame_records(table, 1_000, "parent", {"common": 1})
    runs = list(frame_runs(codec.decode(codec.encode(head)), data))
    assert [run.run_id for run in runs] == ids
    assert [run.name for run in runs] == ["one", None]
    assert [run.end[0] for run in runs] == ["FAILED", "FINISHED"]
    assert [run.params for run in runs] == [{"fast": "5"}, {"fast": "10"}]
    assert runs[0].metrics == [("sharpe", 1.5, 1_000, 0)]
    assert runs[0].tags == {"common": "1", "mlflow.parentRunId": "parent", "kind": "a"}
    assert runs[1].tags["metric.sharpe"] == "nan"


def test_frames_are_cut_into_records():
    frame = pl.DataFrame({"metrics.x": np.arange(1_201.0)})
    made = list(frame_records(frame, 0, None, None))
    assert [len(ids) for _, _, ids in made] == [500, 500, 201]
    assert len({run_id for _, _, ids in made for run_id in ids}) == 1_201


def test_frames_with_unknown_columns():
    frame = pl.DataFrame({"metrics.x": [1.0], "sharpe": [2.0]})
    with pytest.raises(ConfigError, match="role of column 'sharpe'"):
        prefixed_frame(frame, None, None, None, None)
    with pytest.raises(ConfigError, match="did you mean 'sharpe'"):
        prefixed_frame(frame, None, ["sharp"], None, None)


# --- curves and frozen results ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 16_384, 16_385, 20_001, 100_000, 1_000_003])
def test_reduced_curves_keep_their_extremes(n):
    curve = np.cumsum(np.random.default_rng(n).normal(size=n)) + 1_000.0
    curve[n // 3] += 500.0
    curve[2 * n // 3] -= 500.0
    points = reduce_curve(curve)
    back = expand_curve(points, n)
    assert len(back) == n
    assert len(points) <= 16_384
    assert back.max() == np.float32(curve.max())
    assert back.min() == np.float32(curve.min())
    width = -(-n // 4_096)
    assert np.abs(np.argmax(back) - np.argmax(curve)) <= width


def noisy_bars(n=400, seed=3, gaps=False):
    generator = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(generator.normal(0.0, 0.02, n)))
    open_ = close * np.exp(generator.normal(0.0, 0.005, n))
    spread = np.abs(generator.normal(0.0, 0.01, n)) * close
    frame = pl.DataFrame(
        {
            "timestamp": pl.datetime_range(
                dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1) + dt.timedelta(hours=n - 1), "1h", eager=True
            ),
            "open": open_,
            "high": np.maximum(open_, close) + spread,
            "low": np.maximum(np.minimum(open_, close) - spread, 0.01),
            "close": close,
        }
    )
    if gaps:
        missing = pl.Series(generator.random(n) < 0.1) & (pl.int_range(n, eager=True) > 3)
        frame = frame.with_columns(
            pl.when(missing).then(None).otherwise(pl.col(name)).alias(name)
            for name in ("open", "high", "low", "close")
        )
    return Bars.from_frame(frame, name="noise")


def stored(capture, result, expected):
    """The record of a kernel as it is read, where there are windows; whether there is one, is as expected."""
    with tempfile.TemporaryDirectory() as folder:
        segment = SegmentWriter(Path(folder), HEADER)
        can, before = bool(segment.at[0]), segment.offset
        assert capture.store(segment, b"r" * 16, result) == (can and expected)
        found = list(spool.read_records(segment.paths.segment, before))
        assert len(found) == (can and expected)
        assert segment.offset == (found[0].end if found else before)
        segment.close()
    return found[0] if found else None


def frozen_and_thawed(result):
    """Kind of the curve, and the result as the writer has it."""
    capture = Capture(CODE)
    shared = [
        (codec.decode(codec.encode(head)), b"".join(bytes(array) for array in arrays))
        for _, head, arrays in capture.share(result)
    ]
    costs = result._used["costs"]
    follow = costs == Costs(rate=costs.rate, slippage_bps=costs.slippage_bps)
    kind, arrays = freeze(result, True)
    assert len(arrays[3]) == 0 or kind != Curve.TRADES or not follow
    head = (kind, codec.decode(codec.encode(result.params)), len(arrays[2]), len(arrays[3]))
    static, spooled = Static(shared[1][1], *shared[1][0][2:]), SpooledBars(shared[0][0][1:], shared[0][1])
    assert static.bars_key == spooled.hash
    record = stored(capture, result, follow and kind == Curve.TRADES)
    if record is not None:
        run_id, _, parts, number, params, *counts = record.head
        assert (run_id, parts, number, counts) == ((b"r" * 16).hex(), CODE >> 8, 1, [*head[2:]])
        assert record.buffers == b"".join(bytes(array) for array in arrays)
        found = static.params_of(params)
        assert [*found.items()] == [*result.params.items()]
        assert [*map(type, found.values())] == [*map(type, result.params.values())]
    return kind, Thawed(static, spooled, head, b"".join(bytes(array) for array in arrays))


ENGINES = {
    "plain": {},
    "costs": {"costs": Costs(rate=0.002, fixed=1.0, slippage_bps=5.0)},
    "rate": {"costs": Costs(rate=0.002, slippage_bps=5.0)},
    "at the close": {"execution": Execution(fill_at="close")},
    "stops": {"stops": Stops(stop_loss=0.02, take_profit=0.03, trailing=0.05)},
}


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
@pytest.mark.parametrize("trading", ["rare", "often", "never", "short"])
def test_a_frozen_result_thaws_to_itself(name, gaps, trading):
    bars = noisy_bars(gaps=gaps)
    generator = np.random.default_rng(7)
    share = {"rare": 0.02, "often": 0.6, "never": 0.0, "short": 0.05}[trading]
    side = -1.0 if trading == "short" else generator.choice([-1.0, 0.0, 1.0], 400)
    targets = np.where(generator.random(400) < share, side, np.nan)
    targets = pl.Series(targets).fill_nan(None).forward_fill().fill_null(0.0).to_numpy().copy()
    if trading == "short":
        targets[200:] = 0.0
    result = BacktestEngine(**ENGINES[name]).run(
        bars, lambda frame, params: targets, {"window": 3, "share": share, "short": trading == "short"}
    )
    flags, thawed = frozen_and_thawed(result)
    exact = flags in (Curve.TRADES, Curve.FILLS)
    assert exact == (flags == Curve.TRADES or len(result._outcome.fills) * 88 <= 4 * 400)
    if name == "plain":
        assert flags == Curve.TRADES
    tolerance = 1e-9 if exact else 1e-6
    np.testing.assert_allclose(thawed.equity(), result.equity, rtol=tolerance)
    assert thawed.stats.keys() == result.stats.keys()
    for key, value in result.stats.items():
        assert thawed.stats[key] == value or (math.isnan(value) and math.isnan(thawed.stats[key])), key
    expected = {key: value for key, value in result.metadata.items() if key != "hash"}
    assert thawed.metadata == expected
    trades = thawed.trades()
    for column in ("entry_bar", "exit_bar", "net_pnl", "return", "mae", "mfe", "entry_price", "fees"):
        np.testing.assert_array_equal(trades[column], result.trades[column].to_numpy())
    assert list(trades["exit_reason"]) == result.trades["exit_reason"].to_list()


@pytest.mark.parametrize("kind", [Curve.TRADES, Curve.FILLS, Curve.POINTS])
def test_the_curve_is_made_of_what_suffices(kind):
    """Positions that grow and shrink have more than two fills a trade; many of those are more than the curve."""
    bars = noisy_bars(n=3_000)
    targets = np.zeros(3_000)
    steps = {
        Curve.TRADES: [1.0, 0.0],
        Curve.FILLS: [0.5, 1.0, 0.25, 0.0],
        Curve.POINTS: [0.2, 0.4, 0.6, 0.8, 1.0, 0.5, 0.3, 0.0],
    }[kind]
    every = 3_000 // (len(steps) * (60 if kind == Curve.POINTS else 15))
    targets[: 3_000 // every * every] = np.repeat(np.resize(steps, 3_000 // every), every)
    costs = Costs(rate=0.001, minimum=20.0, fixed=1.0, per_unit=0.01)
    result = BacktestEngine(costs=costs).run(bars, targets, weights=True)
    flags, thawed = frozen_and_thawed(result)
    assert flags == kind
    np.testing.assert_allclose(thawed.equity(), result.equity, rtol=1e-6 if kind == Curve.POINTS else 1e-9)


def test_bars_and_settings_are_written_once_per_segment():
    engine, bars = BacktestEngine(), noisy_bars()
    capture = Capture()

    def kinds(engine, bars, window):
        result = engine.run(bars, "ma_crossover", {"fast": window, "slow": 50})
        return [kind for kind, _, _ in capture.share(result)]

    assert kinds(engine, bars, 5) == [Kind.BARS, Kind.STATIC]
    assert kinds(engine, bars, 6) == []
    assert kinds(BacktestEngine(costs=Costs(rate=0.01)), bars, 6) == [Kind.STATIC]
    assert kinds(engine, noisy_bars(seed=4), 6) == [Kind.BARS, Kind.STATIC]
    assert Kind.BARS not in kinds(engine, bars, 7)


@pytest.mark.parametrize("size", [0, 1 << 40], ids=["hashed", "compared"])
@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_a_frame_that_is_passed_each_time_is_new_data_once_it_has_changed(kind, size, monkeypatch):
    monkeypatch.setattr(capturing, "_COPIED_BYTES", size)
    frame = noisy_bars().to_polars()
    frame = frame.to_pandas().set_index("timestamp") if kind == "pandas" else frame
    engine, capture = BacktestEngine(), Capture()
    segment = []

    def kinds(frame, strategy="ma_crossover"):
        result = engine.run(frame, strategy)
        segment.extend(capture.share(result))
        return [kind for kind, _, _ in segment[before:]], capture.latest[2].number, result.bars.hash

    before = 0
    made, number, first = kinds(frame)
    assert made == [Kind.BARS, Kind.STATIC]
    before = len(segment)
    assert kinds(frame) == ([], number, first)
    assert kinds(frame.copy() if kind == "pandas" else frame.clone()) == ([], number, first)
    assert kinds(frame, "momentum")[0] == [Kind.STATIC]
    before = len(segment)
    assert kinds(frame) == ([], number, first), "strategies that take turns"
    if kind == "pandas":
        frame.iloc[7, frame.columns.get_loc("high")] += 1.0
    else:
        frame[7, "high"] += 1.0
    made, number, second = kinds(frame)
    assert made == [Kind.BARS, Kind.STATIC]
    assert second != first
    assert segment[before][1][1] == second == segment[before + 1][1][3]
    before = len(segment)
    assert kinds(frame) == ([], number, second)
    renamed = frame.tz_convert("Europe/Rome") if kind == "pandas" else None
    if renamed is not None:
        assert kinds(renamed)[0] == [Kind.STATIC], "other words for the same instants"


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_a_frame_with_the_data_of_bars_takes_the_short_way(kind, tmp_path):
    """Of two that take turns, the first result of each turn looks for what is shared, and finds it."""
    frame = noisy_bars().to_polars()
    frame = frame.to_pandas().set_index("timestamp") if kind == "pandas" else frame
    bars = Bars.from_frame(frame)
    engine, capture, segment = BacktestEngine(), Capture(CODE), SegmentWriter(tmp_path, {})
    segment.append(Kind.PARAMS, (None, 1))  # a window is there
    if not segment.at[0]:
        pytest.skip("nothing is mapped here")
    for data in (bars, frame, bars, frame):
        list(capture.share(engine.run(data, "ma_crossover")))
        assert capture.latest[2].number == 1
        for _ in range(3):
            assert capture.store(segment, bytes(range(16)), engine.run(data, "ma_crossover"))
    segment.close()
    found = [
        record.head[3] for record in spool.read_records(segment.paths.segment) if record.kind == Kind.FROZEN
    ]
    assert found == [1] * 12


def test_strategies_that_cannot_be_compared_are_told_apart():
    class Odd:
        __hash__ = None

        def __eq__(self, other):
            return np.array([True, False])

        def fingerprint(self):
            return "odd"

    engine, bars, capture = BacktestEngine(), noisy_bars(), Capture()
    for number in (1, 2):
        result = engine.run(bars, "ma_crossover")
        object.__setattr__(result, "_strategy", Odd())
        list(capture.share(result))
        assert capture.latest[2].number == number


def test_freezing_asks_for_nothing_expensive():
    result = BacktestEngine().run(noisy_bars(), "ma_crossover", {"fast": 5, "slow": 20})
    list(Capture().share(result))
    freeze(result, True)
    assert not {"hash", "trade_records", "trades", "metadata", "stats"} & set(result.__dict__)


def test_a_replay_can_begin_anywhere(tmp_path):
    writer = SegmentWriter(tmp_path, HEADER)
    result = BacktestEngine().run(noisy_bars(), "ma_crossover", {"fast": 5, "slow": 20})
    writer.append(Kind.START, ("a" * 32, 5, None, None, {}, False))
    for kind, head, arrays in Capture().share(result):
        writer.append(kind, head, arrays)
    kind, arrays = freeze(result, True)
    flags, sizes = Part.VALUES | Part.FIGURE | Part.REPORTS | kind, (len(arrays[2]), len(arrays[3]))
    writer.append(Kind.FROZEN, ("a" * 32, 6, flags, 1, result.params, *sizes), arrays)
    confirmed = writer.offset
    writer.append(Kind.FROZEN, ("a" * 32, 7, flags, 1, result.params, *sizes), arrays)
    writer.append(Kind.END, ("a" * 32, 8, "FAILED"))
    first = next(SegmentReplay(writer.paths.segment).batches(orphan=False)).updates[0]
    assert first.create is not None
    assert first.tags["mlflow.runName"].startswith("ma_crossover-noise-")
    assert {path.path for path in first.artifacts} >= {
        "plots/equity_curve.png",
        "backtest_2/plots/equity_curve.png",
    }
    assert ("sharpe", result.stats["sharpe"], 7, 1) in first.metrics
    spool.write_ack(writer.paths.ack, spool.Ack(confirmed, 1, None, 0))
    ((rest,),) = [batch.updates for batch in SegmentReplay(writer.paths.segment).batches(orphan=False)]
    assert rest.create is None
    assert "mlflow.runName" not in rest.tags
    assert {path.path.split("/")[0] for path in rest.artifacts} == {"backtest_2"}
    assert rest.end == ("FAILED", 8)
    writer.close()


@pytest.mark.parametrize(
    "params",
    [{"window": "3", "mean": None}, {"other": 3}, {"window": 3.0}, {"window": True}, {}, {"window": 9}],
)
def test_parameters_come_back_as_they_were(params):
    engine, bars, capture = BacktestEngine(), noisy_bars(), Capture()
    targets = np.repeat([0.0, 1.0], 200)

    def rule(frame, params):
        return targets

    ((_, head, settings),) = list(capture.share(engine.run(bars, rule, {"window": 3})))[1:]
    static = Static(b"".join(bytes(array) for array in settings), *head[2:])
    record = stored(capture, engine.run(bars, rule, params), True)
    if record is not None:
        assert repr(static.params_of(record.head[4])) == repr(params)
    assert stored(capture, engine.run(bars, rule, {"window": 1 << 70}), False) is None
    assert stored(capture, engine.run(bars, rule, {"window": 4}), False) is None
    list(capture.share(engine.run(bars, rule, {"window": 5})))
    assert (stored(capture, engine.run(bars, rule, {"window": 4}), True) is None) == (record is None)


def test_a_result_inside_of_another_one_takes_the_longer_way():
    """A signal handler logs one between the head of another one and its record."""
    engine, bars, capture = BacktestEngine(), noisy_bars(), Capture()
    results = [engine.run(bars, "ma_crossover", {"fast": fast, "slow": 50}) for fast in (5, 6)]
    list(capture.share(results[0]))
    kept = []

    def put_words(store, arrays, size):
        kept.append(capture.store(segment, b"i" * 16, results[1]))
        kept.append(arrays[0].tobytes())
        return True

    segment = SimpleNamespace(put_words=put_words)
    assert capture.store(segment, b"o" * 16, results[0])
    inner, words = kept
    assert inner is False
    assert words[32:48] == b"o" * 16 and words[48] == 5
