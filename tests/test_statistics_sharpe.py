"""Sharpe ratios under test: worked by hand, at the edges, and every number of the stored papers and packages."""

import itertools
import json
import math

import numpy as np
import pytest

from peak_fast import DataError, PeakFastError, statistics
from peak_fast.metrics import sharpe
from peak_fast.statistics import (
    deflated_sharpe,
    expected_maximum,
    minimum_backtest_length,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_power,
    sharpe_variance,
    variance_of_maximum,
)

TOLERANCE = 1e-9


def revised(example):
    return "5520741" in example["citation"]


def form_of(example):
    return "2026" if revised(example) else "2012"


def moments(given):
    return {"skew": given["skew"], "kurtosis": given["kurt"]}


def _psr(example, given):
    return probabilistic_sharpe(
        given["sr"], given["T"], benchmark=given["sr_star"], form=form_of(example), **moments(given)
    )


def _track_record(example, given):
    level = given.get("prob", 1 - given.get("alpha", 0.05))
    periods = minimum_track_record(
        given["sr"], benchmark=given["sr_star"], level=level, form=form_of(example), **moments(given)
    )
    return periods / given.get("per_year", 1)


def _deflated(example, given):
    form = "2026" if revised(example) else "2014"
    return deflated_sharpe(given["sr"], given["T"], given["N"], given["var"], form=form, **moments(given))


def _spread(example, given):
    return math.sqrt(sharpe_variance(given["sr"], given["T"], **moments(given)))


def _error(example, given):
    return 1 - sharpe_power(
        given["sr1"], given["T"], benchmark=given["sr0"], level=1 - given["alpha"], **moments(given)
    )


# What an example asks for is said by what it gives.
ASKED = {
    frozenset({"sr", "sr_star", "T", "skew", "kurt"}): _psr,
    frozenset({"sr", "sr_star", "skew", "kurt", "prob", "per_year"}): _track_record,
    frozenset({"sr", "sr_star", "skew", "kurt", "alpha"}): _track_record,
    frozenset({"sr", "N", "var", "T", "skew", "kurt"}): _deflated,
    frozenset({"sr", "T", "skew", "kurt"}): _spread,
    frozenset({"sr0", "sr1", "T", "skew", "kurt", "alpha"}): _error,
    frozenset({"N", "var_annual", "per_year"}): lambda example, given: (
        math.sqrt(given["var_annual"] / given["per_year"]) * expected_maximum(given["N"])
    ),
    frozenset({"N"}): lambda example, given: expected_maximum(given["N"]),
    frozenset({"N", "sr_is"}): lambda example, given: minimum_backtest_length(given["N"], given["sr_is"]),
    frozenset({"returns", "bench"}): lambda example, given: sharpe(given["returns"], 1.0, given["bench"]),
}


def stored(oracles, key):
    """Contents of the files of statistics that have a key."""
    for path in sorted((oracles / "stats").glob("*.json")):
        content = json.loads(path.read_text())
        if key in content:
            yield path.name, content


def test_published_numbers_to_their_printed_digits(oracles):
    compared = 0
    for file, content in stored(oracles, "examples"):
        for example in content["examples"]:
            ask = ASKED.get(frozenset(example["inputs"]))
            if ask is None:
                continue
            value = ask(example, example["inputs"])
            digits = len(example["printed"].partition(".")[2])
            assert f"{value:.{digits}f}" == example["printed"], (file, example["id"])
            assert value == pytest.approx(example["full_precision"], rel=TOLERANCE), (file, example["id"])
            compared += 1
    if not compared:
        pytest.skip(f"no published examples in {oracles / 'stats'}")


def _figures(case):
    given, count = (case["sr"], case["T"]), case["N"]
    form = {"benchmark": case["sr_star"], **moments(case)}
    return {
        "psr_2012": probabilistic_sharpe(*given, **form),
        "psr_2026": probabilistic_sharpe(*given, form="2026", **form),
        "expected_max_standard": expected_maximum(count),
        "sr0": math.sqrt(case["var_trials"]) * expected_maximum(count),
        "dsr_2014": deflated_sharpe(*given, count, case["var_trials"], **moments(case)),
        "min_trl_2012_prob95": minimum_track_record(case["sr"], level=0.95, **form),
        "min_trl_2026": minimum_track_record(case["sr"], form="2026", **form),
        "min_btl_years_sr1": minimum_backtest_length(count),
        "var_2026_rho02": sharpe_variance(*given, autocorrelation=0.2, **moments(case)),
    }


def test_a_grid_of_inputs_against_two_packages(oracles):
    compared = 0
    for file, content in stored(oracles, "cases"):
        for case in content["cases"]:
            if not {"sr", "sr_star", "T", "skew", "kurt"} <= case.keys():
                continue
            for name, value in _figures(case).items():
                if name in case:
                    expected = math.inf if case[name] is None else case[name]
                    assert value == pytest.approx(expected, rel=TOLERANCE), (file, case, name)
                    compared += 1
    if not compared:
        pytest.skip(f"no grid of Sharpe ratios in {oracles / 'stats'}")


class TestByHand:
    def test_a_sharpe_ratio_at_its_benchmark_is_even(self):
        for form in ("2012", "2026"):
            assert probabilistic_sharpe(0.3, 50, benchmark=0.3, form=form) == 0.5

    def test_one_standard_error_above(self):
        one = 0.8413447460685429
        assert probabilistic_sharpe(0.1, 101, kurtosis=1) == pytest.approx(one, rel=1e-14)
        assert probabilistic_sharpe(0.1, 100, form="2026") == pytest.approx(one, rel=1e-14)
        # r = 1/2: a = 3, so that three times the returns are needed.
        assert probabilistic_sharpe(0.1, 300, form="2026", autocorrelation=0.5) == pytest.approx(
            one, rel=1e-14
        )

    def test_variance_with_autocorrelation(self):
        # r = 1/2: a = 1 + 2 = 3, b = 1 + 1 + 1/3 = 7/3, c = 1 + 2/3 = 5/3; S = 1, g3 = 3/7, g4 = 5.
        found = sharpe_variance(1.0, 10, skew=3 / 7, kurtosis=5.0, autocorrelation=0.5)
        assert found == pytest.approx((3 - 1 + 5 / 3) / 10)

    def test_track_record_is_where_the_probability_reaches_the_level(self):
        for form, level in itertools.product(("2012", "2026"), (0.9, 0.95, 0.99)):
            needed = minimum_track_record(0.2, -1.0, 6.0, 0.05, level, form)
            assert probabilistic_sharpe(0.2, needed, -1.0, 6.0, 0.05, form) == pytest.approx(level, rel=1e-12)
        assert minimum_track_record(0.1, benchmark=0.1) == math.inf
        assert minimum_track_record(-0.1) == math.inf
        assert math.isnan(minimum_track_record(math.nan))

    def test_one_trial_deflates_nothing(self):
        plain = probabilistic_sharpe(0.1, 500, -1, 5)
        assert deflated_sharpe(0.1, 500, 1, 0.01, -1, 5) == plain
        revised = probabilistic_sharpe(0.1, 500, -1, 5, form="2026")
        assert deflated_sharpe(0.1, 500, 1, 0.01, -1, 5, form="2026") == pytest.approx(revised, rel=1e-12)

    def test_more_trials_deflate_more(self):
        found = deflated_sharpe(0.1, 500, np.array([1, 2, 10, 100, 10_000]), 0.002)
        assert (np.diff(found) < 0).all()

    def test_revision_of_the_worked_example(self):
        # Another package of the revised form prints 0.9992.
        found = deflated_sharpe(2.5 / 250**0.5, 1250, 100, 0.5 / 250, -3, 10, form="2026")
        assert f"{found:.4f}" == "0.9992"

    def test_power_is_the_level_where_there_is_nothing(self):
        assert 1 - sharpe_power(0.1, 60, -1, 6, benchmark=0.1) == pytest.approx(0.95)
        assert (np.diff(sharpe_power(np.array([0.0, 0.1, 0.3]), 60)) > 0).all()


class TestMaximum:
    def test_known_means_and_variances(self):
        # Two: 1/sqrt(pi), 1 - 1/pi.  Three: 3/(2 sqrt(pi)).
        assert expected_maximum(2, exact=True) == pytest.approx(1 / math.sqrt(math.pi), rel=1e-13)
        assert expected_maximum(3, exact=True) == pytest.approx(1.5 / math.sqrt(math.pi), rel=1e-13)
        assert variance_of_maximum(2) == pytest.approx(1 - 1 / math.pi, rel=1e-13)
        assert variance_of_maximum(1) == pytest.approx(1, rel=1e-13)

    def test_one_of_many_drawn(self):
        drawn = np.random.default_rng(3).normal(size=(20_000, 50)).max(axis=1)
        error = drawn.std() / math.sqrt(drawn.size)
        assert expected_maximum(50, exact=True) == pytest.approx(drawn.mean(), abs=4 * error)
        assert variance_of_maximum(50) == pytest.approx(drawn.var(), rel=0.05)

    def test_approximation_and_edges(self):
        counts = np.array([5, 10, 1e3, 1e6, 1e9, 1e15])
        off = expected_maximum(counts) / expected_maximum(counts, exact=True) - 1
        assert (off > 0).all() and (np.diff(off) < 0).all() and off[1] < 0.024
        assert expected_maximum(1) == 0 and abs(expected_maximum(1, exact=True)) < 1e-12
        assert np.isnan(expected_maximum([0.5, 0, -3, math.nan])).all()
        assert math.isnan(variance_of_maximum(0.5))
        assert 1.5 < expected_maximum(10.5) < expected_maximum(11)

    def test_backtest_length(self):
        assert minimum_backtest_length(45, 2.0) == pytest.approx(minimum_backtest_length(45) / 4)
        assert minimum_backtest_length(45) < 2 * math.log(45)
        assert minimum_backtest_length(45, 0.0) == minimum_backtest_length(45, -1.0) == math.inf
        assert minimum_backtest_length(1) == 0


class TestArrays:
    def test_they_are_broadcast(self):
        ratios = np.array([[0.1], [0.2]])
        found = probabilistic_sharpe(ratios, [100, 200, 300])
        assert found.shape == (2, 3)
        assert found[1, 2] == probabilistic_sharpe(0.2, 300) and isinstance(
            probabilistic_sharpe(0.2, 300), float
        )

    def test_missing_and_impossible_ones(self):
        found = probabilistic_sharpe([math.nan, 0.1, 0.5], [100, 1, 100], skew=[0, 0, 9])
        assert np.isnan(found).all(), "missing, no degree of freedom, a negative variance"

    def test_the_tail_keeps_its_digits(self):
        # Phi(-20), to be found in tables of the normal distribution.
        assert probabilistic_sharpe(-2.0, 101, kurtosis=1) == pytest.approx(2.7536241186062337e-89, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: probabilistic_sharpe(0.1, 100, form="2014"), "form: expected one of '2012', '2026'"),
        (lambda: deflated_sharpe(0.1, 100, 5, 0.1, form="2012"), "form: expected one of '2014', '2026'"),
        (lambda: probabilistic_sharpe(0.1, 100, autocorrelation=0.1), "pass form='2026'"),
        (lambda: sharpe_variance(0.1, 100, autocorrelation=1.0), "between -1 and 1"),
        (lambda: minimum_track_record(0.1, level=95), "level: expected a confidence"),
        (lambda: probabilistic_sharpe(0.1, 100, skw=0), "did you mean 'skew'"),
        (lambda: probabilistic_sharpe("much", 100), "sharpe: expected a number or an array"),
    ],
)
def test_wrong_arguments(call, said):
    with pytest.raises(PeakFastError, match=said):
        call()
    with pytest.raises(DataError, match="trials"):
        expected_maximum("many")


def test_the_door_shows_its_names():
    assert "deflated_sharpe" in dir(statistics)
    with pytest.raises(AttributeError):
        statistics.deflated  # noqa: B018


@pytest.mark.filterwarnings("error")
def test_what_has_no_value_is_told_by_nan_alone():
    assert np.isnan(deflated_sharpe(0.1, 250, 10, -0.01)) and np.isnan(deflated_sharpe(0.1, 250, 10, np.nan))
    assert np.isnan(probabilistic_sharpe(np.inf, 100))
