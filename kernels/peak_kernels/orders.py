"""The order-level simulation: one pass over the bars, events inside a bar, marks at the close.

Order of events in a bar: submission check, interest, the queue (all orders placed on earlier bars), daily
settlement, margin and risk limits, mark at the close, then the strategy's actions.  A bar that no order
can react to costs a comparison or two (`book.set_wakes`).
"""

from __future__ import annotations

import numpy as np

from peak_kernels import orders_fields as f
from peak_kernels._jit import jit
from peak_kernels.account import equity_of
from peak_kernels.book import compact, set_status, set_wakes
from peak_kernels.orders_actions import act, check_submissions
from peak_kernels.orders_fields import Floats, Market, Sim
from peak_kernels.orders_limits import after_bar, before_bar, finalize, liquidate_at_open
from peak_kernels.orders_work import work_bar, work_queue


@jit
def load_bar(sim: Sim, market: Market, bar: int) -> None:
    """Copy the prices of a bar into the assets' rows."""
    by_close = sim.rules[f.R_MARGIN_MARK] == f.MARK_CLOSE
    for a in range(sim.assets.shape[0]):
        row = sim.assets[a]
        row[f.A_OPEN], row[f.A_HIGH] = market.open[a, bar], market.high[a, bar]
        row[f.A_LOW], row[f.A_CLOSE] = market.low[a, bar], market.close[a, bar]
        row[f.A_PREVIOUS] = market.close[a, bar - 1] if bar > 0 else np.nan
        row[f.A_VOLUME] = market.volume[a, bar] if market.volume.shape[0] > 0 else np.nan
        row[f.A_HALF_SPREAD] = market.half_spread[a, bar] if market.half_spread.shape[0] > 0 else 0.0
        row[f.A_USED] = 0.0
        if by_close and not np.isnan(market.close[a, bar]):
            row[f.A_MARK] = market.close[a, bar]


@jit
def mark_bar(sim: Sim, market: Market, bar: int) -> None:
    """Marks at the close of a bar; a bar without a price keeps the last one."""
    for a in range(sim.assets.shape[0]):
        close = market.close[a, bar]
        if not np.isnan(close):
            sim.assets[a, f.A_MARK] = close


@jit
def wakes(sim: Sim, market: Market, bar: int) -> bool:
    """Whether an order can act in this bar."""
    if bar >= sim.state[f.S_WAKE_BAR]:
        return True
    for a in range(sim.assets.shape[0]):
        row = sim.assets[a]
        if market.low[a, bar] <= row[f.A_WAKE_LOW] or market.high[a, bar] >= row[f.A_WAKE_HIGH]:
            return True
    return False


@jit
def live_bar(sim: Sim, market: Market, bar: int) -> None:
    """Everything that happens in a bar before the strategy acts at its close."""
    load_bar(sim, market, bar)
    if sim.rules[f.R_CHECK_SUBMISSION] > 0.0:
        check_submissions(sim, bar)
    before_bar(sim, market, bar)
    liquidate_at_open(sim, bar)
    work_bar(sim, market, bar)
    mark_bar(sim, market, bar)
    after_bar(sim, market, bar)
    compact(sim)
    set_wakes(sim, bar)


@jit
def write_curves(sim: Sim, equity: Floats, cash: Floats, position: Floats, bar: int) -> None:
    """State at the close of a bar."""
    cash[bar] = sim.state[f.S_CASH]
    equity[bar] = equity_of(sim)
    for a in range(sim.assets.shape[0]):
        position[a, bar] = sim.assets[a, f.A_POSITION]


@jit
def quiet_until(sim: Sim, market: Market, bar: int, stop: int) -> int:
    """First bar from ``bar`` on (at most ``stop``) in which an order of the only asset can act."""
    row = sim.assets[0]
    low, high = row[f.A_WAKE_LOW], row[f.A_WAKE_HIGH]
    stop = min(stop, int(min(sim.state[f.S_WAKE_BAR], float(stop))))
    while bar < stop and not (market.low[0, bar] <= low or market.high[0, bar] >= high):
        bar += 1
    return bar


@jit
def mark_stretch(
    sim: Sim, market: Market, curves: tuple[Floats, Floats, Floats], start: int, stop: int
) -> None:
    """Curves of bars in which nothing happens, for one asset."""
    equity, cash, position = curves
    row = sim.assets[0]
    held, settled = row[f.A_POSITION], sim.state[f.S_CASH]
    cash[start:stop] = settled
    position[0, start:stop] = held
    if held == 0.0:
        equity[start:stop] = settled
        mark_bar(sim, market, stop - 1)
        if np.isnan(market.close[0, stop - 1]):
            for bar in range(start, stop):
                mark_bar(sim, market, bar)
        return
    for bar in range(start, stop):
        mark_bar(sim, market, bar)
        equity[bar] = equity_of(sim)


@jit
def simulate_orders(
    sim: Sim, market: Market, actions: Floats, equity: Floats, cash: Floats, position: Floats
) -> None:
    """Run all bars.  ``actions`` are sorted by bar; curves are written at every close.

    ``sim.state[S_OVERFLOW]`` is 1 afterwards when a record array was too small: run again with larger ones.
    """
    bars = market.close.shape[1]
    first = int(sim.rules[f.R_START_BAR])
    carry = sim.state[f.S_CARRY] > 0.0
    skips = sim.assets.shape[0] == 1 and not carry
    m = 0
    bar = 0
    while bar < bars:
        if bar < first:
            mark_bar(sim, market, bar)
            write_curves(sim, equity, cash, position, bar)
            while m < actions.shape[0] and actions[m, f.X_BAR] <= bar:
                m += 1
            bar += 1
            continue
        if skips:
            coming = int(actions[m, f.X_BAR]) if m < actions.shape[0] else bars
            quiet = quiet_until(sim, market, bar, min(coming, bars))
            if quiet > bar:
                mark_stretch(sim, market, (equity, cash, position), bar, quiet)
                bar = quiet
                continue
        if carry or wakes(sim, market, bar):
            live_bar(sim, market, bar)
        else:
            mark_bar(sim, market, bar)
        write_curves(sim, equity, cash, position, bar)
        if sim.state[f.S_STOPPED] > 0.0:
            equity[bar:] = sim.state[f.S_CASH]
            cash[bar:] = sim.state[f.S_CASH]
            position[:, bar + 1 :] = 0.0
            break
        acted = False
        while m < actions.shape[0] and actions[m, f.X_BAR] <= bar:
            act(sim, market, actions, m, bar)
            acted = True
            m += 1
        if acted:
            after_actions(sim, market, (equity, cash, position), bar)
        if sim.state[f.S_OVERFLOW] > 0.0:
            break
        bar += 1
    end_run(sim, market, equity, cash, position, bars)


@jit
def after_actions(sim: Sim, market: Market, curves: tuple[Floats, Floats, Floats], bar: int) -> None:
    """Fills at the very close of the placing bar, if the rules have them; then new wake levels."""
    if sim.rules[f.R_MARKET_AT] == f.SAME_CLOSE and sim.rules[f.R_LATENCY] == 0.0:
        load_bar(sim, market, bar)
        for a in range(sim.assets.shape[0]):
            row = sim.assets[a]
            for column in (f.A_OPEN, f.A_HIGH, f.A_LOW, f.A_PREVIOUS):
                row[column] = row[f.A_CLOSE]
        for j in range(int(sim.state[f.S_QUEUE])):
            k = int(sim.queue[j])
            if sim.book[k, f.O_BAR] == bar and sim.book[k, f.O_KIND] == f.MARKET:
                sim.book[k, f.O_FRESH] = bar
        work_queue(sim, market, bar, bar, True)
        sim.state[f.S_AGAIN] = 0.0
        write_curves(sim, curves[0], curves[1], curves[2], bar)
    compact(sim)
    set_wakes(sim, bar)


@jit
def end_run(sim: Sim, market: Market, equity: Floats, cash: Floats, position: Floats, bars: int) -> None:
    """Close what the rules want closed, then mark the orders that are still live."""
    if bars == 0:
        return
    if sim.rules[f.R_FINALIZE] > 0.0 and sim.state[f.S_STOPPED] == 0.0:
        load_bar(sim, market, bars - 1)
        finalize(sim, market, bars - 1)
        mark_bar(sim, market, bars - 1)
        write_curves(sim, equity, cash, position, bars - 1)
    for j in range(int(sim.state[f.S_QUEUE])):
        k = int(sim.queue[j])
        if sim.book[k, f.O_STATUS] >= f.SUBMITTED and sim.book[k, f.O_STATUS] <= f.WAITING:
            set_status(sim, k, f.CANCELLED, f.END_OF_DATA, bars - 1)
    first = int(sim.rules[f.R_START_BAR])
    if 0 < first < bars:
        equity[:first] = equity[first]
