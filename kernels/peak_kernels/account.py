"""Cash, margin, fees, lots and trades: what a fill does to the account.

Two ledgers.  ``PAID``: buying takes the value out of the cash (divided by the leverage for longs), selling
short puts the proceeds into it; futures tie up their margin and settle against each close.  ``SETTLED``:
cash holds realised results and fees only, and equity is cash plus the unrealised result of the open lots.
Equity is the same in both; what can be afforded is judged on either (``R_AFFORD``).
"""

from __future__ import annotations

import numpy as np

from peak_kernels import orders_fields as f
from peak_kernels._jit import jit
from peak_kernels.orders_fields import Floats, Sim


@jit
def fee(sim: Sim, size: float, price: float, multiplier: float, maker: bool) -> float:
    """Fee of one fill: ``fixed + per_unit * size + rate * value``, at least the minimum."""
    rules = sim.rules
    value = size * price * multiplier
    rate = rules[f.R_FEE_MAKER] if maker else rules[f.R_FEE_RATE]
    for tier in range(sim.tiers.shape[0]):
        if sim.state[f.S_TURNOVER] >= sim.tiers[tier, 0]:
            rate = sim.tiers[tier, 1]
    paid = rules[f.R_FEE_FIXED] + rules[f.R_FEE_UNIT] * size + rate * abs(value)
    return max(paid, rules[f.R_FEE_MINIMUM])


@jit
def unrealised(sim: Sim, asset: int, price: float) -> float:
    """Result of the open lots of one asset if they were closed at ``price`` without cost."""
    row = sim.assets[asset]
    if row[f.A_POSITION] == 0.0 and row[f.A_COST] == 0.0:
        return 0.0
    return (row[f.A_POSITION] * price - row[f.A_COST]) * row[f.A_MULTIPLIER]


@jit
def equity_of(sim: Sim) -> float:
    """Account value at the marks of all assets (``A_MARK``)."""
    rules = sim.rules
    value = sim.state[f.S_CASH]
    for a in range(sim.assets.shape[0]):
        row = sim.assets[a]
        position = row[f.A_POSITION]
        if position == 0.0:
            continue
        price = row[f.A_MARK]
        if rules[f.R_LEDGER] == f.SETTLED:
            value += unrealised(sim, a, price)
        elif row[f.A_MARGIN] > 0.0:
            value += abs(position) * row[f.A_MARGIN]
        else:
            worth = position * price * row[f.A_MULTIPLIER]
            if rules[f.R_SHORT_PROCEEDS] == 0.0 and position < 0.0:
                worth = abs(position * row[f.A_AVERAGE] + (row[f.A_AVERAGE] - price) * position)
            elif position > 0.0 and rules[f.R_LEVERAGE] != 1.0:
                gain = position * (price - row[f.A_AVERAGE]) * row[f.A_MULTIPLIER]
                worth = (worth - gain) / rules[f.R_LEVERAGE] + gain
            value += worth
    return value


@jit
def settled_equity(sim: Sim, asset: int, price: float) -> float:
    """Equity of a settled ledger, lot by lot, with ``asset`` marked at ``price``."""
    value = sim.state[f.S_CASH]
    for j in range(int(sim.state[f.S_OPEN_LOTS])):
        lot = sim.lots[sim.open_lots[j]]
        row = sim.assets[int(lot[f.L_ASSET])]
        mark = price if lot[f.L_ASSET] == asset else row[f.A_MARK]
        value += lot[f.L_SIZE] * (mark - lot[f.L_PRICE]) * row[f.A_MULTIPLIER]
    return value


@jit
def margin_available(sim: Sim, asset: int, price: float) -> float:
    """Equity that no open lot ties up: ``max(0, equity - sum(value) / leverage)``."""
    value = settled_equity(sim, asset, price) if sim.rules[f.R_LEDGER] == f.SETTLED else equity_of(sim)
    if sim.rules[f.R_LEDGER] == f.PAID and sim.rules[f.R_MARGIN_MARK] == f.MARK_FILL:
        row = sim.assets[asset]
        value += row[f.A_POSITION] * (price - row[f.A_MARK]) * row[f.A_MULTIPLIER]
    used = 0.0
    for j in range(int(sim.state[f.S_OPEN_LOTS])):
        lot = sim.lots[sim.open_lots[j]]
        row = sim.assets[int(lot[f.L_ASSET])]
        if row[f.A_MARGIN] > 0.0:
            used += abs(lot[f.L_SIZE]) * row[f.A_MARGIN]
        else:
            mark = price if lot[f.L_ASSET] == asset else row[f.A_MARK]
            used += abs(lot[f.L_SIZE]) * mark * row[f.A_MULTIPLIER] / sim.rules[f.R_LEVERAGE]
    return max(0.0, value - used)


@jit
def cash_for(sim: Sim, row: Floats, size: float, price: float) -> float:
    """Cash that opening the signed ``size`` takes out of a paid ledger (negative: it brings cash)."""
    if row[f.A_MARGIN] > 0.0:
        value = abs(size) * row[f.A_MARGIN]
    elif sim.rules[f.R_SHORT_PROCEEDS] == 0.0:
        value = abs(size) * price * row[f.A_MULTIPLIER]
    else:
        value = size * price * row[f.A_MULTIPLIER]
    return value / sim.rules[f.R_LEVERAGE] if value > 0.0 else value


@jit
def settle_close(sim: Sim, asset: int, size: float, price: float) -> None:
    """Cash of a paid ledger after closing the signed ``size`` of a position (same sign as it)."""
    row = sim.assets[asset]
    gain = size * (price - row[f.A_AVERAGE]) * row[f.A_MULTIPLIER]
    cash = sim.state[f.S_CASH] + cash_for(sim, row, size, row[f.A_AVERAGE])
    if row[f.A_MARGIN] > 0.0:
        cash += size * (price - row[f.A_ADJUSTED]) * row[f.A_MULTIPLIER]
    else:
        cash += gain
    sim.state[f.S_CASH] = cash


@jit
def settle_open(sim: Sim, asset: int, size: float, price: float) -> None:
    """Cash, average price and settlement base of a paid ledger after opening the signed ``size``."""
    row = sim.assets[asset]
    sim.state[f.S_CASH] -= cash_for(sim, row, size, price)
    if row[f.A_MARGIN] > 0.0:
        sim.state[f.S_CASH] += row[f.A_POSITION] * (price - row[f.A_ADJUSTED]) * row[f.A_MULTIPLIER]
    row[f.A_ADJUSTED] = price


@jit
def settle_futures(sim: Sim, asset: int) -> None:
    """Daily settlement: the move since the last settlement becomes cash."""
    row = sim.assets[asset]
    if row[f.A_MARGIN] > 0.0 and row[f.A_POSITION] != 0.0 and sim.rules[f.R_LEDGER] == f.PAID:
        move = row[f.A_MARK] - row[f.A_ADJUSTED]
        sim.state[f.S_CASH] += row[f.A_POSITION] * move * row[f.A_MULTIPLIER]
        row[f.A_ADJUSTED] = row[f.A_MARK]


@jit
def open_lot(sim: Sim, asset: int, size: float, price: float, bar: int, order: int, paid: float) -> int:
    """Add a lot at the end of the list and to the position; its number, or -1 when the table is full."""
    state = sim.state
    number = int(state[f.S_LOTS])
    listed = int(state[f.S_OPEN_LOTS])
    if number >= sim.lots.shape[0] or listed >= sim.open_lots.shape[0]:
        state[f.S_OVERFLOW] = 1.0
        return -1
    lot = sim.lots[number]
    lot[f.L_OPEN], lot[f.L_ASSET], lot[f.L_SIZE], lot[f.L_PRICE] = 1.0, asset, size, price
    lot[f.L_BAR], lot[f.L_ORDER], lot[f.L_TAG] = bar, order, sim.book[order, f.O_TAG]
    lot[f.L_STOP_ORDER], lot[f.L_TARGET_ORDER], lot[f.L_FEE] = -1.0, -1.0, paid
    sim.open_lots[listed] = number
    state[f.S_LOTS], state[f.S_OPEN_LOTS] = number + 1, listed + 1
    row = sim.assets[asset]
    before = row[f.A_POSITION]
    row[f.A_POSITION] = before + size
    row[f.A_COST] += size * price
    if before == 0.0 or before * size < 0.0:
        row[f.A_AVERAGE] = price
    else:
        row[f.A_AVERAGE] = (row[f.A_AVERAGE] * before + size * price) / row[f.A_POSITION]
    return number


@jit
def shrink_lot(sim: Sim, number: int, size: float, price: float, bar: int, order: int, paid: float) -> None:
    """Close ``size`` (> 0) of a lot at ``price``, having paid the fee ``paid``; write the closed trade."""
    lot = sim.lots[number]
    row = sim.assets[int(lot[f.L_ASSET])]
    held = lot[f.L_SIZE]
    signed = size if held > 0.0 else -size
    share = lot[f.L_FEE] * (signed / held)
    gain = signed * (price - lot[f.L_PRICE]) * row[f.A_MULTIPLIER]
    if sim.rules[f.R_LEDGER] == f.SETTLED:
        sim.state[f.S_CASH] += gain - paid
    rest = held - signed
    lot[f.L_SIZE] = rest if abs(rest) > 1e-12 * abs(held) else 0.0
    lot[f.L_FEE] -= share
    row[f.A_COST] -= signed * lot[f.L_PRICE]
    row[f.A_POSITION] -= signed if lot[f.L_SIZE] != 0.0 else held
    trade_row(sim, number, signed, price, bar, order, share + paid, gain)
    if lot[f.L_SIZE] == 0.0:
        lot[f.L_OPEN] = 0.0
        unlist(sim, number)
        if sim.state[f.S_OPEN_LOTS] == 0.0 or not holds(sim, int(lot[f.L_ASSET])):
            row[f.A_POSITION], row[f.A_COST], row[f.A_AVERAGE] = 0.0, 0.0, 0.0


@jit
def holds(sim: Sim, asset: int) -> bool:
    """Whether any lot of the asset is open."""
    for j in range(int(sim.state[f.S_OPEN_LOTS])):
        if sim.lots[sim.open_lots[j], f.L_ASSET] == asset:
            return True
    return False


@jit
def unlist(sim: Sim, number: int) -> None:
    """Take a closed lot out of the list of open lots, keeping the order of the rest."""
    listed = int(sim.state[f.S_OPEN_LOTS])
    to = 0
    for j in range(listed):
        if sim.open_lots[j] != number:
            sim.open_lots[to] = sim.open_lots[j]
            to += 1
    sim.state[f.S_OPEN_LOTS] = to


@jit
def trade_row(
    sim: Sim, number: int, signed: float, price: float, bar: int, order: int, fees: float, gain: float
) -> None:
    """Write one closed trade: the part ``signed`` of a lot, entry fee prorated by size."""
    n = int(sim.state[f.S_TRADES])
    if n >= sim.trades.shape[0]:
        sim.state[f.S_OVERFLOW] = 1.0
        return
    lot, row = sim.lots[number], sim.trades[n]
    row[f.T_LOT], row[f.T_ASSET], row[f.T_SIZE] = number, lot[f.L_ASSET], signed
    row[f.T_ENTRY_BAR], row[f.T_EXIT_BAR] = lot[f.L_BAR], bar
    row[f.T_ENTRY], row[f.T_EXIT], row[f.T_FEES], row[f.T_PNL] = lot[f.L_PRICE], price, fees, gain - fees
    row[f.T_ORDER], row[f.T_TAG] = order, lot[f.L_TAG]
    row[f.T_ROLE] = sim.book[order, f.O_ROLE] if order >= 0 else f.LIQUIDATION
    sim.state[f.S_TRADES] = n + 1


@jit
def fill_row(sim: Sim, order: int, bars: tuple[int, int], size: float, price: float, paid: float) -> int:
    """Write one fill; ``bars`` are the reported and the booked bar, ``size`` is signed.  Returns its row."""
    n = int(sim.state[f.S_FILLS])
    if n >= sim.fills.shape[0]:
        sim.state[f.S_OVERFLOW] = 1.0
        return 0
    row = sim.fills[n]
    row[f.F_ORDER], row[f.F_BAR], row[f.F_BOOKED] = order, bars[0], bars[1]
    row[f.F_ASSET], row[f.F_ROLE] = sim.book[order, f.O_ASSET], sim.book[order, f.O_ROLE]
    row[f.F_SIDE], row[f.F_SIZE] = np.sign(size), abs(size)
    row[f.F_PRICE], row[f.F_FEE], row[f.F_LOT], row[f.F_CLOSED] = price, paid, -1.0, 0.0
    row[f.F_SLIPPAGE] = 0.0
    sim.state[f.S_FILLS] = n + 1
    return n
