"""The kernels that single runs and sweeps call from Python; importing this imports no numba (`compiling.objects`).

Arrays are C-contiguous, float64 unless said otherwise.  Scratch memory is made here; only the indicators
without an entry of their own (`indicator`) allocate it themselves, from the C library.

Rows come many at a time: a call from Python costs as much as a short row, and threads that return to Python for
every row spend their time waiting for each other.  ``periods`` is int64[n], ``rows`` float64[n, at least
len(values)]; columns behind the last bar are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from peak_kernels import portfolio_slots
from peak_kernels.arrays import OF_INDICATORS, PACKING, TILE, AnyArray, ByteArray, FloatArray, IntArray
from peak_kernels.compiling import Entry


def _body(name: str) -> Callable[..., None]:
    """Python function of an entry; only compiling needs it, and it imports numba."""
    from peak_kernels import indicator_natives, natives, order_natives, picture_natives, resampling_natives

    homes = (
        (indicator_natives, OF_INDICATORS),
        (order_natives, _OF_ORDERS),
        (picture_natives, _OF_PICTURES),
        (resampling_natives, _OF_RESAMPLING),
    )
    home = next((module for module, names in homes if name in names), natives)
    body: Callable[..., None] = getattr(home, name)
    return body


_OF_ORDERS = {
    "run_orders": 2, "run_order_batch": 4, "order_metrics": 1, "decision_rows": 0, "run_signals": 1, "run_block": 1,
    "run_block_by_block": 1, "run_block_financed": 1, "decide_panel": 1,
}  # fmt: skip
_OF_PICTURES = {"pack_pixels": 5, "fold_columns": 0, "draw_spans": 6}
_OF_RESAMPLING = dict.fromkeys(
    ("follow_runs", "add_differences", "cut_into_chunks", "sum_samples", "long_run_variances"), 0
)
_CALLING = (
    "run_orders",
    "run_order_batch",
    "run_block",
    "run_block_by_block",
    "run_block_financed",
    "decide_panel",
)
"""Entries that call functions of users, which may raise."""


ENTRIES = {
    name: Entry(name, numbers, _body, calls=name in _CALLING)
    for name, numbers in {
        "run_configurations": 2, "run_by_block": 2, "run_financed": 2, "fold_blocks": 0, "sma_rows": 0, "ema_rows": 0,
        "rsi_rows": 0, "roc_rows": 0,
        "highest_before_rows": 0, "lowest_before_rows": 0, "std": 1, "macd": 3, "run_portfolio": 0,
        "fold_exposures": 0, "momentum_scores": 2, "volatility_scores": 1, "taken_scores": 0, "screen_scores": 1,
        "best_ranks": 3, "weigh_ranks": 3, "cscv_winners": 0, "cscv_ranks": 0, "cscv_means": 1,
        "draw_order": 3, "chain_moves": 1, "take_along": 0, "jitter": 2, "walk_paths": 2,
        "fold_stretches": 0, "are_clean": 2, "are_same": 1, "fold_holdings": 0, "read_small": 1, "narrow": 2,
        "store_record": 1, **_OF_PICTURES,
        **_OF_ORDERS, **_OF_RESAMPLING,
        **{name: shape.count("i") for name, shape in OF_INDICATORS.items()},
    }.items()
}  # fmt: skip
(
    _RUN, _BY_BLOCK, _FINANCED, _FOLD_BLOCKS, _SMA, _EMA, _RSI, _ROC, _HIGHEST, _LOWEST, _STD, _MACD, _PORTFOLIO,
    _EXPOSURES, _MOMENTUM, _VOLATILITY, _TAKEN, _SCREEN, _BEST, _WEIGH, _WINNERS, _RANKS, _MEANS, _DRAW, _CHAIN,
    _ALONG, _JITTER, _WALK, _STRETCHES, _CLEAN, _SAME, _HOLDINGS, _SMALL, _NARROW, STORE_RECORD, _PACK,
    _COLUMNS, _SPANS,
    *_,
) = ENTRIES.values()  # fmt: skip


def run_configurations(
    prices: tuple[FloatArray, ...],
    calendar: IntArray,
    plane: FloatArray,
    stride: int,
    rules: IntArray,
    settings: FloatArray,
    decisions: tuple[IntArray, FloatArray, int],
    scratch: tuple[FloatArray, FloatArray, FloatArray],
    out: FloatArray,
    cuts: tuple[FloatArray, IntArray] | None = None,
    financing: tuple[FloatArray, ...] | None = None,
) -> None:
    """See `fast.simulation.run_configurations`; prices are six rows, each in memory of its own."""
    bar_of, target_of, count = decisions
    given = (*prices, calendar, plane, rules, settings, bar_of, target_of, *scratch, out)
    if financing is not None:
        _FINANCED.call((*given, *financing), stride, count)
    elif cuts is None:
        _RUN.call(given, stride, count)
    else:
        _BY_BLOCK.call((*given, *cuts), stride, count)


def block_memory(blocks: int) -> tuple[FloatArray, IntArray]:
    """Memory in which a run folds sums of returns by block of time (`fast.blocks.Cuts`)."""
    return np.empty((4, blocks + 1)), np.empty(3, dtype=np.int64)


def fold_blocks(curve: FloatArray, initial: float, out: FloatArray) -> None:
    """See `fast.blocks.fold_blocks`."""
    _FOLD_BLOCKS.call((curve, np.array([initial]), out))


def sma_rows(values: FloatArray, periods: IntArray, rows: FloatArray) -> None:
    """Simple moving averages (`indicators.sma`)."""
    _SMA.call((values, periods, rows, np.empty(values.size)))


def ema_rows(values: FloatArray, periods: IntArray, rows: FloatArray) -> None:
    """Exponential moving averages (`indicators.ema`)."""
    _EMA.call((values, periods, rows, np.empty((2, values.size))))


def rsi_rows(values: FloatArray, periods: IntArray, rows: FloatArray) -> None:
    """Relative strength indices (`indicators.rsi`)."""
    _RSI.call((values, periods, rows, np.empty((2, values.size)), np.empty((2, TILE))))


def roc_rows(values: FloatArray, periods: IntArray, rows: FloatArray) -> None:
    """Rates of change (`indicators.roc`)."""
    _ROC.call((values, periods, rows))


def highest_before_rows(values: FloatArray, periods: IntArray, rows: FloatArray) -> None:
    """Largest of the ``period`` bars before each bar: what was known when it began (`indicators.highest`)."""
    _HIGHEST.call((values, periods, rows, np.empty(values.size)))


def lowest_before_rows(values: FloatArray, periods: IntArray, rows: FloatArray) -> None:
    """Smallest of the ``period`` bars before each bar (`indicators.lowest`)."""
    _LOWEST.call((values, periods, rows, np.empty(values.size)))


def std(values: FloatArray, period: int, out: FloatArray) -> None:
    """See `indicators.std`."""
    _STD.call((values, out, np.empty((3, values.size))), period)


def macd(
    values: FloatArray,
    fast: int,
    slow: int,
    signal_period: int,
    line: FloatArray,
    signal: FloatArray,
    histogram: FloatArray,
) -> None:
    """See `indicators.macd`."""
    _MACD.call((values, line, signal, histogram, np.empty((4, values.size))), fast, slow, signal_period)


def indicator(name: str) -> Callable[..., None]:
    """Kernel of an indicator of `OF_INDICATORS`: inputs, parameters, outputs."""
    entry, shape = ENTRIES[name], OF_INDICATORS[name]
    first = len(shape) - len(shape.lstrip("a"))
    middle, last = first + shape.count("i"), first + shape.count("i") + shape.count("f")

    def kernel(*given: Any) -> None:
        fractions = (np.array(given[middle:last], dtype=np.float64),) if middle < last else ()
        try:
            entry.call(given[:first] + given[last:] + fractions, *given[first:middle])
        except SystemError as error:
            raise MemoryError(f"{name}: expected memory for scratch arrays as long as its columns") from error

    return kernel


def run_portfolio(
    prices: FloatArray,
    spans: IntArray,
    decisions: tuple[IntArray, IntArray, FloatArray],
    settings: tuple[FloatArray, FloatArray, FloatArray],
    days: IntArray,
    scratch: tuple[FloatArray, FloatArray, IntArray, IntArray],
    records: tuple[FloatArray, FloatArray, FloatArray],
    financing: tuple[FloatArray, FloatArray, FloatArray, IntArray, FloatArray, FloatArray],
    curve: FloatArray,
    out: FloatArray,
    sheet: FloatArray,
) -> None:
    """See `portfolio.simulation.run_portfolio`."""
    given = (prices, spans, *decisions, *settings, days, *scratch, *records, *financing, curve, out, sheet)
    _PORTFOLIO.call(given)


def fold_exposures(
    prices: FloatArray, spans: IntArray, orders: FloatArray, multipliers: FloatArray, out: FloatArray
) -> None:
    """See `portfolio.exposures.fold_exposures`."""
    assets = multipliers.size
    lists = np.empty((portfolio_slots.N_LISTS, assets), dtype=np.int64)
    scratch = np.empty(assets), lists, out, np.empty(assets)
    _EXPOSURES.call((prices, spans, orders, multipliers, *scratch))


def fold_holdings(held: FloatArray, equity: FloatArray, out: FloatArray) -> None:
    """See `portfolio.exposures.fold_holdings`."""
    _HOLDINGS.call((held, equity, out))


def momentum_scores(
    close: FloatArray, spans: IntArray, rows: IntArray, lookback: int, skip: int, out: FloatArray
) -> None:
    """See `portfolio.scores.momentum_into`."""
    _MOMENTUM.call((close, spans, rows, out), lookback, skip)


def volatility_scores(
    close: FloatArray, spans: IntArray, rows: IntArray, lookback: int, out: FloatArray
) -> None:
    """See `portfolio.scores.volatility_into`."""
    _VOLATILITY.call((close, spans, rows, out), lookback)


def taken_scores(values: FloatArray, rows: IntArray, out: FloatArray) -> None:
    """See `portfolio.scores.taken_into`."""
    _TAKEN.call((values, rows, out))


def screen_scores(
    close: FloatArray, spans: IntArray, members: IntArray, rows: IntArray, priced: int, scores: FloatArray
) -> None:
    """See `portfolio.scores.screen`."""
    _SCREEN.call((close, spans, members, rows, scores), priced)


def best_ranks(
    scores: FloatArray, alphabet: IntArray, bounds: IntArray, sign: int, width: int, ordered: int, best: IntArray,
    counts: IntArray,
) -> None:  # fmt: skip
    """See `portfolio.best.best_into`."""
    assets = scores.shape[1]
    spare = np.empty(assets), np.empty(assets), np.empty(assets, dtype=np.int64)
    _BEST.call((scores, alphabet, bounds, best, counts, *spare), sign, width, ordered)


def weigh_ranks(
    best: tuple[IntArray, IntArray], counts: tuple[IntArray, IntArray], widths: tuple[int, int], values: FloatArray,
    shared: int, terms: FloatArray, group_of: IntArray, numbers: IntArray, out: FloatArray,
) -> None:  # fmt: skip
    """See `portfolio.ranking.weigh_into`."""
    assets = out.shape[1]
    lists = np.empty(assets, dtype=np.int64), np.empty(2 * assets, dtype=np.int64)
    spare = np.empty(assets), np.empty(assets), np.empty(assets, dtype=np.int64)
    arrays = (best[0], counts[0], best[1], counts[1], values, terms, group_of, *lists, *spare, numbers, out)
    _WEIGH.call(arrays, *widths, shared)


def cscv_winners(
    sums: FloatArray, squares: FloatArray, masks: IntArray, odd: tuple[FloatArray, FloatArray, IntArray], tile: int,
    winners: IntArray,
) -> None:  # fmt: skip
    """See `validation.cscv.find_winners`."""
    best = np.empty(24 * len(masks))
    _WINNERS.call((sums, squares, masks, *odd, _subset_tables(sums, tile), best, winners))


def cscv_ranks(
    sums: FloatArray, squares: FloatArray, masks: IntArray, odd: tuple[FloatArray, FloatArray, IntArray], tile: int,
    scores: FloatArray, counts: IntArray,
) -> None:  # fmt: skip
    """See `validation.cscv.rank_winners`."""
    _RANKS.call((sums, squares, masks, *odd, _subset_tables(sums, tile), scores, counts))


def cscv_means(
    sums: FloatArray, squares: FloatArray, masks: IntArray, bars: int, tile: int, out: FloatArray
) -> None:
    """See `validation.cscv.mean_sharpes`."""
    _MEANS.call((sums, squares, masks, _subset_tables(sums, tile), out), bars)


def _subset_tables(sums: FloatArray, tile: int) -> FloatArray:
    """Scratch of a tile: sums of every subset of half of the blocks."""
    blocks = len(sums)
    return np.empty((4, 1 << (blocks - blocks // 2), tile))


def draw_order(
    method: int, seed: int, number: int, groups: tuple[IntArray, IntArray], length: FloatArray, order: IntArray
) -> None:  # fmt: skip
    """See `validation.worlds.draw_order`; ``groups``: places and bounds; ``length`` has one element."""
    _DRAW.call((*groups, length, order), method, seed, number)


def chain_moves(moves: FloatArray, order: IntArray, first: int, table: FloatArray) -> None:
    """See `validation.worlds.chain_moves`."""
    _CHAIN.call((moves, order, table), first)


def take_along(values: FloatArray, order: IntArray, out: FloatArray) -> None:
    """See `validation.worlds.take_along`."""
    _ALONG.call((values, order, out))


def jitter(real: FloatArray, most: FloatArray, seed: int, number: int, table: FloatArray) -> None:
    """See `validation.worlds.jitter`; ``most`` has one element."""
    _JITTER.call((real, most, table), seed, number)


def walk_paths(
    returns: FloatArray, mean: FloatArray, seed: int, first: int, steps: IntArray, figures: FloatArray,
    curves: FloatArray,
) -> None:  # fmt: skip
    """See `validation.paths.walk_paths`; ``mean`` has one element."""
    _WALK.call((returns, mean, steps, figures, curves), seed, first)


def fold_stretches(
    equity: FloatArray,
    trades: tuple[FloatArray, FloatArray],
    terms: FloatArray,
    edges: IntArray,
    out: FloatArray,
) -> None:
    """See `validation.stretches.fold_stretches`."""
    _STRETCHES.call((equity, *trades, terms, edges, out))


def are_clean(
    prices: tuple[FloatArray, FloatArray, FloatArray, FloatArray], volume: FloatArray, time_us: IntArray, earliest: int,
    latest: int,
) -> bool:  # fmt: skip
    """See `checking.are_clean`."""
    answer = np.empty(1, dtype=np.int64)
    _CLEAN.call((*prices, volume, time_us, answer), earliest, latest)
    return bool(answer[0])


def are_same(columns: Sequence[AnyArray], others: Sequence[AnyArray]) -> bool:
    """Whether columns hold the same bits as as many others: see `checking.are_same`.

    Words of 8 bytes, of any meaning; each column as long as its other one.
    """
    answer = np.empty(1, dtype=np.int64)
    _SAME.call((answer, *columns, *others), len(columns))
    return bool(answer[0])


def read_small(streams: IntArray, rows: IntArray, answers: IntArray, room: IntArray, bars: int) -> None:
    """Read columns of small whole numbers from Arrow's C interface: see `arrow.read_small`."""
    _SMALL.call((streams, rows, answers, room), bars)


def narrow(values: AnyArray, row: int, answer: IntArray) -> bool:
    """Write numbers, int64 or float64, as bytes to an address where each is a small whole one: see `arrow.narrow`.

    ``answer`` is int64[1] to work on.
    """
    _NARROW.call((values.view(np.int64), answer), values.dtype.kind == "f", row)
    return bool(answer[0] == 0)


def pack_pixels(rows: ByteArray) -> bytes:
    """See `pictures.packing.pack_pixels`; ``rows`` is uint8[rows, 1 + pixels], what comes back the packed pixels."""
    (count, stride), size = rows.shape, rows.size
    state, tables = np.empty(4, dtype=np.int64), np.empty(PACKING, dtype=np.int64)
    tokens, out = np.empty(size, dtype=np.uint16), np.empty(2 * size + 1_024, dtype=np.uint8)
    pixels, held, answer = (array.ctypes.data for array in (rows, tokens, out))
    _PACK.call((state, tables[0], tables[1]), pixels, count, stride, held, answer)
    return out[: state[0]].tobytes()


def fold_columns(values: FloatArray, columns: int) -> tuple[FloatArray, FloatArray]:
    """See `pictures.curves.fold_columns`: float64[columns] each."""
    low, high = np.empty((2, columns))
    _COLUMNS.call((values, low, high))
    return low, high


def draw_spans(
    rows: ByteArray, left: int, top: FloatArray, bottom: FloatArray, bases: tuple[int, int, int]
) -> None:
    """See `pictures.curves.draw_spans`; ``rows`` is uint8[rows, pixels], ``left`` the first column that is drawn."""
    height, stride = rows.shape
    _SPANS.call((top, bottom), rows.ctypes.data + left, stride, height, *bases)
