"""The first second of a fresh installation: ``python -m bench.first_second dist/x.whl [--rounds 7] [--peers]``.

Installs the wheel in an environment of its own, outside the checkout, and measures from the start of a process to its
first result, each time with an empty cache folder and with numba's compiler made to raise, in turn with a process that
only imports NumPy and Polars.  ``--peers`` starts hftbacktest and raptorbt (`bench.peers`) in the same rounds: with
empty caches, reading the same bars from a file.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import bench_peers, data
from bench.peers import contestants, venvs
from bench.peers.worker import PeerError

# Found and run by every Python of the environment that is measured, the bare one included.
NO_COMPILER = """
import importlib.machinery, sys

def refuse(*args, **kwargs):
    raise RuntimeError("numba compiles, which it is not to do here")

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "numba.core.compiler":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            module.compile_extra = module.CompilerBase.compile_extra = refuse

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""
BARE = "import numpy, polars"
CASES = {
    "import numpy, polars": BARE,
    "import peak_fast": "import peak_fast",
    "first backtest": """
import peak_fast
bars = peak_fast.synthetic(5_000, seed=7)
costs = peak_fast.Costs(rate=0.001, slippage_bps=5.0)
result = peak_fast.BacktestEngine(costs=costs).run(bars, "ma_crossover", {"fast": 20, "slow": 50})
assert result.stats["total_trades"] > 0
""",
    "first orders": """
import peak_fast, polars
bars = peak_fast.synthetic(5_000, seed=7)
orders = polars.DataFrame({"bar": [10, 20], "side": ["buy", "sell"], "size": [1.0, 1.0]})
assert peak_fast.simulate_orders(bars, orders).stats["filled_orders"] == 2
""",
    "first portfolio": """
import peak_fast
from peak_fast.portfolio import Momentum
panel = peak_fast.synthetic(1_000, seed=7, assets=10)
result = peak_fast.BacktestEngine().run(panel, peak_fast.Rank(Momentum(60), top=3))
assert result.stats["total_trades"] > 0
""",
    "first sweep": """
import peak_fast
bars = peak_fast.synthetic(5_000, seed=7)
grid = {"fast": [5, 10], "slow": [30, 60]}
assert len(peak_fast.Sweep("ma_crossover", grid, bars).run(progress=False).frame) == 4
""",
}
PEERS = ("hftbacktest", "raptorbt")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment")
    parser.add_argument("--peers", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="first-second-") as name:
        folder = Path(name)
        python = install(folder, chosen.python, chosen.wheel.resolve())
        (folder / "first").mkdir()
        (folder / "first" / "sitecustomize.py").write_text(NO_COMPILER, "utf-8")
        peers = peer_pythons() if chosen.peers else {}
        samples: dict[str, list[tuple[float, float]]] = {}
        for number in range(chosen.rounds + 1):
            for case, code in CASES.items():
                taken = seconds(folder, python, code)
                samples.setdefault(case, []).extend([taken] * bool(number))  # the first round warms the disk
            for peer, place in peers.items():
                samples.setdefault(peer, []).extend(peer_seconds(peer, place) if number else [])
    show(samples)
    return 0


def install(folder: Path, python: str, wheel: Path) -> Path:
    """Interpreter of an environment that has the wheel and what it requires, compiled to bytecode as pip does."""
    subprocess.run([python, "-m", "venv", str(folder / "env")], check=True)
    found = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    hidden = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([str(found), "-m", "pip", "install", "--quiet", str(wheel)], check=True, env=hidden)
    return found


def seconds(folder: Path, python: Path, code: str) -> tuple[float, float]:
    """Wall and processor time of a process with an empty cache folder."""
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NUMBA_"))
        }
        kept |= {"PYTHONPATH": str(folder / "first"), "PEAK_FAST_CACHE_DIR": empty}
        before, begin = os.times(), time.perf_counter()
        done = subprocess.run(
            [str(python), "-c", code], cwd=folder, env=kept, capture_output=True, text=True, check=False
        )
        took, after = time.perf_counter() - begin, os.times()
    if done.returncode:
        raise RuntimeError(f"{code}\nended with\n{done.stderr}")
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return took, used


def peer_pythons() -> dict[str, Path]:
    """Interpreters of the peers' environments, which are made; one that fails is named."""
    found = {}
    for name in PEERS:
        environment = venvs.make(name)
        if environment.python is None:
            print(f"{name} is skipped: {environment.reason}")
        else:
            found[name] = environment.python
    return found


def peer_seconds(name: str, python: Path) -> list[tuple[float, float]]:
    """Wall and processor time of a peer's process to its first result, with an empty cache; none where it failed."""
    contestant = next(item for item in contestants.CONTESTANTS if item.name == name)
    data.parquet(5_000)
    with tempfile.TemporaryDirectory() as empty:
        before = os.times()
        try:
            took = bench_peers.first_result_seconds(contestant, python, {"NUMBA_CACHE_DIR": empty})
        except PeerError as error:
            print(f"{name}: {error}")
            return []
        after = os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return [(took, used)]


def show(samples: dict[str, list[tuple[float, float]]]) -> None:
    """Medians, and medians of the ratios of each round to the bare process of that round."""
    bare = samples["import numpy, polars"]
    print(f"{'':24} {'wall':>9} {'processor':>10} {'wall ratio':>11} {'processor ratio':>16}")
    for case, taken in samples.items():
        if not taken:
            continue
        wall, used = (statistics.median(item[k] for item in taken) for k in (0, 1))
        ratios = [
            statistics.median(item[k] / base[k] for item, base in zip(taken, bare, strict=False))
            for k in (0, 1)
        ]
        print(f"{case:24} {wall:8.3f}s {used:9.3f}s {ratios[0]:11.2f} {ratios[1]:16.2f}")


if __name__ == "__main__":
    sys.exit(main())
