"""Probabilistic and deflated Sharpe ratios of whole families of trials, against ffn and vectorbt.

Every ``stats/trials_*.parquet`` is a matrix of returns, one column a trial.  The package keeps what the deflated
Sharpe ratio needs on a study (`peak_fast.studies.results.deflated_sharpe_inputs`); the ratio itself is the
probabilistic Sharpe ratio against the expected maximum.  ffn corrects skewness and kurtosis for small samples,
vectorbt does not.
"""

import json
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from peak_fast.metrics import returns as m
from peak_fast.studies.points import COMPLETE, METRICS
from peak_fast.studies.results import deflated_sharpe_inputs

RTOL = 1e-9


def _matrices(oracles, file):
    """Name, returns ``[period, trial]`` and stored figures of each matrix that a file knows."""
    path = oracles / "stats" / file
    known = json.loads(path.read_text())["matrices"] if path.exists() else {}
    for name, stored in known.items():
        for candidate in (f"{name}.parquet", f"trials_{name}.parquet"):
            if (oracles / "stats" / candidate).exists():
                table = pl.read_parquet(oracles / "stats" / candidate)
                yield name, table.select(pl.selectors.numeric()).to_numpy(), stored


def _study_of(sharpes, observations):
    """The deflated Sharpe ratio's inputs, as a study of trials with these Sharpe ratios keeps them."""
    trials = [
        SimpleNamespace(
            params={"number": number},
            state=SimpleNamespace(name=COMPLETE),
            user_attrs={METRICS: {"sharpe": float(sharpe)}},
        )
        for number, sharpe in enumerate(sharpes)
    ]
    return deflated_sharpe_inputs(trials, 1.0, observations)


def _sharpes(returns):
    return [m.sharpe(column, 1.0) for column in returns.T]


def test_deflated_sharpe_ratio_of_the_best_trial_against_ffn(oracles):
    compared = 0
    for name, returns, stored in _matrices(oracles, "pbo_dsr_trials.json"):
        sharpes = _sharpes(returns)
        inputs = _study_of(sharpes, len(returns))
        winner = int(np.argmax(sharpes))
        assert winner == stored["winner"], name
        assert inputs["trials"] == returns.shape[1], name
        assert sharpes == pytest.approx(stored["sharpe_per_period"], rel=RTOL), name
        expected = inputs["expected_maximum_sharpe"]
        assert expected == pytest.approx(stored["expected_max_sharpe_ffn"], rel=RTOL), name
        assert m.skew(returns[:, winner]) == pytest.approx(stored["skew_unbiased_winner"], rel=RTOL), name
        fourth = m.kurtosis(returns[:, winner]) + 3.0
        assert fourth == pytest.approx(stored["kurt_unbiased_plus3_winner"], rel=RTOL), name
        deflated = m.probabilistic_sharpe_ratio(returns[:, winner], expected)
        assert deflated == pytest.approx(stored["dsr_ffn"], rel=RTOL), name
        compared += 1
    if not compared:
        pytest.skip(f"no trial matrices in {oracles / 'stats'}")


def test_deflated_sharpe_ratio_of_every_trial_against_vectorbt(oracles):
    compared = 0
    for name, returns, stored in _matrices(oracles, "dsr_vectorbt.json"):
        expected = _study_of(_sharpes(returns), len(returns))["expected_maximum_sharpe"]
        ours = [m.probabilistic_sharpe_ratio(column, expected, bias=True) for column in returns.T]
        assert ours == pytest.approx(stored["deflated_sharpe_ratio_per_column"], rel=RTOL), name
        compared += 1
    if not compared:
        pytest.skip(f"no trial matrices in {oracles / 'stats'}")


def test_expected_maximum_against_published_numbers(oracles):
    """Trials whose Sharpe ratios have the variance of an example give its expected maximum."""
    path = oracles / "stats" / "psr_dsr_grid.json"
    if not path.exists():
        pytest.skip(f"no {path}")
    for case in json.loads(path.read_text())["cases"]:
        count, variance = case["N"], case["var_trials"]
        sharpes = np.linspace(-1.0, 1.0, count)
        sharpes *= np.sqrt(variance / np.var(sharpes, ddof=1))
        inputs = _study_of(sharpes, case["T"])
        assert inputs["sharpe_variance"] == pytest.approx(variance, rel=RTOL)
        assert inputs["expected_maximum_sharpe"] == pytest.approx(case["sr0"], rel=RTOL)
