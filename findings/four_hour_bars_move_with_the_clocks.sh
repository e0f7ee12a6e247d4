#!/usr/bin/env bash
# Polars, pandas, DuckDB: bars of some hours or of a day, in a zone with summer time, depend on where the history begins.
#
# Why it matters: a strategy on four-hour bars of New York is tuned on a frame that begins in summer and traded on one that
# begins last week: the same rows of the same afternoon are other bars, with other opens and closes. It lasts from the
# change of the clocks to the end of the frame, half a year and more. Days out of time_bucket are those of London.
#
# Versions: polars 2.1.0, pandas 3.1.1, duckdb 2.0.1
# Guessed: pandas keeps steps of four hours and so moves after the change; Polars counts wall clock again on the next day, in
#          group_by_dynamic as in dt.truncate. DuckDB's time_bucket of a TIMESTAMPTZ takes the TimeZone of the session, as
#          date_trunc does. (No guess was written for date_trunc at the hours that are both called 01:00.)
# Seen:    group_by_dynamic moves as pandas does, to 03:00, 07:00, ... for all days after the clocks go back, if the frame begins
#          in summer, and not if it begins in the winter before; dt.truncate stays. time_bucket counts in UTC: the bar of a "day"
#          begins at 20:00 in summer and 19:00 in winter. date_trunc('hour') puts the two hours into one bar of 60 + 60
#          minutes, named after the second.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check duckdb==2.0.1 pandas==3.1.1 polars==2.1.0 pyarrow==25.0.1 numpy==2.4.6 pytz==2026.6 tzdata==2026.6

cat > program.py <<'PROGRAM'
from datetime import datetime

import duckdb
import polars as pl

ZONE = "America/New_York"
duckdb.execute(f"SET TimeZone = '{ZONE}'")


def minutes(start):
    stamps = pl.datetime_range(start, datetime(2024, 11, 8), "30m", time_zone=ZONE, closed="left", eager=True)
    return pl.DataFrame({"time": stamps})


def bars(start):
    """Starts of the four-hour bars of 7 November, local time, in four ways."""
    frame = minutes(start)
    yield "group_by_dynamic", frame.group_by_dynamic("time", every="4h").agg(pl.len())["time"].to_list()
    yield "dt.truncate", frame["time"].dt.truncate("4h").unique().sort().to_list()
    yield "pandas resample", frame.to_pandas().resample("4h", on="time").size().index
    yield "time_bucket", [row[0] for row in duckdb.sql(
        "SELECT DISTINCT time_bucket(INTERVAL '4 hours', time) AS label FROM frame ORDER BY label").fetchall()]


for start in (datetime(2024, 3, 1), datetime(2024, 7, 1), datetime(2024, 11, 4)):
    print(f"bars of 7 November 2024, frame from {start:%d %B} on")
    for name, found in bars(start):
        print(f"  {name:17}", *(f"{stamp:%H:%M}" for stamp in found if (stamp.month, stamp.day) == (11, 7)))

night = minutes(datetime(2024, 11, 2))
for call in ("time_bucket(INTERVAL '1 day', time)", "date_trunc('day', time)"):
    found = duckdb.sql(f"SELECT {call} AS label, count(*) FROM night GROUP BY 1 ORDER BY 1 LIMIT 4").fetchall()
    print(call, *(f"{stamp:%d %H:%M %Z}: {rows}" for stamp, rows in found), sep="  ")
for call in ("time_bucket(INTERVAL '1 hour', time)", "date_trunc('hour', time)"):
    found = duckdb.sql(f"SELECT {call} AS label, count(*) FROM night GROUP BY 1 ORDER BY 1 LIMIT 4 OFFSET 24").fetchall()
    print(call, *(f"{stamp:%d %H:%M %Z}: {rows}" for stamp, rows in found), sep="  ")
PROGRAM

cat > seen.txt <<'SEEN'
bars of 7 November 2024, frame from 01 March on
  group_by_dynamic  00:00 04:00 08:00 12:00 16:00 20:00
  dt.truncate       00:00 04:00 08:00 12:00 16:00 20:00
  pandas resample   00:00 04:00 08:00 12:00 16:00 20:00
  time_bucket       03:00 07:00 11:00 15:00 19:00 23:00
bars of 7 November 2024, frame from 01 July on
  group_by_dynamic  03:00 07:00 11:00 15:00 19:00 23:00
  dt.truncate       00:00 04:00 08:00 12:00 16:00 20:00
  pandas resample   03:00 07:00 11:00 15:00 19:00 23:00
  time_bucket       03:00 07:00 11:00 15:00 19:00 23:00
bars of 7 November 2024, frame from 04 November on
  group_by_dynamic  00:00 04:00 08:00 12:00 16:00 20:00
  dt.truncate       00:00 04:00 08:00 12:00 16:00 20:00
  pandas resample   00:00 04:00 08:00 12:00 16:00 20:00
  time_bucket       03:00 07:00 11:00 15:00 19:00 23:00
time_bucket(INTERVAL '1 day', time)  01 20:00 EDT: 40  02 20:00 EDT: 48  03 19:00 EST: 48  04 19:00 EST: 48
date_trunc('day', time)  02 00:00 EDT: 48  03 00:00 EDT: 50  04 00:00 EST: 48  05 00:00 EST: 48
time_bucket(INTERVAL '1 hour', time)  03 00:00 EDT: 2  03 01:00 EDT: 2  03 01:00 EST: 2  03 02:00 EST: 2
date_trunc('hour', time)  03 00:00 EDT: 2  03 01:00 EST: 4  03 02:00 EST: 2  03 03:00 EST: 2
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
