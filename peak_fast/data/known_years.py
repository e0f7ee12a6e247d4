"""Bars a year as they were known at each bar: from the times before it, never from later ones."""

from __future__ import annotations

import math

import numpy as np

from peak_fast.data.checks import FloatArray, IntArray
from peak_fast.data.times import DAY_US, periods_per_year

_EACH = 15
"""Dates (two weekends) after each of which the times are looked at anew."""
_GROWTH = 8
"""Later they are looked at when the number of dates has grown by one part in so many."""


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
