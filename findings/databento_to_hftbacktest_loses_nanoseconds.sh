#!/usr/bin/env bash
# hftbacktest's converter of Databento files: nanosecond stamps come out as floats of microseconds.
#
# Why it matters: the file has nanoseconds, the backtester wants nanoseconds, and latency and queue position live there. On the
# way events get equal stamps, and latencies change by hundreds of nanoseconds.
#
# Versions: hftbacktest 2.4.4, databento 0.88.0, databento-dbn 0.70.0
# Guessed: the integers go through as they are.
# Seen:    stamps are cut to microseconds and then rounded to a multiple of 256 ns: three events of 249 to 312 ns distance end on
#          two stamps, their latencies of 3210, 2949 and 2850 ns are all 3072.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check hftbacktest==2.4.4 databento==0.88.0 databento-dbn==0.70.0 pandas==3.1.1 polars==2.1.0 numpy==2.2.6

cat > program.py <<'PROGRAM'
import contextlib
import io

import databento_dbn as dbn
import pandas as pd
from hftbacktest.data.utils import databento

START = pd.Timestamp("2024-03-05 14:30", tz="UTC").value
STAMPS = [(123_456_789, 123_459_999), (123_457_101, 123_460_050), (123_457_350, 123_460_200)]  # at the exchange, here
head = dbn.Metadata(
    dataset="GLBX.MDP3", schema=dbn.Schema.MBO, start=START, end=START + 10**12, limit=None,
    stype_in=dbn.SType.RAW_SYMBOL, stype_out=dbn.SType.INSTRUMENT_ID,
    symbols=["ABC"], partial=[], not_found=[], mappings=[],
).encode()
orders = [
    dbn.MBOMsg(
        publisher_id=1, instrument_id=7, order_id=number, sequence=number, price=100 * 10**9, size=5, flags=0,
        action=dbn.Action.ADD, side=dbn.Side.BID, ts_event=START + sent, ts_recv=START + received, ts_in_delta=0,
    )
    for number, (sent, received) in enumerate(STAMPS)
]
with open("orders.dbn", "wb") as file:
    file.write(head + b"".join(bytes(order) for order in orders))
with contextlib.redirect_stdout(io.StringIO()):
    events = databento.convert("orders.dbn", None)
for (sent, received), event in zip(STAMPS, events):
    a, b = int(event["exch_ts"]) - START, int(event["local_ts"]) - START
    print(f"exchange {sent} -> {a}, local {received} -> {b}, latency {received - sent} -> {b - a} ns")
PROGRAM

cat > seen.txt <<'SEEN'
exchange 123456789 -> 123456000, local 123459999 -> 123459072, latency 3210 -> 3072 ns
exchange 123457101 -> 123457024, local 123460050 -> 123460096, latency 2949 -> 3072 ns
exchange 123457350 -> 123457024, local 123460200 -> 123460096, latency 2850 -> 3072 ns
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
