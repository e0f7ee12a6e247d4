"""What ``peak-fast optimize`` does once its arguments are parsed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from peak_fast.cli.values import engine_settings, split_pairs
from peak_fast.errors import ConfigError, writing
from peak_fast.settings import BacktestConfig

_SHOWN_COLUMNS = 14


def parse_space(pairs: Sequence[str]) -> dict[str, str]:
    """``["fast=5:60:5"]`` as ``{"fast": "5:60:5"}``.

    Raises
    ------
    ConfigError
        No equals sign, or a name twice.
    """
    return split_pairs("--param", "name=low:high[:step], name=a,b,c or name=value", list(pairs))


def parse_target(texts: Sequence[str]) -> float | dict[str, float] | None:
    """``["1.5"]`` as 1.5, ``["sharpe=1.5", "max_drawdown=0.2"]`` as a dict.

    Raises
    ------
    ConfigError
        Something that is not a number.
    """
    form = "a number, or metric=number"
    try:
        if len(texts) == 1 and "=" not in texts[0]:
            return float(texts[0])
        pairs = split_pairs("--target", form, list(texts))
        return {name: float(value) for name, value in pairs.items()} or None
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"--target: expected {form}; got {', '.join(texts)}") from None


def run_optimize(
    bars: Any,
    strategy: Any,
    config: BacktestConfig,
    *,
    objectives: Sequence[str],
    limits: Mapping[str, Any],
    options: Mapping[str, Any],
    out: Path | None = None,
    top: int = 10,
    show: Callable[[str], None] = print,
    progress: bool = True,
) -> Any:
    """Run a study, print its summary and best trials, write its files.

    Parameters
    ----------
    bars
        ``Bars``.
    strategy
        The strategy, or its name.
    config
        Engine settings and tracking.
    objectives
        Such as ``["sharpe:max"]``.
    limits
        ``n_trials``, ``timeout``, ``target`` of ``Study.run``.
    options
        Further arguments of ``Study``; None values are left out.
    out
        Folder for trials.parquet, front.parquet, best.json, summary.txt and the figures.
    top
        Rows to print.
    show
        Prints a line.
    progress
        Whether to show progress.

    Returns
    -------
    StudyResult

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C; it carries how to go on.
    """
    from rich.console import Console

    from peak_fast.guard import stopped
    from peak_fast.studies import Study
    from peak_fast.tracking import build_tracker_from_config

    if out is not None:
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
    tracker = build_tracker_from_config(config.tracking)
    given = {name: value for name, value in options.items() if value is not None}
    study = Study(
        strategy,
        bars,
        objectives=list(objectives) or "sharpe",
        tracker=tracker,
        **given,
        **engine_settings(config),
    )
    try:
        with tracker:
            result = study.run(progress=progress, **limits)
    except KeyboardInterrupt as error:
        storage = options.get("storage")
        kept = f"finished trials are in {study.storage}; the same command with --resume goes on from there"
        raise stopped(f"stopped; {kept if storage else 'nothing was kept; pass --storage'}") from error
    show(result.summary())
    Console().print(_table(study, result, top))
    if out is not None:
        write_files(study, result, out)
        show(f"files written to {out}")
    return result


def _table(study: Any, result: Any, top: int) -> Any:
    """The best trials as a rich table."""
    from rich.table import Table

    rows = result.top(top)
    names = ["number", *study.space.names]
    names += [name for name in rows.columns if name.startswith("objective_")]
    shown = {objective.metric for objective in study.objectives}
    names += [name for name in study.metrics if name in rows.columns and name not in shown]
    table = Table(title="Pareto front" if len(study.objectives) > 1 else "Best trials")
    for name in names[:_SHOWN_COLUMNS]:
        table.add_column(name.removeprefix("objective_"), justify="right", overflow="fold")
    for row in rows.select(names[:_SHOWN_COLUMNS]).iter_rows():
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    return table


def write_files(study: Any, result: Any, folder: Path) -> None:
    """Write the trials, the front, the best parameters, the summary and the figures to a folder."""
    from peak_fast.errors import MissingDependencyError

    folder.mkdir(parents=True, exist_ok=True)
    result.frame.write_parquet(folder / "trials.parquet")
    result.front.write_parquet(folder / "front.parquet")
    best = {
        "number": result.best_number,
        "params": result.best_params,
        "values": result.best_values,
        "metrics": result.best_metrics,
        "deflated_sharpe": dict(result.deflated_sharpe),
    }
    (folder / "best.json").write_text(json.dumps(best, indent=2) + "\n")
    (folder / "summary.txt").write_text(result.summary() + "\n")
    try:
        figures = study.figures()
    except MissingDependencyError:
        return  # tables are complete without pictures
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png")
