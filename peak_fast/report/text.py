"""The text report ``reports/backtest_report.txt``: everything about one backtest in fixed-width columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from peak_fast.metrics import Metric, shown_in
from peak_fast.report.holdings import HELD_EQUALLY, with_few_symbols
from peak_fast.report.plain import json_safe
from peak_fast.report.series import percent

WIDTH = 78
LABEL = 30

# Figures that a reader must not overlook when they are not zero: (key, sentence).
WARNINGS = (
    ("ambiguous_bars", "bars touched stop and target both: the outcome rests on the setting both_hit"),
    ("rejected_orders", "orders were rejected: see the orders table for the reasons"),
)

# Figures of portfolios: (key, label, kind).
HOLDINGS = (
    ("assets", "Assets", "count"),
    ("average_holdings", "Held on average", "ratio"),
    ("effective_holdings", "The same as equal parts", "ratio"),
    ("largest_weight", "Largest weight", "percent"),
    ("average_gross", "Gross exposure on average", "percent"),
    ("average_net", "Net exposure on average", "percent"),
    ("turnover", "Turnover a year", "percent"),
    ("rebalances", "Bars with trades", "count"),
    ("cut_orders", "Orders cut", "count"),
)


def show_number(value: Any, kind: str) -> str:
    """One figure as text; ``kind`` is percent, count, money or ratio. None and NaN read ``n/a``."""
    if value is None or isinstance(value, bool):
        return "n/a" if value is None else str(value)
    if not isinstance(value, (int, float)):
        return str(value)
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if kind == "percent":
        return percent(float(value), 2)
    if kind == "count":
        return f"{round(value):,}"
    if kind == "money":
        return f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if abs(value) < 1e-3 or abs(value) >= 1e6 else f"{value:,.3f}"


def _line(label: str, value: str) -> str:
    return f"  {label:<{LABEL}} {value}"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    body = list(lines)
    return ["", title, "-" * WIDTH, *body] if body else []


def flat_items(value: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested mappings as dotted names, in their order."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flat_items(item, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def show_setting(value: Any) -> str:
    """One setting as text."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e15 else repr(value)
    return str(value)


def _known(stats: Mapping[str, Any], rows: Iterable[Metric]) -> Iterable[str]:
    return (
        _line(label_of(row, stats), show_number(stats[row.name], row.kind))
        for row in rows
        if row.name in stats
    )


def label_of(row: Metric, stats: Mapping[str, Any]) -> str:
    """Name of a figure; portfolios are compared with something else than a single asset."""
    return HELD_EQUALLY if row.name == "benchmark_return" and "assets" in stats else row.label


def holding_rows(stats: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Labels and texts of what only portfolios have; none for a single asset."""
    if "assets" not in stats:
        return []
    return [(label, show_number(stats[key], kind)) for key, label, kind in HOLDINGS if key in stats]


def _other(stats: Mapping[str, Any]) -> Iterable[str]:
    shown = {row.name for row in (*shown_in("performance"), *shown_in("trading"))} | {"start", "end"}
    shown |= {key for key, _, _ in HOLDINGS} if "assets" in stats else set()
    for key, value in stats.items():
        if key not in shown and not isinstance(value, (Mapping, list, tuple)):
            yield _line(str(key), show_number(value, "ratio"))


def _settings(metadata: Mapping[str, Any]) -> Iterable[str]:
    strategy = metadata.get("strategy") or {}
    if strategy.get("name"):
        yield _line("strategy", str(strategy["name"]))
    for name, value in flat_items(strategy.get("params") or {}):
        yield _line(f"  {name}", show_setting(value))
    if metadata.get("fill_rule"):
        yield _line("fill rule", show_setting(metadata["fill_rule"]))
    for note in metadata.get("notes") or ():
        yield _line("note", str(note))
    for name, value in flat_items(metadata.get("settings") or {}):
        yield _line(name, show_setting(value))


def _data(stats: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterable[str]:
    data = dict(metadata.get("data") or {})
    data.setdefault("start", stats.get("start"))
    data.setdefault("end", stats.get("end"))
    for name, value in data.items():
        if value is not None:
            yield _line(
                str(name), f"{value:,}" if isinstance(value, int) and name == "bars" else show_setting(value)
            )


def _groups(summary: Mapping[str, Any]) -> Iterable[str]:
    """A table of trade groups: by side and by exit reason."""
    groups = [*(summary.get("by_side") or {}).items(), *(summary.get("by_exit_reason") or {}).items()]
    groups = [(name, group) for name, group in groups if group["count"]]
    if groups:
        yield f"  {'group':<20}{'trades':>8}{'win rate':>10}{'net profit':>15}{'mean':>12}{'bars':>9}"
    for name, group in groups:
        held = group["mean_bars_held"]
        yield (
            f"  {name[:20]:<20}{group['count']:>8,}{show_number(group['win_rate'], 'percent'):>10}"
            f"{show_number(group['net_pnl'], 'money'):>15}{show_number(group['mean_net_pnl'], 'money'):>12}"
            f"{'n/a' if held is None else format(held, ',.1f'):>9}"
        )


def _trade(label: str, trade: Mapping[str, Any]) -> str:
    when = trade["entry_time"] or f"bar {trade['entry_bar']}"
    share = trade["return"]
    what = " ".join(filter(None, (trade.get("symbol"), trade["side"])))
    text = f"{show_number(trade['net_pnl'], 'money')} ({show_number(share, 'percent')}), {what}"
    return _line(label, f"{text}, {str(when)[:19]}, {trade['exit_reason']}")


def _trades(stats: Mapping[str, Any], summary: Mapping[str, Any]) -> Iterable[str]:
    yield from _known(stats, shown_in("trading"))
    if not summary:
        return
    counts, streaks = summary["counts"], summary["streaks"]
    yield _line(
        "Winning / losing / even", f"{counts['winning']:,} / {counts['losing']:,} / {counts['breakeven']:,}"
    )
    if counts["open"]:
        yield _line("Still open", show_number(counts["open"], "count"))
    yield _line("Longest winning / losing run", f"{streaks['longest_winning']} / {streaks['longest_losing']}")
    yield _line("Mean holding (bars)", show_number(summary["holding"]["mean_bars"], "ratio"))
    middle = summary["net_pnl"]["quantiles"]
    if middle["p50"] is not None:
        quantiles = " / ".join(show_number(middle[q], "money") for q in ("p05", "p50", "p95"))
        yield _line("Net profit 5 / 50 / 95 %", quantiles)
    for label in ("best", "worst"):
        if summary[label] is not None:
            yield _trade(f"{label.capitalize()} trade", summary[label])
    table = list(_groups(summary))
    if table:
        yield ""
        yield from table


def _assets(summary: Mapping[str, Any]) -> Iterable[str]:
    """The assets of a portfolio that made and lost the most."""
    found = summary.get("by_symbol") or {}
    if found:
        yield f"  {'asset':<20}{'trades':>8}{'net profit':>25}"
    for symbol, of in found.items():
        yield f"  {symbol[:20]:<20}{of['count']:>8,}{show_number(of['net_pnl'], 'money'):>25}"


def _fills_at_close(metadata: Mapping[str, Any]) -> bool:
    execution = (metadata.get("settings") or {}).get("execution") or {}
    if isinstance(execution, Mapping) and "fill_at" in execution:
        return bool(execution["fill_at"] == "close")
    return str(metadata.get("fill_rule") or "").startswith(("close", "same bar"))


def warnings_of(stats: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[str]:
    """Sentences about what a reader of this result must know, empty when there is nothing."""
    found = []
    for key, sentence in WARNINGS:
        count = stats.get(key)
        if isinstance(count, (int, float)) and math.isfinite(count) and count > 0:
            found.append(f"{round(count):,} {sentence}")
    blocked = stats.get("blocked_trades")
    if "rejected_orders" not in stats and isinstance(blocked, (int, float)) and blocked > 0:
        found.append(f"{round(blocked):,} trades were blocked by risk limits or lack of cash")
    without = (metadata.get("data") or {}).get("bars_without_prices")
    if isinstance(without, int) and without > 0:
        found.append(f"{without:,} bars had no valid prices: nothing was filled there")
    if _fills_at_close(metadata):
        found.append(
            "fills happen at the close of the bar that gave the signal: "
            "this assumes trading at a price that is not yet known"
        )
    if stats.get("total_trades") == 0:
        found.append("no trade was made: ratios of trades have no value")
    found.extend(str(note) for note in metadata.get("warnings") or ())
    return found


def report_text(
    stats: Mapping[str, Any], metadata: Mapping[str, Any], summary: Mapping[str, Any] | None = None
) -> str:
    """The text report of one backtest.

    Parameters
    ----------
    stats
        ``BacktestResult.stats``. Known keys come first under readable names; every other scalar follows
        under its own name, so nothing is left out. NaN and ``None`` read ``n/a``.
    metadata
        ``BacktestResult.metadata``: strategy, settings, data, fill rule, versions.
    summary
        From :func:`peak_fast.report.trades.trades_summary`; without it the trade tables are left out.

    Returns
    -------
    str
        Lines of at most about 100 characters, ending with a newline.
    """
    stats = {k: v.item() if hasattr(v, "item") else v for k, v in stats.items()}
    metadata = with_few_symbols(metadata)
    name = (metadata.get("strategy") or {}).get("name") or "backtest"
    symbol = (metadata.get("data") or {}).get("name")
    title = f"BACKTEST REPORT   {name}" + (f" on {symbol}" if symbol else "")
    lines = ["=" * WIDTH, title, "=" * WIDTH]
    lines += _section("WARNINGS", (f"  ! {note}" for note in warnings_of(stats, metadata)))
    lines += _section("PERFORMANCE", _known(stats, shown_in("performance")))
    lines += _section("HOLDINGS", (_line(label, text) for label, text in holding_rows(stats)))
    lines += _section("TRADES", _trades(stats, summary or {}))
    lines += _section("ASSETS", _assets(summary or {}))
    lines += _section("SETTINGS", _settings(metadata))
    lines += _section("DATA", _data(stats, metadata))
    lines += _section("OTHER FIGURES", _other(stats))
    known = {"strategy", "settings", "data", "fill_rule", "warnings"}
    rest = {key: value for key, value in json_safe(metadata).items() if key not in known}
    lines += _section("PROVENANCE", (_line(key, show_setting(value)) for key, value in flat_items(rest)))
    return "\n".join(lines) + "\n"
