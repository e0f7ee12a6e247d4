"""Paths of a backtest's artifacts within a run."""

EQUITY_PNG = "plots/equity_curve.png"
WEIGHTS_PNG = "plots/weights.png"
TRADES_JSON = "reports/trades_summary.json"
REPORT_TXT = "reports/backtest_report.txt"
TEARSHEET_HTML = "reports/tearsheet.html"
WEIGHTS_PARQUET = "reports/weights.parquet"
