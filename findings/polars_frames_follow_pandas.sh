#!/usr/bin/env bash
# Polars: a frame made from pandas or NumPy has no memory of its own; what is written to these later stands in it, too.
#
# Why it matters: Polars frames count as immutable, so code keeps them as "the prices before the change", caches what was
# computed from them, or hands them to threads. A price corrected in pandas afterwards changes the frame that was kept,
# and a result that is kept with it no longer belongs to it.
#
# Versions: pandas 3.1.1, polars 2.1.0, pyarrow 25.0.1, numpy 2.4.6
# Guessed: from_pandas copies what can be written to, at least with the copy-on-write that pandas 3 always has; clone() of
#          the result and from_numpy ("This operation clones data") certainly do.
# Seen:    none of them does, and a write in place by pandas goes through: copy-on-write looks for other frames of pandas
#          only. With missing values it is the same, and after a filter that keeps all rows or a product with 1.0. A table
#          of Arrow shares, too. Edits in Polars itself reach nobody else. A deep copy before (df.copy()) helps.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check pandas==3.1.1 polars==2.1.0 pyarrow==25.0.1 numpy==2.4.6

cat > program.py <<'PROGRAM'
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa


def show(what, make, values=(1.0, 2.0, 3.0)):
    frame = pd.DataFrame({"close": values})
    kept = make(frame)
    frame.loc[0, "close"] = 99.0
    print(f"{what:32}", kept["close"].to_pylist() if isinstance(kept, pa.Table) else kept["close"].to_list())


show("pl.from_pandas", pl.from_pandas)
show("pl.from_pandas, a missing value", pl.from_pandas, (1.0, np.nan, 3.0))
show("pl.from_pandas, clone()", lambda frame: pl.from_pandas(frame).clone())
show("pl.from_pandas, rows filtered", lambda frame: pl.from_pandas(frame).lazy().filter(pl.col("close") > 0).collect())
show("pa.Table.from_pandas", pa.Table.from_pandas)
show("pandas: copy(deep=False)", lambda frame: frame.copy(deep=False))
show("pl.from_pandas(frame.copy())", lambda frame: pl.from_pandas(frame.copy()))
show("pl.from_pandas, times 1.0", lambda frame: pl.from_pandas(frame) * 1.0)

table = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]], order="F")
made, columns = pl.from_numpy(table, schema=["close", "volume"]), pl.DataFrame({"close": table[:, 0]})
table[0, 0] = 99.0
print(f"{'pl.from_numpy, by columns':32}", made["close"].to_list())
print(f"{'pl.DataFrame of an array':32}", columns["close"].to_list())
columns[1, "close"] = 77.0
print(f"{'the array, after a Polars edit':32}", table[:, 0].tolist())
PROGRAM

cat > seen.txt <<'SEEN'
pl.from_pandas                   [99.0, 2.0, 3.0]
pl.from_pandas, a missing value  [99.0, None, 3.0]
pl.from_pandas, clone()          [99.0, 2.0, 3.0]
pl.from_pandas, rows filtered    [99.0, 2.0, 3.0]
pa.Table.from_pandas             [99.0, 2.0, 3.0]
pandas: copy(deep=False)         [1.0, 2.0, 3.0]
pl.from_pandas(frame.copy())     [1.0, 2.0, 3.0]
pl.from_pandas, times 1.0        [99.0, 2.0, 3.0]
pl.from_numpy, by columns        [99.0, 2.0, 3.0]
pl.DataFrame of an array         [99.0, 2.0, 3.0]
the array, after a Polars edit   [99.0, 2.0, 3.0]
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
