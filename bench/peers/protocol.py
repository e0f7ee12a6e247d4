"""What a peer's runner speaks with the bench: one JSON object per line, over its standard streams.

A runner is a script that hands an object to :func:`serve`.  It runs in the peer's own virtual environment,
so this file needs NumPy and pyarrow only.  The object has

* ``versions() -> dict``: packages that matter,
* ``load(columns)``: keep the bars (a dict of NumPy arrays: time_us, open, high, low, close, volume), or
  ``load_path(path)`` for an engine that reads Parquet itself,
* ``single(fast, slow) -> (final equity / initial cash, entries)``: one backtest with its statistics,
* ``sweep(pairs, threads) -> list of such pairs``, where the peer can.

A runner of portfolios has ``load_path(path)`` and

* ``asked(rows, weights) -> form``: one job's deciding bars and weights in the form that the peer takes,
* ``run(form) -> final equity``: one portfolio with its equity curve,
* ``many(pairs) -> final equities``, where the peer can: scores and orderings included.

Times are taken here, around ``single``, ``sweep``, ``run`` and ``many`` only: reading the file and warming up are not
counted.  Portfolios are measured by CPU time of the process, all others by the clock.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from importlib import metadata

import numpy as np

FEE = 0.001
SLIPPAGE = 0.0005
BUDGET_SECONDS = 0.1
MOST_CALLS = 50


def read_columns(path: str) -> dict[str, np.ndarray]:
    """Read the bench's Parquet file into contiguous arrays; times as int64 microseconds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    columns = {
        name: np.ascontiguousarray(table[name].to_numpy(), dtype=np.float64)
        for name in ("open", "high", "low", "close", "volume")
    }
    columns["time_us"] = table["timestamp"].cast(pa.int64()).to_numpy()
    return columns


def package_versions(*names: str) -> dict[str, str]:
    """Return the installed version of each distribution."""
    return {name: metadata.version(name) for name in names}


def rolling_mean(values: np.ndarray, window: int) -> np.ndarray:
    """SMA with NaN before the first full window, for engines that bring no indicator of their own."""
    total = np.cumsum(np.concatenate([[0.0], values]))
    out = np.full(len(values), np.nan)
    out[window - 1 :] = (total[window:] - total[:-window]) / window
    return out


def _peak_rss_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def _outcomes(results) -> list[list[float]]:
    return [[float(equity), float(entries)] for equity, entries in results]


def _timed(job, clock=time.perf_counter):
    """Seconds of one call and its results.

    A process that has just waited starts with cold caches, which would be half of a short job's time: a job
    that takes less than half of the budget is called again and again until the budget is spent (at most 50
    times), and the mean of those calls counts.
    """
    begin = clock()
    results = job()
    once = clock() - begin
    again = min(MOST_CALLS, int(BUDGET_SECONDS / max(once, 1e-9)))
    if again < 2:
        return once, results
    begin = clock()
    for _ in range(again):
        job()
    return (clock() - begin) / again, results


def _portfolio(peer, request: dict) -> dict:
    """``portfolio``: one job's weights, made outside the time; ``portfolios``: many pairs of P2."""
    if request["op"] == "portfolios":
        pairs = [(int(lookback), int(top)) for lookback, top in request["pairs"]]
        seconds, finals = _timed(lambda: peer.many(pairs), time.process_time)
        return {"seconds": seconds, "finals": [float(final) for final in finals], "rss_mb": _peak_rss_mb()}
    from portfolio_jobs import targets

    form = peer.asked(*targets(request["job"], peer.prices))
    seconds, final = _timed(lambda: peer.run(form), time.process_time)
    return {"seconds": seconds, "finals": [float(final)], "rss_mb": _peak_rss_mb()}


def _answer(peer, request: dict) -> dict:
    operation = request["op"]
    if operation == "versions":
        return {"versions": peer.versions()}
    if operation == "load":
        if hasattr(peer, "load_path"):
            peer.load_path(request["path"])
        else:
            peer.load(read_columns(request["path"]))
        return {"rss_mb": _peak_rss_mb()}
    if operation.startswith("portfolio"):
        return _portfolio(peer, request)
    if operation == "single":

        def job():
            return [peer.single(request["fast"], request["slow"])]

    elif operation == "sweep":
        pairs = [(int(fast), int(slow)) for fast, slow in request["pairs"]]

        def job():
            return peer.sweep(pairs, request["threads"])

    else:
        raise ValueError(f"unknown operation {operation!r}")
    seconds, results = _timed(job)
    return {"seconds": seconds, "outcomes": _outcomes(results), "rss_mb": _peak_rss_mb()}


def serve(peer) -> None:
    """Answer requests until ``{"op": "quit"}`` or the end of the input.

    Whatever the peer's library prints goes to standard error: standard output is the answers' own.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "quit":
            break
        try:
            answer = _answer(peer, request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
