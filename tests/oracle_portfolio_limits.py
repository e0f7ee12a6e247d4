"""The oracle of portfolios with limits of the account, from docs/portfolio_semantics.md alone."""

from tests.oracle_portfolio import OPEN, Account, Order, Wish, sign


class LimitedAccount(Account):
    """An account whose equity is looked at after each mark; ``days`` are the calendar days of the bars."""

    def __init__(self, prices, rules, days, payments=None):
        super().__init__(prices, rules, payments)
        self.days, self.bar = days, 0
        self.previous = self.peak = self.day_equity = rules.initial_cash
        self.halted, self.halted_day = False, None
        self.leaving = {}  # symbol -> bar of the breach

    def reason_not_to_open(self):
        if self.halted:
            return "drawdown_limit"
        return "daily_loss_limit" if self.halted_day == self.days[self.bar] else ""

    def delist(self, bar):
        """What comes before the orders of a bar."""
        super().delist(bar)
        self.bar = bar
        if bar == 0 or self.days[bar] != self.days[bar - 1]:
            self.day_equity = self.previous
        flow = self.payments.flows.get(bar, 0.0) if self.payments else 0.0
        if self.previous > 0 and self.previous + flow > 0:
            for name in ("peak", "day_equity"):
                setattr(self, name, getattr(self, name) * ((self.previous + flow) / self.previous))
        for symbol in [symbol for symbol in self.held() if symbol in self.leaving]:
            if self.price(symbol, bar, OPEN) is not None:
                units = self.units[symbol]
                wish = Wish(symbol, 0.0, self.leaving.pop(symbol))
                self.fill(wish, bar, OPEN, -units, abs(units), "filled", "")
                self.orders[-1].kind = "risk_limit"

    def size(self, wish, bar, place, before, equity, band):
        size = super().size(wish, bar, place, before, equity, band)
        reason, units = self.reason_not_to_open(), self.units[wish.symbol]
        if not reason or size == 0:
            return size
        closing = min(abs(size), abs(units)) if units * size < 0 else 0.0
        if abs(size) > closing:
            self.refuse(wish, bar, sign(size), abs(size) - closing, reason)
        return sign(size) * closing

    def mark(self, bar):
        super().mark(bar)
        equity = self.previous = self.equity[-1]
        self.peak = max(self.peak, equity)
        drawdown, loss, breach = self.rules.max_drawdown, self.rules.daily_loss, False
        if drawdown and not self.halted and equity <= self.peak * (1 - drawdown):
            self.halted = breach = True
        if loss and self.halted_day != self.days[bar] and equity <= self.day_equity * (1 - loss):
            self.halted_day, breach = self.days[bar], True
        if breach:
            for symbol in self.held():
                self.leaving.setdefault(symbol, bar)

    def run(self, rows):
        super().run(rows)
        for symbol in self.held():
            if symbol in self.leaving:
                side = -sign(self.units[symbol])
                self.orders.append(
                    Order(
                        self.leaving[symbol],
                        -1,
                        symbol,
                        side,
                        0,
                        0,
                        0,
                        0,
                        "risk_limit",
                        "unfilled",
                        "end_of_data",
                    )
                )
        return self
