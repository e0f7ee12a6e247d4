"""Financing of one asset: plain Python, from docs/semantics.md alone, bar by bar."""

from dataclasses import dataclass, field


@dataclass
class Payments:
    """Rates a year of the step to each bar, and what is due by bar: dividends, splits, flows, funding."""

    days: list
    cash_rates: list
    debit_rates: list
    borrow_rates: list
    dividends: dict = field(default_factory=dict)
    splits: dict = field(default_factory=dict)
    flows: dict = field(default_factory=dict)
    funding: dict = field(default_factory=dict)
    reinvest: bool = False
    paid: list = field(default_factory=list)  # (bar, kind, amount)

    def begin(self, account, bar, close, watched):
        """Before anything else in a bar; ``close`` is the last one known.

        ``watched``: equity before, highest equity, equity of the day before; moved by money that comes or goes.
        """
        if bar > 0:
            self.interest(account, bar, close, watched[0])
        if bar in self.dividends:
            self.dividend(account, bar, self.dividends[bar], close)
            close -= self.dividends[bar]
        if bar in self.splits and account.units != 0:
            self.split(account, bar, self.splits[bar])
        if bar not in self.flows:
            return watched
        amount, before = self.flows[bar], watched[0]
        account.cash += amount
        self.paid.append((bar, "cash_flow", amount))
        scale = (before + amount) / before if before > 0 and before + amount > 0 else 1.0
        return before + amount, watched[1] * scale, watched[2] * scale

    def interest(self, account, bar, close, equity):
        if any(self.cash_rates + self.debit_rates) and abs(account.cash) <= 1e-12 * abs(equity):
            account.cash = 0.0  # what rounding left
        days, cash = self.days[bar] - self.days[bar - 1], account.cash
        cost = days * -account.units * close * self.borrow_rates[bar] / 365 if account.units < 0 else 0.0
        if cost:
            self.bear(account, bar, "borrowing", -cost)
        got = days * cash * (self.cash_rates if cash >= 0 else self.debit_rates)[bar] / 365
        if got:
            self.paid.append((bar, "cash_interest" if cash >= 0 else "debit_interest", got))
        account.cash += got - cost

    def bear(self, account, bar, kind, amount):
        account.trade.financing += amount
        self.paid.append((bar, kind, amount))

    def dividend(self, account, bar, amount, close):
        if account.units == 0:
            return
        income = account.units * amount
        self.bear(account, bar, "dividend", income)
        if not self.reinvest:
            account.cash += income
            return
        price = close - amount
        trade, change = account.trade, income / price
        trade.bought += abs(change) * price
        trade.size += abs(change)
        account.units += change
        account.average *= price / close
        account.best *= price / close
        self.shown(account, bar, change, price, "reinvested")

    def split(self, account, bar, ratio):
        change = account.units * (ratio - 1)
        trade = account.trade
        trade.size *= ratio
        trade.gone *= ratio
        account.units += change
        account.average /= ratio
        account.best /= ratio
        self.paid.append((bar, "split", 0.0))
        self.shown(account, bar, change, 0.0, "split")

    def shown(self, account, bar, change, price, kind):
        side, size = (1 if change > 0 else -1), abs(change)
        account.fills.append((bar, side, size, price, 0.0, kind))
        account.orders.append((bar, kind, side, size, size, "filled", ""))

    def fund(self, account, bar, close):
        """At the close of a bar, before what trades there."""
        if bar in self.funding and account.units != 0:
            paid = account.units * close * self.funding[bar]
            account.cash -= paid
            self.bear(account, bar, "funding", -paid)
