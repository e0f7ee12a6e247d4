"""Our indicators against TA-Lib's and vectorbt's numbers: every file, every column that is there.

A column's name is read as function and parameters (``MACD_12_26_9_signal``).  What is not compared, by rule:

* columns that ``agreement.json`` lists for a series: TA-Lib's own versions disagree there;
* bars from the first missing bar *inside* a series on (the versions disagree, ours has its own rule);
* bars that a stored unstable period hides;
* Metastock variants, which seed differently and which we do not offer.

TA-Lib computes a variance as ``E[x^2] - E[x]^2`` with running sums, so its own error is a share of the
squared price, not of the variance.  ``VAR`` and ``STDDEV`` are therefore compared as variances, with an
absolute tolerance of 1e-14 squared prices; test_indicators.py holds ours to exact arithmetic.
"""

import json
import re
from collections import Counter

import numpy as np
import polars as pl
import pytest

from peak_fast.indicators import functions as ta

RTOL = 1e-9
# Values near zero that are differences of large terms (a MACD at a crossing) have no relative accuracy of
# 1e-9 in any library; they are held to this share of the column's largest value.
NEAR_ZERO = 1e-11


def _number(text):
    return float(text.replace("p", "."))


# Pattern of the column name -> function of (frame of arrays, matched groups).
COLUMNS = {
    r"(SMA|EMA|WMA|DEMA|TEMA|KAMA|TRIMA|RSI)_(\d+)": lambda f, m: getattr(ta, m[0].lower())(
        f["close"], int(m[1])
    ),
    r"TRIX_(\d+)": lambda f, m: ta.trix(f["close"], int(m[0])),
    r"(STDDEV|MSTD)_(\d+)": lambda f, m: ta.std(f["close"], int(m[1])),
    r"MA_(\d+)": lambda f, m: ta.sma(f["close"], int(m[0])),
    r"VAR_(\d+)": lambda f, m: ta.var(f["close"], int(m[0])),
    r"ROC_(\d+)": lambda f, m: ta.roc(f["close"], int(m[0])),
    r"MOM_(\d+)": lambda f, m: ta.momentum(f["close"], int(m[0])),
    r"LINEARREG_(\d+)": lambda f, m: ta.linear_regression(f["close"], int(m[0])),
    r"LINEARREG_SLOPE_(\d+)": lambda f, m: ta.linear_regression_slope(f["close"], int(m[0])),
    r"TRANGE": lambda f, m: ta.true_range(f["high"], f["low"], f["close"]),
    r"(ATR|NATR|CCI|WILLR|ADX|ADXR)_(\d+)": lambda f, m: getattr(ta, m[0].lower())(
        f["high"], f["low"], f["close"], int(m[1])
    ),
    r"(PLUS_DI|MINUS_DI|DX)_(\d+)": lambda f, m: getattr(
        ta.directional(f["high"], f["low"], f["close"], int(m[1])), m[0].lower()
    ),
    r"(PLUS|MINUS)_DM_(\d+)": lambda f, m: getattr(
        ta.directional_movement(f["high"], f["low"], int(m[1])), m[0].lower()
    ),
    r"BB_(upper|mid|lower)": lambda f, m: _band(ta.bollinger(f["close"], 20, 2.0), m[0]),
    r"BB_(\d+)_([\dp]+)(?:_(\w+))?_(upper|mid|lower)": lambda f, m: _band(
        ta.bollinger(f["close"], int(m[0]), _number(m[1]), m[2] or "sma"), m[3]
    ),
    r"DONCHIAN_(\d+)_(upper|mid|lower)": lambda f, m: _band(
        ta.donchian(f["high"], f["low"], int(m[0])), m[1]
    ),
    r"MACD_(\d+)_(\d+)_(\d+)(?:_(signal|hist))?": lambda f, m: _line(
        ta.macd(f["close"], int(m[0]), int(m[1]), int(m[2])), m[3]
    ),
    r"MACDEXT_([a-z]+)_(\d+)_(\d+)_(\d+)(?:_(signal|hist))?": lambda f, m: _line(
        ta.macd(f["close"], int(m[1]), int(m[2]), int(m[3]), m[0]), m[4]
    ),
    r"MACDFIX_(\d+)(?:_(signal|hist))?": lambda f, m: _line(ta.macdfix(f["close"], int(m[0])), m[1]),
    r"STOCH_(\d+)_(\d+)_(\d+)_slow([kd])": lambda f, m: getattr(
        ta.stoch(f["high"], f["low"], f["close"], int(m[0]), int(m[1]), int(m[2])), m[3]
    ),
    r"STOCHF_(\d+)_(\d+)_fast([kd])": lambda f, m: getattr(
        ta.stochf(f["high"], f["low"], f["close"], int(m[0]), int(m[1])), m[2]
    ),
    r"AROON_(\d+)_(down|up)": lambda f, m: getattr(ta.aroon(f["high"], f["low"], int(m[0])), m[1]),
    r"MFI_(\d+)": lambda f, m: ta.mfi(f["high"], f["low"], f["close"], f["volume"], int(m[0])),
    r"CORREL_(\d+)_hl": lambda f, m: ta.correl(f["high"], f["low"], int(m[0])),
    r"OBV": lambda f, m: ta.obv(f["close"], f["volume"]),
    r"SAR": lambda f, m: ta.sar(f["high"], f["low"]),
}


def _band(bands, place):
    return bands.middle if place == "mid" else getattr(bands, place)


def _line(macd, part):
    return {None: macd.line, "signal": macd.signal, "hist": macd.histogram}[part]


def _ours(column, frame):
    """Our values for a column, or None where the name is not one of ours; and the number of hidden bars."""
    unstable = re.fullmatch(r"(.+)_unstable(\d+)", column)
    name, hidden = (unstable[1], int(unstable[2])) if unstable else (column, 0)
    for pattern, function in COLUMNS.items():
        match = re.fullmatch(pattern, name)
        if match:
            return np.array(function(frame, match.groups())), hidden
    return None, hidden


def _usable_bars(frame):
    """Bars up to the first NaN that comes after a valid bar."""
    bad = np.isnan(frame["close"])
    inside = bad & (np.cumsum(~bad) > 0)
    return int(np.argmax(inside)) if inside.any() else bad.size


def _hide(values, count):
    first = int(np.argmax(~np.isnan(values)))
    values[first : first + count] = np.nan


def _assert_equal(ours, expected, label, floor=0.0):
    assert np.array_equal(np.isnan(ours), np.isnan(expected)), f"{label}: other bars are NaN"
    valid = ~np.isnan(expected)
    if valid.any():
        floor = max(floor, NEAR_ZERO * np.abs(expected[valid]).max())
        np.testing.assert_allclose(ours[valid], expected[valid], rtol=RTOL, atol=floor, err_msg=label)


def _arrays(path):
    table = pl.read_parquet(path)
    numeric = [name for name, kind in table.schema.items() if kind.is_numeric()]
    return {name: table[name].cast(pl.Float64).to_numpy() for name in numeric}


INPUTS = {"open", "high", "low", "close", "volume"}


def _compare_file(path, inputs, disputed, tally):
    series, library = path.name.split(".")[:2]
    end = _usable_bars(inputs)
    for column, expected in _arrays(path).items():
        if column in INPUTS:
            continue
        if column in disputed:
            tally["disputed"] += 1
            continue
        ours, hidden = _ours(column, inputs)
        if ours is None:
            tally["not offered"] += 1
            continue
        if hidden:
            _hide(ours, hidden)
        floor = 0.0
        if column.startswith(("VAR", "STDDEV", "MSTD")):
            floor = 1e-14 * np.nanmax(inputs["close"][:end]) ** 2
            if not column.startswith("VAR"):
                ours, expected = ours**2, expected**2
        _assert_equal(ours[:end], expected[:end], f"{series} {library} {column}", floor)
        tally["compared"] += 1


def test_every_talib_column(oracles):
    folder = oracles / "metrics" / "indicators"
    files = sorted(folder.glob("*.talib*.parquet"))
    if not files:
        pytest.skip(f"no TA-Lib files in {folder}")
    agreement_file = folder / "agreement.json"
    agreement = json.loads(agreement_file.read_text()) if agreement_file.exists() else {}
    tally = Counter()
    for path in files:
        disputed = agreement.get(path.name.split(".")[0], {}).get("differing", {})
        _compare_file(path, _arrays(path), disputed, tally)
    print(f"\nTA-Lib: {len(files)} files, {dict(tally)}")
    assert tally["compared"] >= 0.8 * sum(tally.values())
    assert tally["compared"] >= 20 * len(files)


def test_vectorbt_columns_with_the_same_convention(oracles):
    """vectorbt's files hold no prices: they are those of the TA-Lib file of the same series.

    Its RSI, ATR, MACD and true range follow other conventions and have other names there.
    """
    folder = oracles / "metrics" / "indicators"
    tally = Counter()
    for path in sorted(folder.glob("*.vectorbt.parquet")):
        prices = sorted(folder.glob(f"{path.name.split('.')[0]}.talib*.parquet"))
        if prices:
            _compare_file(path, _arrays(prices[0]), {}, tally)
    if not tally:
        pytest.skip(f"no vectorbt files in {folder}")
    print(f"\nvectorbt: {dict(tally)}")
    assert tally["compared"] >= 4
