"""Random settings and scripts for backtrader; NumPy only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.cases.made_up import DAY_US, Bars, chance, digits, pick

Action = dict[str, Any]
ACTIONS = ("order", "close", "bracket", "cancel", "oco", "target")
KINDS = ("Market", "Limit", "Stop", "StopLimit", "StopTrail", "StopTrailLimit", "Close")
TARGETS = ("order_target_size", "order_target_value", "order_target_percent")


def _commission(rng: np.random.Generator, price: float) -> dict[str, Any]:
    """Stocks, stocks on leverage, futures; interest on shorts, and on longs."""
    kind = pick(rng, "stock", "stock", "stock", "leverage", "future")
    if kind == "future":
        return {
            "commission": pick(rng, 0.0, price * 0.001, price * 0.01),
            "margin": digits(price * rng.uniform(0.05, 1.5), 4),
            "mult": pick(rng, 1.0, 10.0, 5.0, 0.5),
        }
    out = {"commission": pick(rng, 0.0, 0.0005, 0.001, 0.01, -0.0001)}
    if kind == "leverage":
        out["leverage"] = pick(rng, 2.0, 4.0, 10.0)
    if chance(rng, 0.25):
        out["interest"] = pick(rng, 0.05, 0.2)
        if chance(rng, 0.4):
            out["interest_long"] = True
    return out


def _slippage(rng: np.random.Generator, price: float) -> dict[str, Any]:
    share = pick(rng, 0.0005, 0.003, 0.02)
    kind = pick(rng, {"kind": "perc", "perc": share}, {"kind": "fixed", "fixed": digits(price * share, 3)})
    flags = {"slip_open": 0.7, "slip_limit": 0.7, "slip_match": 0.7, "slip_out": 0.3}
    return {**kind, **{name: chance(rng, often) for name, often in flags.items()}}


def _filler(rng: np.random.Generator, price: float, volume: float) -> dict[str, Any]:
    return pick(
        rng,
        {"FixedSize": {"size": int(max(1.0, volume * 0.2))}},
        {"FixedSize": {"size": None}},
        {"FixedBarPerc": {"perc": pick(rng, 1.0, 10.0, 25.0, 100.0)}},
        {"BarPointPerc": {"minmov": digits(price * 0.001, 3), "perc": pick(rng, 100.0, 30.0)}},
    )


def config(rng: np.random.Generator, bars: Bars) -> dict[str, Any]:
    """Settings of the engine, as ``case.json`` names them; the first asset says what a price is."""
    price, volume = float(np.median(bars["close"])), max(1.0, float(np.median(bars["volume"])))
    filler = _filler(rng, price, volume) if chance(rng, 0.3) else None
    reach = (
        price * volume * 10.0 ** rng.uniform(-1.0, 1.5) if filler else price * 10.0 ** rng.uniform(0.5, 4.0)
    )
    intraday = bool(np.median(np.diff(bars.time_us)) < DAY_US)
    ends = (
        pick(rng, "17:00:00", "16:07:30", "00:00:00", "09:30:00") if intraday and chance(rng, 0.5) else None
    )
    return {
        "cash": digits(reach, 5),
        "commission": _commission(rng, price),
        "broker": {
            "checksubmit": chance(rng, 0.7),
            "coc": chance(rng, 0.2),
            "coo": chance(rng, 0.1),
            "shortcash": chance(rng, 0.85),
            "int2pnl": chance(rng, 0.8),
        },
        "slippage": _slippage(rng, price) if chance(rng, 0.4) else None,
        "filler": filler,
        "session_end": ends,
    }


@dataclass
class Style:
    """What kind of script is drawn: how often what, how large, how far from the price."""

    density: float
    distance: list[float]
    largest: float
    significant: int
    whole: bool
    long_targets: bool
    actions: list[float]
    kinds: list[float]


def _style(rng: np.random.Generator, assets: list[Bars]) -> Style:
    return Style(
        density=rng.uniform(0.03, 0.5),
        distance=[one.volatility * pick(rng, 1, 3) for one in assets],
        largest=pick(rng, 0.2, 0.8, 2.0),
        significant=pick(rng, 5, 8, 17),
        whole=chance(rng, 0.6),
        long_targets=chance(rng, 0.5),
        actions=pick(
            rng,
            [0.6, 0.1, 0.1, 0.05, 0.1, 0.05],
            [0.5, 0.1, 0.2, 0.1, 0.1, 0.0],
            [0.2, 0.1, 0.0, 0.1, 0.0, 0.6],
            [0.9, 0.1, 0.0, 0.0, 0.0, 0.0],
        ),
        kinds=pick(
            rng,
            [0.2, 0.2, 0.15, 0.15, 0.1, 0.1, 0.1],
            [0.8, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0],
            [0.1, 0.1, 0.1, 0.1, 0.3, 0.3, 0.0],
            [0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.8],
        ),
    )


class Writer:
    """Draws the actions of one script, bar by bar."""

    def __init__(self, rng: np.random.Generator, assets: list[Bars], settings: dict[str, Any]) -> None:
        self.rng, self.assets, self.settings = rng, assets, settings
        self.how = _style(rng, assets)
        self.actions: list[Action] = []
        self.names: list[str] = []
        self.singles: list[str] = []
        """Names of orders that are no part of a bracket."""
        self.bar = self.asset = self.count = 0
        self.close = 0.0

    def away(self, reference: float, sigmas: float) -> float:
        """A price so many typical moves from another."""
        return digits(reference * np.exp(sigmas * self.how.distance[self.asset]), self.how.significant)

    def add(self, **action: Any) -> None:
        """Append an action of this bar and asset; the names of orders may be cancelled later."""
        where = {"data": self.asset} if len(self.assets) > 1 else {}
        self.actions.append({"bar": self.bar, **where, **action})

    def name(self) -> str:
        """Name of the next order."""
        self.count += 1
        return f"o{self.count - 1}"

    def size(self) -> float:
        """Units of an order: whole, or in parts that are powers of two."""
        commission, rng = self.settings["commission"], self.rng
        each = commission.get("margin") or self.close
        most = self.settings["cash"] * commission.get("leverage", 1.0) / each / len(self.assets)
        size = most * rng.uniform(0.02, self.how.largest)
        if self.how.whole:
            return float(max(1, round(size)))
        return max(1, round(size * 8)) / 8 if size > 0.2 else 2.0 ** round(math.log2(size))

    def expiry(self) -> Action:
        """At times a last bar."""
        return {"valid_bar": self.bar + int(self.rng.integers(0, 12))} if chance(self.rng, 0.3) else {}

    def prices(self, kind: str, side: int) -> Action:
        """Prices that an order of this kind needs."""
        rng, close = self.rng, self.close
        beyond = self.away(close, side * rng.normal(0.3, 1.0))
        if kind == "Limit":
            return {"price": self.away(close, -side * rng.normal(0.3, 1.0))}
        if kind == "Stop":
            return {"price": beyond}
        if kind == "StopLimit":
            return {"price": beyond, "plimit": self.away(beyond, rng.normal(0.0, 0.6))}
        if kind not in ("StopTrail", "StopTrailLimit"):
            return {}
        distance = abs(rng.normal(0.3, 1.0)) * self.how.distance[self.asset] + 1e-5
        if chance(rng, 0.5):
            out: Action = {"trailamount": digits(close * distance, self.how.significant)}
        else:
            out = {"trailpercent": round(float(distance), 6)}
        if kind == "StopTrailLimit" or chance(rng, 0.2):
            out["price"] = self.away(close, rng.normal(0.0, 0.5))
        if kind == "StopTrailLimit":
            out["plimit"] = self.away(out["price"], rng.normal(0.0, 0.5))
        return out

    def order(self) -> Action:
        """One order of any kind."""
        side, kind, name = pick(self.rng, 1, -1), str(self.rng.choice(KINDS, p=self.how.kinds)), self.name()
        action = {"op": "buy" if side > 0 else "sell", "id": name, "size": self.size()}
        if kind != "Market" or chance(self.rng, 0.2):
            action["exectype"] = kind
        action.update(self.prices(kind, side))
        action.update(self.expiry())
        if self.singles and chance(self.rng, 0.05):
            # Joins the group of an order that may have ended long ago.
            action["oco"] = self.singles[-1 - int(self.rng.integers(0, min(5, len(self.singles))))]
        self.singles.append(name)
        self.names.append(name)
        self.add(**action)
        return action

    def oco(self) -> None:
        """An order and one to three more of its group."""
        leader = self.order()
        side = 1 if leader["op"] == "buy" else -1
        for letter in "bcd"[: pick(self.rng, 1, 1, 2, 3)]:
            kind, name = pick(self.rng, "Limit", "Stop"), leader["id"] + letter
            size = leader["size"] * (2 if chance(self.rng, 0.2) else 1)
            self.names.append(name)
            self.add(
                op=leader["op"],
                id=name,
                size=size,
                exectype=kind,
                oco=leader["id"],
                **self.prices(kind, side),
            )

    def bracket(self) -> None:
        """An entry with its stop and its limit."""
        rng, side, name = self.rng, pick(self.rng, 1, -1), self.name()
        kind = pick(rng, "Limit", "Limit", "Stop", "Market", "StopLimit")
        price = self.away(self.close, -side * rng.normal(0.3, 1.0))
        action: Action = {
            "op": "buy_bracket" if side > 0 else "sell_bracket",
            "id": name,
            "size": self.size(),
        }
        action["exectype"] = kind
        if kind != "Market":
            action["price"] = price
        if kind == "StopLimit":
            action["plimit"] = self.away(price, rng.normal(0.0, 0.4))
        action.update(self.expiry())
        action["stopprice"] = self.away(price, -side * abs(rng.normal(0.8, 0.8)))
        action["limitprice"] = self.away(price, side * abs(rng.normal(0.8, 0.8)))
        self.names += [f"{name}:main", f"{name}:stop", f"{name}:limit"]
        self.add(**action)

    def target(self) -> None:
        """An order for what is missing to a target."""
        rng, op, side = self.rng, pick(self.rng, *TARGETS), pick(self.rng, 1, -1)
        fraction = rng.uniform(0.0, 0.6)
        target = {
            "order_target_size": self.size(),
            "order_target_value": digits(self.settings["cash"] * fraction, 4),
        }
        wanted = side * target.get(op, digits(fraction, 4))
        if chance(rng, 0.15):
            wanted = 0.0
        self.add(op=op, id=self.name(), target=abs(wanted) if self.how.long_targets else wanted)

    def one(self) -> None:
        """One action."""
        what = str(self.rng.choice(ACTIONS, p=self.how.actions))
        if what == "close":
            self.add(op="close", id=self.name())
        elif what == "cancel":
            if self.names:
                back = int(self.rng.integers(0, min(8, len(self.names))))
                self.actions.append({"bar": self.bar, "op": "cancel", "order": self.names[-1 - back]})
        else:
            getattr(self, what)()


def script(rng: np.random.Generator, assets: list[Bars], settings: dict[str, Any]) -> list[Action]:
    """Actions for each bar, in the sequence in which they run, as ``script.json`` holds them."""
    writer = Writer(rng, assets, settings)
    for bar in range(len(assets[0])):
        if not chance(rng, writer.how.density):
            continue
        for _ in range(1 + int(rng.integers(0, 3)) if chance(rng, 0.15) else 1):
            writer.bar, writer.asset = bar, int(rng.integers(len(assets)))
            writer.close = float(assets[writer.asset]["close"][bar])
            writer.one()
    return writer.actions
