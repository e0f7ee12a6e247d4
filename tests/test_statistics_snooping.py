"""Reality check, superior predictive ability and steps: by brute force, at the edges, and against stored answers."""

import json
import math

import numpy as np
import polars as pl
import pytest

from peak_fast import ConfigError, DataError, PeakFastError
from peak_fast.statistics import bootstrap_indices, data_snooping, long_run_deviation, snooped

TOLERANCE = 1e-9
CENTRINGS = ("lower", "consistent", "upper")


def cases(oracles):
    """Name, returns, stored answers, days of each stored test."""
    for path in sorted((oracles / "stats").glob("*.json")):
        for name, case in json.loads(path.read_text()).get("tests", {}).items():
            table = path.with_name(f"{path.stem}_{name}_returns.parquet")
            days = path.with_name(f"{path.stem}_{name}_indices.parquet")
            if table.exists() and "block_size" in case:
                yield name, pl.read_parquet(table).to_numpy(), case, pl.read_parquet(days).to_numpy().T


def test_answers_of_the_other_package_by_seed(oracles):
    compared = 0
    for name, returns, case, _ in cases(oracles):
        given = {"block": case["block_size"], "replications": case["reps"], "seed": case["seed"]}
        found = data_snooping(returns, **given, form="arch")
        assert found.pvalues == case["pvalues_arch"], name
        assert found.critical_values() == pytest.approx(case["critical_values_5pct_arch"], rel=TOLERANCE), (
            name
        )
        assert sorted(found.rejected) == case["stepm_superior_5pct_arch"], name
        better = np.flatnonzero(found.mean > found.critical_values()["consistent"])
        assert better.tolist() == case["better_models_5pct_consistent_arch"], name
        assert found.deviation**2 == pytest.approx(case["loss_diff_variance_arch"], rel=TOLERANCE), name
        assert found.mean == pytest.approx(case["mean_performance"], rel=TOLERANCE), name
        threshold = -found.deviation * math.sqrt(2 * math.log(math.log(len(returns))) / len(returns))
        assert (found.mean >= threshold).tolist() == case["valid_columns_arch"], name
        ours = case.get("studentised_same_500_indices_ours", {})
        _same_shares(data_snooping(returns, **given), ours, "studentised")
        compared += 1
    if not compared:
        pytest.skip(f"no tests of many strategies in {oracles / 'stats'}")


def _same_shares(found, expected, kind):
    """Shares of samples that exceed the statistic, as the stored answers count them."""
    floor = 0.0 if found.form == "hansen" else -math.inf
    for centring in CENTRINGS:
        share = (np.maximum(found.maxima[kind][centring], floor) > found.statistic).mean()
        if f"{kind}_{centring}" in expected:
            assert share == pytest.approx(expected[f"{kind}_{centring}"], abs=1e-15)


def test_answers_for_given_samples(oracles):
    compared = 0
    for _, returns, case, days in cases(oracles):
        expected = case["pvalues_from_first_200_index_rows"]
        for form, kind in (("arch", "raw"), ("hansen", "studentised")):
            found = data_snooping(returns, block=case["block_size"], indices=days, form=form)
            assert found.replications == len(days)
            _same_shares(found, expected, kind)
            compared += 1
    if not compared:
        pytest.skip(f"no tests of many strategies in {oracles / 'stats'}")


def planted(strategies=25, periods=250, edges=(0.35, 0.3, 0.2), seed=3):
    returns = np.random.default_rng(seed).normal(size=(periods, strategies))
    returns[:, -4] *= 0.1
    for k, edge in enumerate(edges):
        returns[:, 3 * k + 1] += edge
    returns[:, -1] -= 0.5
    return returns


def brute(returns, days, block, benchmark=0.0):
    """All of it from the definitions, one sample at a time."""
    excess = returns - np.reshape(benchmark, (-1, 1))
    count, mean = len(excess), excess.mean(axis=0)
    scale = np.array([math.sqrt(count) / long_run_deviation(x, block) for x in excess.T])
    bound = -math.sqrt(2 * math.log(math.log(count)))
    g = {
        "lower": np.maximum(mean, 0), "upper": mean,
        "consistent": np.where(mean * scale >= bound, mean, 0),
    }  # fmt: skip
    moved = {name: np.array([excess[d].mean(axis=0) - own for d in days]) for name, own in g.items()}
    t = mean * scale
    share = {
        name: (1 + sum(max(0, (row * scale).max()) >= max(0, t.max()) for row in rows)) / (len(days) + 1)
        for name, rows in moved.items()
    }
    white = (1 + sum(row.max() >= mean.max() for row in moved["upper"])) / (len(days) + 1)
    rejected, left = [], list(range(len(mean)))
    while left:
        maxima = (moved["upper"] * scale)[:, left].max(axis=1)
        new = [k for k in left if (1 + (maxima >= t[k]).sum()) / (len(days) + 1) <= 0.05]
        if not new:
            break
        rejected += new
        left = [k for k in left if k not in new]
    return share, white, set(rejected)


@pytest.mark.parametrize("block", [1, 5])
@pytest.mark.parametrize("against", ["cash", "series"])
def test_brute_force(block, against):
    returns = planted()
    series = 0.1 * np.random.default_rng(0).normal(size=len(returns))
    benchmark = series if against == "series" else 0.0
    days = bootstrap_indices(len(returns), block, 199, 8)
    found = data_snooping(returns, benchmark, block=block, replications=199, seed=8)
    share, white, rejected = brute(returns, days, block, benchmark)
    assert found.pvalues == pytest.approx(share)
    assert found.reality_check == pytest.approx(white)
    assert set(found.rejected) == rejected and rejected
    assert found.best == int(np.nanargmax(found.statistics))
    assert found.pvalues["lower"] <= found.pvalue <= found.pvalues["upper"]


def test_steps_reject_more_than_one_step():
    """With the best out of the way the maximum of the rest is lower."""
    makers = (np.random.default_rng(seed) for seed in range(20))
    edges = np.array([0.5, 0.4, 0.3, 0.2, 0.18, 0.0])
    searches = (maker.normal(size=(150, 6)) + edges for maker in makers)
    found = [data_snooping(returns, block=1, replications=299) for returns in searches]
    at_once = [int((one.statistics > one.critical_values()["upper"]).sum()) for one in found]
    steps = [len(one.rejected) for one in found]
    assert all(a <= b for a, b in zip(at_once, steps, strict=True)) and sum(at_once) < sum(steps)
    for one in found:
        below = one.ranked[one.adjusted <= one.level].tolist()
        assert below == list(one.rejected)
        assert (np.diff(one.adjusted) >= 0).all()


class TestTiles:
    def test_any_way_of_giving_columns_is_the_same(self):
        returns = planted(300)
        whole = data_snooping(returns, block=4, replications=100)
        parts = np.array_split(returns, 7, axis=1)
        frame = pl.DataFrame(returns, schema=[f"c{k}" for k in range(300)])
        ways = (lambda: iter(parts), parts, iter(parts), np.asfortranarray(returns), frame, returns.tolist())
        for way in ways:
            other = data_snooping(way, block=4, replications=100)
            assert other.pvalues == whole.pvalues and other.rejected == whole.rejected
            assert other.mean == pytest.approx(whole.mean, rel=1e-12)

    def test_the_block_is_that_of_the_first_tile(self):
        returns = np.cumsum(np.random.default_rng(1).normal(size=(400, 2)), axis=0)
        found = data_snooping([returns, np.random.default_rng(2).normal(size=(400, 5))], replications=20)
        assert found.block > 5

    @pytest.mark.parametrize("form", ["hansen", "arch"])
    def test_more_rejected_than_are_kept(self, form, monkeypatch):
        returns = np.random.default_rng(4).normal(size=(200, 400)) + np.linspace(0, 1, 400)
        whole = data_snooping(returns, block=1, replications=99, form=form)
        monkeypatch.setattr(snooped, "_KEPT", 0)  # 64 at a time
        parts = np.array_split(returns, 11, axis=1)
        found = data_snooping(lambda: iter(parts), block=1, replications=99, form=form)
        assert len(whole.rejected) > 128 and found.rejected == whole.rejected
        count = len(found.rejected)
        assert found.adjusted[:count] == pytest.approx(whole.adjusted[:count])
        with pytest.raises(ConfigError, match="gone through again"):
            data_snooping(iter(parts), block=1, replications=99, form=form)


class TestEdges:
    def test_nothing_is_better_than_the_benchmark(self):
        found = data_snooping(planted(edges=()) - 5.0, block=1, replications=99)
        assert found.statistic == 0 and found.pvalue == 1 and found.rejected == ()

    def test_p_is_never_0(self):
        found = data_snooping(np.random.default_rng(0).normal(5, 1, size=(60, 2)), block=1, replications=49)
        assert found.pvalue == found.reality_check == 1 / 50

    def test_a_strategy_that_never_moves(self):
        returns = planted()
        plain = data_snooping(returns, block=1, replications=99)
        found = data_snooping(np.hstack([returns, np.zeros((250, 2))]), block=1, replications=99)
        assert found.pvalues == plain.pvalues and found.rejected == plain.rejected
        assert np.isnan(found.statistics[-2:]).all() and "2 strategies never move" in found.summary()
        alone = data_snooping(np.zeros((50, 3)), replications=20)
        assert alone.pvalue == 1 and alone.best == 0 and alone.rejected == ()

    def test_one_that_never_moves_among_losers(self):
        """arch compares raw means: its p falls as if something were better, which the notes say."""
        losers = np.random.default_rng(3).normal(-0.002, 0.01, (500, 20))
        padded = np.hstack([losers, np.zeros((500, 1))])
        assert data_snooping(padded, replications=199).pvalue == 1
        as_arch = data_snooping(padded, replications=199, form="arch")
        assert as_arch.pvalue < 0.1 < data_snooping(losers, replications=199, form="arch").pvalue
        assert as_arch.rejected == () and "1 strategies never move" in as_arch.summary()
        assert "is no edge" in as_arch.summary()

    def test_losses_are_not_returns(self):
        returns = planted()
        assert data_snooping(returns, block=1).pvalue < 0.05 < data_snooping(-returns[:, :-1], block=1).pvalue

    def test_size(self):
        """Shares of false alarms over searches of noise, within three standard errors."""
        searches, level = 200, 0.1
        alarms = np.zeros(2)
        for seed in range(searches):
            noise = np.random.default_rng(seed).normal(size=(60, 12))
            found = data_snooping(noise, block=1, replications=49, seed=seed)
            alarms += found.reality_check <= level, found.pvalue <= level
        error = math.sqrt(level * (1 - level) / searches)
        assert (np.abs(alarms / searches - level) < 3 * error).all()

    def test_words(self):
        found = data_snooping(planted(), block=2, replications=99, seed=5)
        assert json.loads(json.dumps(found.to_dict()))["rejected"] == list(found.rejected)
        assert "Romano & Wolf" in found.summary() and f"p = {found.reality_check:.4f}" in found.summary()
        assert found.critical_values(0.001)["upper"] == math.inf, "99 samples cannot say so"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: data_snooping([[0.1, math.nan]] * 5), "strategy 1 has one that is missing"),
        (lambda: data_snooping(np.zeros((5, 2)), np.zeros(4)), "benchmark: expected a number or 5 returns"),
        (lambda: data_snooping([np.zeros((5, 2)), np.zeros((6, 2))]), r"tile 1 has shape \(6, 2\)"),
        (lambda: data_snooping([]), "at least one strategy"),
        (lambda: data_snooping(np.zeros(5)), r"\[period, strategy\]"),
        (lambda: data_snooping("returns.csv"), "a matrix or tiles"),
        (lambda: data_snooping(planted(), form="spa"), "'hansen', 'arch'"),
        (lambda: data_snooping(planted(), level=5), "level: expected a share"),
        (lambda: data_snooping(planted(), replications=0), "replications"),
        (lambda: data_snooping(planted(), repetitions=5), "did you mean 'replications'"),
        (lambda: data_snooping(planted(), indices=[[1, 2]]), "expected 250 days"),
    ],
)
def test_wrong_arguments(call, said):
    with pytest.raises(PeakFastError, match=said) as caught:
        call()
    assert isinstance(caught.value, DataError | ConfigError)
