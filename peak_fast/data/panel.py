"""Prices of many assets on one calendar: :class:`Panel`, read from frames of any shape, checked once.

>>> frame = {"open": [10.0, 11.0], "high": [12.0, 12.0], "low": [9.0, 9.0], "close": [11.0, 10.0]}
>>> dated = {**frame, "timestamp": ["2024-01-02", "2024-01-03"]}
>>> panel = Panel.from_frame({"AAA": dated, "BBB": dated})
>>> panel.symbols, panel.prices.shape, len(panel["BBB"])
(('AAA', 'BBB'), (4, 2, 2), 2)
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from peak_fast.data.arrays import read_only
from peak_fast.data.bars import Bars
from peak_fast.data.options import ReadOptions, Stamp
from peak_fast.data.panel_blocks import Align
from peak_fast.data.panel_frames import long_frame
from peak_fast.data.panel_groups import Told
from peak_fast.data.panel_reading import (
    OwnBlocks,
    OwnPart,
    checked_align,
    panel_options,
    read_panel,
    read_paths,
)
from peak_fast.data.panel_rows import Read
from peak_fast.data.time_values import bar_of
from peak_fast.errors import ConfigError, DataError
from peak_fast.guard import guarded_class
from peak_kernels.arrays import IntArray

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Panel"]

_FIELDS = ("open", "high", "low", "close", "volume")


@guarded_class()
class Panel(Told):
    """Open, high, low, close, volume of many assets over the same bars; immutable.

    Attributes
    ----------
    prices : numpy.ndarray
        float64[field, asset, bar], C-contiguous, read-only: open, high, low, close and, where the data have one,
        volume.  NaN in all four prices where an asset has no bar.
    symbols : tuple of str
        Names of the assets, in the order of the second axis.
    time_us : numpy.ndarray
        int64[bar], read-only, strictly increasing: microseconds of the Unix epoch, UTC.
    has_time, time_zone, stamp, name, repaired
        As of :class:`~peak_fast.Bars`.
    groups : numpy.ndarray or None
        int64[asset]: number of each asset's group in ``group_names``, -1 where it has none.
    group_names : tuple of str
        Names of the groups.
    assets : dict
        What is known of single assets (``Asset``: lots, multipliers, currencies), by symbol.
    members : numpy.ndarray or None
        bool[asset, bar]: whether the asset belongs to the universe; None: all do, always.
    memo : dict
        Room for what others derive from the panel once; neither hashed nor pickled.
    """

    __slots__ = (
        "_hash", "_index", "_kind", "_listed", "_notes", "_own", "_periods_per_year", "_remarks", "assets",
        "group_names", "groups", "has_time", "members", "memo", "name", "prices", "repaired", "stamp", "symbols",
        "time_us", "time_zone",
    )  # fmt: skip

    def __init__(self, read: Read, *, name: str = "panel") -> None:
        """Wrap a block that already passed the checks; use :meth:`from_frame` for anything else."""
        put = object.__setattr__
        put(self, "prices", read_only(read.block.prices))
        put(self, "symbols", read.symbols)
        put(self, "time_us", read_only(read.block.time_us))
        put(self, "has_time", read.has_time)
        put(self, "time_zone", read.zone)
        put(self, "stamp", read.stamp)
        put(self, "name", name)
        put(self, "repaired", dict(read.repaired))
        put(self, "_notes", read.notes)
        put(self, "_own", read.own)
        # The library of the user's frame, whose kind a function of frames sees.
        put(self, "_kind", "pandas" if read.kind == "pandas" else "polars")
        put(self, "_index", {symbol: at for at, symbol in enumerate(read.symbols)})
        for slot, value in (
            ("groups", None),
            ("group_names", ()),
            ("assets", {}),
            ("members", None),
            ("memo", {}),
        ):
            put(self, slot, value)
        for slot in ("_hash", "_listed", "_periods_per_year", "_remarks"):
            put(self, slot, None)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        name: str = "panel",
        repair: str | Iterable[str] | None = None,
        timestamp: str | tuple[str, str] | Literal[False] | None = None,
        *,
        symbol_column: str | None = None,
        align: Align = "union",
        universe: Any = None,
        groups: Any = None,
        assets: Mapping[str, Any] | None = None,
        stamp: Stamp = "open",
        date_order: Literal["dmy", "mdy", "ymd"] | None = None,
        time_zone: str | None = None,
        columns: Mapping[str, str] | None = None,
        scale: float | None = None,
        adjust: bool = False,
    ) -> Panel:
        """Read the prices of several assets.

        Parameters
        ----------
        frame
            One of: a long frame, whose rows name their asset in a column or an index level (any library that
            :meth:`Bars.from_frame` takes); a dict of one frame, or Bars, for each asset; a dict of one wide frame for
            each of open, high, low, close and volume, or of closes alone, with a column for each asset; a pandas frame
            with two levels of column names, prices and symbols.
        name
            Display name.
        symbol_column
            Column or index level of symbols, where its name is not known as one.
        align
            Bars of the panel: the times of all assets ("union"), or those that all have ("intersection").
        universe, groups, assets
            As of :meth:`with_universe`, :meth:`with_groups` and :meth:`with_assets`.
        repair, timestamp, stamp, date_order, time_zone, columns, scale, adjust
            As of :meth:`Bars.from_frame`.

        Raises
        ------
        DataError
            The frame cannot be used; the message names asset, column, first offending row, value and remedy.
        ConfigError
            An option with a value that it cannot have.
        """
        options = panel_options(
            {
                "repair": repair, "timestamp": timestamp, "stamp": stamp, "date_order": date_order,
                "time_zone": time_zone, "columns": columns, "scale": scale, "adjust": adjust,
            },
            symbol_column,
        )  # fmt: skip
        if isinstance(frame, cls):
            said = options != ReadOptions() or align != "union"
            if said:
                raise ConfigError(
                    "expected a frame beside options of reading; got a Panel, which is read already"
                )
            made = frame
        else:
            made = cls(read_panel(frame, options, checked_align(align)), name=name)
        return made.told(universe=universe, groups=groups, assets=assets)

    @classmethod
    def load(
        cls,
        path: Any,
        name: str | None = None,
        repair: str | Iterable[str] | None = None,
        timestamp: str | tuple[str, str] | Literal[False] | None = None,
        *,
        symbol_column: str | None = None,
        align: Align = "union",
        universe: Any = None,
        groups: Any = None,
        assets: Mapping[str, Any] | None = None,
        dialect: str | None = None,
        stamp: Stamp = "open",
        date_order: Literal["dmy", "mdy", "ymd"] | None = None,
        time_zone: str | None = None,
        columns: Mapping[str, str] | None = None,
        scale: float | None = None,
        adjust: bool = False,
        separator: str | None = None,
        decimal: Literal[".", ","] | None = None,
        encoding: str | None = None,
    ) -> Panel:
        """Read the prices of several assets from files or an SQL query.

        Parameters
        ----------
        path
            A file whose rows name their asset; a pattern ("prices/*.csv"), a folder or a list of files, each of one
            asset (named after its file) or with rows of several; or ``"duckdb:SELECT ..."``.
        symbol_column, align, universe, groups, assets
            As of :meth:`from_frame`; the others as of :func:`~peak_fast.load`.

        Raises
        ------
        DataError, ConfigError
            As of :func:`~peak_fast.load` and :meth:`from_frame`.
        """
        options = panel_options(
            {
                "repair": repair, "timestamp": timestamp, "dialect": dialect, "stamp": stamp, "date_order": date_order,
                "time_zone": time_zone, "columns": columns, "scale": scale, "adjust": adjust, "separator": separator,
                "decimal": decimal, "encoding": encoding,
            },
            symbol_column,
        )  # fmt: skip
        read, stem = read_paths(path, options, checked_align(align))
        return cls(read, name=name or stem).told(universe=universe, groups=groups, assets=assets)

    def __getitem__(self, symbol: Any) -> Bars:
        """Bars of one asset: only those at which it has prices."""
        at = self.index(symbol)
        there = np.flatnonzero(~np.isnan(self.prices[3, at]))
        if not there.size:
            raise DataError(f"asset {self.symbols[at]!r} has no prices")
        first, last = int(there[0]), int(there[-1]) + 1
        rows: Any = slice(first, last) if last - first == there.size else there
        volume = None if self.volume is None else self.volume[at, rows]
        if volume is not None and np.isnan(volume).all():
            volume = None
        fields = (self.open, self.high, self.low, self.close)
        return Bars(
            (fields[0][at, rows], fields[1][at, rows], fields[2][at, rows], fields[3][at, rows]), volume,
            self.time_us[rows] if self.has_time else None, name=self.symbols[at], time_zone=self.time_zone,
            notes=() if there.size == len(self) else (f"{there.size} of the {len(self)} bars of {self.name!r}",),
            stamp=self.stamp,
        )  # fmt: skip

    # Parts of it

    def select(self, symbols: str | Iterable[Any]) -> Panel:
        """Some of the assets, in the order given, over the same bars.

        Raises
        ------
        DataError
            One of them is not in the panel, or twice in the list; no asset.
        """
        wanted = [symbols] if isinstance(symbols, str) else list(symbols)
        at = np.array([self.index(symbol) for symbol in wanted], dtype=np.int64)
        if not at.size or np.unique(at).size < at.size:
            raise DataError(f"select: expected different symbols, at least one; got {wanted}")
        return self._part(at, slice(0, len(self)))

    def slice(self, start: Any = None, stop: Any = None) -> Panel:
        """Bars from ``start`` up to, not including, ``stop``: numbers of bars, or times (text, date, datetime).

        ``periods_per_year`` and ``notes`` are those of the whole.

        Raises
        ------
        DataError
            No bar is left.
        """
        first, last, _ = slice(*(bar_of(self, edge) for edge in (start, stop))).indices(len(self))
        if first >= last:
            raise DataError(
                f"the slice {start}:{stop} of {len(self)} bars is empty; expected at least one bar"
            )
        return self._part(None, slice(first, last))

    def _part(self, at: IntArray | None, bars: Any) -> Panel:
        picked: Any = slice(None) if at is None else at
        part = copy.copy(self)
        put = object.__setattr__
        put(part, "prices", read_only(np.ascontiguousarray(self.prices[:, picked, bars])))
        put(part, "time_us", self.time_us[bars])
        put(part, "members", None if self.members is None else self.members[picked, bars])
        put(part, "_own", None if self._own is None else OwnPart(self._own, picked, bars))
        put(part, "_notes", self.notes)
        put(part, "_remarks", ())
        put(part, "_periods_per_year", self.periods_per_year)
        if at is not None:
            symbols = tuple(self.symbols[asset] for asset in at.tolist())
            put(part, "symbols", symbols)
            put(part, "_index", {symbol: place for place, symbol in enumerate(symbols)})
            put(part, "groups", None if self.groups is None else self.groups[at])
            put(part, "assets", {symbol: item for symbol, item in self.assets.items() if symbol in symbols})
        for slot, value in (("memo", {}), ("_hash", None), ("_listed", None)):
            put(part, slot, value)
        return part

    # Out of it

    def to_polars(self) -> pl.DataFrame:
        """A long frame, by symbol and time: symbol, timestamp, open, high, low, close, volume if known, own columns.

        Only bars at which an asset has prices.  Times that are closes stand in ``close_time`` instead.
        """
        return long_frame(self)

    def to_frame(self) -> Any:
        """As :meth:`to_polars`, of the library that the panel was read from: Polars, or pandas."""
        frame = long_frame(self)
        return frame.to_pandas() if self._kind == "pandas" else frame

    def __repr__(self) -> str:
        noted = f", {len(self._notes)} note{'s'[: len(self._notes) != 1]}" if self._notes else ""
        closes = ", stamped by close" if self.stamp == "close" else ""
        return (
            f"Panel({self.name!r}, {self.n_assets} assets, {len(self)} bars, {self._when()}{closes}{noted})"
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"a Panel is immutable; make another with Panel.from_frame (tried to set {name!r})"
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Panel is immutable (tried to delete {name!r})")

    def __reduce__(self) -> tuple[Any, ...]:
        state = {slot: getattr(self, slot) for slot in self.__slots__ if slot not in ("memo", "_own")}
        own = None if self._own is None else OwnBlocks.of(self._own)
        return _restore, ({**state, "_own": own, "memo": {}},)

    def __copy__(self) -> Panel:
        return _restore({slot: getattr(self, slot) for slot in self.__slots__})


def _restore(state: dict[str, Any]) -> Panel:
    """A panel of its slots; arrays come back from a pickle writable and are locked again."""
    panel = Panel.__new__(Panel)
    for slot, value in state.items():
        object.__setattr__(panel, slot, read_only(value) if isinstance(value, np.ndarray) else value)
    return panel
