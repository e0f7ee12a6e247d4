"""Sweeps on the workers of a cluster: the bits of one machine, whatever travels and wherever it runs."""

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peak_fast import (
    ConfigError,
    Costs,
    Panel,
    Param,
    Rank,
    Study,
    Sweep,
    SweepError,
    strategy,
    synthetic,
)
from peak_fast.portfolio import Momentum
from peak_fast.validation import cross_validate, permutation_test, walk_forward

distributed = pytest.importorskip("distributed")

from peak_fast.cluster import Crew, identity  # noqa: E402
from peak_fast.cluster.careful import Limits, run_carefully  # noqa: E402
from peak_fast.cluster.parcels import pack, unpacked  # noqa: E402
from peak_fast.sweep.run import Work  # noqa: E402
from peak_fast.sweep.run.remote import SweepJob  # noqa: E402
from tests.cluster_work import local_cluster  # noqa: E402

BARS = synthetic(400, seed=3)
GRID = {"fast": range(2, 30), "slow": range(5, 120, 5), "stop_loss": [None, 0.05]}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Three worker processes that run in a folder of their own."""
    with (
        local_cluster(n_workers=3) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        client.run(os.chdir, str(tmp_path_factory.mktemp("elsewhere")))
        yield client


def job_of(sweep):
    """What is sent of a sweep."""
    return SweepJob(Work(sweep.engine.settings, sweep.strategy, sweep.data, sweep.grid, sweep.metrics))


def both(sweep, client, **options):
    """The table of one machine and that of the cluster."""
    options = {"progress": False, **options}
    return sweep.run(**options).frame, sweep.run(cluster=client, **options).frame


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 50), st.integers(1, 25), st.integers(2, 40), st.booleans(), st.sampled_from([False, 4]))
def test_a_table_has_the_bits_of_one_machine(client, seed, fasts, slows, stops, blocks):
    grid = {"fast": range(2, 2 + fasts), "slow": range(3, 3 + slows)}
    if stops:
        grid["stop_loss"] = [None, 0.02, 0.1]
    bars = synthetic(60 + 10 * seed, seed=seed)
    sweep = Sweep(
        "ma_crossover", grid, bars, costs=Costs(rate=0.001), constraint="fast <= slow", blocks=blocks
    )
    here, there = both(sweep, client)
    assert there.equals(here)


def test_several_data_sets_and_their_notes(client):
    data = {"a": BARS, "b": synthetic(300, seed=5)}
    sweep = Sweep("momentum", {"stop_loss": [None, 0.03, 0.1]}, data)
    here, there = both(sweep, client)
    assert there.equals(here) and set(there["data"]) == {"a", "b"}
    result = sweep.run(cluster=client, progress=False)
    assert result.notes == sweep.run(progress=False).notes


LIFT = 1.5


def lifted(values):
    return np.sign(values) * LIFT


def signals(df, params):
    close = df["close"]
    return lifted((close - close.rolling_mean(params["n"])).fill_null(0.0).to_numpy()) / LIFT


@strategy(name="cluster_block", schema=(Param("n", "int", 5, low=1, high=50),), memory=1)
def block(i, bars, params, memory, account):
    n = int(params[0])
    if i < n:
        return np.nan
    memory[0] += 1.0
    return 1.0 if bars[3, i] > bars[3, i - n] else -1.0


@pytest.mark.parametrize("item", [signals, block])
def test_functions_and_blocks_travel_by_value(client, item):
    here, there = both(Sweep(item, {"n": range(2, 40)}, BARS), client)
    assert there.equals(here)


MODULE = """
import numpy as np
from peak_fast import Param, strategy

EDGE = 0.01

@strategy(name="from_a_file", schema=(Param("edge", "float", EDGE, low=0.0, high=1.0),))
def from_a_file(i, bars, params, memory, account):
    return 1.0 if i > 0 and bars[3, i] > bars[3, i - 1] * (1.0 + params[0]) else 0.0
"""


def test_a_strategy_of_a_file_that_workers_do_not_have(client, tmp_path):
    path = tmp_path / "strategy_of_a_file.py"
    path.write_text(MODULE)
    spec = importlib.util.spec_from_file_location("strategy_of_a_file", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    here, there = both(Sweep("from_a_file", {"edge": [0.0, 0.005, 0.01, 0.02]}, BARS), client)
    assert there.equals(here) and there["total_trades"].n_unique() > 1


def test_a_store_goes_on_from_one_machine_to_many_and_back(client, tmp_path):
    sweep = Sweep("ma_crossover", GRID, BARS)
    whole = sweep.run(progress=False).frame
    store = tmp_path / "store"
    sweep.run(progress=False, store=store)
    parts = sorted(store.glob("part-*.parquet"))
    for part in parts[::2]:
        part.unlink()
    assert sweep.run(progress=False, store=store, cluster=client).frame.equals(whole)
    parts = sorted(store.glob("part-*.parquet"))
    for part in parts[1::2]:
        part.unlink()
    assert sweep.run(progress=False, store=store).frame.equals(whole)


def test_prices_arrive_once_and_nobody_can_write_to_them(client):
    bars = synthetic(50_000, seed=9)
    size = 6 * 8 * len(bars)
    sweep = Sweep("ma_crossover", {"fast": range(5, 9), "slow": [50, 60]}, bars)
    with Crew(client) as crew:
        for _ in range(2):
            list(crew.run(job_of(sweep), [(0, len(sweep.grid))], 4))
        assert len(crew.sent) == 3 and all(size < sent < 1.02 * size for sent in crew.sent.values())
    packed = pack(bars)
    again = unpacked(b"".join(bytes(part) for part in packed.parcels[packed.key].parts), None)
    assert again.hash == bars.hash and not again.close.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        again.close.flags.writeable = True


def test_columns_that_share_memory_leave_once():
    frame = synthetic(10_000, seed=2).to_polars().with_columns(pl.lit("x").alias("kind"))
    from peak_fast import Bars

    bars = Bars.from_frame(frame)
    packed = pack(bars)
    # Prices, times and volume once, and a text column at 16 bytes a row.
    assert packed.parcels[packed.key].size < (6 * 8 + 16 + 1) * len(bars)
    again = unpacked(b"".join(bytes(part) for part in packed.parcels[packed.key].parts), None)
    assert again.source.equals(frame) and again.source.schema == frame.schema


def test_a_worker_with_other_versions_is_refused_by_name(client, monkeypatch):
    monkeypatch.setitem(identity(), "numba", "0.1")
    with pytest.raises(
        SweepError, match=r"worker tcp://.* would not compute the same bits: numba .* there, 0.1 here"
    ):
        Sweep("momentum", {"stop_loss": [None, 0.1]}, BARS).run(cluster=client, progress=False)


@pytest.mark.parametrize("wrong", ["lokal", "local:0", "host:8786", 4, object()])
def test_what_is_no_cluster_is_refused_before_anything_runs(wrong):
    with pytest.raises(ConfigError, match=r"cluster: expected a distributed\.Client"):
        Sweep("momentum", {"stop_loss": [None, 0.1]}, BARS).run(cluster=wrong)


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_somebody_else_at_the_address_is_an_error_and_not_a_wait_for_ever(monkeypatch, scheme):
    monkeypatch.setattr("peak_fast.cluster.connecting.CONNECT_SECONDS", 0.2)
    monkeypatch.setattr("peak_fast.cluster.connecting._GRACE", 0.2)
    said = "no scheduler answered" if scheme == "tcp" else "tls:// needs certificates of this machine"
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(SweepError, match=said):
        address = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        Sweep("momentum", {"stop_loss": [None, 0.1]}, BARS).run(cluster=address, progress=False)


@pytest.mark.parametrize("text", [None, "", "[]", "{}"])
def test_a_scheduler_file_that_nobody_wrote_is_an_error_and_not_a_wait_for_ever(monkeypatch, tmp_path, text):
    monkeypatch.setattr("peak_fast.cluster.connecting.CONNECT_SECONDS", 0.2)
    file = tmp_path / "scheduler.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SweepError, match=r"cluster: no scheduler wrote .*scheduler\.json within"):
        Sweep("momentum", {"stop_loss": [None, 0.1]}, BARS).run(cluster=str(file), progress=False)


def test_an_error_of_a_function_is_the_one_of_one_machine(client):
    def fails(df, params):
        if params["n"] == 7:
            raise ZeroDivisionError("seven")
        return np.zeros(len(df))

    sweep = Sweep(fails, {"n": range(20)}, BARS)
    said = []
    for cluster in (None, client):
        with pytest.raises(Exception, match="seven") as caught:
            sweep.run(cluster=cluster, progress=False)
        said.append((type(caught.value).__name__, str(caught.value)))
    assert said[0] == said[1]


class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.two = two


def deep(df, params):
    return deep(df, params)


def raises(kind, *arguments):
    def fails(df, params):
        raise kind(*arguments)

    return fails


@pytest.mark.parametrize(
    "odd", [deep, raises(KeyboardInterrupt, "by a function"), raises(SystemExit, 3), raises(Odd, "one", 2)]
)
def test_whatever_a_function_raises_arrives_and_nothing_waits_for_ever(client, odd):
    sweep = Sweep(odd, {"n": range(3)}, BARS)
    said = []
    for cluster in (None, client):
        with pytest.raises(BaseException) as caught:
            sweep.run(cluster=cluster, progress=False)
        said.append((type(caught.value).__name__, str(caught.value)))
    assert said[0] == said[1] or said[1] == ("RuntimeError", f"{said[0][0]}: {said[0][1]}")
    notes = "".join(getattr(caught.value, "__notes__", []))
    assert "on worker tcp://" in notes and f"in {odd.__name__}" in notes


def kills(df, params):
    if params["n"] == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if params["n"] == 7:
        print("said by a function")
        os._exit(3)
    return np.sign(df["close"].diff().fill_null(0.0).to_numpy()) * (params["n"] % 3 - 1)


def careful(function, grid, **limits):
    sweep = Sweep(function, grid, BARS)
    packed = pack(job_of(sweep))
    contents = {key: b"".join(bytes(part) for part in p.parts) for key, p in packed.parcels.items()}
    limits = {"seconds": 60.0, "silence": 60.0, "memory": 0, **limits}
    return run_carefully(packed.key, contents, 0, len(sweep.grid), 1, Limits(**limits))


def test_a_configuration_that_kills_its_process_is_found_and_the_others_have_their_rows():
    found = careful(kills, {"n": range(10)})
    assert found.failed == {5: "its process was ended by SIGKILL", 7: "its process ended with code 3"}
    alive = [n for n in range(10) if n not in (5, 7)]
    expected = Sweep(kills, {"n": alive}, BARS).run(progress=False).frame
    np.testing.assert_array_equal(found.rows[alive, 0], expected["total_return"].to_numpy())
    assert np.isnan(found.rows[[5, 7]]).all()


def test_a_configuration_that_holds_the_lock_or_takes_too_much_memory_is_ended():
    def holds(df, params):
        re.match(r"(a+)+$", "a" * 60 + "b")  # for ever, without letting others run

    def eats(df, params):
        kept = np.ones(1 << 27)
        time.sleep(60.0)
        return kept[: len(df)]

    found = careful(holds, {"n": [1]}, silence=4.0)
    assert found.failed == {0: "it held Python's lock for more than 4 s, and was ended"}
    found = careful(eats, {"n": [1]}, memory=900_000_000)
    assert found.failed == {0: "it took more than the 0.9 GB of its worker, and was ended"}


def test_panels_of_sixteen_assets(client):
    panel = Panel.from_frame({f"A{k}": synthetic(150, seed=k).to_polars() for k in range(16)})
    rule = Rank(Momentum("lookback", 2), top="top", rebalance="week")
    here, there = both(Sweep(rule, {"lookback": range(5, 25), "top": [1, 3, 5]}, panel), client)
    assert there.equals(here) and here["total_return"].n_unique() > 10


def test_sixteen_data_sets_are_sixteen_sweeps(client):
    data = {f"A{k}": synthetic(120 + k, seed=k) for k in range(16)}
    grid = {"fast": range(2, 12), "slow": range(12, 32)}
    table = Sweep("ma_crossover", grid, data).run(cluster=client, progress=False).frame
    for name, bars in data.items():
        alone = Sweep("ma_crossover", grid, bars).run(progress=False).frame.drop("config")
        assert table.filter(table["data"] == name).drop("config", "data").equals(alone)


@pytest.mark.parametrize("positions", ["carry", "flat"])
def test_a_walk_forward_is_that_of_one_machine(client, positions):
    options = {"train": 150, "test": 50, "positions": positions}
    grid = {name: values for name, values in GRID.items() if positions == "flat" or name != "stop_loss"}
    found = [walk_forward("ma_crossover", grid, BARS, **options, cluster=at) for at in (None, client)]
    assert found[1].folds.equals(found[0].folds) and found[1].notes == found[0].notes
    np.testing.assert_array_equal(found[1].result.equity, found[0].result.equity)


def test_a_cross_validation_is_that_of_one_machine(client):
    found = [
        cross_validate("ma_crossover", GRID, BARS, folds=5, cluster=at).to_dict() for at in (None, client)
    ]
    assert json.dumps(found[1], default=str) == json.dumps(found[0], default=str)


@pytest.mark.parametrize(
    ("strategy", "data"), [("ma_crossover", BARS), (signals, BARS)], ids=["rules", "function"]
)
def test_a_permutation_test_is_that_of_one_machine(client, strategy, data):
    params = {"fast": [3, 5], "slow": [20, 30]} if strategy == "ma_crossover" else {"n": [5, 9]}
    options = {"worlds": 30, "select": True, "seed": 4}
    found = [permutation_test(strategy, params, data, **options, cluster=at) for at in (None, client)]
    np.testing.assert_array_equal(found[1].distribution, found[0].distribution)
    np.testing.assert_array_equal(found[1].chosen, found[0].chosen)
    assert found[1].to_dict() == found[0].to_dict()


def test_a_study_proposes_and_finds_what_it_does_on_one_machine(client):
    found = []
    for at in (None, client):
        study = Study("ma_crossover", BARS, sampler="random", seed=3, batch=16, cluster=at)
        study.run(n_trials=40)
        found.append(study.trials.select("fast", "slow", "sharpe", "total_return"))
    assert found[1].equals(found[0])


def slow(df, params):
    time.sleep(0.01)
    return np.sign(df["close"].diff().fill_null(0.0).to_numpy()) * (params["n"] % 3 - 1)


def test_an_interrupted_sweep_leaves_a_store_that_continues(client, tmp_path):
    store, sweep = tmp_path / "store", Sweep(slow, {"n": range(260)}, BARS)

    def interrupt():
        while not list(store.glob("part-*.parquet")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt) as caught:
        sweep.run(cluster=client, progress=False, store=store)
    assert "parts are in" in caught.value.stopped and "the same call continues there" in caught.value.stopped
    kept = len(list(store.glob("part-*.parquet")))
    assert 1 <= kept < 5
    before = {path: path.stat().st_mtime_ns for path in store.glob("part-*.parquet")}
    table = sweep.run(cluster=client, progress=False, store=store).frame
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    assert table.equals(sweep.run(progress=False).frame)


def test_the_command_line_takes_an_address(client, command, prices):
    arguments = ("sweep", "--data", str(prices), "--strategy", "ma_crossover", "--grid", "fast=5:20:5",
                 "--grid", "slow=30,40", "--top", "3")  # fmt: skip
    code, out, err = command(*arguments, "--cluster", client.scheduler.address)
    assert code == 0, err
    assert out == command(*arguments)[1] and "8 configurations" in out
    code, _, err = command(*arguments, "--cluster", "somewhere")
    assert code == 2 and "cluster: expected a distributed.Client, an address" in err


def test_without_a_cluster_nothing_of_it_is_imported():
    code = (
        "import sys; from peak_fast import Sweep, synthetic; "
        "Sweep('momentum', {'stop_loss': [None, 0.1]}, synthetic(200, seed=1)).run(progress=False).frame; "
        "print([name for name in ('distributed', 'dask', 'cloudpickle', 'peak_fast.cluster') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
