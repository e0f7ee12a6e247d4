"""A process that works on a shared study: ``python -m tests.study_worker STORAGE TRIALS SAMPLER DELAY LOG``.

Each configuration that it runs is appended to the log as one line, so that a test can tell who ran what. With a
sixth argument the worker hangs in the first batch after so many configurations, with its trials claimed, and
creates the file ``LOG.hangs``. With STUDY_WORKERS_WAIT set it reports with ``LOG.ready.PID`` and begins when
``LOG.go`` appears.

``python -m tests.study_worker siege STORAGE TRIALS SAMPLER ROUNDS SEED`` kills workers at random moments.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from peak_fast.params.parameter import Param
from peak_fast.studies.study import Study

SCHEMA = (Param("fast", "int", 8, low=5, high=14), Param("slow", "int", 50, low=50, high=69))


def surface(fast, slow):
    """The objective: distinct for every point."""
    return np.sin(fast * 1.7) + np.cos(slow * 0.9) + fast / 100 + slow / 10_000


def open_study(storage, sampler, delay=0.0, log=None, hang_after=None, **options):
    """The study that all workers share."""
    ran = []

    def evaluator(columns, bars, metrics):
        fast, slow = np.asarray(columns["fast"]), np.asarray(columns["slow"])
        if hang_after is not None and len(ran) >= hang_after:
            Path(f"{log}.hangs").touch()
            time.sleep(600)
        ran.extend(fast)
        if log is not None:
            lines = "".join(f"{os.getpid()} {f} {s}\n" for f, s in zip(fast, slow, strict=True))
            with Path(log).open("a") as file:
                file.write(lines)
        time.sleep(delay * len(fast))
        return {"sharpe": surface(fast, slow)}

    options = {"seed": 5, "study_name": "shared", "batch": 8, "heartbeat": (0.2, 5.0), **options}
    return Study(None, None, SCHEMA, "sharpe", sampler, storage=storage, evaluator=evaluator, **options)


def siege(storage, trials, sampler, rounds, seed):
    """Work in forked children that are killed at random moments, then once undisturbed; prints the kills."""
    generator = random.Random(seed)
    open_study(storage, sampler)  # imports everything and creates the study before the first fork
    kills = 0
    for _ in range(rounds):
        child = os.fork()
        if child == 0:
            try:
                open_study(storage, sampler, 0.0005).run(n_trials=trials)
            finally:
                os._exit(0)
        time.sleep(generator.uniform(0.02, 0.3))
        os.kill(child, signal.SIGKILL)
        kills += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    result = open_study(storage, sampler).run(n_trials=trials)
    print(kills, result.stopped, flush=True)


def main():
    if sys.argv[1] == "siege":
        storage, trials, sampler, rounds, seed = sys.argv[2:7]
        siege(storage, int(trials), sampler, int(rounds), int(seed))
        return
    storage, trials, sampler, delay = sys.argv[1:5]
    log = sys.argv[5] if len(sys.argv) > 5 else None
    hang_after = int(sys.argv[6]) if len(sys.argv) > 6 else None
    study = open_study(storage, sampler, float(delay), log, hang_after)
    if os.environ.get("STUDY_WORKERS_WAIT"):
        Path(f"{log}.ready.{os.getpid()}").touch()
        while not Path(f"{log}.go").exists():
            time.sleep(0.005)
    result = study.run(n_trials=int(trials))
    print(result.stopped, result.tally.run, result.tally.duplicates, result.tally.lost, flush=True)


if __name__ == "__main__":
    main()
