"""Collect result files and write the page, its figure and the README tables.

    python -m bench.report                  # bench/results/*.json -> docs/
    python -m bench.report --published      # docs/benchmarks.json as it is -> docs/

Benches that were not run again keep their published results, each with its own date and commit.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench import harness
from bench.report import drawing, page, tables

DOCS = harness.ROOT / "docs"
PUBLISHED = DOCS / "benchmarks.json"


def load_results(folder: Path) -> dict[str, Any]:
    """Return the result documents of a folder by bench.

    Raises
    ------
    ValueError
        Where a file has another schema.
    """
    found = {}
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("schema") != harness.SCHEMA:
            raise ValueError(f"{path.name}: schema {document.get('schema')}, expected {harness.SCHEMA}")
        found[document["bench"]] = document
    return found


def collate(results: dict[str, Any], published: dict[str, Any] | None) -> dict[str, Any]:
    """Return the published results with the new ones in their place."""
    benches = dict(published["benches"]) if published else {}
    benches.update(results)
    order = [name for name in page.ORDER if name in benches]
    order += sorted(set(benches) - set(order))
    return {"schema": harness.SCHEMA, "benches": {name: benches[name] for name in order}}


def write(published: dict[str, Any], docs: Path, blocks: dict[Path, list[str]]) -> list[Path]:
    """Write every file that is made from the published results and return their paths.

    Parameters
    ----------
    published
        What `collate` returned.
    docs
        Folder of the page, the JSON and the figure.
    blocks
        Documents with markers, and the lines to put between them.
    """
    docs.mkdir(parents=True, exist_ok=True)
    harness.write_json(docs / "benchmarks.json", published)
    (docs / "BENCHMARKS.md").write_text(page.render(published), encoding="utf-8")
    written = [docs / "benchmarks.json", docs / "BENCHMARKS.md"]
    if "growth" in published["benches"]:
        drawing.draw(published["benches"]["growth"], docs / "benchmarks_growth.png")
        written.append(docs / "benchmarks_growth.png")
    for document, lines in blocks.items():
        text = document.read_text(encoding="utf-8")
        document.write_text(page.insert_block(text, lines), encoding="utf-8")
        written.append(document)
    return written


def main(arguments: list[str] | None = None) -> int:
    """Collate, write, and say what was written."""
    parser = argparse.ArgumentParser(description="Make docs/BENCHMARKS.md from result files.")
    parser.add_argument("--published", action="store_true", help="leave bench/results out")
    options = parser.parse_args(arguments)
    before = json.loads(PUBLISHED.read_text(encoding="utf-8")) if PUBLISHED.exists() else None
    results = {} if options.published else load_results(harness.RESULTS)
    if not results and before is None:
        print("no results: run a bench first, for instance `make bench`", file=sys.stderr)
        return 2
    published = collate(results, before)
    for path in write(published, DOCS, tables.blocks(published)):
        print(path.relative_to(harness.ROOT))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
