"""``peak-fast walk-forward``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from peak_fast.cli.data import load_data, reads_data
from peak_fast.cli.options import (
    Cash,
    Cluster,
    Config,
    Data,
    FeeBps,
    Reading,
    SlippageBps,
    StrategyName,
)


@reads_data
def walk_forward(
    data: Data,
    strategy: StrategyName,
    train: Annotated[str, typer.Option("--train", help="bars to choose on: 750, or 3y, 6mo, 90d")],
    test: Annotated[str, typer.Option("--test", help="bars to try the choice on: 125, or 6mo")],
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", help="name=start:stop:step or name=a,b,c; with --trials name=low:high"),
    ] = None,
    step: Annotated[
        str | None, typer.Option("--step", help="between tests; default: as long as --test")
    ] = None,
    anchored: Annotated[bool, typer.Option("--anchored", help="train from the first bar on")] = False,
    purge: Annotated[str, typer.Option("--purge", help="bars or days between training and test")] = "0",
    embargo: Annotated[str, typer.Option("--embargo", help="further ones")] = "0",
    objective: Annotated[
        str, typer.Option("--objective", help="metric, metric:max or metric:min")
    ] = "sharpe",
    min_trades: Annotated[int, typer.Option("--min-trades", help="that must close in training")] = 0,
    positions: Annotated[
        str, typer.Option("--positions", help="carry (over the edges of folds), or flat")
    ] = "carry",
    trials: Annotated[
        int | None, typer.Option("--trials", "--n-trials", help="of a study in each fold")
    ] = None,
    sampler: Annotated[str | None, typer.Option("--sampler", help="of the study: tpe, random, ...")] = None,
    seed: Annotated[int, typer.Option("--seed", help="of the study")] = 0,
    constraint: Annotated[str | None, typer.Option("--constraint", help="such as 'fast < slow'")] = None,
    config: Config = None,
    cash: Cash = None,
    fee_bps: FeeBps = None,
    slippage_bps: SlippageBps = None,
    threads: Annotated[int | None, typer.Option("--threads")] = None,
    memory: Annotated[str | None, typer.Option("--memory", help="such as 2GB")] = None,
    cluster: Cluster = None,
    out: Annotated[Path | None, typer.Option("--out", help="folder for the result and the folds")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="picture to write: .png, .svg or .pdf")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of text")] = False,
    *,
    reading: Reading,
) -> None:
    """Choose parameters on one window, try them on the next.

    The test windows are joined to one result, which --out keeps.
    """
    from peak_fast import validation
    from peak_fast.cli.strategy import load_strategy
    from peak_fast.cli.values import check_output, config_of, engine_settings

    if plot is not None:
        check_output(plot)
    settings = config_of(config, cash, fee_bps, slippage_bps)
    bars = load_data(data, settings.data.said(frame=True), reading)
    walked = validation.walk_forward(
        load_strategy(strategy, bars, settings.rank), _grid(grid or [], searched=trials is not None), bars,
        train=_length(train), test=_length(test), step=None if step is None else _length(step), anchored=anchored,
        purge=_length(purge), embargo=_length(embargo), objective=objective, min_trades=min_trades,
        positions=cast(Any, positions), n_trials=trials, sampler=sampler, seed=seed, constraint=constraint,
        threads=threads, memory=memory, cluster=cluster, **engine_settings(settings),
    )  # fmt: skip
    typer.echo(json.dumps(walked.to_dict(), indent=1) if as_json else walked.summary())
    if out is not None:
        typer.echo(f"result and folds written to {walked.save(out)}", err=as_json)
    if plot is not None:
        walked.plot(path=plot)
        typer.echo(f"picture written to {plot}", err=as_json)


def _length(text: str) -> int | str:
    """A number of bars, or a stretch of the calendar."""
    return int(text) if text.isdecimal() else text


def _grid(pairs: list[str], *, searched: bool) -> Any:
    """What is run, or the space of a study."""
    from peak_fast.cli.optimize import parse_space
    from peak_fast.cli.values import parse_grid

    return (parse_space(pairs) if searched else parse_grid(pairs)) or None
