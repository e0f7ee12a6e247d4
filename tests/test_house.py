"""Rules of the house: who imports whom, what is exported, docstrings, sizes, no traces of one machine."""

import ast
import fnmatch
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import peak_fast

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "peak_fast"
KERNELS = ROOT / "kernels" / "peak_kernels"
MODULES = sorted([*PACKAGE.rglob("*.py"), *KERNELS.rglob("*.py")])

# Rooms of peak_fast from the ground up: a room may import from its own floor and those below.  Patterns match
# the module or subpackage right below peak_fast; a new one must be placed here.
FLOORS = [
    ["errors", "masking", "version"],
    ["arguments", "columns", "files", "forks", "guard"],
    ["data", "params"],
    ["indicators", "metrics", "settings", "statistics", "trials"],
    ["strategies"],
    ["simulation"],
    ["results"],
    ["orders"],
    ["portfolio", "signals"],
    ["cluster", "lookahead"],
    ["engine"],
    ["sweep"],
    ["benchmarking", "studies", "validation"],
    ["cli", "__main__"],
]
# Rooms beside the floors.  The engine calls the tracker; the tracker never calls back.
ASIDE = {
    "tracking": {
        "arguments",
        "errors",
        "files",
        "forks",
        "guard",
        "masking",
        "metrics",
        "report",
        "results",
        "version",
    },
    "report": {"arguments", "data", "errors", "files", "guard", "metrics"},
}


def imports_of(path):
    """Absolute names that a module imports, at any depth, as ``(name, line)``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; expected an absolute one"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def room_of(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


def floor_of(room):
    for number, patterns in enumerate(FLOORS):
        if any(fnmatch.fnmatchcase(room, pattern) for pattern in patterns):
            return number
    return None


def test_every_room_has_a_floor():
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__"} - set(ASIDE)
    homeless = sorted(room for room in rooms if floor_of(room) is None)
    assert homeless == [], "say in FLOORS who may import them"


def test_imports_point_down():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        room = room_of(path)
        if room == "__init__":
            continue
        for name, line in imports_of(path):
            parts = name.split(".")
            if parts[0] != "peak_fast" or len(parts) < 2 or parts[1] == room or parts[1].startswith("__"):
                continue
            other = parts[1]
            if room in ASIDE:
                allowed = other in ASIDE[room]
            elif other in ASIDE:
                allowed = True  # optional, behind a protocol, and it cannot point back
            else:
                allowed = floor_of(other) is not None and floor_of(other) <= floor_of(room)
            if not allowed:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert wrong == []


def test_nothing_imports_the_command_line():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in PACKAGE.rglob("*.py")
        for name, line in imports_of(path)
        if name.startswith("peak_fast.cli") and room_of(path) not in ("cli", "__main__")
    ]
    assert wrong == []


def test_kernels_import_numpy_numba_and_themselves():
    known = {"numpy", "numba", "llvmlite", "peak_kernels"} | set(sys.stdlib_module_names)
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in KERNELS.rglob("*.py")
        for name, line in imports_of(path)
        if name.split(".")[0] not in known
    ]
    assert wrong == []


def test_only_these_places_compile():
    """`compiling.options` holds the options; `guests` and the loop around need a signature for functions of users."""
    found = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in ("njit", "jit", "cfunc")
        and ast.unparse(node.value) == "numba"
    }
    assert found == {
        f"kernels/peak_kernels/{name}.py"
        for name in ("compiling/guests", "compiling/options", "compiling/run_time", "fast/block")
    }


# Exports


EXPORTS = [
    "Above", "AtLeast", "BacktestConfig", "BacktestEngine", "BacktestResult", "Bars", "ConfigError", "Costs",
    "DataError", "Execution", "Financing", "FixedUnits", "FixedValue", "FractionOfEquity", "Grid", "KellyFraction",
    "MLflowTracker", "MissingDependencyError", "NoopTracker", "Panel", "Param", "PeakFastError", "PortfolioResult",
    "PortfolioRules", "Rank", "Rebalance", "RiskLimits", "RiskPerTrade", "Row", "RuleStrategy", "Slots", "Stops",
    "StoreError",
    "StrategyError", "Study", "Sweep", "SweepError", "SweepResult", "TrackingError", "VolatilityTarget",
    "__version__", "build_tracker_from_config", "load",
    "log_backtest_artifacts", "sample", "simulate_orders", "strategy", "synthetic",
]  # fmt: skip


def test_exports_are_pinned():
    """A name that users import is a promise: adding or removing one is a decision, so it shows here."""
    assert sorted(peak_fast.__all__) == sorted(EXPORTS)


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_exist(name):
    assert getattr(peak_fast, name) is not None
    assert name in dir(peak_fast)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'BackTestEngine'"):
        peak_fast.BackTestEngine  # noqa: B018


@pytest.mark.parametrize(
    "module",
    sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE.rglob("*.py")
        if "__all__" in path.read_text(encoding="utf-8") and path.name != "__main__.py"
    ),
)
def test_every_all_holds_what_it_says(module):
    loaded = importlib.import_module(module)
    names = loaded.__all__
    assert len(set(names)) == len(names)
    missing = []
    for name in names:
        try:
            getattr(loaded, name)
        except ImportError as error:
            pytest.skip(f"optional package: {error}")
        except AttributeError:
            missing.append(name)
    assert missing == []


DOORS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if (path.name == "__init__.py" and "__all__" in path.read_text(encoding="utf-8"))
    or path.name == "errors.py"
)


@pytest.mark.parametrize("module", DOORS)
def test_dir_shows_public_names_only(module):
    loaded = importlib.import_module(module)
    assert sorted(dir(loaded)) == sorted(loaded.__all__)
    assert [name for name in dir(loaded) if name.startswith("_") and name != "__version__"] == []


def modules_after(code):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_import_is_light():
    heavy = {
        "numpy", "numba", "llvmlite", "polars", "pydantic", "mlflow", "pandas", "pyarrow", "matplotlib", "optuna",
        "duckdb", "scipy", "rich", "typer", "narwhals", "sqlalchemy", "asyncio",
    }  # fmt: skip
    assert modules_after("import peak_fast") & heavy == set()


FIRST_RUN = (
    "from peak_fast import BacktestEngine, synthetic\n"
    "BacktestEngine().run(synthetic(200, seed=1), 'momentum').stats"
)


def test_a_run_loads_no_optional_package():
    # SciPy is not in the list: numba imports it where it is installed.
    optional = {
        "mlflow",
        "pandas",
        "pyarrow",
        "matplotlib",
        "optuna",
        "duckdb",
        "rich",
        "typer",
        "sqlalchemy",
    }
    assert modules_after(FIRST_RUN) & optional == set()


def test_a_run_of_numbers_waits_for_no_frames():
    """Importing Polars takes as long as the rest of a first run."""
    modules_after(FIRST_RUN)  # compiles where the cache is empty, which needs Numba
    assert modules_after(FIRST_RUN) & {"polars", "narwhals", "numba"} == set()


# Words


def public(body, prefix=""):
    """Public functions, classes and methods, with the names that their class inherits."""
    for node in body:
        if not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) or node.name.startswith("_"):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public(node.body, f"{prefix}{node.name}.")


def test_public_things_have_docstrings():
    """Methods that carry out a documented protocol of the same module need not repeat it."""
    wrong = []
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if ast.get_docstring(tree) is None and path.read_text(encoding="utf-8").strip():
            wrong.append(f"{path.relative_to(ROOT)}: no module docstring")
        things = list(public(tree.body))
        explained = {name.split(".")[-1] for name, node in things if "." in name and ast.get_docstring(node)}
        for name, node in things:
            decorators = {ast.unparse(item) for item in node.decorator_list}
            if ast.get_docstring(node) or decorators & {"overload", "typing.overload"}:
                continue
            if "." in name and name.split(".")[-1] in explained:
                continue
            wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert wrong == []


MOST_LINES = 420
MEDIAN_LINES = 160
FUNCTION_LINES = 26
"""Nine of ten functions are not longer."""
TESTS_LINES = 450
LONGER = {
    "peak_fast/tracking/caller/channel.py",  # one ordered conversation with one process
}


def lines_of(path):
    return path.read_text(encoding="utf-8").count("\n")


@pytest.mark.parametrize("path", [p.relative_to(ROOT).as_posix() for p in MODULES])
def test_files_stay_readable(path):
    lines = lines_of(ROOT / path)
    assert lines <= MOST_LINES or path in LONGER, f"{lines} lines"


def test_most_files_are_short():
    assert sorted(map(lines_of, MODULES))[len(MODULES) // 2] <= MEDIAN_LINES


def test_test_files_have_one_subject():
    found = {path.name: lines_of(path) for path in (ROOT / "tests").rglob("*.py")}
    assert {name: lines for name, lines in found.items() if lines > TESTS_LINES} == {}, "split by subject"


def test_most_functions_are_short():
    lengths = sorted(
        (node.end_lineno - node.lineno + 1, f"{path.relative_to(ROOT)}: {node.name}")
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    allowed = len(lengths) // 10
    longer = [name for lines, name in lengths if lines > FUNCTION_LINES]
    assert len(longer) <= allowed, f"{len(longer)} of {allowed}; the nearest to it: {longer[:12]}"


LOOPS = ("fast", "indicators", "orders", "portfolio", "signals")


@pytest.mark.parametrize(
    "path",
    [p.relative_to(KERNELS).as_posix() for room in LOOPS for p in sorted((KERNELS / room).glob("[a-z]*.py"))],
)
def test_heads_of_kernels_say_what_they_read_and_write(path):
    head = ast.get_docstring(ast.parse((KERNELS / path).read_text(encoding="utf-8"))) or ""
    assert "Reads " in head and "writes " in head


def test_no_loose_ends():
    marks = ["TO" + "DO", "FIX" + "ME", "X" + "XX"]
    # Folders of the machines this was made on.
    places = ["/work" + "/", "/opt" + "/pf"]
    found = []
    files = [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found += [f"{path.relative_to(ROOT)}:{number}: {word}" for word in marks + places if word in line]
    assert found == []


def test_the_page_on_tracking_names_all_its_files():
    """In the table of rooms and files, whose first column names a room once."""
    text, room, named = (ROOT / "docs" / "tracking.md").read_text(), "", set()
    for line in text.partition("| room | file |")[2].partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3:
            room = cells[0].strip("`/") or room
            named |= {f"{room}/{name}" for name in re.findall(r"`(\w+\.py)`", cells[1])}
    there = {f"{path.parent.name}/{path.name}" for path in (PACKAGE / "tracking").rglob("*.py")}
    assert named == {name for name in there if "__" not in name}


def test_file_names_have_no_versions():
    assert [path.name for path in MODULES if path.stem.rstrip("0123456789").endswith("_v")] == []
