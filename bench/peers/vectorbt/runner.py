"""vectorbt's runner: ``runner.py numba`` or ``runner.py auto`` (Rust where vectorbt has it, else Numba)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from protocol import FEE, SLIPPAGE, package_versions, serve

# A folder of another peer beside this one is called quantstats: vectorbt would take it for the package.
sys.path.pop(0)

import numpy as np
import pandas as pd
import vectorbt as vbt

CHUNK_CELLS = 2_000_000  # bars x columns simulated at once: whole grids need gigabytes


class Peer:
    def __init__(self, engine: str) -> None:
        vbt.settings["engine"] = engine

    def versions(self):
        return package_versions("vectorbt", "vectorbt-rust", "numba", "numpy", "pandas")

    def load(self, columns):
        index = pd.to_datetime(columns["time_us"], unit="us")
        self.close = pd.Series(columns["close"], index=index)
        self.open = pd.Series(columns["open"], index=index)

    def _portfolio(self, fast, slow):
        """Signals of a close are moved one bar on and filled at that bar's open."""
        fast_ma = vbt.MA.run(self.close, window=fast, short_name="fast")
        slow_ma = vbt.MA.run(self.close, window=slow, short_name="slow")
        above = fast_ma.ma_above(slow_ma).vbt.signals.fshift(1)
        below = fast_ma.ma_below(slow_ma).vbt.signals.fshift(1)
        return vbt.Portfolio.from_signals(
            self.close,
            above,
            below,
            price=self.open,
            size=np.inf,
            fees=FEE,
            slippage=SLIPPAGE,
            init_cash=100_000.0,
            freq="1min",
        )

    @staticmethod
    def _statistics(portfolio):
        total_return = portfolio.total_return()
        portfolio.sharpe_ratio()
        portfolio.max_drawdown()
        entries = portfolio.trades.count()
        return total_return, entries

    def single(self, fast, slow):
        total_return, entries = self._statistics(self._portfolio(fast, slow))
        return 1.0 + total_return, entries

    def sweep(self, pairs, threads):
        chunk = max(1, CHUNK_CELLS // len(self.close))
        out = []
        for first in range(0, len(pairs), chunk):
            part = pairs[first : first + chunk]
            portfolio = self._portfolio([fast for fast, _ in part], [slow for _, slow in part])
            total_return, entries = self._statistics(portfolio)
            out += zip(1.0 + np.atleast_1d(total_return), np.atleast_1d(entries), strict=True)
        return out


serve(Peer(sys.argv[1]))
