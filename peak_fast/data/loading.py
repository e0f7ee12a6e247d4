"""Bars from a file or an SQL query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from peak_fast.arguments import place
from peak_fast.data.bars import Bars
from peak_fast.data.files import read_file, read_query
from peak_fast.data.options import read_options
from peak_fast.guard import guarded


@guarded
def load(
    path: str | Path,
    name: str | None = None,
    repair: str | Iterable[str] | None = None,
    timestamp: str | tuple[str, str] | Literal[False] | None = None,
    *,
    dialect: str | None = None,
    symbol: str | Literal[False] | None = None,
    stamp: Literal["open", "close"] = "open",
    date_order: Literal["dmy", "mdy", "ymd"] | None = None,
    time_zone: str | None = None,
    columns: Mapping[str, str] | None = None,
    scale: float | None = None,
    adjust: bool = False,
    separator: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
) -> Bars:
    """Read bars from a file or an SQL query; ``source`` is the Polars frame that was read.

    What the file does not say is not guessed: it is refused, and the message names the option that says it. What
    was decided, left out or reversed stands in ``bars.notes``.

    Parameters
    ----------
    path
        Text (``.csv``, ``.txt``, ``.tsv``, ``.tab``, ``.dat``, ``.prn``), ``.json``, ``.jsonl``, ``.ndjson``,
        ``.parquet``, ``.feather``, ``.arrow``, ``.ipc``, one of them as ``.gz`` or as the only file in a ``.zip``,
        or ``"duckdb:SELECT ..."`` (needs the extra ``duckdb``; the query may read files, as in
        ``duckdb:SELECT * FROM 'prices/*.parquet'``).
    name
        Display name; default the file name without suffix.
    repair, timestamp, symbol, stamp, date_order, time_zone, columns, scale, adjust
        As for :meth:`Bars.from_frame`. In a text file without a header ``timestamp`` and ``columns`` may name
        columns by position: ``"column_1"``, ``"column_2"``, ...
    dialect
        Name of a vendor's form, where the file does not tell it: "lean", "databento", "ninjatrader", ...
    separator
        Character between columns ("tab" too; a blank for any run of blanks). Default: found.
    decimal
        Decimal mark of numbers, "." or ",". Default: proven by the numbers.
    encoding
        Encoding of text. Default: by the mark at its beginning, else UTF-8.

    Raises
    ------
    DataError
        No such file, an unknown suffix, a file or query that cannot be read or does not say enough, or bars that
        fail the checks.
    ConfigError
        An option with a value that it cannot have.
    """
    text = str(place("path", path, "prices.parquet"))
    options = read_options(
        {
            "repair": repair, "timestamp": timestamp, "dialect": dialect, "symbol": symbol, "stamp": stamp,
            "date_order": date_order, "time_zone": time_zone, "columns": columns, "scale": scale, "adjust": adjust,
            "separator": separator, "decimal": decimal, "encoding": encoding,
        }
    )  # fmt: skip
    if text.startswith("duckdb:"):
        frame, notes = read_query(text.removeprefix("duckdb:"), options)
        return Bars._of(frame, name or "duckdb", options, notes)
    file = Path(path)
    frame, options, notes = read_file(file, options)
    return Bars._of(frame, name or file.name.split(".")[0], options, notes)
