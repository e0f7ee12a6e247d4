"""What a strategy is given, and the same with other values from some bar on, one column at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from peak_fast.data import (
    Bars,
    Panel,
    bars_with,
    column_of,
    fields_of,
    frame_of_kind,
    frame_shown,
    moved_times,
    names_of_frame,
    panel_with,
    temporal_columns,
    with_values,
)
from peak_fast.errors import DataError
from peak_fast.lookahead.changes import jittered, other_values, price_change, time_moves
from peak_kernels.arrays import FloatArray, IntArray

_PRICES = ("open", "high", "low", "close")
TIMES = "time stamps"
UNIVERSE = "universe"


class Inputs(Protocol):
    """Data of a run, and how they are changed."""

    data: Any
    count: int
    columns: tuple[str, ...]
    """Names of the columns that can be changed, as the user knows them."""

    def prefix(self, count: int) -> Any:
        """The first bars alone."""
        ...

    def other(self, first: int, kind: str, columns: Iterable[str] | None = None) -> Any:
        """All bars, of which those from ``first`` on have other values in some columns (None: in all)."""
        ...

    def jitter(self, sign: float) -> Any:
        """All bars with values that differ as if by rounding."""
        ...

    def moved(self, first: int, kind: str) -> Any:
        """All bars, of which those from ``first`` on have other times; None where there are none to move."""
        ...

    def time_of(self, bar: int) -> str | None:
        """Time of a bar as text; None: there is none."""
        ...

    def limit_us(self, count: int) -> int | None:
        """Time before which everything is known once ``count`` bars are closed; None: there are no times."""
        ...


class _Timed:
    """Times of bars or panels."""

    data: Any

    def time_of(self, bar: int) -> str | None:
        """Time of a bar as text, to the second, UTC; None: there is none."""
        if not self.data.has_time:
            return None
        text = str(np.datetime64(int(self.data.time_us[bar]), "us").astype("M8[s]")).replace("T", " ")
        return text.removesuffix(" 00:00:00")

    def limit_us(self, count: int) -> int | None:
        """Time before which everything is known once ``count`` bars are closed; None: there are no times."""
        times = self.data.time_us
        if not self.data.has_time:
            return None
        if self.data.stamp == "open" and count < times.size:
            return int(times[count])
        return int(times[count - 1]) + 1


class BarsInputs(_Timed):
    """Bars and the user's frame beside them."""

    def __init__(self, bars: Bars, framed: bool = True) -> None:
        self.data: Bars = bars
        self.count = len(bars)
        self._frame: Any = frame_shown(bars) if framed else None
        self._fields, self._own = _named(bars, self._frame) if framed else ({}, {})
        fields = (*_PRICES, *(["volume"] if bars.volume is not None else []))
        self._of = {str(self._fields.get(field, field)): field for field in fields}
        self.columns = (*self._of, *self._own)

    def prefix(self, count: int) -> Bars:
        """The first bars alone."""
        return self.data.slice(0, count)

    def other(self, first: int, kind: str, columns: Iterable[str] | None = None) -> Bars:
        """All bars, of which those from ``first`` on have other values in some columns (None: in all).

        Without a frame all but the next open, which an order of before is filled at.
        """
        factor, summand = price_change(self.data.mark, first, kind)
        fields: dict[str, FloatArray] = {}
        shown: dict[Any, Any] = {}
        for name in self.columns if columns is None else columns:
            field = self._of.get(name)
            if field is None:
                label = self._own[name]
                shown[label] = other_values(column_of(self._frame, label), first, kind)
                continue
            by, plus = (_volume_factor(factor, first), 0.0) if field == "volume" else (factor, summand)
            fields[field] = getattr(self.data, field) * by + plus
            if self._frame is None and columns is None and field == "open":
                fill = first + int(np.argmax(np.isfinite(self.data.open[first:])))
                fields[field][fill] = self.data.open[fill]
            if field in self._fields:
                label = self._fields[field]
                old = column_of(self._frame, label)
                # Prices that are written as text stay as they are; the bars beside them change.
                if old.dtype.kind == "f":
                    shown[label] = old * by + plus
        return self._made(fields, self._with(shown))

    def jitter(self, sign: float) -> Bars:
        """All bars with values that differ as if by rounding."""
        fields = {field: jittered(getattr(self.data, field), sign) for field in self._of.values()}
        shown = {}
        for name in (*self._fields.values(), *self._own.values()):
            old = np.asarray(self._frame[name])
            if old.dtype.kind == "f":
                shown[name] = jittered(old.astype(np.float64), sign)
        return self._made(fields, self._with(shown))

    def _with(self, shown: dict[Any, Any]) -> Any:
        return self._frame if self._frame is None or not shown else with_values(self._frame, shown)

    def moved(self, first: int, kind: str) -> Bars | None:
        """All bars, of which those from ``first`` on have other times."""
        if not self.data.has_time:
            return None
        moves = time_moves(self.data.time_us, first, kind)
        frame = None if self._frame is None else moved_times(self._frame, moves)
        return None if frame is self._frame else self._made({}, frame, self.data.time_us + moves)

    def _made(self, fields: dict[str, FloatArray], frame: Any, time_us: IntArray | None = None) -> Bars:
        source = None if frame is None else frame_of_kind(frame, self.data.source)
        return bars_with(self.data, fields, time_us, source)


class PanelInputs(_Timed):
    """A panel."""

    def __init__(self, panel: Panel) -> None:
        self.data: Panel = panel
        self.count = len(panel)
        names = (*_PRICES, "volume")[: panel.prices.shape[0]]
        self._own = {name: values for name in panel.own_columns if (values := _own(panel, name)) is not None}
        members = () if panel.members is None else (UNIVERSE,)
        self._at = {name: number for number, name in enumerate(names)}
        self.columns = (*names, *self._own, *members)
        self._path = _carried(panel.close)

    def prefix(self, count: int) -> Panel:
        """The first bars alone."""
        return self.data.slice(0, count)

    def other(self, first: int, kind: str, columns: Iterable[str] | None = None) -> Panel:
        """All bars, of which those from ``first`` on have other values in some columns (None: in all)."""
        names = self.columns if columns is None else tuple(columns)
        # Every asset in its own way: one that all share would leave ranks as they are.
        factor, summand = price_change(self._path, first, kind)
        if kind in ("rise", "fall"):
            factor[::2] = 1.0 / factor[::2]
            summand[::2] = -summand[::2]
        prices = self.data.prices.copy()
        for name in names:
            at = self._at.get(name)
            if at is not None:
                volume = name == "volume"
                prices[at] = prices[at] * (_volume_factor(factor, first) if volume else factor)
                prices[at] += 0.0 if volume else summand
        own = {name: other_values(self._own[name], first, kind) for name in names if name in self._own}
        members = self.data.members
        if members is not None and UNIVERSE in names:
            members = members.copy()
            members[:, first:] = ~members[:, first:]
        return panel_with(self.data, prices, members=members, own=own or None)

    def jitter(self, sign: float) -> Panel:
        """All bars with values that differ as if by rounding."""
        own = {name: jittered(values, sign) for name, values in self._own.items()}
        return panel_with(self.data, jittered(self.data.prices, sign), own=own or None)

    def moved(self, first: int, kind: str) -> Panel | None:
        """All bars, of which those from ``first`` on have other times."""
        if not self.data.has_time:
            return None
        return panel_with(self.data, time_us=self.data.time_us + time_moves(self.data.time_us, first, kind))


def inputs_of(data: Bars | Panel, framed: bool = True) -> BarsInputs | PanelInputs:
    """What a strategy is given: bars, or a panel; ``framed``: whether it reads the user's frame."""
    return BarsInputs(data, framed) if isinstance(data, Bars) else PanelInputs(data)


def _named(bars: Bars, frame: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Names in the frame of prices and volumes, and of the user's own columns but times."""
    fields = fields_of(bars, frame)
    taken = {*fields.values(), *temporal_columns(frame)}
    fields.pop("timestamp", None)
    own = {str(name): name for name in names_of_frame(frame) if name not in taken}
    return fields, own


def _volume_factor(factor: FloatArray, first: int) -> FloatArray:
    """A factor of volumes: that of prices, where they move little another one."""
    made = np.ones(factor.shape)
    made[..., first:] = np.where(factor[..., first:] > 1.0, 2.5, 0.4)
    return made


def _own(panel: Panel, name: str) -> FloatArray | None:
    """An own column of a panel; None where it is not of numbers."""
    try:
        return panel.column(name)
    except DataError:
        return None


def _carried(close: FloatArray) -> FloatArray:
    """Closes carried forward over bars without a price, float64[asset, bar]."""
    there = ~np.isnan(close)
    last = np.where(there, np.arange(close.shape[1]), 0)
    np.maximum.accumulate(last, axis=1, out=last)
    carried: FloatArray = np.take_along_axis(close, last, axis=1)
    return carried
