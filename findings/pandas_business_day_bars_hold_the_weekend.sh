#!/usr/bin/env bash
# pandas: resample("B") of a market that never closes gives Friday the close of Sunday.
#
# Why it matters: aligning crypto with shares by business days is one line. The bar labelled Friday then has a close that
# nobody knew on Friday: two days of look-ahead, once a week, and a Friday volume of three days.
#
# Version: pandas 3.1.1
# Guessed: the weekend goes into Monday's bar, the next business day.
# Seen:    it goes into Friday's bar (3 rows, close of Sunday). asfreq("B") picks the rows of business days as they are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check pandas==3.1.1 numpy==2.4.6

cat > program.py <<'PROGRAM'
import pandas as pd

days = pd.date_range("2024-01-04", "2024-01-09", name="day")  # Thursday to Tuesday
close = pd.Series([10.0, 11.0, 12.0, 13.0, 14.0, 15.0], index=days)
bars = close.resample("B").agg(["first", "last", "count"])
for day, row in bars.iterrows():
    print(f"{day:%a %m-%d} open {row['first']} close {row['last']} rows {row['count']:.0f}")
print("close really known on Friday:", close["2024-01-05"])
print("asfreq('B'):", close.asfreq("B").tolist())
PROGRAM

cat > seen.txt <<'SEEN'
Thu 01-04 open 10.0 close 10.0 rows 1
Fri 01-05 open 11.0 close 13.0 rows 3
Mon 01-08 open 14.0 close 14.0 rows 1
Tue 01-09 open 15.0 close 15.0 rows 1
close really known on Friday: 11.0
asfreq('B'): [10.0, 11.0, 14.0, 15.0]
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
