"""What does a trial of a study cost, by sampler and storage, and what do batches cost in quality?

Optuna's own time is measured with the same sampler, seed, generations and objective values, looked up in a
table: it proposes the same points and pays for nothing but itself. What runs in memory is timed as CPU time of
one thread, so that other work on the machine does not count; storages and MLflow are timed by the clock.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import harness, probe

optuna = pytest.importorskip("optuna", reason="the study benches need the extra optuna")

BENCH = "study"
QUESTION = "What does a trial of a study cost, by sampler and storage, and what do batches cost in quality?"
SOURCE = "target for studies"

BARS = 5_000
SPACE = {"fast": (5, 60), "slow": (65, 300), "allow_short": False}
IN_MEMORY = {"random": (10_000, 0.2), "qmc": (10_000, 0.2), "grid": (10_000, 0.2), "nsga2": (2_000, 1.2)}
STORED = {"random": 1_000, "nsga2": 640, "tpe": 100}
HIT = 0.02


def make_study(sampler: Any, seed: int = 1, bars: Any = None, **options: Any) -> Any:
    from peak_fast.studies.study import Study

    bars = probe.load_bars(BARS) if bars is None else bars
    options.setdefault("space", SPACE)
    return Study("ma_crossover", bars, sampler=sampler, seed=seed, defaults_first=False, threads=1, **options)


def run_study(sampler: str, trials: int, **options: Any) -> None:
    make_study(sampler, **options).run(n_trials=trials)


class Table:
    """The sweep as an evaluator that remembers what it found."""

    def __init__(self) -> None:
        from peak_fast.studies.evaluation import SweepEvaluator

        self.sweep = SweepEvaluator("ma_crossover", threads=1)
        self.values: dict[tuple[int, int], float] = {}

    def __call__(self, columns: Any, bars: Any, metrics: Any) -> Any:
        found = self.sweep(columns, bars, metrics)
        pairs = zip(columns["fast"].tolist(), columns["slow"].tolist(), strict=True)
        self.values.update(zip(pairs, np.asarray(found["sharpe"]).tolist(), strict=True))
        return found


def optuna_alone(
    sampler: Any, distributions: Any, sizes: Any, values: dict[Any, float], trials: int
) -> list[Any]:
    """The same generations in Optuna's own ask and tell, with a free objective."""
    study = optuna.create_study(direction="maximize", sampler=sampler)
    done = 0
    while done < trials:
        asked = [study.ask(distributions) for _ in range(min(sizes(done), trials - done))]
        for trial in asked:
            study.tell(trial, values[trial.params["fast"], trial.params["slow"]])
        done += len(asked)
    return [(trial.params["fast"], trial.params["slow"]) for trial in study.trials]


@pytest.mark.parametrize("kind", ["tpe", "nsga2"])
def test_over_optuna(rounds, recorder, kind):
    from peak_fast.studies.search.samplers import build_sampler, generation_size

    trials = harness.pick({"tpe": 1_000, "nsga2": 2_000}[kind], 100)
    table = Table()
    first = make_study(kind, evaluator=table)
    first.run(n_trials=trials)

    def sampler() -> Any:
        return build_sampler(kind, first.space, first.objectives, 1, 64, False)

    def sizes(done: int) -> int:
        return generation_size(kind, 64, done, 2)

    def alone() -> list[Any]:
        return optuna_alone(sampler(), first.space.distributions, sizes, table.values, trials)

    assert alone() == first.trials.select("fast", "slow").rows()  # the same work
    variants = {"ours": lambda: run_study(kind, trials), "optuna": alone}
    samples = rounds(variants, harness.pick(5, 1), clock=time.process_time)
    params = {"group": f"{kind}, {trials:,} trials, {BARS:,} bars, in memory", "trials": trials}
    limit = harness.Target(1.15, SOURCE) if kind == "tpe" else None
    recorder.add(f"{kind}/over_optuna", harness.ratios(samples["ours"], samples["optuna"]), "ratio",
                 label="ours with backtests / Optuna alone", params=params, target=limit)  # fmt: skip
    for name, label in (("ours", "ours with backtests"), ("optuna", "Optuna alone, free objective")):
        recorder.add(f"{kind}/{name}/per_trial", [value / trials for value in samples[name]], "s",
                     label=f"{label}, a trial", params=params)  # fmt: skip


def test_in_memory(rounds, recorder):
    sizes = {kind: harness.pick(trials, 200) for kind, (trials, _) in IN_MEMORY.items()}
    samples = rounds(
        {kind: (lambda kind=kind: run_study(kind, sizes[kind])) for kind in IN_MEMORY},
        harness.pick(5, 1),
        clock=time.process_time,
    )
    for kind, seconds in samples.items():
        trials = sizes[kind]
        params = {"group": f"In memory, {BARS:,} bars", "trials": trials}
        limit = harness.Target(IN_MEMORY[kind][1] / 1e3, SOURCE) if harness.scale() == "full" else None
        recorder.add(f"memory/{kind}/per_trial", [value / trials for value in seconds], "s",
                     label=f"{kind}, {trials:,} trials, a trial", params=params, target=limit)  # fmt: skip
        recorder.add(f"memory/{kind}/rate", [trials / value for value in seconds], "trials/s",
                     label=f"{kind}, {trials:,} trials", params=params)  # fmt: skip


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_stored(rounds, recorder, storage, tmp_path):
    counter = iter(range(10_000))

    def address() -> str:
        name = tmp_path / f"{next(counter)}"
        return f"sqlite:///{name}.db" if storage == "sqlite" else f"journal://{name}.log"

    sizes = {kind: harness.pick(trials, 20) for kind, trials in STORED.items()}
    samples = rounds(
        {kind: (lambda kind=kind: run_study(kind, sizes[kind], storage=address())) for kind in STORED},
        harness.pick(3, 1),
    )
    for kind, seconds in samples.items():
        trials = sizes[kind]
        params = {"group": f"Storage: {storage}, {BARS:,} bars", "trials": trials}
        recorder.add(f"{storage}/{kind}/per_trial", [value / trials for value in seconds], "s",
                     label=f"{kind}, {trials:,} trials, a trial", params=params)  # fmt: skip
        recorder.add(f"{storage}/{kind}/rate", [trials / value for value in seconds], "trials/s",
                     label=f"{kind}, {trials:,} trials", params=params)  # fmt: skip


def test_hundred_trials_with_sqlite_and_mlflow(rounds, recorder, tmp_path):
    pytest.importorskip("mlflow")
    from peak_fast.tracking import MLflowTracker

    counter = iter(range(10_000))
    durable: list[float] = []

    def run() -> None:
        number = next(counter)
        begin = time.perf_counter()
        with MLflowTracker(f"sqlite:///{tmp_path}/mlflow.db", "studies") as tracker:
            study = make_study("tpe", storage=f"sqlite:///{tmp_path}/{number}.db", tracker=tracker)
            study.run(n_trials=100)
            returned.append(time.perf_counter() - begin)
            tracker.flush(timeout=120)
        durable.append(time.perf_counter() - begin)

    returned: list[float] = []
    rounds({"run": run}, harness.pick(5, 1))
    params = {"group": f"TPE, 100 trials, {BARS:,} bars, SQLite storage, MLflow on SQLite"}
    recorder.add("reference/returned", returned[1:], "s", label="until the study returns", params=params,
                 target=harness.Target(2.0, SOURCE))  # fmt: skip
    recorder.add("reference/durable", durable[1:], "s", label="until MLflow has everything", params=params)
    assert Path(tmp_path / "mlflow.db").stat().st_size > 0


@pytest.mark.parametrize("trials", [60, 150])
def test_batches_do_not_cost_quality(recorder, trials):
    from peak_fast.data import sample

    seeds, bars = harness.pick(20, 2), sample("AAPL")
    best = make_study("grid", bars=bars).run().best_value
    for batch in (1, 64):
        studies = (make_study("tpe", seed=seed, batch=batch, bars=bars) for seed in range(seeds))
        found = [study.run(n_trials=trials).best_value for study in studies]
        hits = sum(value >= best - HIT * abs(best) for value in found)
        recorder.add(
            f"batch/{trials}/{batch}",
            [hits],
            "hits",
            label=f"TPE, {trials} trials, batch={batch}: within 2 % of the grid's best, of {seeds} seeds",
            params={
                "group": "Does batching cost quality? AAPL, 13,216 points",
                "median_best": statistics.median(found),
                "grid_best": best,
                "seeds": seeds,
            },
        )
