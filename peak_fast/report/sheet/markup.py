"""Pieces of HTML: escaped texts, tables, sections, places for charts."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

Rows = Iterable[Sequence[str]]


def text(value: Any) -> str:
    """A text from outside, safe in HTML."""
    return html.escape(str(value))


def table(head: Sequence[str], rows: Rows, *, left: int = 1, label: str = "", kind: str = "") -> str:
    """A table of plain texts; all but the first ``left`` columns are numbers."""

    def line(tag: str, texts: Sequence[str]) -> str:
        cells = []
        for at, item in enumerate(texts):
            scope = ' scope="col"' if tag == "th" else ""
            look = "" if at < left else ' class="number"'
            cells.append(f"<{tag}{scope}{look}>{text(item)}</{tag}>")
        return f"<tr>{''.join(cells)}</tr>"

    title = f' aria-label="{text(label)}"' if label else ""
    top = f"<thead>{line('th', head)}</thead>" if head else ""
    body = "".join(line("td", row) for row in rows)
    return f'<div class="scroll"><table class="{kind}"{title}>{top}<tbody>{body}</tbody></table></div>'


def section(name: str, title: str, content: str, note: str = "") -> str:
    """A section under a heading; nothing for no content."""
    if not content:
        return ""
    below = f'<p class="muted">{text(note)}</p>' if note else ""
    return f'<section id="{name}"><h2>{text(title)}</h2>{content}{below}</section>\n'


def chart(name: str, label: str) -> str:
    """A place for a chart, with what it shows in words."""
    return (
        f'<figure class="chart"><figcaption class="title">{text(label)}</figcaption>'
        f'<div id="chart-{name}" role="img" aria-label="{text(label)}"></div></figure>'
    )
