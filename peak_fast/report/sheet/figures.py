"""The numbers of the tear sheet: key figures beside the benchmark's, calendar, distribution, rolling figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from peak_fast import metrics
from peak_fast.metrics import CATALOG, Metric, periods_of, shown_in
from peak_fast.report.figure import wants_log as grown
from peak_fast.report.payload import Payload
from peak_fast.report.series import filled
from peak_fast.report.text import label_of, show_number
from peak_kernels.arrays import FloatArray, IntArray

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HALF_YEAR = 126


class Days(NamedTuple):
    """Returns by days, or by bars where bars are days, are longer, or have no times."""

    unit: str
    last: IntArray
    """Last bar of each."""
    own: FloatArray
    other: FloatArray | None
    per_year: float


def start_of(payload: Payload) -> float | None:
    """Equity before the first bar."""
    initial = (payload.get("stats") or {}).get("initial_cash")
    return None if initial is None else float(initial)


def values_of(payload: Payload) -> FloatArray:
    """Equity without what deposits added, which is no gain: float64[n_bars]."""
    return filled(payload.get("values", payload["equity"]))


def per_year_of(payload: Payload) -> float:
    """Bars of a year."""
    stats, metadata = payload.get("stats") or {}, payload.get("metadata") or {}
    return float(stats.get("periods_per_year") or metadata.get("periods_per_year") or 252.0)


def _clock(payload: Payload) -> tuple[Any, Any, Any]:
    return payload["time_us"], payload.get("time_zone"), payload.get("stamp", "open")


def days_of(payload: Payload, benchmark: FloatArray | None) -> Days:
    """Returns by days of a result and its benchmark."""
    equity, start = values_of(payload), start_of(payload)
    last, unit = np.arange(equity.size), "bar"
    times, per_year = payload.get("time_us"), per_year_of(payload)
    if times is not None and len(times) > 1:
        zone, stamp = _clock(payload)[1:]
        days = periods_of(times, "day", zone, stamp)
        if days.last.size < equity.size:
            per_year *= days.last.size / equity.size
            last, unit = days.last, "day"
        elif np.median(np.diff(times[:1_000])) <= 4 * 86_400_000_000:
            unit = "day"
    periods = metrics.Periods(last, last)
    other = None if benchmark is None else metrics.period_returns(benchmark, periods, start)
    return Days(unit, last, metrics.period_returns(equity, periods, start), other, per_year)


def key_rows(payload: Payload, benchmark: FloatArray | None) -> list[tuple[str, str, str]]:
    """Label, own figure and the benchmark's, of everything that the statistics of a result have."""
    stats = payload.get("stats") or {}
    other = _benchmark_figures(payload, benchmark)
    return [
        (label_of(row, stats), show_number(stats[row.name], row.kind), other.get(row.name, ""))
        for row in shown_in("performance")
        if row.name in stats
    ]


def _benchmark_figures(payload: Payload, benchmark: FloatArray | None) -> dict[str, str]:
    if benchmark is None or not benchmark.size:
        return {}
    returns = metrics.returns_from_equity(benchmark, start_of(payload) or float(benchmark[0]))
    settings = (payload.get("metadata") or {}).get("settings") or {}
    free = settings.get("risk_free")
    given = {
        "periods_per_year": per_year_of(payload),
        "risk_free": float(free) if isinstance(free, int | float) else 0.0,
    }
    found = {"final_equity": show_number(float(benchmark[-1]), "money")}
    for row in shown_in("performance"):
        if row.takes is not None:
            value = getattr(metrics, row.name)(returns, *(given[name] for name in row.takes))
            found[row.name] = show_number(float(value), row.kind)
    return found


def trade_rows(payload: Payload) -> list[tuple[str, str]]:
    """Label and text of the figures of trades."""
    stats = payload.get("stats") or {}
    return [
        (label_of(row, stats), show_number(stats[row.name], row.kind))
        for row in shown_in("trading")
        if row.name in stats and not row.same_as
    ]


def relative_rows(days: Days) -> list[tuple[str, str]]:
    """Figures of the returns beside the benchmark's."""
    if days.other is None or days.own.size < 3:
        return []
    own, other = days.own, days.other
    values = {
        "beta": metrics.beta(own, other),
        "alpha": metrics.alpha(own, other, days.per_year),
        "r_squared": metrics.r_squared(own, other),
        "information_ratio": metrics.information_ratio(own, other),
    }
    rows = [(CATALOG[name].label, show_number(value, CATALOG[name].kind)) for name, value in values.items()]
    up, down = (
        metrics.capture(own, other, days.per_year, "up"),
        metrics.capture(own, other, days.per_year, "down"),
    )
    return [
        *rows,
        ("Upside capture", show_number(up, "ratio")),
        ("Downside capture", show_number(down, "ratio")),
    ]


def distribution_rows(days: Days) -> list[tuple[str, str]]:
    """Figures of the distribution of returns."""
    returns = days.own
    if returns.size < 2:
        return []
    names: tuple[Metric, ...] = tuple(
        CATALOG[name]
        for name in ("value_at_risk", "conditional_value_at_risk", "skew", "kurtosis", "tail_ratio")
    )
    rows = [
        (f"Best {days.unit}", show_number(float(returns.max()), "percent")),
        (f"Worst {days.unit}", show_number(float(returns.min()), "percent")),
        (f"Share of {days.unit}s above zero", show_number(float((returns > 0.0).mean()), "percent")),
    ]
    return rows + [
        (row.label, show_number(float(getattr(metrics, row.name)(returns)), row.kind)) for row in names
    ]


def histogram(returns: FloatArray, bins: int = 41) -> tuple[FloatArray, IntArray]:
    """Middles and counts of equal bins; the outermost thousandths stand in the outermost bins."""
    known = returns[np.isfinite(returns)]
    if known.size < 2 or not np.ptp(known) > 0.0:
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    low, high = np.quantile(known, [0.001, 0.999])
    if not high > low:
        low, high = float(known.min()), float(known.max())
    counts, edges = np.histogram(np.clip(known, low, high), bins=bins, range=(low, high))
    return (edges[1:] + edges[:-1]) / 2.0, counts


def rolling_columns(days: Days) -> tuple[dict[str, Any], int]:
    """Columns ``rolling_bar``, sharpe, volatility and, with a benchmark, beta, at the ends of days; the window."""
    window = min(_HALF_YEAR, days.own.size // 3)
    if window < 10:
        return {}, 0
    columns: dict[str, Any] = {"rolling_bar": days.last[window - 1 :]}
    names = ("sharpe", "volatility") + (("beta",) if days.other is not None else ())
    for name in names:
        values = metrics.rolling(name, days.own, window, periods_per_year=days.per_year, benchmark=days.other)
        columns[f"rolling_{name}"] = values[window - 1 :]
    thin = -(-columns["rolling_bar"].size // 4_000)
    return {name: values[::thin] for name, values in columns.items()}, window


def calendar_table(payload: Payload, benchmark: FloatArray | None) -> list[dict[str, Any]]:
    """For each year its months' returns (NaN: no bars), its own and the benchmark's; empty without times."""
    if payload.get("time_us") is None or not len(payload["equity"]):
        return []
    zone, stamp = _clock(payload)[1:]
    months = periods_of(payload["time_us"], "month", zone, stamp)
    years = periods_of(payload["time_us"], "year", zone, stamp)
    start, equity = start_of(payload), values_of(payload)
    of_months = metrics.period_returns(equity, months, start)
    of_years = metrics.period_returns(equity, years, start)
    other = None if benchmark is None else metrics.period_returns(benchmark, years, start)
    at = months.key.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    table: list[dict[str, Any]] = []
    for k, key in enumerate(
        years.key.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64).tolist()
    ):
        row = np.full(12, np.nan)
        inside = at // 12 == key
        row[at[inside] % 12] = of_months[inside]
        table.append(
            {
                "year": 1970 + key,
                "months": row,
                "own": float(of_years[k]),
                "other": None if other is None else float(other[k]),
            }
        )
    return table


def deepest(payload: Payload, top: int = 10) -> list[metrics.DrawdownEpisode]:
    """The deepest times under water."""
    return metrics.deepest_episodes(values_of(payload), start_of(payload), top)


def cost_rows(payload: Payload) -> list[tuple[str, str]]:
    """Costs and payments by kind, in money and as shares of the initial cash."""
    stats: Mapping[str, Any] = payload.get("stats") or {}
    start = start_of(payload)
    rows = []
    for name in (
        "total_fees",
        "total_slippage",
        "total_interest",
        "total_funding",
        "cash_interest",
        "total_borrow",
        "total_dividends",
        "net_deposits",
    ):
        value = stats.get(name)
        if not isinstance(value, int | float):
            continue
        label = CATALOG[name].label if name in CATALOG else name.replace("_", " ").capitalize()
        share = f" ({show_number(value / start, 'percent')} of the initial cash)" if start and value else ""
        rows.append((label, show_number(value, "money") + share))
    return rows


def wants_log(payload: Payload, curve: FloatArray | None) -> bool:
    """Whether the curves have grown so much that the page begins with a logarithmic scale."""
    return grown(values_of(payload), curve)
