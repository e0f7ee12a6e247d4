"""Cash, margin, fees, lots and trades: what a fill does to the account.

Two ledgers.  ``PAID``: buying takes the value out of the cash (divided by the leverage for longs), selling
short puts the proceeds into it; futures tie up their margin and settle against each close.  ``SETTLED``:
cash holds realised results and fees only, and equity is cash plus the unrealised result of the open lots.
Equity is the same in both; what can be afforded is judged on either (``R_AFFORD``).

Cash is in the account's currency.  Whatever moves between it and an asset of another currency is exchanged at
that moment (`rate_at`): the whole value with a paid ledger, results with a settled one, settlements of futures.

Reads rules, assets (position, marks, rate of exchange) and lots; writes cash, balance, positions, lots, and the
records of fills, closed trades and charges.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import money
from peak_kernels import order_slots as f
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import part


@part
def rate_at(m: FloatArray, row: int, price: float) -> float:
    """Account money for one unit of the asset's quote currency; one over the price where its base is the account's."""
    return 1.0 / price if m[row + f.A_CURRENCY] == f.BY_PRICE else m[row + f.A_RATE]


@part
def by_weight(m: FloatArray) -> bool:
    """Whether the run follows weights."""
    return m[f.G_STATE_AT] > 0.0 and m[int(m[f.G_STATE_AT]) + t.WEIGHT_TARGETS] > 0.0


@part
def fee_rate(m: FloatArray, maker: bool) -> float:
    """Rate of the next fill: that of limit fills where there is one, else that of the tier."""
    if maker and not np.isnan(m[f.R_FEE_MAKER]):
        return m[f.R_FEE_MAKER]
    rate = m[f.R_FEE_RATE]
    for tier in range(int(m[f.S_TIERS])):
        if m[f.S_TURNOVER] >= m[f.TIERS_AT + 2 * tier]:
            rate = m[f.TIERS_AT + 2 * tier + 1]
    return rate


@part
def fee(m: FloatArray, row: int, size: float, price: float, maker: bool) -> float:
    """Fee of one fill: ``fixed + per_unit * size + rate * value``, at least the minimum."""
    value = abs(worth_of(m, row, size, price))
    fixed, per_unit = m[f.R_FEE_FIXED], m[f.R_FEE_UNIT]
    return money.fee(value, size, fee_rate(m, maker), fixed, per_unit, m[f.R_FEE_MINIMUM])


@part
def worth_of(m: FloatArray, row: int, units: float, price: float) -> float:
    """Value of units of an asset in account money."""
    return money.worth(units, price, m[row + f.A_MULTIPLIER], rate_at(m, row, price))


@part
def full_value(m: FloatArray, row: int) -> bool:
    """Whether a position adds its whole value to the equity: no margin, no collateral of shorts, no results alone."""
    return m[f.R_LEDGER] == f.PAID and m[f.R_SHORT_PROCEEDS] > 0.0 and m[row + f.A_MARGIN] == 0.0


@part
def worth(m: FloatArray, row: int, price: float) -> float:
    """What a position adds to the cash of its ledger to give the equity, at ``price``."""
    position, multiplier = m[row + f.A_POSITION], m[row + f.A_MULTIPLIER]
    if m[f.R_LEDGER] == f.SETTLED:
        # Lots of both sides can add up to no position and still have a result.
        if position == 0.0 and m[row + f.A_COST] == 0.0:
            return 0.0
        held = price if position != 0.0 else 0.0
        return (money.value(position, held) - m[row + f.A_COST]) * multiplier * rate_at(m, row, price)
    if position == 0.0:
        return 0.0
    if full_value(m, row):
        return worth_of(m, row, position, price)
    rate = rate_at(m, row, price)
    if m[row + f.A_MARGIN] > 0.0:
        gain = money.move(position, m[row + f.A_ADJUSTED], price, multiplier) * rate
        return money.value(abs(position), m[row + f.A_MARGIN]) + gain
    # Shorts without their proceeds: collateral, and what they have gained.
    now, average = price * rate, m[row + f.A_PAID]
    gain = money.move(position, average, now, multiplier)
    value = money.value(position, now) * multiplier
    if position < 0.0:
        value = gain - money.value(position, average) * multiplier
        if m[f.R_SHORT_ABSOLUTE] > 0.0:
            value = abs(value)
    if m[f.R_LEVERAGE] == 1.0:
        return value
    return (value - gain) / m[f.R_LEVERAGE] + gain


@part
def equity_of(m: FloatArray) -> float:
    """Account value at the marks of all assets (``A_MARK``)."""
    value = m[f.S_BALANCE]
    for row in range(int(m[f.S_ASSETS_AT]), int(m[f.S_ASSETS_END]), f.N_ASSET):
        value += worth(m, row, m[row + f.A_MARK])
    return value


@part
def margin_available(m: FloatArray, row: int, price: float) -> float:
    """Equity that no open lot ties up, ``max(0, equity - sum(value) / leverage)``, ``row`` being at ``price``."""
    value, used = m[f.S_BALANCE], 0.0
    if m[f.R_LEDGER] == f.PAID:
        for other in range(int(m[f.S_ASSETS_AT]), int(m[f.S_ASSETS_END]), f.N_ASSET):
            mark = price if other == row else m[other + f.A_MARK]
            if m[other + f.A_POSITION] != 0.0:
                value += worth(m, other, mark)
                used += tied_up(m, other, m[other + f.A_POSITION], mark)
        return max(0.0, value - used)
    # Lot by lot, in the sequence of the lots: both sides may be open.
    listed = int(m[f.S_LISTED_AT])
    for j in range(listed, listed + int(m[f.S_OPEN_LOTS])):
        lot = int(m[j])
        other = int(m[lot + f.L_ASSET])
        mark = price if other == row else m[other + f.A_MARK]
        size = m[lot + f.L_SIZE]
        gain = money.move(size, m[lot + f.L_PRICE], mark, m[other + f.A_MULTIPLIER])
        value += gain * rate_at(m, other, mark)
        used += tied_up(m, other, size, mark)
    return max(0.0, value - used)


@part
def tied_up(m: FloatArray, row: int, size: float, price: float) -> float:
    """Margin of a position or lot: the contract's margin, or its value over the leverage."""
    if m[row + f.A_MARGIN] > 0.0:
        return money.value(abs(size), m[row + f.A_MARGIN])
    return abs(worth_of(m, row, size, price)) / m[f.R_LEVERAGE]


@part
def cash_for(m: FloatArray, row: int, size: float, price: float) -> float:
    """Cash that opening the signed ``size`` takes out of a paid ledger (negative: it brings cash).

    ``price`` is in account money.
    """
    if m[row + f.A_MARGIN] > 0.0:
        return money.value(abs(size), m[row + f.A_MARGIN])
    value = money.worth(size, price, m[row + f.A_MULTIPLIER], 1.0)
    if m[f.R_SHORT_PROCEEDS] == 0.0:
        return abs(value) / m[f.R_LEVERAGE]
    return value / m[f.R_LEVERAGE] if size > 0.0 else value


@part
def settle_close(m: FloatArray, row: int, size: float, price: float, gain: float, paid: float) -> None:
    """Cash and balance after closing the signed ``size`` of a position (same sign as it) and paying a fee.

    ``gain``: gross result, which is all that moves in a settled ledger.
    """
    before = m[f.S_CASH]
    if m[f.R_LEDGER] == f.PAID:
        average, rate = m[row + f.A_PAID], rate_at(m, row, price)
        cash = before + cash_for(m, row, size, average)
        gain = money.move(size, average, price * rate, m[row + f.A_MULTIPLIER])
        if m[row + f.A_MARGIN] > 0.0:
            gain = money.move(size, m[row + f.A_ADJUSTED], price, m[row + f.A_MULTIPLIER]) * rate
        m[f.S_CASH] = cash + gain
        m[f.S_CASH] -= paid
    else:
        m[f.S_CASH] += gain - paid
    if full_value(m, row):
        # As on the fast path: what was traded and its fee, in one step.
        m[f.S_BALANCE] -= paid - worth_of(m, row, size, price)
    else:
        follow_cash(m, before)


@part
def settle_futures(m: FloatArray, row: int, price: float) -> None:
    """The move of a futures position since its last settlement becomes cash, at ``price``."""
    position = m[row + f.A_POSITION]
    move = price - m[row + f.A_ADJUSTED] if position != 0.0 else 0.0
    rate = rate_at(m, row, price)
    settled = money.value(position, move) * m[row + f.A_MULTIPLIER] * rate
    m[f.S_CASH] += settled
    m[f.S_BALANCE] += settled
    m[row + f.A_ADJUSTED] = price
    if m[row + f.A_CURRENCY] == f.OWN:
        return
    # With rates that change, the sum of a lot's settlements is not its move at any one rate.
    listed = int(m[f.S_LISTED_AT])
    for j in range(listed, listed + int(m[f.S_OPEN_LOTS])):
        lot = int(m[j])
        if m[lot + f.L_ASSET] == row:
            m[lot + f.L_SETTLED] += money.value(m[lot + f.L_SIZE], move) * m[row + f.A_MULTIPLIER] * rate


@part
def settle_open(m: FloatArray, row: int, size: float, price: float, paid: float) -> None:
    """Cash, balance and settlement base before the signed ``size`` joins the position, and its fee."""
    before = m[f.S_CASH]
    if m[f.R_LEDGER] == f.PAID:
        m[f.S_CASH] -= cash_for(m, row, size, price * rate_at(m, row, price))
    m[f.S_CASH] -= paid
    if full_value(m, row):
        m[f.S_BALANCE] -= worth_of(m, row, size, price) + paid
    else:
        follow_cash(m, before)
    if m[f.R_LEDGER] == f.PAID and m[row + f.A_MARGIN] > 0.0:
        settle_futures(m, row, price)


@part
def follow_cash(m: FloatArray, before: float) -> None:
    """Move the balance as the cash has moved; in ledgers that know no full values it is the cash."""
    same = m[f.R_LEDGER] == f.SETTLED or m[f.R_SHORT_PROCEEDS] == 0.0
    m[f.S_BALANCE] = m[f.S_CASH] if same else m[f.S_BALANCE] + (m[f.S_CASH] - before)


@part
def pay(m: FloatArray, amount: float) -> None:
    """Take an amount that belongs to no fill (negative: add it)."""
    m[f.S_CASH] -= amount
    m[f.S_BALANCE] -= amount


@part
def shown_cash(m: FloatArray) -> float:
    """Cash as results show it; without credit it is the balance, to the bits of the fast path."""
    return m[f.S_BALANCE] if m[f.R_LEVERAGE] == 1.0 else m[f.S_CASH]


@part
def open_lot(m: FloatArray, k: int, size: float, price: float, bar: int, paid: float) -> int:
    """Add a lot at the end of the list and to the position; -1 when the records are full."""
    lot = int(m[f.S_LOTS_NEXT])
    if lot >= m[f.S_LOTS_END]:
        m[f.S_OVERFLOW] = 1.0
        return -1
    row = int(m[k + f.O_ASSET])
    m[lot + f.L_OPEN], m[lot + f.L_ASSET], m[lot + f.L_SIZE], m[lot + f.L_PRICE] = 1.0, row, size, price
    m[lot + f.L_BAR], m[lot + f.L_ORDER], m[lot + f.L_TAG], m[lot + f.L_FEE] = bar, k, m[k + f.O_TAG], paid
    m[lot + f.L_STOP_ORDER], m[lot + f.L_TARGET_ORDER] = -1.0, -1.0
    rate = rate_at(m, row, price)
    m[lot + f.L_RATE], m[lot + f.L_SETTLED], m[lot + f.L_FINANCING] = rate, 0.0, 0.0
    m[int(m[f.S_LISTED_AT] + m[f.S_OPEN_LOTS])] = lot
    m[f.S_LOTS_NEXT] += f.N_LOT
    m[f.S_OPEN_LOTS] += 1.0
    before = m[row + f.A_POSITION]
    m[row + f.A_POSITION] = before + size
    m[row + f.A_COST] += money.value(size, price)
    if before * size <= 0.0:
        m[row + f.A_AVERAGE], m[row + f.A_PAID] = price, price * rate
    else:
        m[row + f.A_AVERAGE] = money.average_cost(m[row + f.A_AVERAGE], before, price, size)
        m[row + f.A_PAID] = money.average_cost(m[row + f.A_PAID], before, price * rate, size)
    return lot


@part
def shrink_lot(m: FloatArray, lot: int, signed: float) -> None:
    """Take ``signed`` out of a lot and its position; a lot of nothing leaves the list."""
    row = int(m[lot + f.L_ASSET])
    held = m[lot + f.L_SIZE]
    rest = held - signed
    if abs(rest) <= 1e-12 * abs(held):
        rest = 0.0
    m[lot + f.L_SIZE] = rest
    m[lot + f.L_FEE] -= money.prorated(m[lot + f.L_FEE], signed, held)
    m[lot + f.L_SETTLED] -= money.prorated(m[lot + f.L_SETTLED], signed, held)
    if not by_weight(m):
        # The trade of a weight ends with its lot, which keeps what it was charged until then.
        m[lot + f.L_FINANCING] -= money.prorated(m[lot + f.L_FINANCING], signed, held)
    m[row + f.A_COST] -= money.value(held - rest, m[lot + f.L_PRICE])
    # The only lot is the position, to the last bit.
    alone = m[row + f.A_POSITION] == held
    m[row + f.A_POSITION] = rest if alone else m[row + f.A_POSITION] - (held - rest)
    if rest != 0.0:
        return
    m[lot + f.L_OPEN] = 0.0
    listed = int(m[f.S_LISTED_AT])
    to, same = listed, 0
    for j in range(listed, listed + int(m[f.S_OPEN_LOTS])):
        if m[j] != lot:
            m[to] = m[j]
            same += int(m[int(m[j]) + f.L_ASSET] == row)
            to += 1
    m[f.S_OPEN_LOTS] = to - listed
    if same == 0:
        # No rounding error survives a flat position.
        m[row + f.A_POSITION], m[row + f.A_COST] = 0.0, 0.0
        m[row + f.A_AVERAGE], m[row + f.A_PAID] = 0.0, 0.0


@part
def gain_of(m: FloatArray, lot: int, signed: float, price: float, rate: float) -> float:
    """Gross result in account money of closing the part ``signed`` of a lot."""
    row = int(m[lot + f.L_ASSET])
    multiplier, entry = m[row + f.A_MULTIPLIER], m[lot + f.L_PRICE]
    if m[row + f.A_CURRENCY] == f.OWN:
        if m[f.G_STATE_AT] > 0.0:
            # The engine's trades are sums of values.
            return money.gain(signed, entry, price, multiplier)
        return money.move(signed, entry, price, multiplier)
    if m[f.R_LEDGER] == f.SETTLED:
        return money.move(signed, entry, price, multiplier) * rate
    if m[row + f.A_MARGIN] == 0.0:
        return money.move(signed, entry * m[lot + f.L_RATE], price * rate, multiplier)
    settled = money.prorated(m[lot + f.L_SETTLED], signed, m[lot + f.L_SIZE])
    return settled + money.move(signed, m[row + f.A_ADJUSTED], price, multiplier) * rate


@part
def trade_row(m: FloatArray, k: int, lot: int, signed: float, price: float, bar: int, paid: float) -> float:
    """Write one closed trade: the part ``signed`` of a lot, its entry fee and its financing prorated.

    Returns the gross result.
    """
    n = int(m[f.S_TRADES_NEXT])
    if n >= m[f.S_TRADES_END]:
        m[f.S_OVERFLOW] = 1.0
        return 0.0
    row = int(m[lot + f.L_ASSET])
    rate = rate_at(m, row, price)
    gain = gain_of(m, lot, signed, price, rate)
    fees = money.prorated(m[lot + f.L_FEE], signed, m[lot + f.L_SIZE]) + paid
    financing = money.prorated(m[lot + f.L_FINANCING], signed, m[lot + f.L_SIZE])
    m[n + f.T_LOT], m[n + f.T_ASSET], m[n + f.T_SIZE], m[n + f.T_TAG] = lot, row, signed, m[lot + f.L_TAG]
    m[n + f.T_ENTRY_BAR], m[n + f.T_EXIT_BAR] = m[lot + f.L_BAR], bar
    m[n + f.T_ENTRY], m[n + f.T_EXIT] = m[lot + f.L_PRICE], price
    m[n + f.T_FEES], m[n + f.T_PNL] = fees, gain - fees + financing
    m[n + f.T_ORDER], m[n + f.T_ROLE], m[n + f.T_RATE] = k, m[k + f.O_ROLE], rate
    m[n + f.T_FINANCING] = financing
    m[n + f.T_VALUE] = money.worth(
        abs(signed), m[lot + f.L_PRICE], m[row + f.A_MULTIPLIER], m[lot + f.L_RATE]
    )
    m[f.S_TRADES_NEXT] = n + f.N_TRADE
    return gain


@part
def fill_row(m: FloatArray, k: int, size: float, price: float, bars: tuple[int, int], paid: float) -> int:
    """Write one fill; ``bars`` are the reported and the booked bar, ``size`` is signed.  Returns its row."""
    n = int(m[f.S_FILLS_NEXT])
    if n >= m[f.S_FILLS_END]:
        m[f.S_OVERFLOW] = 1.0
        return int(m[f.S_FILLS_AT])
    m[n + f.F_ORDER], m[n + f.F_BAR], m[n + f.F_BOOKED] = k, bars[0], bars[1]
    m[n + f.F_ASSET], m[n + f.F_ROLE] = m[k + f.O_ASSET], m[k + f.O_ROLE]
    m[n + f.F_SIDE], m[n + f.F_SIZE] = np.sign(size), abs(size)
    m[n + f.F_PRICE], m[n + f.F_FEE], m[n + f.F_LOT], m[n + f.F_CLOSED] = price, paid, -1.0, 0.0
    m[n + f.F_SLIPPAGE], m[n + f.F_RATE] = 0.0, rate_at(m, int(m[k + f.O_ASSET]), price)
    m[f.S_FILLS_NEXT] = n + f.N_FILL
    return n


@part
def charge_lots(m: FloatArray, row: int, amount: float) -> None:
    """Share what a position gets (negative: pays) among its lots by their signed sizes, which add up to it."""
    position = m[row + f.A_POSITION]
    listed = int(m[f.S_LISTED_AT])
    for j in range(listed, listed + int(m[f.S_OPEN_LOTS])):
        lot = int(m[j])
        if m[lot + f.L_ASSET] == row:
            m[lot + f.L_FINANCING] += money.prorated(amount, m[lot + f.L_SIZE], position)


@part
def charge_row(m: FloatArray, bar: int, kind: int, amount: float) -> None:
    """Write one movement of cash that belongs to no lot."""
    n = int(m[f.S_CHARGES_NEXT])
    if n >= m[f.S_CHARGES_END]:
        m[f.S_OVERFLOW] = 1.0
        return
    m[n + f.H_BAR], m[n + f.H_KIND], m[n + f.H_AMOUNT] = bar, kind, amount
    m[f.S_CHARGES_NEXT] = n + f.N_CHARGE
