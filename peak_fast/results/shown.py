"""What every result shows of itself: summary, tables for terminals and notebooks, plain values, pandas frames."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from peak_fast.guard import guarded_class
from peak_fast.results.metadata import jsonable
from peak_fast.results.summary import rich_table


def hash_of(arrays: Iterable[Any]) -> str:
    """32 hexadecimal digits over the bytes of arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


@guarded_class()
class Shown:
    """Views that kinds of results have in common.

    A kind gives ``_rows()``, the labels and texts of its summary, and ``_remedy(name)``, where what is asked for under
    a wrong name is to be had.
    """

    strategy_name: str
    params: dict[str, Any]
    symbol: str
    _FRAMES: ClassVar[tuple[str, ...]]
    """Names of the frames."""

    def __getattr__(self, name: str) -> Any:
        """Only asked for what is not there.

        Raises
        ------
        AttributeError
            Always; it says where the statistic, or the picture, is to be had.
        """
        kind = type(self)
        if name.startswith("_") or hasattr(kind, name):  # a property that failed says why itself
            return object.__getattribute__(self, name)
        raise AttributeError(f"a {kind.__name__} has no attribute {name!r}; {self._remedy(name)}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} is immutable; tried to set {name!r}")

    def summary(self) -> str:
        """The result in a few lines of text."""
        lines = [f"{self.strategy_name} on {self.symbol}"]
        if self.params:
            lines.append("  " + ", ".join(f"{key}={value}" for key, value in self.params.items()))
        lines += [f"  {label:<17} {text}" for label, text in self._rows()]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Statistics and metadata as plain values that JSON can hold (NaN and infinities become None)."""
        plain: dict[str, Any] = jsonable({"stats": self.stats, "metadata": self.metadata})
        return plain

    def to_pandas(self) -> dict[str, Any]:
        """All frames as pandas frames, by name.

        Raises
        ------
        MissingDependencyError
            pandas or pyarrow is not installed.
        """
        from peak_fast.errors import require

        require("pandas", extra="dev")
        require("pyarrow", extra="duckdb")
        return {name: getattr(self, name).to_pandas() for name in self._FRAMES}

    def __rich__(self) -> Any:
        return rich_table(f"{self.strategy_name} on {self.symbol}", self._rows())

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(label)}</td><td style='text-align:right'>{escape(text)}</td></tr>"
            for label, text in self._rows()
        )
        return f"<table><caption>{escape(f'{self.strategy_name} on {self.symbol}')}</caption>{rows}</table>"
