"""One symbol of a frame that may hold several."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from peak_fast.data.frames import Table
from peak_fast.data.kinds import package_of
from peak_fast.data.names import SYMBOL_NAMES, Names, fold
from peak_fast.errors import DataError, did_you_mean
from peak_kernels.arrays import IntArray

PRICES = frozenset({"open", "high", "low", "close"})
_SHOWN = 12
ONE_SERIES = (
    "; symbol=False (--one-series) where all rows are one series, such as contracts that follow one another"
)


def choose(values: list[str], symbol: str | Literal[False] | None, place: str, *, rows: bool = False) -> str:
    """The one symbol to take; ``rows`` says that the symbols stand in rows, which may be one series all the same.

    Raises
    ------
    DataError
        Several and none chosen, or the chosen one is not there.
    """
    if symbol:
        if symbol in values:
            return symbol
        raise DataError(f"symbol: {symbol!r} is not in {place}; {did_you_mean(symbol, values)}")
    if len(values) == 1:
        return values[0]
    listing = ", ".join(repr(value) for value in values[:_SHOWN]) + (", ..." if len(values) > _SHOWN else "")
    raise DataError(
        f"{place} holds {len(values)} symbols: {listing}; bars are of one: pass symbol={values[0]!r}, or filter "
        f"the frame{ONE_SERIES if rows else ''}"
    )


def one_level(frame: Any, symbol: str | Literal[False] | None) -> tuple[Any, str | None]:
    """A pandas frame with several levels of column names as one with the names of prices alone.

    Parameters
    ----------
    frame
        Any collected frame; others than pandas pass.
    symbol
        Which one to take where another level holds several values.

    Returns
    -------
    tuple
        The frame and the value of the other level (None: there was one level).

    Raises
    ------
    DataError
        No level names the prices, or several symbols and none chosen.
    """
    if package_of(frame) != "pandas" or not hasattr(frame, "columns") or frame.columns.nlevels < 2:
        return frame, None
    names = frame.columns
    levels = range(names.nlevels)
    folded = [{str(value).strip().lower() for value in names.get_level_values(at)} for at in levels]
    prices = next((at for at in levels if folded[at] >= PRICES), None)
    if prices is None:
        raise DataError(
            f"the pandas frame has {names.nlevels} levels of column names and none of them holds open, high, low "
            f"and close ({list(names[:4])} ...); give it one level, for example frame.columns = [...]"
        )
    chosen: list[str] = []
    for at in reversed(levels):
        if at == prices or frame.columns.nlevels < 2:
            continue
        # A column that belongs to no symbol has an empty label there; what stands under it goes along.
        labels = {str(value): value for value in frame.columns.get_level_values(at) if str(value) != ""}
        picked = choose(
            list(labels), symbol if len(labels) > 1 or not chosen else None, f"level {at} of the column names"
        )
        chosen.append(picked)
        keep = [str(value) in ("", picked) for value in frame.columns.get_level_values(at)]
        frame = frame.loc[:, keep].droplevel(at, axis=1)
    return frame, chosen[0] if chosen else None


def columns_of_symbols(table: Table, names: Names) -> list[tuple[str, Any]]:
    """Where symbols stand, in words, and the values there: what the user named, else index levels, else a column."""
    if "symbol" in names.mapped:
        named = names.mapped["symbol"]
        for level, get in table.levels:
            if level == named and level not in table.names:
                return [(f"index level {named!r}", get())]
        name = names.exact(named, "columns['symbol']: column")
        return [(f"column {name!r}", table.get(name))]
    levels = [(name, get) for name, get in table.levels if name is not None and fold(name) in SYMBOL_NAMES]
    found = [(f"index level {name!r}", get()) for name, get in levels]
    found = found or [(f"column {name!r}", table.get(name)) for name in names.of(SYMBOL_NAMES)[:1]]
    return found or _unnamed_level(table)


def rows_of_symbol(
    table: Table, names: Names, symbol: str | Literal[False] | None, chosen: str | None, notes: list[str]
) -> tuple[IntArray | None, str | None]:
    """Rows that belong to the symbol (None: all), and the symbol (None: the frame names none).

    Parameters
    ----------
    table, names
        The frame.
    symbol
        What the user asked for; False: all rows are one series.
    chosen
        What a level of the column names has answered already.
    notes
        Gets a sentence on rows of other symbols, or of none.

    Raises
    ------
    DataError
        See `choose`; most rows have no symbol; or a symbol is asked for and the frame holds none.
    """
    found = columns_of_symbols(table, names)
    for place, values in found:
        different = distinct(values)
        if not different:
            continue
        if symbol is False:
            if len(different) > 1:
                listed = ", ".join(map(repr, different[:4])) + (", ..." if len(different) > 4 else "")
                notes.append(
                    f"{place} holds {len(different)} symbols ({listed}); all rows are one series, as asked"
                )
            return None, different[0] if len(different) == 1 else chosen
        picked = choose(different, symbol, place, rows=True)
        if len(different) == 1 and not _some_missing(values):
            return None, picked
        rows = np.flatnonzero(_equals(values, picked)).astype(np.int64)
        _tell_rows(rows.size, different, values, place, picked, symbol, notes)
        return rows, picked
    if symbol and chosen is None:
        raise DataError(
            f"symbol: {symbol!r} is asked for, and the frame has no column or level of symbols; leave symbol= out, "
            "or name the column with columns={'symbol': ...}"
        )
    return None, chosen


def _tell_rows(
    taken: int,
    different: list[str],
    values: Any,
    place: str,
    picked: str,
    symbol: str | None,
    notes: list[str],
) -> None:
    if len(different) > 1:
        notes.append(f"{taken} rows of symbol {picked!r} are taken; the others are left out")
        return
    without = len(values) - taken
    if symbol is None and without > taken:
        raise DataError(
            f"{place} names a symbol in {taken} rows only and is empty in {without}; pass symbol={picked!r} for the "
            f"rows that name it, or symbol=False (--one-series) where all rows are its"
        )
    notes.append(f"{without} of {len(values)} rows have no symbol in {place} and are left out")


def _unnamed_level(table: Table) -> list[tuple[str, Any]]:
    """The level without a name that holds text beside one of times, as pandas.concat of a dict makes it."""
    from peak_fast.data.time_columns import could_be_time

    if len(table.levels) < 2:
        return []
    texts = [(at, get()) for at, (name, get) in enumerate(table.levels) if name is None]
    texts = [(at, values) for at, values in texts if is_text(values) and not could_be_time(values)]
    return [(f"index level {at}", values) for at, values in texts[:1]]


def is_text(values: Any) -> bool:
    """Whether a column holds text (by its type, or by its first value where the type does not say)."""
    dtype = getattr(values, "dtype", None)
    if package_of(values) == "polars":
        return type(dtype).__name__ in ("String", "Categorical", "Enum")
    kind = getattr(dtype, "kind", "O")
    if kind in "US":
        return True
    if kind != "O" or len(values) == 0:
        return False
    return isinstance(
        next((value for value in values if value is not None and value == value), None), str | bytes
    )


def distinct(values: Any) -> list[str]:
    """Different values as text, in order of appearance, missing ones left out; cheap where there is only one."""
    package = package_of(values)
    if package == "pyarrow":
        import polars as pl

        values, package = pl.Series(values), "polars"
    if package == "polars":
        different = values.unique(maintain_order=True).drop_nulls().to_list()
    elif package == "pandas":
        different = values.dropna().unique().tolist()
    else:
        array = np.asarray(values)
        if array.dtype.kind != "O" and array.size and (array == array[0]).all():
            different = [array[0].item()]
        else:
            different = list(dict.fromkeys(array.tolist()))
    texts = [
        value.decode() if isinstance(value, bytes) else str(value) for value in different if value is not None
    ]
    return list(dict.fromkeys(text for text in texts if text.strip()))


def _some_missing(values: Any) -> bool:
    """Whether a row has no symbol, or an empty text for one."""
    package = package_of(values)
    if package == "pyarrow":
        import polars as pl

        values, package = pl.Series(values), "polars"
    if package == "polars":
        if values.null_count():
            return True
        return type(values.dtype).__name__ == "String" and bool((values.str.strip_chars() == "").any())
    if package == "pandas":
        if values.isna().any():
            return True
        return any(not str(value).strip() for value in values.unique())
    array = np.asarray(values)
    if array.dtype.kind not in "OUS":
        return array.dtype.kind == "f" and bool(np.isnan(array).any())
    return any(
        item is None or item != item or not (item.decode() if isinstance(item, bytes) else str(item)).strip()
        for item in set(array.tolist())
    )


def _equals(values: Any, picked: str) -> Any:
    """Mask of the rows with a value, which is compared as text."""
    package = package_of(values)
    if package == "pyarrow":
        import polars as pl

        values, package = pl.Series(values), "polars"
    if package == "polars":
        import polars as pl

        return (values.cast(pl.String) == picked).fill_null(value=False).to_numpy()
    if package == "pandas":
        return np.asarray(values.astype(str) == picked)
    texts = [
        value.decode() if isinstance(value, bytes) else str(value) for value in np.asarray(values).tolist()
    ]
    return np.array([text == picked for text in texts])
