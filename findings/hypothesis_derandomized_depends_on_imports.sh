#!/usr/bin/env bash
# Hypothesis: derandomize=True does not fix the examples; importing another module of the project changes them.
#
# Why it matters: `derandomize` is what one sets so that continuous integration tries the same cases each time. A test of a
# fill rule that nobody touched can fail the day a module with a new number in it is imported beside it, or pass again
# when its file is run alone, as the one who looks into it will do.
#
# Versions: hypothesis 6.170.15
# Guessed: the examples depend on the test alone, and are the same in both processes.
# Seen:    they are the same in each pair of processes, and others where a local module with two constants was imported
#          before; its number of 12 digits is among them. Constants of local source files are collected and tried.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check hypothesis==6.170.15

cat > limits.py <<'PROGRAM'
LIMIT = 730219468133
NAMES = ("quiet market", "fast market")
PROGRAM

cat > program.py <<'PROGRAM'
import sys

if "imported" in sys.argv:
    import limits  # noqa: F401
from hypothesis import given, settings
from hypothesis import strategies as st

seen = []


@settings(derandomize=True, max_examples=100, database=None)
@given(st.integers())
def check(number):
    seen.append(number)


check()
with open(sys.argv[1], "w") as file:
    file.write("\n".join(map(str, seen)))
PROGRAM

for run in one two; do
  venv/bin/python program.py "alone_$run.txt"
  venv/bin/python program.py "beside_$run.txt" imported
done

cat > compare.py <<'PROGRAM'
from pathlib import Path

runs = {name: Path(f"{name}.txt").read_text().split() for name in ("alone_one", "alone_two", "beside_one", "beside_two")}
print("alone, twice the same:", runs["alone_one"] == runs["alone_two"])
print("beside the module, twice the same:", runs["beside_one"] == runs["beside_two"])
print("alone as beside the module:", runs["alone_one"] == runs["beside_one"])
limit = "730219" + "468133"
print("the module's number tried alone:", limit in runs["alone_one"], "beside it:", limit in runs["beside_one"])
PROGRAM

cat > seen.txt <<'SEEN'
alone, twice the same: True
beside the module, twice the same: True
alone as beside the module: False
the module's number tried alone: False beside it: True
SEEN

venv/bin/python compare.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
