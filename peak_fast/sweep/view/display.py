"""A sweep's result as text, HTML for notebooks, and a table for terminals."""

from __future__ import annotations

import html
from typing import Any

from peak_fast.sweep.view.finished import Finished
from peak_fast.sweep.view.texts import format_metric, format_number, format_params

_ROWS = 10
_FEW_TRADES = 10


def headline(result: Finished, min_trades: int = 0) -> str:
    """How many configurations, and the best one of at least so many trades."""
    count, by = len(result), result.default_metric
    total = f" of {result.total:,}" if result.total != count else ""
    text = f"{count:,}{total} configurations of {', '.join(result.parameters)}"
    best = result.top(1, by, min_trades=min_trades)
    if not len(best):
        return text
    params = {name: best[name][0] for name in result.parameters}
    among = f" ({min_trades:,} trades or more)" if min_trades else _warning(best)
    return f"{text}; best {by} {format_metric(by, best[by][0])} at {format_params(params)}{among}"


def _warning(best: Any) -> str:
    """A word where the best row rests on so few trades that its ratio says little."""
    trades = best["total_trades"][0] if "total_trades" in best.columns else None
    if trades is None or not trades < _FEW_TRADES:
        return ""
    return f" (only {trades:.0f} trade{'' if trades == 1 else 's'}; see min_trades)"


def html_table(result: Finished) -> str:
    """Headline and the best rows, for notebooks."""
    rows = result.top(_ROWS).drop("block_sum", "block_sumsq", strict=False)
    notes = "".join(f"<p>Note: {html.escape(note)}</p>" for note in result.notes)
    return f"<p><b>Sweep</b>: {html.escape(headline(result))}</p>{rows._repr_html_()}{notes}"


def rich_table(result: Finished, n: int = _ROWS, by: str | None = None, min_trades: int = 0) -> Any:
    """The best rows as a ``rich.table.Table``."""
    from rich.table import Table

    notes = "\n".join(f"Note: {note}" for note in result.notes) or None
    table = Table(
        title=headline(result, min_trades), title_justify="left", caption=notes, caption_justify="left"
    )
    names = ["config", *result.parameters, *result.metrics]
    for name in names:
        table.add_column(name.replace("_", "\n"), justify="right", vertical="bottom")
    for row in result.top(n, by, min_trades=min_trades).select(names).iter_rows():
        cells = zip(names, row, strict=True)
        table.add_row(*(format_metric(k, v) if k in result.metrics else format_number(v) for k, v in cells))
    return table
