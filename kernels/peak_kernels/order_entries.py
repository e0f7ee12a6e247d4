"""The kernels of orders, signals and blocks as Python calls them; see `entries`.

``ask`` is the address of a block's machine code, 0 where no block is asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.entries import ENTRIES
from peak_kernels.order_slots import Market

_ORDERS, _BATCH, _METRICS = (ENTRIES[name] for name in ("run_orders", "run_order_batch", "order_metrics"))
_DECISIONS, _SIGNALS, _PANEL = (ENTRIES[name] for name in ("decision_rows", "run_signals", "decide_panel"))
_BLOCK, _BY_BLOCK, _PAID_BLOCK = (ENTRIES[f"run_block{more}"] for more in ("", "_by_block", "_financed"))
_NO_BARS, _NO_TARGETS = np.empty(0, np.int64), np.empty(0)

Asked = tuple[int, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]
"""Of a block: address, table of bars, params with a row for each configuration, memory, view, calendar."""


def nothing_asked() -> Asked:
    """What stands in the place of a block where none is asked."""
    empty = np.empty(0)
    return 0, np.empty((0, 0)), np.empty((1, 0)), empty, empty, np.empty((1, 0))


def run_orders(
    memory: FloatArray, market: Market, curves: tuple[FloatArray, FloatArray, FloatArray], asked: Asked
) -> None:
    """See `orders.simulate.simulate_orders`."""
    _ORDERS.call((memory, *market, *curves, *asked[1:]), asked[0], 0)


def run_order_batch(
    memory: FloatArray,
    market: Market,
    curves: tuple[FloatArray, FloatArray],
    asked: Asked,
    tables: tuple[FloatArray, FloatArray, FloatArray],
    calendar: IntArray,
    rules: tuple[int, IntArray],
    rooms: tuple[FloatArray, FloatArray],
    decisions: tuple[IntArray, FloatArray],
    out: FloatArray,
    blocks: int,
) -> tuple[int, int]:
    """See `orders.batch.run_batch`; ``rules``: stride and rules, ``rooms``: image and state."""
    curve, position = curves
    done = np.empty(2, dtype=np.int64)
    first = (memory, *market, curve[0], curve[1], position, *asked[1:])
    _BATCH.call(
        (*first, *tables, calendar, rules[1], *rooms, *decisions, curve, out, done),
        asked[0],
        _ORDERS.address(),
        rules[0],
        blocks,
    )
    return int(done[0]), int(done[1])


def order_metrics(
    state: FloatArray,
    curve: FloatArray,
    position: FloatArray,
    records: tuple[FloatArray, FloatArray, FloatArray],
    all_orders: bool,
    out: FloatArray,
) -> None:
    """See `orders.statistics.conclude_records`."""
    _METRICS.call((state, curve, position, *records, out), int(all_orders))


def decision_rows(
    rows: FloatArray,
    decisions: tuple[IntArray, FloatArray],
    prices: FloatArray,
    calendar: IntArray,
    state: FloatArray,
    terms: tuple[float, float, float],
) -> int:
    """See `orders.decisions.write_decisions`; number of slots written.  ``terms``: limit, its bars, tick."""
    written = np.empty(1, dtype=np.int64)
    _DECISIONS.call((rows, *decisions, prices, calendar, state, np.array(terms, dtype=np.float64), written))
    return int(written[0])


def run_signals(
    memory: FloatArray,
    data: FloatArray,
    at: IntArray,
    bars: int,
    places: IntArray,
    records: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    """See `signals.simulate.simulate_signals`."""
    rows = np.empty(records[2].shape[0], dtype=np.int64)
    _SIGNALS.call((memory, data, at, places, *records, rows), bars)


def run_block(
    ask: int,
    tables: tuple[FloatArray, FloatArray, IntArray],
    settings: FloatArray,
    params: FloatArray,
    rooms: tuple[FloatArray, FloatArray, FloatArray],
    records: tuple[FloatArray, FloatArray],
    out: FloatArray,
    cuts: tuple[Any, ...] | None = None,
    financing: tuple[FloatArray, ...] | None = None,
) -> None:
    """See `fast.block.run_block`."""
    given = (*tables, settings, params, *rooms, *records, _NO_BARS, _NO_TARGETS, out)
    if financing is not None:
        _PAID_BLOCK.call((*given, *financing), ask)
    elif cuts is None:
        _BLOCK.call(given, ask)
    else:
        _BY_BLOCK.call((*given, *cuts), ask)


def decide_panel(ask: int, *arrays: Any) -> int:
    """See `portfolio.deciding.decide`; how many rows of weights the block has given.

    ``arrays``: those of `order_natives.decide_panel` without the last.
    """
    count = np.empty(1, dtype=np.int64)
    _PANEL.call((*arrays, count), ask)
    return int(count[0])
