"""The lean renderer: an equity picture as PNG in about 3 ms, where Matplotlib takes 40 to 130.

Same content as :func:`peak_fast.report.figure.equity_figure`: equity and drawdown panels, benchmark, trade
marks, calendar ticks, headline figures. Written for the many pictures of a batch of tracked runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from peak_fast.report.canvas import Canvas, Pixels, fitted, text_mask
from peak_fast.report.series import (
    Picture,
    Tick,
    column_spans,
    linear_ticks,
    log_ticks,
    money,
    percent,
    time_ticks,
)
from peak_kernels.arrays import FloatArray

LINE = 1.7
MARK = 9


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle of the picture and the values at its lower and upper border."""

    left: int
    top: int
    right: int
    bottom: int
    low: float
    high: float
    log: bool = False

    @property
    def columns(self) -> int:
        """Width in pixels."""
        return self.right - self.left

    def y(self, values: FloatArray) -> FloatArray:
        """Pixel rows of values (axis scale)."""
        share = (values - self.low) / (self.high - self.low)
        return np.asarray(self.bottom - share * (self.bottom - self.top))

    def row(self, value: float) -> float:
        """Pixel row of one value."""
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)

    def x(self, bars: FloatArray, n_bars: int) -> FloatArray:
        """Pixel columns of bar positions."""
        return np.asarray(self.column(bars, n_bars))

    def column(self, bar: Any, n_bars: int) -> Any:
        """Pixel column of one bar, or of many."""
        return self.left + bar * ((self.columns - 1) / max(n_bars - 1, 1))


def draw_lean(picture: Picture, size: tuple[int, int] = (1000, 580)) -> Canvas:
    """Draw ``picture``; its PNG has an 8-bit palette and typically 10 to 30 KB.

    Parameters
    ----------
    picture
        From :func:`peak_fast.report.figure.prepare_picture`.
    size
        Width and height in pixels, at least 320 x 240.

    Raises
    ------
    MissingDependencyError
        Pillow is not installed.
    """
    width, height = max(int(size[0]), 320), max(int(size[1]), 240)
    canvas = Canvas(width, height)
    if len(picture.equity) == 0:
        canvas.text(width / 2, height / 2, "No bars: nothing to draw", 16, "muted", anchor="middle")
        return canvas
    scale = np.log10 if picture.log_scale else (lambda values: values)
    upper, lower, marks = _panels(canvas, picture, scale)
    _header(canvas, picture, upper)
    ticks = time_ticks(picture.time_us, len(picture.equity), picture.time_zone, max(upper.columns // 120, 2))
    draw_time_axis(canvas, ticks, len(picture.equity), upper, lower)
    draw_value_axis(canvas, upper, marks)
    draw_value_axis(
        canvas, lower, [Tick(t, percent(t, _decimals(lower))) for t in linear_ticks(lower.low, 0.0, 4)]
    )
    _curves(canvas, picture, upper, lower, scale)
    _trade_marks(canvas, picture, upper, scale)
    draw_frame(canvas, upper)
    draw_frame(canvas, lower)
    name = "Equity (log scale)" if upper.log else "Equity"
    canvas.text(upper.left + 8, upper.top + 5, name, 12, "muted", bold=True, over=True)
    canvas.text(lower.left + 8, lower.bottom - 19, "Drawdown", 12, "muted", bold=True, over=True)
    return canvas


def _decimals(panel: Panel) -> int:
    span = -panel.low
    return 0 if span >= 0.035 else 1 if span >= 0.0035 else 2


def _panels(
    canvas: Canvas, picture: Picture, scale: Callable[[FloatArray], FloatArray]
) -> tuple[Panel, Panel, list[Tick]]:
    """Both panels and the equity ticks; the left margin fits the widest label."""
    curves = [picture.equity] if picture.benchmark is None else [picture.equity, picture.benchmark]
    low, high = min(float(c.min()) for c in curves), max(float(c.max()) for c in curves)
    if picture.log_scale:
        values = log_ticks(low * 0.95, high * 1.05)
    else:
        margin = 0.05 * (high - low)
        values = linear_ticks(low - margin, high + margin)
    step = None if picture.log_scale or len(values) < 2 else values[1] - values[0]
    ticks = [Tick(float(scale(np.float64(v))), money(v, step)) for v in values]  # type: ignore[arg-type]
    bottom, top = float(scale(np.float64(low))), float(scale(np.float64(high)))  # type: ignore[arg-type]
    pad = 0.05 * (top - bottom) or max(abs(top) * 0.01, 1e-9)
    deepest = min(float(picture.drawdown.min()), -1e-4)
    left = 18 + max([text_mask(t.label, 12).shape[1] for t in ticks] + [44])
    right, height = canvas.width - 22, canvas.height
    split = 72 + round((height - 72 - 34) * 0.70)
    upper = Panel(left, 72, right, split - 7, bottom - pad, top + pad, picture.log_scale)
    return upper, Panel(left, split + 7, right, height - 34, deepest * 1.08, 0.0), ticks


def _header(canvas: Canvas, picture: Picture, upper: Panel) -> None:
    marks = picture.markers
    any_long, any_short = bool(marks.is_long.any()), not marks.is_long.all()
    name = None if picture.benchmark is None else picture.benchmark_name
    legend = _legend(name, any_long, any_short)
    edge = max(upper.right - legend.shape[1], 0)
    canvas.paste(edge, 8, legend[:, : canvas.width])
    canvas.text(
        upper.left - 1, 10, fitted(picture.title, 17, edge - upper.left - 12, bold=True), 17, bold=True
    )
    canvas.text(upper.left - 1, 38, fitted(picture.subtitle, 13, upper.columns), 13, "muted")
    if marks.total > len(marks.entry_bar):
        note = f"{len(marks.entry_bar)} largest of {marks.total:,} trades marked"
        canvas.text(upper.right, 38, note, 12, "muted", anchor="right")


@lru_cache(maxsize=8)
def _legend(benchmark: str | None, any_long: bool, any_short: bool) -> Pixels:
    """The legend as pixels: the same for many pictures."""
    entries = [("line", "equity", "Equity")]
    entries += [("line", "benchmark", benchmark)] if benchmark else []
    entries += [("up", "long", "Long entry")] if any_long else []
    entries += [("down", "short", "Short entry")] if any_short else []
    entries += (
        [("dot", "long", "Exit, profit"), ("dot", "loss", "Exit, loss")] if any_long or any_short else []
    )
    widths = [text_mask(label, 12).shape[1] + 36 for _, _, label in entries]
    strip = Canvas(sum(widths) - 12, 24)
    x = 0
    for (kind, colour, label), width in zip(entries, widths, strict=True):
        if kind == "line":
            strip.block(x, 11, x + 16, 13, colour)
        else:
            strip.marks(np.array([x + 9.0]), np.array([12.0]), kind, MARK, colour)
        strip.text(x + 20, 4, label, 12, "muted")
        x += width
    return strip.pixels


def draw_time_axis(canvas: Canvas, ticks: list[Tick], n_bars: int, upper: Panel, lower: Panel) -> None:
    """Grid lines of two panels (which may be one), and the labels below the lower one where they have room."""
    free_from = -1.0
    for tick in ticks:
        x = upper.column(tick.at, n_bars)
        for panel in (upper, lower):
            canvas.block(round(x), panel.top, round(x) + 1, panel.bottom, "grid")
        width = text_mask(tick.label, 12).shape[1]
        start = min(max(x - width / 2, 2.0), canvas.width - width - 2.0)
        if start >= free_from:
            canvas.block(round(x), lower.bottom, round(x) + 1, lower.bottom + 4, "frame")
            canvas.text(start, lower.bottom + 9, tick.label, 12, "muted")
            free_from = start + width + 14


def draw_value_axis(canvas: Canvas, panel: Panel, ticks: list[Tick]) -> None:
    """Grid lines of a panel with their labels on its left."""
    for tick in ticks:
        y = panel.row(tick.at)
        if panel.top <= y <= panel.bottom:
            canvas.block(panel.left, round(y), panel.right, round(y) + 1, "grid")
            canvas.text(panel.left - 8, y - 7, tick.label, 12, "muted", anchor="right")


def draw_frame(canvas: Canvas, panel: Panel) -> None:
    """The left and the lower edge of a panel."""
    canvas.block(panel.left, panel.bottom, panel.right, panel.bottom + 1, "frame")
    canvas.block(panel.left - 1, panel.top, panel.left, panel.bottom + 1, "frame")


def _curves(
    canvas: Canvas, picture: Picture, upper: Panel, lower: Panel, scale: Callable[[FloatArray], FloatArray]
) -> None:
    def curve(values: FloatArray, colour: str, line: float) -> None:
        # The scale is monotone, so it is applied to two values per column and not to each bar.
        low, high = column_spans(values, upper.columns)
        canvas.spans(upper.left, upper.y(scale(high)) - line / 2, upper.y(scale(low)) + line / 2, colour)

    if picture.benchmark is not None:
        curve(picture.benchmark, "benchmark", LINE - 0.3)
    curve(picture.equity, "equity", LINE)
    deepest, shallowest = column_spans(picture.drawdown, lower.columns)
    canvas.area(lower.left, lower.top, lower.y(deepest))
    canvas.spans(lower.left, lower.y(shallowest) - 0.5, lower.y(deepest) + 0.5, "drawdown")


def _trade_marks(
    canvas: Canvas, picture: Picture, upper: Panel, scale: Callable[[FloatArray], FloatArray]
) -> None:
    marks, n_bars = picture.markers, len(picture.equity)
    if len(marks.entry_bar) == 0:
        return
    x = upper.x(marks.entry_bar.astype(np.float64), n_bars)
    y = upper.y(scale(picture.equity[marks.entry_bar]))
    closed = marks.exit_bar >= 0
    exit_x = upper.x(marks.exit_bar.astype(np.float64), n_bars)
    exit_y = upper.y(scale(picture.equity[np.maximum(marks.exit_bar, 0)]))
    won, lost = closed & marks.is_win, closed & ~marks.is_win
    canvas.marks(exit_x[lost], exit_y[lost], "dot", MARK - 2, "loss")
    canvas.marks(exit_x[won], exit_y[won], "dot", MARK - 2, "long")
    long = marks.is_long
    canvas.marks(x[long], y[long] + MARK, "up", MARK, "long")
    canvas.marks(x[~long], y[~long] - MARK, "down", MARK, "short")
