"""Portfolios a second time: plain Python floats and dicts, bar by bar, from docs/portfolio_semantics.md alone.

Nothing is imported from the kernels or the engine.  Slow on purpose: every rule stands where the page has it.
"""

from tests.oracle_portfolio_rules import Costs as Costs
from tests.oracle_portfolio_rules import Order, Wish, lots, sign
from tests.oracle_portfolio_rules import Rules as Rules

COVERED = 1e-9
OPEN, HIGH, LOW, CLOSE = range(4)


class Account:
    def __init__(self, prices, rules, payments=None):
        self.prices, self.rules, self.payments = prices, rules, payments
        self.bars = len(next(iter(prices.values())))
        self.cash = rules.initial_cash
        self.units = dict.fromkeys(prices, 0.0)
        self.flow = dict.fromkeys(prices, 0.0)
        self.waiting = {}  # symbol -> (weight, decided)
        self.orders, self.equity, self.cash_at = [], [], []

    # Prices

    def times(self, symbol, price):
        return None if price is None else price * self.rules.multipliers.get(symbol, 1.0)

    def price(self, symbol, bar, place):
        found = self.prices[symbol][bar]
        return None if found is None else self.times(symbol, found[place])

    def last_close(self, symbol, bar):
        for earlier in range(bar, -1, -1):
            found = self.price(symbol, earlier, CLOSE)
            if found is not None:
                return found
        return None

    def valued(self, symbol, bar, place):
        found = self.price(symbol, bar, place)
        return self.last_close(symbol, bar) if found is None else found

    def slipped(self, symbol, reference, side):
        """Slippage is on the price of a unit; the multiplier comes on top."""
        costs, scale = self.costs(symbol), self.rules.multipliers.get(symbol, 1.0)
        plain = reference / scale
        moved = max(plain * (1 + side * (costs.slippage_bps / 10_000)) + side * costs.slippage_abs, 0.0)
        return moved * scale

    def costs(self, symbol):
        return self.rules.own_costs.get(symbol, self.rules.costs)

    def fee(self, symbol, size, price, side, exits):
        costs, value = self.costs(symbol), size * price
        if self.rules.fee_from == "position" and side > 0 and not exits:
            return value / (1 - costs.rate) * costs.rate
        return max(value * costs.rate + costs.fixed + size * costs.per_unit, costs.minimum)

    def held(self):
        return [symbol for symbol, units in self.units.items() if units != 0]

    # A bar

    def run(self, rows):
        delay = 0 if self.rules.fill_at == "close" else 1
        place = OPEN if self.rules.fill_at == "next_open" else CLOSE
        for bar in range(self.bars):
            if self.payments:
                self.payments.begin(self, bar)
            self.delist(bar)
            decided = bar - delay
            wishes = []
            if decided in rows:
                for symbol, weight in rows[decided].items():
                    if symbol in self.waiting:
                        self.end(symbol, "cancelled", "replaced")
                    wishes.append(Wish(symbol, weight, decided))
            for symbol in list(self.waiting):
                if self.price(symbol, bar, place) is not None:
                    weight, when = self.waiting.pop(symbol)
                    wishes.append(Wish(symbol, weight, when))
            if self.payments and place == CLOSE:
                self.payments.fund(self, bar)
            self.trade(wishes, bar, place, bar - delay)
            if self.payments and place == OPEN:
                self.payments.fund(self, bar)
            self.mark(bar)
            if self.payments:
                self.payments.marked(self, bar)
        for symbol in list(self.waiting):
            self.end(symbol, "unfilled", "end_of_data")
        for decided in sorted(rows):
            if decided + delay >= self.bars:
                for symbol, weight in rows[decided].items():
                    if weight != 0 or self.units[symbol] != 0:
                        self.waiting[symbol] = (weight, decided)
                        self.end(symbol, "unfilled", "end_of_data")
        return self

    def end(self, symbol, status, reason):
        weight, decided = self.waiting.pop(symbol)
        side = 1 if weight > 0 or (weight == 0 and self.units[symbol] < 0) else -1
        self.orders.append(Order(decided, -1, symbol, side, 0, 0, 0, 0, "rebalance", status, reason))

    def delist(self, bar):
        if self.rules.delisted == "hold":
            return
        share = {"last_price": 1.0, "zero": 0.0}.get(self.rules.delisted, self.rules.delisted)
        for symbol in self.held():
            if all(found is None for found in self.prices[symbol][bar:]):
                units, price = self.units[symbol], self.last_close(symbol, bar) * share
                self.cash += units * price
                self.flow[symbol] += units * price
                self.units[symbol] = 0.0
                scale = self.rules.multipliers.get(symbol, 1.0)
                self.orders.append(
                    Order(bar, bar, symbol, -sign(units), abs(units), abs(units), price / scale, 0,
                          "delisted", "filled", "delisted")
                )  # fmt: skip

    def mark(self, bar):
        place = OPEN if self.rules.mark_at == "open" else CLOSE
        worth = sum(self.units[symbol] * self.valued(symbol, bar, place) for symbol in self.held())
        self.equity.append(self.cash + worth)
        self.cash_at.append(self.cash)

    # The orders of a bar

    def sizing_price(self, symbol, bar, place, before):
        if self.rules.size_at == "decision":
            if self.payments and before < bar and symbol in self.payments.closes:
                return self.payments.closes[symbol]
            return self.last_close(symbol, before)
        return self.valued(symbol, bar, place)

    def trade(self, wishes, bar, place, before):
        rules = self.rules
        if not wishes:
            return
        equity = self.cash + sum(
            self.units[symbol] * self.sizing_price(symbol, bar, place, before) for symbol in self.held()
        )
        # A weight of nothing that is not held is nothing.
        wishes = [wish for wish in wishes if wish.weight != 0 or self.units[wish.symbol] != 0]
        if equity > 0:
            self.limit(wishes, bar, place, before, equity)
        ready = []
        for wish in wishes:
            symbol = wish.symbol
            if wish.weight == 0 and self.units[symbol] == 0:
                self.refuse(wish, bar, 1, 0.0, wish.reason)  # a limit left nothing of it
                continue
            reference = self.price(symbol, bar, place)
            if reference is None or (rules.size_at == "decision" and self.last_close(symbol, before) is None):
                self.no_price(wish, bar)
                continue
            if wish.weight < 0 and rules.shorts == "refused":
                self.refuse(wish, bar, -1, 0.0, "shorting_not_allowed")
                wish.weight = 0.0
            size = self.size(wish, bar, place, before, equity * (1 - rules.cash_buffer), rules.band)
            if size == 0:
                continue
            whole = self.in_lots(symbol, abs(size), sign(size))
            if wish.weight != 0 and (whole if whole > 0 else abs(size)) * reference < rules.min_trade:
                self.refuse(wish, bar, sign(size), abs(size), "below_minimum_value")
                continue
            self.split(wish, size, equity, reference)
            ready.append(wish)
        for wish in ready:
            if wish.first != 0:
                self.fill(wish, bar, place, wish.first, abs(wish.first), "filled", wish.reason)
        worth = self.cash + sum(self.units[s] * self.valued(s, bar, place) for s in self.held())
        gross = sum(abs(self.units[s]) * self.valued(s, bar, place) for s in self.held())
        budget, scale = rules.leverage * worth - gross, abs(rules.leverage * worth) + gross
        if rules.buying_power == "cash":
            budget = self.cash + (rules.leverage - 1) * equity
            scale = abs(self.cash) + abs(equity)
        budget = 0.0 if abs(budget) <= 1e-12 * scale else budget
        queue = [wish for wish in ready if self.line_up(wish, bar, place, before, equity, worth)]
        self.spend(queue, bar, place, budget, equity)

    def limit(self, wishes, bar, place, before, equity):
        rules = self.rules
        about = {wish.symbol for wish in wishes}
        share = {
            symbol: self.units[symbol] * self.sizing_price(symbol, bar, place, before) / equity
            for symbol in self.held()
            if symbol not in about
        }
        if rules.shorts == "refused":
            wishes = [wish for wish in wishes if wish.weight > 0]

        def shrink(chosen, limit, others, reason):
            total = sum(abs(wish.weight) for wish in chosen)
            if total + others <= limit * (1 + 1e-12) or total == 0:
                return
            for wish in chosen:
                if wish.weight != 0:
                    wish.weight *= max(limit - others, 0.0) / total
                    wish.reason = reason

        if rules.max_group is not None:
            for group in sorted(set(rules.groups.values())):
                inside = [wish for wish in wishes if rules.groups.get(wish.symbol) == group]
                others = sum(abs(share[s]) for s in share if rules.groups.get(s) == group)
                shrink(inside, rules.max_group, others, "group_limit")
        if rules.max_gross is not None:
            shrink(wishes, rules.max_gross, sum(map(abs, share.values())), "gross_limit")
        if rules.max_net is not None:
            net = sum(share.values())
            side = 1 if net + sum(wish.weight for wish in wishes) > 0 else -1
            against = side * net + sum(min(side * wish.weight, 0.0) for wish in wishes)
            shrink([w for w in wishes if side * w.weight >= 0], rules.max_net, against, "net_limit")

    def no_price(self, wish, bar):
        side = 1 if wish.weight > 0 or (wish.weight == 0 and self.units[wish.symbol] < 0) else -1
        if self.rules.missing == "drop":
            self.refuse(wish, bar, side, 0.0, "no_price")
        else:
            self.waiting[wish.symbol] = (wish.weight, wish.decided)

    def refuse(self, wish, bar, side, size, reason):
        self.orders.append(
            Order(wish.decided, bar, wish.symbol, side, size, 0, 0, 0, "rebalance", "rejected", reason)
        )

    # Sizes

    def size(self, wish, bar, place, before, equity, band):
        """Signed size from what is held to what the weight asks for."""
        rules, units, weight = self.rules, self.units[wish.symbol], wish.weight
        if weight == 0 or equity <= 0:
            return -units
        size = (self.by_units if rules.fee_from == "cash" else self.by_amount)(
            wish.symbol, weight, equity, bar, place, before
        )
        reference = self.price(wish.symbol, bar, place)
        return 0.0 if band > 0 and abs(size) * reference < band * equity else size

    def at(self, symbol, bar, place, before, side):
        """Price that a value is divided by."""
        if self.rules.size_at == "fill":
            return self.slipped(symbol, self.price(symbol, bar, place), side)
        return self.sizing_price(symbol, bar, place, before)

    def by_units(self, symbol, weight, equity, bar, place, before):
        units, lot = self.units[symbol], self.rules.lot_size
        held, side = abs(units), sign(weight)

        def position(price):
            size = abs(weight) * equity / price
            return lots(size, lot) if self.rules.round_lots == "target" else size

        if units == 0 or sign(units) != side:
            return side * (held + position(self.at(symbol, bar, place, before, side)))
        beyond = held - position(self.at(symbol, bar, place, before, -side))
        if beyond > 0:
            if self.rules.round_lots == "order":
                whole = lots(beyond, lot, held)
                beyond = held if whole >= held * (1 - 1e-12) else whole
            return -side * beyond
        return side * max(position(self.at(symbol, bar, place, before, side)) - held, 0.0)

    def by_amount(self, symbol, weight, equity, bar, place, before):
        units, lot, rate = self.units[symbol], self.rules.lot_size, self.costs(symbol).rate
        raw = self.sizing_price(symbol, bar, place, before)
        amount = weight * equity - units * raw
        side = sign(amount)
        price = self.at(symbol, bar, place, before, side)
        if self.rules.fee_from == "amount":
            value = abs(amount) / (1 + rate) if side > 0 else abs(amount) / (1 - rate)
        else:
            value = abs(amount) * (1 - rate) if side > 0 else abs(amount)
        size = value / price
        if self.rules.round_lots != "down" or lot <= 0:
            return side * lots(size, lot, abs(units))
        z = abs(amount) / raw
        reduces = (units > 0 > amount) or (units < 0 < amount)
        z = -lots(-z, lot) if reduces else lots(z, lot)
        if z == 0:
            return 0.0
        if side * z == -units:
            return -units
        return side * (lots(size, lot) if side > 0 else -lots(-size, lot))

    def clip(self, wish, size, equity, reference):
        """Within the largest position."""
        most = self.rules.max_position
        if most is None or size == 0:
            return size
        price = self.slipped(wish.symbol, reference, sign(size))
        room = most * equity / max(price, 1e-300) - sign(size) * self.units[wish.symbol]
        if abs(size) > room:
            wish.reason = "max_position"
            return sign(size) * max(room, 0.0)
        return size

    def in_lots(self, symbol, size, side):
        held = max(side * self.units[symbol], 0.0) if self.rules.round_lots == "order" else 0.0
        return lots(size, self.rules.lot_size, held)

    def split(self, wish, size, equity, reference):
        units = self.units[wish.symbol]
        if self.rules.buying_power == "cash":
            if size > 0:
                wish.then = size
            elif wish.weight == 0:
                wish.first = size
            else:
                wish.first = -self.in_lots(wish.symbol, abs(self.clip(wish, size, equity, reference)), -1)
        elif units * size < 0:
            closing = min(abs(size), abs(units))
            wish.first = sign(size) * closing
            wish.then = size - wish.first
        else:
            wish.then = size

    # What spends money

    def line_up(self, wish, bar, place, before, equity, worth):
        size, reference = wish.then, self.price(wish.symbol, bar, place)
        if size == 0:
            return False
        if self.rules.buying_power == "equity" and wish.first != 0:
            equity = worth
            size = self.size(wish, bar, place, before, equity * (1 - self.rules.cash_buffer), 0.0)
        size = self.clip(wish, size, equity, reference)
        side = sign(size)
        whole = abs(size) if wish.weight == 0 else self.in_lots(wish.symbol, abs(size), side)
        if whole > 0:
            wish.then = side * whole
            return True
        if self.units[wish.symbol] == 0 or wish.reason:
            reason = wish.reason if size == 0 else "min_size"
            self.refuse(wish, bar, side, abs(wish.then), reason)
        return False

    def cost(self, wish, size, reference):
        side = sign(wish.then)
        price = self.slipped(wish.symbol, reference, side)
        return size * price + self.fee(wish.symbol, size, price, side, wish.weight == 0)

    def payable(self, wish, budget, reference):
        """Largest size within a budget."""
        price = self.slipped(wish.symbol, reference, sign(wish.then))
        costs = self.costs(wish.symbol)
        if self.rules.fee_from == "position" and wish.then > 0 and wish.weight != 0:
            return max(budget * (1 - costs.rate) / price, 0.0)
        by_rate = (budget - costs.fixed) / (price * (1 + costs.rate) + costs.per_unit)
        return max(min(by_rate, (budget - costs.minimum) / price), 0.0)

    def common_factor(self, queue, references, budget, slack):
        """The largest factor with which all together cost no more, by halving."""

        def total(factor):
            return sum(
                self.cost(wish, abs(wish.then) * factor, reference)
                for wish, reference in zip(queue, references, strict=True)
            )

        if total(1.0) <= budget + slack:
            return 1.0
        if total(0.0) >= budget:
            return 0.0
        low, high = 0.0, 1.0
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if total(middle) <= budget else (low, middle)
        return low

    def spend(self, queue, bar, place, budget, equity):
        rules = self.rules
        references = [self.price(wish.symbol, bar, place) for wish in queue]
        factor = None
        slack = 1e-12 * (abs(equity) + abs(budget))
        if rules.short_cash == "scale" and len(queue) > 1:
            factor = self.common_factor(queue, references, budget, slack)
        elif rules.short_cash in ("cut_last", "priority", "reject"):
            queue.sort(key=lambda wish: self.place_in_line(wish, bar, place, equity))
        left = budget
        for wish in queue:
            size, reference = abs(wish.then), self.price(wish.symbol, bar, place)
            cut = False
            if rules.short_cash == "ignore":
                allowed = size
            elif factor is not None:
                allowed, cut = size * factor, factor < 1
            else:
                payable = self.payable(wish, left, reference)
                allowed = size
                if rules.short_cash == "scale":
                    allowed = min(size, payable)
                    price = self.slipped(wish.symbol, reference, sign(wish.then))
                    cut = (size - allowed) * price > slack
                    if not cut and allowed < size:
                        allowed = self.in_lots(wish.symbol, allowed, sign(wish.then))
                elif size > payable * (1 + COVERED):
                    cut, allowed = True, 0.0 if rules.short_cash == "reject" else payable
            reason = wish.reason
            if cut and rules.short_cash in ("cut_last", "priority"):
                left = 0.0
            if cut:
                reason = "cash" if allowed > 0 else "no_cash"
                allowed = self.in_lots(wish.symbol, allowed, sign(wish.then))
            if allowed <= 0 or allowed < rules.min_size:
                self.refuse(wish, bar, sign(wish.then), size, reason if cut else "min_size")
                continue
            left = 0.0 if cut else left - self.cost(wish, allowed, reference)
            status = "cut" if cut or reason == "max_position" else "filled"
            self.fill(wish, bar, place, sign(wish.then) * size, allowed, status, reason)

    def place_in_line(self, wish, bar, place, equity):
        rule = "by_weight" if self.rules.short_cash == "priority" else self.rules.sequence
        change = abs(wish.weight * equity - self.units[wish.symbol] * self.price(wish.symbol, bar, place))
        key = {
            "by_weight": -abs(wish.weight), "by_symbol": 0, "smallest_first": change, "largest_first": -change,
        }[rule]  # fmt: skip
        return key, wish.symbol

    def fill(self, wish, bar, place, wanted, size, status, reason):
        symbol, side = wish.symbol, sign(wanted)
        price = self.slipped(symbol, self.price(symbol, bar, place), side)
        fee = self.fee(symbol, size, price, side, wish.weight == 0)
        moved = side * size * price + fee
        self.cash -= moved
        self.flow[symbol] -= moved
        before = self.units[symbol]
        self.units[symbol] = 0.0 if before == -side * size else before + side * size
        scale = self.rules.multipliers.get(symbol, 1.0)
        self.orders.append(
            Order(wish.decided, bar, symbol, side, abs(wanted), size, price / scale, fee,
                  "rebalance", status, reason)
        )  # fmt: skip


def run(prices, rows, rules, payments=None):
    """Account after the last bar.

    ``prices``: by symbol one ``(open, high, low, close)`` or None a bar; ``rows``: by deciding bar the weights by
    symbol, assets that are to be left alone not among them.
    """
    return Account(prices, rules, payments).run(rows)
