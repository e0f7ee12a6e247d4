"""Reports of a backtest: equity picture, trade statistics, text. Arrays in, bytes or data out.

Each function takes a ``BacktestResult``, or the plain arrays and dicts of a payload, so that the same code
runs in the caller's process and in the tracking writer. Imports of Matplotlib and Pillow happen inside.

Example
-------
>>> import numpy as np
>>> from peak_fast.report import render_artifacts
>>> files = render_artifacts({"time_us": None, "equity": np.array([100.0, 101.0, 99.0]), "trades": None})
>>> sorted(files)
['plots/equity_curve.png', 'reports/backtest_report.txt', 'reports/trades_summary.json']
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from peak_fast.errors import MissingDependencyError
from peak_fast.report.figure import Engine, equity_figure, figure_png, prepare_picture, render_equity_png
from peak_fast.report.html import html_report
from peak_fast.report.payload import payload_of
from peak_fast.report.plain import dump_json, json_safe
from peak_fast.report.text import report_text
from peak_fast.report.trades import trades_summary

__all__ = [
    "EQUITY_PNG",
    "REPORT_TXT",
    "TRADES_JSON",
    "dump_json",
    "equity_figure",
    "figure_png",
    "html_report",
    "json_safe",
    "payload_of",
    "prepare_picture",
    "render_artifacts",
    "render_equity_png",
    "report_text",
    "trades_summary",
]

EQUITY_PNG = "plots/equity_curve.png"
TRADES_JSON = "reports/trades_summary.json"
REPORT_TXT = "reports/backtest_report.txt"


def render_artifacts(source: Mapping[str, Any] | Any, *, engine: Engine = "auto") -> dict[str, bytes]:
    """The three artifacts of one backtest, by their path within a run.

    Parameters
    ----------
    source
        A payload (see :mod:`peak_fast.report.payload`) or a ``BacktestResult``.
    engine
        Renderer of the picture, see :func:`render_equity_png`.

    Returns
    -------
    dict of str to bytes
        ``plots/equity_curve.png``, ``reports/trades_summary.json``, ``reports/backtest_report.txt``. Without
        Pillow and Matplotlib the picture is left out, with a warning.

    Raises
    ------
    ConfigError
        No equity in ``source``, or arrays of different length.
    """
    payload = payload_of(source)
    stats, metadata = payload.get("stats") or {}, payload.get("metadata") or {}
    summary = trades_summary(payload.get("trades"), stats, time_us=payload.get("time_us"))
    files: dict[str, bytes] = {}
    try:
        files[EQUITY_PNG] = render_equity_png(payload, engine=engine)
    except MissingDependencyError as error:
        warnings.warn(f"{EQUITY_PNG} is left out: {error}", stacklevel=2)
    files[TRADES_JSON] = dump_json(summary).encode()
    files[REPORT_TXT] = report_text(stats, metadata, summary).encode()
    return files
