"""Returns by month and by year."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from peak_fast.report.payload import Payload
from peak_fast.report.series import percent
from peak_fast.report.sheet.figures import MONTHS, calendar_table
from peak_fast.report.sheet.markup import text
from peak_kernels.arrays import FloatArray


def _heat(value: float) -> str:
    """Colour of a return: green above zero, red below, full at a tenth."""
    if math.isnan(value):
        return ""
    kind, share = ("up" if value > 0.0 else "down"), min(abs(value) / 0.1, 1.0)
    return (
        f' style="background:color-mix(in srgb, var(--{kind}) {round(8 + 52 * share)}%, transparent)"'
        if value
        else ""
    )


def calendar(payload: Payload, curve: FloatArray | None, benchmark: str) -> str:
    """Months of each year as a table whose cells are coloured, and the years as bars."""
    years = calendar_table(payload, curve)
    if not years:
        return ""
    head = "".join(f'<th scope="col" class="number">{month}</th>' for month in MONTHS)
    more = f'<th scope="col" class="number">{text(benchmark)}</th>' if curve is not None else ""
    rows = [_row(year) for year in years]
    months = (
        '<div class="scroll"><table class="calendar" aria-label="Returns by month"><thead><tr><th scope="col">Year</th>'
        f'{head}<th scope="col" class="number">Year</th>{more}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )
    return months + "<h3>Returns by year</h3>" + _year_bars(years, benchmark if curve is not None else "")


def _row(year: Mapping[str, Any]) -> str:
    cells = "".join(
        f'<td class="number"{_heat(value)}>{"" if math.isnan(value) else percent(value, 1)}</td>'
        for value in year["months"].tolist()
    )
    own = f'<td class="number total">{percent(year["own"], 1)}</td>'
    other = "" if year["other"] is None else f'<td class="number">{percent(year["other"], 1)}</td>'
    return f'<tr><th scope="row">{year["year"]}</th>{cells}{own}{other}</tr>'


def _year_bars(years: Sequence[Mapping[str, Any]], benchmark: str) -> str:
    """Bars of the years' returns, beside the benchmark's."""
    known = [abs(year[name]) for year in years for name in ("own", "other") if year[name] is not None]
    most = max([value for value in known if math.isfinite(value)], default=0.0) or 1.0

    def bar(value: float | None, kind: str) -> str:
        if value is None or not math.isfinite(value):
            return ""
        width, side = 50.0 * abs(value) / most, "up" if value >= 0.0 else "down"
        return f'<i class="{kind} {side}" style="width:{width:.1f}%"></i>'

    rows = "".join(
        f'<div class="year"><span>{year["year"]}</span>'
        f'<div class="bars">{bar(year["own"], "own")}{bar(year["other"], "other")}</div>'
        f'<span class="number">{percent(year["own"], 1)}</span></div>'
        for year in years
    )
    said = f"; the thin bars are {benchmark.lower()}" if benchmark else ""
    return f'<div class="years" role="img" aria-label="Returns by year as bars{text(said)}">{rows}</div>'
