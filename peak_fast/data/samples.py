"""Bars without a file of one's own: real daily prices shipped with the package.

>>> from peak_fast.data import sample
>>> len(sample("AAPL"))
3270
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from peak_fast.errors import DataError, did_you_mean
from peak_fast.guard import guarded

if TYPE_CHECKING:
    from peak_fast.data.bars import Bars
    from peak_fast.data.panel import Panel

SAMPLE_SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")


@overload
def sample(symbol: Literal["panel"], adjust: bool = ...) -> Panel: ...  # type: ignore[overload-overlap]
@overload
def sample(symbol: str = ..., adjust: bool = ...) -> Bars: ...
@guarded
def sample(symbol: str = "AAPL", adjust: bool = True) -> Bars | Panel:
    """Real daily bars shipped with the package.

    AAPL, IBM and MSFT begin on 2000-03-01, GOOG on 2004-08-19, FB on 2012-05-18; all end on 2013-03-01. They
    come from Quandl WIKI Prices, which its publisher declared public domain
    (``peak_fast/datasets/ATTRIBUTION.md``).

    Parameters
    ----------
    symbol
        One of :data:`SAMPLE_SYMBOLS`, in any case; ``"panel"``: a `Panel` of all of them.
    adjust
        True: open, high, low and close times ``adj_close / close``, so that splits and dividends are no
        jumps. All four are multiplied by the same factor, which keeps their order; close may therefore differ
        from ``adj_close`` in the last bit. Volume stays as traded. False: prices as they were traded.

    Returns
    -------
    Bars or Panel
        Named after the symbol; ``source`` is a Polars frame with timestamp (UTC midnight of the trading day),
        open, high, low, close, volume, adj_close.

    Raises
    ------
    DataError
        Unknown symbol.
    """
    if symbol == "panel":
        from peak_fast.data.panel import Panel

        return Panel.from_frame({name: sample(name, adjust) for name in SAMPLE_SYMBOLS}, "sample")
    from importlib.resources import files
    from io import BytesIO

    import polars as pl

    from peak_fast.data.bars import Bars

    wanted = symbol.upper() if isinstance(symbol, str) else str(symbol)
    if wanted not in SAMPLE_SYMBOLS:
        raise DataError(f"no sample data for {symbol!r}; {did_you_mean(wanted, SAMPLE_SYMBOLS)}")
    packed = files("peak_fast").joinpath("datasets", "stocks.parquet").read_bytes()
    frame = pl.read_parquet(BytesIO(packed)).filter(pl.col("symbol") == wanted)
    factor = pl.col("adj_close") / pl.col("close") if adjust else pl.lit(1.0)
    frame = frame.select(
        pl.col("date").cast(pl.Datetime("us", "UTC")).alias("timestamp"),
        *(pl.col(name) * factor for name in ("open", "high", "low", "close")),
        pl.col("volume").cast(pl.Float64),
        pl.col("adj_close"),
    )
    frame = frame.rechunk()
    # The adjusted close is not passed over here: `adjust` has said what to do with it.
    prices = frame.drop("adj_close") if adjust else frame
    bars = Bars.from_frame(prices, name=wanted)
    object.__setattr__(bars, "_source", frame)
    return bars
