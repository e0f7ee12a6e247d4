"""Bars, panels and frames with other values: what a check of look-ahead shows to a strategy."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.data.arrays import read_only
from peak_fast.data.bars import Bars
from peak_fast.data.checks import PRICE_COLUMNS
from peak_fast.data.frames import to_polars
from peak_fast.data.kinds import package_of
from peak_fast.data.names import fold
from peak_fast.data.panel import Panel
from peak_fast.data.panel_reading import OwnBlocks
from peak_kernels.arrays import FloatArray, IntArray

_FIELDS = (*PRICE_COLUMNS, "volume")


def frame_shown(bars: Bars) -> Any:
    """The frame that functions see, collected: the user's own, or one that is made from the bars."""
    source: Any = bars.source if bars.source is not None else bars.to_polars()
    if type(source).__name__ == "LazyFrame":
        return source.collect()
    known = isinstance(source, Mapping | np.ndarray) or package_of(source) in ("polars", "pandas")
    return source if known else to_polars(source)


def frame_of_kind(frame: Any, source: Any) -> Any:
    """A frame of `frame_shown` in the form of what it was made from."""
    if type(source).__name__ == "LazyFrame":
        return frame.lazy()
    return frame.to_arrow() if package_of(source) == "pyarrow" else frame


def names_of_frame(frame: Any) -> list[Any]:
    """Names of the columns of a frame."""
    if isinstance(frame, Mapping):
        return list(frame)
    return list(frame.dtype.names) if isinstance(frame, np.ndarray) else list(frame.columns)


def fields_of(bars: Bars, frame: Any) -> dict[str, Any]:
    """Column of the frame that each of open, high, low, close, volume and timestamp was read from, where it has one."""
    names = names_of_frame(frame)
    folded = {fold(str(name)): name for name in reversed(names)}
    found = {field: folded.get(field) for field in (*_FIELDS, "timestamp")}
    by_text = {str(name): name for name in names}
    found.update({field: by_text[name] for field, name in bars._read_from.items() if name in by_text})
    return {field: name for field, name in found.items() if name is not None}


def column_of(frame: Any, name: Any) -> Any:
    """A column of a frame: float64, or its values as they are where they are no numbers."""
    values = np.asarray(frame[name])
    return values.astype(np.float64) if values.dtype.kind in "iuf" else values


def with_values(frame: Any, values: Mapping[Any, Any]) -> Any:
    """The same frame with other values in some columns, which keep their types and what is missing in them."""
    if isinstance(frame, Mapping):
        return {**frame, **{name: _like(made, frame[name]) for name, made in values.items()}}
    if isinstance(frame, np.ndarray):
        copied = frame.copy()
        for name, made in values.items():
            copied[name] = _like(made, frame[name])
        return copied
    if package_of(frame) == "pandas":
        copied = frame.copy(deep=False)
        for name, made in values.items():
            copied[name] = _as_pandas(made, frame[name])
        return copied
    return frame.with_columns([_as_polars(name, made, frame[name]) for name, made in values.items()])


def _as_polars(name: str, values: Any, old: Any) -> Any:
    import polars as pl

    if old.dtype.is_integer() and values.dtype.kind == "f":
        values = np.where(np.isnan(values), 0.0, np.round(values)).astype(np.int64)
    made = pl.Series(name, values.tolist() if values.dtype.kind == "O" else values, strict=False)
    made = made if made.dtype == old.dtype else made.cast(old.dtype, strict=False)
    return made.set(old.is_null(), None) if old.null_count() else made


def _like(values: Any, old: Any) -> Any:
    """Values in the type of a column of arrays."""
    kept = np.asarray(old).dtype
    whole = kept.kind in "iu" and values.dtype.kind == "f"
    made = (np.round(values) if whole else values).astype(kept)
    return made.tolist() if isinstance(old, list) else made


def _as_pandas(values: Any, old: Any) -> Any:
    """Values as a pandas column of the type and with the labels of another."""
    import pandas as pd

    whole = old.dtype.kind in "iu" and values.dtype.kind == "f"
    made = pd.Series(np.round(values) if whole else values, index=old.index)
    return made.where(old.notna()).astype(old.dtype)


def temporal_columns(frame: Any) -> list[Any]:
    """Names of the columns of a frame that hold times as such, not as text or numbers."""
    package = package_of(frame)
    if package == "pandas":
        return [name for name in frame.columns if getattr(frame[name].dtype, "kind", "") == "M"]
    if package == "polars":
        return [name for name in frame.columns if type(frame[name].dtype).__name__ in ("Date", "Datetime")]
    return [name for name in names_of_frame(frame) if np.asarray(frame[name]).dtype.kind == "M"]


def moved_times(frame: Any, moved_us: IntArray) -> Any:
    """The frame with all of its times moved by microseconds; None where it holds none that can be moved."""
    names, package = temporal_columns(frame), package_of(frame)
    if package == "pandas":
        import pandas as pd

        moves = pd.to_timedelta(moved_us, unit="us")
        made = frame.assign(**{name: frame[name] + moves for name in names})
        dated = getattr(frame.index.dtype, "kind", "") == "M"
        return made.set_axis(frame.index + moves) if dated else made if names else None
    if not names:
        return None
    if package != "polars":
        for name in names:
            old = np.asarray(frame[name])
            frame = with_values(frame, {name: old + moved_us.astype("m8[us]")})
        return frame
    import polars as pl

    moves = pl.Series(moved_us).cast(pl.Duration("us"))
    for name in names:
        old = frame[name]
        made = old.cast(pl.Datetime("us", getattr(old.dtype, "time_zone", None))) + moves
        frame = frame.with_columns(made.cast(old.dtype).alias(name))
    return frame


def bars_with(
    bars: Bars, columns: Mapping[str, FloatArray], time_us: IntArray | None = None, source: Any = None
) -> Bars:
    """Bars with other prices, volumes, times and another frame beside them; nothing is checked.

    ``columns`` holds those of open, high, low, close and volume that are others.
    """
    fields = {name: columns.get(name, getattr(bars, name)) for name in _FIELDS}
    volume = fields.pop("volume")
    open_, high, low, close = (np.ascontiguousarray(values) for values in fields.values())
    made = Bars(
        (open_, high, low, close), volume, bars.time_us if time_us is None else time_us, name=bars.name,
        time_zone=bars.time_zone, source=source, n_invalid=bars.n_invalid,
        stamp=bars.stamp,
    )  # fmt: skip
    for slot, value in (
        ("has_time", bars.has_time), ("_remarks", ()), ("_read_from", bars._read_from), ("_turned", bars._turned),
        ("_periods_per_year", bars.periods_per_year),
    ):  # fmt: skip
        object.__setattr__(made, slot, value)
    return made


def panel_with(
    panel: Panel,
    prices: Any = None,
    time_us: IntArray | None = None,
    members: Any = None,
    own: Mapping[str, FloatArray] | None = None,
) -> Panel:
    """A panel with other prices, times, members or own columns; nothing is checked."""
    made = copy.copy(panel)
    changes: dict[str, Any] = {"memo": {}, "_hash": None, "_listed": None, "_remarks": ()}
    if prices is not None:
        changes["prices"] = read_only(np.ascontiguousarray(prices))
    if time_us is not None:
        changes["time_us"] = read_only(time_us)
    if members is not None:
        changes["members"] = read_only(members)
    if own is not None:
        changes["_own"] = OwnBlocks({**OwnBlocks.of(panel._own).columns, **own})
    for slot, value in {**changes, "_periods_per_year": panel.periods_per_year}.items():
        object.__setattr__(made, slot, value)
    return made
