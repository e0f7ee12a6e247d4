"""Further rules for the plain-Python oracle of orders, one method each, from `OrderRules` and docs/orders.md."""

import math

from tests.oracle_orders import LIVE, Oracle


class RulesOracle(Oracle):
    """`Oracle` with tiers, minimum and maker fees, steps, slippage in price units, latency, interest, modifications."""

    def __init__(self, bars, orders, *, cash, extra, **settings):
        super().__init__(bars, orders, cash=cash, **settings)
        self.extra = extra
        self.traded, self.maker = 0.0, False
        self.interest = self.cash_interest = self.funding = 0.0  # what the account got; negative: paid

    # Fees ----------------------------------------------------------------------------------------------
    def fee(self, size, price):
        rate = self.rate
        for value, reduced in self.extra["tiers"]:
            if self.traded >= value:
                rate = reduced
        if self.maker and self.extra["maker_rate"] is not None:
            rate = self.extra["maker_rate"]
        fee = self.fixed + rate * size * price
        # With a rebate there is no minimum.
        return fee if (self.extra["maker_rate"] or 0.0) < 0.0 else max(fee, self.extra["minimum"])

    def record(self, order, size, price, fee, bar):
        super().record(order, size, price, fee, bar)
        self.traded += size * price

    # Prices --------------------------------------------------------------------------------------------
    def price_of(self, order, bar):
        found = super().price_of(order, bar)
        self.maker = found is not None and found[1] == "limit"
        return found

    def touched(self, low, limit):
        return low < limit if self.extra["through"] else low <= limit

    def worse(self, price, side):
        if self.extra["slip"] == "fraction":
            price = super().worse(price, side)
            if self.slippage == 0.0:
                return price
        elif self.extra["slip"] == "absolute":
            price = max(price + side * 0.15, 0.0)
        else:
            price = max(price + side * self.extra["half_spread"][self.bar], 0.0)
        tick = self.extra["tick"]
        return side * math.ceil(side * price / tick - 1e-9) * tick if tick else price

    def stepped(self, price):
        tick = self.extra["tick"]
        return round(price / tick) * tick if tick and price is not None else price

    def whole(self, size):
        lot = self.extra["lot"]
        return math.floor(size * (1 + 1e-12) / lot) * lot if lot else size

    def trailed(self, order, price):
        distance = order["trail"] * (1.0 if order.get("trail_unit") == "distance" else price)
        return self.stepped(price + order["side"] * distance)

    def mark(self, order, bar):
        """The watermark of the rules: the close, the high, the low, the best price for the order or the worst."""
        best, worst = ("low", "high") if order["side"] > 0 else ("high", "low")
        name = {"extreme": best, "opposite": worst}.get(self.extra["watermark"], self.extra["watermark"])
        return self.bars[name][bar]

    # Time ----------------------------------------------------------------------------------------------
    def begin(self, bar):
        """Interest for the days since the last bar, on its close."""
        days = self.bars["day"][bar] - self.bars["day"][bar - 1] if bar else 0
        if not days:
            return
        position = self.position()
        rate = self.extra["borrow_short"] if position < 0 else self.extra["borrow_long"]
        charge = days * abs(position) * self.bars["close"][bar - 1] * rate / 365.0
        on_cash = min(self.cash, 0.0) * days * self.extra["borrow_cash"] / 365.0
        self.cash += on_cash - charge
        self.interest += on_cash - charge
        self.cash_interest += on_cash
        self.bear(-charge)

    def settle(self, bar):
        """Funding at the close, where some is due: longs pay shorts."""
        rate = self.extra["funding"][bar]
        if math.isnan(rate) or not self.lots:
            return
        paid = self.position() * self.bars["close"][bar] * rate
        self.cash -= paid
        self.funding -= paid
        self.bear(-paid)

    def bear(self, amount):
        """Lots bear what the position gets, each by its size."""
        position = self.position()
        for lot in self.lots:
            lot["financing"] += amount * lot["size"] / position if position else 0.0

    def place(self, spec, bar):
        for name in ("limit", "stop"):
            spec[name] = self.stepped(spec.get(name))
        spec["size"] = self.whole(spec["size"])
        super().place(spec, bar)
        spec["made"]["active"] = bar + 1 + self.extra["latency"]

    def complete(self, order, bar):
        waiting = [other for other in self.queue if other["parent"] is order and other["status"] == "waiting"]
        arrivals = [other["active"] for other in waiting]
        super().complete(order, bar)
        for other, arrival in zip(waiting, arrivals, strict=True):
            if arrival > bar:
                # A child may arrive after its parent was filled.
                other["active"], other["fresh"] = max(arrival, bar + 1), -1

    # Changes -------------------------------------------------------------------------------------------
    def attach(self, lot, role, price, bar):
        return super().attach(lot, role, self.stepped(price), bar)

    def exits_now(self, order, bar):
        stepped = {name: self.stepped(order[name]) for name in ("stop_loss", "take_profit")}
        return super().exits_now({**order, **stepped}, bar)

    def open(self, order, size, price, fee, bar):
        count = len(self.lots)
        super().open(order, size, price, fee, bar)
        for lot in self.lots[count:]:
            lot["of"] = order

    def modify(self, spec, bar):
        made = spec["of"]["made"]
        if made["status"] in LIVE:
            for name in ("stop_loss", "take_profit", "valid"):
                made[name] = spec.get(name, made[name])
            if "limit" in spec and made["limit"] is not None:
                made["limit"] = self.stepped(spec["limit"])
            if "stop" in spec and made["stop"] is not None and not made["triggered"]:
                made["stop"] = self.stepped(spec["stop"])
            if "size" in spec:
                self.resize(made, self.whole(spec["size"]), bar)
        for lot in self.lots:
            if lot["of"] is made:
                for name, column in (("take_profit", "target_order"), ("stop_loss", "stop_order")):
                    if name in spec:
                        old = lot[column]
                        if old is not None and old["status"] in LIVE:
                            self.end(old, "cancelled", "replaced")
                        self.attach(lot, name, spec[name], bar)

    def resize(self, order, size, bar):
        order["size"] = max(size, order["filled"])
        order["remaining"] = order["size"] - order["filled"]
        if order["remaining"] > 0:
            return
        if order["filled"] == 0:
            self.end_all(order, "cancelled", "size_zero")
        else:
            self.complete(order, bar)
