"""Financing in worlds: what is due in bars that have changed places, or whose prices were moved.

A dividend and a split are a part of their bar's move, so they go along with it: a dividend as the same share of the
close before, a split as its ratio.  Deposits, funding and rates belong to dates and stay there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from peak_fast.data import Bars, DatedValues
from peak_fast.errors import ConfigError, DataError
from peak_fast.simulation import Payments, payments_for, write_owed
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray, IntArray

_EVENTS = (p.DIVIDEND, p.REINVEST, p.SPLIT)


class Paying:
    """Payments of worlds of the bars of one asset, made of those of the real ones; each thread has its own.

    Parameters
    ----------
    payments, bars
        Of the real bars.
    """

    def __init__(self, payments: Payments, bars: Bars) -> None:
        own = np.isin(payments.dues[:, p.D_KIND], _EVENTS)
        self._whole, self._mark = payments, np.array(bars.mark)
        self._events, self._others = payments.dues[own], payments.dues[~own]
        self._accruals = payments.accruals.copy()

    def of(self, mark: FloatArray, order: IntArray | None) -> Payments:
        """Those of a world with the last known closes ``mark``, valid until the next one is asked for.

        ``order``: whose moves each bar takes; None: its own.
        """
        whole = self._whole
        if whole.terms[t.BORROWS] > 0.0:
            write_owed(self._accruals, whole.terms, mark)
        dues = whole.dues if order is None or not len(self._events) else self._moved(mark, order)
        return replace(whole, dues=dues, accruals=self._accruals)

    def _moved(self, mark: FloatArray, order: IntArray) -> FloatArray:
        """Rows of dues with the events where their bars are now."""
        first = np.searchsorted(self._events[:, p.D_BAR], order, side="left")
        count = np.searchsorted(self._events[:, p.D_BAR], order, side="right") - first
        found = []
        for bar in np.flatnonzero(count).tolist():
            scale = mark[bar - 1] / self._mark[order[bar] - 1]
            rows = self._events[first[bar] : first[bar] + count[bar]].copy()
            rows[:, p.D_BAR] = bar
            rows[rows[:, p.D_KIND] != p.SPLIT, p.D_AMOUNT] *= scale
            found.append(rows)
        dues = np.concatenate([self._others, *found])
        return dues[np.lexsort((dues[:, p.D_KIND], dues[:, p.D_BAR]))]


def settings_in(settings: Any, maker: Any, number: int, world: Any) -> Any:
    """Settings whose financing pays in a world, by its dates, what `Paying` says."""
    paid = (
        payments_for(settings, maker.data)
        if settings.financing is not None and isinstance(world, Bars)
        else None
    )
    room = maker.room() if paid is not None else None
    if paid is None or room is None:
        return settings
    order = maker.order.draw(number, room)
    dues = Paying(paid, maker.data).of(np.array(world.mark), order).dues
    changes: dict[str, Any] = {}
    for name, kinds in (("dividends", (p.DIVIDEND, p.REINVEST)), ("splits", (p.SPLIT,))):
        if getattr(settings.financing, name) is None:
            continue
        rows = dues[np.isin(dues[:, p.D_KIND], kinds)]
        times = world.inside_us[rows[:, p.D_BAR].astype(np.int64)].tolist()
        zone = world.time_zone
        changes[name] = DatedValues(
            tuple(times), ("",) * len(rows), tuple(rows[:, p.D_AMOUNT].tolist()), zone
        )
    return replace(settings, financing=replace(settings.financing, **changes)) if changes else settings


def check_permuted(financing: Any, *, panel: bool, method: str) -> None:
    """Refuse events that cannot go along with their bars.

    Raises
    ------
    ConfigError
        Dividends or splits of a panel, or beside mirrored moves.
    """
    names = [name for name in ("dividends", "splits") if getattr(financing, name, None) is not None]
    if names and (panel or method == "sign"):
        why = (
            "of a panel go along with no date" if panel else "of a mirrored bar would be what its holder pays"
        )
        other = "" if panel else "another method, or "
        raise ConfigError(
            f"Financing.{names[0]}: expected none, because those {why}; got some; pass {other}adjusted prices "
            "(from_frame(..., adjust=True)) without it"
        )


def check_jittered(settings: Any, bars: Any) -> None:
    """Refuse dividends that a moved close before them may fall short of.

    Raises
    ------
    DataError
        A dividend that is not below the low of the bar before.
    """
    paid = payments_for(settings, bars) if isinstance(bars, Bars) else None
    if paid is None:
        return
    priced = np.flatnonzero(~np.isnan(bars.close))
    for bar, kind, _, amount in paid.dues.tolist():
        if kind in (p.DIVIDEND, p.REINVEST):
            low = bars.low[priced[np.searchsorted(priced, bar) - 1]]
            if amount >= low:
                raise DataError(
                    f"noise: expected dividends below the low of the bar before, to which its close may move; got "
                    f"{amount:g} and {low:g} at bar {int(bar)}; pass adjusted prices (adjust=True) without dividends"
                )


def held_moves(close: FloatArray, payments: Payments | None) -> FloatArray:
    """What holding brings at each bar, dividends and splits included: float64[bar], NaN where there is no return."""
    moves, units, income, without = (np.full(close.size, value) for value in (np.nan, 1.0, 0.0, 0.0))
    for bar, kind, _, amount in payments.dues.tolist() if payments is not None else ():
        # Dividends come first, on the units before a split; reinvested ones buy at the close before without them.
        if kind == p.SPLIT:
            units[int(bar)] *= amount
        elif kind in (p.DIVIDEND, p.REINVEST):
            (income if kind == p.DIVIDEND else without)[int(bar)] += amount
    known = np.flatnonzero(~np.isnan(close))
    at, before = known[1:], known[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        moves[at] = (close[at] * units[at] + income[at]) / (close[before] - without[at]) - 1.0
    return moves
