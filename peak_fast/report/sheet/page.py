"""The tear sheet: one HTML file about a result, charts that zoom together, and no request to anywhere."""

from __future__ import annotations

import functools
import html
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from peak_fast.arguments import listing
from peak_fast.files import write_atomically
from peak_fast.guard import guarded
from peak_fast.report.figure import headline
from peak_fast.report.payload import Payload
from peak_fast.report.saving import page_path
from peak_fast.report.sheet import figures
from peak_fast.report.sheet.curves import beside_of, curve_columns, detail_columns
from peak_fast.report.sheet.packed import packed
from peak_fast.report.sheet.sections import body
from peak_fast.report.sheet.source import benchmark_of, sheet_payload
from peak_fast.report.sheet.trades import trade_columns_of, trade_words
from peak_fast.report.trades import trade_columns
from peak_kernels.arrays import FloatArray

_ASSETS = Path(__file__).resolve().parent / "assets"
# Nothing is loaded from anywhere: what stands in the file is all that runs.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


@guarded
def tear_sheet(
    source: Any, *, benchmark: Any = None, title: str | None = None, sections: Iterable[str] = ()
) -> str:
    """The tear sheet of a result as the text of a self-contained HTML page.

    Parameters
    ----------
    source
        A ``BacktestResult``, a ``PortfolioResult`` or a payload (see :func:`peak_fast.report.payload_of`).
    benchmark
        What to compare with: levels with times, one value a bar, or ``Bars``.  Default: buy-and-hold of what was
        traded, of a portfolio all assets held equally; False: nothing.
    title
        Instead of the strategy's name and what it traded.
    sections
        Further sections, as HTML that is put in as it is, such as ``verdict.section()`` of
        `peak_fast.validation.validate`.

    Returns
    -------
    str
        HTML.  Every text that comes from outside is escaped.

    Raises
    ------
    ConfigError
        Neither a result nor a payload, or a benchmark that does not fit the bars.
    """
    payload = sheet_payload(source) | {
        "sections": tuple(listing("sections", sections, "[verdict.section()]"))
    }
    curve, name = benchmark_of(source, payload, benchmark)
    shown = " ".join((title or headline(payload.get("metadata") or {})).split())
    days = figures.days_of(payload, curve)
    trades = trade_columns(payload.get("trades"), payload.get("time_us"))
    columns, about = _data(payload, curve, days, trades)
    about["benchmark"] = name
    written = body(payload, shown, curve, name, days, trades, about)
    return _document(shown, written, columns, about)


@guarded
def write_tear_sheet(
    source: Any,
    path: str | Path,
    *,
    benchmark: Any = None,
    title: str | None = None,
    sections: Iterable[str] = (),
) -> Path:
    """Write :func:`tear_sheet` of a result into a file.

    Raises
    ------
    ConfigError
        As `tear_sheet`, a folder, or a name that does not end in .html.
    StoreError
        The file cannot be written.
    """
    target = page_path(path)
    write_atomically(target, tear_sheet(source, benchmark=benchmark, title=title, sections=sections).encode())
    return target


def _data(
    payload: Payload, curve: FloatArray | None, days: figures.Days, trades: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Columns of numbers for the charts, and what the script must know of them."""
    columns, width = curve_columns(payload, curve)
    detail, around = detail_columns(payload, trades, width)
    rolling, window = figures.rolling_columns(days)
    middles, counts = figures.histogram(days.own)
    columns |= detail | rolling | trade_columns_of(trades, payload)
    if middles.size:
        columns |= {"bin_middle": middles, "bin_count": counts}
    about = {
        "bars": len(payload["equity"]), "width": width, "around": around, "window": window, "unit": days.unit,
        "clock": "time" in columns, "zone": str(payload.get("time_zone") or "UTC"),
        "log": figures.wants_log(payload, curve), "words": trade_words(trades),
    }  # fmt: skip
    return columns, about


def _document(title: str, main: str, columns: dict[str, Any], about: dict[str, Any]) -> str:
    data = packed(columns, beside_of(columns))
    # A text that ends the script element early would end the page's script.
    settings = json.dumps(about).replace("<", "\\u003c")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{html.escape(title)}</title>"
        f"<style>{_asset('uPlot.min.css')}{_asset('sheet.css')}</style></head><body>\n{main}\n"
        f'<script type="application/json" id="about">{settings}</script>\n'
        f'<script type="application/json" id="data">{data}</script>\n'
        f"<script>{_asset('uPlot.iife.min.js')}</script>\n"
        f"<script>{_asset('sheet.js')}</script>\n</body></html>\n"
    )


@functools.cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8").strip()
