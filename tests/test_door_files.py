"""Files and frames whose numbers could be read in another way: read rightly, refused, or told of."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from peak_fast import BacktestEngine, Bars, DataError, PeakFastError, load, simulate_orders
from peak_fast.settings.order_book import OrderBook

HEADER = "Date,Open,High,Low,Close\n"


@pytest.fixture
def put(tmp_path: Path) -> Any:
    def write(text: str, name: str = "bars.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def rows(*times: str) -> str:
    return HEADER + "".join(f"{time},1,2,1,1\n" for time in times)


def first(bars: Bars) -> str:
    return f"{bars.span[0]:%Y-%m-%d %H:%M}"


def test_dates_of_two_digit_years_before_a_clock_need_their_order(put: Any) -> None:
    for times in (("2401020930", "2401020931"), ("240102093000", "240102093100")):
        path = put(rows(*times))
        with pytest.raises(DataError, match="date_order='ymd'"):
            load(path)
        assert first(load(path, date_order="ymd")) == "2024-01-02 09:30"
    seconds = put(rows("1704186000", "1704186060"))
    assert first(load(seconds)) == "2024-01-02 09:00"


@pytest.mark.parametrize(
    ("order", "times"),
    [
        ("ymd", ("240102", "240103")),
        ("dmy", ("160124", "170124")),
        ("dmy", ("020124", "160124")),
        ("mdy", ("111624", "111724")),
        ("dmy", ("16012024", "17012024")),
    ],
)
def test_packed_dates_are_read_in_the_order_that_is_named(put: Any, order: Any, times: Any) -> None:
    assert load(put(rows(*times)), date_order=order).span[0].year == 2024


def test_packed_dates_without_an_order_name_the_way(put: Any) -> None:
    with pytest.raises(DataError, match="date_order="):
        load(put(rows("240102", "240116")))
    frame = {"date": [240102, 240116], **{name: [1.0, 1.0] for name in ("open", "high", "low", "close")}}
    with pytest.raises(DataError, match="date_order="):
        Bars.from_frame(frame)
    assert first(Bars.from_frame(frame, date_order="ymd")) == "2024-01-02 00:00"


def test_month_names_with_a_year_of_two_digits(put: Any) -> None:
    open_ = put(rows("24-Jan-02", "24-Jan-03", "24-Jan-04"))
    with pytest.raises(DataError, match="date_order='dmy' or date_order='ymd'"):
        load(open_)
    assert first(load(open_, date_order="ymd")) == "2024-01-02 00:00"
    assert first(load(open_, date_order="dmy")) == "2002-01-24 00:00"
    usual = load(put(rows("30-Jan-24", "31-Jan-24", "01-Feb-24")))
    assert first(usual) == "2024-01-30 00:00"
    assert any("day-first" in note for note in usual.notes)
    with pytest.raises(DataError, match="date_order='ymd' does not fit"):
        load(put(rows("02-Jan-2024", "03-Jan-2024")), date_order="ymd")


def test_an_apostrophe_alone_is_no_proof_of_thousands(put: Any) -> None:
    path = put(
        HEADER + "2024-01-02,110'165,111'080,110'000,110'240\n2024-01-03,110'165,111'080,110'000,110'245\n"
    )
    with pytest.raises(DataError, match="32nds"):
        load(path)
    assert load(path, decimal=".").open[0] == 110165.0
    swiss = put(HEADER + "2024-01-02,1'100,1'200,1'000,1'100.5\n2024-01-03,1'100,1'200,1'000,1'100\n")
    assert load(swiss).open[0] == 1100.0
    volume = put(HEADER.replace("Close", "Close,Volume") + "2024-01-02,1.5,2.5,1.5,2,12'345\n")
    assert load(volume).volume.tolist() == [12345.0]  # type: ignore[union-attr]


def test_a_scale_of_whole_numbers_leaves_prices_with_decimals(put: Any) -> None:
    header = "ts_event,rtype,open,high,low,close,volume\n"
    pretty = header + "2024-01-02T14:30:00Z,33,4800.25,4801.0,4799.0,4800.5,500\n"
    bars = load(put(pretty), dialect="databento")
    assert bars.open[0] == 4800.25
    assert any("decimals" in note for note in bars.notes)
    raw = header + "2024-01-02T14:30:00Z,33,4800250000000,4801000000000,4799000000000,4800500000000,500\n"
    assert load(put(raw), dialect="databento").open[0] == 4800.25
    lean = "20240102 00:00,187.15,188.44,183.88,185.64,100\n20240103 00:00,187.15,188.44,183.88,185.64,100\n"
    assert load(put(lean), dialect="lean").open[0] == 187.15


@pytest.mark.parametrize(
    "name",
    [
        "interval_end",
        "period_end",
        "bar_end",
        "candle_close_time",
        "close_date",
        "timestamp_close",
        "CloseTime",
    ],
)
def test_names_of_ends_are_stamps_of_the_close(put: Any, name: str) -> None:
    bars = load(put(f"{name},open,high,low,close\n2024-01-02 10:00,1,2,1,1\n2024-01-02 11:00,1,2,1,1\n"))
    assert bars.stamp == "close"
    both = put(f"time,{name},open,high,low,close\n2024-01-02 10:00,2024-01-02 11:00,1,2,1,1\n")
    assert load(both).stamp == "open"


def test_bars_on_few_dates_far_apart_do_not_show_the_day(put: Any) -> None:
    times = [f"2024-{day} 09:{minute}" for day in ("02-01", "03-01") for minute in ("30", "31")]
    assert any("how many bars a day has" in note for note in load(put(rows(*times))).notes)
    weekly = [f"2024-01-{day:02d}" for day in (1, 8, 15)]
    assert not any("do not show" in note for note in load(put(rows(*weekly))).notes)


SYMBOLS = (
    "date,code,open,high,low,close\n2022-06-08,A,1,2,1,1\n2022-06-09,{},9,9,9,9\n2022-06-10,{},1,2,1,1\n"
)


@pytest.mark.parametrize("symbol", [None, "A"])
@pytest.mark.parametrize("kind", ["file", "pandas", "polars", "dict"])
def test_rows_without_a_symbol_are_left_out(put: Any, symbol: Any, kind: str) -> None:
    path = put(SYMBOLS.format("", "A"))
    frame = pl.read_csv(path)
    given = {"pandas": frame.to_pandas(), "polars": frame, "dict": frame.to_dict(as_series=False)}
    bars = load(path, symbol=symbol) if kind == "file" else Bars.from_frame(given[kind], symbol=symbol)
    assert bars.high.tolist() == [2.0, 2.0]
    assert any("'code'" in note and "left out" in note for note in bars.notes)


def test_a_symbol_in_few_rows_is_for_the_user_to_say(put: Any) -> None:
    path = put(SYMBOLS.format("", ""))
    with pytest.raises(DataError, match=r"symbol='A'.*symbol=False"):
        load(path)
    assert len(load(path, symbol="A")) == 1
    assert len(load(path, symbol=False)) == 3


def test_one_series_under_several_symbols(put: Any) -> None:
    path = put(SYMBOLS.format("B", "B"))
    with pytest.raises(DataError, match="symbol=False"):
        load(path)
    bars = load(path, symbol=False)
    assert len(bars) == 3
    assert any("one series, as asked" in note for note in bars.notes)
    assert len(Bars.from_frame(pl.read_csv(path), symbol=False)) == 3


def test_numbers_of_other_rows_are_no_position() -> None:
    every = pd.DataFrame(
        {
            "Date": pd.date_range("2024-01-01", periods=20),
            **{n: np.full(20, 10.0) for n in ("open", "high", "low", "close")},
        }
    )
    signal = pd.Series([0] * 5 + [1, 1] + [0] * 13)
    for frame, targets in ((every[:10], signal[4:14]), (every[:10].set_index("Date"), signal[10:])):
        with pytest.raises(PeakFastError, match="neither times nor rows"):
            BacktestEngine().run(frame, targets)
    same = BacktestEngine().run(every[4:14], signal[4:14])
    assert same.trades.height == 1
    assert str(same.trades["entry_time"].to_list()[0])[:10] == "2024-01-07"
    dated = pd.DataFrame({"Date": every["Date"], "signal": signal})[
        4:14
    ]  # a column of times counts, not the numbers
    assert BacktestEngine().run(every[4:14], dated).trades.height == same.trades.height


INDEX = pd.date_range("2024-01-01", periods=6, freq="D")
BARS = pd.DataFrame({"open": 10.0, "high": 12.0, "low": 9.0, "close": 10.0}, index=INDEX)
RATES = pd.Series([0.001 * i for i in range(18)], index=pd.date_range("2024-01-01", periods=18, freq="8h"))


def paid(funding: Any, times: Any) -> float:
    trip = pd.DataFrame({"timestamp": [INDEX[0], INDEX[4]], "side": ["buy", "sell"], "size": [1.0, 1.0]})
    return float(simulate_orders(BARS, trip, funding=funding, funding_times=times).stats["total_funding"])


def test_rates_that_carry_times_go_to_these_moments() -> None:
    right = paid(RATES.to_numpy(), RATES.index)
    assert paid(RATES, RATES.index) == pytest.approx(right)
    assert paid(RATES[::-1], RATES.index) == pytest.approx(right)
    frame = pl.DataFrame({"time": RATES.index.to_numpy(), "rate": RATES.to_numpy()}).reverse()
    assert paid(frame, RATES.index) == pytest.approx(right)
    assert paid(RATES.reset_index(drop=True), RATES.index) == pytest.approx(right)
    with pytest.raises(DataError, match="funding: no value for"):
        paid(pd.Series(RATES.to_numpy(), index=RATES.index + pd.Timedelta(days=90)), RATES.index)
    book = [
        BacktestEngine(order_book=OrderBook(funding=given, funding_times=RATES.index)).run(
            BARS, [1, 1, 1, 1, 0, 0]
        )
        for given in (RATES, RATES[::-1])
    ]
    assert book[0].stats["total_funding"] == pytest.approx(book[1].stats["total_funding"])
    assert book[0].stats["total_funding"] != 0.0


def test_a_moment_of_funding_stands_there_once() -> None:
    with pytest.raises(DataError, match="more than once"):
        paid(np.append(RATES.to_numpy(), 0.001), RATES.index.append(RATES.index[7:8]))


HEADLESS = {
    "yahoo": (
        "{},187.15,188.44,183.88,185.64,184.73,82488700\n{},184.22,185.88,183.43,184.25,183.45,58414500\n",
        82488700,
    ),
    "adjusted long ago": (
        "{},187,188.5,183.5,185.5,18.55,82488700\n{},184,186,183,184,18.4,58414500\n2024-01-04,182,183,181,182,18.2,7198\n",
        82488700,
    ),
    "brokers": (
        "{},187.15,188.44,183.88,185.64,82488700,185.9,1008871\n{},184.2,185.9,183.4,184.2,58414500,184.3,656956\n",
        82488700,
    ),
    "alpaca": (
        "{},187.15,188.44,183.88,185.64,82488700,1008871,185.9\n{},184.2,185.9,183.4,184.2,58414500,656956,184.3\n",
        82488700,
    ),
    "money first": (
        "{},10.00,12.00,9.00,11.00,1100000.00,100000\n{},11.00,13.00,10.00,12.00,2400000.00,200000\n",
        100000,
    ),
    "money last": (
        "{},10.00,12.00,9.00,11.00,100000,1100000.00\n{},11.00,13.00,10.00,12.00,200000,2400000.00\n",
        100000,
    ),
    "interest": ("{},10,12,9,11,100000,5000\n{},11,13,10,12,100000,5000\n", 100000),
    "constant": ("{},100,101,99,100,100\n{},100,101,99,100,100\n", 100),
}


@pytest.mark.parametrize("name", HEADLESS)
def test_the_volume_of_rows_without_a_header(put: Any, name: str) -> None:
    text, volume = HEADLESS[name]
    bars = load(put(text.format("2024-01-02", "2024-01-03")))
    assert bars.volume is not None
    assert bars.volume[0] == volume


def test_prices_of_the_other_side_are_no_volume(put: Any) -> None:
    quotes = (
        "01/16/2024,187.15,187.3,186.9,187,187.25,187.4,187,187.1\n"
        "01/17/2024,187,187.2,186.8,187.1,187.1,187.3,186.9,187.2\n"
    )
    with pytest.raises(DataError, match="no known form"):
        load(put(quotes))


@pytest.mark.parametrize(
    ("name", "hour", "told"),
    [
        ("Datetime (America/New_York)", 14, "America/New_York"),
        ("Timestamp (UTC+8)", 1, "Etc/GMT-8"),
        ("Date Time (GMT+2)", 7, "Etc/GMT-2"),
        ("Time (EET)", 9, "'EET'"),
        ("time_EST", 9, "'EST'"),
        ("Time (UTC+5:30)", 9, "'UTC+5:30'"),
        ("time_utc", 9, None),
    ],
)
def test_a_zone_in_the_name_of_the_times(put: Any, name: str, hour: int, told: str | None) -> None:
    path = put(
        f"{name},Open,High,Low,Close\n2024-01-02 09:30:00,10,12,9,11\n2024-01-02 09:31:00,11,13,10,12\n"
    )
    bars = load(path)
    assert bars.span[0].astimezone(UTC).hour == hour
    notes = [note for note in bars.notes if "offset" in note]
    assert bool(notes) == (told is not None) and (told is None or told in notes[0])
    assert load(path, time_zone="Asia/Tokyo").span[0].astimezone(UTC).hour == 0


def test_a_zone_beside_the_rows_of_an_answer(put: Any) -> None:
    text = (
        '{"Meta Data":{"6. Time Zone":"US/Eastern"},"Time Series (5min)":{"2024-01-02 09:35:00":{"1. open":"161.0",'
        '"2. high":"161.7","3. low":"160.0","4. close":"160.1"},"2024-01-02 09:30:00":{"1. open":"162.8",'
        '"2. high":"163.2",'
        '"3. low":"160.4","4. close":"161.5"}}}'
    )
    assert load(put(text, "x.json")).span[0].astimezone(UTC).hour == 14
    exchange = (
        '{"meta":{"exchange_timezone":"America/New_York"},"values":[{"datetime":"2024-01-02 09:30:00","open":"1.1",'
        '"high":"1.2","low":"1.0","close":"1.15"},'
        '{"datetime":"2024-01-02 09:31:00","open":"1","high":"1","low":"1","close":"1"}]}'
    )
    bars = load(put(exchange, "y.json"))
    assert bars.span[0].hour == 9
    assert any("exchange_timezone" in note for note in bars.notes)


@pytest.mark.parametrize(
    ("name", "volume"),
    [("Volume ($)", None), ("Volume (USD)", None), ("Volume MA", None), ("Volume Change", None), ("Volume %", None),
     ("Vol. SMA 20", None), ("Volume (000s)", 3000.0), ("Volume (mn)", 3e6), ("Volume (shares)", 3.0),
     ("Volume USDT", 3.0)],
)  # fmt: skip
def test_the_unit_of_a_volume(put: Any, name: str, volume: float | None) -> None:
    bars = load(put(f"Date,Open,High,Low,Close,{name}\n2024-01-02,10,12,9,11,3\n2024-01-03,10,12,9,11,5\n"))
    assert (None if bars.volume is None else bars.volume[0]) == volume
    assert any(repr(name) in note for note in bars.notes)


def test_money_and_shares_in_german(put: Any) -> None:
    head = "Datum;Eröffnung;Schluss;Tageshoch;Tagestief;Umsatz (€)"
    both = load(put(f"{head};Umsatz (St.)\n15.01.2024;48,50;48,90;49,10;48,20;1.234.567,89;25.300\n"))
    assert both.volume is not None and both.volume[0] == 25300.0
    assert any("'Umsatz (€)' counts money" in note for note in both.notes)
    assert load(put(f"{head}\n15.01.2024;48,50;48,90;49,10;48,20;1.234.567,89\n")).volume is None


def test_unfinished_bars_are_left_out(put: Any) -> None:
    text = "time,open,high,low,close,confirm\n2024-01-02,1,2,1,1,{}\n2024-01-03,1,2,1,1,{}\n"
    for done, running in (("1", "0"), ("true", "false")):
        bars = load(put(text.format(done, running)))
        assert len(bars) == 1
        assert any("unfinished in column 'confirm'" in note for note in bars.notes)
    assert len(load(put(text.format("1", "1")))) == 2
    kept = load(put(text.format("0", "0")))
    assert len(kept) == 2 and any("every bar as unfinished" in note for note in kept.notes)
    frame = {
        "date": ["2024-01-02", "2024-01-03"],
        "complete": [True, False],
        **{key: [1.0, 1.0] for key in ("open", "high", "low", "close")},
    }
    assert len(Bars.from_frame(frame)) == len(Bars.from_frame(pd.DataFrame(frame))) == 1
