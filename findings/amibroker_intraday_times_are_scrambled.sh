#!/usr/bin/env bash
# ami2py (AmiBroker databases): intraday bars come back without a time of day, or with a wrong one.
#
# Why it matters: prices and dates are right, so daily data look fine; intraday bars of a day are either all at midnight or
# in another order at other hours, and nothing says so.
#
# Version: ami2py 0.8.1
# Guessed: 09:30 comes back as 09:30 from both readers.
# Seen:    get_symbol_data: 00:00 for every bar. get_fast_symbol_data: 05:58, 07:06, 04:22 and 07:47 for 09:30, 09:35, 09:40
#          and 15:55.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check ami2py==0.8.1 construct==2.10.67

cat > program.py <<'PROGRAM'
import os
import struct

from ami2py import AmiReader
from ami2py.ami_symbol_facade import AmiSymbolDataFacade


def packed(year, month, day, hour, minute):
    """AmiBroker's packed date: from the top 12 bits year, 4 month, 5 day, 5 hour, 6 minute, 6 second, 26 finer."""
    return year << 52 | month << 48 | day << 43 | hour << 38 | minute << 32


rows = b"".join(
    struct.pack("<Q8f", packed(2024, 3, 5, hour, minute), 10.75, 10.5, 11.0, 10.0, 1000.0, 0.0, 0.0, 0.0)
    for hour, minute in ((9, 30), (9, 35), (9, 40), (15, 55))
)
os.makedirs("database/a")
with open("database/a/ABC", "wb") as file:
    file.write(bytes(AmiSymbolDataFacade().default_header) + rows + bytes(4))
reader = AmiReader("database")
print("bars written    2024-03-05 09:30, 09:35, 09:40, 15:55")
entries = reader.get_symbol_data("ABC").Entries
print("get_symbol_data     ", [f"{e.Year}-{e.Month:02}-{e.Day:02} {e.Hour:02}:{e.Minute:02}" for e in entries])
fast = reader.get_fast_symbol_data("ABC")
print("get_fast_symbol_data", [f"{e['Year']}-{e['Month']:02}-{e['Day']:02} {e['Hour']:02}:{e['Minute']:02}" for e in fast[0:4]])
print("prices of the first", [fast[0][name] for name in ("Open", "High", "Low", "Close", "Volume")])
PROGRAM

cat > seen.txt <<'SEEN'
bars written    2024-03-05 09:30, 09:35, 09:40, 15:55
get_symbol_data      ['2024-03-05 00:00', '2024-03-05 00:00', '2024-03-05 00:00', '2024-03-05 00:00']
get_fast_symbol_data ['2024-03-05 05:58', '2024-03-05 07:06', '2024-03-05 04:22', '2024-03-05 07:47']
prices of the first [10.5, 11.0, 10.0, 10.75, 1000.0]
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
