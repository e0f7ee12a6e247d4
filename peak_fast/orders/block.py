"""Orders from a compiled block: what a function of ``(i, bars, params, memory, account, orders)`` imports.

>>> from peak_fast import strategy, simulate_orders, sample
>>> from peak_fast.orders import BUY, CLOSE, FRACTION, POSITION, live_orders, place_limit
>>> @strategy(name="dip_example")
... def dip(i, bars, params, memory, account, orders):
...     if account[POSITION] == 0.0 and live_orders(orders, 1) == 0:
...         place_limit(orders, BUY, 10, bars[CLOSE, i] * 0.98, tag=1, take_profit=0.05, exit_unit=FRACTION)
>>> simulate_orders(sample("AAPL"), dip).stats["filled_orders"] > 10
True

The functions write numbers into ``orders``; they are carried out when the block has returned, in the sequence
in which they were given, as if they stood in a frame of instructions at this bar.

* ``bars[OPEN, i]``, ``HIGH``, ``LOW``, ``CLOSE``, ``LAST_CLOSE`` (of the last bar with a price), ``VOLUME``.
* ``account[CASH]``, ``EQUITY`` (at this close), ``POSITION`` (signed units), ``AVERAGE_PRICE`` (0 when flat),
  ``BARS_HELD`` (since the oldest open lot), ``OPEN_LOTS``, ``LIVE_ORDERS`` and ``LIVE_EXITS`` (attached stop-losses
  and take-profits), ``FREE_MARGIN``, ``HALTED`` (not 0: new entries are refused), ``RATE`` (account money for one
  unit of the asset's quote currency).  Since the last call:
  ``FILLS``, ``FILLED_SIZE`` (signed sum), ``FILL_PRICE`` (of the last fill, NaN without one), ``CLOSED_PNL`` (net
  result of closed trades), ``REJECTIONS`` (orders).
* With several assets those of asset ``a`` are ``bars[6 * a + CLOSE, i]`` and ``account[ACCOUNT_SIZE * a + POSITION]``.
"""

from __future__ import annotations

from peak_kernels import order_slots as f
from peak_kernels.orders import (
    NO_ORDER,
    NO_ROOM,
    cancel,
    close_lots,
    filled_of,
    live_orders,
    modify,
    new_fill,
    new_fills,
    place_limit,
    place_market,
    place_market_on_close,
    place_stop,
    place_stop_limit,
    place_trailing_stop,
    place_trailing_stop_limit,
    set_exits,
    status_of,
    trail_stops,
)

BUY, SELL = 1.0, -1.0

OPEN, HIGH, LOW, CLOSE = f.B_OPEN, f.B_HIGH, f.B_LOW, f.B_CLOSE
LAST_CLOSE, VOLUME = f.B_LAST_CLOSE, f.B_VOLUME

CASH, POSITION, EQUITY, AVERAGE_PRICE = f.V_CASH, f.V_POSITION, f.V_EQUITY, f.V_AVERAGE
BARS_HELD, OPEN_LOTS, FREE_MARGIN, HALTED = f.V_BARS_HELD, f.V_OPEN_LOTS, f.V_FREE_MARGIN, f.V_HALTED
LIVE_ORDERS, LIVE_EXITS, REJECTIONS = f.V_LIVE_ORDERS, f.V_LIVE_EXITS, f.V_REJECTED
FILLS, FILLED_SIZE, FILL_PRICE, CLOSED_PNL = f.V_FILLS, f.V_FILLED_SIZE, f.V_FILL_PRICE, f.V_CLOSED_PNL
RATE = f.V_RATE
ACCOUNT_SIZE = f.N_VIEW

UNITS, VALUE, EQUITY_FRACTION, MARGIN_FRACTION = f.UNITS, f.VALUE, f.EQUITY_FRACTION, f.MARGIN_FRACTION
POSITION_FRACTION = f.POSITION_FRACTION
TARGET_UNITS, TARGET_VALUE, TARGET_FRACTION = f.TARGET_UNITS, f.TARGET_VALUE, f.TARGET_FRACTION
PRICE, FRACTION, DISTANCE = f.PRICE, f.FRACTION, f.DISTANCE
GTC, DAY, IOC, FOK = f.GTC, f.DAY, f.IOC, f.FOK

NONE, SUBMITTED, WORKING, WAITING = f.NONE, f.SUBMITTED, f.WORKING, f.WAITING
FILLED, CANCELLED, EXPIRED, REJECTED = f.FILLED, f.CANCELLED, f.EXPIRED, f.REJECTED
ROLE_ORDER, ROLE_STOP_LOSS, ROLE_TAKE_PROFIT = f.ALONE, f.STOP_LOSS, f.TAKE_PROFIT
ROLE_CLOSE, ROLE_CHILD, ROLE_LIQUIDATION = f.CLOSE_LOT, f.CHILD, f.LIQUIDATION

__all__ = [
    "ACCOUNT_SIZE",
    "AVERAGE_PRICE",
    "BARS_HELD",
    "BUY",
    "CANCELLED",
    "CASH",
    "CLOSE",
    "CLOSED_PNL",
    "DAY",
    "DISTANCE",
    "EQUITY",
    "EQUITY_FRACTION",
    "EXPIRED",
    "FILLED",
    "FILLED_SIZE",
    "FILLS",
    "FILL_PRICE",
    "FOK",
    "FRACTION",
    "FREE_MARGIN",
    "GTC",
    "HALTED",
    "HIGH",
    "IOC",
    "LAST_CLOSE",
    "LIVE_EXITS",
    "LIVE_ORDERS",
    "LOW",
    "MARGIN_FRACTION",
    "NONE",
    "NO_ORDER",
    "NO_ROOM",
    "OPEN",
    "OPEN_LOTS",
    "POSITION",
    "POSITION_FRACTION",
    "PRICE",
    "RATE",
    "REJECTED",
    "REJECTIONS",
    "ROLE_CHILD",
    "ROLE_CLOSE",
    "ROLE_LIQUIDATION",
    "ROLE_ORDER",
    "ROLE_STOP_LOSS",
    "ROLE_TAKE_PROFIT",
    "SELL",
    "SUBMITTED",
    "TARGET_FRACTION",
    "TARGET_UNITS",
    "TARGET_VALUE",
    "UNITS",
    "VALUE",
    "VOLUME",
    "WAITING",
    "WORKING",
    "cancel",
    "close_lots",
    "filled_of",
    "live_orders",
    "modify",
    "new_fill",
    "new_fills",
    "place_limit",
    "place_market",
    "place_market_on_close",
    "place_stop",
    "place_stop_limit",
    "place_trailing_stop",
    "place_trailing_stop_limit",
    "set_exits",
    "status_of",
    "trail_stops",
]
