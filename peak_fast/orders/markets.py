"""The assets of a run of orders: their names, bars and prices, from a frame, several frames, or a panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data import Bars, given_bars, is_panel
from peak_fast.errors import DataError
from peak_fast.orders.columns import notes_of
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    from peak_fast.data import Panel

_FIELDS = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Markets:
    """Assets that share one calendar.

    Attributes
    ----------
    names, bars
        Of the assets; bars without prices are among them.
    tables
        float64[asset, bar]: open, high, low, close, volume; that of the volume is ``(0, 0)`` unless all have one.
    notes
        Of the bars.
    is_panel
        Whether they are those of a `Panel`, whose instructions name their asset.
    """

    names: tuple[str, ...]
    bars: tuple[Bars, ...]
    tables: tuple[FloatArray, ...]
    notes: tuple[str, ...]
    is_panel: bool = False

    @property
    def has_volume(self) -> bool:
        """Whether all assets have a volume."""
        return self.tables[4].size > 0


def markets_of(bars: Any) -> Markets:
    """Assets of a frame of bars, a dict of asset name to frame, or a panel.

    Raises
    ------
    DataError
        The frames have other times than one another, or other meanings of them.
    """
    if is_panel(bars):
        return _of_panel(bars)
    if isinstance(bars, Mapping) and not {"open", "close"} <= {str(key).lower() for key in bars}:
        names = tuple(str(name) for name in bars)
        every = tuple(given_bars(frame, str(name)) for name, frame in bars.items())
    else:
        every = (given_bars(bars),)
        names = (every[0].name,)
    if not every:
        raise DataError("bars is empty: give a frame, or a dict of asset name to frame")
    _check_calendar(names, every)
    has_volume = all(item.volume is not None for item in every)
    tables = tuple(_stack(every, name) for name in _FIELDS)
    volume = _stack(every, "volume") if has_volume else np.empty((0, 0))
    return Markets(names, every, (*tables, volume), tuple(notes_of(names, every)))


def _check_calendar(names: Sequence[str], every: Sequence[Bars]) -> None:
    """Refuse assets that do not share one calendar."""
    for name, item in zip(names, every, strict=True):
        if item.stamp != every[0].stamp:
            raise DataError(
                f"asset {name!r} has times of the {item.stamp} of its bars, {names[0]!r} of the {every[0].stamp}; "
                "expected one meaning for all: read the frames with the same stamp="
            )
        if len(item) != len(every[0]) or not np.array_equal(item.time_us, every[0].time_us):
            raise DataError(
                f"asset {name!r} has other time stamps than {names[0]!r}: align the frames first, or give a Panel, "
                "peak_fast.Panel.from_frame({name: frame, ...})"
            )


def _stack(every: Sequence[Bars], name: str) -> FloatArray:
    arrays = [getattr(item, name) for item in every]
    return arrays[0].reshape(1, -1) if len(arrays) == 1 else np.stack(arrays)


def _of_panel(panel: Panel) -> Markets:
    """Assets of a panel over all of its bars; kept with it."""
    found = panel.memo.get("markets")
    if found is None:
        tables = tuple(getattr(panel, name) for name in _FIELDS)
        volume = np.empty((0, 0)) if panel.volume is None else panel.volume
        missing = np.isnan(panel.close).sum(axis=1).tolist()
        every = tuple(
            Bars(
                (tables[0][at], tables[1][at], tables[2][at], tables[3][at]),
                None if panel.volume is None else volume[at],
                panel.time_us if panel.has_time else None,
                name=symbol, time_zone=panel.time_zone, stamp=panel.stamp, n_invalid=missing[at],
            )
            for at, symbol in enumerate(panel.symbols)
        )  # fmt: skip
        found = panel.memo["markets"] = Markets(panel.symbols, every, (*tables, volume), panel.notes, True)
    markets: Markets = found
    return markets
