"""Files and SQL queries to Polars frames."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from peak_fast.arguments import place
from peak_fast.data.dialects import check_dialect
from peak_fast.data.kinds import ArrowStream
from peak_fast.data.options import DEFAULTS, FILE_OPTIONS, ReadOptions
from peak_fast.data.query_dates import check_dates
from peak_fast.errors import ConfigError, DataError, did_you_mean, require
from peak_fast.masking import mask, masked, shown_cause

if TYPE_CHECKING:
    import polars as pl

Read = tuple["pl.DataFrame", ReadOptions, list[str]]

_TEXT = (".csv", ".txt", ".tsv", ".tab", ".dat", ".prn")
_JSON = (".json", ".jsonl", ".ndjson")
_TABLES = (".parquet", ".feather", ".arrow", ".ipc")
_ENDINGS = (*_TEXT, *_JSON, *_TABLES, ".zip", ".gz")
# What to do with files of other programs.
_RECIPES = {
    ".h5": "read it with pandas: Bars.from_frame(pandas.read_hdf(path, key))",
    ".hdf5": "read it with pandas: Bars.from_frame(pandas.read_hdf(path, key))",
    ".hdf": "read it with pandas: Bars.from_frame(pandas.read_hdf(path, key))",
    ".xlsx": "read it with polars or pandas: Bars.from_frame(polars.read_excel(path)), or save it as CSV",
    ".xls": "read it with polars or pandas: Bars.from_frame(polars.read_excel(path)), or save it as CSV",
    ".ods": "read it with polars: Bars.from_frame(polars.read_ods(path)), or save it as CSV",
    ".dbn": "read it with databento: Bars.from_frame(databento.DBNStore.from_file(path).to_df())",
    ".zst": "unpack it (zstd -d), or for Databento: Bars.from_frame(databento.DBNStore.from_file(path).to_df())",
    ".pkl": "read it with pandas, if you trust it: Bars.from_frame(pandas.read_pickle(path))",
    ".pickle": "read it with pandas, if you trust it: Bars.from_frame(pandas.read_pickle(path))",
    ".npy": "read it with numpy: Bars.from_frame({'open': array[:, 0], ...})",
    ".npz": "read it with numpy: Bars.from_frame(dict(numpy.load(path)))",
    ".db": "query it: load(\"duckdb:SELECT * FROM sqlite_scan('file.db', 'table') ORDER BY timestamp\")",
    ".sqlite": "query it: load(\"duckdb:SELECT * FROM sqlite_scan('file.sqlite', 'table') ORDER BY timestamp\")",
    ".bz2": "unpack it (bunzip2)",
    ".xz": "unpack it (unxz)",
    ".7z": "unpack it",
    ".rar": "unpack it",
    ".tar": "unpack it",
    ".tgz": "unpack it",
}


def read_file(file: Path, options: ReadOptions) -> Read:
    """Read a file by its ending.

    Parameters
    ----------
    file
        See :func:`peak_fast.data.load`.
    options
        What the user said about it.

    Returns
    -------
    tuple
        The frame, the options with what the form of the file adds to them, and notes on what was understood.

    Raises
    ------
    DataError
        No such file, an ending that is not read here, or content that cannot be read.
    ConfigError
        An unknown ``dialect``, or an option of text for a file that is none.
    """
    import polars as pl

    if re.match(r"[A-Za-z][A-Za-z0-9+.\-]+:/", str(file)) and not file.exists():
        # A path has lost one of the slashes.
        raise DataError(
            f"{mask(str(file))}: expected a file; got an address; read it with polars: "
            "Bars.from_frame(polars.read_csv(address)), or with \"duckdb:SELECT * FROM 'address'\""
        )
    if options.dialect is not None:
        check_dialect(options.dialect)
    if file.is_dir():
        raise DataError(
            f"{file}: expected a file; got a folder; name one file, or read several with "
            f"\"duckdb:SELECT * FROM '{file}/*.parquet' ORDER BY timestamp\""
        )
    suffix = _suffix(file.name)
    if suffix not in _ENDINGS:
        recipe = _RECIPES.get(suffix)
        remedy = recipe or did_you_mean(suffix, _ENDINGS)
        raise DataError(f"{file}: cannot read files of type {suffix!r}; {remedy}")
    if not file.is_file():
        beside = file.parent.iterdir() if file.parent.is_dir() else ()
        raise DataError(f"{file}: no such file; {_similar(file.name, [entry.name for entry in beside])}")
    try:
        frame, found, notes = _read(file, suffix, options)
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read as {suffix} ({str(error).splitlines()[0]})") from error
    # One chunk per column, copied by Polars' threads; each column is then taken without a further copy.
    return frame.rechunk(), found, notes


def read_table(path: str | Path) -> pl.DataFrame:
    """A file with a header as a Polars frame, whatever it holds: weights, members of a universe, groups.

    Raises
    ------
    DataError
        No such file, an ending that is not read here, or content that cannot be read.
    """
    import polars as pl

    file = Path(place("path", path, "weights.csv"))
    if _suffix(file.name) not in _TEXT or not file.is_file():
        return read_file(file, DEFAULTS)[0]
    # Readers of prices look for prices; here names are what they are.
    try:
        with file.open("rb") as opened:
            header = opened.readline()
        separator = max(",;\t|", key=lambda sign: header.count(sign.encode()))
        return pl.read_csv(file, separator=separator, try_parse_dates=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{file}: cannot be read as text ({str(error).splitlines()[0]})") from error


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _similar(name: str, names: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else "check the path"


def _read(file: Path, suffix: str, options: ReadOptions) -> Read:
    from peak_fast.data.text_files import read_text

    if suffix in _TEXT:
        return read_text(file, options, str(file))
    if suffix in _TABLES:
        _refuse_text_options(options, f"a file of type {suffix!r}")
        return _TABLE_READERS[suffix](file), options, []
    if suffix in _JSON:
        return _read_bytes(file.read_bytes(), suffix, options, str(file))
    if suffix == ".zip":
        name, data = _member(file)
        frame, found, notes = _read_bytes(data, _suffix(name), options, f"{file} ({name})")
        return frame, found, [f"read from {name!r} in the archive", *notes]
    inner = _suffix(file.name[: -len(suffix)])
    return _read_bytes(gzip.decompress(file.read_bytes()), inner or ".csv", options, str(file))


def _read_bytes(data: bytes, suffix: str, options: ReadOptions, label: str) -> Read:
    from io import BytesIO

    from peak_fast.data.json_files import read_json
    from peak_fast.data.text_files import read_text

    if suffix in _JSON:
        for name in ("separator", "encoding"):
            if getattr(options, name) is not None:
                raise ConfigError(f"{name}: means nothing for JSON; leave it out")
        return read_json(data, options, label)
    if suffix in _TABLES:
        _refuse_text_options(options, f"a file of type {suffix!r}")
        return _TABLE_READERS[suffix](BytesIO(data)), options, []
    if suffix in _TEXT:
        return read_text(data, options, label)
    raise DataError(f"{label}: cannot read files of type {suffix!r}; {did_you_mean(suffix, _ENDINGS)}")


def _refuse_text_options(options: ReadOptions, what: str) -> None:
    for name in FILE_OPTIONS:
        if name != "dialect" and getattr(options, name) is not None:
            raise ConfigError(f"{name}: means nothing for {what}; leave it out")


def _member(file: Path) -> tuple[str, bytes]:
    """Name and content of the only file in a zip archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = [
                info.filename
                for info in archive.infolist()
                if not info.is_dir() and not info.filename.startswith("__MACOSX/")
            ]
            if len(names) == 1:
                return names[0], archive.read(names[0])
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{file}: cannot be read as a zip archive ({error}); unpack it first") from None
    listing = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    raise DataError(
        f"{file}: expected one file in the archive; it has {len(names)}: {listing or 'none'}; unpack it and "
        "load them one by one"
    )


def _read_parquet(file: object) -> pl.DataFrame:
    import polars as pl

    return pl.read_parquet(file, glob=False)  # type: ignore[arg-type]


def _read_ipc(file: object) -> pl.DataFrame:
    import polars as pl

    return pl.read_ipc(file)  # type: ignore[arg-type]


_TABLE_READERS: dict[str, Callable[[object], pl.DataFrame]] = {
    ".parquet": _read_parquet,
    ".feather": _read_ipc,
    ".arrow": _read_ipc,
    ".ipc": _read_ipc,
}


def read_query(sql: str, options: ReadOptions) -> tuple[pl.DataFrame, list[str]]:
    """Result of an SQL query in an in-memory DuckDB as a Polars frame, and notes on what DuckDB read out of text."""
    import polars as pl

    if options.dialect is not None:
        check_dialect(options.dialect)
    _refuse_text_options(options, "a query")
    duckdb = require("duckdb", extra="duckdb")
    if not sql.strip():
        raise DataError(
            "duckdb: expected a query after 'duckdb:', for example \"duckdb:SELECT * FROM 'aapl.csv'\""
        )
    with duckdb.connect(":memory:") as connection:
        try:
            relation = connection.sql(sql)
            if relation is None:
                raise DataError(f"duckdb: {masked(sql.strip())!r} returns no rows; expected a SELECT")
            frame = pl.DataFrame(ArrowStream(relation)).rechunk()
            return frame, check_dates(connection, sql)
        except duckdb.Error as error:
            reason = masked(str(error)).splitlines()[0]
            raise DataError(f"duckdb: the query failed: {reason}") from shown_cause(error)
