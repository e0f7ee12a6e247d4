"""``peak-fast validate``: the search of a store, asked whether it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from peak_fast.cli.data import load_data, reads_data
from peak_fast.cli.options import Cluster
from peak_fast.errors import ConfigError

Reading = dict[str, Any]


@reads_data
def validate(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="folder that sweep --store wrote")],
    data: Annotated[str, typer.Option("--data", help="the prices that the sweep ran on")],
    strategy: Annotated[
        str, typer.Option("--strategy", help="its strategy: a name, FILE.py or FILE.py:NAME")
    ],
    config: Annotated[Path | None, typer.Option("--config", help="its settings, a TOML file")] = None,
    objective: Annotated[str, typer.Option("--objective", help="metric that chooses the best")] = "sharpe",
    min_trades: Annotated[int, typer.Option("--min-trades", min=0, help="of what is chosen")] = 0,
    question: Annotated[
        list[str] | None, typer.Option("--question", help="one to ask, repeatable; default all")
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="configurations that were really tried")
    ] = None,
    worlds: Annotated[int, typer.Option("--worlds", min=1, help="permuted worlds")] = 199,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file to write")] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="tear sheet of the best, with the verdict")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads")] = None,
    cluster: Cluster = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit with 1 where the verdict is red")] = False,
    *,
    reading: Reading,
) -> None:
    """Ask whether the best of a stored sweep holds.

    The answer has three colours, and the reasons.
    """
    from rich.console import Console

    from peak_fast.cli.strategy import load_strategy
    from peak_fast.cli.values import engine_settings
    from peak_fast.settings import BacktestConfig
    from peak_fast.validation import QUESTIONS
    from peak_fast.validation import validate as judge

    settings = BacktestConfig.from_toml(config) if config else BacktestConfig()
    bars = load_data(data, settings.data.said(frame=True), reading)
    found = _again(store, load_strategy(strategy, bars, settings.rank), bars, engine_settings(settings))
    verdict = judge(
        found, objective=objective, questions=question or QUESTIONS, trials=trials, worlds=worlds,
        min_trades=min_trades, threads=threads, cluster=cluster,
    )  # fmt: skip
    Console().print(verdict)
    if out is not None:
        typer.echo(f"verdict written to {verdict.save(out)}")
    if report is not None:
        page = found.rerun(verdict.params).report(report, sections=[verdict.section()])
        typer.echo(f"tear sheet written to {page}")
    if strict and verdict.colour == "red":
        raise typer.Exit(1)


def _again(store: Path, strategy: Any, bars: Any, settings: dict[str, Any]) -> Any:
    """The sweep of a store, run again on its data; its figures must be those of the store.

    Raises
    ------
    ConfigError
        Data, strategy or settings are not those of the store.
    """
    from peak_fast.sweep import Sweep, SweepResult

    kept = SweepResult.load(store)
    table = kept.frame
    metrics = [name for name in kept.metrics if name in table.columns]
    found = Sweep(strategy, table.select(kept.parameters), bars, metrics=metrics, **settings).run(
        progress=False
    )
    for name in metrics:
        same = table[name].eq_missing(found.frame[name]) if table.height == found.frame.height else None
        if same is None or not same.all():
            place = 0 if same is None else int(same.arg_min() or 0)
            there, here = table[name][place], found.frame[name][place]
            raise ConfigError(
                f"{store}: expected --data, --strategy and --config of this sweep; got others: {name} of its "
                f"configuration {place} is {there} in the store and {here} here"
            )
    return found
