"""BacktestResult: saving and loading, damage, another process."""

import json
import math
import multiprocessing

import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    BacktestResult,
    Costs,
    RiskPerTrade,
    Stops,
    synthetic,
)
from peak_fast.errors import DataError, StoreError
from peak_fast.files import sealed
from peak_fast.results import bundle, generations
from tests.test_result import FRAMES, frame_of, real_run

ARRAYS = ("metrics", "curve", "state", "orders", "fills", "trades")


@pytest.fixture(scope="module")
def result():
    return real_run()


def assert_same(one, other):
    for name in ARRAYS:
        assert getattr(one._outcome, name).tobytes() == getattr(other._outcome, name).tobytes(), name
    assert one._settings.tobytes() == other._settings.tobytes()
    assert one.hash == other.hash
    assert one.summary() == other.summary()
    for name in FRAMES:
        assert getattr(one, name).equals(getattr(other, name)), name
    for name, value in one.stats.items():
        assert other.stats[name] == value or (math.isnan(value) and math.isnan(other.stats[name])), name
    assert one.metadata == other.metadata
    assert one.bars.hash == other.bars.hash
    assert one.symbol == other.symbol and one.params == other.params


def generation(folder):
    """Folder of the one generation of a saved result."""
    (found,) = folder.glob("generation-*")
    return found


class TestSaving:
    def test_round_trip_is_bit_identical(self, result, tmp_path):
        folder = result.save(tmp_path / "run")
        assert sorted(p.name.split("-")[0] for p in folder.iterdir()) == ["generation", "result.json"]
        assert sorted(p.name for p in generation(folder).iterdir()) == [
            "bars.parquet", "curve.parquet", "fills.parquet", "orders.parquet", "result.json", "trades.parquet",
        ]  # fmt: skip
        assert_same(result, BacktestResult.load(folder))
        generations.make_flat(folder)
        assert sorted(p.name for p in folder.iterdir()) == [
            "bars.parquet", "curve.parquet", "fills.parquet", "orders.parquet", "result.json", "trades.parquet",
        ]  # fmt: skip
        assert_same(result, BacktestResult.load(folder))

    @pytest.mark.parametrize("missing", [False, True])
    def test_round_trip_without_times_and_without_prices(self, tmp_path, missing):
        rows = [(10, 11, 9, 10), (None,) * 4 if missing else (10, 10, 10, 10), (10, 12, 10, 12)]
        engine = BacktestEngine(stops=Stops(stop_loss=0.1), sizing=RiskPerTrade(risk=0.01), risk_free=0.01)
        run = engine.run(frame_of(rows), [1, 1, 1], symbol="Löß & Co")
        assert_same(run, BacktestResult.load(run.save(tmp_path / "run")))

    def test_round_trip_of_a_swept_row(self, tmp_path):
        from peak_fast import Sweep

        sweep = Sweep("momentum", {"period": [5, 9], "stop_loss": [None, 0.05]}, synthetic(200, seed=2))
        best = sweep.run(progress=False).best()
        assert_same(best, BacktestResult.load(best.save(tmp_path / "best")))

    def test_saved_metadata_is_kept(self, result, tmp_path, monkeypatch):
        """What computed the numbers is not what reads them."""
        folder = result.save(tmp_path / "run")
        monkeypatch.setattr(
            "peak_fast.results.metadata.code_version", lambda: {"peak_fast": "99", "kernels": "0"}
        )
        assert BacktestResult.load(folder).metadata == result.metadata

    def test_saving_again_replaces(self, result, tmp_path):
        folder = tmp_path / "run"
        BacktestEngine().run(synthetic(50, seed=1), "momentum", {"period": 5}).save(folder)
        (folder / "notes.txt").write_text("mine")
        (folder / "generation-0123456789ab").mkdir()  # what a killed save leaves
        (folder / ".result.json.0011aabb.tmp").write_text("half")
        (folder / "bars.parquet").write_text("of a result of an earlier format")
        result.save(folder)
        assert BacktestResult.load(folder).hash == result.hash
        assert [p.name for p in tmp_path.iterdir()] == ["run"]
        kept = {"result.json", "notes.txt", generation(folder).name}
        assert {p.name for p in folder.iterdir()} == kept

    def test_a_first_save_that_was_killed_is_no_obstacle(self, result, tmp_path):
        folder = tmp_path / "run"
        (folder / "generation-0123456789ab").mkdir(parents=True)
        with pytest.raises(DataError, match="holds no saved result"):
            BacktestResult.load(folder)
        assert BacktestResult.load(result.save(folder)).hash == result.hash

    def test_results_of_earlier_formats_are_refused_by_name(self, tmp_path):
        (tmp_path / "result.json").write_text('{"format": 4, "symbol": "X"}')
        with pytest.raises(
            DataError, match="expected a saved result of format 5; got 4; read it with the version"
        ):
            BacktestResult.load(tmp_path)

    def test_a_folder_with_something_else_is_left_alone(self, result, tmp_path):
        (tmp_path / "precious.txt").write_text("mine")
        with pytest.raises(DataError, match="holds no saved result; choose another folder"):
            result.save(tmp_path)
        assert (tmp_path / "precious.txt").read_text() == "mine"
        assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]

    @pytest.mark.parametrize("broken", ["write", "rename"])
    def test_whole_or_not_at_all(self, result, tmp_path, monkeypatch, broken):
        folder = tmp_path / "run"

        def fail(*args, **kwargs):
            raise OSError("disk full")

        if broken == "write":
            monkeypatch.setattr(bundle, "_document", fail)
        else:
            monkeypatch.setattr(generations, "_name", fail)
        with pytest.raises(StoreError, match=r"/run' \(disk full\); choose another folder"):
            result.save(folder)
        assert list(tmp_path.iterdir()) == []

    def test_a_failed_replacement_leaves_the_old_one(self, result, tmp_path, monkeypatch):
        folder = tmp_path / "run"
        old = BacktestEngine().run(synthetic(50, seed=1), "momentum", {"period": 5})
        old.save(folder)

        def fail(self, target):
            raise OSError("no")

        monkeypatch.setattr(generations.Path, "replace", fail)
        with pytest.raises(StoreError, match=r"\(no\)"):
            result.save(folder)
        monkeypatch.undo()
        assert BacktestResult.load(folder).hash == old.hash
        assert [p.name for p in tmp_path.iterdir()] == ["run"]
        assert len(list(folder.iterdir())) == 2

    def test_an_interruption_after_the_step_that_counts_keeps_the_new_one(
        self, result, tmp_path, monkeypatch
    ):
        folder = tmp_path / "run"
        BacktestEngine().run(synthetic(50, seed=1), "momentum", {"period": 5}).save(folder)
        name = generations._name

        def named_then_interrupted(*given):
            name(*given)
            raise KeyboardInterrupt

        monkeypatch.setattr(generations, "_name", named_then_interrupted)
        with pytest.raises(KeyboardInterrupt):
            result.save(folder)
        monkeypatch.undo()
        assert BacktestResult.load(folder).hash == result.hash

    def test_others_may_read_the_folder(self, result, tmp_path):
        (tmp_path / "plain").mkdir()
        expected = (tmp_path / "plain").stat().st_mode
        assert result.save(tmp_path / "run").stat().st_mode == expected


def rewrite(column):
    def change(folder):
        path = generation(folder) / f"{column[0]}.parquet"
        pl.read_parquet(path).with_columns(pl.col(column[1]) * (1 + 1e-15)).write_parquet(path)

    return change


def edit_json(change):
    def apply(folder):
        path = generation(folder) / "result.json"
        document = json.loads(path.read_text())
        del document["checksum"]
        change(document)
        path.write_bytes(sealed(document))  # a sound file of something else

    return apply


def cut(path, count):
    path.write_bytes(path.read_bytes()[:-count])


DAMAGE = {
    "gone": lambda f: [p.unlink() for p in generation(f).iterdir()],
    "no json": lambda f: (generation(f) / "result.json").unlink(),
    "no name": lambda f: (f / "result.json").unlink(),
    "name of another generation": lambda f: generation(f).rename(f / "generation-0123456789ab"),
    "name outside": lambda f: (f / "result.json").write_bytes(sealed({"format": 5, "generation": "../run"})),
    "no table": lambda f: (generation(f) / "fills.parquet").unlink(),
    "cut json": lambda f: cut(generation(f) / "result.json", 50),
    "cut name": lambda f: cut(f / "result.json", 5),
    "json of something else": lambda f: (f / "result.json").write_text("[1, 2]"),
    "cut table": lambda f: cut(generation(f) / "curve.parquet", 9),
    "one bit of equity": rewrite(("curve", "equity")),
    "one bit of a fill": rewrite(("fills", "price")),
    "one bit of an order": rewrite(("orders", "requested")),
    "one bit of a trade": rewrite(("trades", "net_pnl")),
    "prices": rewrite(("bars", "volume")),
    "missing column": lambda f: (
        pl.read_parquet(generation(f) / "curve.parquet")
        .drop("cash")
        .write_parquet(generation(f) / "curve.parquet")
    ),
    "a metric": edit_json(lambda d: d["metrics"].__setitem__(3, "0.5")),
    "settings of another kind": edit_json(lambda d: d.update(settings=["x"])),
    "metadata of another kind": edit_json(lambda d: d.update(metadata=3)),
    "no state": edit_json(lambda d: d.pop("state")),
    "another format": edit_json(lambda d: d.update(format=99)),
    "unknown setting": edit_json(lambda d: d["metadata"]["settings"]["costs"].update(tax=1)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_result_is_refused(result, tmp_path, damage):
    folder = result.save(tmp_path / "run")
    DAMAGE[damage](folder)
    with pytest.raises(DataError) as caught:
        BacktestResult.load(folder)
    assert str(folder) in str(caught.value)


def _hash_in_a_process(queue):
    engine = BacktestEngine(costs=Costs(rate=0.001))
    queue.put(engine.run(synthetic(300, seed=9), "macd", {"allow_short": True}).hash)


def test_another_process_computes_the_same_bits():
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_hash_in_a_process, args=(queue,))
    process.start()
    theirs = queue.get(timeout=60)
    process.join(10)
    queue.close()
    engine = BacktestEngine(costs=Costs(rate=0.001))
    assert engine.run(synthetic(300, seed=9), "macd", {"allow_short": True}).hash == theirs
