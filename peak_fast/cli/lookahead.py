"""The check of look-ahead at the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from peak_fast.engine import BacktestEngine


def print_lookahead(
    strategy: Any,
    data: Any,
    params: Mapping[str, Any],
    settings: Any,
    *,
    allow: Sequence[str],
    cuts: int | None,
    as_json: bool,
) -> bool:
    """Check, print, and say whether nothing was found."""
    from peak_fast.validation import check_lookahead

    engine = BacktestEngine.from_config(settings)
    report = check_lookahead(strategy, data, params, engine=engine, allow=allow, cuts=cuts)
    typer.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.summary())
    return report.ok
