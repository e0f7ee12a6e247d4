#!/usr/bin/env bash
# hftbacktest: with partial fills on, an order that takes several levels of the book pays for the last level only.
#
# Why it matters: the exchange model that is meant to be the careful one leaves out most of a larger order's position and cost;
# the order itself says filled. The other model fills any size at the best price.
#
# Version: hftbacktest 2.4.4 (known upstream, report 316)
# Guessed: partial fills walk the book: 4 units cost 1 at 100.1, 2 at 100.2, 1 at 100.3, position 4, balance -400.8.
# Seen:    position 1, balance -100.3, one trade; a market order for more than the book has: position 0, although 8 were taken.
#          Without partial fills 1,000 units fill at 100.1, where 1 is offered (as its documentation says).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check hftbacktest==2.4.4 numpy==2.2.6

cat > program.py <<'PROGRAM'
import numpy as np
from hftbacktest import (
    BUY_EVENT, DEPTH_EVENT, EXCH_EVENT, GTC, LIMIT, LOCAL_EVENT, MARKET, SELL_EVENT,
    BacktestAsset, HashMapMarketDepthBacktest, event_dtype,
)

BOTH = EXCH_EVENT | LOCAL_EVENT | DEPTH_EVENT
BOOK = [(BUY_EVENT, 99.9, 1.0), (SELL_EVENT, 100.1, 1.0), (SELL_EVENT, 100.2, 2.0), (SELL_EVENT, 100.3, 5.0)]


def event(side, time, price, quantity):
    return (BOTH | side, time, time, price, quantity, 0, 0, 0.0)


def buy(kind, quantity, price, partial):
    events = [event(side, 1000, p, q) for side, p, q in BOOK] + [event(BUY_EVENT, 20_000_000_000, 99.7, 1.0)]
    asset = (
        BacktestAsset().data(np.array(events, dtype=event_dtype)).linear_asset(1.0)
        .constant_order_latency(1_000_000, 1_000_000).risk_adverse_queue_model()
        .tick_size(0.1).lot_size(0.1).trading_value_fee_model(0.0, 0.0)
    )
    asset = asset.partial_fill_exchange() if partial else asset.no_partial_fill_exchange()
    test = HashMapMarketDepthBacktest([asset])
    test.elapse(10_000_000)
    test.submit_buy_order(0, 1, price, quantity, GTC, kind, False)
    test.elapse(1_000_000_000)
    order, state = test.orders(0).get(1), test.state_values(0)
    name = "limit" if kind == LIMIT else "market"
    status = {2: "expired", 3: "filled"}.get(order.status, order.status)
    print(f"  {name} buy of {quantity}: {status}, rest {order.leaves_qty}, position {test.position(0)}, balance {state.balance:.1f}, trades {state.num_trades}")
    test.close()


print("asks: 1 at 100.1, 2 at 100.2, 5 at 100.3")
print("partial_fill_exchange")
buy(LIMIT, 1.0, 100.3, True)
buy(LIMIT, 2.0, 100.3, True)
buy(LIMIT, 4.0, 100.3, True)
buy(MARKET, 4.0, 100.3, True)
buy(MARKET, 10.0, 100.3, True)
print("no_partial_fill_exchange")
buy(LIMIT, 4.0, 100.3, False)
buy(MARKET, 1000.0, 100.3, False)
PROGRAM

cat > seen.txt <<'SEEN'
asks: 1 at 100.1, 2 at 100.2, 5 at 100.3
partial_fill_exchange
  limit buy of 1.0: filled, rest 0.0, position 1.0, balance -100.1, trades 1
  limit buy of 2.0: filled, rest 0.0, position 1.0, balance -100.2, trades 1
  limit buy of 4.0: filled, rest 0.0, position 1.0, balance -100.3, trades 1
  market buy of 4.0: filled, rest 0.0, position 1.0, balance -100.3, trades 1
  market buy of 10.0: expired, rest 2.0, position 0.0, balance 0.0, trades 0
no_partial_fill_exchange
  limit buy of 4.0: filled, rest 0.0, position 4.0, balance -400.4, trades 1
  market buy of 1000.0: filled, rest 0.0, position 1000.0, balance -100100.0, trades 1
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
