"""Bars a year and the usual step as they were known at each bar: from the times so far, never from later ones."""

from __future__ import annotations

import math

import numpy as np

from peak_fast.data.times import DAY_US, periods_per_year
from peak_kernels.arrays import FloatArray, IntArray

_EACH = 15
"""Dates (two weekends) after each of which the times are looked at anew."""
_GROWTH = 8
"""Later they are looked at when the number of dates has grown by one part in so many."""
_WINDOW = 501
"""Steps that say which one is usual: the last so many."""


def known_years(time_us: IntArray) -> FloatArray:
    """Bars per year that the dates before each bar's own show, by the rules of `times.periods_per_year`.

    The bar's own date may not be whole, so it does not count.  Between two looks the number stays as it was; a look
    goes through all times so far, and with looks that grow apart the whole costs a few of them.

    Parameters
    ----------
    time_us
        Strictly increasing int64 microseconds UTC.

    Returns
    -------
    numpy.ndarray
        float64[bars]; NaN where fewer than two bars lie on earlier dates.
    """
    years = np.full(time_us.size, math.nan)
    dates = time_us // DAY_US
    first_of_date = np.flatnonzero(dates[1:] != dates[:-1]) + 1
    place = 0
    while place < first_of_date.size:
        bar = int(first_of_date[place])
        if bar > 1:
            years[bar:] = periods_per_year(time_us[:bar])
        seen = place + 1
        place += 1 if seen < _EACH else max(1, seen // _GROWTH)
    return years


def known_steps(time_us: IntArray) -> IntArray:
    """Usual distance between bars at each bar: the (lower) median of the last 501 steps up to the bar's own time.

    At every bar at first, later it is looked at when the number of bars has grown by an eighth.  The first bar has no
    step: it counts as long as most of the bars, which nothing that is decided at its close or later depends on.

    Parameters
    ----------
    time_us
        Strictly increasing int64 microseconds UTC.

    Returns
    -------
    numpy.ndarray
        int64[bars] microseconds; a day for a single bar.
    """
    steps = np.diff(time_us)
    known = np.full(time_us.size, DAY_US, dtype=np.int64)
    if not steps.size:
        return known
    bar = 1
    while bar < time_us.size:
        known[bar:] = _lower_median(steps[max(0, bar - _WINDOW) : bar])
        bar += max(1, bar // _GROWTH)
    known[0] = _lower_median(steps)
    return known


def _lower_median(steps: IntArray) -> int:
    middle = (steps.size - 1) // 2
    return int(np.partition(steps, middle)[middle])
