#!/usr/bin/env bash
# Numba: mean and standard deviation of float32 prices drift, and the result says float64.
#
# Why it matters: float32 halves the memory of tick data, and the same line of NumPy is right outside of a kernel. Inside
# one, a z-score over a long series divides by a deviation that is pure rounding.
#
# Versions: numba 0.68.1, numpy 2.4.6
# Guessed: a sum may be off by a thousandth at a million rows; the mean is taken in float64, as its type says.
# Seen:    a constant price of 100.1 has the mean 100.110 and the deviation 0.010 over 10,000 bars, and 98.616 and 1.484 over
#          3,000,000. NumPy: 100.100 and 0.000. Numba's own nanmean is right; cumsum drifts in both.
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
def statistics(x):
    return np.sum(x), np.mean(x), np.std(x), np.nanmean(x)


@numba.njit
def running(x):
    return np.cumsum(x)[-1] / x.size


for bars in (10_000, 1_000_000, 3_000_000):
    price = np.full(bars, 100.1, dtype=np.float32)
    total, mean, deviation, nanmean = statistics(price)
    print(f"{bars} bars of 100.1: numba mean {mean:.3f}, std {deviation:.3f}, nanmean {nanmean:.3f}, type {type(mean).__name__}")
    print(f"  numpy mean {np.mean(price):.3f}, std {np.std(price):.3f}; cumsum / n: numba {running(price):.3f}, numpy {np.cumsum(price)[-1] / bars:.3f}")
price = np.full(3_000_000, 100.1)
print(f"float64: numba mean {statistics(price)[1]:.3f}, std {statistics(price)[2]:.3f}")
PROGRAM

cat > seen.txt <<'SEEN'
10000 bars of 100.1: numba mean 100.110, std 0.010, nanmean 100.100, type float
  numpy mean 100.100, std 0.000; cumsum / n: numba 100.110, numpy 100.110
1000000 bars of 100.1: numba mean 101.318, std 1.218, nanmean 100.100, type float
  numpy mean 100.100, std 0.000; cumsum / n: numba 101.318, numpy 101.318
3000000 bars of 100.1: numba mean 98.616, std 1.484, nanmean 100.100, type float
  numpy mean 100.100, std 0.000; cumsum / n: numba 98.616, numpy 98.616
float64: numba mean 100.100, std 0.000
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
