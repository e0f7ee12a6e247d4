"""hftbacktest's runner: each open becomes a book of one bid and one ask, half a spread of 5 bps either side.

Orders of a close are market orders sent at the next open without latency.  The book has ticks of 0.01, so
fills are rounded to about one part in 20,000 (finer ticks make its book slower).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTC,
    LOCAL_EVENT,
    MARKET,
    SELL_EVENT,
    BacktestAsset,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.types import event_dtype
from numba import njit
from protocol import FEE, SLIPPAGE, package_versions, rolling_mean, serve

CASH = 100_000.0
STEP = 1_000_000_000  # ns between bars
TICK = 0.01


@njit  # cannot be cached: hftbacktest's bindings hold pointers
def simulate(hbt, close, above, cash):
    """Trade on the signal of the close before; statistics are folded bar by bar."""
    previous, peak, total, squares, drawdown, entries = cash, cash, 0.0, 0.0, 0.0, 0
    units = 0.0
    for i in range(len(close)):
        if hbt.elapse(STEP) != 0:
            break
        if i > 0 and above[i - 1] != (units > 0.0):
            depth = hbt.depth(0)
            state = hbt.state_values(0)
            if above[i - 1]:
                units = (cash + state.balance - state.fee) / (depth.best_ask * (1 + FEE))
                hbt.submit_buy_order(0, i, depth.best_ask, units, GTC, MARKET, True)
                entries += 1
            else:
                hbt.submit_sell_order(0, i, depth.best_bid, units, GTC, MARKET, True)
                units = 0.0
            hbt.clear_inactive_orders(0)
        state = hbt.state_values(0)
        equity = cash + state.balance - state.fee + state.position * close[i]
        change = equity / previous - 1.0
        total += change
        squares += change * change
        previous = equity
        peak = max(peak, equity)
        drawdown = min(drawdown, equity / peak - 1.0)
    return previous / cash, total, squares, drawdown, entries


def book_events(open_):
    """Four events per bar: the new bid and ask, then the old ones removed."""
    flags = DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT
    bid, ask = np.round(open_ * (1 - SLIPPAGE), 2), np.round(open_ * (1 + SLIPPAGE), 2)
    events = np.zeros((len(open_), 4), event_dtype)
    events["exch_ts"] = events["local_ts"] = (STEP * (1 + np.arange(len(open_), dtype=np.int64)))[:, None]
    for column, (side, price) in enumerate(((BUY_EVENT, bid), (SELL_EVENT, ask))):
        events["ev"][:, column] = flags | side
        events["px"][:, column] = price
        events["qty"][:, column] = 1e12
        events["ev"][1:, column + 2] = flags | side
        events["px"][1:, column + 2] = price[:-1]
        same = np.append(False, price[1:] == price[:-1])
        events["qty"][same, column + 2] = 1e12
    used = events.reshape(-1)[(events["ev"] != 0).reshape(-1)]
    # the clock starts at the first event and stops at the last one: neither may be a bar's own
    before, after = used[:1].copy(), used[-1:].copy()
    for event, shift in ((before, -STEP), (after, STEP)):
        event["exch_ts"] = event["local_ts"] = event["exch_ts"] + shift
    return np.concatenate([before, used, after])


class Peer:
    def versions(self):
        return package_versions("hftbacktest", "numba", "numpy")

    def load(self, columns):
        self.close = columns["close"]
        self.events = book_events(columns["open"])
        self.low, self.high = columns["low"].min() * 0.99, columns["high"].max() * 1.01

    def single(self, fast, slow):
        return self._run(rolling_mean(self.close, fast) > rolling_mean(self.close, slow))

    def _run(self, above):
        asset = (
            BacktestAsset()
            .data(self.events)
            .linear_asset(1.0)
            .constant_order_latency(0, 0)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(FEE, FEE)
            .tick_size(TICK)
            .lot_size(1e-9)
            .roi_lb(self.low)
            .roi_ub(self.high)
        )
        backtest = ROIVectorMarketDepthBacktest([asset])
        backtest_result = simulate(backtest, self.close, above, CASH)
        backtest.close()
        return backtest_result[0], backtest_result[-1]

    def sweep(self, pairs, threads):
        means = {w: rolling_mean(self.close, w) for w in np.unique(pairs).tolist()}
        return [self._run(means[fast] > means[slow]) for fast, slow in pairs]


serve(Peer())
