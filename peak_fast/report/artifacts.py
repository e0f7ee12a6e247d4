"""The artifacts of a backtest by their path within a run: picture, trade statistics, text; of a portfolio, weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from peak_fast.errors import MissingDependencyError
from peak_fast.report.figure import Engine, render_equity_png
from peak_fast.report.holdings import weights_parquet
from peak_fast.report.names import (
    EQUITY_PNG,
    REPORT_TXT,
    TEARSHEET_HTML,
    TRADES_JSON,
    WEIGHTS_PARQUET,
    WEIGHTS_PNG,
)
from peak_fast.report.payload import Reported, payload_of
from peak_fast.report.plain import dump_json
from peak_fast.report.sheet import tear_sheet
from peak_fast.report.text import report_text
from peak_fast.report.trades import trades_summary
from peak_fast.report.weights_picture import render_weights_png


def render_artifacts(
    source: Mapping[str, Any] | Reported, *, engine: Engine = "auto", sheet: bool = False
) -> dict[str, bytes]:
    """The artifacts of one backtest, by their path within a run.

    Parameters
    ----------
    source
        A payload (see :mod:`peak_fast.report.payload`), a ``BacktestResult`` or a ``PortfolioResult``.
    engine
        Renderer of the picture, see :func:`render_equity_png`.
    sheet
        Also ``reports/tearsheet.html``, see :func:`peak_fast.report.tear_sheet`.

    Returns
    -------
    dict of str to bytes
        ``plots/equity_curve.png``, ``reports/trades_summary.json``, ``reports/backtest_report.txt``, and of a
        portfolio ``plots/weights.png`` and ``reports/weights.parquet`` (see
        :func:`peak_fast.report.holdings.weights_parquet`). Without Pillow and Matplotlib pictures are left out, with
        a warning.

    Raises
    ------
    ConfigError
        No equity in ``source``, or arrays of different length.
    """
    payload = payload_of(source)
    stats, metadata = payload.get("stats") or {}, payload.get("metadata") or {}
    summary = trades_summary(payload.get("trades"), stats, time_us=payload.get("time_us"))
    files: dict[str, bytes] = {}
    pictures: dict[str, Callable[[], bytes]] = {
        EQUITY_PNG: partial(render_equity_png, payload, engine=engine)
    }
    if payload.get("holdings") is not None:
        pictures[WEIGHTS_PNG] = partial(render_weights_png, payload)
    for name, draw in pictures.items():
        try:
            files[name] = draw()
        except MissingDependencyError as error:
            warnings.warn(f"{name} is left out: {error}", stacklevel=2)
    files[TRADES_JSON] = dump_json(summary).encode()
    files[REPORT_TXT] = report_text(stats, metadata, summary).encode()
    if payload.get("holdings") is not None:
        files[WEIGHTS_PARQUET] = weights_parquet(
            payload["holdings"], payload["symbols"], payload.get("time_us"), payload.get("time_zone")
        )
    if sheet:
        files[TEARSHEET_HTML] = tear_sheet(source).encode()
    return files
