"""A small palette canvas: anti-aliased curves, areas, marks and labels, written as PNG.

Each pixel is one byte, an index into a palette of ramps: 16 steps from white to a colour. An anti-aliased
edge is then an index, not a blend of three channels, and the PNG holds a third of the bytes. Pillow is used
for one thing: drawing the glyphs of a TrueType font, each once per process.
"""

from __future__ import annotations

import importlib.util
import struct
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peak_fast.errors import require
from peak_kernels.entries import draw_spans, pack_pixels

Pixels = NDArray[np.uint8]
LEVELS = 16

COLOURS = {
    "text": (31, 41, 55),
    "muted": (107, 114, 128),
    "equity": (29, 78, 216),
    "benchmark": (148, 163, 184),
    "drawdown": (200, 60, 50),
    "long": (4, 138, 110),
    "short": (217, 92, 15),
    "loss": (190, 30, 60),
}
# Flat colours behind the ramps, and the same ones within the shaded drawdown area.
FLATS = {"white": (255, 255, 255), "grid": (234, 237, 241), "frame": (176, 184, 194)}
# Colours of assets side by side, the largest first.
FLATS |= {
    f"asset {number}": colour
    for number, colour in enumerate([
        (29, 78, 216), (217, 92, 15), (4, 138, 110), (190, 30, 60), (124, 58, 180), (146, 100, 50), (219, 112, 170),
        (96, 125, 60), (24, 150, 190), (200, 160, 20),
    ])
}  # fmt: skip
AREA = {"white": (250, 224, 220), "grid": (240, 210, 206)}


def _ramp(colour: tuple[int, int, int], ground: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    shares = [level / (LEVELS - 1) for level in range(LEVELS)]
    return [
        (
            round(ground[0] + (colour[0] - ground[0]) * share),
            round(ground[1] + (colour[1] - ground[1]) * share),
            round(ground[2] + (colour[2] - ground[2]) * share),
        )
        for share in shares
    ]


def _palette() -> tuple[bytes, dict[str, int]]:
    """RGB bytes of the palette and the first index of each ramp or flat colour.

    ``area`` follows from white (0) and ``area + grid`` from ``grid`` by adding one constant, so shading is
    an addition that keeps grid lines visible.
    """
    base = {name: index for index, name in enumerate(FLATS)}
    entries = list(FLATS.values())
    for name, colour in COLOURS.items():
        base[name] = len(entries)
        entries += _ramp(colour, FLATS["white"])
    # The drawdown line lies on its area: its upper edge must blend into the area, not into white.
    base["drawdown_on_area"] = len(entries)
    entries += _ramp(COLOURS["drawdown"], AREA["white"])
    base["area"] = len(entries)
    entries += [AREA["white"], AREA["grid"]]
    return bytes(channel for entry in entries for channel in entry), base


PALETTE, BASE = _palette()


@lru_cache(maxsize=16)
def _font(size: int, bold: bool) -> Any:
    """DejaVu Sans from Matplotlib's data folder (found without importing Matplotlib), else Pillow's own."""
    image_font = require("PIL.ImageFont", extra="plot")
    spec = importlib.util.find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name
        if path.is_file():
            return image_font.truetype(str(path), size, layout_engine=image_font.Layout.BASIC)
    return image_font.load_default(size)


@lru_cache(maxsize=2_048)
def _glyph(character: str, size: int, bold: bool) -> Pixels:
    """Coverage of one character, 0..15, in a cell as wide as its advance and as high as the line."""
    font = _font(size, bold)
    ascent, descent = font.getmetrics()
    width = max(round(font.getlength(character)), 1)
    mask, (left, top) = font.getmask2(character, mode="L")
    glyph = np.frombuffer(bytes(mask), dtype=np.uint8).reshape(mask.size[1], mask.size[0]) // 17
    cell = np.zeros((ascent + descent, width + 2), dtype=np.uint8)
    left, top = max(left, 0), max(top, 0)
    height = min(glyph.shape[0], cell.shape[0] - top)
    extent = min(glyph.shape[1], cell.shape[1] - left)
    cell[top : top + height, left : left + extent] = glyph[:height, :extent]
    return cell


@lru_cache(maxsize=2_048)
def text_mask(text: str, size: int, bold: bool = False) -> Pixels:
    """Coverage of a line of text, 0..15, shape (line height, width)."""
    glyphs = [_glyph(character, size, bold) for character in text] or [_glyph(" ", size, bold)]
    width = sum(glyph.shape[1] - 2 for glyph in glyphs) + 2
    line = np.zeros((glyphs[0].shape[0], width), dtype=np.uint8)
    x = 0
    for glyph in glyphs:
        part = line[:, x : x + glyph.shape[1]]
        np.maximum(part, glyph, out=part)
        x += glyph.shape[1] - 2
    return line


def fitted(text: str, size: int, width: int, bold: bool = False) -> str:
    """``text``, cut with an ellipsis where it would be wider than ``width`` pixels."""
    text = " ".join(text.split())
    if text_mask(text, size, bold).shape[1] <= width:
        return text
    used = _glyph("\u2026", size, bold).shape[1]
    for count, character in enumerate(text):
        used += _glyph(character, size, bold).shape[1] - 2
        if used > width:
            return text[:count].rstrip() + "\u2026"
    return text


@lru_cache(maxsize=16)
def mark_mask(kind: str, size: int) -> Pixels:
    """A mark of ``size`` pixels: 255 = leave alone, 0 = white rim, 1..15 = coverage.

    ``kind`` is ``"up"``, ``"down"`` (triangles) or ``"dot"``.
    """
    fine, rim = 8, 1.0
    side = size + 2
    at = (np.arange(side * fine) + 0.5) / fine - side / 2.0
    x, y = at[None, :], at[:, None]
    if kind == "dot":
        distance = np.hypot(x, y) - size / 2.0
    else:
        upward = y if kind == "up" else -y
        slope = 2.0
        edge = (slope * np.abs(x) - (upward + size / 2.0)) / np.hypot(slope, 1.0)
        distance = np.maximum(edge, upward - size / 2.0)

    def share(limit: float) -> NDArray[np.float64]:
        inside = (distance < limit).reshape(side, fine, side, fine)
        return np.asarray(inside.mean(axis=(1, 3)))

    core = np.rint(share(0.0) * (LEVELS - 1)).astype(np.uint8)
    return np.where(share(rim) > 0.5, core, np.uint8(255)).astype(np.uint8)


@lru_cache(maxsize=64)
def _mark_stencil(kind: str, size: int, colour: str, stride: int) -> tuple[NDArray[np.int64], Pixels]:
    """Offsets from a mark's centre in a flat canvas of rows of ``stride`` bytes, and palette indices."""
    mask = mark_mask(kind, size)
    half = mask.shape[0] // 2
    rows, columns = np.nonzero(mask != 255)
    level = mask[rows, columns]
    value = np.where(level > 0, level + BASE[colour], 0).astype(np.uint8)
    return (rows - half) * stride + (columns - half), value


class Canvas:
    """A white picture of ``width`` x ``height`` palette pixels. Positions are in pixels from the top left."""

    def __init__(self, width: int, height: int) -> None:
        # One byte in front of each row is PNG's filter type, so encoding needs no second copy.
        self._rows: Pixels = np.zeros((height, width + 1), dtype=np.uint8)
        self._flat: Pixels = self._rows.reshape(-1)
        self.pixels: Pixels = self._rows[:, 1:]
        self.width, self.height = width, height

    def block(
        self, left: int, top: int, right: int, bottom: int, colour: str, level: int = LEVELS - 1
    ) -> None:
        """Fill a rectangle; ``right`` and ``bottom`` are not included."""
        self.pixels[top:bottom, left:right] = BASE[colour] + (level if colour in COLOURS else 0)

    def text(self, x: float, y: float, text: str, size: int = 13, colour: str = "text", *, bold: bool = False,
             anchor: str = "left", over: bool = False) -> None:  # fmt: skip
        """Write one line with its top at ``y``; ``anchor`` says what ``x`` is.

        ``over`` keeps what is behind the letters; without it the line stands on white.
        """
        mask = text_mask(text, size, bold)
        height, width = mask.shape
        shift = 0 if anchor == "left" else width // 2 if anchor == "middle" else width
        left, top = max(round(x) - shift, 0), max(round(y), 0)
        part = self.pixels[top : top + height, left : left + width]
        mask = mask[: part.shape[0], : part.shape[1]]
        if over:
            np.copyto(part, mask + np.uint8(BASE[colour]), where=mask > 0)
        else:
            # Level 0 of every ramp is white.
            np.add(mask, np.uint8(BASE[colour]), out=part)

    def paste(self, left: int, top: int, pixels: Pixels) -> None:
        """Copy a ready picture, shape (rows, columns)."""
        self.pixels[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels

    def spans(self, left: int, top: NDArray[np.float64], bottom: NDArray[np.float64], colour: str) -> None:
        """Fill each column from ``top`` to ``bottom`` (fractional rows, both shape (columns,)), anti-aliased."""
        on_area = "drawdown_on_area" if colour == "drawdown" else colour
        count = self.width - left
        bases = BASE[colour], BASE[on_area], BASE["area"]
        draw_spans(self._rows, left + 1, top[:count], bottom[:count], bases)

    def area(self, left: int, top: int, depth: NDArray[np.float64]) -> None:
        """Shade each column from row ``top`` to ``depth`` (shape (columns,)), keeping grid lines visible."""
        rows = np.rint(depth).astype(np.int16)
        part = self.pixels[top : int(rows.max(initial=top)), left : left + len(depth)]
        shaded = np.arange(top, top + part.shape[0], dtype=np.int16)[:, None] < rows
        part += shaded.view(np.uint8) * np.uint8(BASE["area"])

    def band(self, left: int, top: NDArray[np.float64], bottom: NDArray[np.float64], colour: str) -> None:
        """Fill each column from ``top`` to ``bottom`` (shape (columns,)) in a flat colour, to the nearest row."""
        first = np.clip(np.rint(top), 0, self.height).astype(np.int64)
        count = np.clip(np.rint(bottom), 0, self.height).astype(np.int64) - first
        ends = np.cumsum(count)
        row = np.arange(int(ends[-1])) - np.repeat(ends - count - first, count)
        column = np.repeat(np.arange(left + 1, left + 1 + len(top)), count)
        self._flat[row * (self.width + 1) + column] = BASE[colour]

    def marks(
        self, x: NDArray[np.float64], y: NDArray[np.float64], kind: str, size: int, colour: str
    ) -> None:
        """Put one mark at each position (centres; shape (n,)), each with a white rim."""
        stride = self.width + 1
        offsets, value = _mark_stencil(kind, size, colour, stride)
        room = size // 2 + 2
        column = np.rint(np.clip(x, room, self.width - room - 1)).astype(np.int64)
        row = np.rint(np.clip(y, room, self.height - room - 1)).astype(np.int64)
        at = (row * stride + column + 1)[:, None] + offsets
        self._flat[at] = value

    def png(self) -> bytes:
        """The picture as PNG bytes."""
        data = pack_pixels(self._rows)
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 3, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"PLTE", PALETTE), (b"IDAT", data), (b"IEND", b""))
        body = (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
            for kind, content in chunks
        )
        return b"\x89PNG\r\n\x1a\n" + b"".join(body)
