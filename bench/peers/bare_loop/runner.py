"""The yardstick in the peers' table: the bare Numba loops of ``bench/baselines.py``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from protocol import FEE, SLIPPAGE, package_versions, serve

from bench import baselines

CASH = 100_000.0


class Peer:
    def versions(self):
        return package_versions("numba", "numpy")

    def load(self, columns):
        self.open, self.close = columns["open"], columns["close"]

    def single(self, fast, slow):
        total_return, _, _, entries = baselines.scalar_run(
            self.open, self.close, fast, slow, CASH, FEE, SLIPPAGE
        )
        return 1.0 + total_return, entries

    def sweep(self, pairs, threads):
        windows, rows = baselines.index_grid(np.array(pairs, dtype=np.int64))
        means = baselines.sma_rows(self.close, windows)
        parts = np.array_split(rows, threads)

        def run(part):
            return baselines.lanes_sweep(self.open, self.close, means, part, CASH, FEE, SLIPPAGE)

        with ThreadPoolExecutor(threads) as pool:
            out = np.concatenate(list(pool.map(run, parts)))
        return list(zip(1.0 + out[:, 0], out[:, 3], strict=True))


serve(Peer())
