"""Returns of an account, bar by bar and trade by trade."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from peak_fast.arguments import shown
from peak_fast.columns import as_float_array
from peak_fast.errors import DataError
from peak_fast.metrics import returns_from_equity
from peak_fast.results import units_of
from peak_kernels.arrays import FloatArray
from peak_kernels.slots import INITIAL_CASH


class Steps(NamedTuple):
    """Returns in order, the equity before them, and what was passed over."""

    values: FloatArray
    initial: float
    notes: tuple[str, ...] = ()


def is_result(value: Any) -> bool:
    """Whether a value is the result of a run."""
    return hasattr(value, "equity") and hasattr(value, "_settings")


def initial_of(result: Any) -> float:
    """Equity before the first bar."""
    return float(result._settings[INITIAL_CASH])


def account_returns(result: Any) -> Steps:
    """Returns of the account at each bar, or those that were given.

    Raises
    ------
    DataError
        Neither a result nor returns; fewer than two; one that is missing, infinite or below -1.
    """
    if not is_result(result):
        values, initial = np.array(as_float_array(result, "returns")), 1.0
    else:
        initial = initial_of(result)
        values = np.array(returns_from_equity(units_of(result), initial))
    wrong = ~np.isfinite(values) | (values < -1.0)
    if wrong.any():
        bar = int(np.argmax(wrong))
        raise DataError(
            f"returns: expected numbers of at least -1; got {values[bar]} at bar {bar}; monte_carlo needs an account "
            "that stays above zero, and every return"
        )
    if values.size < 2:
        raise DataError(f"returns: expected at least two; got {values.size}; run on more bars")
    return Steps(values, initial)


def trade_returns(result: Any) -> Steps:
    """Net results of trades over the equity at the close before each began; an open one as it stands.

    Raises
    ------
    DataError
        Not a result; no trades; a trade that began with no equity.
    """
    if not is_result(result):
        raise DataError(
            f"of='trades': expected the result of a run; got {shown(result)}; of='returns' takes returns"
        )
    trades = result.trades
    if not len(trades):
        raise DataError(
            "of='trades': this result has no trades; expected at least one; of='returns' needs none"
        )
    begun = trades["entry_bar"].to_numpy()
    before = np.append(initial_of(result), result.equity)[begun]
    order = np.argsort(begun, kind="stable")
    if not (before > 0.0).all():
        raise DataError(
            "of='trades': a trade began with no equity, so it has no return; of='returns' says where"
        )
    values = np.maximum(trades["net_pnl"].to_numpy() / before, -1.0)[order]
    ends = trades["exit_bar"].to_numpy()[order]
    overlap = int(np.count_nonzero(begun[order][1:] < np.maximum.accumulate(ends)[:-1]))
    said = f"{overlap:,} of {len(values):,} trades began while another was open; paths take them one after the other"
    return Steps(np.ascontiguousarray(values), initial_of(result), (said,) if overlap else ())
