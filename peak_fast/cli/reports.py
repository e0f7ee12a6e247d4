"""Commands that show what was saved, and which strategies there are."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from peak_fast.errors import ConfigError, DataError

Folder = Annotated[Path, typer.Argument(metavar="RESULT_DIR", help="folder that --out or save() wrote")]


def load_result(folder: Path) -> Any:
    """The saved result of a folder, of one asset or of a portfolio.

    Raises
    ------
    DataError
        The folder holds neither, or a damaged one.
    """
    from peak_fast.portfolio import PortfolioResult
    from peak_fast.results import BacktestResult

    try:
        return BacktestResult.load(folder)
    except DataError as error:
        try:
            return PortfolioResult.load(folder)
        except DataError:
            raise error from None


def report(
    folder: Folder,
    out: Annotated[Path | None, typer.Option("--out", help="file to write; default: RESULT_DIR.html")] = None,
    benchmark: Annotated[
        str | None, typer.Option("--benchmark", help="file, packaged symbol, or 'none'")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="open it in a browser")] = False,
) -> None:
    """Write the tear sheet of a saved result: one HTML file."""
    from peak_fast.cli.data import load_data

    result = load_result(folder)
    target = out or folder.parent / f"{folder.name}.html"
    other = None if benchmark is None else False if benchmark == "none" else load_data(benchmark, {}, {})
    typer.echo(f"tear sheet written to {result.report(target, benchmark=other)}")
    if show and not webbrowser.open(target.resolve().as_uri()):
        typer.echo("no browser was found; open the file by hand")


def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="RESULT_DIR...", help="folders of saved results")],
    plot: Annotated[Path | None, typer.Option("--plot", help="picture to write: .png, .svg or .pdf")] = None,
) -> None:
    """Put saved results side by side.

    Settings that differ, figures, curves.
    """
    from rich.console import Console

    from peak_fast.report import compare as side_by_side

    if len(folders) < 2:
        raise ConfigError(f"compare: expected two folders of saved results or more; got {folders[0]} alone")
    names = [folder.name for folder in folders]
    same = len(set(names)) < len(names)
    found = side_by_side(
        [load_result(folder) for folder in folders],
        names=[str(folder) for folder in folders] if same else names,
    )
    Console().print(found)
    typer.echo("The numbers are the same to the last bit." if found.same_numbers else "The numbers differ.")
    if plot is not None:
        found.plot(path=plot)
        typer.echo(f"picture written to {plot}")


def strategies() -> None:
    """List the strategies that have a name.

    With their parameters and defaults.
    """
    from rich.console import Console
    from rich.table import Table

    from peak_fast.params import extract_defaults
    from peak_fast.strategies import names, resolve

    table = Table(title="Strategies", title_justify="left")
    for column in ("name", "parameters", "what it does"):
        table.add_column(column, overflow="fold")
    for name in names():
        item = resolve(name)
        defaults = ", ".join(f"{key}={value}" for key, value in extract_defaults(item.schema).items())
        table.add_row(name, defaults, (item.description.splitlines() or [""])[0])
    Console().print(table)
