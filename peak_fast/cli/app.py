"""The command line: argument parsing only.  Every command is a few lines around the library."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from peak_fast.cli import reports, validating, walk
from peak_fast.cli.data import inspect_data, load_data, reads_data
from peak_fast.cli.options import (
    STRATEGY_HELP,
    Cash,
    Cluster,
    Config,
    Data,
    FeeBps,
    Reading,
    SlippageBps,
    StrategyName,
)
from peak_fast.cli.plain import check_values, stop
from peak_fast.cli.single import run_single
from peak_fast.cli.trials import trials
from peak_fast.cli.values import check_output, config_of, parse_grid, parse_params, usage_message
from peak_fast.errors import ConfigError, PeakFastError
from peak_fast.guard import EXIT_CODE, last_message

# Plain help: rich would take text in brackets for markup, and drop it.
app = typer.Typer(
    name="peak-fast",
    help="Fast, trustworthy backtesting: single runs, sweeps, studies, tracking.",
    invoke_without_command=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def peak_fast(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Fast, trustworthy backtesting: single runs, sweeps, studies, tracking."""
    if version:
        from peak_fast.version import __version__

        typer.echo(f"peak-fast {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
@reads_data
def run(
    data: Data,
    strategy: StrategyName,
    param: Annotated[list[str] | None, typer.Option("--param", help="name=value, repeatable")] = None,
    config: Config = None,
    cash: Cash = None,
    fee_bps: FeeBps = None,
    slippage_bps: SlippageBps = None,
    out: Annotated[Path | None, typer.Option("--out", help="folder for the full result")] = None,
    check_lookahead: Annotated[
        bool,
        typer.Option("--check-lookahead", help="refuse a strategy whose decisions change with later bars"),
    ] = False,
    *,
    reading: Reading,
) -> None:
    """Backtest one strategy on one file."""
    run_single(
        data, strategy, param or (), config, cash, fee_bps, slippage_bps, out, check_lookahead, reading
    )


@app.command("check-lookahead")
@reads_data
def check_lookahead(
    data: Data,
    strategy: StrategyName,
    param: Annotated[list[str] | None, typer.Option("--param", help="name=value, repeatable")] = None,
    config: Config = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help="column that may know later bars, repeatable")
    ] = None,
    cuts: Annotated[
        int | None, typer.Option("--cuts", help="places at which the future is taken away")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print figures, not sentences")] = False,
    *,
    reading: Reading,
) -> None:
    """Look whether a strategy knows later bars.

    It is run on the first bars alone, and with other later ones.

    The exit code is 1 unless nothing was found.
    """
    from peak_fast.cli.lookahead import print_lookahead
    from peak_fast.cli.strategy import load_strategy

    settings = config_of(config)
    bars = load_data(data, settings.data.said(frame=True), reading)
    item = load_strategy(strategy, bars, settings.rank)
    if not print_lookahead(
        item, bars, parse_params(param or []), settings, allow=allow or [], cuts=cuts, as_json=as_json
    ):
        raise typer.Exit(1)


@app.command()
@reads_data
def inspect(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="file, 'duckdb:SELECT ...' or a packaged symbol")
    ],
    config: Config = None,
    rows: Annotated[int, typer.Option("--rows", min=0, help="rows to print from each end")] = 3,
    *,
    reading: Reading,
) -> None:
    """Show how data are understood.

    Columns, times, zone, bars a year, notes, first and last rows.
    """
    inspect_data(load_data(data, config_of(config).data.said(frame=True), reading), rows, typer.echo)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="where the demo writes")] = Path("peak_fast_demo"),
) -> None:
    """Backtest and sweep the packaged real prices.

    The runs are logged to MLflow where it is installed.
    """
    from peak_fast.cli.demo import run_demo

    run_demo(folder)


@app.command()
def warmup() -> None:
    """Compile all kernels now.

    The first backtest does not have to, then.
    """
    from peak_fast.cli.doctor import warm_up

    warm_up(typer.echo)


@app.command()
def doctor(cluster: Cluster = None) -> None:
    """Show versions, cache folder, threads and extras.

    Of a cluster: versions, memory and speed of all workers.
    """
    from rich.console import Console

    from peak_fast.cli.doctor import report

    Console().print(report())
    if cluster is not None:
        from peak_fast.cli.workers import is_sound, survey, table

        rows = survey(cluster)
        Console().print(table(rows))
        if not all(map(is_sound, rows)):
            raise typer.Exit(1)


@app.command()
@reads_data
def sweep(
    data: Data,
    strategy: Annotated[str | None, typer.Option("--strategy", help=STRATEGY_HELP)] = None,
    grid: Annotated[
        list[str] | None, typer.Option("--grid", help="name=start:stop:step or name=a,b,c")
    ] = None,
    config: Config = None,
    cash: Cash = None,
    fee_bps: FeeBps = None,
    slippage_bps: SlippageBps = None,
    store: Annotated[
        Path | None, typer.Option("--store", help="folder; an interrupted sweep goes on there")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="clear the store first")] = False,
    metric: Annotated[list[str] | None, typer.Option("--metric", help="columns of the result")] = None,
    constraint: Annotated[str | None, typer.Option("--constraint", help="such as 'fast < slow'")] = None,
    threads: Annotated[int | None, typer.Option("--threads")] = None,
    memory: Annotated[str | None, typer.Option("--memory", help="such as 2GB")] = None,
    cluster: Cluster = None,
    top: Annotated[int, typer.Option("--top", help="rows to print")] = 10,
    by: Annotated[str | None, typer.Option("--by", help="metric to sort by")] = None,
    min_trades: Annotated[int, typer.Option("--min-trades", min=0, help="of the rows that are printed")] = 0,
    heatmap: Annotated[Path | None, typer.Option("--heatmap", help="PNG of the first two parameters")] = None,
    *,
    reading: Reading,
) -> None:
    """Run every configuration of a grid.

    The table [sweep] of --config says what the options do not.
    """
    from peak_fast.cli.strategy import load_strategy
    from peak_fast.cli.sweep import run_sweep
    from peak_fast.cli.values import listed_grid

    if restart and store is None:
        raise ConfigError("--restart: expected --store as well; got none; there is nothing to clear")
    settings = config_of(config, cash, fee_bps, slippage_bps)
    table = settings.sweep
    name = strategy or table.strategy
    if name is None:
        raise ConfigError(
            "--strategy: expected a strategy; got none; name one, or write strategy under [sweep] of --config"
        )
    bars = load_data(data, settings.data.said(frame=True), reading)
    run_sweep(
        bars, load_strategy(name, bars, settings.rank), listed_grid(table.grid) | parse_grid(grid or []) or None,
        settings,
        store=store, restart=restart, metrics=metric or table.metrics, constraint=constraint or table.constraint,
        threads=threads, memory=memory, cluster=cluster, top=top, by=by, min_trades=min_trades,
        heatmap=heatmap,
    )  # fmt: skip


@app.command()
@reads_data
def optimize(
    data: Data,
    strategy: StrategyName,
    objective: Annotated[
        list[str] | None, typer.Option("--objective", help="metric:max or metric:min")
    ] = None,
    trials: Annotated[int | None, typer.Option("--trials", "--n-trials", help="of the whole study")] = None,
    timeout: Annotated[float | None, typer.Option("--timeout", help="seconds")] = None,
    target: Annotated[list[str] | None, typer.Option("--target", help="value, or metric=value")] = None,
    sampler: Annotated[
        str, typer.Option("--sampler", help="auto, tpe, nsga2, cmaes, gp, grid, random, qmc")
    ] = "auto",
    param: Annotated[
        list[str] | None, typer.Option("--param", help="name=low:high[:step], name=a,b,c or name=value")
    ] = None,
    constraint: Annotated[
        list[str] | None, typer.Option("--constraint", help="on parameters: 'fast < slow'")
    ] = None,
    feasible: Annotated[
        list[str] | None, typer.Option("--feasible", help="on results: 'total_trades >= 30'")
    ] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", help="further metrics to keep")] = None,
    segments: Annotated[int | None, typer.Option("--segments", help="stretches of the data")] = None,
    pruner: Annotated[
        str | None, typer.Option("--pruner", help="median, wilcoxon, hyperband, successive_halving")
    ] = None,
    storage: Annotated[
        str | None, typer.Option("--storage", help="sqlite:///s.db, journal:///path, grpc://host:port, ...")
    ] = None,
    study_name: Annotated[str, typer.Option("--study-name")] = "study",
    resume: Annotated[bool, typer.Option("--resume", help="go on with a study that exists")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="run failed trials again")] = False,
    seed: Annotated[int | None, typer.Option("--seed")] = None,
    batch: Annotated[int, typer.Option("--batch", help="largest generation")] = 64,
    threads: Annotated[int | None, typer.Option("--threads")] = None,
    config: Config = None,
    cash: Cash = None,
    fee_bps: FeeBps = None,
    slippage_bps: SlippageBps = None,
    out: Annotated[Path | None, typer.Option("--out", help="folder for tables and figures")] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="rows to print")] = 10,
    *,
    reading: Reading,
) -> None:
    """Search parameters with Optuna's samplers."""
    from peak_fast.cli.optimize import parse_space, parse_target, run_optimize
    from peak_fast.cli.strategy import load_strategy

    if resume and storage is None:
        raise ConfigError(
            "--resume: expected --storage as well; got none; for example --storage sqlite:///study.db"
        )
    settings = config_of(config, cash, fee_bps, slippage_bps)
    bars = load_data(data, settings.data.said(frame=True), reading)
    run_optimize(
        bars, load_strategy(strategy, bars, settings.rank), settings, objectives=objective or [],
        out=out, top=top, show=typer.echo,
        limits={"n_trials": trials, "timeout": timeout, "target": parse_target(target or [])},
        options={
            "sampler": sampler, "space": parse_space(param or []), "constraints": constraint or None,
            "feasible": feasible, "metrics": metric, "segments": segments, "pruner": pruner, "storage": storage,
            "study_name": study_name, "resume": resume, "retry_failed": retry_failed, "seed": seed,
            "batch": batch, "threads": threads,
        },
    )  # fmt: skip


@app.command()
def sync(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what is waiting")] = False,
) -> None:
    """Replay what trackers could not deliver.

    The runs of processes that died are ended.

    The exit code is 1 where something is left: a store that was not reached, or that refused a part.
    """
    from peak_fast.tracking import sync as replay

    report = replay(dry_run=dry_run)
    typer.echo(str(report), err=not report.complete)
    if not report.complete:
        raise typer.Exit(1)


@app.command()
def bench(
    out: Annotated[Path | None, typer.Option("--out", help="JSON file")] = None,
) -> None:
    """Half a minute of benchmarks on this machine."""
    from peak_fast.benchmarking import run_bench

    if out is not None:
        check_output(out)
    run_bench(out)


_COMMANDS = (
    reports.report,
    reports.compare,
    reports.strategies,
    validating.validate,
    walk.walk_forward,
    trials,
)
for _command in _COMMANDS:
    app.command(_command.__name__.replace("_", "-"))(_command)


def main() -> None:
    """Any command line, by the parser: a wrong input is one line on standard error and exit code 2."""
    try:
        check_values(sys.argv[1:])
        # Without standalone mode some ways to stop, Ctrl-C among them, come back as an exit code.
        code = app(prog_name="peak-fast", standalone_mode=False)
        if code == EXIT_CODE:
            raise KeyboardInterrupt
        if isinstance(code, int):
            sys.exit(code)
    except PeakFastError as error:
        stop(str(error), 2)
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        stop(last_message(), EXIT_CODE)
    except Exception as error:
        # Usage errors of the parser, without depending on which parser it is.
        if hasattr(error, "format_message"):
            stop(usage_message(error), 2)
        raise


if __name__ == "__main__":
    main()
