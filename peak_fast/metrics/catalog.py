"""Every metric, one row each: what it is called, what kind of number it is, which way is good, where it is found.

>>> CATALOG["sharpe"].label, CATALOG["sharpe"].found, higher_is_better("sharpe")
('Sharpe ratio', 'sums', True)

Statistics, sweeps, studies, reports, trackers and docs/metrics.md read this table, so a new metric is its function
and its row.  One that is folded while simulating is written by `peak_kernels.fast.reduce`, in the order of
the rows here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["percent", "money", "count", "ratio"]


class Metric(NamedTuple):
    """One metric.

    Attributes
    ----------
    name
        Key of ``stats``, column of a sweep, or function of `peak_fast.metrics`.
    label
        Name in reports.
    kind
        ``"percent"`` (a fraction that people read in per cent), ``"money"``, ``"count"`` or ``"ratio"``.
    docs
        Formula or sentence for docs/metrics.md.
    found
        ``"sums"``: folded bar by bar and trade by trade, by `peak_kernels.fast.reduce.finish`; ``"curve"``: by
        `peak_kernels.fast.reduce.fold_curve`, which needs the whole curve; ``"result"``: put beside them in
        ``result.stats``; ``"financing"``: there, in runs with `Financing`; ``"orders"``: in the ``stats`` of
        order-level runs alone; ``"array"``: a function of `peak_fast.metrics` only.
    sense
        ``"higher"`` or ``"lower"`` is better; ``"loss"``: a negative number, whose size is what people minimise.
    segments
        How a study with several stretches of data joins it: their ``"sum"`` or their ``"mean"``.
    section
        Part of the report that shows it under its label: ``"performance"``, ``"trading"``; empty: at the end.
    headline
        Rank among the few that one looks at first; 0: not one of them.
    same_as
        Another metric of which this is a second name.
    takes
        What its function takes after the returns, where that is enough (`peak_fast.metrics.return_statistics`); None:
        it needs something else.
    """

    name: str
    label: str
    kind: Kind
    docs: str
    found: Literal["sums", "curve", "result", "financing", "orders", "array"] = "array"
    sense: Literal["higher", "lower", "loss"] = "higher"
    segments: Literal["sum", "mean"] = "mean"
    section: Literal["performance", "trading", ""] = ""
    headline: int = 0
    same_as: str = ""
    takes: tuple[str, ...] | None = None


_YEAR = ("periods_per_year",)
_YEAR_FREE = ("periods_per_year", "risk_free")

# Rows that are "sums", and those that are "curve", stand in the order in which `peak_kernels.fast.reduce` writes them.
_ROWS = (
    Metric("initial_cash", "Initial cash", "money", "cash at the start", "result", section="performance"),
    Metric("final_equity", "Final equity", "money", "equity at the last close", "sums",
           section="performance", headline=10),
    Metric("total_return", "Total return", "percent", "prod(1+r) - 1", "sums",
           section="performance", headline=1, takes=()),
    Metric("benchmark_return", "Buy-and-hold return", "percent", "last close / first close - 1", "result",
           section="performance"),
    Metric("cagr", "Annual growth (CAGR)", "percent", "prod(1+r)^(q/n) - 1; `years=` for calendar time", "sums",
           section="performance", headline=2, takes=_YEAR),
    Metric("volatility", "Annual volatility", "percent", "std(r, ddof 1) sqrt(q)", "sums", "lower",
           section="performance", headline=6, takes=_YEAR),
    Metric("sharpe", "Sharpe ratio", "ratio", "mean(r-f) / std(r, ddof 1) sqrt(q)", "sums",
           section="performance", headline=3, takes=_YEAR_FREE),
    Metric("sortino", "Sortino ratio", "ratio", "mean(r-f) q / downside_deviation", "sums",
           section="performance", headline=4, takes=_YEAR_FREE),
    Metric("calmar", "Calmar ratio", "ratio", "cagr / abs(max_drawdown)", "sums",
           section="performance", takes=_YEAR),
    Metric("omega", "Omega ratio", "ratio", "sum(max(r-f, 0)) / sum(max(f-r, 0))", takes=_YEAR_FREE),
    Metric("max_drawdown", "Maximum drawdown", "percent",
           "min(e / max(e so far) - 1); the start counts as a peak; negative", "sums", "loss",
           section="performance", headline=5, takes=()),
    Metric("max_drawdown_duration", "Longest drawdown (bars)", "count",
           "longest run of bars below an earlier peak, an unfinished one included", "curve", "lower",
           section="performance", takes=()),
    Metric("ulcer_index", "Ulcer index", "ratio", "sqrt(mean(drawdown^2)), a fraction", "curve", "lower",
           section="performance", takes=()),
    Metric("martin_ratio", "Martin ratio", "ratio", "(cagr - rf) / ulcer_index", takes=_YEAR_FREE),
    Metric("recovery_factor", "Recovery factor", "ratio", "total_return / abs(max_drawdown)", "sums",
           section="performance", takes=()),
    Metric("gain_to_pain", "Gain to pain", "ratio", "sum(r) / sum(max(-r, 0))", takes=()),
    Metric("tail_ratio", "Tail ratio", "ratio",
           "abs(95th percentile) / abs(5th percentile), linear interpolation", takes=()),
    Metric("value_at_risk", "Value at risk", "percent",
           '5th percentile of r; `method="normal"`: mean + z std(ddof 1)', sense="loss", takes=()),
    Metric("conditional_value_at_risk", "Expected shortfall", "percent",
           'mean of the floor((n-1) level) + 1 smallest; `method="normal"`: mean - std phi(z)/level',
           sense="loss", takes=()),
    Metric("skew", "Skewness", "ratio", "corrected for small samples as in pandas; `bias=True` for 1/n", takes=()),
    Metric("kurtosis", "Kurtosis", "ratio", "the same, in excess of the normal's", sense="lower", takes=()),
    Metric("stability", "Stability", "ratio", "R squared of cumulated log returns on time", takes=()),
    Metric("probabilistic_sharpe_ratio", "Probabilistic Sharpe ratio", "percent",
           "Bailey and Lopez de Prado 2012 (not the 2026 revision)", takes=()),
    Metric("geometric_mean", "Geometric mean return", "percent", "prod(1+r)^(1/n) - 1"),
    Metric("downside_deviation", "Downside deviation", "percent",
           "sqrt(mean(min(r-f, 0)^2)) sqrt(q), mean over all n", sense="lower"),
    Metric("alpha", "Alpha", "percent",
           "(1 + mean(r - f - beta (b - f)))^q - 1; `compounded=False`: times q"),
    Metric("beta", "Beta", "ratio", "slope of the regression on the benchmark, per period"),
    Metric("r_squared", "R squared", "ratio", "squared correlation with the benchmark"),
    Metric("information_ratio", "Information ratio", "ratio", "mean(r-b) / std(r-b, ddof 1), per period"),
    Metric("capture", "Capture ratio", "ratio",
           'annual growth over the benchmark\'s; `side="up"` or `"down"` for its rising or falling periods'),
    Metric("exposure", "Exposure", "percent", "share of bars with a position at the close", "sums",
           section="performance"),
    Metric("total_trades", "Trades", "count", "closed trades and the open one", "sums", segments="sum",
           section="trading", headline=7),
    Metric("closed_trades", "Closed trades", "count", "closed trades", "sums", segments="sum"),
    Metric("win_rate", "Win rate", "percent", "share of trades with pnl > 0", "sums",
           section="trading", headline=8),
    Metric("profit_factor", "Profit factor", "ratio", "sum of wins / sum of losses", "sums",
           section="trading", headline=9),
    Metric("expectancy", "Expectancy per trade", "money", "mean(pnl)", "sums", section="trading"),
    Metric("sqn", "System quality number", "ratio", "sqrt(n) mean(pnl) / std(pnl, ddof 1)", "sums",
           section="trading"),
    Metric("average_trade_return", "Mean return of a trade", "percent", "mean(pnl / entry value)", "sums"),
    Metric("average_win", "Mean win", "money", "mean of the wins"),
    Metric("average_loss", "Mean loss", "money", "mean of the losses, negative", sense="loss"),
    Metric("payoff_ratio", "Payoff ratio", "ratio", "mean win / mean loss"),
    Metric("kelly_fraction", "Kelly fraction", "percent", "W - (1-W) / payoff"),
    Metric("longest_streak", "Longest winning run", "count", "runs of wins; `winning=False`: of losses"),
    Metric("total_fees", "Fees paid", "money", "sum of the fees", "sums", "lower", "sum", "performance"),
    Metric("total_slippage", "Slippage paid", "money", "sum of what fills were worse than their prices", "sums",
           "lower", "sum", "performance"),
    Metric("total_orders", "Orders", "count", "orders", "sums", segments="sum", section="trading"),
    Metric("filled_orders", "Orders filled", "count", "orders that filled, whole or cut", "sums", segments="sum",
           section="trading"),
    Metric("rejected_orders", "Orders rejected", "count", "orders that were refused", "sums", "lower", "sum",
           "trading"),
    Metric("blocked_trades", "Trades blocked by limits", "count", "another name of `rejected_orders`", "result",
           "lower", "sum", "trading", same_as="rejected_orders"),
    Metric("ambiguous_bars", "Ambiguous bars", "count", "bars that touched stop and target both", "sums", "lower",
           "sum"),
    Metric("total_interest", "Interest (negative: paid)", "money", "interest that the account got", "sums",
           segments="sum", section="performance"),
    Metric("total_funding", "Funding (negative: paid)", "money", "funding that the account got", "sums",
           segments="sum", section="performance"),
    Metric("total_borrow", "Borrowing (negative: paid)", "money", "what shorts cost to borrow", "financing",
           segments="sum", section="performance"),
    Metric("total_dividends", "Dividends (negative: paid)", "money", "dividends that the account got", "financing",
           segments="sum", section="performance"),
    Metric("net_deposits", "Deposits, net", "money", "deposits less withdrawals", "financing",
           segments="sum", section="performance"),
    Metric("money_weighted_return", "Money-weighted return a year", "percent",
           "yearly rate that discounts deposits and the final equity to the initial cash, act/365", "financing",
           section="performance"),
    Metric("cash_interest", "Interest on cash", "money", "part of the interest that belongs to no position",
           "result", segments="sum"),
    Metric("written_off", "Debt written off", "money", "debt that a rule on ruin wrote off", "result", "lower",
           "sum", "performance"),
    Metric("periods_per_year", "Periods per year", "ratio", "q", "result", section="performance"),
    Metric("cancelled_orders", "Orders cancelled", "count", "orders that ended without a (further) fill", "orders",
           "lower", "sum"),
    Metric("expired_orders", "Orders expired", "count", "orders whose validity was over", "orders", "lower", "sum"),
    Metric("fills", "Fills", "count", "fills, partial ones too", "orders", segments="sum"),
    Metric("open_pnl", "Open result", "money", "net result so far of what is open at the end", "orders"),
)  # fmt: skip

CATALOG: dict[str, Metric] = {row.name: row for row in _ROWS}
"""Every metric by its name."""

FOLDED = tuple(row.name for row in _ROWS if row.found == "sums")
METRICS = (*FOLDED, *(row.name for row in _ROWS if row.found == "curve"))
"""Metrics of the kernel's output, in its order; those behind `FOLDED` need the whole curve."""

COUNTS = tuple(row.name for row in _ROWS if row.kind == "count" and row.name in METRICS)
"""Those of `METRICS` that are whole numbers."""

PLACES = {name: place for place, name in enumerate(METRICS)}
PLACES |= {row.name: PLACES[row.same_as] for row in _ROWS if row.same_as}
"""Place in the kernel's output of every metric that a sweep can have."""

HEADLINE = tuple(row.name for row in sorted(_ROWS, key=lambda row: row.headline) if row.headline)
"""What one looks for first, in this order."""


def higher_is_better(metric: str) -> bool:
    """Whether a larger value of a metric is the better one; losses are negative numbers here."""
    return metric not in CATALOG or CATALOG[metric].sense != "lower"


def is_signed_loss(metric: str) -> bool:
    """Whether a metric is a negative number whose size people minimise."""
    return metric in CATALOG and CATALOG[metric].sense == "loss"


def is_fraction(metric: str) -> bool:
    """Whether a metric is a fraction that people read in per cent."""
    return metric in CATALOG and CATALOG[metric].kind == "percent"


def is_summed(metric: str) -> bool:
    """Whether stretches of data add up to the whole's value; the others are averaged."""
    return metric in CATALOG and CATALOG[metric].segments == "sum"


def shown_in(section: str) -> tuple[Metric, ...]:
    """Metrics of a section of the report, in their order."""
    return tuple(row for row in _ROWS if row.section == section)


def markdown() -> str:
    """The table of docs/metrics.md: every metric, whether sweeps have it, and its formula."""
    had = {
        "sums": "runs, sweeps",
        "curve": "runs, sweeps",
        "result": "runs",
        "financing": "runs with `Financing`",
        "orders": "order runs",
        "array": "function",
    }
    lines = ["| metric | is | in | formula |", "|---|---|---|---|"]
    lines += [
        f"| `{row.name}` | {row.kind}{', lower is better' * (row.sense == 'lower')} | "
        f"{'runs, sweeps' if row.same_as else had[row.found]} | {row.docs} |"
        for row in _ROWS
    ]
    return "\n".join(lines)
