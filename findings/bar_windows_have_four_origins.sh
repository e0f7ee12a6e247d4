#!/usr/bin/env bash
# pandas, Polars, DuckDB, pyarrow: bars of 7 minutes, 5 hours, 7 days or 2 weeks start at four different places.
#
# Why it matters: bars made in a DuckDB query are not the bars made of the same rows in pandas or Polars; a strategy
# tuned on the one trades other opens and closes on the other. Windows that divide a day evenly agree and hide it.
#
# Versions: duckdb 2.0.1, pandas 3.1.1, polars 2.1.0, pyarrow 25.0.1
# Guessed: pandas counts from midnight of the first day, the other three from 1970-01-01.
# Seen:    Polars and pyarrow count from 1970-01-01, except for 2 weeks, where the two are a week apart; DuckDB counts from
#          2000-01-03; pandas from midnight of the first day of the frame (and labels weeks by their last day). Nobody starts
#          again at the open of a session: the grid of the second day is another one (first labels are printed).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check duckdb==2.0.1 pandas==3.1.1 polars==2.1.0 pyarrow==25.0.1 numpy==2.4.6

cat > program.py <<'PROGRAM'
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

stamps = pd.date_range("2024-03-05 09:30", "2024-03-06 16:00", freq="1min")
stamps = stamps[(stamps.hour >= 9) & (stamps.hour < 16)]
bars = pd.DataFrame({"time": stamps, "close": 1.0})


def labels(found):
    """First label of each of the two days."""
    found = pd.DatetimeIndex(found)
    return " ".join(f"{found[found.normalize() == day].min():%m-%d %H:%M}" for day in found.normalize().unique())


def windows(pandas, polars, duck, multiple, unit):
    arrow = pa.array(stamps)
    grouped = bars.resample(pandas, on="time")["close"].count()
    yield "pandas", grouped[grouped > 0].index
    yield "polars", pl.from_pandas(bars).group_by_dynamic("time", every=polars).agg(pl.len())["time"].to_list()
    query = f"SELECT DISTINCT time_bucket(INTERVAL '{duck}', time) AS label FROM bars ORDER BY label"
    yield "duckdb", [row[0] for row in duckdb.sql(query).fetchall()]
    yield "pyarrow", pc.unique(pc.floor_temporal(arrow, multiple=multiple, unit=unit)).to_pylist()


for case in (
    ("7min", "7m", "7 minutes", 7, "minute"),
    ("5h", "5h", "5 hours", 5, "hour"),
    ("7D", "7d", "7 days", 7, "day"),
    ("2W", "2w", "2 weeks", 2, "week"),
):
    print(case[0])
    for library, found in windows(*case):
        print(f"  {library:8}{labels(found)}")
PROGRAM

cat > seen.txt <<'SEEN'
7min
  pandas  03-05 09:27 03-06 08:54
  polars  03-05 09:30 03-06 08:57
  duckdb  03-05 09:29 03-06 08:56
  pyarrow 03-05 09:30 03-06 08:57
5h
  pandas  03-05 05:00 03-06 06:00
  polars  03-05 07:00 03-06 08:00
  duckdb  03-05 08:00 03-06 09:00
  pyarrow 03-05 07:00 03-06 08:00
7D
  pandas  03-05 00:00
  polars  02-29 00:00
  duckdb  03-04 00:00
  pyarrow 02-29 00:00
2W
  pandas  03-10 00:00
  polars  03-04 00:00
  duckdb  02-26 00:00
  pyarrow 02-26 00:00
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
