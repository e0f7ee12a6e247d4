"""Hypothesis strategies for prices, decisions and settings, and the call of the kernel on them."""

import math

import numpy as np
from hypothesis import strategies as st

from peak_fast import (
    Bars,
    Costs,
    Execution,
    FixedUnits,
    FixedValue,
    FractionOfEquity,
    KellyFraction,
    RiskLimits,
    RiskPerTrade,
    Stops,
    VolatilityTarget,
)
from peak_fast.settings.slots import settings_vector
from peak_fast.simulation import run as _run
from peak_fast.simulation.decisions import given_decisions
from tests.oracle import Rules

DAY = 86_400_000_000


@st.composite
def price_bars(draw, max_bars=40, gaps=True, missing=True):
    """Bars as the oracle takes them: small steps, gaps, and bars without prices."""
    count = draw(st.integers(2, max_bars))
    level = draw(st.sampled_from([1.0, 20.0, 100.0, 5000.0]))
    step = st.floats(-0.06, 0.06)
    bars = []
    for _ in range(count):
        if missing and draw(st.integers(0, 11)) == 0:
            bars.append(None)
            continue
        if gaps and draw(st.integers(0, 7)) == 0:
            level *= draw(st.sampled_from([0.8, 0.9, 1.1, 1.3]))
        o = level * (1 + draw(step) / 4)
        c = o * (1 + draw(step))
        h = max(o, c) * (1 + abs(draw(step)) / 2)
        low = min(o, c) * (1 - abs(draw(step)) / 2)
        bars.append((o, h, low, c))
        level = c
    if all(bar is None for bar in bars):
        bars[0] = (level, level, level, level)
    return bars


@st.composite
def decisions_of(draw, count, weights):
    """Targets at some bars, as a dict."""
    values = st.floats(-1.0, 1.0) if weights else st.sampled_from([-1.0, 0.0, 1.0])
    return draw(st.dictionaries(st.integers(0, count - 1), values, max_size=count))


@st.composite
def rules_of(draw):
    """Settings of the oracle; None and 0 often, so that features meet in all combinations."""

    def maybe(values):
        return draw(st.one_of(st.none(), values))

    def often_zero(values):
        return draw(st.one_of(st.just(0.0), values))

    stop_loss = maybe(st.floats(0.005, 0.2))
    trailing = maybe(st.floats(0.005, 0.2))
    sizings = [
        ("fraction", draw(st.floats(0.1, 1.5))),
        ("units", draw(st.floats(0.1, 60))),
        ("value", draw(st.floats(10, 1500))),
        (
            "volatility",
            draw(st.floats(0.05, 1.0)),
            draw(st.integers(2, 8)),
            draw(st.floats(0.2, 1.5)),
            often_zero(st.floats(0.1, 1.0)),
        ),
        (
            "kelly",
            draw(st.floats(0.1, 3.0)),
            draw(st.integers(1, 4)),
            draw(st.floats(0.2, 1.5)),
            often_zero(st.floats(0.1, 1.0)),
            often_zero(st.floats(0.05, 0.3)),
        ),
    ]
    if stop_loss or trailing:
        sizings.append(
            (
                "risk",
                draw(st.floats(0.001, 0.2)),
                draw(st.floats(0.1, 2.0)),
                draw(st.sampled_from([0.0, 300.0])),
            )
        )
    unit = draw(st.sampled_from(["fraction", "fraction", "absolute"]))
    maker_rate = maybe(st.floats(-0.01, 0.01))
    rebate = maker_rate is not None and maker_rate < 0.0
    return Rules(
        initial_cash=draw(st.sampled_from([1000.0, 12345.67])),
        fill_at=draw(st.sampled_from(["next_open", "close"])),
        both_hit=draw(st.sampled_from(["stop_first", "target_first", "nearest_to_open"])),
        entry_bar_stops=draw(st.booleans()),
        rate=often_zero(st.floats(0, 0.02)),
        maker_rate=maker_rate,
        # Now and then costs that leave nothing of the equity, or of a price.
        fixed=draw(st.one_of(st.just(0.0), st.floats(0, 5), st.floats(0, 5), st.floats(200, 800))),
        minimum=0.0 if rebate else often_zero(st.floats(0, 5)),
        per_unit=often_zero(st.floats(0, 0.1)),
        slippage_bps=often_zero(st.floats(0, 50)),
        slippage_abs=draw(
            st.one_of(st.just(0.0), st.floats(0, 0.02), st.floats(0, 0.02), st.floats(10, 300))
        ),
        stop_loss=stop_loss,
        take_profit=maybe(st.floats(0.005, 0.2)),
        trailing=trailing,
        unit=unit,
        watermark=draw(st.sampled_from(["extreme", "close", "high", "low"])),
        sizing=draw(st.sampled_from(sizings)),
        lot_size=often_zero(st.sampled_from([0.01, 0.1, 1.0, 3.0])),
        min_size=often_zero(st.sampled_from([0.5, 5.0])),
        leverage=draw(st.sampled_from([1.0, 1.0, 2.0, 0.5])),
        max_position=maybe(st.floats(0.1, 1.2)),
        max_drawdown=maybe(st.floats(0.02, 0.3)),
        daily_loss=maybe(st.floats(0.01, 0.1)),
        weights=draw(st.booleans()),
        enter_only_flat=draw(st.integers(0, 4)) == 0,
    )


@st.composite
def signed_cases(draw):
    """Rules, bars with prices at or below zero, and decisions: sizes in units, distances in units of price."""
    rules, bars = draw(rules_of()), draw(price_bars())
    known = [bar for bar in bars if bar is not None]
    # A multiple of a quarter: prices of exactly zero happen, too.
    shift = round(4 * draw(st.floats(min(b[2] for b in known), max(b[1] for b in known)))) / 4
    bars = [None if bar is None else tuple(round(4 * price) / 4 - shift for price in bar) for bar in bars]
    rules.signed = any(bar is not None and bar[2] <= 0.0 for bar in bars)
    rules.sizing, rules.unit, rules.weights = ("units", draw(st.floats(0.1, 60))), "absolute", False
    for name in ("stop_loss", "take_profit", "trailing"):
        if getattr(rules, name):
            setattr(rules, name, 0.25 * draw(st.integers(1, 80)))
    return rules, bars, draw(decisions_of(len(bars), False))


def make_bars(bars, bars_a_day=3):
    """`Bars` of the oracle's list; several bars a day, so that daily limits matter."""
    rows = np.array([(math.nan,) * 4 if bar is None else bar for bar in bars])
    time = np.arange(len(bars), dtype=np.int64) * (DAY // bars_a_day)
    columns = {name: rows[:, k].copy() for k, name in enumerate(("open", "high", "low", "close"))}
    return Bars.from_frame({**columns, "timestamp": time.astype("datetime64[us]")})


def engine_settings(rules):
    """The public settings objects for the oracle's rules, as `BacktestEngine` takes them."""
    sizes = {
        "fraction": lambda v: FractionOfEquity(fraction=v),
        "units": lambda v: FixedUnits(units=v),
        "value": lambda v: FixedValue(value=v),
        "risk": lambda r, m, v: RiskPerTrade(risk=r, max_position=m, min_value=v),
        "volatility": lambda v, w, m, f: VolatilityTarget(volatility=v, window=w, max_fraction=m, fallback=f),
        "kelly": lambda s, n, m, f, least: KellyFraction(
            share=s, min_trades=n, max_fraction=m, fallback=f, min_fraction=least
        ),
    }
    return {
        "initial_cash": rules.initial_cash,
        "execution": Execution(
            fill_at=rules.fill_at,
            both_hit=rules.both_hit,
            entry_bar_stops=rules.entry_bar_stops,
            lot_size=rules.lot_size,
            min_size=rules.min_size,
            leverage=rules.leverage,
        ),
        "costs": Costs(
            rate=rules.rate,
            fixed=rules.fixed,
            minimum=rules.minimum,
            per_unit=rules.per_unit,
            maker_rate=rules.maker_rate,
            slippage_bps=rules.slippage_bps,
            slippage_abs=rules.slippage_abs,
        ),
        "stops": Stops(
            stop_loss=rules.stop_loss,
            take_profit=rules.take_profit,
            trailing=rules.trailing,
            unit=rules.unit,
            watermark=rules.watermark,
        ),
        "sizing": sizes[rules.sizing[0]](*rules.sizing[1:]),
        "risk_limits": RiskLimits(
            max_drawdown=rules.max_drawdown, daily_loss=rules.daily_loss, max_position=rules.max_position
        ),
    }


def kernel_settings(rules, year=252.0):
    """The kernel's settings for the oracle's rules, built with the public objects."""
    return settings_vector(
        **engine_settings(rules),
        periods_per_year=year,
        weights=rules.weights,
        enter_only_flat=rules.enter_only_flat,
        signed=rules.signed,
    )


def run_kernel(bars, decide, settings):
    """Outcome of the kernel for decisions given as a dict."""
    where = np.array(sorted(decide), np.int64)
    decisions = given_decisions(where, np.array([decide[int(bar)] for bar in where], np.float64))
    return _run.run_single(bars, decisions, settings)
