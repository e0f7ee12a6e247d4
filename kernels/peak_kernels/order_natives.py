"""Bodies of the entries of orders, signals and blocks (`compiling.objects`); see `natives`.

``ask`` is the address of a block's machine code (`compiling.addresses`), 0 where there is none.
"""

from __future__ import annotations

from peak_kernels.arrays import FloatArray, IntArray
from peak_kernels.compiling import part
from peak_kernels.fast import run_block as _run_block
from peak_kernels.natives import cube, row, table, whole_row, whole_table
from peak_kernels.order_slots import Market
from peak_kernels.orders import conclude_records, run_batch, simulate_orders, write_decisions
from peak_kernels.portfolio import decide
from peak_kernels.signals import simulate_signals


def run_orders(arrays: int, ask: int, chosen: int) -> None:
    """``(memory, market in eleven, equity, cash, position, seen, params, memory and view of a block, calendar)``."""
    market = Market(
        table(arrays, 1), table(arrays, 2), table(arrays, 3), table(arrays, 4), table(arrays, 5), table(arrays, 6),
        table(arrays, 7), whole_row(arrays, 8), table(arrays, 9), whole_row(arrays, 10), table(arrays, 11),
    )  # fmt: skip
    simulate_orders(
        row(arrays, 0),
        market,
        (row(arrays, 12), row(arrays, 13), table(arrays, 14)),
        ask,
        table(arrays, 15),
        (table(arrays, 16)[chosen], row(arrays, 17), row(arrays, 18)),
        table(arrays, 19),
    )


def run_order_batch(arrays: int, ask: int, run: int, stride: int, blocks: int) -> None:
    """The arrays of `run_orders`, then those of `orders.batch.run_batch` in its order, then ``done``."""
    done, why = run_batch(
        arrays,
        run,
        ask,
        (table(arrays, 20), table(arrays, 21), table(arrays, 22)),
        whole_table(arrays, 23),
        stride,
        whole_table(arrays, 24),
        (row(arrays, 0), row(arrays, 25), row(arrays, 26)),
        (whole_row(arrays, 27), row(arrays, 28)),
        (table(arrays, 29), table(arrays, 14)),
        (table(arrays, 15), row(arrays, 17)),
        table(arrays, 30),
        blocks,
    )
    told = whole_row(arrays, 31)
    told[0], told[1] = done, why


def order_metrics(arrays: int, all_orders: int) -> None:
    """``(state, curve, position, orders, fills, trades, out)``."""
    records = table(arrays, 3), table(arrays, 4), table(arrays, 5)
    conclude_records(
        row(arrays, 0), table(arrays, 1), row(arrays, 2), records, all_orders != 0, row(arrays, 6)
    )


def decision_rows(arrays: int) -> None:
    """``(rows, bar_of, target_of, prices, calendar, state, terms, written)``; terms: limit, its bars, tick."""
    terms, bar_of = row(arrays, 6), whole_row(arrays, 1)
    stop, _ = write_decisions(
        row(arrays, 0), 0, (bar_of, row(arrays, 2), bar_of.size), table(arrays, 3), whole_table(arrays, 4),
        row(arrays, 5), (terms[0], terms[1]), terms[2],
    )  # fmt: skip
    whole_row(arrays, 7)[0] = stop


def run_signals(arrays: int, bars: int) -> None:
    """``(memory, data, at, places, events, cash, position, rows)``."""
    simulate_signals(
        row(arrays, 0), row(arrays, 1), whole_table(arrays, 2), bars, whole_row(arrays, 3), table(arrays, 4),
        table(arrays, 5), table(arrays, 6), whole_row(arrays, 7),
    )  # fmt: skip


@part
def _run(
    arrays: int, ask: int, cuts: tuple[FloatArray, IntArray] | None, financing: tuple[FloatArray, ...] | None
) -> None:
    _run_block(
        ask,
        (table(arrays, 0), table(arrays, 1), whole_table(arrays, 2)),
        table(arrays, 3),
        table(arrays, 4),
        (row(arrays, 5), row(arrays, 6), row(arrays, 7)),
        (cube(arrays, 8), table(arrays, 9)),
        (whole_row(arrays, 10), row(arrays, 11), 0),
        table(arrays, 12),
        cuts,
        financing,
    )


def run_block(arrays: int, ask: int) -> None:
    """``(prices, seen, calendar, settings, params, state, memory, view, records, curve, no bars, no targets, out)``."""
    _run(arrays, ask, None, None)


def run_block_by_block(arrays: int, ask: int) -> None:
    """The same with memory of blocks of time behind it."""
    _run(arrays, ask, (table(arrays, 13), whole_row(arrays, 14)), None)


def run_block_financed(arrays: int, ask: int) -> None:
    """The arrays of `run_block` with those of financing behind them."""
    paid = table(arrays, 13), table(arrays, 14), row(arrays, 15), table(arrays, 16), row(arrays, 17)
    _run(arrays, ask, None, paid)


def decide_panel(arrays: int, ask: int) -> None:
    """``(prices, spans, settings in three, days, scratch in four, records in three, rooms in three, rows, weights,
    financing in six, curve, count)``."""
    whole_row(arrays, 25)[0] = decide(
        ask, cube(arrays, 0), whole_table(arrays, 1), (row(arrays, 2), row(arrays, 3), table(arrays, 4)),
        whole_row(arrays, 5), (row(arrays, 6), table(arrays, 7), whole_table(arrays, 8), whole_row(arrays, 9)),
        (table(arrays, 10), table(arrays, 11), table(arrays, 12)),
        (row(arrays, 13), row(arrays, 14), row(arrays, 15)), whole_row(arrays, 16), table(arrays, 17),
        (table(arrays, 18), table(arrays, 19), table(arrays, 20), whole_row(arrays, 21), table(arrays, 22),
         row(arrays, 23)), table(arrays, 24),
    )  # fmt: skip
