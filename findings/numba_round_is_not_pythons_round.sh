#!/usr/bin/env bash
# Numba: round(price, 2) in a compiled function is not Python's round.
#
# Why it matters: rounding to cents or ticks is where a compiled fill and a plain-Python check of it meet. Prices in the
# middle of a one-cent spread are the common case, and there the two part by a whole cent.
#
# Versions: numba 0.68.1, numpy 2.4.6
# Guessed: equal everywhere.
# Seen:    different for 21,708 of 50,000 such prices. Python rounds the exact binary value; Numba scales, rounds half to
#          even and divides, as numpy.round does (no difference to that).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check numba==0.68.1 numpy==2.4.6

cat > program.py <<'PROGRAM'
import numba
import numpy as np


@numba.njit
def cents(price):
    return round(price, 2)


prices = np.arange(5, 500_000, 10) / 1000  # 0.005, 0.015, ... : middle of a spread of one cent
python = np.array([round(float(price), 2) for price in prices])
compiled = np.array([cents(price) for price in prices])
vector = np.round(prices, 2)
print("prices", len(prices))
print("compiled differs from Python's round:", int((compiled != python).sum()))
print("compiled differs from numpy.round:", int((compiled != vector).sum()))
for price in (0.015, 1.005, 2.675, 100.285):
    print(price, "Python", round(price, 2), "compiled", cents(price), "numpy", float(np.round(price, 2)))
PROGRAM

cat > seen.txt <<'SEEN'
prices 50000
compiled differs from Python's round: 21708
compiled differs from numpy.round: 0
0.015 Python 0.01 compiled 0.02 numpy 0.02
1.005 Python 1.0 compiled 1.0 numpy 1.0
2.675 Python 2.67 compiled 2.68 numpy 2.68
100.285 Python 100.28 compiled 100.28 numpy 100.28
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
