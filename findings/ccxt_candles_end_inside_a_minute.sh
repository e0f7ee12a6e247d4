#!/usr/bin/env bash
# ccxt: candles made of trades end in the middle of a minute, or are all one, without a word.
#
# Why it matters: build_ohlcvc is how candles are made where an exchange serves trades only, or of an archive of trades. A
# close that is the price in the middle of its minute, or a candle of ten minutes, goes into a backtest as a bar.
#
# Version: ccxt 4.5.90
# Guessed: `limit=2` returns two candles, as it does in fetch_ohlcv; trades in the order newest first (an archive read with
#          ORDER BY time DESC) are sorted, or refused, or become candles in that order.
# Seen:    `limit` counts trades: of `limit=5` come a candle of three trades and one of the first two, whose close and volume
#          are not those of its minute. Trades newest first become one candle at the newest minute, with the volume of all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check ccxt==4.5.90

cat > program.py <<'PROGRAM'
import ccxt

exchange = ccxt.kraken()
START = 1_700_000_040_000  # a whole minute
trades = [
    {"id": str(k), "symbol": "BTC/USD", "timestamp": START + k * 20_000, "price": 100.0 + k, "amount": 1.0}
    for k in range(9)
]


def show(name, candles):
    for time, opened, high, low, close, volume, count in candles:
        print(f"{name}: minute {(time - START) // 60_000}, open {opened}, close {close}, volume {volume}, {count} trades")


show("all trades", exchange.build_ohlcvc(trades, "1m"))
show("limit=5", exchange.build_ohlcvc(trades, "1m", 0, 5))
show("newest first", exchange.build_ohlcvc(trades[::-1], "1m"))
PROGRAM

cat > seen.txt <<'SEEN'
all trades: minute 0, open 100.0, close 102.0, volume 3.0, 3 trades
all trades: minute 1, open 103.0, close 105.0, volume 3.0, 3 trades
all trades: minute 2, open 106.0, close 108.0, volume 3.0, 3 trades
limit=5: minute 0, open 100.0, close 102.0, volume 3.0, 3 trades
limit=5: minute 1, open 103.0, close 104.0, volume 2.0, 2 trades
newest first: minute 2, open 108.0, close 100.0, volume 9.0, 9 trades
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
