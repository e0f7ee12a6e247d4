"""Price bars: any frame, file or SQL query becomes :class:`Bars`, checked once.

All validation of prices and timestamps lives behind :meth:`Bars.from_frame`; what comes after trusts its
input.

>>> frame = {"open": [10.0, 11.0], "high": [12.0, 12.0], "low": [9.0, 9.0], "close": [11.0, 10.0]}
>>> bars = Bars.from_frame(frame)
>>> len(bars), float(bars.close[0]), bars.has_time
(2, 11.0, False)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from peak_fast.data.arrays import forward_fill, read_only
from peak_fast.data.checks import PRICE_COLUMNS, Checked
from peak_fast.data.dated import NO_TIMES
from peak_fast.data.hashing import content_hash
from peak_fast.data.held import HeldBars
from peak_fast.data.late_frames import LateFrame
from peak_fast.data.observations import remarks
from peak_fast.data.options import DEFAULTS, ReadOptions, Stamp, read_options
from peak_fast.data.times import DAY_US, year_remark
from peak_fast.errors import ConfigError, DataError
from peak_fast.guard import guarded_class
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Bars"]


@guarded_class()
class Bars(HeldBars):
    """Open, high, low, close, volume and time of one asset; immutable.

    Make one with :meth:`from_frame`, :func:`load`, :func:`sample` or :func:`synthetic`, which check the data.

    Attributes
    ----------
    open, high, low, close : numpy.ndarray
        Shape ``(n_bars,)``, float64, C-contiguous, read-only (numba therefore sees one array type,
        whatever frame the data came from). A bar with a missing price is NaN in all four; no price is
        infinite. Prices at or below zero (spreads, power) stand in ``notes``.
    volume : numpy.ndarray or None
        Shape ``(n_bars,)``, float64, read-only, >= 0, NaN where unknown; None if the frame has none.
    time_us : numpy.ndarray
        Shape ``(n_bars,)``, int64, read-only, strictly increasing: microseconds of the Unix epoch, UTC.
        Without timestamps in the frame (``has_time`` is False) bar *i* stands *i* days after 1970-01-01.
    has_time : bool
        Whether the times come from the frame.
    time_zone : str or None
        Time zone the frame displayed its times in; None if they were naive (they are taken as UTC).
    name : str
        Name of the asset or file, for display.
    n_invalid : int
        Bars with a missing price.
    repaired : dict of str to int
        What ``repair`` changed: rows moved by "sort", rows removed by "drop", prices moved by "clip".
    stamp : str
        What the times mean: ``"open"`` or ``"close"`` of the bar.
    """

    __slots__ = ()

    def __init__(
        self,
        prices: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
        volume: FloatArray | None,
        time_us: IntArray | None,
        *,
        name: str = "bars",
        time_zone: str | None = None,
        source: Any = None,
        n_invalid: int = 0,
        repaired: Mapping[str, int] | None = None,
        notes: Iterable[str] = (),
        stamp: Stamp = "open",
    ) -> None:
        """Wrap arrays that already passed the checks; use :meth:`from_frame` for anything else."""
        if time_us is None:
            times, has_time = np.arange(prices[0].size, dtype=np.int64) * DAY_US, False
        else:
            times, has_time = time_us, True
        values = {
            **{name: read_only(column) for name, column in zip(PRICE_COLUMNS, prices, strict=True)},
            "volume": None if volume is None else read_only(volume),
            "time_us": read_only(times), "has_time": has_time, "time_zone": time_zone, "name": name,
            "n_invalid": n_invalid, "repaired": dict(repaired or {}), "stamp": stamp,
            "_source": source, "_notes": tuple(notes),
            # Name in the frame by what it is; for display.
            "_read_from": {},
            # Found when they are first asked for: remarks on the values, and what follows from them.
            "_remarks": None, "_hash": None, "_mark": None, "_n_not_positive": None, "_periods_per_year": None,
            # The rows of prices that kernels read, and a table of them for kernels that want one; made by runs.
            "_rows": None, "_table": None,
            # The first bars of these arrays, of a frame that is run again (`peak_fast.data.known_values`).
            "_first": None,
            # Whether the rows of a frame that a run was given were turned round (`peak_fast.data.given`).
            "_turned": False,
        }  # fmt: skip
        for slot, value in values.items():
            object.__setattr__(self, slot, value)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        name: str | None = None,
        repair: str | Iterable[str] | None = None,
        timestamp: str | tuple[str, str] | Literal[False] | None = None,
        *,
        symbol: str | Literal[False] | None = None,
        stamp: Stamp = "open",
        date_order: Literal["dmy", "mdy", "ymd"] | None = None,
        time_zone: str | None = None,
        columns: Mapping[str, str] | None = None,
        scale: float | None = None,
        adjust: bool = False,
    ) -> Bars:
        """Check a frame and take its columns, without a copy where they already are contiguous float64.

        Parameters
        ----------
        frame
            Polars DataFrame or LazyFrame, pandas DataFrame, pyarrow Table, DuckDB relation, dict of arrays,
            numpy structured array, any frame narwhals knows, or Bars (returned as they are). Columns
            ``open``, ``high``, ``low``, ``close`` and optionally ``volume``; case, blanks and punctuation of
            names do not matter. Null and NaN both mean "missing".
        name
            Display name; default the symbol of the frame, else "bars".
        repair
            One of these, or several: ``"sort"`` puts rows in order of time; ``"drop"`` keeps the last of the
            rows that share a timestamp; ``"clip"`` moves an open or close outside ``[low, high]`` to the
            nearer end (``source`` keeps the value it had).
        timestamp
            Name of the time column or index level; two names: a date and a time of day, which are joined;
            False: the bars have no times. Default: found by the rules of ``docs/data.md``.
        symbol
            The one value to take of a symbol column, index level or level of column names; False: all rows are one
            series, such as contracts that follow one another.
        stamp
            What a time means: ``"open"`` or ``"close"`` of its bar.
        date_order
            Order of day, month and year in dates as text, where the column does not prove it.
        time_zone
            Zone that times without an offset are in, such as "America/New_York". Default: UTC.
        columns
            Names in the frame by what they are, for those that are not found: ``{"close": "Last"}``. Known are
            timestamp, open, high, low, close, volume, symbol, adj_close and split.
        scale
            Factor of every price.
        adjust
            Whether to adjust prices for splits and dividends by the frame's adjusted close, else by its
            splits.

        Raises
        ------
        DataError
            The frame cannot be used; the message names column, first offending row, value and remedy.
        ConfigError
            An option with a value that it cannot have.
        """
        said: dict[str, Any] = {
            "repair": repair, "timestamp": timestamp, "symbol": symbol, "columns": columns, "scale": scale,
            "date_order": date_order, "time_zone": time_zone, "stamp": None if stamp == "open" else stamp,
            "adjust": adjust or None,
        }  # fmt: skip
        said = {option: value for option, value in said.items() if value is not None}
        if isinstance(frame, Bars):
            for option in said.keys() - {"repair"}:
                raise ConfigError(
                    f"{option}: expected a frame beside it; got Bars, which are read already; read their frame with it"
                )
            return frame
        options = read_options(said) if said else DEFAULTS
        return cls._of(frame, name, options)

    @classmethod
    def _of(cls, frame: Any, name: str | None, options: ReadOptions, notes: Iterable[str] = ()) -> Bars:
        """Bars of a frame by checked options; ``notes`` are what was noticed on the way to the frame."""
        # Here, because bars that are made from numbers read no frame.
        from peak_fast.data.reading import read

        extracted, checked = read(frame, options)
        name = name or extracted.symbol or "bars"
        said = (*notes, *extracted.notes)
        return cls._checked(
            checked, extracted.source, name, extracted.times.zone, extracted.read_from, said, extracted.stamp
        )

    @classmethod
    def _checked(
        cls, checked: Checked, source: Any, name: str, zone: str | None, read_from: Mapping[str, str],
        notes: Iterable[str] = (), stamp: Stamp = "open",
    ) -> Bars:  # fmt: skip
        """Bars of columns that passed; a source of ``...`` is their own frame, made when it is asked for."""
        open_, high, low, close, volume, time_us = checked.columns
        made = cls(
            (open_, high, low, close),
            volume,
            time_us,
            name=name,
            time_zone=zone,
            source=source,
            n_invalid=checked.n_invalid,
            repaired=checked.repaired,
            notes=(*notes, *checked.notes()),
            stamp=stamp,
        )
        object.__setattr__(made, "_n_not_positive", checked.n_not_positive)
        object.__setattr__(made, "_read_from", read_from)
        return made

    def _of_frame(self, source: Any, name: str) -> Bars:
        """These bars, whatever they were read from and called: with the same arrays, and all that is known of them."""
        made: Bars = object.__new__(Bars)
        for put, value in zip(_PUT_ALL, _ALL_OF(self), strict=True):
            put(made, value)
        for put, value in zip(_PUT_OWN, (source, name, {}, self), strict=True):
            put(made, value)
        return made

    def __repr__(self) -> str:
        missing = f", {self.n_invalid} missing" if self.n_invalid else ""
        closes = ", stamped by close" if self.stamp == "close" else ""
        noted = f", {len(self._notes)} note{'s'[: len(self._notes) != 1]}" if self._notes else ""
        return f"Bars({self.name!r}, {len(self)} bars{missing}, {self._when()}{closes}{noted})"

    @property
    def source(self) -> Any:
        """The user's frame, of the type that came in, row for row with the bars; None: they were made without one."""
        kept = self._source
        if kept is ... or type(kept) is LateFrame:
            object.__setattr__(self, "_source", self.to_polars() if kept is ... else kept.made())
        return self._source

    @property
    def has_nan(self) -> bool:
        """Whether any bar has a missing price."""
        return self.n_invalid > 0

    @property
    def n_not_positive(self) -> int:
        """Bars with a price at or below zero: only sizes in units can trade them."""
        if self._n_not_positive is None:
            object.__setattr__(self, "_n_not_positive", int(np.count_nonzero(self.low <= 0.0)))
        return int(self._n_not_positive)  # type: ignore[arg-type]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was understood, guessed, dropped or reversed while the data were read, and remarks on the values.

        Empty where there is nothing to say.
        """
        if self._remarks is None and self._first is not None:
            self._first.notes  # noqa: B018  it remembers the remarks
            object.__setattr__(self, "_remarks", self._first._remarks)
        if self._remarks is None:
            times = self.time_us if self.has_time else None
            found = remarks(self.open, self.high, self.low, self.close, self.volume, times)
            year = NO_TIMES if times is None else year_remark(self.inside_us)
            object.__setattr__(self, "_remarks", (*found, *([] if year is None else [year])))
        return self._notes + self._remarks  # type: ignore[operator]

    @property
    def mark(self) -> FloatArray:
        """Close, forward-filled over missing bars: shape ``(n_bars,)``, float64, read-only.

        NaN only before the first bar with a price (nothing is known there). The same array as ``close`` if no
        bar is missing.
        """
        if self._mark is None:
            object.__setattr__(self, "_mark", forward_fill(self.close) if self.has_nan else self.close)
        mark: FloatArray = self._mark  # type: ignore[assignment]
        return mark

    @property
    def hash(self) -> str:
        """32 hexadecimal digits that change when a price, a volume, a timestamp or their order changes.

        Independent of the frame type the data came from, of ``name`` and of ``time_zone``. It guards against
        accidental change, not against an attacker: see ``docs/data.md`` for the construction.
        """
        if self._hash is None and self._first is not None:
            object.__setattr__(self, "_hash", self._first.hash)
        if self._hash is None:
            arrays = [self.open, self.high, self.low, self.close, self.time_us]
            if self.volume is not None:
                arrays.append(self.volume)
            object.__setattr__(self, "_hash", content_hash(arrays))
        return str(self._hash)

    def column(self, name: str) -> FloatArray:
        """A numeric column of the user's frame: shape ``(n_bars,)``, float64, NaN for null, name in any case.

        Raises
        ------
        DataError
            There is no such column, or it is not numeric.
        """
        if self.source is None:
            raise DataError(f"column {name!r} is missing: these bars were made without a frame")
        from peak_fast.data.frames import source_column

        return source_column(self.source, name)

    def slice(self, start: Any, stop: Any = None) -> Bars:
        """Bars ``start`` to ``stop`` (exclusive; negative values count from the end), sharing memory.

        Both are numbers of bars, or times (text, date, datetime).

        ``periods_per_year`` and ``notes`` are those of the whole, so that a short window is annualised like
        the rest.

        Raises
        ------
        DataError
            No bar is left, or something is no time.
        """
        from peak_fast.data.kept_rows import slice_rows

        if not {type(start), type(stop)} <= {int, type(None)}:
            from peak_fast.data.time_values import bar_of

            start, stop = bar_of(self, start), bar_of(self, stop)
        first, last, _ = slice(start, stop).indices(len(self))
        if first >= last:
            raise DataError(
                f"the slice {start}:{stop} of {len(self)} bars is empty; expected at least one bar"
            )
        window = slice(first, last)
        part = Bars(
            (self.open[window], self.high[window], self.low[window], self.close[window]),
            None if self.volume is None else self.volume[window],
            self.time_us[window],
            name=self.name,
            time_zone=self.time_zone,
            source=... if self._source is ... else slice_rows(self.source, first, last),
            n_invalid=int(np.count_nonzero(np.isnan(self.close[window]))) if self.has_nan else 0,
            notes=self.notes,
            stamp=self.stamp,
        )
        object.__setattr__(part, "_remarks", ())
        object.__setattr__(part, "has_time", self.has_time)
        object.__setattr__(part, "_turned", self._turned)
        object.__setattr__(part, "_periods_per_year", self.periods_per_year)
        return part

    def to_polars(self) -> pl.DataFrame:
        """Columns timestamp, open, high, low, close and, if known, volume (missing bars are NaN).

        Times that are closes stand in ``close_time`` instead, a name that :meth:`from_frame` understands.
        """
        import polars as pl

        names = ["open", "high", "low", "close"] + ([] if self.volume is None else ["volume"])
        times = self.timestamp.rename("timestamp" if self.stamp == "open" else "close_time")
        return pl.DataFrame([times, *(pl.Series(name, getattr(self, name)) for name in names)])


# Slots are filled by their descriptors: the shortest way to fill so many.
_ALL_OF = attrgetter(*HeldBars.__slots__)
_PUT_ALL = [vars(HeldBars)[slot].__set__ for slot in HeldBars.__slots__]
_PUT_OWN = [vars(HeldBars)[slot].__set__ for slot in ("_source", "name", "repaired", "_first")]
