"""The tear sheet: one HTML file with everything about a result, whose charts zoom together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.report.sheet.page import tear_sheet, write_tear_sheet

__all__ = ["tear_sheet", "write_tear_sheet"]

_HOMES = {"page": ("tear_sheet", "write_tear_sheet")}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
