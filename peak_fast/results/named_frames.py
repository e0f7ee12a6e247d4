"""Frames of results: a column that is not there is answered with the nearest one."""

from __future__ import annotations

from typing import Any

import polars as pl

from peak_fast.errors import UnknownNameError, did_you_mean


class UnknownColumnError(UnknownNameError, pl.exceptions.ColumnNotFoundError):
    """A column that a frame does not have; also the error that Polars raises for one."""


class NamedFrame(pl.DataFrame):
    """A Polars frame whose square brackets name the nearest column; what is computed from it is a plain frame.

    Polars itself does so in its expressions, but not there.
    """

    def __getitem__(self, key: Any) -> Any:
        try:
            return super().__getitem__(key)
        except pl.exceptions.ColumnNotFoundError:
            self._refuse(key)
            raise

    def get_column(self, name: str, **options: Any) -> Any:
        """The column of a name; see ``polars.DataFrame.get_column``."""
        try:
            return super().get_column(name, **options)
        except pl.exceptions.ColumnNotFoundError:
            self._refuse(name)
            raise

    def _refuse(self, key: Any) -> None:
        """Raise the error for the first name that is not there."""
        parts = key if isinstance(key, tuple | list) else [key]
        names = [name for part in parts for name in (part if isinstance(part, list | tuple) else [part])]
        for name in names:
            if isinstance(name, str) and name not in self.columns:
                raise UnknownColumnError(
                    f"no column {name!r} here; {did_you_mean(name, self.columns)}"
                ) from None

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Kept in files, and sent to other processes, as a plain frame."""
        return pl.DataFrame, (self.get_columns(),)


def named(frame: pl.DataFrame) -> NamedFrame:
    """The same frame, without a copy of its data."""
    return NamedFrame(frame)
