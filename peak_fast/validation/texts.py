"""Results of validation in a few lines of text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

_WORDS = {
    "permutation": "bars in another order",
    "block": "blocks of bars drawn with replacement",
    "stationary": "blocks of bars of random lengths drawn with replacement",
    "sign": "moves of bars mirrored or not",
}


def lines(title: str, rows: Iterable[tuple[str, str]], notes: Iterable[str] = ()) -> str:
    """A title, labelled texts below each other, and notes."""
    found = [title, *(f"  {label:<22} {text}" for label, text in rows)]
    return "\n".join([*found, *(f"  note: {note}" for note in notes)])


def number(value: float) -> str:
    """A figure with four digits that count; a dash for NaN."""
    return "-" if value != value else f"{value:,.4g}"


def parameters(params: dict[str, Any]) -> str:
    """Parameters on a line."""
    return ", ".join(f"{name}={value}" for name, value in params.items()) or "none"


def quantiles(values: Any, places: Iterable[float] = (0.05, 0.5, 0.95)) -> str:
    """Some quantiles of what is not NaN."""
    known = values[~np.isnan(values)]
    if not known.size:
        return "-"
    return ", ".join(f"{place:.0%}: {number(float(np.quantile(known, place)))}" for place in places)


def permutation_text(result: Any) -> str:
    """Summary of a `PermutationResult`."""
    block = "" if result.block is None else f", blocks of {result.block:g}"
    what = f"best of {result.configurations:,} configurations" if result.select else "one configuration"
    known = result.distribution[~np.isnan(result.distribution)]
    mean = number(float(known.mean())) if known.size else "-"
    rows = [
        ("worlds", f"{result.worlds:,}, {_WORDS[result.method]}{block}, seed {result.seed}"),
        ("judged", f"{result.objective} of {what}"),
        ("real", f"{number(result.real)} ({parameters(result.params)})"),
        ("worlds' mean", mean),
        ("worlds' quantiles", quantiles(result.distribution)),
        ("at least as good", f"{result.at_least:,} of {result.worlds:,} worlds"),
        ("p", f"{result.p:.4g} (+- {result.standard_error:.2g})"),
    ]
    return lines("permutation test", rows, result.notes)


def monte_carlo_text(result: Any) -> str:
    """Summary of a `MonteCarloResult`."""
    step = "bars" if result.of == "returns" else "trades"
    depths = ", ".join(f"{q:.0%}: {result.drawdown_quantile(q):.2%}" for q in (0.5, 0.95, 0.99))
    ends = ", ".join(f"{q:.0%}: {np.quantile(result.total_return, q):.2%}" for q in (0.05, 0.5, 0.95))

    def share(value: float) -> str:
        return f"{value:.2%} (+- {result.error_of(value):.2%})"

    rows = [
        (
            "paths",
            f"{result.paths:,} of {result.steps:,} {step}, blocks of {result.block:.3g}, seed {result.seed}",
        ),
        ("total return", f"{ends}; real {result.real_return:.2%}"),
        ("drawdown", f"{depths}; real {result.real_drawdown:.2%}"),
        ("probability of loss", share(result.probability_of_loss)),
        (f"ruin (loss of {result.ruin:.0%})", share(result.risk_of_ruin)),
    ]
    return lines(f"Monte Carlo of {result.of}", rows, result.notes)


def noise_text(result: Any) -> str:
    """Summary of a `NoiseResult`."""
    rows = [
        ("noise", f"up to {result.noise:.1%} of each bar's range, {result.runs:,} runs, seed {result.seed}"),
        ("real", f"{result.objective} {number(result.real)} ({parameters(result.params)})"),
        ("with noise", quantiles(result.distribution)),
        ("at least half kept", "-" if result.kept != result.kept else f"{result.kept:.1%} of the runs"),
    ]
    return lines("noise test", rows, result.notes)


def sensitivity_text(result: Any) -> str:
    """Summary of a `SensitivityResult`."""
    rows = [("chosen", f"{result.objective} {number(result.real)} ({parameters(result.params)})")]
    for part in ("parameters", "pairs", "costs", "starts", "delays", "phases"):
        frame = getattr(result, part)
        if frame.height:
            low, middle, high = map(number, result.range_of(part))
            rows.append((part, f"{low} to {high}, median {middle}, {frame.height:,} runs"))
    if result.costs.height:
        rows.append(("break-even", _break_even(*result.break_even_bps)))
    return lines("sensitivity", rows, result.notes)


def _break_even(last: float, first: float) -> str:
    """Between which added costs the gain ends."""
    if last != last:
        return "no gain as it is"
    return f"still a gain at +{last:g} bps" if first != first else f"between +{last:g} and +{first:g} bps"


def regimes_text(result: Any) -> str:
    """Summary of a `RegimesResult`."""
    rows = []
    for row in result.frame.iter_rows(named=True):
        figures = f"{row['bars']:>7,} bars ({row['share']:>6.1%})  sharpe {number(row['sharpe']):>8} "
        error = f"+- {number(row['sharpe_error'])}"
        rows.append(
            (
                row["regime"],
                f"{figures}{error}, {row['trades']:,} trades, market {number(row['market_sharpe'])}",
            )
        )
    title = f"regimes: trend of {result.trend} bars, volatility of {result.volatility} bars"
    return lines(title, rows, result.notes)
