"""Long Parquet files are read column by column where nothing is to decide, with what a frame gives."""

import numpy as np
import polars as pl
import pytest

from peak_fast import DataError, Panel, synthetic
from peak_fast.data import panel_parquet

PLAIN = synthetic(200, assets=7, seed=2, gaps=0.1).to_polars()


def changed(**columns):
    return PLAIN.with_columns(**columns)


TABLES = {
    "by symbol": PLAIN,
    "by time": PLAIN.sort("timestamp", "symbol"),
    "symbols backwards": PLAIN.sort("symbol", "timestamp", descending=[True, False]),
    "without volume": PLAIN.drop("volume"),
    "naive times": changed(timestamp=pl.col("timestamp").dt.replace_time_zone(None)),
    "dates": changed(timestamp=pl.col("timestamp").dt.date()),
    "categorical": changed(symbol=pl.col("symbol").cast(pl.Categorical)),
    "float32": changed(**{name: pl.col(name).cast(pl.Float32) for name in ("open", "high", "low", "close")}),
    "text times": changed(timestamp=pl.col("timestamp").dt.strftime("%Y-%m-%d")),
    "missing price": changed(close=pl.when(pl.int_range(pl.len()) == 30).then(None).otherwise("close")),
    "missing volume": changed(volume=pl.when(pl.int_range(pl.len()) == 30).then(None).otherwise("volume")),
    "missing symbol": changed(symbol=pl.when(pl.int_range(pl.len()) == 30).then(None).otherwise("symbol")),
    "own column": changed(funding=pl.col("close") / 2),
    "unfinished": changed(closed=pl.int_range(pl.len()) < pl.len() - 1),
    "one row": PLAIN.head(1),
}
LEAN = (
    "float32",
    "by symbol",
    "by time",
    "symbols backwards",
    "without volume",
    "naive times",
    "dates",
    "categorical",
    "text times",
    "one row",
)


@pytest.mark.parametrize("part", [3, 101, 2_000_000])
@pytest.mark.parametrize("kind", TABLES)
def test_the_panel_is_that_of_the_frame(kind, part, tmp_path, monkeypatch):
    monkeypatch.setattr(panel_parquet, "_PART", part)
    path = tmp_path / "long.parquet"
    rows = 60 if part == 3 else None  # each part is read anew
    TABLES[kind].head(rows or PLAIN.height).write_parquet(path)
    panel, expected = Panel.load(path), Panel.from_frame(pl.read_parquet(path))
    assert panel.hash == expected.hash and panel.symbols == expected.symbols
    assert panel.notes == expected.notes and panel.own_columns == expected.own_columns
    assert (panel.time_zone, panel.stamp, panel.n_bars) == (
        expected.time_zone,
        expected.stamp,
        expected.n_bars,
    )
    lean = panel_parquet.read_plain(path, panel_parquet.DEFAULTS, "union")
    assert (lean is not None) == (kind in LEAN)


WRONG = {
    "twice": (pl.concat([PLAIN, PLAIN.head(1)]), "repeats the time|is earlier"),
    "in no order": (PLAIN.sample(fraction=1.0, shuffle=True, seed=1), "is earlier than row"),
    "high below low": (
        changed(high=pl.when(pl.int_range(pl.len()) == 30).then(1e-6).otherwise("high")),
        "below low",
    ),
    "infinite": (changed(high=pl.when(pl.int_range(pl.len()) == 30).then(np.inf).otherwise("high")), "inf"),
    "negative volume": (changed(volume=-pl.col("volume")), "volume"),
    "no close": (PLAIN.drop("close"), "column 'close' is missing"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said_as_of_a_frame(kind, tmp_path):
    table, said = WRONG[kind]
    path = tmp_path / "long.parquet"
    table.write_parquet(path)
    with pytest.raises(DataError, match=said) as of_file:
        Panel.load(path)
    with pytest.raises(DataError) as of_frame:
        Panel.from_frame(pl.read_parquet(path))
    assert str(of_file.value) == str(of_frame.value)


def test_a_file_that_is_no_parquet_is_said(tmp_path):
    (tmp_path / "long.parquet").write_text("nothing")
    with pytest.raises(DataError, match=r"cannot be read as \.parquet"):
        Panel.load(tmp_path / "long.parquet")
