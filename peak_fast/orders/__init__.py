"""Orders that wait: tables of orders, blocks that place them, the run through the order book, its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.orders.block import (
        ACCOUNT_SIZE,
        AVERAGE_PRICE,
        BARS_HELD,
        BUY,
        CANCELLED,
        CASH,
        CLOSE,
        CLOSED_PNL,
        DAY,
        DISTANCE,
        EQUITY,
        EQUITY_FRACTION,
        EXPIRED,
        FILL_PRICE,
        FILLED,
        FILLED_SIZE,
        FILLS,
        FOK,
        FRACTION,
        FREE_MARGIN,
        GTC,
        HALTED,
        HIGH,
        IOC,
        LAST_CLOSE,
        LIVE_EXITS,
        LIVE_ORDERS,
        LOW,
        MARGIN_FRACTION,
        NO_ORDER,
        NO_ROOM,
        NONE,
        OPEN,
        OPEN_LOTS,
        POSITION,
        POSITION_FRACTION,
        PRICE,
        RATE,
        REJECTED,
        REJECTIONS,
        ROLE_CHILD,
        ROLE_CLOSE,
        ROLE_LIQUIDATION,
        ROLE_ORDER,
        ROLE_STOP_LOSS,
        ROLE_TAKE_PROFIT,
        SELL,
        SUBMITTED,
        TARGET_FRACTION,
        TARGET_UNITS,
        TARGET_VALUE,
        UNITS,
        VALUE,
        VOLUME,
        WAITING,
        WORKING,
        cancel,
        close_lots,
        filled_of,
        live_orders,
        modify,
        new_fill,
        new_fills,
        place_limit,
        place_market,
        place_market_on_close,
        place_stop,
        place_stop_limit,
        place_trailing_stop,
        place_trailing_stop_limit,
        set_exits,
        status_of,
        trail_stops,
    )
    from peak_fast.orders.from_engine import _asset as _asset
    from peak_fast.orders.from_engine import block_inputs as block_inputs
    from peak_fast.orders.from_engine import block_rules as block_rules
    from peak_fast.orders.from_engine import book_prices as book_prices
    from peak_fast.orders.from_engine import book_rules as book_rules
    from peak_fast.orders.from_engine import decided as decided
    from peak_fast.orders.from_engine import decision_inputs as decision_inputs
    from peak_fast.orders.from_engine import target_inputs as target_inputs
    from peak_fast.orders.from_engine import with_years as with_years
    from peak_fast.orders.inputs import Inputs as Inputs
    from peak_fast.orders.inputs import asking_of as asking_of
    from peak_fast.orders.markets import Markets as Markets
    from peak_fast.orders.markets import markets_of as markets_of
    from peak_fast.orders.memory import Asking as Asking
    from peak_fast.orders.memory import flags_of as flags_of
    from peak_fast.orders.memory import market_of as market_of
    from peak_fast.orders.memory import memory_of as memory_of
    from peak_fast.orders.outcome import PlacedRows as PlacedRows
    from peak_fast.orders.outcome import finished as finished
    from peak_fast.orders.outcome import placed_rows as placed_rows
    from peak_fast.orders.outcome import placed_state as placed_state
    from peak_fast.orders.peak_trade import run_peak_trade
    from peak_fast.orders.result import OrderResult
    from peak_fast.orders.run import refuse_no_target as refuse_no_target
    from peak_fast.orders.run import stopped_outside as stopped_outside
    from peak_fast.orders.simulate import order_inputs as order_inputs
    from peak_fast.orders.simulate import simulate_orders
    from peak_fast.orders.statistics import open_results as open_results
    from peak_fast.orders.table_frames import are_orders as are_orders
    from peak_fast.orders.table_frames import table_of as table_of
    from peak_fast.settings import Asset, OrderRules

__all__ = [
    "ACCOUNT_SIZE",
    "AVERAGE_PRICE",
    "BARS_HELD",
    "BUY",
    "CANCELLED",
    "CASH",
    "CLOSE",
    "CLOSED_PNL",
    "DAY",
    "DISTANCE",
    "EQUITY",
    "EQUITY_FRACTION",
    "EXPIRED",
    "FILLED",
    "FILLED_SIZE",
    "FILLS",
    "FILL_PRICE",
    "FOK",
    "FRACTION",
    "FREE_MARGIN",
    "GTC",
    "HALTED",
    "HIGH",
    "IOC",
    "LAST_CLOSE",
    "LIVE_EXITS",
    "LIVE_ORDERS",
    "LOW",
    "MARGIN_FRACTION",
    "NONE",
    "NO_ORDER",
    "NO_ROOM",
    "OPEN",
    "OPEN_LOTS",
    "POSITION",
    "POSITION_FRACTION",
    "PRICE",
    "RATE",
    "REJECTED",
    "REJECTIONS",
    "ROLE_CHILD",
    "ROLE_CLOSE",
    "ROLE_LIQUIDATION",
    "ROLE_ORDER",
    "ROLE_STOP_LOSS",
    "ROLE_TAKE_PROFIT",
    "SELL",
    "SUBMITTED",
    "TARGET_FRACTION",
    "TARGET_UNITS",
    "TARGET_VALUE",
    "UNITS",
    "VALUE",
    "VOLUME",
    "WAITING",
    "WORKING",
    "Asset",
    "OrderResult",
    "OrderRules",
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
    "run_peak_trade",
    "set_exits",
    "simulate_orders",
    "status_of",
    "trail_stops",
]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "from_engine": (
        "_asset",
        "block_inputs",
        "block_rules",
        "book_prices",
        "book_rules",
        "decided",
        "decision_inputs",
        "target_inputs",
        "with_years",
    ),
    "inputs": ("Inputs", "asking_of"),
    "memory": ("Asking", "flags_of", "market_of", "memory_of"),
    "markets": ("Markets", "markets_of"),
    "outcome": ("PlacedRows", "finished", "placed_rows", "placed_state"),
    "peak_fast.settings": ("Asset", "OrderRules"),
    "peak_trade": ("run_peak_trade",),
    "result": ("OrderResult",),
    "run": (
        "refuse_no_target",
        "stopped_outside",
    ),
    "simulate": ("order_inputs", "simulate_orders"),
    "statistics": ("open_results",),
    "table_frames": ("are_orders", "table_of"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__, further=("block",))
