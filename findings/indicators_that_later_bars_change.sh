#!/usr/bin/env bash
# ta, finta, pandas-ta-classic: indicators whose old values change when bars are added.
#
# Why it matters: such a value was not there on the day it is dated. A backtest on it trades with knowledge of the future, and
# live it gives other signals. Each indicator is computed on 250 bars and on the same 250 with 50 more behind them.
#
# Versions: ta 0.11.0, finta 1.3, pandas-ta-classic 0.8.32, pandas 3.1.1
# Guessed: only what is known for it: the detrended price oscillator, the Ichimoku lagging span, fractals.
# Seen:    also ta's KST (its warm-up is filled with the mean of the whole series, so rows 14 to 51 depend on the last price) and
#          visual Ichimoku; finta's stochastic RSI (scaled by the extremes of the whole series: all rows) and QSTICK; and
#          pandas-ta-classic's tos_stdevall (all rows).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check ta==0.11.0 finta==1.3 pandas-ta-classic==0.8.32 pandas==3.1.1 numpy==2.4.6

cat > program.py <<'PROGRAM'
import inspect
import warnings

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
import pandas_ta_classic
import ta
from finta import TA

random = np.random.default_rng(1)
close = 100 * np.exp(np.cumsum(random.normal(0.0005, 0.01, 300)))
opening = np.r_[100, close[:-1]]
bars = pd.DataFrame(
    {
        "open": opening,
        "high": np.maximum(opening, close) * 1.005,
        "low": np.minimum(opening, close) * 0.995,
        "close": close,
        "volume": random.integers(100, 1000, 300).astype(float),
    },
    index=pd.bdate_range("2023-01-02", periods=300),
)
CUT = 250


def tables(found):
    return [pd.DataFrame(part) for part in (found if isinstance(found, tuple) else (found,)) if part is not None]


def report(library, name, compute):
    """Print the columns whose rows before CUT are others when the bars after CUT are there too."""
    try:
        whole, part = tables(compute(bars.copy())), tables(compute(bars.iloc[:CUT].copy()))
    except Exception:
        return  # needs more arguments, or does not work with this pandas
    for long, short in zip(whole, part):
        for column in long.columns.intersection(short.columns):
            a = pd.to_numeric(long[column], errors="coerce").reindex(bars.index[:CUT])
            b = pd.to_numeric(short[column], errors="coerce").reindex(bars.index[:CUT])
            rows = np.flatnonzero(~np.isclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True))
            if len(rows):
                print(f"{library} {name} {column}: {len(rows)} rows, the first is row {rows[0]}")


report("ta", "all", lambda df: ta.add_all_ta_features(df, "open", "high", "low", "close", "volume").drop(columns=bars.columns))
for name in [name for name in dir(TA) if name.isupper()]:
    report("finta", name, getattr(TA, name))
for name in sorted({name for names in pandas_ta_classic.Category.values() for name in names}):
    function = getattr(pandas_ta_classic, name)
    wanted = [word for word in inspect.signature(function).parameters if word.rstrip("_") in bars.columns]
    report("pandas_ta_classic", name, lambda df: function(**{word: df[word.rstrip("_")] for word in wanted}))
PROGRAM

cat > seen.txt <<'SEEN'
ta all trend_kst: 30 rows, the first is row 14
ta all trend_kst_sig: 38 rows, the first is row 14
ta all trend_kst_diff: 37 rows, the first is row 15
ta all trend_visual_ichimoku_a: 26 rows, the first is row 0
ta all trend_visual_ichimoku_b: 26 rows, the first is row 0
finta ICHIMOKU CHIKOU: 26 rows, the first is row 224
finta QSTICK 14 period QSTICK.: 14 rows, the first is row 236
finta STOCHRSI 14 period stochastic RSI.: 236 rows, the first is row 14
finta WILLIAMS_FRACTAL BearishFractal: 2 rows, the first is row 248
finta WILLIAMS_FRACTAL BullishFractal: 2 rows, the first is row 248
pandas_ta_classic dpo DPO_20: 11 rows, the first is row 239
pandas_ta_classic ichimoku ICS_26: 26 rows, the first is row 224
pandas_ta_classic tos_stdevall TOS_STDEVALL_LR: 250 rows, the first is row 0
pandas_ta_classic tos_stdevall TOS_STDEVALL_L_1: 250 rows, the first is row 0
pandas_ta_classic tos_stdevall TOS_STDEVALL_U_1: 250 rows, the first is row 0
pandas_ta_classic tos_stdevall TOS_STDEVALL_L_2: 250 rows, the first is row 0
pandas_ta_classic tos_stdevall TOS_STDEVALL_U_2: 250 rows, the first is row 0
pandas_ta_classic tos_stdevall TOS_STDEVALL_L_3: 250 rows, the first is row 0
pandas_ta_classic tos_stdevall TOS_STDEVALL_U_3: 250 rows, the first is row 0
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
