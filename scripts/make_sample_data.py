"""Regenerate ``peak_fast/datasets/stocks.parquet`` from the PyPI package ``bokeh_sampledata``.

Usage: ``pip install bokeh_sampledata==2026.1`` into a separate environment that also has Polars, then
``python scripts/make_sample_data.py``. The prices are kept as they are supplied, in float64.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

import polars as pl

EXPECTED_VERSION = "2026.1"
SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
TARGET = Path(__file__).resolve().parent.parent / "peak_fast" / "datasets" / "stocks.parquet"


def stocks_frame() -> pl.DataFrame:
    """All five series in long form: symbol, date, open, high, low, close, volume, adj_close."""
    from bokeh_sampledata import stocks

    parts = []
    for symbol in SYMBOLS:
        part = pl.DataFrame(getattr(stocks, symbol)).with_columns(
            pl.lit(symbol).alias("symbol"),
            pl.col("date").str.to_date("%Y-%m-%d"),
            pl.col("volume").cast(pl.Int64),
        )
        parts.append(part.select("symbol", "date", "open", "high", "low", "close", "volume", "adj_close"))
    return pl.concat(parts).sort("symbol", "date")


def main() -> None:
    """Write the file under a temporary name, then move it into place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=TARGET, help="file to write")
    out: Path = parser.parse_args().out
    found = version("bokeh_sampledata")
    if found != EXPECTED_VERSION:
        raise SystemExit(f"expected bokeh_sampledata {EXPECTED_VERSION}, got {found}: install that version")
    frame = stocks_frame()
    temporary = out.with_suffix(".tmp")
    frame.write_parquet(temporary, compression="zstd", compression_level=19, statistics=False)
    temporary.replace(out)
    print(f"{out}: {frame.height} rows, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
