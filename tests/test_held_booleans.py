"""Booleans are held while True at every door; figures and rows of other frames find their bars."""

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    ConfigError,
    DataError,
    Param,
    StrategyError,
    Sweep,
    strategy,
)
from peak_fast.indicators import functions as indicators
from peak_fast.metrics import returns as metrics
from peak_fast.report.figure import prepare_picture
from peak_fast.settings.order_rules import OrderRules

pd = pytest.importorskip("pandas")

from tests.test_alignment import (  # noqa: E402
    CLOSE,
    COUNT,
    DAYS,
    PRICES,
    RIGHT,
    SIDES,
    final,
    polars_of,
    returning,
)

MASK = np.arange(COUNT) < 20
EDGE = np.array([None, *MASK[:-1].tolist()], dtype=object)
MASKS = {
    "NumPy": MASK,
    "list": MASK.tolist(),
    "pandas": pd.Series(MASK, index=DAYS),
    "pandas nullable": pd.Series(MASK, index=DAYS, dtype="boolean"),
    "pandas Arrow": pd.Series(MASK, index=DAYS).astype("bool[pyarrow]"),
    "objects": MASK.astype(object),
    "Polars": pl.Series(MASK),
    "Polars frame": polars_of(pd.Series(MASK, index=DAYS)),
    "expression": pl.int_range(pl.len()) < 20,
}
HELD = {
    "targets": lambda values: final(PRICES, values),
    "weights": lambda values: final(PRICES, values, weights=True),
    "order book": lambda values: BacktestEngine(order_book=OrderRules()).run(PRICES, values),
    "function": lambda values: final(PRICES, returning(values)),
    "strategy": lambda values: final(PRICES, strategy(returning(values), name=f"mask {id(values)}")),
    "strategy of signals": lambda values: final(
        PRICES, strategy(returning(values), name=f"signals {id(values)}", returns="signals")
    ),
    "run_realistic": lambda values: BacktestEngine().run_realistic(PRICES, returning(values)),
    "long only": lambda values: BacktestEngine(use_execution_pipeline=False).run_realistic(
        PRICES, returning(values), {"stop_pct": 0.9}
    ),
    "run_vectorized": lambda values: BacktestEngine().run_vectorized(PRICES, returning(values)),
}


class TestBooleans:
    """One meaning at every door: held while True, flat while False."""

    @pytest.mark.parametrize("door", HELD)
    @pytest.mark.parametrize("kind", MASKS)
    def test_held_while_true(self, kind, door):
        result = HELD[door](MASKS[kind])
        assert result.stats["final_equity"] == pytest.approx(RIGHT, rel=1e-12)
        assert result.stats["closed_trades"] == 1 and result.position[-1] == 0.0
        said = any("held while True" in note for note in result.notes)
        assert said == (
            door in ("function", "strategy of signals", "run_realistic", "long only", "run_vectorized")
        )

    @pytest.mark.parametrize("returns", ["targets", "signals", "weights"])
    @pytest.mark.parametrize("kind", MASKS)
    def test_in_sweeps(self, kind, returns):
        item = strategy(returning(MASKS[kind]), name=f"swept {returns} {kind}", returns=returns)
        result = Sweep(item, {"x": [1, 2]}, PRICES, metrics=["final_equity"]).run(progress=False)
        assert result.frame["final_equity"].to_list() == pytest.approx([RIGHT] * 2, rel=1e-12)
        assert result.rerun({"x": 1}).stats["final_equity"] == pytest.approx(RIGHT, rel=1e-12)
        assert any("held while True" in note for note in result.notes) == (returns == "signals")

    @pytest.mark.parametrize(
        "values",
        [
            EDGE,
            pd.Series(EDGE),
            pl.Series(EDGE.tolist()),
            EDGE.tolist(),
            pd.Series(MASK).shift(1),
            pd.Series(MASK, dtype="boolean").shift(1),
        ],
    )
    def test_missing_ones_change_nothing(self, values):
        later = final(PRICES, np.concatenate([[0], SIDES[:-1]])).hash
        assert final(PRICES, values).hash == later
        assert final(PRICES, returning(values)).hash == later

    @pytest.mark.parametrize(
        "values", [[True, -1] * 30, [1, False] * 30, np.array([True, 0.5] * 30, dtype=object)]
    )
    def test_mixed_with_numbers_they_are_refused(self, values):
        for door in HELD.values():
            with pytest.raises(StrategyError, match="booleans and values of type"):
                door(values)

    def test_numbers_without_a_sale_are_remarked(self):
        result = final(PRICES, returning(SIDES))
        assert "returned no -1" in result.metadata["notes"][0] and result.position[-1] > 0.0
        assert final(PRICES, returning(np.where(MASK, 1, -1))).metadata["notes"] == []
        swept = Sweep(returning(SIDES), {"n": [1, 2]}, PRICES).run(progress=False)
        assert swept.notes == tuple(result.metadata["notes"])
        assert Sweep(returning(np.where(MASK, 1, -1)), {"n": [1]}, PRICES).run(progress=False).notes == ()


class TestFigures:
    """Metrics beside a benchmark, indicators of several columns, pictures: the first column says the rows."""

    returns = pd.Series(np.sin(np.arange(COUNT)) / 50.0, index=DAYS)
    other = pd.Series(np.cos(np.arange(COUNT)) / 60.0, index=DAYS)

    @pytest.mark.parametrize("name", ["beta", "information_ratio", "r_squared"])
    def test_a_benchmark_is_put_at_the_times_of_the_returns(self, name):
        figure = getattr(metrics, name)
        right = figure(self.returns.to_numpy(), self.other.to_numpy())
        longer = pd.concat([self.other, pd.Series(0.5, DAYS[-1:] + pd.Timedelta(days=3))])
        for benchmark in (
            self.other,
            self.other[::-1],
            longer,
            polars_of(self.other[::-1]),
            self.other.to_numpy(),
        ):
            assert figure(self.returns, benchmark) == right
        assert figure(pl.Series(self.returns.to_numpy()), pl.Series(self.other.to_numpy())) == right
        for benchmark, words in (
            (self.other.shift(1, freq="D"), "no value for"),
            (self.other[1:], "no value for 1 of 60"),
            (self.other.tz_localize("Asia/Tokyo"), "time zone"),
        ):
            with pytest.raises(DataError, match=f"benchmark.*{words}"):
                figure(self.returns, benchmark)
        with pytest.raises(DataError, match="no times to find them by"):
            figure(self.returns.to_numpy(), self.other[::-1])

    def test_indicators_of_several_columns(self):
        high, low, close = (pd.Series(CLOSE + shift, index=DAYS) for shift in (1.0, -1.0, 0.0))
        right = indicators.atr(high, low, close, 5)
        pd.testing.assert_series_equal(indicators.atr(high, low[::-1], close[::-1], 5), right)
        with pytest.raises(DataError, match="low: no value for"):
            indicators.atr(high, low.shift(1, freq="D"), close, 5)
        plain = indicators.atr(*(pl.Series(x.to_numpy()) for x in (high, low, close)), 5)
        np.testing.assert_array_equal(plain.to_numpy(), right.to_numpy())

    def test_the_benchmark_of_a_picture(self):
        result = final(PRICES, SIDES)
        curve = pd.Series(np.linspace(1e5, 2e5, COUNT), index=DAYS)
        for benchmark in (curve, curve[::-1], polars_of(curve[::-1]), curve.to_numpy()):
            np.testing.assert_array_equal(
                prepare_picture(result, benchmark=benchmark).benchmark, curve.to_numpy()
            )
        with pytest.raises(ConfigError, match="benchmark: no value for"):
            prepare_picture(result, benchmark=curve[1:])


def test_numbers_of_other_rows_are_not_taken_by_position():
    """Rows 4 to 13 of some other frame beside bars that are numbered from 0."""
    numbered = PRICES.rename_axis("date").reset_index()
    for frame in (numbered, PRICES):
        assert final(frame, pd.Series(SIDES)).stats["final_equity"] == RIGHT
        with pytest.raises(StrategyError, match=r"neither times nor rows|no value for"):
            final(frame, pd.Series(SIDES, index=pd.RangeIndex(4, 4 + COUNT)))
    cut = pd.concat([numbered[:5], numbered])[5:].set_axis(pd.RangeIndex(5, 5 + COUNT))
    assert final(cut, pd.Series(SIDES, index=cut.index)).stats["final_equity"] == RIGHT


@pytest.mark.parametrize("returns", ["signals", "targets", "weights"])
def test_a_function_that_never_says_anything_is_told_so(returns):
    """An indicator that is longer than the data: a result without trades says why, in a run and in a sweep."""

    def long_mean(frame, params):
        return frame["close"].rolling(params["window"]).mean() * 0.0

    item = strategy(long_mean, name=f"never {returns}", schema=[Param("window", "int", 500)], returns=returns)
    note = f"the signal function 'never {returns}' returned no value at any of {COUNT} bars"
    assert any(note in said for said in BacktestEngine().run(PRICES, item).metadata["notes"])
    assert not any(
        note in said for said in BacktestEngine().run(PRICES, item, {"window": 5}).metadata["notes"]
    )
    found = Sweep(item, {"window": [5, 500, 600]}, PRICES).run(progress=False)
    assert [note in said for said in found.notes].count(True) == 1
