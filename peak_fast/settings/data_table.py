"""The table ``[data]`` of a TOML file: how data are read."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from peak_fast.data import read_options
from peak_fast.settings.frozen import Settings

_NOT_OF_BARS = ("name", "symbol_column", "align", "universe", "groups")


class DataTable(Settings):
    """``[data]``: how ``--data`` is read, under the names that `peak_fast.load` has.

    ``config.data.said()`` are the options for `load` in Python.  ``frame`` is what a signal function gets from
    ``--data``; in Python it gets the frame that was passed.  ``panel``: the data are prices of many assets, and the
    options are those of `Panel.load`; ``universe`` and ``groups`` are files.
    """

    # A separator may be a blank, and names are as the data have them.
    _strips: ClassVar[bool] = False

    name: str | None = None
    dialect: str | None = None
    symbol: str | int | None = None
    timestamp: str | list[str] | Literal[False] | None = None
    stamp: str | None = None
    date_order: str | None = None
    time_zone: str | None = None
    columns: dict[str, str] | None = None
    scale: float | None = None
    adjust: bool = False
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    repair: str | list[str] | None = None
    frame: Literal["polars", "pandas"] | None = None
    panel: bool = False
    symbol_column: str | None = None
    align: Literal["union", "intersection"] | None = None
    universe: str | None = None
    groups: str | None = None

    def model_post_init(self, context: Any, /) -> None:
        """What `load` would say."""
        read_options({name: value for name, value in self.said().items() if name not in _NOT_OF_BARS})

    def said(self, *, frame: bool = False) -> dict[str, Any]:
        """The options that say something, by name; ``frame`` is one of them for the command line only."""
        left_out = ("adjust", "panel") if frame else ("adjust", "panel", "frame")
        values = {name: getattr(self, name) for name in type(self).model_fields if name not in left_out}
        said = {name: value for name, value in values.items() if value is not None}
        said |= {"adjust": True} if self.adjust else {}
        return said | {"panel": True} if self.panel and frame else said
