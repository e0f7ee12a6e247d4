"""Random cases that backtrader computes; runs in that engine's environment, from the repository's folder."""

from __future__ import annotations

import datetime
import warnings
from collections import defaultdict
from importlib import metadata
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from bench.cases import backtrader_script as draw
from bench.cases.form import Fill, Outcome
from bench.cases.made_up import DAY_US, STEPS, Bars, chance, panel, pick
from bench.cases.serve import serve

MOST_BARS = 400
ENTRY = ("size", "price", "plimit", "trailamount", "trailpercent", "stopprice", "limitprice", "target")


class Book:
    """What the run that is under way leaves behind."""

    def __init__(self, assets: list[Bars], actions: list[dict[str, Any]]) -> None:
        n = len(assets[0])
        self.times = [stamp.to_pydatetime() for stamp in pd.to_datetime(assets[0].time_us, unit="us")]
        self.numbers = np.array([bt.date2num(stamp) for stamp in self.times])
        self.fills: list[Fill] = []
        self.history: dict[str, list[Any]] = {}
        self.equity, self.cash, self.position = np.zeros(n), np.zeros(n), np.zeros((len(assets), n))
        self.by_bar: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for action in actions:
            self.by_bar[action["bar"]].append(action)
        self.broker: Any = None

    def add(self, order: Any, when: float, size: float, price: float, parts: tuple[float, float]) -> None:
        """One execution; interest, which the broker adds to the costs of closing, is no part of the fee."""
        rule = self.broker.getcommissioninfo(order.data)
        fee = sum(rule.getcommission(part, price) for part in parts if part)
        self.fills.append(
            Fill(
                bar=int(np.argmin(np.abs(self.numbers - when))),
                booked_bar=len(order.data) - 1,
                asset=[data is order.data for data in self.broker.cerebro.datas].index(True),
                side=1 if size > 0 else -1,
                size=abs(size),
                price=price,
                fee=float(fee),
                tag=order.info.get("name"),
            )
        )


BOOK: Book


def write_down_executions() -> None:
    """Make every execution of an order an entry of the book."""
    execute = bt.order.OrderBase.execute

    def watched(self, dt, size, price, closed, closedvalue, closedcomm, opened, *rest):
        if size:
            BOOK.add(self, dt, size, price, (closed, opened))
        return execute(self, dt, size, price, closed, closedvalue, closedcomm, opened, *rest)

    bt.order.OrderBase.execute = watched


class Scripted(bt.Strategy):
    """Runs the actions of a script."""

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}

    def notify_order(self, order):
        if order.status not in (order.Submitted, order.Accepted):
            events = BOOK.history.setdefault(order.info.get("name"), [])
            events.append([order.getstatusname(), len(self.data) - 1])

    def next(self):
        bar = len(self.data) - 1
        for action in BOOK.by_bar.get(bar, ()):
            self.act(action)
        BOOK.cash[bar], BOOK.equity[bar] = self.broker.getcash(), self.broker.getvalue()
        for number, data in enumerate(self.datas):
            BOOK.position[number, bar] = self.getposition(data).size

    def keep(self, name: str, order: Any) -> None:
        if order is not None:
            self.named[name] = order
            order.addinfo(name=name)

    def act(self, action: dict[str, Any]) -> None:
        op = action["op"]
        if op == "cancel":
            if action["order"] in self.named:
                self.cancel(self.named[action["order"]])
            return
        given = {name: action[name] for name in ENTRY if name in action}
        given["data"] = self.datas[action.get("data", 0)]
        if "exectype" in action:
            given["exectype"] = getattr(bt.Order, action["exectype"])
        if "valid_bar" in action:
            given["valid"] = BOOK.times[min(action["valid_bar"], len(BOOK.times) - 1)]
        if "oco" in action:
            given["oco"] = self.named[action["oco"]]
        made = getattr(self, op)(**given)
        if op.endswith("bracket"):
            for part, order in zip(("main", "stop", "limit"), made, strict=True):
                self.keep(f"{action['id']}:{part}", order)
        else:
            self.keep(action["id"], made)


def _set_broker(broker: Any, settings: dict[str, Any]) -> None:
    flags = settings["broker"]
    broker.setcash(settings["cash"])
    broker.setcommission(**settings["commission"])
    for name in ("checksubmit", "coc", "coo", "shortcash", "int2pnl"):
        getattr(broker, f"set_{name}")(flags[name])
    slippage = settings["slippage"]
    if slippage:
        given = {name: value for name, value in slippage.items() if name.startswith("slip_")}
        kind = slippage["kind"]
        getattr(broker, f"set_slippage_{kind}")(slippage[kind], **given)
    if settings["filler"]:
        ((name, given),) = settings["filler"].items()
        broker.set_filler(getattr(bt.fillers, name)(**given))


def _feed(bars: Bars, settings: dict[str, Any], step: int) -> Any:
    frame = pd.DataFrame(bars.columns, index=pd.to_datetime(bars.time_us, unit="us"))
    given: dict[str, Any] = {"openinterest": None}
    if settings["session_end"]:
        given["sessionend"] = datetime.time.fromisoformat(settings["session_end"])
    if step < DAY_US:
        given["timeframe"] = bt.TimeFrame.Minutes
    return bt.feeds.PandasData(dataname=frame, **given)


def make(rng: np.random.Generator) -> Outcome:
    """Draw and compute one case."""
    global BOOK
    step = pick(rng, *STEPS)
    assets = panel(rng, int(rng.integers(12, MOST_BARS)), pick(rng, 1, 1, 1, 1, 2, 3, 4), step)
    settings = draw.config(rng, assets[0])
    actions = draw.script(rng, assets, settings)
    cerebro = bt.Cerebro(stdstats=False, runonce=chance(rng, 0.5))
    for one in assets:
        cerebro.adddata(_feed(one, settings, step))
    _set_broker(cerebro.broker, settings)
    cerebro.addstrategy(Scripted)
    BOOK = Book(assets, actions)
    BOOK.broker = cerebro.broker
    cerebro.run()
    if not np.isfinite(BOOK.equity).all():
        raise ArithmeticError("equity is not finite")
    filled = {fill.tag for fill in BOOK.fills}
    return Outcome(
        engine="backtrader",
        engine_version=metadata.version("backtrader"),
        api="Cerebro/BackBroker",
        config={**settings, "order_status_history": BOOK.history},
        bars=assets,
        fills=BOOK.fills,
        equity=BOOK.equity[None],
        cash=BOOK.cash[None],
        position=BOOK.position,
        script=actions,
        not_filled=[
            {"order": name, "history": events} for name, events in BOOK.history.items() if name not in filled
        ],
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    write_down_executions()
    serve("backtrader", make)
