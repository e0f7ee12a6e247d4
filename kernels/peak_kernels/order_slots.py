"""Where the order-level kernels keep things: one flat float64 vector, and the names of its slots.

Settings, account, assets, order book, lots and records of a run share one vector, ``m`` in all kernels.
A row of it (an order, a lot, an asset, an action, a fill) is named by the position of its first slot, and
``m[order + O_LIMIT]`` is a field of it.  The reason is compile time: numba passes an array as seven values
and a tuple of twelve arrays as ninety, and every function that takes them is compiled with all of them.
The same kernels with a tuple of arrays took 111 seconds to compile.

A missing price is NaN, a missing reference (parent, lot, group) is -1.

Below each list of slots stand their units, in its sequence.  *Money* is in the account's currency, a *price* in quote
currency for one unit, a *share* a fraction (0.01 is one per cent), a *bar* a number from 0; a *row* is the place of
another row's first slot, a *number* counts from 0, a *sign* is 1 (buy, long) or -1, a *flag* 0 or 1, a *code* one of
the lists further below.

Prefixes: ``X_`` action, ``O_`` order, ``L_`` lot, ``A_`` asset, ``S_`` account state, ``R_`` rule,
``F_`` fill, ``T_`` closed trade, ``E_`` log event, ``H_`` charge outside trades, ``V_`` view of a block,
``B_`` bars that it sees, ``C_`` calendar, ``W_`` configuration.
"""

from __future__ import annotations

from typing import NamedTuple

from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.slots import N_SETTINGS


class Market(NamedTuple):
    """What the market does.  Two-dimensional arrays are ``[asset, bar]``; an unused one is ``(0, 0)``."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    half_spread: FloatArray
    """Half of the quoted spread in price units."""
    funding: FloatArray
    """Rate that a long position pays at the close of the bar, as a fraction of its value."""
    day: IntArray
    """Number of the calendar day of each bar."""
    detail: FloatArray
    """``[fine bar, 4]`` open, high, low, close of finer bars of asset 0; empty when there are none."""
    detail_start: IntArray
    """First finer bar of each bar, one entry more than bars."""
    rate: FloatArray
    """Account money for one unit of the asset's quote currency, known from the close of the bar on; a row of NaN
    where the asset's base currency is the account's."""


# Actions: one row per instruction.
X_BAR, X_OP, X_ASSET, X_KIND, X_SIDE, X_SIZE, X_UNIT, X_LIMIT, X_STOP, X_TRAIL, X_TRAIL_UNIT = range(11)
# bar, code (OP), number, code (kind), sign, size in X_UNIT, code (unit), price, price, trail in X_TRAIL_UNIT, code
X_STOP_LOSS, X_TAKE_PROFIT, X_EXIT_UNIT, X_VALID, X_TIF, X_PARENT, X_OCO, X_TAG, X_REDUCE = range(11, 20)
# distances in X_EXIT_UNIT, code, bar (inclusive), code (time in force), number, number, number, flag
X_ORDER, X_AUCTION, X_AUCTION_CLOSE = range(20, 23)
"""``X_PARENT``: number of the instruction that placed the parent; -1 none, -2 one that was never placed.
``X_ORDER``: written by the kernel, the order that the action created, else -1.  ``X_AUCTION``: bar that works
a market-on-close order; ``X_AUCTION_CLOSE``: 0 when it gets the close of the bar that works it, 1 for the close
before its first bar, 2 for its first bar's close and, what is left of it, for the close before that."""
N_ACTION = 23

OP_PLACE, OP_MODIFY, OP_CANCEL, OP_CLOSE, OP_TRAIL_LOTS, OP_EXITS = range(6)

# Kinds of order.
MARKET, LIMIT, STOP, STOP_LIMIT, TRAILING_STOP, TRAILING_STOP_LIMIT, MARKET_ON_CLOSE = range(7)

# Units of a size.
UNITS, VALUE, EQUITY_FRACTION, MARGIN_FRACTION, POSITION_FRACTION = range(5)
TARGET_UNITS, TARGET_VALUE, TARGET_FRACTION = range(5, 8)
BY_RULES = -1
"""The engine's sizing decides at the first fill (`orders.sized`)."""

# Units of a distance (trail, attached exits).
PRICE, FRACTION, DISTANCE = range(3)

# Time in force.
GTC, DAY, GTD, IOC, FOK = range(5)

# Orders.
O_STATUS, O_REASON, O_ASSET, O_KIND, O_SIDE, O_SIZE, O_UNIT, O_REMAINING, O_LIMIT, O_STOP = range(10)
# code, code, row, code, sign, size in O_UNIT, code, units, price, price
O_TRAIL, O_TRAIL_UNIT, O_OFFSET, O_TRIGGERED, O_VALID, O_TIF, O_PARENT, O_OCO, O_LOT, O_ROLE = range(10, 20)
# trail in its unit, code, price, flag, bar (inclusive), code, row, number, row, code (role)
O_STOP_LOSS, O_TAKE_PROFIT, O_EXIT_UNIT, O_REDUCE, O_BAR, O_ACTIVE, O_LAST, O_FILLED = range(20, 28)
# distances in their units, code, flag, bar (placed), bar (first that works it), bar (last event), units
O_VALUE, O_FEES, O_TAG, O_REFERENCE, O_ACTION, O_WHY, O_FRESH, O_TRIED, O_AUCTION, O_ORDERED, O_LISTED = (
    range(28, 39)
)
# sum of size * price, money, number, price (mark when placed), number, code, bar (born in it), serial, code, size as
# ordered, flag (in its group)
O_TARGET_UNIT = 39
"""Unit of the take-profit, `O_EXIT_UNIT` being that of the stop-loss."""
N_ORDER = 40

# ``O_WHY``: an order that a limit of the account placed; else 0, or the engine's reason (`orders.sized`).
LIMIT_REACHED = -1

# Status.
NONE, SUBMITTED, WORKING, WAITING, FILLED, CANCELLED, EXPIRED, REJECTED = range(8)

# Role of an order.
ALONE, STOP_LOSS, TAKE_PROFIT, CLOSE_LOT, CHILD, LIQUIDATION = range(6)

# Reason codes.
(
    NO_REASON,
    BY_USER,
    BY_OCO,
    BY_PARENT,
    BY_EXCLUSIVE,
    LOT_CLOSED,
    REPLACED,
    VALIDITY_OVER,
    IOC_REST,
    FOK_NOT_FILLED,
    NO_CASH,
    NO_MARGIN,
    NOT_PAYABLE_AT_SUBMISSION,
    SIZE_ZERO,
    BOOK_FULL,
    NOTHING_TO_REDUCE,
    PARENT_MISSING,
    HALTED,
    END_OF_DATA,
    CUT_TO_CASH,
    SHORT_NOT_ALLOWED,
    BY_SIBLING,
    BY_LIQUIDATION,
    BAD_PRICE,
    POSITION_OPEN,
    VALUE_TOO_SMALL,
    TOO_MANY,
) = range(27)

REASONS = (
    "", "by_user", "one_cancels_other", "parent_ended", "exclusive_order", "lot_closed", "replaced",
    "validity_over", "immediate_or_cancel", "fill_or_kill", "insufficient_cash", "insufficient_margin",
    "not_payable_at_submission", "size_zero", "book_full", "nothing_to_reduce", "parent_missing", "halted",
    "end_of_data", "cut_to_cash", "shorting_not_allowed", "sibling_ended", "liquidation", "bad_price",
    "position_open", "value_too_small", "too_many_instructions",
)  # fmt: skip

# Lots: a lot is an opening fill, or what is left of it.
L_OPEN, L_ASSET, L_SIZE, L_PRICE, L_BAR, L_ORDER, L_TAG, L_STOP_ORDER, L_TARGET_ORDER, L_FEE = range(10)
# flag, row, signed units, price, bar, row, number, row, row, money (entry fee of what is left)
L_RATE, L_SETTLED, L_FINANCING = 10, 11, 12
"""Rate of exchange of the opening fill; what daily settlements have brought (futures of another currency); interest and
funding so far, negative where they were paid."""
N_LOT = 13

# Assets: settings, position and the current bar.
A_MULTIPLIER, A_MARGIN, A_TICK, A_LOT, A_MIN_SIZE, A_POSITION, A_AVERAGE, A_COST, A_ADJUSTED = range(9)
# money for one price unit, money a unit (0: no future), price, units, units, signed units, price,
# sum of size * price of the lots, price (last settlement)
A_LAST_DAY, A_WAKE_LOW, A_WAKE_HIGH, A_OPEN, A_HIGH, A_LOW, A_CLOSE, A_PREVIOUS, A_VOLUME = range(9, 18)
# day, then prices; A_VOLUME in units
A_USED, A_HALF_SPREAD, A_MARK, A_FUNDING = range(18, 22)
# units, price, price, share of the value a payment
A_PSEUDO, A_LAST_VOLUME, A_LAST_RANGE, A_CURRENCY, A_RATE, A_PAID = range(22, 28)
# signed units, units, price, code, account money for quote money, price in account money
A_BAR_HIGH, A_BAR_LOW, A_FINE_OPEN, A_FINE_HIGH, A_FINE_LOW, A_USED_BAR = range(28, 34)
"""``A_RATE``: the last rate of exchange known.  ``A_PAID``: average price of the position in account money.
``A_OPEN`` to ``A_CLOSE`` are what is left of a bar on a path inside it; ``A_BAR_...`` is the whole bar, ``A_FINE_...``
the one whose path is walked.  ``A_USED``: units traded in the bar ``A_USED_BAR``."""
N_ASSET = 34

# A_CURRENCY: prices are in the account's currency; converted by `Market.rate`; worth one over the price.
OWN, BY_RATE, BY_PRICE = range(3)

# Rules: one named setting each; peak_fast.orders.OrderRules documents them.
R_MARKET_AT, R_LATENCY, R_START_BAR, R_CLOSE_FRONT, R_EXCLUSIVE, R_HEDGING = range(6)
# code, bars, bar, flag, flag, flag
R_STOP_LIMIT, R_CHILD_BAR, R_RETRIGGER, R_SLIP_KIND, R_SLIP_AMOUNT, R_SLIP_OPEN, R_SLIP_LIMIT = range(6, 13)
# code, code, flag, code, share or price (by the code), flag, flag
R_SLIP_CAP, R_SLIP_STOP, R_SPREAD, R_LIMIT_TOUCH, R_LIMIT_CHANCE, R_SEED = range(13, 19)
# code, flag, share, code, probability, whole number
R_VOLUME_KIND, R_VOLUME_AMOUNT, R_VOLUME_STEP, R_VOLUME_SHARED = range(19, 23)
# code, units or per cent (by the code), price, flag
R_FEE_RATE, R_FEE_FIXED, R_FEE_UNIT, R_FEE_MINIMUM, R_FEE_MAKER = range(23, 28)
# share of the value, money a fill, money a unit, money (minus infinity: none), share (NaN: that of all fills)
R_LEDGER, R_AFFORD, R_SHORTFALL, R_LEVERAGE, R_MARGIN_MARK, R_FEE_AS_ORDERED = range(28, 34)
# code, code, code, factor, code, flag
R_CHECK_SUBMISSION, R_SHORT_PROCEEDS, R_SHORTING, R_BORROW_SHORT, R_BORROW_LONG = range(34, 39)
# flag, flag, flag, share a year, share a year
R_MAINTENANCE, R_LIQUIDATION_FEE, R_RUIN, R_FLOOR, R_DAILY_LOSS, R_FINALIZE = range(39, 45)
# share of the value (margin), share of the value, flag, money, share of the equity before the day,
# 0 leave open, 1 second pass, 2 close
R_TRAIL_MARK, R_MERGE, R_STOP_BASE, R_PATH, R_TARGET_FIRST, R_INTRABAR = range(45, 51)
# code, flag, flag, code, flag, flag
R_SELL_LIMIT_FLOOR, R_BORROW_CASH, R_CHECK_AT_OPEN, R_SLIP_OUTSIDE, R_FUTURES, R_INTEREST_BASE = range(51, 57)
# flag, share a year, flag, flag, flag, 0 mark or 1 average price
R_SLIP_LIMIT_CAP, R_VOLUME_WHOLE, R_FAMILY, R_AGAIN_ALL, R_CARRY = range(57, 62)
# code, flag, flag, flag, flag (the kernel sets it: every bar is looked at)
R_ALTERNATE, R_SLIP_EXTRA, R_STOP_AT_LEVEL, R_ONLY_FLAT, R_MIN_VALUE, R_SIZE_FEE, R_OPEN_FIRST = range(62, 69)
# flag, price, flag, flag, money, flag, flag
R_TARGET_STEP, R_DRAWDOWN, R_SHORT_ABSOLUTE, R_SIGNED = 69, 70, 71, 72
# units, share of the highest equity, flag, flag
"""``R_SIGNED``: the bars hold prices at or below zero (written by what makes the memory, no rule of the user)."""
N_RULE = 73

LEAST_MARGIN = 1e-12
"""Maintenance margin of decisions whose rules name none: a position without equity is closed, as on the fast path."""

# State of the run.  ``..._AT`` is where a section begins, ``..._END`` where it ends, ``..._NEXT`` its first
# free row.  ``S_PLACED_AT`` holds the order of each instruction, by its number.  Instructions of a frame are all
# there from the start; those of a block are written behind ``S_ACTIONS_AT`` in every bar, up to ``S_ROOM_END``,
# the first one having the number ``S_FIRST``.  ``S_SEEN_...``: records before it are known to the block.  ``S_EXITS``,
# ``S_PAIRS``, ``S_CLOSERS``: whether there ever were attached exits, orders that end each other, orders for a close.
# ``S_INTEREST``, ``S_FUNDING``: what the account got (negative: paid); ``S_CASH_INTEREST``: the part of the interest
# that belongs to no position; ``S_WRITTEN_OFF``: debt that was written off.  ``S_BALANCE``: what the worth of positions
# is added to for the equity; the cash, unless credit pays for a part of them (`account.full_value`).
(
    S_CASH,
    S_QUEUED,
    S_OPEN_LOTS,
    S_WAKE_BAR,
    S_OVERFLOW,
    S_HALTED,
    S_AGAIN,
    S_DAY,
    S_DAY_EQUITY,
    S_LAST_EQUITY,
    S_TURNOVER,
    S_STOPPED,
    S_AMBIGUOUS,
    S_AMBIGUOUS_BAR,
    S_SERIAL,
    S_DAYS,
    S_QUEUE_AT,
    S_QUEUE_END,
    S_SCRATCH_AT,
    S_LISTED_AT,
    S_ASSETS_AT,
    S_ASSETS_END,
    S_ACTIONS_AT,
    S_ACTIONS_END,
    S_BOOK_AT,
    S_BOOK_NEXT,
    S_BOOK_END,
    S_LOTS_AT,
    S_LOTS_NEXT,
    S_LOTS_END,
    S_FILLS_AT,
    S_FILLS_NEXT,
    S_FILLS_END,
    S_TRADES_AT,
    S_TRADES_NEXT,
    S_TRADES_END,
    S_LOG_AT,
    S_LOG_NEXT,
    S_LOG_END,
    S_TIERS,
    S_COPIED,
    S_LAST_BAR,
    S_UP,
    S_EXITS,
    S_PLACED_AT,
    S_PLACED_END,
    S_FIRST,
    S_ROOM_END,
    S_DROPPED,
    S_NOW,
    S_SEEN_FILLS,
    S_SEEN_TRADES,
    S_SEEN_LOG,
    S_CLOSERS,
    S_PAIRS,
    S_INTEREST,
    S_FUNDING,
    S_CASH_INTEREST,
    S_WRITTEN_OFF,
    S_CHARGES_AT,
    S_CHARGES_NEXT,
    S_CHARGES_END,
    S_BALANCE,
) = range(N_RULE, N_RULE + 63)
TIERS_AT = N_RULE + 63
"""Fee tiers: pairs of traded value and rate."""
MAX_TIERS = 12
(
    G_STATE_AT,
    G_TRADE_AT,
    G_TRAIL,
    G_TRAIL_UNIT,
    G_PEAK,
    G_ENTRY_LIMIT,
    G_ENTRY_BARS,
    G_WRONG,
    G_WRONG_BAR,
    G_AIMS,
) = range(TIERS_AT + 2 * MAX_TIERS, TIERS_AT + 2 * MAX_TIERS + 10)
"""Runs of the engine's decisions: its state vector (`peak_kernels.slots`; 0: none), the first closed trade that
it has not counted, distance of the trailing exit of every lot (0: none) and its unit.  Highest equity.  Entries at a
limit of a block that returns targets: fraction that they are better than the close, bars that they are valid (NaN: not
set).  Its first target that is none, and its bar counted from 1 (0: all were).  Whether the block that is asked is such
a one."""
N_FIXED = G_AIMS + 1

# R_MARKET_AT
NEXT_OPEN, PLACING_CLOSE, SAME_CLOSE = range(3)
# R_STOP_LIMIT
REST_NEXT_BAR, LIMIT_CAME_FIRST, BY_CLOSE_DIRECTION = range(3)
# R_CHILD_BAR
CHILD_NEXT_BAR, CHILD_AFTER_MARKET, CHILD_AFTER_ANY = range(3)
# R_SLIP_KIND
SLIP_NONE, SLIP_FRACTION, SLIP_ABSOLUTE, SLIP_HALF_SPREAD, SLIP_VOLUME_ROOT, SLIP_VOLUME_LINEAR = range(6)
# R_SLIP_CAP
SLIP_FREE, SLIP_AT_RANGE, SLIP_NO_FILL = range(3)
# R_LIMIT_TOUCH
TOUCH, THROUGH, CHANCE = range(3)
# R_VOLUME_KIND
VOLUME_ANY, VOLUME_FIXED, VOLUME_SHARE, VOLUME_RANGE = range(4)
# R_LEDGER
PAID, SETTLED = range(2)
# R_AFFORD
AFFORD_ANY, AFFORD_CASH, AFFORD_MARGIN, AFFORD_FINANCED = range(4)
# R_SHORTFALL
REJECT, CUT = range(2)
# R_MARGIN_MARK
MARK_CLOSE, MARK_FILL = range(2)
# R_TRAIL_MARK
TRAIL_CLOSE, TRAIL_EXTREME, TRAIL_OPPOSITE, TRAIL_HIGH, TRAIL_LOW = range(5)
# R_PATH
PATH_QUEUE, PATH_OHLC, PATH_OLHC, PATH_NEAREST, PATH_WORST, PATH_BEST = range(6)

# Where the price of a fill comes from.
AT_NOWHERE, AT_OPEN, AT_TRIGGER, AT_TRIGGER_LIMIT, AT_LIMIT, AT_LIMIT_OPEN, AT_CLOSE = range(7)

# Fills.
F_ORDER, F_BAR, F_BOOKED, F_ASSET, F_SIDE, F_SIZE, F_PRICE, F_FEE, F_SLIPPAGE, F_ROLE, F_LOT, F_CLOSED = (
    range(12)
)
# row, bar (reported), bar (booked), row, sign, units, price, money, money, code, row, units of it that closed
F_RATE = 12
N_FILL = 13
# Closed trades.
T_LOT, T_ASSET, T_SIZE, T_ENTRY_BAR, T_EXIT_BAR, T_ENTRY, T_EXIT, T_FEES, T_PNL, T_ORDER, T_ROLE, T_TAG = (
    range(12)
)
# row, row, signed units, bar, bar, price, price, money, money, row, code, number
T_RATE, T_VALUE, T_FINANCING = 12, 13, 14
"""Rate of exchange of the exit; value of the entry in account money; interest and funding, negative: paid."""
N_TRADE = 15
# Log events.
E_ORDER, E_BAR, E_STATUS, E_REASON, E_FILLED = range(5)
# row, bar, code, code, units
N_EVENT = 5
# What moved the cash beside fills and beside the lots: bar, what it was, what the account got.
H_BAR, H_KIND, H_AMOUNT = range(3)
# bar, code, money
N_CHARGE = 3
CASH_INTEREST, WRITE_OFF = range(2)
CHARGES = ("cash_interest", "write_off")

# What a block sees of the account: one row for each asset.
(
    V_CASH,
    V_POSITION,
    V_EQUITY,
    V_AVERAGE,
    V_BARS_HELD,
    V_LIVE_ORDERS,
    V_LIVE_EXITS,
    V_OPEN_LOTS,
    V_FILLS,
    V_FILLED_SIZE,
    V_FILL_PRICE,
    V_CLOSED_PNL,
    V_REJECTED,
    V_FREE_MARGIN,
    V_HALTED,
    V_RATE,
) = range(16)
# money, signed units, money, price, bars, number, number, number, number (since it was last asked), signed units, price
# (of the last fill), money (of trades closed since), number, money, flag, account money for quote money
N_VIEW = 16
# Rows of the bars that a block sees, for each asset.
B_OPEN, B_HIGH, B_LOW, B_CLOSE, B_LAST_CLOSE, B_VOLUME = range(6)
# prices, B_VOLUME in units
N_SEEN = 6
# Rows of the calendar that a block's instructions need: last bar of the next bar's day; `X_AUCTION...`.
# Where volatilities are estimated, the bars a year that were known at the bar follow.
C_DAY_END, C_AUCTION, C_AUCTION_CLOSE, C_YEAR = range(4)

# Columns of a configuration in a sweep: the engine's settings, the rules, then what an order book has beside its rules.
W_RULES = N_SETTINGS
W_ENTRY_LIMIT, W_ENTRY_BARS = W_RULES + N_RULE, W_RULES + N_RULE + 1
# share that entries at a limit are better than the deciding close, bars that they are valid; NaN: not set
N_WIDE = W_RULES + N_RULE + 2

# Why many configurations stop at one: all are done; the memory is too small; an entry at a limit before the first
# close; a target that is none.
BATCH_DONE, BATCH_ROOM, BATCH_EARLY, BATCH_TARGET = range(4)
