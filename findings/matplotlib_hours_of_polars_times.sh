#!/usr/bin/env bash
# Matplotlib with Polars: a column with a time zone is labelled in UTC, the same times from pandas in their zone.
#
# Why it matters: the two libraries print the same local time, but a chart of intraday results shows a New York open at 14:30
# when the frame is a Polars one. Who reads session effects off a chart reads them five hours late.
#
# Versions: matplotlib 3.11.2, pandas 3.1.1, polars 2.1.0
# Guessed: equal labels.
# Seen:    pandas index 09:30 (America/New_York), Polars column 14:30 (UTC), the Polars column as a list 09:30.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check matplotlib==3.11.2 pandas==3.1.1 polars==2.1.0 numpy==2.4.6

cat > program.py <<'PROGRAM'
import matplotlib

matplotlib.use("Agg")
import matplotlib.dates
import matplotlib.pyplot as plt
import pandas as pd
import polars as pl

stamps = pd.date_range("2024-03-05 09:30", periods=7, freq="1h", tz="America/New_York")
column = pl.DataFrame({"time": stamps.tolist()}, schema={"time": pl.Datetime("us", "America/New_York")})["time"]
print("first stamp: pandas", stamps[0], "polars", column[0])
for name, x in (("pandas index", stamps), ("polars column", column), ("polars column as list", column.to_list())):
    figure, axes = plt.subplots()
    axes.plot(x, range(7))
    figure.canvas.draw()
    left = axes.get_lines()[0].get_xdata(orig=False)[0]
    zone = axes.xaxis.get_major_locator().tz
    print(f"{name}: the first point is labelled {matplotlib.dates.num2date(left, tz=zone):%H:%M} ({zone})")
    plt.close(figure)
PROGRAM

cat > seen.txt <<'SEEN'
first stamp: pandas 2024-03-05 09:30:00-05:00 polars 2024-03-05 09:30:00-05:00
pandas index: the first point is labelled 09:30 (America/New_York)
polars column: the first point is labelled 14:30 (UTC)
polars column as list: the first point is labelled 09:30 (America/New_York)
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
