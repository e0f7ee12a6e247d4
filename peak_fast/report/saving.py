"""Pictures as files, and their sizes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from peak_fast.arguments import place, whole, wrong
from peak_fast.errors import ConfigError
from peak_fast.files import write_atomically

LARGEST = 20_000
"""Pixels a side; a picture of 20,000 by 20,000 takes 1.6 GB while it is drawn."""


def figure_format(path: Path) -> str:
    """Format of a figure by the file's suffix; PNG without one.

    Raises
    ------
    ConfigError
        Another suffix than png, svg and pdf.
    """
    suffix = path.suffix.lower().lstrip(".") or "png"
    if suffix not in ("png", "svg", "pdf"):
        raise ConfigError(f"expected a .png, .svg or .pdf file; got {path.name!r}; change the suffix")
    return suffix


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure in the format of the file's suffix, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=figure_format(path), facecolor=figure.get_facecolor())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def drawn(figure: Any, path: Any, example: str = "picture.png") -> Any:
    """The figure, written as well where a path is given.

    Raises
    ------
    ConfigError
        No path, or another suffix than png, svg and pdf.
    StoreError
        The file cannot be written.
    """
    if path is not None:
        save_figure(figure, place("path", path, example))
    return figure


def pixels(size: Any) -> tuple[int, int]:
    """Width and height of a picture.

    Raises
    ------
    ConfigError
        No pair of whole numbers, or a side below 50 or above `LARGEST` pixels.
    """
    remedy = "pass width and height in pixels, such as size=(1000, 580)"
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise wrong("size", "two whole numbers", size, remedy)
    width, height = (whole("size", one, 50, LARGEST, remedy) for one in size)
    return width, height


def page_path(path: Any) -> Path:
    """Where a page is to be written.

    Raises
    ------
    ConfigError
        No path, a folder, or another suffix than .html and .htm.
    """
    target = place("path", path, "report.html")
    if target.is_dir():
        raise wrong(
            "path", "a file", str(path), f"the page needs a name, for example '{target / 'report.html'}'"
        )
    if target.suffix.lower() not in (".html", ".htm"):
        wanted = target.with_suffix(".html").name
        remedy = f"write {wanted!r}" + (
            ", and print it from a browser into a PDF" if target.suffix.lower() == ".pdf" else ""
        )
        raise wrong("path", "a name that ends in .html", str(path), remedy)
    return target
