"""Panels of what is nearly right: the error says what it was and how to pass it, and that way exists."""

import numpy as np
import polars as pl
import pytest

from peak_fast import Bars, DataError, Panel, synthetic

pd = pytest.importorskip("pandas")


def prices(seed):
    return synthetic(20, seed=seed).to_polars()


def closes():
    return {
        name: prices(seed).to_pandas().set_index("timestamp")["close"] for seed, name in ((1, "A"), (2, "B"))
    }


@pytest.mark.parametrize(
    "values", [closes(), {"A": pl.Series([1.0, 2.0])}, {"A": np.ones(3)}, {"A": [1.0], "B": [2.0]}]
)
def test_a_column_for_each_asset(values):
    with pytest.raises(
        DataError,
        match=r"'A' is a (Series|ndarray|list), one column; expected a frame .*passed as .'close': frame",
    ):
        Panel.from_frame(values)


def test_the_way_that_the_message_names():
    panel = Panel.from_frame({"close": pd.DataFrame(closes())})
    assert panel.symbols == ("A", "B")
    np.testing.assert_array_equal(panel["B"].close, prices(2)["close"].to_numpy())


def test_frames_and_a_column():
    with pytest.raises(DataError, match=r"'B' is a Series, one column"):
        Panel.from_frame({"A": prices(1), "B": closes()["B"]})


def test_a_long_frame_as_a_dict_of_columns_is_read():
    long = pl.concat([prices(seed).with_columns(symbol=pl.lit(name)) for seed, name in ((1, "A"), (2, "B"))])
    assert Panel.from_frame({name: long[name] for name in long.columns}).symbols == ("A", "B")
    named = long.rename({"symbol": "who"})
    columns = {name: named[name].to_numpy() for name in named.columns}
    assert Panel.from_frame(columns, symbol_column="who").symbols == ("A", "B")


def test_a_second_repair_is_added_to_the_first():
    """Following the messages one after the other ends with a panel, and with bars."""
    one = prices(1)
    wrong = pl.concat([one, one[5:6].with_columns(close=pl.col("high") * 2)])
    repair = None
    for name, wanted in (
        ("sort", "'sort'"),
        ("drop", "('sort', 'drop')"),
        ("clip", "('drop', 'sort', 'clip')"),
    ):
        for make in (
            Bars.from_frame,
            lambda frame, repair: Panel.from_frame({"A": frame, "B": one}, repair=repair),
        ):
            with pytest.raises(DataError) as error:
                make(wrong, repair=repair)
            assert f"pass repair={name!r}" in str(error.value) and f"repair={wanted}" in str(error.value)
        repair = (*(repair or ()), name)
    assert Panel.from_frame({"A": wrong, "B": one}, repair=repair).symbols == ("A", "B")
