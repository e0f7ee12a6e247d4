"""The kernel cache: an edit anywhere in the package counts, and no folder or process can break a run."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from peak_kernels.compiling import options as _jit
from peak_kernels.compiling.cache import PACKAGE_DIR, cache_dir, source_stamp

HELPER = '''"""A helper."""

from small_kernels.compiling.options import jit


@jit{options}
def factor(x: float) -> float:
    """Factor."""
    return x * {factor}
'''

CALLER = '''"""A caller in another file."""

from small_kernels.compiling.options import jit
from small_kernels.helper import factor


@jit
def answer(x: float) -> float:
    """Twice the factor."""
    return factor(x) + factor(x)
'''

ASK = """
import os, sys
sys.path.insert(0, {root!r})
from small_kernels.caller import answer
from small_kernels.compiling.cache import cache_dir
value = answer(1.0)
print(value, sum(answer.stats.cache_hits.values()), cache_dir() is not None)
"""


@pytest.fixture
def package(tmp_path):
    """A package with the real machinery and two small kernels: compiles in a fraction of a second."""
    folder = tmp_path / "small_kernels"
    (folder / "compiling").mkdir(parents=True)
    for name in (
        "folders.py",
        *(f"compiling/{name}.py" for name in ("options", "cache", "disk", "memory", "parts", "starting")),
    ):
        text = (PACKAGE_DIR / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("from peak_kernels", "from small_kernels"), encoding="utf-8")
    (folder / "__init__.py").write_text("")
    (folder / "caller.py").write_text(CALLER)
    write_helper(folder, 3)
    return folder


def write_helper(folder, factor, options="", name="helper.py"):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(HELPER.format(factor=factor, options=options))


def environment(cache):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    return {**kept, "PEAK_FAST_CACHE_DIR": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}


def start(package, cache):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", ASK.format(root=str(package.parent))],
        env=environment(cache), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    value, hits, cached = out.split()
    return float(value), int(hits), cached == "True"


def ask(package, cache):
    """(result, cache hits, whether there is a cache) in a new process."""
    return finish(start(package, cache))


@pytest.mark.parametrize("name", ["helper.py", "room/helper.py"])
@pytest.mark.parametrize("options", ["", "(inline=True)"])
def test_an_edit_in_another_file_counts(package, tmp_path, options, name):
    """Numba alone would go on using the old machine code of the caller's file."""
    cache, module = tmp_path / "cache", f"small_kernels.{name[:-3].replace('/', '.')}"
    (package / "caller.py").write_text(CALLER.replace("small_kernels.helper", module))
    write_helper(package, 3, options, name)
    assert ask(package, cache) == (6.0, 0, True)
    assert ask(package, cache) == (6.0, 1, True)
    # Same length, and the time set back: only the content tells.
    times = (package / name).stat()
    write_helper(package, 5, options, name)
    os.utime(package / name, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert ask(package, cache) == (10.0, 0, True)
    # And back again: each version of the sources keeps its folder.
    write_helper(package, 3, options, name)
    assert ask(package, cache) == (6.0, 1, True)
    assert len(list(cache.iterdir())) == 2


def test_files_of_one_name_in_two_folders_have_entries_of_their_own(package, tmp_path):
    """The stamp is that of the whole package, wherever in it the machinery lies."""
    (package / "room").mkdir()
    for place, factor in (("helper.py", 3), ("room/caller.py", 5)):
        (package / place).write_text(HELPER.format(factor=factor, options=""))
    code = ASK.format(root=str(package.parent))
    code += "from small_kernels.room.caller import factor\nprint(factor(1.0), cache_dir().name[:16])"
    seen = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], env=environment(tmp_path / "cache"),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        seen.append(done.stdout.split())
    assert [row[:2] for row in seen] == [["6.0", "0"], ["6.0", "1"]]
    assert [row[3] for row in seen] == ["5.0", "5.0"]
    (package / "room" / "caller.py").write_text((package / "room" / "caller.py").read_text() + "# edited\n")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path / "cache"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[4] != seen[0][4]


def test_a_folder_that_cannot_be_written(package, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert ask(package, tmp_path / "file" / "cache") == (6.0, 0, False)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(package, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    assert ask(package, locked) == (6.0, 0, False)


def test_several_processes_compile_at_once(package, tmp_path):
    cache = tmp_path / "cache"
    running = [start(package, cache) for _ in range(3)]
    assert [finish(process)[0] for process in running] == [6.0] * 3
    assert ask(package, cache)[:2] == (6.0, 1)


def test_the_stamp_covers_every_source():
    import hashlib

    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(path.relative_to(PACKAGE_DIR).as_posix() for path in PACKAGE_DIR.rglob("*.py")):
        digest.update(name.encode() + (PACKAGE_DIR / name).read_bytes())
    assert len(source_stamp()) == 16
    assert (PACKAGE_DIR / "__init__.py").is_file() and not (PACKAGE_DIR.parent / "__init__.py").exists()
    done = subprocess.run(
        [sys.executable, "-c", "from peak_kernels.compiling.cache import source_stamp; print(source_stamp())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == digest.hexdigest()


def test_the_cache_is_where_it_was_asked_for(tmp_path):
    code = "from peak_kernels.compiling.cache import cache_dir; print(cache_dir())"
    for name in ("PEAK_FAST_CACHE_DIR", "NUMBA_CACHE_DIR"):
        kept = {k: v for k, v in os.environ.items() if k not in ("PEAK_FAST_CACHE_DIR", "NUMBA_CACHE_DIR")}
        done = subprocess.run(
            [sys.executable, "-c", code], env={**kept, name: str(tmp_path / name)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert Path(done.stdout.strip()).parent == tmp_path / name
    folder = cache_dir()
    assert folder is None or folder.is_dir()


@pytest.mark.parametrize("collects", [True, False])
def test_compiling_leaves_the_garbage_collector_as_it_was(collects):
    seen = []

    def double(x):
        return 2.0 * x

    compiled = _jit.jit(double)
    was = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        compiled(1.0)
        seen.append(gc.isenabled())
        with pytest.raises(numba.TypingError):
            compiled("a")
        seen.append(gc.isenabled())
    finally:
        (gc.enable if was else gc.disable)()
    assert seen == [collects, collects]
