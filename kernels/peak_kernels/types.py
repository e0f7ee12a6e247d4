"""What kernels take and give: the shapes of their arrays and the names of the slots in them.

Kernels take few arrays, each of one type: settings, account and counters share one flat vector.  So there is
one compiled signature whatever a run uses (values never trigger a compile), and calls between the rules stay
cheap: passing an array costs more than the arithmetic of a fill.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


# Prices: float64[5, bars].  MARK is the close, carried forward over bars without a price.
OPEN, HIGH, LOW, CLOSE, MARK = range(5)

# Calendar: int64[2, bars], or int64[2, 0] where every bar has prices and no daily limit is set.
# NEXT_VALID[i] is the first bar at or after i that has prices (the number of bars where there is none);
# DAY[i] numbers the calendar day of the bar.
NEXT_VALID, DAY = range(2)

# Records: float64[3, rows, RECORD_WIDTH]; no rows: nothing is recorded, only counted.
ORDERS, FILLS, TRADES = range(3)
RECORD_WIDTH = 11

# Curve: float64[3, bars] (equity, cash, position at the close), float64[1, bars] (equity) or float64[1, 0].
CURVE_EQUITY, CURVE_CASH, CURVE_POSITION = range(3)

# State: one float64 vector.  Settings come first (a sweep gives each configuration a row of them), then the
# account, then counters; counters are whole numbers in float64, exact up to 2**53.
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
SIZE_MAX_POSITION = 18  # risk sizing: highest value as a fraction of equity
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
N_SETTINGS = 30

SIZE_FRACTION, SIZE_UNITS, SIZE_NOTIONAL, SIZE_RISK = 0, 1, 2, 3

# Account.
CASH = 30
UNITS = 31
PREVIOUS_EQUITY = 32
SUM_RETURN = 33
SUM_RETURN_SQUARED = 34
SUM_DOWNSIDE_SQUARED = 35
PEAK_EQUITY = 36
WORST_RATIO = 37  # lowest equity / earlier peak
BEST_PRICE = 38  # trailing watermark of the open position
ENTRY_VALUE = 39  # sum of size * price of the fills that built the position
ENTRY_UNITS = 40
EXIT_VALUE = 41
EXIT_UNITS = 42
TRADE_FEES = 43
TRADE_SLIPPAGE = 44
TOTAL_FEES = 45
TOTAL_SLIPPAGE = 46
GROSS_WIN = 47
GROSS_LOSS = 48
SUM_PNL = 49
SUM_PNL_SQUARED = 50
DAY_EQUITY = 51  # equity at the last close of the day before
SUM_TRADE_RETURN = 52

# Counters.
BAR = 53  # first bar whose close is not yet marked
SCAN_FROM = 54  # first bar in which stops are looked for
ENTRY_BAR = 55
N_ORDERS = 56
N_FILLS = 57
N_TRADES = 58
N_WINS = 59
N_REJECTED = 60
N_CUT = 61
N_FILLED = 62
N_AMBIGUOUS = 63
BARS_IN_MARKET = 64
HALTED = 65  # 1: maximum drawdown reached, no more entries
HALTED_DAY = 66  # day + 1 on which the daily limit was reached
CURRENT_DAY = 67
N_CANCELLED = 68
N_STATE = 69

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
)
# What an order is; also the reason of its fills.
KINDS = ("signal", "stop_loss", "take_profit", "trailing_stop", "liquidation", "risk_limit", "open")
SIGNAL, STOPPED, TARGET_REACHED, TRAILED, LIQUIDATED, RISK_HALT, STILL_OPEN = range(7)

STATUSES = ("filled", "cut", "rejected", "cancelled", "unfilled")
FILLED, CUT, REJECTED, CANCELLED, UNFILLED = range(5)

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
    "position_open",
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
    POSITION_OPEN,
) = range(11)

# Metrics folded while simulating, in the order of the output vector.
METRICS = (
    "final_equity",
    "total_return",
    "cagr",
    "volatility",
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown",
    "recovery_factor",
    "exposure",
    "total_trades",
    "closed_trades",
    "win_rate",
    "profit_factor",
    "expectancy",
    "sqn",
    "average_trade_return",
    "total_fees",
    "total_slippage",
    "total_orders",
    "filled_orders",
    "rejected_orders",
    "ambiguous_bars",
    # The two below need the whole curve, so they are computed only where they are asked for.
    "max_drawdown_duration",
    "ulcer_index",
)
N_FOLDED = 23
N_METRICS = 25
