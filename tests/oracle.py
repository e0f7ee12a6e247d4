"""The semantics a second time: plain Python floats, bar by bar, written from docs/semantics.md alone.

Nothing is imported from the kernels or the engine.  Slow on purpose: every rule stands where the page has it.
"""

import itertools
import math
import statistics
from dataclasses import dataclass, field


def opposite(one, other):
    """On different sides of zero; the product of two tiny numbers may be zero."""
    return (one > 0 and other < 0) or (one < 0 and other > 0)


@dataclass
class Rules:
    initial_cash: float = 1000.0
    fill_at: str = "next_open"
    both_hit: str = "stop_first"
    entry_bar_stops: bool = True
    rate: float = 0.0
    maker_rate: float | None = None
    fixed: float = 0.0
    minimum: float = 0.0
    per_unit: float = 0.0
    slippage_bps: float = 0.0
    slippage_abs: float = 0.0
    stop_loss: float | None = None
    take_profit: float | None = None
    trailing: float | None = None
    unit: str = "fraction"
    watermark: str = "extreme"
    # ("units", u) ("value", v) ("risk", r, max_position, min_value)
    # ("volatility", v, window, most, fallback) ("kelly", share, trades, most, fallback, least)
    sizing: tuple = ("fraction", 1.0)
    year: float = 252.0
    lot_size: float = 0.0
    min_size: float = 0.0
    leverage: float = 1.0
    max_position: float | None = None
    max_drawdown: float | None = None
    daily_loss: float | None = None
    weights: bool = False
    enter_only_flat: bool = False
    signed: bool = False  # the bars have prices at or below zero


@dataclass
class Trade:
    side: int
    entry_bar: int
    bought: float = 0.0  # value of the fills that built the position
    size: float = 0.0
    sold: float = 0.0
    gone: float = 0.0
    fees: float = 0.0
    financing: float = 0.0
    exit_bar: int = -1
    reason: str = ""

    @property
    def gross(self):
        return self.side * (self.sold - self.bought)


@dataclass
class Account:
    rules: Rules
    cash: float
    units: float = 0.0
    trade: Trade | None = None
    best: float = 0.0
    average: float = 0.0  # cost of a unit of what is held
    estimate: tuple = (0.0, "")
    orders: list = field(default_factory=list)  # (decided, kind, side, requested, filled, status, reason)
    fills: list = field(default_factory=list)  # (bar, side, size, price, fee, reason)
    trades: list = field(default_factory=list)
    ambiguous: int = 0
    financed: bool = False

    def fee(self, size, price, maker):
        rules = self.rules
        rate = rules.maker_rate if maker and rules.maker_rate is not None else rules.rate
        fee = size * abs(price) * rate + rules.fixed + size * rules.per_unit
        # With a rebate there is no minimum.
        rebate = rules.maker_rate is not None and rules.maker_rate < 0
        return fee if rebate else max(fee, rules.minimum)

    def slip(self, price, side):
        moved = price + side * (abs(price) * self.rules.slippage_bps / 10000 + self.rules.slippage_abs)
        return moved if self.rules.signed else max(moved, 0.0)

    def fill(self, bar, side, size, price, reason, maker=False):
        fee = self.fee(size, price, maker)
        closing = opposite(self.units, side)
        if closing:
            trade = self.trade
            trade.sold += size * price
            trade.gone += size
        else:
            if self.units == 0:
                self.trade = Trade(side, bar)
                self.best = self.average = price
            else:
                held = abs(self.units)
                self.average = (self.average * held + price * size) / (held + size)
            trade = self.trade
            trade.bought += size * price
            trade.size += size
        trade.fees += fee
        self.cash -= side * size * price + fee
        all_gone = closing and size >= abs(self.units)
        self.units = 0.0 if all_gone else self.units + side * size
        self.fills.append((bar, side, size, price, fee, reason))
        if all_gone:
            trade.exit_bar, trade.reason = bar, reason
            self.trades.append(trade)
            self.trade = None

    def close_all(self, bar, reference, reason, decided):
        side = -1 if self.units > 0 else 1
        size = abs(self.units)
        self.fill(bar, side, size, self.slip(reference, side), reason)
        self.orders.append((decided, reason, side, size, size, "filled", ""))

    def distance(self, setting, price):
        return setting if self.rules.unit == "absolute" else setting * price

    def wanted(self, target, equity, price):
        if self.rules.weights:
            return abs(target) * equity / price
        kind, value = self.rules.sizing[:2]
        if kind == "fraction":
            return value * equity / price
        if kind in ("volatility", "kelly"):
            return self.estimate[0] * equity / price
        if kind == "units":
            return value
        if kind == "value":
            return value / price
        stop = self.rules.stop_loss if self.rules.stop_loss else self.rules.trailing
        by_risk = value * equity / self.distance(stop, price)
        return min(by_risk, self.rules.sizing[2] * equity / price)

    def estimate_fraction(self, decided, bars):
        """Fraction of equity of an estimated size, and why it is zero if it is."""
        rules = self.rules
        kind, value, count, most, fallback = rules.sizing[:5]
        found = None
        if kind == "volatility":
            closes = [bar[3] for bar in bars[: decided + 1] if bar is not None]
            closes = closes[-(count + 1) :]
            if len(closes) == count + 1:
                returns = [after / before - 1 for before, after in itertools.pairwise(closes)]
                risk = statistics.stdev(returns) * math.sqrt(rules.year)
                found = value / risk if risk > 0 else math.inf
        elif len(self.trades) >= count:
            results = [(trade.gross - trade.fees + trade.financing) / trade.bought for trade in self.trades]
            wins = [result for result in results if result > 0]
            others = [-result for result in results if result <= 0]
            rate = len(wins) / len(results)
            criterion = rate
            if wins and others:
                payoff = statistics.fmean(wins) / max(statistics.fmean(others), 1e-300)
                criterion = rate - (1 - rate) / payoff
            found = max(value * criterion, rules.sizing[5])
        fraction = max(min(fallback if found is None else found, most), 0.0)
        return fraction, ("" if fraction > 0 else "no_estimate" if found is None else "no_edge")

    def whole(self, size):
        """Whole lots; an error of 1e-12 of the size and of the position that it is a difference to costs none."""
        lot = self.rules.lot_size
        return math.floor((size + 1e-12 * (size + abs(self.units))) / lot) * lot if lot > 0 else size

    def payable(self, equity, reference, price):
        rules = self.rules
        budget = rules.leverage * equity - abs(self.units * reference)
        price = max(abs(price), 1e-300)  # any number can be paid at a price of zero
        one = (budget - rules.fixed) / (price * (1 + rules.rate) + rules.per_unit)
        other = (budget - rules.minimum) / price
        return max(0.0, min(one, other))

    def size_to_open(self, target, reference, price, halted):
        """(requested, size, reason)"""
        rules = self.rules
        if price <= 0 and not rules.signed:
            return 0.0, 0.0, "no_cash"
        equity = self.cash + self.units * reference
        wanted = max(self.wanted(target, equity, price) - abs(self.units), 0.0)
        if self.units != 0 and wanted == 0:
            return 0.0, 0.0, "min_size"
        halted = halted or self.estimate[1]
        if halted:
            return wanted, 0.0, halted
        if equity <= 0:
            return wanted, 0.0, "no_cash"
        payable = self.payable(equity, reference, price)
        requested, size, reason = wanted, wanted, ""
        by_fraction = rules.sizing[0] in ("fraction", "volatility", "kelly")
        if (rules.weights or by_fraction) and payable > 0:
            requested = size = min(wanted, payable)
        if size > payable:
            size, reason = payable, ("cash" if payable > 0 else "no_cash")
        if rules.max_position:
            most = max(rules.max_position * equity / max(abs(price), 1e-300) - abs(self.units), 0.0)
            if size > most:
                size, reason = most, "max_position"
        size = self.whole(size)
        if size <= 0:
            return requested, 0.0, reason or "min_size"
        if size < rules.min_size:
            return requested, 0.0, "min_size"
        if not rules.weights and rules.sizing[0] == "risk" and size * price < rules.sizing[3]:
            return requested, 0.0, "below_minimum_value"
        return requested, size, reason

    def order(self, decided, bar, target, reference, halted, bars):
        """Carry out a decision at its fill price."""
        units, held = self.units, abs(self.units)
        rules = self.rules
        if rules.sizing[0] in ("volatility", "kelly") and not rules.weights:
            self.estimate = self.estimate_fraction(decided, bars)
        if target == 0:
            if units != 0:
                self.close_all(bar, reference, "signal", decided)
            return
        side = 1 if target > 0 else -1
        if units != 0 and rules.enter_only_flat:
            return
        same = units != 0 and not opposite(units, target)
        if same and not rules.weights:
            return
        if same:
            price = self.slip(reference, -side)
            equity = self.cash + units * reference
            if equity <= 0:
                surplus = held
            elif price > 0:
                surplus = self.whole(max(held - abs(target) * equity / price, 0.0))
                surplus = held if surplus >= held * (1 - 1e-12) else surplus
            else:
                surplus = 0.0
            if surplus > 0:
                self.fill(bar, -side, surplus, price, "signal")
                self.orders.append((decided, "signal", -side, surplus, surplus, "filled", ""))
                return
        closed = 0.0
        if opposite(units, target):
            self.fill(bar, side, held, self.slip(reference, side), "signal")
            closed = held
        price = self.slip(reference, side)
        requested, size, reason = self.size_to_open(target, reference, price, halted)
        if size > 0:
            self.fill(bar, side, size, price, "signal")
        if same and requested <= 0 and reason == "min_size":
            return
        if size > 0 and not reason:
            status = "filled"
        else:
            status = "cut" if closed + size > 0 else "rejected"
        self.orders.append((decided, "signal", side, closed + requested, closed + size, status, reason))

    def stops(self):
        """(stop level, kind of stop, target level), None where not set."""
        rules, trade = self.rules, self.trade
        side = trade.side
        entry = self.average
        levels = []
        if rules.stop_loss:
            levels.append((entry - side * self.distance(rules.stop_loss, entry), "stop_loss"))
        owes = self.financed and self.cash < 0
        if side < 0 or rules.leverage > 1 or rules.signed or owes:
            levels.append((-self.cash / self.units, "liquidation"))
        if rules.trailing:
            drop = self.distance(rules.trailing, abs(self.best))
            levels.append((self.best - side * drop, "trailing_stop"))
        level, kind = None, ""
        for candidate, name in levels:
            if level is None or side * candidate > side * level:
                level, kind = candidate, name
        goal = None
        if rules.take_profit:
            goal = entry + side * self.distance(rules.take_profit, entry)
        return level, kind, goal

    def inside_bar(self, bar, o, h, l, c):  # noqa: E741
        """Stops and targets of one bar."""
        side = self.trade.side
        level, kind, goal = self.stops()
        worst, best = (l, h) if side > 0 else (h, l)

        def beyond_stop(price):
            return level is not None and side * price <= side * level

        def beyond_goal(price):
            return goal is not None and side * price >= side * goal

        if beyond_stop(o):
            self.close_all(bar, o, kind, bar)
        elif beyond_goal(o):
            self.take_profit(bar, o)
        elif beyond_stop(worst) and beyond_goal(best):
            self.ambiguous += 1
            rule = self.rules.both_hit
            rounding = 1e-12 * (abs(goal) + abs(level))
            nearer = side * (goal - o) < side * (o - level) - rounding
            if rule == "target_first" or (rule == "nearest_to_open" and nearer):
                self.take_profit(bar, goal)
            else:
                self.close_all(bar, level, kind, bar)
        elif beyond_stop(worst):
            self.close_all(bar, level, kind, bar)
        elif beyond_goal(best):
            self.take_profit(bar, goal)
        else:
            mark = {"extreme": best, "close": c, "high": h, "low": l}[self.rules.watermark]
            self.best = max(self.best, mark) if side > 0 else min(self.best, mark)

    def take_profit(self, bar, price):
        size, side = abs(self.units), -self.trade.side
        self.fill(bar, side, size, price, "take_profit", maker=True)
        self.orders.append((bar, "take_profit", side, size, size, "filled", ""))


def run(bars, decide, rules, days=None, payments=None):
    """Backtest.

    bars: list of (open, high, low, close), None for a bar without prices.  decide: dict of bar -> target.
    days: day number of each bar.  payments: see `oracle_financing`.  Returns (account, equity, cash, position).
    """
    account = Account(rules, rules.initial_cash, financed=payments is not None)
    count = len(bars)
    at_close = rules.fill_at == "close"
    curves = ([], [], [])
    pending = None  # (decided bar, target)
    leaving = None  # bar whose close asked to leave
    mark = math.nan
    previous = peak = day_equity = rules.initial_cash
    halted, halted_day, today = False, None, None

    def block(bar):
        if halted:
            return "drawdown_limit"
        if halted_day is not None and days[bar] == halted_day:
            return "daily_loss_limit"
        return ""

    def never(decided, target, status, reason):
        units = account.units
        if target == 0 and units == 0:
            return
        if (
            target != 0
            and units != 0
            and (rules.enter_only_flat or not (rules.weights or opposite(units, target)))
        ):
            return
        side = 1 if target > 0 or (target == 0 and units < 0) else -1
        account.orders.append((decided, "signal", side, 0.0, 0.0, status, reason))

    for bar in range(count):
        priced = bars[bar] is not None
        opened_here = False
        if payments is not None:
            previous, peak, day_equity = payments.begin(account, bar, mark, (previous, peak, day_equity))
        if days is not None and days[bar] != today:
            today, day_equity = days[bar], previous
        if priced:
            o, h, l, c = bars[bar]  # noqa: E741
            if leaving is not None:
                if account.units != 0:
                    account.close_all(bar, o, "risk_limit", leaving)
                leaving = None
            if not at_close and pending is not None:
                before = account.trade
                account.order(pending[0], bar, pending[1], o, block(bar), bars)
                opened_here = account.trade is not None and account.trade is not before
                pending = None
            if account.units != 0 and (not opened_here or rules.entry_bar_stops):
                account.inside_bar(bar, o, h, l, c)
            mark = c
        if payments is not None:
            payments.fund(account, bar, mark)
        if at_close:
            if bar in decide:
                if pending is not None:
                    never(*pending, "cancelled", "replaced")
                pending = (bar, decide[bar])
            if priced and pending is not None:
                account.order(pending[0], bar, pending[1], c, block(bar), bars)
                pending = None
        equity = account.cash + account.units * mark if account.units != 0 else account.cash
        for curve, value in zip(curves, (equity, account.cash, account.units), strict=True):
            curve.append(value)
        previous = equity
        peak = max(peak, equity)
        breach = False
        if rules.max_drawdown and not halted and equity <= peak * (1 - rules.max_drawdown):
            halted = breach = True
        if rules.daily_loss and halted_day != days[bar] and equity <= day_equity * (1 - rules.daily_loss):
            halted_day, breach = days[bar], True
        if breach and account.units != 0 and leaving is None:
            leaving = bar
        if not at_close and bar in decide:
            if pending is not None:
                never(*pending, "cancelled", "replaced")
            pending = (bar, decide[bar])
    if leaving is not None and account.units != 0:
        side = -1 if account.units > 0 else 1
        account.orders.append((leaving, "risk_limit", side, 0.0, 0.0, "unfilled", "end_of_data"))
    if pending is not None:
        never(*pending, "unfilled", "end_of_data")
    return account, *curves
