"""Options that several commands share, and the settings that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[
    str,
    typer.Option(
        "--data", help="CSV, Parquet, Feather, 'duckdb:SELECT ...', or a packaged symbol (panel: all)"
    ),
]
# Filled by `reads_data` from the options of reading.
Reading = dict[str, Any]
STRATEGY_HELP = "name of a strategy (rank: of a panel), FILE.py or FILE.py:NAME"
StrategyName = Annotated[str, typer.Option("--strategy", help=STRATEGY_HELP)]
Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings")]
Cash = Annotated[float | None, typer.Option("--cash", help="initial cash, instead of that of --config")]
FeeBps = Annotated[
    float | None,
    typer.Option("--fee-bps", help="fee in basis points (10 is 0.1 %), instead of that of --config"),
]
SlippageBps = Annotated[
    float | None, typer.Option("--slippage-bps", help="slippage in basis points, instead of that of --config")
]
Cluster = Annotated[
    str | None,
    typer.Option("--cluster", help="Dask: tcp://host:8786, a scheduler file, local or local:4 processes"),
]
