"""The oracle of order rules for several assets that share one purse: what it knows of one asset is kept for each.

Orders of all assets stand in one queue.  What is bought of one asset needs what the others leave: they count at their
last closes, the asset itself at the price of its fill.
"""

import math

from tests.oracle_orders import Oracle


def of_asset(name):
    """An attribute that each asset has for itself; the asset is the one that is worked at the moment."""

    def put(oracle, value):
        oracle.own[oracle.at][name] = value

    return property(lambda oracle: oracle.own[oracle.at][name], put)


class PurseOracle(Oracle):
    """Simulates orders of several assets; ``bars`` are those of each, NaN where an asset has none."""

    bars, lots, used, _average = (of_asset(name) for name in ("bars", "lots", "used", "average"))

    def __init__(self, bars, orders, **settings):
        self.own = [{"bars": one, "mark": math.nan} for one in bars]
        self.at = 0
        super().__init__(bars[0], orders, **settings)
        for one in self.own:
            one |= {"lots": [], "used": 0.0, "average": math.nan}

    def new(self, **fields):
        fields.setdefault("asset", self.at)
        return super().new(**fields)

    def place_spec(self, spec, fields, bar):
        self.at = fields["asset"]
        super().place_spec(spec, fields, bar)

    def place(self, spec, bar):
        super().place(spec, bar)
        order = spec["made"]
        if order["trail"] is not None and math.isnan(order["stop"]) and order["reason"] != "size_zero":
            # Nothing to trail from: the asset never had a price.
            self.queue = [other for other in self.queue if other is not order]
            self.end(order, "rejected", "bad_price")

    def trailed(self, order, price):
        """From the last price that is known where there is none at the moment."""
        return super().trailed(order, price if price == price else self.own[self.at]["mark"])

    def turn(self, bar, fresh, chosen):
        super().turn(bar, fresh, lambda order: self.has_price(order, bar) and chosen(order))

    def has_price(self, order, bar):
        self.at = order["asset"]
        return self.bars["close"][bar] == self.bars["close"][bar]

    def begin(self, bar):
        for one in self.own:
            one["used"] = 0.0
            if math.isnan(one["mark"]):
                # Before its first close an asset counts at its open.
                one["mark"] = one["bars"]["open"][bar]

    def settle(self, bar):
        for one in self.own:
            close = one["bars"]["close"][bar]
            one["mark"] = close if close == close else one["mark"]

    # Account -------------------------------------------------------------------------------------------
    def held(self):
        """Assets that are held, with their position and last close."""
        positions = ((one, sum(lot["size"] for lot in one["lots"])) for one in self.own)
        return [(one, position, one["mark"]) for one, position in positions if position]

    def worth(self, one, position, price):
        if position > 0 and self.leverage != 1.0:
            return position * one["average"] / self.leverage + position * (price - one["average"])
        return position * price

    def free_margin(self, price):
        here, free = self.own[self.at], self.cash
        for one, position, mark in self.held():
            now = price if one is here else mark
            tied = sum(abs(lot["size"]) for lot in one["lots"]) * now / self.leverage
            free += self.worth(one, position, now) - tied
        return max(0.0, free)

    def equity(self, price):
        return self.cash + sum(self.worth(one, position, mark) for one, position, mark in self.held())
