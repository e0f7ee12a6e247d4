"""Files and SQL queries."""

import gzip
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from peak_fast.data import load, synthetic
from peak_fast.errors import DataError


def write_csv(frame, path):
    frame.write_csv(path)


def write_gzip(frame, path):
    path.write_bytes(gzip.compress(frame.write_csv().encode()))


def write_ipc(frame, path):
    frame.write_ipc(path)


FILES = {
    "prices.csv": write_csv,
    "prices.csv.gz": write_gzip,
    "Prices.CSV": write_csv,
    "prices.parquet": lambda frame, path: frame.write_parquet(path),
    "chunked.parquet": lambda frame, path: frame.write_parquet(path, row_group_size=100),
    "prices.feather": write_ipc,
    "prices.arrow": write_ipc,
    "prices.ipc": lambda frame, path: frame.write_ipc(path, compression="zstd"),
}


@pytest.mark.parametrize("file", FILES)
def test_files(file, tmp_path):
    expected = synthetic(500, "1h", seed=3, gaps=0.05, missing=0.02)
    frame = expected.to_polars().with_columns(note=pl.lit("x"))
    FILES[file](frame, tmp_path / file)
    bars = load(tmp_path / file)
    assert bars.hash == expected.hash
    assert bars.name == file.split(".")[0]
    assert bars.n_invalid == expected.n_invalid > 0
    assert "note" in bars.source.columns
    assert load(str(tmp_path / file), name="mine").name == "mine"
    assert np.shares_memory(bars.volume, bars.source["volume"].to_numpy())


def test_query(tmp_path):
    pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    expected = synthetic(300, seed=1)
    expected.to_polars().write_parquet(tmp_path / "prices.parquet")
    bars = load(f"duckdb:SELECT * FROM '{tmp_path / 'prices.parquet'}' ORDER BY timestamp")
    assert bars.hash == expected.hash
    assert bars.name == "duckdb"


ENDS = """
import sys, duckdb
from peak_fast import Bars, load
query = f"SELECT * FROM '{sys.argv[1]}' ORDER BY timestamp"
assert load("duckdb:" + query).hash == Bars.from_frame(duckdb.sql(query)).hash
"""


def test_a_script_that_queries_ends_without_a_word(tmp_path):
    """DuckDB names at the end whatever of it somebody still holds."""
    pytest.importorskip("duckdb")
    path = tmp_path / "prices.parquet"
    synthetic(50, seed=1).to_polars().write_parquet(path)
    done = subprocess.run([sys.executable, "-c", ENDS, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("duckdb:", "expected a query"),
        ("duckdb:SELEC 1", "query failed"),
        ("duckdb:SELECT * FROM 'nowhere.csv'", "query failed"),
        ("duckdb:CREATE TABLE t (a INTEGER)", "returns no rows|'open' is missing"),
        ("duckdb:SELECT 1 AS a", "'open' is missing"),
    ],
)
def test_bad_queries(query, message):
    pytest.importorskip("duckdb")
    with pytest.raises(DataError, match=message):
        load(query)


def test_missing_file_and_unknown_type(tmp_path):
    synthetic(5).to_polars().write_csv(tmp_path / "prices.csv")
    with pytest.raises(DataError, match=r"no such file; did you mean 'prices.csv'"):
        load(tmp_path / "price.csv")
    with pytest.raises(DataError, match="no such file; check the path"):
        load(tmp_path / "elsewhere" / "x.parquet")
    with pytest.raises(
        DataError, match=r"files of type '.xlsx'; .*Bars.from_frame\(polars.read_excel\(path\)\)"
    ):
        load(tmp_path / "prices.xlsx")
    with pytest.raises(DataError, match=r"files of type '.cvs'; did you mean '.csv'"):
        load(tmp_path / "prices.cvs")
    (tmp_path / "prices.xml.gz").write_bytes(gzip.compress(b"<prices/>"))
    with pytest.raises(DataError, match=r"files of type '.xml'"):
        load(tmp_path / "prices.xml.gz")
    (tmp_path / "broken.parquet").write_bytes(b"not a parquet file")
    with pytest.raises(DataError, match=r"cannot be read as \.parquet"):
        load(tmp_path / "broken.parquet")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="the file is empty"):
        load(tmp_path / "empty.csv")


def test_csv_with_text_far_down(tmp_path):
    lines = synthetic(12_000, "1m").to_polars().write_csv().splitlines()
    lines[11_000] = lines[11_000].rsplit(",", 1)[0] + ",many"
    (tmp_path / "prices.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"'volume' is not numeric throughout; row 10999 is 'many'"):
        load(tmp_path / "prices.csv")


def test_repair_reaches_files(tmp_path):
    frame = synthetic(20).to_polars().reverse()
    frame.write_csv(tmp_path / "prices.csv")
    assert load(tmp_path / "prices.csv").repaired == {"reverse": 20}
    frame[[3, 1, *range(4, 20), 0, 2]].write_csv(tmp_path / "prices.csv")
    with pytest.raises(DataError, match="repair='sort'"):
        load(tmp_path / "prices.csv")
    assert load(tmp_path / "prices.csv", repair="sort").hash == synthetic(20).hash


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        (("03/04/24", "03/05/24", "03/06/24"), None),
        (("03/04/2024", "03/05/2024", "03/06/2024"), None),
        (("03.04.2024", "04.04.2024", "05.04.2024"), None),
        (("03/12/2024", "03/13/2024", "03/14/2024"), "2024-03-12"),
        (("12.03.2024", "13.03.2024", "14.03.2024"), "2024-03-12"),
        (("2024-03-04", "2024-03-05", "2024-03-06"), "2024-03-04"),
        (("2024/03/04", "2024/03/05", "2024/03/06"), "2024-03-04"),
    ],
)
def test_dates_in_text_inside_a_query(tmp_path, dates, first):
    """What DuckDB picks without a word is said, or refused where another order fits, too."""
    pytest.importorskip("duckdb")
    file = tmp_path / "it's.csv"
    file.write_text("date,open,high,low,close\n" + "".join(f"{day},1,2,0.5,1.5\n" for day in dates))
    quoted = str(file).replace("'", "''")
    query = f"duckdb:SELECT * FROM '{quoted}' ORDER BY 1"
    if first is None:
        with pytest.raises(
            DataError, match=r"DuckDB reads its dates as .* fits all of them.*dateformat=.*date_order="
        ):
            load(query)
        form = "%m/%d/%y" if len(dates[0]) == 8 else f"%m{dates[0][2]}%d{dates[0][2]}%Y"
        said = load(f"duckdb:SELECT * FROM read_csv('{quoted}', dateformat='{form}') ORDER BY 1")
        assert str(said.span[0].date()) == "2024-03-04" and load(file, date_order="mdy").hash == said.hash
    else:
        bars = load(query)
        assert str(bars.span[0].date()) == first
        assert any("DuckDB read column 'date'" in note for note in bars.notes) == (
            not dates[0].startswith("20")
        )


@pytest.mark.parametrize(
    ("order", "first", "note"),
    [("dmy", "2002-01-24", None), ("ymd", "2024-01-02", None), ("mdy", "2002-01-24", "passed over")],
)
def test_a_named_month_between_two_digits(tmp_path, order, first, note):
    file = tmp_path / "named.csv"
    file.write_text("Date,Open,High,Low,Close\n" + "".join(f"24-Jan-0{day},1,2,1,1\n" for day in (2, 3, 4)))
    with pytest.raises(DataError, match="date_order='dmy' or date_order='ymd'"):
        load(file)
    bars = load(file, date_order=order)
    assert str(bars.span[0].date()) == first
    assert note is None or any(note in said for said in bars.notes)
    plain = tmp_path / "plain.csv"
    plain.write_text("Date,Open,High,Low,Close\n30-Jan-34,1,2,1,1\n31-Jan-34,1,2,1,1\n")
    assert not any("date_order" in said for said in load(plain).notes)
