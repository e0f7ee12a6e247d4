"""Bodies of the entries (`compiling.objects`): they read their arrays out of a tuple and call the kernels.

They allocate nothing and raise nothing, so their machine code needs no run time of numba's.  All of an entry
is inlined into one function.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from peak_kernels.arrow import narrow as _narrow
from peak_kernels.arrow import read_small as _read_small
from peak_kernels.checking import are_clean as _are_clean
from peak_kernels.checking import are_same as _are_same
from peak_kernels.columns import COLUMNS, COUNT, made
from peak_kernels.compiling import ARRAY_HEADER
from peak_kernels.fast import fold_blocks as _fold_blocks
from peak_kernels.fast import run_configurations as _run_configurations
from peak_kernels.indicators import (
    ema_into,
    macd_into,
    max_into,
    mean_into,
    mean_variance_into,
    min_into,
    pack,
    put_back,
    roc_into,
    roots,
    rsi_into,
)
from peak_kernels.portfolio import best_into, momentum_into, screen, taken_into, volatility_into, weigh_into
from peak_kernels.portfolio import fold_exposures as _fold_exposures
from peak_kernels.portfolio import fold_holdings as _fold_holdings
from peak_kernels.portfolio import run_portfolio as _run_portfolio
from peak_kernels.sealing import store_record as _store_record
from peak_kernels.validation import chain_moves as _chain_moves
from peak_kernels.validation import draw_order as _draw_order
from peak_kernels.validation import find_winners, mean_sharpes, rank_winners
from peak_kernels.validation import fold_stretches as _fold_stretches
from peak_kernels.validation import jitter as _jitter
from peak_kernels.validation import take_along as _take_along
from peak_kernels.validation import walk_paths as _walk_paths

_I64 = ir.IntType(64)
_WORD = 8


def _word(builder: Any, address: Any, offset: int) -> Any:
    place = builder.add(address, ir.Constant(_I64, offset))
    return builder.load(builder.inttoptr(place, _I64.as_pointer()))


def _item(builder: Any, arrays: Any, place: Any) -> Any:
    """Address of the array at a place of a tuple."""
    return _word(builder, builder.add(arrays, builder.mul(place, ir.Constant(_I64, _WORD))), 0)


def view_of(dtype: Any, dimensions: int) -> Any:
    """Intrinsic ``view(arrays, place)``: the array at a place of a tuple, without an owner."""
    array_type, size = types.Array(dtype, dimensions, "C"), dtype.bitwidth // 8

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array = _item(builder, *args)
        lengths = _word(builder, array, ARRAY_HEADER + 2 * _WORD)
        shape = [_word(builder, lengths, k * _WORD) for k in range(dimensions)]
        strides = [ir.Constant(_I64, size)]
        for length in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], length))
        view = context.make_array(array_type)(context, builder)
        pointer = context.get_data_type(dtype).as_pointer()
        populate_array(
            view,
            data=builder.inttoptr(_word(builder, array, ARRAY_HEADER), pointer),
            shape=cgutils.pack_array(builder, shape, _I64),
            strides=cgutils.pack_array(builder, strides, _I64),
            itemsize=ir.Constant(_I64, size),
            meminfo=None,
        )
        return view._getvalue()

    def typed(typing_context: Any, arrays: Any, place: Any) -> Any:
        return array_type(types.int64, types.int64), codegen

    view = intrinsic(typed)
    view.codegen = codegen
    return view


row, table, cube = (view_of(types.float64, dimensions) for dimensions in (1, 2, 3))
whole_row, whole_table = (view_of(types.int64, dimensions) for dimensions in (1, 2))
words, word_table = (view_of(types.uint64, dimensions) for dimensions in (1, 2))


@intrinsic
def prices_in(typing_context: Any, arrays: Any, place: Any) -> Any:
    """The rows of prices that stand at a place of a tuple and behind it (`columns`)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        places = [builder.add(args[1], ir.Constant(_I64, k)) for k in range(COUNT)]
        found = [_item(builder, args[0], at) for at in places]
        pointer = context.get_data_type(types.float64).as_pointer()
        rows = [builder.inttoptr(_word(builder, array, ARRAY_HEADER), pointer) for array in found]
        lengths = _word(builder, found[0], ARRAY_HEADER + 2 * _WORD)
        return made(context, builder, rows, _word(builder, lengths, 0))

    return COLUMNS(types.int64, types.int64), codegen


def run_configurations(arrays: int, stride: int, count: int) -> None:
    """Call `peak_kernels.fast.run_configurations`; see `entries`."""
    _run_configurations(
        prices_in(arrays, 0), whole_table(arrays, 6), row(arrays, 7), stride, whole_table(arrays, 8), table(arrays, 9),
        (whole_row(arrays, 10), row(arrays, 11), count), (row(arrays, 12), cube(arrays, 13), table(arrays, 14)),
        table(arrays, 15), None, None,
    )  # fmt: skip


def run_by_block(arrays: int, stride: int, count: int) -> None:
    """Call `peak_kernels.fast.run_configurations` with memory of blocks; see `entries`."""
    _run_configurations(
        prices_in(arrays, 0), whole_table(arrays, 6), row(arrays, 7), stride, whole_table(arrays, 8), table(arrays, 9),
        (whole_row(arrays, 10), row(arrays, 11), count), (row(arrays, 12), cube(arrays, 13), table(arrays, 14)),
        table(arrays, 15),
        (table(arrays, 16), whole_row(arrays, 17)), None,
    )  # fmt: skip


def run_financed(arrays: int, stride: int, count: int) -> None:
    """Call `peak_kernels.fast.run_configurations` with financing; see `entries`."""
    _run_configurations(
        prices_in(arrays, 0), whole_table(arrays, 6), row(arrays, 7), stride, whole_table(arrays, 8), table(arrays, 9),
        (whole_row(arrays, 10), row(arrays, 11), count), (row(arrays, 12), cube(arrays, 13), table(arrays, 14)),
        table(arrays, 15),
        None, (table(arrays, 16), table(arrays, 17), row(arrays, 18), table(arrays, 19), row(arrays, 20)),
    )  # fmt: skip


def fold_blocks(arrays: int) -> None:
    """``(curve, initial[1], out)``."""
    _fold_blocks(table(arrays, 0), row(arrays, 1)[0], row(arrays, 2))


def run_portfolio(arrays: int) -> None:
    """Call `portfolio.simulation.run_portfolio`; see `entries`."""
    _run_portfolio(
        cube(arrays, 0),
        whole_table(arrays, 1),
        (whole_row(arrays, 2), whole_row(arrays, 3), table(arrays, 4)),
        (row(arrays, 5), row(arrays, 6), table(arrays, 7)),
        whole_row(arrays, 8),
        (row(arrays, 9), table(arrays, 10), whole_table(arrays, 11), whole_row(arrays, 12)),
        (table(arrays, 13), table(arrays, 14), table(arrays, 15)),
        (
            table(arrays, 16),
            table(arrays, 17),
            table(arrays, 18),
            whole_row(arrays, 19),
            table(arrays, 20),
            row(arrays, 21),
        ),
        table(arrays, 22),
        row(arrays, 23),
        table(arrays, 24),
    )


def fold_exposures(arrays: int) -> None:
    """Call `portfolio.exposures.fold_exposures`; see `entries`."""
    _fold_exposures(
        cube(arrays, 0),
        whole_table(arrays, 1),
        table(arrays, 2),
        row(arrays, 3),
        row(arrays, 4),
        whole_table(arrays, 5),
        table(arrays, 6),
        row(arrays, 7),
    )


def fold_holdings(arrays: int) -> None:
    """Call `portfolio.exposures.fold_holdings`; see `entries`."""
    _fold_holdings(table(arrays, 0), row(arrays, 1), row(arrays, 2))


def std(arrays: int, period: int) -> None:
    """``(values, out, scratch[3, n])``."""
    values, out, scratch = row(arrays, 0), row(arrays, 1), table(arrays, 2)
    mean_variance_into(values, period, scratch[0], scratch[1], scratch[2], out)
    roots(out)


def sma_rows(arrays: int) -> None:
    """``(values, periods, rows, scratch[n])``."""
    values, periods, rows, scratch = row(arrays, 0), whole_row(arrays, 1), table(arrays, 2), row(arrays, 3)
    for k in range(periods.size):
        mean_into(values, periods[k], scratch, rows[k, : values.size])


def highest_before_rows(arrays: int) -> None:
    """``(values, periods, rows, scratch[n])``."""
    values, periods, rows, scratch = row(arrays, 0), whole_row(arrays, 1), table(arrays, 2), row(arrays, 3)
    for k in range(periods.size):
        rows[k, 0] = np.nan
        max_into(values[:-1], periods[k], scratch, rows[k, 1 : values.size])


def lowest_before_rows(arrays: int) -> None:
    """``(values, periods, rows, scratch[n])``."""
    values, periods, rows, scratch = row(arrays, 0), whole_row(arrays, 1), table(arrays, 2), row(arrays, 3)
    for k in range(periods.size):
        rows[k, 0] = np.nan
        min_into(values[:-1], periods[k], scratch, rows[k, 1 : values.size])


def roc_rows(arrays: int) -> None:
    """``(values, periods, rows)``."""
    values, periods, rows = row(arrays, 0), whole_row(arrays, 1), table(arrays, 2)
    for k in range(periods.size):
        roc_into(values, periods[k], rows[k, : values.size])


def ema_rows(arrays: int) -> None:
    """``(values, periods, rows, scratch[2, n])``."""
    values, periods, rows, spare = row(arrays, 0), whole_row(arrays, 1), table(arrays, 2), table(arrays, 3)
    size = pack(values, spare[0])
    source = values if size == values.size else spare[0, :size]
    for k in range(periods.size):
        out = rows[k, : values.size]
        average = out if size == values.size else spare[1, :size]
        ema_into(source, periods[k], average)
        put_back(values, average, out)


def rsi_rows(arrays: int) -> None:
    """``(values, periods, rows, scratch[2, n], scratch[2, TILE])``."""
    values, periods, rows, spare = row(arrays, 0), whole_row(arrays, 1), table(arrays, 2), table(arrays, 3)
    tiles = table(arrays, 4)
    size = pack(values, spare[0])
    source = values if size == values.size else spare[0, :size]
    for k in range(periods.size):
        out = rows[k, : values.size]
        strength = out if size == values.size else spare[1, :size]
        rsi_into(source, periods[k], tiles[0], tiles[1], strength)
        put_back(values, strength, out)


def macd(arrays: int, fast: int, slow: int, signal_period: int) -> None:
    """``(values, line, signal, histogram, scratch[4, n])``."""
    values, spare = row(arrays, 0), table(arrays, 4)
    line, signal, histogram = row(arrays, 1), row(arrays, 2), row(arrays, 3)
    size = pack(values, spare[0])
    source = values if size == values.size else spare[0, :size]
    line_row = line if size == values.size else spare[1, :size]
    signal_row = signal if size == values.size else spare[2, :size]
    histogram_row = histogram if size == values.size else spare[3, :size]
    first, second = min(fast, slow), max(fast, slow)
    macd_into(source, first, second, signal_period, line_row, signal_row, histogram_row)
    put_back(values, line_row, line)
    put_back(values, signal_row, signal)
    put_back(values, histogram_row, histogram)


def momentum_scores(arrays: int, lookback: int, skip: int) -> None:
    """``(close, spans, rows, out)``."""
    momentum_into(
        table(arrays, 0), whole_table(arrays, 1), whole_row(arrays, 2), lookback, skip, table(arrays, 3)
    )


def volatility_scores(arrays: int, lookback: int) -> None:
    """``(close, spans, rows, out)``."""
    volatility_into(
        table(arrays, 0), whole_table(arrays, 1), whole_row(arrays, 2), lookback, table(arrays, 3)
    )


def taken_scores(arrays: int) -> None:
    """``(values, rows, out)``."""
    taken_into(table(arrays, 0), whole_row(arrays, 1), table(arrays, 2))


def screen_scores(arrays: int, priced: int) -> None:
    """``(close, spans, members, rows, scores)``."""
    screen(
        table(arrays, 0),
        whole_table(arrays, 1),
        whole_table(arrays, 2),
        whole_row(arrays, 3),
        priced,
        table(arrays, 4),
    )


def best_ranks(arrays: int, sign: int, width: int, ordered: int) -> None:
    """``(scores, alphabet, bounds, best, counts, spare, spare, spare)``."""
    spare = (row(arrays, 5), row(arrays, 6), whole_row(arrays, 7))
    best_into(
        table(arrays, 0), whole_row(arrays, 1), whole_row(arrays, 2), float(sign), width, ordered,
        whole_table(arrays, 3), whole_table(arrays, 4), spare,
    )  # fmt: skip


def weigh_ranks(arrays: int, long_width: int, short_width: int, shared: int) -> None:
    """``(best, counts, worst, counts, values, terms, group_of, held, chosen, spare, spare, spare, numbers, out)``."""
    weigh_into(
        (whole_table(arrays, 0), whole_table(arrays, 2)), (whole_table(arrays, 1), whole_table(arrays, 3)),
        (long_width, short_width), table(arrays, 4), shared, row(arrays, 5), whole_row(arrays, 6),
        (whole_row(arrays, 7), whole_row(arrays, 8)), (row(arrays, 9), row(arrays, 10), whole_row(arrays, 11)),
        whole_row(arrays, 12), table(arrays, 13),
    )  # fmt: skip


def cscv_winners(arrays: int) -> None:
    """``(sums, squares, masks, odd sums, odd squares, flats, tables, best, winners)``."""
    odd = (table(arrays, 3), table(arrays, 4), whole_table(arrays, 5))
    find_winners(
        table(arrays, 0), table(arrays, 1), whole_row(arrays, 2), odd, cube(arrays, 6), row(arrays, 7),
        whole_row(arrays, 8),
    )  # fmt: skip


def cscv_ranks(arrays: int) -> None:
    """``(sums, squares, masks, odd sums, odd squares, flats, tables, scores, counts)``."""
    odd = (table(arrays, 3), table(arrays, 4), whole_table(arrays, 5))
    rank_winners(
        table(arrays, 0), table(arrays, 1), whole_row(arrays, 2), odd, cube(arrays, 6), table(arrays, 7),
        whole_table(arrays, 8),
    )  # fmt: skip


def cscv_means(arrays: int, bars: int) -> None:
    """``(sums, squares, masks, tables, out)``."""
    mean_sharpes(
        table(arrays, 0), table(arrays, 1), whole_row(arrays, 2), float(bars), cube(arrays, 3), row(arrays, 4)
    )


def draw_order(arrays: int, method: int, seed: int, number: int) -> None:
    """``(places, bounds, length[1], order)``."""
    _draw_order(
        method,
        seed,
        number,
        whole_row(arrays, 0),
        whole_row(arrays, 1),
        row(arrays, 2)[0],
        whole_row(arrays, 3),
    )


def chain_moves(arrays: int, first: int) -> None:
    """``(moves, order, table)``."""
    _chain_moves(table(arrays, 0), whole_row(arrays, 1), first, table(arrays, 2))


def take_along(arrays: int) -> None:
    """``(values, order, out)``."""
    _take_along(row(arrays, 0), whole_row(arrays, 1), row(arrays, 2))


def jitter(arrays: int, seed: int, number: int) -> None:
    """``(real, most[1], table)``."""
    _jitter(table(arrays, 0), row(arrays, 1)[0], seed, number, table(arrays, 2))


def walk_paths(arrays: int, seed: int, first: int) -> None:
    """``(returns, mean[1], steps, figures, curves)``."""
    figures, curves = table(arrays, 3), table(arrays, 4)
    _walk_paths(row(arrays, 0), row(arrays, 1)[0], seed, first, whole_row(arrays, 2), figures, curves)


def fold_stretches(arrays: int) -> None:
    """``(equity, exits, results, terms, edges, out)``."""
    _fold_stretches(
        row(arrays, 0),
        (row(arrays, 1), row(arrays, 2)),
        row(arrays, 3),
        whole_row(arrays, 4),
        table(arrays, 5),
    )


def are_clean(arrays: int, earliest: int, latest: int) -> None:
    """``(open, high, low, close, volume, time_us, answer[1])``."""
    prices = row(arrays, 0), row(arrays, 1), row(arrays, 2), row(arrays, 3)
    whole_row(arrays, 6)[0] = _are_clean(prices, row(arrays, 4), whole_row(arrays, 5), earliest, latest)


def are_same(arrays: int, count: int) -> None:
    """``(answer[1], columns, as many others)``."""
    answer = whole_row(arrays, 0)
    answer[0] = 1
    for k in range(1, count + 1):
        if not _are_same(whole_row(arrays, k), whole_row(arrays, k + count)):
            answer[0] = 0
            break


def read_small(arrays: int, bars: int) -> None:
    """``(streams, rows, answers, room)``."""
    _read_small(whole_row(arrays, 0), whole_row(arrays, 1), whole_row(arrays, 2), whole_row(arrays, 3), bars)


def narrow(arrays: int, fractions: int, place: int) -> None:
    """``(words, answer[1])``, and the address of the row."""
    whole_row(arrays, 1)[0] = _narrow(whole_row(arrays, 0), fractions, place)


def store_record(arrays: int, address: int) -> None:
    """``(given, metrics, state, trades)``."""
    _store_record(words(arrays, 0), words(arrays, 1), words(arrays, 2), word_table(arrays, 3), address)
