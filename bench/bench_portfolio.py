"""What does a portfolio of weights cost, next to a bare loop and to other backtesters, with the same results?

    python -m bench.bench_portfolio                           # everything
    python -m bench.bench_portfolio --only polars_bt bt       # ourselves, the floor and some peers
    python -m bench.bench_portfolio --rows p1

As `bench_peers`: each in its own environment and process, results compared first, then interleaved rounds.  Times are
CPU time of the process.  Engines differ in their rules of filling and marking, so each is compared with the bare loop
under the rule that it follows (letters as in `portfolio_floor`); how far it is off stands beside its time.
"""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import harness, portfolio_floor, portfolio_jobs
from bench.bench_peers import environments, say
from bench.peers.contestants import PEERS_DIR, Contestant, python_of
from bench.peers.worker import PeerError, Worker

COMMAND = "python -m bench.bench_portfolio"
QUESTION = "What does a portfolio of weights cost, next to a bare loop and to other backtesters, with the same results?"
SOURCE = "target for portfolios"
SLOW_SECONDS = 3.0


@dataclass(frozen=True)
class PortfolioContestant(Contestant):
    """A contestant, the rule that it follows, and how far each job's result may be off."""

    rule: str = "A"
    off: dict[str, float] = field(default_factory=lambda: {"p1": 1e-9, "p2": 1e-9, "p3": 1e-9})
    most_pairs: int = 1000

    @property
    def runner(self) -> Path:
        return PEERS_DIR / self.folder / "portfolio.py"


def _peer(
    name: str, label: str, folder: str, rule: str, off: dict[str, float], differences: str, **more: Any
) -> PortfolioContestant:
    return PortfolioContestant(name, label, folder, rule=rule, off=off, differences=differences, **more)


CONTESTANTS = (
    PortfolioContestant("peak_fast", "peak_fast, records and all statistics", "peak_fast", ("stats",), own=True),
    PortfolioContestant(
        "peak_fast_records", "peak_fast, records", "peak_fast", ("records",), own=True, most_pairs=0
    ),
    PortfolioContestant(
        "peak_fast_alone", "peak_fast, the simulation and its folded metrics alone", "peak_fast", ("alone",),
        own=True, most_pairs=0,
    ),
    PortfolioContestant(
        "peak_fast_rank", "peak_fast, weights made by Rank", "peak_fast", ("rank",), own=True, most_pairs=0,
        off={"p1": 1e-9},
    ),
    PortfolioContestant("bare_loop", "bare Numba loop, held names only", "bare_loop", own=True),
    _peer(
        "polars_bt", "polars-bt (mosaic)", "polars_bt", "A", {"p1": 2e-2, "p2": 0.15, "p3": 0.03},
        "a purchase that does not fit the cash is skipped whole, so weights leave room for the fee; few names that "
        "change at every date still miss some; its panel is made outside the time, as are ours",
        most_pairs=20,
    ),
    _peer(
        "polars_backtest", "polars-backtest", "polars_backtest", "B", {"p1": 5e-4, "p2": 2e-3},
        "one price fills and marks; fees come off the value of the position, so the cash is never short",
        most_pairs=20,
    ),
    _peer(
        "vectorbt_rust", "vectorbt (Rust)", "vectorbt", "A", {"p1": 1e-3, "p2": 3e-3, "p3": 1e-4},
        "purchases are served smallest first and the last is cut to the cash, not all by one factor",
        arguments=("auto",), most_pairs=3, compiles=True,
    ),
    _peer(
        "bt", "bt", "bt", "C", {"p1": 1e-3, "p2": 3e-3},
        "a target is shrunk until its fees fit, one name after the other; statistics are part of a run",
        most_pairs=1,
    ),
)  # fmt: skip

LABELS = {
    "p1": "P1: 500 assets x 2,520 days, top 50 by momentum each month, 109 rebalances",
    "p2": "P2: 1,000 configurations of P1, scores included, one thread",
    "p3": "P3: 20 assets x 1,000,000 minutes, equal weights each day, 695 rebalances",
}
TARGETS = {
    ("p1", "peak_fast"): 0.0015,
    ("p1", "peak_fast_rank"): 0.0015,
    ("p2", "peak_fast"): 0.6,
    ("p1", "peak_fast_alone"): 0.0006,
    ("p3", "peak_fast_records"): 0.014,
}


@dataclass
class Race:
    """One contestant within one row."""

    contestant: PortfolioContestant
    worker: Worker
    request: dict[str, Any]
    pairs: list[tuple[int, int]]
    samples: list[float] = field(default_factory=list)
    rss_mb: float = 0.0
    off: float = 0.0

    def run(self) -> dict[str, Any]:
        return self.worker.ask(timeout=600.0, **self.request)


def expected(row: str, prices: portfolio_jobs.Prices, race: Race) -> np.ndarray:
    """Final equities by the bare loop under the contestant's rule."""
    cash, fee, rule = portfolio_jobs.CASH, portfolio_jobs.FEE, race.contestant.rule
    made = (
        [portfolio_jobs.ranked(prices, *pair) for pair in race.pairs]
        if row == "p2"
        else [portfolio_jobs.targets(row, prices)]
    )
    return np.array([portfolio_floor.final_equity(prices, *each, cash, fee, rule) for each in made])


def prepare(
    row: str, entrants: list[tuple[PortfolioContestant, Path]], stack: contextlib.ExitStack, notes: list[str]
) -> list[Race]:
    """Start, load, warm up and check every entrant of a row; those that fail are noted and left out."""
    job, small = ("p1" if row == "p2" else row), harness.scale() != "full"
    path, prices = str(portfolio_jobs.saved(job, small)), portfolio_jobs.make(job, small)
    count, races = harness.pick(1000, 20), []
    for contestant, python in entrants:
        asked = min(contestant.most_pairs, count) if row == "p2" else 1
        if row not in contestant.off or not asked:
            continue
        grid = portfolio_jobs.pairs(count)
        pairs = [grid[at] for at in np.linspace(0, count - 1, asked).astype(int)] if row == "p2" else []
        request = {"op": "portfolios", "pairs": pairs} if row == "p2" else {"op": "portfolio", "job": job}
        race = Race(contestant, stack.enter_context(Worker(contestant, python)), request, pairs)
        try:
            race.worker.ask(op="load", path=path, timeout=600.0)
            found = np.array(race.run()["finals"])
        except PeerError as error:
            notes.append(f"{LABELS[row]}: {error}")
            say(notes[-1])
            continue
        off = found / expected(row, prices, race) - 1.0
        race.off = float(off[np.argmax(np.abs(off))])
        if not np.all(np.abs(off) <= contestant.off[row]):
            notes.append(
                f"{LABELS[row]}: {contestant.label} is not timed, its result differs by {race.off:.3g}"
            )
            say(notes[-1])
            continue
        races.append(race)
    return races


def time_them(row: str, races: list[Race], notes: list[str]) -> None:
    """Interleaved rounds; the slow ones once."""
    for turn in range(harness.pick({"p1": 11, "p2": 5, "p3": 5}[row], 2)):
        for entrant in races if turn % 2 == 0 else list(reversed(races)):
            if entrant.samples and max(entrant.samples) > SLOW_SECONDS:
                continue
            try:
                answer = entrant.run()
            except PeerError as error:
                notes.append(f"{LABELS[row]}: {error}")
                continue
            entrant.samples.append(answer["seconds"])
            entrant.rss_mb = max(entrant.rss_mb, answer["rss_mb"])


def record_row(recorder: harness.Recorder, row: str, races: list[Race]) -> None:
    """Times, ratios to ours (per round where both have it) and memory of one row."""
    timed = {entrant.contestant.name: entrant for entrant in races if entrant.samples}
    full = harness.pick(1000, 20) if row == "p2" else 1
    scaled = {
        name: [seconds * full / max(1, len(entrant.pairs)) for seconds in entrant.samples]
        for name, entrant in timed.items()
    }
    for name, entrant in timed.items():
        contestant = entrant.contestant
        params = {"engine": name, "row": LABELS[row], "group": LABELS[row], "rule": contestant.rule}
        note = f"rule {contestant.rule}; {entrant.off:+.2g} of the bare loop's final equity"
        if 0 < len(entrant.pairs) < full:
            note += f"; scaled from {len(entrant.pairs)} configurations"
        limit = TARGETS.get((row, name)) if harness.scale() == "full" else None
        target = harness.Target(limit, SOURCE) if limit else None
        options: dict[str, Any] = {"label": contestant.label, "params": params}
        recorder.add(f"{row}/{name}/time", scaled[name], "s", note=note, target=target, **options)
        recorder.add(f"{row}/{name}/rss", [entrant.rss_mb], "MB", **options)
        if "peak_fast" in timed and name != "peak_fast":
            both = min(len(scaled[name]), len(scaled["peak_fast"]))
            ratios = harness.ratios(scaled[name][:both], scaled["peak_fast"][:both])
            recorder.add(f"{row}/{name}/times_ours", ratios, "ratio", **options)
        say(f"  {contestant.label:40s} {np.median(scaled[name]):12.6f} s  {note}")


def main(arguments: list[str] | None = None) -> int:
    """Run the rows, write ``bench/results/portfolio.json``; exit code 1 where a result differed."""
    parser = argparse.ArgumentParser(description=QUESTION)
    parser.add_argument("--only", nargs="*", help="peers to run next to ourselves and the floor")
    parser.add_argument("--rows", nargs="*", choices=list(LABELS), help="rows to run")
    options = parser.parse_args(arguments)
    chosen = [c for c in CONTESTANTS if options.only is None or c.own or c.folder in options.only]
    recorder = harness.Recorder("portfolio", QUESTION, COMMAND)
    recorder.notes.append(
        "Times are CPU time of the process; a mean of many calls where one takes less than 50 ms."
    )
    pythons = environments({contestant.folder for contestant in chosen}, recorder.notes)
    entrants = [(c, python) for c in chosen if (python := python_of(c, pythons)) is not None]
    for contestant, python in entrants:
        with contextlib.suppress(PeerError), Worker(contestant, python) as worker:
            recorder.extra_versions[contestant.label] = worker.ask(op="versions")["versions"]
        recorder.notes.append(f"{contestant.label}, differences: {contestant.differences}")
    for row, label in LABELS.items():
        if options.rows is None or row in options.rows:
            say(label)
            with contextlib.ExitStack() as stack:
                races = prepare(row, entrants, stack, recorder.notes)
                time_them(row, races, recorder.notes)
                record_row(recorder, row, races)
            say(f"written: {recorder.write()}")  # row by row, because the last one takes minutes
    return 1 if any("differs" in note for note in recorder.notes) else 0


if __name__ == "__main__":
    raise SystemExit(main())
