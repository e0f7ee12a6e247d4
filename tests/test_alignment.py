"""Values that carry times belong to the bars of these times, at every door that takes decisions."""

import html
from typing import ClassVar

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    Bars,
    Param,
    StrategyError,
    Study,
    Sweep,
    strategy,
)
from peak_fast.settings.order_rules import OrderRules

pd = pytest.importorskip("pandas")

COUNT = 60
CLOSE = 100.0 + 10.0 * np.sin(np.arange(COUNT) / 5.0)
SIDES = np.where(np.arange(COUNT) < 20, 1, 0)
DAYS = pd.bdate_range("2024-01-01", periods=COUNT)
HOURS = pd.date_range("2024-03-08 09:00", periods=COUNT, freq="h", tz="America/New_York")


def frame_at(index):
    """Bars with an index."""
    return pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), CLOSE), index=index)


def final(bars, targets, **options):
    return BacktestEngine().run(bars, targets, **options)


PRICES = frame_at(DAYS)
SIGNAL = pd.Series(SIDES, index=DAYS)
RIGHT = final(PRICES, SIDES).stats["final_equity"]
WRONG_WAY = final(PRICES, SIDES[::-1].copy()).stats["final_equity"]


def polars_of(series, name="date"):
    return pl.DataFrame({name: np.asarray(series.index), "signal": np.asarray(series)})


FITTING = {
    "as it is": SIGNAL,
    "newest first": SIGNAL[::-1],
    "shuffled": SIGNAL.sample(frac=1.0, random_state=3),
    "index of text": SIGNAL.set_axis(DAYS.astype(str))[::-1],
    "index of dates": SIGNAL.set_axis(pd.Index(DAYS.date, dtype=object))[::-1],
    "index of Timestamps as objects": SIGNAL.set_axis(DAYS.astype(object))[::-1],
    "periods": SIGNAL.set_axis(DAYS.to_period("D"))[::-1],
    "another unit": SIGNAL.set_axis(DAYS.as_unit("s"))[::-1],
    "nanoseconds": SIGNAL.set_axis(DAYS.as_unit("ns"))[::-1],
    "in UTC, as the bars are read": SIGNAL.tz_localize("UTC")[::-1],
    "calendar integers": SIGNAL.set_axis(pd.Index([int(day.timestamp()) for day in DAYS]))[::-1],
    "frame with an index": SIGNAL[::-1].to_frame("signal"),
    "frame with a column of times": SIGNAL[::-1].rename_axis("Date").reset_index(name="signal"),
    "two levels": SIGNAL[::-1].set_axis(
        pd.MultiIndex.from_product([DAYS[::-1], ["A"]], names=["t", "symbol"])
    ),
    "Polars frame": polars_of(SIGNAL[::-1]),
    "Polars frame, lazy": polars_of(SIGNAL[::-1]).lazy(),
    "Polars frame, times of another name": polars_of(SIGNAL[::-1], "when"),
    "longer than the bars": pd.concat([SIGNAL, pd.Series(1, DAYS[-1:] + pd.Timedelta(days=3))])[::-1],
    "numbered": pd.Series(SIDES),
    "NumPy": SIDES,
    "list": SIDES.tolist(),
    "Polars series": pl.Series(SIDES),
}
TWICE = pd.concat([SIGNAL[:30], SIGNAL[29:]])
MISFITS = {
    "another year": (SIGNAL.set_axis(DAYS + pd.Timedelta(weeks=52)), "no value for .* of 60 bars"),
    "partly overlapping": (
        SIGNAL.set_axis(DAYS.shift(10)),
        "no value for 10 of 60 bars, the first of them bar 0",
    ),
    "a missing bar": (SIGNAL.drop(DAYS[7]), "no value for 1 of 60 bars, the first of them bar 7"),
    "a time twice": (TWICE, "2024-02-09 stands there more than once"),
    "a row between": (
        pd.concat([SIGNAL, pd.Series(1, [DAYS[3] + pd.Timedelta(hours=6)])]),
        "1 rows between the bars",
    ),
    "a zone beside none": (SIGNAL.tz_localize("America/New_York"), "zone 'America/New_York'.*have none"),
    "no time": (SIGNAL.set_axis([*DAYS[:-1], pd.NaT]), "row 59 has no time"),
    "names": (SIGNAL.set_axis([f"row {k}" for k in range(COUNT)]), "neither times nor rows"),
    "numbered, too short": (pd.Series(SIDES[:-1]), "expected one value a bar"),
    "numbered backwards": (pd.Series(SIDES)[::-1], "neither times nor rows"),
    "Polars, another year": (polars_of(SIGNAL.set_axis(DAYS + pd.Timedelta(weeks=52))), "no value"),
    "Polars, a time twice": (polars_of(TWICE), "more than once"),
    "two columns": (pd.DataFrame({"a": SIGNAL, "b": SIGNAL}), r"one column of values; got \['a', 'b'\]"),
    "Polars series, too short": (pl.Series(SIDES[:-1]), "expected one value a bar"),
}


def returning(values):
    """A strategy of a signal function that returns these values, in whatever frame it is called."""
    return lambda frame, params: values


DOORS = {
    "targets": lambda values: final(PRICES, values).stats["final_equity"],
    "weights": lambda values: final(PRICES, values, weights=True).stats["final_equity"],
    "order book": lambda values: BacktestEngine(order_book=OrderRules()).run(PRICES, values).stats["final_equity"],
    "signal function": lambda values: final(
        PRICES, strategy(returning(values), name=f"given {id(values)}")
    ).stats["final_equity"],
    "sweep": lambda values: Sweep(
        strategy(returning(values), name=f"swept {id(values)}"), {"x": [1, 2]}, PRICES, metrics=["final_equity"]
    ).run(progress=False).frame["final_equity"][1],
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", FITTING)
def test_values_are_put_at_their_bars(kind, door):
    assert DOORS[door](FITTING[kind]) == pytest.approx(RIGHT, rel=1e-12) != WRONG_WAY


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", MISFITS)
def test_values_of_other_times_are_refused(kind, door):
    values, words = MISFITS[kind]
    with pytest.raises(StrategyError, match=words):
        DOORS[door](values)


def test_what_was_done_is_said():
    result = final(PRICES, FITTING["newest first"])
    assert result.metadata["notes"] == ["the targets: put into the order of the bars by their index"]
    assert result.metadata["notes"][0] in result.summary()
    longer = final(PRICES, FITTING["longer than the bars"]).metadata["notes"]
    assert longer[0] == "the targets: 1 of 61 rows passed over, at times without a bar"
    for kind in ("as it is", "numbered", "NumPy", "Polars series"):
        assert final(PRICES, FITTING[kind]).metadata["notes"] == []


def test_a_sweep_says_it_once():
    item = strategy(returning(SIGNAL[::-1]), name="newest first")
    result = Sweep(item, {"x": [1, 2, 3]}, PRICES).run(progress=False)
    note = "the signal function 'newest first': put into the order of the bars by their index"
    assert result.notes == (note,) and html.escape(note) in result._repr_html_()


def test_a_study_runs_on_aligned_values():
    def held(frame, params):
        return (pd.Series(np.arange(COUNT) < params["stop"], index=DAYS)).astype(int)[::-1]

    item = strategy(held, name="held", schema=(Param("stop", "int", 20, low=20, high=40, step=20),))
    study = Study(item, PRICES, objectives={"final_equity": "maximize"}, sampler="grid")
    result = study.run(n_trials=2, progress=False)
    table = result.frame
    assert result.notes == Bars.from_frame(PRICES).notes and all(
        note in result.summary() for note in result.notes
    )
    found = dict(zip(table["stop"].to_list(), table["final_equity"].to_list(), strict=True))
    assert found[20] == pytest.approx(RIGHT, rel=1e-12)


class TestBarsWithAZone:
    def test_local_times_without_one_are_refused(self):
        hours = frame_at(HOURS)
        with pytest.raises(StrategyError, match=r"no time zone.*'America/New_York'.*tz_localize"):
            final(hours, pd.Series(SIDES, index=HOURS.tz_localize(None)))
        with pytest.raises(StrategyError, match="no time zone"):
            final(hours, pl.DataFrame({"ts": np.asarray(HOURS.tz_localize(None)), "side": SIDES}))

    def test_instants_decide(self):
        right = final(frame_at(HOURS), SIDES).stats["final_equity"]
        elsewhere = pd.Series(SIDES, index=HOURS.tz_convert("Asia/Tokyo"))[::-1]
        assert final(frame_at(HOURS), elsewhere).stats["final_equity"] == right
        polars = pl.DataFrame(
            {"ts": pl.Series(elsewhere.index.as_unit("us").to_list()), "side": np.asarray(elsewhere)}
        )
        assert final(frame_at(HOURS), polars).stats["final_equity"] == right


class TestBarsWithoutTimes:
    bars = dict.fromkeys(("open", "high", "low", "close"), CLOSE)

    def test_rows_in_order_are_taken_and_said(self):
        result = final(self.bars, SIGNAL)
        assert result.stats["final_equity"] == RIGHT
        assert "by position, because the bars have no times" in "; ".join(result.metadata["notes"])

    def test_others_are_refused(self):
        with pytest.raises(StrategyError, match="bars have no times to find them by"):
            final(self.bars, SIGNAL[::-1])

    def test_rows_follow_their_labels(self):
        numbered = frame_at(pd.RangeIndex(COUNT))
        shuffled = pd.Series(SIDES).sample(frac=1.0, random_state=1)
        assert final(numbered, shuffled).stats["final_equity"] == RIGHT
        assert final(numbered, pd.Series(SIDES)[::-1]).stats["final_equity"] == RIGHT
        mixed = numbered.sample(frac=1.0, random_state=2)
        made_from_it = pd.Series(np.arange(COUNT) < 20, index=mixed.index)
        assert final(mixed, made_from_it).hash == final(mixed, np.arange(COUNT) < 20).hash
        with pytest.raises(StrategyError, match="put into another order"):
            final(mixed, pd.Series(SIDES))


class TestSortedBars:
    newest_first = PRICES[::-1]

    @pytest.mark.parametrize(
        "values",
        [SIGNAL, SIGNAL[::-1], polars_of(SIGNAL), polars_of(SIGNAL[::-1])],
        ids=["same", "back", "pl", "pl back"],
    )
    def test_values_are_sorted_with_them(self, values):
        assert final(Bars.from_frame(self.newest_first, repair="sort"), values).stats["final_equity"] == RIGHT

    def test_rows_without_times_are_not_guessed(self):
        bars = Bars.from_frame(self.newest_first, repair="sort")
        numbered = self.newest_first.rename_axis("date").reset_index()
        for data, values in (
            (bars, pl.Series(SIDES)),
            (bars, pd.Series(SIDES)),
            (Bars.from_frame(numbered, repair="sort"), pd.Series(SIDES[::-1], index=numbered.index)),
        ):
            with pytest.raises(StrategyError, match="put into another order"):
                final(data, values)
        result = final(bars, SIDES)
        assert result.stats["final_equity"] == RIGHT and "in the order of the bars" in "; ".join(
            result.metadata["notes"]
        )

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_a_frame_that_is_newest_first(self, library):
        frame = (
            self.newest_first
            if library == "pandas"
            else pl.from_pandas(self.newest_first.rename_axis("d").reset_index())
        )
        for values in (SIGNAL, SIGNAL[::-1], polars_of(SIGNAL[::-1])):
            result = final(Bars.from_frame(frame), values)
            assert result.stats["final_equity"] == RIGHT
            assert any("newest first" in note for note in result.metadata["notes"])
        with pytest.raises(StrategyError, match="put into another order"):
            final(Bars.from_frame(frame), pl.Series(SIDES))

    @pytest.mark.parametrize("kind", ["pandas", "pandas numbered", "polars"])
    def test_a_function_sees_the_sorted_rows(self, kind):
        frame = self.newest_first.rename_axis("date")
        frame = frame if kind == "pandas" else frame.reset_index()
        frame = pl.from_pandas(frame) if kind == "polars" else frame
        bars = Bars.from_frame(frame, repair="sort")

        @strategy(name=f"first twenty of {kind}")
        def first_twenty(df, params):
            rising = df["close"] * 0 + np.arange(COUNT)
            return (rising < 20) * 1 if kind != "polars" else (rising < 20).cast(pl.Int8)

        result = final(bars, first_twenty)
        assert result.stats["final_equity"] == RIGHT and result.metadata["notes"] == list(bars.notes)


class TestUntouchedFrames:
    """Nothing that a function does to its frame reaches the bars, the user's frame or a later configuration."""

    kinds: ClassVar = {
        "pandas": lambda: frame_at(DAYS),
        "polars": lambda: pl.DataFrame(dict.fromkeys(("open", "high", "low", "close"), CLOSE)),
        "dict": lambda: {name: CLOSE.copy() for name in ("open", "high", "low", "close")},
        "structured": lambda: frame_at(DAYS).to_records(index=False),
        "lists": lambda: {name: CLOSE.tolist() for name in ("open", "high", "low", "close")},
    }  # fmt: skip

    @staticmethod
    def spoil(df):
        """Write into a frame in every way its kind has; some refuse."""
        if isinstance(df, pl.DataFrame):
            df[3, "close"] = 1.0
            df["open"][0] = 1.0
            df.insert_column(0, pl.Series("x", np.zeros(len(df))))
            df.drop_in_place("low")
        elif isinstance(df, pd.DataFrame):
            df.loc[:, "close"] = 1.0
            df.iloc[0, 0] = 1.0
            df["high"] = 1.0
            df.insert(0, "x", 1.0)
            del df["low"]
        elif isinstance(df, dict):
            df["close"][3] = 1.0
            df.pop("low")
        else:
            df["close"][3] = 1.0

    @pytest.mark.parametrize("kind", kinds)
    def test_by_a_function(self, kind):
        frame = self.kinds[kind]()
        seen = []

        @strategy(name=f"spoils {kind}")
        def spoils(df, params):
            seen.append(float(np.asarray(df["close"], dtype=float).sum()) + len(df["low"]))
            params["x"] = "changed"
            try:
                self.spoil(df)
            except ValueError as error:
                assert "read-only" in str(error)
            return np.ones(COUNT)

        right = final(self.kinds[kind](), np.ones(COUNT)).hash
        result = final(frame, spoils, params={"x": 1})
        assert result.hash == right and result.params == {"x": 1}
        found = Sweep(spoils, {"x": [1, 2, 3]}, frame, metrics=["final_equity"]).run(progress=False)
        assert found.frame["final_equity"].n_unique() == 1
        assert len(set(seen)) == 1 and len(seen) == 4
        untouched = self.kinds[kind]()
        assert all(
            np.array_equal(np.asarray(frame[n]), np.asarray(untouched[n])) for n in ("open", "low", "close")
        )

    @pytest.mark.parametrize("kind", ["pandas", "polars"])
    def test_by_the_user_later(self, kind):
        frame = self.kinds[kind]()
        bars = Bars.from_frame(frame)
        before = final(bars, np.ones(COUNT)).hash
        self.spoil(frame)
        assert np.array_equal(bars.close, CLOSE) and np.array_equal(np.asarray(bars.source["low"]), CLOSE)
        assert final(bars, np.ones(COUNT)).hash == before


def test_blocks_cannot_write_to_the_bars():
    """They are compiled for bars that are read only, so no later configuration sees other ones."""

    @strategy(name="writes to bars")
    def writes(i, bars, params, memory, account):
        bars[3, i] = 0.0
        return 1.0

    @strategy(name="orders and writes to bars")
    def orders(i, bars, params, memory, account, orders):
        bars[3, i] = 0.0

    for item in (writes, orders):
        with pytest.raises(StrategyError, match="cannot be compiled"):
            final(PRICES, item)
    with pytest.raises(StrategyError, match="cannot be compiled"):
        BacktestEngine(order_book=OrderRules()).run(PRICES, writes)
