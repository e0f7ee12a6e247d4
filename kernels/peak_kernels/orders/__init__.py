"""The order book: orders that wait, margin, partial fills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_kernels.orders.batch import run_batch as run_batch
    from peak_kernels.orders.block import compile_order_block as compile_order_block
    from peak_kernels.orders.block import compile_target_block as compile_target_block
    from peak_kernels.orders.decisions import write_decisions as write_decisions
    from peak_kernels.orders.place import NO_ORDER as NO_ORDER
    from peak_kernels.orders.place import NO_ROOM as NO_ROOM
    from peak_kernels.orders.place import cancel as cancel
    from peak_kernels.orders.place import close_lots as close_lots
    from peak_kernels.orders.place import filled_of as filled_of
    from peak_kernels.orders.place import live_orders as live_orders
    from peak_kernels.orders.place import modify as modify
    from peak_kernels.orders.place import new_fill as new_fill
    from peak_kernels.orders.place import new_fills as new_fills
    from peak_kernels.orders.place import place_limit as place_limit
    from peak_kernels.orders.place import place_market as place_market
    from peak_kernels.orders.place import place_market_on_close as place_market_on_close
    from peak_kernels.orders.place import place_stop as place_stop
    from peak_kernels.orders.place import place_stop_limit as place_stop_limit
    from peak_kernels.orders.place import place_trailing_stop as place_trailing_stop
    from peak_kernels.orders.place import place_trailing_stop_limit as place_trailing_stop_limit
    from peak_kernels.orders.place import set_exits as set_exits
    from peak_kernels.orders.place import status_of as status_of
    from peak_kernels.orders.place import trail_stops as trail_stops
    from peak_kernels.orders.simulate import simulate_orders as simulate_orders
    from peak_kernels.orders.statistics import conclude_records as conclude_records

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "batch": ("run_batch",),
    "block": ("compile_order_block", "compile_target_block"),
    "decisions": ("write_decisions",),
    "place": (
        "NO_ORDER",
        "NO_ROOM",
        "cancel",
        "close_lots",
        "filled_of",
        "live_orders",
        "modify",
        "new_fill",
        "new_fills",
        "place_limit",
        "place_market",
        "place_market_on_close",
        "place_stop",
        "place_stop_limit",
        "place_trailing_stop",
        "place_trailing_stop_limit",
        "set_exits",
        "status_of",
        "trail_stops",
    ),
    "simulate": ("simulate_orders",),
    "statistics": ("conclude_records",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__, further=("place",))
