"""Install the wheel in an empty environment outside the checkout, and do there what a new user does.

README's ten lines must print what README says, `peak-fast doctor` must name the version, and tests run against what
was installed. With ``--pythons`` for each Python that pyproject.toml promises, where its interpreter is found.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGEST_WHEEL = 12_000_000
# Tried where it is found; the classifiers promise it once it has been.
NEXT = ("3.14",)
# Extras without and with `--pythons`, and its tests: a run, its results, and what opens databases.
EXTRAS = {False: "plot", True: "plot,optuna,duckdb"}
DATABASE_TESTS = (
    "tests/test_engine.py",
    "tests/test_result.py",
    "tests/test_study.py",
    "tests/test_study_storage_kinds.py",
    "tests/test_trials.py",
)
_WHERE = "import peak_fast, peak_kernels; print(peak_fast.__file__); print(peak_kernels.__file__)"


class Failure(Exception):
    """Something is not as a release promises."""


def main() -> int:
    """Try the wheel; the exit status is 1 if something was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="the wheel; left out: the one in dist")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment")
    parser.add_argument(
        "--pythons",
        nargs="*",
        metavar="VERSION",
        help="these; without any: all that are promised, and the next",
    )
    parser.add_argument("--constraint", type=Path, help="versions to install; left out: the newest")
    parser.add_argument("--tests", nargs="*", default=[], help="test files to run against the wheel")
    chosen = parser.parse_args()
    try:
        wheel = the_wheel(chosen.wheel)
        if chosen.pythons is not None:
            versions = chosen.pythons or list(dict.fromkeys([*promised(), *NEXT]))
            return try_pythons(versions, wheel, chosen.constraint, chosen.tests or DATABASE_TESTS)
        with tempfile.TemporaryDirectory(prefix="try-wheel-") as folder:
            try_one(Path(folder), chosen.python, wheel, EXTRAS[False], chosen.constraint, chosen.tests)
    except Failure as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    return 0


def the_wheel(given: Path | None) -> Path:
    """The wheel that was named, or the only one in dist."""
    found = [given] if given else sorted((ROOT / "dist").glob("*.whl"))
    if len(found) != 1 or not found[0].is_file():
        raise Failure(f"expected one wheel; got {[str(path) for path in found]}; run: make wheel")
    size = found[0].stat().st_size
    print(f"{found[0].name}: {size / 1e6:.2f} MB")
    if size > LARGEST_WHEEL:
        raise Failure(f"expected a wheel of at most {LARGEST_WHEEL / 1e6:.0f} MB")
    return found[0].resolve()


class Place:
    """A folder outside the checkout with an environment, an empty cache of machine code, and room to work.

    Parameters
    ----------
    folder
        An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder, folder / "work"
        self._bin = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        self.work.mkdir()
        (folder / "cache").mkdir(mode=0o700)

    def make(self, python: str, what: Sequence[str], constraint: Path | None) -> None:
        """Make the environment and install into it."""
        self.output([python, "-m", "venv", "--without-pip", str(self.folder / "env")])
        pip = [sys.executable, "-m", "pip", "--python", str(self._bin / "python"), "install", "--quiet"]
        limits = ["--constraint", str(constraint.resolve())] if constraint else []
        self.output([*pip, "--no-compile", *limits, *what])

    def command(self, name: str, *rest: str, where: Path | None = None, cache: Path | None = None) -> str:
        """What a command of the environment prints."""
        return self.output([str(self._bin / name), *rest], where, cache)

    def output(self, words: list[str], where: Path | None = None, cache: Path | None = None) -> str:
        """What a command prints that sees neither the checkout nor the user's settings and cache.

        Raises
        ------
        Failure
            It ended with an error.
        """
        hidden = ("PYTHON", "PEAK_FAST_", "NUMBA_", "VIRTUAL_ENV")
        seen = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        seen["PEAK_FAST_CACHE_DIR"] = str(cache or self.folder / "cache")
        cwd = where or self.work
        done = subprocess.run(words, cwd=cwd, env=seen, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout


def try_one(
    folder: Path, python: str, wheel: Path, extras: str, constraint: Path | None, tests: Sequence[str]
) -> None:
    """Install the wheel below a folder and use it there."""
    started = time.monotonic()
    place = Place(folder)
    place.make(python, [f"{wheel}[{extras}]", *(["pytest", "hypothesis"] if tests else [])], constraint)
    print(f"installed with {extras} in {time.monotonic() - started:.0f} s")
    for line in place.command("python", "-c", _WHERE).splitlines():
        if not Path(line).is_relative_to(folder):
            raise Failure(f"expected the installed package; got {line}")
    ten_lines(place)
    if not wheel.name.endswith("-none-any.whl"):
        without_a_compiler(place)
    told = place.command("peak-fast", "doctor")
    print(told.strip())
    if wheel.name.split("-")[1] not in told:
        raise Failure("peak-fast doctor does not name the wheel's version")
    if tests:
        run_tests(place, tests)


def ten_lines(place: Place) -> None:
    """README's first example prints what README says and leaves its two files."""
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(r"^```python\n(.*?)^```\n+```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise Failure("README has no example with its output")
    (place.work / "ten_lines.py").write_text(found[1], "utf-8")
    started = time.monotonic()
    printed = place.command("python", "ten_lines.py")
    print(f"README's ten lines, with an empty cache of machine code: {time.monotonic() - started:.1f} s")
    if printed != found[2]:
        raise Failure(f"README says\n{found[2]}\nand its ten lines printed\n{printed}")
    for name in re.findall(r'"([\w.]+\.(?:png|html))"', found[1]):
        if not (place.work / name).stat().st_size:
            raise Failure(f"README's ten lines wrote an empty {name}")


# A run, a sweep and many assets where importing Numba, and so compiling, is an error.
_WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
from peak_fast import BacktestEngine, Rank, Sweep, statistics, synthetic
from peak_fast.indicators import functions
from peak_fast.indicators.definitions import DEFINED
from peak_fast.portfolio import Momentum
from peak_kernels.compiling import levels
from peak_kernels.entries import ENTRIES
bars, engine = synthetic(2_000, seed=1), BacktestEngine()
engine.run(bars, "ma_crossover")
Sweep("rsi_reversion", {"fee_rate": [0.0, 0.001]}, bars).run(progress=False)
engine.run(synthetic(300, seed=1, assets=5), Rank(Momentum(20), top=2))
for known in DEFINED.values():
    known.compute(bars, tuple(9 if name in known.whole else 0.1 for name in known.parameters))
samples = statistics.bootstrap_indices(len(bars), 20.0, 10, seed=1)
statistics.resampled_means(bars.close, samples)
statistics.long_run_deviation(bars.close, 20.0)
for entry in ENTRIES.values():
    entry.prepare()
    assert entry.way == "package", (entry.name, entry.way)
print(len(ENTRIES), levels.level())
"""


def without_a_compiler(place: Place) -> None:
    """Every kernel comes from the wheel, with an empty cache and without Numba.

    Raises
    ------
    Failure
        One does not.
    """
    empty = place.folder / "nothing"
    empty.mkdir(mode=0o700)
    count, level = place.command("python", "-c", _WITHOUT_NUMBA, cache=empty).split()
    if any(empty.rglob("*.object")):
        raise Failure("expected kernels from the wheel; some were compiled")
    print(f"{count} kernels come from the wheel, level {level}, without Numba")


def run_tests(place: Place, tests: Sequence[str]) -> None:
    """Run tests where only they lie, without the sources, against what was installed."""
    checked = place.folder / "checked"
    shutil.copytree(ROOT / "tests", checked / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "pyproject.toml", checked)
    print(place.command("python", "-m", "pytest", *tests, where=checked).strip())


def try_pythons(versions: Sequence[str], wheel: Path, constraint: Path | None, tests: Sequence[str]) -> int:
    """The same with several versions of Python; returns the exit status."""
    said = {}
    for version in versions:
        python = interpreter(version)
        if python is None:
            said[version] = "skipped: no interpreter found, neither on the path nor under pyenv"
            continue
        print(f"\nPython {version}: {python}")
        with tempfile.TemporaryDirectory(prefix="try-wheel-") as folder:
            try:
                try_one(Path(folder), python, wheel, EXTRAS[True], constraint, tests)
                said[version] = "passed"
            except Failure as failure:
                said[version] = f"FAILED: {failure}"
    print("\n" + "\n".join(f"Python {version}: {text}" for version, text in said.items()))
    return int(any(text.startswith("FAILED") for text in said.values()))


def promised() -> list[str]:
    """Versions of Python that are supported: the classifiers of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (line.rpartition(" :: ")[2] for line in project["classifiers"] if ":: Python ::" in line)
    return [version for version in lines if "." in version]


def interpreter(version: str) -> str | None:
    """An interpreter of a version: this one, one on the path, or one that pyenv keeps."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    kept = sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True)
    for candidate in [sys.executable, *map(str, kept), shutil.which(f"python{version}")]:
        if candidate and runs(candidate, version):
            return candidate
    return None


def runs(candidate: str, version: str) -> bool:
    """Whether an interpreter starts, is of the version and can make environments (a shim of pyenv may not)."""
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [candidate, "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == version


if __name__ == "__main__":
    sys.exit(main())
