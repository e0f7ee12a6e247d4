"""What the portfolio kernel takes and gives: the shapes of its arrays and the names of the slots in them.

The account's own numbers lie in the fast path's state (`peak_kernels.slots`), so that metrics are folded by the
same functions.  What is particular to a portfolio stands here.
"""

from __future__ import annotations

from peak_kernels import order_slots, slots

# Prices: float64[4 or more, assets, bars]; NaN in all of them where an asset has no bar.
OPEN, HIGH, LOW, CLOSE = range(4)

# Spans: int64[3, assets].
LISTED, GONE, HOLES = range(3)
"""First bar with prices, first bar behind the last one (the number of bars: still there), bars without between."""

# Rules: one float64 vector.
FILL_AT = 0  # 0: next open, 1: the deciding bar's close, 2: next close
SIZE_AT = 1  # 0: the fill's price, 1: the same before slippage, 2: the close of the deciding bar
MARK_AT = 2  # 0: closes, 1: opens
SHORT_CASH = 3
SEQUENCE = 4
FEE_FROM = 5
ROUND = 6
BUYING_POWER = 7  # 0: equity, 1: cash
SHORTS = 8  # 1: weights below zero are refused
MISSING = 9  # 0: an order without a price waits, 1: it is dropped
RECOVERY = 10  # share of the last price that a delisted holding brings; below 0: it stays
LEVERAGE = 11
CASH_BUFFER = 12  # share of the equity that no weight is of
MIN_TRADE = 13  # money
BAND = 14  # share of the equity
MAX_GROSS = 15  # shares of the equity; 0: none
MAX_NET = 16
MAX_GROUP = 17
MAX_POSITION = 18
FINANCED = 19  # 1: there is financing, the curve has all its rows
N_RULES = 20

NEXT_OPEN, SAME_CLOSE, NEXT_CLOSE = range(3)
AT_FILL, AT_REFERENCE, AT_DECISION = range(3)
SCALE, CUT_LAST, PRIORITY, REJECT, IGNORE = range(5)
SMALLEST_FIRST, LARGEST_FIRST, BY_WEIGHT, BY_SYMBOL = range(4)
FROM_CASH, FROM_AMOUNT, FROM_POSITION = range(3)
ROUND_ORDER, ROUND_TARGET, ROUND_DOWN = range(3)

# Terms of trade: float64[assets, N_TERMS]; what an order needs of an asset lies side by side.
RATE, FIXED, PER_UNIT, MINIMUM, SLIPPAGE_RATE, SLIPPAGE_ABSOLUTE, LOT, MIN_SIZE, MULTIPLIER = range(9)
N_TERMS = 9

# Whole numbers of the assets: int64[N_LISTS, assets].
RANK = 0  # place of the symbol in alphabetical order: decides between equals
GROUP = 1  # number of the group, -1: none
HELD = 2  # the assets held, the first `N_HELD` of them
PLACE = 3  # place in HELD, -1: not held
ASKED = 4  # assets that the orders of a bar are about
QUEUE = 5  # those of them that spend money, in the order in which they are served
WAITING = 6  # assets whose order waits for a price
DECIDED = 7  # deciding bar of the order of an asset
DUE = 8  # bar at which a waiting order finds a price
WAITS = 9  # 1: an order waits
LEAVING = 10  # a limit of the account closes the holding: the bar of the breach and 1; 0: none does
N_LISTS = 11
N_GIVEN_LISTS = 2  # RANK and GROUP come from the caller

# Numbers of the assets: float64[assets, N_CELLS].
UNITS = 0  # signed
ENTRY_VALUE = 1  # of the open trade: sums over fills that opened or added, and that closed
ENTRY_UNITS = 2
EXIT_VALUE = 3
EXIT_UNITS = 4
TRADE_FEES = 5
TRADE_SLIPPAGE = 6
TRADE_FINANCING = 7  # what the open trade got
ENTRY_BAR = 8
FLOW = 9  # money that came out of the asset less what went in, fees included
PAID_FEES = 10
LOST_SLIPPAGE = 11
TRADED = 12  # absolute value of all fills
FINANCED_SUM = 13  # dividends, funding and cost of borrowing of the asset
TARGET = 14  # weight that its order is for
FIRST = 15  # signed size that fills first, in full
SECOND = 16  # signed size that fills then, as far as there is money
CLIPPED = 17  # reason for which its weight, or size, was lowered
EX_BAR = 18  # bar of its last ex-date or split, 0: none
EX_CLOSE = 19  # the close before it, less the dividend and divided by the split
N_CELLS = 20
KEPT_CELLS = 14  # the first ones say something when the run is over

# Numbers of the assets side by side, in the sequence of a list of them: float64[N_SHEET, assets], scratch.
S_PRICE, S_UNITS, S_WEIGHT, S_SIZE = range(4)
N_SHEET = 4

# What a block of all assets sees of the account: float64[SEEN_UNITS + assets].
SEEN_CASH = 0
SEEN_EQUITY = 1  # at the close
SEEN_UNITS = 2  # signed units of the first asset; the others follow

# Counters: int64[N_COUNTS], scratch and result.
N_HELD, N_ASKED, N_QUEUE, N_WAITING, N_EVENTS, N_RECORDS, N_TRADES, N_NO_PRICE, N_SHORT_CASH = range(9)
N_COUNTS = 9

# Records: float64[rows, N_ORDER_COLUMNS]: one for each order, which is one fill at most.
ORDER_COLUMNS = (
    "bar",
    "fill_bar",
    "asset",
    "side",
    "requested",
    "filled",
    "price",
    "fee",
    "slippage",
    "kind",
    "status",
    "reason",
)
TRADE_COLUMNS = ("asset", *slots.TRADE_COLUMNS)
EVENT_COLUMNS = ("bar", "cash", "equity", "budget", "factor")
"""A bar with trades: cash behind it, the equity that weights were of, what purchases could spend, and the factor that
all of them were multiplied by (NaN: each was served by itself)."""

KINDS = (
    "rebalance", "delisted", "risk_limit", "open", "split", "reinvested",
    # Those of orders that a table or a block placed.
    "order", "stop_loss", "take_profit", "trailing_stop", "liquidation", "end_of_data", "close", "child",
)  # fmt: skip
REBALANCE, DELISTED, RISK_LIMIT, STILL_OPEN, OF_SPLIT, REINVESTED = range(6)
STATUSES = ("filled", "cut", "rejected", "cancelled", "unfilled", "expired")
FILLED, CUT, REJECTED, CANCELLED, UNFILLED, EXPIRED = range(6)
REASONS = (
    "",
    "cash",
    "max_position",
    "gross_limit",
    "net_limit",
    "group_limit",
    "min_size",
    "below_minimum_value",
    "no_cash",
    "no_price",
    "shorting_not_allowed",
    "replaced",
    "end_of_data",
    "delisted",
    "drawdown_limit",
    "daily_loss_limit",
    "split",
    "dividend",
    # Those of the order book alone.
    *order_slots.REASONS,
)
(
    NO_REASON,
    CASH_LIMIT,
    POSITION_LIMIT,
    GROSS_LIMIT,
    NET_LIMIT,
    GROUP_LIMIT,
    TOO_SMALL,
    BELOW_VALUE,
    NO_CASH,
    NO_PRICE,
    NO_SHORTS,
    REPLACED,
    END_OF_DATA,
    IS_GONE,
    DRAWDOWN_HALT,
    DAILY_HALT,
    SPLIT_REASON,
    OF_DIVIDEND,
) = range(18)
OF_BOOK = 18
"""What is added to the number of a reason of the order book."""

EQUITY = 0  # row of the curve: float64[1, bars]; with financing float64[4, bars]
CASH_AT = 1  # cash
OWED = (
    2  # scratch: what shorts cost; at the end, where money came or went, the value of a unit of the account
)
RATIO = 3  # equity with the money that came over equity before
N_CURVES = 4

# Financing: dues float64[n, 4], sorted by bar and kind; accruals float64[3, bars]; borrow float64[rows, bars] with
# int64[assets], the row of each asset (-1: none); charges float64[rows, N_CHARGE_COLUMNS]; sums float64[N_SUMS].
D_BAR, D_KIND, D_ASSET, D_AMOUNT = range(4)
DAYS, CASH_RATE, DEBIT_RATE = range(3)
"""Calendar days from the bar before, and rates a day of that step."""
CASH_INTEREST, DEBIT_INTEREST, BORROWING, DIVIDEND, REINVEST, SPLIT, CASH_FLOW, FUNDING = range(8)
"""Kinds of dues and charges, and sums of the latter."""
N_CHARGES, NEXT, FLOWED = range(8, 11)
"""Behind the sums: charges so far, the next due, whether money came or went."""
N_SUMS = 11
STRETCH = 11
"""Behind them, of one asset: what has happened so far, and rows of the charges of each kind of interest since then."""
N_ASSET_SUMS = 15
CHARGES = (
    "cash_interest",
    "debit_interest",
    "borrowing",
    "dividend",
    "dividend",
    "split",
    "cash_flow",
    "funding",
)
CHARGE_COLUMNS = ("bar", "asset", "kind", "units", "amount")

FILL_COLUMNS = (*ORDER_COLUMNS, "order", "held")
"""Fills of orders that may have several: the row of the order, and the units of the asset behind the fill's bar."""

# Columns of orders by number.
O_FILL_BAR, O_ASSET, O_SIDE, O_FILLED = (
    ORDER_COLUMNS.index(name) for name in ("fill_bar", "asset", "side", "filled")
)

LONG, SHORT, HOLDINGS, LARGEST, SQUARES = range(5)
"""Rows of exposures: value held on each side, number of holdings, the largest value, the sum of squared values."""
N_EXPOSURES = 5
MEAN_GROSS, MEAN_NET, MEAN_HOLDINGS, LARGEST_WEIGHT, EFFECTIVE, MEAN_EQUITY = range(6)
"""Means over bars (of the holdings' even number: over those with holdings), and the largest weight."""
N_MEANS = 6
