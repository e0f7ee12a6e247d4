"""A ``BacktestResult`` frozen for the spool in a few microseconds; the writer thaws it (``thawed.py``).

Asking a result for its metadata and trades makes it hash its curves and work out excursions: half a
millisecond, several times the backtest itself.  So the raw arrays travel instead, and the writer makes
figures, returns and excursions of them with the result's own code:

* metrics, trades and final state as the kernel wrote them;
* the fills: with the closes, which the segment holds once per data set, they give the equity curve
  (cash and position change at fills only).  Where the fills are larger than the curve, it travels as float32;
* the settings once per engine and data set, the bars once per data set.

The result's hash is left out: only the caller could compute it, at twice the cost of the whole backtest.
"""

from __future__ import annotations

from typing import Any

from peak_fast.tracking.curves import reduce_curve

_PLAIN = frozenset((float, int, str, bool, type(None)))

Head = tuple[Any, ...]


def can_freeze(result: Any) -> bool:
    """Whether a result is a ``BacktestResult`` (or has all that is read of one)."""
    return hasattr(result, "_outcome") and hasattr(result, "_used") and hasattr(result, "_settings")


def freeze(result: Any, static: int, curve: bool) -> tuple[Head, list[Any]]:
    """Head and buffers of a result.

    Parameters
    ----------
    static
        Number of the STATIC record that holds what it shares with others.
    curve
        Whether the equity curve is wanted.

    Returns
    -------
    tuple
        The head is ``(number of the STATIC record, params, symbol, n_bars, n_trades, n_fills, n_points)``;
        the buffers are metrics, state, trades and either fills or the points of the curve.
    """
    outcome = result._outcome
    trades, fills, equity = outcome.trades, outcome.fills, outcome.curve[0]
    n_bars = len(equity)
    if not curve:
        head = (static, result.params, result.symbol, n_bars, len(trades), -1, 0)
        return head, [outcome.metrics, outcome.state, trades]
    if fills.nbytes <= 4 * n_bars:
        head = (static, result.params, result.symbol, n_bars, len(trades), len(fills), 0)
        return head, [outcome.metrics, outcome.state, trades, fills]
    points = reduce_curve(equity)
    head = (static, result.params, result.symbol, n_bars, len(trades), -1, len(points))
    return head, [outcome.metrics, outcome.state, trades, points]


def is_plain(params: dict[str, Any]) -> bool:
    """Whether parameters hold numbers, text and None only."""
    return _PLAIN.issuperset(map(type, params.values()))


def shared_by(result: Any) -> tuple[Any, ...]:
    """What results of one engine, strategy and data set have in common; compared by identity first."""
    return (result.bars, result._strategy, *result._used.values())


def describe(result: Any) -> dict[str, Any]:
    """What results of one engine, strategy and data set share."""
    from peak_fast._records import code_version

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
    }
