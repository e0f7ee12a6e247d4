"""Scores from what is known at every bar: indicator rows, columns, Polars expressions, frames of scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from peak_fast.arguments import wrong
from peak_fast.data import Calendar, Panel, aligned_table, fingerprint, is_frame, numbers_of, package_of
from peak_fast.errors import StrategyError
from peak_fast.indicators import rows_of
from peak_fast.params import Param
from peak_fast.portfolio.rules.references import named, resolved
from peak_fast.portfolio.rules.scores import READERS, Params, Score, as_score
from peak_fast.strategies import Row, source_hash
from peak_kernels import entries as kernels
from peak_kernels.arrays import FloatArray, IntArray


def column_score(value: Any) -> Score:
    """A score of what is neither a score nor a number.

    Raises
    ------
    StrategyError
        It cannot be read as one.
    """
    if isinstance(value, Row):
        return OfRow(value)
    if isinstance(value, str):
        return Column(value)
    if package_of(value) == "polars" and type(value).__name__ == "Expr":
        return Expression(value)
    if is_frame(value) or (isinstance(value, np.ndarray) and value.ndim == 2):
        return Given(value, fingerprint(value))
    if callable(value):
        return Chosen(value)
    remedy = (
        "write Momentum(126), Row('rsi', 14), 'my_column', or pl.col('close').pct_change(20).over('symbol')"
    )
    raise wrong("score", "a score, a row, a column, an expression or a frame", value, remedy, StrategyError)


def taken(values: FloatArray, rows: IntArray) -> FloatArray:
    """Values of every bar, float64[asset, bar], at some bars: float64[k, asset]."""
    out = np.empty((rows.size, values.shape[0]))
    kernels.taken_scores(np.ascontiguousarray(values), rows, out)
    return out


@dataclass(frozen=True, slots=True, repr=False)
class OfRow(Score):
    """An indicator of each asset over its own bars; between them its last value counts."""

    row: Row

    def at(self, panel: Panel, rows: IntArray, params: Params) -> FloatArray:
        """Values at the rows."""
        key = self.key(params)[1]
        out = np.full((rows.size, panel.n_assets), np.nan)
        for asset, symbol in enumerate(panel.symbols):
            there = np.flatnonzero(~np.isnan(panel.close[asset]))
            if not there.size:
                continue
            values = rows_of(panel[symbol], [key])[0]
            place = np.searchsorted(there, rows, side="right") - 1
            out[:, asset] = np.where(place >= 0, values[np.maximum(place, 0)], np.nan)
        return out

    def key(self, params: Params) -> Any:
        """Kind and numbers of the row."""
        return "row", (self.row.kind, *(resolved(item, params) for item in self.row.args))

    def references(self) -> dict[str, Param]:
        """Parameters that the row names."""
        found: dict[str, Param] = {}
        for item in self.row.args:
            found.update(named(lookback=item))
        return found

    def __repr__(self) -> str:
        return f"Row({', '.join(map(repr, (self.row.kind, *self.row.args)))})"


@dataclass(frozen=True, slots=True, repr=False)
class Column(Score):
    """A column of the panel: a price, the volume, or one of the user's own."""

    name: str

    def at(self, panel: Panel, rows: IntArray, params: Params) -> FloatArray:
        """Values at the rows."""
        return taken(panel.column(self.name), rows)

    def key(self, params: Params) -> Any:
        """The name."""
        return "column", self.name

    def __repr__(self) -> str:
        return repr(self.name)


@dataclass(frozen=True, slots=True, repr=False)
class Expression(Score):
    """A Polars expression over the long frame of the panel (`Panel.to_polars`)."""

    expression: Any

    def at(self, panel: Panel, rows: IntArray, params: Params) -> FloatArray:
        """Values at the rows."""
        import polars as pl

        frame = panel.to_polars()
        try:
            found = frame.select(self.expression.alias("score"))["score"]
            if not (
                found.dtype.is_numeric() or found.dtype == pl.Null
            ):  # a cast would read texts and truth values
                raise StrategyError(
                    f"score {self!r}: expected numbers; got {found.dtype}; cast it to pl.Float64"
                )
            values = found.cast(pl.Float64)
        except pl.exceptions.PolarsError as error:
            raise StrategyError(f"score {self!r}: {str(error).splitlines()[0]}") from error
        if len(values) != len(frame):
            raise StrategyError(
                f"score {self!r}: expected a value for each of {len(frame)} rows; got {len(values)}; add "
                ".over('symbol')"
            )
        every = np.full(panel.close.shape, np.nan)
        every[~np.isnan(panel.close)] = values.to_numpy()
        return taken(every, rows)

    def key(self, params: Params) -> Any:
        """The expression as text."""
        return "expression", str(self.expression)

    def __repr__(self) -> str:
        return str(self.expression)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Given(Score):
    """Scores that were given: a frame with a row for each bar and a column for each asset, or float64[asset, bar]."""

    values: Any
    identity: str

    def at(self, panel: Panel, rows: IntArray, params: Params) -> FloatArray:
        """Values at the rows."""
        calendar = Calendar(
            len(panel), panel.time_us if panel.has_time else None, panel.time_zone, stamp=panel.stamp
        )
        table = np.asarray(
            aligned_table(self.values, calendar, panel.symbols, "score", [], StrategyError, levels=True)
        )
        if table.shape != panel.close.shape:
            raise StrategyError(
                f"score: expected an array of {panel.n_assets} assets and {len(panel)} bars; got {table.shape}"
            )
        values, boolean = numbers_of(table, "score", StrategyError)
        if boolean:
            raise StrategyError("score: expected numbers; got truth values; write 1.0 and 0.0")
        return taken(values, rows)

    def key(self, params: Params) -> Any:
        """Hash of the values."""
        return "given", self.identity

    def __repr__(self) -> str:
        return f"scores {self.identity[:8]}"


@dataclass(frozen=True, slots=True, repr=False)
class Chosen(Score):
    """A function of the parameters that returns a score."""

    function: Callable[[Params], Any]

    def at(self, panel: Panel, rows: IntArray, params: Params) -> FloatArray:
        """Values of the score that the function returns."""
        return as_score(self.function(params)).at(panel, rows, params)

    def key(self, params: Params) -> Any:
        """Key of the score that the function returns."""
        return as_score(self.function(params)).key(params)

    def __repr__(self) -> str:
        return f"{getattr(self.function, '__name__', 'function')} {source_hash(self.function)[:8]}"


READERS.append(column_score)
