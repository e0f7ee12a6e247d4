"""Machine code that a wheel brings along: what counts, which level is taken, the same bits from all of them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from peak_kernels import natives
from peak_kernels.compiling import levels, linking, objects
from peak_kernels.compiling.cache import PACKAGE_DIR
from peak_kernels.compiling.linking import NotPlain, placed
from peak_kernels.compiling.objects import Entry
from tests.conftest import ROOT

here_only = pytest.mark.skipif(
    not linking.IS_PLAIN, reason="machine code is brought along for Linux on x86-64 only"
)
pytestmark = here_only

# Levels


def processor_of(*names):
    flags = " ".join(levels._ADDED[name] for name in names)
    return lambda: {"flags": f"fpu {flags} something_new"}


@pytest.mark.parametrize(
    ("has", "asked", "taken"),
    [
        (("v2", "v3", "v4"), "", "v4"),
        (("v2", "v3"), "", "v3"),
        (("v2", "v3"), "v4", "v3"),
        (("v2", "v3", "v4"), "v2", "v2"),
        (("v2", "v3", "v4"), "none", None),
        (("v2", "v3", "v4"), "v9", "v4"),
        (("v2", "v4"), "", "v2"),
        (("v3", "v4"), "", None),
        ((), "v2", None),
    ],
)
def test_the_highest_level_that_the_processor_has_and_that_is_wanted(monkeypatch, has, asked, taken):
    monkeypatch.setattr(levels, "processor", processor_of(*has))
    monkeypatch.setenv(levels.VARIABLE, asked)
    assert levels.level() == taken


def test_a_system_that_says_nothing_of_its_processor(monkeypatch):
    monkeypatch.setattr(levels, "processor", dict)
    assert levels.level() is None


# Files


@pytest.fixture(scope="module")
def compiled():
    """Symbol and object file of an entry, compiled here."""
    from peak_kernels.compiling.options import compile_native

    symbol, code, _, _ = compile_native(natives.roc_rows, 0)
    return symbol, code


@pytest.fixture
def file(tmp_path, monkeypatch, compiled):
    """The file of that entry in a package that brings it along; there is no cache."""
    monkeypatch.setattr(levels, "PACKAGE_DIR", tmp_path)
    monkeypatch.setattr(objects, "cache_dir", lambda: None)
    monkeypatch.delenv(levels.VARIABLE, raising=False)
    path = tmp_path / levels.COMPILED / levels.level() / "roc_rows.object"
    path.parent.mkdir(parents=True)
    path.write_bytes(objects.written(*compiled, levels.package_facts()))
    return path


def called():
    """An entry, and what it computes."""
    entry = Entry("roc_rows", 0, lambda name: getattr(natives, name))
    rows = np.empty((1, 4))
    entry.call((np.array([1.0, 2.0, 3.0, 4.0]), np.array([2]), rows))
    return entry.way, rows[0, 2]


def test_a_file_of_the_package_is_used_whoever_may_write_it(file):
    file.chmod(0o664)
    assert called() == ("package", 200.0)


@pytest.mark.parametrize("name", ["sources", "numba", "llvmlite", "header", "settings"])
def test_code_for_anything_else_is_compiled_instead(file, compiled, name):
    file.write_bytes(objects.written(*compiled, {**levels.package_facts(), name: "another"}))
    assert called() == ("compiled", 200.0)


def test_a_damaged_file_is_compiled_instead(file):
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    assert called() == ("compiled", 200.0)


def test_settings_of_numba_s_that_change_code_count(file, monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    assert called()[0] == "package"
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    assert called()[0] == "compiled"


# Putting code into memory


def test_code_is_executable_and_not_writable(compiled):
    memory, address = placed(compiled[1], compiled[0])
    with Path("/proc/self/maps").open() as maps:
        for line in maps:
            first, last = (int(text, 16) for text in line.split()[0].split("-"))
            if first <= address < last:
                assert line.split()[1].startswith("r-x")
    assert len(memory) > 0


@pytest.mark.parametrize("damage", ["torn", "no elf", "another function", "another machine"])
def test_what_is_not_understood_is_refused(compiled, damage):
    symbol, code = compiled
    if damage == "torn":
        code = code[:200]
    elif damage == "no elf":
        code = b"\x7fNOT" + code[4:]
    elif damage == "another machine":
        code = code[:18] + b"\xb7\x00" + code[20:]
    else:
        symbol = "nobody"
    with pytest.raises(NotPlain):
        placed(code, symbol)


def test_only_functions_of_the_c_library_are_resolved():
    from peak_kernels.compiling.options import compile_native

    symbol, code, _, _ = compile_native(natives.sma_rows, 0)
    assert b"\0memset\0" in code
    placed(code, symbol)
    with pytest.raises(NotPlain, match="system"):
        placed(code.replace(b"\0memset\0", b"\0system\0"), symbol)


# The same bits


@pytest.fixture(scope="module")
def package(request, tmp_path_factory):
    """Folder of a package with machine code: the installed one, or at night one that is compiled here."""
    if (PACKAGE_DIR / levels.COMPILED).is_dir():
        return PACKAGE_DIR.parent
    if "nightly" not in request.config.option.markexpr.replace("not nightly", ""):
        pytest.skip(
            "no wheel: `make try-wheel` runs this against one, `-m nightly` compiles for all levels first"
        )
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(PACKAGE_DIR, folder / "peak_kernels")
    command = [
        sys.executable,
        "-m",
        "peak_kernels.compiling.emit",
        str(folder / "peak_kernels" / levels.COMPILED),
    ]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(folder)})
    return folder


def runs(package, level, count, cache):
    """Hashes of random runs, and how the kernels came, in a process that is held to a level."""
    path = os.pathsep.join([str(package), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    done = subprocess.run(
        [sys.executable, "-m", "tests.level_runs", str(count)], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path, levels.VARIABLE: level, "PEAK_FAST_CACHE_DIR": str(cache)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def compare(package, cache, count):
    expected = runs(package, "none", count, cache)
    assert set(expected["ways"].values()) == {"compiled"}
    assert len(set(expected["hashes"])) > 0.9 * count
    best = levels.best_level()
    missing = levels.LEVELS[: levels.LEVELS.index(best)]
    for level in levels.LEVELS[len(missing) :]:
        found = runs(package, level, count, cache)
        assert found["hashes"] == expected["hashes"], level
        assert set(found["ways"].values()) == {"package"}
    if missing:
        pytest.skip(f"this processor has nothing of {missing}; the other levels give the same bits")


@pytest.mark.slow
def test_all_levels_give_the_bits_of_fresh_code(package, tmp_path):
    compare(package, tmp_path, 40)


@pytest.mark.nightly
def test_all_levels_give_the_bits_of_fresh_code_in_500_runs(package, tmp_path):
    compare(package, tmp_path, 500)


# What is said


def test_a_level_that_nobody_knows_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(levels, "processor", processor_of("v2", "v3"))
    monkeypatch.setenv(levels.VARIABLE, "v9000")
    levels._tell_unknown.cache_clear()
    assert [levels.level(), levels.level()] == ["v3", "v3"]
    (line,) = caplog.messages
    assert line == (
        "PEAK_FAST_CPU_LEVEL: expected one of v2, v3, v4, or none; got 'v9000'; the processor's own, v3, is used"
    )


def test_why_code_of_the_package_is_used_or_not(file, compiled, monkeypatch, caplog):
    caplog.set_level("DEBUG", "peak_kernels")
    assert levels.why_not("roc_rows") is None
    assert levels.why_not("sma_rows") == f"there is no file of sma_rows for {levels.level()}"
    file.write_bytes(objects.written(*compiled, {**levels.package_facts(), "numba": "0.1"}))
    here = levels.package_facts()["numba"]
    assert levels.why_not("roc_rows") == f"it was made for numba 0.1, here {here}"
    called()
    expected = f"roc_rows: the package's machine code is not used: it was made for numba 0.1, here {here}"
    assert expected in caplog.messages
    file.write_bytes(b"nothing")
    assert levels.why_not("roc_rows") == "the file of roc_rows is damaged"
    monkeypatch.setenv(levels.VARIABLE, "none")
    assert levels.why_not("roc_rows") == "PEAK_FAST_CPU_LEVEL is none"
    monkeypatch.setenv(levels.VARIABLE, "")
    monkeypatch.setattr(levels, "processor", dict)
    assert levels.why_not("roc_rows") == "this processor has less than x86-64-v2"
    monkeypatch.setattr(levels, "PACKAGE_DIR", file.parent)
    assert levels.why_not("roc_rows").startswith("none came along")
