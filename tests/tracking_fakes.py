"""A finished backtest without an engine: the attributes that tracking reads, filled with plausible values."""

from types import SimpleNamespace

import numpy as np
import polars as pl

TRADE_DTYPE = np.dtype(
    [
        ("trade_id", "i8"),
        ("side", "i1"),
        ("entry_bar", "i8"),
        ("exit_bar", "i8"),
        ("entry_price", "f8"),
        ("exit_price", "f8"),
        ("size", "f8"),
        ("fees", "f8"),
        ("slippage", "f8"),
        ("gross_pnl", "f8"),
        ("net_pnl", "f8"),
        ("return", "f8"),
        ("mae", "f8"),
        ("mfe", "f8"),
        ("bars_held", "i8"),
    ]
)

DAY_US = 86_400_000_000


class FakeBars:
    """Bars with the attributes that tracking reads."""

    def __init__(self, n=500, seed=1, name="AAPL"):
        generator = np.random.default_rng(seed)
        self.close = 100.0 * np.exp(np.cumsum(generator.normal(0.0, 0.01, n)))
        self.time_us = np.arange(n, dtype=np.int64) * DAY_US + 1_500_000_000_000_000
        self.time_zone = None
        self.name = name
        self.hash = f"{seed:032x}"

    def __len__(self):
        return len(self.close)


def fake_stats(seed=1, n=40):
    """``n`` finite figures, one infinite, one undefined, and two texts."""
    generator = np.random.default_rng(seed)
    stats = {f"figure_{i:02d}": float(value) for i, value in enumerate(generator.normal(size=n))}
    return {
        **stats,
        "total_return": 0.25,
        "sharpe": 1.1,
        "max_drawdown": -0.2,
        "total_trades": 20,
        "initial_cash": 100_000.0,
        "profit_factor": float("inf"),
        "calmar": float("nan"),
        "start": "2017-07-14",
        "end": "2018-11-25",
    }


def fake_metadata(bars, fast=10):
    """Metadata in the form that the engine gives."""
    return {
        "strategy": {"name": "sma_cross", "params": {"fast": fast, "slow": 50, "levels": [1, 2]}},
        "settings": {
            "initial_cash": 100_000.0,
            "execution": {"fill_at": "next_open", "both_hit": "stop_first"},
            "costs": {"rate": 0.001, "maker_rate": None},
            "sizing": {"kind": "fraction_of_equity", "fraction": 1.0},
            "stops": None,
        },
        "data": {
            "name": bars.name,
            "hash": bars.hash,
            "start": "2017-07-14",
            "end": "2018-11-25",
            "bars": len(bars),
        },
        "code_version": "0.1.0",
        "fill_rule": "next_open",
        "hash": "ab" * 16,
    }


def fake_trades(n_bars, n=20, seed=1):
    """Trades as the records of a kernel."""
    generator = np.random.default_rng(seed)
    records = np.zeros(n, TRADE_DTYPE)
    entries = np.linspace(1, n_bars - 12, n).astype(np.int64)
    records["trade_id"] = np.arange(n)
    records["side"] = 1
    records["entry_bar"], records["exit_bar"], records["bars_held"] = entries, entries + 10, 10
    records["net_pnl"] = generator.normal(10.0, 100.0, n)
    records["return"] = records["net_pnl"] / 10_000.0
    for name in ("entry_price", "exit_price", "size"):
        records[name] = 100.0
    return records


def fake_result(n_bars=500, seed=1, fast=10, n_trades=20, records=True, bars=None):
    """Something with the attributes of a ``BacktestResult``.

    ``records=False`` leaves out ``trade_records``, so that tracking has to take the frame ``trades``.
    """
    bars = bars or FakeBars(n_bars, seed)
    generator = np.random.default_rng(seed + fast)
    trades = fake_trades(len(bars), n_trades, seed)
    result = SimpleNamespace(
        equity=100_000.0 * np.exp(np.cumsum(generator.normal(0.0003, 0.01, len(bars)))),
        bars=bars,
        stats=fake_stats(seed),
        metadata=fake_metadata(bars, fast),
        trades=pl.DataFrame({name: trades[name] for name in TRADE_DTYPE.names}),
    )
    if records:
        result.trade_records = trades
    result.save = lambda folder: _save(result, folder)
    return result


def _save(result, folder):
    folder.mkdir(parents=True, exist_ok=True)
    result.trades.write_parquet(folder / "trades.parquet")
