"""Plain-Python oracle of the order rules: floats, dicts and if/else, nothing from the kernels.

It knows the default rules of `peak_fast.settings.order_rules.OrderRules` for one asset, with fees, slippage
as a fraction,
a share of the bar's volume and a choice of leverage.  One pass over the bars; each order is a dict.
"""

import math

LIVE = ("working", "waiting")


class Same(list):
    """A list that knows its members by identity (orders refer to each other)."""

    def __contains__(self, item):
        return any(item is other for other in self)


class Oracle:
    """Simulates orders bar by bar; `run` returns fills, final orders, equity and cash."""

    def __init__(
        self,
        bars,
        orders,
        *,
        cash,
        rate=0.0,
        fixed=0.0,
        slippage=0.0,
        share=None,
        leverage=1.0,
        target_first=False,
        rates=None,
    ):
        self.bars = bars
        self.todo = orders
        self.cash, self.rate, self.fixed, self.slippage = cash, rate, fixed, slippage
        self.share, self.leverage, self.target_first = share, leverage, target_first
        self.queue, self.orders, self.lots, self.fills = [], [], [], []
        self.trades = []  # (bar, signed size closed, its part of what the lot was charged)
        self.used = 0.0
        self.again = False
        # Account money for one unit of the quote currency, known from the close of each bar on.
        self.rates = rates or [1.0] * len(bars["close"])

    # Account -------------------------------------------------------------------------------------------
    def position(self):
        return sum(lot["size"] for lot in self.lots)

    def money(self, price):
        return price * self.exchange

    def fee(self, size, price):
        return self.fixed + self.rate * size * self.money(price)

    def free_margin(self, price):
        position, price = self.position(), self.money(price)
        if self.leverage == 1.0 or position <= 0:
            worth = position * price
        else:
            worth = position * self._average / self.leverage + position * (price - self._average)
        used = sum(abs(lot["size"]) for lot in self.lots) * price / self.leverage
        return max(0.0, self.cash + worth - used)

    def equity(self, price):
        position, price = self.position(), self.money(price)
        if position > 0 and self.leverage != 1.0:
            return self.cash + position * self._average / self.leverage + position * (price - self._average)
        return self.cash + position * price

    # Orders --------------------------------------------------------------------------------------------
    def new(self, **fields):
        order = {
            "limit": None, "stop": None, "trail": None, "stop_loss": None, "take_profit": None, "lot": None,
            "parent": None, "oco": None, "valid": math.inf, "tif": "gtc", "reduce": False, "triggered": False,
            "filled": 0.0, "fresh": -1, "status": "working", "reason": "", "role": "order",
        }  # fmt: skip
        order.update(fields)
        order["remaining"] = order["size"]
        self.orders.append(order)
        return order

    def place(self, spec, bar):
        order = self.new(**spec, active=bar + 1)
        if order["trail"] is not None:
            order["stop"] = self.trailed(order, self.bars["close"][bar])
        parent = order["parent"]
        if order["size"] <= 0:
            self.end(order, "rejected", "size_zero")
        elif parent is not None and parent["status"] not in (*LIVE, "filled"):
            self.end(order, "rejected", "parent_missing")
        else:
            order["status"] = "waiting" if parent is not None and parent["status"] in LIVE else "working"
            self.queue.append(order)
        spec["made"] = order

    def end(self, order, status, reason):
        order["status"], order["reason"] = status, reason

    def end_all(self, order, status, reason):
        """An order ends without a complete fill; its group and its children end with it."""
        self.end(order, status, reason)
        lot = order["lot"]
        if lot is not None:
            for name in ("stop_order", "target_order"):
                if lot[name] is order:
                    lot[name] = None
        self.end_group(order)
        for other in self.queue:
            if other["parent"] is order and other["status"] in LIVE:
                self.end(other, "cancelled", "parent_ended")

    def end_group(self, order):
        if order["oco"] is None:
            return
        order["in_group"] = False
        for other in self.queue:
            member = other["oco"] == order["oco"] and other.get("in_group", True)
            if other is not order and member and other["status"] in LIVE:
                other["in_group"] = False
                self.end(other, "cancelled", "one_cancels_other")
                for child in self.queue:
                    if child["parent"] is other and child["status"] in LIVE:
                        self.end(child, "cancelled", "parent_ended")

    def attach(self, lot, role, price, bar):
        is_stop = role == "stop_loss"
        order = self.new(
            kind="stop" if is_stop else "limit", side=-1 if lot["size"] > 0 else 1, size=abs(lot["size"]),
            stop=price if is_stop else None, limit=None if is_stop else price, lot=lot, role=role, reduce=True,
            active=bar + 1,
        )  # fmt: skip
        if is_stop != self.target_first:
            self.queue.insert(0, order)
        else:
            self.queue.append(order)
        lot["stop_order" if is_stop else "target_order"] = order
        return order

    # A bar ---------------------------------------------------------------------------------------------
    def price_of(self, order, bar):
        """Price before slippage and where it comes from, or None."""
        o, h, low = (self.bars[name][bar] for name in ("open", "high", "low"))
        buy = order["side"] > 0
        limit, stop = order["limit"], order["stop"]
        if stop is not None and not order["triggered"]:
            if (h < stop) if buy else (low > stop):
                return None
            order["triggered"] = True
            gap = o >= stop if buy else o <= stop
            if limit is None:
                return (o, "open") if gap else (stop, "stop")
            if not gap:
                allowed = limit >= stop if buy else limit <= stop
                return (stop, "stop_limit") if allowed else None
        if limit is not None:
            if (o <= limit) if buy else (o >= limit):
                return o, "limit"
            if self.touched(low, limit) if buy else self.touched(-h, -limit):
                return limit, "limit"
            return None
        return o, "open"

    def touched(self, low, limit):
        return low <= limit

    def worse(self, price, side):
        return max(price * (1 + side * self.slippage), 0.0)

    def trailed(self, order, price):
        return price * (1 + order["side"] * order["trail"])

    def mark(self, order, bar):
        return self.bars["low"][bar] if order["side"] > 0 else self.bars["high"][bar]

    def whole(self, size):
        return size

    def slipped(self, order, price, origin):
        if origin == "limit":
            return price
        worse = self.worse(price, order["side"])
        if origin == "stop_limit":
            worse = min(worse, order["limit"]) if order["side"] > 0 else max(worse, order["limit"])
            high, low = self.bars["high"][self.bar], self.bars["low"][self.bar]
            edge = min(high, order["limit"]) if order["side"] > 0 else max(low, order["limit"])
            worse = min(worse, edge) if order["side"] > 0 else max(worse, edge)
        return worse

    def try_order(self, order, bar):
        found = self.price_of(order, bar)
        if found is None:
            return
        if order["lot"] is not None:
            if order["lot"]["size"] == 0:
                self.end(order, "cancelled", "lot_closed")
                return
            order["remaining"] = min(order["remaining"], abs(order["lot"]["size"]))
        size = order["remaining"]
        if self.share is not None:
            volume = self.bars["volume"][bar]
            cap = volume * (self.share * 100.0) / 100.0 - self.used if volume > 0 else 0.0
            size = min(size, cap) if cap > 1e-12 * volume else 0.0
        if size < order["remaining"]:
            size = self.whole(size)
        if size <= 0 or (order["tif"] == "fok" and size < order["remaining"]):
            return
        price = self.slipped(order, *found)
        if order["lot"] is not None:
            self.close(order, order["lot"], size, price, self.fee(size, price))
            self.record(order, size, price, self.fee(size, price), bar)
            self.after(order, size, "", bar)
            return
        self.fill(order, size, price, found[0], bar)

    def close(self, order, lot, size, price, fee):
        sign = 1 if lot["size"] > 0 else -1
        if sign > 0 and self.leverage != 1.0:
            gain = size * (self.money(price) - self._average)
            self.cash += size * self._average / self.leverage + gain - fee
        else:
            self.cash += sign * size * self.money(price) - fee
        charged = lot["financing"] * size / abs(lot["size"])
        lot["financing"] -= charged
        self.trades.append((self.bar, sign * size, charged))
        lot["size"] -= sign * size
        if abs(lot["size"]) <= 1e-12 * abs(size + abs(lot["size"])):
            lot["size"] = 0.0
        if lot["size"] == 0:
            self.lots.remove(lot)
        for name in ("stop_order", "target_order"):
            other = lot[name]
            if other is not None and other is not order and other["status"] in LIVE:
                other["remaining"] = abs(lot["size"])
                if lot["size"] == 0:
                    self.end(other, "cancelled", "lot_closed")

    def fill(self, order, size, price, reference, bar):
        position, side = self.position(), order["side"]
        closing = min(size, abs(position)) if position * side < 0 else 0.0
        total_fee = self.fee(closing, price) if closing else 0.0
        left = closing
        while left > 1e-12 * max(closing, 1e-300):
            lot = self.lots[0]
            part = min(left, abs(lot["size"]))
            self.close(order, lot, part, price, total_fee * part / closing)
            left -= part
        rest, reason, opened = size - closing, "", 0.0
        if rest > 1e-12 * size:
            if order["reduce"]:
                reason = "nothing_to_reduce"
            else:
                fee = self.fee(size, price) - total_fee if closing else self.fee(rest, price)
                free = self.free_margin(reference) * (1 + 1e-12)
                if price == 0.0:
                    reason = "bad_price"
                elif rest * self.money(price) / self.leverage + fee <= free:
                    opened = rest
                    total_fee += fee
                    self.open(order, rest, price, fee, bar)
                else:
                    reason = "insufficient_margin"
        if closing + opened > 0:
            self.record(order, closing + opened, price, total_fee, bar)
        self.after(order, closing + opened, reason, bar)

    def open(self, order, size, price, fee, bar):
        side, paid = order["side"], self.money(price)
        before = self.position()
        self._average = (
            paid if before == 0 else (before * self._average + side * size * paid) / (before + side * size)
        )
        self.cash -= (side * size * paid / self.leverage if side > 0 else side * size * paid) + fee
        lot = {"size": side * size, "stop_order": None, "target_order": None, "financing": 0.0}
        self.lots.append(lot)
        made = []
        if order["take_profit"] is not None:
            made.append(self.attach(lot, "take_profit", order["take_profit"], bar))
        if order["stop_loss"] is not None:
            made.append(self.attach(lot, "stop_loss", order["stop_loss"], bar))
        if made and self.exits_now(order, bar):
            for exit_order in made:
                exit_order["active"], exit_order["fresh"] = bar, bar
            self.again = True

    def exits_now(self, order, bar):
        if order["kind"] == "market":
            return True
        if order["kind"] != "stop" or order["take_profit"] is None:
            return False
        low, high = self.bars["low"][bar], self.bars["high"][bar]
        stop, target = order["stop_loss"], order["take_profit"]
        if order["side"] > 0:
            return target <= high and (stop is None or stop < low)
        return target >= low and (stop is None or stop > high)

    def record(self, order, size, price, fee, bar):
        order["filled"] += size
        order["remaining"] -= size
        if order["remaining"] <= 1e-12 * order["size"]:
            order["remaining"] = 0.0
        self.used += size
        self.fills.append((bar, order["side"], size, price, fee))

    def after(self, order, done, reason, bar):
        if done > 0:
            self.end_group(order)
        if reason:
            self.end_all(order, "cancelled" if reason == "nothing_to_reduce" else "rejected", reason)
        elif order["remaining"] == 0 and done > 0:
            self.complete(order, bar)

    def complete(self, order, bar):
        """An order has all it wanted: its children begin, its siblings end."""
        self.end(order, "filled", "")
        for other in self.queue:
            if other["parent"] is order and other["status"] == "waiting":
                other["status"], other["active"] = "working", bar + 1
                if order["kind"] == "market":
                    other["active"], other["fresh"] = bar, bar
                    self.again = True
                continue
            sibling = order["parent"] is not None and other["parent"] is order["parent"]
            if sibling and other is not order and other["status"] in LIVE:
                self.end(other, "cancelled", "sibling_ended")

    def work(self, bar, fresh):
        if not fresh:
            for order in self.queue:
                if order["status"] in LIVE and bar > order["valid"]:
                    self.end_all(order, "expired", "validity_over")
            # What trades at the open comes before anything inside the bar.
            self.tried = []
            self.turn(bar, False, lambda order: order["kind"] == "market")
            for chosen in (self.acts_at_open, lambda order, bar: True):
                self.again, done = False, list(self.tried)
                self.turn(
                    bar, False, lambda o, done=done, chosen=chosen: o not in Same(done) and chosen(o, bar)
                )
        else:
            self.turn(bar, True, lambda order: True)

    def acts_at_open(self, order, bar):
        o, buy = self.bars["open"][bar], order["side"] > 0
        stop, limit = order["stop"], order["limit"]
        if stop is not None and not order["triggered"] and ((o < stop) if buy else (o > stop)):
            return False
        return limit is None or ((o <= limit) if buy else (o >= limit))

    def turn(self, bar, fresh, chosen):
        for order in list(self.queue):
            if (fresh and order["fresh"] != bar) or not chosen(order):
                continue
            if order["status"] != "working" or order["active"] > bar:
                continue
            self.tried = [*self.tried, order]
            self.try_order(order, bar)
            if order["status"] != "working":
                continue
            if order["trail"] is not None and not order["triggered"]:
                moved = self.trailed(order, self.mark(order, bar))
                order["stop"] = min(order["stop"], moved) if order["side"] > 0 else max(order["stop"], moved)
            if order["tif"] in ("ioc", "fok"):
                self.end_all(
                    order, "cancelled", "fill_or_kill" if order["tif"] == "fok" else "immediate_or_cancel"
                )

    def begin(self, bar):
        """What comes before the orders of a bar: nothing."""

    def settle(self, bar):
        """What comes after them, before the mark: nothing."""

    def run(self):
        equity, cash, position = [], [], []
        count = len(self.bars["close"])
        for bar in range(count):
            self.bar, self.used, self.again = bar, 0.0, False
            self.exchange = self.rates[max(bar - 1, 0)]
            self.begin(bar)
            self.work(bar, False)
            while self.again:
                self.again = False
                self.work(bar, True)
            self.queue = [order for order in self.queue if order["status"] in LIVE]
            self.exchange = self.rates[bar]
            self.settle(bar)
            equity.append(self.equity(self.bars["close"][bar]))
            cash.append(self.cash)
            position.append(self.position())
            for spec in self.todo:
                if spec["bar"] == bar:
                    if spec.get("action") == "cancel":
                        for order in self.queue:
                            if order is spec["of"]["made"] and order["status"] in LIVE:
                                self.end_all(order, "cancelled", "by_user")
                    elif spec.get("action") == "modify":
                        self.modify(spec, bar)
                    else:
                        fields = {
                            key: value for key, value in spec.items() if key not in ("bar", "made", "action")
                        }
                        parent = fields.get("parent")
                        fields["parent"] = parent["made"] if parent is not None else None
                        self.place_spec(spec, fields, bar)
        for order in self.queue:
            if order["status"] in LIVE:
                self.end(order, "cancelled", "end_of_data")
        return self.fills, self.orders, equity, cash, position

    def place_spec(self, spec, fields, bar):
        self.place(fields, bar)
        spec["made"] = fields["made"]
