"""What the wheel and the source archive hold. Nothing is fetched: the backend builds in this environment."""

import configparser
import hashlib
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest

import peak_fast
from tests.conftest import ROOT

PACKAGES = {"peak_fast": ROOT / "peak_fast", "peak_kernels": ROOT / "kernels" / "peak_kernels"}
LARGEST_WHEEL = 12_000_000
VARIABLE = "PEAK_FAST_PURE_WHEEL"
ASSETS = "peak_fast/report/sheet/assets/"
WITHOUT_THEM_NOTHING_WORKS = [
    ASSETS + "sheet.js", ASSETS + "sheet.css", ASSETS + "uPlot.iife.min.js", ASSETS + "uPlot.min.css",
    ASSETS + "uPlot.LICENSE", ASSETS + "checksums.txt",
    "peak_fast/data/dialects.toml", "peak_fast/datasets/stocks.parquet", "peak_fast/datasets/ATTRIBUTION.md",
    "peak_fast/tracking/stores/proven.json", "peak_fast/py.typed",
]  # fmt: skip


def sources():
    """Every file of the packages, under the name that it has when installed."""
    return {
        f"{name}/{path.relative_to(folder).as_posix()}": path
        for name, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "compiled" not in path.parts
    }


def built(kind, folder):
    """The archive of a kind, made as a release makes it."""
    pytest.importorskip("hatchling", reason="the build backend is an extra of development")
    if not (ROOT / "pyproject.toml").is_file() or not PACKAGES["peak_fast"].is_dir():
        pytest.skip("the tests run against an installed package: there are no sources to build")
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    # Without machine code, which takes a minute to compile: `make try-wheel` looks at a wheel that has it.
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env={**os.environ, VARIABLE: "1"})
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def held(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def of_packages(held):
    return {name: data for name, data in held.items() if ".dist-info/" not in name}


def test_the_wheel_holds_every_file_of_the_packages_as_it_is(held):
    wanted = sources()
    assert sorted(of_packages(held)) == sorted(wanted)
    assert [name for name, path in wanted.items() if held[name] != path.read_bytes()] == []


@pytest.mark.parametrize("name", WITHOUT_THEM_NOTHING_WORKS)
def test_the_wheel_holds_what_is_read_besides_code(held, name):
    assert name in held
    assert held[name] or name.endswith("py.typed")


def test_the_tear_sheet_s_assets_have_their_checksums(held):
    said = [line.split() for line in held[ASSETS + "checksums.txt"].decode().splitlines() if line.strip()]
    named = {line[-1].lstrip("*"): line[0] for line in said if not line[0].startswith("#")}
    assert named
    for name, checksum in named.items():
        assert hashlib.sha256(held[ASSETS + name]).hexdigest() == checksum


def test_the_wheel_is_small_and_says_what_it_is(wheel, held):
    assert wheel.stat().st_size <= LARGEST_WHEEL
    assert wheel.name == f"peak_fast-{peak_fast.__version__}-py3-none-any.whl"
    (facts,) = (name.rpartition("/")[0] for name in held if name.endswith("/METADATA"))
    metadata = held[f"{facts}/METADATA"].decode()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"\nVersion: {peak_fast.__version__}\n" in metadata
    assert f"\nRequires-Python: {project['requires-python']}\n" in metadata
    assert metadata.endswith((ROOT / "README.md").read_text("utf-8"))
    assert held[f"{facts}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    commands = configparser.ConfigParser()
    commands.read_string(held[f"{facts}/entry_points.txt"].decode())
    assert dict(commands["console_scripts"]) == {"peak-fast": "peak_fast.cli.start:main"}


def test_the_source_archive_holds_what_a_wheel_and_the_tests_need(tmp_path):
    archive = built("sdist", tmp_path)
    stem = archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive) as file:
        names = {name.removeprefix(f"{stem}/") for name in file.getnames()}
    wanted = [path.relative_to(ROOT).as_posix() for path in sources().values()]
    wanted += [
        "pyproject.toml",
        "Makefile",
        "constraints.txt",
        "constraints-lowest.txt",
        "README.md",
        "CHANGELOG.md",
    ]
    wanted += [
        "RELEASING.md",
        "LICENSE",
        "SECURITY.md",
        "scripts/try_wheel.py",
        "scripts/machine_code.py",
        "tests/conftest.py",
    ]
    assert [name for name in wanted if name not in names] == []
    assert [name for name in names if name.startswith((".venv", "dist", "build"))] == []
    assert [name for name in names if "__pycache__" in name] == []
