"""Text files of bars: CSV and its relatives, read as text once and converted column by column."""

from __future__ import annotations

import codecs
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peak_fast.data.dialects import form_named, plain
from peak_fast.data.headless import form_options, name_columns, wrong_width
from peak_fast.data.options import ReadOptions
from peak_fast.data.text_layout import BLANKS, SHOWN, Layout, cell_kind, find_layout, split_line, unwrap
from peak_fast.data.text_rows import typed, without_footer
from peak_fast.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_HEAD = 65_536
_HEAD_LINES = 200
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(
    source: Path | bytes, options: ReadOptions, label: str
) -> tuple[pl.DataFrame, ReadOptions, list[str]]:
    """Bars in text as a typed frame.

    Parameters
    ----------
    source
        A file, or its bytes.
    options
        What the user said.
    label
        Name of the file for messages.

    Returns
    -------
    tuple
        The frame, the options with what the file's form adds to them, and notes on what was understood.

    Raises
    ------
    DataError
        Not a table of bars, or one that does not say enough; the message names the option that does.
    """
    notes: list[str] = []
    source, head = _decoded(source, options.encoding, label, notes)
    lines = head.split("\n")
    if len(lines) > 1 and len(head) >= _HEAD // 4:
        lines.pop()  # the last one may be cut
    lines = [line.rstrip("\r") for line in lines[:_HEAD_LINES]]
    layout = find_layout(lines, options.separator, label)
    notes += layout.notes
    cut = _cut_line(source, layout)
    if layout.wrapped or layout.separator == BLANKS:
        source = _rewritten(source, layout)
    options, positions = _by_position(options, layout)
    if layout.short_header is not None and not positions:
        raise _short_header(layout, label)
    frame = _frame(source, layout, label, notes, positions)
    frame = _without_empty_columns(frame, layout, label)
    frame = _one_symbol(frame, layout, options, notes)
    if cut is not None and frame.height > 1:
        notes.append(f"the last line ends before its last column and was left out: {cut[:80]!r}")
        frame = frame.head(-1)
    first = next((value for value in frame.to_series(0) if value), "")
    frame = typed(without_footer(frame, notes), options, label, notes)
    if layout.levels:
        options = replace(options, symbol=None)
    if layout.names and not positions:
        return frame, *_with_form(options, layout, label, notes)
    if positions and not (options.dialect and form_named(options.dialect)):
        return frame, options, notes
    found = name_columns(frame, options, layout.separator, label, first.strip(' "'))
    return found.frame, found.options, notes + found.notes


def _cut_line(source: Path | bytes, layout: Layout) -> str | None:
    """The last line of a file, where it is a row that lacks columns."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 4096))
            tail = file.read()
    else:
        tail = source[-4096:]
    line = tail.decode("utf-8", "replace").rpartition("\n")[2].rstrip("\r")
    if layout.wrapped or not line.strip():
        return None  # the file ends with a whole line
    cells = split_line(line, layout.separator)
    row = 1 < len(cells) < layout.width and cell_kind(cells[0]) in "tn" and cell_kind(cells[1]) in "nk"
    return line if row else None


def _without_empty_columns(frame: pl.DataFrame, layout: Layout, label: str) -> pl.DataFrame:
    """The frame without columns at its end that have no name; refused where one has a value after all."""
    for name in frame.columns[frame.width - layout.empty :]:
        if frame[name].null_count() < frame.height:
            layout.short_header = frame.width - layout.empty
            raise _short_header(layout, label)
    return frame[:, : frame.width - layout.empty]


def _with_form(
    options: ReadOptions, layout: Layout, label: str, notes: list[str]
) -> tuple[ReadOptions, list[str]]:
    """What a form that the user named adds to a file with names of its own."""
    form = form_named(options.dialect) if options.dialect else None
    if form is None:
        return options, notes
    if len(form.names) != layout.width:
        raise wrong_width(form, layout.width, label)
    if {plain(name) for name in form.names} != {plain(name) for name in layout.names}:
        note = (
            f"dialect={form.name!r} names the columns of files without a header; this one has names of its own, "
            "which are followed"
        )
        notes = [*notes, note]
    return form_options(form, options), [*notes, *form.notes]


def _decoded(
    source: Path | bytes, encoding: str | None, label: str, notes: list[str]
) -> tuple[Path | bytes, str]:
    """The source in UTF-8 and its first lines; the bytes themselves where they had to be decoded."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            head = file.read(_HEAD)
    else:
        head = source[:_HEAD]
    if not head.strip():
        raise DataError(f"{label}: the file is empty; expected lines of bars")
    found = encoding or next((name for bom, name in _BOMS if head.startswith(bom)), None) or _wide(head)
    if found not in (None, "utf-8", "utf-8-sig"):
        return _from_encoding(source, str(found), label, encoding is not None, notes)
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        raise _unknown_encoding(label) from None
    text = text.removeprefix("﻿")
    if "\n" not in text and "\r" in text:  # line ends of old Macs
        data = source.read_bytes() if isinstance(source, Path) else source
        data = data.replace(b"\r", b"\n")
        return data, data[:_HEAD].decode("utf-8", "replace").removeprefix("﻿")
    return source, text


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of such a text is zero."""
    if head.count(0) < len(head) // 3:
        return None
    return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"


def _from_encoding(
    source: Path | bytes, encoding: str, label: str, named: bool, notes: list[str]
) -> tuple[bytes, str]:
    data = source.read_bytes() if isinstance(source, Path) else source
    try:
        text = data.decode(encoding)
    except UnicodeError as error:
        said = (
            f"encoding={encoding!r} does not fit it"
            if named
            else f"it begins as {encoding} and goes on as none"
        )
        raise DataError(f"{label}: cannot be decoded, {said} ({error}); name another encoding=") from None
    if not named:
        notes.append(f"text is in {encoding.upper()}")
    text = text.removeprefix("﻿").replace("\r\n", "\n").replace("\r", "\n")
    return text.encode(), text[:_HEAD]


def _unknown_encoding(label: str) -> DataError:
    return DataError(
        f"{label}: the text is not UTF-8; name its encoding, for example encoding='cp1252' (Western Windows), "
        "'cp1251' (Cyrillic), 'gb18030' (Chinese) or 'shift_jis' (Japanese)"
    )


def _rewritten(source: Path | bytes, layout: Layout) -> bytes:
    """The file without quotes around each line, and with tabs for runs of blanks."""
    text = (source.read_bytes() if isinstance(source, Path) else source).decode("utf-8-sig", "replace")
    lines = text.replace("\r\n", "\n").split("\n")
    if layout.wrapped:
        lines = [unwrap(line) if line.strip() else "" for line in lines]
    if layout.separator == BLANKS:
        lines = ["\t".join(line.split()) for line in lines]
        layout.separator = "\t"
    return "\n".join(lines).encode()


def _by_position(options: ReadOptions, layout: Layout) -> tuple[ReadOptions, bool]:
    """Options with names for positions; and whether the columns keep positions as names, or get those of a form."""
    if layout.names and layout.short_header is None:
        names = {
            f"column_{i + 1}": name
            for i, name in enumerate(layout.names)
            if f"column_{i + 1}" not in layout.names
        }
        columns = {role: names.get(name, name) for role, name in options.columns.items()}
        timestamp = options.timestamp
        if isinstance(timestamp, str):
            timestamp = names.get(timestamp, timestamp)
        elif isinstance(timestamp, tuple):
            timestamp = (names.get(timestamp[0], timestamp[0]), names.get(timestamp[1], timestamp[1]))
        return replace(options, columns=columns, timestamp=timestamp), False
    stated = [*options.columns.values()]
    stated += [options.timestamp] if isinstance(options.timestamp, str) else options.timestamp or ()
    if any(re.fullmatch(r"column_[0-9]+", name) for name in stated):
        return options, True
    return options, bool(options.dialect and form_named(options.dialect)) and layout.short_header is not None


def _short_header(layout: Layout, label: str) -> DataError:
    line = SHOWN.get(layout.separator, repr(layout.separator))
    return DataError(
        f"{label}: the header has {layout.short_header} names, the rows have {layout.width} columns (apart by {line}), "
        "so that no name is certain; correct the header, or name the columns by position, for example columns="
        "{'open': 'column_3', ...} and timestamp=('column_1', 'column_2'), or by their form with dialect="
    )


def _frame(
    source: Path | bytes, layout: Layout, label: str, notes: list[str], positions: bool
) -> pl.DataFrame:
    """All rows as text."""
    if layout.names and not positions:
        names = _unique(layout.names, label) if not layout.levels else _numbered(layout.width)
    else:
        names = _numbered(layout.width)
        if layout.names:
            notes.append("the header line was skipped, because columns are named by position or form")
    try:
        return _without_comments(_parsed(source, layout, names), notes)
    except _TooManyFields:
        data = source.read_bytes() if isinstance(source, Path) else source
        rest = _without_last_words(data, layout, label, notes)
    try:
        return _parsed(rest, layout, names, "#")
    except _TooManyFields:
        raise DataError(
            f"{label}: a line has more fields than the {layout.width} columns, inside quotes that do not end; "
            "correct it"
        ) from None


def _without_comments(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """The frame without lines that begin with a number sign, where its first row does not."""
    first = frame.to_series(0)
    comments = first.str.starts_with("#").fill_null(False)
    if not comments.any() or comments[0]:
        return frame
    notes.append(f"{comments.sum()} lines of comments between the rows skipped")
    return frame.filter(~comments)


class _TooManyFields(Exception):
    """A line has more fields than there are columns."""


def _parsed(
    source: Path | bytes, layout: Layout, names: list[str], comment: str | None = None
) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_csv(
            source,
            has_header=False,
            new_columns=names,
            schema=dict.fromkeys(names, pl.String),
            separator=layout.separator,
            skip_lines=layout.skip,
            infer_schema=False,
            comment_prefix=comment,
        )
    except pl.exceptions.ComputeError as error:
        if "fields" in str(error):
            raise _TooManyFields(str(error)) from None
        raise


def _numbered(width: int) -> list[str]:
    return [f"column_{number}" for number in range(1, width + 1)]


def _unique(names: list[str], label: str) -> list[str]:
    """Names of which no two are the same; two columns of one price are refused."""
    result: list[str] = []
    for name in names:
        if name in result:
            if plain(name) in ("open", "high", "low", "close", "volume", "date", "time", "timestamp"):
                raise DataError(f"{label}: the header has the name {name!r} twice; keep one of the columns")
            name = f"{name}_{len(result) + 1}"
        result.append(name)
    return result


def _without_last_words(data: bytes, layout: Layout, label: str, notes: list[str]) -> bytes:
    """The file without lines of words at its end; refuses a longer line among the rows."""
    lines = data.split(b"\n")
    last = len(lines)
    dropped: list[str] = []
    while last > layout.skip + 1 and len(dropped) < 50:
        line = lines[last - 1].decode("utf-8", "replace").strip()
        if line and len(split_line(line, layout.separator)) == layout.width:
            break
        if line:
            dropped.append(line)
        last -= 1
    comments = 0
    for number in range(layout.skip, last):
        line = lines[number].decode("utf-8", "replace").strip("\r")
        fields = 0 if line.startswith("#") else len(split_line(line, layout.separator))
        comments += line.startswith("#")
        if fields > layout.width:
            raise DataError(
                f"{label}: line {number + 1} has {fields} fields, the rows above have {layout.width}: {line[:80]!r}; "
                "correct the line, or read the parts of the file one by one"
            )
    if comments:
        notes.append(f"{comments} lines of comments between the rows skipped")
    notes += [f"a line after the rows was left out: {line[:80]!r}" for line in reversed(dropped)]
    return b"\n".join(lines[:last])


def _one_symbol(frame: pl.DataFrame, layout: Layout, options: ReadOptions, notes: list[str]) -> pl.DataFrame:
    """Columns of one symbol where the header has several levels, as pandas writes them."""
    if not layout.levels or not layout.names:
        return frame
    index_line = layout.levels[-1]
    indexed = bool(index_line[0]) and not any(index_line[1:])
    upper = layout.levels[0]
    prices = sum(plain(name) in ("open", "high", "low", "close") for name in layout.names[1:])
    fields, symbols = (layout.names, upper) if prices >= 4 else (upper, layout.names)
    known = list(dict.fromkeys(symbols[1:]))
    chosen = options.symbol or known[0]
    if len(known) > 1 and not options.symbol:
        raise DataError(
            f"the header has columns of {len(known)} symbols: {_shown(known)}; say which with symbol={known[0]!r}"
        )
    if chosen not in known:
        raise DataError(f"symbol {chosen!r} is not in the header; it has {_shown(known)}")
    first = index_line[0] if indexed else "Date"
    notes.append(
        f"{1 + len(layout.levels)} header lines, as pandas writes them; prices are those of {chosen!r}"
    )
    picked: dict[str, Any] = {first: frame.to_series(0)}
    for position in range(1, layout.width):
        if symbols[position] == chosen:
            picked[fields[position]] = frame.to_series(position)
    import polars as pl

    layout.names = list(picked)
    return pl.DataFrame(picked)


def _shown(names: list[str]) -> str:
    listing = ", ".join(repr(name) for name in names[:20])
    return listing + (f" and {len(names) - 20} more" if len(names) > 20 else "")
