"""Figures made of closed trades' profits; the public names are in `peak_fast.metrics`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peak_fast.columns import as_float_array
from peak_fast.metrics.ratios import deviation, known, mean, ratio


def win_rate(pnl: Any) -> float:
    """Share of trades with a profit, ``count(pnl > 0) / n``; NaN for no trades.

    A trade that neither won nor lost counts in ``n``.  quantstats applies this to period returns without
    the zeros: pass ``returns[returns != 0]``.
    """
    values = known(pnl, "pnl")
    return float(np.mean(values > 0.0)) if values.size else math.nan


def profit_factor(pnl: Any) -> float:
    """Gross profit over gross loss, ``sum(wins) / -sum(losses)``; inf without losses, NaN without both."""
    values = known(pnl, "pnl")
    return ratio(float(values[values > 0.0].sum()), -float(values[values < 0.0].sum()))


def average_win(pnl: Any) -> float:
    """Mean profit of the winning trades; NaN for none."""
    values = known(pnl, "pnl")
    return mean(values[values > 0.0])


def average_loss(pnl: Any) -> float:
    """Mean result of the losing trades, negative; NaN for none."""
    values = known(pnl, "pnl")
    return mean(values[values < 0.0])


def payoff_ratio(pnl: Any) -> float:
    """Average win over average loss, positive; NaN without wins or without losses."""
    return average_win(pnl) / -average_loss(pnl)


def expectancy(pnl: Any) -> float:
    """Mean profit per trade, in the unit of ``pnl``; NaN for no trades."""
    return mean(known(pnl, "pnl"))


def sqn(pnl: Any) -> float:
    """System quality number, ``sqrt(n) * mean(pnl) / std(pnl, ddof 1)``.

    NaN below two trades and where all are equal.  Source: Van Tharp, Trade Your Way to Financial Freedom
    (1998), without his cap of 100 on ``n``.
    """
    values = known(pnl, "pnl")
    spread = deviation(values)
    return math.sqrt(values.size) * mean(values) / spread if spread > 0.0 else math.nan


def kelly_fraction(pnl: Any) -> float:
    """Kelly's share of capital per trade, ``W - (1 - W) / payoff``; NaN without wins or without losses.

    ``W`` is the share of winners among trades that won or lost.  Source: Kelly (1956), doi:10.1002/
    j.1538-7305.1956.tb03809.x, for two outcomes.
    """
    values = known(pnl, "pnl")
    decided = values[values != 0.0]
    winners = win_rate(decided)
    return winners - (1.0 - winners) / payoff_ratio(decided)


def longest_streak(pnl: Any, winning: bool = True) -> int:
    """Longest run of profits in a row (``winning=False``: of losses); NaN and 0 end a run."""
    values = as_float_array(pnl, "pnl")
    hits = np.concatenate(([False], values > 0.0 if winning else values < 0.0, [False]))
    edges = np.flatnonzero(hits[1:] != hits[:-1])
    return int((edges[1::2] - edges[::2]).max(initial=0))


def exposure(position: Any) -> float:
    """Share of bars with a position at the close, ``count(position != 0) / n``; NaN counts as none."""
    values = np.nan_to_num(as_float_array(position, "position"), nan=0.0)
    return float(np.mean(values != 0.0)) if values.size else math.nan
