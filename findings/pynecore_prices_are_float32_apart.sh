#!/usr/bin/env bash
# PyneCore (.ohlcv files): high, low and close are kept as float32 distances from the open, unless a tick size is given.
#
# Why it matters: a price written and read back is another price. A low of 65000.3 becomes 65000.30001, so a limit order at
# 65000.3 is not touched any more; comparisons of close with a level written as a literal fail.
#
# Version: pynesys-pynecore 6.11.0
# Guessed: float64 in, the same float64 out.
# Seen:    open and volume come back as they were, the other three prices do not (off by about 1e-5 at 65,000). With minmove and
#          pricescale in the header all values are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check pynesys-pynecore==6.11.0

cat > program.py <<'PROGRAM'
from pynecore.core.ohlcv import OHLCVReader, OHLCVWriter
from pynecore.types.ohlcv import OHLCV

BARS = (
    (1709649000, 65432.1, 65500.7, 65000.3, 65001.9, 12.5),
    (1709649060, 100.2, 101.0, 99.0, 100.3, 16777217.0),
    (1709649120, 1.08455, 1.08461, 1.0845, 1.08459, 7.0),
)


def back(path, **ticks):
    with OHLCVWriter(path, period="1", **ticks) as writer:
        for bar in BARS:
            writer.write(OHLCV(*bar))
    with OHLCVReader(path) as reader:
        return [tuple(bar)[1:6] for bar in reader]


for name, read in (("without a tick size", back("plain.ohlcv")), ("with minmove 1, pricescale 100000", back("ticks.ohlcv", minmove=1, pricescale=100_000))):
    print(name)
    for bar, found in zip(BARS, read):
        print("  ", found, ["same" if a == b else "higher" if b > a else "lower" for a, b in zip(bar[1:], found)])
PROGRAM

cat > seen.txt <<'SEEN'
without a tick size
   (65432.1, 65500.69999847412, 65000.30001220703, 65001.89998779297, 12.5) ['same', 'lower', 'higher', 'lower', 'same']
   (100.2, 101.00000001192093, 98.99999995231629, 100.30000000149012, 16777217.0) ['same', 'higher', 'lower', 'higher', 'same']
   (1.08455, 1.0846099999984842, 1.084500000001263, 1.0845899999989894, 7.0) ['same', 'lower', 'higher', 'lower', 'same']
with minmove 1, pricescale 100000
   (65432.1, 65500.7, 65000.3, 65001.9, 12.5) ['same', 'same', 'same', 'same', 'same']
   (100.2, 101.0, 99.0, 100.3, 16777217.0) ['same', 'same', 'same', 'same', 'same']
   (1.08455, 1.08461, 1.0845, 1.08459, 7.0) ['same', 'same', 'same', 'same', 'same']
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
