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

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peak_fast.report.artifacts import render_artifacts
    from peak_fast.report.comparing import Comparison, compare
    from peak_fast.report.figure import equity_figure, figure_png, prepare_picture, render_equity_png
    from peak_fast.report.figure import for_notebooks as for_notebooks
    from peak_fast.report.glance import small_picture as small_picture
    from peak_fast.report.glance import sparkline as sparkline
    from peak_fast.report.holdings import named_columns as named_columns
    from peak_fast.report.holdings import weights_parquet as weights_parquet
    from peak_fast.report.holdings import with_few_symbols as with_few_symbols
    from peak_fast.report.holdings_figures import contributions_figure, turnover_figure, weights_figure
    from peak_fast.report.names import EQUITY_PNG, REPORT_TXT, TRADES_JSON
    from peak_fast.report.names import TEARSHEET_HTML as TEARSHEET_HTML
    from peak_fast.report.names import WEIGHTS_PARQUET as WEIGHTS_PARQUET
    from peak_fast.report.names import WEIGHTS_PNG as WEIGHTS_PNG
    from peak_fast.report.overview import overview_figure
    from peak_fast.report.payload import payload_of
    from peak_fast.report.plain import dump_json, json_safe
    from peak_fast.report.saving import drawn as drawn
    from peak_fast.report.saving import figure_format as figure_format
    from peak_fast.report.saving import save_figure as save_figure
    from peak_fast.report.sheet import tear_sheet, write_tear_sheet
    from peak_fast.report.text import report_text
    from peak_fast.report.trades import trade_columns as trade_columns
    from peak_fast.report.trades import trades_summary
    from peak_fast.report.weights_picture import render_weights_png as render_weights_png

__all__ = [
    "EQUITY_PNG",
    "REPORT_TXT",
    "TRADES_JSON",
    "Comparison",
    "compare",
    "contributions_figure",
    "dump_json",
    "equity_figure",
    "figure_png",
    "json_safe",
    "overview_figure",
    "payload_of",
    "prepare_picture",
    "render_artifacts",
    "render_equity_png",
    "report_text",
    "tear_sheet",
    "trades_summary",
    "turnover_figure",
    "weights_figure",
    "write_tear_sheet",
]

_HOMES = {
    "EQUITY_PNG": "names",
    "REPORT_TXT": "names",
    "TEARSHEET_HTML": "names",
    "TRADES_JSON": "names",
    "WEIGHTS_PARQUET": "names",
    "WEIGHTS_PNG": "names",
    "Comparison": "comparing",
    "compare": "comparing",
    "small_picture": "glance",
    "sparkline": "glance",
    "drawn": "saving",
    "dump_json": "plain",
    "equity_figure": "figure",
    "figure_format": "saving",
    "figure_png": "figure",
    "for_notebooks": "figure",
    "render_weights_png": "weights_picture",
    "named_columns": "holdings",
    "weights_parquet": "holdings",
    "with_few_symbols": "holdings",
    "contributions_figure": "holdings_figures",
    "turnover_figure": "holdings_figures",
    "weights_figure": "holdings_figures",
    "json_safe": "plain",
    "overview_figure": "overview",
    "payload_of": "payload",
    "prepare_picture": "figure",
    "render_artifacts": "artifacts",
    "render_equity_png": "figure",
    "report_text": "text",
    "save_figure": "saving",
    "tear_sheet": "sheet",
    "trade_columns": "trades",
    "trades_summary": "trades",
    "write_tear_sheet": "sheet",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
