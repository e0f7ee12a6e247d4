"""Signals and target orders for groups of assets that share cash, filled in the bar that gives them.

The rules are those of `Portfolio.from_signals` and `Portfolio.from_orders` of vectorbt 1.2, each a setting:
conflicts of signals, accumulation, stops tested on the bar's range before new signals, sizes as amount,
value, percent or target, cash limits, locked cash for shorts, the sequence of orders in a group.
Sums and comparisons tolerate a relative error of 1e-9, as that engine does.

Reads prices, signals, sizes and costs of all assets; writes positions, stops, cash and a row for each event.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import signal_slots as f
from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import part
from peak_kernels.signals.fills import buy, close_to, sell


@part
def stop_price(row: int, m: FloatArray) -> float:
    """Price at which the stop-loss, else the take-profit, of an open position is hit in the bar; NaN if none."""
    side = np.sign(m[row + f.A_POSITION])
    open_, high, low = m[row + f.A_CLOSE], m[row + f.A_CLOSE], m[row + f.A_CLOSE]
    if m[f.P_OHLC] > 0.0:
        close = open_
        open_, high, low = m[row + f.A_OPEN], m[row + f.A_HIGH], m[row + f.A_LOW]
        open_ = close if np.isnan(open_) else open_
        high = max(open_, close) if np.isnan(high) else high
        low = min(open_, close) if np.isnan(low) else low
    hit = np.nan
    level = money.moved(m[row + f.A_STOP_REFERENCE], -side * m[row + f.A_STOP])
    if side * open_ <= side * level or low <= level <= high:
        hit = money.exit_at(open_, level, side)
    if np.isnan(hit):
        level = money.moved(m[row + f.A_TARGET_REFERENCE], side * m[row + f.A_TARGET])
        if side * open_ >= side * level or low <= level <= high:
            hit = money.exit_at(open_, level, -side)
    if m[f.P_TRAIL] > 0.0:
        extreme = high if side > 0.0 else low
        if side * extreme > side * m[row + f.A_STOP_REFERENCE]:
            m[row + f.A_STOP_REFERENCE] = extreme
    return hit


@part
def keep_one(position: float, mode: float) -> tuple[bool, bool]:
    """Which of a conflicting entry and exit stays."""
    if mode == f.KEEP_ENTRY or mode == f.KEEP_EXIT:
        return mode == f.KEEP_ENTRY, mode == f.KEEP_EXIT
    if mode == f.IGNORE or position == 0.0:
        return False, False
    return mode == f.ADJACENT, mode == f.OPPOSITE


@part
def keep_direction(position: float, mode: float) -> tuple[bool, bool]:
    """Which of a long entry and a short entry in one bar stays."""
    if mode == f.KEEP_LONG or mode == f.KEEP_SHORT:
        return mode == f.KEEP_LONG, mode == f.KEEP_SHORT
    if mode == f.IGNORE or position == 0.0:
        return False, False
    long = (position > 0.0) == (mode == f.ADJACENT)
    return long, not long


@part
def resolve_signals(m: FloatArray, row: int) -> tuple[int, float]:
    """Signals of a bar after the conflict rules, and the accumulation that applies to them."""
    signals = int(m[row + f.A_SIGNALS])
    accumulate, position = m[f.P_ACCUMULATE], m[row + f.A_POSITION]
    entry, exit_ = signals & f.ENTRY > 0, signals & f.EXIT > 0
    short_entry, short_exit = signals & f.SHORT_ENTRY > 0, signals & f.SHORT_EXIT > 0
    if entry or short_entry:
        if entry and exit_:
            entry, exit_ = keep_one(position, m[f.P_LONG_CONFLICT])
        if short_entry and short_exit:
            short_entry, short_exit = keep_one(position, m[f.P_SHORT_CONFLICT])
        if entry and short_entry:
            entry, short_entry = keep_direction(position, m[f.P_DIR_CONFLICT])
        opposite = (position > 0.0 and short_entry) or (position < 0.0 and entry)
        mode = m[f.P_OPPOSITE]
        if opposite and mode < f.ENTRY_REVERSE:
            entry, short_entry = entry and position > 0.0, short_entry and position < 0.0
            if mode != f.ENTRY_IGNORE:
                exit_, short_exit = exit_ or position > 0.0, short_exit or position < 0.0
        if opposite and (mode == f.ENTRY_CLOSE or mode == f.ENTRY_REVERSE):
            accumulate = float(f.ACCUMULATE_OFF)
    resolved = (f.ENTRY if entry else 0) | (f.EXIT if exit_ else 0)
    resolved |= (f.SHORT_ENTRY if short_entry else 0) | (f.SHORT_EXIT if short_exit else 0)
    return resolved, accumulate


@part
def signals_on_stop(m: FloatArray, row: int, hit: float) -> tuple[int, float]:
    """Signals that a hit stop puts in the place of the user's, and its price and slippage."""
    mode = m[f.P_STOP_EXIT]
    long = m[row + f.A_POSITION] > 0.0
    accumulate = m[f.P_ACCUMULATE]
    if mode == f.STOP_CLOSE or mode == f.STOP_REVERSE:
        accumulate = float(f.ACCUMULATE_OFF)
    if mode == f.STOP_CLOSE or mode == f.STOP_CLOSE_REDUCE:
        signals = f.EXIT if long else f.SHORT_EXIT
    else:
        signals = f.SHORT_ENTRY if long else f.ENTRY
    price_mode = m[f.P_STOP_EXIT_PRICE]
    if price_mode == f.EXIT_STOP_LIMIT or price_mode == f.EXIT_STOP_MARKET:
        m[row + f.A_ORDER_PRICE] = hit
    elif price_mode == f.EXIT_CLOSE:
        m[row + f.A_ORDER_PRICE] = m[row + f.A_CLOSE]
    if price_mode == f.EXIT_STOP_LIMIT:
        m[row + f.A_ORDER_SLIPPAGE] = 0.0
    return signals, accumulate


@part
def decide(m: FloatArray, row: int) -> None:
    """This bar's order of an asset: from its size, or from stops and signals.  No order: size NaN."""
    m[row + f.A_ORDER_SIZE], m[row + f.A_ORDER_TYPE] = np.nan, m[f.P_SIZE_TYPE]
    m[row + f.A_ORDER_PRICE], m[row + f.A_ORDER_SLIPPAGE] = m[row + f.A_PRICE], m[row + f.A_SLIPPAGE]
    m[row + f.A_ORDER_DIRECTION], m[row + f.A_BY_STOP] = m[f.P_DIRECTION], 0.0
    size = m[row + f.A_SIZE]
    if m[f.P_FROM_ORDERS] > 0.0:
        m[row + f.A_ORDER_SIZE] = -size if m[f.P_DIRECTION] == f.SHORT_ONLY else size
        return
    m[row + f.A_ORDER_DIRECTION] = f.BOTH
    position = m[row + f.A_POSITION]
    hit = np.nan
    if position != 0.0 and not (np.isnan(m[row + f.A_STOP]) and np.isnan(m[row + f.A_TARGET])):
        hit = stop_price(row, m)
    if np.isnan(hit):
        signals, accumulate = resolve_signals(m, row)
    else:
        signals, accumulate = signals_on_stop(m, row, hit)
        m[row + f.A_BY_STOP] = 1.0
    if position == 0.0:
        if signals & (f.ENTRY | f.SHORT_ENTRY):
            m[row + f.A_ORDER_SIZE] = size if signals & f.ENTRY else -size
        return
    side = np.sign(position)
    opposite, out, same = f.SHORT_ENTRY, f.EXIT, f.ENTRY
    if side < 0.0:
        opposite, out, same = f.ENTRY, f.SHORT_EXIT, f.SHORT_ENTRY
    reduces = accumulate == f.ACCUMULATE or accumulate == f.REMOVE_ONLY
    if signals & opposite:
        order_against(m, row, size, reduces)
    elif signals & out:
        m[row + f.A_ORDER_DIRECTION] = f.LONG_ONLY if side > 0.0 else f.SHORT_ONLY
        m[row + f.A_ORDER_SIZE] = -side * size
        if not reduces:
            m[row + f.A_ORDER_SIZE], m[row + f.A_ORDER_TYPE] = -position, f.AMOUNT
    elif signals & same and (accumulate == f.ACCUMULATE or accumulate == f.ADD_ONLY):
        m[row + f.A_ORDER_SIZE] = side * size


@part
def order_against(m: FloatArray, row: int, size: float, reduces: bool) -> None:
    """Order of an entry against the position: a reduction, or a reversal by position plus size."""
    position = m[row + f.A_POSITION]
    if not reduces:
        if m[f.P_SIZE_TYPE] == f.PERCENT and not np.isnan(size):
            m[f.P_PERCENT_REVERSAL] = 1.0
        if m[f.P_SIZE_TYPE] == f.VALUE:
            size = money.units(size, m[row + f.A_VALUATION])
        # Without a size of its own the entry only closes.
        size = abs(position) + (0.0 if np.isnan(size) else size)
        m[row + f.A_ORDER_TYPE] = f.AMOUNT
    m[row + f.A_ORDER_SIZE] = -np.sign(position) * size


@part
def order_value(m: FloatArray, row: int, g: int) -> float:
    """Approximate value of an asset's order, by which orders of a group are sequenced; NaN without one."""
    size, kind, valuation = m[row + f.A_ORDER_SIZE], m[row + f.A_ORDER_TYPE], m[row + f.A_VALUATION]
    held = money.value(m[row + f.A_POSITION], valuation) if m[row + f.A_POSITION] != 0.0 else 0.0
    if kind == f.AMOUNT:
        return money.value(size, valuation)
    if kind == f.VALUE:
        return size
    if kind == f.PERCENT:
        if size >= 0.0:
            return size * m[g + f.G_CASH]
        if m[row + f.A_ORDER_DIRECTION] == f.LONG_ONLY:
            return size * held
        return size * (2.0 * max(held, 0.0) + max(m[g + f.G_FREE], 0.0))
    if kind == f.TARGET_AMOUNT:
        return money.value(size, valuation) - held
    return (size if kind == f.TARGET_VALUE else size * m[g + f.G_VALUE]) - held


@part
def sequence(m: FloatArray, g: int, rows: IntArray) -> None:
    """Put the assets of a group into the order in which they trade (stable, ascending by order value)."""
    first, count = int(m[g + f.G_FIRST]), int(m[g + f.G_COUNT])
    for j in range(count):
        at = count - 1 - j if m[f.P_SEQUENCE] == f.SEQUENCE_REVERSED else j
        rows[j] = int(m[first + at * f.N_ASSET + f.A_MEMBER])
    if m[f.P_SEQUENCE] != f.SEQUENCE_AUTO:
        return
    for j in range(count):
        value = order_value(m, rows[j], g)
        m[rows[j] + f.A_ORDER_VALUE] = np.inf if np.isnan(value) else value
    for j in range(1, count):
        row = rows[j]
        i = j
        while i > 0 and m[rows[i - 1] + f.A_ORDER_VALUE] > m[row + f.A_ORDER_VALUE]:
            rows[i] = rows[i - 1]
            i -= 1
        rows[i] = row


@part
def value_group(m: FloatArray, g: int) -> float:
    """Cash of a group plus its positions at the valuation prices."""
    value = m[g + f.G_CASH]
    first = int(m[g + f.G_FIRST])
    for j in range(int(m[g + f.G_COUNT])):
        row = int(m[first + j * f.N_ASSET + f.A_MEMBER])
        if m[row + f.A_POSITION] != 0.0:
            value = money.equity(value, m[row + f.A_POSITION], m[row + f.A_VALUATION])
    return value


@part
def units_of(m: FloatArray, row: int, g: int) -> float:
    """Turn the order's size into an amount; a percent keeps its type.  Returns the signed size."""
    size, kind = m[row + f.A_ORDER_SIZE], m[row + f.A_ORDER_TYPE]
    if kind == f.TARGET_PERCENT:
        size *= m[g + f.G_VALUE]
    if kind == f.VALUE or kind == f.TARGET_VALUE or kind == f.TARGET_PERCENT:
        size = money.units(size, m[row + f.A_VALUATION])
    if kind >= f.TARGET_AMOUNT:
        size -= m[row + f.A_POSITION]
    if kind != f.PERCENT:
        m[row + f.A_ORDER_TYPE] = f.AMOUNT
    capped = kind == f.PERCENT and np.isfinite(m[f.P_MAX_SIZE])
    if size == -np.inf and m[row + f.A_ORDER_DIRECTION] != f.LONG_ONLY and not capped:
        # Selling without limit stands for all that can be sold short; an unlimited percent for the largest order.
        m[row + f.A_ORDER_TYPE] = f.PERCENT
        return -1.0
    return size


@part
def execute(m: FloatArray, row: int, g: int, bar: int, events: FloatArray) -> None:
    """Fill or refuse the order of an asset, record it, and update its stops."""
    requested = m[row + f.A_ORDER_SIZE]
    for slot in (g + f.G_CASH, g + f.G_FREE, row + f.A_POSITION, row + f.A_DEBT):
        if close_to(m[slot], 0.0):
            m[slot] = 0.0
    if np.isnan(requested):
        return
    before = m[row + f.A_POSITION]
    price, status, side = np.nan, f.FILLED, 0.0
    done, paid = 0.0, 0.0
    if np.isnan(m[row + f.A_ORDER_PRICE]):
        status = f.PRICE_NAN
    elif m[row + f.A_ORDER_TYPE] == f.TARGET_PERCENT and m[g + f.G_VALUE] <= 1e-12:
        status = f.VALUE_NOT_POSITIVE
    else:
        size = units_of(m, row, g)
        if np.isnan(size):
            status = f.VALUATION_NAN
        elif size == 0.0 or close_to(size, 0.0):
            status = f.SIZE_ZERO
        elif size > 0.0:
            status, done, price, paid = buy(m, row, g, size)
            side = 1.0
        else:
            status, done, price, paid = sell(m, row, g, -size)
            side = -1.0
    n = int(m[f.P_EVENTS])
    if n >= events.shape[0]:
        m[f.P_OVERFLOW] = 1.0
        return
    m[f.P_EVENTS] += 1.0
    event = events[n]
    event[f.V_BAR], event[f.V_ASSET] = bar, m[row + f.A_INDEX]
    event[f.V_SIDE] = side if status == f.FILLED else 0.0
    event[f.V_SIZE], event[f.V_PRICE], event[f.V_FEE] = done, price, paid
    event[f.V_STATUS], event[f.V_REQUESTED], event[f.V_BY_STOP] = status, requested, m[row + f.A_BY_STOP]
    if status == f.FILLED:
        if m[f.P_UPDATE_VALUE] > 0.0:
            m[row + f.A_VALUATION] = price
            m[g + f.G_VALUE] = value_group(m, g)
        update_stops(m, row, before, price)


@part
def update_stops(m: FloatArray, row: int, before: float, filled_at: float) -> None:
    """Stops after a fill: cleared, set for a new position, replaced for an increased one."""
    position = m[row + f.A_POSITION]
    if position == 0.0:
        m[row + f.A_STOP], m[row + f.A_TARGET] = np.nan, np.nan
        return
    mode = m[f.P_STOP_ENTRY_PRICE]
    reference = m[row + f.A_CLOSE]
    if mode == f.REFERENCE_PRICE:
        reference = m[row + f.A_ORDER_PRICE]
    elif mode == f.REFERENCE_FILL:
        reference = filled_at
    elif mode == f.REFERENCE_VALUATION:
        reference = m[row + f.A_VALUATION]
    opened = before == 0.0 or before * position < 0.0
    increased = before * position > 0.0 and abs(position) > abs(before)
    for column, given in ((f.A_STOP, f.A_NEW_STOP), (f.A_TARGET, f.A_NEW_TARGET)):
        replaced = m[f.P_STOP_UPDATE] == f.UPDATE_OVERRIDE and not np.isnan(m[row + given])
        if opened or (increased and (replaced or m[f.P_STOP_UPDATE] == f.UPDATE_OVERRIDE_NAN)):
            m[row + column], m[row + column + 1] = m[row + given], reference


@part
def load_bar(m: FloatArray, row: int, a: int, bar: int, data: FloatArray, at: IntArray) -> None:
    """Copy a bar's prices and inputs of an asset into its row.

    ``data`` holds all inputs one behind the other; ``at[field]`` is where a field begins and how far its
    next asset and its next bar are away (0 for a constant).
    """
    for field in range(at.shape[0]):
        m[row + f.A_OPEN + field] = data[at[field, 0] + a * at[field, 1] + bar * at[field, 2]]
    price = m[row + f.A_PRICE]
    if not np.isnan(price) or m[f.P_CARRY_VALUATION] == 0.0:
        m[row + f.A_VALUATION] = price


@part
def simulate_signals(
    m: FloatArray,
    data: FloatArray,
    at: IntArray,
    bars: int,
    places: IntArray,
    events: FloatArray,
    cash: FloatArray,
    position: FloatArray,
    rows: IntArray,
) -> None:
    """Run all groups bar by bar.

    Parameters
    ----------
    m
        Memory: settings, groups, assets (`peak_kernels.signal_slots`).
    data, at
        Inputs of all assets and where each field lies in them (see `load_bar`).
    bars
        Number of bars.
    places
        First slots of groups and of assets, and their numbers.
    events, cash, position
        Records; ``cash[group, bar]`` and ``position[asset, bar]`` at the close.
    rows
        Scratch of one element an asset.
    """
    groups, group_count, assets, asset_count = places[0], places[1], places[2], places[3]
    for bar in range(bars):
        for a in range(asset_count):
            load_bar(m, assets + a * f.N_ASSET, a, bar, data, at)
        for number in range(group_count):
            g = groups + number * f.N_GROUP
            first, count = int(m[g + f.G_FIRST]), int(m[g + f.G_COUNT])
            m[g + f.G_VALUE] = value_group(m, g)
            for j in range(count):
                decide(m, int(m[first + j * f.N_ASSET + f.A_MEMBER]))
            sequence(m, g, rows)
            for j in range(count):
                execute(m, rows[j], g, bar, events)
            cash[number, bar] = m[g + f.G_CASH]
        for a in range(asset_count):
            position[a, bar] = m[assets + a * f.N_ASSET + f.A_POSITION]
        if m[f.P_OVERFLOW] > 0.0 or m[f.P_PERCENT_REVERSAL] > 0.0:
            break
