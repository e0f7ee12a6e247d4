#!/usr/bin/env bash
# pyarrow: Table.join_asof with a positive tolerance joins rows of the future.
#
# Why it matters: an as-of join puts quotes, funding rates or news next to bars. pandas.merge_asof and Polars'
# join_asof look back unless told otherwise, and their tolerance is a distance. In Arrow the sign of the tolerance
# is the direction, and there is no default, so everybody has to choose: the number that looks natural is look-ahead.
#
# Version: pyarrow 25.0.1
# Guessed: tolerance=5 takes the last quote of at most 5 seconds ago (8 for the decision at 10, none for 20 and 30).
# Seen:    tolerance=5 takes the next quote (12, 21, 31); tolerance=-5 is the look back; 0 is exact matches only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check pyarrow==25.0.1

cat > program.py <<'PROGRAM'
import pyarrow as pa

decisions = pa.table({"second": [10, 20, 30], "symbol": ["A"] * 3})
quotes = pa.table({"second": [8, 12, 21, 24, 31], "symbol": ["A"] * 5, "quote_of": [8, 12, 21, 24, 31]})
for tolerance in (5, 0, -5):
    joined = decisions.join_asof(quotes, on="second", by="symbol", tolerance=tolerance).sort_by("second")
    print(f"tolerance {tolerance}: decisions at 10, 20, 30 get the quotes of {joined['quote_of'].to_pylist()}")
PROGRAM

cat > seen.txt <<'SEEN'
tolerance 5: decisions at 10, 20, 30 get the quotes of [12, 21, 31]
tolerance 0: decisions at 10, 20, 30 get the quotes of [None, None, None]
tolerance -5: decisions at 10, 20, 30 get the quotes of [8, None, None]
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
