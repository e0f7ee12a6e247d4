"""What the lines of a text file say about its form: separator, header, where the rows begin."""

from __future__ import annotations

import contextlib
import csv
import re
from collections import Counter
from dataclasses import dataclass, field

from peak_fast.data.date_parts import is_date
from peak_fast.data.dialects import plain
from peak_fast.errors import DataError

NULL_WORDS = ("null", "NULL", "Null", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "NaN", "nan", "NAN", "None", "none",
              "nil", "-", "--", "—", "?", ".")  # fmt: skip
BLANKS = " "  # stands for any run of blanks as the separator
SEPARATORS = (",", ";", "\t", "|", BLANKS)
SHOWN = {"\t": "tab", BLANKS: "blanks", ",": "comma", ";": "semicolon", "|": "bar"}

# Blanks that spreadsheets put between thousands: no-break, narrow no-break, thin.
TYPOGRAPHIC = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "})
_NUMBER = re.compile(
    r"^[-+−]?[$€£¥₹]?\s?[-+−]?(?:[0-9]{1,3}(?:[,.'’   ][0-9]{2,3})+(?:[.,][0-9]+)?|[0-9]+(?:\.[0-9]*|,[0-9]+)?"
    r"|[.,][0-9]+)(?:[eE][-+]?[0-9]+)?\s?(?:[KMBTkmbt]|%|[$€£¥₹])?$"
)
_CLOCK = re.compile(r"^[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(\s?[AaPp]\.?[Mm]\.?)?$")
_PRICE_WORDS = frozenset({"open", "high", "low", "close", "last", "price", "adjclose", "volume", "vol"})


@dataclass(slots=True)
class Layout:
    """Form of a text file.

    Attributes
    ----------
    separator
        One character; a blank stands for any run of blanks.
    names
        Names of the columns; empty where the file has no header line.
    width
        Number of columns of the rows.
    skip
        Number of lines before the first row.
    wrapped
        Whether every line is one quoted text that holds the row.
    levels
        Further header lines: the levels of column names as pandas writes them, one list per line.
    short_header
        Number of names where it is not that of the columns, else None.
    empty
        Number of columns at the end that have no name and, in the first lines, no value.
    notes
        What was passed over.
    """

    separator: str
    names: list[str]
    width: int
    skip: int
    wrapped: bool = False
    levels: list[list[str]] = field(default_factory=list)
    short_header: int | None = None
    empty: int = 0
    notes: list[str] = field(default_factory=list)


def cell_kind(cell: str) -> str:
    """ "n" number, "t" date, "k" time of day, "e" empty or a word for missing, "x" any other text."""
    cell = cell.strip(" \t\"'")
    if not cell.isascii():
        cell = cell.translate(TYPOGRAPHIC)
    if not cell or cell in NULL_WORDS:
        return "e"
    if _NUMBER.match(cell) and (cell.isdigit() or not is_date(cell)):  # 28.01.2024 is a date
        return "n"
    if _CLOCK.match(cell):
        return "k"
    return "t" if is_date(cell) else "x"


def split_line(line: str, separator: str) -> list[str]:
    """Cells of one line, without quotes."""
    if separator == BLANKS:
        return line.split()
    if '"' in line:
        with contextlib.suppress(csv.Error):  # a stray end of line, or a field without end
            return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return line.split(separator)


def find_layout(lines: list[str], separator: str | None, label: str) -> Layout:
    """Form of the first lines of a file.

    Parameters
    ----------
    lines
        First lines, without line ends.
    separator
        Separator that the user named, or None.
    label
        Name of the file for messages.

    Raises
    ------
    DataError
        No separator makes rows with at least four numbers of them.
    """
    wrapped = _is_wrapped(lines)
    if wrapped:
        lines = [unwrap(line) for line in lines]
    choices = SEPARATORS if separator is None else (separator,)
    scored = [_rows_of_numbers(lines, choice) for choice in choices]
    # Of equals the first: a blank between date and time splits rows of any other separator once more.
    chosen, (count, width) = max(zip(choices, scored, strict=True), key=lambda item: item[1][0])
    if count == 0:
        raise _no_rows(lines, choices, label)
    layout = _with_header(lines, chosen, width, label)
    layout.wrapped = wrapped
    if wrapped:
        layout.notes.insert(
            0, f"each line was one quoted text with {SHOWN.get(chosen, chosen)} inside; it was taken apart"
        )
    return layout


def _is_wrapped(lines: list[str]) -> bool:
    full = [line.strip() for line in lines if line.strip()]
    return len(full) > 1 and all(
        len(line) > 2 and line[0] == line[-1] == '"' and '"' not in line[1:-1].replace('""', "")
        for line in full
    )


def unwrap(line: str) -> str:
    """The row inside a line that is one quoted text."""
    return line.strip()[1:-1].replace('""', '"')


def _is_row(cells: list[str]) -> bool:
    """Whether cells are a row of bars: four numbers, or a time and words for missing prices."""
    kinds = [cell_kind(cell) for cell in cells]
    if kinds.count("n") + kinds.count("t") >= 4 and kinds.count("n") >= 3:
        return True
    missing = sum(1 for cell in cells if cell.strip() in NULL_WORDS)
    return kinds[0] in "tn" and missing >= 4


def _rows_of_numbers(lines: list[str], separator: str) -> tuple[int, int]:
    """How many lines are rows with this separator, and how many columns most of them have."""
    widths: Counter[int] = Counter()
    for line in lines:
        if line.strip():
            cells = split_line(line, separator)
            if len(cells) >= 4 and _is_row(cells):
                widths[len(cells)] += 1
    if not widths:
        return 0, 0
    width, count = widths.most_common(1)[0]
    return count, width


def _no_rows(lines: list[str], choices: tuple[str, ...], label: str) -> DataError:
    first = next((line for line in lines if line.strip()), "")
    more = sum(1 for line in lines if line.strip()) > 1
    if not more and any(_is_header(split_line(first, choice)) for choice in choices):
        return DataError(
            f"{label}: the frame has no rows; expected at least one bar below the header {first[:80]!r}"
        )
    for choice in choices:
        rows = [split_line(line, choice) for line in lines if line.strip()]
        head = next((i for i, cells in enumerate(rows) if _is_header(cells)), None)
        if head is not None and head + 1 < len(rows) and len(rows[head + 1]) == len(rows[head]):
            pairs = zip(rows[head], rows[head + 1], strict=True)
            wrong = [(n, v) for n, v in pairs if plain(n) in _PRICE_WORDS and cell_kind(v) not in "ne"]
            if wrong:
                return DataError(
                    f"{label}: no lines with the four prices of a bar: {wrong[0][1]!r} in column {wrong[0][0]!r} is no "
                    "number that is known here; write prices as plain decimals"
                )
    shown = first if len(first) <= 80 else first[:77] + "..."
    tried = ", ".join(SHOWN.get(choice, repr(choice)) for choice in choices)
    hint = (
        "; say separator= if it is another" if len(choices) > 1 else "; leave separator= out to have it found"
    )
    return DataError(
        f"{label}: no lines with the four prices of a bar (columns apart by {tried}){hint}; the first line is {shown!r}"
    )


def _with_header(lines: list[str], separator: str, width: int, label: str) -> Layout:
    """Where the rows begin, and the names above them."""
    rows = [split_line(line, separator) if line.strip() else [] for line in lines]
    first = next(i for i, cells in enumerate(rows) if len(cells) == width and _is_row(cells))
    above = [i for i in range(first) if rows[i]]
    layout = Layout(separator, [], width, first)
    header = _header_line(rows, above, width)
    if header is None:
        _note_skipped(layout, len(above), "the rows")
        return layout
    names = [name.strip(" \t\"'") for name in rows[header]]
    names[0] = names[0].lstrip("#%").strip() if plain(names[0]) else names[0]
    between = [i for i in above if i > header]
    if between:
        _read_between(layout, rows, between, names, lines, label)
    while len(names) > width and not names[-1]:
        names.pop()
    if len(names) < width and all(_ends_empty(cells, width - len(names)) for cells in rows[first:] if cells):
        layout.empty = width - len(names)
        names += [""] * layout.empty
    if len(names) != width:
        layout.short_header = len(names)
    layout.names = names
    _note_skipped(layout, sum(1 for i in above if i < header), "the header")
    return layout


def _read_between(
    layout: Layout, rows: list[list[str]], between: list[int], names: list[str], lines: list[str], label: str
) -> None:
    """Lines between the header and the rows: levels of names, or one line of words such as units."""
    levels = [[cell.strip() for cell in rows[i]] for i in between]
    if all(len(level) == layout.width for level in levels) and _are_levels(names, levels):
        layout.levels = levels
        return
    line = lines[between[0]].strip()
    if len(between) > 1 or not _is_header(names) or any(letter.isdigit() for letter in line):
        raise DataError(
            f"{label}: line {between[0] + 1} stands between the header and the rows and is neither ({line[:80]!r}); "
            "remove it"
        )
    layout.notes.append(f"a line between the header and the rows was skipped: {line[:80]!r}")


def _ends_empty(cells: list[str], count: int) -> bool:
    return not any(cell.strip() for cell in cells[-count:])


def _note_skipped(layout: Layout, count: int, before: str) -> None:
    if count:
        lines = "line" if count == 1 else "lines"
        layout.notes.append(f"{count} {lines} before {before} skipped")


def _header_line(rows: list[list[str]], above: list[int], width: int) -> int | None:
    """The line with the names: the last with words for prices, else the last of the right width, of words only."""
    for i in reversed(above):
        if _is_header(rows[i]):
            levels = i
            # Levels of names: the words for prices may stand in the second line, under the symbols.
            if i - 1 in above and len(rows[i - 1]) == len(rows[i]) == width and _repeats(rows[i - 1]):
                levels = i - 1
            return levels
    for i in reversed(above):
        kinds = {cell_kind(cell) for cell in rows[i]}
        if len(rows[i]) >= 4 and abs(len(rows[i]) - width) <= 1 and kinds <= {"x", "e"} and "x" in kinds:
            return i
    return None


def _is_header(cells: list[str]) -> bool:
    """Whether cells are names of prices."""
    return len(cells) >= 4 and sum(plain(cell) in _PRICE_WORDS for cell in cells) >= 3


def _repeats(cells: list[str]) -> bool:
    """Whether a line names symbols over their columns: every name but the first stands there several times."""
    counts = Counter(cell.strip() for cell in cells[1:])
    return all(count >= 3 for count in counts.values()) and len(cells) >= 5


def _are_levels(names: list[str], levels: list[list[str]]) -> bool:
    """Whether lines under the header are levels of names: symbols or fields, then at most a line naming the index."""
    if len(levels) > 2:
        return False
    index_line = levels[-1]
    named = bool(index_line[0]) and not any(index_line[1:])
    upper = levels[:-1] if named else levels
    return len(upper) == 1 and (_repeats(names) or _repeats(upper[0]))
