"""Text files: what is refused and with which way onward, and what the form of the text may be."""

import gzip
import zipfile

import numpy as np
import polars as pl
import pytest

from peak_fast import ConfigError, DataError, load, synthetic
from tests.test_vendor_forms import check
from tests.vendor_forms import DAYS, MINUTES, OHLCV, PRICES, VOLUME, comma, rows

HEADER = "Date,Open,High,Low,Close,Volume\n"
PLAIN = HEADER + rows("{Y}-{m}-{d}," + OHLCV) + "\n"
POLISH = "Data;Otwarcie;Najwyższy;Najniższy;Zamknięcie;Wolumen\n" + rows("{Y}-{m}-{d};{o};{h};{l};{c};{v}")

LEAN = "\n".join(
    f"20240131 14:{30 + i},"
    + ",".join(f"{10_000 * PRICES[name][i]:.0f}" for name in PRICES)
    + f",{VOLUME[i]:.0f}"
    for i in range(3)
)


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("name", "text", "options", "times"),
    [
        ("x.csv", PLAIN, {"separator": ","}, DAYS),
        ("x.csv", PLAIN.replace(",", ";"), {"separator": ";"}, DAYS),
        ("x.txt", PLAIN.replace(",", "~"), {"separator": "~"}, DAYS),
        ("x.csv", comma(PLAIN.replace(",", ";")), {"decimal": ","}, DAYS),
        ("x.dat", PLAIN.replace(",", "   "), {"separator": " "}, DAYS),
    ],
)  # fmt: skip
def test_options_say_what_is_found_otherwise(name, text, options, times, tmp_path):
    check(load(write(tmp_path / name, text), **options), times, ())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_that_show(encoding, tmp_path):
    check(load(write(tmp_path / "x.csv", PLAIN, encoding)), DAYS, ())


def test_an_encoding_that_does_not_show(tmp_path):
    path = write(tmp_path / "x.csv", POLISH, "cp1250")
    with pytest.raises(DataError, match="not UTF-8; name its encoding, for example encoding='cp1252'"):
        load(path)
    check(load(path, encoding="cp1250"), DAYS, ("Polish",))
    with pytest.raises(DataError, match="encoding='ascii' does not fit it"):
        load(path, encoding="ascii")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("Date,Open,High,Low,Close\n01/02/2024,1,2,1,2\n02/02/2024,1,2,1,2\n", {}, "date_order='dmy' or"),
        ("Date;Open;High;Low;Close\n2024-01-01;1,125;1,250;1,125;1,250\n", {}, "say decimal=',' or decimal='.'"),
        ("Date;Open;High;Low;Close\n2024-01-01;1,12;1.25;1,12;1,2\n", {}, "'1,12' has a decimal comma and '1.25' a"),
        (PLAIN.replace("Close", "Open"), {}, "the name 'Open' twice"),
        (PLAIN.replace(",Volume", ""), {}, "the header has 5 names, the rows have 6 columns"),
        (PLAIN.replace("Volume", "Volume,Interest"), {}, "the header has 7 names, the rows have 6 columns"),
        (PLAIN + "2024-02-01,10,11,9,10,1000,7\n2024-02-02,10,11,9,10,1000\n", {}, "line 5 has 7 fields"),
        (PLAIN, {"separator": ";"}, "columns apart by semicolon"),
        ("words\nand more words\n", {}, "no lines with the four prices"),
        (PLAIN.replace("Open", "First"), {}, "column 'open' is missing"),
        ("a,b,c,d,e,f\n" + rows("{Y}-{m}-{d}," + OHLCV), {}, "column 'open' is missing"),
        (LEAN, {}, "say dialect='lean'.*or scale=1"),
        (rows("{Y}-{m}-{d},1,1,1,1,1"), {}, "fit several forms; say dialect='ohlcv'"),
        (rows("{Y}-{m}-{d},{o},{h},{l},{c},{v},1,2,3,4,5,6"), {}, "no known form .* timestamp='column_1'"),
        (PLAIN.replace("10.25,1500", "many,1500"), {}, "column 'Close' is not numeric throughout; row 2 is 'many'"),
        ("time,open,high,low,close\n1.70657E+12,1,2,1,2\n1.70666E+12,1,2,1,2\n", {}, "'1.70657E.12', which is"),
        (PLAIN.replace("2024-01-30", "01/30/2024"), {}, "row 1 is '01/30/2024', which is not a date"),
        ("Date,Open,High,Low,Close\n2024-01-30,1 of,2 of,3 of,4 of\n", {}, "no lines with the four prices of a bar"),
        (PLAIN.replace("2024-01-30", "1824-01-30"), {}, "row 1 is '1824-01-30', outside the years 1900 to 2100"),
        (PLAIN.replace("2024-01-30", "yesterday"), {}, "row 1 is 'yesterday'"),
        (PLAIN + "total words here and there,x,y\n2024-02-02,10,11,9,10,1000\n", {}, "row 3 is"),
    ],
)  # fmt: skip
def test_refused(text, options, message, tmp_path):
    with pytest.raises(DataError, match=message):
        load(write(tmp_path / "x.csv", text), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dialect": "leen"}, "dialect: got 'leen'; did you mean 'lean'"),
        ({"dialect": "databento"}, "'databento' has columns like"),
        ({"dialect": "binance"}, "'binance' has 12 columns"),
        ({"separator": ",,"}, "separator: expected one character"),
        ({"decimal": "comma"}, "decimal: expected '.' or ','"),
        ({"encoding": "utf-9"}, "encoding: expected an encoding"),
        ({"encoding": "base64"}, "encoding: expected an encoding"),
        ({"encoding": "\0"}, "encoding: expected an encoding"),
        ({"encoding": "utf-16"}, "encoding='utf-16' does not fit it|no lines with the four prices"),
        ({"columns": {"close": "Date"}}, "column 'close' is not numeric"),
        (
            {"columns": {"close": "column_9"}},
            "column 'column_9' is missing; did you mean|column 'column_9' is missing; known",
        ),
        ({"columns": {"open": "Opn"}}, "column 'Opn' is missing; did you mean 'Open'"),
        ({"timestamp": "Dat"}, "'Dat' is missing; did you mean 'Date'"),
        ({"time_zone": "New York"}, "did you mean 'America/New_York'"),
        ({"date_order": "us"}, "date_order: expected 'dmy', 'mdy' or 'ymd'"),
    ],
)
def test_wrong_options(options, message, tmp_path):
    with pytest.raises((ConfigError, DataError), match=message):
        load(write(tmp_path / "x.csv", PLAIN), **options)


@pytest.mark.parametrize(("name", "value"), [("separator", ";"), ("decimal", ","), ("encoding", "utf-8")])
def test_options_of_text_mean_nothing_elsewhere(name, value, tmp_path):
    synthetic(5).to_polars().write_parquet(tmp_path / "x.parquet")
    with pytest.raises(ConfigError, match=f"{name}: means nothing for a file of type '.parquet'"):
        load(tmp_path / "x.parquet", **{name: value})


def test_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("folder/inside.csv", PLAIN)
        archive.writestr("__MACOSX/folder/._inside.csv", "x")
    check(load(tmp_path / "one.zip"), DAYS, ("folder/inside.csv",))
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", PLAIN)
        archive.writestr("b.csv", PLAIN)
    with pytest.raises(DataError, match=r"it has 2: a.csv, b.csv; unpack it"):
        load(tmp_path / "two.zip")
    write(tmp_path / "broken.zip", "PK?")
    with pytest.raises(DataError, match="cannot be read as a zip archive"):
        load(tmp_path / "broken.zip")
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(b'[["2024-01-29",10,11,9.5,10.5,1000]]'))
    assert load(tmp_path / "x.json.gz").close[0] == 10.5
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(PLAIN.encode())[:-9])
    with pytest.raises(DataError, match=r"cannot be read as \.gz"):
        load(tmp_path / "x.csv.gz")
    synthetic(9).to_polars().write_parquet(tmp_path / "x.parquet")
    with zipfile.ZipFile(tmp_path / "table.zip", "w") as archive:
        archive.write(tmp_path / "x.parquet", "x.parquet")
    assert load(tmp_path / "table.zip").hash == synthetic(9).hash


@pytest.mark.parametrize(
    ("ending", "recipe"),
    [
        ("h5", "pandas.read_hdf"),
        ("xlsx", "polars.read_excel"),
        ("dbn", "databento.DBNStore"),
        ("pkl", "pickle"),
    ],
)
def test_recipes(ending, recipe, tmp_path):
    with pytest.raises(DataError, match=f"cannot read files of type '.{ending}'.*{recipe}"):
        load(write(tmp_path / f"x.{ending}", "x"))


def test_what_stands_between_lines(tmp_path):
    """Missing prices stay, blank lines go, and the columns that were passed over are still in the frame."""
    text = (
        "Export of prices\n\nDate,Open,High,Low,Close,Volume,Remark,Tag\n\n"
        "2024-01-29,10,11,9.5,10.5,1000,first,000123\n\n2024-01-30,-,N/A,null,,NaN,,000124\n"
        "2024-01-31,11.25,11.75,10,10.25,1500,'last',600009\n,,,,,,,\n\n"
    )
    bars = load(write(tmp_path / "x.csv", text))
    assert (len(bars), bars.n_invalid) == (3, 1)
    assert bars.close.tolist()[::2] == [10.5, 10.25]
    assert np.isnan(bars.volume[1])
    assert bars.source["Tag"].to_list() == ["000123", "000124", "600009"]
    assert bars.source["Remark"].to_list() == ["first", None, "'last'"]
    assert any("missing price" in note for note in bars.notes)


def test_the_frame_is_typed(tmp_path):
    text = "time,open,high,low,close,trades,share,word\n" + rows(
        "{Y}-{m}-{d} {H}:{M}:00,{o},{h},{l},{c},7,0.5%,1x"
    )
    bars = load(write(tmp_path / "x.csv", text))
    assert bars.source.schema == {
        "time": pl.Datetime("us"), "open": pl.Float64, "high": pl.Float64, "low": pl.Float64, "close": pl.Float64,
        "trades": pl.Int64, "share": pl.String, "word": pl.String,
    }  # fmt: skip
    zoned = load(tmp_path / "x.csv", time_zone="America/New_York")
    assert zoned.source["time"].dtype == pl.Datetime("us", "America/New_York")
    assert zoned.time_us[0] - bars.time_us[0] == 5 * 3_600_000_000


def test_groups_of_two_digits(tmp_path):
    line = '30-Jan-2024,"1,23,456.50","1,23,500.00","1,23,400.00","1,23,450.00","12,34,567"'
    bars = load(write(tmp_path / "x.csv", HEADER + line + "\n"))
    assert (bars.open[0], bars.close[0], bars.volume[0]) == (123_456.5, 123_450.0, 1_234_567.0)


def test_many_rows_and_few_of_another_form(tmp_path):
    """What only a row far down shows counts for the whole column."""
    expected = synthetic(30_000, "1m", seed=3)
    frame = expected.to_polars().with_columns(pl.col("timestamp").dt.strftime("%d.%m.%Y %H:%M"))
    frame = frame.with_columns(pl.col("volume").cast(pl.Int64))
    lines = frame.write_csv().splitlines()
    # Thousands in one row, and a footer.
    cells = lines[20_000].split(",")
    cells[5] = f'"{int(cells[5]):,}"'
    lines[20_000] = ",".join(cells)
    bars = load(write(tmp_path / "x.csv", "\n".join([*lines, "", "Source: somewhere"])))
    assert bars.hash == expected.hash
    assert any("day-first" in note for note in bars.notes) and any(
        "Source: somewhere" in note for note in bars.notes
    )


def test_the_name_of_a_file_says_nothing(tmp_path):
    times = load(write(tmp_path / "binance_20200101_1d.csv", PLAIN)).time_us
    assert times.tolist() == load(write(tmp_path / "x.csv", PLAIN)).time_us.tolist()


def test_lean_by_its_name(tmp_path):
    path = write(tmp_path / "x.csv", LEAN)
    check(load(path, dialect="lean"), MINUTES, ("divided by 10,000",))
    check(load(path, scale=0.0001), MINUTES, ())
    assert load(path, scale=1).close[0] == 105_000


NAMES = {
    "Date": ("DATE", " date ", "<DATE>", "Trade Date", '"date"'),
    "Open": ("OPEN", "open ", "<OPEN>", "Open_Price", "1. open"),
    "High": ("HIGH", " High", "<HIGH>", "High Price", "high."),
    "Low": ("LOW", "low", "[Low]", "low_price", "Low*"),
    "Close": ("CLOSE", "close ", "<CLOSE>", "Close/Last", "Closing Price"),
    "Volume": ("VOLUME", "vol", "<VOL>", "Vol.", "Shares Traded"),
}


@pytest.mark.parametrize("seed", range(20))
def test_order_and_spelling_of_names_change_nothing(seed, tmp_path):
    draw = np.random.default_rng(seed)
    lines = [line.split(",") for line in PLAIN.split()]
    order = draw.permutation(len(lines[0]))
    lines[0] = [str(draw.choice([name, *NAMES[name]])) for name in lines[0]]
    text = "\n".join(draw.choice([",", ", "]).join(line[i] for i in order) for line in lines)
    check(load(write(tmp_path / "x.csv", text)), DAYS, ())


def test_the_last_header_counts(tmp_path):
    text = "# columns: date, open, high, low, close, volume\n" + "\n".join(
        [HEADER.replace("Open,High", "High,Open").strip(), rows("{Y}-{m}-{d},{h},{o},{l},{c},{v}")]
    )
    check(load(write(tmp_path / "x.csv", text)), DAYS, ("1 line before the header",))


def test_a_position_in_a_file_with_names(tmp_path):
    path = write(tmp_path / "x.csv", PLAIN.replace("Close", "Mid").replace("Date", "When it was"))
    check(load(path, columns={"close": "column_5"}, timestamp="column_1"), DAYS, ())
