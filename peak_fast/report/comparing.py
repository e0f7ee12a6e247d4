"""Several results side by side: what differs in their settings, their figures, their curves."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peak_fast.errors import ConfigError, require
from peak_fast.guard import guarded
from peak_fast.metrics import CATALOG, HEADLINE, shown_in
from peak_fast.report.figure import for_notebooks, styled
from peak_fast.report.payload import is_result
from peak_fast.report.saving import drawn, pixels
from peak_fast.report.series import filled, linear_ticks, min_max_points, percent, time_ticks
from peak_fast.report.text import flat_items, show_number, show_setting

if TYPE_CHECKING:
    import polars as pl

_COLOURS = ("#1d4ed8", "#d95c0f", "#048a6e", "#be1e3c", "#7c3aed", "#0e7490", "#a16207", "#475569")
_SAID = ("strategy", "settings", "data", "fill_rule", "code_version", "periods_per_year")


@dataclass(frozen=True)
class Comparison:
    """Results side by side.

    Attributes
    ----------
    results
        By name, in the order given.
    figures
        Polars frame: a row for each statistic, a column for each result.
    differences
        Polars frame of texts: a row for each parameter, setting, property of the data or version that is not the same
        in all, a column for each result; empty: everything is the same.
    same_numbers
        Whether all computed the same bits.
    """

    results: Mapping[str, Any]
    figures: pl.DataFrame
    differences: pl.DataFrame
    same_numbers: bool

    def summary(self) -> str:
        """What differs, and the leading figures, as text."""
        names = list(self.results)
        lines = ["The numbers are the same to the last bit." if self.same_numbers else "The numbers differ."]
        lines.append(
            "What differs:" if self.differences.height else "Settings, data and versions are the same."
        )
        lines += _lines(names, self.differences.rows())
        rows = [(label, *cells) for label, *cells in self._shown(HEADLINE)]
        return "\n".join([*lines, "Figures:", *_lines(names, rows)])

    def _shown(self, wanted: Iterable[str]) -> list[tuple[str, ...]]:
        held = {row[0]: row[1:] for row in self.figures.rows()}
        return [
            (CATALOG[name].label, *(show_number(value, CATALOG[name].kind) for value in held[name]))
            for name in wanted
            if name in held
        ]

    def plot(self, *, size: tuple[int, int] = (1000, 480), path: str | Path | None = None) -> Any:
        """Growth of each result from its first bar on, over time where all have times, as a Matplotlib figure.

        Parameters
        ----------
        size
            Width and height in pixels.
        path
            File to write as well: ``.png``, ``.svg`` or ``.pdf``.

        Raises
        ------
        MissingDependencyError
            Matplotlib is not installed.
        """
        return drawn(_curves(self.results, pixels(size)), path, "both.png")

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table

        tables = []
        for title, rows in (
            ("What differs", self.differences.rows()),
            ("Figures", self._shown(HEADLINE)),
        ):
            table = Table(title=title, title_justify="left")
            for name in ("", *self.results):
                table.add_column(name, justify="left" if name == "" else "right", overflow="fold")
            for row in rows:
                table.add_row(*(str(cell) for cell in row))
            tables.append(table if rows else f"{title}: nothing")
        return Group(*tables)

    def _repr_html_(self) -> str:
        every = [row.name for row in (*shown_in("performance"), *shown_in("trading"))]
        return _html("What differs", self.results, self.differences.rows()) + _html(
            "Figures", self.results, self._shown(every)
        )


@guarded
def compare(*results: Any, names: Iterable[str] | None = None) -> Comparison:
    """Put results side by side.

    Parameters
    ----------
    *results
        At least two results of runs, or one list or dict (by name) of them.
    names
        One for each; default: what they ran, numbered where that is the same.

    Raises
    ------
    ConfigError
        Fewer than two, something that is no result, or names that are not one for each.
    """
    import polars as pl

    given, names = _given(results, names)
    if len(given) < 2 or not all(is_result(one) for one in given):
        kinds = ", ".join(type(one).__name__ for one in given) or "nothing"
        raise ConfigError(
            f"compare: expected at least two results of runs, got {kinds}; pass what run() returned"
        )
    labels = _labels(given, names)
    facts = [dict(_facts(one)) for one in given]
    every = list(dict.fromkeys(name for one in facts for name in one))
    rows = [(name, *(one.get(name, "") for one in facts)) for name in every]
    differing = [row for row in rows if len(set(row[1:])) > 1]
    figures = list(
        dict.fromkeys(name for one in given for name, value in one.stats.items() if _is_figure(value))
    )
    columns = {
        label: [_number(one.stats.get(name)) for name in figures]
        for label, one in zip(labels, given, strict=True)
    }
    return Comparison(
        dict(zip(labels, given, strict=True)),
        pl.DataFrame({"figure": figures, **columns}, strict=False),
        pl.DataFrame(differing, schema=dict.fromkeys(("setting", *labels), pl.String), orient="row"),
        len({one.metadata.get("hash") for one in given}) == 1,
    )


def _given(results: tuple[Any, ...], names: Any) -> tuple[Any, Any]:
    """Results, also of one list or dict, and their names."""
    alone = results[0] if len(results) == 1 else results
    if isinstance(alone, Mapping):
        return list(alone.values()), list(alone) if names is None else names
    return (alone if isinstance(alone, list | tuple) else results), names


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> float | None:
    return float(value) if _is_figure(value) else None


def _labels(results: Any, names: Iterable[str] | None) -> list[str]:
    if names is None:
        plain = [f"{one.strategy_name} on {one.symbol}" for one in results]
        return [
            f"{label} ({plain[: k + 1].count(label)})" if plain.count(label) > 1 else label
            for k, label in enumerate(plain)
        ]
    labels = [str(name) for name in names]
    if len(labels) != len(results) or len(set(labels)) != len(labels):
        raise ConfigError(
            f"names: expected {len(results)} different ones, got {labels}; leave them out to number them"
        )
    return labels


def _facts(result: Any) -> Iterable[tuple[str, str]]:
    """Names and texts of what a result says of itself; its parameters first."""
    metadata = result.metadata
    for key in _SAID:
        for name, value in flat_items(metadata.get(key), key):
            yield name.removeprefix("settings.").removeprefix("strategy."), show_setting(value)


def _lines(names: list[str], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    table = [("", *names), *((str(cell) for cell in row) for row in rows)]
    cells = [list(row) for row in table]
    if len(cells) == 1:
        return []
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _html(title: str, names: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("", *names))
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><caption>{html.escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _curves(results: Mapping[str, Any], size: tuple[int, int]) -> Any:
    figure_class = require("matplotlib.figure", extra="plot").Figure
    figure = figure_class(
        figsize=(size[0] / 100, size[1] / 100), dpi=100, facecolor="white", layout="constrained"
    )
    require("matplotlib.backends.backend_agg", extra="plot").FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    styled(axes)
    sources: list[Any] = [_prices(one) for one in results.values()]
    timed = all(source.has_time for source in sources)
    longest = max(results.values(), key=lambda one: len(one.equity))
    for k, (name, one) in enumerate(results.items()):
        equity = filled(one.equity)
        index, level = min_max_points(equity / float(one.stats["initial_cash"]) - 1.0, 2_000)
        across = sources[k].time_us[index] / 1e6 if timed else index
        axes.plot(across, level, color=_COLOURS[k % len(_COLOURS)], linewidth=1.2, label=name)
    _ticks(axes, longest, timed)
    axes.legend(frameon=False, fontsize=9)
    return for_notebooks(figure)


def _prices(result: Any) -> Any:
    return result.panel if hasattr(result, "panel") else result.bars


def _ticks(axes: Any, longest: Any, timed: bool) -> None:
    source = _prices(longest)
    ticks = time_ticks(source.time_us if timed else None, len(source), source.time_zone)
    at = [source.time_us[round(tick.at)] / 1e6 if timed else tick.at for tick in ticks]
    axes.set_xticks(at, [tick.label for tick in ticks])
    low, high = axes.get_ylim()
    levels = linear_ticks(low, high)
    axes.set_yticks(levels, [percent(level) for level in levels])
    axes.set_ylim(low, high)
    axes.set_ylabel("Growth", color="#6b7280", fontsize=9.5)
