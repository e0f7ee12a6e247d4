#!/usr/bin/env bash
# TA-Lib: after one missing price RSI is 0 for ever, not NaN; averages are NaN for ever, minima other numbers.
#
# Why it matters: RSI 0 is the strongest buy signal there is. One NaN (an outer join of two symbols, a halted minute) turns an
# RSI, a stochastic RSI, a CMO or a TSI into a constant that no check for NaN finds; "RSI below 30" then holds until the
# end. Flat prices (an illiquid symbol, a filled gap) are oversold by RSI and STOCH and overbought by WILLR at once.
#
# Version: TA-Lib 0.8.2 (the Python package and the C library in its wheel)
# Guessed: NaN spreads to the end of the output, as the documentation of the package says, in all functions alike; RSI of
#          flat prices is 50 or NaN. (No guess was written for the other flat ones.)
# Seen:    RSI, STOCHRSI, CMO and TSI are 0 from the missing price on, to the end; SMA, EMA, LINEARREG and BBANDS are NaN to the
#          end; MOM and ROC are NaN where they need it. WILLR, MAX and MIN leave it out and come back, the last two without any
#          NaN, with other numbers for up to 21 bars. Flat prices: RSI 0, STOCHF 0, WILLR 0 (its top), AROON 100 both ways.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check TA-Lib==0.8.2 numpy==2.4.6

cat > program.py <<'PROGRAM'
import numpy as np
import talib

BARS, GAP = 300, 100
close = 100 + np.cumsum(np.random.default_rng(1).normal(0, 1, BARS))
holed = close.copy()
holed[GAP] = np.nan


def willr(values):
    return talib.WILLR(values, values, values)


def stochf(values):
    return talib.STOCHF(values, values, values)[0]


cases = {
    "RSI": talib.RSI, "STOCHRSI": lambda values: talib.STOCHRSI(values)[0], "CMO": talib.CMO, "TSI": talib.TSI,
    "SMA": talib.SMA, "EMA": talib.EMA, "LINEARREG": talib.LINEARREG, "BBANDS": lambda values: talib.BBANDS(values)[1],
    "MOM": talib.MOM, "ROC": talib.ROC, "WILLR": willr, "MAX": talib.MAX, "MIN": talib.MIN,
}  # fmt: skip
print(f"{BARS} prices, that of bar {GAP} is missing; bars from there on")
for name, function in cases.items():
    right, now = function(close)[GAP:], function(holed)[GAP:]
    missing = np.isnan(now)
    other = ~missing & (np.abs(now - right) > 1e-9)
    last = GAP + np.flatnonzero(missing | other).max(initial=0)
    print(f"{name:10}{missing.sum():4} NaN {(~missing & (now == 0)).sum():4} zero {other.sum():4} another number, the last at {last}")

flat = np.full(100, 50.0)
print("flat:", ", ".join(f"{name} {function(flat)[-1]:.0f}" for name, function in (
    ("RSI", talib.RSI), ("STOCHF", stochf), ("WILLR", willr), ("AROON down", lambda v: talib.AROON(v, v)[0]),
    ("AROON up", lambda v: talib.AROON(v, v)[1]))))
PROGRAM

cat > seen.txt <<'SEEN'
300 prices, that of bar 100 is missing; bars from there on
RSI          0 NaN  200 zero  200 another number, the last at 299
STOCHRSI     0 NaN  200 zero  147 another number, the last at 299
CMO          0 NaN  200 zero  200 another number, the last at 299
TSI          0 NaN  200 zero  200 another number, the last at 299
SMA        200 NaN    0 zero    0 another number, the last at 299
EMA        200 NaN    0 zero    0 another number, the last at 299
LINEARREG  200 NaN    0 zero    0 another number, the last at 299
BBANDS     200 NaN    0 zero    0 another number, the last at 299
MOM          2 NaN    0 zero    0 another number, the last at 110
ROC          2 NaN    0 zero    0 another number, the last at 110
WILLR        1 NaN    8 zero   13 another number, the last at 113
MAX          0 NaN    0 zero    0 another number, the last at 100
MIN          0 NaN    0 zero   22 another number, the last at 121
flat: RSI 0, STOCHF 0, WILLR 0, AROON down 100, AROON up 100
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
