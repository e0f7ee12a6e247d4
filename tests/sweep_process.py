"""A real sweep in a process of its own, to be killed or interrupted: ``python -m tests.sweep_process DIR``.

Prints "ready" when everything is loaded and compiled, begins when it gets a line, and prints "stopped SECONDS"
with the system's monotonic clock when Ctrl-C arrives.
"""

import sys
import tempfile
import time

from peak_fast import Costs, Stops, Sweep, synthetic

BARS = 8_000
METRICS = ("total_return", "sharpe", "max_drawdown", "total_trades", "ulcer_index")


def make_sweep(scale=1):
    """About 4,000 configurations for each unit of scale."""
    grid = {
        "fast": range(2, 42),
        "slow": range(50, 100),
        "stop_loss": [0.02 + 0.004 * step for step in range(2 * scale)],
    }
    return Sweep(
        "ma_crossover",
        grid,
        synthetic(BARS, seed=77, freq="1h"),
        costs=Costs(rate=0.0005),
        stops=Stops(take_profit=0.1),
        metrics=METRICS,
    )


def main(folder, scale):
    first = Sweep("ma_crossover", {"fast": [2], "slow": [50]}, synthetic(100, seed=1), metrics=METRICS)
    with tempfile.TemporaryDirectory() as other:
        first.run(store=other, progress=False)
    sweep = make_sweep(scale)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        sweep.run(store=folder, progress=False)
    except KeyboardInterrupt as error:
        print(f"stopped {time.monotonic()}", flush=True)
        print(error.stopped, file=sys.stderr, flush=True)
        sys.exit(130)
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
