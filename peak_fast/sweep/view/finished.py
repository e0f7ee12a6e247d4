"""What texts, exports and trackers read of the result of a sweep."""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import polars as pl


class Finished(Protocol):
    """A table of configurations with what describes it; see `peak_fast.sweep.result.SweepResult`."""

    metrics: tuple[str, ...]
    parameters: tuple[str, ...]
    notes: tuple[str, ...]
    settings: dict[str, Any]
    is_full: bool

    def __len__(self) -> int: ...

    @property
    def grid(self) -> Sized | None:
        """All configurations; None where only the table is at hand."""

    @property
    def total(self) -> int:
        """Number of configurations of the whole sweep, finished or not."""

    @property
    def default_metric(self) -> str:
        """Metric that the best ones are told by."""

    @property
    def frame(self) -> pl.DataFrame:
        """The whole table."""

    def lazy(self) -> pl.LazyFrame:
        """The table, read when needed."""

    def parts(self) -> list[Path]:
        """Files of a stored table."""

    def top(
        self, n: int = 10, by: str | None = None, descending: bool | None = None, *, min_trades: int = 0
    ) -> pl.DataFrame:
        """The best rows, best first."""

    def heatmap(self, x: str | None = None, y: str | None = None, metric: str | None = None) -> Any:
        """Picture of a metric over two parameters."""

    def curves(self, n: int = 10, by: str | None = None) -> pl.DataFrame:
        """Equity curves of the best configurations."""
