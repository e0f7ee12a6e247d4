#!/usr/bin/env bash
# narwhals: over a frame of several symbols in turn, a moving average per symbol lands on rows of other symbols, in pandas only.
#
# Why it matters: `rolling_mean(n).over("symbol")` on a long frame by time is the moving average of a universe. The library
# promises the results of Polars. In pandas the rows of the result are those of the frame sorted by symbol, under the
# labels of the unsorted one: averages of AAA stand at BBB, and those of later days at earlier ones.
#
# Versions: narwhals 2.29.0 (pandas 3.1.1, polars 2.1.0); with order_by it was mended upstream (report 3600)
# Guessed: pandas and Polars give the same, whatever the order of rows, with order_by or without.
# Seen:    rolling_mean, rolling_sum, rolling_std, rolling_var and ewm_mean are scattered in pandas where the symbols take
#          turns, unless order_by= is given or the rows are sorted by symbol; shift, diff, rank and cum_max are right.
#          Besides, offset_by("1d") is a day of the calendar in Polars and 24 hours in pandas: an hour off in March.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check narwhals==2.29.0 pandas==3.1.1 polars==2.1.0 numpy==2.4.6 tzdata==2026.6

cat > program.py <<'PROGRAM'
from datetime import datetime
from zoneinfo import ZoneInfo

import narwhals as nw
import pandas as pd
import polars as pl

columns = {
    "day": [1, 1, 2, 2, 3, 3, 4, 4],
    "symbol": ["AAA", "BBB"] * 4,
    "close": [10.0, 100.0, 11.0, 101.0, 12.0, 102.0, 13.0, 103.0],
}
close = nw.col("close")
features = {
    "rolling_mean": close.rolling_mean(2, min_samples=1),
    "rolling_std": close.rolling_std(3, min_samples=2),
    "ewm_mean": close.ewm_mean(span=2),
    "shift": close.shift(1),
    "diff": close.diff(),
    "cum_max": close.cum_max(),
    "rank": close.rank(),
}


def values(frame, feature):
    found = nw.from_native(frame).with_columns(feature.alias("feature")).sort("day", "symbol")["feature"]
    return [None if value is None or value != value else round(value, 2) for value in found.to_list()]


print("close", columns["close"])
for name, feature in features.items():
    for words, window in (("", feature.over("symbol")), (", order_by", feature.over("symbol", order_by="day"))):
        by_pandas, by_polars = values(pd.DataFrame(columns), window), values(pl.DataFrame(columns), window)
        blocks = values(pd.DataFrame(columns).sort_values("symbol", kind="stable"), window)
        same = by_pandas == by_polars
        print(f"{name}{words}: {'the same' if same else 'other values'}; rows by symbol: {'the same' if blocks == by_polars else 'other'}")
        if not same:
            print("  pandas", by_pandas)
            print("  polars", by_polars)

eve = {"close": [datetime(2024, 3, 9, 16, 0, tzinfo=ZoneInfo("America/New_York"))]}
for frame in (pd.DataFrame(eve), pl.DataFrame(eve)):
    moved = nw.from_native(frame).select(nw.col("close").dt.offset_by("1d").dt.to_string("%d %H:%M"))["close"].to_list()
    print(type(frame).__module__.split(".")[0], "the close of 9 March 2024, a day later:", *moved)
PROGRAM

cat > seen.txt <<'SEEN'
close [10.0, 100.0, 11.0, 101.0, 12.0, 102.0, 13.0, 103.0]
rolling_mean: other values; rows by symbol: the same
  pandas [10.0, 10.5, 11.5, 12.5, 100.0, 100.5, 101.5, 102.5]
  polars [10.0, 100.0, 10.5, 100.5, 11.5, 101.5, 12.5, 102.5]
rolling_mean, order_by: the same; rows by symbol: the same
rolling_std: other values; rows by symbol: the same
  pandas [None, 0.71, 1.0, 1.0, None, 0.71, 1.0, 1.0]
  polars [None, None, 0.71, 0.71, 1.0, 1.0, 1.0, 1.0]
rolling_std, order_by: the same; rows by symbol: the same
ewm_mean: other values; rows by symbol: the same
  pandas [10.0, 10.75, 11.62, 12.55, 100.0, 100.75, 101.62, 102.55]
  polars [10.0, 100.0, 10.75, 100.75, 11.62, 101.62, 12.55, 102.55]
ewm_mean, order_by: the same; rows by symbol: the same
shift: the same; rows by symbol: the same
shift, order_by: the same; rows by symbol: the same
diff: the same; rows by symbol: the same
diff, order_by: the same; rows by symbol: the same
cum_max: the same; rows by symbol: the same
cum_max, order_by: the same; rows by symbol: the same
rank: the same; rows by symbol: the same
rank, order_by: the same; rows by symbol: the same
pandas the close of 9 March 2024, a day later: 10 17:00
polars the close of 9 March 2024, a day later: 10 16:00
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
