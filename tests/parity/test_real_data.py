"""Every bar file of the oracle folder loads, passes all checks and keeps its values."""

import numpy as np
import polars as pl
import pytest

from peak_fast.data import Bars, load
from peak_fast.errors import DataError

PRICES = ("open", "high", "low", "close")


@pytest.fixture(scope="module")
def bar_files(oracles):
    """Paths of all Parquet files with the four price columns."""
    folder = oracles / "data"
    found = sorted(folder.glob("*.parquet"))
    files = [file for file in found if set(PRICES) <= set(pl.read_parquet_schema(file))]
    if not files:
        pytest.skip(f"no bar files in {folder}")
    return files


def is_panel(file):
    return "symbol" in pl.read_parquet_schema(file)


def single(bar_files):
    return [file for file in bar_files if not is_panel(file)]


def assert_matches(bars, frame):
    """Bars carry the values of a Polars frame, compared column by column."""
    missing = np.zeros(frame.height, dtype=bool)
    for name in PRICES:
        missing |= np.isnan(frame[name].fill_null(np.nan).to_numpy())
    assert len(bars) == frame.height
    assert bars.n_invalid == int(missing.sum())
    for name in PRICES:
        expected = np.where(missing, np.nan, frame[name].to_numpy())
        np.testing.assert_array_equal(getattr(bars, name), expected)
    np.testing.assert_array_equal(bars.time_us, frame["timestamp"].dt.epoch("us").to_numpy())
    np.testing.assert_array_equal(bars.volume, frame["volume"].to_numpy())


def test_single_files_load_unrepaired(bar_files):
    for file in single(bar_files):
        bars = load(file)
        assert bars.repaired == {}
        assert bars.name == file.stem
        assert_matches(bars, pl.read_parquet(file))


def test_every_symbol_of_a_panel_loads(bar_files):
    for file in filter(is_panel, bar_files):
        for (symbol,), frame in pl.read_parquet(file).group_by("symbol", maintain_order=True):
            bars = Bars.from_frame(frame, name=symbol)
            assert_matches(bars, frame)
            filled = bars.mark[~np.isnan(bars.close)]
            np.testing.assert_array_equal(filled, bars.close[~np.isnan(bars.close)])
            assert not np.isnan(bars.mark[1:]).any() or np.isnan(bars.close[0])


def test_a_whole_panel_is_refused_with_a_hint(bar_files):
    for file in filter(is_panel, bar_files):
        if pl.read_parquet(file)["symbol"].n_unique() > 1:
            with pytest.raises(DataError, match=r"column 'symbol' holds \d+ symbols"):
                load(file)


def test_periods_per_year_fit_the_step(bar_files):
    """Daily files give 252 or 365, monthly 12; intraday files no more than every step of a year and no fewer
    than the number of bars they really hold per year."""
    day = 86_400_000_000
    for file in single(bar_files):
        bars = load(file)
        steps = np.diff(bars.time_us)
        step = float(np.median(steps))
        value = bars.periods_per_year
        if step == day:
            weekend = ((bars.time_us // day + 3) % 7 >= 5).any()
            assert value == (365.0 if weekend else 252.0), file.name
        elif step > 27 * day:
            assert value == 12.0, file.name
        else:
            assert value <= 365.25 * day / steps.min(), file.name
            per_year = (len(bars) - 1) / (bars.time_us[-1] - bars.time_us[0]) * day * 365.25
            assert value >= 0.9 * per_year, file.name


def test_formats_and_frames_agree(bar_files, tmp_path):
    """The smallest files through CSV, Feather, pandas and Arrow give the same hash."""
    pandas = pytest.importorskip("pandas")
    for file in sorted(single(bar_files), key=lambda file: file.stat().st_size)[:4]:
        expected = load(file).hash
        frame = pl.read_parquet(file)
        frame.write_csv(tmp_path / "bars.csv")
        frame.write_ipc(tmp_path / "bars.feather")
        assert load(tmp_path / "bars.csv").hash == expected
        assert load(tmp_path / "bars.feather").hash == expected
        table = frame.to_arrow()
        assert Bars.from_frame(table).hash == expected
        indexed = table.to_pandas().set_index("timestamp")
        assert isinstance(indexed.index, pandas.DatetimeIndex)
        assert Bars.from_frame(indexed).hash == expected


def test_injected_faults_are_found_in_real_data(bar_files):
    """Faults that the real files do not have: a repeated time, a backward step, a price outside its bar."""
    for file in single(bar_files):
        frame = pl.read_parquet(file)
        row = frame.height // 2
        with pytest.raises(DataError, match=f"row {row + 1} .* repeats the time of row {row}"):
            Bars.from_frame(pl.concat([frame[: row + 1], frame[row:]]))
        with pytest.raises(DataError, match=f"row {row} .* is earlier than row {row - 1}"):
            Bars.from_frame(pl.concat([frame[:row], frame[: frame.height - row]]))
        high = frame["high"].to_numpy().copy()
        for column in ("open", "close"):
            values = frame[column].to_numpy().copy()
            values[row] = high[row] * 1.01
            with pytest.raises(DataError, match=rf"column '{column}': row {row} .* outside low"):
                Bars.from_frame(frame.with_columns(pl.Series(column, values)))
            clipped = Bars.from_frame(frame.with_columns(pl.Series(column, values)), repair="clip")
            assert getattr(clipped, column)[row] == high[row]
