"""Dates that DuckDB read out of text inside a query: by which form, and whether another one fits as well.

A date such as 03/04/24 has no form of its own.  DuckDB picks one without a word; here the pick is said in a note, and
refused where day, month and year may stand in another order.
"""

from __future__ import annotations

import re
from typing import Any

from peak_fast.errors import DataError

_LITERAL = re.compile(r"'((?:[^']|'')+)'")
_TEXT_FILE = re.compile(r"\.(csv|tsv|tab|txt|dat|prn)(\.gz|\.zst)?$", re.IGNORECASE)
# A query that says how to read its text has chosen.
_SAID = re.compile(
    r"\b(date_?format|timestamp_?format|types|dtypes|column_types|columns|all_varchar|auto_type_candidates)\s*(=|:=)",
    re.IGNORECASE,
)
_ORDERS = ("dmy", "mdy", "ymd")
_MOST_FILES = 100


def check_dates(connection: Any, sql: str) -> list[str]:
    """Notes on the forms in which DuckDB reads the dates of a query's text files.

    Parameters
    ----------
    connection
        An open DuckDB connection, without an unfinished result.
    sql
        The query.

    Raises
    ------
    DataError
        Every date of a column can be read in another order of day, month and year, too.
    """
    if _SAID.search(sql):
        return []
    notes: dict[str, None] = {}
    for pattern in dict.fromkeys(text.replace("''", "'") for text in _LITERAL.findall(sql)):
        if not _TEXT_FILE.search(pattern):
            continue
        found = connection.execute("SELECT file FROM glob(?)", [pattern]).fetchall()
        for (file,) in found[:_MOST_FILES]:
            notes.update(dict.fromkeys(_of_file(connection, file)))
    return list(notes)


def _of_file(connection: Any, file: str) -> list[str]:
    query = "SELECT DateFormat, TimestampFormat, Columns FROM sniff_csv(?)"
    date_form, time_form, columns = connection.execute(query, [file]).fetchall()[0]
    notes = []
    for column in columns:
        form = {"DATE": date_form, "TIMESTAMP": time_form}.get(str(column["type"]))
        if not form or form.startswith("%Y"):
            continue
        name = column["name"]
        for other in _others(form):
            if _fits(connection, file, name, other):
                raise DataError(
                    f"duckdb: column {name!r} of {file}: DuckDB reads its dates as {form}, and {other} fits all of "
                    f"them, too; say it in the query, read_csv('{file}', dateformat='{other}'), or load the file "
                    "itself with date_order="
                )
        notes.append(f"DuckDB read column {name!r} of {file} as {form}; no other order fits all of its dates")
    return notes


def _others(form: str) -> list[str]:
    """The same form with day, month and year in the other orders."""
    parts = re.findall(r"%[dmyY]", form)
    letters = {part[1].lower(): part for part in parts}
    if len(parts) != 3 or len(letters) != 3:
        return []
    made = []
    for order in _ORDERS:
        following = iter([letters[letter] for letter in order])
        made.append(re.sub(r"%[dmyY]", lambda _, following=following: next(following), form))  # type: ignore[misc]
    return [other for other in made if other != form]


def _fits(connection: Any, file: str, name: str, form: str) -> bool:
    """Whether all texts of a column are dates of a form."""
    quoted = '"' + name.replace('"', '""') + '"'
    query = (
        f"SELECT count(*) FROM read_csv(?, all_varchar=true) "
        f"WHERE {quoted} IS NOT NULL AND try_strptime({quoted}, ?) IS NULL"
    )
    return int(connection.execute(query, [file, form]).fetchall()[0][0]) == 0
