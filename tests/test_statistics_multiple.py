"""Many tests at once, and Sharpe ratios over time: by hand, by brute force, and against stored figures of packages."""

import itertools
import json
import math

import numpy as np
import polars as pl
import pytest

from peak_fast import ConfigError, DataError
from peak_fast.statistics import (
    adjusted_pvalues,
    autocorrelations,
    cluster_trials,
    effective_trials,
    haircut_sharpe,
    sharpe_scaling,
    sharpe_standard_error,
)

TOLERANCE = 1e-9
OTHER_NAMES = {"simes-hochberg": "hochberg", "fdr_bh": "bh", "fdr_by": "by"}
METHODS = ["bonferroni", "sidak", "holm", "holm-sidak", "hochberg", "bh", "by"]


def stored(oracles, key):
    """Contents of the files of statistics that have a key."""
    for path in sorted((oracles / "stats").glob("*.json")):
        content = json.loads(path.read_text())
        if key in content:
            yield path.name, content


class TestAdjusted:
    def test_by_hand(self):
        p = [0.01, 0.04, 0.03]
        assert adjusted_pvalues(p, "bonferroni") == pytest.approx([0.03, 0.12, 0.09])
        assert adjusted_pvalues(p, "holm") == pytest.approx([0.03, 0.06, 0.06])
        assert adjusted_pvalues(p, "hochberg") == pytest.approx([0.03, 0.04, 0.04])
        assert adjusted_pvalues(p, "bh") == pytest.approx([0.03, 0.04, 0.04])
        # 1 + 1/2 + 1/3 = 11/6
        assert adjusted_pvalues(p, "by") == pytest.approx([0.055, 0.22 / 3, 0.22 / 3])
        assert adjusted_pvalues(p, "sidak")[0] == pytest.approx(1 - 0.99**3)

    @pytest.mark.parametrize("method", METHODS)
    def test_edges(self, method):
        assert adjusted_pvalues([], method).size == 0
        assert adjusted_pvalues([0.2], method) == pytest.approx([0.2])
        assert adjusted_pvalues([0.0, 1.0], method).tolist() == [0.0, 1.0]
        found = adjusted_pvalues([0.3, math.nan, 0.01], method)
        assert math.isnan(found[1])
        assert found[[0, 2]] == pytest.approx(adjusted_pvalues([0.3, 0.01], method))

    @pytest.mark.parametrize("method", METHODS)
    def test_trials_that_are_not_given_count_as_1(self, method):
        p = np.sort(np.random.default_rng(5).uniform(size=9) ** 4)
        whole = adjusted_pvalues([*p, *np.ones(31)], method)[:9]
        assert adjusted_pvalues(p, method, trials=40) == pytest.approx(whole)

    @pytest.mark.parametrize("method", METHODS)
    def test_order_does_not_matter_and_none_falls(self, method):
        g = np.random.default_rng(6)
        p = np.round(g.uniform(size=30) ** 3, 2)
        order = g.permutation(30)
        found = adjusted_pvalues(p, method)
        assert found[order].tolist() == adjusted_pvalues(p[order], method).tolist()
        assert (found >= p).all() and (np.diff(found[np.argsort(p)]) >= 0).all()

    def test_small_ones_keep_their_digits(self):
        assert adjusted_pvalues([1e-20], "sidak", 1000) == pytest.approx([1e-17], rel=1e-12)

    def test_against_stored_figures(self, oracles):
        compared = 0
        for file, content in stored(oracles, "multipletests_statsmodels"):
            for method, expected in content["multipletests_statsmodels"].items():
                found = adjusted_pvalues(content["p_values"], OTHER_NAMES.get(method, method))
                assert found == pytest.approx(expected["adjusted"], rel=TOLERANCE), (file, method)
                assert (found <= 0.05).tolist() == expected["reject"], (file, method)
                compared += 1
        if not compared:
            pytest.skip(f"no adjusted p-values in {oracles / 'stats'}")

    def test_wrong_arguments(self):
        with pytest.raises(ConfigError, match="did you mean 'holm'"):
            adjusted_pvalues([0.1], "hoolm")
        with pytest.raises(ConfigError, match="at least 2"):
            adjusted_pvalues([0.1, 0.2], trials=1)
        with pytest.raises(DataError, match="from 0 to 1"):
            adjusted_pvalues([0.1, 1.5])


class TestHaircut:
    def test_by_the_distribution_of_t(self):
        stats = pytest.importorskip("scipy.stats")
        monthly = 0.75 / math.sqrt(12)
        p = 2 * stats.t.sf(monthly * math.sqrt(240), 239)
        expected = stats.t.isf(10 * p / 2, 239) / math.sqrt(240)
        assert haircut_sharpe(monthly, 240, 10) == pytest.approx(expected, rel=1e-10)
        assert haircut_sharpe(-monthly, 240, 10) == pytest.approx(-expected, rel=1e-10)

    def test_nothing_is_left_where_the_adjusted_p_is_1(self):
        assert haircut_sharpe(0.01, 100, 1000) == 0
        assert haircut_sharpe(0.2, 100, 1) == pytest.approx(0.2, rel=1e-9)
        assert math.isnan(haircut_sharpe(0.2, 1, 1))

    def test_all_trials_of_a_search(self):
        ratios = np.array([0.25, 0.1, 0.02, -0.05])
        found = {
            method: haircut_sharpe(ratios, 500, method=method) for method in ("bonferroni", "holm", "by")
        }
        assert found["bonferroni"][0] == pytest.approx(haircut_sharpe(0.25, 500, 4))
        assert found["holm"][1] > found["bonferroni"][1]
        assert all((np.abs(cut) <= np.abs(ratios)).all() for cut in found.values())


class TestOverTime:
    def test_published_standard_errors(self, oracles):
        compared = 0
        for file, content in stored(oracles, "examples"):
            for example in content["examples"]:
                if set(example["inputs"]) == {"sr", "T"}:
                    value = sharpe_standard_error(example["inputs"]["sr"], example["inputs"]["T"])
                    digits = len(example["printed"].partition(".")[2])
                    assert f"{value:.{digits}f}" == example["printed"], (file, example["id"])
                    assert value == pytest.approx(example["full_precision"], rel=TOLERANCE)
                    compared += 1
        for _, content in stored(oracles, "cases"):
            for case in content["cases"]:
                if "lo_se" in case:
                    assert sharpe_standard_error(case["sr"], case["T"]) == pytest.approx(
                        case["lo_se"], rel=TOLERANCE
                    )
                    compared += 1
        if not compared:
            pytest.skip(f"no standard errors in {oracles / 'stats'}")

    def test_scaling_against_stored_figures(self, oracles):
        compared = 0
        for _, content in stored(oracles, "eta_ar1"):
            for case in content["eta_ar1"]:
                assert sharpe_scaling(case["q"], case["ar1_rho"]) == pytest.approx(case["eta"], rel=TOLERANCE)
                compared += 1
            real = content.get("real_series", {})
            if (oracles / "stats" / str(real.get("series"))).is_file():
                series = pl.read_parquet(oracles / "stats" / real["series"]).to_series()
                lags = real["acf_statsmodels_lags_1_to_20"]
                own = autocorrelations(series, len(lags))
                assert own == pytest.approx(lags, rel=TOLERANCE)
                for periods, eta in real["eta_from_acf"].items():
                    assert sharpe_scaling(int(periods), own) == pytest.approx(eta, rel=TOLERANCE)
        if not compared:
            pytest.skip(f"no scalings in {oracles / 'stats'}")

    def test_by_hand(self):
        assert sharpe_scaling(1) == 1 and sharpe_scaling(16) == 4
        # q = 3: 3 + 2 (2 * 0.5 + 1 * 0.25) = 5.5
        assert sharpe_scaling(3, 0.5) == pytest.approx(3 / math.sqrt(5.5))
        assert sharpe_scaling(3, [0.5, 0.25, 9.0]) == pytest.approx(3 / math.sqrt(5.5))
        assert math.isnan(sharpe_scaling(2, [-1.5]))
        with pytest.raises(ConfigError, match=r"autocorrelations\(returns, 4\)"):
            sharpe_scaling(5, [0.1, 0.1])

    def test_autocorrelations(self):
        # Deviations -1, 1, -1, 1: sums of products -3, 2, -1 over 4; lag 4 is not reached.
        assert autocorrelations([1, 3, 1, 3], 4).tolist() == [-0.75, 0.5, -0.25, 0.0]
        assert np.isnan(autocorrelations([2, 2, 2], 2)).all()
        with pytest.raises(DataError, match="1 missing"):
            autocorrelations([1.0, math.nan, 2.0], 1)

    def test_simulated_returns_have_the_scaled_ratio(self):
        g, rho = np.random.default_rng(1), 0.3
        noise = g.normal(size=400_000)
        returns = np.empty_like(noise)
        returns[0] = noise[0]
        for t in range(1, returns.size):
            returns[t] = rho * returns[t - 1] + noise[t]
        returns += 0.2
        monthly = returns.reshape(-1, 10).sum(axis=1)
        ratio = (monthly.mean() / monthly.std()) / (returns.mean() / returns.std())
        assert ratio == pytest.approx(sharpe_scaling(10, rho), rel=0.01)


def silhouettes_by_definition(returns, labels):
    distance = np.sqrt(np.clip(1 - np.corrcoef(returns.T), 0, None) / 2)
    found = []
    for i, own in enumerate(labels):
        mates = [j for j in range(len(labels)) if labels[j] == own and j != i]
        if not mates:
            found.append(0.0)
            continue
        a = distance[i, mates].mean()
        b = min(distance[i, labels == other].mean() for other in set(labels) - {own})
        found.append((b - a) / max(a, b))
    return np.array(found)


class TestEffectiveTrials:
    @pytest.fixture(autouse=True)
    def needs_scipy(self):
        pytest.importorskip("scipy")

    def families(self, count, each, noise=0.3):
        g = np.random.default_rng(count)
        return np.repeat(g.normal(size=(800, count)), each, axis=1) + noise * g.normal(
            size=(800, count * each)
        )

    def test_families_of_near_copies_are_one_trial_each(self):
        returns = self.families(6, 8)
        for method in ("cut", "silhouette"):
            assert effective_trials(returns, method) == 6
            assert cluster_trials(returns, method).tolist() == [k for k in range(6) for _ in range(8)]

    def test_independent_trials_stay_as_many(self):
        returns = np.random.default_rng(2).normal(size=(1000, 40))
        assert effective_trials(returns) == 40
        assert 38 < effective_trials(returns, "rank") < 40

    def test_effective_rank_by_hand(self):
        # Two uncorrelated trials, and the same two twice: shares 1/2 and 1/2.
        x = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
        assert effective_trials(x, "rank") == pytest.approx(2)
        assert effective_trials(np.hstack([x, 3 * x]), "rank") == pytest.approx(2)

    def test_copies_and_constants(self):
        one = np.random.default_rng(3).normal(size=(50, 1))
        assert effective_trials(one * [1.0, 2.0, 5.0]) == 1
        assert effective_trials(one * [1.0, -1.0]) == 2, "the opposite is another trial"
        assert effective_trials(np.hstack([one, np.full((50, 3), 0.1)])) == 1, "constants are none"
        assert effective_trials(np.ones((5, 4))) == effective_trials(np.ones((5, 4)), "rank") == 0

    def test_the_count_has_the_best_silhouettes(self):
        hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
        g = np.random.default_rng(7)
        returns = g.normal(size=(60, 3))[:, g.integers(0, 3, 12)] + 0.8 * g.normal(size=(60, 12))
        distance = np.sqrt(np.clip(1 - np.corrcoef(returns.T), 0, None) / 2)
        tree = hierarchy.linkage(distance[np.triu_indices(12, 1)], "average")
        quality = {}
        for count in range(2, 12):
            labels = hierarchy.cut_tree(tree, n_clusters=count).reshape(-1)
            values = silhouettes_by_definition(returns, labels)
            quality[count] = values.mean() / values.std()
        assert effective_trials(returns, "silhouette") == max(quality, key=quality.get)

    def test_a_lower_correlation_joins_more(self):
        returns = self.families(5, 4, noise=1.2)
        counts = [effective_trials(returns, correlation=c) for c in (0.1, 0.3, 0.5, 0.7, 0.95)]
        assert all(a <= b for a, b in itertools.pairwise(counts)) and counts[0] < counts[-1]

    def test_wrong_arguments(self):
        with pytest.raises(DataError, match="trial 1 has a missing one"):
            effective_trials(np.array([[0.1, math.nan], [0.2, 0.1], [0.1, 0.3]]))
        with pytest.raises(DataError, match="draw a sample"):
            effective_trials(np.zeros((10, 6000)))
        with pytest.raises(ConfigError, match="between 0 and 1"):
            effective_trials(np.random.default_rng(0).normal(size=(9, 3)), correlation=50)
        with pytest.raises(ConfigError, match="'cut', 'silhouette', 'rank'"):
            effective_trials(np.zeros((10, 2)), "kmeans")


def test_a_sharpe_ratio_that_is_cut_to_nothing_is_zero_without_a_sign():
    assert str(haircut_sharpe(0.01, 100, 500)) == "0.0" and str(haircut_sharpe(-0.01, 100, 500)) == "0.0"
