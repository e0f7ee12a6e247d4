"""Our metrics against empyrical, quantstats, ffn and vectorbt: every series, every value we offer.

Each table below maps a library's name to ours, with the keyword that selects that library's convention.
What is not compared, by rule (metrics/README.md of the oracles):

* values that are errors, NaN or infinite there: ours must then be NaN or infinite too, unless the series has
  NaN returns (the libraries disagree on those) or is constant;
* constant series: ratios are 0/0 or rounding noise, so only values that are finite in both are compared,
  and Sharpe and Sortino must not be finite in ours;
* growth rates where the equity fell below zero, since a root of a negative number has no convention;
* NaN returns: ffn gets them as 0 (prices cannot have them); quantstats leaves them out of the number of
  periods of growth rates but not of its probabilistic Sharpe ratio, which is not compared there;
* ffn's growth per calendar year of a single return, whose length is not in the file;
* ffn derives returns from prices again, which has no answer after a price of zero;
* figures that ffn and quantstats resample to days, for series with a step below a day;
* quantstats takes returns without a loss and with one above 100 % for prices: not compared;
* empyrical's capture ratio annualises by a named period, daily unless told otherwise: compared at 252 only;
* quantstats' historical shortfall averages all returns that equal the quantile, ours as many as lie beyond it:
  not compared where several do.
"""

import json
import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from peak_fast.metrics import returns as m

RTOL = 1e-9
ATOL = 1e-12
CALENDAR_YEAR = 31_557_600.0  # seconds in ffn's year of 365.25 days

EMPYRICAL = {
    "annual_return": lambda s: m.cagr(s.r, s.q),
    "cagr": lambda s: m.cagr(s.r, s.q),
    "cum_returns_final": lambda s: m.total_return(s.r),
    "annual_volatility": lambda s: m.volatility(s.r, s.q),
    "sharpe_ratio": lambda s: m.sharpe(s.r, s.q),
    "sharpe_ratio_rf_per_period": lambda s: m.sharpe(s.r, s.q, s.rf),
    "sortino_ratio": lambda s: m.sortino(s.r, s.q),
    "sortino_ratio_required_per_period": lambda s: m.sortino(s.r, s.q, s.rf),
    "downside_risk": lambda s: m.downside_deviation(s.r, s.q),
    "calmar_ratio": lambda s: m.calmar(s.r, s.q),
    "omega_ratio": lambda s: m.omega(s.r, s.q),
    "omega_ratio_required_annual": lambda s: m.omega(s.r, s.q, s.rf),
    "omega_ratio_riskfree_per_period": lambda s: m.omega(s.r, s.q, s.rf),
    "max_drawdown": lambda s: m.max_drawdown(s.r),
    "tail_ratio": lambda s: m.tail_ratio(s.r),
    "value_at_risk_5": lambda s: m.value_at_risk(s.r, 0.05),
    "value_at_risk_1": lambda s: m.value_at_risk(s.r, 0.01),
    "conditional_value_at_risk_5": lambda s: m.conditional_value_at_risk(s.r, 0.05),
    "conditional_value_at_risk_1": lambda s: m.conditional_value_at_risk(s.r, 0.01),
    "stability_of_timeseries": lambda s: m.stability(s.r),
    "alpha": lambda s: m.alpha(s.r, s.b, s.q),
    "beta": lambda s: m.beta(s.r, s.b),
    "excess_sharpe": lambda s: m.information_ratio(s.r, s.b),
    "capture": lambda s: m.capture(s.r, s.b, s.q),
}

VECTORBT = {
    "total": lambda s: m.total_return(s.r),
    "annualized": lambda s: m.cagr(s.r, s.q),
    "annualized_volatility": lambda s: m.volatility(s.r, s.q),
    "sharpe_ratio": EMPYRICAL["sharpe_ratio"],
    "sharpe_ratio_rf_per_period": EMPYRICAL["sharpe_ratio_rf_per_period"],
    "sortino_ratio": EMPYRICAL["sortino_ratio"],
    "sortino_ratio_required_per_period": EMPYRICAL["sortino_ratio_required_per_period"],
    "downside_risk": EMPYRICAL["downside_risk"],
    "calmar_ratio": lambda s: m.calmar(s.r, s.q, include_start=False),
    "omega_ratio": EMPYRICAL["omega_ratio"],
    "omega_ratio_required_annual": EMPYRICAL["omega_ratio_required_annual"],
    "max_drawdown": lambda s: m.max_drawdown(s.r, include_start=False),
    "tail_ratio": EMPYRICAL["tail_ratio"],
    "value_at_risk_5": EMPYRICAL["value_at_risk_5"],
    "cond_value_at_risk_5": EMPYRICAL["conditional_value_at_risk_5"],
    "ulcer_index": lambda s: m.ulcer_index(s.r, include_start=False),
    "martin_ratio": lambda s: m.martin_ratio(s.r, s.q, include_start=False),
    "beta": EMPYRICAL["beta"],
    "alpha": EMPYRICAL["alpha"],
    "information_ratio": EMPYRICAL["excess_sharpe"],
    "capture": EMPYRICAL["capture"],
    "up_capture": lambda s: m.capture(s.r, s.b, s.q, side="up"),
    "down_capture": lambda s: m.capture(s.r, s.b, s.q, side="down"),
}

QUANTSTATS = {
    "comp": lambda s: m.total_return(s.r),
    "cagr": lambda s: m.cagr(s.known, s.q),
    "volatility": lambda s: m.volatility(s.r, s.q),
    "sharpe": lambda s: m.sharpe(s.r, s.q),
    "sharpe_rf": lambda s: m.sharpe(s.r, s.q, s.rf),
    "sortino": lambda s: m.sortino(s.r, s.q),
    "sortino_rf": lambda s: m.sortino(s.r, s.q, s.rf),
    "adjusted_sortino": lambda s: m.sortino(s.r, s.q) / math.sqrt(2.0),
    "omega": lambda s: m.omega(s.r, s.q),
    "omega_rf": lambda s: m.omega(s.r, s.q, s.rf),
    "omega_required": lambda s: m.omega(s.r, s.q, s.rf),
    "calmar": lambda s: m.calmar(s.known, s.q),
    "max_drawdown": lambda s: m.max_drawdown(s.r),
    "tail_ratio": lambda s: m.tail_ratio(s.r),
    "value_at_risk": lambda s: m.value_at_risk(s.r, method="normal"),
    "conditional_value_at_risk_parametric": lambda s: m.conditional_value_at_risk(s.r, method="normal"),
    "conditional_value_at_risk_historical": lambda s: m.conditional_value_at_risk(s.r),
    "profit_factor": lambda s: m.profit_factor(s.r),
    "payoff_ratio": lambda s: m.payoff_ratio(s.r),
    "win_rate": lambda s: m.win_rate(s.r[s.r != 0.0]),
    "avg_win": lambda s: m.average_win(s.r),
    "avg_loss": lambda s: m.average_loss(s.r),
    "expected_return": lambda s: m.geometric_mean(s.known),
    "kelly_criterion": lambda s: m.kelly_fraction(s.r),
    "ulcer_index": lambda s: m.ulcer_index(s.r, ddof=1),
    "recovery_factor": lambda s: abs(m.recovery_factor(s.r, compounded=False)),
    "skew": lambda s: m.skew(s.r),
    "kurtosis": lambda s: m.kurtosis(s.r),
    "consecutive_wins": lambda s: float(m.longest_streak(s.r)),
    "consecutive_losses": lambda s: float(m.longest_streak(s.r, winning=False)),
    "common_sense_ratio": lambda s: m.profit_factor(s.r) * m.tail_ratio(s.r),
    "probabilistic_sharpe_ratio": lambda s: m.probabilistic_sharpe_ratio(s.r),
    "gain_to_pain_ratio_daily": lambda s: m.gain_to_pain(s.r),
    "n_drawdowns": lambda s: _episodes_for_quantstats(s),
    "beta": lambda s: m.beta(s.r, s.b),
    "alpha": lambda s: m.alpha(s.r, s.b, s.q, compounded=False),
    "information_ratio": lambda s: m.information_ratio(s.r, s.b),
    "r_squared": lambda s: m.r_squared(s.r, s.b),
}

FFN = {
    "calc_total_return": lambda s: m.total_return(s.r),
    "calc_cagr": lambda s: m.cagr(s.r, s.q, years=s.years),
    "calc_max_drawdown": lambda s: m.max_drawdown(s.r),
    "calc_calmar_ratio": lambda s: m.calmar(s.r, s.q, years=s.years),
    "calc_sharpe": lambda s: m.sharpe(s.r, s.q),
    "calc_sharpe_rf": lambda s: m.sharpe(s.r, s.q, s.rf),
    "calc_sortino_ratio": lambda s: m.sortino(s.r, s.q),
    "calc_sortino_ratio_rf": lambda s: m.sortino(s.r, s.q, s.rf),
    "ulcer_index_percent": lambda s: 100.0 * m.ulcer_index(s.r, ddof=-1),
    "ulcer_performance_index": lambda s: np.divide(
        m.cagr(s.r, s.q, years=s.years), m.ulcer_index(s.r, ddof=-1)
    ),
    "PerformanceStats.total_return": lambda s: m.total_return(s.r),
    "PerformanceStats.cagr": lambda s: m.cagr(s.r, s.q, years=s.years),
    "PerformanceStats.max_drawdown": lambda s: m.max_drawdown(s.r),
    "PerformanceStats.calmar": lambda s: m.calmar(s.r, s.q, years=s.years),
    "n_drawdowns": lambda s: float(len(m.drawdown_episodes(m.growth_curve(s.r), 1.0))),
}

TABLES = {"empyrical": EMPYRICAL, "vectorbt": VECTORBT, "quantstats": QUANTSTATS, "ffn": FFN}
NAN_AS_ZERO = {"ffn"}
GROWTH_RATES = {"cagr", "annual_return", "annualized", "expected_return"}
RATES_BELOW = {"calmar", "martin", "ulcer_performance", "capture"}
RESAMPLED = ("PerformanceStats.", "gain_to_pain_ratio_daily", "n_drawdowns")


def _series(path, expected, library):
    table = pl.read_parquet(path)
    returns = table["ret"].to_numpy()
    benchmark = table["benchmark"].to_numpy()
    seconds = table["timestamp"].dt.epoch("us").to_numpy() / 1e6
    if library in NAN_AS_ZERO:
        returns = np.nan_to_num(returns, nan=0.0)
    # ffn's price series starts one step before the first return, the step being that of the first two.
    step = seconds[1] - seconds[0] if seconds.size > 1 else 86_400.0
    return SimpleNamespace(
        r=returns,
        known=returns[~np.isnan(returns)],
        b=benchmark,
        q=float(expected["periods_per_year"]),
        rf=float(expected["risk_free_annual"]),
        years=max(seconds[-1] - seconds[0] + step, 1.0) / CALENDAR_YEAR,
        constant=np.nanmax(returns) == np.nanmin(returns),
        has_nan=bool(np.isnan(table["ret"].to_numpy()).any()),
        ruined=bool((m.growth_curve(returns) < 0.0).any()),
        emptied=bool((m.growth_curve(returns) == 0.0).any()),
        tied=(returns <= m.value_at_risk(returns)).sum() != int((np.isfinite(returns).sum() - 1) * 0.05) + 1,
        intraday=seconds.size > 1 and np.diff(seconds).min() < 86_400.0,
    )


def _taken_for_prices(series):
    return np.nanmin(series.r) >= 0.0 and np.nanmax(series.r) > 1.0


def _episodes_for_quantstats(series):
    """It reports none where the only one begins with the first return."""
    episodes = m.drawdown_episodes(m.growth_curve(series.r), 1.0)
    only_first = len(episodes) == 1 and episodes[0].peak < 0
    return 0.0 if only_first else float(len(episodes))


def _number(value):
    if isinstance(value, str):
        return math.nan if value.startswith("error") else float(value)
    return math.nan if value is None else float(value)


def _is_growth_rate(name):
    short = name.removeprefix("PerformanceStats.").removeprefix("calc_")
    return short in GROWTH_RATES or any(part in short for part in RATES_BELOW)


def _excluded(series, library, name):
    """The rule that keeps a value from being compared, or None."""
    if series.ruined and _is_growth_rate(name):
        return "below zero"
    if library == "ffn" and (series.emptied or series.ruined) and ("sharpe" in name or "sortino" in name):
        return "prices of zero"
    if library == "ffn" and series.r.size < 2 and _is_growth_rate(name):
        return "length unknown"
    if series.intraday and name.startswith(RESAMPLED):
        return "resampled to days"
    if library == "empyrical" and name == "capture" and series.q != 252.0:
        return "named period"
    if name == "conditional_value_at_risk_historical" and series.tied:
        return "ties at the quantile"
    if library == "quantstats" and series.has_nan and name == "probabilistic_sharpe_ratio":
        return "NaN returns"
    return None


def _compare(series, name, function, value, label):
    """Compare one value; returns what happened, for the tally."""
    with np.errstate(all="ignore"):
        ours = function(series)
    theirs = _number(value)
    if series.constant and not (math.isfinite(ours) and math.isfinite(theirs)):
        return "constant"
    if not math.isfinite(theirs):
        if series.has_nan:
            return "NaN returns"
        assert not math.isfinite(ours), f"{label}: ours {ours}, theirs {theirs}"
        return "undefined in both"
    assert ours == pytest.approx(theirs, rel=RTOL, abs=ATOL), label
    return "compared"


def _oracle_files(oracles):
    folder = oracles / "metrics"
    for path in sorted((folder / "series").glob("*.parquet")):
        for file in sorted((folder / "expected").glob(f"{path.stem}.*.json")):
            yield path, file, file.name.removeprefix(path.stem + ".").removesuffix(".json")


def test_every_series_and_library(oracles):
    tally, files, names = Counter(), 0, Counter()
    for path, file, library in _oracle_files(oracles):
        expected = json.loads(file.read_text())
        series = _series(path, expected, library)
        if library == "quantstats" and _taken_for_prices(series):
            tally["taken for prices"] += 1
            continue
        files += 1
        for name, value in expected["values"].items():
            function = TABLES.get(library, {}).get(name)
            if function is None or isinstance(value, list | dict):
                tally["not offered"] += 1
                continue
            outcome = _excluded(series, library, name) or _compare(
                series, name, function, value, f"{path.stem} {library} {name}"
            )
            tally[outcome] += 1
            names[library, name] += outcome == "compared"
    if not files:
        pytest.skip(f"no series in {oracles / 'metrics'}")
    print(f"\nmetrics: {files} files, {dict(tally)}, {sum(n > 0 for n in names.values())} names compared")
    assert tally["compared"] >= 8 * files
    assert tally["compared"] >= 0.75 * (sum(tally.values()) - tally["not offered"])


def test_constant_series_have_no_finite_ratios(oracles):
    tested = 0
    for path, file, library in _oracle_files(oracles):
        series = _series(path, json.loads(file.read_text()), library)
        if series.constant:
            assert math.isnan(m.sharpe(series.r, series.q))
            assert math.isnan(m.sharpe(series.r, series.q, series.rf))
            if series.r.min() >= 0.0:  # constant losses have a shortfall, hence a Sortino ratio
                assert not math.isfinite(m.sortino(series.r, series.q))
            tested += 1
    print(f"\nconstant series: {tested}")
    if not tested:
        pytest.skip("no constant series among the oracles")


def test_drawdown_episodes_against_vectorbt(oracles):
    """vectorbt's records on prices that start at 100 one bar before the first return."""
    compared = 0
    for path, file, library in _oracle_files(oracles):
        expected = json.loads(file.read_text())
        records = expected["values"].get("drawdowns_on_price_100")
        if library != "vectorbt" or not isinstance(records, dict):
            continue
        series = _series(path, expected, library)
        if series.has_nan or series.ruined:
            continue
        episodes = m.drawdown_episodes(100.0 * m.growth_curve(series.r), 100.0)
        assert len(episodes) == records["count"], path.stem
        by_end = {(e.peak + 1, e.end + 1): e for e in episodes}
        for record in records["top5"]:
            ours = by_end[record["peak_idx"], record["end_idx"]]
            assert ours.valley + 1 == record["valley_idx"], path.stem
            assert ours.recovered == (record["status"] == "Recovered"), path.stem
            depth = record["valley_val"] / record["peak_val"] - 1.0
            assert ours.depth == pytest.approx(depth, rel=RTOL), path.stem
            compared += 1
        assert m.max_drawdown_duration(series.r) == records["longest_bars"], path.stem
    print(f"\ndrawdown records: {compared}")
    if not compared:
        pytest.skip("no vectorbt drawdown records among the oracles")
