#!/usr/bin/env bash
# MLflow: the digest of a logged dataset does not identify the prices.
#
# Why it matters: the digest is what one compares to see whether two runs were made on the same data. 10,000 rows are
# 25 days of minute bars (390 a day): everything after them can change and the digest stays.
#
# Version: mlflow 3.17.2 (the skinny package has the same code), pandas 3.1.1, polars 2.1.0
# Guessed: any changed value changes the digest, from whichever kind of frame.
# Seen:    from_pandas and from_numpy look at the first 10,000 rows only. from_polars looks at all rows, but neither at
#          their order nor at the names of the columns.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check mlflow-skinny==3.17.2 pandas==3.1.1 polars==2.1.0 numpy==2.4.6

cat > program.py <<'PROGRAM'
import mlflow.data
import numpy as np
import pandas as pd
import polars as pl

ROWS = 12_000
minutes = pd.date_range("2024-01-01", periods=ROWS, freq="1min")


def close(changed=None):
    prices = 100 + np.arange(ROWS) / 1000
    if changed is not None:
        prices[changed:] = 1.0
    return prices


makers = {
    "pandas": lambda c: mlflow.data.from_pandas(pd.DataFrame({"close": c}, index=minutes)),
    "numpy": mlflow.data.from_numpy,
    "polars": lambda c: mlflow.data.from_polars(pl.DataFrame({"minute": minutes.to_numpy(), "close": c})),
}
for name, make in makers.items():
    first = make(close()).digest
    same = [make(close(changed)).digest == first for changed in (9_999, 10_000, 11_000)]
    print(f"{name}: same digest with all prices from row 9999 / 10000 / 11000 on replaced by 1.0: {same}")
frame = pl.DataFrame({"close": close()})
print("polars: same digest with the rows reversed:", mlflow.data.from_polars(frame).digest == mlflow.data.from_polars(frame.reverse()).digest)
print("polars: same digest with a column renamed:", mlflow.data.from_polars(frame).digest == mlflow.data.from_polars(frame.rename({"close": "open"})).digest)
PROGRAM

cat > seen.txt <<'SEEN'
pandas: same digest with all prices from row 9999 / 10000 / 11000 on replaced by 1.0: [False, True, True]
numpy: same digest with all prices from row 9999 / 10000 / 11000 on replaced by 1.0: [False, True, True]
polars: same digest with all prices from row 9999 / 10000 / 11000 on replaced by 1.0: [False, False, False]
polars: same digest with the rows reversed: True
polars: same digest with a column renamed: True
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
