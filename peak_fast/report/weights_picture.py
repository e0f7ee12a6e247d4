"""The weights of a portfolio over time as PNG, drawn without Matplotlib: a picture beside that of a tracked run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.report.canvas import Canvas, fitted, text_mask
from peak_fast.report.lean import Panel, draw_frame, draw_time_axis, draw_value_axis
from peak_fast.report.series import Tick, linear_ticks, percent, time_ticks
from peak_fast.report.trades import trade_columns
from peak_kernels.arrays import FloatArray, IntArray

# Assets with a colour of their own: those of the canvas that are called "asset 0" and so on.
MOST_NAMES = 10


def weights_by_event(payload: Mapping[str, Any]) -> tuple[IntArray, IntArray, FloatArray]:
    """Bars with trades, numbers of the assets ever held, and weights float64[asset, bar] behind the trades.

    A bar at which the last holding was sold has no record of its own; closed trades say when that was.
    """
    holdings = payload["holdings"]
    exits = np.asarray(trade_columns(payload.get("trades")).get("exit_bar", ()), dtype=np.int64)
    held = holdings["bar"].astype(np.int64)
    bars = np.unique(np.concatenate([held, exits[exits >= 0]]))
    assets, row = np.unique(holdings["asset"].astype(np.int64), return_inverse=True)
    weights = np.zeros((assets.size, bars.size))
    weights[row, np.searchsorted(bars, held)] = holdings["weight"]
    return bars, assets, weights


def layers_of(weights: FloatArray) -> list[tuple[int | None, FloatArray]]:
    """The assets with the largest mean weight, the largest first, and the others together (None)."""
    size = np.abs(weights).mean(axis=1)
    order = np.argsort(-size, kind="stable")
    layers: list[tuple[int | None, FloatArray]] = [
        (int(at), weights[at : at + 1]) for at in order[:MOST_NAMES]
    ]
    if order.size > MOST_NAMES:
        layers.append((None, weights[order[MOST_NAMES:]]))
    return layers


def render_weights_png(payload: Mapping[str, Any], size: tuple[int, int] = (1000, 420)) -> bytes:
    """Draw what a portfolio held behind the trades of each bar, one area on the other: longs above zero, shorts below.

    Parameters
    ----------
    payload
        See `peak_fast.report.payload`; with ``holdings`` and ``symbols``.
    size
        Width and height in pixels, at least 320 x 240.

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    MissingDependencyError
        Pillow is not installed.
    """
    canvas = Canvas(max(int(size[0]), 320), max(int(size[1]), 240))
    count = len(payload["equity"])
    bars, assets, weights = weights_by_event(payload)
    if not assets.size:
        canvas.text(canvas.width / 2, canvas.height / 2, "Nothing was held", 16, "muted", anchor="middle")
        return canvas.png()
    layers = layers_of(weights)
    labels = [_label(at, len(assets) - MOST_NAMES, assets, payload["symbols"]) for at, _ in layers]
    wide = max(text_mask(label, 12).shape[1] for label in labels)
    panel = _panel(canvas, weights, canvas.width - wide - 48)
    _axes(canvas, panel, payload, count)
    _areas(canvas, panel, layers, bars, count)
    draw_frame(canvas, panel)
    for number, label in enumerate(labels):
        top = panel.top + 2 + 20 * number
        if top + 16 < canvas.height:
            canvas.block(
                panel.right + 18, top + 2, panel.right + 30, top + 14, _colour(layers[number][0], number)
            )
            canvas.text(panel.right + 36, top, label, 12, "muted")
    return canvas.png()


def _label(at: int | None, others: int, assets: IntArray, symbols: Any) -> str:
    text = f"other ({others})" if at is None else str(symbols[int(assets[at])])
    return str(fitted(text, 12, 140))


def _colour(at: int | None, number: int) -> str:
    return "frame" if at is None else f"asset {number}"


def _panel(canvas: Canvas, weights: FloatArray, right: int) -> Panel:
    """Where the areas are drawn; zero is always inside."""
    high = max(float(np.maximum(weights, 0.0).sum(axis=0).max()), 0.0)
    low = min(float(np.minimum(weights, 0.0).sum(axis=0).min()), 0.0)
    pad = 0.04 * (high - low) or 0.01
    return Panel(64, 44, right, canvas.height - 34, low - pad if low < 0.0 else 0.0, high + pad)


def _areas(
    canvas: Canvas, panel: Panel, layers: list[tuple[int | None, FloatArray]], bars: IntArray, count: int
) -> None:
    """One area on the other; between the trades weights stay as the trades left them."""
    at = np.rint(np.linspace(0, count - 1, panel.columns)).astype(np.int64)
    event = np.searchsorted(bars, at, side="right") - 1
    for side in (1.0, -1.0):
        floor = np.zeros(panel.columns)
        for number, (asset, values) in enumerate(layers):
            part = side * np.maximum(side * values, 0.0).sum(axis=0)
            top = floor + np.where(event >= 0, part[np.maximum(event, 0)], 0.0)
            edges = panel.y(floor), panel.y(top)
            canvas.band(panel.left, np.minimum(*edges), np.maximum(*edges), _colour(asset, number))
            floor = top


def _axes(canvas: Canvas, panel: Panel, payload: Mapping[str, Any], count: int) -> None:
    name = (payload.get("metadata") or {}).get("strategy", {}).get("name", "portfolio")
    canvas.text(
        panel.left - 1, 12, fitted(f"{name}: weights behind the trades", 15, panel.columns), 15, bold=True
    )
    ticks = time_ticks(payload.get("time_us"), count, payload.get("time_zone"), max(panel.columns // 120, 2))
    draw_time_axis(canvas, ticks, count, panel, panel)
    values = linear_ticks(panel.low, panel.high, 5)
    draw_value_axis(canvas, panel, [Tick(value, percent(value)) for value in values])
