"""The registry of trials: every configuration once, whoever tried it; what damaged files say."""

import json
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from peak_fast import BacktestEngine, ConfigError, Costs, StoreError, Study, Sweep, strategy, synthetic
from peak_fast.statistics import deflated_sharpe
from peak_fast.trials import TrialRegistry, column_hashes, context_hash, finished_hashes, vector_hashes

BARS = synthetic(300, seed=1)
OTHER = synthetic(300, seed=2)
GRID = {"fast": range(3, 9), "slow": range(10, 15)}


@pytest.fixture
def registry(tmp_path):
    return TrialRegistry(tmp_path / "trials.sqlite")


def swept(grid, registry, bars=BARS, **settings):
    return Sweep("ma_crossover", grid, bars, registry=registry, **settings).run(progress=False)


class TestCounting:
    def test_a_sweep_counts_its_configurations_once(self, registry):
        assert registry.trials == 0 and registry.entries == []
        for _ in range(3):
            swept(GRID, registry)
        assert registry.trials == 30 and len(registry.entries) == 1

    def test_overlaps_are_counted_once(self, registry):
        swept(GRID, registry)
        swept({"slow": range(12, 20), "fast": [8, 9]}, registry)  # 8 with 12, 13, 14 were there
        assert registry.trials == 30 + 16 - 3
        assert registry.frame["new"].to_list() == [30, 13]

    def test_other_data_settings_and_strategies_are_other_trials(self, registry):
        swept(GRID, registry)
        swept(GRID, registry, OTHER)
        swept(GRID, registry, costs=Costs(rate=0.002))
        swept(GRID, registry, initial_cash=5.0)
        Sweep("ema_crossover", GRID, BARS, registry=registry).run(progress=False)
        assert registry.trials == 5 * 30

    def test_a_setting_is_the_same_in_whatever_words(self, registry):
        swept({"fast": [3], "slow": [10], "fee_bps": [0.0, 20.0]}, registry)
        swept({"fast": [3], "slow": [10]}, registry, costs=Costs(rate=0.002))
        BacktestEngine(registry=registry).run(BARS, "ma_crossover", {"fast": 3, "slow": 10})
        assert registry.trials == 2

    def test_single_runs(self, registry):
        engine = BacktestEngine(registry=registry)
        for fast in (3, 4, 3, 50):
            engine.run(BARS, "ma_crossover", {"fast": fast, "slow": 60})
        assert registry.trials == 3
        swept(GRID, registry)
        engine.run(BARS, "ma_crossover", {"slow": 12, "fast": 5, "allow_short": False})
        assert registry.trials == 33 and registry.errors == []
        assert registry.path.exists()
        BacktestEngine().run(BARS, "ma_crossover", {"fast": 2, "slow": 99})
        assert registry.trials == 33, "runs count only where a registry is given"

    def test_decisions_that_were_given(self, registry):
        engine = BacktestEngine(registry=registry)
        for _ in range(2):
            engine.run(BARS, np.ones(300))
        engine.run(BARS, np.zeros(300))
        assert registry.trials == 2

    def test_a_study_and_a_sweep_of_the_same(self, registry):
        pytest.importorskip("optuna")
        space = {"fast": (3, 8), "slow": (10, 14), "allow_short": False}
        study = Study("ma_crossover", BARS, space=space, sampler="grid", registry=registry, seed=1)
        study.run()
        assert registry.trials == 30
        study.robustness(top=2)
        swept(GRID, registry)
        assert registry.trials == 30 and {entry.kind for entry in registry.entries} == {"study", "sweep"}

    def test_studies_of_stretches_and_of_the_users_own_evaluators(self, registry):
        pytest.importorskip("optuna")
        Study("ma_crossover", BARS, segments=3, registry=registry, seed=1).run(n_trials=10)
        assert registry.trials == 10 and registry.sharpes.size == 0
        from peak_fast import Param

        def evaluate(columns, bars, metrics):
            return {name: np.asarray(columns["x"], float) for name in metrics}

        own = {"schema": [Param("x", "int", 1, low=1, high=5)], "sampler": "grid", "evaluator": evaluate}
        Study(None, None, objectives="score:max", registry=registry, seed=1, **own).run()
        assert registry.trials == 15

    def test_several_data_sets(self, registry):
        swept({"fast": [3, 4]}, registry, {"a": BARS, "b": OTHER})
        swept({"fast": [4, 5]}, registry, OTHER)
        assert registry.trials == 5
        assert registry.sharpes.size == 5

    def test_functions_by_their_source(self, registry):
        @strategy
        def hold(df, params):
            return [params["side"]] * len(df)

        Sweep(hold, {"side": [0, 1]}, BARS, registry=registry).run(progress=False)
        BacktestEngine(registry=registry).run(BARS, hold, {"side": 1})
        assert registry.trials == 2

    def test_a_setting_that_is_not_set(self, registry):
        swept({"fast": [3], "stop_loss": [None, 0.1]}, registry)
        swept({"fast": [3, 4.0]}, registry)
        assert registry.trials == 3


class TestSharpes:
    def test_they_are_per_period(self, registry):
        found = swept(GRID, registry)
        expected = found.frame["sharpe"].to_numpy() / np.sqrt(BARS.periods_per_year)
        assert np.sort(registry.sharpes) == pytest.approx(np.sort(expected), rel=1e-6)
        assert registry.variance == pytest.approx(expected.var(ddof=1), rel=1e-6)
        plain = deflated_sharpe(0.1, 300, 30, registry.variance, -0.5, 4.0)
        assert registry.deflated_sharpe(0.1, 300, -0.5, 4.0) == pytest.approx(plain)

    def test_those_of_single_runs(self, registry):
        result = BacktestEngine(registry=registry).run(BARS, "ma_crossover", {"fast": 3})
        assert registry.sharpes == pytest.approx(
            [result.stats["sharpe"] / BARS.periods_per_year**0.5], rel=1e-6
        )
        assert np.isnan(registry.variance)

    def test_a_sweep_without_them_is_filled_in_later(self, registry):
        swept(GRID, registry, metrics=["total_return"])
        assert registry.trials == 30 and registry.sharpes.size == 0
        swept(GRID, registry)
        assert registry.sharpes.size == 30 and len(registry.entries) == 1


class TestFile:
    def test_a_sweep_with_a_store_counts_beside_it(self, tmp_path):
        for _ in range(2):
            Sweep("ma_crossover", GRID, BARS).run(progress=False, store=tmp_path / "store")
        assert TrialRegistry(tmp_path).trials == 30
        Sweep("ma_crossover", GRID, BARS).run(progress=False)
        assert TrialRegistry(tmp_path).trials == 30

    @pytest.mark.parametrize("content", [b"", b"not a database at all", b"SQLite format 3\0" + bytes(200)])
    def test_what_is_no_registry_is_one_clear_error(self, tmp_path, content):
        path = tmp_path / "trials.sqlite"
        path.write_bytes(content)
        for call in (
            lambda: TrialRegistry(path).trials,
            lambda: swept(GRID, path),
            lambda: Sweep("macd", {"fast": [5]}, BARS).run(progress=False, store=tmp_path / "store"),
        ):
            with pytest.raises(StoreError, match="move it away, and counting begins anew"):
                call()
        assert path.read_bytes() == content

    def test_another_database_is_left_alone(self, tmp_path):
        path = tmp_path / "other.sqlite"
        with sqlite3.connect(path) as base:
            base.execute("CREATE TABLE trials (x)")
        base.close()
        with pytest.raises(StoreError, match="another kind of file"):
            swept(GRID, path)

    def test_changed_bytes_are_found(self, registry):
        swept(GRID, registry)
        base = sqlite3.connect(registry.path)
        (raw,) = base.execute("SELECT hashes FROM trials").fetchone()
        base.execute("UPDATE trials SET hashes = ?", (raw[:-1] + bytes([raw[-1] ^ 1]),))
        base.commit()
        base.close()
        with pytest.raises(StoreError, match="not what was written"):
            registry.trials  # noqa: B018

    def test_writers_that_begin_together(self, tmp_path):
        wrong = []

        def begin(path, number):
            try:
                own = TrialRegistry(path)
                own.check()
                own.add("own", f"w{number}", np.arange(3, dtype=np.uint64))
                own.trials  # noqa: B018
            except StoreError as error:
                wrong.append(str(error))

        for turn in range(40):
            path = tmp_path / f"{turn}.sqlite"
            writers = [threading.Thread(target=begin, args=(path, number)) for number in range(4)]
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join()
        assert wrong == []

    def test_a_file_without_a_suffix_is_a_file(self, registry, tmp_path):
        swept(GRID, registry)
        plain = shutil.copy(registry.path, tmp_path / "tried")
        assert TrialRegistry(plain).trials == 30
        (tmp_path / "notes").write_text("something else" * 50)
        with pytest.raises(StoreError, match="damaged"):
            TrialRegistry(tmp_path / "notes").trials  # noqa: B018

    def test_many_writers(self, registry):
        def write(number):
            own = TrialRegistry(registry.path)
            for part in range(5):
                own.add("own", f"w{number}", np.arange(100, dtype=np.uint64) + np.uint64(50 * part))

        writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert registry.trials == 300 and len(registry.entries) == 20

    def test_a_process_that_ends_at_once_has_counted(self, tmp_path):
        code = f"""
            from peak_fast import BacktestEngine, synthetic
            engine = BacktestEngine(registry={str(tmp_path / "t.sqlite")!r})
            for fast in range(3, 10):
                engine.run(synthetic(60, seed=1), "ma_crossover", {{"fast": fast}})
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
        assert TrialRegistry(tmp_path / "t.sqlite").trials == 7

    def test_words(self, registry):
        swept(GRID, registry)
        plain = json.loads(json.dumps(registry.to_dict()))
        assert plain["trials"] == plain["with_sharpe"] == 30 and plain["kinds"] == {"sweep": 1}
        assert "30 configurations tried in 1 entries" in registry.summary()

    def test_the_command_line(self, registry, command):
        code, out, err = command("trials", str(registry.path))
        assert (code, out) == (2, "") and "expected a registry of trials" in err
        swept(GRID, registry)
        code, out, err = command("trials", str(registry.path), "--json")
        assert json.loads(out)["trials"] == 30
        assert "30 new  ma_crossover" in command("trials", str(registry.path.parent))[1]
        store = registry.path.parent / "a_store"
        store.mkdir()
        assert f"did you mean {str(registry.path)!r}?" in command("trials", str(store))[2]

    def test_wrong_arguments(self):
        for call in (lambda: BacktestEngine(registry=5), lambda: Sweep("macd", {}, BARS, registry=True)):
            with pytest.raises(ConfigError, match="registry: expected a path or a TrialRegistry"):
                call()


def test_tracked_runs_of_an_experiment(registry, mlflow_module, empty_database, tmp_path):
    (template,) = (path for path in empty_database.iterdir() if path.suffix in (".db", ".sqlite"))
    uri = f"sqlite:///{shutil.copy(template, tmp_path / 'store.db')}"
    client = mlflow_module.MlflowClient(uri)
    number = client.create_experiment("mine")
    for fast, sharpe, kind in (
        (3, 1.6, "backtest"),
        (3, 1.6, "backtest"),
        (4, 0.8, "backtest"),
        (5, 0.1, "sweep"),
    ):
        run = client.create_run(number, tags={"peak_fast.kind": kind}).info.run_id
        told = {"strategy.params.fast": fast, "data.hash": "ab", "periods_per_year": 256.0, "notes": str(run)}
        for name, value in told.items():
            client.log_param(run, name, value)
        client.log_metric(run, "sharpe", sharpe)
    for _ in range(2):
        registry.add_experiment("mine", uri)
    assert registry.trials == 2 and len(registry.entries) == 1
    assert sorted(registry.sharpes) == pytest.approx([0.05, 0.1])
    with pytest.raises(StoreError, match=r"there is no 'yours'; the store has .*'mine'"):
        registry.add_experiment("yours", uri)


class TestHashes:
    def test_order_of_parameters_does_not_matter_and_names_do(self):
        context = context_hash("data")
        a = finished_hashes(context, column_hashes({"x": [1, 2], "y": [3, 4]}, 2))
        b = finished_hashes(context, column_hashes({"y": [3, 4], "x": [1.0, 2.0]}, 2))
        c = finished_hashes(context, column_hashes({"y": [1, 2], "x": [3, 4]}, 2))
        assert a.tolist() == b.tolist() and not set(a.tolist()) & set(c.tolist())
        assert (
            a.tolist()
            != finished_hashes(context_hash("other"), column_hashes({"x": [1, 2], "y": [3, 4]}, 2)).tolist()
        )

    def test_a_hundred_thousand_are_all_different(self):
        columns = {"x": np.repeat(np.arange(300), 300), "y": np.tile(np.arange(300) / 7, 300)}
        hashes = finished_hashes(context_hash(0), column_hashes(columns, 90_000))
        assert np.unique(hashes).size == 90_000
        bits = np.unpackbits(hashes.view(np.uint8)).reshape(-1, 64).mean(axis=0)
        assert (np.abs(bits - 0.5) < 0.01).all(), "every bit is even"

    def test_vectors(self):
        rows = np.array([[0.0, 1.0, np.nan], [-0.0, 1.0, -np.nan], [1.0, 0.0, np.nan]])
        found = vector_hashes(rows)
        assert found[0] == found[1] != found[2]
        assert vector_hashes(rows[:1])[0] == found[0]

    def test_texts_and_nothing(self):
        found = column_hashes({"x": np.array([None, "a", "a", 1, True], dtype=object)}, 5)
        assert found[1] == found[2] and len(set(found.tolist())) == 4


def test_a_sweep_of_millions_counts_by_its_number(tmp_path, monkeypatch):
    """As of more than five million configurations: nothing is held of each, and the same sweep counts once."""
    from peak_fast.sweep import counted

    monkeypatch.setattr(counted, "MOST", 50)
    monkeypatch.setattr(counted, "_PART", 7)
    monkeypatch.setattr(counted, "_grid", None)
    bars, registry = synthetic(60, seed=1), TrialRegistry(tmp_path / "t.sqlite")
    for slow in (range(20, 30), range(20, 30), range(21, 31)):
        Sweep("ma_crossover", {"fast": range(2, 10), "slow": slow}, bars, registry=registry).run(
            progress=False
        )
    assert registry.trials == 160
    assert [entry.hashes for entry in registry.entries] == [None, None]
    assert registry.frame["configurations"].to_list() == [80, 80]
