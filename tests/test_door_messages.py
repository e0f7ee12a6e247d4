"""What notes and refusals about files and frames say is so, and the way that they name exists."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from peak_fast import (
    BacktestEngine,
    Bars,
    ConfigError,
    Costs,
    DataError,
    Financing,
    Panel,
    PeakFastError,
    Sweep,
    load,
    sample,
    simulate_orders,
)  # fmt: skip

HEADER = "Date,Open,High,Low,Close\n"
FLAT = {"open": [10.0] * 6, "high": [12.0] * 6, "low": [9.0] * 6, "close": [10.0] * 6}


@pytest.fixture
def put(tmp_path: Path) -> Any:
    def write(text: str, name: str = "bars.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", ["adj_factor", "AdjustmentFactor", "Dividend", "Adj Close", "Stock Splits"])
def test_adjusting_is_promised_where_it_works(put: Any, name: str) -> None:
    path = put(f"date,open,high,low,close,{name}\n2024-01-02,10,12,9,10,2\n2024-01-03,5,6,4,5,4\n")
    note = next(note for note in load(path).notes if name in note)
    if "adjust=True adjusts" in note:
        assert load(path, adjust=True).hash
    else:
        with pytest.raises(DataError, match="adjust=True"):
            load(path, adjust=True)


def test_other_names_of_an_adjusted_close(put: Any) -> None:
    text = "Date,Open,High,Low,Close,AdjustmentClose\n2024-01-05,250,265,250,260,130\n2024-01-08,130,135,125,131,131\n"
    assert any("'AdjustmentClose'" in note for note in load(put(text)).notes)
    assert load(put(text), adjust=True).close.tolist() == [130.0, 131.0]


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, dict])
def test_a_time_of_day_as_a_span(kind: Any) -> None:
    frame = {
        "Date": [date(2024, 1, 2)] * 2,
        "Time": [timedelta(hours=9, minutes=30), timedelta(hours=9, minutes=31)],
        **{name: values[:2] for name, values in FLAT.items()},
    }
    bars = Bars.from_frame(kind(frame))
    assert [f"{bars.span[0]:%H:%M}", f"{bars.span[1]:%H:%M}"] == ["09:30", "09:31"]


def test_a_time_of_day_as_pandas_writes_a_span(put: Any) -> None:
    frame = pd.DataFrame(
        {
            "Date": "2024-01-02",
            "Time": pd.to_timedelta(["09:30:00", "09:31:00"]),
            **{n: v[:2] for n, v in FLAT.items()},
        }
    )
    bars = load(put(frame.to_csv(index=False)))
    assert bars.span[0].hour == 9


@pytest.mark.parametrize("blank", ["\u00a0", "\u202f", "\u2009", " "])
def test_blanks_between_thousands(put: Any, blank: str) -> None:
    text = "Date;Open;High;Low;Close;Volume\n2024-01-02;1 234,50;1 240,00;1 230,00;1 235,25;1 012 345\n"
    bars = load(put(text.replace(" ", blank)))
    assert bars.open[0] == 1234.5
    assert bars.volume is not None and bars.volume[0] == 1012345


@pytest.mark.parametrize(
    "times", [[20240101, 20240105], [1704067200, 1704412800], [1704067200000, 1704412800000]]
)
def test_times_of_orders_as_numbers(times: Any) -> None:
    bars = pd.DataFrame(FLAT, index=pd.date_range("2024-01-01", periods=6, freq="D"))
    orders = pd.DataFrame({"timestamp": times, "side": ["buy", "sell"], "size": [1.0, 1.0]})
    fills = simulate_orders(bars, orders).fills["time"].to_list()
    assert [str(time)[:10] for time in fills] == ["2024-01-02", "2024-01-06"]


def test_a_form_without_names_beside_a_header(put: Any) -> None:
    path = put("Date,Open,High,Low,Close,Volume\n2024-01-02,10,12,9,11,100\n")
    for name in ("bitfinex", "coinbase"):
        bars = load(path, dialect=name)
        assert bars.close[0] == 11.0
        assert any(f"dialect={name!r}" in note for note in bars.notes)


def test_notes_on_times_in_parts_and_on_none(put: Any) -> None:
    text = "year,month,day,hour,minute,open,high,low,close\n2024,1,2,9,30,1,2,1,1\n2024,1,2,9,31,1,2,1,1\n"
    notes = load(put(text)).notes
    assert any("joined from 'year'" in note for note in notes)
    assert not any("was not used" in note or "'date' and 'time'" in note for note in notes)
    none = load(put(HEADER + "2024-01-02,1,2,1,1\n"), timestamp=False).notes
    assert any("timestamp=False" in note and "'Date'" in note for note in none)


@pytest.mark.parametrize("form", ["{}p", "({})", "{}s"])
def test_prices_in_an_unknown_notation_are_named(put: Any, form: str) -> None:
    row = ",".join(form.format(price) for price in ("10.5", "12.5", "9.5", "11.5"))
    with pytest.raises(DataError, match="'Open' is no number") as caught:
        load(put(f"{HEADER}2024-01-02,{row}\n2024-01-03,{row}\n"))
    assert "separator=" not in str(caught.value)


def test_advice_that_can_be_followed(put: Any) -> None:
    with pytest.raises(DataError, match="correct that row, or remove it"):
        load(put(HEADER.replace("Close", "Close,Volume") + "2024-01-02,1,2,1,1,5\nTotal,,,,,5\n"))
    with pytest.raises(DataError, match=r"from_dicts.*DataFrame\("):
        Bars.from_frame([{"open": 1.0}])
    index = pd.date_range("2024-01-01", periods=6)
    with pytest.raises(PeakFastError, match="to_datetime") as caught:
        BacktestEngine().run(
            pd.DataFrame(FLAT, index=index), pd.Series([0, 1, 1, 0, 0, 0], index=index.strftime("%d/%m/%Y"))
        )
    assert "pass date_order" not in str(caught.value)


def test_a_series_of_prices_and_a_forgotten_return() -> None:
    with pytest.raises(DataError, match=r"a frame or a dict of arrays.*got pandas\.Series"):
        BacktestEngine().run(pd.Series([1.0, 2.0, 3.0]), "buy_and_hold")
    with pytest.raises(PeakFastError, match=r"expected one value a bar \(6\); got None; return the column"):
        BacktestEngine().run(FLAT, lambda frame, params: None)


def test_a_part_of_bars_and_of_a_panel_by_dates() -> None:
    bars = sample("AAPL")
    part = bars.slice("2010-01-01", date(2011, 1, 1))
    assert [f"{when:%Y-%m-%d}" for when in part.span] == ["2010-01-04", "2010-12-31"]
    assert part.hash == Panel.from_frame({"AAPL": bars}).slice("2010-01-01", "2011-01-01")["AAPL"].hash
    assert len(bars.slice("2013-03-01")) == len(bars.slice(-1)) == 1
    with pytest.raises(DataError, match="'2010-13-01'"):
        bars.slice("2010-13-01")
    with pytest.raises(DataError, match="there are no times; expected the number of a bar"):
        Bars.from_frame(FLAT).slice("2010-01-01")


@pytest.mark.parametrize("edge", ["", pd.NaT, np.datetime64("NaT"), True])
@pytest.mark.parametrize("panel", [False, True])
def test_an_edge_that_is_no_time_is_not_the_first_bar(edge: Any, panel: bool) -> None:
    bars = sample("AAPL")
    data = Panel.from_frame({"AAPL": bars}) if panel else bars
    for edges in ((edge,), (None, edge)):
        with pytest.raises(DataError, match=r"a time or the number|as timestamps|as a timestamp"):
            data.slice(*edges)


def test_a_date_of_financing_that_is_none_and_per_cents() -> None:
    with pytest.raises(DataError, match=r"Financing\.dividends: .*'2012-13-09'"):
        Financing(dividends={"2012-13-09": 2.65})
    with pytest.raises(ConfigError, match=r"expected less than 1; got 10; a fraction: 2 per cent is 0\.02$"):
        Costs(rate=10)


def test_a_grid_in_the_place_of_data_and_a_section_without_its_list() -> None:
    with pytest.raises(ConfigError, match=r"Sweep: grid: .*the order is Sweep\(strategy, grid, data\)"):
        Sweep("ma_crossover", sample("AAPL"), {"fast": [5]})
    with pytest.raises(ConfigError, match=r"sections: .*\[verdict\.section\(\)\]"):
        BacktestEngine().run(sample("AAPL"), "buy_and_hold").report("x.html", sections="<section>")
