"""No import circles, and no file of a room is imported past its door: over all imports, however they are written.

An import counts wherever it stands: at module level, inside a function, under ``TYPE_CHECKING``, as a text that names
a module (``importlib.import_module("peak_fast.engine")``, ``"from peak_fast import data"`` for another
process).  A
package whose ``__init__`` has a table of names and their homes counts as importing all of these homes.
"""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOTS = (ROOT / "peak_fast", ROOT / "kernels" / "peak_kernels")

_CODE = re.compile(r"\b(?:from|import)\s+([A-Za-z_][\w.]*)(?:\s+import\s+\(?([\w, ]+))?")


def modules_of(roots):
    """Files by the names of their modules; a package is its ``__init__``."""
    found = {}
    for root in roots:
        for path in root.rglob("*.py"):
            parts = path.relative_to(root.parent).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def is_package(path):
    return path.name == "__init__.py"


def _meant(name, names, modules):
    """Modules that ``from name import names`` is about."""
    below = [f"{name}.{item}" for item in names]
    found = [item for item in below if item in modules]
    # Whoever imports files of a package alone does not need its names.
    if len(found) < len(below) or not below:
        found.append(name)
    return [item for item in found if item in modules]


def _of_statement(node, package, modules):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name in modules]
    base = node.module or ""
    if node.level:
        parts = package.split(".")
        base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
    return _meant(base, [alias.name for alias in node.names], modules)


def _of_text(text, name, is_door, modules):
    """Modules that a text names: it is their name, code that imports them, or an entry of a package's table."""
    found = [text] if text in modules and "." in text else []
    if is_door and f"{name}.{text}" in modules:
        found.append(f"{name}.{text}")
    if "import" in text:
        for base, names in _CODE.findall(text):
            found += _meant(base, [item.strip() for item in names.split(",") if item.strip()], modules)
    return found


def imports_of(name, modules):
    """Modules that a module imports, with how often."""
    path = modules[name]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = name if is_package(path) else name.rpartition(".")[0]
    texts = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.update(_of_statement(node, package, modules))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            found.update(_of_text(node.value, name, is_package(path), modules))
    del found[name]
    return found


def arrows_of(modules):
    """Imports of all modules."""
    return {name: imports_of(name, modules) for name in modules}


def circles_of(arrows):
    """Strongly connected components with more than one module (Tarjan's algorithm)."""
    index, low, stack, circles = {}, {}, [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in arrows[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            circle = set(stack[at:])
            del stack[at:]
            if len(circle) > 1:
                circles.append(circle)

    for name in arrows:
        if name not in index:
            visit(name)
    return circles


def door_past(importer, target, modules):
    """The room whose door ``importer`` goes past to reach ``target``; None where it may import it."""
    inside = importer if is_package(modules[importer]) else importer.rpartition(".")[0]
    here, there = inside.split("."), target.split(".")
    shared = 0
    while shared < min(len(here), len(there)) and here[shared] == there[shared]:
        shared += 1
    for stop in range(max(shared, 1) + 1, len(there)):
        room = ".".join(there[:stop])
        if room in modules and is_package(modules[room]):
            return room
    return None


def past_doors(arrows, modules):
    """Imports past doors by room, as ``importer -> target``."""
    found = {}
    for name, others in arrows.items():
        for other in others:
            room = door_past(name, other, modules)
            if room is not None:
                found.setdefault(room, []).append(f"{name} -> {other}")
    return found


@pytest.fixture(scope="module")
def modules():
    return modules_of(ROOTS)


@pytest.fixture(scope="module")
def arrows(modules):
    return arrows_of(modules)


def test_no_circles(arrows):
    found = [
        "\n".join(
            f"{name} -> {other}" for name in sorted(circle) for other in sorted(circle & set(arrows[name]))
        )
        for circle in circles_of(arrows)
    ]
    assert found == [], (
        "let one of them take what it reads (a protocol, a value) instead of importing the other"
    )


def test_rooms_are_entered_by_their_doors(arrows, modules):
    found = {room: sorted(reached) for room, reached in past_doors(arrows, modules).items()}
    assert found == {}, "import from the room; let its __init__ hand on what others may use"


# The finder itself


TREE = {
    "house/__init__.py": "",
    "house/low.py": "def f():\n    pass\n",
    "house/room/__init__.py": "_HOMES = {'name': 'inner'}\n",
    "house/room/inner.py": '"""See house.high, which says: import house.high."""\nname = 1\n',
    "house/high.py": "from house.room import name\nfrom house import low\n",
}


def tree(folder, **changed):
    for name, text in {**TREE, **changed}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return modules_of([folder / "house"])


def test_a_house_without_circles(tmp_path):
    modules = tree(tmp_path)
    arrows = arrows_of(modules)
    assert set(arrows["house.high"]) == {"house.room", "house.low"}
    assert set(arrows["house.room"]) == {"house.room.inner"} and not arrows["house.room.inner"]
    assert circles_of(arrows) == [] and past_doors(arrows, modules) == {}


@pytest.mark.parametrize(
    "text",
    [
        "import house.high\n",
        "from house.high import low\n",
        "from house import high\n",
        "from . import high\n",
        "from .high import low\n",
        "def f():\n    from house.high import low\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.high\n",
        "import importlib\nhigh = importlib.import_module('house.high')\n",
        "HOME = 'house.high'\n",
        "CODE = 'import os; from house.high import low; low.f()'\n",
        "CODE = 'from house import high'\n",
    ],
)
def test_every_way_to_import_is_seen(tmp_path, text):
    arrows = arrows_of(tree(tmp_path, **{"house/low.py": text}))
    assert circles_of(arrows) == [{"house.high", "house.low"}]


def test_a_table_of_a_room_is_an_import_of_what_it_hands_on(tmp_path):
    arrows = arrows_of(tree(tmp_path, **{"house/room/inner.py": "from house.high import low\n"}))
    assert circles_of(arrows) == [{"house.high", "house.room", "house.room.inner"}]


@pytest.mark.parametrize("text", ["from house.room.inner import name\n", "from house.room import inner\n"])
def test_an_import_past_a_door_is_seen(tmp_path, text):
    modules = tree(tmp_path, **{"house/high.py": text})
    assert past_doors(arrows_of(modules), modules) == {"house.room": ["house.high -> house.room.inner"]}


def test_files_of_a_room_may_import_each_other(tmp_path):
    other = {"house/room/other.py": "from house.room.inner import name\nfrom house import low\n"}
    modules = tree(tmp_path, **other)
    assert past_doors(arrows_of(modules), modules) == {}
