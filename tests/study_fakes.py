"""Stand-ins of the study tests: a smooth objective, an evaluator that remembers, data of a length."""

import numpy as np

from peak_fast.params.parameter import Param
from peak_fast.params.schema import parse_constraints
from peak_fast.studies.points import Space
from peak_fast.studies.study import Study

FAST = Param("fast", "int", 20, low=5, high=60)
SLOW = Param("slow", "int", 50, low=20, high=200)
SCHEMA = (FAST, SLOW)
TWO = {"sharpe": "maximize", "max_drawdown": "minimize"}


def hill(columns, bars, metrics):
    """A smooth hill with its top at (30, 120), a loss that grows with fast, and a count of trades."""
    fast, slow = np.asarray(columns["fast"], float), np.asarray(columns["slow"], float)
    sharpe = 2.0 * np.exp(-(((fast - 30) / 20) ** 2) - ((slow - 120) / 60) ** 2)
    return {
        "sharpe": sharpe,
        "max_drawdown": -fast / 100,
        "total_trades": 900 / fast,
        "total_return": sharpe / 2,
    }


class Counting:
    """An evaluator that remembers what it was asked."""

    def __init__(self, function=hill):
        self.function = function
        self.rows = []

    def __call__(self, columns, bars, metrics):
        self.rows += list(zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True))
        return self.function(columns, bars, metrics)


class Pieces:
    """Stands in for Bars: a length and slices that know where they start."""

    def __init__(self, start, stop):
        self.start, self.stop, self.hash = start, stop, f"{start}:{stop}"

    def __len__(self):
        return self.stop - self.start

    def slice(self, start, stop):
        return Pieces(self.start + start, self.start + stop)


def make(sampler="random", objectives="sharpe", schema=SCHEMA, evaluator=hill, data=None, **options):
    options.setdefault("seed", 3)
    return Study(None, data, schema, objectives, sampler, evaluator=evaluator, **options)


def values_of(study, *names):
    return study.trials.select(names).rows()


def run(study, n_trials):
    study.run(n_trials=n_trials)
    return study


def only_fast(columns, bars, metrics):
    return hill({"fast": columns["fast"], "slow": np.full(len(columns["fast"]), 120)}, bars, metrics)


def space(*schema, constraints=()):
    return Space(schema, parse_constraints(constraints))
