"""A walk forward in plain Python: each configuration on each window by itself, figures by hand, no kernels of ours.

It knows strategies whose sides are a row of numbers, one a bar, and accounts that hold all their equity or nothing.
"""

import math

from peak_fast import BacktestEngine


def sharpe(returns, year):
    mean = sum(returns) / len(returns)
    spread = sum((value - mean) ** 2 for value in returns) / (len(returns) - 1)
    return mean / math.sqrt(spread) * math.sqrt(year) if spread > 1e-15 else math.nan


def total_return(returns, year):
    return math.prod(1.0 + value for value in returns) - 1.0


def returns_of(equity, initial):
    before = [initial, *equity[:-1]]
    return [now / then - 1.0 for now, then in zip(equity, before, strict=True)]


def best(values):
    """Place of the largest number, the first of equal ones; None without any."""
    found = None
    for place, value in enumerate(values):
        if math.isfinite(value) and (found is None or value > values[found]):
            found = place
    return found


def chosen_carried(bars, rows, windows, measure, engine=None):
    """For each window the place of the best row of sides, and its figure; every row is run once."""
    engine = engine or BacktestEngine()
    curves = [returns_of(engine.run(bars, row).equity.tolist(), engine.initial_cash) for row in rows]
    picked = []
    for window in windows:
        values = [measure(curve[slice(*window.train)], bars.periods_per_year) for curve in curves]
        place = best(values)
        picked.append((place, None if place is None else values[place]))
    return picked


def chosen_flat(bars, rows, windows, measure, engine=None):
    """The same, each window a run of its own."""
    engine = engine or BacktestEngine()
    picked = []
    for window in windows:
        part = bars.slice(*window.train)
        runs = [engine.run(part, row[slice(*window.train)]).equity.tolist() for row in rows]
        values = [measure(returns_of(run, engine.initial_cash), bars.periods_per_year) for run in runs]
        place = best(values)
        picked.append((place, None if place is None else values[place]))
    return picked


def joined_carried(rows, windows, picked):
    """Sides of the joined run, from the bar before the first test window on."""
    sides = []
    for (place, _), window in zip(picked, windows, strict=True):
        start, stop = window.test
        sides += [0.0 if place is None else float(rows[place][bar]) for bar in range(start - 1, stop - 1)]
    return [*sides, sides[-1]]


def joined_flat(rows, windows, picked):
    """The same, with all sold so that the last bar of each window is flat."""
    sides = []
    for (place, _), window in zip(picked, windows, strict=True):
        start, stop = window.test
        sides += [0.0 if place is None else float(rows[place][bar]) for bar in range(start - 1, stop - 2)]
        sides.append(0.0)
    return [*sides, sides[-1]]
