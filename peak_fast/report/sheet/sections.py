"""The page's body: headings, tables and the places where the script draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peak_fast.report.holdings import with_few_symbols
from peak_fast.report.payload import Payload
from peak_fast.report.plain import json_safe
from peak_fast.report.series import percent
from peak_fast.report.sheet import figures
from peak_fast.report.sheet.calendar import calendar
from peak_fast.report.sheet.markup import chart, section, table, text
from peak_fast.report.sheet.source import OUR_NAMES
from peak_fast.report.text import flat_items, holding_rows, show_number, show_setting, warnings_of
from peak_kernels.arrays import FloatArray


def body(
    payload: Payload, title: str, curve: FloatArray | None, benchmark: str, days: figures.Days,
    trades: Mapping[str, Any], about: Mapping[str, Any],
) -> str:  # fmt: skip
    """Everything between the page's ``body`` tags but its scripts."""
    stats, metadata = payload.get("stats") or {}, payload.get("metadata") or {}
    parts = [
        header(payload, title),
        section("key", "Key figures", _key(payload, curve, benchmark, days)),
        _charts(payload, benchmark, about),
        section("calendar", "Returns by month", calendar(payload, curve, benchmark)),
        section("distribution", f"Returns by {days.unit}", _distribution(days)),
        section("rolling", "Moving figures", _rolling(days, about)),
        section("drawdowns", "The deepest drawdowns", _drawdowns(payload)),
        section("holdings", "Holdings", _holdings(payload)),
        section("trades", "Trades", _trades(payload, trades)),
        section("refused", "Orders refused, cut or replaced", _refused(payload)),
        section("costs", "Costs and payments", table((), figures.cost_rows(payload), label="Costs by kind")),
        section("bounds", "What the bars do not say", _bounds(payload)),
        *(str(extra) for extra in payload.get("sections") or ()),
        section("settings", "Settings", _settings(metadata)),
        section("other", "All figures", _everything(stats)),
    ]
    return "<main>" + "".join(parts) + "</main>"


def header(payload: Payload, title: str) -> str:
    """What ran, on what, by which rules."""
    metadata = payload.get("metadata") or {}
    data, costs = metadata.get("data") or {}, (metadata.get("settings") or {}).get("costs")
    strategy = metadata.get("strategy") or {}
    params = ", ".join(
        f"{name}={show_setting(value)}" for name, value in flat_items(strategy.get("params") or {})
    )
    facts = [
        ("Parameters", params),
        (
            "Bars",
            f"{len(payload['equity']):,}"
            + (f", {str(data['start'])[:10]} to {str(data['end'])[:10]}" if data.get("start") else ""),
        ),
        ("Fill rule", str(metadata.get("fill_rule") or "")),
        (
            "Costs",
            ", ".join(f"{name} {show_setting(value)}" for name, value in flat_items(costs or {}) if value),
        ),
        ("Data hash", str(data.get("hash") or "")),
        ("Result hash", str(metadata.get("hash") or "")),
    ]
    listed = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in facts if value
    )
    said = [*warnings_of(payload.get("stats") or {}, metadata)]
    warned = "".join(f'<p class="warning">{text(one)}</p>' for one in said)
    notes = "".join(f"<li>{text(one)}</li>" for one in metadata.get("notes") or ())
    noted = f'<ul class="notes" aria-label="Notes">{notes}</ul>' if notes else ""
    return (
        f'<header><div class="top"><h1>{text(title)}</h1>'
        '<button id="theme" type="button" aria-label="Switch between light and dark">Dark</button></div>'
        f'<dl class="facts">{listed}</dl>{warned}{noted}</header>\n'
    )


def _key(payload: Payload, curve: FloatArray | None, benchmark: str, days: figures.Days) -> str:
    head = ("", "Strategy", benchmark) if curve is not None else ("", "Strategy")
    rows = [row if curve is not None else row[:2] for row in figures.key_rows(payload, curve)]
    left = table(head, rows, label="Key figures", kind="key")
    right = table(("Trades", ""), figures.trade_rows(payload), label="Figures of trades", kind="key")
    beside = figures.relative_rows(days)
    if beside:
        name = benchmark.lower() if benchmark in OUR_NAMES else benchmark  # a symbol stays as it is written
        right += table(
            (f"Beside {name}, by {days.unit}", ""),
            beside,
            label="Beside the benchmark",
            kind="key",
        )
    return f'<div class="grid"><div>{left}</div><div>{right}</div></div>'


def _charts(payload: Payload, benchmark: str, about: Mapping[str, Any]) -> str:
    if not len(payload["equity"]):
        return '<section id="curves"><h2>Curves</h2><p>No bars: nothing to draw.</p></section>'
    against = f" and {benchmark}" if benchmark else ""
    charts = chart("price", "Prices with the entries and exits of trades") if payload.get("prices") else ""
    flows = ", deposits and withdrawals in it" if (payload.get("stats") or {}).get("net_deposits") else ""
    charts += chart("equity", f"Equity{against} over time{flows}") + chart("drawdown", "Drawdown over time")
    charts += chart("held", "What was held over time") if payload.get("held") else ""
    buttons = "".join(
        f'<button type="button" data-span="{share}">{label}</button>'
        for share, label in ((1, "All"), (0.5, "Last half"), (0.1, "Last tenth"), (0.01, "Last hundredth"))
    )
    return (
        '<section id="curves"><h2>Curves</h2><div class="controls" role="group" aria-label="What the charts show">'
        f'{buttons}<button type="button" id="log" aria-pressed="false">Log scale</button>'
        '<span id="range" aria-live="polite"></span></div>'
        '<div id="charts" tabindex="0" aria-label="Charts: arrow keys move, plus and minus zoom, 0 shows all">'
        f"{charts}</div>"
        '<p class="muted" id="level"></p>'
        "<noscript><p>The charts need JavaScript; the tables do not.</p></noscript></section>\n"
    )


def _distribution(days: figures.Days) -> str:
    rows = figures.distribution_rows(days)
    if not rows:
        return ""
    picture = chart("distribution", f"How often returns of a {days.unit} were how large")
    figured = table((), rows, label="Distribution of returns", kind="key")
    return f'<div class="grid"><div>{picture}</div><div>{figured}</div></div>'


def _rolling(days: figures.Days, about: Mapping[str, Any]) -> str:
    if not about["window"]:
        return ""
    names = ["sharpe", "volatility"] + (["beta"] if days.other is not None else [])
    labels = {"sharpe": "Sharpe ratio", "volatility": "Volatility", "beta": "Beta to the benchmark"}
    drawn = "".join(
        chart(f"rolling-{name}", f"{labels[name]} of the last {about['window']} {days.unit}s")
        for name in names
    )
    return f'<p class="muted">Each over the last {about["window"]} {days.unit}s.</p>{drawn}'


def _when(payload: Payload, bar: int) -> str:
    """Day, and the minute where bars are shorter than days, of a bar; its number without times."""
    times = payload.get("time_us")
    if bar < 0:
        return "the start"
    if times is None:
        return f"bar {bar:,}"
    from peak_fast.report.sheet.curves import local_seconds

    seconds = local_seconds(
        {"time_us": np.asarray(times[bar : bar + 1]), "time_zone": payload.get("time_zone")}
    )
    shown = str(np.datetime64(int(seconds[0]), "s")) if seconds is not None else ""
    return shown[:10] if shown[11:] == "00:00:00" else shown[:16].replace("T", " ")


def _drawdowns(payload: Payload) -> str:
    episodes = figures.deepest(payload)
    rows = [
        (
            str(place), percent(one.depth, 2), _when(payload, one.peak), _when(payload, one.valley),
            _when(payload, one.end) if one.recovered else "not recovered", f"{one.end - one.peak:,}",
            f"{one.end - one.valley:,}" if one.recovered else "",
        )
        for place, one in enumerate(episodes, 1)
    ]  # fmt: skip
    if not rows:
        return "<p>The equity never fell below an earlier value.</p>"
    head = ("#", "Depth", "Peak", "Valley", "Recovered", "Bars", "Bars to recover")
    return table(head, rows, label="The deepest drawdowns")


def _holdings(payload: Payload) -> str:
    found = holding_rows(payload.get("stats") or {})
    if not found:
        return ""
    content = table((), found, label="Holdings", kind="key")
    frame = payload.get("contributions")
    if frame is not None and frame.height:
        names = [
            name
            for name in ("symbol", "contribution", "return_share", "fees", "slippage", "traded", "trades")
            if name in frame.columns
        ]
        kinds = {"symbol": "text", "return_share": "percent", "trades": "count"}
        rows = [
            [show_number(value, kinds.get(name, "money")) for name, value in zip(names, row, strict=True)]
            for row in frame.select(names).head(40).rows()
        ]
        content += "<h3>What each asset added</h3>" + table(
            [name.replace("_", " ") for name in names], rows, label="Contributions"
        )
        if frame.height > 40:
            content += f'<p class="muted">{frame.height - 40:,} more are in result.contributions.</p>'
    return content


def _trades(payload: Payload, trades: Mapping[str, Any]) -> str:
    count = len(trades["entry_bar"])
    if not count:
        return "<p>No trade was made.</p>"
    known = np.isfinite(np.asarray(trades["mae"], dtype=np.float64)).any()  # trades of portfolios have none
    drawn = chart("excursion", "Worst excursion of each trade against its return") if known else ""
    drawn += chart("duration", "Bars held of each trade against its return")
    return (
        f'<div class="grid">{drawn}</div><div class="controls"><label>Find <input id="find" type="search" '
        'placeholder="long, stop, 2008 ..."></label><span id="found" aria-live="polite"></span>'
        '<span class="pages"><button type="button" id="before">Before</button>'
        '<button type="button" id="next">Next</button></span></div>'
        '<div class="scroll"><table id="trade-table" aria-label="Trades"></table></div>'
    )


def _refused(payload: Payload) -> str:
    refused = payload.get("refused") or {}
    reasons = refused.get("reasons") or []
    if not reasons:
        return ""
    content = table(
        ("Status", "Reason", "Orders"),
        [(a, b, f"{n:,}") for a, b, n in reasons],
        left=2,
        label="Orders by reason",
    )
    rows = [[_plain(value) for value in row] for row in refused["first"]]
    listed = table(
        [name.replace("_", " ") for name in refused["names"]],
        rows,
        left=len(refused["names"]),
        label="First of them",
    )
    return content + f"<details><summary>The first {len(rows):,} of them</summary>{listed}</details>"


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return show_number(value, "ratio")
    return "" if value is None else str(value)[:19]


def _bounds(payload: Payload) -> str:
    bounds = payload.get("bounds")
    if bounds is None:
        return ""
    count = int((payload.get("stats") or {}).get("ambiguous_bars") or 0)
    low, high, used = (
        show_number(float(value), "money") for value in (bounds.worst, bounds.best, bounds.final_equity)
    )
    return (
        f"<p>{count:,} bars touched stop and target both, or might have filled in another order. The final equity is "
        f"{text(used)} by the rule of this run; it lies between {text(low)} and {text(high)} by the others.</p>"
    )


def _settings(metadata: Mapping[str, Any]) -> str:
    parts = []
    for key, value in json_safe(with_few_symbols(metadata)).items():
        if key in ("notes", "warnings"):
            continue
        rows = [(name or key, show_setting(item)) for name, item in flat_items(value)]
        title = text(str(key).replace("_", " ").capitalize())
        parts.append(f"<div><h3>{title}</h3>{table((), rows, left=2, label=str(key))}</div>")
    return f'<div class="grid">{"".join(parts)}</div>' if parts else ""


def _everything(stats: Mapping[str, Any]) -> str:
    rows = [
        (name, _exact(value))
        for name, value in stats.items()
        if not isinstance(value, Mapping | list | tuple)
    ]
    if not rows:
        return ""
    listed = table((), rows, label="stats", kind="all")
    return f"<details><summary>{len(rows)} figures under their names, unrounded</summary>{listed}</details>"


def _exact(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
