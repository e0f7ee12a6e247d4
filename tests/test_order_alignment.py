"""What belongs to which bar in order-level runs: order tables, market data beside the bars, rates, finer bars."""

import numpy as np
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    Bars,
    DataError,
    PeakFastError,
    Stops,
    Sweep,
    simulate_orders,
)
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_rules import Asset, OrderRules

pd = pytest.importorskip("pandas")

COUNT = 40
CLOSE = 100.0 + 5.0 * np.sin(np.arange(COUNT) / 4.0)
DAYS = pd.date_range("2024-01-01", periods=COUNT)
PRICES = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), CLOSE), index=DAYS)
BUY = [{"bar": 0, "side": "buy", "size": 10.0}]


def both(values):
    """A pandas series, newest first, and the same as a Polars frame."""
    backwards = values[::-1]
    return backwards, pl.DataFrame({"date": np.asarray(backwards.index), "value": np.asarray(backwards)})


class TestColumnsBesideTheBars:
    funding = pd.Series(np.where(np.arange(COUNT) < 10, 0.01, 0.0), index=DAYS)
    spread = pd.Series(np.arange(COUNT) / 100.0, index=DAYS)

    @pytest.mark.parametrize("library", [0, 1], ids=["pandas", "polars"])
    def test_funding_is_paid_at_its_times(self, library):
        right = simulate_orders(PRICES, BUY, funding=self.funding.to_numpy()).equity
        found = simulate_orders(PRICES, BUY, funding=both(self.funding)[library])
        np.testing.assert_array_equal(found.equity, right)
        assert not np.array_equal(
            right, simulate_orders(PRICES, BUY, funding=self.funding.to_numpy()[::-1]).equity
        )
        assert "funding: put into the order of the bars" in found.notes[0] and found.notes[0] in repr(found)

    @pytest.mark.parametrize("library", [0, 1], ids=["pandas", "polars"])
    def test_spreads_are_those_of_their_times(self, library):
        rules, order = OrderRules(slippage="half_spread"), [{"bar": 7, "side": "buy", "size": 1.0}]
        found = simulate_orders(PRICES, order, half_spread=both(self.spread)[library], rules=rules)
        assert found.fills["price"][0] == pytest.approx(CLOSE[8] + self.spread.iloc[8])

    @pytest.mark.parametrize("library", [0, 1], ids=["pandas", "polars"])
    def test_in_the_engine_and_in_sweeps(self, library):
        right = BacktestEngine(order_book=OrderBook(funding=self.funding.to_numpy()))
        mine = BacktestEngine(order_book=OrderBook(funding=both(self.funding)[library]))
        params = {"fast": 3, "slow": 9}
        expected, found = (engine.run(PRICES, "ma_crossover", params) for engine in (right, mine))
        assert (
            found.hash
            == expected.hash
            != BacktestEngine(order_book=OrderBook()).run(PRICES, "ma_crossover", params).hash
        )
        assert found.metadata["notes"] == [found.book.notes[0]]
        swept = Sweep(
            "ma_crossover",
            {"fast": [3], "slow": [9]},
            PRICES,
            order_book=mine.order_book,
            metrics=["final_equity"],
        ).run(progress=False)
        assert swept.frame["final_equity"][0] == expected.stats["final_equity"]
        assert list(swept.notes) == found.metadata["notes"]

    def test_a_window_of_the_bars_takes_its_own(self):
        window = Bars.from_frame(PRICES).slice(5, 30)
        found = simulate_orders(window, BUY, funding=self.funding)
        right = simulate_orders(window, BUY, funding=self.funding.to_numpy()[5:30])
        np.testing.assert_array_equal(found.equity, right.equity)
        assert found.notes == ("funding: 15 of 40 rows passed over, at times without a bar",)

    @pytest.mark.parametrize(
        ("funding", "words"),
        [
            (funding.set_axis(DAYS + pd.Timedelta(hours=8)), "no value for 40 of 40 bars"),
            (funding.shift(3, freq="D"), "no value for 3 of 40 bars"),
            (funding[:-1], "no value for 1 of 40 bars"),
            (pd.concat([funding, funding[:1]]), "more than once"),
            (funding.tz_localize("Asia/Tokyo"), "time zone"),
            (funding.resample("8h").ffill(), "rows between the bars"),
            (pd.Series(np.zeros(7)), "shape"),
            (funding > 0.0, "booleans"),
        ],
    )
    def test_others_are_refused(self, funding, words):
        with pytest.raises(DataError, match=f"funding.*{words}"):
            simulate_orders(PRICES, BUY, funding=funding)
        with pytest.raises(DataError, match=f"funding.*{words}"):
            BacktestEngine(order_book=OrderBook(funding=funding)).run(PRICES, "buy_and_hold")

    def test_finer_spreads_are_read_at_the_bars(self):
        hourly = self.spread.resample("h").ffill() + np.arange(24 * COUNT - 23) % 24
        rules, order = OrderRules(slippage="half_spread"), [{"bar": 7, "side": "buy", "size": 1.0}]
        found = simulate_orders(PRICES, order, half_spread=hourly, rules=rules)
        assert found.fills["price"][0] == pytest.approx(CLOSE[8] + self.spread.iloc[8])
        assert "passed over" in found.notes[0]

    def test_a_frame_has_a_column_for_each_asset(self):
        frames = {"A": PRICES, "B": PRICES * 2.0}
        table = pd.DataFrame({"B": self.funding * 2.0, "A": self.funding})[::-1]
        order = [{"bar": 0, "side": "buy", "size": 1.0, "asset": name} for name in frames]
        right = simulate_orders(frames, order, funding=np.array([self.funding, self.funding * 2.0]))
        for given in (table, pl.from_pandas(table.rename_axis("ts").reset_index())):
            np.testing.assert_array_equal(simulate_orders(frames, order, funding=given).equity, right.equity)
        with pytest.raises(DataError, match="column 'C' is none of the assets"):
            simulate_orders(frames, order, funding=table.rename(columns={"A": "C"}))
        with pytest.raises(DataError, match="got none for 'A'"):
            simulate_orders(frames, order, funding=table[["B"]])

    def test_sweeps_tell_books_of_other_times_apart(self):
        own = OrderBook(funding=self.funding).identity()
        assert own == OrderBook(funding=self.funding.copy()).identity()
        assert own != OrderBook(funding=self.funding.shift(1, freq="D")).identity()
        assert own != OrderBook(funding=both(self.funding)[0]).identity()


class TestRates:
    rates = pd.Series(0.006 + np.arange(COUNT) / 1e5, index=DAYS)
    assets = Asset(quote="JPY")

    def equity(self, rates, bars=PRICES):
        return simulate_orders(bars, BUY, assets=self.assets, currency="USD", rates={"JPY": rates})

    @pytest.mark.parametrize("library", [0, 1], ids=["pandas", "polars"])
    def test_they_are_those_of_their_times(self, library):
        found = self.equity(both(self.rates)[library])
        np.testing.assert_array_equal(found.equity, self.equity(self.rates.to_numpy()).equity)
        assert "rates['JPY']: put into the order" in found.notes[0]

    def test_other_days_are_refused(self):
        for rates in (self.rates.shift(1, freq="D"), self.rates.drop(DAYS[20]), self.rates > 0.0):
            with pytest.raises(DataError, match=r"rates\['JPY'\]"):
                self.equity(rates)
        known = self.rates.drop(DAYS[20]).reindex(DAYS)  # NaN repeats the last one
        assert self.equity(known).equity[20] == self.equity(known.ffill()).equity[20]


class TestOrderTables:
    hours = pd.date_range("2024-03-08 09:30", periods=8, freq="1h", tz="America/New_York")
    flat = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), np.full(8, 100.0)), index=hours)
    local = hours.tz_localize(None)

    def bar_of(self, times, bars=None, **columns):
        order = pd.DataFrame({"timestamp": times, "side": "buy", "size": 1.0, **columns})
        return simulate_orders(self.flat if bars is None else bars, order).orders["bar"].to_list()

    @pytest.mark.parametrize("kind", ["pandas", "polars", "text", "objects", "rows"])
    def test_local_times_are_not_taken_for_utc(self, kind):
        moment = self.local[6]
        tables = {
            "pandas": pd.DataFrame({"timestamp": [moment]}),
            "polars": pl.DataFrame({"timestamp": [moment.to_pydatetime()]}),
            "text": pd.DataFrame({"timestamp": ["2024-03-08 15:30"]}),
            "objects": pd.DataFrame({"timestamp": pd.Series([moment], dtype=object)}),
            "rows": [{"timestamp": moment.to_pydatetime()}],
        }  # fmt: skip
        table = tables[kind]
        row = {"side": "buy", "size": 1.0}
        if kind == "rows":
            table = [{**table[0], **row}]
        else:
            table = (
                table.assign(**row)
                if kind != "polars"
                else table.with_columns(side=pl.lit("buy"), size=pl.lit(1.0))
            )
        with pytest.raises(PeakFastError, match=r"no time zone.*'America/New_York'"):
            simulate_orders(self.flat, table)
        with pytest.raises(PeakFastError, match=r"valid_until.*no time zone"):
            order = {"bar": 0, **row, "valid_until": moment.to_pydatetime(), "type": "limit", "limit": 90.0}
            simulate_orders(self.flat, [order])

    def test_instants_decide(self):
        assert self.bar_of([self.hours[6]]) == [6]
        assert self.bar_of([self.hours[6].tz_convert("Asia/Tokyo")]) == [6]
        assert self.bar_of(["2024-03-08T20:30:00Z"]) == [6]
        assert self.bar_of([self.local[6]], bars=self.flat.set_axis(self.local)) == [6]
        in_utc = self.flat.set_axis(self.hours.tz_convert("UTC"))
        assert self.bar_of([in_utc.index[6].tz_localize(None)], bars=in_utc) == [6]
        with pytest.raises(DataError, match=r"'America/New_York'.*have none"):
            self.bar_of([self.hours[6]], bars=self.flat.set_axis(self.local))

    def test_an_index_of_times_says_when(self):
        order = pd.DataFrame({"side": ["buy", "sell"], "size": 1.0}, index=self.hours[[2, 5]])
        assert simulate_orders(self.flat, order).orders["bar"].to_list() == [2, 5]
        named = order.set_axis(order.index.astype(str))
        assert simulate_orders(self.flat, named).orders["bar"].to_list() == [2, 5]
        with pytest.raises(DataError, match=r"row 1: bar 4 and timestamp .* contradict"):
            simulate_orders(self.flat, order.assign(bar=[2, 4]))
        assert simulate_orders(self.flat, order.assign(bar=[2, 5])).orders["bar"].to_list() == [2, 5]

    def test_times_outside_the_bars_are_refused(self):
        with pytest.raises(DataError, match="behind the last bar"):
            self.bar_of([self.hours[3] + pd.Timedelta(days=365)])
        with pytest.raises(DataError, match="before the first bar"):
            self.bar_of([self.hours[0] - pd.Timedelta(seconds=1)])
        assert self.bar_of([self.hours[7] + pd.Timedelta(minutes=59)]) == [7]

    def test_bars_without_times_have_none_to_find(self):
        with pytest.raises(DataError, match="the bars have none"):
            self.bar_of([self.local[3]], bars=self.flat.reset_index(drop=True))


class TestDetail:
    hours = pd.date_range("2024-01-01", periods=24 * 5, freq="1h")
    path = 100.0 + np.sin(np.arange(24 * 5) / 7.0)
    fine = pd.DataFrame({"open": path, "high": path + 0.1, "low": path - 0.1, "close": path}, index=hours)
    days = fine.resample("1D").agg({"open": "first", "high": "max", "low": "min", "close": "last"})
    order = (
        {
            "bar": 0,
            "side": "buy",
            "size": 1.0,
            "stop_loss": 0.01,
            "take_profit": 0.01,
            "exit_unit": "fraction",
        },
    )

    def fills(self, detail, bars=None):
        return simulate_orders(self.days if bars is None else bars, list(self.order), detail=detail)

    @staticmethod
    def said(result):
        """Notes of the run, without those of its bars."""
        return result.notes[len(result.bars[0].notes) :]

    def test_same_prices(self):
        found = self.fills(self.fine)
        assert self.said(found) == () and found.fills.height == 2
        assert self.fills(pl.from_pandas(self.fine.rename_axis("ts").reset_index())).fills.equals(found.fills)

    @pytest.mark.parametrize(
        ("detail", "words"),
        [
            (fine * 2.0, "bar 0 .* run from .* expected the same prices: adjust both"),
            (fine * 1.001, "the bar from"),
            (fine.shift(1, freq="D") * 1.01, "the bar from"),
            (fine.set_axis(hours + pd.Timedelta(days=365)), "none of its 120 rows lies in a bar"),
            (fine.tz_localize("Asia/Tokyo"), "detail.*time zone"),
        ],
    )
    def test_other_prices_and_times_are_refused(self, detail, words):
        with pytest.raises(DataError, match=words):
            self.fills(detail)
        book = OrderBook(detail=detail)
        with pytest.raises(DataError, match=words):
            BacktestEngine(order_book=book, stops=Stops(stop_loss=0.01)).run(self.days, np.ones(5))
        with pytest.raises(DataError, match=words):
            Sweep("ma_crossover", {"fast": [2], "slow": [3, 4]}, self.days, order_book=book).run(
                progress=False
            )

    def test_what_lies_in_no_bar_is_said(self):
        window = Bars.from_frame(self.days).slice(1, 3)
        found = self.fills(self.fine, window)
        assert self.said(found) == (
            "detail: 72 of 120 rows passed over, before the first bar or behind the last",
        )
        assert found.fills.equals(self.fills(self.fine[24:72], window).fills)
        gap = self.fills(self.fine.drop(self.fine.index[24:48]))
        assert self.said(gap) == (
            "detail: 1 of 5 bars have no rows of their own; events inside them are not known",
        )
        book = OrderBook(detail=self.fine)
        assert BacktestEngine(order_book=book).run(window, np.ones(2)).metadata["notes"] == list(found.notes)


class TestRatesOfMoments:
    """Rates beside `funding_times` that carry times go by them; a moment is paid once."""

    days = pd.date_range("2024-01-01", periods=6)
    bars = pd.DataFrame({"open": 10.0, "high": 12.0, "low": 9.0, "close": 10.0}, index=days)
    trip = pd.DataFrame({"timestamp": [days[0], days[4]], "side": ["buy", "sell"], "size": [1.0, 1.0]})
    rates = pd.Series(0.001 * np.arange(18), index=pd.date_range("2024-01-01", periods=18, freq="8h"))

    def paid(self, funding, times):
        return simulate_orders(self.bars, self.trip, funding=funding, funding_times=times).stats[
            "total_funding"
        ]

    def test_they_are_put_at_their_moments(self):
        times = self.rates.index
        right = self.paid(self.rates.to_numpy(), times)
        frame = pl.from_pandas(self.rates.rename("rate").rename_axis("time").reset_index())
        for funding in (self.rates, self.rates[::-1], frame, frame[::-1]):
            assert right == pytest.approx(self.paid(funding, times)) != 0.0
        assert self.paid(self.rates.to_numpy()[::-1], times) != pytest.approx(right)

    def test_others_are_refused(self):
        times = self.rates.index
        with pytest.raises(DataError, match="funding: no value for 18 of 18"):
            self.paid(self.rates.set_axis(times + pd.Timedelta(days=90)), times)
        with pytest.raises(DataError, match=r"funding_times: the time .* more than once"):
            self.paid(np.append(self.rates, 0.1), times.append(times[7:8]))
