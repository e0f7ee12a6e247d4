"""Tables of instructions as Polars frames, from whatever they were given in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from peak_fast.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl

# Columns that a table of instructions has and a frame of weights has not.
_OWN = ("size", "action")
# The same beside names of assets: one whose size is misspelt is a table of instructions all the same.
_BESIDE = ("side", "type", "size_unit", "limit", "stop", "tag")
_MOST_COLUMNS = 40
# Units of sizes that have a side.
_SIDED = ("units", "value", "equity_fraction", "margin_fraction")


def are_orders(item: Any) -> bool:
    """Whether an object is a table of instructions, by the names of its columns: see `_OWN`."""
    if isinstance(item, list):
        return bool(item) and isinstance(item[0], Mapping) and are_orders(item[0])
    try:
        found = set(_names_of(item))
    except TypeError:
        return False
    if "weight" in found:
        return False
    of_assets = not found.isdisjoint(("symbol", "asset"))
    return not found.isdisjoint(_OWN) or (of_assets and not found.isdisjoint(_BESIDE))


def _names_of(item: Any) -> Any:
    """Names of the columns of anything that has some."""
    if isinstance(item, Mapping):
        return item
    if hasattr(item, "collect"):  # a lazy frame warns where it is asked for its columns
        return item.collect_schema().names() if hasattr(item, "collect_schema") else ()
    if getattr(item, "width", 0) > _MOST_COLUMNS:  # a wide frame of weights, whose names need not be made
        return ()
    return getattr(item, "column_names", None) or getattr(item, "columns", ())


def table_of(orders: Any) -> pl.DataFrame:
    """Instructions as a frame; a column ``symbol`` is what ``asset`` is.

    Raises
    ------
    ConfigError
        Neither a frame nor rows.
    DataError
        Both columns are there.
    """
    frame = _to_polars(orders)
    if "symbol" not in frame.columns:
        return frame
    if "asset" in frame.columns:
        raise DataError("orders: expected one of the columns 'symbol' and 'asset'; got both")
    return frame.rename({"symbol": "asset"})


def table_of_panel(orders: Any, symbols: tuple[str, ...]) -> pl.DataFrame:
    """Instructions for the assets of a panel: each row names its asset; without a column ``side`` sizes are signed.

    Raises
    ------
    DataError
        A row names no asset where there are several, or one that is not in the panel.
    """
    import polars as pl

    frame = table_of(orders)
    several = len(symbols) > 1
    if several and frame.height and ("asset" not in frame.columns or frame["asset"].null_count()):
        row = int(frame["asset"].is_null().arg_max() or 0) if "asset" in frame.columns else 0
        raise DataError(
            f"orders row {row}: expected the name of one of the {len(symbols)} assets in the column 'symbol'; got none"
        )
    size = frame["size"] if "size" in frame.columns else pl.Series(dtype=pl.Null)
    if "side" in frame.columns or not size.dtype.is_numeric():
        return frame
    placed = _word(frame, "action", "place") == "place"
    signed = placed & _word(frame, "size_unit", "units").is_in(_SIDED) & pl.col("size").is_not_null()
    side = pl.when(signed).then(pl.when(pl.col("size") < 0.0).then(pl.lit("sell")).otherwise(pl.lit("buy")))
    return frame.with_columns(side=side, size=pl.when(signed).then(pl.col("size").abs()).otherwise("size"))


def _word(frame: pl.DataFrame, name: str, plain: str) -> pl.Expr:
    """A column of words in small letters, with what stands for a missing one."""
    import polars as pl

    if name not in frame.columns:
        return pl.lit(plain)
    return pl.col(name).cast(pl.String).str.to_lowercase().fill_null(plain)


def _with_index(orders: Any) -> Any:
    """A pandas frame whose index says when, as a column; what else stands in an index says nothing to an order."""
    kind = type(orders.index).__name__
    says = kind == "DatetimeIndex" or (kind != "RangeIndex" and "bar" not in orders.columns)
    return orders.assign(timestamp=orders.index) if says and "timestamp" not in orders.columns else orders


def _to_polars(orders: Any) -> pl.DataFrame:
    import polars as pl

    if isinstance(orders, pl.DataFrame):
        return orders
    if isinstance(orders, list) and not orders:
        return pl.DataFrame({"bar": []})
    if isinstance(orders, list | dict):
        return pl.DataFrame(orders, infer_schema_length=None, strict=False)
    from peak_fast.data import package_of, to_polars

    if package_of(orders) == "pandas" and hasattr(orders, "columns"):
        orders = _with_index(orders)
    try:
        frame = to_polars(orders)
    except (TypeError, AttributeError, DataError) as error:
        raise ConfigError(
            f"orders must be a data frame or a list of dicts, got {type(orders).__name__}"
        ) from error
    if not isinstance(frame, pl.DataFrame):
        raise ConfigError(f"orders must be a data frame or a list of dicts, got {type(orders).__name__}")
    return frame
