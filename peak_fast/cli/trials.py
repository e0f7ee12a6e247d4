"""``peak-fast trials``: how many configurations a project has tried."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from peak_fast.errors import StoreError


def trials(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="trials.sqlite, or the folder that holds it")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
    top: Annotated[int, typer.Option("--top", min=0, help="latest entries to print")] = 20,
) -> None:
    """How many configurations were tried, each counted once."""
    from peak_fast.trials import TrialRegistry

    registry = TrialRegistry(path)
    if not registry.path.exists():
        beside = path.absolute().parent / registry.path.name
        raise StoreError(
            f"expected a registry of trials; there is none at {str(registry.path)!r}; sweeps with a store make "
            "one beside it, and registry=... of an engine, a sweep or a study says where"
            + (f"; did you mean {str(beside)!r}?" if beside.exists() else "")
        )
    if as_json:
        typer.echo(json.dumps(registry.to_dict(), indent=1))
        return
    typer.echo(registry.summary())
    for row in registry.frame.tail(top).iter_rows(named=True) if top else ():
        typer.echo(
            f"{row['made']}  {row['kind']:6}  {row['configurations']:>12,}  {row['new']:>12,} new  {row['name']}"
        )
