"""Financing of the portfolio oracle: plain Python, from the page alone, bar by bar."""

from dataclasses import dataclass, field

from tests.oracle_portfolio_rules import Order, sign

CLOSE = 3


@dataclass
class Payments:
    """Rates a year, and what is due by bar: ``{bar: {symbol: amount}}``, flows ``{bar: amount}``."""

    days: list
    cash_rates: list
    debit_rates: list
    borrow_rates: dict
    dividends: dict = field(default_factory=dict)
    splits: dict = field(default_factory=dict)
    flows: dict = field(default_factory=dict)
    funding: dict = field(default_factory=dict)
    reinvest: bool = False
    paid: list = field(default_factory=list)  # (bar, symbol, kind, amount)
    returns: list = field(default_factory=list)
    closes: dict = field(default_factory=dict)

    def note(self, account, bar, symbol, kind, amount):
        self.paid.append((bar, symbol, kind, amount))
        if symbol is not None:
            account.flow[symbol] += amount

    def begin(self, account, bar):
        self.closes = {}
        if bar > 0:
            self.interest(account, bar)
        for symbol, amount in self.dividends.get(bar, {}).items():
            self.dividend(account, bar, symbol, amount)
        for symbol, ratio in self.splits.get(bar, {}).items():
            before = self.closes.get(symbol, account.last_close(symbol, bar - 1))
            self.closes[symbol] = before / ratio
            units = account.units[symbol]
            if units != 0:
                self.changed(account, bar, symbol, units * ratio - units, 0.0, "split", "split")
        if bar in self.flows:
            account.cash += self.flows[bar]
            self.note(account, bar, None, "cash_flow", self.flows[bar])

    def interest(self, account, bar):
        days = self.days[bar] - self.days[bar - 1]
        equity = account.cash + sum(
            account.units[symbol] * account.last_close(symbol, bar - 1) for symbol in account.held()
        )
        if (self.cash_rates[bar - 1] or self.debit_rates[bar - 1]) and abs(account.cash) <= 1e-12 * abs(
            equity
        ):
            account.cash = 0.0  # what rounding left
        cash, owed = account.cash, 0.0
        for symbol in account.held():
            units = account.units[symbol]
            if units < 0:
                value = -units * account.last_close(symbol, bar - 1)
                cost = days * value * self.borrow_rates.get(symbol, 0.0) / 365
                owed += cost
                if cost:
                    self.note(account, bar, symbol, "borrowing", -cost)
        rate = (self.cash_rates if cash >= 0 else self.debit_rates)[bar - 1]
        got = days * cash * rate / 365
        if got:
            self.note(account, bar, None, "cash_interest" if cash >= 0 else "debit_interest", got)
        account.cash += got - owed

    def dividend(self, account, bar, symbol, amount):
        scale = account.rules.multipliers.get(symbol, 1.0)
        close = account.last_close(symbol, bar - 1)
        self.closes[symbol] = close - amount * scale
        units = account.units[symbol]
        if units == 0:
            return
        income = units * amount * scale
        self.note(account, bar, symbol, "dividend", income)
        if self.reinvest:
            price = close - amount * scale
            account.flow[symbol] -= income
            self.changed(account, bar, symbol, income / price, price / scale, "reinvested", "dividend")
        else:
            account.cash += income

    def changed(self, account, bar, symbol, change, price, kind, reason):
        account.units[symbol] += change
        size = abs(change)
        account.orders.append(
            Order(bar, bar, symbol, sign(change), size, size, price, 0, kind, "filled", reason)
        )

    def fund(self, account, bar):
        for symbol, rate in self.funding.get(bar, {}).items():
            units = account.units[symbol]
            if units != 0:
                paid = units * account.last_close(symbol, bar) * rate
                account.cash -= paid
                self.note(account, bar, symbol, "funding", -paid)

    def marked(self, account, bar):
        """The bar's return: money that came or went is none."""
        before = account.equity[bar - 1] if bar else account.rules.initial_cash
        base = before + self.flows.get(bar, 0.0)
        self.returns.append(account.equity[bar] / base - 1 if base > 0 and before > 0 else 0.0)
