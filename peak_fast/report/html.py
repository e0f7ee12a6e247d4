"""One backtest as one HTML file: picture, figures, trades, settings; nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from peak_fast.metrics import Metric, shown_in
from peak_fast.report.figure import Engine, headline, render_equity_png
from peak_fast.report.holdings import with_few_symbols
from peak_fast.report.payload import payload_of
from peak_fast.report.plain import json_safe
from peak_fast.report.text import flat_items, holding_rows, label_of, show_number, show_setting, warnings_of
from peak_fast.report.trades import trades_summary

STYLE = """
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1f2937; max-width: 1040px;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: 0 }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
img { max-width: 100%; height: auto }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 0 2.5rem }
table { border-collapse: collapse; width: 100% }
td, th { padding: .25rem .4rem; border-bottom: 1px solid #eaedf1; text-align: left; vertical-align: top }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
.muted { color: #6b7280 }
.warning { background: #fff4e5; border-left: 4px solid #d95c0f; padding: .4rem .8rem; margin: .4rem 0 }
"""


def html_report(source: Any, *, engine: Engine = "auto", max_trades: int = 200) -> str:
    """The report of one backtest as a self-contained HTML page.

    Parameters
    ----------
    source
        A ``BacktestResult`` or a payload (see :mod:`peak_fast.report.payload`).
    engine
        Renderer of the picture, see :func:`peak_fast.report.render_equity_png`.
    max_trades
        Largest number of trades in the table; the page says how many are left out.

    Returns
    -------
    str
        HTML; every value that comes from outside is escaped.

    Raises
    ------
    ConfigError
        No equity in ``source``.
    MissingDependencyError
        Neither Pillow nor Matplotlib is installed.
    """
    payload = payload_of(source)
    stats, metadata = payload.get("stats") or {}, payload.get("metadata") or {}
    summary = trades_summary(payload.get("trades"), time_us=payload.get("time_us"), listed=max_trades)
    picture = base64.b64encode(render_equity_png(payload, engine=engine)).decode()
    title = html.escape(headline(metadata))
    notes = "".join(f'<p class="warning">{html.escape(note)}</p>' for note in warnings_of(stats, metadata))
    figures = _figures("Performance", stats, shown_in("performance")) + _figures(
        "Trades", stats, shown_in("trading")
    )
    held = holding_rows(stats)
    if held:
        figures += f"<div><h2>Holdings</h2>{_table((), held, frozenset((1,)))}</div>"
        made = [
            (name, str(of["count"]), show_number(of["net_pnl"], "money"))
            for name, of in summary.get("by_symbol", {}).items()
        ]
        figures += (
            f"<div><h2>Assets</h2>{_table(('Asset', 'Trades', 'Net profit'), made, frozenset((1, 2)))}</div>"
        )
    shown = len(summary["first"])
    left_out = summary["counts"]["total"] - shown
    rest = f'<p class="muted">{left_out:,} later trades are not listed.</p>' if left_out else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>\n"
        f"<h1>{title}</h1>{notes}\n"
        f'<p><img alt="Equity and drawdown" src="data:image/png;base64,{picture}"></p>\n'
        f'<div class="grid">{figures}</div>\n'
        f"<h2>List of trades</h2>{_trade_table(summary['first'])}{rest}\n"
        f'<div class="grid">{_settings(metadata)}</div>\n</body></html>\n'
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: frozenset[int]) -> str:
    """An HTML table of plain texts; ``numbers`` are the columns aligned to the right."""

    def cell(tag: str, column: int, text: str) -> str:
        kind = ' class="number"' if column in numbers else ""
        return f"<{tag}{kind}>{html.escape(text)}</{tag}>"

    def line(tag: str, texts: Sequence[str]) -> str:
        return "<tr>" + "".join(cell(tag, i, text) for i, text in enumerate(texts)) + "</tr>"

    return (
        "<table>" + (line("th", head) if head else "") + "".join(line("td", row) for row in rows) + "</table>"
    )


def _figures(title: str, stats: Mapping[str, Any], known: Iterable[Metric]) -> str:
    rows = [
        (label_of(row, stats), show_number(stats[row.name], row.kind)) for row in known if row.name in stats
    ]
    return f"<div><h2>{title}</h2>{_table((), rows, frozenset((1,)))}</div>" if rows else ""


def _trade_table(trades: Sequence[Mapping[str, Any]]) -> str:
    if not trades:
        return '<p class="muted">No trade was made.</p>'
    several = "symbol" in trades[0]
    head = (
        "#",
        *(("Asset",) if several else ()),
        "Side",
        "Entry",
        "Exit",
        "Entry price",
        "Exit price",
        "Size",
        "Net profit",
        "Return",
        "Reason",
    )
    rows = [
        (
            str(trade["trade_id"]),
            *((str(trade["symbol"]),) if several else ()),
            str(trade["side"]),
            _moment(trade, "entry"),
            _moment(trade, "exit"),
            show_number(trade["entry_price"], "ratio"),
            show_number(trade["exit_price"], "ratio"),
            show_number(trade["size"], "ratio"),
            show_number(trade["net_pnl"], "money"),
            show_number(trade["return"], "percent"),
            str(trade["exit_reason"]),
        )
        for trade in trades
    ]
    return _table(head, rows, frozenset((0, *range(4 + several, 9 + several))))


def _moment(trade: Mapping[str, Any], end: str) -> str:
    when = trade[f"{end}_time"]
    if when is not None:
        return str(when)[:16].replace("T", " ")
    bar = trade[f"{end}_bar"]
    return "open" if bar < 0 else f"bar {bar}"


def _settings(metadata: Mapping[str, Any]) -> str:
    parts = []
    for key, value in json_safe(with_few_symbols(metadata)).items():
        rows = [(name or key, show_setting(item)) for name, item in flat_items(value)]
        parts.append(f"<div><h2>{html.escape(str(key).replace('_', ' ').capitalize())}</h2>")
        parts.append(_table((), rows, frozenset()) + "</div>")
    return "".join(parts)
