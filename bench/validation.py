"""Cost of validation: one row for each question, ours and named peers in one run, each in a process of its own.

    python -m bench validation              # all rows
    python -m bench.validation spa          # some
    python -m bench.validation --install    # make the environments of the peers first, where they can be made

A row is a function of `ROWS`: it makes the data and gives what is called once to warm up and what is measured.  Peers
of a row are scripts ``bench/peers/<peer>/<row>.py`` that make the same data; they are left out where the peer's
environment (``bench/venvs/<peer>``) is not there.  Seconds are processor time of the call alone on one thread; memory
is how far the largest size of the process grew in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from bench import harness
from bench.peers import measured
from bench.peers.venvs import PEERS_DIR, VENVS_DIR, make

Call = Callable[[], Any]
QUESTION = "What does it cost to ask whether a search found anything?"
ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"), "1"
)


def spa() -> tuple[Call, Call]:
    """Reality check, three p-values of Hansen and the steps: 1,000 strategies, 1,000 samples, 5,000 returns."""
    from peak_fast.statistics import data_snooping

    returns = measured.returns(5_000, 1_000)
    return lambda: data_snooping(returns[:, :20], block=10, replications=20), lambda: data_snooping(
        returns, block=10
    )


def spa_of_a_large_search() -> tuple[Call, Call]:
    """The same of 10,000 strategies whose returns come in tiles of 500."""
    from peak_fast.statistics import data_snooping

    returns = measured.returns(5_000, 10_000)
    tiles = np.array_split(returns, 20, axis=1)
    return lambda: data_snooping(returns[:, :20], block=10, replications=20), lambda: data_snooping(
        tiles, block=10
    )


def reality_check() -> tuple[Call, Call]:
    """The reality check of a sweep: 1,000 configurations run again on 5,000 bars, 1,000 samples."""
    from peak_fast import Sweep, synthetic
    from peak_fast.validation import reality_check

    sweep = Sweep("ma_crossover", {"fast": range(5, 45), "slow": range(50, 75)}, synthetic(5_000, seed=1))
    found = sweep.run(threads=1, progress=False)
    return lambda: reality_check(found, replications=10, threads=1), lambda: reality_check(
        found, block=10, threads=1
    )


def _sums(returns: Any) -> tuple[Any, Any]:
    """Sums by 16 blocks as a sweep keeps them, float64[configurations, 16]."""
    length = len(returns) // 16
    parts = [returns[k * length : (k + 1) * length] for k in range(16)]
    sums = np.array([part.sum(axis=0) for part in parts]).T
    return sums, np.array([np.einsum("ij,ij->j", part, part) for part in parts]).T


def pbo() -> tuple[Call, Call]:
    """Probability of overfitting after a sweep: 10,000 configurations, 5,000 bars, 12,870 combinations of 16 blocks."""
    return _pbo(10_000, 1)


def pbo_of_a_large_search() -> tuple[Call, Call]:
    """The same of 100,000 configurations."""
    return _pbo(10_000, 10)


def _pbo(made: int, times: int) -> tuple[Call, Call]:
    from peak_fast.statistics import cscv_of_sums

    sums, squares = _sums(measured.returns(5_000, made))
    if times > 1:
        rng = np.random.default_rng(1)
        sums = np.concatenate([sums + 0.01 * rng.standard_normal(sums.shape) for _ in range(times)])
        squares = np.concatenate([squares] * times)
    return (
        lambda: cscv_of_sums(sums[:20, :4], squares[:20, :4], 1_250).pbo,
        lambda: cscv_of_sums(sums, squares, 5_000).pbo,
    )


def pbo_of_a_matrix() -> tuple[Call, Call]:
    """The same of a matrix of returns, 5,000 x 10,000, from which the sums are made first."""
    from peak_fast.statistics import cscv

    returns = measured.returns(5_000, 10_000)
    return lambda: cscv(returns[:, :20], 4).pbo, lambda: cscv(returns).pbo


def overfitting() -> tuple[Call, Call]:
    """All figures of a sweep of 10,000 configurations on 5,000 bars that kept its sums."""
    from peak_fast import Sweep, synthetic

    grid = {"fast": range(5, 105), "slow": range(110, 310, 2)}
    found = Sweep("ma_crossover", grid, synthetic(5_000, seed=1), blocks=16).run(threads=1, progress=False)
    return lambda: found.overfitting(threads=1).pbo, lambda: found.overfitting(threads=1).pbo


def pbo_of_noise() -> tuple[Call, Call]:
    """Mean PBO of 1,000 searches in noise, 20 configurations of 240 returns each; 0.5 within three standard errors."""
    from peak_fast.statistics import cscv

    rng = np.random.default_rng(20261130)

    def call() -> str:
        found = np.array([cscv(rng.normal(size=(240, 20)), 8).pbo for _ in range(1_000)])
        error = found.std(ddof=1) / len(found) ** 0.5
        assert abs(found.mean() - 0.5) < 3.0 * error
        return f"{found.mean():.4f} +- {error:.4f}"

    return lambda: cscv(rng.normal(size=(240, 20)), 8), call


def walk_forward() -> tuple[Call, Call]:
    """Walk forward: 400 crossings of averages, 5,000 bars, 20 folds that train on 1,000 and test on 200."""
    from peak_fast.validation import walk_forward as walk

    grid, bars = crossings()
    options = {"train": 1_000, "test": 200, "threads": 1}
    return lambda: walk("ma_crossover", grid, bars.slice(0, 1_400), **options), lambda: walk(
        "ma_crossover", grid, bars, **options
    )


def walk_forward_from_flat() -> tuple[Call, Call]:
    """The same, each window a run of its own."""
    from peak_fast.validation import walk_forward as walk

    grid, bars = crossings()
    options = {"train": 1_000, "test": 200, "threads": 1, "positions": "flat"}
    return lambda: walk("ma_crossover", grid, bars.slice(0, 1_400), **options), lambda: walk(
        "ma_crossover", grid, bars, **options
    )


def cross_validation() -> tuple[Call, Call]:
    """Combinatorial purged cross-validation of these: 45 splits of 10 folds, 9 paths."""
    from peak_fast.validation import cross_validate

    grid, bars = crossings()
    options = {"folds": 10, "test_folds": 2, "purge": 20, "embargo": 10, "threads": 1}

    def sharpe(bars: Any) -> float:
        return float(cross_validate("ma_crossover", grid, bars, **options).sharpes.mean())

    return lambda: sharpe(bars.slice(0, 1_000)), lambda: sharpe(bars)


def crossings() -> tuple[dict[str, Any], Any]:
    """400 pairs of averages and 5,000 bars."""
    from peak_fast import synthetic

    return {"fast": range(5, 45, 2), "slow": range(50, 250, 10)}, synthetic(5_000, seed=1)


def look_ahead() -> tuple[Call, Call]:
    """Whether a Polars function looks ahead, on 5,000 bars: one that does not."""
    return _look_ahead(1)


def look_ahead_found() -> tuple[Call, Call]:
    """The same of one that reads the next bar, with column, bar and smallest prefix."""
    return _look_ahead(-1)


def _look_ahead(shift: int) -> tuple[Call, Call]:
    import polars as pl

    from peak_fast import synthetic
    from peak_fast.validation import check_lookahead

    bars = synthetic(5_000, seed=1)

    def call() -> Any:
        report = check_lookahead(
            lambda df, params: (df["close"].shift(shift) > df["close"]).cast(pl.Int8), bars
        )
        assert report.ok == (shift > 0)
        return report

    return call, call


def permutation() -> tuple[Call, Call]:
    """Permutation test of one compiled strategy: 1,000 worlds of 5,000 bars."""
    from peak_fast import Bars
    from peak_fast.validation import permutation_test

    bars, params = Bars.from_frame(measured.prices(5_000)), {"fast": 10, "slow": 50}
    return lambda: permutation_test(
        "ma_crossover", params, bars, worlds=20, threads=1
    ), lambda: permutation_test("ma_crossover", params, bars, threads=1).p


def permutation_of_the_selection() -> tuple[Call, Call]:
    """The whole selection out of 400 configurations in each of 1,000 worlds of 5,000 bars."""
    from peak_fast import Bars
    from peak_fast.validation import permutation_test

    grid, _ = crossings()
    bars = Bars.from_frame(measured.prices(5_000))
    options: dict[str, Any] = {"select": True, "threads": 1}
    return lambda: permutation_test(
        "ma_crossover", grid, bars, worlds=5, **options
    ), lambda: permutation_test("ma_crossover", grid, bars, **options).p


def monte_carlo() -> tuple[Call, Call]:
    """Monte Carlo of the returns of a result: 10,000 paths of 5,000 bars."""
    from peak_fast import BacktestEngine, Bars
    from peak_fast.validation import monte_carlo as draw

    result = BacktestEngine().run(Bars.from_frame(measured.prices(5_000)), "ma_crossover")
    return lambda: draw(
        result, paths=10, threads=1
    ), lambda: draw(result, paths=10_000, threads=1).probability_of_loss


ROWS: dict[str, Callable[[], tuple[Call, Call]]] = {
    row.__name__: row
    for row in (
        spa,
        spa_of_a_large_search,
        reality_check,
        pbo,
        pbo_of_a_large_search,
        pbo_of_a_matrix,
        pbo_of_noise,
        overfitting,
        walk_forward,
        walk_forward_from_flat,
        cross_validation,
        permutation,
        permutation_of_the_selection,
        monte_carlo,
        look_ahead,
        look_ahead_found,
    )
}


def of_ours(name: str, bench: str) -> dict[str, Any]:
    """Measure a row of a bench in a new process."""
    return _process([sys.executable, "-m", f"bench.{bench}", "--child", name])


def of_peers(name: str) -> dict[str, dict[str, Any]]:
    """Measure a row's peers whose environments are there."""
    found = {}
    for script in sorted(PEERS_DIR.glob(f"*/{name}.py")):
        python = VENVS_DIR / script.parent.name / "bin" / "python"
        if python.exists():
            found[script.parent.name] = _process([str(python), str(script)])
    return found


def _process(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=harness.ROOT,
        env={**os.environ, **ONE_THREAD},
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return {"failed": (done.stderr.strip().splitlines() or ["no output"])[-1]}
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def main(arguments: list[str]) -> int:
    """Measure the rows of this bench; see `measure_rows`."""
    return measure_rows(arguments, ROWS, "validation", QUESTION)


def measure_rows(
    arguments: list[str], known: dict[str, Callable[[], tuple[Call, Call]]], bench: str, question: str
) -> int:
    """Measure the named rows, all by default, print them and keep them in ``bench/results/rows/<bench>.json``."""
    if arguments[:1] == ["--child"]:
        warm, call = known[arguments[1]]()
        print(json.dumps(measured.measure(warm, call)))
        return 0
    if arguments[:1] == ["--install"]:
        for peer in sorted({script.parent.name for row in known for script in PEERS_DIR.glob(f"*/{row}.py")}):
            made = make(peer)
            print(f"{peer}: {'ready' if made.python else made.reason}", flush=True)
        return 0
    unknown = [name for name in arguments if name not in known]
    if unknown:
        print(f"unknown rows {unknown}; known: {', '.join(known)}", file=sys.stderr)
        return 2
    rows = []
    for name in arguments or known:
        results = {"peak_fast": of_ours(name, bench), **of_peers(name)}
        rows.append({"name": name, "what": (known[name].__doc__ or "").strip(), "results": results})
        for who, result in results.items():
            print(f"{name:24} {who:12} {_shown(result)}", flush=True)
    # Beside the documents of the report, which have another form.
    folder = harness.RESULTS / "rows"
    folder.mkdir(parents=True, exist_ok=True)
    harness.write_json(
        folder / f"{bench}.json",
        {"bench": bench, "question": question, "commit": harness.commit(), "rows": rows},
    )
    return 0


def _shown(result: dict[str, Any]) -> str:
    if "failed" in result:
        return f"failed: {result['failed']}"
    return f"{result['seconds']:9.3f} s  {result['megabytes']:8.0f} MB  {result['answer']}"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
