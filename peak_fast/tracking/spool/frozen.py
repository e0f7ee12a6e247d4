"""A ``BacktestResult`` frozen for the spool in a few microseconds; the writer thaws it (``thawed.py``).

Asking a result for its metadata and trades makes it hash its curves and work out excursions: half a
millisecond, several times the backtest itself.  So the raw arrays travel instead, and the writer makes
figures, returns and excursions of them with the result's own code:

* metrics, trades and final state as the kernel wrote them;
* what the equity curve follows from, with the closes, which the segment holds once per data set: cash and position
  change at fills only.  Where each trade has one entry and one exit, the trades say what the fills say; else the
  fills travel, too.  Where they are larger than the curve, it travels as float32;
* the settings once per engine and data set, the bars once per data set.

The result's hash is left out: only the caller could compute it, at twice the cost of the whole backtest.
"""

from __future__ import annotations

import functools
import pickle
from typing import Any

from peak_fast.tracking.spool import codec, layout
from peak_fast.tracking.spool.curves import reduce_curve

# What the equity curve is made of: nothing (there is none), fills, float32 points, or trades.
NO_CURVE, FILLS, POINTS, TRADES = 0, 16, 32, 64
_SAFE = b"\x93"  # pickle's opcode for "look up a name": without it, the bytes hold plain data only


def can_freeze(result: Any) -> bool:
    """Whether a result is a ``BacktestResult`` (or has all that is read of one)."""
    return hasattr(result, "_outcome") and hasattr(result, "_used") and hasattr(result, "_settings")


def freeze(result: Any, curve: bool) -> tuple[int, tuple[Any, ...]]:
    """What is kept of the curve, and the raw arrays of a result.

    Parameters
    ----------
    curve
        Whether the equity curve is wanted.

    Returns
    -------
    tuple
        ``NO_CURVE``, ``FILLS``, ``POINTS`` or ``TRADES``; metrics, state, trades and, for ``FILLS`` and ``POINTS``,
        fills or the points of the curve.
    """
    outcome = result._outcome
    metrics, state, trades = outcome.metrics, outcome.state, outcome.trades
    if not curve:
        return NO_CURVE, (metrics, state, _without_tags(trades))
    fills, equity = outcome.fills, outcome.curve
    if "order_book" in result._used:
        # Cash moves without a fill there: interest, funding.  Tags stay with the caller.
        return POINTS, (metrics, state, _without_tags(trades), reduce_curve(equity[0]))
    # A fill belongs to one trade, and a trade that is over has two fills at least.  So two per trade is exactly two
    # for each, and one more is the entry of the open one, if there is one.
    more = len(fills) - 2 * len(trades)
    if more == 0 or (more == 1 and state[_units_slot()] != 0.0):
        return TRADES, (metrics, state, trades)
    if fills.nbytes <= 4 * equity.shape[1]:
        return FILLS, (metrics, state, trades, fills)
    return POINTS, (metrics, state, trades, reduce_curve(equity[0]))


def _without_tags(trades: Any) -> Any:
    # The columns before the tag, as one block of memory.
    width = _record_width()
    return trades if trades.shape[1] == width else trades[:, :width].copy()


@functools.cache
def _record_width() -> int:
    from peak_kernels import slots as t

    return t.RECORD_WIDTH


@functools.cache
def _units_slot() -> int:
    # Not at the top: a tracker is built without the kernels.
    from peak_kernels import slots as t

    return t.UNITS


def params_bytes(params: Any) -> bytes:
    """Parameters as :func:`peak_fast.tracking.spool.codec.decode` reads them."""
    try:
        data = pickle.dumps(params, 5)
    except Exception:  # a value that cannot be pickled has a plain form all the same
        return codec.encode(params)
    return data if _SAFE not in data else codec.encode(params)


def shared_by(result: Any) -> tuple[Any, ...]:
    """What results of one engine, strategy and data set have in common; compared by identity first."""
    return (result.bars, result._strategy, result.symbol, result._notes, *result._used.values())


def describe(result: Any) -> dict[str, Any]:
    """What results of one engine, strategy and data set share."""
    from peak_fast.results import code_version

    strategy, used = result._strategy, result._used
    return {
        "strategy": {
            "name": result.strategy_name,
            "fingerprint": None if strategy is None else strategy.fingerprint(),
        },
        "settings": {
            name: value.model_dump() if hasattr(value, "model_dump") else value
            for name, value in used.items()
        },
        "fill_rule": used["execution"].fill_rule,
        "code_version": code_version(),
        "notes": list(result.notes),
        "stamp": result.bars.stamp,
        "layout": layout.spooled(),
    }
