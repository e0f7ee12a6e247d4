#!/usr/bin/env bash
# DuckDB and Polars: month-first dates of a CSV file are read day-first until a day above 12 appears.
#
# Why it matters: the same download has other dates in the second week of a month than in the third. Nothing warns, the
# column is a proper date, and rows spread over the year as first-of-the-month "bars" would. A year of two digits gets
# worse: DuckDB takes the month for the year, Polars takes 24 for the year 24.
#
# Versions: duckdb 2.0.1, polars 2.1.0 (read_csv with try_parse_dates=True)
# Guessed: DuckDB reads 03/04/2024 month-first, as most of its examples come from there; Polars leaves such text alone.
# Seen:    both read it day-first while they can; with 03/13/2024 in the file DuckDB turns to month-first for all rows and
#          Polars falls back to text. 03/04/24 is 2003-04-24 in DuckDB and 0024-04-03 in Polars.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check duckdb==2.0.1 polars==2.1.0

cat > program.py <<'PROGRAM'
import duckdb
import polars as pl


def read(name, rows):
    with open("prices.csv", "w") as file:
        file.write("date,close\n" + "".join(f"{row},1.5\n" for row in rows))
    found = duckdb.sql("SELECT date FROM 'prices.csv'").fetchall()
    frame = pl.read_csv("prices.csv", try_parse_dates=True)
    print(f"{name}: {rows[0]} ... {rows[-1]}")
    print("  duckdb", found[0][0], "...", found[-1][0])
    print("  polars", frame["date"][0], "...", frame["date"][-1], frame["date"].dtype)


read("month first, to the 12th", ["03/04/2024", "03/05/2024", "03/12/2024"])
read("the same file a day later", ["03/04/2024", "03/05/2024", "03/12/2024", "03/13/2024"])
read("year of two digits", ["03/04/24", "03/05/24", "03/12/24"])
read("year of two digits, a day later", ["03/04/24", "03/05/24", "03/12/24", "03/13/24"])
PROGRAM

cat > seen.txt <<'SEEN'
month first, to the 12th: 03/04/2024 ... 03/12/2024
  duckdb 2024-04-03 ... 2024-12-03
  polars 2024-04-03 ... 2024-12-03 Date
the same file a day later: 03/04/2024 ... 03/13/2024
  duckdb 2024-03-04 ... 2024-03-13
  polars 03/04/2024 ... 03/13/2024 String
year of two digits: 03/04/24 ... 03/12/24
  duckdb 2003-04-24 ... 2003-12-24
  polars 0024-04-03 ... 0024-12-03 Date
year of two digits, a day later: 03/04/24 ... 03/13/24
  duckdb 2024-03-04 ... 2024-03-13
  polars 03/04/24 ... 03/13/24 String
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
