"""Bars in JSON: what APIs and pandas write."""

import json

import pandas as pd
import pytest

from peak_fast import DataError, load
from tests.test_vendor_forms import check
from tests.vendor_forms import DAYS, MINUTES, PRICES, VOLUME

SECONDS = (1706711400, 1706711460, 1706711520)
MILLISECONDS = tuple(1000 * value for value in SECONDS)
TEXT_DAYS = tuple(day[:10] for day in DAYS)


def records(times, *, names=("time", "open", "high", "low", "close", "volume"), change=float):
    columns = [
        times,
        *([change(value) for value in PRICES[price]] for price in PRICES),
        [change(v) for v in VOLUME],
    ]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def arrays(times, order=(0, 1, 2, 3, 4, 5), change=float):
    rows = [list(record.values()) for record in records(times, change=change)]
    return [[row[i] for i in order] for row in rows]


def columns(times, names):
    made = records(times, names=names)
    return {name: [record[name] for record in made] for name in names}


LETTERS = ("t", "o", "h", "l", "c", "v")
WORDS = (*PRICES, "volume")
NUMBERED = ("1. open", "2. high", "3. low", "4. close", "5. volume")
OANDA = [
    {
        "complete": True,
        "volume": int(r["v"]),
        "time": t + ".000000000Z",
        "mid": {k: str(r[k]) for k in "ohlc"},
    }
    for t, r in zip(MINUTES, records(MINUTES, names=LETTERS), strict=True)
]
ALPHA = {t.replace("T", " "): dict(zip(NUMBERED, [str(x) for x in list(r.values())[1:]], strict=True))
         for t, r in zip(MINUTES, records(MINUTES), strict=True)}  # fmt: skip
NEWEST_FIRST = dict(reversed(ALPHA.items()))
YAHOO = {
    "meta": {"symbol": "XYZ", "currency": "USD"}, "timestamp": list(SECONDS),
    "indicators": {"quote": [columns(SECONDS, ("x", "open", "high", "low", "close", "volume"))]},
}  # fmt: skip
YAHOO["indicators"]["quote"][0].pop("x")

FORMS = {
    "moex": ({"candles": {"columns": ["begin", *WORDS], "data": arrays(MINUTES)}}, MINUTES),
    "upbit": ([{"market": "KRW-BTC", "candle_date_time_utc": r["time"],
                "candle_date_time_kst": r["time"].replace("T14", "T23"),
                "opening_price": r["open"], "high_price": r["high"], "low_price": r["low"], "trade_price": r["close"],
                "timestamp": 1706711400123, "candle_acc_trade_price": 5.0, "candle_acc_trade_volume": r["volume"]}
               for r in records(MINUTES)[::-1]], MINUTES),
    "ccxt": (arrays(MILLISECONDS), MINUTES),
    "binance_api": ([[*row, t + 59999, "1.0", 7, "0.5", "0.5", "0"] for t, row in
                     zip(MILLISECONDS, arrays(MILLISECONDS, change=str), strict=True)], MINUTES),
    "polygon": ({"ticker": "XYZ", "results": records(MILLISECONDS, names=LETTERS), "status": "OK"}, MINUTES),
    "alpaca": ({"bars": records([t + "Z" for t in MINUTES], names=LETTERS), "symbol": "XYZ", "next_page_token": None},
               MINUTES),
    "alpaca_one_symbol": ({"bars": {"XYZ": records([t + "Z" for t in MINUTES], names=LETTERS)}}, MINUTES),
    "finnhub": ({**columns(SECONDS, LETTERS), "s": "ok"}, MINUTES),
    "alpha_vantage": ({"Meta Data": {"2. Symbol": "XYZ"}, "Time Series (1min)": NEWEST_FIRST}, MINUTES),
    "yahoo_chart": ({"chart": {"result": [YAHOO], "error": None}}, MINUTES),
    "twelve_data": ({"meta": {"symbol": "XYZ"}, "values": records(TEXT_DAYS, names=("datetime", *WORDS),
                     change=str)[::-1], "status": "ok"}, DAYS),
    "kraken_api": ({"error": [], "result": {"XXBTZUSD": [[*row[:5], row[4], row[5], 12] for row in
                    arrays(SECONDS, change=str)], "last": 1706711520}}, MINUTES),
    "bybit": ({"retCode": 0, "result": {"symbol": "XYZ", "list": [[*row, "5000"] for row in
               arrays(map(str, MILLISECONDS), change=str)][::-1]}}, MINUTES),
    "okx": ({"code": "0", "msg": "", "data": [[*row, "5", "6", "1"] for row in
             arrays(map(str, MILLISECONDS), change=str)][::-1]}, MINUTES),
    "coinbase": (arrays(SECONDS, order=(0, 3, 2, 1, 4, 5))[::-1], MINUTES),
    "bitfinex": (arrays(MILLISECONDS, order=(0, 1, 4, 2, 3, 5)), MINUTES),
    "bitstamp": ({"data": {"pair": "BTC/USD", "ohlc": records(map(str, SECONDS), names=("timestamp", *WORDS),
                  change=str)}}, MINUTES),
    "oanda": ({"instrument": "EUR_USD", "granularity": "M1", "candles": OANDA}, MINUTES),
    "schwab": ({"candles": records(MILLISECONDS, names=("datetime", *WORDS)), "symbol": "XYZ",
                "empty": False}, MINUTES),
    "tiingo": ([{**record, "adjClose": record["close"], "divCash": 0.0} for record in
                records([d + "T00:00:00.000Z" for d in TEXT_DAYS], names=("date", *WORDS))], DAYS),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_answers_of_apis(name, tmp_path):
    node, times = FORMS[name]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(node))
    check(load(path), times, ())


@pytest.mark.filterwarnings("ignore:'epoch' date format")
@pytest.mark.parametrize("orient", ["split", "records", "index", "columns", "table"])
@pytest.mark.parametrize("indexed", [True, False])
def test_pandas(orient, indexed, tmp_path):
    frame = pd.DataFrame({"Date": pd.to_datetime(list(DAYS)), **PRICES, "volume": VOLUME})
    if indexed:
        if orient == "records":
            pytest.skip("pandas leaves the index out of records")
        frame = frame.set_index("Date")
    frame.to_json(tmp_path / "x.json", orient=orient, date_format="iso")
    check(load(tmp_path / "x.json"), DAYS, ())
    if orient != "table":
        frame.to_json(tmp_path / "y.json", orient=orient, date_format="epoch")
        check(load(tmp_path / "y.json"), DAYS, ())


def test_lines(tmp_path):
    for ending in ("json", "jsonl", "ndjson"):
        path = tmp_path / f"x.{ending}"
        path.write_text("\n".join(json.dumps(record) for record in records(TEXT_DAYS)) + "\n")
        check(load(path), DAYS, ())


def test_several_symbols(tmp_path):
    other = [{**record, "o": 10.25} for record in records([t + "Z" for t in MINUTES], names=LETTERS)]
    path = tmp_path / "x.json"
    bars = {"XYZ": records([t + "Z" for t in MINUTES], names=LETTERS), "ABC": other}
    path.write_text(json.dumps({"bars": bars}))
    with pytest.raises(
        DataError, match="2 tables of prices, under 'XYZ', 'ABC'; say which with symbol='XYZ'"
    ):
        load(path)
    check(load(path, symbol="XYZ"), MINUTES, ("'XYZ'",))
    with pytest.raises(DataError, match="symbol 'QQQ'; there are 'XYZ', 'ABC'"):
        load(path, symbol="QQQ")


def test_bid_and_ask(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"candles": [{**candle, "bid": candle["mid"]} for candle in OANDA]}))
    with pytest.raises(DataError, match=r"prices of 'bid', 'mid'; say which with columns=.*'open': 'mid.o'"):
        load(path)
    chosen = {"open": "mid.o", "high": "mid.h", "low": "mid.l", "close": "mid.c"}
    check(load(path, columns=chosen), MINUTES, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"Note": "Thank you for using our API"}', "no table of prices in this JSON; it says 'Thank you"),
        ("[]", "no table of prices"),
        ("[1, 2", "cannot be read as JSON .line 1"),
        ('{"a": 1}\n{"a": ', "cannot be read as JSON"),
        ("[[1, 2, 3, 4, 5]]", "no header line|no known form"),
    ],
)
def test_refused(text, message, tmp_path):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "x.json")
