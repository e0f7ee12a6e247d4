"""What a block calls: instructions and questions, on the ``orders`` that it was given.

``orders`` is the memory of the run (`peak_kernels.order_slots`).  An instruction is a row behind
``S_ACTIONS_AT``, the same as one of a frame, and is carried out after the block has returned.  All functions
take numbers only; the defaults mean "none".

Reads orders, lots and fills; writes instructions behind ``S_ACTIONS_AT`` and where the next one goes.
"""

from __future__ import annotations

import numpy as np

from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray
from peak_kernels.compiling import later
from peak_kernels.orders.live import is_exit, is_live

NO_ORDER = -1
"""Number of no instruction: the default of ``parent``."""
NO_ROOM = -2
"""What placing gives back when the instruction had no room; as a ``parent`` it rejects the child."""


@later
def write(orders: FloatArray, op: int, asset: int, tag: float) -> int:
    """Add a row with all fields at their defaults; 0 (and counted as dropped) when there is no room.

    Raises
    ------
    IndexError
        There is no such asset.
    """
    row = int(orders[f.S_ACTIONS_END])
    if not 0 <= asset < (orders[f.S_ASSETS_END] - orders[f.S_ASSETS_AT]) / f.N_ASSET:
        raise IndexError("an order names an asset that has no bars; expected its number, 0 for the first")
    if row >= orders[f.S_ROOM_END]:
        orders[f.S_DROPPED] += 1.0
        return 0
    orders[f.S_ACTIONS_END] = row + f.N_ACTION
    for column in range(f.N_ACTION):
        orders[row + column] = 0.0
    orders[row + f.X_BAR], orders[row + f.X_OP], orders[row + f.X_ASSET] = orders[f.S_NOW], op, asset
    orders[row + f.X_SIZE] = np.nan
    orders[row + f.X_LIMIT], orders[row + f.X_STOP], orders[row + f.X_TRAIL] = np.nan, np.nan, np.nan
    orders[row + f.X_STOP_LOSS], orders[row + f.X_TAKE_PROFIT] = np.nan, np.nan
    orders[row + f.X_PARENT], orders[row + f.X_OCO], orders[row + f.X_ORDER] = NO_ORDER, -1.0, -1.0
    orders[row + f.X_TAG], orders[row + f.X_VALID] = tag, np.inf
    return row


@later
def write_order(
    orders: FloatArray,
    kind: int,
    order: tuple[float, float, int, int],
    prices: tuple[float, float, float, int],
    exits: tuple[float, float, int],
    life: tuple[float, int, bool],
    links: tuple[float, float, float],
) -> int:
    """Write an instruction that places an order; returns its number.

    ``order = (side, size, unit, asset)``, ``prices = (limit, stop, trail, trail_unit)``,
    ``exits = (stop_loss, take_profit, exit_unit)``, ``life = (valid_until, time_in_force, reduce_only)``,
    ``links = (parent, oco_group, tag)``.
    """
    row = write(orders, f.OP_PLACE, order[3], links[2])
    if row == 0:
        return NO_ROOM
    number = int(orders[f.S_FIRST] + (row - orders[f.S_ACTIONS_AT]) / f.N_ACTION)
    # Of no side at all the order is rejected; only a target's side follows from the position.
    orders[row + f.X_KIND], orders[row + f.X_SIDE] = kind, order[0] if abs(order[0]) == 1.0 else 0.0
    orders[row + f.X_SIZE], orders[row + f.X_UNIT] = order[1], order[2]
    orders[row + f.X_LIMIT], orders[row + f.X_STOP] = prices[0], prices[1]
    orders[row + f.X_TRAIL], orders[row + f.X_TRAIL_UNIT] = prices[2], prices[3]
    orders[row + f.X_STOP_LOSS], orders[row + f.X_TAKE_PROFIT] = exits[0], exits[1]
    orders[row + f.X_EXIT_UNIT], orders[row + f.X_REDUCE] = exits[2], 1.0 if life[2] else 0.0
    orders[row + f.X_VALID], orders[row + f.X_TIF] = life[0], life[1]
    known = NO_ORDER <= links[0] < number
    orders[row + f.X_PARENT], orders[row + f.X_OCO] = links[0] if known else NO_ROOM, links[1]
    return number


@later(inline=True)
def place_market(
    orders: FloatArray, side: float, size: float, tag: float = -1, unit: int = f.UNITS,
    stop_loss: float = np.nan, take_profit: float = np.nan, exit_unit: int = f.PRICE,
    valid_until: float = np.inf, time_in_force: int = f.GTC, parent: float = NO_ORDER, oco_group: float = -1,
    reduce_only: bool = False, asset: int = 0,
) -> int:  # fmt: skip
    """Place a market order; returns its number."""
    return write_order(
        orders,
        f.MARKET,
        (float(side), float(size), int(unit), int(asset)),
        (np.nan, np.nan, np.nan, f.PRICE),
        (float(stop_loss), float(take_profit), int(exit_unit)),
        (float(valid_until), int(time_in_force), bool(reduce_only)),
        (float(parent), float(oco_group), float(tag)),
    )


@later(inline=True)
def place_limit(
    orders: FloatArray, side: float, size: float, limit: float, tag: float = -1, unit: int = f.UNITS,
    stop_loss: float = np.nan, take_profit: float = np.nan, exit_unit: int = f.PRICE,
    valid_until: float = np.inf, time_in_force: int = f.GTC, parent: float = NO_ORDER, oco_group: float = -1,
    reduce_only: bool = False, asset: int = 0,
) -> int:  # fmt: skip
    """Place a limit order; returns its number."""
    return write_order(
        orders,
        f.LIMIT,
        (float(side), float(size), int(unit), int(asset)),
        (float(limit), np.nan, np.nan, f.PRICE),
        (float(stop_loss), float(take_profit), int(exit_unit)),
        (float(valid_until), int(time_in_force), bool(reduce_only)),
        (float(parent), float(oco_group), float(tag)),
    )


@later(inline=True)
def place_stop(
    orders: FloatArray, side: float, size: float, stop: float, tag: float = -1, unit: int = f.UNITS,
    stop_loss: float = np.nan, take_profit: float = np.nan, exit_unit: int = f.PRICE,
    valid_until: float = np.inf, time_in_force: int = f.GTC, parent: float = NO_ORDER, oco_group: float = -1,
    reduce_only: bool = False, asset: int = 0,
) -> int:  # fmt: skip
    """Place a stop order; returns its number."""
    return write_order(
        orders,
        f.STOP,
        (float(side), float(size), int(unit), int(asset)),
        (np.nan, float(stop), np.nan, f.PRICE),
        (float(stop_loss), float(take_profit), int(exit_unit)),
        (float(valid_until), int(time_in_force), bool(reduce_only)),
        (float(parent), float(oco_group), float(tag)),
    )


@later(inline=True)
def place_stop_limit(
    orders: FloatArray, side: float, size: float, stop: float, limit: float, tag: float = -1,
    unit: int = f.UNITS,
    stop_loss: float = np.nan, take_profit: float = np.nan, exit_unit: int = f.PRICE,
    valid_until: float = np.inf, time_in_force: int = f.GTC, parent: float = NO_ORDER, oco_group: float = -1,
    reduce_only: bool = False, asset: int = 0,
) -> int:  # fmt: skip
    """Place a limit order that works once ``stop`` was reached; returns its number."""
    return write_order(
        orders,
        f.STOP_LIMIT,
        (float(side), float(size), int(unit), int(asset)),
        (float(limit), float(stop), np.nan, f.PRICE),
        (float(stop_loss), float(take_profit), int(exit_unit)),
        (float(valid_until), int(time_in_force), bool(reduce_only)),
        (float(parent), float(oco_group), float(tag)),
    )


@later(inline=True)
def place_trailing_stop(
    orders: FloatArray, side: float, size: float, trail: float, trail_unit: int = f.FRACTION,
    reference: float = np.nan, tag: float = -1, unit: int = f.UNITS,
    stop_loss: float = np.nan, take_profit: float = np.nan, exit_unit: int = f.PRICE,
    valid_until: float = np.inf, time_in_force: int = f.GTC, parent: float = NO_ORDER, oco_group: float = -1,
    reduce_only: bool = False, asset: int = 0,
) -> int:  # fmt: skip
    """Place a stop that follows the price at the distance ``trail``, at first from ``reference`` (NaN: the close)."""
    return write_order(
        orders,
        f.TRAILING_STOP,
        (float(side), float(size), int(unit), int(asset)),
        (np.nan, float(reference), float(trail), int(trail_unit)),
        (float(stop_loss), float(take_profit), int(exit_unit)),
        (float(valid_until), int(time_in_force), bool(reduce_only)),
        (float(parent), float(oco_group), float(tag)),
    )


@later(inline=True)
def place_trailing_stop_limit(
    orders: FloatArray, side: float, size: float, trail: float, limit: float, trail_unit: int = f.FRACTION,
    reference: float = np.nan, tag: float = -1, unit: int = f.UNITS,
    stop_loss: float = np.nan, take_profit: float = np.nan, exit_unit: int = f.PRICE,
    valid_until: float = np.inf, time_in_force: int = f.GTC, parent: float = NO_ORDER, oco_group: float = -1,
    reduce_only: bool = False, asset: int = 0,
) -> int:  # fmt: skip
    """Place a trailing stop whose limit keeps its distance from the stop; returns its number."""
    return write_order(
        orders,
        f.TRAILING_STOP_LIMIT,
        (float(side), float(size), int(unit), int(asset)),
        (float(limit), float(reference), float(trail), int(trail_unit)),
        (float(stop_loss), float(take_profit), int(exit_unit)),
        (float(valid_until), int(time_in_force), bool(reduce_only)),
        (float(parent), float(oco_group), float(tag)),
    )


@later(inline=True)
def place_market_on_close(
    orders: FloatArray, side: float, size: float, tag: float = -1, unit: int = f.UNITS,
    stop_loss: float = np.nan, take_profit: float = np.nan, exit_unit: int = f.PRICE,
    valid_until: float = np.inf, time_in_force: int = f.GTC, parent: float = NO_ORDER, oco_group: float = -1,
    reduce_only: bool = False, asset: int = 0,
) -> int:  # fmt: skip
    """Place an order for the close of the session; returns its number."""
    return write_order(
        orders,
        f.MARKET_ON_CLOSE,
        (float(side), float(size), int(unit), int(asset)),
        (np.nan, np.nan, np.nan, f.PRICE),
        (float(stop_loss), float(take_profit), int(exit_unit)),
        (float(valid_until), int(time_in_force), bool(reduce_only)),
        (float(parent), float(oco_group), float(tag)),
    )


@later(inline=True)
def modify(
    orders: FloatArray,
    tag: float,
    size: float = np.nan,
    limit: float = np.nan,
    stop: float = np.nan,
    trail: float = np.nan,
    trail_unit: int = f.FRACTION,
    stop_loss: float = np.nan,
    take_profit: float = np.nan,
    valid_until: float = np.inf,
    unit: int = f.UNITS,
    asset: int = 0,
) -> None:
    """Change what is given of the live orders of a tag, and the exits of its lots."""
    row = write(orders, f.OP_MODIFY, int(asset), float(tag))
    if row > 0:
        orders[row + f.X_SIZE], orders[row + f.X_UNIT] = size, unit
        orders[row + f.X_LIMIT], orders[row + f.X_STOP] = limit, stop
        orders[row + f.X_TRAIL], orders[row + f.X_TRAIL_UNIT] = trail, trail_unit
        orders[row + f.X_STOP_LOSS], orders[row + f.X_TAKE_PROFIT] = stop_loss, take_profit
        orders[row + f.X_VALID] = valid_until


@later(inline=True)
def cancel(orders: FloatArray, tag: float, with_exits: bool = False) -> None:
    """Cancel the live orders of a tag, with ``with_exits`` also the exits of its lots."""
    row = write(orders, f.OP_CANCEL, 0, float(tag))
    if row > 0:
        orders[row + f.X_REDUCE] = 1.0 if with_exits else 0.0


@later(inline=True)
def close_lots(orders: FloatArray, portion: float = 1.0, tag: float = -1, asset: int = 0) -> None:
    """Close a portion of each open lot (of a tag) of an asset by market orders."""
    row = write(orders, f.OP_CLOSE, int(asset), float(tag))
    if row > 0:
        orders[row + f.X_SIZE] = portion


@later(inline=True)
def set_exits(
    orders: FloatArray,
    stop_loss: float = np.nan,
    take_profit: float = np.nan,
    tag: float = -1,
    asset: int = 0,
) -> None:
    """Set or replace stop-loss and take-profit prices of the open lots (of a tag) of an asset."""
    row = write(orders, f.OP_EXITS, int(asset), float(tag))
    if row > 0:
        orders[row + f.X_STOP_LOSS], orders[row + f.X_TAKE_PROFIT] = stop_loss, take_profit


@later(inline=True)
def trail_stops(
    orders: FloatArray, trail: float, trail_unit: int = f.FRACTION, tag: float = -1, asset: int = 0
) -> None:
    """Move the stop-losses of the open lots (of a tag) to a distance from the close, never back."""
    row = write(orders, f.OP_TRAIL_LOTS, int(asset), float(tag))
    if row > 0:
        orders[row + f.X_TRAIL], orders[row + f.X_TRAIL_UNIT] = trail, trail_unit


@later
def live_orders(orders: FloatArray, tag: float) -> int:
    """How many orders of a tag are live (exits of its lots are not counted)."""
    count = 0
    queue = int(orders[f.S_QUEUE_AT])
    for j in range(queue, queue + int(orders[f.S_QUEUED])):
        k = int(orders[j])
        if orders[k + f.O_TAG] == tag and is_live(orders, k) and not is_exit(orders, k):
            count += 1
    return count


@later
def order_of(orders: FloatArray, number: int) -> int:
    """Where the order of an earlier instruction is kept; -1 when there is none."""
    if not 0 <= number < orders[f.S_FIRST]:
        return -1
    return int(orders[int(orders[f.S_PLACED_AT]) + int(number)])


@later
def status_of(orders: FloatArray, number: int) -> int:
    """Status of the order that an instruction placed: ``WORKING``, ``FILLED`` ...; ``NONE`` before it is known."""
    k = order_of(orders, number)
    return int(orders[k + f.O_STATUS]) if k >= 0 else f.NONE


@later
def filled_of(orders: FloatArray, number: int) -> float:
    """Units that the order of an instruction has filled so far."""
    k = order_of(orders, number)
    return orders[k + f.O_FILLED] if k >= 0 else 0.0


@later
def new_fills(orders: FloatArray) -> int:
    """Number of fills since the last call of the block, of all assets."""
    return int((orders[f.S_FILLS_NEXT] - orders[f.S_SEEN_FILLS]) / f.N_FILL)


@later
def new_fill(orders: FloatArray, n: int) -> tuple[float, float, float, int, int]:
    """Fill ``n`` of `new_fills`, oldest first: tag (-1: none), signed size, price, role, asset.

    Raises
    ------
    IndexError
        There are not so many new fills.
    """
    if not 0 <= n < new_fills(orders):
        raise IndexError("new_fill: expected a number below new_fills(orders)")
    row = int(orders[f.S_SEEN_FILLS]) + n * f.N_FILL
    k = int(orders[row + f.F_ORDER])
    asset = int((orders[row + f.F_ASSET] - orders[f.S_ASSETS_AT]) / f.N_ASSET)
    size = orders[row + f.F_SIDE] * orders[row + f.F_SIZE]
    return orders[k + f.O_TAG], size, orders[row + f.F_PRICE], int(orders[row + f.F_ROLE]), asset
