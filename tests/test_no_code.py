"""What somebody else may have written executes nothing when it is read: spools, journals, stores, saved results."""

import ast
import json
import os
import pickle
from pathlib import Path

import pytest

from peak_fast import Param, StoreError
from peak_fast.tracking.spool import codec
from tests.study_fakes import make

ROOT = Path(__file__).resolve().parent.parent


class Evil:
    """An object whose pickle makes a folder where it is read."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


def built(*opcodes):
    return b"".join(opcodes)


def evil_pickles(place):
    """Ways in which a pickle asks for a function: each protocol, and opcodes that no pickler writes by itself."""
    yield from (pickle.dumps(Evil(place), protocol) for protocol in range(6))
    yield from (pickle.dumps({"a": [1, Evil(place)]}, protocol) for protocol in (2, 5))
    path = str(place).encode()
    yield built(b"(S'", path, b"'\nios\nmkdir\n.")
    yield built(b"(cos\nmkdir\nS'", path, b"'\no.")
    yield built(b'\x80\x05cbuiltins\neval\n(S\'__import__("os").mkdir("', path, b"\")'\ntR.")
    yield built(b"\x80\x05\x8c\x08builtins\x8c\x07getattr\x93(\x8c\x02osl\x8c\x05mkdirtR.")
    yield built(b"\x80\x05cnumpy\ndtype\n(S'O'\nI00\nI01\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntb.")
    yield built(b"Pa persistent name\n.")


def test_values_of_a_spool(tmp_path):
    place = tmp_path / "made"
    for data in evil_pickles(place):
        with pytest.raises(pickle.UnpicklingError):
            codec.decode(data if data.startswith(pickle.PROTO) else pickle.PROTO + b"\x05" + data)
        assert not place.exists()
    # The finder of what must not happen finds it.
    pickle.loads(next(evil_pickles(place)))
    assert place.is_dir()


SCHEMA = (Param("x", "float", 0.0, low=-5.0, high=5.0), Param("y", "float", 0.0, low=-5.0, high=5.0))


def bowl(columns, bars, metrics):
    return {"sharpe": 3.0 - (columns["x"] - 1.5) ** 2 - (columns["y"] + 2.0) ** 2}


def stored(journal):
    return make("cmaes", schema=SCHEMA, evaluator=bowl, storage=f"journal://{journal}", study_name="bowl")


@pytest.fixture
def journal(tmp_path):
    pytest.importorskip("cmaes")
    stored(tmp_path / "bowl.log").run(n_trials=60)
    return tmp_path / "bowl.log"


def states(study):
    return [
        trial for trial in study.optuna.get_trials() if any("optimizer" in key for key in trial.system_attrs)
    ]


def test_a_study_goes_on_from_the_state_of_its_sampler(journal):
    study = stored(journal)
    assert len(states(study)) > 1
    assert study.run(n_trials=200).best_value > 2.9


def test_the_state_of_a_sampler_in_a_journal(journal, tmp_path):
    place = tmp_path / "made"
    evil = pickle.dumps(Evil(place)).hex()
    lines, changed = [], 0
    for line in journal.read_text().splitlines():
        record = json.loads(line)
        record.pop("crc32", None)  # as Optuna itself writes records; whoever forges one can count, too
        for attributes in (record.get("system_attr", {}), record.get("system_attrs", {})):
            for key in attributes:
                if "optimizer:" in key:
                    attributes[key] = evil if key.endswith(":0") else ""
                    changed += 1
        lines.append(json.dumps(record) + "\n")
    assert changed
    journal.write_text("".join(lines))
    with pytest.raises(StoreError, match="put there by somebody else") as caught:
        stored(journal).run(n_trials=120)
    assert "mkdir" in str(caught.value)
    assert not place.exists()


def calls(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def test_nothing_else_reads_pickles_or_executes_text():
    """Places that turn stored bytes into objects or code; SECURITY.md explains each."""
    wanted = ("pickle.load", "pickle.loads", "eval", "exec", "compile", "marshal.loads", "np.load", "joblib.load",
              "runpy.run_path", "spec.loader.exec_module")  # fmt: skip
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for folder in ("peak_fast", "kernels")
        for path in (ROOT / folder).rglob("*.py")
        for name in calls(path)
        if name in wanted or name.endswith(".deserialize")
    }
    # Machine code, from a folder and files that only this user can have written; a strategy file that he names; what
    # the processes of a cluster, which execute what they are sent, say to each other over pipes.
    assert found == {
        ("peak_fast/cluster/careful.py", "pickle.loads"),
        ("peak_fast/cluster/child.py", "pickle.loads"),
        ("peak_fast/cluster/rounds.py", "pickle.loads"),
        ("kernels/peak_kernels/compiling/disk.py", "pickle.loads"),
        ("peak_fast/cli/strategy.py", "spec.loader.exec_module"),
    }


def test_pickles_are_read_by_unpicklers_that_know_their_names():
    for path in (ROOT / "peak_fast").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        # A cluster's workers execute what they are sent, which is why nobody else may reach them.
        if "pickle.Unpickler)" in text and path.parent.name != "cluster":
            assert "def find_class" in text, path
