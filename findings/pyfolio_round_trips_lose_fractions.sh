#!/usr/bin/env bash
# pyfolio: round trips count whole units only and merge buys of one working day.
#
# Why it matters: with fractional shares, crypto or lots of currency the pnl of the trips is not the money made; win rates
# and averages of trips follow from which fills were merged.
#
# Version: pyfolio-reloaded 0.10.1
# Guessed: first in, first out, on whatever size was traded.
# Seen:    1.5 units bought and sold make a trip of 1 unit (2 instead of 3), 0.5 units raise. Two buys 7 hours apart become one at the
#          average price (trips of 0 and 0), 24 hours apart they stay two (500 and -500).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check pyfolio-reloaded==0.10.1 pandas==3.1.1 numpy==2.4.6

cat > program.py <<'PROGRAM'
import warnings

warnings.simplefilter("ignore")
import pandas as pd
from pyfolio.round_trips import extract_round_trips


def trips(name, *fills):
    frame = pd.DataFrame(fills, columns=["time", "amount", "price"]).assign(symbol="ABC")
    frame.index = pd.to_datetime(frame.pop("time")).dt.tz_localize("UTC")
    by_hand = -(frame.amount * frame.price).sum()
    try:
        found = extract_round_trips(frame)
        print(f"{name}: pnl of the trips {found.pnl.round(6).tolist()}, money made {by_hand:.6g}")
    except (KeyError, IndexError) as error:
        print(f"{name}: {type(error).__name__}: {error}, money made {by_hand:.6g}")


trips("1.5 units", ("2024-01-02 15:00", 1.5, 10.0), ("2024-01-03 15:00", -1.5, 12.0))
trips("0.5 units", ("2024-01-02 15:00", 0.5, 10.0), ("2024-01-03 15:00", -0.5, 12.0))
trips("2.25 in two sales", ("2024-01-02 15:00", 2.25, 10.0), ("2024-01-03 15:00", -1.5, 12.0), ("2024-01-05 15:00", -0.75, 12.0))
buys = (("2024-01-02 15:00", 100, 10.0), ("2024-01-02 22:00", 100, 20.0))
sales = (("2024-01-04 15:00", -100, 15.0), ("2024-01-05 15:00", -100, 15.0))
trips("buys 7 hours apart", *buys, *sales)
later = (buys[0], ("2024-01-03 15:00", 100, 20.0))
trips("buys 24 hours apart", *later, *sales)
PROGRAM

cat > seen.txt <<'SEEN'
1.5 units: pnl of the trips [2.0], money made 3
0.5 units: KeyError: 'close_dt', money made 1
2.25 in two sales: IndexError: list index out of range, money made 4.5
buys 7 hours apart: pnl of the trips [0.0, 0.0], money made -0
buys 24 hours apart: pnl of the trips [500.0, -500.0], money made -0
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
