"""Statistics of a result, and the texts and tables that show them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.guard import Named
from peak_fast.metrics import COUNTS, METRICS
from peak_fast.results.payments import payment_rows, payment_stats
from peak_kernels import slots as t

if TYPE_CHECKING:
    from peak_fast.results.parts import RunParts


def stats_of(result: RunParts) -> dict[str, Any]:
    """Dict behind `BacktestResult.stats`."""
    values = Named(zip(METRICS, result._outcome.metrics.tolist(), strict=True))
    for name in COUNTS:
        values[name] = int(values[name])
    values["blocked_trades"] = values["rejected_orders"]
    start, end = result.bars.span
    mark = result.bars.mark
    first = mark[int(np.argmin(np.isnan(mark)))] if np.isnan(mark[0]) else mark[0]
    # Prices at or below zero have no returns.
    signed = result._settings[t.SIGNED_PRICES] > 0.0
    values["benchmark_return"] = math.nan if signed else float(mark[-1] / first - 1.0)
    state = result._outcome.state
    values["cash_interest"], values["written_off"] = (
        float(state[t.CASH_INTEREST]),
        float(state[t.WRITTEN_OFF]),
    )
    values["initial_cash"] = initial = float(result._settings[t.INITIAL_CASH])
    charges = getattr(result._outcome, "charges", None)
    if charges is not None:
        values.update(payment_stats(result.bars, charges, initial, values["final_equity"]))
    values["start"], values["end"] = start, end
    values["bars"] = len(result.bars)
    values["periods_per_year"] = float(result._settings[t.PERIODS_PER_YEAR])
    return values


def _financing_rows(stats: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Lines on money that moved without a fill, where any did."""
    if "net_deposits" in stats:
        return payment_rows(stats)
    interest, funding, cash = (stats[name] for name in ("total_interest", "total_funding", "cash_interest"))
    rows = []
    if interest or funding:
        of_cash = f" ({cash:,.2f} on cash)" if cash else ""
        rows.append(("Interest, funding", f"{interest:,.2f}{of_cash}, {funding:,.2f}"))
    if stats["written_off"]:
        rows.append(("Written off", f"{stats['written_off']:,.2f} owed after the ruin"))
    return rows


def written(stats: Mapping[str, Any]) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """What writes a statistic by its name as a percentage, and as a number; a dash where it is undefined."""

    def percent(name: str) -> str:
        return "-" if math.isnan(stats[name]) else f"{stats[name]:.2%}"

    def number(name: str) -> str:
        return "-" if math.isnan(stats[name]) else f"{stats[name]:.2f}"

    return percent, number


def summary_rows(result: RunParts) -> list[tuple[str, str]]:
    """Labels and texts of the summary."""
    stats = result.stats
    percent, number = written(stats)
    return [
        ("Period", f"{stats['start']:%Y-%m-%d} to {stats['end']:%Y-%m-%d}, {stats['bars']} bars"),
        ("Fill rule", result._used["execution"].fill_rule),
        ("Final equity", f"{stats['final_equity']:,.2f}"),
        ("Total return", percent("total_return")),
        ("Buy and hold", percent("benchmark_return")),
        ("CAGR", percent("cagr")),
        ("Volatility", percent("volatility")),
        ("Sharpe", number("sharpe")),
        ("Sortino", number("sortino")),
        ("Calmar", number("calmar")),
        ("Max drawdown", f"{percent('max_drawdown')} ({stats['max_drawdown_duration']} bars under water)"),
        ("Exposure", percent("exposure")),
        ("Trades", f"{stats['total_trades']} ({stats['closed_trades']} closed)"),
        ("Win rate", percent("win_rate")),
        ("Profit factor", number("profit_factor")),
        ("Expectancy", number("expectancy")),
        ("Fees, slippage", f"{stats['total_fees']:,.2f}, {stats['total_slippage']:,.2f}"),
        *_financing_rows(stats),
        ("Orders refused", str(stats["rejected_orders"])),
        ("Ambiguous bars", str(stats["ambiguous_bars"])),
        *(("Note", note) for note in result.notes),
    ]


def rich_table(title: str, rows: Sequence[tuple[str, str]]) -> Any:
    """A summary as a rich table."""
    from rich.table import Table

    table = Table(title=title, show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for label, text in rows:
        table.add_row(label, text)
    return table
