#!/usr/bin/env bash
# pytdx (files of the Chinese terminal TDX): one record, five readings, chosen by the name of the file.
#
# Why it matters: volume limits and volume-weighted fills. Daily volume of a share is a hundredth of what the minute reader
# gives for the same share, and a Shanghai fund's volume is in another unit than a Shenzhen fund's.
#
# Version: pytdx 1.72
# Guessed: the name decides the divisor of the price (0.01 for shares, 0.001 for funds); volume is in one unit throughout.
# Seen:    so for the price; volume 1,000,000 reads 10,000 for shares and Shenzhen funds, 1,000,000 for Shanghai funds, for
#          indices and from 5-minute files. Codes that came later (688, 588, Beijing) raise NotImplementedError.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check pytdx==1.72 pandas==3.1.1 numpy==2.4.6

cat > program.py <<'PROGRAM'
import contextlib
import io
import struct

from pytdx.reader import TdxDailyBarReader, TdxLCMinBarReader

# date, open, high, low, close in hundredths, amount, volume, reserved
DAY = struct.pack("<IIIIIfII", 20240305, 1050, 1100, 1000, 1080, 1.08e7, 1_000_000, 0)
for code in ("sh600000", "sz000001", "sh510300", "sz159915", "sh000001", "sh688001", "sh588000", "bj430047"):
    with open(f"{code}.day", "wb") as file:
        file.write(DAY)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            row = TdxDailyBarReader().get_df(f"{code}.day").iloc[0]
        print(f"{code}.day close {row.close:.2f} volume {row.volume:.0f}")
    except NotImplementedError:
        print(f"{code}.day NotImplementedError")
# date (years since 2004 * 2048 + month * 100 + day), minute of the day, prices, amount, volume, reserved
MINUTES = struct.pack("<HHfffffII", 20 * 2048 + 305, 900, 10.5, 11.0, 10.0, 10.8, 1.08e7, 1_000_000, 0)
with open("sh600000.lc5", "wb") as file:
    file.write(MINUTES)
row = TdxLCMinBarReader().get_df("sh600000.lc5").iloc[0]
print(f"sh600000.lc5 close {row.close:.2f} volume {row.volume:.0f}")
PROGRAM

cat > seen.txt <<'SEEN'
sh600000.day close 10.80 volume 10000
sz000001.day close 10.80 volume 10000
sh510300.day close 1.08 volume 1000000
sz159915.day close 1.08 volume 10000
sh000001.day close 10.80 volume 1000000
sh688001.day NotImplementedError
sh588000.day NotImplementedError
bj430047.day NotImplementedError
sh600000.lc5 close 10.80 volume 1000000
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
