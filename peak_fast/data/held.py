"""What bars hold: checked arrays that nobody changes, and what was noticed while they were read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.data.arrays import read_only
from peak_fast.data.dated import Dated
from peak_fast.data.options import Stamp
from peak_kernels.arrays import FloatArray, IntArray


class HeldBars(Dated):
    """The slots of `peak_fast.data.Bars`; its docstring says what they are."""

    __slots__ = (
        "_first", "_hash", "_mark", "_n_not_positive", "_notes", "_periods_per_year", "_read_from", "_remarks",
        "_rows", "_source", "_table", "_turned", "close", "has_time", "high", "low", "n_invalid", "name", "open",
        "repaired", "stamp", "time_us", "time_zone", "volume",
    )  # fmt: skip

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray | None
    time_us: IntArray
    has_time: bool
    time_zone: str | None
    name: str
    n_invalid: int
    repaired: dict[str, int]
    stamp: Stamp
    _first: Any
    _hash: str | None
    _mark: FloatArray | None
    _n_not_positive: int | None
    _notes: tuple[str, ...]
    _periods_per_year: float | None
    _read_from: Mapping[str, str]
    _remarks: tuple[str, ...] | None
    _rows: tuple[FloatArray, ...] | None
    _source: Any
    _table: FloatArray | None
    _turned: bool

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"Bars are immutable; make new ones with Bars.from_frame (tried to set {name!r})"
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Bars are immutable (tried to delete {name!r})")

    @property
    def source(self) -> Any:
        """The frame that these were read from."""
        return self._source

    def __len__(self) -> int:
        return self.close.size

    def __reduce__(self) -> tuple[Any, ...]:
        state = {slot: getattr(self, slot) for slot in HeldBars.__slots__ if slot not in _NOT_SAVED}
        if self._source is not ...:  # a frame that is not put together yet
            state["_source"] = self.source
        return _restore, (type(self), state)


_NOT_SAVED = ("_first", "_rows", "_table")


def _restore(kind: type[HeldBars], state: dict[str, Any]) -> HeldBars:
    """Unpickle; arrays come back writable and are locked again."""
    bars = kind.__new__(kind)
    for slot in _NOT_SAVED:
        object.__setattr__(bars, slot, None)
    for slot, value in state.items():
        locked = read_only(value) if isinstance(value, np.ndarray) and slot != "_source" else value
        object.__setattr__(bars, slot, locked)
    return bars
