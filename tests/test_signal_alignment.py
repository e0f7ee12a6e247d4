"""Matrices of signals and sizes: frames belong to times and assets of the close, booleans have one meaning."""

import numpy as np
import polars as pl
import pytest

from peak_fast import Bars, ConfigError, DataError
from peak_fast.settings.signal_rules import SignalRules
from peak_fast.signals.simulate import simulate_signals, simulate_sizes

pd = pytest.importorskip("pandas")

COUNT = 12
DAYS = pd.bdate_range("2024-01-01", periods=COUNT)
A = 100.0 + np.arange(COUNT)
B = 50.0 - np.arange(COUNT)
CLOSE = pd.DataFrame({"A": A, "B": B}, index=DAYS)
HELD = pd.DataFrame({"A": np.arange(COUNT) < 4, "B": np.arange(COUNT) % 6 < 3}, index=DAYS)
ENTRIES, EXITS = HELD.to_numpy().T, ~HELD.to_numpy().T
RIGHT = simulate_signals([np.array([A, B])] * 4, entries=ENTRIES, exits=EXITS, size=2.0)


def same(result):
    return all(np.array_equal(getattr(result, n), getattr(RIGHT, n)) for n in ("equity", "cash", "position"))


def polars_of(frame):
    return pl.from_pandas(frame.rename_axis("date").reset_index())


ALIKE = {
    "same": HELD,
    "newest first": HELD[::-1],
    "other order of assets": HELD[["B", "A"]],
    "nullable": HELD.astype("boolean"),
    "zeros and ones": HELD.astype(int),
    "Polars": polars_of(HELD[::-1]),
    "longer": pd.concat([HELD, HELD[-1:].set_axis(DAYS[-1:] + pd.Timedelta(days=3))]),
}


class TestFrames:
    @pytest.mark.parametrize(
        "prices", [CLOSE, CLOSE[::-1], polars_of(CLOSE)], ids=["pandas", "newest first", "Polars"]
    )
    @pytest.mark.parametrize("kind", ALIKE)
    def test_rows_are_bars_and_columns_assets(self, kind, prices):
        entries = ALIKE[kind]
        backwards = isinstance(prices, pd.DataFrame) and prices.index[0] > prices.index[-1]
        if backwards:
            with pytest.raises(DataError, match=r"close: .*not in order of time"):
                simulate_signals([prices] * 4, entries=entries, exits=~HELD, size=2.0)
            return
        result = simulate_signals([prices] * 4, entries=entries, exits=~HELD, size=2.0)
        assert same(result)
        moved = {"newest first", "Polars"}
        assert any("entries: put into the order" in note for note in result.notes) == (kind in moved)
        assert any("1 of 13 rows passed over" in note for note in result.notes) == (kind == "longer")

    @pytest.mark.parametrize(
        ("entries", "words"),
        [
            (HELD.set_axis(DAYS + pd.Timedelta(weeks=52)), "no value for 12 of 12 bars|no value for"),
            (HELD[1:], "no value for 1 of 12 bars"),
            (HELD.tz_localize("Asia/Tokyo"), "time zone"),
            (pd.concat([HELD, HELD[:1]]), "more than once"),
            (HELD[["A"]], "got none for 'B'"),
            (HELD.rename(columns={"B": "C"}), "column 'C' is none of the assets"),
            (HELD.reset_index(drop=True)[:-1], "shape"),
            (HELD.to_numpy(), "shape"),
            (HELD * 2, "expected booleans, or 0 and 1; got 2"),
            (HELD * 2 - 1, "expected booleans, or 0 and 1; got -1"),
        ],
    )
    def test_others_are_refused(self, entries, words):
        with pytest.raises(DataError, match=f"entries.*({words})"):
            simulate_signals([CLOSE] * 4, entries=entries, exits=~HELD)

    def test_stops_sizes_and_prices_are_put_at_their_bars_too(self):
        stop = pd.DataFrame({"A": 0.01 + np.arange(COUNT) / 1e3, "B": 0.02}, index=DAYS)
        size, price = pd.Series(1.0 + np.arange(COUNT), index=DAYS), CLOSE + 0.25
        common = {"entries": ENTRIES, "exits": EXITS}
        right = simulate_signals(
            [CLOSE.to_numpy().T] * 4, **common, size=size.to_numpy(), price=price.to_numpy().T,
            stop_loss=stop.to_numpy().T, fees=(size / 1e4).to_numpy(),
        )  # fmt: skip
        found = simulate_signals(
            [CLOSE] * 4, **common, size=size[::-1], price=price[["B", "A"]][::-1], stop_loss=stop[::-1],
            fees=polars_of((size / 1e4).to_frame("fee")[::-1]),
        )  # fmt: skip
        np.testing.assert_array_equal(found.events, right.events)
        for name in ("size", "price", "stop_loss", "fees", "slippage"):
            with pytest.raises(DataError, match=f"{name}: no value for"):
                simulate_signals([CLOSE] * 4, **common, **{name: size[1:]})

    def test_sizes(self):
        table = pd.DataFrame({"A": [1.0, np.nan, -1.0] * 4, "B": [2.0, -2.0, np.nan] * 4}, index=DAYS)
        right = simulate_sizes([CLOSE.to_numpy().T] * 4, table.to_numpy().T)
        for size in (table[::-1], table[["B", "A"]], polars_of(table[::-1])):
            np.testing.assert_array_equal(simulate_sizes([CLOSE] * 4, size).events, right.events)

    def test_bars_of_one_asset(self):
        prices = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), A), index=DAYS)
        right = simulate_signals([A] * 4, entries=ENTRIES[0], exits=EXITS[0], size=2.0)
        for ohlc in (Bars.from_frame(prices), prices, pl.from_pandas(prices)):
            found = simulate_signals(ohlc, entries=HELD["A"], exits=EXITS[0], size=2.0)
            np.testing.assert_array_equal(found.equity, right.equity)
        with pytest.raises(DataError, match="expected open, high, low and close"):
            simulate_signals([A] * 3, entries=ENTRIES[0], exits=EXITS[0])


class TestBooleans:
    def test_entries_that_nothing_ends_are_refused(self):
        for name, leaves in (("entries", "exits"), ("short_entries", "short_exits")):
            with pytest.raises(
                ConfigError, match=f"{name}: nothing ends.*{leaves}=~{name} holds.*{leaves}=False"
            ):
                simulate_signals([A] * 4, **{name: ENTRIES[0]})
        held = simulate_signals([A] * 4, entries=ENTRIES[0], exits=~ENTRIES[0], size=1.0)
        assert held.position[0].tolist() == [1.0] * 4 + [0.0] * 8
        forever = simulate_signals([A] * 4, entries=ENTRIES[0], exits=False, size=1.0)
        assert forever.position[0].tolist() == [1.0] * 12

    @pytest.mark.parametrize("end", [{"stop_loss": 0.1}, {"take_profit": 0.1}, {"short_entries": EXITS[0]}])
    def test_a_stop_or_the_other_side_ends_them(self, end):
        assert simulate_signals([A] * 4, entries=ENTRIES[0], size=1.0, **end).position[0, 0] == 1.0

    def test_a_missing_signal_is_none(self):
        shifted = np.array([np.nan, *ENTRIES[0][:-1].astype(float)])
        found = simulate_signals([A] * 4, entries=shifted, exits=~ENTRIES[0], size=1.0)
        assert found.position[0].tolist() == [0.0] + [1.0] * 4 + [0.0] * 7
        lazy = pd.Series(ENTRIES[0], dtype="boolean").shift(1)
        assert simulate_signals([A] * 4, entries=lazy, exits=~ENTRIES[0], size=1.0).position.tolist() == (
            found.position.tolist()
        )

    @pytest.mark.parametrize(
        "mask", [HELD["A"], HELD["A"].to_numpy(), HELD["A"].tolist(), pl.Series(HELD["A"].tolist())]
    )
    def test_as_sizes_they_are_held_or_refused(self, mask):
        for size_type in ("targetpercent", "targetamount", "targetvalue"):
            held = simulate_sizes([A] * 4, mask, rules=SignalRules(size_type=size_type))
            assert (held.position[0] > 0.0).tolist() == HELD["A"].tolist()
        for size_type in ("amount", "value", "percent"):
            with pytest.raises(DataError, match=r"size: booleans.*'targetpercent' to hold.*simulate_signals"):
                simulate_sizes([A] * 4, mask, rules=SignalRules(size_type=size_type))

    def test_they_are_no_prices_and_costs(self):
        for name in ("price", "fees", "stop_loss", "size"):
            with pytest.raises(DataError, match=f"{name}: expected numbers; got booleans"):
                simulate_signals([A] * 4, entries=ENTRIES[0], exits=EXITS[0], **{name: ENTRIES[0]})
