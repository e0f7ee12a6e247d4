"""What ``peak-fast sweep`` does once its arguments are parsed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from peak_fast.settings import BacktestConfig


def run_sweep(
    bars: Any,
    strategy: Any,
    grid: dict[str, list[Any]] | None,
    config: BacktestConfig,
    *,
    store: Path | None,
    restart: bool,
    metrics: list[str] | None,
    constraint: str | list[str] | None,
    threads: int | None,
    memory: str | None,
    cluster: str | None,
    top: int,
    by: str | None,
    min_trades: int,
    heatmap: Path | None,
) -> None:
    """Run the sweep, print its best rows, write the heatmap."""
    from rich.console import Console

    from peak_fast.cli.values import check_output, engine_settings
    from peak_fast.errors import ConfigError, require
    from peak_fast.guard import stopped
    from peak_fast.report import figure_format
    from peak_fast.sweep import DEFAULT_METRICS, TOO_FEW_AXES, Sweep, check_metric, check_trades, rich_table
    from peak_fast.tracking import build_tracker_from_config

    if heatmap is not None:
        require("matplotlib", extra="plot")
        figure_format(heatmap)
        check_output(heatmap)
    work = Sweep(
        strategy,
        grid,
        bars,
        metrics=metrics or DEFAULT_METRICS,
        constraint=constraint,
        **engine_settings(config),
    )
    # A long sweep shall not end in an error that its arguments already show.
    if by is not None:
        check_metric(by, work.metrics)
    check_trades(min_trades, work.metrics)
    if heatmap is not None and sum(len(axis) > 1 for axis in work.grid.axes.values()) < 2:
        raise ConfigError(TOO_FEW_AXES)
    tracker = build_tracker_from_config(config.tracking)
    try:
        result = work.run(
            threads=threads,
            store=store,
            resume="restart" if restart else True,
            tracker=tracker,
            memory=memory,
            cluster=cluster,
        )
    except KeyboardInterrupt as error:
        # Here the way to go on is a command, not a call.
        kept = (
            f"finished parts are in {store}; the same command goes on from there"
            if store
            else "nothing was kept; pass --store"
        )
        raise stopped(f"stopped; {kept}") from error
    Console().print(rich_table(result, top, by, min_trades))
    if heatmap is not None:
        result.heatmap(path=heatmap)
        typer.echo(f"heatmap written to {heatmap}")
