"""Options of the command line that say how data are read, the same for every command that reads some."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from peak_fast.cli.panel import check_options, inspect_panel, load_panel
from peak_fast.cli.values import split_pairs
from peak_fast.errors import ConfigError, DataError, did_you_mean

FRAMES = ("polars", "pandas")
_HELP = {
    "name": (str, "display name of the data"),
    "dialect": (str, "vendor's form of a text file"),
    "symbol": (str, "the one to take where the data hold several"),
    "one_series": (bool, "all rows are one series, whatever their symbols"),
    "timestamp": (list[str], "time column or index level; twice: a date and a time of day"),
    "no_timestamp": (bool, "the bars have no times"),
    "stamp": (str, "what a time means: open or close of its bar"),
    "date_order": (str, "dmy, mdy or ymd"),
    "time_zone": (str, "zone of times without an offset, such as America/New_York"),
    "columns": (list[str], "what a column is and its name, such as close=Last, repeatable"),
    "scale": (float, "factor of every price"),
    "adjust": (bool, "adjust prices for splits and dividends"),
    "separator": (str, "character between the columns of a text file, or tab"),
    "decimal": (str, "decimal mark of a text file: . or ,"),
    "encoding": (str, "encoding of a text file"),
    "repair": (list[str], "sort, drop or clip, repeatable"),
    "frame": (str, "what a signal function gets: polars or pandas"),
    "panel": (bool, "the data are prices of many assets that share one account"),
    "symbol_column": (str, "column that names the assets of a panel"),
    "align": (str, "bars of a panel: union or intersection of the assets' times"),
    "universe": (str, "file: who belongs to the universe of a panel when"),
    "groups": (str, "file: groups of the assets of a panel"),
}


def reads_data(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of reading; it gets them as one dict, its argument ``reading``."""

    @functools.wraps(command)
    def with_options(**values: Any) -> None:
        given = {name: values.pop(name) for name in _HELP}
        command(**values, reading=_said(given))

    own = inspect.signature(command, eval_str=True).parameters
    kept = [parameter for name, parameter in own.items() if name != "reading"]
    added = [_parameter(name, kind, text) for name, (kind, text) in _HELP.items()]
    signature = inspect.Signature([*kept, *added])
    with_options.__signature__ = signature  # type: ignore[attr-defined]
    with_options.__annotations__ = {name: item.annotation for name, item in signature.parameters.items()}
    del with_options.__wrapped__
    return with_options


def _parameter(name: str, kind: Any, text: str) -> inspect.Parameter:
    import typer

    option = "--" + name.replace("_", "-")
    flag = kind is bool
    wanted: Any = kind if flag else kind | None
    annotation: Any = Annotated[wanted, typer.Option(option, help=text)]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=False if flag else None, annotation=annotation
    )


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of `peak_fast.load` from what was typed; those that say nothing are left out."""
    said = {name: value for name, value in given.items() if value is not None and value is not False}
    said = {name: value for name, value in said.items() if value != []}
    if said.pop("no_timestamp", False):
        if "timestamp" in said:
            raise ConfigError("--no-timestamp: expected no --timestamp beside it; got both; leave one out")
        said["timestamp"] = False
    if said.pop("one_series", False):
        if "symbol" in said:
            raise ConfigError("--one-series: expected no --symbol beside it; got both; leave one out")
        said["symbol"] = False
    times = said.get("timestamp")
    if times:
        said["timestamp"] = times[0] if len(times) == 1 else tuple(times)
    if "columns" in said:
        said["columns"] = split_pairs("--columns", "what=name, such as close=Last", said["columns"])
    return said


def load_data(data: str, table: Mapping[str, Any], reading: Mapping[str, Any]) -> Any:
    """Bars, or with ``--panel`` a panel, from files, a query or packaged prices.

    Parameters
    ----------
    data
        What ``--data`` says.
    table
        Options of the table ``[data]``.
    reading
        Options of the command line, which win.

    Raises
    ------
    DataError
        No such data, or data that cannot be read.
    ConfigError
        An option with a wrong value, or one that packaged data do not have.
    """
    from peak_fast.data import SAMPLE_SYMBOLS, load, sample

    said = {**table, **reading}
    frame = said.pop("frame", "polars")
    reading = {name: value for name, value in reading.items() if name != "frame"}
    if frame not in FRAMES:
        raise ConfigError(
            f"--frame: expected {' or '.join(FRAMES)}; got {frame!r}; {did_you_mean(frame, FRAMES)}"
        )
    if said.pop("panel", False) or data == "panel":
        return load_panel(data, said, frame)
    check_options(said)
    if data in SAMPLE_SYMBOLS:
        if reading:
            raise ConfigError(
                f"--{next(iter(reading)).replace('_', '-')}: packaged prices ({data}) are read as they are; leave "
                "the options of reading out"
            )
        return with_frame(sample(data), frame)
    if not data.startswith("duckdb:") and not Path(data).suffix and not Path(data).exists():
        raise DataError(
            f"--data: expected a file, 'duckdb:SELECT ...' or a packaged symbol; got {data!r}; "
            + did_you_mean(data, SAMPLE_SYMBOLS)
        )
    return with_frame(load(data, **said), frame)


def with_frame(bars: Any, kind: str) -> Any:
    """The same bars, whose frame is of the library that a signal function is written for.

    A frame of pandas has the columns of the data, and the times of the bars as its index.

    Raises
    ------
    MissingDependencyError
        pandas or pyarrow is not installed.
    """
    if kind == "polars":
        return bars
    import polars as pl

    from peak_fast.errors import require

    pandas = require("pandas", extra="dev")
    require("pyarrow", extra="duckdb")
    source = bars.source if isinstance(bars.source, pl.DataFrame) else bars.to_polars()
    frame = source.to_pandas()
    if bars.has_time:
        frame.index = pandas.DatetimeIndex(bars.timestamp.to_pandas(), name=None)
    twin = copy.copy(bars)
    object.__setattr__(twin, "_source", frame)
    return twin


def inspect_data(bars: Any, rows: int, show: Callable[[str], None]) -> None:
    """Print what was understood of data: columns, times, notes, first and last rows.

    Parameters
    ----------
    bars
        Bars, or a panel.
    rows
        How many rows to print from each end.
    show
        Prints a line.
    """
    if hasattr(bars, "symbols"):
        inspect_panel(bars, show)
        return
    facts = [
        ("name", bars.name),
        ("bars", f"{len(bars):,}" + (f", {bars.n_invalid:,} without a price" if bars.n_invalid else "")),
        ("columns", ", ".join(f"{what} = {name!r}" for what, name in bars._read_from.items())),
        ("times", _times(bars)),
        ("time zone", bars.time_zone or ("none, taken as UTC" if bars.has_time else "none")),
        ("stamp", f"a time is the {bars.stamp} of its bar"),
        ("step", _step(bars)),
        ("bars a year", f"{bars.periods_per_year:,.6g}"),
        ("hash", bars.hash),
    ]
    width = max(len(name) for name, _ in facts)
    for name, text in facts:
        show(f"{name:<{width}}  {text}")
    show("notes" if bars.notes else f"{'notes':<{width}}  none")
    for note in bars.notes:
        show(f"  * {note}")
    for line in _rows(bars, rows):
        show(line)


def _times(bars: Any) -> str:
    if not bars.has_time:
        return "none"
    first, last = bars.span
    return f"{first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC, {_unit(bars)}"


def _unit(bars: Any) -> str:
    """How the times are written in the data: their type, and the unit of numbers."""
    from peak_fast.data import collect, table_of

    label = bars._read_from.get("timestamp", "")
    if bars.source is None:
        return "without a frame"
    table = table_of(collect(bars.source)[0])
    if label not in table.names:
        return "from the index" if table.levels else "joined from two columns"
    values = table.get(label)
    kind = str(getattr(values, "dtype", type(values).__name__))
    first = values.iloc[0] if hasattr(values, "iloc") else values[0]
    if not isinstance(first, int | float) and not hasattr(first, "__index__"):
        return f"written as {kind}"
    time_us, number = int(bars.time_us[0]), float(first)
    units = {"seconds": 1e6, "milliseconds": 1e3, "microseconds": 1.0, "nanoseconds": 1e-3}
    fitting = [unit for unit, factor in units.items() if abs(number * factor - time_us) <= max(factor, 1.0)]
    return f"written as {'an epoch in ' + fitting[0] if fitting else 'calendar numbers'} ({kind})"


def _step(bars: Any) -> str:
    import datetime

    import numpy as np

    if not bars.has_time or len(bars) < 2:
        return "none"
    steps, counts = np.unique(np.diff(bars.time_us), return_counts=True)
    common = datetime.timedelta(microseconds=int(steps[counts.argmax()]))
    return f"{common} ({counts.max() / counts.sum():.0%} of the steps)"


def _rows(bars: Any, rows: int) -> list[str]:
    """First and last rows as lines of one width."""
    names = ["time (UTC)", "open", "high", "low", "close", *([] if bars.volume is None else ["volume"])]
    count = len(bars)
    picked = [*range(min(rows, count)), *range(max(rows, count - rows), count)]
    lines = [names]
    for row in picked:
        moment = bars.time_us[row].astype("M8[us]").item() if bars.has_time else row
        values = [getattr(bars, name)[row] for name in names[1:]]
        lines.append([str(moment), *(f"{value:.10g}" for value in values)])
    widths = [max(len(line[at]) for line in lines) for at in range(len(names))]
    shown = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    if len(picked) < count:
        shown.insert(1 + min(rows, count), "...")
    return ["", *shown]
