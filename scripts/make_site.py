"""Build the pages of this repository as a site, with a reference made from docstrings: ``make docs``.

The pages are laid out as in the repository, so their links are the same; what they link to comes along.  Everything
that is public has its place in the reference, under the room it is imported from.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "build" / "site-source"
PAGES = ("README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "bench/README.md", "tests/README.md")
ROOMS = (
    "peak_fast",
    "peak_fast.portfolio",
    "peak_fast.validation",
    "peak_fast.statistics",
    "peak_fast.metrics",
    "peak_fast.report",
    "peak_fast.indicators",
    "peak_fast.errors",
)
_FENCE = re.compile(r"^([ ]*```\w+) .*$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def lay_out() -> None:
    """Copy the pages and every file of the repository that they link to."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE / "docs", ignore=shutil.ignore_patterns("mkdocs.yml"))
    for page in PAGES:
        (SOURCE / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / page, SOURCE / page)
    for page in list(SOURCE.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        # Words behind the language, such as those for our tests, are unknown to the site's fences.
        page.write_text(_FENCE.sub(r"\1", text), encoding="utf-8")
        for target in _LINK.findall(text):
            wanted = (page.parent / target).resolve()
            if "://" in target or wanted.exists() or not wanted.is_relative_to(SOURCE):
                continue
            origin = ROOT / wanted.relative_to(SOURCE)
            if origin.is_file():
                wanted.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(origin, wanted)


def public_names(room: str) -> list[str]:
    """Paths of the public objects of a room, where they are defined."""
    module = importlib.import_module(room)
    found = []
    for name in getattr(module, "__all__", None) or vars(module):
        item = getattr(module, name)
        if name.startswith("_") or not (inspect.isclass(item) or inspect.isroutine(item)):
            continue
        home = inspect.unwrap(item).__module__ if inspect.isroutine(item) else item.__module__
        if home.startswith("peak_fast"):
            found.append(f"{home}.{item.__name__}")
    return list(dict.fromkeys(found))


def write_reference() -> None:
    """A page for each room, with a directive for each of its public names."""
    folder = SOURCE / "reference"
    folder.mkdir()
    seen: set[str] = set()
    for room in ROOMS:
        paths = [path for path in public_names(room) if path not in seen]
        seen.update(paths)
        parts = "\n\n".join(f"::: {path}" for path in paths)
        (folder / f"{room}.md").write_text(f"# `{room}`\n\n{parts}\n", encoding="utf-8")


def main() -> int:
    """Lay out, write the reference, build; a warning is a failure."""
    lay_out()
    write_reference()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", "docs/mkdocs.yml"]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
