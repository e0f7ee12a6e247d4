"""What kernels take and give: the shapes of their arrays and the names of the slots in them.

Kernels take few arrays, each of one type: settings, account and counters share one flat vector.  So there is
one compiled signature whatever a run uses (values never trigger a compile), and calls between the rules stay
cheap: passing an array costs more than the arithmetic of a fill.
"""

from __future__ import annotations

# A rule: CONDITIONS comparisons of FIELDS numbers each (row of x, row of y, 0: x > y, 1: x >= y; row -1: never).
CONDITIONS, FIELDS = 4, 3
RULE_SIZE = CONDITIONS * FIELDS
# In place of the first condition: the row of x holds what was decided elsewhere, see `fast.decided.changes`.
WEIGHTS, SIDES, SIGNALS = 2, 3, 4
ROW_OFFSET = 1  # place of bar 0 in such a row

# Prices: float64[5 or 6, bars].  MARK is the close, carried forward over bars without a price.  YEAR, there for
# volatility sizing alone, is the bars a year that were known at the bar; NaN: not known.
OPEN, HIGH, LOW, CLOSE, MARK, YEAR = range(6)

# Calendar: int64[2, bars], or int64[2, 0] where every bar has prices and no daily limit is set.
# NEXT_VALID[i] is the first bar at or after i that has prices (the number of bars where there is none);
# DAY[i] numbers the calendar day of the bar.
NEXT_VALID, DAY = range(2)

# Records: float64[3, rows, RECORD_WIDTH]; no rows: nothing is recorded, only counted.
ORDERS, FILLS, TRADES = range(3)
RECORD_WIDTH = 12

# Curve: float64[3, bars] (equity, cash, position at the close), float64[1, bars] (equity) or float64[1, 0].
CURVE_EQUITY, CURVE_CASH, CURVE_POSITION = range(3)

# State: one float64 vector.  Settings come first (a sweep gives each configuration a row of them), then the
# account, then counters; counters are whole numbers in float64, exact up to 2**53.  Rates, limits and fractions are
# shares (0.01 is one per cent), fees money a fill or a unit, distances shares or price units (STOP_ABSOLUTE).
INITIAL_CASH = 0
FILL_AT_CLOSE = 1  # 0: next bar's open, 1: the deciding bar's close
BOTH_HIT = 2  # 0: stop first, 1: target first, 2: nearest to the open
ENTRY_BAR_STOPS = 3
RATE = 4  # fee as a fraction of the traded value
MAKER_RATE = 5  # the same for fills at a resting price (take-profit)
FEE_FIXED = 6
FEE_MINIMUM = 7
FEE_PER_UNIT = 8
SLIPPAGE_RATE = 9
SLIPPAGE_ABSOLUTE = 10
STOP_LOSS = 11  # distance; 0: none
TAKE_PROFIT = 12
TRAILING = 13
STOP_ABSOLUTE = 14  # 0: distances are fractions of the entry price, 1: price units
WATERMARK = 15  # 0: the bar's best price, 1: close, 2: high, 3: low
SIZE_MODE = 16
SIZE_VALUE = 17
SIZE_MAX_POSITION = 18  # risk and estimated sizes: highest value as a fraction of equity
SIZE_MIN_VALUE = 19  # risk sizing: smallest value worth trading
LOT_SIZE = 20
MIN_SIZE = 21
LEVERAGE = 22
MAX_POSITION = 23  # risk limit: highest value as a fraction of equity; 0: none
MAX_DRAWDOWN_LIMIT = 24  # fraction; 0: none
DAILY_LOSS_LIMIT = 25  # fraction of the day's first equity; 0: none
PERIODS_PER_YEAR = 26
RISK_FREE = 27  # per period
WEIGHT_TARGETS = 28  # 0: targets are sides, 1: fractions of equity
ENTER_ONLY_FLAT = 29  # 1: an entry needs a flat account (no reversal, no second entry)
SIZE_WINDOW = 30  # volatility sizing: returns that are looked at; Kelly sizing: trades that are needed
SIZE_FALLBACK = 31  # estimated sizes: fraction of equity where there is no estimate; 0: none
SIZE_LEAST = 32  # Kelly sizing: smallest fraction of equity
SIZE_YEAR = SIZE_LEAST  # volatility sizing: bars a year; 0: those of the row YEAR of the prices
SIGNED_PRICES = 33  # 1: the bars hold prices at or below zero; sizes are in units then
N_SETTINGS = 34

SIZE_FRACTION, SIZE_UNITS, SIZE_NOTIONAL, SIZE_RISK, SIZE_VOLATILITY, SIZE_KELLY = range(6)

# Account: money in the currency of the prices, units signed (short: below zero), prices for one unit.
CASH = 34
UNITS = 35
PREVIOUS_EQUITY = 36
SUM_RETURN = 37
SUM_RETURN_SQUARED = 38
SUM_DOWNSIDE_SQUARED = 39
PEAK_EQUITY = 40
WORST_RATIO = 41  # lowest equity / earlier peak
BEST_PRICE = 42  # trailing watermark of the open position
ENTRY_VALUE = 43  # sum of size * price of the fills that built the position
ENTRY_UNITS = 44
EXIT_VALUE = 45
EXIT_UNITS = 46
TRADE_FEES = 47
TRADE_SLIPPAGE = 48
TOTAL_FEES = 49
TOTAL_SLIPPAGE = 50
GROSS_WIN = 51
GROSS_LOSS = 52
SUM_PNL = 53
SUM_PNL_SQUARED = 54
DAY_EQUITY = 55  # equity at the last close of the day before
SUM_TRADE_RETURN = 56

# Counters: bars are numbers from 0, days are numbers of calendar days.
BAR = 57  # first bar whose close is not yet marked
SCAN_FROM = 58  # first bar in which stops are looked for
ENTRY_BAR = 59
N_ORDERS = 60
N_FILLS = 61
N_TRADES = 62
N_WINS = 63
N_REJECTED = 64
N_CUT = 65
N_FILLED = 66
N_AMBIGUOUS = 67
BARS_IN_MARKET = 68
HALTED = 69  # 1: maximum drawdown reached, no more entries
HALTED_DAY = 70  # day + 1 on which the daily limit was reached
CURRENT_DAY = 71
N_CANCELLED = 72
SIZED_FRACTION = 73  # estimated sizes: fraction of equity of the order under way
SUM_WIN_RETURN = 74  # of net results over entry values
SUM_LOSS_RETURN = 75  # positive
# What the account got besides fills; negative: paid.
TRADE_FINANCING = 76  # interest and funding of the open position
TOTAL_INTEREST = 77
TOTAL_FUNDING = 78
CASH_INTEREST = 79  # part of the interest that belongs to no position
WRITTEN_OFF = 80  # debt that a rule on ruin wrote off; it is in the financing of trades
AVERAGE_COST = 81  # of a unit of the open position
N_STATE = 82

# Financing of one asset: dues, charges and sums are those of `portfolio_slots`, with places behind the sums.
# Accruals: float64[N_ACCRUALS, bars].
DAYS, CASH_RATE, DEBIT_RATE = range(3)  # calendar days from the bar before, rates a day of that step
BORROW_RATE = 3  # of the value of a short
GROWTH, DEBIT_GROWTH = 4, 5  # what cash of one at the first bar has become by this one, above and below zero
OWED, DEBIT_OWED = (
    6,
    7,
)  # what a unit sold short has cost since then, each payment divided by the growth up to it
OWED_MONEY = 8  # the same as it was paid
# Sums up to each bar of what is folded of cash above zero alone: returns, squares, squares below the risk-free rate.
RESTING, RESTING_SQUARED, RESTING_BELOW = 9, 10, 11
N_ACCRUALS = 12
# Terms: whether cash grows at all, and whether shorts owe; whether interest is walked bar by bar, because rates below
# zero let cash shrink; into how many blocks of time returns are summed, too; the risk-free rate of RESTING_BELOW.
GROWS, BORROWS, WALKS, BLOCKS, RESTING_FREE = range(5)
N_TERMS = 5

# What a block sees of the account, then what the loop around it keeps there.
VIEW_CASH, VIEW_UNITS, VIEW_EQUITY, VIEW_ENTRY_PRICE, VIEW_BARS_HELD = range(5)
VIEW_SEEN = 5
VIEW_WISH, VIEW_LAST_WISH, VIEW_ENTRY_BAR = 5, 6, 7
VIEW_WRONG, VIEW_WRONG_BAR = 8, 9
"""First target that is none, and its bar counted from 1 (0: all were)."""
VIEW_SIZE = 10
OWN_CELLS = VIEW_SEEN + 1
"""Cells behind the memory of a block that returns targets, in a run of orders: the account it sees, its last target."""

# Records: columns of the two-dimensional record arrays.
ORDER_COLUMNS = ("bar", "fill_bar", "kind", "side", "requested", "filled", "status", "reason")
FILL_COLUMNS = ("order_id", "bar", "side", "size", "price", "fee", "slippage", "reason")
TRADE_COLUMNS = (
    "side",
    "entry_bar",
    "exit_bar",
    "entry_price",
    "exit_price",
    "size",
    "fees",
    "slippage",
    "gross_pnl",
    "net_pnl",
    "exit_reason",
    "financing",
)
# What an order is; also the reason of its fills.
KINDS = (
    "signal",
    "stop_loss",
    "take_profit",
    "trailing_stop",
    "liquidation",
    "risk_limit",
    "open",
    "end_of_data",
)
SIGNAL, STOPPED, TARGET_REACHED, TRAILED, LIQUIDATED, RISK_HALT, STILL_OPEN, CLOSED_AT_END = range(8)
OF_BLOCKS = ("order", "close", "child")  # behind them those of orders that a block placed
OF_DUES = ("split", "reinvested")  # and what splits and dividends made of units
OF_SPLIT, REINVESTED = 11, 12

STATUSES = ("filled", "cut", "rejected", "cancelled", "unfilled", "expired")
FILLED, CUT, REJECTED, CANCELLED, UNFILLED, EXPIRED = range(6)

REASONS = (
    "",
    "cash",
    "max_position",
    "min_size",
    "below_minimum_value",
    "drawdown_limit",
    "daily_loss_limit",
    "replaced",
    "end_of_data",
    "no_cash",
    "no_estimate",
    "no_edge",
)
(
    NO_REASON,
    CASH_LIMIT,
    POSITION_LIMIT,
    TOO_SMALL,
    BELOW_VALUE,
    DRAWDOWN_HALT,
    DAILY_HALT,
    REPLACED,
    END_OF_DATA,
    NO_CASH,
    NO_ESTIMATE,
    NO_EDGE,
) = range(12)
