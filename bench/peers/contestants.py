"""Who takes part in the side-by-side bench, how each is asked, and where its rules differ from ours."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers.protocol import FEE, SLIPPAGE

PEERS_DIR = Path(__file__).resolve().parent
OWN = ("peak_fast", "bare_loop")


@dataclass(frozen=True)
class Row:
    """One line of the table: the work that every contestant is asked for."""

    kind: str  # "single" or "sweep"
    bars: int
    configurations: int = 1
    rounds: int = 3

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.bars}" + (f"x{self.configurations}" if self.kind == "sweep" else "")

    @property
    def label(self) -> str:
        if self.kind == "single":
            return f"one backtest, {self.bars:,} bars"
        return f"sweep, {self.configurations:,} configurations x {self.bars:,} bars"


@dataclass(frozen=True)
class Contestant:
    """A peer (or one of its engines) and the share of the work that its speed allows.

    ``configurations`` maps a sweep's number of bars to how many configurations are really run (the rest is
    scaled up and labelled so); bars that are missing there are not asked for.
    """

    name: str
    label: str
    folder: str
    arguments: tuple[str, ...] = ()
    threads: int = 2
    longest_single: int = 1_000_000
    configurations: dict[int, int] = field(default_factory=dict)
    fill: str = "next_open"
    fee: float = FEE
    slippage: float = SLIPPAGE
    tolerance: float = 1e-9
    compiles: bool = False
    differences: str = "none"
    own: bool = False

    @property
    def runner(self) -> Path:
        return PEERS_DIR / self.folder / "runner.py"

    def asked(self, row: Row) -> int:
        """Configurations of this row that the contestant runs; 0 where it sits out."""
        if row.kind == "single":
            return 1 if row.bars <= self.longest_single else 0
        return min(self.configurations.get(row.bars, 0), row.configurations)


ROWS = (
    Row("single", 5_000, rounds=15),
    Row("single", 100_000, rounds=7),
    Row("single", 1_000_000, rounds=3),
    Row("sweep", 5_000, 10_000, rounds=3),
    Row("sweep", 100_000, 1_000, rounds=3),
)
SMALL_ROWS = (
    Row("single", 5_000, rounds=3),
    Row("sweep", 5_000, 200, rounds=2),
)

ALL = {5_000: 10_000, 100_000: 1_000}
FOLDED = {"fee": FEE + SLIPPAGE, "slippage": 0.0}

CONTESTANTS = (
    Contestant("peak_fast", "peak_fast", "peak_fast", own=True, configurations=ALL, compiles=True),
    Contestant(
        "peak_fast_1_thread", "peak_fast, one thread", "peak_fast", own=True, threads=1,
        longest_single=0, configurations=ALL,
    ),
    Contestant(
        "bare_loop", "bare Numba loop", "bare_loop", own=True, configurations=ALL, compiles=True,
        differences="no records, curves or checks: the yardstick",
    ),
    Contestant(
        "vectorbt_numba", "vectorbt (Numba)", "vectorbt", ("numba",), compiles=True,
        configurations={5_000: 2_000, 100_000: 60},
        differences="signals moved one bar on and filled at the open given as price; 2 million cells at once",
    ),
    Contestant(
        "vectorbt_rust", "vectorbt (Rust)", "vectorbt", ("auto",), compiles=True,
        configurations={5_000: 2_000, 100_000: 60},
        differences="engine `auto`: Rust where vectorbt has it, Numba for the rest; otherwise as above",
    ),
    Contestant(
        "raptorbt", "raptorbt", "raptorbt", configurations={5_000: 10_000, 100_000: 300}, tolerance=1e-8,
        differences="SMA and signals as NumPy arrays outside; its sweep batch uses every core",
    ),
    Contestant(
        "hftbacktest", "hftbacktest", "hftbacktest", configurations={5_000: 400, 100_000: 20},
        compiles=True, tolerance=2e-2,
        differences="each open is a book of one bid and one ask in ticks of 0.01: fills round to it",
    ),
    Contestant(
        "backtesting_py", "backtesting.py", "backtesting_py", configurations={5_000: 40, 100_000: 2},
        tolerance=1e-4, **FOLDED,
        differences="whole units; its spread touches openings only, so costs are one rate of 15 bps a side",
    ),
    Contestant(
        "nautilus_trader", "NautilusTrader", "nautilus_trader", longest_single=100_000,
        configurations={5_000: 4}, tolerance=1e-4, fill="close", **FOLDED,
        differences="fills at the deciding close; slippage is in ticks only, so one rate of 15 bps a side",
    ),
    Contestant(
        "backtrader", "backtrader", "backtrader", longest_single=100_000, configurations={5_000: 4},
        differences="orders are placed at the open that they fill at (cheat-on-open)",
    ),
    Contestant(
        "pybroker", "PyBroker", "pybroker", longest_single=100_000, configurations={5_000: 4},
        tolerance=5e-3, compiles=True,
        differences="buys the cash's worth and pays the fee on top, so cash dips below zero while invested",
    ),
)  # fmt: skip


def python_of(contestant: Contestant, environments: dict[str, Path]) -> Path | None:
    """Return the interpreter that runs a contestant; None where its environment could not be made."""
    if contestant.own:
        return Path(sys.executable)
    return environments.get(contestant.folder)
