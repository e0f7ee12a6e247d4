"""CSCV: published algorithm against a plain one, edges as docs/validation.md says them, reference values."""

import itertools
import json
import math
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peak_fast import ConfigError, DataError
from peak_fast.statistics import cscv, cscv_of_sums

ORACLES = Path(os.environ.get("PEAK_FAST_ORACLES", "../shared")) / "stats"


def sharpe(values):
    """Sharpe ratio a bar; None where all returns are the same."""
    if len(set(values)) == 1:
        return None
    mean = math.fsum(values) / len(values)
    return mean / math.sqrt(math.fsum((x - mean) ** 2 for x in values) / (len(values) - 1))


def plainly(matrix, blocks, ties="low"):
    """Winner, rank, number ranked, logit of each combination, as the definition says; equal within rounding."""
    length = len(matrix) // blocks
    parts = [range(k * length, (k + 1) * length) for k in range(blocks)]
    rows = []
    for inside in itertools.combinations(range(blocks), blocks // 2):
        outside = [k for k in range(blocks) if k not in inside]
        found = []
        for half in (inside, outside):
            bars = [bar for k in half for bar in parts[k]]
            found.append(
                [sharpe([row[c] for row in (matrix[b] for b in bars)]) for c in range(len(matrix[0]))]
            )
        known = [(value, -c) for c, value in enumerate(found[0]) if value is not None]
        if not known:
            rows.append((-1, None, None, None))
            continue
        top = max(value for value, _ in known)
        winner = min(-c for value, c in known if value >= top - 1e-12)
        score, ranked = found[1][winner], [value for value in found[1] if value is not None]
        if score is None:
            rows.append((winner, None, len(ranked), None))
            continue
        lower = sum(value < score - 1e-12 for value in ranked)
        equal = sum(abs(value - score) <= 1e-12 for value in ranked)
        rank = lower + 1 if ties == "low" else lower + (equal + 1) / 2
        rows.append((winner, rank, len(ranked), math.log(rank / (len(ranked) + 1 - rank))))
    return rows


def same(found, rows):
    assert found.winners.tolist() == [row[0] for row in rows]
    for mine, its in zip(found.ranks, (row[1] for row in rows), strict=True):
        assert (its is None and math.isnan(mine)) or mine == its
    for mine, its in zip(found.logits, (row[3] for row in rows), strict=True):
        assert (its is None and math.isnan(mine)) or mine == pytest.approx(its, abs=1e-12)
    assert [int(n) for n, row in zip(found.ranked, rows, strict=True) if row[2] is not None] == [
        row[2] for row in rows if row[2] is not None
    ]
    logits = [row[3] for row in rows if row[3] is not None]
    share = sum(value <= 1e-12 for value in logits) / len(logits) if logits else math.nan
    assert found.pbo == pytest.approx(share, nan_ok=True)


# Whole numbers: sums are exact, so ties are ties.
matrices = st.integers(1, 9).flatmap(
    lambda columns: st.lists(
        st.lists(st.sampled_from([-2, -1, 0, 0, 0, 1, 3]), min_size=columns, max_size=columns),
        min_size=8, max_size=30,
    )
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(matrix=matrices, blocks=st.sampled_from([2, 4, 6, 8]), ties=st.sampled_from(["low", "average"]))
def test_plain_python_says_the_same(matrix, blocks, ties):
    """Ties, columns without returns, halves of one and the same return, bars left over."""
    found = cscv(np.array(matrix, dtype=float), blocks, ties=ties)
    same(found, plainly(matrix, blocks, ties))
    assert found.left_out == len(matrix) % blocks


def test_many_configurations_in_tiles():
    matrix = np.random.default_rng(3).normal(size=(66, 700))
    matrix[:, 600] += 0.3
    same(cscv(matrix, 6), plainly(matrix.tolist(), 6))


@pytest.mark.parametrize("extra", [0, 1])
def test_a_constant_return_is_flat_in_the_halves_that_it_fills(extra):
    rng = np.random.default_rng(5)
    matrix = rng.integers(-3, 4, (32 + extra, 5)).astype(float)
    matrix[:16, 1], matrix[16:32, 1] = 2.0, -1.0  # each half of time has a return of its own
    matrix[:, 2] = 7.0
    matrix[:24, 4] = 0.0
    for ties in ("low", "average"):
        found = cscv(matrix, 8, ties=ties)
        same(found, plainly(matrix.tolist(), 8, ties))
    assert (found.winners != 2).all() and found.flat_configurations == 1
    assert "the last bar, which" in found.summary() if extra else "left out" not in found.summary().lower()


def test_identical_columns_are_in_the_lower_half():
    """Ten times the same: the low rank is 1, so every combination counts; on average the logit is 0, which counts."""
    column = np.random.default_rng(1).normal(size=(80, 1))
    for ties, logit in (("low", math.log(1 / 10)), ("average", 0.0)):
        found = cscv(np.tile(column, 10), 4, ties=ties)
        assert found.pbo == 1.0 and found.logits == pytest.approx([logit] * 6)
        assert (found.tied == 9).all() and "Equalled out of sample: the winner of 6" in found.summary()


def test_one_loser_among_nine_that_never_trade():
    matrix = np.zeros((80, 10))
    matrix[:, 6] = np.random.default_rng(2).normal(-1.0, 1.0, 80)
    found = cscv(matrix, 4)
    assert (found.winners == 6).all() and (found.ranked == 1).all() and (found.flat == 9).all()
    assert (found.pbo, found.probability_of_loss, found.flat_configurations) == (1.0, 1.0, 9)
    assert "9 configurations" in found.summary()


def test_nothing_that_ever_trades_has_no_pbo():
    found = cscv(np.zeros((40, 3)), 4)
    assert math.isnan(found.pbo) and found.undefined == 6 and (found.winners == -1).all()
    assert not any(found.dominance) and math.isnan(found.degradation.slope)
    assert found.summary().startswith("No PBO") and "nan" not in found.summary()


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_missing_return_names_its_column(wrong):
    matrix = np.random.default_rng(4).normal(size=(40, 6))
    matrix[17, 3] = wrong
    with pytest.raises(DataError, match="column 3 holds"):
        cscv(matrix, 4)
    frame = pl.DataFrame(matrix, schema=[f"sma_{k}" for k in range(6)])
    with pytest.raises(DataError, match="column 'sma_3' holds"):
        cscv(frame, 4)
    with pytest.raises(DataError, match="column 'sma_3' holds"):
        cscv(frame.to_pandas(), 4)


@pytest.mark.parametrize("blocks", [0, 3, 22, 4.0, True, "16", None])
def test_blocks_are_an_even_number(blocks):
    with pytest.raises(ConfigError, match="even number from 2 to 20"):
        cscv(np.zeros((100, 2)), blocks)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="at least 16 bars"):
        cscv(np.zeros((15, 2)), 16)
    with pytest.raises(ConfigError, match="ties"):
        cscv(np.zeros((15, 2)), 4, ties="high")
    with pytest.raises(DataError, match="shape"):
        cscv(np.zeros(15), 4)
    with pytest.raises(DataError, match="one shape"):
        cscv_of_sums(np.zeros((3, 4)), np.zeros((3, 6)), 100)
    with pytest.raises(DataError, match="configuration 1"):
        cscv_of_sums(np.array([[0.0, 1.0], [math.nan, 1.0]]), np.ones((2, 2)), 100)
    with pytest.raises(DataError, match="configuration 1 belong to no returns"):
        cscv_of_sums(np.array([[1.0, 1.0], [50.0, 1.0]]), np.ones((2, 2)), 100)
    with pytest.raises(DataError, match="configuration 0 belong to no returns"):
        cscv_of_sums(np.zeros((2, 2)), -np.ones((2, 2)), 100)


def test_sums_give_what_the_matrix_gives():
    rng = np.random.default_rng(8)
    matrix = rng.normal(0.0005, 0.01, (1003, 40))
    matrix[:, 3], matrix[:, 4], matrix[:600, 5] = 0.0, 0.0001, 0.0
    parts = matrix[:1000].reshape(10, 100, 40)
    whole, summed = cscv(matrix, 10), cscv_of_sums(parts.sum(axis=1).T, (parts**2).sum(axis=1).T, 1003)
    assert np.array_equal(whole.winners, summed.winners) and np.array_equal(
        whole.ranks, summed.ranks, equal_nan=True
    )
    assert np.array_equal(whole.flat, summed.flat) and whole.left_out == summed.left_out == 3
    np.testing.assert_allclose(whole.out_of_sample, summed.out_of_sample, rtol=1e-9)


def test_figures_of_selection():
    rng = np.random.default_rng(9)
    matrix = rng.normal(0.0, 0.01, (240, 30))
    found = cscv(matrix, 8)
    table = found.frame
    assert table.height == found.combinations == 70 == math.comb(8, 4)
    assert table["in_sample_blocks"].to_list() == [list(c) for c in itertools.combinations(range(8), 4)]
    line = np.polyfit(found.in_sample, found.out_of_sample, 1)
    assert (found.degradation.slope, found.degradation.intercept) == pytest.approx(tuple(line))
    assert found.degradation.r_squared == pytest.approx(
        np.corrcoef(found.in_sample, found.out_of_sample)[0, 1] ** 2
    )
    assert found.selection.sum() == 70 and found.selection.argmax() == found.to_dict()["most_selected"]
    assert found.probability_of_loss == (found.out_of_sample < 0).mean()
    outside = [[k for k in range(8) if k not in c] for c in itertools.combinations(range(8), 4)]
    parts = matrix.reshape(8, 30, 30)
    halves = [parts[half].reshape(-1, 30) for half in outside]
    means = [(half.mean(axis=0) / half.std(axis=0, ddof=1)).mean() for half in halves]
    np.testing.assert_allclose(found.means, means, rtol=1e-10)


def test_dominance_of_a_skilled_one_and_of_noise():
    rng = np.random.default_rng(10)
    matrix = rng.normal(0.0, 0.01, (400, 20))
    assert not cscv(matrix, 8).dominance.first
    matrix[:, 11] += 0.004
    found = cscv(matrix, 8)
    assert found.dominance == (True, True) and found.pbo == 0.0 and (found.winners == 11).all()


def references():
    """Matrices with the values of other packages, or none where there are no oracles."""
    file = ORACLES / "pbo_dsr_trials.json"
    if not file.exists():
        return []
    content = json.loads(file.read_text())["matrices"]
    return [
        (name, blocks, values) for name, case in content.items() for blocks, values in case["pbo"].items()
    ]


REFERENCES = references()


@pytest.mark.skipif(not REFERENCES, reason="no reference values: set PEAK_FAST_ORACLES")
@pytest.mark.parametrize(
    ("name", "blocks", "values"), REFERENCES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_reference_values(name, blocks, values):
    found = cscv(pl.read_parquet(ORACLES / f"trials_{name}.parquet"), int(blocks[1:]), ties="average")
    assert found.combinations == values["n_combinations"]
    assert found.pbo == pytest.approx(values["pbo_ffn"], abs=1e-12)
    if not values["logits_agree_ffn_pypbo"]:
        return  # ties that rounding broke there
    if values.get("logits_ffn"):
        np.testing.assert_allclose(found.logits, values["logits_ffn"], rtol=0.0, atol=1e-9)
    mean_rank = np.mean(found.ranks / (found.ranked + 1))
    expected = [found.logits.sum(), mean_rank, found.probability_of_loss, *found.degradation[:2]]
    names = ["logits_sum", "mean_oos_rank_ffn", "prob_oos_loss_pypbo_drop_tail", "degradation_slope_pypbo_drop_tail",
             "degradation_intercept_pypbo_drop_tail"]  # fmt: skip
    assert expected == pytest.approx([values[item] for item in names], rel=1e-9, abs=1e-9)


def noise_pbos(searches, seed):
    """PBO of searches among independent noise."""
    rng = np.random.default_rng(seed)
    return [cscv(rng.normal(size=(240, 20)), 8).pbo for _ in range(searches)]


@pytest.mark.parametrize("searches", [100, pytest.param(1000, marks=pytest.mark.nightly)])
def test_noise_has_a_pbo_of_one_half(searches):
    found = noise_pbos(searches, 20261130)
    assert abs(np.mean(found) - 0.5) < 3.0 * np.std(found, ddof=1) / math.sqrt(searches)
