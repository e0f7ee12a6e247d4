"""Slots of the memory of the signal simulation (`peak_kernels.signals.simulate`), and its codes.

As at the order level one flat vector ``m`` holds settings, groups and assets; ``row`` is an asset in it and
``g`` a group.

Below the lists stand their units, in their sequence, as in `peak_kernels.order_slots`.
"""

from __future__ import annotations

# Settings.
(
    P_FROM_ORDERS,
    P_SIZE_TYPE,
    P_DIRECTION,
    P_ACCUMULATE,
    P_LONG_CONFLICT,
    P_SHORT_CONFLICT,
    P_DIR_CONFLICT,
    P_OPPOSITE,
    P_STOP_EXIT,
    P_STOP_UPDATE,
    P_STOP_ENTRY_PRICE,
    P_STOP_EXIT_PRICE,
    P_TRAIL,
    P_OHLC,
    P_MIN_SIZE,
    P_MAX_SIZE,
    P_GRANULARITY,
    P_LOCK_CASH,
    P_PARTIAL,
    P_SEQUENCE,
    P_UPDATE_VALUE,
    P_CARRY_VALUATION,
    P_EVENTS,
    P_OVERFLOW,
    P_PERCENT_REVERSAL,
    N_SETTINGS,
) = range(26)
# codes (the lists further below) and flags, but for P_MIN_SIZE, P_MAX_SIZE P_GRANULARITY: units; P_EVENTS: number of
# events written; P_OVERFLOW: flag, set where there was room for no more

# Groups.
G_CASH, G_FREE, G_VALUE, G_FIRST, G_COUNT = range(5)
# money, money that no short ties up, money at the valuation prices, slot of the first member, number of members
N_GROUP = 5

# Assets: state, this bar's data, this bar's order.
A_POSITION, A_DEBT, A_VALUATION, A_LAST_CLOSE = range(4)
# signed units, money that shorts owe, price, price
A_STOP, A_STOP_REFERENCE, A_TARGET, A_TARGET_REFERENCE = range(4, 8)
# share of the reference, price, share, price
A_OPEN, A_HIGH, A_LOW, A_CLOSE, A_PRICE, A_SIZE, A_NEW_STOP, A_NEW_TARGET = range(8, 16)
# prices, then: size in P_SIZE_TYPE, shares of the fill price to come
A_FEES, A_FIXED, A_SLIPPAGE, A_SIGNALS, A_INDEX = range(16, 21)
# share of the value, money a fill, share of the price, bits (ENTRY ...), number
A_ORDER_SIZE, A_ORDER_TYPE, A_ORDER_DIRECTION, A_ORDER_PRICE, A_ORDER_SLIPPAGE, A_ORDER_VALUE = range(21, 27)
# size in A_ORDER_TYPE, code, code, price, share of the price, money (what groups sort by)
A_MEMBER, A_BY_STOP = 27, 28
N_ASSET = 29

# Bits of a bar's signals.
ENTRY, EXIT, SHORT_ENTRY, SHORT_EXIT = 1, 2, 4, 8

# Size types.
AMOUNT, VALUE, PERCENT, TARGET_AMOUNT, TARGET_VALUE, TARGET_PERCENT = range(6)
# Directions.
LONG_ONLY, SHORT_ONLY, BOTH = range(3)
# Accumulation.
ACCUMULATE_OFF, ACCUMULATE, ADD_ONLY, REMOVE_ONLY = range(4)
# Conflicts of an entry and an exit: ignore, keep one of them, what the position is, or its opposite.
IGNORE, KEEP_ENTRY, KEEP_EXIT, ADJACENT, OPPOSITE = range(5)
# Conflicts of two directions.
KEEP_LONG, KEEP_SHORT = 1, 2
# Opposite entries and stop exits.
ENTRY_IGNORE, ENTRY_CLOSE, ENTRY_CLOSE_REDUCE, ENTRY_REVERSE, ENTRY_REVERSE_REDUCE = range(5)
STOP_CLOSE, STOP_CLOSE_REDUCE, STOP_REVERSE, STOP_REVERSE_REDUCE = range(4)
UPDATE_KEEP, UPDATE_OVERRIDE, UPDATE_OVERRIDE_NAN = range(3)
REFERENCE_CLOSE, REFERENCE_PRICE, REFERENCE_FILL, REFERENCE_VALUATION = range(4)
EXIT_STOP_LIMIT, EXIT_STOP_MARKET, EXIT_CLOSE, EXIT_PRICE = range(4)
SEQUENCE_DEFAULT, SEQUENCE_REVERSED, SEQUENCE_AUTO = range(3)

# Events: one row for each order, filled or not.
V_BAR, V_ASSET, V_SIDE, V_SIZE, V_PRICE, V_FEE, V_STATUS, V_REQUESTED, V_BY_STOP = range(9)
# bar, number, sign, units, price, money, code (status), size as ordered, flag
N_EVENT = 9

# Status of an order.
(
    FILLED,
    NO_SIZE,
    PRICE_NAN,
    SIZE_ZERO,
    NO_CASH_LONG,
    NO_CASH_SHORT,
    CANNOT_COVER_FEES,
    MIN_SIZE_NOT_REACHED,
    MAX_SIZE_EXCEEDED,
    PARTIAL_FILL,
    NO_OPEN_POSITION,
    VALUATION_NAN,
    VALUE_NOT_POSITIVE,
) = range(13)
