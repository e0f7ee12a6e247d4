"""The growth figure: time and memory against size, on logarithmic axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

UNITS = {"time": "seconds", "memory": "MB above the start"}


def curves(document: dict[str, Any]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Points of the growth bench: quantity -> curve -> sorted ``(size, median)``.

    A record takes part when its parameters name a ``curve``, a ``quantity`` and a ``size``.
    """
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for record in document["records"]:
        params = record["params"]
        if "curve" in params and not record["name"].endswith("/exponent"):
            points = found.setdefault(params["quantity"], {}).setdefault(params["curve"], [])
            points.append((float(params["size"]), float(record["median"])))
    return {
        quantity: {curve: sorted(points) for curve, points in of.items()} for quantity, of in found.items()
    }


def draw(document: dict[str, Any], path: Path) -> None:
    """Write the figure as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = curves(document)
    figure = Figure(figsize=(11, 4.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, quantity in zip(figure.subplots(1, len(UNITS)), UNITS, strict=True):
        for curve, points in found.get(quantity, {}).items():
            shown = [(size, value) for size, value in points if value > 0]
            axes.plot(*zip(*shown, strict=True), marker="o", markersize=4, label=curve) if shown else None
        axes.set(
            xscale="log", yscale="log", xlabel="size", ylabel=UNITS[quantity], title=quantity.capitalize()
        )
        axes.grid(True, which="major", alpha=0.3)
        if axes.has_data():
            axes.legend(fontsize=8)
    part = path.with_suffix(".part")
    figure.savefig(part, format="png", metadata={"Software": None})
    part.replace(path)
