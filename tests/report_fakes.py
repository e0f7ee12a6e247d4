"""A stand-in for ``BacktestResult``, for tests of reports that need no engine."""

import datetime as dt
from types import SimpleNamespace

import numpy as np
import polars as pl

DAY_US = 86_400_000_000
START_US = 1_420_156_800_000_000  # 2015-01-02 00:00 UTC


def bar_times(n, step_us=DAY_US, start_us=START_US):
    """``n`` evenly spaced bar times in microseconds."""
    return start_us + step_us * np.arange(n, dtype=np.int64)


def walk(n, seed=0, drift=0.0003, sigma=0.012, start=100_000.0):
    """A positive random walk of ``n`` values."""
    steps = np.random.default_rng(seed).normal(drift, sigma, n)
    steps[0] = 0.0
    return start * np.exp(np.cumsum(steps))


def trade_table(n_bars, n_trades, seed=1, time_us=None):
    """Trades in the layout of ``BacktestResult.trades``."""
    random = np.random.default_rng(seed)
    entry = np.sort(random.choice(max(n_bars - 12, 1), n_trades, replace=n_trades > n_bars - 12))
    held = random.integers(1, 11, n_trades)
    leave = np.minimum(entry + held, n_bars - 1)
    times = bar_times(n_bars) if time_us is None else time_us
    gross = random.normal(60.0, 900.0, n_trades)
    fees = np.full(n_trades, 4.5)
    epoch = dt.datetime(1970, 1, 1)
    return pl.DataFrame(
        {
            "trade_id": np.arange(n_trades),
            "side": ["long" if r < 0.6 else "short" for r in random.random(n_trades)],
            "entry_bar": entry,
            "exit_bar": leave,
            "entry_time": [epoch + dt.timedelta(microseconds=int(t)) for t in times[entry]],
            "exit_time": [epoch + dt.timedelta(microseconds=int(t)) for t in times[leave]],
            "entry_price": 100.0 + random.random(n_trades),
            "exit_price": 100.0 + random.random(n_trades),
            "size": random.random(n_trades) * 100.0,
            "fees": fees,
            "slippage": np.zeros(n_trades),
            "gross_pnl": gross,
            "net_pnl": gross - fees,
            "return": (gross - fees) / 100_000.0,
            "mae": -random.random(n_trades) * 0.02,
            "mfe": random.random(n_trades) * 0.02,
            "bars_held": leave - entry,
            "exit_reason": [
                ("signal", "stop_loss", "take_profit")[r] for r in random.integers(0, 3, n_trades)
            ],
        },
        schema_overrides={"entry_time": pl.Datetime("us"), "exit_time": pl.Datetime("us")},
    )


def fake_result(n_bars=2_500, n_trades=40, seed=0, **changes):
    """A result-like object with bars, equity, trades, stats and metadata."""
    time_us = bar_times(n_bars)
    equity = walk(n_bars, seed)
    close = walk(n_bars, seed + 1, start=50.0)
    peak = np.maximum.accumulate(equity)
    trades = trade_table(n_bars, n_trades, seed + 2, time_us)
    stats = {
        "initial_cash": 100_000.0,
        "final_equity": float(equity[-1]),
        "total_return": float(equity[-1] / 100_000.0 - 1.0),
        "cagr": 0.071,
        "sharpe": 0.83,
        "sortino": float("nan"),
        "calmar": float("inf"),
        "max_drawdown": float((equity / peak - 1.0).min()),
        "max_drawdown_duration": 311,
        "win_rate": 0.55,
        "total_trades": n_trades,
        "blocked_trades": 0,
        "total_fees": 4.5 * n_trades,
        "benchmark_return": float(close[-1] / close[0] - 1.0),
        "ambiguous_bars": 3,
        "start": dt.datetime(2015, 1, 2, tzinfo=dt.UTC),
        "end": dt.datetime(2021, 11, 5, tzinfo=dt.UTC),
        "periods_per_year": 252.0,
        "some_new_figure": 1.25,
    }
    metadata = {
        "strategy": {"name": "sma_cross", "params": {"fast": 10, "slow": 50}},
        "settings": {
            "execution": {"fill_at": "next_open", "both_hit": "stop_first"},
            "costs": {"rate": 0.0005, "slippage_bps": 1.0},
            "stops": {"stop_loss": 0.05, "take_profit": None},
        },
        "data": {"name": "AAPL", "hash": "9f2c", "start": "2015-01-02", "end": "2021-11-05", "bars": n_bars},
        "code_version": "0.1.0",
        "fill_rule": "next_open",
        "hash": "abc123",
    }
    result = SimpleNamespace(
        equity=equity,
        bars=SimpleNamespace(time_us=time_us, close=close, time_zone=None, name="AAPL"),
        trades=trades,
        stats=stats,
        metadata=metadata,
    )
    for name, value in changes.items():
        setattr(result, name, value)
    return result
