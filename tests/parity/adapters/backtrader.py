"""backtrader case -> actions of the order kernel under `peak_fast.settings.presets.backtrader`.

Field by field: ``cash``; ``commission.commission`` is a rate, or money per contract when ``commission.margin``
is given (then ``margin`` and ``mult`` make the asset a future); ``leverage``, ``interest``, ``interest_long``;
``broker`` flags by name; ``slippage`` (kind, amount, slip_* flags); ``filler``; ``session_end`` (time of day).
An order's ``id`` is its tag.  A bracket is three orders: parent, stop child, limit child of the other side and
the same size.  ``oco`` names the leader of a group.  ``valid_bar`` is the last bar on which an order may fill.
``order_target_*`` is sized when it is placed, in whole units.
"""

import numpy as np

from peak_fast.data.times import DAY_US
from peak_fast.orders.memory import Prices, blank_actions
from peak_fast.orders.run import run_actions
from peak_fast.settings.order_rules import Asset
from peak_fast.settings.presets import backtrader
from peak_kernels import order_slots as f
from tests.parity.cases import Case, Run, Unsupported

KINDS = {
    None: f.MARKET,
    "Market": f.MARKET,
    "Limit": f.LIMIT,
    "Stop": f.STOP,
    "StopLimit": f.STOP_LIMIT,
    "StopTrail": f.TRAILING_STOP,
    "StopTrailLimit": f.TRAILING_STOP_LIMIT,
    "Close": f.MARKET_ON_CLOSE,
}
TARGETS = {
    "order_target_size": f.TARGET_UNITS,
    "order_target_value": f.TARGET_VALUE,
    "order_target_percent": f.TARGET_FRACTION,
}


def _filler(config):
    filler = config.get("filler")
    if not filler:
        return None
    ((name, settings),) = ({filler: {}} if isinstance(filler, str) else filler).items()
    settings = settings or {}
    if name == "FixedSize":
        size = settings.get("size")
        return ("fixed", float("inf") if size is None else float(size), 0.0)
    if name == "FixedBarPerc":
        return ("share", float(settings.get("perc", 100.0)), 0.0)
    if name == "BarPointPerc":
        return ("range", float(settings.get("perc", 100.0)), float(settings.get("minmov") or 0.01))
    raise Unsupported(f"filler {name!r}")


def _rules(config):
    commission = config.get("commission") or {}
    futures = commission.get("margin") is not None
    rate = commission.get("commission", 0.0)
    slippage = config.get("slippage") or {}
    flags = {
        name: slippage[name]
        for name in ("slip_open", "slip_limit", "slip_match", "slip_out")
        if name in slippage
    }
    broker = config.get("broker") or {}
    return backtrader(
        commission=0.0 if futures else rate,
        per_contract=rate if futures else 0.0,
        leverage=commission.get("leverage") or 1.0,
        interest=commission.get("interest") or 0.0,
        interest_long=bool(commission.get("interest_long")),
        slip_perc=slippage.get("perc") or 0.0,
        slip_fixed=slippage.get("fixed") or 0.0,
        filler=_filler(config),
        **{name: broker[name] for name in ("checksubmit", "coc", "coo", "shortcash") if name in broker},
        **flags,
    )


def _auction(time_us, bar, session_end):
    """Bar that works a Close order placed at ``bar``, and which close it gets (``X_AUCTION_CLOSE``)."""
    parts = [float(part) for part in (session_end or "23:59:59.999990").split(":")]
    hours, minutes, seconds = (*parts, 0.0, 0.0)[:3]
    end = (time_us[bar] // DAY_US) * DAY_US + round((hours * 3600 + minutes * 60 + seconds) * 1e6)
    if time_us[bar] > end:
        end += DAY_US
    later = int(np.searchsorted(time_us, end, side="left"))
    at = max(later, bar + 1)
    if at >= len(time_us):
        return np.inf, 0.0
    if at == bar + 1:
        # No bar was seen before the session's end: there is no other close to get.
        return at, 0.0
    return at, 2.0 if time_us[at] == end else 1.0


class _Script:
    """Translates a script; remembers names, groups and the rows of named orders."""

    def __init__(self, case, time_us):
        self.rows, self.tags, self.groups, self.first_row = [], {}, {}, {}
        self.time_us = time_us
        self.session_end = case.config.get("session_end")
        self.close = case.prices()["close"]
        self.assets = {name: number for number, name in enumerate(case.meta.get("assets") or [])}

    def row(self, entry, name):
        row = blank_actions(1)[0]
        asset = entry.get("data") or 0
        row[f.X_BAR], row[f.X_ASSET] = entry["bar"], self.assets.get(asset, asset)
        if name is not None:
            row[f.X_TAG] = self.tags.setdefault(name, len(self.tags))
        return row

    def add(self, row, name):
        if name is not None:
            self.first_row[name] = len(self.rows)
        self.rows.append(row)

    def priced(self, row, entry):
        """Kind and prices of an order: price, plimit, trail, validity."""
        if entry.get("exectype") not in KINDS:
            raise Unsupported(f"exectype {entry['exectype']!r}")
        kind = KINDS[entry.get("exectype")]
        price, limit = entry.get("price"), entry.get("plimit")
        row[f.X_KIND] = kind
        if kind == f.LIMIT:
            # Without a price of its own an order has the close of its bar.
            row[f.X_LIMIT] = self.close[int(row[f.X_ASSET]), int(row[f.X_BAR])] if price is None else price
        elif kind in (f.STOP, f.STOP_LIMIT, f.TRAILING_STOP, f.TRAILING_STOP_LIMIT):
            row[f.X_STOP] = np.nan if price is None else price
            row[f.X_LIMIT] = np.nan if limit is None or kind in (f.STOP, f.TRAILING_STOP) else limit
        if entry.get("trailamount"):
            row[f.X_TRAIL], row[f.X_TRAIL_UNIT] = entry["trailamount"], f.DISTANCE
        elif entry.get("trailpercent"):
            row[f.X_TRAIL], row[f.X_TRAIL_UNIT] = entry["trailpercent"], f.FRACTION
        if entry.get("valid_bar") is not None and kind != f.MARKET:
            # That engine's market orders never expire.
            row[f.X_VALID] = entry["valid_bar"]
        if kind == f.MARKET_ON_CLOSE:
            row[f.X_AUCTION], row[f.X_AUCTION_CLOSE] = _auction(
                self.time_us, int(entry["bar"]), self.session_end
            )

    def order(self, entry):
        op, name = entry["op"], entry.get("id")
        row = self.row(entry, name)
        self.priced(row, entry)
        if op in TARGETS:
            row[f.X_UNIT], row[f.X_SIZE] = TARGETS[op], entry.get("target", entry.get("size"))
        elif op == "close":
            row[f.X_UNIT], row[f.X_SIZE] = f.POSITION_FRACTION, 1.0
        else:
            row[f.X_SIDE], row[f.X_SIZE] = (1.0 if op == "buy" else -1.0), abs(entry.get("size") or 1.0)
        if entry.get("oco") is not None:
            leader = self.groups.setdefault(entry["oco"], len(self.groups))
            self.groups[name] = leader
            row[f.X_OCO] = leader
            self.rows[self.first_row[entry["oco"]]][f.X_OCO] = leader
        self.add(row, name)

    def bracket(self, entry):
        side = 1.0 if entry["op"] == "buy_bracket" else -1.0
        name = entry.get("id")
        main = self.row(entry, f"{name}:main")
        self.priced(main, {"exectype": "Limit", **entry})
        main[f.X_SIDE], main[f.X_SIZE] = side, abs(entry.get("size") or 1.0)
        parent = len(self.rows)
        self.add(main, f"{name}:main")
        for kind, key, column in ((f.STOP, "stop", f.X_STOP), (f.LIMIT, "limit", f.X_LIMIT)):
            if entry.get(f"{key}price") is None:
                continue
            child = self.row(entry, f"{name}:{key}")
            child[f.X_KIND], child[column], child[f.X_PARENT] = kind, entry[f"{key}price"], parent
            child[f.X_SIDE], child[f.X_SIZE] = -side, main[f.X_SIZE]
            if entry.get("valid_bar") is not None:
                # Also where the parent is a market order, which never expires itself.
                child[f.X_VALID] = entry["valid_bar"]
            self.add(child, f"{name}:{key}")

    def cancel(self, entry):
        named = [entry[key] for key in ("order", "ref", "target", "id") if entry.get(key) is not None]
        # A bracket is cancelled by its parent; an order that does not exist is no order to cancel.
        target = next((name for key in named for name in (key, f"{key}:main") if name in self.tags), None)
        if target is not None:
            row = self.row(entry, target)
            row[f.X_OP] = f.OP_CANCEL
            self.rows.append(row)

    def translate(self, entry):
        op = entry["op"]
        if op in ("buy", "sell", "close") or op in TARGETS:
            self.order(entry)
        elif op in ("buy_bracket", "sell_bracket"):
            self.bracket(entry)
        elif op == "cancel":
            self.cancel(entry)
        else:
            raise Unsupported(f"script operation {op!r}")


def run(case: Case) -> Run:
    config = case.config
    prices = case.prices()
    script = _Script(case, prices["time_us"])
    for entry in sorted(case.script(), key=lambda item: item["bar"]):
        script.translate(entry)
    actions = np.array(script.rows).reshape(-1, f.N_ACTION)
    commission = config.get("commission") or {}
    asset = Asset(multiplier=commission.get("mult") or 1.0, margin=commission.get("margin") or 0.0)
    market = Prices(
        prices["open"], prices["high"], prices["low"], prices["close"], prices["volume"],
        day=prices["time_us"] // DAY_US,
    )  # fmt: skip
    records = run_actions(
        market,
        actions,
        rules=_rules(config),
        assets=[asset] * len(prices["close"]),
        initial_cash=case.number("cash", 10_000.0),
    )
    fills = records.fills
    return Run(
        fills={
            "bar": fills[:, f.F_BAR].astype(int),
            "booked_bar": fills[:, f.F_BOOKED].astype(int),
            "asset": fills[:, f.F_ASSET].astype(int),
            "side": fills[:, f.F_SIDE].astype(int),
            "size": fills[:, f.F_SIZE],
            "price": fills[:, f.F_PRICE],
            "fee": fills[:, f.F_FEE],
        },
        equity=records.equity[None],
        cash=records.cash[None],
        position=records.position,
    )
