#!/usr/bin/env bash
# DuckDB: the same prices with one NaN aggregate differently from pandas and from Polars or Arrow.
#
# Why it matters: making bars by SQL over a frame in memory is common. One missing price makes the high and the mean NaN or
# leaves them right, a filter "above 2.5" counts the missing row or not, and the median moves, depending on which library
# held the frame.
#
# Versions: duckdb 2.0.1, pandas 3.1.1, polars 2.1.0, pyarrow 25.0.1
# Guessed: max is NaN and min is not, because DuckDB orders NaN last, whatever frame the column comes from.
# Seen:    so it is for Polars and Arrow; NaN of pandas becomes NULL and is left out. With Polars or Arrow the missing row also
#          counts as above 2.5 and as the largest value in the median. Polars itself: max and min leave NaN out, mean is NaN,
#          and median and "> 2.5" take it for the largest.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check duckdb==2.0.1 pandas==3.1.1 polars==2.1.0 pyarrow==25.0.1 numpy==2.4.6

cat > program.py <<'PROGRAM'
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

prices = {"high": [2.0, np.nan, 3.0], "low": [1.0, np.nan, 2.0]}
pandas, polars = pd.DataFrame(prices), pl.DataFrame(prices)
arrow = pa.table({name: np.array(values) for name, values in prices.items()})
QUERY = "SELECT max(high), min(low), avg(low), median(high), count(high), count(*) FILTER (high > 2.5) FROM {}"
for name in ("pandas", "polars", "arrow"):
    print("duckdb on", name, duckdb.sql(QUERY.format(name)).limit(1).fetchall()[0])
high, low = pl.col("high"), pl.col("low")
own = polars.select(
    high.max(), low.min(), low.mean().alias("mean"), high.median().alias("median"),
    high.count().alias("count"), (high > 2.5).sum().alias("above"),
)
print("polars itself  ", own.row(0))
high, low = pandas["high"], pandas["low"]
own = [float(value) for value in (high.max(), low.min(), low.mean(), high.median())]
print("pandas itself  ", (*own, int(high.count()), int((high > 2.5).sum())))
PROGRAM

cat > seen.txt <<'SEEN'
duckdb on pandas (3.0, 1.0, 1.5, 2.5, 2, 1)
duckdb on polars (nan, 1.0, nan, 3.0, 3, 2)
duckdb on arrow (nan, 1.0, nan, 3.0, 3, 2)
polars itself   (3.0, 1.0, nan, 3.0, 3, 2)
pandas itself   (3.0, 1.0, 1.5, 2.5, 2, 1)
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
