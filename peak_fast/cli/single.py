"""``peak-fast run``: one strategy on one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def run_single(
    data: str,
    strategy: str,
    param: Sequence[str] = (),
    config: Path | None = None,
    cash: float | None = None,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
    out: Path | None = None,
    check_lookahead: bool = False,
    reading: Mapping[str, Any] | None = None,
) -> None:
    """Run it, print the result, and write it where that was asked for."""
    from peak_fast.cli.data import load_data
    from peak_fast.cli.strategy import load_strategy
    from peak_fast.cli.values import config_of, parse_params
    from peak_fast.engine import BacktestEngine
    from peak_fast.results import check_folder
    from peak_fast.tracking import build_tracker_from_config, has_run

    settings = config_of(config, cash, fee_bps, slippage_bps)
    if out is not None:
        check_folder(out)
    tracker = build_tracker_from_config(settings.tracking)
    engine = BacktestEngine.from_config(settings, tracker)
    engine.check_lookahead = check_lookahead
    bars = load_data(data, settings.data.said(frame=True), reading or {})
    item = load_strategy(strategy, bars, settings.rank)
    with tracker:
        if not has_run(tracker):
            tracker.start_run(f"{item.name} {bars.name}")
        result = engine.run(bars, item, parse_params(list(param)))
    show(result)
    if out is not None:
        print(f"result written to {result.save(out)}", flush=True)


def show(result: Any) -> None:
    """Print a result as wide as the screen."""
    from rich.console import Console

    Console().print(result)
