"""Random cases that backtesting.py computes; runs in that engine's environment, from the repository's folder."""

from __future__ import annotations

import warnings
from collections import defaultdict
from importlib import metadata
from typing import Any

import backtesting.backtesting as engine
import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy
from backtesting.lib import FractionalBacktest

from bench.cases import backtesting_script as draw
from bench.cases.form import Fill, Outcome
from bench.cases.made_up import STEPS, Bars, chance, panel, pick
from bench.cases.serve import serve

MOST_BARS = 400


class Book:
    """What the broker did in the run that is under way."""

    fills: list[Fill]
    cash: np.ndarray
    position: np.ndarray

    def begin(self, n: int, cash: float) -> None:
        self.fills, self.cash, self.position = [], np.full(n, float(cash)), np.zeros(n)

    def add(self, broker: Any, bar: int, size: float, price: float, tag: str) -> None:
        fee = broker._commission(size, price)
        self.fills.append(
            Fill(int(bar), int(broker._i), 0, 1 if size > 0 else -1, abs(size), price, fee, tag)
        )


BOOK = Book()


class Broker(engine._Broker):
    """The engine's broker, written down while it works."""

    def _open_trade(self, price, size, sl, tp, time_index, tag):
        BOOK.add(self, time_index, size, price, f"open:{tag}")
        return super()._open_trade(price, size, sl, tp, time_index, tag)

    def _close_trade(self, trade, price, time_index):
        BOOK.add(self, time_index, -trade.size, price, f"close:{trade.tag}")
        return super()._close_trade(trade, price, time_index)

    def next(self):
        try:
            super().next()
        finally:
            BOOK.cash[self._i :] = self._cash
            BOOK.position[self._i :] = sum(trade.size for trade in self.trades)


class Scripted(Strategy):
    """Runs the actions of a script; orders and stops that the engine refuses are left out."""

    actions: dict[int, list[dict[str, Any]]]
    unit: float

    def init(self):
        pass

    def next(self):
        for action in self.actions.get(len(self.data) - 1, ()):
            try:
                getattr(self, "_" + action["op"])(action)
            except ValueError:
                # A limit that does not lie between stop-loss and take-profit: the engine's own refusal.
                continue

    def _enter(self, action):
        prices = {key: action[key] * self.unit for key in ("limit", "stop", "sl", "tp") if key in action}
        return {**prices, **{key: action[key] for key in ("size", "tag") if key in action}}

    def _buy(self, action):
        self.buy(**self._enter(action))

    def _sell(self, action):
        self.sell(**self._enter(action))

    def _cancel(self, action):
        for order in list(self.orders):
            if order.tag == action["tag"]:
                order.cancel()

    def _close_position(self, action):
        for trade in self.trades:
            trade.close()

    def _close_trade(self, action):
        for trade in self.trades:
            if trade.tag == action["trade_tag"]:
                trade.close(action["portion"])

    def _set(self, action):
        for trade in self.trades:
            if trade.tag == action["trade_tag"]:
                setattr(trade, action["op"][4:], action["price"] and action["price"] * self.unit)

    _set_sl = _set_tp = _set

    def _trail_all(self, action):
        close = self.data.Close[-1]
        for trade in self.trades:
            if trade.is_long:
                trade.sl = max(trade.sl or -np.inf, close * (1 - action["pct"]))
            else:
                trade.sl = min(trade.sl or np.inf, close * (1 + action["pct"]))


def _trades(frame: pd.DataFrame, unit: float) -> dict[str, Any]:
    """The engine's list of trades with the names of the case form."""
    names = {
        "Size": "size", "EntryBar": "entry_bar", "ExitBar": "exit_bar", "EntryPrice": "entry_price",
        "ExitPrice": "exit_price", "SL": "sl", "TP": "tp", "PnL": "pnl", "Commission": "commission",
        "ReturnPct": "return",
    }  # fmt: skip
    out = {new: frame[old].to_numpy(float) for old, new in names.items()}
    for name in ("entry_bar", "exit_bar"):
        out[name] = out[name].astype(np.int64)
    return {**out, "tag": [None if tag is None or tag != tag else str(tag) for tag in frame["Tag"]]}


def _run(bars: Bars, settings: dict[str, Any], actions: list[dict[str, Any]]) -> pd.Series:
    by_bar = defaultdict(list)
    for action in actions:
        by_bar[action["bar"]].append(action)
    unit = settings["fractional_unit"]
    strategy = type("Case", (Scripted,), {"actions": dict(by_bar), "unit": unit or 1.0})
    frame = pd.DataFrame(
        {name.capitalize(): values for name, values in bars.columns.items()},
        index=pd.to_datetime(bars.time_us, unit="us"),
    )
    given = {name: value for name, value in settings.items() if name != "fractional_unit"}
    if isinstance(given["commission"], list):
        given["commission"] = tuple(given["commission"])
    BOOK.begin(len(bars), settings["cash"])
    if unit:
        return FractionalBacktest(frame, strategy, **given, fractional_unit=unit).run()
    return Backtest(frame, strategy, **given).run()


def make(rng: np.random.Generator) -> Outcome:
    """Draw and compute one case."""
    step = pick(rng, *STEPS)
    bars = panel(rng, int(rng.integers(12, MOST_BARS)), 1, step)[0]
    if chance(rng, 0.05):
        bars.columns["volume"] = np.zeros(len(bars))
    settings = draw.config(rng, bars)
    actions = draw.script(rng, bars, settings)
    stats = _run(bars, settings, actions)
    unit = settings["fractional_unit"] or 1.0
    fills = [
        Fill(**{**vars(fill), "size": fill.size * unit, "price": fill.price / unit}) for fill in BOOK.fills
    ]
    return Outcome(
        engine="backtesting.py",
        engine_version=metadata.version("backtesting"),
        api="FractionalBacktest" if settings["fractional_unit"] else "Backtest",
        config=settings,
        bars=[bars],
        fills=fills,
        equity=np.asarray(stats["_equity_curve"]["Equity"], float)[None],
        cash=BOOK.cash[None],
        position=BOOK.position[None] * unit,
        script=actions,
        trades=_trades(stats["_trades"], unit),
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    engine._Broker = Broker
    engine._tqdm = lambda items, **_: items
    serve("backtesting_py", make)
