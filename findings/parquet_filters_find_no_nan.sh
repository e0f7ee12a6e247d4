#!/usr/bin/env bash
# DuckDB, pyarrow: in a Parquet file of pandas, Polars or pyarrow a search for NaN finds none, a filter against it lets it through.
#
# Why it matters: `WHERE isnan(close)` over the files is the check before prices are used. It says that nothing is missing. Then
# the mean of the prices below a limit is NaN, or the number of rows above a price depends on where the groups of
# rows begin. A copy in a table answers all of it right, so a test on a small frame passes.
#
# Versions: duckdb 2.0.1, pyarrow 25.0.1 (polars 2.1.0 agrees with itself)
# Guessed: a file gives what the same rows in a table give, in groups or not: statistics of the Parquet format say nothing about
#          NaN. (Read afterwards: DuckDB took care of that in 2025, by its change 16962.)
# Seen:    DuckDB: isnan and = 'NaN' find 0 of 2, the largest price is not NaN, `close < 1000` lets NaN through (its mean is NaN),
#          and of two NaN above 101, as DuckDB sorts it, one is found in three groups of rows and both in one. isfinite is right.
#          pyarrow: `~(close < 1000)` and is_null(nan_is_null=True) find 0 of 2 in the file, 2 in the table; is_nan() is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check duckdb==2.0.1 polars==2.1.0 pyarrow==25.0.1 numpy==2.4.6

cat > program.py <<'PROGRAM'
import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

close = 100 + np.arange(3000) / 1000
close[[500, 2500]] = np.nan
prices = pa.table({"close": close})
pq.write_table(prices, "one_group.parquet")
pq.write_table(prices, "three_groups.parquet", row_group_size=1000)
pl.DataFrame({"close": close}).write_parquet("polars.parquet")
duckdb.execute("CREATE TABLE copied AS FROM prices")

print("duckdb                                      table  one  three  polars")
for query in (
    "count(*) FROM {} WHERE isnan(close)",
    "count(*) FROM {} WHERE close = 'NaN'",
    "count(*) FROM {} WHERE NOT isfinite(close)",
    "count(*) FROM {} WHERE NOT close < 1000",
    "count(*) FROM {} WHERE close > 101",
    "round(avg(close), 2) FROM {} WHERE close < 1000",
    "max(close) FROM {}",
):
    answers = [
        duckdb.execute("SELECT " + query.format(source)).fetchall()[0][0]
        for source in ("copied", "'one_group.parquet'", "'three_groups.parquet'", "'polars.parquet'")
    ]
    print(f"{query.format('prices'):52}", *answers)

field = ds.field("close")
print("pyarrow                                     table  one  three")
for name, wanted in (
    ("is_nan(close)", field.is_nan()),
    ("is_null(close, nan_is_null=True)", field.is_null(nan_is_null=True)),
    ("not close < 1000", ~(field < 1000)),
    ("not close <= 101", ~(field <= 101)),
):
    files = [ds.dataset(f"{name}.parquet").to_table(filter=wanted).num_rows for name in ("one_group", "three_groups")]
    print(f"{name:52}", prices.filter(wanted).num_rows, *files)

print("polars                                      frame  one  three")
for name, wanted in (("is_nan(close)", pl.col("close").is_nan()), ("not close < 1000", ~(pl.col("close") < 1000))):
    files = [pl.scan_parquet(f"{name}.parquet").filter(wanted).collect().height for name in ("one_group", "three_groups")]
    print(f"{name:52}", pl.DataFrame({"close": close}).filter(wanted).height, *files)
PROGRAM

cat > seen.txt <<'SEEN'
duckdb                                      table  one  three  polars
count(*) FROM prices WHERE isnan(close)              2 0 0 0
count(*) FROM prices WHERE close = 'NaN'             2 0 0 0
count(*) FROM prices WHERE NOT isfinite(close)       2 2 2 2
count(*) FROM prices WHERE NOT close < 1000          2 0 0 0
count(*) FROM prices WHERE close > 101               2000 2000 1999 2000
round(avg(close), 2) FROM prices WHERE close < 1000  101.5 nan nan nan
max(close) FROM prices                               nan 102.999 102.999 nan
pyarrow                                     table  one  three
is_nan(close)                                        2 2 2
is_null(close, nan_is_null=True)                     2 0 0
not close < 1000                                     2 0 0
not close <= 101                                     2000 2000 1999
polars                                      frame  one  three
is_nan(close)                                        2 2 2
not close < 1000                                     2 2 2
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
