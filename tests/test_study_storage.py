"""Studies on shared storages: several workers, killed workers, resume."""

import signal
import subprocess
import sys
import time

import pytest

optuna = pytest.importorskip("optuna")

from peak_fast.errors import StoreError  # noqa: E402
from peak_fast.studies.storage.storage import open_storage  # noqa: E402
from tests.study_storages import (  # noqa: E402
    KINDS,
    ROOT,
    STATE,
    address,
    by_state,
    check_two_workers_of_which_one_dies,
    check_values,
    complete_points,
    finish,
    read_log,
    start_worker,
    wait_for,
)
from tests.study_worker import open_study, surface  # noqa: E402


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampler", ["grid", "random", "tpe", "nsga2"])
def test_a_stored_study_equals_the_one_in_memory(kind, sampler, tmp_path):
    plain, stored = open_study(None, sampler), open_study(address(kind, tmp_path), sampler)
    for study in (plain, stored):
        study.run(n_trials=60)
    assert stored.trials.drop("seconds").equals(plain.trials.drop("seconds"))
    for mine, theirs in zip(plain.optuna.trials, stored.optuna.trials, strict=True):
        assert mine.params == theirs.params
        assert mine.values == theirs.values
        assert mine.distributions == theirs.distributions
        assert mine.system_attrs == theirs.system_attrs
        assert {k: v for k, v in theirs.user_attrs.items() if k != "peak_fast:worker"} == mine.user_attrs
    loaded = optuna.load_study(study_name="shared", storage=open_storage(address(kind, tmp_path)).storage)
    assert loaded.best_params == plain.result.best_params


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_a_stopped_study_resumes_without_running_anything_twice(kind, sampler, tmp_path):
    log = tmp_path / "log"
    first = open_study(address(kind, tmp_path), sampler, log=log)
    first.run(n_trials=40)
    second = open_study(address(kind, tmp_path), sampler, log=log)
    result = second.run(n_trials=100)
    assert by_state(second) == {"COMPLETE": 100}
    assert result.tally.run + result.tally.duplicates == 60
    trials = [row[1:] for row in read_log(log)]
    robust = {(row["fast"], row["slow"]) for row in first.trials.iter_rows(named=True)}
    assert robust <= set(trials)
    check_values(second)
    if sampler == "grid":
        assert set(complete_points(second).values()) == {1}
    else:
        rows = second.trials.select("fast", "slow").rows()
        assert rows[40:50] != rows[:10]  # the random start is not played again


def crossed(samplers, kinds):
    """Samplers and storages so that each comes once by day, and all pairs at night."""
    size = len(kinds)
    return [
        pytest.param(sampler, kind, marks=() if i % size == j else pytest.mark.nightly)
        for i, sampler in enumerate(samplers)
        for j, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize(("sampler", "kind"), crossed(["grid", "random", "tpe"], KINDS))
def test_two_workers_share_a_study_exactly(kind, sampler, tmp_path, monkeypatch):
    log, storage = tmp_path / "log", address(kind, tmp_path)
    monkeypatch.setenv("STUDY_WORKERS_WAIT", "1")
    workers = [start_worker(storage, 120, sampler, 0.01, log) for _ in range(2)]
    wait_for(lambda: len(list(tmp_path.glob("log.ready.*"))) == 2)
    (tmp_path / "log.go").touch()
    for worker in workers:
        assert finish(worker)[0] == "trials"
    study = open_study(storage, sampler)
    assert by_state(study)["COMPLETE"] == 120
    assert by_state(study)["RUNNING"] == by_state(study)["WAITING"] == 0
    check_values(study)
    if sampler == "grid":
        assert set(complete_points(study).values()) == {1}
    assert len({trial.user_attrs["peak_fast:worker"] for trial in study.optuna.trials}) == 2


@pytest.mark.parametrize(("sampler", "kind"), crossed(["grid", "tpe"], KINDS))
def test_kill_9_of_one_of_two_workers_leaves_every_trial_exactly_once(kind, sampler, tmp_path):
    storage = address(kind, tmp_path)
    study = check_two_workers_of_which_one_dies(storage, 160, 0.005, sampler, tmp_path)
    assert by_state(study)["FAIL"] >= 1  # what the victim had claimed
    retried = [t for t in study.optuna.trials if "peak_fast:retry_of" in t.user_attrs]
    lost = {
        t.number for t in study.optuna.trials if t.user_attrs.get("peak_fast:reason") == "the worker died"
    }
    assert {t.user_attrs["peak_fast:retry_of"] for t in retried} == lost
    for trial in retried:
        assert trial.params == study.optuna.trials[trial.user_attrs["peak_fast:retry_of"]].params
        assert trial.system_attrs["failed_trial"] in lost


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_study_resumes_with_the_same_command(kind, tmp_path):
    log, storage = tmp_path / "log", address(kind, tmp_path)
    for _ in range(2):
        worker = start_worker(storage, 150, "grid", 0.02, log)
        before = len(read_log(log)) if log.exists() else 0
        wait_for(lambda before=before: log.exists() and len(read_log(log)) > before)
        time.sleep(0.3)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
    assert finish(start_worker(storage, 150, "grid", 0.0, log))[0] == "trials"
    study = open_study(storage, "grid")
    assert by_state(study)["COMPLETE"] == 150
    assert set(complete_points(study).values()) == {1}
    check_values(study)


@pytest.mark.parametrize(("sampler", "kind"), crossed(["grid", "nsga2"], KINDS))
def test_kill_9_at_twenty_random_moments(kind, sampler, tmp_path):
    storage = address(kind, tmp_path)
    command = ["-m", "tests.study_worker", "siege", storage, "200", sampler, "20", "7"]
    worker = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    kills, stopped = finish(worker, timeout=180)
    assert int(kills) >= 1
    assert stopped == "trials"
    study = open_study(storage, sampler)
    states = by_state(study)
    assert states["COMPLETE"] == 200
    assert states["RUNNING"] == states["WAITING"] == 0
    check_values(study)
    if sampler == "grid":
        assert set(complete_points(study).values()) == {1}


def test_trials_of_a_worker_on_another_machine_are_taken_over_when_its_stamp_is_old(tmp_path):
    study = open_study(address("sqlite", tmp_path), "grid", heartbeat=(0.1, 1.0))
    distant = "00000000000000000001-elsewhere-1-abcdef01"
    study.optuna.set_user_attr(f"peak_fast:worker:{distant}", time.time())
    study.optuna.add_trial(
        optuna.create_trial(
            state=STATE.RUNNING,
            params={"fast": 5, "slow": 50},
            distributions=study.space.distributions,
            user_attrs={"peak_fast:worker": distant, "peak_fast:index": 0},
        )
    )
    started = time.monotonic()
    result = study.run()
    assert result.stopped == "exhausted"
    assert time.monotonic() - started > 0.8  # as long as it may be alive, its trial is left alone
    assert by_state(study) == {"COMPLETE": 200, "FAIL": 1}
    assert set(complete_points(study).values()) == {1}


def test_a_point_that_no_worker_survives_is_left_out_at_last(tmp_path, caplog):
    study = open_study(address("sqlite", tmp_path), "grid")
    gone = "00000000000000000001-elsewhere-1-abcdef01"
    study.optuna.add_trial(
        optuna.create_trial(
            state=STATE.RUNNING,
            params={"fast": 5, "slow": 50},
            distributions=study.space.distributions,
            user_attrs={"peak_fast:worker": gone, "peak_fast:index": 0},
            system_attrs={"failed_trial": 0, "retry_history": list(range(10))},
        )
    )
    assert study.run().stopped == "exhausted"
    assert by_state(study) == {"COMPLETE": 199, "FAIL": 1}
    assert study.trials["reason"][0] == "given up: the worker died 11 times"
    assert "no worker survived it 11 times" in caplog.text


def test_a_worker_that_was_taken_for_dead_cannot_count_its_trial_again(tmp_path):
    storage = address("sqlite", tmp_path)

    class Sleeper:
        calls = 0

        def __call__(self, columns, bars, metrics):
            self.calls += 1
            if self.calls == 1:
                for trial in outer.get_trials(states=(STATE.RUNNING,)):
                    outer.tell(trial.number, state=STATE.FAIL)  # what another worker's rescue does
            return {"sharpe": surface(columns["fast"], columns["slow"])}

    from peak_fast.studies.study import Study
    from tests.study_worker import SCHEMA

    study = Study(None, None, SCHEMA, storage=storage, sampler="random", evaluator=Sleeper(), batch=8, seed=1)
    outer = optuna.load_study(study_name="study", storage=open_storage(storage).storage)
    result = study.run(n_trials=40)
    assert result.tally.lost == 8
    assert by_state(study) == {"COMPLETE": 40, "FAIL": 8}


@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_gives_claimed_trials_back(kind, tmp_path):
    storage = address(kind, tmp_path)

    def interrupted(columns, bars, metrics):
        raise KeyboardInterrupt

    from peak_fast.studies.study import Study
    from tests.study_worker import SCHEMA

    options = {"storage": storage, "sampler": "grid", "batch": 8, "seed": 1}
    study = Study(None, None, SCHEMA, evaluator=interrupted, **options)
    with pytest.raises(KeyboardInterrupt):
        study.run()
    assert by_state(study) == {"FAIL": 8, "WAITING": 8}
    again = Study(None, None, SCHEMA, evaluator=lambda c, b, m: {"sharpe": surface(**c)}, **options)
    assert again.run().stopped == "exhausted"
    assert by_state(again) == {"FAIL": 8, "COMPLETE": 200}
    assert set(complete_points(again).values()) == {1}


def test_failed_trials_are_retried_when_asked_for(tmp_path):
    storage = address("sqlite", tmp_path)
    broken = [True]

    def evaluator(columns, bars, metrics):
        if broken[0] and 7 in columns["fast"]:
            raise OSError("disk away")
        return {"sharpe": surface(**columns)}

    from peak_fast.studies.study import Study
    from tests.study_worker import SCHEMA

    options = {"storage": storage, "sampler": "grid", "evaluator": evaluator, "batch": 8, "seed": 1}
    first = Study(None, None, SCHEMA, **options)
    first.run()
    assert by_state(first) == {"COMPLETE": 180, "FAIL": 20}
    broken[0] = False
    untouched = Study(None, None, SCHEMA, **options)
    assert untouched.run().tally.run == 0
    again = Study(None, None, SCHEMA, retry_failed=True, **options)
    again.run()
    assert by_state(again) == {"COMPLETE": 200, "FAIL": 20}
    assert set(complete_points(again).values()) == {1}
    once_more = Study(None, None, SCHEMA, retry_failed=True, **options)
    assert once_more.run().tally.run == 0


# --- identity of a study -----------------------------------------------------------------------------------


def test_a_study_about_something_else_is_refused(tmp_path):
    storage = address("sqlite", tmp_path)
    open_study(storage, "grid").run(n_trials=5)
    with pytest.raises(StoreError, match="'shared' exists in sqlite"):
        open_study(storage, "grid", resume=False)
    with pytest.raises(StoreError, match=r"changes in feasible .*another name"):
        open_study(storage, "grid", feasible="sharpe > 0")
    with pytest.raises(StoreError, match=r"changes in constraints"):
        open_study(storage, "grid", constraints="fast < slow")
    from peak_fast.studies.study import Study
    from tests.study_worker import SCHEMA

    with pytest.raises(StoreError, match="expected a study with 2 objectives"):
        Study(None, None, SCHEMA, ["sharpe", "calmar"], storage=storage, study_name="shared", evaluator=max)
    with pytest.raises(StoreError, match=r"schema\.slow\.high \(69 -> 70\)"):
        from dataclasses import replace

        wider = (SCHEMA[0], replace(SCHEMA[1], high=70))
        Study(None, None, wider, "sharpe", storage=storage, study_name="shared", evaluator=max)


def test_a_stored_study_keeps_its_seed(tmp_path):
    storage = address("sqlite", tmp_path)
    assert open_study(storage, "random", seed=77).seed == 77
    assert open_study(storage, "random", seed=78).seed == 77
    named = open_study(storage, "random", seed=None, study_name="a")
    assert named.seed == open_study(storage, "random", seed=None, study_name="a").seed
