"""Three bars in the forms of many writers; prices are made up.

Every form says the same bars, so that one answer fits all: daily bars of 29, 30 and 31 January 2024, or bars of a
minute from 14:30 on 31 January 2024, both in UTC.
"""

# Lines of files stay whole, so that they can be read.
# ruff: noqa: E501

from __future__ import annotations

import re

DAYS = ("2024-01-29T00:00:00", "2024-01-30T00:00:00", "2024-01-31T00:00:00")
MINUTES = ("2024-01-31T14:30:00", "2024-01-31T14:31:00", "2024-01-31T14:32:00")
PRICES = {
    "open": (10.0, 10.5, 11.25),
    "high": (11.0, 12.0, 11.75),
    "low": (9.5, 10.25, 10.0),
    "close": (10.5, 11.5, 10.25),
}
VOLUME = (1000.0, 2000.0, 1500.0)

_EPOCHS = {"D": (1706486400, 1706572800, 1706659200), "M": (1706711400, 1706711460, 1706711520)}
_DATES = {"D": ("2024-01-29", "2024-01-30", "2024-01-31"), "M": ("2024-01-31",) * 3}
_CLOCKS = {"D": ("00:00:00",) * 3, "M": ("14:30:00", "14:31:00", "14:32:00")}


def rows(pattern: str, newest_first: bool = False) -> str:
    """Lines of the three bars: {o} {h} {l} {c} {v} are figures, {Y} {m} {d} {H} {M} {t} parts and epoch of the time.

    Daily bars, or bars of a minute where the pattern has a clock ({H}) or says {minutes}.
    """
    kind = "M" if "{H}" in pattern or "{minutes}" in pattern or "{t}" in pattern else "D"
    lines = []
    for i in range(3):
        year, month, day = _DATES[kind][i].split("-")
        hour, minute, _ = _CLOCKS[kind][i].split(":")
        figures = [PRICES[name][i] for name in ("open", "high", "low", "close")]
        values = dict(zip("ohlc", (f"{value:g}" for value in figures), strict=True))
        values |= {"v": f"{VOLUME[i]:g}", "Y": year, "m": month, "d": day, "H": hour, "M": minute}
        values |= {"t": str(_EPOCHS[kind][i]), "minutes": ""}
        lines.append(re.sub(r"\{(\w+)\}", lambda match, v=values: str(v[match[1]]), pattern))
    return "\n".join(lines[::-1] if newest_first else lines)


def comma(text: str) -> str:
    """Decimal commas instead of points."""
    return re.sub(r"(?<=[0-9])\.(?=[0-9])", ",", text)


OHLCV = "{o},{h},{l},{c},{v}"

# name: (ending, text, options, times, ideas of notes that have to be told)
TEXTS: dict[str, tuple[str, str, dict, tuple[str, ...], tuple[str, ...]]] = {
    "yahoo_2023": (
        ".csv", "Date,Open,High,Low,Close,Adj Close,Volume\n" + rows("{Y}-{m}-{d},{o},{h},{l},{c},{c},{v}"), {}, DAYS,
        ("'Adj Close'",),
    ),
    "yahoo_page_copied": (
        ".tsv", "Date\tOpen\tHigh\tLow\tClose\tAdj Close\tVolume\n"
        + rows("Jan {d}, {Y}\t{o}\t{h}\t{l}\t{c}\t{c}\t{v}", newest_first=True), {}, DAYS, ("newest first",),
    ),
    "stooq_com": (".csv", "Date,Open,High,Low,Close,Volume\r\n" + rows("{Y}-{m}-{d}," + OHLCV) + "\r\n", {}, DAYS, ()),
    "stooq_bulk_5_minutes": (
        ".txt", "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
        + rows("XYZ.US,5,{Y}{m}{d},{H}{M}00," + OHLCV + ",0"), {}, MINUTES, ("<TIME>",),
    ),
    "stooq_bulk_without_header": (
        ".txt", rows("XYZ.US,5,{Y}{m}{d},{H}{M}00," + OHLCV + ",0"), {}, MINUTES, ("no header",),
    ),
    "binance_milliseconds": (
        ".csv", rows("{t}000," + OHLCV + ",{t}999,1.5,7,0.5,0.7,0"), {}, MINUTES, ("no header",),
    ),
    "binance_microseconds": (
        ".csv", rows("{t}000000," + OHLCV + ",{t}999999,1.5,7,0.5,0.7,0"), {}, MINUTES, ("no header",),
    ),
    "binance_futures_header": (
        ".csv", "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
        "taker_buy_quote_volume,ignore\n" + rows("{t}000," + OHLCV + ",{t}999,1.5,7,0.5,0.7,0"), {}, MINUTES,
        ("close_time",),
    ),
    "kraken": (".csv", rows("{t}," + OHLCV + ",12"), {}, MINUTES, ("no header",)),
    "coinbase_export": (
        ".csv", "time,low,high,open,close,volume\n" + rows("{t},{l},{h},{o},{c},{v}", newest_first=True), {}, MINUTES,
        ("newest first",),
    ),
    "coinbase_without_header": (".csv", rows("{t},{l},{h},{o},{c},{v}"), {}, MINUTES, ("low, high, open, close",)),
    "bitstamp_cryptodatadownload": (
        ".csv", "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n"
        + rows("{t},{Y}-{m}-{d} {H}:{M}:00,BTC/USD," + OHLCV + ",99.5", newest_first=True), {}, MINUTES,
        ("1 line before the header", "'Volume BTC'", "newest first"),
    ),
    "bitstamp_kaggle": (
        ".csv", "timestamp,open,high,low,close,volume\n" + rows("{t}.0,{o},{h},{l},{c},{v}.0"), {}, MINUTES, (),
    ),
    "tiingo": (
        ".csv", "date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor\n"
        + rows("{Y}-{m}-{d} 00:00:00+00:00,{c},{h},{l},{o},{v},{c},{h},{l},{o},{v},0.0,1.0"), {}, DAYS, ("adj",),
    ),
    "eodhd": (
        ".csv", "Date,Open,High,Low,Close,Adjusted_close,Volume\n" + rows("{Y}-{m}-{d},{o},{h},{l},{c},{c},{v}"), {},
        DAYS, ("Adjusted_close",),
    ),
    "eodhd_intraday": (
        ".csv", "Timestamp,Gmtoffset,Datetime,Open,High,Low,Close,Volume\n"
        + rows("{t},0,{Y}-{m}-{d} {H}:{M}:00," + OHLCV), {}, MINUTES, ("Datetime",),
    ),
    "alpha_vantage": (
        ".csv", "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient\n"
        + rows("{Y}-{m}-{d},{o},{h},{l},{c},{c},{v},0.0000,1.0", newest_first=True), {}, DAYS, ("newest first",),
    ),
    "twelve_data": (
        ".csv", "datetime;open;high;low;close;volume\n" + rows("{Y}-{m}-{d};{o};{h};{l};{c};{v}", newest_first=True), {},
        DAYS, ("newest first",),
    ),
    "iex": (
        ".csv", "date,minute,label,high,low,open,close,average,volume,notional,numberOfTrades\n"
        + rows("{Y}-{m}-{d},{H}:{M},{H}:{M} PM,{h},{l},{o},{c},10,{v},5000,7"),
        {}, MINUTES, ("'minute'",),
    ),
    "ib_insync": (
        ".csv", ",date,open,high,low,close,volume,average,barCount\n"
        + rows("0,{Y}-{m}-{d} {H}:{M}:00+00:00," + OHLCV + ",10.1,12"), {}, MINUTES, (),
    ),
    "ib_api_zone": (
        ".csv", "Date,Open,High,Low,Close,Volume\n" + rows("{Y}{m}{d} {H}:{M}:00 UTC," + OHLCV), {}, MINUTES, (),
    ),
    "ninjatrader": (
        ".txt", rows("{Y}{m}{d} {H}{M}00;{o};{h};{l};{c};{v}"), {"dialect": "ninjatrader"}, MINUTES,
        ("close",),
    ),
    "histdata": (".csv", rows("{Y}{m}{d} {H}{M}00;{o};{h};{l};{c};{v}"), {}, MINUTES, ("New York winter time",)),
    "tradestation": (
        ".txt", '"Date","Time","Open","High","Low","Close","Up","Down"\n'
        + rows("{m}/{d}/{Y},{H}:{M},{o},{h},{l},{c},600,400"), {}, MINUTES, ("month-first", "close of each bar"),
    ),
    "tradestation_short_clock": (
        ".txt", '"Date","Time","Open","High","Low","Close","Vol","OI"\n'
        + rows("{m}/{d}/{Y},{H}{M},{o},{h},{l},{c},{v},0"), {}, MINUTES, ("month-first",),
    ),
    "sierra_chart": (
        ".txt", "Date, Time, Open, High, Low, Last, Volume, NumberOfTrades, BidVolume, AskVolume\n"
        + rows("{Y}/{m}/{d}, {H}:{M}:00.000, {o}, {h}, {l}, {c}, {v}, 12, 400, 600"), {}, MINUTES, ("'Last'",),
    ),
    "firstrate": (".txt", rows("{Y}-{m}-{d} {H}:{M}:00," + OHLCV), {}, MINUTES, ("no header",)),
    "kibot": (".txt", rows("{m}/{d}/{Y},{H}:{M}," + OHLCV), {}, MINUTES, ("no header", "month-first")),
    "metatrader_4": (".csv", rows("{Y}.{m}.{d},{H}:{M}," + OHLCV), {}, MINUTES, ("ticks",)),
    "metatrader_5_days": (
        ".csv", "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
        + rows("{Y}.{m}.{d}\t{o}\t{h}\t{l}\t{c}\t{v}\t0\t12"), {}, DAYS, ("<TICKVOL>",),
    ),
    "barchart_footer": (
        ".csv", "Time,Open,High,Low,Last,Change,%Chg,Volume\n"
        + rows('{m}/{d}/{Y},{o},{h},{l},{c},0.5,"+1.25%",{v}', newest_first=True)
        + '\n"Downloaded from Barchart.com as of 02-01-2024 03:04am CST"\n', {}, DAYS,
        ("'Last'", "Downloaded from", "newest first", "month-first"),
    ),
    "nse_history": (
        ".csv", '"Date ","series ","OPEN ","HIGH ","LOW ","PREV. CLOSE ","ltp ","close ","vwap ","52W H","52W L ","VOLUME "'
        ',"VALUE ","No of trades "\n'
        + rows('"{d}-Jan-{Y}","EQ","{o}","{h}","{l}","9.9","{c}","{c}","10.1","99","1","{v}","5","7"', newest_first=True),
        {}, DAYS, ("newest first",),
    ),
    "nse_bhavcopy_udiff": (
        ".csv", "TradDt,BizDt,Sgmt,TckrSymb,SctySrs,OpnPric,HghPric,LwPric,ClsPric,LastPric,PrvsClsgPric,TtlTradgVol\n"
        + rows("{Y}-{m}-{d},{Y}-{m}-{d},CM,XYZ,EQ,{o},{h},{l},{c},{c},9.9,{v}"), {}, DAYS, ("OpnPric",),
    ),
    "nse_bhavcopy_old": (
        ".csv", "SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP,TOTALTRADES,ISIN,\n"
        + rows("XYZ,EQ,{o},{h},{l},{c},{c},9.9,{v},5000,{d}-JAN-{Y},7,IN000000001,"), {}, DAYS, ("TOTTRDQTY",),
    ),
    "finam": (
        ".txt", "<TICKER>;<PER>;<DATE>;<TIME>;<OPEN>;<HIGH>;<LOW>;<CLOSE>;<VOL>\n"
        + rows("XYZ;1;{Y}{m}{d};{H}{M}00;{o};{h};{l};{c};{v}"), {}, MINUTES, ("<TIME>",),
    ),
    "finam_short_dates": (
        ".txt", "<TICKER>;<PER>;<DATE>;<TIME>;<OPEN>;<HIGH>;<LOW>;<CLOSE>;<VOL>\n"
        + rows("XYZ;1;{d}/{m}/24;{H}:{M};{o};{h};{l};{c};{v}"), {"date_order": "dmy"}, MINUTES, ("two digits",),
    ),
    "moex_iss": (
        ".csv", "history\n\nBOARDID;TRADEDATE;SHORTNAME;SECID;NUMTRADES;VALUE;OPEN;LOW;HIGH;LEGALCLOSEPRICE;WAPRICE;CLOSE;"
        "VOLUME\n" + rows("TQBR;{Y}-{m}-{d};XYZ;XYZ;12;500;{o};{l};{h};{c};10;{c};{v}"), {}, DAYS,
        ("1 line before the header",),
    ),
    "oanda_export": (
        ".csv", "time,open,high,low,close,volume,complete\n" + rows("{Y}-{m}-{d}T{H}:{M}:00.000000000Z," + OHLCV + ",True"),
        {}, MINUTES, (),
    ),
    "tradingview_epoch": (
        ".csv", "time,open,high,low,close,Volume,Volume MA\n" + rows("{t}," + OHLCV + ",NaN"), {}, MINUTES, (),
    ),
    "tradingview_iso": (
        ".csv", "time,open,high,low,close,Volume\n" + rows("{Y}-{m}-{d}T15:{M}:00+01:00{minutes}," + OHLCV), {}, MINUTES, (),
    ),
    "norgate": (
        ".csv", "Date,Open,High,Low,Close,Volume,Turnover,Unadjusted Close,Dividend\n"
        + rows("{Y}{m}{d},{o},{h},{l},{c},{v},5000,{c},0"), {}, DAYS, (),
    ),
    "bloomberg_preamble": (
        ".csv", "Security,XYZ US Equity\nStart Date,29/01/2024\nEnd Date,31/01/2024\nPeriod,D\n\n"
        "Date,PX_OPEN,PX_HIGH,PX_LOW,PX_LAST,PX_VOLUME\n" + rows("{d}/{m}/{Y}," + OHLCV), {}, DAYS,
        ("4 lines before the header", "PX_LAST", "day-first"),
    ),
    "bloomberg_na": (
        ".csv", "Dates;PX_OPEN;PX_HIGH;PX_LOW;PX_LAST;PX_VOLUME\n28.01.2024;#N/A N/A;#N/A N/A;#N/A N/A;#N/A N/A;#N/A N/A\n"
        + comma(rows("{d}_{m}_{Y};{o};{h};{l};{c};{v}")).replace("_", "."), {"timestamp": "Dates"},
        ("2024-01-28T00:00:00", *DAYS), ("missing",),
    ),
    "lseg": (
        ".csv", "Date,OPEN_PRC,HIGH_1,LOW_1,TRDPRC_1,ACVOL_UNS\n" + rows("{Y}-{m}-{d}," + OHLCV), {}, DAYS, ("TRDPRC_1",),
    ),
    "quandl_futures": (
        ".csv", "Date,Open,High,Low,Last,Change,Settle,Volume,Previous Day Open Interest\n"
        + rows("{Y}-{m}-{d},{o},{h},{l},10.4,0.1,{c},{v},99"), {}, DAYS, ("Settle",),
    ),
    "quantconnect_crypto": (
        ".csv", rows("{Y}{m}{d} {H}:{M}," + OHLCV).replace("10,", "10.0,"), {}, MINUTES, ("no header",),
    ),
    "databento_pretty": (
        ".csv", "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol\n"
        + rows("{Y}-{m}-{d}T{H}:{M}:00.000000000Z,33,1,5482," + OHLCV + ",XYZ"), {}, MINUTES, (),
    ),
    "databento_raw": (
        ".csv", "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume\n"
        + re.sub(r",([0-9.]+)(?=,)", lambda m: f",{round(float(m[1]) * 1e9)}", rows("{t}000000000,{o},{h},{l},{c},{v}"))
        .replace("000000000,", "000000000,33,1,5482,", 1).replace("\n1706711460000000000", "\n1706711460000000000,33,1,5482")
        .replace("\n1706711520000000000", "\n1706711520000000000,33,1,5482"), {"dialect": "databento"}, MINUTES,
        ("divided by 1,000,000,000",),
    ),
    "german_excel": (
        ".csv", "sep=;\nDatum;Eröffnung;Hoch;Tief;Schluss;Volumen\n"
        + comma(rows("{d}_{m}_{Y};{o};{h};{l};{c};{v}", newest_first=True)).replace("_", "."), {}, DAYS,
        ("German", "1 line before the header", "newest first"),
    ),
    "investing_german": (
        ".csv", '﻿"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"\n'
        + re.sub(r"(\d)\.(\d)", r"\1,\2", rows('"{d}_{m}_{Y}","{c}","{o}","{h}","{l}","{v}","0.1%"')).replace("_", "."),
        {}, DAYS, ("German",),
    ),
    "thousands": (
        ".csv", "Date,Open,High,Low,Close,Volume\n"
        + rows('{Y}-{m}-{d},"{o}","{h}","{l}","{c}","{v}"').replace('"1000"', '"1,000"').replace('"2000"', "2.00K")
        .replace('"1500"', '"1,500.0"'), {}, DAYS, (),
    ),
    "dollars": (
        ".csv", "Date,Close/Last,Volume,Open,High,Low\n" + rows("{m}/{d}/{Y},${c},{v},${o},${h},${l}"), {}, DAYS,
        ("Close/Last",),
    ),
    "blanks": (".txt", "Date       Open   High   Low   Close  Volume\n" + rows("{Y}-{m}-{d}   {o}  {h}  {l}  {c}   {v}"),
               {}, DAYS, ()),
    "bars_apart": (".txt", "Date|Open|High|Low|Close|Volume\n" + rows("{Y}-{m}-{d}|{o}|{h}|{l}|{c}|{v}"), {}, DAYS, ()),
    "shuffled_and_shouted": (
        ".csv", "LOW,volume , Close,DATE_TIME,high,Open.\n" + rows("{l},{v},{c},{Y}-{m}-{d} {H}:{M},{h},{o}"), {},
        MINUTES, (),
    ),
    "joined_files": (
        ".csv", "Date,Open,High,Low,Close,Volume\n" + rows("{Y}-{m}-{d}," + OHLCV).replace("\n2024-01-31", "\nDate,Open,High,"
        "Low,Close,Volume\n2024-01-31"), {}, DAYS, ("header line appears again",),
    ),
    "comments_between": (
        ".csv", "# one\nDate,Open,High,Low,Close,Volume\n" + rows("{Y}-{m}-{d}," + OHLCV).replace("\n2024-01-31", "\n# two\n2024"
        "-01-31"), {}, DAYS, ("before the header", "comment"),
    ),
    "hash_before_the_header": (
        ".csv", "#Date,Open,High,Low,Close,Volume\n" + rows("{Y}-{m}-{d}," + OHLCV), {}, DAYS, (),
    ),
    "empty_columns_at_the_end": (
        ".csv", "Date,Open,High,Low,Close,Volume,,\n" + rows("{Y}-{m}-{d}," + OHLCV + ",,") + "\n,,,,,,,\n", {}, DAYS, (),
    ),
    "old_macintosh": (
        ".csv", "Date,Open,High,Low,Close,Volume\r" + rows("{Y}-{m}-{d}," + OHLCV).replace("\n", "\r"), {}, DAYS, (),
    ),
    "spanish": (
        ".csv", "Fecha;Apertura;Máximo;Mínimo;Cierre;Volumen\n" + comma(rows("{Y}-{m}-{d};{o};{h};{l};{c};{v}")), {}, DAYS,
        ("Spanish",),
    ),
    "japanese": (".csv", "日付,始値,高値,安値,終値,出来高\n" + rows("{Y}/{m}/{d}," + OHLCV), {}, DAYS, ("Japanese",)),
    "yfinance_group_by_ticker": (
        ".csv", "Ticker,XYZ,XYZ,XYZ,XYZ,XYZ\nPrice,Open,High,Low,Close,Volume\nDate,,,,,\n" + rows("{Y}-{m}-{d}," + OHLCV),
        {}, DAYS, ("3 header lines",),
    ),
    "yfinance_old_two_lines": (
        ".csv", ",Open,High,Low,Close,Volume\n,XYZ,XYZ,XYZ,XYZ,XYZ\nDate,,,,,\n" + rows("{Y}-{m}-{d}," + OHLCV), {}, DAYS, (),
    ),
    "columns_by_position": (
        ".csv", rows("x,{o},{h},{l},{c},y,{Y}-{m}-{d},{v}"),
        {"timestamp": "column_7", "columns": {"open": "column_2", "high": "column_3", "low": "column_4",
                                              "close": "column_5", "volume": "column_8"}}, DAYS, (),
    ),
    "shorter_header_by_position": (
        ".csv", "Date,Open,High,Low,Close,Volume\n" + rows("{Y}-{m}-{d},{H}:{M}," + OHLCV),
        {"timestamp": ("column_1", "column_2"), "columns": {"open": "column_3", "high": "column_4", "low": "column_5",
                                                            "close": "column_6", "volume": "column_7"}}, MINUTES,
        ("header line was skipped",),
    ),
    "shorter_header_by_form": (
        ".csv", "Date,Open,High,Low,Close,Volume\n" + rows("{Y}-{m}-{d},{H}:{M}," + OHLCV), {"dialect": "date_time_volume"},
        MINUTES, ("header line was skipped",),
    ),
    "quantmod": (".csv", '"","XYZ.Open","XYZ.High","XYZ.Low","XYZ.Close","XYZ.Volume","XYZ.Adjusted"\n' + rows('"{Y}-{m}-{d}",{o},{h},{l},{c},{v},{c}'), {}, DAYS, ("'XYZ'",)),
    "yfinance_flat": (".csv", "Date,Adj Close_XYZ,Close_XYZ,High_XYZ,Low_XYZ,Open_XYZ,Volume_XYZ\n" + rows("{Y}-{m}-{d},{c},{c},{h},{l},{o},{v}"), {}, DAYS, ("'XYZ'", "'Adj Close_XYZ' is not used")),
    "yfinance_flat_blank": (".csv", "Date,Close BTC-USD,High BTC-USD,Low BTC-USD,Open BTC-USD,Volume BTC-USD\n" + rows("{Y}-{m}-{d},{c},{h},{l},{o},{v}"), {}, DAYS, ("'BTC-USD'",)),
    "units_in_names": (".csv", "Date,Open (USD),High (USD),Low (USD),Close (USD),Volume\n" + rows("{Y}-{m}-{d}," + OHLCV), {}, DAYS, ("'USD'",)),
    "units_in_a_line": (".csv", "Date,Open,High,Low,Close,Volume\n,USD,USD,USD,USD,shares\n" + rows("{Y}-{m}-{d}," + OHLCV), {}, DAYS, ("USD,USD",)),
    "comma_behind_rows": (".csv", "Date,Open,High,Low,Close,Volume\n" + rows("{Y}-{m}-{d}," + OHLCV + ","), {}, DAYS, ()),
    "cut_in_the_last_line": (".csv", "Date,Open,High,Low,Close,Volume\n" + rows("{Y}-{m}-{d}," + OHLCV) + "\n2024-02-01,10.2,1", {}, DAYS, ("2024-02-01,10.2,1",)),
    "dividends_between": (".tsv", "Date\tOpen\tHigh\tLow\tClose*\tAdj Close**\tVolume\n" + rows("Jan {d}, {Y}\t{o}\t{h}\t{l}\t{c}\t{c}\t{v}", newest_first=True).replace("\nJan 29", "\nJan 30, 2024\t0.24 Dividend\nJan 29"), {}, DAYS, ("0.24 Dividend",)),
    "single_quotes": (".csv", "'Date','Open','High','Low','Close','Volume'\n" + rows("'{Y}-{m}-{d}','{o}','{h}','{l}','{c}','{v}'"), {}, DAYS, ()),
    "iqfeed": (".csv", rows("{Y}-{m}-{d} {H}:{M}:00,{h},{l},{o},{c},99999,{v}"), {}, MINUTES, ("high, low, open, close",)),
    "bitmex": (".csv", "timestamp,symbol,open,high,low,close,trades,volume,vwap,lastSize,turnover,homeNotional,foreignNotional\n" + rows("{Y}-{m}-{d}T{H}:{M}:00.000Z,XBTUSD,{o},{h},{l},{c},7,{v},10,1,2,3,4"), {}, MINUTES, ("close of each bar",)),
    "metastock": (".txt", "<TICKER>,<PER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n" + rows("XYZ,I,{Y}{m}{d},{H}{M}00," + OHLCV + ",0"), {}, MINUTES, ()),
    "coinapi": (".csv", "time_period_start;time_period_end;time_open;time_close;price_open;price_high;price_low;price_close;volume_traded\n" + rows("{Y}-{m}-{d}T{H}:{M}:00.0000000Z;{Y}-{m}-{d}T{H}:59:00.0000000Z;{Y}-{m}-{d}T{H}:{M}:03.1Z;{Y}-{m}-{d}T{H}:{M}:57.1Z;{o};{h};{l};{c};{v}"), {}, MINUTES, ("time_open",)),
    "interactive_brokers_dash": (".csv", "time,open,high,low,close,volume\n" + rows("{Y}{m}{d}-{H}:{M}:00," + OHLCV), {}, MINUTES, ()),
    "nse_index": (".csv", "Date ,Open ,High ,Low ,Close ,Shares Traded ,Turnover (Cr)\n" + rows("{d}-JAN-{Y}," + OHLCV + ",55"), {}, DAYS, ("Shares Traded",)),
    "bse": (".csv", "Date,Open Price,High Price,Low Price,Close Price,WAP,No.of Shares,No. of Trades\n" + rows("{d}-January-{Y},{o},{h},{l},{c},10.1,{v},7,", newest_first=True), {}, DAYS, ("No.of Shares",)),
    "year_month_day": (".csv", "Year,Month,Day,Open,High,Low,Close,Volume\n" + rows("{Y},{m},{d}," + OHLCV).replace(",01,", ",1,"), {}, DAYS, ("'Year', 'Month', 'Day'",)),
    "year_month_day_hour_minute": (".csv", "YEAR MONTH DAY HOUR MINUTE OPEN HIGH LOW CLOSE VOLUME\n" + rows("{Y} 1 {d} {H} {M} {o} {h} {l} {c} {v}"), {}, MINUTES, ("'HOUR', 'MINUTE'",)),
    "leading_zeros": (".csv", "Date,Open,High,Low,Close,Volume,Code\n" + rows("{Y}-{m}-{d},00{o},{h},{l},{c},000{v},00012"), {}, DAYS, ()),
    "tongdaxin": (".txt", "000001 平安银行 1分钟线\n 日期\t 时间\t 开盘\t 最高\t 最低\t 收盘\t 成交量\t 成交额\n" + rows("{Y}/{m}/{d}\t{H}{M}\t{o}\t{h}\t{l}\t{c}\t{v}\t55") + "\n#数据来源:通达信\n", {}, MINUTES, ("Chinese", "1 line before the header")),
    "wind": (".csv", "代码,名称,日期,开盘价(元),最高价(元),最低价(元),收盘价(元),成交量(股)\n" + rows("000001.SZ,平安银行,{Y}-{m}-{d}," + OHLCV), {}, DAYS, ("Chinese",)),
    "baostock": (".csv", "date,time,code,open,high,low,close,volume,amount,adjustflag\n" + rows("{Y}-{m}-{d},{Y}{m}{d}{H}{M}00000,sh.600000,{o},{h},{l},{c},{v},55,3"), {}, MINUTES, ()),
    "profit": (".csv", "Ativo;Data;Hora;Abertura;Máximo;Mínimo;Fechamento;Volume;Quantidade\n" + comma(rows("WINFUT;{d}/{m}/{Y};{H}:{M}:00;{o};{h};{l};{c};55,5;{v}")), {}, MINUTES, ("Portuguese", "'Quantidade'")),
    "boursorama": (".txt", "date\touv\thaut\tbas\tclot\tvol\tdevise\t\n" + rows("{d}/{m}/{Y} 00:00\t{o}\t{h}\t{l}\t{c}\t{v}\tEUR\t"), {}, DAYS, ("French",)),
    "euronext": (".csv", '"Historical Data"\n"From 2024-01-29 to 2024-01-31"\nFR000\n\nDate;Open;High;Low;Last;Close;"Number of Shares";"Number of Trades";Turnover;vwap\n' + rows("{d}/{m}/{Y};{o};{h};{l};{c};{c};{v};7;55;10.1", newest_first=True), {}, DAYS, ("3 lines before the header", "'Number of Shares'")),
    "vix": (".csv", "CBOE Volatility Index\nDate,VIX Open,VIX High,VIX Low,VIX Close\n" + rows("{m}/{d}/{Y},{o},{h},{l},{c}"), {}, DAYS, ("'VIX'",)),
    "ordinal_days": (".csv", "Date,Open,High,Low,Close,Volume\n" + rows('"{d}th January {Y}",' + OHLCV).replace("31th", "31st"), {}, DAYS, ()),
    "dots_behind_months": (".csv", "Datum;Eröffnung;Hoch;Tief;Schluss;Volumen\n" + comma(rows("{d}. Jan_ {Y};{o};{h};{l};{c};{v}")).replace("_", "."), {}, DAYS, ("German",)),
}  # fmt: skip
