"""The block of prices of a panel and what follows from it alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from peak_fast.data.dated import NO_TIMES, Dated
from peak_fast.data.hashing import content_hash
from peak_fast.data.observations import remarks
from peak_fast.data.panel_blocks import first_and_last
from peak_fast.data.panel_rows import gathered
from peak_fast.data.times import year_remark
from peak_fast.errors import DataError, did_you_mean
from peak_fast.guard import guarded_class
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl

_FIELDS = ("open", "high", "low", "close", "volume")
_MOST_TOGETHER = 6


@guarded_class()
class PanelPrices(Dated):
    """Prices of many assets over the same bars; the attributes are those of `peak_fast.data.Panel`."""

    __slots__ = ()

    prices: NDArray[np.float64]
    symbols: tuple[str, ...]
    name: str
    repaired: dict[str, int]
    groups: IntArray | None
    group_names: tuple[str, ...]
    assets: dict[str, Any]
    members: NDArray[np.bool_] | None
    memo: dict[str, Any]
    _own: Any
    _kind: str
    _index: dict[str, int]
    _notes: tuple[str, ...]
    _remarks: tuple[str, ...] | None
    _hash: str | None
    _listed: tuple[IntArray, IntArray] | None

    def _field(self, number: int) -> FloatArray:
        field: FloatArray = self.prices[number]
        return field

    @property
    def open(self) -> FloatArray:
        """Opens, float64[asset, bar]."""
        return self._field(0)

    @property
    def high(self) -> FloatArray:
        """Highs, float64[asset, bar]."""
        return self._field(1)

    @property
    def low(self) -> FloatArray:
        """Lows, float64[asset, bar]."""
        return self._field(2)

    @property
    def close(self) -> FloatArray:
        """Closes, float64[asset, bar]."""
        return self._field(3)

    @property
    def volume(self) -> FloatArray | None:
        """Volumes, float64[asset, bar], NaN where unknown; None where the data have none."""
        return self._field(4) if self.prices.shape[0] > 4 else None

    @property
    def n_assets(self) -> int:
        """Number of assets."""
        return len(self.symbols)

    @property
    def n_bars(self) -> int:
        """Number of bars."""
        return self.time_us.size

    def __len__(self) -> int:
        return self.time_us.size

    def __iter__(self) -> Iterator[str]:
        return iter(self.symbols)

    def __contains__(self, symbol: object) -> bool:
        return str(symbol) in self._index

    def index(self, symbol: Any) -> int:
        """Place of an asset on the second axis.

        Raises
        ------
        DataError
            There is no such asset.
        """
        at = self._index.get(str(symbol))
        if at is None:
            raise DataError(
                f"no asset {str(symbol)!r} in the panel; {did_you_mean(str(symbol), self.symbols)}"
            )
        return int(at)

    @property
    def listed(self) -> IntArray:
        """First bar of each asset with a price, int64[asset]; the number of bars where it has none."""
        return self._ends()[0]

    @property
    def delisted(self) -> IntArray:
        """First bar behind the last price of each asset, int64[asset]; all bars where it has prices to the end."""
        return self._ends()[1]

    def _ends(self) -> tuple[IntArray, IntArray]:
        if self._listed is None:
            object.__setattr__(self, "_listed", first_and_last(self.close))
        return self._listed  # type: ignore[return-value]

    @property
    def own_columns(self) -> tuple[str, ...]:
        """Columns of the user's frame beside prices and times, for :meth:`column`."""
        return () if self._own is None else tuple(self._own.columns)

    def column(self, name: str) -> FloatArray:
        """A numeric column of the user's frame, or a field of the prices: float64[asset, bar], NaN where there is none.

        Raises
        ------
        DataError
            There is no such column, or it is not numeric.
        """
        if name in _FIELDS[: self.prices.shape[0]]:
            return self._field(_FIELDS.index(name))
        if name not in self.own_columns:
            known = [*_FIELDS[: self.prices.shape[0]], *self.own_columns]
            raise DataError(f"column {name!r} is missing in the panel; {did_you_mean(name, known)}")
        found: FloatArray = self._own.block(name)
        return found

    @property
    def timestamps(self) -> pl.Series:
        """The same as ``timestamp``."""
        return self.timestamp

    @property
    def notes(self) -> tuple[str, ...]:
        """What was understood, guessed, dropped or reversed while the data were read, and remarks on the values."""
        if self._remarks is None:
            found = gathered({symbol: self._remarks_of(at) for at, symbol in enumerate(self.symbols)})
            year = year_remark(self.inside_us) if self.has_time else NO_TIMES
            together = [*self._remarks_together(), *([] if year is None else [year])]
            object.__setattr__(self, "_remarks", (*found, *together))
        return self._notes + self._remarks  # type: ignore[operator]

    def _remarks_together(self) -> list[str]:
        """What only shows when assets stand beside each other: calendars without a common time, names nearly alike."""
        found, alike = [], dict[str, str]()
        if len(self.symbols) > 1 and (~np.isnan(self.close)).sum(axis=0).max(initial=0) < 2:
            found.append(
                "at no time do two assets have prices; if they trade on the same days, their times differ (time zones?)"
            )
        for symbol in self.symbols:
            other = alike.setdefault(symbol.strip().casefold(), symbol)
            if other != symbol:
                found.append(
                    f"{other!r} and {symbol!r} are two assets; their names differ in letters' case or blanks"
                )
        return found[:_MOST_TOGETHER]

    def _remarks_of(self, at: int) -> list[str]:
        there = ~np.isnan(self.close[at])
        if not there.any():
            return ["no prices"]
        fields = [np.ascontiguousarray(field[at, there]) for field in self.prices]
        volume = fields[4] if len(fields) > 4 else None
        times = self.time_us[there] if self.has_time else None
        return remarks(fields[0], fields[1], fields[2], fields[3], volume, times)

    @property
    def hash(self) -> str:
        """32 hexadecimal digits that change when a price, a volume, a time, a name or their order changes.

        So do groups, members and what is known of single assets, where they were told.
        """
        if self._hash is None:
            arrays = [*(field.reshape(-1) for field in self.prices), self.time_us]
            told = [np.packbits(self.members).tobytes().hex()] if self.members is not None else []
            told += [str(self.groups.tolist()), *self.group_names] if self.groups is not None else []
            told += [repr(sorted(self.assets.items()))] if self.assets else []
            object.__setattr__(self, "_hash", content_hash(arrays, "\0".join([*self.symbols, *told])))
        return str(self._hash)
