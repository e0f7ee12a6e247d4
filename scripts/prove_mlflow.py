"""Run the self-test of the bulk path with the installed MLflow, and write down that it passed.

To be run after a change of the sources that the verdict speaks of, and with each new MLflow version::

    python scripts/prove_mlflow.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from peak_fast.tracking.stores import selftest


def main() -> int:
    """Run the self-test and write ``proven.json``; the exit code."""
    with tempfile.TemporaryDirectory() as name:
        found = selftest.run(Path(name))
    if found.problem is not None:
        sys.stderr.write(f"the self-test failed: {found.problem}\n")
        return 1
    content = {
        "mlflow": [selftest.mlflow_version()],
        "revision": found.revision,
        "sources": selftest.sources(),
    }
    selftest.PROVEN.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
